"""Who may read, who is let in, and what an answer must never hold."""

import re
from collections.abc import Mapping

import pytest
from contract.caller import Answer, Caller
from contract.counter import STRANGER, Counter

ROUTES = ("/counter", "/badge.svg", "/health", "/stats", "/report")
MARK = "qzxjqzxjmark"
"""A word that no answer has by itself."""

INNARDS = re.compile(
    r"traceback|file \"|\.py\b|line \d+|exception|stack|"  # Python's
    r"bucket|namespace|object ?storage|ocid1\.|oraclecloud|\boci\b|"  # Oracle's
    r"dynamo|boto|arn:|amazonaws|lambda|"  # Amazon's
    r"table storage|windows\.net|azure|odata",  # Microsoft's
    re.IGNORECASE,
)
"""What would tell a stranger how the counter is made and where it keeps its document."""

GUESSES: Mapping[str, Mapping[str, str]] = {
    "nothing": {},
    "empty": {"Authorization": "Bearer "},
    "wrong": {"Authorization": "Bearer wrong"},
    "None": {"Authorization": "Bearer None"},
    "very long": {"Authorization": "Bearer " + "x" * 3000},
    "Basic": {"Authorization": "Basic d3Jvbmc6d3Jvbmc="},
    "cookie": {"Cookie": "token=wrong"},
}

FORGED: Mapping[str, Mapping[str, str]] = {
    "the method": {"X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST", "X-Method-Override": "POST"},
    "the path": {"X-Original-URL": "/v1/stats", "X-Rewrite-URL": "/v1/stats", "X-Forwarded-Prefix": "/stats"},
    "the host": {"X-Forwarded-Host": f"{MARK}.invalid", "X-Forwarded-Proto": "ftp", "X-Forwarded-Port": "1"},
    "the visitor": {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "True-Client-IP": "::1"},
    "Oracle": {"Fn-Http-Request-Url": "/stats", "Fn-Http-Method": "POST", "Oci-Subject-Id": "me"},
    "Amazon": {"X-Amzn-Trace-Id": MARK, "X-Amz-Invocation-Type": "RequestResponse", "X-Apigateway-Event": "{}"},
    "Microsoft": {"X-MS-Client-Principal": "eyJhIjoxfQ==", "X-MS-Client-Principal-Id": "me"},
}


@pytest.fixture(scope="module")
def odd_answers(counter: Counter) -> list[Answer]:
    """Answers to looks with what cannot be used, each with the mark in it somewhere."""
    asks: list[tuple[str, bytes | None]] = [
        (f"/counter?peek=1&vid=%3C{MARK}%3E", None),
        (f"/counter?peek=1&skip={MARK}", None),
        (f"/counter?peek=1&as=%3C{MARK}%3E", None),
        ("/counter?peek=1", MARK.encode()),
        ("/counter?peek=1", f'{{"vid": "<{MARK}>", "skip": "{MARK}"}}'.encode()),
        ("/counter?peek=1", f'{{"{MARK}": 1}}'.encode()),
        ("/counter?peek=1&" + "&".join(f"{MARK}{number}=1" for number in range(60)), None),
    ]
    headers = {"Origin": f"https://{MARK}.invalid", "Referer": f"https://{MARK}.invalid/"}
    return [counter.ask(target, "POST", headers, body) for target, body in asks]


@pytest.fixture(scope="module")
def bad_answers(counter: Counter) -> list[Answer]:
    """Answers to what is wrong in many ways, each with the mark in it somewhere."""
    asks: list[tuple[str, str, bytes | None]] = [
        ("/counter", "POST", MARK.encode() * 2_000),
        (f"/badge.svg?metric={MARK}", "GET", None),
        (f"/{MARK}", "GET", None),
        (f"/counter?{MARK}", "PUT", None),
        (f"/stats?token={MARK}", "GET", None),
        (f"/report?token={MARK}", "POST", None),
    ]
    headers = {"Origin": f"https://{MARK}.invalid", "Referer": f"https://{MARK}.invalid/", "X-Request-Id": MARK}
    return [counter.ask(target, method, headers, body) for target, method, body in asks]


# Who may read the answer


@pytest.mark.parametrize("path", ROUTES)
def test_a_stranger_s_page(counter: Counter, path: str) -> None:
    """An origin that is not listed is never named: every page may read the answers, or this one may not."""
    named = counter.ask(f"{path}?peek=1", headers={"Origin": STRANGER}).header("Access-Control-Allow-Origin")

    assert named == "*" if counter.any_origin else named not in (None, "*", STRANGER)


def test_any_origin_is_what_the_owner_wants(owner: Caller, counter: Counter) -> None:
    """Every page may read the answers only where ALLOWED_ORIGINS says so."""
    assert counter.stats is not None
    assert counter.any_origin == (counter.stats["settings"]["ALLOWED_ORIGINS"] == "*")


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/counter?peek=1", 200),
        ("GET", "/badge.svg", 200),
        ("GET", "/stats", 401),
        ("POST", "/counter?vid=&peek=1", 200),
    ],
)
def test_a_listed_page(counter: Counter, method: str, path: str, status: int) -> None:
    """A listed origin may read every answer, errors too, and is named exactly once."""
    origin = "https://example.com" if counter.any_origin else counter.listed_origin
    if origin is None:
        pytest.skip("no listed origin is known: give the owner's TOKEN, or ORIGIN=https://your.page")
    answer = counter.still(lambda: counter.ask(path, method, {"Origin": origin}))

    assert answer.status == status
    assert answer.header("Access-Control-Allow-Origin") == ("*" if counter.any_origin else origin)


@pytest.mark.parametrize(
    "form", ["{}.evil.invalid", "{}/x", "{}:444", "{}, https://evil.invalid", "http://evil.invalid#{}"]
)
def test_a_page_that_looks_like_a_listed_one(counter: Counter, form: str) -> None:
    """An origin that only resembles a listed one is not named."""
    origin = form.format(counter.listed_origin or "https://example.com")
    named = counter.ask("/counter?peek=1", headers={"Origin": origin}).header("Access-Control-Allow-Origin")

    assert named == "*" if counter.any_origin else named not in (None, "*", origin)


def test_caches_know_that_origins_differ(counter: Counter) -> None:
    """Where the answer depends on the origin, Vary says so, with an origin and without."""
    for headers in ({}, {"Origin": STRANGER}):
        vary = ", ".join(counter.ask("/badge.svg", headers=headers).values("Vary")).lower()
        assert counter.any_origin or "origin" in vary


@pytest.mark.parametrize("path", ROUTES)
def test_a_preflight(counter: Counter, path: str) -> None:
    """A browser's preflight gets 204 without a body, on every path, and counts nothing."""
    asked = {"Origin": STRANGER, "Access-Control-Request-Method": "POST"}
    answer = counter.still(lambda: counter.ask(path, "OPTIONS", asked))

    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_what_pages_may_send(counter: Counter, method: str) -> None:
    """A page may send GET and POST, a JSON body, the owner's token, an older page's API key and other simple headers;
    every answer says so, whatever was asked for."""
    asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "x-evil"}
    answer = counter.ask("/counter?peek=1", method, {"Origin": STRANGER, **asked})

    if answer.ours:
        allowed = (answer.header("Access-Control-Allow-Headers") or "").lower().split(", ")
        methods = (answer.header("Access-Control-Allow-Methods") or "").split(", ")
        assert set(methods) == {"GET", "HEAD", "POST", "OPTIONS"}
        assert set(allowed) == {"authorization", "content-type", "x-api-key", "*"}
        assert method != "OPTIONS" or int(answer.header("Access-Control-Max-Age") or 0) > 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_no_cookies(counter: Counter, method: str) -> None:
    """No answer sets a cookie, or lets a page send any."""
    answer = counter.ask("/counter?peek=1", method, {"Origin": STRANGER})

    assert answer.values("Set-Cookie") == []
    assert answer.values("Access-Control-Allow-Credentials") == []


# Who is the owner


@pytest.mark.parametrize("guess", GUESSES)
def test_strangers_see_no_numbers(counter: Counter, guess: str) -> None:
    """Nobody sees the numbers without the owner's token, and everybody is told how to show it."""
    answer = counter.ask("/stats", headers=GUESSES[guess])

    assert answer.status == 401
    # What AWS's REST APIs make of the name; whether its other gateways do is not written anywhere.
    how = answer.header("WWW-Authenticate") or answer.header("x-amzn-remapped-WWW-Authenticate") or ""
    assert "bearer" in how.lower()
    assert answer.told.get("error") == "unauthorized"


@pytest.mark.parametrize("guess", ["nothing", "wrong"])
@pytest.mark.parametrize("method, path", [("HEAD", "/stats"), ("GET", "/report"), ("POST", "/report")])
def test_strangers_stay_outside(counter: Counter, method: str, path: str, guess: str) -> None:
    """Nobody sends a report, or learns whether he may, without the owner's token."""
    answer = counter.ask(path, method, GUESSES[guess])

    assert answer.status == 401
    assert answer.told.get("error") == (None if method == "HEAD" else "unauthorized")


@pytest.mark.parametrize("query", ["token=", "token", "token=wrong", "token=None", "TOKEN=wrong", "token=%00"])
def test_a_wrong_token_in_the_query(counter: Counter, query: str) -> None:
    """A wrong token in the query lets nobody in."""
    assert counter.ask(f"/stats?{query}").status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_lets_the_owner_in(owner: Caller, scheme: str) -> None:
    """The owner's token in the header lets him in, in any case of its scheme."""
    for form in ("{}", " {} "):
        answer = owner.ask("/stats", headers=owner.bearer(form, scheme))
        assert answer.status == 200


def test_the_token_in_the_query(owner: Caller, counter: Counter) -> None:
    """The owner's token in the query lets him in as well."""
    if not counter.alone:
        pytest.skip("a query ends up in the gateway's log: only with ALONE=yes")
    answer = owner.ask(owner.with_token("/stats"))
    assert answer.status == 200


def test_a_part_of_the_token_is_not_enough(owner: Caller) -> None:
    """The owner's token without its last character lets nobody in."""
    answer = owner.ask("/stats", headers=owner.shortened())
    assert answer.status == 401


@pytest.mark.parametrize("form", ["{}x", "x{}", "{0},{0}", "{0} {0}", '"{}"'])
def test_the_token_with_something_added(owner: Caller, form: str) -> None:
    """The owner's token with something added lets nobody in."""
    answer = owner.ask("/stats", headers=owner.bearer(form))
    assert answer.status == 401


@pytest.mark.parametrize("who", [*FORGED, "the intent"])
def test_forged_headers_let_nobody_in(counter: Counter, who: str) -> None:
    """Headers that speak for a gateway or a cloud make nobody the owner."""
    answer = counter.ask("/stats", headers=FORGED.get(who, {"Fn-Intent": "direct", "Fn-Invoke-Type": "detached"}))

    assert "days" not in answer.told
    assert answer.told.get("error") == "unauthorized"


@pytest.mark.parametrize("who", FORGED)
def test_forged_headers_change_nothing(counter: Counter, who: str) -> None:
    """Headers that speak for a gateway or a cloud change neither what is asked nor what is answered."""
    answer = counter.still(lambda: counter.ask("/counter?peek=1", headers=FORGED[who]))

    assert (answer.status, answer.told.get("reason")) == (200, "peek")
    assert MARK not in answer.body.decode()


# What every answer has


@pytest.mark.parametrize(
    "method, target",
    [
        ("GET", "/counter?peek=1"),
        ("HEAD", "/counter"),
        ("POST", "/counter?vid=%00&peek=1"),
        ("OPTIONS", "/counter"),
        ("GET", "/health"),
        ("GET", "/stats"),
        ("POST", "/report"),
        ("GET", "/badge.svg?metric=none"),
    ],
)
def test_no_cache_keeps_it(counter: Counter, method: str, target: str) -> None:
    """No cache keeps an answer, and no browser guesses its type."""
    answer = counter.ask(target, method)

    assert answer.header("Cache-Control") == "no-cache, no-store, must-revalidate"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert method == "OPTIONS" or answer.header("Content-Type") == "application/json"


@pytest.mark.parametrize("path", ROUTES)
def test_pages_of_every_policy_may_load_it(counter: Counter, path: str) -> None:
    """A page with Cross-Origin-Embedder-Policy may load every answer."""
    assert counter.ask(f"{path}?peek=1").header("Cross-Origin-Resource-Policy") == "cross-origin"


@pytest.mark.parametrize("path", ROUTES)
def test_every_answer_has_its_id(counter: Counter, path: str) -> None:
    """Every answer has an id of the form of a UUID, the same in its header and in its JSON."""
    answer = counter.ask(f"{path}?peek=1")

    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.header("X-Request-Id") or "")
    assert not answer.told or answer.told["requestId"] == answer.header("X-Request-Id")


def test_the_badge_is_not_guessed_at(counter: Counter) -> None:
    """No browser guesses the type of the badge."""
    assert counter.ask("/badge.svg").header("X-Content-Type-Options") == "nosniff"


def test_errors_have_one_form(bad_answers: list[Answer]) -> None:
    """Every error has a word for machines, a sentence for people, and the id of the call."""
    for answer in bad_answers:
        assert 400 <= answer.status < 500
        if answer.ours:
            assert set(answer.told) == {"ok", "status", "error", "message", "requestId"}
            assert (answer.told["ok"], answer.told["status"]) == (False, "error")
            assert re.fullmatch("[a-z_]+", answer.told["error"])


def test_nothing_that_was_sent_comes_back(bad_answers: list[Answer], odd_answers: list[Answer]) -> None:
    """No answer repeats what was sent: no id, query, body, path, origin or request id."""
    for answer in (*bad_answers, *odd_answers):
        assert not answer.ours or MARK not in answer.text


def test_errors_tell_nothing_of_the_inside(bad_answers: list[Answer]) -> None:
    """No error shows a stack, an exception, a vendor or a place of storage."""
    for answer in bad_answers:
        found = INNARDS.findall(answer.body.decode("utf-8", "replace")) if answer.ours else []
        assert found == []


def test_nobody_chooses_the_request_id(counter: Counter) -> None:
    """A request id that was sent is not taken over."""
    asked = {"X-Request-Id": MARK, "Fn-Call-Id": MARK, "X-Amzn-RequestId": MARK, "Traceparent": MARK}
    answer = counter.ask("/counter?peek=1", headers=asked)

    assert answer.header("X-Request-Id") != MARK
