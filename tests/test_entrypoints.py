"""One table of requests and answers, through every entrypoint: Oracle's, this machine's gateway, and the clouds'.

What a platform forbids, and so is not compared: the header Content-Length, and the casing of headers' names, which HTTP
does not know; behind a gateway of AWS, a header that came twice is one with commas, and its REST APIs call
WWW-Authenticate x-amzn-remapped-www-authenticate.
"""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from engines import CLOUDS, needed, ways

from clouds.oracle.laptop.serving import Serving
from local.entrypoint import HttpAnswer, HttpCall
from local.laptop import Hosting

TOKEN = "a-token-that-is-long-enough"
MINE = "https://mine.example"
CONFIG = {
    "SALT": "salt-for-the-tests",
    "REPORT_TOKEN": TOKEN,
    "ALLOWED_ORIGINS": f"{MINE},https://other.example",
    "SITE_NAME": "The site",
}
JSON = "application/json"
OWNER = {"Authorization": f"Bearer {TOKEN}"}
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Origin": MINE}
ALWAYS = {
    "content-type": JSON,
    "cache-control": "no-cache, no-store, must-revalidate",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "cross-origin",
    "vary": "Origin",
    "access-control-allow-origin": MINE,
    "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
    "access-control-allow-headers": "Authorization, Content-Type, X-Api-Key, *",
    "access-control-expose-headers": "X-Request-Id, Retry-After",
}
REMAPPED = "x-amzn-remapped-"
UNLIKE = {"x-request-id", "content-length", "date", "server", "etag"}


class Row(NamedTuple):
    """One request, and what everybody must answer. The body is JSON with its ids and moments taken out, or text."""

    rule: str
    method: str
    target: str
    status: int
    told: Any = None
    sent: Mapping[str, str] = {}
    body: bytes = b""
    headers: dict[str, str] = ALWAYS


def totals(count: int, unique: int, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """What /counter answers, on the day of the first visit."""
    told: dict[str, Any] = {"count": count, "unique": unique, "ok": True, "status": "success"}
    told |= {"counted": reason is None, "updatedAt": "#", "timestamp": "#"}
    told |= {period: {"count": count, "visitors": unique} for period in ("today", "week", "month")}
    return told | ({"reason": reason} if reason else {}) | more | {"requestId": "#"}


def refused(code: str, message: str) -> dict[str, Any]:
    """What an error answers."""
    return {"ok": False, "status": "error", "error": code, "message": message, "requestId": "#"}


NOT_FOUND = refused("not_found", "There is nothing here. Try /counter.")
NOT_ALLOWED = refused("method_not_allowed", "This method is not for this address.")
UNAUTHORIZED = refused("unauthorized", "This is for the owner: send Authorization: Bearer REPORT_TOKEN.")
CHALLENGE = ALWAYS | {"www-authenticate": 'Bearer realm="visitor-counter"'}
POSTED = {"Content-Type": JSON}

# A story: each row finds what those above it left.
ROWS = [
    Row("nothing is counted yet", "GET", "/counter?peek=1", 200, totals(0, 0, "peek", updatedAt=None)),
    Row("a first visit", "GET", "/counter?vid=anna", 200, totals(1, 1), BROWSER),
    Row("the same browser again", "GET", "/counter?vid=anna", 200, totals(2, 1), BROWSER),
    Row("somebody else", "GET", "/counter?vid=ben", 200, totals(3, 2)),
    Row("no id, no visitor", "GET", "/counter", 200, totals(4, 2)),
    Row("a prefix of a gateway's", "GET", "/any/prefix/counter/?vid=ben", 200, totals(5, 2)),
    Row("the id in a body", "POST", "/counter", 200, totals(6, 3), POSTED, b'{"vid":"carl"}'),
    Row("the id in the query of a POST", "POST", "/counter?vid=carl", 200, totals(7, 3)),
    Row("an id that needs decoding", "GET", "/counter?vid=%64ora%2Dx", 200, totals(8, 4)),
    Row("of two ids the first", "GET", "/counter?vid=anna&vid=nobody%20at%20all", 200, totals(9, 4)),
    Row("the longest id", "GET", f"/counter?vid={'x' * 128}", 200, totals(10, 5)),
    Row("a browser that asks for privacy", "GET", "/counter?vid=eve", 200, totals(11, 5), {"Sec-GPC": "1"}),
    Row("and the older way to ask", "GET", "/counter?vid=eve", 200, totals(12, 5), {"DNT": "1"}),
    Row("a prefetch", "GET", "/counter?vid=f", 200, totals(12, 5, "prefetch"), {"Sec-Purpose": "prefetch;prerender"}),
    Row("a crawler", "GET", "/counter?vid=g", 200, totals(12, 5, "crawler"),
        {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}),
    Row("a page of another site", "GET", "/counter?vid=h", 200, totals(12, 5, "origin"),
        {"Origin": "https://evil.example"}),
    Row("a reload", "POST", "/counter", 200, totals(12, 5, "reload"), POSTED, b'{"vid":"anna","skip":"reload"}'),
    Row("a command line is a person", "GET", "/counter", 200, totals(13, 5), {"User-Agent": "curl/8.5.0"}),
    Row("a peek", "GET", "/counter?peek=1&vid=new", 200, totals(13, 5, "peek")),
    Row("a peek in a body", "POST", "/counter", 200, totals(13, 5, "peek"), {"Content-Type": "text/plain"},
        b'{"vid":"new","peek":true}'),
    Row("no peek", "GET", "/counter?peek=0", 200, totals(14, 5)),
    Row("HEAD only looks", "HEAD", "/counter?vid=new", 200),
    Row("forged headers change nothing", "GET", "/counter?vid=anna", 200, totals(15, 5),
        {"X-Forwarded-For": "1.2.3.4", "X-HTTP-Method-Override": "DELETE", "X-Original-URL": "/report",
         "Fn-Http-Request-Url": "/report", "X-Amzn-Request-Context": "{}", "Cookie": "vid=zoe; a=b"}),
    # What cannot be used is left out, and the view counts.
    Row("it is decoded once", "GET", "/counter?vid=%2564ora", 200, totals(16, 5, ignored=["vid"])),
    Row("an empty id", "GET", "/counter?vid=", 200, totals(17, 5, ignored=["vid"])),
    Row("too long an id", "GET", f"/counter?vid={'x' * 129}", 200, totals(18, 5, ignored=["vid"])),
    Row("an id of odd characters", "GET", "/counter?vid=%00%3Cscript%3E", 200, totals(19, 5, ignored=["vid"])),
    Row("an id of other bytes", "GET", "/counter?vid=%ff%fe", 200, totals(20, 5, ignored=["vid"])),
    Row("a plus is a space", "GET", "/counter?vid=a+b", 200, totals(21, 5, ignored=["vid"])),
    Row("an id that is a number", "POST", "/counter", 200, totals(22, 5, ignored=["vid"]), POSTED, b'{"vid":5}'),
    Row("half a body", "POST", "/counter", 200, totals(23, 5, ignored=["body"]), POSTED, b'{"vid":'),
    Row("a form", "POST", "/counter", 200, totals(24, 5, ignored=["body"]),
        {"Content-Type": "application/x-www-form-urlencoded"}, b"vid=anna&x=%20"),
    Row("a form with files", "POST", "/counter", 200, totals(25, 5, ignored=["body"]),
        {"Content-Type": "multipart/form-data; boundary=x"},
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'),
    Row("a body that is no text", "POST", "/counter", 200, totals(26, 5, ignored=["body"]),
        {"Content-Type": "application/octet-stream"}, b"\xff\xfe\x00"),
    Row("a list", "POST", "/counter", 200, totals(27, 5, ignored=["body"]), POSTED, b"[1]"),
    Row("null", "POST", "/counter", 200, totals(28, 5, ignored=["body"]), POSTED, b"null"),
    Row("JSON for another counter", "POST", "/counter", 200, totals(29, 5, ignored=["body"]), POSTED, b'{"count":1}'),
    Row("too many parameters", "GET", "/counter?" + "a=b&" * 60, 200, totals(30, 5)),
    Row("too large a body", "POST", "/counter", 413, refused("too_large", "The body is too large."), POSTED,
        b'{"vid":"' + b"x" * 17_000 + b'"}'),
    # What older pages ask for.
    Row("capital letters", "GET", "/Counter", 200, totals(31, 5)),
    Row("an older name", "GET", "/HttpVisitor", 200, totals(32, 5)),
    Row("an older name and a form", "POST", "/visitor-counter?as=visits", 200, totals(33, 5, visits=33)),
    Row("the bare number", "GET", "/counter?as=number&peek=1", 200, 33),
    Row("a badge for shields.io", "GET", "/counter?as=shields", 200,
        {"schemaVersion": 1, "label": "page views", "message": "33", "color": "#0a6fb5"}),
    Row("another site may not read it", "GET", "/counter?peek=1", 200, totals(33, 5, "peek"),
        {"Origin": "https://evil.example"}),
    Row("another of our sites may", "GET", "/counter?peek=1", 200, totals(33, 5, "peek"),
        {"Origin": "https://other.example"},
        headers=ALWAYS | {"access-control-allow-origin": "https://other.example"}),
    Row("a preflight", "OPTIONS", "/counter", 204, None,
        {"Origin": MINE, "Access-Control-Request-Method": "POST"},
        headers=ALWAYS | {"access-control-max-age": "86400"}),
    Row("a preflight of nobody's", "OPTIONS", "/counter", 204, None, {"Origin": "https://evil.example"},
        headers=ALWAYS | {"access-control-max-age": "86400"}),
    Row("a method that is not for it", "DELETE", "/counter", 405, NOT_ALLOWED,
        headers=ALWAYS | {"allow": "GET, HEAD, POST, OPTIONS"}),
    Row("nothing there", "GET", "/nothing/here?vid=anna", 404, NOT_FOUND),
    Row("a path that tries", "GET", "/counter/..%2f..%2fetc", 404, NOT_FOUND),
    Row("health", "GET", "/health", 200,
        {"status": "healthy", "service": "visitor-counter", "database": "connected", "counter_value": 33,
         "timestamp": "#", "requestId": "#"}),
    Row("health is read only", "POST", "/health", 405, NOT_ALLOWED, headers=ALWAYS | {"allow": "GET, HEAD, OPTIONS"}),
    Row("a badge with a label", "GET", "/badge.svg?label=seen%20by&metric=unique", 200, "5",
        headers=ALWAYS | {"content-type": "image/svg+xml", "cache-control": "public, max-age=300",
                          "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}),
    Row("a badge of nothing", "GET", "/badge.svg?metric=money", 400,
        refused("invalid_metric", "metric must be one of count, unique, page, today, week, month.")),
    Row("the numbers are the owner's", "GET", "/stats", 401, UNAUTHORIZED, headers=CHALLENGE),
    Row("a wrong token", "GET", "/stats", 401, UNAUTHORIZED, {"Authorization": "Bearer wrong"}, headers=CHALLENGE),
    Row("the report is the owner's", "POST", "/report", 401, UNAUTHORIZED, headers=CHALLENGE),
    Row("the report", "POST", "/report", 200, {"ok": True, "report": True, "requestId": "#"}, OWNER),
    Row("the report by its older way", "GET", f"/report?token={TOKEN}", 200,
        {"ok": True, "report": True, "requestId": "#"}),
    Row("after all that", "GET", "/counter?peek=yes", 200, totals(33, 5, "peek")),
]  # fmt: skip


def over_http(url: str) -> Callable[[HttpCall], HttpAnswer]:
    """Return what sends requests to an address as they are."""

    def ask(call: HttpCall) -> HttpAnswer:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        connection.request(call.method, call.target, call.body or None, dict(call.headers))
        answer = connection.getresponse()
        told = HttpAnswer(answer.status, answer.getheaders(), answer.read())
        connection.close()
        return told

    return ask


Ask = Callable[[HttpCall], HttpAnswer]


@contextmanager
def oracle(folder: Path) -> Iterator[Ask]:
    """Oracle's entrypoint alone: an Fn call into a real fdk process."""
    with Serving(folder, containers=1, config=CONFIG) as here:
        yield lambda call: here.run(here.entrypoint.http(call._replace(target=here.entrypoint.prefix + call.target)))


@contextmanager
def local(folder: Path) -> Iterator[Ask]:
    """The gateway of this machine in front of it."""
    with Serving(folder, containers=1, config=CONFIG) as here:
        ask = over_http(here.url)
        yield lambda call: ask(call._replace(target=here.entrypoint.prefix + call.target))


def on_cloud(cloud: str, way: str) -> Callable[[Path], Any]:
    """One of the ways to a cloud's function."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Ask]:
        with Hosting(needed(cloud)(folder, containers=1, config=CONFIG)) as hosting:
            entrypoint = hosting.here.entrypoints[way]
            yield lambda call: hosting.run(entrypoint.http(call._replace(target=entrypoint.prefix + call.target)))

    return opened


def story(opened: Callable[[Path], Any], folder: Path) -> dict[str, HttpAnswer]:
    """Return what one entrypoint answers to all rows, in their order."""
    told = {}
    with opened(folder) as ask:
        for row in ROWS:
            sent = [*row.sent.items(), *([("Content-Length", str(len(row.body)))] if row.body else [])]
            told[row.rule] = ask(HttpCall(row.method, row.target, sent, row.body, "127.0.0.1"))
    return told


@pytest.fixture(scope="module", params=["oracle", "local", *CLOUDS])
def entrypoints(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, HttpAnswer]]:
    """Return the answers of a cloud's entrypoint; where there are several ways in, of each."""
    opening: dict[str, Callable[[Path], Any]] = {"oracle": oracle, "local": local}
    if request.param in CLOUDS:
        offered = ways(request.param, tmp_path_factory.mktemp("ways"))
        opening |= {f"{request.param}, {way}": on_cloud(request.param, way) for way in offered}
    return {
        way: story(opened, tmp_path_factory.mktemp("entrypoint"))
        for way, opened in opening.items()
        if way.startswith(request.param)
    }


def comparable(body: bytes) -> Any:
    """Return a body without what differs from call to call."""
    if not body:
        return None
    told = json.loads(body)
    if not isinstance(told, dict):
        return told
    for name in ("requestId", "updatedAt", "timestamp"):
        if told.get(name):
            told[name] = "#"
    return told


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_every_door_gives_the_same_answer(entrypoints: dict[str, dict[str, HttpAnswer]], row: Row) -> None:
    """Status, body and headers of each row are those of the table, whichever way it came in."""
    for way, answers in entrypoints.items():
        answer = answers[row.rule]
        headers = {name.lower().removeprefix(REMAPPED): value for name, value in answer.headers}

        assert (way, answer.status) == (way, row.status), answer.body
        assert {name: value for name, value in headers.items() if name not in UNLIKE} == row.headers
        assert [name.lower() for name, _ in answer.headers].count("access-control-allow-origin") <= 1
        assert str(uuid.UUID(headers["x-request-id"])) == headers["x-request-id"]
        if isinstance(row.told, str):
            assert f">{row.told}</text>" in answer.body.decode()
        else:
            assert comparable(answer.body) == row.told


def test_no_two_answers_have_one_id(entrypoints: dict[str, dict[str, HttpAnswer]]) -> None:
    """Each answer has an id of its own, in its header and in its body alike."""
    for answers in entrypoints.values():
        ids = [{name.lower(): value for name, value in answer.headers}["x-request-id"] for answer in answers.values()]

        assert len(set(ids)) == len(ROWS)
        for answer, sent in zip(answers.values(), ids, strict=True):
            assert b"requestId" not in answer.body or json.loads(answer.body)["requestId"] == sent
