"""Page views and visitors by day, week and month, in the owner's time zone.

The newest days are kept separately and the others are summed by month, so no number is lost and the size is bounded.
The newest days *with visits* are kept: a single visit with a wrong date takes one place and does not displace the
others.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

MAX_NUMBER = 2**53 - 1  # browsers cannot show a larger one exactly
MONTHS, WEEKS = 240, 260

# How many days keep what was not counted separately; it is then summed by month, and dropped after five years.
FILTERED_DAYS, FILTERED_MONTHS = 31, 60

Sums = Mapping[str, Any]


def plus(one: int, more: int) -> int:
    """The sum, but at most MAX_NUMBER: a larger number would be refused when the document is read again."""
    return min(one + more, MAX_NUMBER)


def is_whole(value: object) -> bool:
    """Whether `value` is a number that is allowed in a document."""
    return type(value) is int and 0 <= value <= MAX_NUMBER


def is_day(text: str) -> bool:
    """Whether `text` is a date written YYYY-MM-DD."""
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False


@lru_cache(maxsize=64)
def periods(day: str) -> dict[str, str]:
    """The labels of the `day`, the ISO `week` and the `month` that contain `day`."""
    year, week, _ = date.fromisoformat(day).isocalendar()
    return {"day": day, "week": f"{year:04}-W{week:02}", "month": day[:7]}


class History:
    """The `days`, `weeks` and `months` of a document. Mutable; the fields it was created from do not change."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.days: dict[str, Sums] = dict(fields.get("days", {}))
        self.weeks: dict[str, int] = dict(fields.get("weeks", {}))
        self.months: dict[str, Sums] = dict(fields.get("months", {}))

    def add(self, day: str, sums: Sums, visitors: Mapping[str, int], keep: int) -> None:
        """Add `sums` (`pageviews`, `newVisitors`, `filtered`) to `day`, and to its day, week and month the `visitors`
        who are new in each. Only the newest `keep` days are kept as days."""
        is_new = day not in self.days
        self.days[day] = _sum(self.days.get(day, {}), {**sums, "visitors": visitors.get("day", 0)})
        labels = periods(day)
        if visitors.get("week"):
            self.weeks[labels["week"]] = plus(self.weeks.get(labels["week"], 0), visitors["week"])
            keep_newest(self.weeks, WEEKS)
        if visitors.get("month"):
            self._sum_by_month(day, {"visitors": visitors["month"]})
        if is_new:
            self._drop(keep)
        keep_newest(self.months, MONTHS)

    def fields(self) -> dict[str, Any]:
        """The document's fields for it."""
        return {key: member for key, member in vars(self).items() if member}

    def _drop(self, keep: int) -> None:
        newest_first = sorted(self.days, reverse=True)
        for day in newest_first[keep:]:
            # A day's visitors cannot be summed: someone who came on two days would be counted twice.
            self._sum_by_month(day, {**self.days.pop(day), "visitors": 0})
        for day in newest_first[FILTERED_DAYS:keep]:
            if "filtered" in self.days[day]:
                sums = dict(self.days[day])
                self._sum_by_month(day, {"filtered": sums.pop("filtered")})
                self.days[day] = sums
        for month in sorted(self.months)[:-FILTERED_MONTHS]:
            self.months[month] = {key: number for key, number in self.months[month].items() if key != "filtered"}

    def _sum_by_month(self, day: str, sums: Sums) -> None:
        self.months[day[:7]] = _sum(self.months.get(day[:7], {}), sums)


def _sum(one: Sums, other: Sums) -> Sums:
    total = dict(one)
    for key in ("pageviews", "newVisitors", "visitors"):
        if other.get(key) or (key in other and key != "visitors"):
            total[key] = plus(one.get(key, 0), other[key])
    if "filtered" in other:
        filtered = dict(one.get("filtered", {}))
        for reason, times in other["filtered"].items():
            filtered[reason] = plus(filtered.get(reason, 0), times)
        total["filtered"] = filtered
    return total


def keep_newest(by_label: dict[str, Any], most: int) -> None:
    """Drop all but the `most` newest members."""
    for oldest in sorted(by_label)[:-most] if len(by_label) > most else ():
        del by_label[oldest]
