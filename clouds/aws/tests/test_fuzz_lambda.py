"""Whatever AWS's entrypoint gets, it answers; it counts only what it says it counts, and repeats nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from fuzzing import (
    PATIENCE,
    Counting,
    anything,
    asked,
    behind,
    calls,
    checked,
    countings,
    json_values,
    meaning,
    meant,
    methods,
    targets,
    tried,
)
from hypothesis import example, given
from hypothesis import strategies as st

from clouds.aws.function import lambda_function
from clouds.aws.laptop import gateway_event
from local.entrypoint import HttpAnswer, HttpCall

pytestmark = PATIENCE

odd = json_values | anything
strings = st.dictionaries(st.sampled_from(["vid", "peek", "Origin", "DNT"]) | anything, anything, max_size=3)
lists = st.dictionaries(st.sampled_from(["vid", "Origin"]) | anything, st.lists(odd, max_size=3) | odd, max_size=3)
FIELDS = {
    "rawPath": targets | odd,
    "rawQueryString": anything | odd,
    "httpMethod": methods | odd,
    "path": targets | odd,
    "queryStringParameters": strings | odd,
    "multiValueQueryStringParameters": lists | odd,
    "headers": st.dictionaries(st.sampled_from(["Origin", "DNT", "user-agent"]) | anything, odd, max_size=3) | odd,
    "multiValueHeaders": lists | odd,
    "body": anything | odd,
    "isBase64Encoded": odd,
    "requestContext": st.fixed_dictionaries({}, optional={"http": odd, "stage": odd}) | odd,
}


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """A gateway's event, of which some parts are not what they should be."""
    gateway = draw(st.sampled_from([gateway_event.http_api, gateway_event.rest_api]))
    event = gateway(draw(calls()))
    return {
        **event,
        **{name: draw(FIELDS[name]) for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3))},
    }


def context(request_id: str = "8f5a0a1c-1111-2222-3333-444455556666") -> Any:
    """Return what the runtime says about a call."""
    return SimpleNamespace(aws_request_id=request_id, get_remaining_time_in_millis=lambda: 9_000)


def called(event: Any, about: Any = None) -> HttpAnswer:
    """Return what a gateway makes of the answer to an event; event and answer are JSON on their way, as AWS has it."""
    answer = lambda_function.lambda_handler(json.loads(json.dumps(event)), about or context())
    told = gateway_event.http_answer(json.dumps(answer).encode())
    assert told is not None
    return told


POSTED = gateway_event.rest_api(HttpCall("POST", "/counter", [], b"", "192.0.2.1"))


@pytest.mark.slow
@tried(100)
@example(Counting(), {**POSTED, "body": "\ud800"})
@example(Counting(), {**POSTED, "multiValueQueryStringParameters": {"vid": ["\ud800"]}})
@given(countings(), events() | odd | asked)
def test_any_event_is_answered(counting: Counting, event: Any) -> None:
    """Payloads of both versions, direct calls, and what is none of them: one of our answers, in a gateway's form."""
    with behind(lambda_function, counting):
        checked(counting, lambda: called(event))


@tried(50)
@given(st.text("abc_-<\r\nä\ud800", max_size=70))
def test_any_request_id_is_safe(request_id: str) -> None:
    """What the platform calls the call gets into a header only if it fits in one."""
    counting = Counting()
    with behind(lambda_function, counting):
        checked(counting, lambda: called({}, context(request_id)))


@pytest.mark.parametrize("gateway", [gateway_event.http_api, gateway_event.function_url, gateway_event.rest_api])
@tried(100)
@given(countings(), calls())
def test_the_gateway_s_event_means_what_was_sent(
    gateway: Callable[[HttpCall], dict[str, Any]], counting: Counting, call: HttpCall
) -> None:
    """Method, route, query, headers and body arrive at the counter as HTTP has them, whichever gateway it is."""
    with behind(lambda_function, counting):
        checked(counting, lambda: called(gateway(call)))

        assert [meaning(request) for request in counting.requests] == [meant(call)]


def test_a_call_nested_deeply_is_answered() -> None:
    """Also the deepest that the runtime can read, which nobody could write again."""
    depth, events = 500, []
    with suppress(RecursionError):
        while depth < 5_000:
            events.append(json.loads("[" * depth + "]" * depth))
            depth += 1
    counting = Counting()
    with behind(lambda_function, counting):
        for event in events:
            assert lambda_function.lambda_handler(event, context())["statusCode"] == 200


@pytest.mark.parametrize("path", ["/counter%3Fvid=anna", "/health%3F"])
def test_a_question_mark_in_the_path_begins_no_query(path: str) -> None:
    """An HTTP API decodes the path; what was part of it stays part of it, as behind every other gateway."""
    counting = Counting()
    with behind(lambda_function, counting):
        answer = checked(counting, lambda: called(gateway_event.http_api(HttpCall("GET", path, [], b"", "192.0.2.1"))))

    assert answer.status == 404
