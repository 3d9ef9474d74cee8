"""What /counter shows of a tally, and the other forms in which pages written for older counters read the number."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from counter.badge import Badge
from counter.page_view import PageView
from counter.tally import Tally

_PERIODS = {"today": "day", "week": "week", "month": "month"}
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
        **{name: _period(tally, kind, str(now.date())) for name, kind in _PERIODS.items()},
    }
    if view.page is not None:
        answer["page"] = {"path": view.page, "count": tally.pages.count(view.page) if tally else None}
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


def shields(badge: Badge, tally: Tally, today: str) -> bytes:
    """The badge in the form in which shields.io reads one: it allows no member that it does not know."""
    shown = {"schemaVersion": 1, "label": badge.label, "message": badge.message(tally, today), "color": badge.color}
    return json.dumps(shown, separators=(",", ":")).encode()


def iso(moment: datetime) -> str:
    """A moment in UTC, as ISO 8601 writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _period(tally: Tally | None, kind: str, today: str) -> dict[str, int | None]:
    if tally is None:
        return {"count": None, "visitors": None}
    return {"count": tally.views_of(kind, today), "visitors": tally.people_of(kind, today)}
