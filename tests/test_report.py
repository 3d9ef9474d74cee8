"""The daily report: what it says, for every history; that it fits into a mail; and that a failed one is owned up to.

The mails are in tests/snapshots/, to be read. After a change that is meant, UPDATE_SNAPSHOTS=1 writes them again; read
the difference before it is kept.
"""

import json
import math
import os
import random
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from counting import Counter
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ceiling import full as fullest

from clouds.oracle.function.settings import FREE_REQUESTS
from counter.mail_text import COLUMNS
from counter.report import MAX_BYTES, PERIODS, compose
from counter.settings import Settings
from counter.stats import Budget, budget
from counter.store import NotPublished
from counter.tally import Limits, Tally, Visit
from privacy import visitor_hash

SNAPSHOTS = Path(__file__).with_name("snapshots")
SHOWN = 12
LIMIT = 64 * 1024
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def composed(
    tally: Tally, now: datetime, site: str | None, period: str = "day", *, again: bool = False
) -> tuple[str, str]:
    """The report on Oracle Cloud, for a site of this name."""
    title, body, _ = compose(tally, now, Settings(site_name=site, free_requests=FREE_REQUESTS), period, again=again)
    return title, body


def counter(**fields: Any) -> Tally:
    """A tally as it comes out of a document with these members."""
    return Tally.decode(json.dumps({"pageviews": 0, "uniqueVisitors": 0, **fields}).encode(), Limits())


def day(pageviews: int, new: int = 0, **filtered: int) -> dict[str, Any]:
    """One day as the document keeps it."""
    return {"pageviews": pageviews, "newVisitors": new, **({"filtered": filtered} if filtered else {})}


def past(now: datetime, numbers: list[int]) -> dict[str, Any]:
    """A history of these page views, the last of them today's; every fourth visit is a new visitor's."""
    first = now.date() - DAY * (len(numbers) - 1)
    return {str(first + DAY * at): day(number, number // 4) for at, number in enumerate(numbers)}


def whole(days: Mapping[str, Any], **fields: Any) -> Tally:
    """A tally whose days hold all that was ever counted."""
    pageviews = sum(numbers["pageviews"] for numbers in days.values())
    unique = sum(numbers["newVisitors"] for numbers in days.values())
    hashes = [visitor_hash("salt", str(number)) for number in range(min(unique, 5))]
    return counter(pageviews=pageviews, uniqueVisitors=unique, days=days, **{"seen": hashes, **fields})


def year() -> tuple[Tally, datetime]:
    """A small blog's year: quieter on weekends, growing, read by crawlers."""
    now = datetime(2026, 11, 21, 7, 0, tzinfo=BERLIN)
    days = {}
    for ago in range(399, -1, -1):
        when = now.date() - DAY * ago
        views = round((24 - ago / 40 + 6 * math.sin(ago)) * (0.5 if when.weekday() > 4 else 1))
        days[str(when)] = day(views if ago else 3, max(views // 5, 1), **({"crawler": 1 + ago % 3} if ago % 2 else {}))
    days[str(now.date() - DAY)]["filtered"] = {"crawler": 2, "prefetch": 1}
    tally = whole(days, requests={"2026-10": 640, "2026-11": 420}, updatedAt=1795240000)
    return tally, now


def clock_change(month: int, number: int) -> tuple[Tally, datetime]:
    """The morning after a night in which the clocks of Berlin were changed; every day has its own number."""
    now = datetime(2026, month, number, 0, 30, tzinfo=BERLIN) + DAY
    return whole(past(now, [*range(101, 117), 5])), now


def elsewhere(zone: str, moment: datetime) -> tuple[Tally, datetime]:
    """A moment whose date, in this zone, is another one than in UTC."""
    now = moment.astimezone(ZoneInfo(zone))
    assert now.date() != moment.date()
    return whole(past(now, [11, 22, 33, 44, 5])), now


def nothing_yet() -> tuple[Tally, datetime]:
    """A counter without a visit."""
    return Tally.empty(), NOON


def first_day() -> tuple[Tally, datetime]:
    """The first day of a counter."""
    return whole({"2026-11-21": day(12, 4, crawler=1)}, requests={"2026-11": 15}), NOON


def second_day() -> tuple[Tally, datetime]:
    """The second day of a counter."""
    return whole({"2026-11-20": day(12, 4), "2026-11-21": day(1)}, requests={"2026-11": 16}), NOON


def leap_day() -> tuple[Tally, datetime]:
    """A history across 29 February."""
    now = datetime(2028, 3, 1, 7, 0, tzinfo=UTC)
    return whole(past(now, [7] * 57 + [28, 29, 1])), now


def million() -> tuple[Tally, datetime]:
    """A million views a day."""
    numbers = [900_000 + 4_000 * at for at in range(70)]
    tally = whole(past(NOON, [*numbers, 500_000]), requests={"2026-11": 43_000})
    return Tally(tally.fields, tally.seen), NOON


def without_history() -> tuple[Tally, datetime]:
    """An older document, without days."""
    seen = [visitor_hash("salt", str(number)) for number in range(3)]
    return counter(pageviews=1234, uniqueVisitors=3, seen=seen, updatedAt=int(NOON.timestamp()) - 3600), NOON


def just_upgraded() -> tuple[Tally, datetime]:
    """An older document with a few days of ours."""
    days = past(NOON, [8, 9, 10, 4])
    return counter(pageviews=1234, uniqueVisitors=321, days=days, seen=["0" * 64], requests={"2026-11": 40}), NOON


def months_kept() -> tuple[Tally, datetime]:
    """Days that were summed up into months."""
    days = past(NOON, [10] * 60)
    months = {f"2026-{month:02}": day(300, 90, crawler=7) for month in range(1, 10)}
    return counter(pageviews=3300, uniqueVisitors=900, days=days, months=months, seen=["0" * 64]), NOON


def quiet() -> tuple[Tally, datetime]:
    """A week without a visit."""
    return whole({**past(NOON - DAY * 9, [4] * 30), str(NOON.date() - DAY): day(0, crawler=3)}), NOON


def once_more() -> tuple[Tally, datetime]:
    """The same day once more."""
    return second_day()


def pages() -> tuple[Tally, datetime]:
    """Eleven weeks of a blog whose visitors come from a few sites, with a name that is meant to be clicked on."""
    chance, tally, visits = random.Random(1), Tally.empty(), 0
    paths = [
        "/",
        "/",
        "/",
        "/blog",
        "/about.html",
        "/cv",
        "/win.evil.com/prize",
        "/\u05e9\u05dc\u05d5\u05dd",
        "/x@evil.com",
    ]
    hosts = [None, None, "google.com", "news.ycombinator.com", "evil.example"]
    for ago in range(81, -1, -1):
        at = NOON - DAY * ago
        for _ in range(chance.randrange(5, 15) * (6 if ago == 1 else 1)):
            visits += 1
            visitor, page, source = (
                visitor_hash("s", str(chance.randrange(300))),
                chance.choice(paths),
                chance.choice(hosts),
            )
            visit = Visit(f"v{visits:07}", str(at.date()), visitor, page=page, source=source)
            tally = tally.add(visit, at.timestamp(), Limits())
        for reason in ("crawler", "reload", "origin"):
            tally = tally.add(Visit(f"{reason}{ago}", str(at.date()), reason=reason), at.timestamp(), Limits())
    return tally, NOON


SCENES = {
    "nothing-yet": nothing_yet(),
    "first-day": first_day(),
    "second-day": second_day(),
    "a-year": year(),
    "clocks-forward": clock_change(3, 29),
    "clocks-back": clock_change(10, 25),
    "yesterday-in-kiritimati": elsewhere("Pacific/Kiritimati", datetime(2026, 11, 20, 17, 0, tzinfo=UTC)),
    "yesterday-in-los-angeles": elsewhere("America/Los_Angeles", datetime(2026, 11, 21, 3, 0, tzinfo=UTC)),
    "leap-day": leap_day(),
    "a-million-a-day": million(),
    "without-history": without_history(),
    "just-upgraded": just_upgraded(),
    "months-kept": months_kept(),
    "quiet-week": quiet(),
    "once-more": once_more(),
    "pages": pages(),
    "pages-by-week": pages(),
    "pages-by-month": pages(),
}


def period_of(name: str) -> str:
    """What the report of a scene is about."""
    return name.rpartition("-by-")[2] if "-by-" in name else "day"


def mail(title: str, body: str) -> str:
    """A mail as it is kept for review: of the document its first lines."""
    text, brace, document = body.partition("\n{\n")
    lines = document.splitlines()
    more = [f"[and {len(lines) - SHOWN} lines more]"] if len(lines) > SHOWN else []
    return f"Subject: {title}\n\n" + text + brace + "\n".join([*lines[:SHOWN], *more]) + "\n"


def stored(body: str) -> Any:
    """The document at the end of a report."""
    return json.loads(body[body.index("\n{\n") :])


@pytest.mark.parametrize("name", SCENES)
def test_report_reads_as_reviewed(name: str) -> None:
    """Each report is, word by word, the one that somebody has read and found good."""
    title, body = composed(*SCENES[name], "example.org", period_of(name), again=name == "once-more")
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(mail(title, body), encoding="utf-8")

    assert path.read_text(encoding="utf-8") == mail(title, body)


@pytest.mark.parametrize("name", SCENES)
def test_report_fits_a_phone(name: str) -> None:
    """No line in front of the document is wider than a phone, the subject is one short line of ASCII."""
    title, body = composed(*SCENES[name], "example.org", period_of(name))

    assert title.isascii()
    assert title.isprintable()
    assert len(title) <= 100
    assert max(map(len, body.partition("\n{\n")[0].splitlines())) <= COLUMNS


@pytest.mark.parametrize("name", SCENES)
def test_report_is_a_backup(name: str) -> None:
    """What stands at the end of the mail is the document, and a counter goes on from it."""
    tally, now = SCENES[name]

    _, body = composed(tally, now, None)

    assert stored(body) == json.loads(tally.encode())
    assert Tally.decode(json.dumps(stored(body)).encode(), Limits()).encode() == tally.encode()


@pytest.mark.parametrize(
    "site, title",
    [
        (None, "Visitor counter: no page views yet"),
        ("example.org", "example.org: no page views yet"),
        ("Zürich Straße", "Zurich Strasse: no page views yet"),
        ("Łódź \u2013 café", "Lodz - cafe: no page views yet"),
        ("It\u2019s me \N{WAVING HAND SIGN}", "It's me: no page views yet"),
        ("訪問者", "Visitor counter: no page views yet"),
        ("例え.jp", "Visitor counter: no page views yet"),
        ("\N{WAVING HAND SIGN}", "Visitor counter: no page views yet"),
    ],
)
def test_subject_is_ascii(site: str | None, title: str) -> None:
    """A name is spelled in ASCII, or left out where half a name would be left; the mail itself has it as it is."""
    subject, body = composed(Tally.empty(), NOON, site)

    assert subject == title
    assert body.splitlines()[0] == (site or "Visitor counter")


def test_subject_is_short() -> None:
    """A long name is cut, the news are not."""
    title, _ = composed(million()[0], NOON, "w" * 60)

    assert len(title) == 100
    assert title.endswith("www...: 1,176,000 page views yesterday (+0.3 %)")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Kiritimati", "America/Los_Angeles", "Pacific/Apia", "UTC"])
@pytest.mark.parametrize("changing", [date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1), date(2011, 12, 29)])
def test_yesterday_is_the_day_before_today(zone: str, changing: date) -> None:
    """At every half hour around a change of clocks, yesterday is the date before the owner's date."""
    start = datetime.combine(changing, datetime.min.time(), UTC) - DAY
    days = {str(changing + DAY * away): day(100 + away) for away in range(-9, 9)}
    for half_hours in range(30, 120):
        now = (start + timedelta(minutes=30) * half_hours).astimezone(ZoneInfo(zone))
        expected = days[str(now.date() - DAY)]["pageviews"]

        title, _ = composed(whole(days), now, None)

        assert title.startswith(f"Visitor counter: {expected} page views yesterday")


def requests_line(used: int, now: datetime, **fields: Any) -> str:
    """The two lines about the budget, with this many requests in the month of `now`."""
    month = f"{now.astimezone(UTC):%Y-%m}"
    _, body = composed(counter(pageviews=9, requests={"2025-01": 1, month: used}, **fields), now, None)
    return body.partition("STORAGE REQUESTS IN ")[2].partition("\n\n")[0]


@pytest.mark.parametrize(
    "used, now, said",
    [
        (0, NOON, "NOVEMBER\n0 of about 50,000 free (0 %)"),
        (499, NOON, "NOVEMBER\n499 of about 50,000 free (under 1 %)\nAt this pace they last the month."),
        (34_000, NOON, "NOVEMBER\n34,000 of about 50,000 free (68 %)\nAt this pace they last the month."),
        (40_000, NOON, "NOVEMBER\n40,000 of about 50,000 free (80 %)\nAt this pace they run out on 26 November."),
        (
            50_000,
            NOON,
            "NOVEMBER\n50,000 of about 50,000 free (100 %)\nThe free requests are used up for this\nmonth.",
        ),
        # At 2 in the night 100 requests are no reason to foretell the end of the world.
        (
            100,
            NOON.replace(day=1, hour=2),
            "NOVEMBER\n100 of about 50,000 free (under 1 %)\nAt this pace they last the month.",
        ),
        # Where the owner's month has begun and the cloud's has not, the cloud's counts.
        (
            20_000,
            datetime(2026, 12, 1, 3, 0, tzinfo=ZoneInfo("Pacific/Kiritimati")),
            "NOVEMBER\n20,000 of about 50,000 free (40 %)\nAt this pace they last the month.",
        ),
    ],
)
def test_budget_says_how_long_it_lasts(used: int, now: datetime, said: str) -> None:
    """The requests of the month are set against the free ones, with the day they run out."""
    assert requests_line(used, now) == said


def test_where_nothing_is_free_the_requests_are_told_alone() -> None:
    """A cloud that gives no requests for free has no allowance to set them against, and no day they run out."""
    tally = counter(pageviews=9, requests={"2026-11": 25_000})

    assert "STORAGE REQUESTS IN NOVEMBER\n25,000\n\n" in compose(tally, NOON, Settings())[1]
    assert budget(tally, NOON, None) == Budget("2026-11", 25_000, None, None)


def test_budget_knows_a_counter_that_began_this_month() -> None:
    """The pace is that of the days since the counter began, not of the days before there was one."""
    tally = whole({"2026-11-19": day(9)}, requests={"2026-11": 25_000})

    assert "they run out on 24 November." in composed(tally, NOON, None)[1]
    assert budget(tally, NOON, FREE_REQUESTS) == Budget("2026-11", 25_000, 50_000, date(2026, 11, 24))


@pytest.mark.parametrize(
    "tally, said",
    [
        (whole({str(NOON.date() - DAY * 8): day(1)}), True),
        (whole({str(NOON.date() - DAY * 7): day(1)}), False),
        (whole({str(NOON.date() - DAY * 9): day(1), "2026-11-21": day(0, crawler=9)}), True),
        (counter(pageviews=5, days={"2026-11-18": day(0, crawler=1)}), False),
        (counter(pageviews=5), False),
        (counter(pageviews=5, updatedAt=NOON.timestamp() - 8 * 86400), True),
        (counter(pageviews=5, updatedAt=NOON.timestamp() - 6 * 86400), False),
        (counter(pageviews=5, updatedAt=1e300), False),
    ],
)
def test_seven_days_of_silence_are_mentioned(tally: Tally, said: bool) -> None:
    """The owner is asked about the snippet when nothing was counted for seven days, and only when that is certain."""
    _, body = composed(tally, NOON, None)

    assert ("is the snippet still on the page?" in " ".join(body.lower().split())) is said


def test_reasons_are_put_in_words() -> None:
    """What was not counted is told by its reason; one that nobody knows is not repeated."""
    tally = whole({"2026-11-21": day(3, crawler=1), "2026-11-20": day(3, crawler=1200, prefetch=3, odd=2)})

    assert (
        "NOT COUNTED IN 30 DAYS\nCrawlers, like search engines: 1,201\nPages loaded ahead of a visit: 3\n"
        "For another reason: 2\n" in composed(tally, NOON, None)[1]
    )


def test_not_counted_in_30_days_is_30_days() -> None:
    """Today and the 29 days before are 30."""
    days = {str(NOON.date() - DAY * ago): day(1, crawler=1) for ago in range(40)}

    assert "NOT COUNTED IN 30 DAYS\nCrawlers, like search engines: 30\n" in composed(whole(days), NOON, None)[1]


@pytest.mark.parametrize("name", ["pages", "pages-by-week", "pages-by-month"])
def test_no_name_is_a_link(name: str) -> None:
    """Names that clients made up are text: no mail program finds an address in them."""
    _, body = composed(*SCENES[name], None, period_of(name))
    text = body.partition("THE COUNTER AS IT IS STORED")[0]

    assert not re.search(r"\w\.(com|example)|@|://", text)
    assert "google[.]com" in text


def news(numbers: list[int], **more: Any) -> str:
    """What a report tells in front of its tables, for page views of so many days, the last of them today's."""
    _, body = composed(whole(past(NOON, numbers), **more), NOON, None)
    return " ".join(body.partition("\n\n")[2].partition("PAGE VIEWS")[0].split())


@pytest.mark.parametrize(
    "numbers, said",
    [
        ([40] * 2 + [25, 3], "A milestone: 100 page views in all, passed yesterday."),
        ([40] * 2 + [19, 3], ""),
        ([40] * 2 + [20, 3], "A milestone: 100 page views in all, passed yesterday."),
        ([90, 950, 3], "A milestone: 1,000 page views in all, passed yesterday."),
        ([5] * 30 + [21, 1], "Yesterday was the busiest day of all, with 21 page views. Yesterday had 21 page views, "
                             "and a usual day 5: did somebody link to the site?"),
        ([5] * 30 + [15, 1], "Yesterday was the busiest day of all, with 15 page views."),
        ([30] + [5] * 40 + [20, 1], "Yesterday was the busiest day since 10 October 2026, with 20 page views."),
        ([30] + [5] * 20 + [10, 1], ""),
    ],
)  # fmt: skip
def test_what_is_news_is_told(numbers: list[int], said: str) -> None:
    """A milestone when it is passed, a busiest day since more than four weeks, a spike over three times the usual."""
    assert (
        news(numbers).removeprefix("Nothing was counted for 7 days. Is the snippet still on the page?").strip() == said
    )


def test_a_full_document_with_pages_fits_a_mail() -> None:
    """With every ranking, set and history full the report stays below 64 KB, in any script and for every period."""
    for sketches, period in product((False, True), PERIODS):
        tally = fullest(Limits(), "\U0001f44b", 10**5, sketches=sketches)
        title, body = composed(tally, datetime(2026, 9, 21, 12, tzinfo=UTC), "example.org", period)

        assert size(title, body) <= MAX_BYTES < LIMIT
        assert stored(body)["pageviews"] == tally.pageviews


def size(title: str, body: str) -> int:
    """Bytes of a message at the most, whatever of it is measured."""
    return max(len((title + body).encode()), len(json.dumps({"title": title, "body": body})))


def full(days: int, visitors: int, years: int) -> Tally:
    """A document of a busy site with this many days and years of history, and visitors seen since it began."""
    first = NOON.date() - DAY * (days - 1)
    months = [f"{2020 - ago}-{month:02}" for ago in range(years) for month in range(1, 13)]
    return counter(
        pageviews=10**6,
        uniqueVisitors=10**5,
        days={str(first + DAY * at): day(300, 60, crawler=20) for at in range(days)},
        months={month: day(9000, 1800, crawler=600) for month in months},
        recent=[f"{number:012}" for number in range(256)],
        folded=[f"{number:012}" for number in range(256, 512)],
        seen=[visitor_hash("salt", str(number)) for number in range(visitors)],
    )


@pytest.mark.parametrize(
    "days, visitors, years, left_out",
    [
        (90, 400, 2, ""),
        (200, 400, 2, "recent"),
        (400, 400, 2, "recent, folded, seen"),
        (400, 401, 2, ""),
        (400, 9000, 2, ""),
        (400, 9000, 5, "recent"),
        (400, 9000, 10, "recent, folded"),
        (400, 9000, 20, "recent, folded, sketch"),
        (800, 9000, 20, "recent, folded, sketch, days"),
    ],
)
def test_a_full_document_is_told_without_its_lists(days: int, visitors: int, years: int, left_out: str) -> None:
    """The mail never comes near 64 KB: lists are left out, the least missed first, and that is said."""
    tally = full(days, visitors, years)

    title, body = composed(tally, NOON, "example.org")
    text = " ".join(body.partition("\n{\n")[0].split())

    assert size(title, body) <= MAX_BYTES < LIMIT
    assert text.partition("Left out, to keep the mail below 64 KB: ")[2].partition(".")[0] == left_out
    assert Tally.decode(json.dumps(stored(body)).encode(), Limits()).pageviews == tally.pageviews
    assert ("each returning visitor as new" in text) is ("s" in left_out.replace("days", ""))
    assert ("history by day starts over" in text) is ("days" in left_out)


@pytest.mark.parametrize(
    "members",
    [
        {"note": "x" * 70_000},
        {"note": "\N{WAVING HAND SIGN}" * 7_000},
        {"k" * 70_000: 1},
        {f"key{number}": "x" * 100 for number in range(2_000)},
        {"updatedAt": "x" * 70_000},
        {"requests": {f"{number}": 1 for number in range(9_000)}},
        {"days": {"2026-11-21": {"pageviews": 1, "filtered": {f"reason {number}": 1 for number in range(9_000)}}}},
    ],
)
def test_strange_members_do_not_burst_the_mail(members: dict[str, Any]) -> None:
    """Whatever somebody put into the document, the mail stays small and the totals are in it."""
    title, body = composed(counter(**{"pageviews": 7, **members}), NOON, "\N{WAVING HAND SIGN}" * 60)

    assert size(title, body) <= MAX_BYTES
    assert stored(body)["pageviews"] == 7


numbers = st.integers(min_value=0, max_value=2**53 - 1)
histories = st.dictionaries(
    st.dates(date(2026, 8, 1), date(2026, 12, 31)).map(str),
    st.fixed_dictionaries({}, optional={"pageviews": numbers, "newVisitors": numbers})
    | st.fixed_dictionaries({"filtered": st.dictionaries(st.text(max_size=20), numbers, max_size=3)}),
    max_size=80,
)
moments = st.builds(
    lambda days, seconds, zone: (datetime(2026, 10, 1, tzinfo=UTC) + timedelta(days, seconds)).astimezone(zone),
    st.integers(0, 91),
    st.integers(0, 86399),
    st.timezones(),
)
budgets = st.dictionaries(st.sampled_from(["2026-10", "2026-11", "2026-12"]), numbers)
tallies = st.builds(
    lambda days, views, unique, requests: counter(pageviews=views, uniqueVisitors=unique, days=days, requests=requests),
    histories,
    numbers,
    numbers,
    budgets,
)


@settings(deadline=None, max_examples=50)
@given(
    tallies,
    moments,
    st.text(st.characters(exclude_categories=("C", "Z")), max_size=60),
)
def test_every_history_makes_a_mail(tally: Tally, now: datetime, site: str) -> None:
    """No history, moment or name makes a report fail, or a subject anything but one short line of ASCII."""
    title, body = composed(tally, now, site)

    assert title.isascii()
    assert title.isprintable()
    assert len(title) <= 100
    assert size(title, body) <= MAX_BYTES
    assert stored(body)["pageviews"] == tally.pageviews


OWNER = {"Authorization": "Bearer a-token-long-enough"}
LATE = Visit("late", "2026-09-20").entry()


def an_owners(data: bytes | None = None, *, topic: bool = True) -> Counter:
    """A counter with a report token."""
    return Counter(data, topic=topic, REPORT_TOKEN="a-token-long-enough", SITE_NAME="example.org")


def test_report_is_published_with_the_waiting_visits() -> None:
    """The mail has every visit in it, those of the journal included, and none stays there."""
    counter = an_owners()
    counter.store.journal[LATE] = None

    assert counter.told("/report", "POST", OWNER)[1]["report"] is True
    assert [title for title, _ in counter.papers.published] == ["example.org: 1 page view yesterday"]
    assert not counter.store.journal


def test_report_is_sent_as_often_as_it_is_asked_for() -> None:
    """Asking twice sends two mails that say the same; neither claims to be in doubt."""
    counter = an_owners()

    assert [counter.ask("/report", method, OWNER).status for method in ("GET", "POST")] == [200, 200]
    assert counter.papers.published[0] == counter.papers.published[1]
    assert "twice" not in counter.papers.published[0][1]


def test_unclear_report_is_owned_up_to() -> None:
    """When nobody said that the mail went out, the caller and the next mail of that day say that it may come twice."""
    counter = an_owners()
    counter.papers.failure = NotPublished("Nobody answered.", retry=True)

    response = counter.ask("/report", "POST", OWNER)
    answer = json.loads(response.body)

    assert (response.status, response.headers["Retry-After"], answer["error"]) == (503, "30", "not_published")
    assert "the mail may then come twice" in answer["message"]

    counter.papers.failure = None
    assert [counter.ask("/report", "POST", OWNER).status for _ in range(2)] == [200, 200]
    assert ["You may have this mail twice" in body for _, body in counter.papers.published] == [True, False]


def test_doubt_ends_with_the_day() -> None:
    """Yesterday's doubt is no news today."""
    counter = an_owners()
    counter.papers.failure = NotPublished("Nobody answered.", retry=True)
    counter.ask("/report", "POST", OWNER)
    counter.papers.failure, counter.now = None, counter.now + 86400

    assert counter.ask("/report", "POST", OWNER).status == 200
    assert "twice" not in counter.papers.published[0][1]


def test_missing_topic_is_named() -> None:
    """Without a topic the caller is told so, and the store is not even asked."""
    counter = an_owners(topic=False)

    status, answer = counter.told("/report", "POST", OWNER)

    assert (status, answer["error"], counter.store.asked) == (500, "misconfigured", [])
    assert "nowhere to send" in answer["message"]


def test_a_topic_that_is_gone_loses_nothing() -> None:
    """A report that cannot be sent is an error that says what to check; every visit is still in the count."""
    counter = an_owners(b'{"count":41}')
    counter.store.journal[LATE] = None
    counter.papers.failure = NotPublished("The topic was not found.", retry=False)

    response = counter.ask("/report", "POST", OWNER)

    assert (response.status, json.loads(response.body)["message"]) == (500, "The topic was not found.")
    assert "Retry-After" not in response.headers
    assert counter.totals() == (42, 0)


def test_budget_is_the_number_of_requests_that_were_made() -> None:
    """After a month of visits and daily reports, the mail's number is the cloud's, but for what was asked since the
    last visit: a container counts that with its next write."""
    counter = an_owners()
    made = 0
    for number in range(28):
        counter.now = datetime(2026, 11, 1 + number, 6, 0, tzinfo=UTC).timestamp()
        for visit in range(number):
            assert counter.ask(f"/counter?vid=v{visit}").status == 200
            made = len(counter.store.asked)
        assert counter.ask("/report", "POST", OWNER).status == 200

        _, body = counter.papers.published[-1]
        line = body.partition("STORAGE REQUESTS IN NOVEMBER\n")[2].partition(" ")[0]
        assert int(line.replace(",", "")) == made
    assert made > 28 * 27 / 2
