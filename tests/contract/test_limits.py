"""What is too long, too odd or too much: refused or borne, and never counted by mistake."""

import pytest
from contract.counter import Counter, Visits

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

ODD_BODIES: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"junk", "body"),
    "half of it": (b'{"vid": "a', "body"),
    "a form": (b"vid=somebody", "body"),
    "a list": (b'["somebody"]', "body"),
    "a text": (b'"somebody"', "body"),
    "null": (b"null", "body"),
    "null bytes": (b"\0\0\0", "body"),
    "not UTF-8": (b"\xff\xfe\xfd", "body"),
    "deep": (b"[" * 10_000, "body"),
    "deep objects": (b'{"a":' * 3_000, "body"),
    "a huge number": (b'{"vid": ' + b"9" * 9_000 + b"}", "body"),
    "JSON for another counter": (b'{"id": "home", "count": 1}', "body"),
    "an id that is a number": (b'{"vid": 5}', "vid"),
    "an id that is true": (b'{"vid": true}', "vid"),
    "an id that is a list": (b'{"vid": ["a"]}', "vid"),
    "an id that is empty": (b'{"vid": ""}', "vid"),
    "nothing to skip": (b'{"skip": "everything"}', "skip"),
}


@pytest.mark.parametrize("kind", BAD_IDS)
def test_a_bad_id_is_left_out(counter: Counter, kind: str) -> None:
    """An id with other characters, or too long, is left out, and the answer says so."""
    answer = counter.still(lambda: counter.ask(f"/counter?peek=1&vid={BAD_IDS[kind]}", "POST"))

    assert not answer.ours or (answer.status, answer.told["ignored"]) == (200, ["vid"])


@pytest.mark.parametrize("kind", ODD_BODIES)
@pytest.mark.parametrize("sent_as", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_an_odd_body_is_left_out(counter: Counter, kind: str, sent_as: str) -> None:
    """A body that is no JSON object, or of which something cannot be used, is no error: the answer names it."""
    body, ignored = ODD_BODIES[kind]
    answer = counter.still(lambda: counter.ask("/counter?peek=1", "POST", {"Content-Type": sent_as}, body))

    assert (answer.status, answer.told["ignored"]) == (200, [ignored])


def test_a_view_is_not_lost_to_what_came_with_it(visits: Visits) -> None:
    """A page view counts whatever came with it, and the answer names what was ignored."""
    told = visits.odd.answer.told

    assert (visits.odd.answer.status, told["counted"], told["ignored"]) == (200, True, ["body", "vid"])


def test_too_large_a_body_is_refused(counter: Counter) -> None:
    """A body of more than 16 KB is refused and not counted."""
    body = b'{"vid": "a", "more": "' + b"x" * 17_000 + b'"}'
    answer = counter.still(lambda: counter.ask("/counter", "POST", {"Content-Type": "application/json"}, body))

    assert answer.status == 413
    assert not answer.ours or answer.told.get("error") == "too_large"


def test_many_parameters_are_borne(counter: Counter) -> None:
    """A query may have any number of parameters; fifty are read."""
    assert counter.ask("/counter?peek=1&" + "&".join(["a=b"] * 80)).status == 200


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
    bad_first = counter.still(lambda: counter.ask("/counter?peek=1&vid=&vid=somebody", "POST"))

    assert good_first.told.get("reason") == "peek"
    assert bad_first.told["ignored"] == ["vid"]


def test_letters_may_be_encoded(counter: Counter) -> None:
    """Percent-encoded letters are the letters."""
    assert counter.still(lambda: counter.ask("/counter?%70eek=%31", "POST")).told.get("reason") == "peek"
