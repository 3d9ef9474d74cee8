"""What the daily report says, and the port it is published through."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Protocol

from tally import Tally


class NotPublished(Exception):
    """The report did not go out, or nobody said that it did. `retry`: trying again may help."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class Publisher(Protocol):
    """Where reports go to."""

    def publish(self, title: str, body: str) -> None:
        """Publishes one message. Raises NotPublished."""


def compose(tally: Tally, now: datetime, site: str | None) -> tuple[str, str]:
    """The report's title and body for `now`, which is in the owner's time zone."""
    today = now.date()
    yesterday = _pageviews(tally, today - timedelta(days=1))
    views = "1 page view" if yesterday == 1 else f"{yesterday} page views"
    title = f"{site or 'Visitor counter'}: {views} yesterday"
    lines = [
        f"Yesterday:  {views}",
        f"Today:      {_pageviews(tally, today)} so far",
        f"Total:      {tally.pageviews} page views, {tally.unique} unique visitors"
        + (" (estimated)" if tally.unique_is_estimate else ""),
        "",
        "The counter as it is stored, without its lists:",
        json.dumps(
            {
                "pageviews": tally.pageviews,
                "uniqueVisitors": tally.unique,
                "updatedAt": tally.updated_at,
                "requests": dict(tally.requests),
            },
            indent=2,
        ),
    ]
    return title, "\n".join(lines) + "\n"


def _pageviews(tally: Tally, day: date) -> int:
    return int(tally.days.get(str(day), {}).get("pageviews", 0))
