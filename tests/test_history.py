"""Long histories: many containers, everything that goes wrong, time going by, and an owner with a backup.

`EXPLORE=all` makes thousands of them, new ones each time; without it, it is always the same hundred.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as HypothesisBundle
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from troubled import WORDS, Killed, Late, Time, Troubled

from counter.store import Conflict, Misconfigured, StoreError, Unavailable
from counter.tally import Limits, Tally, Visit
from counter_store import CounterStore
from local.memory import MemoryDocuments

LIMITS = Limits()
DAY = "2026-11-20"
NOW = 1_790_000_000.0
CALL = 28.0
THOROUGH = os.environ.get("EXPLORE") == "all"

pytestmark = pytest.mark.timeout(3600 if THOROUGH else 900)


def plans() -> st.SearchStrategy[dict[str, list[str]]]:
    """Return how the next requests end, by kind: mostly well."""
    words = st.lists(st.sampled_from(("ok", *WORDS)), max_size=4)
    kinds = st.fixed_dictionaries({}, optional=dict.fromkeys(("read", "write", "append", "entries", "remove"), words))
    return st.one_of(st.just({}), kinds)


class History(RuleBasedStateMachine):
    """Any order of visits, readings, failures and an owner's doings, beside the plain sets of what must be counted.

    Visits in `kept` must be counted, those in `doubtful` may be. What the owner's backup undid is in `undone`: nobody
    promises anything of it, also if the same visit is made again."""

    containers: HypothesisBundle[Troubled] = HypothesisBundle("containers")
    visits: HypothesisBundle[Visit] = HypothesisBundle("visits")

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryDocuments()
        self.time = Time()
        self.kept: set[Visit] = set()
        self.doubtful: set[Visit] = set()
        self.undone: set[Visit] = set()
        self.made = 0
        self.backup: bytes | None = None
        self.late: list[Late] = []
        self.stores: dict[int, CounterStore] = {}
        self.rival = self._container()

    def _container(self) -> Troubled:
        documents = Troubled(self.store, self.time, self._rival)
        documents.flying = self.late
        self.stores[id(documents)] = CounterStore(
            documents, LIMITS, clock=self.time, sleep=self.time.sleep, jitter=lambda: 0.5
        )
        return documents

    def _visit(self, visitor: int | None) -> Visit:
        self.made += 1
        return Visit(f"v{self.made}", DAY, None if visitor is None else f"{visitor:064x}")

    def _rival(self) -> None:
        self.rival.plan = {}
        self._keep(self.rival, self._visit(1))

    def _keep(self, container: Troubled, made: Visit) -> bool:
        """Keep a visit; return whether the container lived on."""
        start = self.time.now
        was_doubtful = made in self.doubtful
        self.doubtful.add(made)
        try:
            shown = self.stores[id(container)].keep(made, NOW, start + CALL)
        except Killed:
            return False
        except (Conflict, Unavailable, Misconfigured) as error:
            if not getattr(error, "in_doubt", False) and not was_doubtful:
                self.doubtful.discard(made)
        else:
            if made not in self.undone:
                self.kept.add(made)
            if shown is not None:
                # A container may not have noticed yet what the owner undid.
                assert 1 <= shown.pageviews <= len(self.kept | self.doubtful | self.undone)
        assert self.time.now <= start + CALL
        return True

    def _counted(self) -> set[Visit]:
        return self._in_document() | self._in_journal()

    def _in_document(self) -> set[Visit]:
        ids = {*self._tally().recent, *self._tally().folded}
        return {made for made in self.kept | self.doubtful if made.id in ids}

    def _in_journal(self) -> set[Visit]:
        return {made for made in map(Visit.of_entry, self.store.journal) if made}

    def _tally(self) -> Tally:
        return Tally.decode(self.store.document[0], LIMITS) if self.store.document else Tally.empty()

    @rule(target=containers)
    def starts(self) -> Troubled:
        """The platform starts a container."""
        return self._container()

    @rule(container=containers, visitor=st.none() | st.integers(0, 5), plan=plans(), target=visits)
    def visits_once(self, container: Troubled, visitor: int | None, plan: dict[str, list[str]]) -> Any:
        """A browser shows the page."""
        container.plan = {kind: list(words) for kind, words in plan.items()}
        made = self._visit(visitor)
        if not self._keep(container, made):
            self._restart(container)
        return made

    @rule(container=containers, made=visits, plan=plans())
    def visits_again(self, container: Troubled, made: Visit, plan: dict[str, list[str]]) -> None:
        """The platform repeats a call that it takes for lost, with the same id."""
        container.plan = {kind: list(words) for kind, words in plan.items()}
        if not self._keep(container, made):
            self._restart(container)

    def _restart(self, container: Troubled) -> None:
        """Put a container without a memory in the place of one that is gone."""
        self.stores[id(container)] = CounterStore(
            container, LIMITS, clock=self.time, sleep=self.time.sleep, jitter=lambda: 0.5
        )

    @rule(container=containers, plan=plans())
    def settles(self, container: Troubled, plan: dict[str, list[str]]) -> None:
        """The owner asks for the exact number."""
        container.plan = {kind: list(words) for kind, words in plan.items()}
        before = self.kept | (self._counted() & self.doubtful)
        try:
            tally, _ = self.stores[id(container)].settle(NOW, self.time.now + CALL)
        except Killed:
            self._restart(container)
        except StoreError:
            return
        else:
            assert len(before) <= tally.pageviews <= len(self.kept | self.doubtful)

    @rule(container=containers, plan=plans())
    def reads(self, container: Troubled, plan: dict[str, list[str]]) -> None:
        """Somebody looks at the number without being counted."""
        container.plan = {kind: list(words) for kind, words in plan.items()}
        try:
            tally = self.stores[id(container)].read(self.time.now + CALL)
        except Killed:
            self._restart(container)
        except StoreError:
            return
        else:
            # A container may go on to show what it showed before the owner restored an earlier copy.
            assert tally.pageviews <= len(self.kept | self.doubtful | self.undone)

    @rule(seconds=st.sampled_from([0.5, 1.4, 3.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        """Nobody visits for a while."""
        self.time.now += seconds

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def arrives_late(self, data: st.DataObject) -> None:
        """A request that was given up long ago takes effect."""
        at = data.draw(st.integers(0, len(self.late) - 1))
        self.late.pop(at).land(self.store)

    @rule()
    def backs_up(self) -> None:
        """The owner downloads the document."""
        self.backup = self.store.document[0] if self.store.document else None

    @precondition(lambda self: self.backup and self.store.document)
    @rule()
    def restores(self) -> None:
        """The owner restores a backup: what it does not contain is gone."""
        assert self.backup
        assert self.store.document
        self.store.write(self.backup, self.store.document[1], 0)
        everybody = self.kept | self.doubtful
        # An entry may still arrive, or be removed, as it was in the document that is gone.
        moving = {made for made in everybody if any(made.entry() in str(late.args) for late in self.late)}
        removed = {made for made in moving if any(late.kind == "remove" for late in self.late)}
        self.kept = (self._counted() & everybody) - (removed - self._in_document())
        self.undone |= everybody - self.kept
        self.doubtful = moving - self.kept

    @invariant()
    def counts_exactly_once(self) -> None:
        """Document and journal hold every acknowledged visit, nothing that failed for certain, and nothing twice."""
        tally, inside = self._tally(), self._in_document()

        assert self.kept <= self._counted()
        assert self._in_journal() <= self.kept | self.doubtful
        assert tally.pageviews == len(inside)
        assert tally.unique == len({made.visitor for made in inside if made.visitor})

    def teardown(self) -> None:
        """A fresh container shows everything at once, and two quiet visits later there is nothing but the document."""
        for late in self.late:
            late.land(self.store)
        expected = len(self._counted())
        fresh = CounterStore(self.store, LIMITS, clock=self.time)
        for number in (1, 2):
            made = self._visit(None)
            self.kept.add(made)
            shown = fresh.keep(made, NOW, self.time.now + CALL)

            assert shown is not None
            assert shown.pageviews == expected + number
        assert not self.store.journal
        self.counts_exactly_once()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the warnings of all these failures out of the log."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=5000 if THOROUGH else 30,
    stateful_step_count=60,
    deadline=None,
    derandomize=not THOROUGH,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
