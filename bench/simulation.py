"""Many containers in virtual time: the function's own counter_store.py on a store in memory, where a storage request
takes a given time and everything else takes none.

Each container is a greenlet that sleeps in virtual time during a request. So a thousand containers and ten thousand
visits a second run on one core, and the same seed gives the same run.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from greenlet import getcurrent, greenlet

from counter.store import StoreError
from counter.tally import Limits, Tally, Visit
from counter_store import CounterStore
from local.memory import MemoryDocuments
from privacy import visitor_hash

T = TypeVar("T")
START = 1_800_000_000.0
DEADLINE = 28.0


class World:
    """Virtual time. Sleepers wake in order of time; `run` ends when nothing sleeps any more."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self._sleepers: list[tuple[float, int, greenlet]] = []
        self._order = count()
        self._hub = getcurrent()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), getcurrent()))
        self._hub.switch()

    def start(self, work: Callable[[], None], after: float = 0.0) -> None:
        heapq.heappush(self._sleepers, (self.now + after, next(self._order), greenlet(work, self._hub)))

    def run(self) -> None:
        while self._sleepers:
            self.now, _, sleeper = heapq.heappop(self._sleepers)
            sleeper.switch()


class SlowDocuments:
    """Documents whose requests take `seconds` each in virtual time, and take effect halfway."""

    def __init__(self, world: World, documents: MemoryDocuments, seconds: float) -> None:
        self._world = world
        self._documents = documents
        self._half = seconds / 2
        self.requests = 0

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        return self._slowly(lambda: self._documents.read(timeout))

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        return self._slowly(lambda: self._documents.write(data, version, timeout))

    def append(self, entry: str, timeout: float) -> None:
        return self._slowly(lambda: self._documents.append(entry, timeout))

    def entries(self, timeout: float) -> list[str]:
        return self._slowly(lambda: self._documents.entries(timeout))

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        return self._slowly(lambda: self._documents.remove(entries, timeout))

    def _slowly(self, act: Callable[[], T]) -> T:
        self.requests += 1
        self._world.sleep(self._half)
        try:
            return act()
        finally:
            self._world.sleep(self._half)


@dataclass
class Outcome:
    """The result of a simulated run. Times are in seconds; `lags` are how many visits the shown number was behind."""

    containers: int
    seconds: float = 0.0
    visits: int = 0
    acknowledged: int = 0
    requests: int = 0
    entries: int = 0
    lost: int = 0
    times: list[float] = field(default_factory=list)
    lags: list[int] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Acknowledged visits a second."""
        return self.acknowledged / self.seconds

    @property
    def requests_a_visit(self) -> float:
        return self.requests / self.visits

    def quantile(self, share: float) -> float:
        """Return the time of a visit that `share` of the visits do not exceed."""
        return sorted(self.times)[int((len(self.times) - 1) * share)]

    def lag(self, share: float) -> int:
        """Return how far behind the shown number is at most, for `share` of the visits."""
        return sorted(self.lags)[int((len(self.lags) - 1) * share)]


class Simulation:
    """`containers` on one document; a request takes `request_seconds`. `burst` and `stream` each run one load."""

    def __init__(self, containers: int, request_seconds: float = 0.02, seed: int = 1) -> None:
        self.world = World(seed)
        self.stored = MemoryDocuments()
        self.connections = [SlowDocuments(self.world, self.stored, request_seconds) for _ in range(containers)]
        self.stores = [self._store(connection) for connection in self.connections]
        self.outcome = Outcome(containers)
        self._ids = count()

    def burst(self, visits: int) -> Outcome:
        """Let every container make `visits` without a pause, all containers at once."""
        for store in self.stores:
            self.world.start(lambda store=store: self._loop(store, visits))  # type: ignore[misc]
        return self.finish()

    def shown_after(self, seconds: float) -> list[int]:
        """Return for every container, and a new one, what it shows this long after the last answer, minus the
        acknowledged visits."""
        shown: list[int] = []

        def read(store: CounterStore) -> None:
            shown.append(store.read(self.world.now + DEADLINE).pageviews - self.outcome.acknowledged)

        for store in (*self.stores, self._store(self.connections[0])):
            self.world.start(lambda store=store: read(store), seconds)  # type: ignore[misc]
        self.world.run()
        return shown

    def stream(self, rate: float, seconds: float) -> Outcome:
        """Let visits arrive at random, `rate` a second for `seconds`. The most recently used idle container takes each;
        if all are busy, the visit waits."""
        idle, waiting = list(reversed(self.stores)), list[float]()

        def serve(store: CounterStore, arrived: float) -> None:
            self._visit(store, arrived)
            while waiting:
                self._visit(store, waiting.pop(0))
            idle.append(store)

        def arrive() -> None:
            end = self.world.now + seconds
            while self.world.now < end:
                if idle:
                    store, arrived = idle.pop(), self.world.now
                    self.world.start(lambda: serve(store, arrived))  # noqa: B023 - started before the next arrival
                else:
                    waiting.append(self.world.now)
                self.world.sleep(self.world.random.expovariate(rate))

        self.world.start(arrive)
        return self.finish()

    def _store(self, connection: SlowDocuments) -> CounterStore:
        world = self.world
        return CounterStore(connection, Limits(), clock=world.clock, sleep=world.sleep, jitter=world.random.random)

    def _loop(self, store: CounterStore, visits: int) -> None:
        for _ in range(visits):
            self._visit(store, self.world.now)

    def _visit(self, store: CounterStore, arrived: float) -> None:
        number, outcome = next(self._ids), self.outcome
        visit = Visit(f"v{number}", "2027-01-15", visitor_hash("s", str(number)))
        outcome.visits += 1
        try:
            shown = store.keep(visit, START + self.world.now, self.world.now + DEADLINE)
        except StoreError:
            return
        outcome.acknowledged += 1
        outcome.times.append(self.world.now - arrived)
        outcome.lags.append(outcome.acknowledged - shown.pageviews)

    def visit(self, store: CounterStore) -> None:
        """Make one visit now."""
        self._visit(store, self.world.now)

    def finish(self) -> Outcome:
        """Run everything to its end, and return the result."""
        outcome, began = self.outcome, self.world.now
        self.world.run()
        outcome.seconds = self.world.now - began
        outcome.requests = sum(connection.requests for connection in self.connections)
        outcome.entries = len(self.stored.journal)
        # Afterwards a new container settles: what it shows is the true number.
        fresh = CounterStore(self.stored, Limits(), sleep=lambda _: None)
        tally: Tally = fresh.settle(START, float("inf"))[0]
        outcome.lost = outcome.acknowledged - tally.pageviews
        return outcome
