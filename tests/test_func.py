"""The real function: `fdk func.py handler` on its socket, with Oracle's variables, and the stand-in over TLS."""

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from damaged import KINDS

from clouds.oracle.laptop.fn_entrypoint import deadline, ulid
from clouds.oracle.laptop.serving import BUCKET, Serving
from local.entrypoint import FunctionFailed
from local.faults import Faults

TOKEN = "the-token-of-these-tests"
CONFIG = {"SALT": "the-salt-of-these-tests", "REPORT_TOKEN": TOKEN}
OWNER = {"Authorization": f"Bearer {TOKEN}"}
OBJECT = "counter.json"
COPIES = f"{OBJECT}.copies/"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the function as Oracle does, with nothing set but what an owner sets, for all tests of this file."""
    with Serving(tmp_path_factory.mktemp("cloud"), containers=2, config=CONFIG, tls=True) as here:
        yield here


@pytest.fixture
def here(serving: Serving) -> Iterator[Serving]:
    """Return it with an empty bucket, an empty mailbox's worth of records, no faults and the usual configuration."""
    clear(serving)
    config = dict(serving.config)
    yield serving
    serving.cloud.faults = Faults()
    if serving.config != config:
        serving.config = config
        restart(serving)


def clear(here: Serving) -> None:
    """Empty the bucket and forget what was asked."""
    for stored in here.objects.list(BUCKET):
        here.objects.delete(BUCKET, stored.name)
    here.cloud.requests.clear()


def restart(here: Serving, **config: str) -> None:
    """End all containers, so that the next call is a cold start, with these settings on top."""

    async def stop() -> None:
        await asyncio.gather(*(container.stop() for container in here.pool.containers))

    here.run(stop())
    here.config = {**here.config, **config}
    here.pool.log.clear()


def put(here: Serving, data: bytes) -> str:
    """Store a document and return its ETag."""
    return here.objects.put(BUCKET, OBJECT, data)


def kept(here: Serving) -> dict[str, Any]:
    """Return the document as it is stored."""
    stored = here.objects.get(BUCKET, OBJECT)
    assert stored is not None
    content = json.loads(stored.data)
    assert isinstance(content, dict)
    return content


def ask(
    here: Serving,
    target: str = "/v1/counter",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> tuple[int, Mapping[str, str], Any]:
    """Make one HTTP request through the gateway; status, headers in lower case, and what the JSON says."""
    connection = HTTPConnection(urlsplit(here.url).netloc, timeout=40)
    connection.request(method, target, body, {"User-Agent": "curl/8.9.1", **(headers or {})})
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(raw) if raw else None


def invoke(here: Serving, body: bytes = b"") -> Any:
    """Call the function directly and return what the JSON says."""
    return json.loads(here.invoke(body))


def kinds(here: Serving) -> list[str]:
    """Return the kinds of storage requests that were made, in order."""
    return [seen.kind for seen in here.cloud.requests]


def test_the_first_visit_and_those_after_it(here: Serving) -> None:
    """A cold start asks for the namespace, reads the document and writes; a warm visit only writes."""
    restart(here)
    status, headers, told = ask(here, "/v1/counter?vid=anna")

    assert (status, told["count"], told["unique"], told["counted"]) == (200, 1, 1, True)
    assert headers["x-request-id"] == told["requestId"]
    assert headers["content-type"] == "application/json"
    assert sorted(kinds(here)) == ["get", "namespace", "put"]
    (first,) = here.cloud.requests.of("put")
    assert first.headers["if-none-match"] == "*"
    assert "if-match" not in first.headers

    here.cloud.requests.clear()
    for number in range(3):
        assert ask(here, f"/v1/counter?vid=v{number}")[2]["count"] == number + 2
    assert kinds(here) == ["put"] * 3
    for seen in here.cloud.requests:
        assert seen.headers["if-match"]
        assert "if-none-match" not in seen.headers
        assert "expect" not in seen.headers
        assert seen.headers["host"] == "objectstorage.us-phoenix-1.oraclecloud.com"
        assert seen.headers["authorization"].startswith("Signature ")
    assert kept(here)["requests"] == {datetime.now(UTC).strftime("%Y-%m"): 6}


def test_a_namespace_that_is_set_is_not_looked_up(here: Serving) -> None:
    """With NAMESPACE a cold start saves one request."""
    restart(here, NAMESPACE="local")
    assert ask(here)[0] == 200

    assert sorted(kinds(here)) == ["get", "put"]


@pytest.mark.slow
def test_forty_visitors(here: Serving) -> None:
    """Forty browsers, each coming twice, are eighty page views and forty visitors."""
    answers = [ask(here, f"/v1/counter?vid=visitor-{number}") for _ in range(2) for number in range(40)]

    assert [status for status, _, _ in answers] == [200] * 80
    assert [told["count"] for _, _, told in answers] == list(range(1, 81))
    told = answers[-1][2]
    assert (told["count"], told["unique"]) == (80, 40)
    content = kept(here)
    assert (content["pageviews"], content["uniqueVisitors"], len(content["seen"])) == (80, 40, 40)
    assert (
        content["days"]
        == {
            str(datetime.now(UTC).date()): {"pageviews": 80, "newVisitors": 40, "visitors": 40},
        }
        or len(content["days"]) == 2
    )


@pytest.mark.parametrize(
    "old, count, unique",
    [
        ({"count": 41}, 42, 1),
        (
            {
                "pageviews": 41,
                "uniqueVisitors": 3,
                "seen": [hashlib.sha256(f"{CONFIG['SALT']}:{vid}".encode()).hexdigest() for vid in ("anna", "b")],
                "updatedAt": 1700000000,
                "theme": {"dark": [1.5, None]},
            },
            42,
            3,
        ),
    ],
)
def test_an_old_document_is_picked_up(here: Serving, old: dict[str, Any], count: int, unique: int) -> None:
    """The function goes on where an earlier counter stopped, and keeps what it does not know."""
    put(here, json.dumps(old).encode())
    told = ask(here, "/v1/counter?vid=anna")[2]

    assert (told["count"], told["unique"]) == (count, unique)
    assert kept(here).get("theme") == old.get("theme")
    assert kept(here).get("count", count) == count


def test_reading_counts_nothing(here: Serving) -> None:
    """Peeks, HEAD, preflights and /health leave the document as it is."""
    put(here, b'{"count": 41}')
    before = here.objects.get(BUCKET, OBJECT)

    assert ask(here, "/v1/counter?peek=1")[2]["count"] == 41
    assert ask(here, "/v1/counter", "HEAD")[0] == 200
    assert ask(here, "/v1/counter", "OPTIONS")[0] == 204
    status, _, told = ask(here, "/v1/health")
    assert (status, told["status"], told["counter_value"]) == (200, "healthy", 41)
    assert here.objects.get(BUCKET, OBJECT) == before


def test_the_report_is_mailed(here: Serving) -> None:
    """The owner's call publishes one message; a stranger's none. The token may be in the header or the query."""
    put(here, b'{"pageviews": 4321, "uniqueVisitors": 99, "seen": []}')
    before = len(here.mailbox.messages())

    for target, method, headers, expected in [
        ("/v1/report", "GET", {}, 401),
        ("/v1/report?token=wrong", "POST", {}, 401),
        ("/v1/report", "POST", OWNER, 200),
        (f"/v1/report?token={TOKEN}", "GET", {}, 200),
    ]:
        assert ask(here, target, method, headers)[0] == expected
    assert invoke(here, b'{"path": "/report"}')["report"] is True

    mails = here.mailbox.messages()[: len(here.mailbox.messages()) - before]
    assert len(mails) == 3
    assert "4321" in mails[0].body.replace(",", "")
    assert mails[0].title


def test_a_report_keeps_a_copy_of_the_document(here: Serving) -> None:
    """Beside the mail a copy is kept for the weekday, in place of last week's; a mail goes out without it too."""
    for number in (41, 42):
        put(here, b'{"pageviews": %d, "uniqueVisitors": 9, "seen": []}' % number)
        assert invoke(here, b'{"path": "/report"}')["report"] is True
        copies = {stored.name: json.loads(stored.data)["pageviews"] for stored in here.objects.list(BUCKET, COPIES)}
        assert copies.keys() <= {
            f"{COPIES}{day}day" for day in ("sun", "mon", "tues", "wednes", "thurs", "fri", "satur")
        }
        assert number in copies.values()

    here.cloud.faults = Faults({"put:refuse-503": 1.0})
    assert invoke(here, b'{"path": "/report"}')["report"] is True


@pytest.mark.parametrize(
    "call, status, error",
    [
        (("/v1/badge.svg?metric=money", "GET", {}, None), 400, "invalid_metric"),
        (("/v1/counter", "POST", {}, b"x" * 20_000), 413, "too_large"),
        (("/v1/counter", "DELETE", {}, None), 405, "method_not_allowed"),
        (("/v1/nothing", "GET", {}, None), 404, "not_found"),
        (("/v1/report", "GET", {}, None), 401, "unauthorized"),
        (("/v1/report", "GET", {"Authorization": "Bearer ä"}, None), 401, "unauthorized"),
    ],
)
def test_every_error_has_its_status(
    here: Serving, call: tuple[str, str, Mapping[str, str], bytes | None], status: int, error: str
) -> None:
    """Status and headers get through the gateway's wrapping, and nothing is counted or even read."""
    target, method, headers, body = call
    given = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    answered, found, told = ask(here, target, method, given, body)

    assert (answered, told["error"], told["ok"]) == (status, error, False)
    assert found["cache-control"] == "no-cache, no-store, must-revalidate"
    assert found["x-content-type-options"] == "nosniff"
    assert found["x-request-id"] == told["requestId"]
    assert found["access-control-allow-origin"] == "*"
    assert found.get("allow") == ("GET, HEAD, POST, OPTIONS" if status == 405 else None)
    assert not [name for name in found if name.startswith("fn-")]
    assert here.objects.get(BUCKET, OBJECT) is None


@pytest.mark.parametrize(
    "body, expected",
    [
        (b"", {"ok": True, "counted": True, "count": 1}),
        (b'{"vid": "anna"}', {"ok": True, "unique": 1}),
        (b'{"path": "/health"}', {"status": "healthy", "counter_value": 0}),
        (b'{"path": "/counter", "httpMethod": "GET", "queryStringParameters": {"peek": "1"}}', {"count": 0}),
        (b"junk", {"ok": True, "count": 1, "ignored": ["body"]}),
        (b"[1, 2]", {"ok": True, "count": 1, "ignored": ["body"]}),
        (b"\xff\x00", {"ok": True, "count": 1, "ignored": ["body"]}),
        (b'{"path": "/nothing"}', {"ok": False, "error": "not_found"}),
        (b'{"vid": "no good"}', {"ok": True, "count": 1, "unique": 0, "ignored": ["vid"]}),
        (b'{"vid": "\\ud800"}', {"ok": True, "count": 1, "ignored": ["vid"]}),
    ],
)
def test_a_direct_call_is_answered_in_its_body(here: Serving, body: bytes, expected: dict[str, Any]) -> None:
    """`fn invoke` shows no status, so the JSON says it all; no junk makes the function fail."""
    told = invoke(here, body)

    assert {key: told[key] for key in expected} == expected
    assert told["requestId"]


def test_a_direct_call_has_no_gateway_s_headers(here: Serving) -> None:
    """On the wire its answer is plain: a body, its type, and headers by their own names."""
    call = {"fn-call-id": "01ABC", "fn-deadline": deadline(), "content-type": "application/json"}
    status, headers, body = here.run(here.pool.call(call, b'{"path": "/nothing"}'))

    assert status == 200
    assert "fn-http-status" not in {name.lower() for name in headers}
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"] == json.loads(body)["requestId"]
    assert headers["x-request-id"] == str(uuid.uuid5(uuid.NAMESPACE_OID, "01ABC"))


def test_an_id_that_is_none_is_replaced(here: Serving) -> None:
    """A call without an id, or with a strange one, gets one of ours: two calls are never the same visit."""
    strange: list[dict[str, str]] = [{}, {"fn-call-id": "no good!"}, {"fn-call-id": "x" * 65}, {"fn-deadline": "soon"}]
    calls = [here.run(here.pool.call({**one, "content-type": "text/plain"}, b"")) for one in strange]
    told = [json.loads(body) for _, _, body in calls]

    assert [one["count"] for one in told] == [1, 2, 3, 4]
    assert len({uuid.UUID(one["requestId"]) for one in told}) == 4


def test_the_same_call_is_the_same_visit(here: Serving) -> None:
    """A call that the platform delivers twice counts once."""
    call = {"fn-call-id": ulid(), "fn-deadline": deadline(), "content-type": "text/plain"}
    told = [json.loads(here.run(here.pool.call(call, b""))[2]) for _ in range(2)]

    assert [one["count"] for one in told] == [1, 1]


FORGED: list[dict[str, str]] = [
    {"Fn-Intent": "direct"},
    {"fn-intent": "cloudevent"},
    {"Fn-Http-Request-Url": "/counter"},
    {"Fn-Http-Method": "GET"},
    {"Fn-Call-Id": "forged", "Fn-Deadline": "2000-01-01T00:00:00Z", "Fn-Invoke-Type": "detached"},
    {"Fn-Http-H-Authorization": f"Bearer {TOKEN}"},
    {"Fn-Http-H-Fn-Http-H-Authorization": f"Bearer {TOKEN}"},
    {"Oci-Subject-Id": "ocid1.user.oc1..owner", "Oci-Subject-Type": "user"},
]


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: next(iter(forged)))
@pytest.mark.parametrize("body", [None, b'{"path": "/report"}'])
def test_nobody_becomes_the_owner_by_a_header(here: Serving, forged: Mapping[str, str], body: bytes | None) -> None:
    """Whatever a client says in Fn's name, without the token there is no report; and a visit stays a visit."""
    before = len(here.mailbox.messages())
    told = ask(here, "/v1/report", "POST", forged, body)[2]
    assert (told["ok"], told["error"]) == (False, "unauthorized")

    told = ask(here, "/v1/counter?vid=anna", "POST", forged, b'{"path": "/report"}' if body else None)[2]
    assert (told["ok"], told["counted"], told["count"]) == (True, True, 1)
    assert told["requestId"] != "forged"
    assert len(here.mailbox.messages()) == before


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_a_damaged_document_is_refused_and_untouched(here: Serving, data: bytes) -> None:
    """The ten kinds: a clear error to the visitor and in the log, and the object stays byte for byte as it is."""
    etag = put(here, data)
    here.pool.log.clear()

    for target in ("/v1/counter?vid=anna", "/v1/counter?peek=1", "/v1/counter"):
        status, _, told = ask(here, target)
        assert (status, told["error"]) == (500, "damaged_document")
        assert "not touched" in told["message"]
    status, _, told = ask(here, "/v1/health")
    assert (status, told["status"], told["database"]) == (503, "unhealthy", "error")
    status, _, told = ask(here, "/v1/report", "POST", OWNER)
    assert (status, told["error"]) == (500, "damaged_document")

    stored = here.objects.get(BUCKET, OBJECT)
    assert stored is not None
    assert (stored.data, stored.etag) == (data, etag)
    assert [other.name for other in here.objects.list(BUCKET)] == [OBJECT]
    assert here.cloud.requests.of("put") == [
        seen for seen in here.cloud.requests.of("put") if seen.status == 412
    ]  # written from memory once, in vain
    assert any("corrupt" in line and "Repair" in line for line in log_of(here))


def log_of(here: Serving) -> list[str]:
    """Return what the function wrote, once it had the time to arrive."""
    time.sleep(0.05)
    return list(here.pool.log)


def test_a_repaired_document_counts_again(here: Serving) -> None:
    """As soon as the owner has repaired it the counter goes on, without a restart."""
    put(here, b'{"count": "forty"}')
    assert ask(here)[0] == 500
    put(here, b'{"count": 40}')

    assert ask(here)[2]["count"] == 41


@pytest.mark.parametrize(
    "kind, statuses, retry",
    [
        ("refuse-503", {503}, True),
        ("refuse-429", {503}, True),
        ("drop-before", {503}, True),
        ("flaky-404", {500}, False),
    ],
)
def test_a_storage_that_fails(here: Serving, kind: str, statuses: set[int], retry: bool) -> None:
    """503 with Retry-After, never 502 or 504; a bucket that is not there is an error and no reason to start over."""
    put(here, b'{"count": 40}')
    assert ask(here)[2]["count"] == 41
    here.cloud.faults = Faults({kind: 1.0})
    for target in ("/v1/counter?vid=anna", "/v1/counter?peek=1"):
        status, headers, told = ask(here, target)
        assert status in statuses
        assert told["error"] == ("storage_unavailable" if retry else "misconfigured")
        assert ("retry-after" in headers) is retry
    assert ask(here, "/v1/health")[0] == 503

    here.cloud.faults = Faults()
    assert ask(here)[2]["count"] == 42


def test_a_mail_that_cannot_be_sent(here: Serving) -> None:
    """A notification service that is busy is a 503; a topic that is not there is for the owner to correct."""
    here.cloud.faults = Faults({"publish:refuse-503": 1.0})
    status, headers, told = ask(here, "/v1/report", "POST", OWNER)

    assert (status, told["error"]) == (503, "not_published")
    assert "retry-after" in headers


def test_lost_answers_count_nothing_twice(here: Serving) -> None:
    """Of writes that were applied one in five loses its answer: count equals the visits that were acknowledged."""
    here.cloud.faults = Faults({"put:lose-drop": 0.2}, seed=7)
    acknowledged = sum(ask(here, f"/v1/counter?vid=v{number}")[0] == 200 for number in range(40))
    here.cloud.faults = Faults()
    here.settle()

    assert ask(here, "/v1/counter?peek=1")[2]["count"] == acknowledged == 40


def test_a_bad_setting_is_named(here: Serving) -> None:
    """It is named at /health and in the log, quoted nowhere, and every other route is an error."""
    restart(here, COUNT_ON="qqPUTqq", SEEN_LIMIT="qqmanyqq")
    status, headers, told = ask(here, "/v1/health")

    assert (status, told["status"]) == (503, "unhealthy")
    assert "retry-after" in headers
    assert "COUNT_ON" in told["error"]
    assert "SEEN_LIMIT" in told["error"]
    for target, method in (("/v1/counter", "GET"), ("/v1/counter", "POST"), ("/v1/report", "GET")):
        status, _, told = ask(here, target, method, OWNER)
        assert (status, told["error"]) == (500, "misconfigured")
        assert "COUNT_ON" in told["message"]
    assert "COUNT_ON" in invoke(here)["message"]
    assert invoke(here, b'{"path": "/health"}')["status"] == "unhealthy"
    log = "\n".join(log_of(here))
    assert "COUNT_ON" in log
    assert "qq" not in log + json.dumps(told)
    assert len(here.cloud.requests) == 0


def test_the_default_salt_is_warned_about(here: Serving) -> None:
    """It works, as old documents may depend on it, and the log and /health say that it should not stay."""
    restart(here, SALT="", REPORT_TOKEN="letmein")
    put(
        here,
        json.dumps({"pageviews": 9, "seen": [hashlib.sha256(b"change-me:anna").hexdigest()]}).encode(),
    )
    assert ask(here, "/v1/counter?vid=anna")[2]["unique"] == 1

    warnings = ask(here, "/v1/health")[2]["warnings"]
    assert [warning.split()[0] for warning in warnings] == ["SALT"]
    for word in (warnings[0], "REPORT_TOKEN is short"):
        assert any(word in line for line in log_of(here))
    assert "letmein" not in "\n".join(log_of(here))


def test_a_container_that_cannot_reach_the_cloud_starts_later(here: Serving) -> None:
    """Where the namespace cannot be looked up, nothing may be counted; the same container works once it can."""
    restart(here)
    here.cloud.faults = Faults({"namespace:refuse-503": 1.0})
    status, _, told = ask(here, "/v1/counter?vid=anna")
    assert (status, told["error"], told["mayBeCounted"]) == (503, "storage_unavailable", False)
    assert ask(here, "/v1/health")[0] == 503
    assert ask(here, "/v1/nothing")[0] == 404  # what needs no storage is answered without
    assert ask(here, "/v1/report")[0] == 401
    here.cloud.faults = Faults()

    assert ask(here, "/v1/counter?vid=anna")[2]["count"] == 1
    assert len(here.pool.containers) == 1


def test_a_bucket_that_is_not_there(here: Serving) -> None:
    """A wrong BUCKET is an error that says what to check and does not repeat the name."""
    restart(here, BUCKET="qq-no-such-bucket")
    status, _, told = ask(here)

    assert (status, told["error"]) == (500, "misconfigured")
    assert "BUCKET" in told["message"]
    assert "qq" not in json.dumps(told)
    assert ask(here, "/v1/health")[0] == 503


@pytest.mark.slow
def test_sixteen_first_visitors_at_once(tmp_path: Path) -> None:
    """On an empty bucket, each in a container of its own: sixteen page views, sixteen visitors, none lost."""
    with Serving(tmp_path, containers=16, warm=16, config=CONFIG, tls=True) as here:
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda number: ask(here, f"/v1/counter?vid=v{number}"), range(16)))
        here.settle()
        told = ask(here, "/v1/counter?peek=1")[2]
        served = sum(container.calls > 0 for container in here.pool.containers)

        assert [status for status, _, _ in answers] == [200] * 16
        assert (told["count"], told["unique"]) == (16, 16)
        assert served >= 8
        assert ask(here, "/v1/report", "POST", OWNER)[0] == 200
        assert (kept(here)["pageviews"], kept(here)["uniqueVisitors"]) == (16, 16)
        assert [stored.name for stored in here.objects.list(BUCKET) if COPIES not in stored.name] == [OBJECT]


BROKEN = """
import func

class Broken:
    settings = None
    def answer(self, request):
        raise RuntimeError("qq-the-text-of-an-exception " + repr(request))

func._api = Broken
handler = func.handler
"""


def test_the_unexpected_is_an_error_without_text(tmp_path: Path) -> None:
    """Whatever goes wrong inside, the visitor gets 500 and an id, and the log the place: never the exception's text."""
    broken = tmp_path / "broken.py"
    root = Path(__file__).resolve().parents[1]
    broken.write_text(f"import sys\nsys.path.insert(0, {str(root)!r})\n{BROKEN}")
    with Serving(tmp_path / "cloud", containers=1, config=CONFIG, tls=True, function=broken) as here:
        status, headers, told = ask(here, "/v1/counter?vid=qq-the-visitor")
        try:
            direct = invoke(here, b'{"vid": "qq-the-visitor"}')
        except FunctionFailed as failed:
            pytest.fail(f"the function failed: {failed}")
        log = "\n".join(log_of(here))

    for one in (told, direct):
        assert (one["ok"], one["error"]) == (False, "internal_error")
    assert (status, headers["x-request-id"]) == (500, told["requestId"])
    assert "unexpected RuntimeError at broken.py:9" in log
    assert told["requestId"] in log
    assert "qq" not in log + json.dumps(told) + json.dumps(direct)
