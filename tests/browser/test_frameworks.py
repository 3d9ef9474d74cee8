"""The element where others rule: frameworks, content blockers, isolated pages; and the pages read by axe."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser.conftest import WEB
from browser.test_element import settle, shown
from browser.test_owner import answer, enter, tiles, year

if TYPE_CHECKING:
    from browser.conftest import FakeCounter, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PACKAGES = Path(__file__).parent / "packages"
RULES = """
.com/counter?
/counter?id=
/counter/?type=
/counter.php?
/count?type=
/hitcounter/*
/visitorcounter.
/wps-visitor-counter/*
/visitor-event?
/pageview?
/collect?
/beacon?
/analytics.js?
/stats.aspx?
&vid=
?vid=$xmlhttprequest
?pageviews=$third-party
_visitcount?
"""
REACT = {
    "scheduler": "scheduler/cjs/scheduler.development.js",
    "react": "react/cjs/react.development.js",
    "react-dom": "react-dom/cjs/react-dom.development.js",
    "react-dom/client": "react-dom/cjs/react-dom-client.development.js",
}

AWS = "https://a1b2.execute-api.eu-central-1.amazonaws.com"

Package = Callable[[str], str]


@pytest.fixture(scope="session")
def package() -> Package:
    """Return what reads a file of an npm package; they are installed when they are not there yet."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Node.js is not installed")
    if not (PACKAGES / "node_modules").exists():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=PACKAGES, check=True, capture_output=True)
    return lambda name: (PACKAGES / "node_modules" / name).read_text()


def test_alpine(counter: FakeCounter, visitor: Visitor, package: Package) -> None:
    """Alpine sets `src` and `show` after the element is there: one request, and to that address alone."""
    counter.scripts["/alpine.js"] = package("alpinejs/dist/cdn.min.js")
    body = f"""<div x-data="{{src: '{counter.elsewhere}/v1/counter', show: 'unique'}}">
        <template x-if="src"><visitor-counter :src="src" :show="show"></visitor-counter></template></div>"""
    page = visitor.open(counter.page(body, head='<script defer src="/alpine.js"></script>'))
    shown(page, "320")

    assert [request.host in counter.elsewhere for request in counter.requests] == [True]


def test_react(counter: FakeCounter, visitor: Visitor, package: Package) -> None:
    """React in strict mode makes everything twice; a view is counted once all the same, and each route is a view."""
    modules = "".join(
        f"define({json.dumps(name)}, function (exports, module, require) {{{package(path)}\n}});\n"
        for name, path in REACT.items()
    )
    counter.scripts["/react.js"] = (
        'const process = {env: {NODE_ENV: "development"}}, made = {}\n'
        "const require = name => made[name].exports\n"
        "const define = (name, body) => { const module = made[name] = {exports: {}};"
        " body(module.exports, module, require) }\n" + modules
    )
    counter.scripts["/app.js"] = """
      const {createElement: e, StrictMode, useEffect, useState} = require("react")
      const Page = ({path}) => e("main", {key: path}, path, e("visitor-counter", {page: ""}), e("visitor-counter"))
      const App = () => {
        const [path, setPath] = useState(location.pathname)
        useEffect(() => { window.go = to => { history.pushState(null, "", to); setPath(to) } }, [])
        return e(Page, {path})
      }
      require("react-dom/client").createRoot(document.getElementById("root")).render(e(StrictMode, null, e(App)))
    """
    head = '<script defer src="/react.js"></script><script defer src="/app.js"></script>'
    page = visitor.open(counter.page('<div id="root"></div>', head=head))
    shown(page, "1,234")
    page.evaluate("go('/next')")
    shown(page, "1,235", 1)
    settle(page)

    assert [body["page"] for body in counter.bodies] == ["/page", "/next"]


def test_vue(counter: FakeCounter, visitor: Visitor, package: Package) -> None:
    """Vue changes `show`, takes the element away and makes another: the view is one, and its answer is shared."""
    counter.scripts["/vue.js"] = package("vue/dist/vue.global.prod.js")
    script = """<script type="module">
      const {createApp, ref} = Vue
      createApp({
        compilerOptions: {isCustomElement: tag => tag == "visitor-counter"},
        setup: () => ({show: window.show = ref("count"), on: window.on = ref(true)}),
        template: '<visitor-counter v-if="on" page :show="show"></visitor-counter>',
      }).mount("#app")
    </script>"""
    page = visitor.open(counter.page(f'<div id="app"></div>{script}', head='<script src="/vue.js"></script>'))
    shown(page, "1,234")
    page.evaluate("show.value = 'unique'")
    shown(page, "320")
    page.evaluate("on.value = false")
    settle(page)
    page.evaluate("show.value = 'count'; on.value = true")
    shown(page, "1,234")

    assert counter.bodies == [{"page": "/page", "vid": counter.visitors[0]}]


def test_turbo(counter: FakeCounter, visitor: Visitor, package: Package) -> None:
    """Turbo changes pages by script and shows previews of those it knows: each visit of a page is one view."""
    counter.scripts["/turbo.js"] = package("@hotwired/turbo/dist/turbo.es2017-umd.js")
    head = '<script src="/turbo.js"></script>'
    element = "<visitor-counter page></visitor-counter>"
    counter.page(f'<a href="/page">First</a>{element}', path="/next", head=head)
    page = visitor.open(counter.page(f'<a href="/next">Next</a>{element}', head=head))
    shown(page, "1,234")
    for link, number in (("Next", "1,235"), ("First", "1,236"), ("Next", "1,237")):
        page.get_by_text(link, exact=True).click()
        shown(page, number)
        settle(page)

    assert [body["page"] for body in counter.bodies] == ["/page", "/next", "/page", "/next"]


def test_htmx(counter: FakeCounter, visitor: Visitor, package: Package) -> None:
    """An element that htmx fetches into the page belongs to the same view."""
    counter.scripts["/htmx.js"] = package("htmx.org/dist/htmx.min.js")
    counter.pages["/part"] = '<visitor-counter show="unique"></visitor-counter>'
    body = '<visitor-counter></visitor-counter><button hx-get="/part" hx-target="#part">More</button><p id="part"></p>'
    page = visitor.open(counter.page(body, head='<script src="/htmx.js"></script>'))
    shown(page, "1,234")
    page.get_by_text("More").click()
    shown(page, "320", 1)

    assert len(counter.requests) == 1


def test_isolated_page(counter: FakeCounter, visitor: Visitor) -> None:
    """On a page that lets nothing in that does not allow it, and with a strict policy, script and counter of another
    origin work."""
    here, there = (f"http://{host}:{address.rpartition(':')[2]}" for host, address in (
        ("localhost", counter.origin), ("127.0.0.1", counter.elsewhere)
    ))  # fmt: skip
    counter.headers = {
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Content-Security-Policy": f"default-src 'none'; img-src data:; script-src {there}; connect-src {there};"
        " require-trusted-types-for 'script'",
    }
    script = f'<script defer src="{there}/v1/visitor-counter.js"></script>'
    counter.page("<visitor-counter local page referrer></visitor-counter>", script=script)
    page = visitor.open(f"{here}/page")
    shown(page, "1,234")

    assert page.evaluate("crossOriginIsolated")


def test_content_blocker(counter: FakeCounter, visitor: Visitor, package: Package) -> None:
    """Rules of the forms that EasyPrivacy has let all requests of a page through; the address that was used before this
    element is stopped, so the engine and the rules are awake."""
    script = f'<script defer src="{counter.elsewhere}/v1/visitor-counter.js"></script>'
    page = visitor.context.new_page()
    sent: list[tuple[str, str]] = []
    page.on("request", lambda request: sent.append((request.url, request.resource_type)))
    page.goto(
        counter.page('<visitor-counter page referrer></visitor-counter><visitor-counter page="/x">', script=script)
    )
    shown(page, "1,234")
    settle(page)
    for address in (counter.elsewhere, counter.origin):
        sent = [
            (url.replace(address, "https://a1b2.execute-api.eu-central-1.amazonaws.com"), kind) for url, kind in sent
        ]
    assert {kind for _, kind in sent} >= {"script", "fetch"}

    package("@ghostery/adblocker/package.json")
    code = """
      const {FiltersEngine, Request} = require("@ghostery/adblocker")
      const {rules, sent} = JSON.parse(require("fs").readFileSync(0, "utf8"))
      const engine = FiltersEngine.parse(rules)
      const stopped = ([url, type]) => engine.match(Request.fromRawDetails({
        url, type: type == "fetch" ? "xmlhttprequest" : type, sourceUrl: "https://site.example/page"})).match
      console.log(JSON.stringify(sent.filter(stopped)))
    """
    before = (f"{AWS}/counter?vid=1", "fetch")
    for requests, stopped in ((sent, []), ([before], [list(before)])):
        done = subprocess.run(
            ["node", "--eval", code],
            cwd=PACKAGES,
            input=json.dumps({"rules": RULES, "sent": requests}),
            text=True,
            capture_output=True,
            check=True,
        )

        assert json.loads(done.stdout) == stopped


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe(counter: FakeCounter, visitor: Visitor, package: Package, scheme: str) -> None:
    """axe-core finds nothing wrong with the owner's page, empty or full, nor with the demo, in light and dark."""
    axe = package("axe-core/axe.min.js")
    page = visitor.context.new_page()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")

    def findings() -> list[str]:
        page.evaluate(axe)
        found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']})")
        return [f"{one['id']}: {node['html'][:120]}" for one in found["violations"] for node in one["nodes"]]

    page.goto(f"{counter.origin}/v1/owner")

    assert findings() == []

    ranking = {"top": [{"name": "/posts/a", "count": 5, "month": 2}], "other": {"count": 1, "month": 0}}
    for counter.stats in (answer(), year(pages=ranking, sources=ranking)):
        page.goto(f"{counter.origin}/v1/owner")
        enter(page)
        tiles(page)
        page.get_by_text("The same as a table").click()

        assert findings() == []

        page.get_by_role("button", name="Forget token").click()
    page.goto(f"{counter.origin}/")
    page.get_by_text("This visit is counted.").wait_for()

    assert findings() == []


@pytest.mark.parametrize("prefix", ["busuanzi", "vercount"])
def test_theme(counter: FakeCounter, visitor: Visitor, prefix: str) -> None:
    """A theme's own markup shows our numbers once its script's address is changed, on pages changed by script too."""
    parts = [(WEB / f"{name}.js").read_text() for name in ("visitor-counter", "busuanzi")]
    counter.scripts["/v1/busuanzi.js"] = "\n".join(parts)
    span = '<span id="{0}_container_{1}" style="display:none">{1} <span id="{0}_value_{1}"></span></span> '
    markup = "".join(span.format(prefix, name) for name in ("site_pv", "site_uv", "page_pv"))
    script = f'<script async src="{counter.elsewhere}/v1/busuanzi.js"></script>'
    page = visitor.open(counter.page(f'<div id="main">{markup}</div>', script=script))
    page.get_by_text("page_pv 1").wait_for()

    assert page.locator("#main").inner_text().split() == ["site_pv", "1234", "site_uv", "320", "page_pv", "1"]

    change = "markup => { history.pushState(null, '', '/next'); document.querySelector('#main').innerHTML = markup }"
    page.evaluate(change, markup)
    page.get_by_text("site_pv 1235").wait_for()

    assert counter.counted == 2
