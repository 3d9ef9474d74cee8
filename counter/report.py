"""Composes the report of a day, a week or a month.

A report is sent as often as it is requested. The document does not remember that one was sent: that would cost a write
a day and guarantee nothing, because sending a mail and writing a document cannot be one atomic step. A second mail does
no harm; a missing one does. docs/decisions/0006-report.md has the reasons.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime

from counter.backup import backup
from counter.mail_text import COLUMNS, change, day_month, page_views, percent, table, to_ascii, unlinked, wrapped
from counter.news import news, silence
from counter.past import DAY, Past, Span, dates, last_spans
from counter.ranking import Ranking
from counter.settings import Settings
from counter.stats import Budget, budget
from counter.tally import Tally

MAX_BYTES = 60_000
"""The largest report, with title and body as JSON. A topic takes 64 KB, but what is measured is not documented."""

PERIODS = ("day", "week", "month")
CHART_DAYS = 14
TOP = 5

_REASONS = {
    "crawler": "Crawlers, like search engines",
    "prefetch": "Pages loaded ahead of a visit",
    "reload": "Pages loaded again",
    "origin": "Pages of sites not in ALLOWED_ORIGINS",
}


def compose(
    tally: Tally, now: datetime, settings: Settings, period: str = "day", *, again: bool = False, attach: bool = False
) -> tuple[str, str, bytes]:
    """The report of the last complete `period` before `now` in the owner's time zone: title, body, and the document if
    it is to `attach`. The title is one short line of ASCII; title and body together have at most MAX_BYTES. `again`:
    an earlier report of today may have been sent as well."""
    site = settings.site_name
    past = Past(tally, now.date())
    spans = last_spans(period, now.date())
    title = _title(tally, past, spans[0], site)
    paragraphs = [
        f"{site or 'Visitor counter'}\n{_heading(period, spans[0], now)}",
        "You may have this mail twice: an earlier try today may have been sent." if again else "",
        silence(tally, past, now),
        "\n".join(news(tally, past, spans[0])),
        _page_views(tally, past, spans),
        _people(tally, past, period, spans[0]),
        _first_time(tally, past, spans),
        _top("TOP PAGES", tally.pages, spans[0]),
        _top("WHERE VISITORS CAME FROM", tally.sources, spans[0]),
        _chart(past, past.today - DAY * CHART_DAYS if period == "day" else spans[0].start, spans[0].end),
        _filtered(tally, past.today),
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


def _heading(period: str, span: Span, now: datetime) -> str:
    if period == "day":
        return f"{now:%A}, {day_month(now)} {now.year}, {now:%H:%M}"
    if period == "month":
        return f"{span.label} {span.end.year}"
    return f"{span.label}: {day_month(span.start)} to {day_month(span.end)} {span.end.year}"


def _title(tally: Tally, past: Past, span: Span, site: str | None) -> str:
    views, before = past.of(span)
    if tally.pageviews == 0:
        said = "no page views yet"
    elif past.first == past.today and past.is_whole:
        said = f"{page_views(tally.pageviews)} today, the first day"
    elif views is None:
        said = f"{page_views(tally.pageviews)} in all"
    elif before is None:
        said = f"{page_views(views)} {span.inside}"
    else:
        said = f"{page_views(views)} {span.inside} ({change(views, before) or f'{before:,} {span.earlier} before'})"
    name = to_ascii(site or "") or "Visitor counter"
    room = 98 - len(said)
    return f"{name if len(name) <= room else name[: room - 3].rstrip() + '...'}: {said}"


def _page_views(tally: Tally, past: Past, spans: list[Span]) -> str:
    today, (views, _) = past.sum(past.today, past.today), past.of(spans[0])
    share = ""
    if views:
        share = "more than yesterday" if today > views else f"{percent(today / views)} of yesterday"
    recent = past.of(spans[-1])[0] if len(spans) > 1 else None
    older = tally.pageviews - today - (recent or 0)
    growth = f"{change(tally.pageviews, older)} in 30 days" if recent and older > 0 else ""
    rows = [*_rows(past, spans, "pageviews"), ("In all", tally.pageviews, growth)]
    if past.knows(past.today) and len(spans) > 1:
        rows.insert(0, ("Today so far", today, share))
    shown = table("PAGE VIEWS", rows)
    if any(number is None for _, number, _ in rows):
        shown += "\n?: the history does not go back that far"
    elif len(rows) == 1:
        shown += "\nThe history by day begins with the next visit."
    return shown


def _people(tally: Tally, past: Past, period: str, span: Span) -> str:
    """The visitors of the last complete period, and in a day's report of the current week and month."""
    number, before = (tally.people_of(period, str(day)) for day in (span.end, span.start - DAY))
    rows = [(span.label, number, _compared(number, before))]
    if period == "day":
        rows += [(f"This {kind}", tally.people_of(kind, str(past.today)), "so far") for kind in ("week", "month")]
    return table("VISITORS", rows) if any(number for _, number, _ in rows) else ""


def _first_time(tally: Tally, past: Past, spans: list[Span]) -> str:
    if not tally.unique:
        return ""
    total = ("In all", tally.unique, "estimated" if tally.unique_is_estimate else "")
    return table("FIRST-TIME VISITORS", [*_rows(past, spans, "newVisitors"), total])


def _top(heading: str, ranking: Ranking, span: Span) -> str:
    """The names with the most views in the month that `span` ends in."""
    column = ranking.column(f"{span.end:%Y-%m}")
    rows = sorted(((name, row[column]) for name, row in ranking.names.items()), key=lambda row: (-row[1], row[0]))
    rows = [row for row in rows[:TOP] if row[1] and column]
    if not rows:
        return ""
    width = max(len(f"{views:,}") for _, views in rows)
    lines = (f"{views:>{width},} {unlinked(name, COLUMNS - width - 1)}" for name, views in rows)
    month = f"{span.end:%B}".upper()
    return f"{heading} IN {month}\n" + "\n".join(lines)


def _rows(past: Past, spans: Iterable[Span], key: str) -> Iterable[tuple[str, int | None, str]]:
    if not past.existed(past.yesterday) and (past.is_whole or past.first is None):
        return
    for span in spans:
        now, before = past.of(span, key)
        yield span.label, now, _compared(now, before)


def _compared(now: int | None, before: int | None) -> str:
    if now is None or before is None:
        return ""
    changed = change(now, before)
    return f"{changed}, was {before:,}" if changed else f"was {before:,}" + (" too" if now == before else "")


def _chart(past: Past, start: date, end: date) -> str:
    days = [(day, past.sum(day, day)) for day in dates(start, end) if past.existed(day)]
    most = max((number for _, number in days), default=0)
    if most == 0:
        return ""
    # If a mail is not shown in a monospaced font, a bar is twice as wide as other text.
    width = max(22 - len(f"{most:,}"), 5)
    bars = ((day, "#" * max(number * width // most, number > 0), number) for day, number in days)
    return "PAGE VIEWS A DAY\n" + "\n".join(
        f"{day:%a} {day.day:>2} {bar}{' ' if bar else ''}{number:,}" for day, bar, number in bars
    )


def _filtered(tally: Tally, today: date) -> str:
    times: Counter[str] = Counter()
    for ago in range(30):  # today is one of them
        times.update(tally.days.get(str(today - DAY * ago), {}).get("filtered", {}))
    named = [(words, times.pop(reason)) for reason, words in _REASONS.items() if times[reason]]
    other = [("For another reason", times.total())] if times.total() else []
    lines = [f"{words}: {number:,}" for words, number in named + other]
    if named and named[-1][0] == _REASONS["origin"]:
        lines.append("If these sites are yours, add them there, with and without www.")
    return "\n".join(["NOT COUNTED IN 30 DAYS", *(lines or ["Nothing was left out."])])


def _budget(spent: Budget) -> str:
    used, allowance, outlook = spent.used, spent.allowance, ""
    month = f"{date.fromisoformat(f'{spent.month}-01'):%B}".upper()
    heading = f"STORAGE REQUESTS IN {month}"
    if allowance is None:
        return f"{heading}\n{used:,}"
    if used >= allowance:
        outlook = "The free requests are used up for this month."
    elif spent.runs_out:
        outlook = f"At this pace they run out on {day_month(spent.runs_out)}."
    elif used:
        outlook = "At this pace they last the month."
    share = "under 1 %" if 0 < used < allowance // 100 else percent(used / allowance)
    return f"{heading}\n{used:,} of about {allowance:,} free ({share})\n{outlook}".rstrip()
