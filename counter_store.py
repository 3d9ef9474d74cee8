"""Keeps the tally: conditional writes, five attempts, and the journal for when the document is busy.

Every visit has an id, and the document remembers the ids of the last visits. That makes a repeated write safe: where
a write is in doubt, the document is read again and tells whether the visit is in it. The reasoning is in
docs/decisions/0002-visit-ids.md and 0003-journal.md.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from counter.backoff import MAX_ATTEMPTS, Backoff, given_up
from counter.contention import QUIET_SECONDS, ContentionPolicy
from counter.document import NotACounter
from counter.journal import Journal, Listing
from counter.store import Conflict, CorruptDocument, Documents, Metered, Misconfigured, StoreError, Unavailable
from counter.tally import Limits, Tally, Visit

log = logging.getLogger("visitor-counter")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tally as it was read or written, its version in the store (None: there is no document yet), and its bytes."""

    tally: Tally
    version: str | None
    size: int = 0
    has_sketch: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """One conditional write: what it goes out from, what it makes of it, the storage requests it accounts for, and the
    journal as it was listed for it, if it was."""

    base: Snapshot
    tally: Tally
    data: bytes
    requests: int
    listing: Listing | None
    visit_id: str | None

    def is_over(self, snapshot: Snapshot) -> bool:
        """Whether it is certain, from a document that shows no trace of it, that it neither landed nor ever will: the
        version it went out from never comes back, and had it landed, `recent` would still show it."""
        return snapshot.version != self.base.version and snapshot.tally.remembers(self.base.tally)


@dataclass(slots=True)
class _Attempts:
    """One visit on its way: what was met so far, and where it may still land."""

    visit: Visit
    at: float
    began: float
    conflicts: int = 0
    races: int = 0
    has_read: bool = False
    commit_in_doubt: Commit | None = None
    entry_in_doubt: bool = False
    refusals: int = 0
    failure: StoreError | None = None


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
        self._limits = limits
        self._clock = clock
        self._store = Metered(documents, clock, requests)
        self._journal = Journal(self._store, clock)
        self._contention = ContentionPolicy(clock, jitter)
        self._backoff = Backoff(clock, sleep, jitter)
        self._snapshot: Snapshot | None = None
        self._unsettled: Commit | None = None
        self._shown: Tally | None = None
        self._stored = 0

    def keep(self, visit: Visit, at: float, deadline: float) -> Tally:
        """Count `visit`, made at `at` (unix seconds), exactly once, and return the tally to show: the visit is in it,
        the latest visits of others may not be in a crowd.

        Raises Conflict after five attempts that met others, or Unavailable after five attempts or at the `deadline`:
        its `in_doubt` tells whether the visit may be counted all the same. Raises CorruptDocument, Misconfigured."""
        self._store.deadline = deadline
        attempts = _Attempts(visit, at, self._clock())
        for attempt in range(MAX_ATTEMPTS):
            # Who met others for the first time looks at once whether that is a crowd.
            at_once = isinstance(attempts.failure, Conflict) and attempts.conflicts == 1
            if not self._backoff.wait(0 if at_once else attempt, deadline):
                break
            try:
                return self._show(self._attempt(attempts), attempts)
            except Conflict as error:
                attempts.conflicts += 1
                attempts.races += attempts.has_read
                attempts.failure = error
            except (Unavailable, Misconfigured) as error:
                attempts.failure = error
        return self._show(self._resolve(attempts), attempts)

    def read(self, deadline: float) -> Tally:
        """The exact tally: as it is stored, and with the journal's visits where there may be any. Counts nothing.
        Raises as `keep` does."""
        self._store.deadline = deadline
        try:
            return self._show(self._backoff.retry(self._read, deadline))
        except Misconfigured:
            if self._journal.may_list:
                raise
            # What may not be listed holds nothing.
            return self._show(self._backoff.retry(self._load, deadline).tally)

    def settle(self, at: float, deadline: float) -> tuple[Tally, int]:
        """Fold the journal into the document at `at` (unix seconds), as far as the document can remember it; the exact
        tally, and how many visits were waiting. Raises as `keep` does."""
        self._store.deadline = deadline
        waiting = 0
        while True:
            tally, found, folded = self._backoff.retry(lambda: self._fold(at), deadline)
            waiting += folded
            if found == folded or not folded:
                return self._show(tally), waiting + found - folded

    # One attempt to keep a visit.

    def _attempt(self, attempts: _Attempts) -> Tally:
        """The tally with the visit in it, which is kept now. What may still land in one place goes to no other."""
        visit, in_doubt = attempts.visit, attempts.commit_in_doubt
        if attempts.entry_in_doubt or (self._contention.stays_away() and self._may_append(attempts)):
            return self._append(attempts)
        snapshot = self._snapshot or self._load(attempts)
        if snapshot.tally.has(visit.id):
            return snapshot.tally
        if in_doubt and snapshot.version == in_doubt.base.version:
            return self._write(in_doubt, attempts)  # it may still land, and only the same is safe to send
        if in_doubt and not in_doubt.is_over(snapshot):
            raise Unavailable("The storage did not say whether the visit was kept.", in_doubt=True)
        attempts.commit_in_doubt = None
        moment = self._moment(attempts)
        if self._contention.leaves(snapshot.tally, moment, attempts.conflicts) and self._may_append(attempts):
            return self._append(attempts)
        listing = None if attempts.races else self._look(snapshot.tally)
        if listing and listing.holds(visit):  # the same call came before
            return self._with_all(snapshot.tally, listing)
        return self._write(self._compose(snapshot, moment, listing, attempts), attempts)

    def _write(self, commit: Commit, attempts: _Attempts) -> Tally:
        try:
            return self._commit(commit)
        except Unavailable as error:
            if error.in_doubt:
                attempts.commit_in_doubt = commit
            raise

    def _may_append(self, attempts: _Attempts) -> bool:
        return not attempts.commit_in_doubt and attempts.refusals < 2 and self._journal.is_open()

    def _append(self, attempts: _Attempts) -> Tally:
        try:
            self._journal.append(attempts.visit)
        except StoreError as error:
            attempts.entry_in_doubt |= isinstance(error, Unavailable) and error.in_doubt
            attempts.refusals += 1
            raise
        return self._appended(attempts)

    def _appended(self, attempts: _Attempts) -> Tally:
        # Others are writing the document: what was remembered is out of date.
        self._snapshot = None
        self._contention.appended(left=attempts.has_read)
        return self._with(self._shown or Tally.empty(), attempts)

    def _resolve(self, attempts: _Attempts) -> Tally:
        """The tally to show if a visit in doubt was kept after all: a last look where no attempt is left. Raises what
        is to be told of the visit."""
        commit, in_doubt = attempts.commit_in_doubt, bool(attempts.commit_in_doubt or attempts.entry_in_doubt)
        if not in_doubt:
            raise given_up(attempts.failure) from attempts.failure
        with suppress(StoreError):
            if attempts.entry_in_doubt and attempts.visit.entries()[0] in self._journal.names():
                return self._appended(attempts)
            snapshot = self._load()
            if snapshot.tally.has(attempts.visit.id):
                return snapshot.tally
            in_doubt = not (commit and commit.is_over(snapshot))
        if in_doubt:
            raise Unavailable("The storage did not say whether the visit was kept: it may be counted.", in_doubt=True)
        raise Conflict("Too many visits came at the same moment.")

    # Reading the document, and writing it.

    def _load(self, attempts: _Attempts | None = None) -> Snapshot:
        self._snapshot = None
        stored = self._store.read()
        if stored is None:
            snapshot = Snapshot(Tally.empty(), None)
        else:
            data, version = stored
            snapshot = Snapshot(self._decode(data), version, len(data), b'"sketch"' in data)
        if attempts:
            attempts.has_read = True
        self._settle_requests(snapshot)
        if snapshot.tally.pageviews < self._stored:
            self._shown = None  # the owner put back an earlier copy
        self._show(snapshot.tally)
        self._snapshot, self._stored = snapshot, snapshot.tally.pageviews
        return snapshot

    def _decode(self, data: bytes) -> Tally:
        try:
            return Tally.decode(data, self._limits)
        except NotACounter as error:
            log.error(
                "the counter document is corrupt: %s. It was not touched and nothing is counted. Repair it, put back "
                "an earlier copy, or, to start over, delete it.",
                error,
            )
            raise CorruptDocument(f"The counter's document is damaged ({error}). It was not touched.") from error

    def _compose(self, base: Snapshot, at: float, listing: Listing | None, attempts: _Attempts | None) -> Commit:
        """A write at `at` over `base`, of a visit or of none, that folds what can be folded of `listing`."""
        tally, is_folded = base.tally, True
        if listing is not None:
            visits, forgettable = self._journal.foldable(tally, base.size, listing)
            if visits or forgettable:
                tally = tally.fold(visits, self._limits, at, forgettable)
            is_folded = not listing.unknown_to(tally)
        if attempts:
            tally = self._with(tally, attempts)
        requests = self._store.requests + 1
        is_close = bool(attempts and attempts.races) or self._contention.is_close(base.tally, base.version, at)
        crowd_at = at if is_close else base.tally.crowd_at
        if crowd_at is not None and listing is not None and is_folded and abs(at - crowd_at) >= QUIET_SECONDS:
            crowd_at = None
        tally = tally.with_requests(time.strftime("%Y-%m", time.gmtime(at)), requests).stamped(at, crowd_at)
        return Commit(base, tally, tally.encode(), requests, listing, attempts.visit.id if attempts else None)

    def _commit(self, commit: Commit) -> Tally:
        """The tally to show once the document is written."""
        self._snapshot = None
        try:
            version = self._store.write(commit.data, commit.base.version)
        except Unavailable as error:
            if error.in_doubt:
                self._unsettled = commit
            raise
        self._store.requests -= commit.requests
        self._unsettled = None
        self._snapshot = Snapshot(commit.tally, version, len(commit.data), commit.tally.unique_is_estimate)
        self._stored = commit.tally.pageviews
        self._contention.wrote(version)
        if commit.tally.unique_is_estimate and not commit.base.has_sketch:
            log.info("the list of visitors is full: from now on unique visitors are estimated (0.65 % error)")
        if commit.listing is None:
            return commit.tally
        if leftover := commit.listing.folded_in(commit.tally):
            self._journal.remove(leftover)
        return self._with_all(commit.tally, commit.listing)

    def _settle_requests(self, snapshot: Snapshot) -> None:
        """Take a write in doubt that landed after all for what it is: its requests are in the document."""
        commit = self._unsettled
        if commit and snapshot.version != commit.base.version:
            if commit.visit_id and snapshot.tally.has(commit.visit_id):
                self._store.requests -= commit.requests
            self._unsettled = None

    # The journal.

    def _look(self, tally: Tally) -> Listing | None:
        """The journal, where a visit that is to be written over `tally` should look into it: after the document was
        read, so that an entry in it cannot have been folded and forgotten in between."""
        if not self._contention.should_look(tally):
            return None
        try:
            listing = self._journal.listing()
        except (Unavailable, Misconfigured) as error:
            self._contention.looked(0)
            log.warning("the journal could not be listed, the visit is counted without: %s", error)
            return None
        self._contention.looked(len(listing.visits))
        return listing

    def _read(self) -> Tally:
        # The journal before the document: an entry that somebody folds in between is then known there.
        listing = self._journal.listing() if self._contention.expects_entries else None
        tally = self._load().tally
        if listing is None and tally.crowd_at is not None:
            listing = self._journal.listing()
            tally = self._load().tally
        if listing is None:
            return tally
        self._contention.expects_entries = bool(listing.visits)
        return self._with_all(tally, listing)

    def _fold(self, at: float) -> tuple[Tally, int, int]:
        """The exact tally, how many visits were waiting, and how many of them are folded now."""
        base = self._load()
        listing = self._journal.listing()
        waiting = len(listing.unknown_to(base.tally))
        commit = self._compose(base, at, listing, None)
        left = len(listing.unknown_to(commit.tally))
        if left < waiting:
            return self._commit(commit), waiting, waiting - left
        if leftover := listing.folded_in(base.tally):
            self._journal.remove(leftover)
        # Entries that were there when the document was read may have been folded by somebody else since.
        return self._with_all(self._load().tally, listing), waiting, 0

    # What is shown.

    def _show(self, tally: Tally, attempts: _Attempts | None = None) -> Tally:
        """`tally`, or, where this container showed more before, that with the visit in it."""
        if self._shown and tally.pageviews < self._shown.pageviews:
            tally = self._with(self._shown, attempts) if attempts else self._shown
        self._shown = tally
        return tally

    def _with(self, tally: Tally, attempts: _Attempts) -> Tally:
        return tally if tally.has(attempts.visit.id) else tally.add(attempts.visit, attempts.at, self._limits)

    def _with_all(self, tally: Tally, listing: Listing) -> Tally:
        return tally.fold(listing.visits.values(), self._limits) if listing.visits else tally

    def _moment(self, attempts: _Attempts) -> float:
        """Now in unix seconds, as the visit's caller would tell."""
        return attempts.at + self._clock() - attempts.began
