"""The counter document as a value: its totals, its history, what one visit does to it, and folding the journal.

Nothing here reads a clock or a store. A `Tally` is never changed in place, so the last one that was written may be
remembered and shown while the next one is being made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from counter.document import LARGEST, decode, is_day
from privacy import Seen

RECENT = 256
"""Visit ids the document remembers. An unclear write is resolved by looking for its id, so this many other visits may
be written in between: at one write every 20 ms five seconds' worth, longer than any request is waited for."""

FOLDED = 512
"""Ids of folded journal entries remembered after their entry is gone, for an append that the network delivers late: it
is recognised unless more entries than these were folded in the meantime."""

FOLDED_IN_PART = 2000
"""The same while a listing shows but a part of the journal, and so not whether an entry is gone."""

MONTHS = 240
REQUEST_MONTHS = 24

_ENTRY = re.compile(r"(\d{4}-\d\d-\d\d)\.([A-Za-z0-9_-]{1,64})\.([a-z]{1,16}|-)\.([0-9a-f]{64}|-)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a document may hold: exact visitor hashes, and days of history."""

    seen: int = 400
    days: int = 400


@dataclass(frozen=True, slots=True)
class Visit:
    """One page view: an id that no other visit has, the owner's date (YYYY-MM-DD), the visitor's hash if the browser
    gave an id, and, for one that is not to be counted, the reason (`crawler`, `prefetch`)."""

    id: str
    day: str
    visitor: str | None = None
    reason: str | None = None

    def entry(self) -> str:
        """The visit as the name of a journal entry: letters, digits, `.`, `_` and `-` only."""
        return f"{self.day}.{self.id}.{self.reason or '-'}.{self.visitor or '-'}"

    @classmethod
    def of_entry(cls, entry: str) -> Visit | None:
        """The visit that an entry's name holds; None for a name that no visit has."""
        parts = _ENTRY.fullmatch(entry)
        if parts is None or not is_day(parts[1]):
            return None
        day, visit_id, reason, visitor = parts.groups()
        return cls(visit_id, day, None if visitor == "-" else visitor, None if reason == "-" else reason)


class Tally:
    """A counter document: `fields` as JSON has them, and the visitors it has `seen`."""

    __slots__ = ("fields", "seen")

    def __init__(self, fields: Mapping[str, Any], seen: Seen) -> None:
        self.fields = fields
        self.seen = seen

    @classmethod
    def empty(cls) -> Tally:
        """The tally before the first visit."""
        return cls({"pageviews": 0, "uniqueVisitors": 0}, Seen())

    @classmethod
    def decode(cls, data: bytes, limits: Limits) -> Tally:
        """The tally that the document `data` holds. Raises document.NotACounter."""
        return cls(*decode(data, limits.seen))

    def encode(self) -> bytes:
        """The document as it is stored: one JSON object, unknown keys as they came."""
        document = dict(self.fields)
        if self.seen.sketch is None:
            document["seen"] = self.seen.hashes
        else:
            document["sketch"] = self.seen.sketch.text()
        return json.dumps(document, separators=(",", ":")).encode("ascii")

    @property
    def pageviews(self) -> int:
        """Page views counted."""
        return int(self.fields["pageviews"])

    @property
    def unique(self) -> int:
        """Different visitors, estimated if `unique_is_estimate`."""
        return int(self.fields["uniqueVisitors"])

    @property
    def unique_is_estimate(self) -> bool:
        """Whether the visitors are a sketch by now."""
        return self.seen.sketch is not None

    @property
    def updated_at(self) -> int | None:
        """Unix seconds of the last visit that counted; None when there is none yet, or an old document does not say."""
        moment = self.fields.get("updatedAt")
        return int(moment) if isinstance(moment, (int, float)) and not isinstance(moment, bool) else None

    @property
    def days(self) -> Mapping[str, Mapping[str, Any]]:
        """By date: `pageviews`, `newVisitors`, and in `filtered` what was not counted, by reason."""
        return self.fields.get("days", {})  # type: ignore[no-any-return]

    @property
    def months(self) -> Mapping[str, Mapping[str, Any]]:
        """By month: the sums of the days that were dropped."""
        return self.fields.get("months", {})  # type: ignore[no-any-return]

    @property
    def requests(self) -> Mapping[str, int]:
        """Storage requests by month (UTC), as the cloud sets them against its free allowance."""
        return self.fields.get("requests", {})  # type: ignore[no-any-return]

    @property
    def recent(self) -> Sequence[str]:
        """Ids of the last visits written, oldest first."""
        return self.fields.get("recent", ())  # type: ignore[no-any-return]

    @property
    def folded(self) -> Sequence[str]:
        """Ids of visits folded in from the journal, those whose entries are gone longest first."""
        return self.fields.get("folded", ())  # type: ignore[no-any-return]

    def has(self, visit_id: str) -> bool:
        """Whether this visit is counted already, as far as the document remembers."""
        return visit_id in self.recent or visit_id in self.folded

    def remembers(self, earlier: Tally) -> bool:
        """Whether `recent` still shows every visit that was written since `earlier`: only then does the absence of an
        id prove that its visit was not written."""
        if not earlier.recent:
            return len(self.recent) < RECENT
        return earlier.recent[-1] in self.recent

    def add(self, visit: Visit, at: float, limits: Limits) -> Tally:
        """The tally after `visit`, kept at `at` (unix seconds)."""
        draft = _Draft(self, limits)
        draft.apply(visit, at)
        draft.fields["recent"] = [*self.recent, visit.id][-RECENT:]
        return draft.finished()

    def fold(
        self,
        entries: Iterable[Visit],
        limits: Limits,
        more: bool = False,
        removed: Container[str] = (),
        at: float | None = None,
    ) -> Tally:
        """The tally with the journal's `entries` in it, each once however often it is folded. To be written only over
        the document that this tally was read from, and only if the entries were listed after that. `more`: the journal
        may hold others as well. `removed`: ids whose entries are known to be gone. `at`: now, if it will be written."""
        draft = _Draft(self, limits)
        known = {*self.recent, *self.folded}
        listed: dict[str, None] = {}
        for visit in entries:
            if visit.id not in known:
                known.add(visit.id)
                draft.apply(visit, at)
            listed[visit.id] = None
        gone = [visit_id for visit_id in self.folded if visit_id not in listed]
        if more:
            # An entry that is not shown may be there yet, unless it was `removed` for certain.
            unsure = [visit_id for visit_id in gone if visit_id not in removed]
            gone = unsure[-FOLDED_IN_PART:] + [visit_id for visit_id in gone if visit_id in removed][-FOLDED:]
        else:
            gone = gone[-FOLDED:]
        draft.fields["folded"] = [*gone, *listed]
        return draft.finished()

    def with_requests(self, month: str, more: int) -> Tally:
        """The tally with `more` storage requests counted in `month` (YYYY-MM)."""
        requests = {**self.requests, month: _plus(self.requests.get(month, 0), more)}
        for oldest in sorted(requests)[:-REQUEST_MONTHS]:
            del requests[oldest]
        return Tally({**self.fields, "requests": requests}, self.seen)


class _Draft:
    """A tally in the making: copied once, then changed in place by any number of visits."""

    def __init__(self, tally: Tally, limits: Limits) -> None:
        self.fields = dict(tally.fields)
        self._days = self.fields["days"] = dict(tally.days)
        self._seen = tally.seen
        self._limits = limits

    def apply(self, visit: Visit, at: float | None) -> None:
        fields, more = self.fields, 0
        if visit.reason is None:
            if at is not None:
                fields["updatedAt"] = int(at)
            # A counter before ours reads `count`: where that was the total, it stays the total.
            if fields.get("count") == fields["pageviews"]:
                fields["count"] = _plus(fields["pageviews"], 1)
            fields["pageviews"] = _plus(fields["pageviews"], 1)
            if visit.visitor is not None:
                self._seen, more = self._seen.add(visit.visitor, self._limits.seen)
                fields["uniqueVisitors"] = _plus(fields["uniqueVisitors"], more)
        is_new = visit.day not in self._days
        self._days[visit.day] = _with_visit(self._days.get(visit.day, {}), visit.reason, more)
        if is_new:
            self._drop_days()

    def _drop_days(self) -> None:
        first = _days_before(max(self._days), self._limits.days - 1)
        dropped = [day for day in self._days if day < first]
        if not dropped:
            return
        months = {month: dict(sums) for month, sums in self.fields.get("months", {}).items()}
        for day in dropped:
            months[day[:7]] = _sum(months.get(day[:7], {}), self._days.pop(day))
        self.fields["months"] = {month: months[month] for month in sorted(months)[-MONTHS:]}

    def finished(self) -> Tally:
        return Tally(self.fields, self._seen)


def _with_visit(day: Mapping[str, Any], reason: str | None, more: int) -> dict[str, Any]:
    if reason is None:
        return _sum(day, {"pageviews": 1, "newVisitors": more})
    return _sum(day, {"filtered": {reason: 1}})


def _sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    total = {**one, **{key: _plus(one.get(key, 0), other.get(key, 0)) for key in ("pageviews", "newVisitors")}}
    if "filtered" in other:
        filtered = dict(one.get("filtered", {}))
        for reason, times in other["filtered"].items():
            filtered[reason] = _plus(filtered.get(reason, 0), times)
        total["filtered"] = filtered
    return total


def _plus(one: int, more: int) -> int:
    # A number beyond would be refused when it is read again, and the counter stand still for good.
    return min(one + more, LARGEST)


def _days_before(day: str, days: int) -> str:
    try:
        return str(date.fromisoformat(day) - timedelta(days=days))
    except OverflowError:
        return ""
