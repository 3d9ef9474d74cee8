"""What a report compares: spans of days, and the sums of a tally in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from counter.tally import Tally

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """The days from `start` to `end`, compared with those from `before` on; and their names in a mail: as a label,
    inside a sentence, and of the time before."""

    label: str
    start: date
    end: date
    before: date
    inside: str = ""
    earlier: str = ""


class Past:
    """A tally's days, and how far back they are complete."""

    def __init__(self, tally: Tally, today: date) -> None:
        self.today = today
        self.yesterday = today - DAY
        self._days = tally.days
        self.first = date.fromisoformat(min(tally.days)) if tally.days else None
        # If the days add up to the total, there was nothing before them; otherwise what was before is not known.
        self.is_whole = sum(day.get("pageviews", 0) for day in tally.days.values()) == tally.pageviews

    def sum(self, start: date, end: date, key: str = "pageviews") -> int:
        """The views, or another sum of the history, from `start` to `end`."""
        return sum(self._days.get(str(day), {}).get(key, 0) for day in dates(start, end))

    def existed(self, day: date) -> bool:
        """Whether the counter is known to have counted on that day."""
        return self.first is not None and self.first <= day

    def knows(self, day: date) -> bool:
        """Whether the days have everything that was counted from that day on."""
        return self.is_whole or self.existed(day)

    def of(self, span: Span, key: str = "pageviews") -> tuple[int | None, int | None]:
        """The sums in `span` and in the time before it; None for what is not known, and for a time before the counter
        existed."""
        now = self.sum(span.start, span.end, key) if self.knows(span.start) else None
        before = self.sum(span.before, span.start - DAY, key) if self.existed(span.before) else None
        return now, before


def last_spans(period: str, today: date) -> list[Span]:
    """The last complete `period`; in a day's report also the last 7 and 30 days."""
    yesterday = today - DAY
    if period == "week":
        monday = today - DAY * (today.weekday() + 7)
        week = monday.isocalendar().week
        return [Span(f"Week {week}", monday, monday + DAY * 6, monday - DAY * 7, f"in week {week}", "the week")]
    if period == "month":
        end = today.replace(day=1) - DAY
        start = end.replace(day=1)
        name = f"{end:%B}"
        return [Span(name, start, end, (start - DAY).replace(day=1), f"in {name}", "the month")]
    many = [Span(f"Last {n} days", today - DAY * n, yesterday, today - DAY * 2 * n) for n in (7, 30)]
    return [Span("Yesterday", yesterday, yesterday, yesterday - DAY, "yesterday", "the day"), *many]


def dates(start: date, end: date) -> list[date]:
    """All days from `start` to `end`."""
    return [start + DAY * number for number in range((end - start).days + 1)]
