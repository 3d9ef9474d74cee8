"""What the counter answers: cases and their answers."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from counting import NOW, Counter
from hypothesis import given, settings
from hypothesis import strategies as st

from counter.entrypoint import internal_error, unready
from counter.request import MAX_BODY, Request
from counter.settings import SettingsError
from counter.store import CorruptDocument, Misconfigured, NotPublished, StoreError, Unavailable

TOKEN = "a-token-of-the-owner-äöü"
VID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SALT = "salt-for-the-tests"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
FIRST = str(uuid.uuid5(uuid.NAMESPACE_OID, "call-1"))
"""What the answer to the first call is called."""

PERIODS = {name: {"count": 1, "visitors": 1} for name in ("today", "week", "month")}
STATUSES = {200, 204, 304, 400, 401, 404, 405, 413, 500, 503}


def bearer(token: str) -> dict[str, str]:
    """Return the header with the owner's token."""
    return {"Authorization": f"Bearer {token}"}


# Routes and methods


@pytest.mark.parametrize(
    "method, url, status",
    [
        ("GET", "/counter", 200),
        ("HEAD", "/counter", 200),
        ("POST", "/counter", 200),
        ("OPTIONS", "/counter", 204),
        ("PUT", "/counter", 405),
        ("DELETE", "/counter", 405),
        ("PATCH", "/counter", 405),
        ("TRACE", "/counter", 405),
        ("BREW", "/counter", 405),
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("OPTIONS", "/health", 204),
        ("POST", "/health", 405),
        ("GET", "/report", 401),
        ("POST", "/report", 401),
        ("OPTIONS", "/report", 204),
        ("HEAD", "/report", 405),
        ("PUT", "/report", 405),
        ("GET", "/", 404),
        ("GET", "", 404),
        ("GET", "/v1", 404),
        ("GET", "/counters", 404),
        ("GET", "/counter/more", 404),
        ("GET", "/Counter", 200),
        ("GET", "/v1/COUNTER/", 200),
        ("GET", "/%63ounter", 200),
        ("GET", "/Health", 200),
        ("GET", "/api/HttpVisitor", 200),
        ("POST", "/api/httpvisitor", 200),
        ("GET", "/t/app/visitor-counter", 200),
        ("GET", "/counter.json", 404),
        ("GET", "/favicon.ico", 404),
        ("GET", "/?/counter", 404),
        ("GET", "/no?x=/counter", 404),
        ("POST", "/nothing", 404),
        ("PUT", "/nothing", 404),
        ("OPTIONS", "/nothing", 204),
    ],
)
def test_every_route_and_method(method: str, url: str, status: int) -> None:
    """A route that is known with a method that is not says which ones are; everything else is not found."""
    answer = Counter().ask(url, method)

    allowed = {"counter": "GET, HEAD, POST, OPTIONS", "health": "GET, HEAD, OPTIONS", "report": "GET, POST, OPTIONS"}
    assert answer.status == status
    assert answer.headers.get("Allow") == (allowed[url.strip("/")] if status == 405 else None)
    if status >= 400 and method != "HEAD":
        told = json.loads(answer.body)
        assert told["error"] == {401: "unauthorized", 404: "not_found", 405: "method_not_allowed"}[status]
        assert set(told) == {"ok", "status", "error", "message", "requestId"}
        assert (told["ok"], told["status"]) == (False, "error")


@pytest.mark.parametrize("prefix", ["", "/v1", "/api", "/a/b/c", "/counter", "/v1/health", "https://host.example/v1"])
@pytest.mark.parametrize("end", ["", "/", "//", "?", "?a=b", "/?vid=x"])
def test_a_route_is_the_end_of_the_path(prefix: str, end: str) -> None:
    """Every gateway puts a prefix of its own in front; a slash at the end changes nothing."""
    status, told = Counter().told(f"{prefix}/counter{end}")

    assert (status, told["count"]) == (200, 1)


@pytest.mark.parametrize("url", ["/counter", "/health", "/nothing", "/report", "/counter?vid=no%20good"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
def test_what_every_answer_has(url: str, method: str) -> None:
    """No cache keeps it, no browser guesses its type, its id is in header and body; without a body where HTTP says."""
    answer = Counter().ask(url, method)

    names = [name.lower() for name in answer.headers]
    assert len(names) == len(set(names))
    assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"] == FIRST
    assert (answer.body == b"") is (method in ("HEAD", "OPTIONS"))
    if answer.body:
        assert json.loads(answer.body)["requestId"] == FIRST


def test_preflight_touches_no_storage() -> None:
    """OPTIONS is answered while the storage is down."""
    counter = Counter()
    counter.store.failure = Unavailable("down", in_doubt=False)

    assert counter.ask("/counter", "OPTIONS").status == 204
    assert counter.store.asked == []


# Visits


def test_a_visit_is_answered_with_the_totals() -> None:
    """The first page view of a browser, its second, and one without an id."""
    counter = Counter()
    told = [counter.told(url)[1] for url in (f"/counter?vid={VID}", f"/counter?vid={VID}", "/counter")]

    assert list(told[0].items()) == list(
        {
            "count": 1,
            "unique": 1,
            "ok": True,
            "status": "success",
            "counted": True,
            "updatedAt": int(NOW),
            "timestamp": "2026-09-21T14:13:20Z",
            **PERIODS,
            "requestId": FIRST,
        }.items()
    )
    assert [(one["count"], one["unique"]) for one in told] == [(1, 1), (2, 1), (3, 1)]
    assert counter.store.document is not None
    assert json.loads(counter.store.document[0])["seen"] == [hashlib.sha256(f"{SALT}:{VID}".encode()).hexdigest()]


@pytest.mark.parametrize(
    "vid",
    [
        "a",
        "A",
        "0",
        "-",
        "." * 128,
        VID,
        "A-Z_a.z:0-9",
        "%61bc",  # percent-decoded once
        "x&vid=%00",  # of a repeated one the first counts
        "x&vid=",
        "x;y=z"[:1],
        "x#fragment"[:1],
    ],
)
def test_a_good_vid_is_a_visitor(vid: str) -> None:
    """1 to 128 letters, digits, dots, underscores, colons and hyphens."""
    counter = Counter()

    assert counter.told(f"/counter?vid={vid}")[0] == 200
    assert counter.totals() == (1, 1)


BAD_VIDS = [
    "",
    "%20",
    "+",
    "a+b",
    "a%20b",
    "a" * 129,
    "%FF",
    "%C3%A4",
    "ä",
    "a%0A",
    "%0Aa",
    "a%00",
    "%2561",  # decoded once only: what is left is "%61"
    "a/b",
    "a,b",
    "a@b.example",
    "<script>",
    "%3Cscript%3E",
    "'",
    "a=b",
    "%D9%A3",  # a digit, but not of ours
    "%EF%BD%81",
    "a%E2%80%8B",
    "%",
    "%zz",
    "%ed%a0%80",
    "\ud800",
    "&vid=good",
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("vid", BAD_VIDS)
def test_a_bad_vid_is_left_out(vid: str, method: str) -> None:
    """The view counts without a visitor, and the answer names what was ignored, so that the owner can see it."""
    counter = Counter()
    status, told = counter.told(f"/counter?vid={vid}", method)

    assert (status, told["counted"], told["ignored"]) == (200, True, ["vid"])
    assert counter.totals() == (1, 0)


@pytest.mark.parametrize(
    "body, unique, ignored",
    [
        (b"", 0, None),
        (b"  \n", 0, None),
        (b"{}", 0, None),
        (b'{"vid": "anna"}', 1, None),
        (b'\xef\xbb\xbf{"vid": "anna"}', 1, None),
        ('{"vid": "anna"}'.encode("utf-16"), 1, None),
        (b'{"vid": "anna", "more": [1, {"vid": 2}]}', 1, None),
        (b'{"vid": null}', 0, None),
        (b'{"vid": "\\u0061"}', 1, None),
        (b'{"vid": ""}', 0, ["vid"]),
        (b'{"vid": " anna"}', 0, ["vid"]),
        (b'{"vid": "anna\\n"}', 0, ["vid"]),
        (b'{"vid": "\\ud800"}', 0, ["vid"]),
        (b'{"vid": 5}', 0, ["vid"]),
        (b'{"vid": true}', 0, ["vid"]),
        (b'{"vid": false}', 0, ["vid"]),
        (b'{"vid": 0}', 0, ["vid"]),
        (b'{"vid": ["anna"]}', 0, ["vid"]),
        (b'{"vid": {"a": 1}}', 0, ["vid"]),
        (b'{"vid": "anna", "skip": "everything"}', 1, ["skip"]),
        (b'{"vid": 5, "skip": 5, "peek": []}', 0, ["vid", "skip", "peek"]),
        # Meant for another counter, or not JSON at all.
        (b'{"VID": "anna"}', 0, ["body"]),
        (b'{"id": "home", "count": 1}', 0, ["body"]),
        (b"junk", 0, ["body"]),
        (b"vid=anna&page=%2F", 0, ["body"]),
        (b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--", 0, ["body"]),
        (b"[1]", 0, ["body"]),
        (b'"anna"', 0, ["body"]),
        (b"null", 0, ["body"]),
        (b"5", 0, ["body"]),
        (b'{"vid": "anna"', 0, ["body"]),
        (b'{"vid": "anna"} x', 0, ["body"]),
        (b"\xff\xfe\xfd", 0, ["body"]),
        (b"\0", 0, ["body"]),
        (b"[" * 10_000, 0, ["body"]),
        (b'{"vid": ' + b"9" * 9_000 + b"}", 0, ["body"]),
        (b"x" * MAX_BODY, 0, ["body"]),
    ],
)
@pytest.mark.parametrize("sent_as", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_no_body_loses_a_page_view(body: bytes, unique: int, ignored: list[str] | None, sent_as: str) -> None:
    """A POST counts whatever its body and content type are; what of it could not be used is named."""
    counter = Counter()
    status, told = counter.told("/counter", "POST", {"Content-Type": sent_as}, body)

    assert (status, told["counted"], told.get("ignored")) == (200, True, ignored)
    assert counter.totals() == (1, unique)


def test_only_too_large_a_body_is_refused() -> None:
    """More than 16 KB are not read, and the answer says so; the body of a GET is not looked at."""
    counter = Counter()
    for body in (b'{"vid": "anna", "x": "' + b"x" * MAX_BODY + b'"}', b" " * (MAX_BODY + 1)):
        status, told = counter.told("/counter?vid=ben", "POST", body=body)
        assert (status, told["error"]) == (413, "too_large")
        assert counter.told(None, body=body)[0] == 413
    assert counter.totals() == (0, 0)

    assert counter.told("/counter", "GET", body=b"x" * 20_000)[0] == 200
    assert counter.totals() == (1, 0)


def test_the_query_comes_before_the_body() -> None:
    """Where both name a visitor, the query does."""
    counter = Counter()
    counter.ask("/counter?vid=anna", "POST", body=b'{"vid": "ben"}')

    assert counter.told("/counter?vid=anna")[1]["unique"] == 1
    assert counter.told("/counter?vid=ben")[1]["unique"] == 2


def test_a_query_is_read_for_fifty_parameters() -> None:
    """What comes behind them costs nobody time, and loses no view."""
    assert Counter().told("/counter?" + "&".join(["a=b"] * 49) + "&vid=anna")[1]["unique"] == 1
    assert Counter().told("/counter?" + "&".join(["a=b"] * 50) + "&vid=anna")[1]["unique"] == 0
    assert Counter().told("/counter?" + "&".join(["a=b"] * 5000))[1]["counted"] is True


@pytest.mark.parametrize(
    "query, peeks",
    [
        ("peek=1", True),
        ("peek=true", True),
        ("peek=yes", True),
        ("peek", True),
        ("peek=", True),
        ("peek=1&peek=0", True),
        ("vid=no%20good&peek=1", True),
        ("peek=0", False),
        ("peek=false", False),
        ("peek=NO", False),
        ("Peek=1", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_peek_only_looks(query: str, peeks: bool, method: str) -> None:
    """`peek` reads the totals and counts nothing, with whatever id."""
    counter = Counter(b'{"count": 41}')
    status, told = counter.told(f"/counter?{query}", method)

    assert status == 200
    assert (told["count"], told["counted"], told.get("reason")) == ((41, False, "peek") if peeks else (42, True, None))
    assert counter.totals()[0] == (0 if peeks else 42)


@pytest.mark.parametrize(
    "body, peeks",
    [
        ({"peek": True}, True),
        ({"peek": 1}, True),
        ({"peek": "1"}, True),
        ({"peek": "true", "vid": 5}, True),
        ({"peek": False}, False),
        ({"peek": 0}, False),
        ({"peek": "0"}, False),
        ({"peek": None}, False),
        ({"peek": {}}, False),
    ],
)
@pytest.mark.parametrize("url", ["/counter", None])
def test_peek_in_the_body(body: dict[str, Any], peeks: bool, url: str | None) -> None:
    """In the body it means the same, and in a direct call."""
    counter = Counter(b'{"count": 41}')
    _, told = counter.told(url, "POST", body=json.dumps(body).encode())

    assert (told["count"], told.get("reason")) == ((41, "peek") if peeks else (42, None))


def test_head_only_looks() -> None:
    """HEAD counts nothing and has the headers of a read."""
    counter = Counter()

    assert counter.ask("/counter?vid=anna", "HEAD").status == 200
    assert counter.totals() == (0, 0)


def test_looking_at_nothing_yet() -> None:
    """Before the first visit the totals are zero, and nobody knows when they changed."""
    assert Counter().told("/counter?peek=1")[1] == {
        "count": 0,
        "unique": 0,
        "ok": True,
        "status": "success",
        "counted": False,
        "updatedAt": None,
        "timestamp": "2026-09-21T14:13:20Z",
        "today": {"count": 0, "visitors": 0},
        "week": {"count": 0, "visitors": 0},
        "month": {"count": 0, "visitors": 0},
        "reason": "peek",
        "requestId": FIRST,
    }


@pytest.mark.parametrize("method, counted", [("GET", False), ("HEAD", False), ("POST", True)])
def test_an_owner_may_want_get_to_be_safe(method: str, counted: bool) -> None:
    """With COUNT_ON=POST a GET only reads."""
    counter = Counter(COUNT_ON="POST")
    _, told = counter.told("/counter?vid=anna", method)

    assert counter.totals() == ((1, 1) if counted else (0, 0))
    assert method == "HEAD" or (told["counted"], told.get("reason")) == (counted, None if counted else "peek")


@pytest.mark.parametrize(
    "headers, reason",
    [
        ({"Sec-Purpose": "prefetch"}, "prefetch"),
        ({"Sec-Purpose": "prefetch;prerender"}, "prefetch"),
        ({"Sec-Purpose": "PREFETCH;anonymous-client-ip"}, "prefetch"),
        ({"Purpose": "prefetch"}, "prefetch"),
        ({"X-Purpose": "preview"}, "prefetch"),
        ({"X-Moz": "prefetch"}, "prefetch"),
        ({"Sec-Purpose": ""}, None),
        ({"Sec-Purpose": "other"}, None),
        ({"User-Agent": CRAWLER}, "crawler"),
        ({"User-Agent": CRAWLER, "Purpose": "prefetch"}, "prefetch"),
        ({"User-Agent": BROWSER}, None),
        ({"User-Agent": "curl/8.9.1"}, None),
        ({"User-Agent": "Wget/1.24.5"}, None),
        ({"User-Agent": "HTTPie/3.2.4"}, None),
        ({"User-Agent": "python-requests/2.32.3"}, None),
        ({"User-Agent": ""}, None),
        ({"User-Agent": "x" * 100_000}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_counted_says_why(headers: Mapping[str, str], reason: str | None, method: str) -> None:
    """Prefetches and crawlers get the totals and a reason; people with command-line tools are people."""
    counter = Counter(b'{"pageviews": 41, "uniqueVisitors": 7, "seen": []}')
    status, told = counter.told("/counter?vid=anna", method, headers)

    assert status == 200
    assert (told["count"], told["counted"], told.get("reason")) == (41 if reason else 42, reason is None, reason)
    assert counter.totals() == ((41, 7) if reason else (42, 8))


def test_what_is_not_counted_is_noted_by_day() -> None:
    """The owner sees how many visits were filtered, and whose, but nothing of them."""
    counter = Counter()
    counter.ask("/counter?vid=anna", headers={"User-Agent": CRAWLER})
    counter.ask("/counter?vid=ben", headers={"Sec-Purpose": "prefetch"})

    assert counter.store.document is not None
    content = json.loads(counter.store.document[0])
    assert content["days"]["2026-09-21"]["filtered"] == {"crawler": 1, "prefetch": 1}
    assert content["seen"] == []


@pytest.mark.parametrize(
    "allowed, origin, counts",
    [
        ("", "https://anybody.example", True),
        ("*", "null", True),
        ("https://mine.example", "https://mine.example", True),
        ("https://mine.example", "https://MINE.example:443", True),
        ("https://mine.example", None, True),
        ("https://mine.example", "", True),
        ("https://mine.example", "https://www.mine.example", False),
        ("https://mine.example", "http://mine.example", False),
        ("https://mine.example", "null", False),
        ("https://mine.example,null", "null", True),
    ],
)
def test_a_page_of_another_site_is_not_counted(allowed: str, origin: str | None, counts: bool) -> None:
    """Where origins are listed, a view from another is answered and not counted; one without an origin counts."""
    counter = Counter(ALLOWED_ORIGINS=allowed)
    status, told = counter.told("/counter?vid=anna", headers={"Origin": origin} if origin is not None else {})

    assert (status, told["counted"], told.get("reason")) == (200, counts, None if counts else "origin")
    assert counter.totals() == ((1, 1) if counts else (0, 0))


@pytest.mark.parametrize(
    "url, body", [("/counter", b'{"vid": "anna", "skip": "reload"}'), ("/counter?skip=reload", b"")]
)
def test_a_reload_is_not_counted_where_the_page_says_so(url: str, body: bytes) -> None:
    """The view is answered, with the reason, and noted for the owner."""
    counter = Counter()
    assert counter.told(url, "POST", body=body)[1]["reason"] == "reload"

    assert counter.store.document is not None
    assert json.loads(counter.store.document[0])["days"]["2026-09-21"]["filtered"] == {"reload": 1}


def test_an_owner_may_count_crawlers() -> None:
    """With IGNORE_CRAWLERS off they are visitors; a prefetch still is none."""
    counter = Counter(IGNORE_CRAWLERS="false")

    assert counter.told("/counter?vid=a", headers={"User-Agent": CRAWLER})[1]["counted"] is True
    assert counter.told("/counter?vid=a", headers={"Purpose": "prefetch"})[1]["reason"] == "prefetch"


@pytest.mark.parametrize(
    "headers, unique",
    [
        ({"Sec-GPC": "1"}, 0),
        ({"DNT": "1"}, 0),
        ({"DNT": " 1 "}, 0),
        ({"Sec-GPC": "1", "DNT": "0"}, 0),
        ({"DNT": "0"}, 1),
        ({"Sec-GPC": "0"}, 1),
        ({"Sec-GPC": ""}, 1),
        ({"DNT": "null"}, 1),
    ],
)
def test_who_asks_for_privacy_is_not_recognised(headers: Mapping[str, str], unique: int) -> None:
    """The page view counts, the id is not looked at: not hashed, not stored, not even checked."""
    counter = Counter()
    assert counter.told("/counter?vid=anna", headers=headers)[1]["counted"] is True
    assert counter.totals() == (1, unique)

    if not unique:
        assert "ignored" not in counter.told("/counter?vid=%FF", headers=headers)[1]
        assert "ignored" not in counter.told("/counter", "POST", headers, b'{"vid": 5}')[1]
        assert counter.totals() == (3, 0)


def test_the_day_is_the_owners() -> None:
    """The history is kept in the owner's time zone."""
    counter = Counter(TIMEZONE="Pacific/Kiritimati")
    counter.ask("/counter")

    assert counter.store.document is not None
    assert set(json.loads(counter.store.document[0])["days"]) == {"2026-09-22"}


def test_an_estimate_says_that_it_is_one() -> None:
    """Once the list of visitors is full, the answer says so, and not before."""
    counter = Counter(SEEN_LIMIT="2")
    told = [counter.told(f"/counter?vid=v{number}")[1] for number in range(4)]

    assert [one["unique"] for one in told] == [1, 2, 3, 4]
    assert ["uniqueIsEstimate" in one for one in told] == [False, False, True, True]
    assert told[3]["uniqueIsEstimate"] is True


# CORS


LISTED = "https://one.example, http://localhost:8080 ,null,https://Port.example:443/,https://m\u00fcnchen.example"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("url", ["/counter", "/counter?vid=%FF", "/health", "/report", "/nothing"])
@pytest.mark.parametrize(
    "allowed, origin, named",
    [
        (None, "https://any.example", "*"),
        (None, None, "*"),
        (None, "null", "*"),
        (LISTED, "https://one.example", "https://one.example"),
        (LISTED, "HTTPS://One.Example", "https://one.example"),
        (LISTED, "https://one.example:443", "https://one.example"),
        (LISTED, "http://localhost:8080", "http://localhost:8080"),
        (LISTED, "https://port.example", "https://port.example"),
        (LISTED, "https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"),
        (LISTED, "null", "null"),
        *(
            (LISTED, unlisted, "https://one.example")
            for unlisted in (
                None,
                "",
                "*",
                "https://two.example",
                "http://one.example",
                "http://one.example:443",
                "https://one.example.evil.example",
                "https://evil-one.example",
                "https://one.example, https://two.example",
                "https://one.example\r\nX-Evil: 1",
                "https://\ud800.example",
            )
        ),
    ],
)
def test_who_may_read_the_answer(method: str, url: str, allowed: str | None, origin: str | None, named: str) -> None:
    """A listed origin is named on every answer, in its listed spelling; to any other the first listed one; caches are
    told."""
    counter = Counter(ALLOWED_ORIGINS=allowed or "")
    headers = counter.ask(url, method, {"Origin": origin} if origin is not None else {}).headers

    assert headers["Access-Control-Allow-Origin"] == named
    assert headers.get("Vary") == ("Origin" if allowed else None)
    assert "Access-Control-Allow-Credentials" not in headers
    assert headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST, OPTIONS"
    assert headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, X-Api-Key, *"
    assert headers.get("Access-Control-Max-Age") == ("86400" if method == "OPTIONS" else None)


def test_nothing_a_preflight_asks_for_is_repeated() -> None:
    """Methods and headers are those that a page needs, whatever was asked for."""
    asked = {
        "Origin": "https://a.example",
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "x-evil-evil",
    }
    headers = Counter().ask("/v1/counter", "OPTIONS", asked).headers

    assert "x-evil" not in str(headers)
    assert "DELETE" not in str(headers)


# Older pages


@pytest.mark.parametrize(
    "paths, url, status",
    [
        ("ResumeSiteCounter", "/prod/resumesitecounter", 200),
        ("/prod/ResumeSiteCounter, hits", "/ResumeSiteCounter/", 200),
        ("/prod/ResumeSiteCounter, hits", "/Hits?vid=x", 200),
        ("/", "/", 200),
        ("/", "", 200),
        ("/", "/?vid=x", 200),
        ("/", "/v1", 200),
        ("/", "/v1/?vid=x", 200),
        ("/", "/green/v1/", 200),
        ("/", "/api/", 200),
        ("hits", "/v1/", 404),
        ("/", "/HttpVisitor", 404),
        ("hits", "/", 404),
        ("z\u00e4hler", "/z%C3%A4hler", 200),
        ("health", "/counter", 200),
    ],
)
def test_the_owner_names_further_addresses(paths: str, url: str, status: int) -> None:
    """COUNTER_PATHS are last segments that mean /counter, capital letters ignored; `/` is the bare address, also
    behind a gateway's prefix."""
    assert Counter(COUNTER_PATHS=paths).told(url)[0] == status


def test_a_further_address_takes_no_route_away() -> None:
    """A name that is a route already stays what it is."""
    assert Counter(COUNTER_PATHS="health").told("/health")[1]["status"] == "healthy"


def test_the_bare_number() -> None:
    """`as=number` is the count and nothing else, as JSON; it counts like any view."""
    counter = Counter(b'{"count": 41}')
    answer = counter.ask("/counter?as=number")

    assert (answer.body, answer.headers["Content-Type"]) == (b"42", "application/json")
    assert counter.ask("/counter?as=number&peek=1").body == b"42"


@pytest.mark.parametrize(
    "name", ["visits", "Visits", "value", "visitorCount", "Visit_Count", "visitor-counter", "Counter", "a" * 40]
)
def test_the_number_under_another_name(name: str) -> None:
    """`as=NAME` shows the count once more under that name, and leaves it the first member under its own."""
    told = Counter(b'{"count": 41}').told(f"/counter?as={name}")[1]

    assert (told[name], told["count"], next(iter(told))) == (42, 42, "count")
    assert "ignored" not in told


@pytest.mark.parametrize("name", ["ok", "count", "status", "today", "requestId", "unique"])
def test_a_name_the_answer_has_stays_what_it_is(name: str) -> None:
    """No name can put the number in the place of something else."""
    counter = Counter()
    assert counter.told(f"/counter?as={name}")[1].keys() == counter.told("/counter")[1].keys()


@pytest.mark.parametrize("name", ["", "1st", "_x", "__proto__", "a" * 41, "a b", "%3Cscript%3E", "%C3%A4", "a%0A"])
def test_a_name_that_is_none_is_ignored(name: str) -> None:
    """The view counts, and the answer names what was ignored."""
    told = Counter().told(f"/counter?as={name}")[1]

    assert (told["counted"], told["ignored"]) == (True, ["as"])


def test_a_badge_for_shields_io() -> None:
    """`as=shields` is the JSON that shields.io's endpoint badge reads, with nothing in it that is unknown there."""
    counter = Counter(b'{"count": 1234}')
    told = counter.told("/counter?as=shields&vid=anna&label=hits&color=green")

    assert told == (200, {"schemaVersion": 1, "label": "hits", "message": "1,234", "color": "#97ca00"})
    assert counter.store.asked == ["read"]


@pytest.mark.parametrize("form", ["number", "visits", "shields"])
def test_errors_stay_objects(form: str) -> None:
    """Whatever form a page asks for, an error is one of ours."""
    counter = Counter()
    counter.store.failure = Misconfigured("Check BUCKET.")

    assert counter.told(f"/counter?as={form}")[1]["error"] == "misconfigured"


# The owner


@pytest.mark.parametrize(
    "query, headers, status",
    [
        ("", bearer(TOKEN), 200),
        ("", {"Authorization": f"bearer {TOKEN}"}, 200),
        ("", {"Authorization": f"BEARER   {TOKEN}  "}, 200),
        ("?token=a-token-of-the-owner-%C3%A4%C3%B6%C3%BC", {}, 200),
        ("?token=a-token-of-the-owner-%C3%A4%C3%B6%C3%BC", {"Authorization": "Basic dTpw"}, 200),
        ("?token=a-token-of-the-owner-%C3%A4%C3%B6%C3%BC&token=x", {}, 200),
        ("", {}, 401),
        ("?token=", {}, 401),
        ("?token", {}, 401),
        ("?token=wrong", {}, 401),
        ("?token=x&token=a-token-of-the-owner-%C3%A4%C3%B6%C3%BC", {}, 401),
        ("?TOKEN=a-token-of-the-owner-%C3%A4%C3%B6%C3%BC", {}, 401),
        ("?token=" + "x" * 8000, {}, 401),
        ("?token=%FF", {}, 401),
        ("?token=\ud800", {}, 401),
        ("", bearer(""), 401),
        ("", bearer("wrong"), 401),
        ("", bearer(TOKEN[:-1]), 401),
        ("", bearer(TOKEN + "x"), 401),
        ("", bearer(TOKEN.upper()), 401),
        ("", bearer(f"{TOKEN},{TOKEN}"), 401),
        ("", bearer("x" * 100_000), 401),
        ("", bearer("\ud800"), 401),
        ("", bearer("ÿ☃"), 401),
        ("", {"Authorization": TOKEN}, 401),
        ("", {"Authorization": f"Bearer{TOKEN}"}, 401),
        ("", {"Authorization": f"Token {TOKEN}"}, 401),
        ("", {"Cookie": f"token={TOKEN}"}, 401),
        ("", {"X-Forwarded-Authorization": f"Bearer {TOKEN}"}, 401),
    ],
)
def test_the_owner_shows_the_token(query: str, headers: Mapping[str, str], status: int) -> None:
    """In the header, in any case of its scheme, or in the query; anything else is told what to send, and no report."""
    counter = Counter(REPORT_TOKEN=TOKEN)
    answer = counter.ask(f"/report{query}", "GET", headers)

    assert answer.status == status
    assert answer.headers.get("WWW-Authenticate") == ('Bearer realm="visitor-counter"' if status == 401 else None)
    assert len(counter.papers.published) == (status == 200)
    assert status == 200 or counter.store.asked == []


@pytest.mark.parametrize("headers", [{}, bearer(""), bearer("None"), bearer("<secret>"), bearer("null")])
@pytest.mark.parametrize("query", ["", "?token=", "?token=None"])
def test_without_a_token_nobody_is_the_owner(query: str, headers: Mapping[str, str]) -> None:
    """As long as REPORT_TOKEN is not set, nobody is let in, whatever he sends."""
    counter = Counter()

    assert counter.ask(f"/report{query}", "POST", headers).status == 401
    assert counter.papers.published == []


# Direct calls


@pytest.mark.parametrize(
    "body, status, shows",
    [
        (b"", 200, {"count": 1, "unique": 0, "counted": True}),
        (b" \n", 200, {"count": 1}),
        (b"{}", 200, {"count": 1}),
        (b'{"vid": "anna"}', 200, {"count": 1, "unique": 1}),
        (b'{"vid": null}', 200, {"count": 1, "unique": 0}),
        (b'{"path": "/counter", "vid": "anna"}', 200, {"count": 1, "unique": 1}),
        (b'{"path": "/v1/counter/"}', 200, {"count": 1}),
        (b'{"path": "counter"}', 200, {"count": 1}),
        (b'{"path": "/counter?vid=anna"}', 200, {"count": 1, "unique": 1}),
        (b'{"path": "/counter?vid=anna", "vid": "ben"}', 200, {"count": 1, "unique": 1}),
        (b'{"peek": true}', 200, {"count": 0, "reason": "peek"}),
        (b'{"peek": 1}', 200, {"count": 0, "reason": "peek"}),
        (b'{"peek": false}', 200, {"count": 1}),
        (b'{"peek": null}', 200, {"count": 1}),
        (b'{"path": "/counter", "httpMethod": "get"}', 200, {"count": 1}),
        (b'{"path": "/counter", "method": "POST"}', 200, {"count": 1}),
        (b'{"path": "/counter", "httpMethod": "POST", "body": "{\\"vid\\": \\"anna\\"}"}', 200, {"unique": 1}),
        (b'{"path": "/counter", "httpMethod": "POST", "body": {"vid": "anna"}}', 200, {"unique": 1}),
        (b'{"path": "/counter", "httpMethod": "POST", "body": null}', 200, {"count": 1}),
        (b'{"path": "/counter", "queryStringParameters": {"vid": "anna"}}', 200, {"unique": 1}),
        (b'{"path": "/counter", "queryStringParameters": {"vid": null}}', 200, {"count": 1, "unique": 0}),
        (b'{"path": "/counter", "queryStringParameters": {"peek": "1", "x": "&vid=a b"}}', 200, {"count": 0}),
        (b'{"path": "/counter", "queryStringParameters": null}', 200, {"count": 1}),
        (b'{"path": "/counter", "headers": {"a": 1}, "resource": "/{proxy+}"}', 200, {"count": 1}),
        (b'{"path": "/health"}', 200, {"status": "healthy", "counter_value": 0}),
        (b'{"path": "/report"}', 200, {"ok": True, "report": True}),
        (b'{"path": "/report", "httpMethod": "POST"}', 200, {"report": True}),
        (b'{"path": "/nothing"}', 404, {"ok": False, "error": "not_found"}),
        (b'{"path": ""}', 404, {"error": "not_found"}),
        (b'{"path": "/counter", "httpMethod": "DELETE"}', 405, {"error": "method_not_allowed"}),
        (b'{"path": "/counter", "httpMethod": ""}', 405, {"error": "method_not_allowed"}),
        (b'{"vid": "not good"}', 200, {"count": 1, "unique": 0, "ignored": ["vid"]}),
        (b'{"vid": ""}', 200, {"count": 1, "ignored": ["vid"]}),
        (b'{"vid": 5}', 200, {"count": 1, "unique": 0, "ignored": ["vid"]}),
        (b'{"vid": "\\ud800"}', 200, {"count": 1, "ignored": ["vid"]}),
        (b'{"vid": "anna", "skip": "reload"}', 200, {"count": 0, "reason": "reload"}),
        (b'{"path": "/counter", "vid": "anna", "skip": "reload"}', 200, {"count": 0, "reason": "reload"}),
        (b'{"path": "/counter", "httpMethod": "POST", "body": "\\ud800"}', 200, {"count": 1, "ignored": ["body"]}),
        (b'{"path": "/counter", "httpMethod": "POST", "body": "a=b"}', 200, {"count": 1, "ignored": ["body"]}),
        (b'{"path": "/\\ud800"}', 404, {"error": "not_found"}),
        (b'{"path": null}', 200, {"count": 1}),
        *(
            (body, 200, {"count": 1, "counted": True, "ignored": ["body"]})
            for body in (
                b'{"path": 5}',
                b'{"path": ["/counter"]}',
                b'{"path": "/counter", "httpMethod": 5}',
                b'{"path": "/counter", "queryStringParameters": "vid=anna"}',
                b'{"path": "/counter", "queryStringParameters": ["vid"]}',
                b'{"action": "report"}',
                b'{"Path": "/counter"}',
                b"junk",
                b"/report",
                b'["/counter"]',
                b'"/counter"',
                b"null",
                b"0",
                b"\xff\x00",
                b"{" * 5_000,
            )
        ),
        (b'{"vid": "' + b"x" * MAX_BODY + b'"}', 413, {"error": "too_large"}),
    ],
)
def test_a_direct_call(body: bytes, status: int, shows: dict[str, Any]) -> None:
    """Without a URL the body may name what is asked for; nothing means a visit, and who may call is the owner."""
    answered, told = Counter().told(None, "GET", body=body)

    assert (answered, {key: told.get(key) for key in shows}) == (status, shows)


# Errors


@pytest.mark.parametrize(
    "failure, status, word, more",
    [
        (Unavailable("Cannot be reached.", in_doubt=False), 503, "storage_unavailable", {"mayBeCounted": False}),
        (Misconfigured("Check BUCKET."), 500, "misconfigured", {}),
        (CorruptDocument("It is damaged (it is empty)."), 500, "damaged_document", {}),
    ],
)
@pytest.mark.parametrize("url", ["/counter?vid=anna", "/counter?peek=1", "/report"])
def test_what_the_storage_could_not_do(
    failure: StoreError, status: int, word: str, more: dict[str, Any], url: str
) -> None:
    """Each failure has a word, a safe sentence, and says whether to come back and whether the visit may count."""
    counter = Counter(REPORT_TOKEN=TOKEN)
    counter.store.failure = failure
    answer = counter.ask(url, "GET", bearer(TOKEN))

    assert answer.status == status
    assert json.loads(answer.body) == {
        "ok": False,
        "status": "error",
        "error": word,
        "message": str(failure),
        "requestId": FIRST,
        **more,
    }
    assert ("Retry-After" in answer.headers) is (status == 503)
    assert int(answer.headers.get("Retry-After", 1)) > 0


def test_a_visit_that_may_be_counted_says_so() -> None:
    """Where the storage did not say whether it wrote, the answer does not either."""
    counter = Counter(b'{"count": 1}')
    write = counter.store.write

    def silent(data: bytes, version: str | None, timeout: float) -> str:
        counter.store.failure = Unavailable("No answer.", in_doubt=True)
        return write(data, version, timeout)

    counter.store.write = silent  # type: ignore[method-assign]
    status, told = counter.told("/counter?vid=anna")

    assert (status, told["error"], told["mayBeCounted"]) == (503, "storage_unavailable", True)


def test_a_damaged_document_is_not_touched() -> None:
    """The answer is an error with the reason, every time, and what is stored stays as it is."""
    counter = Counter(b'{"count": "twelve"}')
    before = counter.store.document

    for url in ("/counter?vid=anna", "/counter?peek=1", "/counter"):
        status, told = counter.told(url)
        assert (status, told["error"]) == (500, "damaged_document")
        assert "count is not a number" in told["message"]
    assert counter.store.document == before
    assert counter.store.journal == {}


def test_a_healthy_counter() -> None:
    """/health tells the number and the time, and counts nothing."""
    counter = Counter(b'{"count": 12}')

    assert counter.told("/health") == (
        200,
        {
            "status": "healthy",
            "service": "visitor-counter",
            "database": "connected",
            "counter_value": 12,
            "timestamp": "2026-09-21T14:13:20Z",
            "requestId": FIRST,
        },
    )
    assert "write" not in counter.store.asked


@pytest.mark.parametrize(
    "failure",
    [
        Unavailable("Cannot be reached.", in_doubt=True),
        Misconfigured("Check BUCKET."),
        CorruptDocument("It is damaged."),
    ],
)
def test_an_unhealthy_counter(failure: StoreError) -> None:
    """Whatever is wrong with the storage, a monitor gets 503 and one safe sentence."""
    counter = Counter()
    counter.store.failure = failure
    answer = counter.ask("/health")

    told = json.loads(answer.body)
    assert (answer.status, told["status"], told["database"], told["error"]) == (
        503,
        "unhealthy",
        "error",
        str(failure),
    )
    assert told["timestamp"] == "2026-09-21T14:13:20Z"
    assert "counter_value" not in told
    assert "Retry-After" in answer.headers


def test_health_tells_what_should_not_stay() -> None:
    """The default salt is warned about, healthy or not; that a token can be guessed is nobody else's business."""
    counter = Counter(SALT="change-me", REPORT_TOKEN="letmein")
    healthy = counter.told("/health")[1]
    counter.store.failure = Misconfigured("Check BUCKET.")
    unhealthy = counter.told("/health")[1]

    for told in (healthy, unhealthy):
        assert [warning.split()[0] for warning in told["warnings"]] == ["SALT"]
        assert "TOKEN" not in str(told)
        assert "letmein" not in str(told)


@pytest.mark.parametrize(
    "problem, status, word",
    [
        (SettingsError("COUNT_ON must be GET or POST."), 500, "misconfigured"),
        (Misconfigured("Check BUCKET."), 500, "misconfigured"),
        (Unavailable("Cannot be reached.", in_doubt=False), 503, "storage_unavailable"),
    ],
)
@pytest.mark.parametrize(
    "url, body", [("/v1/health", b""), (None, b'{"path": "/health"}'), ("/counter", b""), (None, b"junk")]
)
def test_before_the_parts_are_together(
    problem: SettingsError | StoreError, status: int, word: str, url: str | None, body: bytes
) -> None:
    """A setting that cannot be understood is named at /health and in every other answer."""
    answer = unready(Request("GET", url, "the-id", 0.0, {}, body), problem, NOW)

    told = json.loads(answer.body)
    if b"health" in (url or "").encode() + body:
        assert (answer.status, told["status"], told["error"]) == (503, "unhealthy", str(problem))
    else:
        assert (answer.status, told["error"], told["message"]) == (status, word, str(problem))
    assert told["requestId"] == answer.headers["X-Request-Id"] == str(uuid.uuid5(uuid.NAMESPACE_OID, "the-id"))


def test_an_unexpected_error_tells_nothing() -> None:
    """What should never happen is answered without a word of what it was."""
    answer = internal_error(Request("GET", "/counter?secret", "the-id", 0.0))

    assert answer.status == 500
    assert json.loads(answer.body) == {
        "ok": False,
        "status": "error",
        "error": "internal_error",
        "message": "Something went wrong; the log says more.",
        "requestId": str(uuid.uuid5(uuid.NAMESPACE_OID, "the-id")),
    }


# The report


def test_the_report_is_published_once() -> None:
    """It has a title, a body with the totals and the current JSON, and the owner is told that it went out."""
    counter = Counter(b'{"pageviews": 1234, "uniqueVisitors": 56, "seen": []}', REPORT_TOKEN=TOKEN, SITE_NAME="Blog")
    status, told = counter.told("/v1/report", "POST", bearer(TOKEN))

    assert (status, told) == (200, {"ok": True, "report": True, "requestId": FIRST})
    ((title, body),) = counter.papers.published
    assert title.startswith("Blog")
    assert "\n" not in title
    assert "1234" in body.replace(",", "")
    assert "56" in body
    assert '"pageviews": 1234' in body


def test_a_report_without_a_topic() -> None:
    """Without a topic there is nowhere to send it, and the answer says so."""
    counter = Counter(topic=False, REPORT_TOKEN=TOKEN)
    status, told = counter.told("/report", headers=bearer(TOKEN))

    assert (status, told["error"]) == (500, "misconfigured")
    assert "nowhere to send" in told["message"]


@pytest.mark.parametrize("retry, status, word", [(True, 503, "not_published"), (False, 500, "misconfigured")])
def test_a_report_that_did_not_go_out(retry: bool, status: int, word: str) -> None:
    """Where trying again may help the answer says when; where it will not, what to correct."""
    counter = Counter(REPORT_TOKEN=TOKEN)
    counter.papers.failure = NotPublished("A safe sentence.", retry=retry)
    answer = counter.ask("/report", headers=bearer(TOKEN))

    told = json.loads(answer.body)
    assert (answer.status, told["error"]) == (status, word)
    assert "A safe sentence." in told["message"]
    assert ("Retry-After" in answer.headers) is retry


# Anything at all


LETTERS = "QZXJqzxj"  # in groups of eight they are in no answer of ours
PIECES = st.text(LETTERS, min_size=8, max_size=24)
FOREIGN = st.text(LETTERS + "%&=?/+#\"'<>\r\n\0ä\ud800☃ ", max_size=30)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT"]) | PIECES
PATHS = st.sampled_from(["/counter", "/v1/counter", "/health", "/report", "/stats", "/", ""])
NAMES = st.sampled_from(
    [
        "origin",
        "authorization",
        "user-agent",
        "sec-purpose",
        "dnt",
        "sec-gpc",
        "content-type",
        "x-forwarded-for",
        "if-none-match",
        "access-control-request-headers",
    ]
)
QUERIES = st.lists(
    st.tuples(st.sampled_from(["vid", "peek", "token", "metric"]) | PIECES, PIECES | FOREIGN), max_size=4
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))
INNER: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | PIECES | FOREIGN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PIECES, inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["path", "httpMethod", "method", "vid", "peek", "queryStringParameters", "body"]) | PIECES
BODIES = (
    st.binary(max_size=40)
    | PIECES.map(str.encode)
    | st.dictionaries(KEYS, INNER | PATHS | METHODS, max_size=4).map(lambda content: json.dumps(content).encode())
)
REFLECTED = re.compile(f"[{LETTERS}]{{8}}")


@settings(deadline=None, max_examples=50)
@given(
    METHODS,
    st.none() | st.tuples(PATHS | FOREIGN, QUERIES).map("?".join),
    st.dictionaries(NAMES, PIECES | FOREIGN | PIECES.map(lambda token: f"Bearer {token}"), max_size=4),
    BODIES,
    st.sampled_from([(b"", "*"), (b'{"count": 5}', "https://one.example"), (b'{"count": "QZXJQZXJQZXJ"}', "*")]),
)
def test_anything_gets_an_answer(
    method: str, url: str | None, headers: dict[str, str], body: bytes, kept: tuple[bytes, str]
) -> None:
    """Whatever is sent, the answer is one of ours, of JSON, with each header once, and repeats nothing of it."""
    stored, origins = kept
    counter = Counter(stored or None, REPORT_TOKEN=TOKEN, ALLOWED_ORIGINS=origins)
    answer = counter.ask(url, method, headers, body)

    assert answer.status in STATUSES
    assert len({name.lower() for name in answer.headers}) == len(answer.headers)
    for name, value in answer.headers.items():
        assert re.fullmatch(r"[A-Za-z-]+", name)
        assert value.isascii()
        assert value.isprintable()
    if answer.body:
        assert json.loads(answer.body)["requestId"] == answer.headers["X-Request-Id"]
    assert not REFLECTED.search(answer.body.decode("ascii") + str(dict(answer.headers)))
