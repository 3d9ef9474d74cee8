"""What the browser tests share: one Chromium, and a small counter of their own on two ports."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WEB = Path(__file__).resolve().parents[2] / "web"
TOKEN = "open-sesame"

# The browser's own notice that a request failed, which no page can hold back.
NETWORK_NOTICE = "Failed to load resource"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A headless browser is not counted, so these say they are an ordinary one.
    "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0 Safari/537.36",
]


@dataclass
class FakeCounter:
    """Serves `web/`, and answers as the counter does; what it shall do wrong is set from the test, at any time."""

    count: int = 1233
    unique: int = 320
    status: int = 200
    drop: bool = False
    cors: bool = True
    cache: str = "no-store"
    answer: str | None = None  # instead of the usual one
    stats: dict[str, Any] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)  # path -> HTML
    requests: list[web.BaseRequest] = field(default_factory=list)  # to the counter, in order
    origin: str = ""
    elsewhere: str = ""  # the same server, as another origin
    ready: threading.Event = field(default_factory=threading.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _gate: asyncio.Event | None = None

    @property
    def visitors(self) -> list[str | None]:
        """The visitor ids that came, None for a visit without."""
        return [each.query.get("vid") for each in self.requests if each.path.endswith("/counter")]

    def hold(self) -> None:
        """Let requests wait until `release`."""
        self._tell("clear")

    def release(self) -> None:
        """Answer what waits, and what comes."""
        self._tell("set")

    def page(self, body: str, *, path: str = "/page", head: str = "") -> str:
        """Serve a page with the element's script and this body; return its address."""
        script = '<script defer src="/web/visitor-counter.js"></script>'
        icon = '<link rel="icon" href="data:,">'
        self.pages[path] = f'<!doctype html><html lang="en"><title>A page</title>{icon}{head}{script}<body>{body}'
        return self.origin + path

    def _tell(self, verb: str) -> None:
        assert self._loop is not None
        assert self._gate is not None
        self._loop.call_soon_threadsafe(getattr(self._gate, verb))

    async def serve(self, stop: asyncio.Event) -> None:
        """Listen on two free ports until told to stop."""
        self._loop, self._gate = asyncio.get_running_loop(), asyncio.Event()
        self._gate.set()
        runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        for _ in range(2):
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.origin, self.elsewhere = (f"http://127.0.0.1:{address[1]}" for address in runner.addresses)
        self.ready.set()
        await stop.wait()
        self._gate.set()
        await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path in self.pages:
            return web.Response(text=self.pages[request.path], content_type="text/html")
        if request.path == "/":
            return web.FileResponse(WEB / "demo.html")
        if request.path.startswith("/web/") and (WEB / request.path[5:]).is_file():
            return web.FileResponse(WEB / request.path[5:])
        if not request.path.startswith("/v1/"):
            return web.Response(status=404)
        return await self._count(request)

    async def _count(self, request: web.BaseRequest) -> web.StreamResponse:
        cross = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "authorization"}
        headers = {"Cache-Control": self.cache} | (cross if self.cors else {})
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=headers)
        self.requests.append(request)
        assert self._gate is not None
        await self._gate.wait()
        if self.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()  # goes nowhere
        status, answer = self.status, None
        if request.path.endswith("/stats"):
            if status == 200 and request.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, answer = 401, {"ok": False, "error": "unauthorized"}
            answer = answer or self.stats
        elif not request.path.endswith("/counter"):
            return web.Response(status=404, headers=headers)
        elif status == 200 and not self.answer:
            peek = "peek" in request.query or request.method != "POST"  # as under COUNT_ON=POST
            self.count += not peek
            answer = {"ok": True, "count": self.count, "unique": self.unique, "counted": not peek}
        body = self.answer or json.dumps(answer or {"ok": False, "error": "unavailable"})
        return web.Response(status=status, text=body, content_type="application/json", headers=headers)


@pytest.fixture
def counter() -> Iterator[FakeCounter]:
    """A counter nobody has visited, on ports of its own."""
    fake, stop, loops = FakeCounter(), asyncio.Event(), []

    def run() -> None:
        with asyncio.Runner() as runner:
            loops.append(runner.get_loop())
            runner.run(fake.serve(stop))

    thread = threading.Thread(target=run)
    thread.start()
    assert fake.ready.wait(10)
    yield fake
    loops[0].call_soon_threadsafe(stop.set)
    thread.join(10)


def _unavailable(reason: str) -> None:
    """Skip and say why; where a browser is required, fail instead."""
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")  # while it runs, Playwright's loop keeps every other from starting in this thread
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests of a file; each opens contexts of its own in it."""
    try:
        from playwright.sync_api import Error, sync_playwright  # noqa: PLC0415 - a machine without it skips
    except ImportError:
        _unavailable("playwright is not installed")
        return
    named = [os.environ.get("CHROMIUM"), "/usr/bin/chromium", "google-chrome"]
    found = next((path for name in named if name and (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        except Error as error:
            _unavailable(f"Chromium does not start: {error.message.splitlines()[0]}")
            return
        yield browser
        browser.close()


@dataclass
class Visitor:
    """A browser with a memory of its own, and what its console complained about."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def open(self, url: str | None = None) -> Page:
        """Open a tab, on this page if one is given."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        if url:
            page.goto(url)
        return page


NewVisitor = Callable[..., Visitor]
Until = Callable[..., None]


@pytest.fixture
def until() -> Until:
    """Wait until a condition, in JavaScript, holds on a page; `arg` is its argument.

    Unlike `Page.wait_for_function` it works on pages that forbid `eval`.
    """

    def wait(page: Page, condition: str, arg: Any = None) -> None:
        page.evaluate(
            """async ([condition, arg]) => {
              const end = performance.now() + 5000;
              while (!(CONDITION)) {
                if (performance.now() > end) throw new Error(`in vain: ${condition}`);
                await new Promise((resolve) => setTimeout(resolve, 10));
              }
            }""".replace("CONDITION", condition),
            [condition, arg],
        )

    return wait


@pytest.fixture
def new_visitor(chromium: Browser) -> Iterator[NewVisitor]:
    """Make visitors, each in a fresh context; keywords go to `Browser.new_context`."""
    contexts = []

    def make(**options: Any) -> Visitor:
        contexts.append(chromium.new_context(**options))
        contexts[-1].set_default_timeout(5_000)
        return Visitor(contexts[-1])

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def visitor(new_visitor: NewVisitor) -> Iterator[Visitor]:
    """One visitor in a US English browser, whose console must stay silent."""
    somebody = new_visitor(locale="en-US")
    yield somebody
    assert somebody.complaints == []


@pytest.fixture
def unlucky(new_visitor: NewVisitor) -> Iterator[Visitor]:
    """One visitor whose requests may fail: the browser's own notice of that is all the console may say."""
    somebody = new_visitor(locale="en-US")
    yield somebody
    said = [line for line in somebody.complaints if NETWORK_NOTICE not in line and "CORS policy" not in line]
    assert said == []
