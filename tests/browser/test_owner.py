"""The owner's page and the demo, in a real Chromium."""

from __future__ import annotations

import datetime
import math
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.conftest import FakeCounter, Until, Visitor
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

TOKEN = "open-sesame"
TODAY = datetime.date(2026, 11, 21)
FAULTS = {503: "cannot reach its storage", 500: "but not with numbers", 404: "no counter at", 0: "No answer"}


def year(length: int = 400, **more: Any) -> dict[str, Any]:
    """What the counter answers after so many days: a steady little site, quieter at weekends, once in the news."""
    days: dict[str, dict[str, Any]] = {}
    for ago in range(length):
        day = TODAY - datetime.timedelta(ago)
        views = round((26 + 10 * math.sin(ago / 23) + (ago * 7919) % 11) * (0.45 if day.weekday() > 4 else 1))
        views += {9: 140, 10: 66, 11: 31}.get(ago, 0)
        filtered = {"crawler": (ago * 31) % 7, "prefetch": (ago * 17) % 3}
        days[str(day)] = {"pageviews": views, "newVisitors": round(views * 0.38), "filtered": filtered}
    months = {"2025-09": {"pageviews": 300, "newVisitors": 90, "filtered": {}}} if length >= 400 else {}
    count = sum(int(day["pageviews"]) for day in days.values()) + 300 * bool(months)
    return answer(days=days, months=months, count=count, unique=4_218, budget=budget(1_260), **more)


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
    """The numbers at the top, by their names."""
    page.locator("#numbers").wait_for()
    names, values = (page.locator(f"#tiles .{part}").all_inner_texts() for part in ("label", "value"))
    return dict(zip(names, values, strict=True))


def everything(page: Page) -> str:
    """All the text a reader sees."""
    return page.locator("main").inner_text()


@pytest.fixture
def owner(counter: FakeCounter) -> str:
    """The address of the owner's page, in front of a counter with a year of history."""
    counter.stats = year()
    return f"{counter.origin}/web/owner.html"


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
    """The right token opens the numbers; it travels in the header only."""
    page = visitor.open(owner)
    enter(page)
    shown = tiles(page)

    assert shown["All page views"] == f"{counter.stats['count']:,}"
    assert shown["Visitors"] == "4,218"
    assert shown["Today"] == str(counter.stats["days"]["2026-11-21"]["pageviews"])
    assert page.get_by_role("heading", name="Ada Example").is_visible()
    assert TOKEN not in page.url
    assert all(TOKEN not in request.path_qs for request in counter.requests)


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
    assert page.evaluate("sessionStorage.length") == 0


def test_empty(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """Before the first visit the page says what to do, and shows noughts."""
    counter.stats = answer()
    page = visitor.open(owner)
    enter(page)

    assert set(tiles(page).values()) == {"0"}
    assert "No visits yet" in everything(page)
    assert "NaN" not in everything(page)


def test_first_day(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """On the first day nothing is compared with days that were not counted."""
    first = {str(TODAY): {"pageviews": 3, "newVisitors": 1, "filtered": {"crawler": 2}}}
    counter.stats = answer(days=first, count=3, unique=1, budget=budget(4))
    page = visitor.open(owner)
    enter(page)

    assert tiles(page) == {
        "Today": "3",
        "Yesterday": "0",
        "Last 7 days": "0",
        "Last 30 days": "0",
        "All page views": "3",
        "Visitors": "1",
    }
    assert "first day" in everything(page)
    assert "before" not in everything(page)
    assert "Crawlers and bots" in everything(page)


def test_whole_days(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """The last 7 and 30 days are whole ones, without today, beside as many before: as in the mail."""
    views = [1_000, *[3] * 7, *[2] * 7, *[1] * 16]  # today, yesterday and so on
    days = {str(TODAY - datetime.timedelta(ago)): {"pageviews": number} for ago, number in enumerate(views)}
    counter.stats = answer(days=days, count=sum(views))
    page = visitor.open(owner)
    enter(page)
    shown = tiles(page)

    assert (shown["Last 7 days"], shown["Last 30 days"]) == ("21", "51")
    assert page.locator("#tiles .beside").all_inner_texts()[2:4] == ["50 % more than before", "0 new visitors"]


def test_journal(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """What waited in the journal has just been counted by asking, and is called so."""
    counter.stats = year(entriesWaiting=2)
    page = visitor.open(owner)
    enter(page)
    tiles(page)

    assert re.search(r"Just added from the journal\s+2 visits", everything(page))
    assert "Waiting" not in everything(page)


def test_quiet_week(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """Seven days without a visit are asked about, gently."""
    counter.stats = year()
    for ago in range(8):
        del counter.stats["days"][str(TODAY - datetime.timedelta(ago))]
    page = visitor.open(owner)
    enter(page)

    assert tiles(page)["Last 7 days"] == "0"
    assert "Is the snippet still on the page?" in everything(page)


def test_year(owner: str, counter: FakeCounter, visitor: Visitor) -> None:
    """A year is one chart away, its days can be read as a table, and the months are the last twelve."""
    page = visitor.open(owner)
    enter(page)
    tiles(page)
    page.get_by_role("button", name="All", exact=True).click()
    chart = page.get_by_role("img", name="Bar chart")
    page.get_by_text("The same as a table").click()

    assert "Oct 18, 2025 to today, by week" in (chart.get_attribute("aria-label") or "")
    assert page.locator("#table tr").count() == 400
    assert "October 2025" not in page.locator("#months").inner_text()  # the last twelve
    assert page.locator("#months li").count() == 12
    assert page.locator("#chart canvas").is_visible()


def test_chart_tells_the_day(owner: str, counter: FakeCounter, visitor: Visitor) -> None:
    """Pointing at a bar tells its day in words."""
    page = visitor.open(owner)
    enter(page)
    tiles(page)
    area = page.locator("#chart .u-over").bounding_box()
    assert area
    page.mouse.move(area["x"] + area["width"] - 3, area["y"] + 40)
    today = counter.stats["days"][str(TODAY)]
    readout = page.locator("#readout").inner_text()

    assert readout.startswith("Sat, Nov 21, 2026")
    assert f"{today['pageviews']} page views" in readout


def test_budget(counter: FakeCounter, owner: str, visitor: Visitor) -> None:
    """The free tier is a gauge, and the sentence that the mail has: the page shows what the counter reckoned."""
    page = visitor.open(owner)
    enter(page)
    for used, runs_out, text in (
        (0, None, "No requests yet"),
        (45_000, None, "At this pace they last the month."),
        (2_100, "2026-11-24", "At this pace they run out on November 24."),
        (50_001, None, "The free ones are used up until the month is over."),
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
    counter.stats = answer(
        count=7,
        days={str(TODAY): {"pageviews": evil, "newVisitors": None, "filtered": {evil: 2, "__proto__": 1}}, evil: {}},
        months={evil: {"pageviews": 1}, "2025-01": None},
        budget={"month": evil, "used": evil, "allowance": 50_000, "runsOut": evil},
        settings={"SITE_NAME": evil, "TIMEZONE": evil, "SEEN_LIMIT": {"a": evil}},
        unique=evil,
        updatedAt=evil,
        entriesWaiting=evil,
    )
    page = visitor.open(owner)
    enter(page)
    tiles(page)

    assert page.get_by_role("heading", name=evil).is_visible()
    assert page.locator("#filtered").get_by_text(evil).is_visible()
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "7 page views"
    assert "NaN" not in everything(page)
    assert "undefined" not in everything(page)


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

    assert tiles(page)["Visitors"] == "4,218"
    assert counter.requests[-1].host == counter.elsewhere.removeprefix("http://")


def test_address_is_checked(owner: str, counter: FakeCounter, visitor: Visitor) -> None:
    """`?api=` takes web addresses only; for anything else no token is taken."""
    page = visitor.open()
    for api in ("javascript:alert(1)", "data:text/plain,x", "http://a:b@host/v1", "http://["):
        page.goto(f"{owner}?api={api}")

        assert "not one this page can ask" in everything(page)
        assert page.get_by_role("button", name="Show my numbers").is_disabled()
    assert counter.requests == []


def test_fits(owner: str, visitor: Visitor, until: Until) -> None:
    """The page fits a phone and a desk without scrolling sideways, and is drawn anew for the night."""
    page = visitor.open()
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(owner)
    sideways = "document.documentElement.scrollWidth - innerWidth"

    assert page.evaluate(sideways) == 0

    enter(page)
    tiles(page)
    page.get_by_role("button", name="All", exact=True).click()
    for width in (360, 1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        until(page, "document.querySelector('.uplot').clientWidth == document.querySelector('#chart').clientWidth")

        assert page.evaluate(sideways) == 0

    drawn = "document.querySelector('canvas').toDataURL()"
    by_day = page.evaluate(drawn)
    page.emulate_media(color_scheme="dark")
    until(page, f"{drawn} != arg", by_day)


def test_demo(counter: FakeCounter, unlucky: Visitor) -> None:
    """The demo shows both numbers, counts again as the same or as another visitor, and has a snippet that works."""
    page = unlucky.open(f"{counter.origin}/")
    number = "document.querySelector('visitor-counter').shadowRoot?.textContent == '{}'"
    page.wait_for_function(number.format("1,234"))

    page.locator("#badge-card").wait_for(state="hidden")  # there is no badge here
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0

    for button, count in (("Visit again", "1,235"), ("Be another visitor", "1,236")):
        page.get_by_role("button", name=button).click()
        page.wait_for_function(number.format(count))
        page.get_by_text("This visit is counted.").wait_for()
    first, again, other = counter.visitors

    assert first == again != other

    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name=re.compile("Copied|Selected")).wait_for()
    counter.pages["/mine"] = f"<!doctype html><title>Mine</title>{page.locator('#snippet').inner_text()}"
    page.goto(f"{counter.elsewhere}/mine")
    page.wait_for_function(number.format("1,237"))
