"""The proof: what every visitor was told, against every version that the document ever had.

The bucket keeps what is replaced and removed, so the whole history of the document can be followed, and each step of it
says which visits it took in. A visit that was acknowledged must be taken in once in the whole history, one that was
refused never, one whose answer was lost or unclear once at most: and then it is known whether it was. What is compared
is computed here from Python's standard library alone, with nothing of the counter's own code.
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
    """What a visitor could conclude from the answer."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    DOUBTFUL = "doubtful"


@dataclass(slots=True)
class Visit:
    """One visit that somebody made: `visitor` is the hash it should be known by, `reason` why it should be filtered,
    `id` the visit id and `shown` the one its answer shows, known as soon as the gateway called the function for it."""

    visitor: str | None
    reason: str | None
    id: str | None = None
    shown: str | None = None
    fate: Fate | None = None


def visit_id(call_id: str) -> str:
    """The id that the document knows the visit of this call by."""
    return base64.urlsafe_b64encode(hashlib.sha256(call_id.encode()).digest()[:9]).decode("ascii")


def visitor_hash(salt: str, vid: str) -> str:
    """What the document remembers of a visitor."""
    return hashlib.sha256(f"{salt}:{vid}".encode()).hexdigest()


class Audit:
    """Follows the document. `violations` is what must never happen, in words; empty is the proof."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.visits: list[Visit] = []
        self.applied: Counter[str] = Counter()
        self.versions = 0
        self.pageviews = 0
        self._by_id: dict[str, Visit] = {}
        self._before: Mapping[str, Any] = {"pageviews": 0, "uniqueVisitors": 0}
        self._seen: set[str] = set()
        self._removed: set[str] = set()

    def made(self, visitor: str | None, reason: str | None) -> int:
        """Somebody is about to make a visit; its number."""
        self.visits.append(Visit(visitor, reason))
        return len(self.visits) - 1

    def called(self, number: int, call_id: str) -> None:
        """The gateway calls the function for this visit."""
        visit = self.visits[number]
        if visit.id is not None:
            self.violations.append(f"visit {number} was handed to the function twice")
        visit.id = visit_id(call_id)
        visit.shown = str(uuid.uuid5(uuid.NAMESPACE_OID, call_id))
        self._by_id[visit.id] = visit

    def is_call(self, number: int, request_id: str) -> bool:
        """Whether this is the id that the answer to this visit shows."""
        return self.visits[number].shown == request_id

    def told(self, number: int, fate: Fate) -> None:
        """The visitor got an answer, or none."""
        self.visits[number].fate = fate

    def count(self, fate: Fate) -> int:
        return sum(visit.fate is fate for visit in self.visits)

    @property
    def entries(self) -> int:
        """Journal entries that there were."""
        return len(self._removed)

    @property
    def doubtful_counted(self) -> int:
        """Visits that nobody acknowledged and that are in all the same."""
        return sum(visit.fate is Fate.DOUBTFUL and self._times(visit) > 0 for visit in self.visits)

    def promised(self) -> int:
        """Page views that an exact reader must show at least: all that were acknowledged."""
        return sum(visit.fate is Fate.ACKNOWLEDGED and visit.reason is None for visit in self.visits)

    def possible(self) -> int:
        """Page views that a reader may show at most: all that were made and not refused."""
        return sum(visit.fate is not Fate.REFUSED and visit.reason is None for visit in self.visits)

    def follow(self, data: bytes) -> None:
        """Takes the next version of the document."""
        document = json.loads(data)
        before, self._before = self._before, document
        self.versions += 1
        taken_in = self._recent(before, document) + self._folded(before, document)
        for taken in taken_in:
            self.applied[taken] += 1
            if self.applied[taken] > 1:
                self._wrong(f"visit {taken} was taken in {self.applied[taken]} times")
        self._totals(before, document, taken_in)
        self._unique(before, document)
        self.pageviews = document["pageviews"]

    def removed(self, entry: str) -> None:
        """A journal entry was removed; at the end it must have been taken in."""
        self._removed.add(entry.split(".")[1])

    def conclude(self, entries_left: Iterable[str]) -> None:
        """Settles every visit, now that nothing moves any more."""
        for number, visit in enumerate(self.visits):
            times = self._times(visit)
            if visit.fate is None:
                self._wrong(f"visit {number} has neither an answer nor an end")
            elif visit.fate is Fate.ACKNOWLEDGED and times != 1:
                self._wrong(f"visit {number} ({visit.id}) was acknowledged and is in {times} times")
            elif visit.fate is Fate.REFUSED and times:
                self._wrong(f"visit {number} ({visit.id}) was refused and is in {times} times")
        for entry in entries_left:
            self._wrong(f"the entry {entry} is left in the journal")
        for gone in self._removed - self.applied.keys():
            self._wrong(f"the journal's entry of visit {gone} was removed and never taken in")
        if self.difference():
            self._wrong(f"the count is off by {self.difference():+d}")

    def difference(self) -> int:
        """The count minus the page views that were acknowledged, or in doubt and kept."""
        in_doubt = sum(
            visit.fate is Fate.DOUBTFUL and visit.reason is None and self._times(visit) > 0 for visit in self.visits
        )
        return self.pageviews - self.promised() - in_doubt

    def _times(self, visit: Visit) -> int:
        return self.applied.get(visit.id or "", 0)

    def _recent(self, before: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
        earlier, recent = before.get("recent", []), document.get("recent", [])
        new = [] if recent == earlier else recent[-1:]
        if recent != [*earlier, *new][-RECENT:]:
            self._wrong("recent is not what it was, and one visit more")
        return [str(taken) for taken in new]

    def _folded(self, before: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
        known = {*before.get("recent", ()), *before.get("folded", ())}
        return [taken for taken in document.get("folded", ()) if taken not in known]

    def _totals(self, before: Mapping[str, Any], document: Mapping[str, Any], taken_in: list[str]) -> None:
        due: Counter[str | None] = Counter()
        for taken in taken_in:
            visit = self._by_id.get(taken)
            if visit is None:
                self._wrong(f"visit {taken} is nobody's")
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
                self._wrong(f"{due[reason]} visits were filtered as {reason}, and the document says otherwise")
        days = sum(day.get("pageviews", 0) for day in document.get("days", {}).values())
        if days != document["pageviews"]:
            self._wrong(f"the days come to {days} of {document['pageviews']} page views")

    def _unique(self, before: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        unique, truth = document["uniqueVisitors"], len(self._seen)
        if unique < before["uniqueVisitors"]:
            self._wrong(f"unique visitors fell from {before['uniqueVisitors']} to {unique}")
        # The estimate's standard error is 0.65 %; five of them, and a few visitors while it is small.
        room = 0 if "sketch" not in document else 5 + 0.033 * truth
        if abs(unique - truth) > room:
            self._wrong(f"{unique} unique visitors, in truth {truth}")

    def _wrong(self, what: str) -> None:
        self.violations.append(what)


def _filtered(document: Mapping[str, Any]) -> Counter[str | None]:
    sums: Counter[str | None] = Counter()
    for day in document.get("days", {}).values():
        sums.update(day.get("filtered", {}))
    return sums
