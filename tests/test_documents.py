"""Every place where a counter is kept keeps the same promises: in memory, in SQLite, and each cloud's real SDK."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from test_ceiling import AT, LIMITS, SCRIPTS, full

from counter.journal import MIN_FOLDED
from counter.names import MAX_PAGE, MAX_SOURCE
from counter.store import PAGE, Conflict, Documents, StoreError
from counter.tally import Limits, Visit
from counter_store import CounterStore

TIMEOUT = 5.0
LONG = 60.0
ENTRIES = ("2026-11-20.b.-.-", "2026-11-20.a.-.-")
LONGEST_PAGE = "/x" + "\U0001f44b" * 49 + "x" * (MAX_PAGE - 198)
LONGEST = Visit("v" * 12, "2026-11-20", page=LONGEST_PAGE, source="h" * (MAX_SOURCE - 4) + ".com").entry()
Place = Callable[[], Documents]


@pytest.fixture
def documents(place: Place) -> Documents:
    """Return an empty place."""
    return place()


def test_there_is_nothing_at_first(documents: Documents) -> None:
    """An absent document reads as None, and an empty journal lists nothing."""
    assert documents.read(TIMEOUT) is None
    assert documents.entries(TIMEOUT) == []


def test_what_was_created_is_read_with_its_version(documents: Documents) -> None:
    """Creating returns the version that reading returns with the same bytes."""
    data = bytes(range(256)) * 100
    version = documents.write(data, None, TIMEOUT)

    assert documents.read(TIMEOUT) == (data, version)
    assert isinstance(version, str)
    assert version


def test_a_second_create_conflicts(documents: Documents) -> None:
    """Creating is for the first one only, and changes nothing otherwise."""
    version = documents.write(b"first", None, TIMEOUT)
    with pytest.raises(Conflict):
        documents.write(b"second", None, TIMEOUT)

    assert documents.read(TIMEOUT) == (b"first", version)


def test_the_current_version_is_replaced(documents: Documents) -> None:
    """A write over the current version is what everybody reads afterwards."""
    version = documents.write(b"first", None, TIMEOUT)
    newer = documents.write(b"second", version, TIMEOUT)

    assert documents.read(TIMEOUT) == (b"second", newer)


def test_a_stale_version_conflicts(documents: Documents) -> None:
    """A write over an earlier version changes nothing."""
    stale = documents.write(b"first", None, TIMEOUT)
    version = documents.write(b"second", stale, TIMEOUT)
    with pytest.raises(Conflict):
        documents.write(b"third", stale, TIMEOUT)

    assert documents.read(TIMEOUT) == (b"second", version)


def test_a_missing_document_cannot_be_replaced(documents: Documents) -> None:
    """A write over a version conflicts where there is no document, and creates none."""
    with pytest.raises(Conflict):
        documents.write(b"first", "00000000-0000-0000-0000-000000000000", TIMEOUT)

    assert documents.read(TIMEOUT) is None


def test_a_version_never_comes_back(documents: Documents) -> None:
    """The same bytes written again and again get a new version each time."""
    versions = [documents.write(b"same", None, TIMEOUT)]
    for _ in range(10):
        versions.append(documents.write(b"same", versions[-1], TIMEOUT))

    assert len(set(versions)) == 11
    for stale in versions[:-1]:
        with pytest.raises(Conflict):
            documents.write(b"same", stale, TIMEOUT)


def test_an_entry_is_listed_by_its_name(documents: Documents) -> None:
    """The journal lists exactly what was added."""
    for entry in ENTRIES:
        documents.append(entry, TIMEOUT)

    assert sorted(ENTRIES) == sorted(documents.entries(TIMEOUT))


def test_an_entry_may_be_added_again(documents: Documents) -> None:
    """An entry that is there already is success, and still one entry."""
    for _ in range(3):
        documents.append(ENTRIES[0], TIMEOUT)

    assert documents.entries(TIMEOUT) == [ENTRIES[0]]


@pytest.mark.parametrize(
    "entry",
    [
        Visit("v" * 64, "2026-11-20", "f" * 64, "prefetch").entry(),
        Visit("-_-", "9999-12-31").entry(),
        LONGEST,
        Visit("01J0000000000000000000000Z", "2026-01-01", "0" * 64).entry(),
        "0",
        "a.b-c_d",
        "~!$&'()*+,;=:@",
        "a b",
        "100%25",
        "ä€😀",
        "?x=1#y",
        "deeper/down",
    ],
)
def test_names_pass_unchanged(documents: Documents, entry: str) -> None:
    """What may be in an object's name comes back as it was, and can be removed."""
    documents.append(entry, TIMEOUT)
    documents.append("kept", TIMEOUT)
    listed = documents.entries(TIMEOUT)
    documents.remove([entry], TIMEOUT)

    assert {entry, "kept"} == set(listed)
    assert documents.entries(TIMEOUT) == ["kept"]


def test_a_full_document_passes_unchanged(documents: Documents) -> None:
    """A document with every set, ranking and history full, in a script of four bytes a character, and with the ids of a
    crowd, can be created, replaced and read."""
    tally = full(LIMITS, SCRIPTS["emoji"], 10**5, sketches=False)
    crowd = [Visit(f"{number:012}", "2026-09-21") for number in range(MIN_FOLDED)]
    data = tally.fold(crowd, LIMITS, at=AT).encode()
    version = documents.write(tally.encode(), None, LONG)
    version = documents.write(data, version, LONG)

    assert documents.read(LONG) == (data, version)


def test_removing_leaves_the_others(documents: Documents) -> None:
    """Exactly the named entries go, and one that is gone already is no error."""
    for entry in "abcd":
        documents.append(entry, TIMEOUT)
    documents.remove(["a", "c", "never-was"], TIMEOUT)
    documents.remove(["a"], TIMEOUT)

    assert sorted(documents.entries(TIMEOUT)) == ["b", "d"]


def test_an_entry_may_come_back(documents: Documents) -> None:
    """An entry that was removed can be added again, as a late append does."""
    documents.append("a", TIMEOUT)
    documents.remove(["a"], TIMEOUT)
    documents.append("a", TIMEOUT)

    assert documents.entries(TIMEOUT) == ["a"]


def test_document_and_journal_are_apart(documents: Documents) -> None:
    """Entries do not make a document, nor change its version; the document is no entry."""
    documents.append("a", TIMEOUT)
    before = documents.read(TIMEOUT)
    version = documents.write(b"first", None, TIMEOUT)
    documents.append("b", TIMEOUT)
    documents.remove(["a"], TIMEOUT)

    assert before is None
    assert documents.read(TIMEOUT) == (b"first", version)
    assert documents.entries(TIMEOUT) == ["b"]


def test_containers_share_a_place(place: Place) -> None:
    """What one container did, the next request of another one sees."""
    one, other = place(), place()
    version = one.write(b"first", None, TIMEOUT)
    one.append("a", TIMEOUT)
    seen = other.read(TIMEOUT), other.entries(TIMEOUT)
    other.remove(["a"], TIMEOUT)

    assert seen == ((b"first", version), ["a"])
    assert one.entries(TIMEOUT) == []


@pytest.mark.slow
def test_a_listing_shows_every_page(place: Place) -> None:
    """More entries than a page holds are all listed, once each, and can be removed by one call for a page."""
    names = [f"2026-11-20.{number:05}.-.-" for number in range(PAGE + 5)]
    with ThreadPoolExecutor(8) as containers:
        opened = [place() for _ in range(8)]
        for done in [containers.submit(opened[at % 8].append, name, LONG) for at, name in enumerate(names)]:
            done.result()
    documents = place()
    listed = documents.entries(LONG)
    documents.remove(names[:PAGE], LONG)

    assert sorted(listed) == names
    assert sorted(documents.entries(LONG)) == names[PAGE:]


@pytest.mark.slow
def test_a_race_loses_nothing(place: Place) -> None:
    """Sixteen containers that count five visits each at once count eighty, the first write included."""
    barrier = threading.Barrier(16)

    def count(container: int) -> int:
        store = CounterStore(place(), Limits())
        barrier.wait()
        kept = 0
        for number in range(5):
            visit = Visit(f"{container}-{number}", "2026-11-20", f"{container:064x}")
            try:
                store.keep(visit, time.time(), time.monotonic() + 10)
            except StoreError:
                continue
            kept += 1
        return kept

    with ThreadPoolExecutor(16) as containers:
        kept = sum(containers.map(count, range(16)))
    tally, _ = CounterStore(place(), Limits()).settle(time.time(), time.monotonic() + 10)

    assert kept == 80
    assert (tally.pageviews, tally.unique) == (80, 16)
    assert place().entries(TIMEOUT) == []
