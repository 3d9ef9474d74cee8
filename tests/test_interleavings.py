"""Every interleaving of two and three containers counts every acknowledged visit exactly once.

`EXPLORE=all` explores all combinations with all faults, which takes minutes; without it, a choice of them. How many
schedules there were stands at the end of the run.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import pytest
from scheduler import (
    STARTS,
    Actor,
    Clock,
    Event,
    Explored,
    MakeStore,
    Start,
    Violation,
    counter_store,
    explore,
    fresh,
    journaling,
    keeping,
    reader,
    settler,
    visit,
    warm,
)

from counter import journal, tally
from counter.contention import ContentionPolicy
from counter.store import Documents, Misconfigured, StoreError, Unavailable
from counter.tally import Tally
from counter_store import CounterStore

T = TypeVar("T")
ALL = os.environ.get("EXPLORE") == "all"
VISITORS = ("ann", "zoe", "ann")
KINDS: dict[str, Callable[[str, str], Actor]] = {
    "fresh": fresh,
    "warm": warm,
    "journal": journaling,
    "return": lambda name, visitor: journaling(name, visitor, returns=True),
    "settle": lambda name, _: settler(name),
    "read": lambda name, _: reader(name),
}


class Summary:
    """Adds up how much was explored, and hands it to the report at the end of the run."""

    def __init__(self) -> None:
        self.by_name: dict[str, Explored] = {}

    def add(self, name: str, explored: Explored) -> None:
        """Add up."""
        total = self.by_name.setdefault(name, Explored())
        total += explored


@pytest.fixture(scope="session")
def summary(told_at_the_end: list[str]) -> Iterator[Summary]:
    """Return what counts the schedules."""
    summary = Summary()
    yield summary
    told_at_the_end.extend(
        f"{name}: {explored.schedules:,} schedules, {explored.states:,} different states, "
        f"{explored.ends:,} different ends"
        for name, explored in summary.by_name.items()
    )


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the warnings of ten thousand failures out of the log."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def actors(kinds: Sequence[str]) -> list[Actor]:
    """Return containers of these kinds, the first and the third with the same visitor."""
    return [KINDS[kind](f"{kind}{at}", VISITORS[at]) for at, kind in enumerate(kinds)]


def combinations(kinds: Sequence[str], count: int) -> list[tuple[str, ...]]:
    """Return every way to choose so many of `kinds`."""
    return list(itertools.combinations_with_replacement(kinds, count))


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("kinds", combinations(list(KINDS), 2), ids="+".join)
def test_two_containers_and_a_fault(summary: Summary, kinds: Sequence[str], start: str) -> None:
    """Whatever two containers do, in any order and with any one fault, each acknowledged visit counts once."""
    summary.add("two containers, up to one fault", explore(STARTS[start], actors(kinds), 1))


PAIRS = combinations(list(KINDS), 2) if ALL else [*combinations(["fresh", "warm", "return"], 2), ("journal", "settle")]


@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS if ALL else ["nothing", "entries"])
@pytest.mark.parametrize("kinds", PAIRS, ids="+".join)
def test_two_containers_and_two_faults(summary: Summary, kinds: Sequence[str], start: str) -> None:
    """Two faults at once do not change that."""
    summary.add("two containers, up to two faults", explore(STARTS[start], actors(kinds), 2))


TRIPLES = combinations(list(KINDS), 3)


@pytest.mark.parametrize("start", STARTS if ALL else ["nothing", "entries"])
@pytest.mark.parametrize("kinds", TRIPLES, ids="+".join)
def test_three_containers(summary: Summary, kinds: Sequence[str], start: str) -> None:
    """Whatever three containers do, in any order, each acknowledged visit counts once."""
    summary.add("three containers, no fault", explore(STARTS[start], actors(kinds), 0))


THREE = [("fresh", "warm", "return"), ("warm", "journal", "settle"), ("fresh", "warm", "warm")]


@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS if ALL else ["entries"])
@pytest.mark.parametrize("kinds", TRIPLES if ALL else THREE, ids="+".join)
def test_three_containers_and_a_fault(summary: Summary, kinds: Sequence[str], start: str) -> None:
    """Three containers and any one fault do not change that either."""
    summary.add("three containers, up to one fault", explore(STARTS[start], actors(kinds), 1))


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [("warm", "warm"), ("warm", "fresh"), ("warm", "settle")], ids="+".join)
def test_a_warm_container_that_lists(summary: Summary, monkeypatch: pytest.MonkeyPatch, kinds: Sequence[str]) -> None:
    """A container that folds over the version it remembers loses nothing and doubles nothing."""
    monkeypatch.setattr(ContentionPolicy, "should_look", lambda *_: True)
    summary.add("warm containers that list", explore(STARTS["entries"], actors(kinds), 2 if ALL else 1))
    summary.add("warm containers that list", explore(STARTS["folded"], actors(kinds), 2 if ALL else 1))


@pytest.mark.parametrize("start", STARTS if ALL else ["nothing", "document"])
@pytest.mark.parametrize("kinds", [("journal", "fresh"), ("journal", "settle"), ("journal", "return")], ids="+".join)
def test_visits_that_name_a_page(
    summary: Summary, monkeypatch: pytest.MonkeyPatch, kinds: Sequence[str], start: str
) -> None:
    """The pages add up to the page views that named one, and none is counted twice, also where one waits in two entries
    of the journal."""
    monkeypatch.setattr(sys.modules[__name__], "VISITORS", ("ann/a", "zoe/b", "ann/a"))
    summary.add("two containers with pages, up to one fault", explore(STARTS[start], actors(kinds), 1))


@pytest.mark.parametrize("kinds", [("fresh", "warm"), ("warm", "warm"), ("warm", "return")], ids="+".join)
def test_a_document_with_a_short_memory(
    summary: Summary, monkeypatch: pytest.MonkeyPatch, kinds: Sequence[str]
) -> None:
    """Where the document forgets an id at the next visit, one in doubt is not counted twice."""
    monkeypatch.setattr(tally, "RECENT", 1)
    for start in ("document", "entries"):
        summary.add("a memory of one visit", explore(STARTS[start], actors(kinds), 2 if ALL else 1))


# Breaking it on purpose: each of these stores lacks one precaution, and the explorer must see it.


def test_without_looking_for_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the id check a visit whose answer was lost is counted twice."""
    monkeypatch.setattr(Tally, "has", lambda *_: False)
    with pytest.raises(Violation, match="shows 6, 4 ") as found:
        explore(STARTS["document"], actors(["warm"]), 1)

    assert any("loses its answer" in move for move in found.value.schedule)


def test_without_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `folded` an entry that could not be removed is counted again."""
    monkeypatch.setattr(Tally, "folded", property(lambda tally: (), lambda tally, folded: None), raising=False)
    with pytest.raises(Violation):
        explore(STARTS["entries"], actors(["fresh"]), 1)


class Blind:
    """Documents that take every doubt for a failure."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.read, self.entries, self.remove = documents.read, documents.entries, documents.remove

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Write, and deny every doubt."""
        return blindly(lambda: self._documents.write(data, version, timeout))

    def append(self, entry: str, timeout: float) -> None:
        """Append, and deny every doubt."""
        blindly(lambda: self._documents.append(entry, timeout))


def blindly(request: Callable[[], T]) -> T:
    """Do it, and deny every doubt."""
    try:
        return request()
    except Unavailable as error:
        raise Unavailable(str(error), in_doubt=False) from error


def blind_store(documents: Documents, clock: Clock) -> CounterStore:
    """Return a counter that knows of no doubt."""
    return counter_store(Blind(documents), clock)


def test_a_blind_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write in doubt that is repeated from a fresh document is counted twice."""
    monkeypatch.setattr(Tally, "has", lambda *_: False)
    with pytest.raises(Violation):
        explore(STARTS["nothing"], actors(["fresh"]), 1, blind_store)


def test_a_doubt_that_is_denied() -> None:
    """A visit that may still land is not to be told as failed for certain."""
    with pytest.raises(Violation, match="shows 5, 3 "):
        explore(STARTS["document"], actors(["warm"]), 5, blind_store)


def test_forgetting_what_may_still_land(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of folded visits that are forgotten at once are counted again when an append lands late."""
    monkeypatch.setattr(journal, "REMEMBER_SECONDS", 0.0)
    with pytest.raises(Violation):
        explore(STARTS["entries"], [journaling("visit", "zoe"), settler("first"), settler("second")], 1)


@pytest.mark.parametrize("is_blind", [False, True])
def test_the_journal_in_doubt(monkeypatch: pytest.MonkeyPatch, is_blind: bool) -> None:
    """A visit goes to the journal only if it cannot land in the document: otherwise it may be counted in both."""
    monkeypatch.setattr(tally, "RECENT", 1)
    containers = [warm("visit", "ann"), fresh("other", "zoe")]
    if not is_blind:
        explore(STARTS["document"], containers, 1)
        return
    with pytest.raises(Violation):
        explore(STARTS["document"], containers, 1, blind_store)


def test_a_crowd_that_nobody_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where visits go to the journal and the document does not say so, a fresh container shows too little."""
    monkeypatch.setattr(ContentionPolicy, "leaves", lambda _self, _tally, _moment, conflicts, _trip: conflicts > 0)
    monkeypatch.setattr(ContentionPolicy, "is_close", lambda *_: False)
    monkeypatch.setattr(Tally, "crowd_at", property(lambda tally: None, lambda tally, at: None), raising=False)
    with pytest.raises(Violation, match=r"a fresh container|reader shows|are left"):
        explore(STARTS["document"], [fresh("one", "ann"), fresh("other", "zoe")], 0)


class EmptyOn404:
    """Documents that take every refusal to read for "there is no document yet"."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.write, self.append = documents.write, documents.append
        self.entries, self.remove = documents.entries, documents.remove

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        """Read, or start over."""
        try:
            return self._documents.read(timeout)
        except Misconfigured:
            return None


def test_a_404_taken_for_an_empty_document() -> None:
    """A reader that starts over when it is refused shows less than was acknowledged."""
    with pytest.raises(Violation, match="shows 0 of 2"):
        explore(
            STARTS["document"],
            actors(["settle"]),
            2,
            lambda documents, clock: counter_store(EmptyOn404(documents), clock),
        )


def test_a_document_started_over() -> None:
    """Visits that were acknowledged and are gone are seen by the explorer itself."""

    def program(documents: Documents, make_store: MakeStore) -> Iterator[Event]:
        yield Event("ready")
        data, version = documents.read(1.0) or (b"", "")
        assert data
        documents.write(b'{"count": 0}', version, 1.0)
        yield from keeping(make_store(documents, Clock()), visit("next", "ann"))

    with pytest.raises(Violation):
        explore(STARTS["document"], [Actor("owner", program)], 0)


def test_schedules_are_counted() -> None:
    """Two containers with one and with two steps have three orders, and a crash at each step adds its own."""

    def steps(count: int) -> Actor:
        def program(documents: Documents, make_store: MakeStore) -> Iterator[Event]:
            yield Event("ready")
            for _ in range(count):
                with contextlib.suppress(StoreError):
                    documents.read(1.0)

        return Actor(str(count), program)

    assert explore(Start(), [steps(1), steps(2)], 0).schedules == 3
    assert explore(Start(), [steps(2), steps(2)], 0).schedules == 6
    assert explore(Start(), [steps(1)], 1).schedules == 1 + 4
