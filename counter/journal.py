"""One container's hold on the journal: appending to it, listing it, and what may be forgotten of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from counter.store import PAGE, Metered, Misconfigured, StoreError
from counter.tally import Tally, Visit

REMEMBER_SECONDS = 100.0
"""How long the id of a folded visit is remembered at least. A request may take effect up to 60 seconds after it was
sent, and its visit may have been under way, or be delivered again, for 40 seconds more."""

MIN_FOLDED = 1000
DOCUMENT_BYTES = 176 * 1024
"""Ids of folded visits that a document always has room for, and the size of a document until which it has room for
more. Where there is none, folding waits."""

_ID_BYTES = 16

CLOSED_SECONDS = 60.0
"""How long a container that may not list or remove keeps off the journal before it tries again."""

NO_ENTRY = "none"
"""The name of an entry that never is there: removing it shows whether removing is allowed."""

log = logging.getLogger("visitor-counter")


@dataclass(frozen=True, slots=True)
class Listing:
    """The visits in the journal, by the names of their entries."""

    visits: Mapping[str, Visit]

    @classmethod
    def of(cls, names: Sequence[str]) -> Listing:
        """The listing of entries with these names. Those that hold no visit are somebody else's and left alone."""
        visits = {name: visit for name in sorted(names) if (visit := Visit.of_entry(name)) is not None}
        if len(visits) < len(names):
            log.warning("%d entries of the journal are not the counter's and were left alone", len(names) - len(visits))
        return cls(visits)

    def holds(self, visit: Visit) -> bool:
        """Whether `visit` is in the journal."""
        return visit.entries()[0] in self.visits

    def unknown_to(self, tally: Tally) -> list[Visit]:
        """Visits that are not in `tally` yet."""
        known = {*tally.recent, *tally.folded}
        return [visit for visit in self.visits.values() if visit.id not in known]

    def folded_in(self, tally: Tally) -> list[str]:
        """Names of entries that `tally` remembers as folded: they may be removed."""
        folded = set(tally.folded)
        return [name for name, visit in self.visits.items() if visit.id in folded]


class Journal:
    """The journal in `store`, as one container may use it. `clock` gives monotonic seconds."""

    def __init__(self, store: Metered, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self.may_list = True
        self._has_listed = False
        self._may_remove = False
        self._closed_until = float("-inf")
        self._folded_since: dict[str, float] = {}

    def is_open(self) -> bool:
        """Whether a visit may be appended: only where this container has listed and removed, for what nobody can fold
        must not be added. Raises Unavailable."""
        if self._has_listed and self.may_list and self._may_remove:
            return True
        if self._clock() < self._closed_until:
            return False
        try:
            if not (self._has_listed and self.may_list):
                self.names()
            if not self._may_remove:
                self._remove([NO_ENTRY])
        except Misconfigured as error:
            self._closed_until = self._clock() + CLOSED_SECONDS
            log.warning("the journal is not used, for it may not be listed or cleared: %s", error)
            return False
        return True

    def append(self, visit: Visit) -> None:
        """Add `visit`. Its first entry counts it; further ones, which only add to it, may be lost."""
        first, *further = visit.entries()
        self._store.append(first)
        for entry in further:
            with suppress(StoreError):
                self._store.append(entry)

    def names(self) -> list[str]:
        """Names of all entries."""
        try:
            names = self._store.entries()
        except Misconfigured:
            self.may_list = False
            raise
        self.may_list = self._has_listed = True
        return names

    def listing(self) -> Listing:
        """All entries."""
        return Listing.of(self.names())

    def foldable(self, tally: Tally, size: int, listing: Listing) -> tuple[list[Visit], set[str]]:
        """The visits that may be folded now into `tally`, which has `size` bytes in the store, and ids that it may
        forget in turn: those of entries that are gone, which this container has known as folded for REMEMBER_SECONDS.

        Where the document can remember no more ids, the other visits wait. Time is measured by this container alone,
        so no clock has to be right."""
        now = self._clock()
        self._folded_since = {known: self._folded_since.get(known, now) for known in tally.folded}
        listed = {visit.id for visit in listing.visits.values()}
        forgettable = {
            known
            for known, since in self._folded_since.items()
            if now - since >= REMEMBER_SECONDS and known not in listed
        }
        folded, recent = set(tally.folded), set(tally.recent)
        waiting = [visit for visit in listing.visits.values() if visit.id not in folded]
        counted = [visit for visit in waiting if visit.id in recent]  # the same call came twice
        room = max(MIN_FOLDED - len(folded), (DOCUMENT_BYTES - size) // _ID_BYTES) + len(forgettable)
        unknown = [visit for visit in waiting if visit.id not in recent]
        return counted + unknown[: max(0, min(room, PAGE))], forgettable

    def remove(self, names: Sequence[str]) -> bool:
        """Remove entries that are folded; whether all of them are gone."""
        try:
            self._remove(names)
        except StoreError as error:
            # They are known as folded: removing them later is as good.
            log.warning("folded journal entries could not be removed yet: %s", error)
            return False
        return True

    def _remove(self, names: Sequence[str]) -> None:
        try:
            for first in range(0, len(names), PAGE):
                self._store.remove(names[first : first + PAGE])
        except Misconfigured:
            self._may_remove = False
            raise
        self._may_remove = True
