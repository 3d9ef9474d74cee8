"""One container's access to the journal: appending, listing, removing, and which ids may be forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from counter.store import PAGE, Metered, Misconfigured, StoreError
from counter.tally import Tally, Visit

# How long the id of a folded visit is remembered at least. A request may take effect up to 60 seconds after it was
# sent, and its call may have been running, or may be repeated, for 40 seconds more.
REMEMBER_SECONDS = 100.0

# A document always has room for MIN_FOLDED ids of folded visits, and for more until it has DOCUMENT_BYTES. If there is
# no room, folding waits.
MIN_FOLDED = 1000
DOCUMENT_BYTES = 176 * 1024
_ID_BYTES = 16

CLOSED_SECONDS = 60.0  # how long a container that may not list or remove waits before it tries the journal again
NO_ENTRY = "none"  # no entry has this name: removing it shows whether removing is allowed

log = logging.getLogger("visitor-counter")


@dataclass(frozen=True, slots=True)
class Listing:
    """The visits in the journal, by the names of their entries."""

    visits: Mapping[str, Visit]

    @classmethod
    def of(cls, names: Sequence[str]) -> Listing:
        """The listing of entries with these names. Names that are not a visit's are not ours, and are ignored."""
        visits = {name: visit for name in sorted(names) if (visit := Visit.of_entry(name)) is not None}
        if len(visits) < len(names):
            log.warning("%d entries of the journal are not the counter's and were left alone", len(names) - len(visits))
        return cls(visits)

    def holds(self, visit: Visit) -> bool:
        """Whether `visit` is in the journal."""
        return visit.entries()[0] in self.visits

    def unknown_to(self, tally: Tally) -> list[Visit]:
        """The visits that are not in `tally` yet."""
        known = {*tally.recent, *tally.folded}
        return [visit for visit in self.visits.values() if visit.id not in known]


class Journal:
    """The journal in `store`, as used by one container. `clock` returns monotonic seconds."""

    def __init__(self, store: Metered, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self.may_list: bool | None = None  # not tried yet
        self._may_remove = False
        self._closed_until = float("-inf")
        self._folded_since: dict[str, float] = {}

    def is_open(self) -> bool:
        """Whether a visit may be appended: only if this container could list and remove, because an entry that cannot
        be folded must not be added. Raises Unavailable."""
        if self.may_list and self._may_remove:
            return True
        if self._clock() < self._closed_until:
            return False
        try:
            if not self.may_list:
                self.listing()
            if not self._may_remove:
                self._remove([NO_ENTRY])
        except Misconfigured as error:
            self._closed_until = self._clock() + CLOSED_SECONDS
            log.warning("the journal is not used, because listing or removing is not allowed: %s", error)
            return False
        return True

    def append(self, visit: Visit) -> None:
        """Add `visit`. Its first entry counts it; the others only add details, and may be lost."""
        first, *further = visit.entries()
        self._store.append(first)
        for entry in further:
            with suppress(StoreError):
                self._store.append(entry)

    def listing(self) -> Listing:
        """All entries."""
        try:
            names = self._store.entries()
        except Misconfigured:
            self.may_list = False
            raise
        self.may_list = True
        return Listing.of(names)

    def foldable(self, tally: Tally, size: int, listing: Listing) -> tuple[list[Visit], set[str]]:
        """The visits that may be folded now into `tally`, which has `size` bytes in the store, and the ids that it may
        forget: those whose entries are gone and which this container has known as folded for REMEMBER_SECONDS.

        If the document has no room for more ids, the other visits wait. Only this container's own clock is used, so no
        clocks have to agree."""
        now = self._clock()
        self._folded_since = {known: self._folded_since.get(known, now) for known in tally.folded}
        gone = self._folded_since.keys() - {visit.id for visit in listing.visits.values()}
        forgettable = {known for known in gone if now - self._folded_since[known] >= REMEMBER_SECONDS}
        folded, recent = set(tally.folded), set(tally.recent)
        waiting = [visit for visit in listing.visits.values() if visit.id not in folded]
        counted = [visit for visit in waiting if visit.id in recent]  # the platform repeated the call
        room = max(MIN_FOLDED - len(folded), (DOCUMENT_BYTES - size) // _ID_BYTES) + len(forgettable)
        unknown = [visit for visit in waiting if visit.id not in recent]
        return counted + unknown[: max(0, min(room, PAGE))], forgettable

    def sweep(self, listing: Listing, tally: Tally) -> None:
        """Remove the entries that `tally` remembers as folded. If that fails, they can be removed later."""
        folded = set(tally.folded)
        if names := [name for name, visit in listing.visits.items() if visit.id in folded]:
            try:
                self._remove(names)
            except StoreError as error:
                log.warning("folded journal entries could not be removed yet: %s", error)

    def _remove(self, names: Sequence[str]) -> None:
        try:
            for first in range(0, len(names), PAGE):
                self._store.remove(names[first : first + PAGE])
        except Misconfigured:
            self._may_remove = False
            raise
        self._may_remove = True
