"""The function in AWS's own runtime: every kind of event that AWS hands to it, and odd ones that it does not."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from engines import cannot

from clouds.aws.laptop import gateway_event
from clouds.aws.laptop.execution_environment import ExecutionEnvironment
from clouds.aws.laptop.laptop import Laptop
from local.entrypoint import HttpCall
from local.loop_thread import LoopThread, running
from local.pool import ContainerFailed

TOKEN = "the-token-of-these-tests"
CONFIG = {"SALT": "the-salt-of-these-tests", "REPORT_TOKEN": TOKEN}
GATEWAYS = {
    "HTTP API": gateway_event.http_api,
    "REST API": gateway_event.rest_api,
    "function URL": gateway_event.function_url,
    "load balancer": gateway_event.load_balancer,
}


class Function:
    """The function on a laptop, asked with few words."""

    def __init__(self, here: Laptop, loop: LoopThread) -> None:
        self.here = here
        self.loop = loop

    def ask(self, event: object, seconds: float = 15.0) -> tuple[int, Any]:
        """Return the status and the JSON of the answer to an event."""
        answer = self.raw(event, seconds)
        return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None

    def raw(self, event: object, seconds: float = 15.0) -> dict[str, Any]:
        """Return the answer to an event."""
        sent = json.dumps(event).encode()
        told = json.loads(self.loop.run(self.here.environments.use(lambda one: one.call(sent, seconds))))
        assert told.keys() - {"multiValueHeaders"} == {"statusCode", "headers", "body", "isBase64Encoded"}
        return dict(told)

    def restart(self, **config: str) -> None:
        """Let the next call find a new process, with these settings on top."""
        self.here.config = {**CONFIG, **config}
        self.here.environments.log.clear()
        self.requests.clear()
        self.loop.run(self.here.environments.restart())

    @property
    def requests(self) -> Any:
        """The storage requests by their operation."""
        assert self.here.proxy is not None
        return self.here.proxy.requests

    def delete(self) -> None:
        """Delete the document."""
        key = {"counter_id": {"S": "counter"}}
        self.here.engine.client().delete_item(TableName="visitor-counter", Key=key)


@pytest.fixture(scope="module")
def running_function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    """Run it, for all tests of this file."""
    cannot(Laptop.missing())
    here = Laptop(tmp_path_factory.mktemp("aws"), containers=1, config=CONFIG)
    with running(here) as loop:
        yield Function(here, loop)


@pytest.fixture
def function(running_function: Function) -> Iterator[Function]:
    """Return it with an empty table, warm from whatever was before, and the usual configuration afterwards."""
    running_function.delete()
    yield running_function
    assert running_function.here.proxy is not None
    running_function.here.proxy.fault = lambda operation: None
    if running_function.here.config != CONFIG:
        running_function.restart()


def http(target: str, method: str = "GET", body: bytes = b"", /, **headers: str) -> HttpCall:
    """Return an HTTP request as a browser sends it."""
    sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return HttpCall(method, target, [("Host", "example.com"), ("User-Agent", "Firefox"), *sent], body, "127.0.0.1")


@pytest.mark.parametrize("moment", [0, 0.0005, 0.005, 0.05, 0.2])
def test_who_stops_it_while_it_starts_is_obeyed(function: Function, moment: float) -> None:
    """Whenever that is, the start fails as a stopped one, and no process is left."""

    async def stop_early() -> None:
        environment = ExecutionEnvironment(function.here.environment(), print)
        starting = asyncio.create_task(environment.start())
        await asyncio.sleep(moment)
        await environment.stop()
        with pytest.raises(ContainerFailed):
            await starting
        assert not environment.alive

    function.loop.run(stop_early())


def test_a_rest_api_keeps_one_name_to_itself(function: Function) -> None:
    """Who shows no token is told how to by every gateway; behind a REST API that header has another name."""
    told = {}
    for way, entrypoint in function.here.entrypoints.items():
        answer = function.loop.run(entrypoint.http(http("/stats")))
        told[way] = [name for name, value in answer.headers if value.startswith("Bearer ")]

    usual = ["www-authenticate"]
    assert told.pop("REST API") == ["x-amzn-remapped-www-authenticate"]
    assert list(told.values()) == [usual] * 3


def test_a_cold_start_and_a_warm_visit(function: Function) -> None:
    """A cold start reads the document and writes; a warm visit only writes."""
    function.restart()
    status, told = function.ask(gateway_event.http_api(http("/counter?vid=anna")))

    assert (status, told["count"], told["unique"]) == (200, 1, 1)
    assert function.requests == {"GetItem": 1, "UpdateItem": 1}
    function.requests.clear()
    for number in range(3):
        told = function.ask(gateway_event.http_api(http(f"/counter?vid=v{number}")))[1]
        assert told["count"] == number + 2
    assert function.requests == {"UpdateItem": 3}


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_every_gateway_hands_on_the_same(function: Function, gateway: str) -> None:
    """Query, headers in any casing, cookies and bodies arrive the same from each kind of gateway."""
    event = GATEWAYS[gateway]
    cookies = {"Cookie": "a=b; vid=nobody"}
    assert function.ask(event(http("/counter?vid=an%3Ana&x=%26&x=", **cookies)))[1]["unique"] == 1
    assert function.ask(event(http("/counter?x=&vid=an:na&vid=second")))[1]["unique"] == 1
    assert function.ask(event(http("/counter?vid=a%2Bb")))[1]["ignored"] == ["vid"]
    assert function.ask(event(http("/counter?peek=1&as=a%2562")))[1]["ignored"] == ["as"]  # decoded once: "a%62"
    assert function.ask(event(http("/counter?vid=ben", dnt="1")))[1]["unique"] == 1
    assert function.ask(event(http("/counter?vid=ben", SEC_GPC="1")))[1]["unique"] == 1
    body = b'{"vid": "ben"}'
    text = http("/counter", "POST", body, content_type="application/json; charset=utf-8")
    binary = http("/counter", "POST", body, content_type="application/octet-stream")
    assert not event(text)["isBase64Encoded"]
    assert event(binary)["isBase64Encoded"]
    assert [function.ask(event(call))[1]["unique"] for call in (text, binary)] == [2, 2]
    assert function.ask(event(http("/stats", AUTHORIZATION=f"bearer {TOKEN}")))[1]["count"] == 7


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_bodies_are_for_answers_that_have_one(function: Function, gateway: str) -> None:
    """The badge is text; HEAD, a preflight and what is known already have no body."""
    event = GATEWAYS[gateway]
    badge = function.raw(event(http("/badge.svg")))
    known = function.raw(event(http("/badge.svg", If_None_Match=badge["headers"]["ETag"])))
    bodies = [function.raw(event(http("/counter", method)))["body"] for method in ("HEAD", "OPTIONS")]

    assert badge["body"].startswith("<svg ")
    assert not badge["isBase64Encoded"]
    assert (known["statusCode"], known["body"]) == (304, "")
    assert bodies == ["", ""]


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_no_visitor_is_the_owner(function: Function, gateway: str) -> None:
    """Whatever a client sends, a call through a gateway needs the token."""
    event = GATEWAYS[gateway]
    body = b'{"path": "/report", "httpMethod": "GET"}'
    forged = {"content_type": "application/json", "X_Amz_Invocation_Type": "Event", "requestContext": ""}

    assert function.ask(event(http("/report", "POST", body, **forged)))[0] == 401
    assert function.ask(event(http("/stats?requestContext=&httpMethod=GET")))[0] == 401
    assert function.ask(event(http("/", "POST", body, **forged)))[0] == 404


def test_a_stage_before_the_path_does_not_matter(function: Function) -> None:
    """An HTTP API with a named stage puts it before the path."""
    event = gateway_event.http_api(http("/prod/counter"))
    event["requestContext"]["stage"] = "prod"

    assert function.ask(event)[1]["count"] == 1


def test_of_repeated_headers_the_last_counts(function: Function) -> None:
    """Where the platform tells them apart, what it added itself comes first and the client's last."""
    event = gateway_event.rest_api(http("/counter"))
    event["headers"] = {"Sec-GPC": "0"}
    event["multiValueHeaders"] = {"Sec-GPC": ["0", "1"]}
    event["multiValueQueryStringParameters"] = {"vid": ["anna", "ben"]}
    event["queryStringParameters"] = {"vid": "ben"}

    assert function.ask(event)[1]["unique"] == 0


DIRECT: dict[str, tuple[object, int]] = {
    "nothing": ({}, 200),
    "no event at all": (None, 200),
    "a path": ({"path": "/counter"}, 200),
    "as the first counters were called": ({"path": "/counter", "httpMethod": "GET"}, 200),
    "health": ({"path": "/health"}, 200),
    "the owner's numbers": ({"path": "/stats"}, 200),
    "the report": ({"path": "/report"}, 200),
    "a visit of somebody": ({"path": "/counter", "httpMethod": "POST", "body": '{"vid": "anna"}'}, 200),
    "parameters": ({"path": "/counter", "queryStringParameters": {"peek": "1"}}, 200),
    "nowhere": ({"path": "/nowhere"}, 404),
}

VIEWS: dict[str, object] = {
    "nothing": {},
    "no event at all": None,
    "a bad id": {"vid": "???"},
    "a list": [],
    "a text": "counter",
    "a number": 5,
    "a tester's": {"key1": "value1", "key2": "value2"},
    "deep": {"path": {"path": []}},
    "a path beside a source": {"source": "mine", "path": "/counter"},
}

NOBODY: dict[str, object] = {
    "a rule without an input of its own": {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
    "a warm-up call": {"source": "serverless-plugin-warmup"},
    "an event of an application": {"detail-type": "order", "detail": {}},
}


@pytest.mark.parametrize("kind", DIRECT)
def test_a_direct_call_is_the_owner_s(function: Function, kind: str) -> None:
    """A call without a gateway was signed: it says what it wants, and is answered in the form for gateways."""
    event, status = DIRECT[kind]

    assert function.ask(event)[0] == status


@pytest.mark.parametrize("kind", VIEWS)
def test_a_direct_call_that_names_nothing_counts(function: Function, kind: str) -> None:
    """Whatever a direct call brings, it is a page view."""
    status, told = function.ask(VIEWS[kind])

    assert (status, told["count"], told["counted"]) == (200, 1, True)


@pytest.mark.parametrize("kind", NOBODY)
def test_a_schedule_is_nobody_s_visit(function: Function, kind: str) -> None:
    """Rules, schedules and warm-up calls that name no path start the function, and count nothing."""
    status, told = function.ask(NOBODY[kind])

    assert (status, told["count"], told["counted"]) == (200, 0, False)


ODD: dict[str, dict[str, Any]] = {
    "nothing in it": {"requestContext": {}},
    "null": {"requestContext": None},
    "a text": {"requestContext": "x", "headers": "x", "body": 5, "httpMethod": 5, "path": 5},
    "nulls": {
        "requestContext": {"stage": "test-invoke-stage"}, "httpMethod": "GET", "path": "/counter", "headers": None,
        "multiValueHeaders": None, "queryStringParameters": None, "multiValueQueryStringParameters": None, "body": None,
    },
    "odd values": {
        "requestContext": {"http": {"method": None}}, "rawPath": None, "rawQueryString": 5, "cookies": 5,
        "headers": {"User-Agent": None, "dnt": 1, "Origin": ["x"]}, "body": {"vid": "x"}, "isBase64Encoded": "yes",
    },
    "odd lists": {
        "requestContext": {}, "httpMethod": "POST", "path": "/counter", "body": "{", "isBase64Encoded": False,
        "multiValueHeaders": {"a": [], "b": 5, "c": [5]},
        "multiValueQueryStringParameters": {"vid": [], "x": [None], "y": {"z": 1}},
    },
    "letters that there are not": {
        "requestContext": {"http": {"method": "GET"}}, "rawPath": "/\ud800", "body": "\ud800",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_event_is_answered(function: Function, kind: str) -> None:
    """Whatever is in an event, there is an answer, and none of them is a failure of ours."""
    assert function.ask(ODD[kind])[0] in (200, 400, 404)


@pytest.mark.parametrize("body", ["!!!", "eyJ2aWQiOiJ4In0", "é", '{"vid":"x"}', ["x"]])
def test_a_body_that_is_no_base64_is_ignored(function: Function, body: object) -> None:
    """A body that claims to be base64 and is not loses no view."""
    event = {**gateway_event.http_api(http("/counter", "POST")), "body": body, "isBase64Encoded": True}
    status, told = function.ask(event)

    assert (status, told["count"], told["ignored"]) == (200, 1, ["body"])


def test_a_large_body_is_refused(function: Function) -> None:
    """What no page sends is refused by its size, also in base64."""
    body = base64.b64encode(b"x" * 20_000).decode()
    event = {**gateway_event.http_api(http("/counter", "POST")), "body": body, "isBase64Encoded": True}

    assert function.ask(event)[0] == 413


def test_a_call_that_the_platform_repeats_is_one_visit(function: Function) -> None:
    """An event that is delivered twice has the same id twice, and is counted once, by another container too."""
    event = json.dumps(gateway_event.http_api(http("/counter?vid=anna"))).encode()

    async def twice() -> list[Any]:
        environments = [ExecutionEnvironment(function.here.environment(), print) for _ in range(2)]
        try:
            told = []
            for environment in environments:
                await environment.start()
                told.append(json.loads(await environment.call(event, 15, "one-and-the-same")))
        finally:
            for environment in environments:
                await environment.stop()
        return told

    answers = [json.loads(answer["body"]) for answer in function.loop.run(twice())]

    assert [answer["count"] for answer in answers] == [1, 1]
    assert {answer["requestId"] for answer in answers} == {str(uuid.uuid5(uuid.NAMESPACE_OID, "one-and-the-same"))}


def test_the_report_is_mailed(function: Function) -> None:
    """The schedule's call publishes the report."""
    function.ask({"path": "/counter"})
    before = len(function.here.mailbox.messages())
    assert function.ask({"path": "/report"})[1]["report"] is True

    (message, *earlier) = function.here.mailbox.messages()
    assert len(earlier) == before
    assert "1 page view" in message.title


def test_without_a_topic_the_owner_is_told(function: Function) -> None:
    """A report without a topic names the setting that is missing."""
    function.restart(TOPIC_ARN="")
    status, told = function.ask({"path": "/report"})

    assert (status, told["error"]) == (500, "misconfigured")
    assert "TOPIC_ARN" in told["message"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "config, named",
    [
        ({"TIMEZONE": "Mars/Phobos"}, "TIMEZONE"),
        ({"DYNAMODB_ENDPOINT": "nonsense", "COUNTER_ID": "x" * 201}, "COUNTER_ID"),
        ({"AWS_REGION": ""}, "AWS_REGION"),
        ({"TABLE_NAME": "nobodys-table"}, "TABLE_NAME"),
    ],
)
def test_a_wrong_setting_is_named(function: Function, config: dict[str, str], named: str) -> None:
    """A function that cannot start says at /health which setting is wrong, and counts nothing."""
    function.restart(**config)
    status, told = function.ask(gateway_event.http_api(http("/health")))
    refused, why = function.ask(gateway_event.http_api(http("/counter")))

    assert (status, told["status"]) == (503, "unhealthy")
    assert named in told["error"]
    assert (refused, why["error"]) == (500, "misconfigured")


@pytest.mark.slow
def test_an_answer_comes_before_the_time_is_over(function: Function) -> None:
    """Where the storage is silent, the visitor is told so before the platform ends the call."""
    function.ask({})
    assert function.here.proxy is not None
    function.here.proxy.fault = lambda operation: "hang"
    begun = time.monotonic()
    status, told = function.ask({"path": "/counter"}, 5.0)

    assert (status, told["error"]) == (503, "storage_unavailable")
    assert time.monotonic() - begun < 4.5


def test_what_the_log_says_names_nobody(function: Function) -> None:
    """Visits leave nothing in the log; a warning about the settings and what was refused name no visitor."""
    function.restart(SALT="")
    function.ask(gateway_event.http_api(http("/counter?vid=anna-of-the-log")))
    function.ask(gateway_event.http_api(http("/counter?vid=anna%20of%20the%20log")))
    log = "\n".join(function.here.environments.log)

    assert "SALT is the default" in log
    assert "anna" not in log
    assert "127.0.0.1" not in log


@pytest.mark.slow
def test_counts_survive_a_restart(function: Function) -> None:
    """What was counted is there for containers that come later."""
    for number in range(3):
        function.restart()
        assert function.ask({})[1]["count"] == number + 1
