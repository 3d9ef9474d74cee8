"""What the daily report says, and the port it is published through.

A report is sent as often as it is asked for. The document does not remember that one went out: that would be a write
a day, and still no promise, for nothing can send a mail and write a document in one step. A mail that comes twice says
the same thing twice; a mail that never comes is a loss. docs/decisions/0006-report.md has the reasons.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from textwrap import fill
from typing import Protocol

from counter.backup import backup
from counter.budget import Budget, budget
from counter.settings import Settings
from counter.tally import Tally

LARGEST = 60_000
"""Bytes of a report at most, as they travel: title and body in JSON. A topic takes 64 KB, and nobody says of what."""

COLUMNS = 42
"""What a phone shows in one line."""

CHART_DAYS = 14
QUIET_DAYS = 7

_DAY = timedelta(days=1)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_REASONS = {"crawler": "Crawlers, like search engines", "prefetch": "Pages loaded ahead of a visit"}
_SPELLED = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
    | {"\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
)


class NotPublished(Exception):
    """The report did not go out, or nobody said that it did. `retry`: trying again may help."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class Publisher(Protocol):
    """Where reports go to."""

    def publish(self, title: str, body: str) -> None:
        """Publishes one message. Raises NotPublished."""


def compose(tally: Tally, now: datetime, settings: Settings, *, again: bool = False) -> tuple[str, str]:
    """The report's title and body for `now`, which is in the owner's time zone. The title is one short line of ASCII,
    the two together are never larger than LARGEST. `again`: an earlier one of today may have gone out as well."""
    site = settings.site_name
    history = _History(tally, now.date())
    title = _title(tally, history, site)
    paragraphs = [
        f"{site or 'Visitor counter'}\n{_weekday(now)}, {_date(now)} {now.year}, {now:%H:%M}",
        "You may have this mail twice: an earlier try of today did not end clearly." if again else "",
        _quiet(tally, history, now),
        _page_views(tally, history),
        _visitors(tally, history),
        _chart(history),
        _filtered(tally, history.today),
        _budget(budget(tally, now, settings.free_requests)),
    ]
    body = "\n\n".join(_wrapped(paragraph) for paragraph in paragraphs if paragraph)
    room = LARGEST - len(json.dumps({"title": title, "body": body})) - 1000
    document, explanation = backup(tally, room)
    return title, f"{body}\n\nTHE COUNTER AS IT IS STORED\n{_wrapped(explanation)}\n\n{document}\n"


class _History:
    """A tally's days, and how far back they tell the whole truth."""

    def __init__(self, tally: Tally, today: date) -> None:
        self.today = today
        self.yesterday = today - _DAY
        self._days = tally.days
        self.first = date.fromisoformat(min(tally.days)) if tally.days else None
        # Where the days add up to the total there was nothing before them; otherwise what was before is not known.
        self.is_whole = sum(day.get("pageviews", 0) for day in tally.days.values()) == tally.pageviews

    def sum(self, start: date, end: date, key: str = "pageviews") -> int:
        days = (start + _DAY * number for number in range((end - start).days + 1))
        return sum(self._days.get(str(day), {}).get(key, 0) for day in days)

    def existed(self, day: date) -> bool:
        """Whether the counter was counting on that day already, as far as can be told."""
        return self.first is not None and self.first <= day

    def knows(self, day: date) -> bool:
        """Whether the days hold all that was counted from that day on."""
        return self.is_whole or self.existed(day)

    def period(self, days: int, key: str = "pageviews") -> tuple[int | None, int | None]:
        """What was counted in the last whole `days`, and in as many before; None for what is not known, and for a
        time before there was a counter."""
        start = self.yesterday - _DAY * (days - 1)
        now = self.sum(start, self.yesterday, key) if self.knows(start) else None
        before = self.sum(start - _DAY * days, start - _DAY, key) if self.existed(start - _DAY * days) else None
        return now, before


def _title(tally: Tally, history: _History, site: str | None) -> str:
    yesterday, before = history.period(1)
    if tally.pageviews == 0:
        news = "no page views yet"
    elif history.first == history.today and history.is_whole:
        news = f"{_views(tally.pageviews)} today, the first day"
    elif yesterday is None:
        news = f"{_views(tally.pageviews)} in all"
    elif before is None:
        news = f"{_views(yesterday)} yesterday"
    else:
        news = f"{_views(yesterday)} yesterday ({_change(yesterday, before) or _before(before)})"
    name = _ascii(site or "") or "Visitor counter"
    room = 98 - len(news)
    return f"{name if len(name) <= room else name[: room - 3].rstrip() + '...'}: {news}"


def _quiet(tally: Tally, history: _History, now: datetime) -> str:
    if tally.pageviews == 0:
        return "Nothing has been counted yet. Is the snippet on the page?"
    start = history.today - _DAY * QUIET_DAYS
    updated = tally.updated_at if history.first is None else None
    long_ago = updated is not None and updated < now.timestamp() - QUIET_DAYS * _DAY.total_seconds()
    if history.sum(start, history.today) or not (history.knows(start) or long_ago):
        return ""
    return f"Nothing was counted for {QUIET_DAYS} days. Is the snippet still on the page?"


def _page_views(tally: Tally, history: _History) -> str:
    today, (yesterday, _) = history.sum(history.today, history.today), history.period(1)
    share = ""
    if yesterday:
        share = "more than yesterday" if today > yesterday else f"{_percent(today / yesterday)} of yesterday"
    recent, _ = history.period(30)
    older = tally.pageviews - today - (recent or 0)
    growth = f"{_change(tally.pageviews, older)} in 30 days" if recent and older > 0 else ""
    rows = [*_periods(history, "pageviews"), ("In all", tally.pageviews, growth)]
    if history.knows(history.today):
        rows.insert(0, ("Today so far", today, share))
    table = _table("PAGE VIEWS", rows)
    if any(number is None for _, number, _ in rows):
        table += "\n?: the history does not go back that far"
    elif len(rows) == 1:
        table += "\nThe history by day begins with the next visit."
    return table


def _visitors(tally: Tally, history: _History) -> str:
    if not tally.unique:
        return ""
    total = ("In all", tally.unique, "estimated" if tally.unique_is_estimate else "")
    return _table("NEW VISITORS", [*_periods(history, "newVisitors"), total])


def _periods(history: _History, key: str) -> Iterable[tuple[str, int | None, str]]:
    if not history.existed(history.yesterday) and (history.is_whole or history.first is None):
        return
    for label, days in (("Yesterday", 1), ("Last 7 days", 7), ("Last 30 days", 30)):
        now, before = history.period(days, key)
        note = ""
        if now is not None and before is not None:
            change = _change(now, before)
            note = f"{change}, was {before:,}" if change else f"was {before:,}" + (" too" if now == before else "")
        yield label, now, note


def _table(heading: str, rows: Iterable[tuple[str, int | None, str]]) -> str:
    """Label, number and note in columns; the notes below where they would be too wide beside."""
    shown = [(label, "?" if number is None else f"{number:,}", note) for label, number, note in rows]
    width = max(len(number) for _, number, _ in shown)
    lines = [(f"{label:<12} {number:>{width}}", note) for label, number, note in shown]
    beside = all(len(line) + 2 + len(note) <= COLUMNS for line, note in lines)
    gap = "  " if beside else "\n  "
    table = "\n".join(f"{line}{gap}{note}" if note else line for line, note in lines)
    return f"{heading}\n{table}"


def _chart(history: _History) -> str:
    dates = [history.yesterday - _DAY * ago for ago in reversed(range(CHART_DAYS))]
    days = [(day, history.sum(day, day)) for day in dates if history.existed(day)]
    most = max((number for _, number in days), default=0)
    if most == 0:
        return ""
    # Where a mail is not shown in letters of one width, a bar is twice as wide as other text.
    width = max(22 - len(f"{most:,}"), 5)
    bars = ((day, "#" * max(number * width // most, number > 0), number) for day, number in days)
    return "PAGE VIEWS A DAY\n" + "\n".join(
        f"{_weekday(day)[:3]} {day.day:>2} {bar}{' ' if bar else ''}{number:,}" for day, bar, number in bars
    )


def _filtered(tally: Tally, today: date) -> str:
    times: Counter[str] = Counter()
    for ago in range(30):  # today is one of them
        times.update(tally.days.get(str(today - _DAY * ago), {}).get("filtered", {}))
    named = [(words, times.pop(reason)) for reason, words in _REASONS.items() if times[reason]]
    other = [("For another reason", times.total())] if times.total() else []
    lines = [f"{words}: {number:,}" for words, number in named + other]
    return "\n".join(["NOT COUNTED IN 30 DAYS", *(lines or ["Nothing: no crawler came by."])])


def _budget(spent: Budget) -> str:
    used, allowance, outlook = spent.used, spent.allowance, ""
    heading = f"STORAGE REQUESTS IN {_MONTHS[int(spent.month[5:]) - 1].upper()}"
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


def _wrapped(paragraph: str) -> str:
    return "\n".join(
        fill(line, COLUMNS, break_long_words=False, break_on_hyphens=False) if len(line) > COLUMNS else line
        for line in paragraph.splitlines()
    )


def _change(now: int, before: int) -> str:
    """By how much `now` is more or less than `before`; nothing where that is no number to speak of."""
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


def _before(number: int) -> str:
    return f"{number:,} the day before"


def _weekday(day: date) -> str:
    return _WEEKDAYS[day.weekday()]


def _date(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]}"


def _ascii(name: str) -> str:
    """The name in ASCII; nothing where that would leave out letters, for half a name is another name."""
    spelled = unicodedata.normalize("NFKD", name.translate(_SPELLED))
    if any(sign.isalnum() and not sign.isascii() for sign in spelled):
        return ""
    return "".join(sign for sign in spelled if " " <= sign <= "~").strip()
