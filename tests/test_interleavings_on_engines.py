"""Every order in which two containers' requests can reach a real store, each with every answer lost: exactly once.

tests/test_interleavings.py explores far more of them, over memory. Here the requests are made through each cloud's own
SDK, so that what an engine does with conditions, versions and entries is part of it.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

from counter.store import Documents, StoreError, Unavailable
from counter.tally import Limits, Tally, Visit
from counter_store import CounterStore

NOW = 1_790_000_000.0
DAY = "2026-09-21"
TIMEOUT = 10.0
SHOWN = Limits()
Place = Callable[[], Documents]


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Stepped:
    """Documents that wait for their turn before each request, and lose its answer when they are told to."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def _step(self, request: Callable[[], Any]) -> Any:
        parent = getcurrent().parent
        assert parent is not None
        lose = parent.switch("turn")
        answer = request()
        if lose:
            raise Unavailable("The answer was lost.", in_doubt=True)
        return answer

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        """Read, when it is our turn."""
        return self._step(lambda: self._documents.read(TIMEOUT))  # type: ignore[no-any-return]

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Write, when it is our turn."""
        return self._step(lambda: self._documents.write(data, version, TIMEOUT))  # type: ignore[no-any-return]

    def append(self, entry: str, timeout: float) -> None:
        """Append, when it is our turn."""
        self._step(lambda: self._documents.append(entry, TIMEOUT))

    def entries(self, timeout: float) -> list[str]:
        """List, when it is our turn."""
        return self._step(lambda: self._documents.entries(TIMEOUT))  # type: ignore[no-any-return]

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        """Remove, when it is our turn."""
        self._step(lambda: self._documents.remove(entries, TIMEOUT))


def container(documents: Documents, visit: Visit) -> Callable[[], bool]:
    """One new container that keeps one visit; whether it said so."""
    clock = Clock()
    store = CounterStore(Stepped(documents), SHOWN, clock=clock, sleep=clock.sleep, jitter=lambda: 0.5)

    def keep() -> bool:
        try:
            store.keep(visit, NOW, clock() + 30)
        except StoreError:
            return False
        return True

    return keep


def orders(steps: int) -> Iterator[tuple[tuple[int, ...], int | None]]:
    """Which of two containers goes first at each of the first steps, and the step whose answer is lost."""
    for order in itertools.product((0, 1), repeat=steps):
        for lost in (None, *range(steps)):
            yield order, lost


def run(opened: Sequence[Documents], order: Sequence[int], lost: int | None, visits: Sequence[Visit]) -> list[bool]:
    """Let two containers make their requests in this order, and on to their ends; what each told its visitor."""
    running = [greenlet(container(documents, visit)) for documents, visit in zip(opened, visits, strict=True)]
    told: list[Any] = [one.switch() for one in running]
    for step in itertools.count():
        waiting = [at for at, one in enumerate(running) if not one.dead]
        if not waiting:
            return told
        wanted = order[step] if step < len(order) else waiting[0]
        at = wanted if wanted in waiting else waiting[0]
        told[at] = running[at].switch(step == lost)
    raise AssertionError("unreachable")


STEPS = 3


@pytest.mark.slow
@pytest.mark.parametrize("start", ["nothing", "a document", "a document and an entry"])
def test_each_acknowledged_visit_is_counted_once(fresh: Callable[[], Place], start: str) -> None:
    """Whatever the order and whichever answer is lost: what was acknowledged is counted, and nothing twice."""
    waiting = Visit("waiting", DAY, "e" * 64)
    for order, lost in orders(STEPS):
        place = fresh()
        opened = [place(), place()]
        if start != "nothing":
            opened[0].write(Tally.empty().encode(), None, TIMEOUT)
        if start == "a document and an entry":
            opened[0].append(waiting.entry(), TIMEOUT)
        visits = [Visit(uuid.uuid4().hex[:12], DAY, letter * 64) for letter in "ab"]

        told = run(opened, order, lost, visits)
        tally, _ = CounterStore(opened[1], SHOWN).settle(NOW, time.monotonic() + TIMEOUT)

        expected = sum(told) + (start == "a document and an entry")
        assert expected <= tally.pageviews <= 2 + (start == "a document and an entry"), (order, lost)
        assert all(tally.has(visit.id) for visit, kept in zip(visits, told, strict=True) if kept), (order, lost)
        assert opened[0].entries(TIMEOUT) == []
