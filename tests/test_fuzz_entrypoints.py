"""Whatever Oracle's entrypoint gets, it answers; it counts only what it says it counts, and repeats nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Coroutine
from typing import TypeVar

from fdk.constants import HTTPSTREAM
from fdk.context import context_from_format
from fuzzing import (
    PATIENCE,
    READ,
    Counting,
    anything,
    asked,
    behind,
    bodies,
    calls,
    checked,
    countings,
    header_values,
    meaning,
    meant,
    methods,
    targets,
    tried,
)  # fmt: skip
from hypothesis import example, given
from hypothesis import strategies as st

import func
from clouds.oracle.laptop.fn_entrypoint import FnEntrypoint, unwrap
from local.entrypoint import HttpAnswer, HttpCall

T = TypeVar("T")

pytestmark = PATIENCE

FN = {
    "fn-call-id": st.text("abc_-<\r\nä\ud800", max_size=9) | st.just("01M7YX4Y0FSH8JQ9HYB7RTM22P"),
    "fn-deadline": anything | st.sampled_from(["2026-11-21T09:30:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01", "1"]),
    "fn-intent": st.sampled_from(["httprequest", "httprequest", "cloudevent", ""]),
    "fn-http-method": methods | anything,
    "fn-http-request-url": targets | anything,
    "content-type": anything,
}
OTHERS = ("fn-http-h-fn-intent", "fn-http-h-", "fn-http-h-fn-http-request-url", "origin", "authorization")
SENT = [template.format(name) for name in READ for template in ("fn-http-h-{}", "Fn-Http-H-{}")]
fn_headers = st.fixed_dictionaries({}, optional=FN | dict.fromkeys((*OTHERS, *SENT), header_values | anything))
"""Names in capital letters are others to Fn and the same to the FDK, which then makes a list of the values."""


class InProcess:
    """The one container of a pool: what the FDK makes of a call is handed to the real handler."""

    async def call(self, headers: dict[str, str], body: bytes, seconds: float) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body, as a container does."""
        context, data = context_from_format(HTTPSTREAM, headers=headers, data=io.BytesIO(body))
        answer = func.handler(context, data)
        return 200, dict(context.GetResponseHeaders()), answer.body_bytes()


def done(work: Coroutine[object, object, T]) -> T:
    """Return the result of a coroutine that waits for nothing, and so needs no event loop."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits")


def called(headers: dict[str, str], body: bytes) -> HttpAnswer:
    """Return the answer to an Fn call."""
    status, told, content = done(InProcess().call(headers, body, 30))
    assert status == 200
    if "fn-http-status" in told:
        return unwrap(told, content)
    return HttpAnswer(200, [(name, value) for name, value in told.items() if not name.startswith("fn-")], content)


def direct(call: object) -> bytes:
    """Return the body of a direct call."""
    return json.dumps(call).encode()


@tried(100)
@given(countings(), fn_headers, bodies | asked.map(direct))
def test_any_fn_call_is_answered(counting: Counting, headers: dict[str, str], body: bytes) -> None:
    """Headers and body of any kind: one of our answers, well-formed, and never an exception for the FDK to send."""
    with behind(func, counting):
        checked(counting, lambda: called(headers, body))


@tried(100)
@example(Counting(), HttpCall("GET", "/badge.svg?label=%3Cx%3E%22%26", [], b"", "192.0.2.1"))
@given(countings(), calls())
def test_the_gateway_s_call_means_what_was_sent(counting: Counting, call: HttpCall) -> None:
    """Method, route, query, headers and body arrive at the counter as HTTP has them."""
    with behind(func, counting):
        checked(counting, lambda: done(FnEntrypoint(InProcess()).http(call)))  # type: ignore[arg-type]

        assert [meaning(request) for request in counting.requests] == [meant(call)]
