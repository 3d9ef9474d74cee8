"""Pages that were written for other counters, in the real Chromium, with nothing changed but the address."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from clients.pages import NOT_WORKING, WORKING, Page

from clouds.oracle.laptop.serving import Serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HTML = b"<!doctype html><title>A page</title><p id=n></p><iframe name=frame></iframe>"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the counter for the tests of this file."""
    with Serving(tmp_path_factory.mktemp("clients"), containers=2, config={"SALT": "s" * 32}) as serving:
        yield serving


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Serve an empty page on an origin of its own."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            with suppress(ConnectionError):  # the tab may be closed already
                self.wfile.write(HTML)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def count(here: Serving) -> int:
    """Return the page views so far."""
    with urlopen(f"{here.url}/v1/counter?peek=1", timeout=20) as answer:
        return int(json.load(answer)["count"])


def opened(chromium: Browser, site: str, here: Serving, page: Page) -> object:
    """Open a page; what it shows, "failed" where its script did, nothing where it only asks."""
    context, before = chromium.new_context(), count(here)
    try:
        tab = context.new_page()
        tab.goto(site)
        shown = tab.evaluate(
            f"""([api]) => new Promise((show) => {{
                addEventListener("unhandledrejection", () => show("failed"));
                {page.statements};
                {"" if page.shows else "show(null);"}
            }})""",
            [f"{here.url}/v1/counter{page.query}"],
        )
        tries = 0 if page.shows else 400
        while count(here) == before and tries:
            tab.wait_for_timeout(50)
            tries -= 1
        return shown
    finally:
        context.close()


@pytest.mark.parametrize("kind", WORKING)
def test_a_page_goes_on_by_its_address_alone(chromium: Browser, site: str, here: Serving, kind: str) -> None:
    """Its view is counted, once, and it shows the number that it always did."""
    before = count(here)
    shown = opened(chromium, site, here, WORKING[kind])

    assert count(here) == before + 1
    assert not WORKING[kind].shows or str(shown) == str(before + 1)


@pytest.mark.parametrize("kind", NOT_WORKING)
def test_a_page_that_needs_more_is_known(chromium: Browser, site: str, here: Serving, kind: str) -> None:
    """Those of which docs/replaces.md says that they need more than the address do."""
    page, _ = NOT_WORKING[kind]
    if page.shows:
        assert opened(chromium, site, here, page) == "failed"
    else:
        before = count(here)
        with chromium.new_context() as context, context.expect_event("requestfailed"):
            tab = context.new_page()
            tab.goto(site)
            tab.evaluate(f"api => {page.statements}", f"{here.url}/v1/counter")
        assert count(here) == before


def test_most_pages_go_on() -> None:
    """At least 28 of 36 kinds of page need nothing but the address."""
    assert len(WORKING) >= 28
    assert len(WORKING) + len(NOT_WORKING) >= 36
