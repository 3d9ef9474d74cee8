"""`make check`: the right sentence for a counter that works on each cloud, and for one that is broken in each way."""

import contextlib
import io
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener, urlopen

import pytest
from engines import SLOW_CLOUDS, needed

from clouds import check
from clouds.oracle.laptop.serving import Serving
from local.faults import Faults
from local.laptop import Hosting

TOKEN = "the-token-of-these-tests"
CONFIG = {"REPORT_TOKEN": TOKEN, "SALT": "a-salt-of-the-tests"}


@dataclass(frozen=True)
class Reply:
    """What a gateway hands back."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


Change = Callable[[str, str, Reply], Reply]
"""What a broken gateway makes of the method, the path and the counter's reply."""


class Broken:
    """A gateway in front of a counter that changes what passes through."""

    def __init__(self, upstream: str) -> None:
        self.change: Change = lambda _method, _path, reply: reply
        gateway = self
        opener = build_opener(ProxyHandler({}))

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                reply = gateway.change(self.command, self.path, self.forward())
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            def forward(self) -> Reply:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Connection")}
                asked = Request(upstream + self.path, body, headers, method=self.command)
                try:
                    answer = opener.open(asked, timeout=30)
                except HTTPError as error:
                    answer = error
                with answer:
                    kept = [
                        pair
                        for pair in answer.headers.items()
                        if pair[0].lower() not in ("connection", "date", "server")
                    ]
                    return Reply(answer.status or 0, kept, answer.read())

            do_GET = do_HEAD = do_POST = do_OPTIONS = handle_any

            def log_message(self, *_: object) -> None:
                """Be silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextlib.contextmanager
def serving(broken: Broken) -> Iterator[Broken]:
    """Run a gateway in a thread."""
    thread = threading.Thread(target=broken.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield broken
    finally:
        broken.server.shutdown()
        thread.join()
        broken.server.server_close()


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A counter on Oracle's function."""
    with Serving(tmp_path_factory.mktemp("cloud"), containers=1, config=CONFIG) as here:
        yield here


@pytest.fixture
def gateway(counter: Serving) -> Iterator[Broken]:
    """A gateway in front of it, which is not broken yet."""
    with serving(Broken(counter.url)) as broken:
        yield broken


def looked(url: str, *words: str, token: str | None = None) -> tuple[int, str]:
    """Run the command; its exit status and what it printed."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setenv("TOKEN", token or "")
        status = check.main([url, *words])
    return status, printed.getvalue()


def count(url: str) -> Any:
    """Return how many page views a counter shows."""
    with urlopen(f"{url}/counter?peek=1", timeout=30) as answer:
        return answer.read().partition(b'"count":')[2].partition(b",")[0]


@pytest.mark.parametrize("cloud", ["oracle", *SLOW_CLOUDS])
def test_a_counter_that_works(cloud: str, tmp_path: Path) -> None:
    """On every cloud everything is well; nothing is counted and no mail is sent unless that was asked for."""
    kind = None if cloud == "oracle" else needed(cloud)
    here: Any = (
        Hosting(kind(tmp_path, config=CONFIG, containers=1)) if kind else Serving(tmp_path, config=CONFIG, containers=1)
    )
    with here:
        url = f"{here.url}{'/api' if cloud == 'azure' else '/v1'}"
        before = count(url)
        status, printed = looked(f"{url}/", token=TOKEN)
        assert (status, count(url)) == (0, before), printed
        assert "Everything that was checked works." in printed
        assert "--  " not in printed

        status, printed = looked(url, "--count", "--report", token=TOKEN)
        assert status == 0, printed
        assert "One page view was counted: 1." in printed
        assert "A report was sent. If no mail arrives" in printed


def instead(status: int, body: bytes = b"", *, methods: tuple[str, ...] = (), path: str = "") -> Change:
    """Return a gateway that answers by itself, for some methods, or for some paths."""

    def change(method: str, asked: str, reply: Reply) -> Reply:
        mine = (not methods or method in methods) and path in asked
        return (
            Reply(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)
            if mine
            else reply
        )

    return change


def headed(*more: tuple[str, str], without: str = "") -> Change:
    """Return a gateway that adds headers, or takes one away."""

    def change(_method: str, _path: str, reply: Reply) -> Reply:
        kept = [pair for pair in reply.headers if pair[0].lower() != without]
        return Reply(reply.status, [*kept, *more], reply.body)

    return change


NOT_FOUND = b'{"code":404,"message":"Not Found"}'
IMAGE = b'{"code":"FunctionInvokeImageNotAvailable","message":"Failed to pull function image"}'
WAYS: Mapping[str, tuple[Change, str]] = {
    "the rights are not there yet": (instead(502, b'{"code":502,"message":"Bad Gateway"}'), "up to 15 minutes"),
    "there is no image": (instead(502, IMAGE), "The function's image is not in the registry"),
    "the address lacks its prefix": (instead(404, NOT_FOUND), "It ends with /v1 on Oracle and AWS"),
    "the gateway wants a key": (instead(403, b'{"message":"Forbidden"}'), "Does it require an API key?"),
    "HEAD is eaten": (instead(404, NOT_FOUND, methods=("HEAD",)), "does not let HEAD through (404)"),
    "OPTIONS is eaten": (instead(404, NOT_FOUND, methods=("OPTIONS",)), "does not let OPTIONS through (404)"),
    "CORS comes twice": (headed(("Access-Control-Allow-Origin", "*")), "Remove the CORS policy from the gateway"),
    "CORS is removed": (headed(without="access-control-allow-origin"), "has no Access-Control-Allow-Origin"),
    "the dot is too much": (instead(404, NOT_FOUND, path="badge.svg"), "img.shields.io/endpoint"),
    "the script has no route": (instead(404, NOT_FOUND, path=".js"), "file web/visitor-counter.js beside"),
    "the route is missing": (instead(404, NOT_FOUND, path="/counter?"), "Does the gateway have a route for /counter?"),
    "it leads elsewhere": (
        lambda *_: Reply(301, [("Location", "https://elsewhere.example")]),
        "https://elsewhere.example",
    ),
    "Azure asks for a sign-in": (instead(401), "Delete the setting AzureWebJobsStorage"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_gateway_that_is_broken(gateway: Broken, way: str) -> None:
    """Each fault of a gateway is named, with what to do about it."""
    gateway.change, sentence = WAYS[way]
    status, printed = looked(f"{gateway.url}/v1")

    assert status == 1
    (problem,) = {line for line in printed.splitlines() if line.startswith("  --")} & {
        line for line in printed.splitlines() if sentence in line
    }
    assert problem


def test_a_token_that_is_not_this_counters(gateway: Broken) -> None:
    """A wrong token is told from a right one, and neither is printed."""
    status, printed = looked(f"{gateway.url}/v1", token="not-the-token-of-these-tests")

    assert status == 1
    assert "The token does not open /stats (401)." in printed
    assert "not-the-token" not in printed


def test_a_storage_that_refuses(counter: Serving, gateway: Broken) -> None:
    """A function that runs without its rights says so itself."""
    counter.cloud.faults = Faults({"refuse-503": 1.0}, seed=1)
    try:
        status, printed = looked(f"{gateway.url}/v1")
    finally:
        counter.cloud.faults = Faults()

    assert status == 1
    assert "The function runs, but its storage does not work" in printed


def test_a_setting_that_is_not_understood(tmp_path: Path) -> None:
    """The setting is named as the function names it."""
    with Serving(tmp_path, containers=1, config={**CONFIG, "SEEN_LIMIT": "many"}) as here:
        status, printed = looked(f"{here.url}/v1")

    assert status == 1
    assert "A setting is invalid: SEEN_LIMIT must be" in printed


def test_the_default_salt_and_an_origin_that_is_not_listed(tmp_path: Path) -> None:
    """What works but should not stay so is a problem too; a page that may not read is told how it may."""
    config = {"REPORT_TOKEN": TOKEN, "ALLOWED_ORIGINS": "https://example.com"}
    with Serving(tmp_path, containers=1, config=config) as here:
        status, printed = looked(f"{here.url}/v1", "--origin", "https://www.example.com/")

    assert status == 1
    assert "It warns: SALT is the default" in printed
    assert "https://www.example.com may not read the answers" in printed
    assert "add both." in printed


def test_nobody_at_home() -> None:
    """An address at which nobody answers is said to be one, without a traceback."""
    status, printed = looked("http://127.0.0.1:9/v1")

    assert status == 1
    assert "Nothing answers at 127.0.0.1" in printed


def test_an_address_without_a_scheme(capsys: pytest.CaptureFixture[str]) -> None:
    """The commonest slip gets its own answer."""
    with pytest.raises(SystemExit):
        check.main(["host.example/v1"])

    assert "like https://host.example/v1" in capsys.readouterr().err
