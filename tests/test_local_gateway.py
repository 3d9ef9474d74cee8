"""The local gateway calls the function as Oracle's does, in real `fdk` processes that take one call at a time."""

import json
import os
import re
import signal
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from clouds.oracle.laptop.fn_entrypoint import ulid
from clouds.oracle.laptop.serving import Serving
from local.entrypoint import FunctionFailed

# A function that answers with everything the gateway passes to it.
FUNCTION = """
import json, os, sys, time
from fdk import response

def handler(ctx, data=None):
    body = data.read()
    url = ctx.RequestURL() or ""
    if "sleep" in url:
        time.sleep(0.3)
    if "die" in url:
        os._exit(1)
    if "raise" in url:
        raise ValueError("secret")
    if "log" in url:
        print("a line", file=sys.stderr, flush=True)
    status = int(url.partition("status=")[2] or 200)
    answer = {"url": ctx.RequestURL(), "method": ctx.Method(), "http": ctx.HTTPHeaders(), "headers": ctx.Headers(),
              "call": ctx.CallID(), "deadline": ctx.Deadline(), "size": len(body), "body": body[:99].decode(),
              "pid": os.getpid(), "environment": dict(os.environ)}
    headers = {"content-type": "application/json", "x-answer": "yes"}
    return response.Response(ctx, json.dumps(answer), headers, status)
"""


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the function and return its file."""
    path = tmp_path_factory.mktemp("function") / "func.py"
    path.write_text(FUNCTION)
    return path


@pytest.fixture(scope="module")
def here(function: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run it behind the gateway in up to two containers, for all tests of this file."""
    web = tmp_path_factory.mktemp("web")
    (web / "demo.html").write_text("a demo")
    (web.parent / "secret").write_text("secret")
    with Serving(
        tmp_path_factory.mktemp("data"), containers=2, function=function, web_folder=web, config={"SALT": "s"}
    ) as serving:
        yield serving


def ask(
    here: Serving, target: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> tuple[int, Mapping[str, str], Any]:
    """Make one HTTP request and return status, headers and the JSON (or else the bytes) of the answer."""
    connection = HTTPConnection(urlsplit(here.url).netloc, timeout=20)
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in (headers or {}).items():
        for single in value.split("|"):
            connection.putheader(name, single.encode("utf-8"))
    if body is not None:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    found = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, found, json.loads(raw) if raw[:1] == b"{" else raw


def test_a_request_is_wrapped_as_oracle_does(here: Serving) -> None:
    """The function gets the path with prefix and raw query, method, call id, deadline, and the client's headers, which
    are separate from Fn's own."""
    sent = {"User-Agent": "me", "X-Twice": "1|2", "X-Forwarded-For": "203.0.113.9", "X-Umlaut": "ä"}
    _, _, told = ask(here, "/v1/counter?vid=a%20b&c=%2F", headers=sent)

    assert (told["url"], told["method"]) == ("/v1/counter?vid=a%20b&c=%2F", "GET")
    assert told["http"] == {
        "host": urlsplit(here.url).netloc,
        "user-agent": "me",
        "x-twice": "1, 2",
        "x-forwarded-for": "203.0.113.9, 127.0.0.1",
        "x-umlaut": "ä",
        "x-real-ip": "127.0.0.1",
        "forwarded": "for=127.0.0.1",
    }
    assert told["headers"]["user-agent"] == ["local-gateway", "me"]
    assert told["headers"]["content-type"] == "application/octet-stream"
    assert told["headers"]["oci-subject-id"].startswith("ocid1.apigateway.")
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", told["call"])
    left = datetime.fromisoformat(told["deadline"]).timestamp() - time.time()
    assert 25 < left <= 30


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_every_method_reaches_the_function(here: Serving, method: str) -> None:
    """The gateway passes every method; the function decides which it accepts."""
    assert ask(here, "/v1/counter", method)[2]["method"] == method


def test_a_head_reaches_the_function_and_has_no_body(here: Serving) -> None:
    """HEAD is passed on, and its answer has the function's headers and no body."""
    status, headers, body = ask(here, "/v1/counter", "HEAD")

    assert (status, headers["x-answer"], body) == (200, "yes", b"")


def test_a_body_arrives_with_its_type(here: Serving) -> None:
    """The content type is passed with and without prefix, and bodies of more than 6 MB are refused."""
    _, _, told = ask(here, "/v1/counter", "POST", {"Content-Type": "text/plain"}, b'{"vid":"x"}')
    limit = 6 * 1024 * 1024

    assert (told["body"], told["headers"]["content-type"]) == ('{"vid":"x"}', ["text/plain", "text/plain"])
    assert ask(here, "/v1/counter", "POST", body=bytes(limit))[2]["size"] == limit
    assert ask(here, "/v1/counter", "POST", body=bytes(limit + 1))[0] == 413


def test_a_client_cannot_speak_for_the_platform(here: Serving) -> None:
    """Headers with the names of Fn's own get the client's prefix and change nothing."""
    forged = {
        "Fn-Http-Request-Url": "/report",
        "Fn-Http-Method": "POST",
        "Fn-Call-Id": "mine",
        "Fn-Deadline": "2000-01-01T00:00:00Z",
        "Fn-Http-H-Host": "evil",
        "Oci-Subject-Id": "me",
    }
    _, _, told = ask(here, "/v1/counter", headers=forged)

    assert (told["url"], told["method"]) == ("/v1/counter", "GET")
    assert told["call"] != "mine"
    assert not told["deadline"].startswith("2000")
    assert told["http"]["host"] == urlsplit(here.url).netloc
    assert told["http"]["fn-call-id"] == "mine"
    assert told["http"]["fn-http-h-host"] == "evil"


def test_a_forged_intent_costs_only_the_forger(here: Serving) -> None:
    """In the FDK a client's `Fn-Intent` hides the real one, so its own answer loses the status; URL and method remain.

    Therefore a function must recognise a gateway's call by its URL, never by `ctx.Headers()`.
    """
    status, headers, told = ask(here, "/v1/counter?status=401", headers={"Fn-Intent": "direct"})

    assert (status, "x-answer" in headers) == (200, False)
    assert (told["url"], told["headers"]["fn-intent"]) == ("/v1/counter?status=401", "direct")


def test_an_invocation_has_no_gateway_headers(here: Serving) -> None:
    """`fn invoke` sends a body, a call id and a deadline, but no URL, method or client."""
    told = json.loads(here.invoke(b'{"path":"/report"}'))

    assert (told["url"], told["method"], told["http"], told["body"]) == (None, None, {}, '{"path":"/report"}')
    assert told["headers"]["content-type"] == "text/plain"
    assert ask(here, "/invoke", "POST", body=b"hello")[2]["body"] == "hello"
    assert ask(here, "/invoke", "GET")[0] == 405
    assert ask(here, "/invoke", "POST", {"Origin": "http://evil.example"}, b"{}")[0] == 403


@pytest.mark.parametrize("status", [200, 204, 304, 404, 429, 500, 503])
def test_the_functions_status_and_headers_are_the_answer(here: Serving, status: int) -> None:
    """The client gets the function's status and headers, and none of Fn's."""
    answered, headers, _ = ask(here, f"/v1/counter?status={status}")

    assert (answered, headers["x-answer"]) == (status, "yes")
    assert not [name for name in headers if name.startswith("fn-")]


@pytest.mark.parametrize("query", ["status=502", "status=504", "raise"])
def test_a_failing_function_is_a_bad_gateway(here: Serving, query: str) -> None:
    """502, 504 and exceptions become the platform's 502, without the function's own answer."""
    status, _, body = ask(here, f"/v1/counter?{query}")

    assert (status, body) == (502, {"code": 502, "message": "Bad Gateway"})


def test_only_the_prefix_leads_to_the_function(here: Serving) -> None:
    """Everything under the prefix goes to the function, nothing else does."""
    assert ask(here, "/v1/no/such?x")[2]["url"] == "/v1/no/such?x"
    assert [ask(here, path)[0] for path in ("/counter", "/v1x/counter", "/nothing")] == [404, 404, 404]


def test_the_laptop_has_a_demo_page_and_a_mailbox(here: Serving) -> None:
    """Files are served from the web folder and from nowhere above it."""
    assert (ask(here, "/")[2], ask(here, "/web/demo.html")[2]) == (b"a demo", b"a demo")
    assert [ask(here, path)[0] for path in ("/web/../secret", "/web/%2e%2e/secret", "/web/", "/web//etc/passwd")] == [
        404
    ] * 4
    assert b"No mail yet" in ask(here, "/mailbox")[2]
    assert ask(here, "/mailbox.json")[2] == b"[]"


def test_a_container_knows_nothing_of_its_user(here: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is Oracle's variables, the settings and the stand-in's addresses, with nothing from the shell."""
    monkeypatch.setenv("OCI_CLI_USER", "somebody")
    environment = ask(here, "/v1/counter")[2]["environment"]
    ours = {"PATH", "LANG", "HOME", "PYTHONPATH", "FN_LISTENER", "LC_CTYPE"}

    assert set(environment) - ours == set(here.environment())
    assert (environment["SALT"], environment["OCI_RESOURCE_PRINCIPAL_VERSION"]) == ("s", "2.2")
    assert environment["OBJECT_STORAGE_ENDPOINT"] == here.cloud_url
    assert "OCI_CLI_USER" not in environment


def test_overlapping_calls_get_separate_containers(here: Serving) -> None:
    """Six concurrent calls in two containers take three times as long as one: a container takes one at a time."""
    here.warm(2)
    start = time.monotonic()
    with ThreadPoolExecutor(6) as threads:
        pids = [told["pid"] for _, _, told in threads.map(lambda _: ask(here, "/v1/sleep"), range(6))]
    took = time.monotonic() - start

    assert len(set(pids)) == 2
    assert took >= 0.85


def test_calls_one_after_the_other_share_a_container(here: Serving) -> None:
    """Calls that do not overlap use the same warm container."""
    assert len({ask(here, "/v1/counter")[2]["pid"] for _ in range(5)}) == 1


def test_a_container_that_dies_is_replaced(here: Serving) -> None:
    """The call it died in gets a 502, the next one a new container; the same holds for a killed idle container."""
    assert ask(here, "/v1/die")[0] == 502
    pid = ask(here, "/v1/counter")[2]["pid"]
    os.kill(pid, signal.SIGKILL)
    statuses = [ask(here, "/v1/counter")[0] for _ in range(3)]

    assert statuses[1:] == [200, 200]
    assert ask(here, "/v1/counter")[2]["pid"] != pid


def test_a_failing_invocation_raises(function: Path, tmp_path: Path) -> None:
    """A direct call to a failing function raises FunctionFailed with the status."""
    with (
        Serving(tmp_path, containers=1, function=function.with_name("absent.py")) as here,
        pytest.raises(FunctionFailed) as failed,
    ):
        here.invoke()

    assert failed.value.status == 502


def test_what_a_function_writes_is_kept(here: Serving) -> None:
    """The function's output is in the pool's log."""
    ask(here, "/v1/log")
    deadline = time.monotonic() + 60
    while "a line" not in here.pool.log and time.monotonic() < deadline:
        time.sleep(0.01)

    assert "a line" in here.pool.log


def test_nothing_is_left_after_stopping(function: Path, tmp_path: Path) -> None:
    """Processes, ports and socket folders are gone, even those of a call in progress."""
    with Serving(tmp_path, containers=2, function=function) as here, ThreadPoolExecutor(1) as threads:
        told = ask(here, "/v1/counter")[2]
        here.warm(2)
        pids = [container.pid for container in here.pool.containers]
        addresses = [urlsplit(url) for url in (here.url, here.cloud_url)]
        threads.submit(ask, here, "/v1/sleep")
        time.sleep(0.1)

    assert len(pids) == 2
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert not Path(told["environment"]["HOME"]).exists()
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.hostname, address.port))


def test_a_function_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    """The gateway answers 502 at once, and the log has the reason."""
    with Serving(tmp_path, containers=1, function=tmp_path / "absent.py") as here:
        status = ask(here, "/v1/counter")[0]

        assert status == 502
        assert "doesn't exist" in "\n".join(here.pool.log)


def test_an_address_of_ipv6_is_in_brackets(tmp_path: Path) -> None:
    """On IPv6 the gateway's address is in brackets, as browsers require."""
    try:
        with Serving(tmp_path, function=tmp_path / "absent.py", host="::1") as here:
            assert re.fullmatch(r"http://\[::1\]:\d+", here.url)
            assert urlsplit(here.url).hostname == "::1"
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


def test_call_ids_are_ulids() -> None:
    """A call id has 26 characters, sorts by time, and is unique."""
    first = ulid()
    time.sleep(0.002)
    second = ulid()

    assert len(first) == 26
    assert first < second
    assert len({ulid() for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "request_line, status",
    [
        (b"GET /web/" + b"a" * 300 + b" HTTP/1.1", 404),
        (b"GET /v1/counter?vid=" + b"a" * 9000 + b" HTTP/1.1", 400),
        (b"GET /v1/cou\x01nter HTTP/1.1", 400),
        (b"POST /v1/counter HTTP/1.1\r\nContent-Length: -1", 400),
        (b"HELLO", 400),
    ],
)
def test_a_malformed_request_is_answered(
    here: Serving, caplog: pytest.LogCaptureFixture, request_line: bytes, status: int
) -> None:
    """A malformed request gets a client error, and is not logged as one of ours."""
    address = urlsplit(here.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(request_line + b"\r\nHost: here\r\n\r\n")
        answer = client.recv(1000)

    assert re.match(rb"HTTP/1\.\d %d " % status, answer)
    assert not caplog.records


def test_a_client_may_disconnect(here: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """A client that disconnects in the middle of its request causes no error, and the next one is served."""
    address = urlsplit(here.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not closed
        client.sendall(b"POST /v1/counter HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nhalf a wo")
        time.sleep(0.2)

    assert ask(here, "/v1/counter")[0] == 200
    assert not caplog.records
