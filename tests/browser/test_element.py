"""The element `<visitor-counter>`, in a real Chromium."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from browser.conftest import FakeCounter, NewVisitor, Visitor
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

ELEMENT = '<visitor-counter src="/v1/counter">many</visitor-counter>'
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
GPC = 'Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true })'
DNT = 'Object.defineProperty(Navigator.prototype, "doNotTrack", { get: () => "1" })'
BLOCKED = 'Object.defineProperty(window, "localStorage", { get() { throw new DOMException("", "SecurityError") } })'
FULL = """
  const full = new Proxy({}, { set() { throw new DOMException("", "QuotaExceededError") } });
  Object.defineProperty(window, "localStorage", { get: () => full });
"""
NO_UUID = "delete Crypto.prototype.randomUUID"
WATCH_EVENTS = """
  window.events = [];
  for (const type of ["load", "error"]) {
    document.addEventListener(type, (event) => {
      if (event.target.localName == "visitor-counter") events.push([type, event.detail]);
    }, true);
  }
  window.bubbled = [];
  addEventListener("error", (event) => bubbled.push(event.type));
"""


def shown(page: Page, text: str, nth: int = 0) -> None:
    """Wait until the element shows just this text; not by `wait_for_function`, which a strict policy may forbid."""
    last = page.evaluate(
        """async ([text, nth]) => {
          const look = () => {
            const span = document.querySelectorAll("visitor-counter")[nth]?.shadowRoot?.querySelector("[part=number]");
            const slot = span?.querySelector("slot");
            return slot ? slot.assignedNodes().map((node) => node.textContent).join("") : span?.textContent;
          };
          for (const end = performance.now() + 5000; look() != text && performance.now() < end; ) {
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
          return look();
        }""",
        [text, nth],
    )

    assert last == text


def failed(page: Page) -> None:
    """Wait until the element has fired its error event; the page must have been made with WATCH_EVENTS."""
    page.wait_for_function("events.some(([type]) => type == 'error')")


def stored(page: Page) -> dict[str, str]:
    """All the page's origin has in localStorage."""
    kept: dict[str, str] = page.evaluate("({...localStorage})")
    return kept


def test_first_visit(counter: FakeCounter, visitor: Visitor) -> None:
    """A first visit is counted once, with a fresh random id, and its number is shown."""
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")

    assert len(counter.visitors) == 1
    assert UUID.fullmatch(counter.visitors[0] or "")


def test_request_is_simple(counter: FakeCounter, visitor: Visitor) -> None:
    """The call is a bare POST that carries no cookie, no body and no header of its own, so no preflight precedes it."""
    page = visitor.open(counter.page(f'<script>document.cookie = "a=1"</script>{ELEMENT}'))
    shown(page, "1,234")
    sent = counter.requests[0]

    assert sent.method == "POST"
    assert sent.headers["Content-Length"] == "0"
    assert not {"Cookie", "Content-Type"} & set(sent.headers)


def test_no_cache_answers(counter: FakeCounter, visitor: Visitor) -> None:
    """Every visit reaches the counter, even where somebody on the way says that its answers may be kept."""
    counter.cache = "public, max-age=3600"
    url = counter.page(ELEMENT)
    for number in ("1,234", "1,235"):
        shown(visitor.open(url), number)

    assert len(counter.requests) == 2


def test_reload(counter: FakeCounter, visitor: Visitor) -> None:
    """Each page load is one count of the same visitor."""
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")
    page.reload()
    shown(page, "1,235")

    assert len(counter.visitors) == 2
    assert len(set(counter.visitors)) == 1


def test_second_browser(counter: FakeCounter, new_visitor: NewVisitor) -> None:
    """Another browser is another visitor."""
    url = counter.page(ELEMENT)
    for _ in range(2):
        page = new_visitor().open(url)
        page.wait_for_function("localStorage.length == 2")

    assert len(set(counter.visitors)) == 2


def test_two_elements(counter: FakeCounter, visitor: Visitor) -> None:
    """Two elements for the same counter are one count, and each shows what it is asked for."""
    page = visitor.open(counter.page(f'{ELEMENT} <visitor-counter src="/v1/counter" show="unique"></visitor-counter>'))
    shown(page, "1,234")
    shown(page, "320", 1)

    assert len(counter.requests) == 1


def test_moved_element(counter: FakeCounter, visitor: Visitor) -> None:
    """An element moved to another place keeps its number and does not count again."""
    page = visitor.open(counter.page(f"{ELEMENT}<footer></footer>"))
    shown(page, "1,234")
    page.evaluate('document.querySelector("footer").append(document.querySelector("visitor-counter"))')
    shown(page, "1,234")

    assert len(counter.requests) == 1


def test_script_loaded_twice(counter: FakeCounter, visitor: Visitor) -> None:
    """The snippet pasted twice, once as a module, is still one count, and no complaint."""
    again = '<script type="module" src="/web/visitor-counter.js?again"></script>'
    page = visitor.open(counter.page(ELEMENT + again))
    shown(page, "1,234")

    assert len(counter.requests) == 1


def test_module(counter: FakeCounter, visitor: Visitor) -> None:
    """The script works as a module alone."""
    counter.page(ELEMENT)
    counter.pages["/page"] = counter.pages["/page"].replace("<script defer", '<script type="module"')
    page = visitor.open(f"{counter.origin}/page")
    shown(page, "1,234")


@pytest.mark.parametrize("signal", [GPC, DNT], ids=["gpc", "dnt"])
def test_privacy_signal(counter: FakeCounter, visitor: Visitor, signal: str) -> None:
    """Who asks not to be tracked is counted without an id, and nothing is stored."""
    visitor.context.add_init_script(signal)
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")

    assert counter.visitors == [None]
    assert stored(page) == {}


def test_remember_none(counter: FakeCounter, visitor: Visitor) -> None:
    """`remember="none"`: no id is made or sent, nothing is stored."""
    page = visitor.open(counter.page('<visitor-counter src="/v1/counter" remember="none"></visitor-counter>'))
    shown(page, "1,234")

    assert counter.visitors == [None]
    assert stored(page) == {}


def test_remember_day(counter: FakeCounter, visitor: Visitor) -> None:
    """`remember="day"`: one id all day, and a new one after midnight that has nothing to do with it."""
    visitor.context.clock.install(time="2026-11-20T10:00:00Z")
    page = visitor.open(counter.page('<visitor-counter src="/v1/counter" remember="day"></visitor-counter>'))
    shown(page, "1,234")
    for time in ("2026-11-20T23:59:00Z", "2026-11-21T00:01:00Z", "2026-11-21T20:00:00Z"):
        visitor.context.clock.set_system_time(time)
        count = counter.count
        page.reload()
        shown(page, f"{count + 1:,}")
    first, evening, next_day, next_evening = counter.visitors

    assert first == evening
    assert first != next_day == next_evening
    assert first
    assert first not in " ".join(stored(page).values())


def test_remember_is_kept_apart(counter: FakeCounter, visitor: Visitor) -> None:
    """A page that remembers for a day leaves the lasting id of the others alone."""
    lasting = counter.page(ELEMENT)
    daily = counter.page('<visitor-counter src="/v1/counter" remember="day"></visitor-counter>', path="/daily")
    page = visitor.open()
    for number, url in enumerate((lasting, daily, lasting, daily), 1234):
        page.goto(url)
        shown(page, f"{number:,}")
    first, day, again, same_day = counter.visitors

    assert first == again != day == same_day


def test_id_without_secure_context(counter: FakeCounter, visitor: Visitor) -> None:
    """Where `crypto.randomUUID` is missing, as on plain http, the id is random too, and one the server takes."""
    visitor.context.add_init_script(NO_UUID)
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")

    assert re.fullmatch(r"\d+(-\d+){3}", counter.visitors[0] or "")


def test_prerender(counter: FakeCounter, visitor: Visitor) -> None:
    """A prerendered page counts when it is looked at, not before."""
    visitor.context.add_init_script(
        'Object.defineProperty(document, "prerendering", { get: () => !window.activated, configurable: true })'
    )
    page = visitor.open(counter.page(ELEMENT))
    page.evaluate("new Promise(requestAnimationFrame)")
    before = len(counter.requests)
    page.evaluate('window.activated = true; document.dispatchEvent(new Event("prerenderingchange"))')
    shown(page, "1,234")

    assert before == 0
    assert len(counter.requests) == 1


def test_hidden_page(counter: FakeCounter, visitor: Visitor) -> None:
    """A tab opened in the background counts, and stores an id, when it comes to the front."""
    visitor.context.add_init_script(
        'Object.defineProperty(document, "hidden", { get: () => !window.front, configurable: true })'
    )
    page = visitor.open(counter.page(ELEMENT))
    page.evaluate("new Promise(requestAnimationFrame)")
    before, kept = len(counter.requests), stored(page)
    page.evaluate('window.front = true; document.dispatchEvent(new Event("visibilitychange"))')
    shown(page, "1,234")

    assert before == 0
    assert kept == {}
    assert len(counter.requests) == 1


def test_slow_answer(counter: FakeCounter, visitor: Visitor) -> None:
    """The last known number shows at once, the fresh one as soon as it comes."""
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")
    counter.hold()
    page.reload()
    shown(page, "1,234")
    counter.release()
    shown(page, "1,235")


@pytest.mark.parametrize("fault", ["503", "dropped", "no network", "no count", "text count", "huge count", "no json"])
def test_failed_call(counter: FakeCounter, unlucky: Visitor, fault: str) -> None:
    """Whatever fails, the fallback or the last known number shows, never `NaN`, `undefined` or an error."""
    unlucky.context.add_init_script(WATCH_EVENTS)
    answers = {"no count": '{"ok": true}', "text count": '{"count": "5"}', "huge count": '{"count": 1e999}'}
    broken = {"no network": lambda route: route.abort(), "no json": lambda route: route.fulfill(body="<html>")}
    page = unlucky.open()

    def fail(on: bool) -> None:
        counter.status, counter.drop = 503 if on and fault == "503" else 200, on and fault == "dropped"
        counter.answer = answers.get(fault) if on else None
        if fault in broken:
            (page.route if on else page.unroute)("**/v1/**", broken[fault])

    fail(True)
    page.goto(counter.page(ELEMENT))
    failed(page)
    shown(page, "many")
    fail(False)
    page.reload()
    shown(page, "1,234")
    fail(True)
    page.reload()
    failed(page)
    shown(page, "1,234")

    assert page.evaluate("bubbled") == []


def test_no_script(counter: FakeCounter, new_visitor: NewVisitor) -> None:
    """Without JavaScript the content of the tag shows, and nothing is counted."""
    page = new_visitor(java_script_enabled=False).open(counter.page(ELEMENT))

    assert page.get_by_text("many").is_visible()
    assert counter.requests == []


def test_script_missing(counter: FakeCounter, unlucky: Visitor) -> None:
    """Where the script does not arrive, the content of the tag shows."""
    page = unlucky.open()
    page.route("**/visitor-counter.js", lambda route: route.abort())
    page.goto(counter.page(ELEMENT))

    assert page.get_by_text("many").is_visible()


def test_other_origin(counter: FakeCounter, visitor: Visitor) -> None:
    """A counter at another origin that allows it works, without a preflight."""
    page = visitor.open(counter.page(ELEMENT.replace("/v1", f"{counter.elsewhere}/v1")))
    shown(page, "1,234")

    assert [request.method for request in counter.requests] == ["POST"]


def test_other_origin_refused(counter: FakeCounter, unlucky: Visitor) -> None:
    """A counter at another origin that does not allow this page leaves the fallback standing."""
    counter.cors = False
    unlucky.context.add_init_script(WATCH_EVENTS)
    page = unlucky.open(counter.page(ELEMENT.replace("/v1", f"{counter.elsewhere}/v1")))
    failed(page)
    shown(page, "many")


@pytest.mark.parametrize("storage", [BLOCKED, FULL], ids=["blocked", "full"])
def test_storage_out_of_reach(counter: FakeCounter, visitor: Visitor, storage: str) -> None:
    """Where nothing can be stored the visit counts, as a visit: an id nobody keeps would be a new visitor each time."""
    visitor.context.add_init_script(storage)
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")

    assert counter.visitors == [None]


def test_address_with_query(counter: FakeCounter, visitor: Visitor) -> None:
    """An address that has a query keeps it, so `?peek` shows the number without counting."""
    page = visitor.open(counter.page('<visitor-counter src="/v1/counter?peek=1"></visitor-counter>'))
    shown(page, "1,233")

    assert counter.requests[0].query["peek"] == "1"
    assert UUID.fullmatch(counter.visitors[0] or "")


@pytest.mark.parametrize("locale, text", [("de-DE", "1.234"), ("fr-FR", "1\u202f234")])
def test_readers_language(counter: FakeCounter, new_visitor: NewVisitor, locale: str, text: str) -> None:
    """The number is written as the reader's language writes it."""
    shown(new_visitor(locale=locale).open(counter.page(ELEMENT)), text)


def test_events(counter: FakeCounter, visitor: Visitor) -> None:
    """`load` carries the whole answer."""
    visitor.context.add_init_script(WATCH_EVENTS)
    page = visitor.open(counter.page(ELEMENT))
    page.wait_for_function("events.length == 1")

    assert page.evaluate("events") == [["load", {"ok": True, "count": 1234, "unique": 320, "counted": True}]]


def test_error_event(counter: FakeCounter, unlucky: Visitor) -> None:
    """`error` carries what the counter said, if it said anything."""
    counter.status = 503
    unlucky.context.add_init_script(WATCH_EVENTS)
    page = unlucky.open(counter.page(ELEMENT))
    failed(page)

    assert page.evaluate("events") == [["error", {"ok": False, "error": "unavailable"}]]


def test_screen_reader(counter: FakeCounter, visitor: Visitor) -> None:
    """The number is a status in the accessibility tree, announced politely when it changes."""
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")
    tree = visitor.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    status = next(node for node in tree if node.get("role", {}).get("value") == "status")
    properties = {each["name"]: each["value"].get("value") for each in status["properties"]}
    texts = [node["name"]["value"] for node in tree if node.get("role", {}).get("value") == "StaticText"]

    assert properties["live"] == "polite"
    assert texts == ["1,234"]


@pytest.mark.parametrize("reserved", [False, True], ids=["since the script ran", "since the page began"])
def test_no_layout_shift(counter: FakeCounter, visitor: Visitor, reserved: bool) -> None:
    """Nothing moves when the number comes, nor before, where the page keeps the room for it."""
    visitor.context.add_init_script("""
      window.shift = 0;
      new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => (shift += value)))
        .observe({ type: "layout-shift", buffered: true });
    """)
    two_frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    style = "<style>visitor-counter { display: inline-block; min-width: 5ch }</style>" if reserved else ""
    body = f"<p>Seen {ELEMENT.replace('many', '0')} times, <b>thank you</b></p><p>And more.</p>"
    url = counter.page(body, head=style)
    page = visitor.open()
    for number in ("1,234", "1,235"):
        counter.hold()
        page.goto(url)
        page.evaluate(two_frames)
        before = 0 if reserved else page.evaluate("shift")
        counter.release()
        shown(page, number)
        page.evaluate(two_frames)

        assert before == page.evaluate("shift")


def test_style(counter: FakeCounter, visitor: Visitor) -> None:
    """The page styles the number: its part, and the room that is kept for it."""
    style = "<style>::part(number) { color: red; min-width: 0 } #room { --visitor-counter-width: 200px }</style>"
    wide = ELEMENT.replace("<visitor-counter", '<visitor-counter id="room"')
    page = visitor.open(counter.page(wide, head=style.replace(" min-width: 0", "")))
    shown(page, "1,234")
    part = 'document.querySelector("visitor-counter").shadowRoot.firstChild'

    assert page.evaluate(f"getComputedStyle({part}).color") == "rgb(255, 0, 0)"
    assert page.evaluate(f"{part}.offsetWidth") == 200

    page = visitor.open(counter.page(wide, head=style))
    shown(page, "1,235")

    assert page.evaluate(f"{part}.offsetWidth") < 100


def test_strict_policy(counter: FakeCounter, visitor: Visitor) -> None:
    """The element lives with a strict content security policy: no inline style or script, trusted types."""
    policy = "default-src 'self'; img-src data:; require-trusted-types-for 'script'"
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    page = visitor.open(counter.page(ELEMENT, head=head))
    shown(page, "1,234")

    assert (
        page.evaluate('getComputedStyle(document.querySelector("visitor-counter").shadowRoot.firstChild).display')
        == "inline-block"
    )
