"""The owner's page and the demo, in a real Chromium."""

from __future__ import annotations

import datetime
import math
import re
from typing import TYPE_CHECKING, Any

import pytest
from browser.conftest import WEB, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.conftest import FakeCounter, Visitor
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

TOKEN = "open-sesame"
TODAY = datetime.date(2026, 11, 21)
FAULTS = {503: "cannot reach its storage", 500: "could not answer", 404: "no counter at", 0: "No answer"}


def year(length: int = 400, **more: Any) -> dict[str, Any]:
    """What the counter answers after so many days: a steady little site, quieter at weekends, once in the news."""
    days: dict[str, dict[str, Any]] = {}
    for ago in range(length):
        day = TODAY - datetime.timedelta(ago)
        views = round((26 + 10 * math.sin(ago / 23) + (ago * 7919) % 11) * (0.45 if day.weekday() > 4 else 1))
        views += {9: 140, 10: 66, 11: 31}.get(ago, 0)
        filtered = {"crawler": (ago * 31) % 7, "prefetch": (ago * 17) % 3}
        fresh, people = round(views * 0.38), round(views * 0.6)
        days[str(day)] = {"pageviews": views, "newVisitors": fresh, "visitors": people, "filtered": filtered}
    months = {"2025-09": {"pageviews": 300, "newVisitors": 90, "filtered": {}}} if length >= 400 else {}
    months["2026-11"] = {"visitors": 210}
    weeks = {"2026-W47": 92, "2026-W46": 154}
    count = sum(int(day["pageviews"]) for day in days.values()) + 300 * ("2025-09" in months)
    return answer(days=days, months=months, weeks=weeks, count=count, unique=4_218, budget=budget(1_260), **more)


def budget(used: int, runs_out: str | None = None) -> dict[str, Any]:
    """November's storage requests, as the counter reckons them."""
    return {"month": "2026-11", "used": used, "allowance": 50_000, "runsOut": runs_out}


def answer(**more: Any) -> dict[str, Any]:
    """What the counter answers before its first visit, but for what is given."""
    settings = {
        "SITE_NAME": "Ada Example",
        "TIMEZONE": "UTC",
        "COUNT_ON": "GET",
        "SEEN_LIMIT": 400,
        "HISTORY_DAYS": 400,
        "IGNORE_CRAWLERS": True,
        "ALLOWED_ORIGINS": "*",
    }
    stats = {
        "ok": True,
        "count": 0,
        "unique": 0,
        "uniqueIsEstimate": False,
        "updatedAt": 1_795_250_000 if more.get("count") else 0,
        "today": str(TODAY),
        "days": {},
        "months": {},
        "requests": {},
        "allowance": 50_000,
        "budget": budget(0),
        "documentBytes": 5_120,
        "entriesWaiting": 0,
        "settings": settings,
        "requestId": "r",
    }
    return stats | more


def enter(page: Page, token: str = TOKEN) -> None:
    """Type the token and go."""
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Show my numbers").click()


def tiles(page: Page) -> dict[str, str]:
    """What stands on the tiles at the top, by their names, each in one line."""
    page.locator("#numbers").wait_for()
    lines = (text.splitlines() for text in page.locator("#tiles li").all_inner_texts())
    return {name: ", ".join(filter(None, map(str.strip, rest))) for name, *rest in lines}


def everything(page: Page) -> str:
    """All the text a reader sees."""
    return page.locator("main").inner_text()


@pytest.fixture
def owner(counter: FakeCounter) -> str:
    """The address of the owner's page, in front of a counter with a year of history."""
    counter.stats = year()
    return f"{counter.origin}/v1/owner"


def test_wrong_token(owner: str, unlucky: Visitor) -> None:
    """A wrong token is said kindly, is not kept, and can be typed again."""
    page = unlucky.open(owner)
    enter(page, "guess")
    page.get_by_role("alert").get_by_text("not the token").wait_for()

    assert page.evaluate("sessionStorage.length") == 0
    assert page.locator("#numbers").is_hidden()

    enter(page)
    page.locator("#numbers").wait_for()


def test_right_token(owner: str, counter: FakeCounter, visitor: Visitor) -> None:
    """The right token opens the numbers, people first; it travels in the header only."""
    page = visitor.open(owner)
    enter(page)
    shown, today = tiles(page), counter.stats["days"]["2026-11-21"]

    assert shown["Today"].startswith(f"{today['visitors']} people, {today['pageviews']} page views, yesterday: ")
    assert shown["This week"].startswith("92 people, ")
    assert shown["This week"].endswith("last week: 154 people")
    assert shown["This month"].startswith("210 people, ")
    assert shown["Since the first visit"] == f"4,218 people, {counter.stats['count']:,} page views"
    assert page.get_by_role("heading", name="Ada Example").is_visible()
    assert TOKEN not in page.url
    assert all(TOKEN not in request.path_qs for request in counter.requests)


@pytest.mark.slow
def test_token_stays_in_the_tab(owner: str, visitor: Visitor) -> None:
    """A reload does not ask again; another tab does, and so does this one when told to forget."""
    page = visitor.open(owner)
    enter(page)
    tiles(page)
    page.reload()
    tiles(page)

    assert visitor.open(owner).get_by_label("Token").is_visible()
    assert page.evaluate("localStorage.length") == 0
    assert not visitor.context.cookies()

    page.get_by_role("button", name="Forget token").click()
    page.reload()

    assert page.get_by_label("Token").is_visible()


@pytest.mark.slow
def test_remembered(owner: str, visitor: Visitor) -> None:
    """With a tick the token is remembered on this device, until it is told to forget."""
    page = visitor.open(owner)
    page.get_by_label("Remember it").check()
    enter(page)
    tiles(page)
    page.close()
    page = visitor.open(owner)
    tiles(page)
    page.get_by_role("button", name="Forget token").click()

    assert page.evaluate("localStorage.length") == 0


@pytest.mark.slow
def test_empty(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """Before the first visit the page shows the two lines to paste, and noughts."""
    counter.stats = answer()
    page = visitor.open(owner)
    enter(page)

    assert {shown.partition(",")[0] for shown in tiles(page).values()} == {"0 people"}
    assert "No visits yet" in everything(page)
    assert f'src="{counter.origin}/v1/visitor-counter.js"' in page.locator("#snippet").inner_text()
    assert "NaN" not in everything(page)


@pytest.mark.slow
def test_first_day(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """On the first day nothing is compared with days that were not counted, and all periods agree."""
    first = {str(TODAY): {"pageviews": 11, "newVisitors": 7, "visitors": 7, "filtered": {"crawler": 2}}}
    period = {"weeks": {"2026-W47": 7}, "months": {"2026-11": {"visitors": 7}}}
    counter.stats = answer(days=first, count=11, unique=7, budget=budget(4), **period)
    page = visitor.open(owner)
    enter(page)

    assert tiles(page) == dict.fromkeys(
        ("Today", "This week", "This month", "Since the first visit"), "7 people, 11 page views"
    )
    assert "first day" in everything(page)
    assert "Crawlers and bots" in everything(page)


@pytest.mark.slow
def test_older_counter(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """A counter that keeps no people of a day, and no pages, shows page views."""
    counter.stats = year() | {"weeks": None, "months": {}, "pages": None}
    for day in counter.stats["days"].values():
        del day["visitors"]
    page = visitor.open(owner)
    enter(page)

    assert re.match(r"\d+ page views, yesterday: \d+ views", tiles(page)["Today"])
    assert "No page was named yet" in everything(page)
    assert "undefined" not in everything(page)


@pytest.mark.slow
def test_quiet_week(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """Seven days without a visit are asked about, gently."""
    counter.stats = year()
    for ago in range(8):
        del counter.stats["days"][str(TODAY - datetime.timedelta(ago))]
    page = visitor.open(owner)
    enter(page)
    tiles(page)

    assert "Are the two lines still on your page?" in everything(page)


def choose(page: Page, name: str) -> str:
    """Press a button and return what the chart is called then."""
    page.get_by_role("button", name=name, exact=True).click()
    return page.get_by_role("img").get_attribute("aria-label") or ""


def test_ranges(owner: str, counter: FakeCounter, visitor: Visitor) -> None:
    """The chart shows 30 days, 90 days, a year or all, by day, week or month, and older windows one after another."""
    page = visitor.open(owner)
    enter(page)
    tiles(page)

    assert "Oct 23, 2026 to today" in (page.get_by_role("img").get_attribute("aria-label") or "")
    assert "by day. Sep 23, 2026 to Oct 22, 2026" in choose(page, "← Earlier")
    assert "by day. Aug 24, 2026 to today" in choose(page, "90 days")
    assert "by week. Nov 17, 2025 to today" in choose(page, "Year")
    assert "by month. Sep 1, 2025 to today" in choose(page, "All")
    assert "by week. Oct 13, 2025 to today" in choose(page, "Weeks")
    assert "by month. Sep 1, 2025 to today" in choose(page, "Months")

    page.get_by_text("The same as a table").click()
    rows = [row.split("\t") for row in page.locator("#table").inner_text().splitlines()]

    assert [row[0] for row in (rows[0], rows[-1])] == ["November 2026", "September 2025"]
    assert (rows[0][1], rows[1][1]) == ("210", "\u2013")
    assert sum(int(row[2].replace(",", "")) for row in rows) == counter.stats["count"]


@pytest.mark.slow
def test_labels(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """A month's name stands under the bar in which the month begins."""
    page = visitor.open(owner)
    enter(page)
    tiles(page)
    choose(page, "All")
    labels = page.locator("#chart text[text-anchor=middle]")
    bars = page.locator("#chart .hit title").all_text_contents()
    places = page.evaluate(
        """() => [...document.querySelectorAll("#chart text[text-anchor=middle]")].map(label => {
          const hits = [...document.querySelectorAll("#chart .hit")]
          const at = +label.getAttribute("x")
          return hits.findLastIndex(hit => at >= +hit.getAttribute("x"))
        })"""
    )

    assert labels.count() > 5
    for text, place in zip(labels.all_text_contents(), places, strict=True):
        assert text[:3] in bars[place]


@pytest.mark.slow
def test_spike(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """One day in the news does not flatten the others: its bar is cut off, and its number stands on it."""
    counter.stats = year()
    counter.stats["days"][str(TODAY - datetime.timedelta(9))]["pageviews"] = 5_000
    page = visitor.open(owner)
    enter(page)
    tiles(page)
    heights = page.evaluate("[...document.querySelectorAll('#chart .views')].map(bar => +bar.getAttribute('height'))")

    assert max(heights) < 4 * sorted(heights)[len(heights) // 2]
    assert page.locator("#chart").get_by_text("5,000", exact=True).is_visible()


@pytest.mark.slow
def test_chart_tells_the_day(owner: str, counter: FakeCounter, visitor: Visitor) -> None:
    """Pointing at a bar tells its day in words."""
    page = visitor.open(owner)
    enter(page)
    tiles(page)
    page.locator("#chart .hit").last.hover()
    today = counter.stats["days"][str(TODAY)]

    assert page.locator("#readout").inner_text() == (
        f"Sat, Nov 21, 2026: {today['visitors']} people, {today['pageviews']} page views"
    )


@pytest.mark.slow
def test_budget(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """The free tier is a gauge, and the sentence that the mail has: the page shows what the counter reckoned."""
    page = visitor.open(owner)
    enter(page)
    for used, runs_out, text in (
        (0, None, "No requests yet"),
        (45_000, None, "At this pace they last the month."),
        (2_100, "2026-11-24", "At this pace they run out on November 24."),
        (50_001, None, "The free requests are used up for this month."),
    ):
        counter.stats = year(3) | {"budget": budget(used, runs_out), "requests": {"2026-11": 7}, "allowance": 7}
        page.get_by_role("button", name="Refresh").click()
        page.locator("#pace").get_by_text(text).wait_for()

        assert page.get_by_role("meter").get_attribute("aria-valuetext") == f"{used:,} of 50,000"
        assert "of about 50,000 free storage requests in November" in everything(page)

    del counter.stats["budget"]  # a counter older than the page
    page.get_by_role("button", name="Refresh").click()
    page.get_by_role("meter").wait_for(state="hidden")


def test_hostile_answer(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """What stands in the answer is shown as text, nothing of it runs, and what is no number counts as nothing."""
    evil = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"
    row = {"name": evil, "count": evil}
    counter.stats = answer(
        count=7,
        days={str(TODAY): {"pageviews": evil, "newVisitors": None, "filtered": {evil: 2, "__proto__": 1}}, evil: {}},
        weeks={evil: evil, "2026-W47": evil},
        months={evil: {"pageviews": 1}, "2025-01": None},
        pages={"top": [row, None, {"name": "javascript:alert(1)", "count": 3}], "other": evil},
        sources={"top": [row]},
        budget={"month": evil, "used": evil, "allowance": 50_000, "runsOut": evil},
        settings={"SITE_NAME": evil, "TIMEZONE": evil, "SEEN_LIMIT": {"a": evil}, "ALLOWED_ORIGINS": "javascript:1"},
        unique=evil,
        updatedAt=evil,
        entriesWaiting=evil,
    )
    page = visitor.open(owner)
    enter(page)
    tiles(page)

    assert page.get_by_role("heading", name=evil).is_visible()
    assert page.locator("#filtered").get_by_text(evil).is_visible()
    assert page.locator("#pages").get_by_text(evil).is_visible()
    assert page.locator("main img, main script, main a").count() == 0
    assert page.title() == "7 page views"
    assert "NaN" not in everything(page)
    assert "undefined" not in everything(page)


@pytest.mark.slow
def test_trouble(counter: FakeCounter, owner: str, unlucky: Visitor) -> None:
    """What went wrong is said in plain words, at the entrypoint and later, when what was on the page stays there."""
    page = unlucky.open(owner)

    def each_fault(press: Callable[[], None], place: str) -> None:
        for counter.status, text in FAULTS.items():
            counter.drop = not counter.status
            press()
            page.locator(place).get_by_text(text).wait_for()
        counter.status, counter.drop = 200, False

    each_fault(lambda: enter(page), "#trouble")
    enter(page)
    before = tiles(page)
    each_fault(page.get_by_role("button", name="Refresh").click, "#notice")

    assert tiles(page) == before

    page.get_by_role("button", name="Refresh").click()
    page.locator("#notice").wait_for(state="hidden")


@pytest.mark.slow
def test_counter_elsewhere(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """`?api=` asks a counter elsewhere; the page says where the token goes, and never hands over another one."""
    page = visitor.open(owner)
    enter(page)
    tiles(page)
    sent = len(counter.requests)
    page.goto(f"{owner}?api={counter.elsewhere}/v1/")

    assert counter.elsewhere.removeprefix("http://") in everything(page)
    assert len(counter.requests) == sent

    enter(page)
    tiles(page)

    assert counter.requests[-1].host == counter.elsewhere.removeprefix("http://")


@pytest.mark.slow
def test_from_a_file(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """Opened as a file, the page asks for the counter's address as well."""
    page = visitor.open((WEB / "owner.html").as_uri())
    page.get_by_label("Address of your counter").fill(f"{counter.origin}/v1")
    enter(page)

    assert tiles(page)["Since the first visit"].startswith("4,218 people")


@pytest.mark.slow
def test_address_is_checked(owner: str, counter: FakeCounter, visitor: Visitor) -> None:
    """`?api=` takes web addresses only; for anything else no token is taken."""
    page = visitor.open()
    for api in ("javascript:alert(1)", "data:text/plain,x", "http://a:b@host/v1", "http://["):
        page.goto(f"{owner}?api={api}")

        assert "not one this page can ask" in everything(page)
        assert page.get_by_role("button", name="Show my numbers").is_disabled()
    assert counter.requests == []


@pytest.mark.slow
def test_public(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """Where anybody may see the numbers they are there without a token, and what is for the owner alone is not."""
    counter.public, counter.stats["site"] = True, "Ada Example"
    del counter.stats["settings"], counter.stats["budget"]
    html = (WEB / "owner.html").read_text().replace("<html", "<html data-public", 1)
    counter.pages["/v1/owner"] = html
    page = visitor.open(owner)
    shown = tiles(page)

    assert shown["Since the first visit"].startswith("4,218 people")
    assert "Authorization" not in counter.requests[0].headers
    for name in ("Free tier", "Not counted", "Leave out", "Take it with you"):
        assert page.get_by_role("heading", name=name).is_hidden()

    page.get_by_role("button", name="I am the owner").click()

    assert page.get_by_label("Token").is_visible()


@pytest.mark.slow
def test_downloads(owner: str, counter: FakeCounter, visitor: Visitor) -> None:
    """Tables and the backup are asked for with the token, and saved as files."""
    page = visitor.open(owner)
    enter(page)
    tiles(page)
    counter.answer = "day,views"
    for name, file, query in (
        ("Days", "days.csv", "format=csv&table=days"),
        ("Backup", "counter.json", "format=backup"),
    ):
        with page.expect_download() as download:
            page.locator("#downloads").get_by_role("button", name=name).click()

        assert download.value.suggested_filename == file
        assert counter.requests[-1].query_string == query


@pytest.mark.slow
def test_fits(owner: str, visitor: Visitor) -> None:
    """The page fits a phone and a desk without scrolling sideways."""
    page = visitor.open()
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(owner)
    sideways = "document.documentElement.scrollWidth - innerWidth"

    assert page.evaluate(sideways) == 0

    enter(page)
    tiles(page)
    choose(page, "All")
    for width in (360, 1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        drawn = (
            "document.querySelector('#chart svg').viewBox.baseVal.width == document.querySelector('#chart').clientWidth"
        )
        until(page, drawn)

        assert page.evaluate(sideways) == 0


def test_demo(counter: FakeCounter, unlucky: Visitor) -> None:
    """The demo shows both numbers, counts again as the same or as another visitor, and has a snippet that works."""
    counter.count, counter.unique = 0, 1
    page = unlucky.open(f"{counter.origin}/")
    page.get_by_text("This visit is counted.").wait_for()
    page.locator("#badge-card").wait_for(state="hidden")  # there is no badge here

    said = " ".join(page.locator(".hero").inner_text().split())

    assert said.startswith("This page has been viewed once by visitor ")  # its number is in the element's own tree
    assert page.evaluate("document.querySelector('#unique').shadowRoot.textContent") == "1"
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0

    number = "document.querySelector('visitor-counter').shadowRoot?.textContent == '{}'"
    for button, count in (("Visit again", "2"), ("Be another visitor", "3")):
        page.get_by_role("button", name=button).click()
        until(page, number.format(count))
        page.get_by_text("This visit is counted.").wait_for()
    first, again, other = counter.visitors

    assert first == again != other

    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name=re.compile("Copied|Selected")).wait_for()
    counter.pages["/mine"] = f"<!doctype html><title>Mine</title>{page.locator('#snippet').inner_text()}"
    page.goto(f"{counter.elsewhere}/mine")
    until(page, number.format("4"))
