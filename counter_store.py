"""Keeps the tally: conditional writes, five attempts, and the journal for when the document is busy.

Every visit has an id, and the document remembers the ids of the last visits. That makes a repeated write safe: where
the outcome of a write is unclear, the document is read again and says whether the visit is in it. The reasoning is in
docs/decisions/0002-visit-ids.md and 0003-journal.md.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from counter.backoff import DOCUMENT, JOURNAL, Patience, Places, not_kept
from counter.document import NotACounter
from counter.journal import Listing
from counter.store import Conflict, CorruptDocument, Documents, Misconfigured, StoreError, Unavailable
from counter.tally import Limits, Tally, Visit

LIST_EVERY = 64
"""A writer looks for journal entries at every so many of its visits: 1.6 % of a request each."""

REQUEST_SECONDS = 3.0
"""The longest that one storage request is waited for."""

T = TypeVar("T")
log = logging.getLogger("visitor-counter")


@dataclass(frozen=True, slots=True)
class _Known:
    """A tally as it was read or written, and the version it has in the store (None: there is no document yet)."""

    tally: Tally
    version: str | None
    has_sketch: bool = False


@dataclass(frozen=True, slots=True)
class _Write:
    """A visit's write: what it goes out from, what it makes of it, the journal entries it folds, and the storage
    requests it accounts for."""

    base: _Known
    tally: Tally
    data: bytes
    entries: Sequence[str]
    requests: int

    def is_over(self, known: _Known) -> bool:
        """Whether it is sure, from a document that shows no trace of it, that it neither landed nor ever will: the
        version it went out from never comes back, and had it landed, `recent` would still show it."""
        return known.version != self.base.version and known.tally.remembers(self.base.tally)


class CounterStore:
    """The counter of one container. It takes one call at a time, as a function's container does.

    `clock` gives monotonic seconds, in which deadlines are understood; `jitter` a number from 0 to 1; `requests` are
    storage requests made before the first visit, to be counted with the others."""

    def __init__(
        self,
        documents: Documents,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        requests: int = 0,
    ) -> None:
        self._documents = documents
        self._limits = limits
        self._clock = clock
        self._jitter = jitter
        self._requests = requests
        self._known: _Known | None = None
        self._shown: Tally | None = None
        self._places = Places()
        self._patience = Patience(clock, sleep, jitter)
        self._writes_to_listing = 0
        self._look_for_entries = True
        self._removed: set[str] = set()

    def keep(self, visit: Visit, at: float, deadline: float) -> Tally | None:
        """Counts `visit`, made at `at` (unix seconds), exactly once, and returns the tally to show: the visit is in
        it, the latest visits of others may not be while the document is busy. None when the visit is safe in the
        journal but no document could be read yet.

        Raises Unavailable after five attempts or at the `deadline`: its `in_doubt` tells whether the visit may be
        counted all the same. Raises CorruptDocument and Misconfigured."""
        failure: StoreError | None = None
        write: _Write | None = None
        doubtful: _Write | None = None
        doubtful_entry = False
        conflicts, place_before = 0, None
        for attempt, planned in enumerate(self._places.plan(self._clock())):
            # What may still land in one place must not be counted in the other as well.
            place = JOURNAL if doubtful_entry else DOCUMENT if doubtful else planned
            if not self._patience.lasts(attempt if place == place_before else 0, deadline):
                break
            place_before, sending, write = place, False, None
            try:
                if place == JOURNAL:
                    sending = True
                    self._append(visit, at, deadline)
                    if conflicts:
                        self._places.left(self._clock(), self._jitter())
                    return self._shown
                known = self._known or self._load(deadline)
                if known.tally.has(visit.id):
                    self._requests -= doubtful.requests if doubtful else 0
                    return known.tally
                if doubtful and known.version != doubtful.base.version:
                    if not known.tally.remembers(doubtful.base.tally):
                        break
                    doubtful = None
                # The same version still there: the same write may still land, and only the same is safe to send.
                write = doubtful or self._compose(visit, at, known, deadline, may_list=not conflicts)
                sending = True
                self._send(write, deadline)
                return write.tally
            except Conflict as error:
                conflicts += 1
                failure = error
            except (Unavailable, Misconfigured) as error:
                if sending and isinstance(error, Unavailable) and error.in_doubt:
                    doubtful_entry = place == JOURNAL
                    doubtful = None if doubtful_entry else write
                if place == DOCUMENT or failure is None:
                    failure = error
        if doubtful or doubtful_entry:
            return self._find(visit, at, doubtful, deadline)
        raise not_kept(failure) from failure

    def read(self, deadline: float) -> Tally:
        """The tally as it is stored, and with it the journal's entries where this container has reason to look for
        any. Counts nothing. Raises as `keep` does."""
        return self._patience.persist(self._look, deadline)

    def settle(self, at: float, deadline: float) -> tuple[Tally, int]:
        """Folds the whole journal into the document at `at` (unix seconds); the exact tally, and how many entries
        were waiting. Raises as `keep` does."""
        waiting = 0
        while True:
            tally, found, more = self._patience.persist(lambda end: self._fold(at, end), deadline)
            waiting += found
            if not more:
                return tally, waiting

    def _look(self, deadline: float) -> Tally:
        visits: list[Visit] = []
        if self._look_for_entries:
            # Before the document is read: an entry that somebody folds in between is then known there.
            visits = [*self._list(deadline).visits.values()]
            self._look_for_entries = bool(visits)
        tally = self._load(deadline).tally
        return tally.fold(visits, self._limits) if visits else tally

    def _fold(self, at: float, deadline: float) -> tuple[Tally, int, bool]:
        known = self._load(deadline)
        waiting, stuck = self._waiting(known.tally, deadline)
        if stuck:
            return known.tally.fold(waiting.visits.values(), self._limits), 0, False
        if not waiting.visits:
            # Entries that were there when the document was read may have been folded by somebody else since.
            return self._load(deadline).tally, 0, False
        tally = known.tally.fold(waiting.visits.values(), self._limits, waiting.more, self._removed, at)
        self._send(self._written(known, tally, at, [*waiting.visits]), deadline)
        return self._known.tally if self._known else tally, len(waiting.visits), waiting.more

    def _compose(self, visit: Visit, at: float, known: _Known, deadline: float, may_list: bool) -> _Write:
        tally, entries = known.tally, list[str]()
        if may_list and self._writes_to_listing <= 0:
            # Entries are listed after the document was read, and folded only if it is unchanged when written: so
            # none of them can have been folded and forgotten by somebody else in between.
            try:
                waiting, stuck = self._waiting(tally, deadline)
            except (Unavailable, Misconfigured) as error:
                log.warning("the journal could not be listed, the visit is counted without: %s", error)
            else:
                self._writes_to_listing = 1 if waiting.visits and waiting.more and not stuck else LIST_EVERY
                if waiting.visits and not stuck:
                    entries = [*waiting.visits]
                    tally = tally.fold(waiting.visits.values(), self._limits, waiting.more, self._removed, at)
        if not (entries and tally.has(visit.id)):  # an earlier call of the same visit may have left an entry
            tally = tally.add(visit, at, self._limits)
        return self._written(known, tally, at, entries)

    def _written(self, base: _Known, tally: Tally, at: float, entries: Sequence[str]) -> _Write:
        requests = self._requests + 1
        tally = tally.with_requests(time.strftime("%Y-%m", time.gmtime(at)), requests)
        return _Write(base, tally, tally.encode(), entries, requests)

    def _send(self, write: _Write, deadline: float) -> None:
        self._known = None
        try:
            version = self._documents.write(write.data, write.base.version, self._spend(deadline))
        except StoreError:
            if write.entries:
                self._writes_to_listing = 0
            raise
        self._requests -= write.requests
        self._known = _Known(write.tally, version, write.tally.unique_is_estimate)
        self._shown = write.tally
        self._places.won()
        self._writes_to_listing -= 1
        if write.tally.unique_is_estimate and not write.base.has_sketch:
            log.info("the list of visitors is full: from now on unique visitors are estimated (0.65 % error)")
        if write.entries:
            self._remove(write.entries, deadline)

    def _append(self, visit: Visit, at: float, deadline: float) -> None:
        self._documents.append(visit.entry(), self._spend(deadline))
        self._appended(visit, at)

    def _appended(self, visit: Visit, at: float) -> None:
        # Others are writing the document: what was remembered is out of date, and the entry must be looked for.
        self._known = None
        self._writes_to_listing = min(self._writes_to_listing, 1)
        self._look_for_entries = True
        if self._shown and not self._shown.has(visit.id):
            self._shown = self._shown.add(visit, at, self._limits)

    def _find(self, visit: Visit, at: float, doubtful: _Write | None, deadline: float) -> Tally | None:
        """The tally to show if a visit in doubt was kept after all, in the document (`doubtful`) or in the journal: a
        last look where no attempt is left. Raises Unavailable."""
        unclear = True
        with suppress(StoreError):
            if doubtful is None and visit.entry() in self._documents.entries(self._spend(deadline)):
                self._appended(visit, at)
                return self._shown
            known = self._load(deadline)
            if known.tally.has(visit.id):
                self._requests -= doubtful.requests if doubtful else 0
                return known.tally
            unclear = not (doubtful and doubtful.is_over(known))
        if unclear:
            raise Unavailable("The storage did not say whether the visit was kept: it may be counted.", in_doubt=True)
        raise Unavailable("Too many visits came at the same moment.", in_doubt=False)

    def _load(self, deadline: float) -> _Known:
        stored = self._documents.read(self._spend(deadline))
        if stored is None:
            self._known = _Known(Tally.empty(), None)
        else:
            data, version = stored
            del stored
            try:
                self._known = _Known(Tally.decode(data, self._limits), version, b'"sketch"' in data)
            except NotACounter as error:
                log.error(
                    "the counter document is damaged: %s. It was not touched and nothing is counted. Repair it, put "
                    "back an earlier copy, or, to start over, delete it.",
                    error,
                )
                raise CorruptDocument(f"The counter's document is damaged ({error}). It was not touched.") from error
        self._shown = self._known.tally
        return self._known

    def _list(self, deadline: float) -> Listing:
        return Listing.of(self._documents.entries(self._spend(deadline)))

    def _waiting(self, tally: Tally, deadline: float) -> tuple[Listing, bool]:
        """What is to be folded into `tally`, and whether nothing may be. Entries that are in it already are removed
        first; as long as that fails no others are folded, for a listing shows only the first of many, and an entry
        that is not shown would be taken for gone and forgotten."""
        listing = self._list(deadline)
        while leftover := listing.folded_in(tally):
            if not self._remove(leftover, deadline):
                return listing, True
            # Behind a full listing there may be others, the same or new: they are shown now.
            listing = self._list(deadline) if listing.more else listing.without(leftover)
        if not listing.more:
            self._removed.clear()
        return listing, False

    def _remove(self, entries: Sequence[str], deadline: float) -> bool:
        # They are in the document by now, and known there as folded: removing them later is as good.
        try:
            self._documents.remove(entries, self._spend(deadline))
        except StoreError as error:
            self._writes_to_listing = 0
            log.warning("folded journal entries could not be removed yet: %s", error)
            return False
        self._removed.update(visit.id for entry in entries if (visit := Visit.of_entry(entry)))
        return True

    def _spend(self, deadline: float) -> float:
        """Counts one storage request and returns the seconds it may take."""
        left = deadline - self._clock()
        if left <= 0:
            raise Unavailable("There was no time left to reach the storage.", in_doubt=False)
        self._requests += 1
        return min(REQUEST_SECONDS, left)
