"""What /counter shows of a tally, and the other forms in which pages written for older counters read the number."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from counter.badge import Badge
from counter.page_view import PageView
from counter.tally import Tally

_NAME = re.compile(r"[A-Za-z][\w-]{0,39}", re.ASCII)


def shown(tally: Tally | None, view: PageView, reason: str | None, now: datetime, form: str | None) -> dict[str, Any]:
    """The answer to `view`, at `now` in the owner's time zone: the totals, unknown ones None, `count` first; and why
    it was not counted, if there is a `reason`. `form` is a name under which the count is shown once more."""
    count = tally.pageviews if tally else None
    answer: dict[str, Any] = {
        "count": count,
        "unique": tally.unique if tally else None,
        "ok": True,
        "status": "success",
        "counted": reason is None,
        "updatedAt": tally.updated_at if tally else None,
        "timestamp": iso(now),
        **_periods(tally, now.date()),
    }
    if tally and tally.unique_is_estimate:
        answer["uniqueIsEstimate"] = True
    if reason is not None:
        answer["reason"] = reason
    named = form is not None and _NAME.fullmatch(form)
    if ignored := view.ignored if named or form is None else (*view.ignored, "as"):
        answer["ignored"] = ignored
    if named and form not in (*answer, "requestId"):
        answer[str(form)] = count
    return answer


def number(tally: Tally | None) -> bytes:
    """The count alone, as JSON."""
    return json.dumps(tally.pageviews if tally else None).encode()


def shields(badge: Badge, tally: Tally) -> bytes:
    """The badge in the form in which shields.io reads one: it allows no member that it does not know."""
    shown = {"schemaVersion": 1, "label": badge.label, "message": badge.message(tally), "color": badge.color}
    return json.dumps(shown, separators=(",", ":")).encode()


def iso(moment: datetime) -> str:
    """A moment in UTC, as ISO 8601 writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _periods(tally: Tally | None, today: date) -> Mapping[str, Any]:
    monday, first = today - timedelta(days=today.weekday()), today.replace(day=1)
    begin = {"today": today, "week": monday, "month": first}
    return {period: {"count": _views(tally, start, today)} for period, start in begin.items()}


def _views(tally: Tally | None, start: date, end: date) -> int | None:
    if tally is None:
        return None
    days = (str(start + timedelta(days=number)) for number in range((end - start).days + 1))
    return sum(int(tally.days.get(day, {}).get("pageviews", 0)) for day in days)
