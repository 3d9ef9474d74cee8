"""Stores the tally: conditional writes, up to five attempts, and a journal for when the document is busy.

Every visit has an id, and the document remembers the ids of the last visits. That makes it safe to repeat a write: if
its outcome is in doubt, the document is read again, and shows whether the visit is in it. The reasoning is in
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
from counter.journal import Journal, Listing
from counter.store import Conflict, Documents, Metered, Misconfigured, StoreError, Unavailable
from counter.tally import Limits, Tally, Visit
from counter.versions import Commit, Snapshot, Versions

log = logging.getLogger("visitor-counter")


@dataclass(slots=True)
class _Attempts:
    """The state of one visit, made at `at` in unix seconds: the failures so far, and which requests of it are in doubt.
    It `began` at this moment of the container's clock."""

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
    """The counter of one container. It handles one call at a time, like a function's container.

    `clock` returns monotonic seconds, in which deadlines are given; `jitter` a number from 0 to 1; `requests` are
    storage requests made before the first visit, which are counted as well."""

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
        self._versions = Versions(self._store, limits)
        self._journal = Journal(self._store, clock)
        self._contention = ContentionPolicy(clock, jitter)
        self._backoff = Backoff(clock, sleep, jitter)
        self._shown: Tally | None = None

    def keep(self, visit: Visit, at: float, deadline: float) -> Tally:
        """Count `visit`, made at `at` (unix seconds), exactly once, and return the tally to show. It includes the
        visit, but in a crowd it may miss the latest visits of others.

        Raises Conflict if all five attempts met a conflict, and Unavailable after five attempts or at the `deadline`,
        with `in_doubt` if the visit may have been counted nevertheless. Raises CorruptDocument and Misconfigured.
        """
        self._store.deadline = deadline
        attempts = _Attempts(visit, at, self._clock())
        for attempt in range(MAX_ATTEMPTS):
            # After the first conflict there is no wait: the next read shows whether there is a crowd.
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
        """The exact tally: the document, plus the journal's visits if there may be any. Counts nothing. Raises the same
        errors as `keep`."""
        self._store.deadline = deadline
        try:
            return self._show(self._backoff.retry(self._read, deadline))
        except Misconfigured:
            if self._journal.may_list is not False:
                raise
            # Without the right to list, nothing was ever appended.
            return self._show(self._backoff.retry(self._load, deadline).tally)

    def warnings(self, deadline: float) -> tuple[str, ...]:
        """What the storage refuses that a crowd needs, for /health; it is tried out once by a container that has not
        needed it yet."""
        self._store.deadline = deadline
        with suppress(Unavailable):
            if not self._journal.is_open():
                return ("The counter may not list and remove entries: in a crowd more visits are told to try again.",)
        return ()

    def settle(self, at: float, deadline: float) -> tuple[Tally, int]:
        """Fold the journal into the document at `at` (unix seconds), up to the number of ids that the document can
        remember. Return the exact tally, and how many visits were waiting. Raises the same errors as `keep`."""
        self._store.deadline = deadline
        waiting = 0
        while True:
            tally, found, folded = self._backoff.retry(lambda: self._fold(at), deadline)
            waiting += folded
            if found == folded or not folded:
                return self._show(tally), waiting + found - folded

    def _attempt(self, attempts: _Attempts) -> Tally:
        """Store the visit and return the tally with it. A visit that is in doubt in one place is never sent to
        another."""
        visit, in_doubt = attempts.visit, attempts.commit_in_doubt
        if attempts.entry_in_doubt or (self._contention.stays_away() and self._may_append(attempts)):
            return self._append(attempts)
        snapshot = self._versions.latest or self._load(attempts)
        if snapshot.tally.has(visit.id):
            return snapshot.tally
        if in_doubt and snapshot.version == in_doubt.base.version:
            return self._commit(in_doubt, attempts)  # it may still be executed, so only the same write is safe
        if in_doubt and not in_doubt.is_over(snapshot):
            raise Unavailable("The storage did not say whether the visit was kept.", in_doubt=True)
        attempts.commit_in_doubt = None
        moment = attempts.at + self._clock() - attempts.began
        if self._contention.leaves(
            snapshot.tally, moment, attempts.conflicts, self._store.round_trip
        ) and self._may_append(attempts):
            return self._append(attempts)
        listing = None if attempts.races else self._look(snapshot.tally)
        if listing and listing.holds(visit):  # the platform repeated the call
            return snapshot.tally.fold(listing.visits.values(), self._limits)
        return self._commit(self._compose(snapshot, moment, listing, attempts), attempts)

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
        # Others are writing the document, so the remembered snapshot is out of date.
        self._versions.latest = None
        self._contention.appended(left=attempts.has_read)
        return self._with(self._shown or Tally.empty(), attempts)

    def _resolve(self, attempts: _Attempts) -> Tally:
        """After the last attempt, check whether a visit in doubt was stored after all, and return the tally to show.
        Raises the error to report otherwise."""
        commit, in_doubt = attempts.commit_in_doubt, bool(attempts.commit_in_doubt or attempts.entry_in_doubt)
        if not in_doubt:
            raise given_up(attempts.failure) from attempts.failure
        with suppress(StoreError):
            if attempts.entry_in_doubt and self._journal.listing().holds(attempts.visit):
                return self._appended(attempts)
            snapshot = self._load()
            if snapshot.tally.has(attempts.visit.id):
                return snapshot.tally
            in_doubt = not (commit and commit.is_over(snapshot))
        if in_doubt:
            raise Unavailable("The storage did not say whether the visit was kept: it may be counted.", in_doubt=True)
        raise Conflict("Too many visits came at the same moment.")

    def _load(self, attempts: _Attempts | None = None) -> Snapshot:
        snapshot = self._versions.load()
        if attempts:
            attempts.has_read = True
        if self._versions.went_back:
            self._shown = None
        self._show(snapshot.tally)
        return snapshot

    def _compose(self, base: Snapshot, at: float, listing: Listing | None, attempts: _Attempts | None) -> Commit:
        """A write at `at` based on `base` that folds what it can of `listing`, and adds a visit if there is one."""
        tally, is_folded = base.tally, True
        if listing is not None:
            visits, forgettable = self._journal.foldable(tally, base.size, listing)
            tally = tally.fold(visits, self._limits, at, forgettable)
            is_folded = not listing.unknown_to(tally)
        if attempts:
            tally = self._with(tally, attempts)
        requests = self._store.requests + 1
        is_close = bool(attempts and attempts.races) or self._contention.is_close(
            base.tally, base.version, at, self._store.round_trip
        )
        crowd_at = at if is_close else base.tally.crowd_at
        if crowd_at is not None and listing is not None and is_folded and abs(at - crowd_at) >= QUIET_SECONDS:
            crowd_at = None
        tally = tally.with_requests(time.strftime("%Y-%m", time.gmtime(at)), requests).stamped(at, crowd_at)
        return Commit(base, tally, tally.encode(), requests, listing, attempts.visit.id if attempts else None)

    def _commit(self, commit: Commit, attempts: _Attempts | None = None) -> Tally:
        """Write the document and return the tally to show."""
        try:
            self._contention.wrote(self._versions.write(commit))
        except Unavailable as error:
            if attempts and error.in_doubt:
                attempts.commit_in_doubt = commit
            raise
        if commit.listing is None:
            return commit.tally
        self._journal.sweep(commit.listing, commit.tally)
        return commit.tally.fold(commit.listing.visits.values(), self._limits)

    def _look(self, tally: Tally) -> Listing | None:
        """The journal, if a visit based on `tally` should list it, else None. It is listed after the document was read,
        so that no entry can have been folded and forgotten in between."""
        if not self._contention.should_look(tally):
            return None
        try:
            listing = self._journal.listing()
        except (Unavailable, Misconfigured) as error:
            self._contention.looked(0)
            log.warning("the journal could not be listed, the visit is counted without it: %s", error)
            return None
        self._contention.looked(len(listing.visits))
        return listing

    def _read(self) -> Tally:
        # The journal is listed before the document is read: the document then knows entries folded in between.
        listing = self._journal.listing() if self._contention.expects_entries else None
        tally = self._load().tally
        if listing is None and tally.crowd_at is not None:
            listing = self._journal.listing()
            tally = self._load().tally
        if listing is None:
            return tally
        self._contention.expects_entries = bool(listing.visits)
        return tally.fold(listing.visits.values(), self._limits)

    def _fold(self, at: float) -> tuple[Tally, int, int]:
        """Fold once. Return the exact tally, how many visits were waiting, and how many of them were folded."""
        base = self._load()
        listing = self._journal.listing()
        waiting = len(listing.unknown_to(base.tally))
        commit = self._compose(base, at, listing, None)
        left = len(listing.unknown_to(commit.tally))
        if left < waiting:
            return self._commit(commit), waiting, waiting - left
        self._journal.sweep(listing, base.tally)
        # Another container may have folded some of these entries since the document was read.
        return self._load().tally.fold(listing.visits.values(), self._limits), waiting, 0

    def _show(self, tally: Tally, attempts: _Attempts | None = None) -> Tally:
        """`tally`, or, if this container has shown a larger one, that one with the visit added."""
        if self._shown and tally.pageviews < self._shown.pageviews:
            tally = self._with(self._shown, attempts) if attempts else self._shown
        self._shown = tally
        return tally

    def _with(self, tally: Tally, attempts: _Attempts) -> Tally:
        return tally if tally.has(attempts.visit.id) else tally.add(attempts.visit, attempts.at, self._limits)
