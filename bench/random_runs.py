"""Random runs of many containers in virtual time, with every kind of fault and every visit followed by its id.

`python -m bench.random_runs` makes thousands of them. Their constants are scaled down (a page of a few entries, a
memory of a few ids), since bugs depend on their ratios. The same seed gives the same run.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from bench.faulty_store import HOUR, PROFILES, FaultyDocuments, Killed, Ledger, Profile, Scale
from bench.simulation import World
from counter.store import StoreError
from counter.tally import Limits, Tally, Visit
from counter_store import CounterStore
from privacy import names_id

START = 1_800_000_000.0
LIMITS = Limits(seen=4)
CALL_SECONDS = 28.0
DAY = 86_400.0
PAGES = 7


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
        self._repeats: list[Visit] = []
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
                if self._repeats and work == self._visit:
                    self._visit(store, START + self.world.now + off, self._repeats.pop())
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
            visit = self._new(str(datetime.fromtimestamp(at, UTC).date()))
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
            made = visit
            if self.world.random.random() < 0.5:
                self._repeats.append(made)
            else:
                self.world.start(lambda: self._again(made, at), self.world.random.random() * 2)
        return shown

    def _new(self, day: str) -> Visit:
        number = next(self._ids)
        visit_id = f"v{number}"
        visit = Visit(visit_id, day, "a" * 64, page=f"/{number % PAGES}", names_id=names_id(LIMITS.salt, visit_id))
        self.ledger.names_ids.update(part.id for part in visit.parts() if not part.is_view)
        return visit

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
        self._check_pages(stored, counted)
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

    def _check_pages(self, stored: Tally, counted: set[str]) -> None:
        """Every view named a page, so pages and `other` add up to the views, and no page has more than were made."""
        made = Counter(f"/{int(one[1:]) % PAGES}" for one in counted if one in self._days)
        pages = stored.pages
        named = pages.other[0] + sum(row[0] for row in pages.names.values())
        if not pages.views[0] == named == made.total():
            self._wrong(f"{pages.views[0]} views with a page, {named} by page, for {made.total()} that named one")
        if more := [page for page in made if (pages.count(page) or 0) > made[page]]:
            self._wrong(f"pages with more views than visits: {more}")

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
