"""The statistics of the owner's page: totals, history, pages and sources, as a JSON object or as CSV tables.

If the owner allows it, anyone may read a part: without what was not counted and without settings, and of the names that
clients sent only those that the owner listed or that have many views.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from operator import add
from typing import Any

from counter.budget import budget
from counter.ranking import Ranking, Row
from counter.settings import Settings
from counter.tally import Tally

MIN_PUBLIC_VIEWS = 10
TABLES = ("days", "weeks", "months", "pages", "sources")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def stats(tally: Tally, waiting: int, now: datetime, settings: Settings, *, public: bool = False) -> dict[str, Any]:
    """The numbers of `tally` at `now` in the owner's time zone, for the owner or for the `public`. `waiting` is how
    many visits were in the journal before this call. It has no secrets, and no names of buckets or accounts."""
    months = [f"{now:%Y-%m}", f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"]
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
    spent = budget(tally, now, settings.free_requests)
    return numbers | {
        "requests": dict(sorted(tally.requests.items())),
        "budget": {
            "month": spent.month,
            "used": spent.used,
            "allowance": spent.allowance,
            "runsOut": str(spent.runs_out) if spent.runs_out else None,
        },
        "documentBytes": len(tally.encode()),
        "entriesWaiting": waiting,
        "settings": settings.public,
    }


def as_csv(numbers: Mapping[str, Any], table: str) -> bytes:
    """One of the TABLES of `numbers`, the result of `stats`, as CSV in which no cell is a formula."""
    if table in ("pages", "sources"):
        rows = [*numbers[table]["top"], {"name": "(all others)", **numbers[table]["other"]}]
    elif table == "weeks":
        rows = [{"week": week, "visitors": visitors} for week, visitors in numbers[table].items()]
    else:
        rows = [
            {
                table[:-1]: when,
                **{key: sum_ for key, sum_ in sums.items() if key != "filtered"},
                **sums.get("filtered", {}),
            }
            for when, sums in numbers[table].items()
        ]
    written = io.StringIO()
    import csv  # noqa: PLC0415 - for a download only, and no part of a cold start

    writer = csv.DictWriter(written, dict.fromkeys(key for row in rows for key in row), restval=0)
    writer.writerow({key: _cell(key) for key in writer.fieldnames})
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return written.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _ranking(ranking: Ranking, months: list[str], public: Collection[str] | None) -> dict[str, Any]:
    """The names by views, and the sum of the others; for the public only names in `public` or with many views."""
    columns = [ranking.column(month) for month in months]

    def numbers(row: Row) -> dict[str, int]:
        month, last = (row[column] if column else 0 for column in columns)
        return {"count": row[0], "month": month, "lastMonth": last}

    shown, other = dict(ranking.names), ranking.other
    for name, row in ranking.names.items():
        if public is not None and name not in public and row[0] < MIN_PUBLIC_VIEWS:
            other = tuple(map(add, other, shown.pop(name)))
    by_views = sorted(shown.items(), key=lambda item: (-item[1][0], item[0]))
    return {"top": [{"name": name, **numbers(row)} for name, row in by_views], "other": numbers(other)}


def _history(sums: Mapping[str, Mapping[str, Any]], public: bool) -> dict[str, Any]:
    # Every day has the same members, even from an older document, so that readers need not check. Only the number of
    # visitors is left out if it is not known.
    return {
        when: {
            "pageviews": numbers.get("pageviews", 0),
            "newVisitors": numbers.get("newVisitors", 0),
            **({"visitors": numbers["visitors"]} if "visitors" in numbers else {}),
            **({} if public else {"filtered": dict(sorted(numbers.get("filtered", {}).items()))}),
        }
        for when, numbers in sorted(sums.items())
    }
