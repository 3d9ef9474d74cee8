"""The document in the store as one container knows it: snapshots that were read or written, and commits over them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from counter.document import NotACounter
from counter.journal import Listing
from counter.store import CorruptDocument, Metered, Unavailable
from counter.tally import Limits, Tally

log = logging.getLogger("visitor-counter")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tally as it was read or written, its version in the store (None: there is no document yet), its size in bytes,
    and whether the store has its visitors as a sketch."""

    tally: Tally
    version: str | None
    size: int = 0
    has_sketch: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """One conditional write: the snapshot it is based on, the new tally, the storage requests counted in it, and the
    listing of the journal that was folded, if any."""

    base: Snapshot
    tally: Tally
    data: bytes
    requests: int
    listing: Listing | None
    visit_id: str | None

    def is_over(self, snapshot: Snapshot) -> bool:
        """Whether this write certainly did not and will not happen, given a newer snapshot without it: its base version
        never comes back, and had it happened, `recent` would still show it."""
        return snapshot.version != self.base.version and snapshot.tally.remembers(self.base.tally)


class Versions:
    """Reads and writes the document of `store`. `latest` is the snapshot this container remembers, if any;
    `went_back` whether the last one read has fewer page views than the one before: the owner restored a copy."""

    def __init__(self, store: Metered, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self._unsettled: Commit | None = None
        self._pageviews = 0
        self.latest: Snapshot | None = None
        self.went_back = False

    def load(self) -> Snapshot:
        """Read the document. Raises CorruptDocument."""
        self.latest = None
        stored = self._store.read()
        snapshot = Snapshot(Tally.empty(), None)
        if stored:
            snapshot = Snapshot(self._decode(stored[0]), stored[1], len(stored[0]), b'"sketch"' in stored[0])
        self._settle_requests(snapshot)
        self.went_back = snapshot.tally.pageviews < self._pageviews
        self.latest, self._pageviews = snapshot, snapshot.tally.pageviews
        return snapshot

    def write(self, commit: Commit) -> str:
        """Write the document and return its new version. Raises Conflict."""
        self.latest = None
        try:
            version = self._store.write(commit.data, commit.base.version)
        except Unavailable as error:
            if error.in_doubt:
                self._unsettled = commit
            raise
        self._store.requests -= commit.requests
        self._unsettled = None
        if commit.tally.unique_is_estimate and not commit.base.has_sketch:
            log.info("the list of visitors is full: from now on unique visitors are estimated (0.65 % error)")
        self.latest = Snapshot(commit.tally, version, len(commit.data), commit.tally.unique_is_estimate)
        self._pageviews = commit.tally.pageviews
        return version

    def _decode(self, data: bytes) -> Tally:
        try:
            return Tally.decode(data, self._limits)
        except NotACounter as error:
            log.error(
                "the counter document is corrupt: %s. It was not touched and nothing is counted. Repair it, restore "
                "an earlier copy, or, to start over, delete it.",
                error,
            )
            raise CorruptDocument(f"The counter's document is damaged ({error}). It was not touched.") from error

    def _settle_requests(self, snapshot: Snapshot) -> None:
        """If a write in doubt was executed after all, do not count its storage requests again."""
        commit = self._unsettled
        if commit and snapshot.version != commit.base.version:
            if commit.visit_id and snapshot.tally.has(commit.visit_id):
                self._store.requests -= commit.requests
            self._unsettled = None
