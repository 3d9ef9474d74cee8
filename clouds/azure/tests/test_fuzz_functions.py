"""Whatever Azure's entrypoint gets, it answers; it counts only what it says it counts, and repeats nothing."""

from __future__ import annotations

import base64
import uuid
from types import SimpleNamespace
from typing import Any

from azure.functions.http import HttpResponseConverter
from fuzzing import (
    PATIENCE,
    READ,
    Counting,
    anything,
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
)
from hypothesis import example, given
from hypothesis import strategies as st

from clouds.azure.function import function_app
from clouds.azure.laptop.functions_worker import request as decoded
from local.entrypoint import HttpAnswer, HttpCall

pytestmark = PATIENCE

HOST = "https://counter.azurewebsites.example"
urls = st.builds("{}{}".format, st.sampled_from([HOST, f"{HOST}/api", "http://localhost:7071", ""]), targets | anything)
messages = st.fixed_dictionaries(
    {
        "method": methods | anything,
        "url": urls | anything,
        "headers": st.dictionaries(st.sampled_from(READ) | anything, header_values | anything, max_size=4),
        "body": bodies.map(lambda body: base64.b64encode(body).decode()),
    }
)


def called(message: dict[str, Any], call_id: str | None = None) -> HttpAnswer:
    """Return what the platform's own package makes of the answer to a host's message."""
    context: Any = SimpleNamespace(invocation_id=call_id or str(uuid.uuid4()))
    answer = function_app.counter(decoded(message), context)
    told = HttpResponseConverter.encode(answer, expected_type=None).value
    headers = [(name, value.value) for name, value in told["headers"].items()]
    return HttpAnswer(int(told["status_code"].value), headers, told["body"].value)


@tried(100)
@given(countings(), messages)
@example(Counting(), {"method": "GET", "url": "https://[/api/counter", "headers": {}, "body": ""})
def test_any_request_is_answered(counting: Counting, message: dict[str, Any]) -> None:
    """Method, address, headers and body of any kind: one of our answers, in the platform's form, and no exception."""
    with behind(function_app, counting):
        checked(counting, lambda: called(message))


@tried(70)
@given(countings(), calls())
def test_the_host_s_message_means_what_was_sent(counting: Counting, call: HttpCall) -> None:
    """Method, route, query, headers and body arrive at the counter as HTTP has them."""
    body = base64.b64encode(call.body).decode()
    message = {"method": call.method, "url": HOST + call.target, "headers": dict(call.headers), "body": body}
    with behind(function_app, counting):
        checked(counting, lambda: called(message))

        assert [meaning(request) for request in counting.requests] == [meant(call)]
