"""The check: every answer that a visitor got, against every version of the document.

The bucket keeps what is replaced and removed, so the whole history of the document can be followed, and each version
shows which visits it added. In the whole history an acknowledged visit must be counted once, a refused one never, and
one whose answer was lost or unclear at most once. All expected values are computed here with Python's standard library,
without the counter's own code.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

RECENT = 256


class Fate(Enum):
    """What the answer told the visitor."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    DOUBTFUL = "doubtful"


@dataclass(slots=True)
class Visit:
    """One visit. `visitor` is the expected hash, `reason` the expected reason not to count it, `page` the page that it
    named. `id` is the visit id and `shown` the one in the answer; both are known once the gateway has called the
    function."""

    visitor: str | None
    reason: str | None
    page: str | None = None
    id: str | None = None
    shown: str | None = None
    fate: Fate | None = None


def visit_id(call_id: str) -> str:
    """Return the id that the document has for the visit of this call."""
    return base64.urlsafe_b64encode(hashlib.sha256(call_id.encode()).digest()[:9]).decode("ascii")


def names_id(salt: str, visit: str) -> str:
    """Return the id of the journal entry for the page of this visit."""
    digest = hashlib.sha256(f"page:{salt}:{visit}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:9]).decode("ascii")


def visitor_hash(salt: str, vid: str) -> str:
    """Return the hash that the document has for a visitor."""
    return hashlib.sha256(f"{salt}:{vid}".encode()).hexdigest()


class Audit:
    """Follows the document of a counter with this `salt`. `violations` lists what must never happen, as sentences; it
    must stay empty."""

    def __init__(self, salt: str = "") -> None:
        self._salt = salt
        self.violations: list[str] = []
        self.visits: list[Visit] = []
        self.applied: Counter[str] = Counter()
        self.versions = 0
        self.pageviews = 0
        self._by_id: dict[str, Visit] = {}
        self._names: set[str] = set()
        self._pages: Counter[str] = Counter()
        self._before: Mapping[str, Any] = {"pageviews": 0, "uniqueVisitors": 0}
        self._seen: set[str] = set()
        self._removed: set[str] = set()

    def start_visit(self, visitor: str | None, reason: str | None, page: str | None = None) -> int:
        """Note a visit that is about to be made, and return its number."""
        self.visits.append(Visit(visitor, reason, page))
        return len(self.visits) - 1

    def called(self, number: int, call_id: str) -> None:
        """Note that the gateway calls the function for this visit."""
        visit = self.visits[number]
        if visit.id is not None:
            self.violations.append(f"visit {number} was passed to the function twice")
        visit.id = visit_id(call_id)
        visit.shown = str(uuid.uuid5(uuid.NAMESPACE_OID, call_id))
        self._by_id[visit.id] = visit
        self._names.add(names_id(self._salt, visit.id))

    def is_call(self, number: int, request_id: str) -> bool:
        """Return whether this is the id that the answer to this visit must have."""
        return self.visits[number].shown == request_id

    def answered(self, number: int, fate: Fate) -> None:
        """Note which answer the visitor got, or that there was none."""
        self.visits[number].fate = fate

    def count(self, fate: Fate) -> int:
        return sum(visit.fate is fate for visit in self.visits)

    @property
    def entries(self) -> int:
        """How many journal entries were removed."""
        return len(self._removed)

    @property
    def doubtful_counted(self) -> int:
        """How many visits were in doubt and counted."""
        return sum(visit.fate is Fate.DOUBTFUL and self._times(visit) > 0 for visit in self.visits)

    def least(self) -> int:
        """Return the least page views that an exact reader may show: all that were acknowledged."""
        return sum(visit.fate is Fate.ACKNOWLEDGED and visit.reason is None for visit in self.visits)

    def most(self) -> int:
        """Return the most page views that a reader may show: all that were made and not refused."""
        return sum(visit.fate is not Fate.REFUSED and visit.reason is None for visit in self.visits)

    def follow(self, data: bytes) -> None:
        """Check the next version of the document."""
        document = json.loads(data)
        before, self._before = self._before, document
        self.versions += 1
        added = self._recent(before, document) + self._folded(before, document)
        for visit in added:
            self.applied[visit] += 1
            if self.applied[visit] > 1:
                self._wrong(f"visit {visit} was counted {self.applied[visit]} times")
        added = [taken for taken in added if taken not in self._names]
        self._totals(before, document, added)
        self._page_views(before, document, added)
        self._unique(before, document)
        self.pageviews = document["pageviews"]

    def entry_removed(self, entry: str) -> None:
        """Note that a journal entry was removed; by the end its visit must be counted."""
        self._removed.add(entry.split(".")[1])

    def conclude(self, entries_left: Iterable[str]) -> None:
        """Check every visit, once nothing changes any more."""
        for number, visit in enumerate(self.visits):
            times = self._times(visit)
            if visit.fate is None:
                self._wrong(f"visit {number} has no outcome")
            elif visit.fate is Fate.ACKNOWLEDGED and times != 1:
                self._wrong(f"visit {number} ({visit.id}) was acknowledged but counted {times} times")
            elif visit.fate is Fate.REFUSED and times:
                self._wrong(f"visit {number} ({visit.id}) was refused but counted {times} times")
        for entry in entries_left:
            self._wrong(f"entry {entry} is left in the journal")
        for gone in self._removed - self.applied.keys():
            self._wrong(f"the journal's entry of visit {gone} was removed but never counted")
        if self.difference():
            self._wrong(f"the count is off by {self.difference():+d}")

    def difference(self) -> int:
        """Return the count minus the page views that were acknowledged, or were in doubt and counted."""
        in_doubt = sum(
            visit.fate is Fate.DOUBTFUL and visit.reason is None and self._times(visit) > 0 for visit in self.visits
        )
        return self.pageviews - self.least() - in_doubt

    def _times(self, visit: Visit) -> int:
        return self.applied.get(visit.id or "", 0)

    def _recent(self, before: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
        earlier, recent = before.get("recent", []), document.get("recent", [])
        new = [] if recent == earlier else recent[-1:]
        if recent != [*earlier, *new][-RECENT:]:
            self._wrong("recent is not the previous list plus one visit")
        return [str(taken) for taken in new]

    def _folded(self, before: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
        known = {*before.get("recent", ()), *before.get("folded", ())}
        return [taken for taken in document.get("folded", ()) if taken not in known]

    def _totals(self, before: Mapping[str, Any], document: Mapping[str, Any], added: list[str]) -> None:
        due: Counter[str | None] = Counter()
        for taken in added:
            visit = self._by_id.get(taken)
            if visit is None:
                self._wrong(f"visit {taken} belongs to no call")
                due[None] += 1
            else:
                due[visit.reason] += 1
                self._seen.update([visit.visitor] if visit.visitor else [])
        more = document["pageviews"] - before["pageviews"]
        if more != due[None]:
            self._wrong(f"the count grew by {more} for {due[None]} page views")
        filtered, filtered_before = _filtered(document), _filtered(before)
        for reason in filtered.keys() | due.keys() - {None}:
            if filtered[reason] - filtered_before[reason] != due[reason]:
                self._wrong(f"{due[reason]} visits were filtered as {reason}, but the document has another number")
        days = sum(day.get("pageviews", 0) for day in document.get("days", {}).values())
        if days != document["pageviews"]:
            self._wrong(f"the days add up to {days} of {document['pageviews']} page views")

    def _page_views(self, before: Mapping[str, Any], document: Mapping[str, Any], added: list[str]) -> None:
        """Every counted visit with a page is in the sum of all pages, and no page has more than it got."""
        visits = [self._by_id[taken] for taken in added if taken in self._by_id]
        due = [visit.page for visit in visits if visit.page and visit.reason is None]
        self._pages.update(due)
        more = _views_of_pages(document) - _views_of_pages(before)
        if more != len(due):
            self._wrong(f"the pages grew by {more} for {len(due)} page views with a page")
        for page, (views, *_) in document.get("pages", {}).get("names", {}).items():
            if views > self._pages[page]:
                self._wrong(f"page {page} has {views} views, but {self._pages[page]} is right")

    def _unique(self, before: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        unique, truth = document["uniqueVisitors"], len(self._seen)
        if unique < before["uniqueVisitors"]:
            self._wrong(f"unique visitors fell from {before['uniqueVisitors']} to {unique}")
        # The estimate's standard error is 0.65 %: allow five of them, plus a few visitors while the number is small.
        room = 0 if "sketch" not in document else 5 + 0.033 * truth
        if abs(unique - truth) > room:
            self._wrong(f"{unique} unique visitors, but {truth} is right")

    def _wrong(self, what: str) -> None:
        self.violations.append(what)


def _views_of_pages(document: Mapping[str, Any]) -> int:
    views: int = document.get("pages", {}).get("views", (0,))[0]
    return views


def _filtered(document: Mapping[str, Any]) -> Counter[str | None]:
    sums: Counter[str | None] = Counter()
    for day in document.get("days", {}).values():
        sums.update(day.get("filtered", {}))
    return sums
