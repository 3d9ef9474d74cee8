"""A store with every kind of fault, in virtual time, which checks each write: the place of the random runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest.mock import patch

from bench.simulation import World
from counter.store import Conflict, Misconfigured, Unavailable
from counter.tally import Visit
from local.memory import MemoryDocuments

T = TypeVar("T")
LATE_SECONDS = 60.0
HOUR = 3600.0


@dataclass(frozen=True)
class Profile:
    """The probability of each fault for one request. `off` is how many days a container's clock may be wrong, `outages`
    how often all requests fail for a while, `again` how likely the platform is to deliver a call twice."""

    refused: float = 0.0
    lost: float = 0.0
    late: float = 0.0
    twice: float = 0.0
    flaky: float = 0.0
    crash: float = 0.0
    freeze: float = 0.0
    remove: float = 0.0
    outages: int = 0
    only_appends: bool = False
    may_remove: bool = True
    off: int = 0
    again: float = 0.0

    @property
    def is_calm(self) -> bool:
        """Whether there are no faults at all."""
        return self == Profile()


PROFILES = {
    "a calm crowd": Profile(),
    "answers lost": Profile(lost=0.15),
    "requests refused": Profile(refused=0.1, flaky=0.05, lost=0.02),
    "late and twice": Profile(late=0.05, twice=0.1, lost=0.05),
    "removals fail": Profile(remove=0.5, lost=0.05, twice=0.03),
    "nothing may be removed": Profile(may_remove=False, lost=0.05),
    "outages": Profile(outages=3, lost=0.02, late=0.02),
    "only appends pass": Profile(outages=3, only_appends=True, lost=0.02),
    "crashes": Profile(crash=0.02, lost=0.05, late=0.02),
    "freezes": Profile(freeze=0.002, late=0.03, twice=0.03, lost=0.03),
    "clocks off": Profile(off=5, lost=0.05, late=0.02, twice=0.02),
    "delivered again": Profile(again=0.1, lost=0.03),
    "everything": Profile(0.03, 0.03, 0.02, 0.02, 0.02, 0.01, 0.0005, 0.1, 1, off=2),
}


@dataclass(frozen=True)
class Scale:
    """The constants of one run: entries in a page of a listing, and how many ids `recent` and `folded` hold."""

    page: int
    recent: int
    folded: int

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the counter these constants."""
        with ExitStack() as stack:
            for name in ("store", "journal", "contention"):
                stack.enter_context(patch(f"counter.{name}.PAGE", self.page))
            stack.enter_context(patch("counter.tally.RECENT", self.recent))
            stack.enter_context(patch("counter.journal.MIN_FOLDED", self.folded))
            stack.enter_context(patch("counter.journal.DOCUMENT_BYTES", 0))
            yield


class Killed(BaseException):
    """The container was killed during a request."""


class Ledger(MemoryDocuments):
    """A store that checks every write: which visits it adds, and that each is counted once.
    `names_ids` are the ids of entries that only name a visit's page."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: Counter[str] = Counter()
        self.violations: list[str] = []
        self.names_ids: set[str] = set()
        self._before: dict[str, Any] = {"pageviews": 0}

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Replace the document, and check the new one."""
        new = super().write(data, version, timeout)
        before, after = self._before, json.loads(data)
        known = {*before.get("recent", ()), *before.get("folded", ())}
        known |= self.names_ids
        added = [one for one in {*after.get("recent", ())[-1:], *after.get("folded", ())} if one not in known]
        for one in added:
            self.applied[one] += 1
            if self.applied[one] > 1:
                self.violations.append(f"visit {one} is counted twice")
        if after["pageviews"] - before["pageviews"] != len(added):
            self.violations.append(f"{after['pageviews'] - before['pageviews']} page views for {len(added)} visits")
        self._before = after
        return new

    def all_visits(self) -> set[str]:
        """Return the ids of all visits in the document and in the journal."""
        waiting = (Visit.of_entry(name) for name in self.journal)
        return {*self.applied, *(visit.id for visit in waiting if visit and visit.is_view)}


class FaultyDocuments:
    """One container's access to the shared store, with faults. A request takes about `seconds`."""

    def __init__(
        self, world: World, ledger: Ledger, profile: Profile, seconds: float, outages: Sequence[float]
    ) -> None:
        self._world = world
        self._ledger = ledger
        self._profile = profile
        self._seconds = seconds
        self._outages = outages
        self.is_over = False
        self.requests: Counter[str] = Counter()

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        """Read, unless a fault prevents it."""
        return self._ask("read", timeout, lambda: self._ledger.read(timeout))

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Write, unless a fault prevents it."""
        return self._ask("write", timeout, lambda: self._ledger.write(data, version, timeout))

    def append(self, entry: str, timeout: float) -> None:
        """Append, unless a fault prevents it."""
        self._ask("append", timeout, lambda: self._ledger.append(entry, timeout))

    def entries(self, timeout: float) -> list[str]:
        """List, unless a fault prevents it."""
        return self._ask("entries", timeout, lambda: self._ledger.entries(timeout))

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        """Remove all or some, unless a fault prevents it."""
        if not self._profile.may_remove:
            self._ask("remove", timeout, lambda: None)
            raise Misconfigured("Removing is not allowed.")
        some = [entry for entry in entries if not self._happens(self._profile.remove)]
        self._ask("remove", timeout, lambda: self._ledger.remove(some, timeout))
        if len(some) < len(entries):
            raise Unavailable("Some are left.", in_doubt=True)

    def _happens(self, chance: float) -> bool:
        return not self.is_over and self._world.random.random() < chance

    def _ask(self, kind: str, timeout: float, act: Callable[[], T]) -> T:
        self.requests[kind] += 1
        takes = self._seconds * (0.5 + self._world.random.random())
        self._refuse(kind, timeout, takes)
        if kind not in ("read", "entries"):
            self._delay(act, timeout - takes / 2)
        answer = act()
        if self._happens(self._profile.freeze):
            self._world.sleep(HOUR)
        if self._happens(self._profile.crash / 2):
            raise Killed
        if self._happens(self._profile.lost):
            self._world.sleep(self._world.random.choice((takes / 2, timeout - takes / 2)))
            raise Unavailable("The answer is lost.", in_doubt=True)
        self._world.sleep(takes / 2)
        return answer

    def _refuse(self, kind: str, timeout: float, takes: float) -> None:
        """Inject the faults that happen before the store acts."""
        chance = self._world.random
        if self._is_out(kind):
            self._world.sleep(min(timeout, chance.choice((takes, timeout))))
            raise Unavailable("An outage.", in_doubt=chance.random() < 0.5)
        if takes > timeout:
            self._world.sleep(timeout)
            raise Unavailable("Too slow.", in_doubt=True)
        self._world.sleep(takes / 2)
        if self._happens(self._profile.crash / 2):
            raise Killed
        if self._happens(self._profile.refused):
            raise Unavailable("Refused.", in_doubt=False)
        if self._happens(self._profile.flaky):
            raise Misconfigured("No such bucket, this time.")

    def _delay(self, act: Callable[[], object], left: float) -> None:
        """Make a request take effect later: instead of now, or a second time."""
        if self._happens(self._profile.late):
            self._later(act)
            self._world.sleep(left)
            raise Unavailable("No answer.", in_doubt=True)
        if self._happens(self._profile.twice):
            self._later(act)

    def _is_out(self, kind: str) -> bool:
        passes = self._profile.only_appends and kind in ("append", "entries", "read")
        return not passes and any(0 <= self._world.now - start < 40 for start in self._outages)

    def _later(self, act: Callable[[], object]) -> None:
        def land() -> None:
            with suppress(Conflict):
                act()

        self._world.start(land, self._world.random.random() * LATE_SECONDS)
