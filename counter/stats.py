"""The statistics of the owner's page: totals, history, pages and sources, as a JSON object or as CSV tables.

If the owner allows it, anyone may read a part: neither what was not counted nor settings, and of the names that clients
sent only those that the owner listed or that have many views.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from counter.ranking import Ranking
from counter.settings import Settings
from counter.tally import Tally

MIN_PUBLIC_VIEWS = 10
TABLES = ("days", "weeks", "months", "pages", "sources")

_DAY = timedelta(days=1)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Budget(NamedTuple):
    """A month's storage requests and the free allowance. `month` is YYYY-MM in UTC; `allowance` is None if there is
    none; `runs_out` is the day it will be used up at the current pace, or None if it lasts the month or is used up."""

    month: str
    used: int
    allowance: int | None
    runs_out: date | None


def budget(tally: Tally, now: datetime, free_requests: int | None) -> Budget:
    """The storage requests in the month of `now`, which the mail and the owner's page show."""
    utc = now.astimezone(UTC)
    month = f"{utc:%Y-%m}"
    used = tally.requests.get(month, 0)
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


def stats(tally: Tally, waiting: int, now: datetime, settings: Settings, *, public: bool = False) -> dict[str, Any]:
    """The numbers of `tally` at `now` in the owner's time zone, for the owner or for the `public`. `waiting` is how
    many visits were in the journal before this call. It has no secrets, and no names of buckets or accounts."""
    months = [f"{now:%Y-%m}", f"{now.replace(day=1) - _DAY:%Y-%m}"]
    names = settings.page_list if public else None
    numbers = {
        "ok": True,
        "count": tally.pageviews,
        "unique": tally.unique,
        "uniqueIsEstimate": tally.unique_is_estimate,
        "updatedAt": tally.updated_at,
        "today": str(now.date()),
        "days": _history(tally.days, public),
        "weeks": dict(sorted(tally.weeks.items())),
        "months": _history(tally.months, public),
        "pages": _ranking(tally.pages, months, names),
        "sources": _ranking(tally.sources, months, names),
    }
    if public:
        return numbers
    month, used, allowance, runs_out = budget(tally, now, settings.free_requests)
    return numbers | {
        "requests": dict(sorted(tally.requests.items())),
        "budget": {"month": month, "used": used, "allowance": allowance, "runsOut": runs_out and str(runs_out)},
        "documentBytes": len(tally.encode()),
        "entriesWaiting": waiting,
        "settings": settings.public,
    }


def as_csv(numbers: Mapping[str, Any], table: str) -> bytes:
    """One of the TABLES of `numbers`, the result of `stats`, as CSV in which no cell is a formula."""
    if table in ("pages", "sources"):
        rows = [*numbers[table]["top"], {"name": "(all others)", **numbers[table]["other"]}]
    else:
        rows = []
        for when, sums in numbers[table].items():
            row = {"visitors": sums} if table == "weeks" else dict(sums)
            filtered = row.pop("filtered", {})
            rows.append({table[:-1]: when, **row, **filtered})
    import csv  # noqa: PLC0415 - for a download only, and no part of a cold start

    written = io.StringIO()
    heading = {key: key for row in rows for key in row}
    csv.writer(written).writerows([_cell(row.get(key, 0)) for key in heading] for row in (heading, *rows))
    return written.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _ranking(ranking: Ranking, months: list[str], public: Collection[str] | None) -> dict[str, Any]:
    """The names by views, and the sum of the others; for the public only names in `public` or with many views."""
    columns = [ranking.column(month) for month in months]

    def numbers(row: Sequence[int]) -> dict[str, int]:
        month, last = (row[column] if column else 0 for column in columns)
        return {"count": row[0], "month": month, "lastMonth": last}

    top, other = [], [ranking.other]
    for name, row in sorted(ranking.names.items(), key=lambda item: (-item[1][0], item[0])):
        if public is None or name in public or row[0] >= MIN_PUBLIC_VIEWS:
            top.append({"name": name, **numbers(row)})
        else:
            other.append(row)
    return {"top": top, "other": numbers([sum(column) for column in zip(*other, strict=True)])}


def _history(sums: Mapping[str, Mapping[str, Any]], public: bool) -> dict[str, dict[str, Any]]:
    # The same members for every day, even of an older document; only a number of visitors that is not known is missing.
    history: dict[str, dict[str, Any]] = {}
    for when, numbers in sorted(sums.items()):
        known = {key: numbers[key] for key in ("pageviews", "newVisitors", "visitors") if key in numbers}
        history[when] = {"pageviews": 0, "newVisitors": 0, **known}
        if not public:
            history[when]["filtered"] = dict(sorted(numbers.get("filtered", {}).items()))
    return history
