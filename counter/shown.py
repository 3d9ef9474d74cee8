"""The answer of /counter, and the other formats in which pages of older counters read the number."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from counter.badge import PERIODS, Badge
from counter.page_view import PageView
from counter.tally import Tally

_NAME = re.compile(r"[A-Za-z][\w-]{0,39}", re.ASCII)


def shown(tally: Tally, view: PageView, reason: str | None, now: datetime, form: str | None) -> dict[str, Any]:
    """The answer to `view` at `now` in the owner's time zone: the totals, with `count` first, and the `reason` if it
    was not counted. `form` is a name under which the count appears again."""
    today = str(now.date())
    answer: dict[str, Any] = {
        "count": tally.pageviews,
        "unique": tally.unique,
        "ok": True,
        "status": "success",
        "counted": reason is None,
        "updatedAt": tally.updated_at,
        "timestamp": iso(now),
    }
    for name, kind in PERIODS.items():
        answer[name] = {"count": tally.views_of(kind, today), "visitors": tally.people_of(kind, today)}
    if view.page is not None:
        answer["page"] = {"path": view.page, "count": tally.pages.count(view.page)}
    if tally.unique_is_estimate:
        answer["uniqueIsEstimate"] = True
    if reason is not None:
        answer["reason"] = reason
    named = form is not None and _NAME.fullmatch(form)
    if ignored := view.ignored if named or form is None else (*view.ignored, "as"):
        answer["ignored"] = ignored
    if named and form not in (*answer, "requestId"):
        answer[str(form)] = tally.pageviews
    return answer


def shields(badge: Badge, tally: Tally, today: str) -> bytes:
    """The badge in the format of shields.io's endpoint, which allows no unknown members."""
    shown = {"schemaVersion": 1, "label": badge.label, "message": badge.message(tally, today), "color": badge.color}
    return json.dumps(shown, separators=(",", ":")).encode()


def iso(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
