"""Composes the report of a day, a week or a month.

A report is sent as often as it is requested, and the document does not remember it: sending a mail and writing a
document cannot be one atomic step, and a second mail does no harm. docs/decisions/0006-report.md has the reasons.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from statistics import median

from counter.backup import backup
from counter.mail_text import COLUMNS, Row, change, day_month, page_views, percent, table, to_ascii, unlinked, wrapped
from counter.past import DAY, Past, dates
from counter.ranking import Ranking
from counter.settings import Settings
from counter.stats import Budget, budget
from counter.tally import Tally

MAX_BYTES = 60_000  # of title and body as JSON: a topic takes 64 KB, but what is measured is not documented
PERIODS = ("day", "week", "month")
CHART_DAYS = 14
TOP = 5
QUIET_DAYS = 7
SPIKE_TIMES, SPIKE_VIEWS, USUAL_DAYS = 3, 20, 28

_REASONS = {
    "crawler": "Crawlers, like search engines",
    "prefetch": "Pages loaded ahead of a visit",
    "reload": "Pages loaded again",
    "origin": "Pages of sites not in ALLOWED_ORIGINS",
    "other": "For another reason",
}


def compose(
    tally: Tally, now: datetime, settings: Settings, period: str = "day", *, again: bool = False, attach: bool = False
) -> tuple[str, str, bytes]:
    """The report of the last complete `period` before `now` in the owner's time zone: title, body, and the document if
    it is to `attach`. The title is one short line of ASCII; title and body together have at most MAX_BYTES. `again`:
    an earlier report of today may have been sent as well."""
    past = Past(tally, now.date(), period)
    title = _title(past, settings.site_name)
    paragraphs = [
        f"{settings.site_name or 'Visitor counter'}\n{_heading(past, now)}",
        "You may have this mail twice: an earlier try today may have been sent." if again else "",
        _silence(past, now),
        "\n".join(_news(past)),
        _page_views(past),
        _people(past),
        _first_time(past),
        _top("TOP PAGES", tally.pages, past),
        _top("WHERE VISITORS CAME FROM", tally.sources, past),
        _chart(past),
        _filtered(past),
        _budget(budget(tally, now, settings.free_requests)),
    ]
    body = "\n\n".join(wrapped(paragraph) for paragraph in paragraphs if paragraph)
    if not settings.report_backup:
        return title, f"{body}\n", b""
    if attach:
        return title, f"{body}\n\nThe counter as it is stored is attached.\n", tally.encode()
    room = MAX_BYTES - len(json.dumps({"title": title, "body": body})) - 1000
    document, explanation = backup(tally, room)
    return title, f"{body}\n\nTHE COUNTER AS IT IS STORED\n{wrapped(explanation)}\n\n{document}\n", b""


def _heading(past: Past, now: datetime) -> str:
    if past.period == "day":
        return f"{now:%A}, {day_month(now)} {now.year}, {now:%H:%M}"
    span = past.spans[0]
    days = f": {day_month(span.start)} to {day_month(span.end)}" if past.period == "week" else ""
    return f"{span.label}{days} {span.end.year}"


def _title(past: Past, site: str | None) -> str:
    total, inside = page_views(past.tally.pageviews), past.spans[0].inside
    views, before = past.of(past.spans[0])
    if past.tally.pageviews == 0:
        summary = "no page views yet"
    elif past.first == past.today and past.is_whole:
        summary = f"{total} today, the first day"
    elif views is None:
        summary = f"{total} in all"
    elif before is None:
        summary = f"{page_views(views)} {inside}"
    else:
        summary = f"{page_views(views)} {inside} ({change(views, before) or f'{before:,} the {past.period} before'})"
    name = to_ascii(site or "") or "Visitor counter"
    room = 98 - len(summary)
    return f"{name if len(name) <= room else name[: room - 3].rstrip() + '...'}: {summary}"


def _silence(past: Past, now: datetime) -> str:
    """A warning if nothing was counted yet, or for days; otherwise an empty text."""
    tally, start = past.tally, past.today - DAY * QUIET_DAYS
    if tally.pageviews == 0:
        return "Nothing has been counted yet. Is the snippet on the page?"
    is_quiet = past.known_since <= start and not past.sum(start, past.today)
    if not past.views and tally.updated_at is not None:
        is_quiet = tally.updated_at < now.timestamp() - QUIET_DAYS * DAY.total_seconds()
    return f"Nothing was counted for {QUIET_DAYS} days. Is the snippet still on the page?" if is_quiet else ""


def _news(past: Past) -> Iterator[str]:
    """What is worth a line of its own: a milestone, a busiest day, a spike."""
    span = past.spans[0]
    views, _ = past.of(span)
    if not views:
        return
    total = past.tally.pageviews - past.sum(span.end + DAY, past.today)
    milestones = [number * 10**zeros for zeros in range(2, 16) for number in (1, 5)]
    if passed := [number for number in milestones if total - views < number <= total]:
        yield f"A milestone: {passed[-1]:,} page views in all, passed {span.inside}."
    most, busiest = max((past.views[day], day) for day in dates(span.start, span.end))
    when = "Yesterday" if past.period == "day" else f"{busiest:%A}, {day_month(busiest)},"
    earlier = [day for day in past.views if day < busiest]
    since = max((day for day in earlier if past.views[day] >= most), default=None)
    if since is None and past.is_whole and len(earlier) >= USUAL_DAYS:
        yield f"{when} was the busiest day of all, with {page_views(most)}."
    elif since and (busiest - since).days > USUAL_DAYS:
        yield f"{when} was the busiest day since {day_month(since)} {since.year}, with {page_views(most)}."
    start = busiest - DAY * USUAL_DAYS
    usual = median(past.views[day] for day in dates(start, busiest - DAY))
    if past.first <= start and most > SPIKE_VIEWS and most > SPIKE_TIMES * usual:
        yield f"{when} had {page_views(most)}, and a usual day {usual:g}: did somebody link to the site?"


def _page_views(past: Past) -> str:
    total, growth, rows = past.tally.pageviews, "", _rows(past, "pageviews")
    if past.period == "day":
        today, (yesterday, _, month) = past.views[past.today], [past.of(span)[0] for span in past.spans]
        share = f"{percent(today / yesterday)} of yesterday" if yesterday else ""
        if yesterday and today > yesterday:
            share = "more than yesterday"
        if past.known_since <= past.today:
            rows.insert(0, ("Today so far", today, share))
        if month and total > today + month:
            growth = f"{change(total, total - today - month)} in 30 days"
    shown = table("PAGE VIEWS", [*rows, ("In all", total, growth)])
    if any(number is None for _, number, _ in rows):
        shown += "\n?: the history does not go back that far"
    elif not rows:
        shown += "\nThe history by day begins with the next visit."
    return shown


def _people(past: Past) -> str:
    """The visitors of the last complete period, and in a day's report of the current week and month."""
    span, people_of = past.spans[0], past.tally.people_of
    rows = [_row(span.label, people_of(past.period, str(span.end)), people_of(past.period, str(span.start - DAY)))]
    if past.period == "day":
        rows += [(f"This {kind}", people_of(kind, str(past.today)), "so far") for kind in ("week", "month")]
    return table("VISITORS", rows) if any(number for _, number, _ in rows) else ""


def _first_time(past: Past) -> str:
    tally = past.tally
    total = ("In all", tally.unique, "estimated" if tally.unique_is_estimate else "")
    return table("FIRST-TIME VISITORS", [*_rows(past, "newVisitors"), total]) if tally.unique else ""


def _rows(past: Past, key: str) -> list[Row]:
    if past.first >= past.today and (past.is_whole or not past.views):
        return []
    return [_row(span.label, *past.of(span, key)) for span in past.spans]


def _row(label: str, now: int | None, before: int | None) -> Row:
    if now is None or before is None:
        return label, now, ""
    changed = change(now, before)
    return label, now, f"{changed}, was {before:,}" if changed else f"was {before:,}{' too' if now == before else ''}"


def _top(heading: str, ranking: Ranking, past: Past) -> str:
    """The names with the most views in the month that the period ends in."""
    month = past.spans[0].end
    column = ranking.column(f"{month:%Y-%m}")
    views = {name: row[column] for name, row in ranking.names.items() if column and row[column]}
    top = sorted(views, key=lambda name: (-views[name], name))[:TOP]
    if not top:
        return ""
    width = len(f"{views[top[0]]:,}")
    lines = [f"{views[name]:>{width},} {unlinked(name, COLUMNS - width - 1)}" for name in top]
    return "\n".join([f"{heading} IN {month:%B}".upper(), *lines])


def _chart(past: Past) -> str:
    span = past.spans[0]
    start = past.today - DAY * CHART_DAYS if past.period == "day" else span.start
    days = {day: past.views[day] for day in dates(start, span.end) if past.first <= day}
    most = max(days.values(), default=0)
    if most == 0:
        return ""
    # If a mail is not shown in a monospaced font, a bar is twice as wide as other text.
    width = max(22 - len(f"{most:,}"), 5)
    lines = ["PAGE VIEWS A DAY"]
    for day, number in days.items():
        bar = "#" * max(number * width // most, number > 0)
        lines.append(f"{day:%a} {day.day:>2} " + f"{bar} {number:,}".lstrip())
    return "\n".join(lines)


def _filtered(past: Past) -> str:
    times: Counter[str] = Counter()
    for day in dates(past.today - DAY * 29, past.today):
        for reason, number in past.tally.days.get(str(day), {}).get("filtered", {}).items():
            times[reason if reason in _REASONS else "other"] += number
    lines = [f"{words}: {times[reason]:,}" for reason, words in _REASONS.items() if times[reason]]
    if times["origin"]:
        lines.append("If these sites are yours, add them there, with and without www.")
    return "\n".join(["NOT COUNTED IN 30 DAYS", *(lines or ["Nothing was left out."])])


def _budget(spent: Budget) -> str:
    month, used, allowance, runs_out = spent
    heading, outlook = f"STORAGE REQUESTS IN {date.fromisoformat(f'{month}-01'):%B}".upper(), ""
    if allowance is None:
        return f"{heading}\n{used:,}"
    if used >= allowance:
        outlook = "The free requests are used up for this month."
    elif runs_out:
        outlook = f"At this pace they run out on {day_month(runs_out)}."
    elif used:
        outlook = "At this pace they last the month."
    share = "under 1 %" if 0 < used < allowance // 100 else percent(used / allowance)
    return f"{heading}\n{used:,} of about {allowance:,} free ({share})\n{outlook}".rstrip()
