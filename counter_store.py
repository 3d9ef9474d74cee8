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
from dataclasses import dataclass
from typing import TypeVar

from document import NotACounter
from documents import PAGE, Conflict, DamagedDocument, Documents, Misconfigured, StoreError, Unavailable
from tally import Limits, Tally, Visit

ATTEMPTS = 5
"""Writes tried for one visit, document and journal together."""

LIST_EVERY = 64
"""A writer looks for journal entries at every so many of its visits: 1.6 % of a request each."""

REQUEST_SECONDS = 3.0
FIRST_WAIT = 0.025
LONGEST_WAIT = 0.4

_DOCUMENT, _JOURNAL = "document", "journal"
_QUIET = (_DOCUMENT, _DOCUMENT, _DOCUMENT, _JOURNAL, _JOURNAL)
_BUSY = (_JOURNAL, _JOURNAL, _DOCUMENT, _DOCUMENT, _DOCUMENT)
_RETURNING = (_DOCUMENT, _JOURNAL, _JOURNAL, _DOCUMENT, _DOCUMENT)
_NEVER = float("-inf")

T = TypeVar("T")
log = logging.getLogger("visitor-counter")


@dataclass(frozen=True, slots=True)
class _Known:
    """A tally as it was read or written, and the version it has in the store (None: there is no document yet)."""

    tally: Tally
    version: str | None


@dataclass(frozen=True, slots=True)
class _Write:
    """A visit's write: what it goes out from, what it makes of it, the journal entries it folds, and the storage
    requests it accounts for."""

    base: _Known
    tally: Tally
    data: bytes
    entries: Sequence[str]
    requests: int


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
        self._sleep = sleep
        self._jitter = jitter
        self._requests = requests
        self._known: _Known | None = None
        self._shown: Tally | None = None
        self._busy_until = _NEVER
        self._writes_to_listing = 0
        self._look_for_entries = True

    def keep(self, visit: Visit, at: float, deadline: float) -> Tally | None:
        """Counts `visit`, made at `at` (unix seconds), exactly once, and returns the tally to show: the visit is in
        it, the latest visits of others may not be while the document is busy. None when the visit is safe in the
        journal but no document could be read yet.

        Raises Unavailable after five attempts or at the `deadline`: its `unclear` tells whether the visit may be
        counted all the same. Raises DamagedDocument and Misconfigured."""
        failure: StoreError | None = None
        write: _Write | None = None
        doubtful: _Write | None = None
        doubtful_entry = False
        conflicts, place_before = 0, None
        for attempt, planned in enumerate(self._places()):
            # What may still land in one place must not be counted in the other as well.
            place = _JOURNAL if doubtful_entry else _DOCUMENT if doubtful else planned
            if not self._wait(attempt if place == place_before else 0, deadline):
                break
            place_before, sending, write = place, False, None
            try:
                if place == _JOURNAL:
                    sending = True
                    self._append(visit, at, deadline)
                    if conflicts:
                        self._busy_until = self._clock() + 1 + self._jitter()
                    return self._shown
                known = self._known or self._load(deadline)
                if known.tally.has(visit.id):
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
                if sending and isinstance(error, Unavailable) and error.unclear:
                    doubtful_entry = place == _JOURNAL
                    doubtful = None if doubtful_entry else write
                if place == _DOCUMENT or failure is None:
                    failure = error
        if doubtful or doubtful_entry:
            raise Unavailable("The storage did not say whether the visit was kept: it may be counted.", unclear=True)
        raise _final(failure)

    def read(self, deadline: float) -> Tally:
        """The tally as it is stored, and with it the journal's entries where this container has reason to look for
        any. Counts nothing. Raises as `keep` does."""
        return self._persist(self._look, deadline)

    def settle(self, at: float, deadline: float) -> tuple[Tally, int]:
        """Folds the whole journal into the document at `at` (unix seconds); the exact tally, and how many entries
        were waiting. Raises as `keep` does."""
        waiting = 0
        while True:
            tally, found = self._persist(lambda end: self._fold(at, end), deadline)
            waiting += found
            if found < PAGE:
                return tally, waiting

    def _places(self) -> Sequence[str]:
        if self._busy_until == _NEVER:
            return _QUIET
        return _BUSY if self._clock() < self._busy_until else _RETURNING

    def _wait(self, attempt: int, deadline: float) -> bool:
        """Waits with full jitter before a repeated attempt; False when there is no time for another one."""
        pause = self._jitter() * min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)) if attempt else 0.0
        if self._clock() + pause >= deadline:
            return False
        if pause:
            self._sleep(pause)
        return True

    def _persist(self, step: Callable[[float], T], deadline: float) -> T:
        failure: StoreError | None = None
        for attempt in range(ATTEMPTS):
            if not self._wait(attempt, deadline):
                break
            try:
                return step(deadline)
            except (Conflict, Unavailable, Misconfigured) as error:
                failure = error
        raise _final(failure)

    def _look(self, deadline: float) -> Tally:
        self._known = None
        tally = self._load(deadline).tally
        if self._look_for_entries:
            _, visits = self._list(deadline)
            self._look_for_entries = bool(visits)
            tally = tally.fold(visits, self._limits) if visits else tally
        return tally

    def _fold(self, at: float, deadline: float) -> tuple[Tally, int]:
        known = self._load(deadline)
        entries, visits = self._list(deadline)
        if not visits:
            # Entries that were there when the document was read may have been folded by somebody else since.
            return self._load(deadline).tally, 0
        self._send(self._written(known, known.tally.fold(visits, self._limits), at, entries), deadline)
        return self._known.tally if self._known else known.tally, len(entries)

    def _compose(self, visit: Visit, at: float, known: _Known, deadline: float, may_list: bool) -> _Write:
        tally, entries = known.tally, list[str]()
        if may_list and self._writes_to_listing <= 0:
            # Entries are listed after the document was read, and folded only if it is unchanged when written: so
            # none of them can have been folded and forgotten by somebody else in between.
            try:
                entries, visits = self._list(deadline)
            except (Unavailable, Misconfigured) as error:
                log.warning("the journal could not be listed, the visit is counted without: %s", error)
            else:
                tally = tally.fold(visits, self._limits) if visits else tally
                self._writes_to_listing = 1 if len(entries) >= PAGE else LIST_EVERY
        return self._written(known, tally.add(visit, at, self._limits), at, entries)

    def _written(self, base: _Known, tally: Tally, at: float, entries: Sequence[str]) -> _Write:
        requests = self._requests + 1
        tally = tally.with_requests(time.strftime("%Y-%m", time.gmtime(at)), requests)
        return _Write(base, tally, tally.encode(), entries, requests)

    def _send(self, write: _Write, deadline: float) -> None:
        self._known = None
        timeout = self._spend(deadline)
        try:
            version = self._documents.write(write.data, write.base.version, timeout)
        except StoreError:
            if write.entries:
                self._writes_to_listing = 0
            raise
        self._requests -= write.requests
        self._known = _Known(write.tally, version)
        self._shown = write.tally
        self._busy_until = _NEVER
        self._writes_to_listing -= 1
        if write.tally.unique_is_estimate and not write.base.tally.unique_is_estimate:
            log.info("the list of visitors is full: from now on unique visitors are estimated (0.65 %% error)")
        if write.entries:
            self._remove(write.entries, deadline)

    def _append(self, visit: Visit, at: float, deadline: float) -> None:
        self._documents.append(visit.entry(), self._spend(deadline))
        # Others are writing the document: what was remembered is out of date, and the entry must be looked for.
        self._known = None
        self._writes_to_listing = min(self._writes_to_listing, 1)
        self._look_for_entries = True
        self._shown = self._shown.add(visit, at, self._limits) if self._shown else None

    def _load(self, deadline: float) -> _Known:
        stored = self._documents.read(self._spend(deadline))
        if stored is None:
            self._known = _Known(Tally.empty(), None)
        else:
            data, version = stored
            del stored
            try:
                self._known = _Known(Tally.decode(data, self._limits), version)
            except NotACounter as error:
                log.error(
                    "the counter document is damaged: %s. It was not touched and nothing is counted. Repair it, put "
                    "back an earlier copy, or, to start over, delete it.",
                    error,
                )
                raise DamagedDocument(f"The counter's document is damaged ({error}). It was not touched.") from error
        self._shown = self._known.tally
        return self._known

    def _list(self, deadline: float) -> tuple[list[str], list[Visit]]:
        """The journal's entries: their names, and the visits in those that hold one."""
        visits = {entry: Visit.of_entry(entry) for entry in self._documents.entries(self._spend(deadline))}
        kept = {entry: visit for entry, visit in visits.items() if visit is not None}
        if len(kept) < len(visits):
            log.warning("%d entries of the journal are not the counter's and were left alone", len(visits) - len(kept))
        return list(kept), list(kept.values())

    def _remove(self, entries: Sequence[str], deadline: float) -> None:
        # They are in the document by now, and known there as folded: removing them later is as good.
        try:
            self._documents.remove(entries, self._spend(deadline))
        except StoreError as error:
            self._writes_to_listing = 0
            log.warning("folded journal entries could not be removed yet: %s", error)

    def _spend(self, deadline: float) -> float:
        """Counts one storage request and returns the seconds it may take."""
        left = deadline - self._clock()
        if left <= 0:
            raise Unavailable("There was no time left to reach the storage.", unclear=False)
        self._requests += 1
        return min(REQUEST_SECONDS, left)


def _final(failure: StoreError | None) -> StoreError:
    if failure is None:
        return Unavailable("There was no time left to reach the storage.", unclear=False)
    if isinstance(failure, Conflict):
        return Unavailable("Too many visits came at the same moment.", unclear=False)
    return failure
