"""A month's storage requests, compared with the cloud's free allowance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from counter.tally import Tally

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Budget:
    """A month's storage requests and the free allowance. `month` is YYYY-MM in UTC; `allowance` is None if there is
    none; `runs_out` is the day it will be used up at the current pace, or None if it lasts the month or is used up."""

    month: str
    used: int
    allowance: int | None
    runs_out: date | None


def budget(tally: Tally, now: datetime, free_requests: int | None) -> Budget:
    """The storage requests in the month of `now`, a datetime with a time zone. The mail and the owner's page show
    this."""
    utc = now.astimezone(UTC)
    month, used = f"{utc:%Y-%m}", tally.requests.get(f"{utc:%Y-%m}", 0)
    if free_requests is None:
        return Budget(month, used, None, None)
    begin = utc.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (begin + _DAY * 31).replace(day=1)
    if tally.days and min([*tally.requests, *tally.months, month]) == month:
        # A counter that started this month is measured from its first day.
        begin = max(begin, datetime.combine(date.fromisoformat(min(tally.days)), begin.time(), UTC))
    # The first hours of a month are too few to predict the rest.
    elapsed = max(utc - begin, _DAY)
    empty = begin + elapsed * (free_requests / used) if 0 < used < free_requests else end
    return Budget(month, used, free_requests, empty.date() if empty < end else None)
