"""What the owner's page shows: totals, history and budget as one JSON object, and the settings in force."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from counter.budget import budget
from counter.settings import Settings
from counter.tally import Tally


def stats(tally: Tally, waiting: int, now: datetime, settings: Settings) -> dict[str, Any]:
    """The numbers of `tally` at `now`, which is in the owner's time zone; `waiting` visits of them came out of the
    journal just now. Nothing in it is secret, and no place or account is named."""
    spent = budget(tally, now, settings.free_requests)
    return {
        "ok": True,
        "count": tally.pageviews,
        "unique": tally.unique,
        "uniqueIsEstimate": tally.unique_is_estimate,
        "updatedAt": tally.updated_at,
        "today": str(now.date()),
        "days": _history(tally.days),
        "months": _history(tally.months),
        "requests": dict(sorted(tally.requests.items())),
        "budget": {
            "month": spent.month,
            "used": spent.used,
            "allowance": spent.allowance,
            "runsOut": str(spent.runs_out) if spent.runs_out else None,
        },
        "documentBytes": len(tally.encode()),
        "entriesWaiting": waiting,
        "settings": _in_force(settings),
    }


def _history(sums: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    # Every day alike, whatever came with an old document: whoever reads it need not look for what may be missing.
    return {
        when: {
            "pageviews": numbers.get("pageviews", 0),
            "newVisitors": numbers.get("newVisitors", 0),
            "filtered": dict(sorted(numbers.get("filtered", {}).items())),
        }
        for when, numbers in sorted(sums.items())
    }


def _in_force(settings: Settings) -> dict[str, Any]:
    # Named one by one, so that a setting added later is not shown before somebody thought about it.
    return {
        "SITE_NAME": settings.site_name,
        "TIMEZONE": str(settings.timezone),
        "COUNT_ON": "GET" if settings.count_on_get else "POST",
        "SEEN_LIMIT": settings.seen_limit,
        "HISTORY_DAYS": settings.history_days,
        "IGNORE_CRAWLERS": settings.ignore_crawlers,
        "ALLOWED_ORIGINS": str(settings.allowed_origins),
    }
