"""Composes the report of a day, a week or a month, and defines the port through which it is published.

A report is sent as often as it is requested. The document does not remember that one was sent: that would cost a write
a day and guarantee nothing, because sending a mail and writing a document cannot be one atomic step. A second mail does
no harm; a missing one does. docs/decisions/0006-report.md has the reasons.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from textwrap import fill
from typing import Protocol

from counter.backup import backup
from counter.budget import Budget, budget
from counter.ranking import Ranking
from counter.settings import Settings
from counter.tally import Tally

MAX_BYTES = 60_000
"""The largest report, with title and body as JSON. A topic takes 64 KB, but what is measured is not documented."""

COLUMNS = 42
"""How many characters a phone shows in one line."""

PERIODS = ("day", "week", "month")
CHART_DAYS = 14
QUIET_DAYS = 7
SPIKE_TIMES, SPIKE_VIEWS, USUAL_DAYS = 3, 20, 28
TOP = 5

_DAY = timedelta(days=1)
_REASONS = {
    "crawler": "Crawlers, like search engines",
    "prefetch": "Pages loaded ahead of a visit",
    "reload": "Pages loaded again",
    "origin": "Pages of sites not in ALLOWED_ORIGINS",
}
_DOT = re.compile(r"\.(?!html?$|php$)")
_SPELLED = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
    | {"\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
)


class NotPublished(Exception):
    """The report was not sent, or may not have been. If `retry`, trying again may help."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class Publisher(Protocol):
    """Sends reports."""

    attaches: bool
    """Whether a message can have an attachment."""

    def publish(self, title: str, body: str, attachment: bytes = b"") -> None:
        """Send one message, with `counter.json` as a file if it `attaches`. Raises NotPublished."""


@dataclass(frozen=True)
class _Span:
    """The days from `start` to `end`, compared with those from `before` on; and their names in a mail: as a label,
    inside a sentence, and of the time before."""

    label: str
    start: date
    end: date
    before: date
    inside: str = ""
    earlier: str = ""


def compose(
    tally: Tally, now: datetime, settings: Settings, period: str = "day", *, again: bool = False, attach: bool = False
) -> tuple[str, str, bytes]:
    """The report of the last complete `period` before `now` in the owner's time zone: title, body, and the document if
    it is to `attach`. The title is one short line of ASCII; title and body together have at most MAX_BYTES. `again`:
    an earlier report of today may have been sent as well."""
    site = settings.site_name
    past = _Past(tally, now.date())
    spans = _spans(period, now.date())
    title = _title(tally, past, spans[0], site)
    paragraphs = [
        f"{site or 'Visitor counter'}\n{_heading(period, spans[0], now)}",
        "You may have this mail twice: an earlier try of today did not end clearly." if again else "",
        _quiet(tally, past, now),
        "\n".join(_news(tally, past, spans[0])),
        _page_views(tally, past, spans),
        _people(tally, past, period, spans[0]),
        _first_time(tally, past, spans),
        _top("TOP PAGES", tally.pages, spans[0]),
        _top("WHERE VISITORS CAME FROM", tally.sources, spans[0]),
        _chart(past, spans[0], CHART_DAYS if period == "day" else 0),
        _filtered(tally, past.today),
        _budget(budget(tally, now, settings.free_requests)),
    ]
    body = "\n\n".join(_wrapped(paragraph) for paragraph in paragraphs if paragraph)
    if not settings.report_backup:
        return title, f"{body}\n", b""
    if attach:
        return title, f"{body}\n\nThe counter as it is stored is attached.\n", tally.encode()
    room = MAX_BYTES - len(json.dumps({"title": title, "body": body})) - 1000
    document, explanation = backup(tally, room)
    return title, f"{body}\n\nTHE COUNTER AS IT IS STORED\n{_wrapped(explanation)}\n\n{document}\n", b""


class _Past:
    """A tally's days, and how far back they are complete."""

    def __init__(self, tally: Tally, today: date) -> None:
        self.today = today
        self.yesterday = today - _DAY
        self._days = tally.days
        self.first = date.fromisoformat(min(tally.days)) if tally.days else None
        # If the days add up to the total, there was nothing before them; otherwise what was before is not known.
        self.is_whole = sum(day.get("pageviews", 0) for day in tally.days.values()) == tally.pageviews

    def sum(self, start: date, end: date, key: str = "pageviews") -> int:
        return sum(self._days.get(str(day), {}).get(key, 0) for day in _dates(start, end))

    def existed(self, day: date) -> bool:
        """Whether the counter is known to have counted on that day."""
        return self.first is not None and self.first <= day

    def knows(self, day: date) -> bool:
        """Whether the days have everything that was counted from that day on."""
        return self.is_whole or self.existed(day)

    def of(self, span: _Span, key: str = "pageviews") -> tuple[int | None, int | None]:
        """The sums in `span` and in the time before it; None for what is not known, and for a time before the counter
        existed."""
        now = self.sum(span.start, span.end, key) if self.knows(span.start) else None
        before = self.sum(span.before, span.start - _DAY, key) if self.existed(span.before) else None
        return now, before


def _spans(period: str, today: date) -> list[_Span]:
    """The last complete `period`; in a day's report also the last 7 and 30 days."""
    yesterday = today - _DAY
    if period == "week":
        monday = today - _DAY * (today.weekday() + 7)
        week = monday.isocalendar().week
        return [_Span(f"Week {week}", monday, monday + _DAY * 6, monday - _DAY * 7, f"in week {week}", "the week")]
    if period == "month":
        end = today.replace(day=1) - _DAY
        start = end.replace(day=1)
        name = f"{end:%B}"
        return [_Span(name, start, end, (start - _DAY).replace(day=1), f"in {name}", "the month")]
    many = [_Span(f"Last {n} days", today - _DAY * n, yesterday, today - _DAY * 2 * n) for n in (7, 30)]
    return [_Span("Yesterday", yesterday, yesterday, yesterday - _DAY, "yesterday", "the day"), *many]


def _heading(period: str, span: _Span, now: datetime) -> str:
    if period == "day":
        return f"{now:%A}, {_date(now)} {now.year}, {now:%H:%M}"
    if period == "month":
        return f"{span.label} {span.end.year}"
    return f"{span.label}: {_date(span.start)} to {_date(span.end)} {span.end.year}"


def _title(tally: Tally, past: _Past, span: _Span, site: str | None) -> str:
    views, before = past.of(span)
    if tally.pageviews == 0:
        news = "no page views yet"
    elif past.first == past.today and past.is_whole:
        news = f"{_views(tally.pageviews)} today, the first day"
    elif views is None:
        news = f"{_views(tally.pageviews)} in all"
    elif before is None:
        news = f"{_views(views)} {span.inside}"
    else:
        news = f"{_views(views)} {span.inside} ({_change(views, before) or f'{before:,} {span.earlier} before'})"
    name = _ascii(site or "") or "Visitor counter"
    room = 98 - len(news)
    return f"{name if len(name) <= room else name[: room - 3].rstrip() + '...'}: {news}"


def _quiet(tally: Tally, past: _Past, now: datetime) -> str:
    if tally.pageviews == 0:
        return "Nothing has been counted yet. Is the snippet on the page?"
    start = past.today - _DAY * QUIET_DAYS
    updated = tally.updated_at if past.first is None else None
    long_ago = updated is not None and updated < now.timestamp() - QUIET_DAYS * _DAY.total_seconds()
    if past.sum(start, past.today) or not (past.knows(start) or long_ago):
        return ""
    return f"Nothing was counted for {QUIET_DAYS} days. Is the snippet still on the page?"


def _news(tally: Tally, past: _Past, span: _Span) -> Iterable[str]:
    """News that deserve their own line: a milestone, a busiest day, a spike."""
    views, _ = past.of(span)
    if not views:
        return
    total = tally.pageviews - past.sum(past.today, past.today) - past.sum(span.end + _DAY, past.yesterday)
    milestones = [number * 10**zeros for zeros in range(2, 16) for number in (1, 5)]
    if passed := [number for number in milestones if total - views < number <= total]:
        yield f"A milestone: {passed[-1]:,} page views in all, passed {span.inside}."
    most, busiest = max((past.sum(day, day), day) for day in _dates(span.start, span.end))
    when = "Yesterday" if span.start == span.end else f"{busiest:%A}, {_date(busiest)},"
    earlier = [date.fromisoformat(day) for day in tally.days if day < str(busiest)]
    as_busy = [day for day in earlier if past.sum(day, day) >= most]
    if not as_busy and past.is_whole and len(earlier) >= USUAL_DAYS:
        yield f"{when} was the busiest day of all, with {_views(most)}."
    elif as_busy and (busiest - max(as_busy)).days > USUAL_DAYS:
        since = max(as_busy)
        yield f"{when} was the busiest day since {_date(since)} {since.year}, with {_views(most)}."
    start = busiest - _DAY * USUAL_DAYS
    from statistics import median  # noqa: PLC0415 - for the report only, and no part of a cold start

    usual = median(past.sum(day, day) for day in _dates(start, busiest - _DAY))
    if past.existed(start) and most > SPIKE_VIEWS and most > SPIKE_TIMES * usual:
        yield f"{when} had {_views(most)}, and a usual day {usual:g}: did somebody link to the site?"


def _page_views(tally: Tally, past: _Past, spans: list[_Span]) -> str:
    today, (views, _) = past.sum(past.today, past.today), past.of(spans[0])
    share = ""
    if views:
        share = "more than yesterday" if today > views else f"{_percent(today / views)} of yesterday"
    recent = past.of(spans[-1])[0] if len(spans) > 1 else None
    older = tally.pageviews - today - (recent or 0)
    growth = f"{_change(tally.pageviews, older)} in 30 days" if recent and older > 0 else ""
    rows = [*_rows(past, spans, "pageviews"), ("In all", tally.pageviews, growth)]
    if past.knows(past.today) and len(spans) > 1:
        rows.insert(0, ("Today so far", today, share))
    table = _table("PAGE VIEWS", rows)
    if any(number is None for _, number, _ in rows):
        table += "\n?: the history does not go back that far"
    elif len(rows) == 1:
        table += "\nThe history by day begins with the next visit."
    return table


def _people(tally: Tally, past: _Past, period: str, span: _Span) -> str:
    """The visitors of the last complete period, and in a day's report of the current week and month."""
    number, before = (tally.people_of(period, str(day)) for day in (span.end, span.start - _DAY))
    rows = [(span.label, number, _compared(number, before))]
    if period == "day":
        rows += [(f"This {kind}", tally.people_of(kind, str(past.today)), "so far") for kind in ("week", "month")]
    return _table("VISITORS", rows) if any(number for _, number, _ in rows) else ""


def _first_time(tally: Tally, past: _Past, spans: list[_Span]) -> str:
    if not tally.unique:
        return ""
    total = ("In all", tally.unique, "estimated" if tally.unique_is_estimate else "")
    return _table("FIRST-TIME VISITORS", [*_rows(past, spans, "newVisitors"), total])


def _top(heading: str, ranking: Ranking, span: _Span) -> str:
    """The names with the most views in the month that `span` ends in."""
    column = ranking.column(f"{span.end:%Y-%m}")
    rows = sorted(((name, row[column]) for name, row in ranking.names.items()), key=lambda row: (-row[1], row[0]))
    rows = [row for row in rows[:TOP] if row[1] and column]
    if not rows:
        return ""
    width = max(len(f"{views:,}") for _, views in rows)
    lines = (f"{views:>{width},} {_unlinked(name, COLUMNS - width - 1)}" for name, views in rows)
    month = f"{span.end:%B}".upper()
    return f"{heading} IN {month}\n" + "\n".join(lines)


def _unlinked(name: str, room: int) -> str:
    """A name sent by a client, changed so that no mail program makes a link of it, and cut to fit its line."""
    name = _DOT.sub("[.]", name).replace("://", "[:]//").replace("@", "[at]")
    return name if len(name) <= room else name[: room - 3] + "..."


def _rows(past: _Past, spans: Iterable[_Span], key: str) -> Iterable[tuple[str, int | None, str]]:
    if not past.existed(past.yesterday) and (past.is_whole or past.first is None):
        return
    for span in spans:
        now, before = past.of(span, key)
        yield span.label, now, _compared(now, before)


def _compared(now: int | None, before: int | None) -> str:
    if now is None or before is None:
        return ""
    change = _change(now, before)
    return f"{change}, was {before:,}" if change else f"was {before:,}" + (" too" if now == before else "")


def _table(heading: str, rows: Iterable[tuple[str, int | None, str]]) -> str:
    """Label, number and note in columns; the notes on their own lines if they are too wide."""
    shown = [(label, "?" if number is None else f"{number:,}", note) for label, number, note in rows]
    width = max(len(number) for _, number, _ in shown)
    lines = [(f"{label:<12} {number:>{width}}", note) for label, number, note in shown]
    beside = all(len(line) + 2 + len(note) <= COLUMNS for line, note in lines)
    gap = "  " if beside else "\n  "
    table = "\n".join(f"{line}{gap}{note}" if note else line for line, note in lines)
    return f"{heading}\n{table}"


def _chart(past: _Past, span: _Span, days_before_today: int) -> str:
    start = past.today - _DAY * days_before_today if days_before_today else span.start
    dates = _dates(start, past.yesterday if days_before_today else span.end)
    days = [(day, past.sum(day, day)) for day in dates if past.existed(day)]
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
        times.update(tally.days.get(str(today - _DAY * ago), {}).get("filtered", {}))
    named = [(words, times.pop(reason)) for reason, words in _REASONS.items() if times[reason]]
    other = [("For another reason", times.total())] if times.total() else []
    lines = [f"{words}: {number:,}" for words, number in named + other]
    if named and named[-1][0] == _REASONS["origin"]:
        lines.append("If they are yours, with and without www, name them there.")
    return "\n".join(["NOT COUNTED IN 30 DAYS", *(lines or ["Nothing: no crawler came by."])])


def _budget(spent: Budget) -> str:
    used, allowance, outlook = spent.used, spent.allowance, ""
    month = f"{date.fromisoformat(f'{spent.month}-01'):%B}".upper()
    heading = f"STORAGE REQUESTS IN {month}"
    if allowance is None:
        return f"{heading}\n{used:,}"
    if used >= allowance:
        outlook = "The free ones are used up until the month is over."
    elif spent.runs_out:
        outlook = f"At this pace they run out on {_date(spent.runs_out)}."
    elif used:
        outlook = "At this pace they last the month."
    share = "under 1 %" if 0 < used < allowance // 100 else _percent(used / allowance)
    return f"{heading}\n{used:,} of about {allowance:,} free ({share})\n{outlook}".rstrip()


def _dates(start: date, end: date) -> list[date]:
    return [start + _DAY * number for number in range((end - start).days + 1)]


def _wrapped(paragraph: str) -> str:
    return "\n".join(
        fill(line, COLUMNS, break_long_words=False, break_on_hyphens=False) if len(line) > COLUMNS else line
        for line in paragraph.splitlines()
    )


def _change(now: int, before: int) -> str:
    """The change from `before` to `now` in per cent or as a multiple; empty if there is none, or from 0."""
    if before in (0, now):
        return ""
    if now >= 11 * before:
        return f"{now // before:,} times"
    change = (now - before) / before
    return f"{change:+.{0 if abs(change) >= 0.01 else 1}%}".replace("%", " %")


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _views(number: int) -> str:
    return "1 page view" if number == 1 else f"{number:,} page views"


def _date(day: date) -> str:
    # The names of months and weekdays are English, for nothing here sets a locale.
    return f"{day.day} {day:%B}"


def _ascii(name: str) -> str:
    """The name in ASCII, or an empty text if letters would be lost."""
    spelled = unicodedata.normalize("NFKD", name.translate(_SPELLED))
    if any(char.isalnum() and not char.isascii() for char in spelled):
        return ""
    return "".join(char for char in spelled if " " <= char <= "~").strip()
