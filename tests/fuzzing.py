"""Fuzzing: how much is tried, what is sent through an entrypoint, and what must hold of every answer.

`make test` tries the same few hundred cases each time. `FUZZ=10000` tries that many of each, and others every time;
what it finds is tried again at the next run, and belongs into the test as an example.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from counting import Counter
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from counter.request import Request, Response
from local.entrypoint import HttpAnswer, HttpCall

CASES = int(os.environ.get("FUZZ", "0"))
PATIENCE = pytest.mark.timeout(0 if CASES else 120)
TOKEN = "a-token-that-is-long-enough"

STATUSES = {200, 204, 304, 400, 401, 404, 405, 413}
"""What may be answered while the store is well. A report that nobody can send is 500 by contract; here it can be."""

LETTERS = "QZXJqzxj"
"""In groups of eight they are in no answer of ours, so whatever was sent is known again."""

SENT = re.compile(f"[{LETTERS}]{{8}}")
READ = (
    "origin", "authorization", "user-agent", "sec-purpose", "purpose", "x-purpose", "x-moz", "dnt", "sec-gpc",
    "if-none-match",
)  # fmt: skip
"""The headers that mean something to the counter."""

_SVG = {"svg", "title", "linearGradient", "stop", "clipPath", "rect", "g", "text"}


def tried(usual: int) -> settings:
    """The settings of a test that tries `usual` cases, the same each time, or as many as FUZZ says."""
    return settings(
        max_examples=CASES or usual,
        derandomize=not CASES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


pieces = st.text(LETTERS, min_size=8, max_size=20)
foreign = st.text(LETTERS + "%&=?/+#\"'<>\r\n\0ä\ud800☃ ", max_size=30)
anything = pieces | foreign | st.text(max_size=20)
methods = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "get", "Post"])
routes = st.sampled_from(
    ["/counter", "/v1/counter", "/api/counter/", "/badge.svg", "/health", "/stats", "/report", "/"]
)
values = st.sampled_from(
    [
        "anna",
        "1",
        "0",
        "count",
        "unique",
        TOKEN,
        "%41nna",
        "a+b",
        "%ff",
        "%",
        "%zz",
        "%2541",
        "",
        "%3Cx%3E",
        "%22%26%27",
    ]
)
names = st.sampled_from(["vid", "peek", "token", "metric", "label", "color", "", "v%69d"])
parameter = st.tuples(names | pieces, values | pieces).map("=".join) | st.sampled_from(
    ["vid", "&", ";vid=a", "=", "a=b=c"]
)
queries = st.lists(parameter, max_size=5).map("&".join) | st.just("&".join(["a=b"] * 51))
targets = st.builds("{}{}".format, routes, st.just("") | queries.map("?{}".format))
header_values = (
    st.sampled_from(
        ["https://one.example", "HTTPS://ONE.example", f"Bearer {TOKEN}", "1", "prefetch", "*", "Googlebot"]
    )
    | pieces
    | st.text(st.characters(exclude_categories=("C", "Z"), max_codepoint=0x2FF), max_size=12)
)
bodies = (
    st.just(b"")
    | st.binary(max_size=30)
    | st.sampled_from([b"{}", b"[]", b'{"vid":"anna"}', b'{"vid":5}', b'{"vid":"\xff"}', b"[" * 5_000, b" " * 17_000])
    | pieces.map(lambda some: json.dumps({"vid": some, "path": "/report"}).encode())
)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | anything | values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything | names, inner, max_size=3),
    max_leaves=5,
)

asked = st.dictionaries(
    st.sampled_from(["path", "httpMethod", "method", "vid", "peek", "queryStringParameters", "body"]) | anything,
    json_values | targets | methods,
    max_size=4,
)
"""What a direct call may ask for."""


@st.composite
def calls(draw: st.DrawFn) -> HttpCall:
    """A request as a gateway may get it: well-formed, each header once."""
    body = draw(bodies)
    headers = draw(st.dictionaries(st.sampled_from(READ), header_values, max_size=4))
    if body:
        kinds = st.sampled_from(["application/json", "text/plain", "application/octet-stream"])
        headers |= {"content-type": draw(kinds), "content-length": str(len(body))}
    return HttpCall(draw(methods).upper(), draw(targets), list(headers.items()), body, "192.0.2.1")


class Meaning(NamedTuple):
    """What a request asks for, whichever entrypoint it came through."""

    method: str
    route: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def meaning(request: Request) -> Meaning:
    """What a request asks for."""
    headers = {name: request.headers[name] for name in READ if name in request.headers}
    return Meaning(request.method, request.route, dict(request.query), headers, request.body)


def meant(call: HttpCall) -> Meaning:
    """What a call says by HTTP alone."""
    return meaning(Request(call.method, call.target, "id", 0.0, dict(call.headers), call.body))


class Counting:
    """The counter over a store in memory, in place of the one an entrypoint would build, and what it was asked."""

    def __init__(self, stored: bytes | None = None, **environment: str) -> None:
        self.counter = Counter(stored, topic=True, **{"REPORT_TOKEN": TOKEN, **environment})
        self.settings = self.counter.settings
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Response:
        """The answer of the real api."""
        self.requests.append(request)
        return self.counter.api.answer(request)


@st.composite
def countings(draw: st.DrawFn) -> Counting:
    """A counter in one of several moods."""
    stored = draw(
        st.sampled_from([None, b'{"pageviews": 5}', b'{"pageviews": 5, "seen": ["QZXJQZXJ"], "x": "qzxjqzxj"}'])
    )
    moods: list[dict[str, str]] = [
        {},
        {"ALLOWED_ORIGINS": "https://one.example"},
        {"COUNT_ON": "POST", "SEEN_LIMIT": "0"},
    ]
    return Counting(stored, **draw(st.sampled_from(moods)))


@contextmanager
def behind(entrypoint: ModuleType, counting: Counting) -> Iterator[Counting]:
    """Put a counter behind an entrypoint: the entrypoint's own wiring alone is left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entrypoint, "_api", lambda: counting)
        yield counting


def checked(counting: Counting, ask: Callable[[], HttpAnswer]) -> HttpAnswer:
    """The answer to one call, after all that must hold of it."""
    before = counting.counter.totals()[0]
    answer = ask()
    headers = {name.lower(): value for name, value in answer.headers}
    assert answer.status in STATUSES
    assert len(headers) == len(answer.headers), "a header came twice"
    for name, value in headers.items():
        assert re.fullmatch(r"[a-z0-9-]+", name)
        assert value.isascii()
        assert value.isprintable()
    assert not SENT.search(str(headers))

    told: dict[str, Any] = {}
    if answer.body and headers["content-type"] == "image/svg+xml":
        picture = ElementTree.fromstring(answer.body)  # noqa: S314 - our own
        assert {element.tag.rpartition("}")[2] for element in picture.iter()} <= _SVG
        assert not any(SENT.search(str(element.attrib)) for element in picture.iter() if element is not picture)
    elif answer.body:
        told = json.loads(answer.body)
        assert told["requestId"] == headers["x-request-id"]
        assert not SENT.search(answer.body.decode("ascii"))
    assert counting.counter.totals()[0] == before + (told.get("counted") is True)
    assert len(counting.counter.papers.published) == (told.get("report") is True)
    return answer
