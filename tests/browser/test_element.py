"""The element `<visitor-counter>`, in a real Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from browser.conftest import SCRIPT, WEB, until

if TYPE_CHECKING:
    from browser.conftest import FakeCounter, NewVisitor, Visitor
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

ELEMENT = "<visitor-counter>many</visitor-counter>"
RANDOM = re.compile(r"\d+(-\d+){3}")
GPC = 'Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true })'
DNT = 'Object.defineProperty(Navigator.prototype, "doNotTrack", { get: () => "1" })'
BLOCKED = 'Object.defineProperty(window, "localStorage", { get() { throw new DOMException("", "SecurityError") } })'
FULL = """
  const full = new Proxy({}, { set() { throw new DOMException("", "QuotaExceededError") } });
  Object.defineProperty(window, "localStorage", { get: () => full });
"""
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
          for (const end = performance.now() + 20000; look() != text && performance.now() < end; ) {
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
          return look();
        }""",
        [text, nth],
    )

    assert last == text


def failed(page: Page) -> None:
    """Wait until the element has fired its error event; the page must have been made with WATCH_EVENTS."""
    until(page, "events.some(([type]) => type == 'error')")


def stored(page: Page) -> dict[str, str]:
    """All the page's origin has in localStorage."""
    kept: dict[str, str] = page.evaluate("({...localStorage})")
    return kept


def test_first_visit(counter: FakeCounter, visitor: Visitor) -> None:
    """A first visit is counted once, with a fresh random id, and its number is shown."""
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")

    assert len(counter.visitors) == 1
    assert RANDOM.fullmatch(counter.visitors[0] or "")


def test_request_is_simple(counter: FakeCounter, visitor: Visitor) -> None:
    """The call is a POST with all it says in its body: no query, no cookie, and nothing that needs a preflight."""
    script = SCRIPT.replace('src="', f'src="{counter.elsewhere}')
    visitor.context.add_cookies([{"name": "a", "value": "1", "url": counter.elsewhere}])
    page = visitor.open(counter.page(ELEMENT, script=script))
    shown(page, "1,234")
    sent = counter.requests[0]

    assert (sent.method, sent.path_qs) == ("POST", "/v1/counter")
    assert sent.headers["Content-Type"].startswith("text/plain")
    assert "Cookie" not in sent.headers
    assert counter.bodies[0].keys() == {"vid"}


@pytest.mark.slow
def test_no_cache_answers(counter: FakeCounter, visitor: Visitor) -> None:
    """Every visit reaches the counter, even where somebody on the way says that its answers may be kept."""
    counter.cache = "public, max-age=3600"
    url = counter.page(ELEMENT)
    for number in ("1,234", "1,235"):
        shown(visitor.open(url), number)

    assert len(counter.requests) == 2


def test_next_page(counter: FakeCounter, visitor: Visitor) -> None:
    """Each page is one view more, of the same visitor."""
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")
    page.goto(counter.page(ELEMENT, path="/other"))
    shown(page, "1,235")

    assert counter.visitors[0] == counter.visitors[1]


@pytest.mark.parametrize("attribute, skip", [("", "reload"), ("reloads", None)])
def test_reload(counter: FakeCounter, visitor: Visitor, attribute: str, skip: str | None) -> None:
    """A reload is told apart and not counted, unless the page wants it."""
    page = visitor.open(counter.page(f"<visitor-counter {attribute}></visitor-counter>"))
    shown(page, "1,234")
    page.reload()
    shown(page, "1,234" if skip else "1,235")

    assert [body.get("skip") for body in counter.bodies] == [None, skip]


def test_second_browser(counter: FakeCounter, new_visitor: NewVisitor) -> None:
    """Another browser is another visitor."""
    url = counter.page(ELEMENT)
    for _ in range(2):
        page = new_visitor().open(url)
        until(page, "localStorage.length == 3")

    assert len(set(counter.visitors)) == 2


@pytest.mark.slow
def test_two_elements(counter: FakeCounter, visitor: Visitor) -> None:
    """Two elements for the same counter are one count, and each shows what it is asked for."""
    page = visitor.open(counter.page(f'{ELEMENT} <visitor-counter show="unique"></visitor-counter>'))
    shown(page, "1,234")
    shown(page, "320", 1)

    assert len(counter.requests) == 1


@pytest.mark.slow
def test_moved_element(counter: FakeCounter, visitor: Visitor) -> None:
    """An element moved to another place keeps its number and does not count again."""
    page = visitor.open(counter.page(f"{ELEMENT}<footer></footer>"))
    shown(page, "1,234")
    page.evaluate('document.querySelector("footer").append(document.querySelector("visitor-counter"))')
    shown(page, "1,234")

    assert len(counter.requests) == 1


@pytest.mark.slow
def test_script_loaded_twice(counter: FakeCounter, visitor: Visitor) -> None:
    """The snippet pasted twice, once as a module, is still one count, and no complaint."""
    again = '<script type="module" src="/v1/visitor-counter.js?again"></script>'
    page = visitor.open(counter.page(ELEMENT + again))
    shown(page, "1,234")

    assert len(counter.requests) == 1


@pytest.mark.slow
def test_module(counter: FakeCounter, visitor: Visitor) -> None:
    """The script works as a module alone."""
    script = '<script type="module" src="/v1/visitor-counter.js"></script>'
    page = visitor.open(counter.page(ELEMENT, script=script))
    shown(page, "1,234")


@pytest.mark.parametrize("signal", [GPC, DNT], ids=["gpc", "dnt"])
def test_privacy_signal(counter: FakeCounter, visitor: Visitor, signal: str) -> None:
    """Who asks not to be tracked is counted without an id, and nothing is stored."""
    visitor.context.add_init_script(signal)
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")

    assert counter.visitors == [None]
    assert stored(page) == {}


@pytest.mark.slow
def test_remember_none(counter: FakeCounter, visitor: Visitor) -> None:
    """`remember="none"`: no id is made or sent, nothing is stored."""
    page = visitor.open(counter.page('<visitor-counter remember="none"></visitor-counter>'))
    shown(page, "1,234")

    assert counter.visitors == [None]
    assert stored(page) == {}


@pytest.mark.slow
def test_remember_day(counter: FakeCounter, visitor: Visitor) -> None:
    """`remember="day"`: one id all day, and a new one after midnight that has nothing to do with it."""
    visitor.context.clock.install(time="2026-11-20T10:00:00Z")
    page = visitor.open(counter.page('<visitor-counter remember="day"></visitor-counter>'))
    shown(page, "1,234")
    for time in ("2026-11-20T23:59:00Z", "2026-11-21T00:01:00Z", "2026-11-21T20:00:00Z"):
        visitor.context.clock.set_system_time(time)
        count = counter.count
        page.goto(page.url)
        shown(page, f"{count + 1:,}")
    first, evening, next_day, next_evening = counter.visitors

    assert first == evening
    assert first != next_day == next_evening
    assert first
    assert first not in " ".join(stored(page).values())


@pytest.mark.slow
def test_remember_is_kept_apart(counter: FakeCounter, visitor: Visitor) -> None:
    """A page that remembers for a day leaves the lasting id of the others alone."""
    lasting = counter.page(ELEMENT)
    daily = counter.page('<visitor-counter remember="day"></visitor-counter>', path="/daily")
    page = visitor.open()
    for number, url in enumerate((lasting, daily, lasting, daily), 1234):
        page.goto(url)
        shown(page, f"{number:,}")
    first, day, again, same_day = counter.visitors

    assert first == again != day == same_day


@pytest.mark.slow
def test_prerender(counter: FakeCounter, visitor: Visitor) -> None:
    """A prerendered page counts when it is looked at, not before."""
    visitor.context.add_init_script(
        'for (const name of ["prerendering", "hidden"])'
        " Object.defineProperty(document, name, { get: () => !window.activated, configurable: true })"
    )
    page = visitor.open(counter.page(ELEMENT))
    page.evaluate("new Promise(requestAnimationFrame)")
    before = len(counter.requests)
    page.evaluate('window.activated = true; document.dispatchEvent(new Event("prerenderingchange"))')
    shown(page, "1,234")

    assert before == 0
    assert len(counter.requests) == 1


@pytest.mark.slow
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


@pytest.mark.slow
def test_slow_answer(counter: FakeCounter, visitor: Visitor) -> None:
    """The last known number shows at once, the fresh one as soon as it comes."""
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")
    counter.hold()
    page.goto(page.url)
    shown(page, "1,234")
    counter.release()
    shown(page, "1,235")


RARE = [pytest.param(fault, marks=pytest.mark.slow) for fault in ("no count", "text count", "huge count", "no json")]


@pytest.mark.parametrize("fault", ["503", "dropped", "no network", *RARE])
def test_failed_call(counter: FakeCounter, unlucky: Visitor, fault: str) -> None:
    """Whatever fails, the fallback or the last known number shows, never `NaN`, `undefined` or an error."""
    unlucky.context.add_init_script(WATCH_EVENTS)
    answers = {"no count": '{"status": "error"}', "text count": '{"count": "5"}', "huge count": '{"count": 1e999}'}
    broken = {"no network": lambda route: route.abort(), "no json": lambda route: route.fulfill(body="<html>")}
    page = unlucky.open()

    def fail(on: bool) -> None:
        counter.status, counter.drop = 503 if on and fault == "503" else 200, on and fault == "dropped"
        counter.answer = answers.get(fault) if on else None
        if fault in broken:
            (page.route if on else page.unroute)("**/v1/counter", broken[fault])

    fail(True)
    page.goto(counter.page(ELEMENT))
    failed(page)
    shown(page, "many")
    fail(False)
    count = counter.count + 1
    page.goto(page.url)
    shown(page, f"{count:,}")
    fail(True)
    page.goto(page.url)
    failed(page)
    shown(page, f"{count:,}")

    assert page.evaluate("bubbled") == []


@pytest.mark.slow
def test_no_script(counter: FakeCounter, new_visitor: NewVisitor) -> None:
    """Without JavaScript the content of the tag shows, and nothing is counted."""
    page = new_visitor(java_script_enabled=False).open(counter.page(ELEMENT))

    assert page.get_by_text("many").is_visible()
    assert counter.requests == []


@pytest.mark.slow
def test_script_missing(counter: FakeCounter, unlucky: Visitor) -> None:
    """Where the script does not arrive, the content of the tag shows."""
    page = unlucky.open()
    page.route("**/visitor-counter.js", lambda route: route.abort())
    page.goto(counter.page(ELEMENT))

    assert page.get_by_text("many").is_visible()


@pytest.mark.parametrize("named", [False, True], ids=["the script's", "src"])
def test_other_origin(counter: FakeCounter, visitor: Visitor, named: bool) -> None:
    """A counter at another origin is asked without a preflight: where the script came from, or what `src` names."""
    source = f'src="{counter.elsewhere}/v1/counter"'
    script = SCRIPT if named else SCRIPT.replace('src="', f'src="{counter.elsewhere}')
    page = visitor.open(counter.page(f"<visitor-counter {source if named else ''}></visitor-counter>", script=script))
    shown(page, "1,234")

    assert [request.method for request in counter.requests] == ["POST"]
    assert counter.elsewhere.endswith(counter.requests[0].host)


@pytest.mark.slow
def test_other_origin_refused(counter: FakeCounter, unlucky: Visitor) -> None:
    """A counter at another origin that does not allow this page leaves the fallback standing."""
    counter.cors = False
    unlucky.context.add_init_script(WATCH_EVENTS)
    source = f'src="{counter.elsewhere}/v1/counter"'
    page = unlucky.open(counter.page(f"<visitor-counter {source}>many</visitor-counter>"))
    failed(page)
    shown(page, "many")


@pytest.mark.slow
@pytest.mark.parametrize("storage", [BLOCKED, FULL], ids=["blocked", "full"])
def test_storage_out_of_reach(counter: FakeCounter, visitor: Visitor, storage: str) -> None:
    """Where nothing can be stored the visit counts, as a visit: an id nobody keeps would be a new visitor each time."""
    visitor.context.add_init_script(storage)
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")

    assert counter.visitors == [None]


@pytest.mark.slow
def test_language(counter: FakeCounter, new_visitor: NewVisitor) -> None:
    """The number is written as the page's language writes it, or as the reader's where the page names none."""
    tags = {"de": "1.234", "fr-CA": "1\u00a0234", "en": "1,234", "": "1.234", "en_US": "1.234"}  # the last is a mistake
    page = new_visitor(locale="de-DE").open(counter.page("".join(f'<p lang="{tag}">{ELEMENT}</p>' for tag in tags)))
    for nth, text in enumerate(tags.values()):
        shown(page, text, nth)


def test_events(counter: FakeCounter, visitor: Visitor) -> None:
    """`load` carries the whole answer."""
    visitor.context.add_init_script(WATCH_EVENTS)
    page = visitor.open(counter.page(ELEMENT))
    until(page, "events.length == 1")

    kind, detail = page.evaluate("events")[0]

    assert (kind, detail["ok"], detail["count"], detail["counted"]) == ("load", True, 1234, True)


@pytest.mark.slow
def test_error_event(counter: FakeCounter, unlucky: Visitor) -> None:
    """`error` carries what the counter said, if it said anything."""
    counter.status = 503
    unlucky.context.add_init_script(WATCH_EVENTS)
    page = unlucky.open(counter.page(ELEMENT))
    failed(page)

    assert page.evaluate("events") == [["error", {"ok": False, "error": "unavailable"}]]


@pytest.mark.slow
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


@pytest.mark.slow
def test_room(counter: FakeCounter, visitor: Visitor) -> None:
    """A small number leaves no gap, and the number last shown keeps its place until the next one comes."""
    counter.count = 4
    page = visitor.open(counter.page(f"<p>Seen<b>{ELEMENT.replace('many', '')}</b>times</p>"))
    shown(page, "5")
    width = "document.querySelector('b').offsetWidth"
    one = page.evaluate(width)
    counter.hold()
    page.reload()
    shown(page, "5")

    assert page.evaluate(width) == one
    assert one < 2 * page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")

    counter.release()
    shown(page, "5")


@pytest.mark.slow
def test_style(counter: FakeCounter, visitor: Visitor) -> None:
    """The page styles the number by its part."""
    page = visitor.open(counter.page(ELEMENT, head="<style>::part(number) { color: red }</style>"))
    shown(page, "1,234")
    part = 'document.querySelector("visitor-counter").shadowRoot.firstChild'

    assert page.evaluate(f"getComputedStyle({part}).color") == "rgb(255, 0, 0)"


def test_strict_policy(counter: FakeCounter, visitor: Visitor) -> None:
    """The element lives with a strict content security policy: no inline style or script, trusted types."""
    policy = "default-src 'self'; img-src data:; require-trusted-types-for 'script'"
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    shown(visitor.open(counter.page(ELEMENT, head=head)), "1,234")


def settle(page: Page) -> None:
    """Let whatever the page is about to ask reach the counter."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.evaluate("fetch('/v1/visitor-counter.js')")


@pytest.mark.parametrize(
    "attribute, path, named",
    [
        ("page", "/posts/a/", "/posts/a"),
        ("page", "/", "/"),
        ('page="true"', "/posts/a", "/posts/a"),  # as some frameworks write it
        ('show="page"', "/posts/b", "/posts/b"),
    ],
)
def test_named_page(counter: FakeCounter, visitor: Visitor, attribute: str, path: str, named: str) -> None:
    """With `page`, or `show="page"`, on any element the one request names the page, its last slash dropped."""
    page = visitor.open(counter.page(f"{ELEMENT}<visitor-counter {attribute}></visitor-counter>", path=path))
    shown(page, "1,234")

    assert [body["page"] for body in counter.bodies] == [named]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["", "async "], ids=["before the page", "async"])
def test_script_that_does_not_wait(counter: FakeCounter, visitor: Visitor, how: str) -> None:
    """Wherever the script stands, it asks once the whole page is there, for all elements."""
    body = f"{ELEMENT}{'<p>Text</p>' * 2_000}<visitor-counter page></visitor-counter>"
    page = visitor.open(counter.page(body, script=SCRIPT.replace("defer ", how)))
    shown(page, "1,234")
    settle(page)

    assert [body["page"] for body in counter.bodies] == ["/page"]


@pytest.mark.slow
def test_index_of_posts(counter: FakeCounter, visitor: Visitor) -> None:
    """An element that names another page reads its number and counts nothing; the one of this page counts it."""
    counter.views = {"/posts/a": 41, "/posts/b": 7}
    links = '<visitor-counter page="/posts/a/"></visitor-counter><visitor-counter page="/posts/b"></visitor-counter>'
    itself = '<visitor-counter page="/index/" show="page"></visitor-counter>'
    page = visitor.open(counter.page(links + itself, path="/index"))
    for nth, text in enumerate(("41", "7", "1")):
        shown(page, text, nth)

    assert counter.counted == 1
    assert sorted((body["page"], body.get("peek")) for body in counter.bodies) == [
        ("/index", None),
        ("/posts/a", True),
        ("/posts/b", True),
    ]


def test_show(counter: FakeCounter, visitor: Visitor) -> None:
    """`show` chooses the number; the periods show people. All elements of a page are one request."""
    names = {"unique": "320", "today": "20", "week": "20", "month": "20", "count": "1,234"}
    page = visitor.open(counter.page("".join(f'<visitor-counter show="{name}"></visitor-counter>' for name in names)))
    for nth, text in enumerate(names.values()):
        shown(page, text, nth)

    assert len(counter.requests) == 1


@pytest.mark.slow
def test_mistakes(counter: FakeCounter, new_visitor: NewVisitor) -> None:
    """A number that there is not is said in the console, once; the view counts, and visitors see the fallback."""
    somebody = new_visitor()
    page = somebody.open(counter.page('<visitor-counter show="visitors">many</visitor-counter>'))
    settle(page)
    shown(page, "many")

    assert somebody.complaints == ["visitor-counter: no number for visitors"]
    assert counter.counted == 1


@pytest.mark.slow
def test_address_comes_later(counter: FakeCounter, visitor: Visitor) -> None:
    """Without an address the element waits; nothing is sent to the page's own site."""
    counter.pages["/bundle.js"] = (WEB / "visitor-counter.js").read_text()
    script = '<script defer src="/bundle.js"></script>'
    page = visitor.open(counter.page('<visitor-counter src="">many</visitor-counter>', script=script))
    settle(page)

    assert counter.requests == []

    page.evaluate("document.querySelector('visitor-counter').setAttribute('src', '/v1/counter ')")
    shown(page, "1,234")


@pytest.mark.slow
def test_no_address(counter: FakeCounter, visitor: Visitor) -> None:
    """An element whose `src` is no address shows its fallback, and the others on the page are not disturbed."""
    page = visitor.open(counter.page(f'<visitor-counter src="http://[">many</visitor-counter>{ELEMENT}'))
    shown(page, "1,234", 1)
    shown(page, "many")


@pytest.mark.slow
def test_attributes_change(counter: FakeCounter, visitor: Visitor) -> None:
    """A change of `show` shows another number of the same answer; one of `src` asks there."""
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")
    page.evaluate("document.querySelector('visitor-counter').setAttribute('show', 'unique')")
    shown(page, "320")

    assert len(counter.requests) == 1

    page.evaluate(f"document.querySelector('visitor-counter').setAttribute('src', '{counter.elsewhere}/v1/counter')")
    settle(page)

    assert [request.host in counter.elsewhere for request in counter.requests] == [False, True]


@pytest.mark.slow
def test_made_by_script(counter: FakeCounter, visitor: Visitor) -> None:
    """An element that gets its attributes after it was put on the page asks once, and the right address."""
    page = visitor.open(counter.page(""))
    page.evaluate("""() => {
      const made = document.createElement("visitor-counter")
      document.body.append(made)
      made.setAttribute("src", "/v1/counter?peek=1")
    }""")
    shown(page, "1,233")

    assert [request.path_qs for request in counter.requests] == ["/v1/counter"]
    assert counter.bodies == [{"peek": True}]


def test_pages_changed_by_script(counter: FakeCounter, visitor: Visitor) -> None:
    """A new path is a new view, with nothing of the load's; a new query or hash is not."""
    page = visitor.open(counter.page("<visitor-counter page referrer></visitor-counter>"))
    shown(page, "1,234")
    for address, number in (("/page?a=1", "1,234"), ("/page#b", "1,234"), ("/next", "1,235"), ("/next/", "1,235")):
        page.evaluate("address => history.pushState(null, '', address)", address)
        settle(page)
        shown(page, number)
    page.go_back()
    settle(page)

    assert [body["page"] for body in counter.bodies] == ["/page", "/next"]


@pytest.mark.slow
def test_count_by_hand(counter: FakeCounter, visitor: Visitor) -> None:
    """Where a browser cannot tell that a page was changed, `count()` counts the view."""
    visitor.context.add_init_script("delete window.navigation")
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")
    page.evaluate("history.pushState(null, '', '/next')")
    settle(page)

    assert len(counter.requests) == 1

    page.evaluate("document.querySelector('visitor-counter').count()")
    shown(page, "1,235")


@pytest.mark.slow
def test_later_element(counter: FakeCounter, visitor: Visitor) -> None:
    """An element added later in the same view shares the answer; one created again after a failed call only reads."""
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")
    page.evaluate("document.body.innerHTML = '<visitor-counter show=unique></visitor-counter>'")
    shown(page, "320")

    assert len(counter.requests) == 1


@pytest.mark.slow
@pytest.mark.parametrize("said, counted", [({}, 1), ({"mayBeCounted": True}, 1), ({"mayBeCounted": False}, 2)])
def test_element_made_anew(counter: FakeCounter, unlucky: Visitor, said: dict[str, Any], counted: int) -> None:
    """After a failed call an element created again only reads, unless the answer said that nothing was counted."""
    unlucky.context.add_init_script(WATCH_EVENTS)
    counter.status, counter.failure = 503, said
    page = unlucky.open(counter.page(ELEMENT))
    failed(page)
    counter.status = 200
    page.evaluate("document.body.innerHTML = '<visitor-counter></visitor-counter>'")
    shown(page, f"{1_233 + (counted == 2):,}")

    assert counter.counted == counted


@pytest.mark.slow
def test_offline(counter: FakeCounter, visitor: Visitor) -> None:
    """A view that begins without network is counted once it is back."""
    page = visitor.open(counter.page(""))
    visitor.context.set_offline(True)
    page.evaluate("document.body.innerHTML = '<visitor-counter>many</visitor-counter>'")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    shown(page, "many")
    assert counter.requests == []

    visitor.context.set_offline(False)
    shown(page, "1,234")

    assert counter.counted == 1


@pytest.mark.slow
def test_back(counter: FakeCounter, visitor: Visitor) -> None:
    """A page that the browser kept asks again when it is shown again, and does not count."""
    visitor.context.add_init_script('addEventListener("pageshow", event => { window.kept = event.persisted })')
    counter.page("<p>Next", path="/next", script="")
    page = visitor.open(counter.page(ELEMENT))
    shown(page, "1,234")
    page.goto(f"{counter.origin}/next")
    counter.count = 2_000
    page.evaluate("history.back()")
    until(page, "window.kept === true")
    shown(page, "2,000")

    assert [body.get("peek") for body in counter.bodies] == [None, True]


def test_referrer(counter: FakeCounter, visitor: Visitor) -> None:
    """`referrer` sends the host that the visitor came from, with the first view of a load, and never the page's own."""
    counter.page('<a href="/page">On</a>', path="/links", script="")
    counter.page('<visitor-counter referrer></visitor-counter><a href="/page">Again</a>')
    page = visitor.open(f"{counter.elsewhere}/links?secret=1")
    page.evaluate("address => { document.querySelector('a').href = address }", f"{counter.origin}/page")
    page.get_by_text("On").click()
    shown(page, "1,234")
    page.get_by_text("Again").click()
    shown(page, "1,235")

    assert [body.get("ref") for body in counter.bodies] == [counter.elsewhere.removeprefix("http://"), None]


@pytest.mark.parametrize("signal", [GPC, DNT], ids=["gpc", "dnt"])
def test_private_referrer(counter: FakeCounter, visitor: Visitor, signal: str) -> None:
    """Who asks not to be tracked is not asked where they came from."""
    visitor.context.add_init_script(signal)
    counter.page("<visitor-counter page referrer></visitor-counter>")
    page = visitor.open()
    page.goto(f"{counter.origin}/page", referer="https://news.example/")
    shown(page, "1,234")

    assert counter.bodies == [{"page": "/page"}]


def test_left_out(counter: FakeCounter, new_visitor: NewVisitor) -> None:
    """`#visitor-counter=off` in the site's address leaves this browser out until `=on`; it says so in the console."""
    somebody = new_visitor()
    url = counter.page(ELEMENT)
    page = somebody.open(f"{url}#visitor-counter=off")
    shown(page, "1,233")
    page.goto(counter.page(ELEMENT, path="/other"))
    shown(page, "1,233")
    for _ in range(200):  # the number may be the one shown before
        if len(counter.bodies) == 2:
            break
        page.wait_for_timeout(50)

    assert counter.bodies == [{"peek": True}, {"peek": True}]
    assert somebody.complaints == ["visitor-counter: not counted, off"] * 2

    page.goto(f"{url}#visitor-counter=on")
    shown(page, "1,234")


@pytest.mark.slow
def test_page_on_this_machine(counter: FakeCounter, new_visitor: NewVisitor) -> None:
    """A page of this machine only reads, and says so once; with `local` it counts."""
    somebody = new_visitor()
    counter.page(ELEMENT * 2)
    port = counter.origin.rpartition(":")[2]
    for host in ("localhost", "127.0.0.1"):
        shown(somebody.open(f"http://{host}:{port}/page"), "1,233")
    counter.page("<visitor-counter local></visitor-counter>")
    shown(somebody.open(f"http://localhost:{port}/page"), "1,234")

    assert somebody.complaints == ["visitor-counter: not counted, local"] * 2


@pytest.mark.slow
def test_id_is_renewed(counter: FakeCounter, visitor: Visitor) -> None:
    """An id is the same for 13 months and then a new one; an id without a date is dated when it is first seen."""
    visitor.context.clock.install(time="2026-01-15T10:00:00Z")
    page = visitor.open(counter.page("", script=""))
    page.evaluate("localStorage['visitor-counter id'] = 'old'")
    url = counter.page(ELEMENT)
    for time in ("2026-01-15", "2027-02-10", "2027-02-20", "2028-01-15"):
        visitor.context.clock.set_system_time(f"{time}T10:00:00Z")
        count = counter.count
        page.goto(url)
        shown(page, f"{count + 1:,}")
    first, second, renewed, last = counter.visitors

    assert first == second == "old"
    assert renewed == last != "old"
    assert stored(page)["visitor-counter since"] == "2027-02-20"


def test_import_without_a_browser() -> None:
    """Importing the element where there is no browser does nothing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    subprocess.run(
        [node, "--input-type=module", "--eval", f"await import({str(WEB / 'visitor-counter.js')!r})"], check=True
    )
