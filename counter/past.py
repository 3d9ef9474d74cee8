"""What a report compares: spans of days, and the sums of a tally in them."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import NamedTuple

from counter.tally import Tally

DAY = timedelta(days=1)


class Span(NamedTuple):
    """The days from `start` to `end`, compared with those from `before` on, and their name inside a sentence."""

    label: str
    start: date
    end: date
    before: date
    inside: str


class Past:
    """A tally's days up to `today`, how far back they are complete, and the `spans` that a report of `period` compares:
    the last complete period, and in a day's report the last 7 and 30 days."""

    def __init__(self, tally: Tally, today: date, period: str) -> None:
        self.tally = tally
        self.today = today
        self.period = period
        self.spans = _spans(period, today)
        self.views = Counter({date.fromisoformat(day): sums.get("pageviews", 0) for day, sums in tally.days.items()})
        self.first = min(self.views, default=date.max)  # the first day that was counted
        # If the days add up to the total, there was nothing before them; otherwise what was before is not known.
        self.is_whole = self.views.total() == tally.pageviews
        self.known_since = date.min if self.is_whole else self.first

    def sum(self, start: date, end: date, key: str = "pageviews") -> int:
        """The views, or another sum of the history, from `start` to `end`."""
        return sum(self.tally.days.get(str(day), {}).get(key, 0) for day in dates(start, end))

    def of(self, span: Span, key: str = "pageviews") -> tuple[int | None, int | None]:
        """The sums in `span` and in the time before it; None if unknown, or if the counter did not exist then."""
        now = self.sum(span.start, span.end, key) if self.known_since <= span.start else None
        before = self.sum(span.before, span.start - DAY, key) if self.first <= span.before else None
        return now, before


def dates(start: date, end: date) -> list[date]:
    """All days from `start` to `end`."""
    return [start + DAY * number for number in range((end - start).days + 1)]


def _spans(period: str, today: date) -> list[Span]:
    if period == "week":
        monday = today - DAY * (today.weekday() + 7)
        week = monday.isocalendar().week
        return [Span(f"Week {week}", monday, monday + DAY * 6, monday - DAY * 7, f"in week {week}")]
    if period == "month":
        end = today.replace(day=1) - DAY
        start = end.replace(day=1)
        return [Span(f"{end:%B}", start, end, (start - DAY).replace(day=1), f"in {end:%B}")]
    labels = {"Yesterday": 1, "Last 7 days": 7, "Last 30 days": 30}
    return [Span(of, today - DAY * n, today - DAY, today - DAY * n * 2, of.lower()) for of, n in labels.items()]
