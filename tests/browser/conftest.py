"""What the browser tests share: one Chromium, and a small counter of their own on two ports."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WEB = Path(__file__).resolve().parents[2] / "web"
SCRIPT = '<script defer src="/v1/visitor-counter.js"></script>'
TOKEN = "open-sesame"

# The browser's own notice that a request failed, which no page can hold back.
NETWORK_NOTICE = "Failed to load resource"
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
FLAGS = [
    "--host-resolver-rules=MAP *.example 127.0.0.1",  # a page on this machine alone would not be counted
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
    views: dict[str, int] = field(default_factory=dict)  # by page
    status: int = 200
    drop: bool = False
    cors: bool = True
    cache: str = "no-store"
    answer: str | None = None  # instead of the usual one
    failure: dict[str, Any] = field(default_factory=dict)  # what a failed answer says besides
    public: bool = False
    headers: dict[str, str] = field(default_factory=dict)  # of the pages
    stats: dict[str, Any] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)  # path -> HTML
    scripts: dict[str, str] = field(default_factory=dict)  # path -> JavaScript
    requests: list[web.BaseRequest] = field(default_factory=list)  # to the counter, in order
    bodies: list[dict[str, Any]] = field(default_factory=list)  # of the POSTs among them
    origin: str = ""
    elsewhere: str = ""  # the same server, as another origin
    ready: threading.Event = field(default_factory=threading.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _gate: asyncio.Event | None = None

    @property
    def visitors(self) -> list[str | None]:
        """The visitor ids that came, None for a view without."""
        return [body.get("vid") for body in self.bodies]

    @property
    def counted(self) -> int:
        """How many requests asked to be counted."""
        return sum("peek" not in body for body in self.bodies)

    def hold(self) -> None:
        """Let requests wait until `release`."""
        self._tell("clear")

    def release(self) -> None:
        """Answer what waits, and what comes."""
        self._tell("set")

    def page(self, body: str, *, path: str = "/page", head: str = "", script: str = SCRIPT) -> str:
        """Serve a page with the element's script and this body; return its address."""
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
        here, there = (address[1] for address in runner.addresses)
        self.origin, self.elsewhere = f"http://site.example:{here}", f"http://counter.example:{there}"
        self.ready.set()
        await stop.wait()
        self._gate.set()
        await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path in self.pages:
            return web.Response(text=self.pages[request.path], content_type="text/html", headers=self.headers)
        if request.path in self.scripts:
            headers = {"Cross-Origin-Resource-Policy": "cross-origin"}
            return web.Response(text=self.scripts[request.path], content_type="text/javascript", headers=headers)
        folder, _, name = request.path.removeprefix("/").rpartition("/")
        served = {"": WEB / "demo", "web": WEB / "demo", "v1": WEB}.get(folder, WEB / "nowhere")
        file = served / ("demo.html" if request.path == "/" else "owner.html" if name == "owner" else name)
        if file.is_file():
            return web.FileResponse(file, headers={"Cross-Origin-Resource-Policy": "cross-origin"})
        if folder != "v1":
            return web.Response(status=404)
        return await self._count(request, name)

    async def _count(self, request: web.BaseRequest, route: str) -> web.StreamResponse:
        cross = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "authorization"}
        headers = {"Cache-Control": self.cache} | (cross if self.cors else {})
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=headers)
        self.requests.append(request)
        sent: dict[str, Any] = json.loads(await request.read() or b"{}")
        if route == "counter":
            self.bodies.append(sent)
        assert self._gate is not None
        await self._gate.wait()
        if self.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()  # goes nowhere
        status, answer = self.status, None
        if route == "stats":
            if status == 200 and request.headers.get("Authorization") != f"Bearer {TOKEN}" and not self.public:
                status, answer = 401, {"ok": False, "error": "unauthorized"}
            answer = answer or self.stats
        elif route != "counter":
            return web.Response(status=404, headers=headers)
        elif status == 200 and not self.answer:
            answer = self._answer(sent)
        body = self.answer or json.dumps(answer or {"ok": False, "error": "unavailable", **self.failure})
        return web.Response(status=status, text=body, content_type="application/json", headers=headers)

    def _answer(self, sent: dict[str, Any]) -> dict[str, Any]:
        reason = "peek" if sent.get("peek") else sent.get("skip")
        self.count += not reason
        period = {"count": self.count - 1_000, "visitors": self.unique - 300}
        answer: dict[str, Any] = {"count": self.count, "unique": self.unique, "ok": True, "counted": not reason}
        answer |= {"today": period, "week": period, "month": period}
        if page := sent.get("page"):
            self.views[page] = self.views.get(page, 0) + (not reason)
            if self.views[page]:
                answer["page"] = {"path": page, "count": self.views[page]}
        return answer | ({"reason": reason} if reason else {})


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
            browser = playwright.chromium.launch(
                executable_path=found, args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
            )
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


def until(page: Page, condition: str) -> None:
    """Wait until a condition, in JavaScript, holds on the page.

    `Page.wait_for_function` fails on pages that forbid `eval`, wherever the condition does not hold at the first look.
    """
    from playwright.sync_api import Error  # noqa: PLC0415 - a machine without it skips

    end = time.monotonic() + 20
    while True:
        try:
            if page.evaluate(f"() => {condition}"):
                return
        except Error as error:
            if "context was destroyed" not in str(error):  # what a page says that is just being left
                raise

        assert time.monotonic() < end, f"in vain: {condition}"

        page.wait_for_timeout(10)


@pytest.fixture
def new_visitor(chromium: Browser) -> Iterator[NewVisitor]:
    """Make visitors, each in a fresh context; keywords go to `Browser.new_context`."""
    contexts = []

    def make(**options: Any) -> Visitor:
        contexts.append(chromium.new_context(**{"user_agent": USER_AGENT} | options))
        contexts[-1].set_default_timeout(20_000)  # no measure: a machine may be busy
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
