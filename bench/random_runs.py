"""Random runs of many containers in virtual time, with every kind of fault and every visit followed by its id.

`python -m bench.random_runs` makes thousands of them. Their constants are scaled down (a page of a few entries, a
memory of a few ids), since bugs depend on their ratios. The same seed gives the same run.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar
from unittest.mock import patch

from bench.simulation import World
from counter.store import Conflict, Misconfigured, StoreError, Unavailable
from counter.tally import Limits, Tally, Visit
from counter_store import CounterStore
from local.memory import MemoryDocuments

T = TypeVar("T")
START = 1_800_000_000.0
LIMITS = Limits(seen=4)
CALL_SECONDS = 28.0
LATE_SECONDS = 60.0
HOUR = 3600.0
DAY = 86_400.0


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
    """A store that checks every write: which visits it adds, and that each is counted once."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: Counter[str] = Counter()
        self.violations: list[str] = []
        self._before: dict[str, Any] = {"pageviews": 0}

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Replace the document, and check the new one."""
        new = super().write(data, version, timeout)
        before, after = self._before, json.loads(data)
        known = {*before.get("recent", ()), *before.get("folded", ())}
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
        return {*self.applied, *(visit.id for name in self.journal if (visit := Visit.of_entry(name)))}


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


@dataclass
class Outcome:
    """The result of a run. `violations` is empty if every promise was kept."""

    containers: int = 0
    visits: int = 0
    acknowledged: int = 0
    in_doubt: int = 0
    behind: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Add another run."""
        for name in ("containers", "visits", "acknowledged", "in_doubt", "behind"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.requests += other.requests
        self.violations += other.violations


class RandomRun:
    """One random run of `profile`, determined by `seed`."""

    def __init__(self, profile: Profile, seed: int, scale: Scale | None = None) -> None:
        self.world = World(seed)
        chance = self.world.random
        self.profile = profile
        self.ledger = Ledger()
        self.scale = scale or Scale(
            page=chance.choice((6, 10, 20)),
            # A call that is delivered again is only recognized while `recent` still has its id.
            recent=256 if profile.again else chance.randint(5, 30),
            folded=chance.choice((10, 30, 100, 1000)),
        )
        self._seconds = chance.choice((0.005, 0.02, 0.1))
        self._outages = [chance.uniform(0, 60) for _ in range(profile.outages)]
        self._ids = count()
        self._days: dict[str, str] = {}
        self._kept: set[str] = set()
        self._doubtful: set[str] = set()
        self._connections: list[FaultyDocuments] = []
        self._stores: list[CounterStore] = []
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Run all containers, wait for the requests that land late, and check the result."""
        chance = self.world.random
        with self.scale.applied():
            containers = chance.choice((2, 3, 4, 8, 16, 16, 32, 64))
            self.outcome.containers = containers
            for _ in range(containers):
                self.world.start(self._container, chance.choice((0.0, 0.0, chance.uniform(0, 30))))
            self.world.run()
            self._conclude()
        return self.outcome

    def _open(self) -> CounterStore:
        connection = FaultyDocuments(self.world, self.ledger, self.profile, self._seconds, self._outages)
        self._connections.append(connection)
        store = CounterStore(
            connection, LIMITS, clock=self.world.clock, sleep=self.world.sleep, jitter=self.world.random.random
        )
        self._stores.append(store)
        return store

    def _container(self) -> None:
        """Run one container: visits in bursts, sometimes a read or a settle, and a new container after a crash."""
        chance, store, shown = self.world.random, self._open(), 0
        off = chance.randint(-self.profile.off, self.profile.off) * DAY
        for _ in range(chance.randint(1, 1 + 150 // self.outcome.containers)):
            self.world.sleep(chance.choice((0.0, 0.0, 0.0, 0.05, 0.5, 3.0, chance.uniform(0, 20))))
            work = chance.choices((self._visit, self._read, self._settle), (20, 2, 1))[0]
            try:
                number = work(store, START + self.world.now + off)
            except Killed:
                store, shown = self._open(), 0
                continue
            if number is not None:
                if number < shown:
                    self._wrong(f"a container shows {number} after {shown}")
                shown = number

    def _visit(self, store: CounterStore, at: float, visit: Visit | None = None) -> int | None:
        if visit is None:
            visit = Visit(f"v{next(self._ids)}", str(datetime.fromtimestamp(at, UTC).date()), "a" * 64)
            self.outcome.visits += 1
        self._days[visit.id] = visit.day
        was_doubtful, began = visit.id in self._doubtful, self.world.now
        self._doubtful.add(visit.id)
        try:
            shown = store.keep(visit, at, began + CALL_SECONDS).pageviews
        except StoreError as error:
            if not getattr(error, "in_doubt", False) and not was_doubtful:
                self._doubtful.discard(visit.id)
            return None
        finally:
            self._on_time(began)
        self._kept.add(visit.id)
        if shown > len(self._kept | self._doubtful):
            self._wrong(f"{shown} shown of {len(self._kept | self._doubtful)}")
        if self.profile.again and self.world.random.random() < self.profile.again:
            other = self.world.random.choice(self._stores)
            other = self._open() if other is store else other
            made = visit
            self.world.start(lambda: self._again(made, at), self.world.random.random() * 2)
        return shown

    def _again(self, visit: Visit, at: float) -> None:
        """Deliver a call again, in a new container, as a platform does that took it for lost."""
        self._visit(self._open(), at, visit)

    def _read(self, store: CounterStore, at: float) -> int | None:
        began, kept = self.world.now, len(self._kept)
        try:
            return self._exact(store.read(began + CALL_SECONDS).pageviews, kept, "read")
        except StoreError:
            return None
        finally:
            self._on_time(began)

    def _settle(self, store: CounterStore, at: float) -> int | None:
        began, kept = self.world.now, len(self._kept)
        try:
            return self._exact(store.settle(at, began + CALL_SECONDS)[0].pageviews, kept, "settle")
        except StoreError:
            return None
        finally:
            self._on_time(began)

    def _exact(self, shown: int, kept: int, how: str) -> int:
        if shown < kept:
            self.outcome.behind += 1
            if how == "settle":
                self._wrong(f"settling shows {shown} of {kept}")
        if shown > len(self._kept | self._doubtful):
            self._wrong(f"{how} shows {shown} of {len(self._kept | self._doubtful)}")
        return shown

    def _on_time(self, began: float) -> None:
        took = self.world.now - began
        if took > CALL_SECONDS + 0.001 and took < HOUR:
            self._wrong(f"a call took {took:.1f} s")

    def _conclude(self) -> None:
        """Check the result once nothing changes any more: what every container shows, and what the document has."""
        outcome, world = self.outcome, self.world
        for connection in self._connections:
            connection.is_over = True
        self._outages = []
        truth = len(self.ledger.all_visits())
        if self.profile.is_calm:
            self._all_show(truth)
        world.start(lambda: self._finish(truth))
        world.run()
        counted, kept = set(self.ledger.applied), self._kept
        if missing := kept - counted:
            self._wrong(f"acknowledged, but not counted: {sorted(missing)}")
        if extra := counted - kept - self._doubtful - {"last"}:
            self._wrong(f"counted, but refused: {sorted(extra)}")
        days = Counter(self._days[one] for one in counted if one in self._days)
        document = self.ledger.document
        stored = Tally.decode(document[0], LIMITS) if document else Tally.empty()
        if {day: sums["pageviews"] for day, sums in stored.days.items()} != days:
            self._wrong("visits are counted on the wrong days")
        outcome.acknowledged, outcome.in_doubt = len(kept), len(self._doubtful - kept)
        for connection in self._connections:
            outcome.requests += connection.requests
        outcome.violations += self.ledger.violations

    def _all_show(self, truth: int) -> None:
        """Check that two seconds after the crowd's last answer every container is exact, a new one included."""

        def look(store: CounterStore) -> None:
            shown = store.read(self.world.now + CALL_SECONDS).pageviews
            if shown != truth:
                self._wrong(f"a container shows {shown} of {truth} two seconds after the crowd")

        for store in (*self._stores, self._open()):
            self.world.start(lambda store=store: look(store), 2.0)  # type: ignore[misc]
        self.world.run()

    def _finish(self, truth: int) -> None:
        store, world = self._open(), self.world
        self._connections[-1].is_over = True
        for _ in range(1000):
            tally, _waiting = store.settle(START + world.now, world.now + CALL_SECONDS)
            if tally.pageviews != truth:
                self._wrong(f"settling shows {tally.pageviews} of {truth} at the end")
            if not self.ledger.journal or not self.profile.may_remove:
                break
            world.sleep(110.0)
        else:
            self._wrong("the journal never becomes empty")
        if not self.profile.may_remove and self.ledger.journal:
            self._wrong("something was appended although nothing may be removed")

    def _wrong(self, what: str) -> None:
        self.outcome.violations.append(what)


def run(name: str, seed: int) -> Outcome:
    """Run a profile with a seed."""
    return RandomRun(PROFILES[name], seed).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Make many runs of every profile, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.random_runs", description=__doc__)
    parser.add_argument("--runs", type=int, default=5200, help="runs, divided among the profiles (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (%(default)s)")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    each, wrong, start = max(1, options.runs // len(PROFILES)), 0, time.monotonic()
    print("| profile | runs | containers | visits | acknowledged | in doubt | requests a visit | broken promises |")
    print("|---|---|---|---|---|---|---|---|")
    for name in PROFILES:
        total = Outcome()
        for seed in range(options.seed, options.seed + each):
            outcome = run(name, seed)
            for violation in outcome.violations[:3]:
                print(f"seed {seed}: {violation}")
            total.add(outcome)
        wrong += len(total.violations)
        print(
            f"| {name} | {each:,} | {total.containers:,} | {total.visits:,} | {total.acknowledged:,} | "
            f"{total.in_doubt:,} | {total.requests.total() / max(1, total.visits):.2f} | {len(total.violations)} |",
            flush=True,
        )
    print(f"{each * len(PROFILES):,} runs in {time.monotonic() - start:.0f} s.")
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
