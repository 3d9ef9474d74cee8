"""The rules by which a visit is kept, one by one."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from troubled import Time, Troubled

from counter import tally as tallies
from counter.backoff import ATTEMPTS, FIRST_WAIT, LONGEST_WAIT, QUIET
from counter.store import PAGE, CorruptDocument, Misconfigured, StoreError, Unavailable
from counter.tally import RECENT, Limits, Tally, Visit
from counter_store import LIST_EVERY, REQUEST_SECONDS, CounterStore
from local.memory import MemoryDocuments

LIMITS = Limits()
NOW = 1_790_000_000.0  # in 2026-09
MONTH = "2026-09"
NEVER = 1000.0
TRIES = QUIET.index("journal")  # at the document, before a visit goes to the journal
numbers = itertools.count()


def visit(visitor: str | None = None) -> Visit:
    """Return a new visit."""
    return Visit(f"v{next(numbers)}", "2026-09-21", visitor.encode().hex().ljust(64, "0") if visitor else None)


class Container:
    """One container: its store, its time, and what it asks of a shared place."""

    def __init__(self, store: MemoryDocuments, jitter: float = 0.5) -> None:
        self.time = Time()
        self.documents = Troubled(store, self.time, rival=lambda: other_visit(store))
        self.store = CounterStore(self.documents, LIMITS, clock=self.time, sleep=self.time.sleep, jitter=lambda: jitter)

    def keep(self, made: Visit | None = None, deadline: float = NEVER) -> Tally | None:
        """Keep a visit that begins now; the deadline is in seconds from now."""
        return self.store.keep(made or visit(), NOW, self.time.now + deadline)

    def shown(self) -> int:
        """Keep a visit, and return the number shown."""
        tally = self.keep()
        assert tally is not None
        return tally.pageviews

    def calls(self, work: Callable[[], object]) -> list[str]:
        """Do it, and return what it asked for."""
        before = len(self.documents.calls)
        work()
        return self.documents.kinds[before:]

    def failing(self, deadline: float = NEVER) -> Unavailable:
        """Keep a visit that cannot be kept, and return the error."""
        with pytest.raises(Unavailable) as error:
            self.keep(deadline=deadline)
        return error.value


def other_visit(store: MemoryDocuments) -> None:
    """Let a container without trouble keep a visit."""
    CounterStore(store, LIMITS).keep(visit(), NOW, float("inf"))


def stored(store: MemoryDocuments) -> Any:
    """Return the document as JSON."""
    assert store.document is not None
    return json.loads(store.document[0])


@pytest.fixture
def store() -> MemoryDocuments:
    """Return an empty place."""
    return MemoryDocuments()


@pytest.fixture
def container(store: MemoryDocuments) -> Container:
    """Return a container in front of it."""
    return Container(store)


@pytest.fixture
def warm(container: Container) -> Container:
    """Return a container that has kept one visit, its records empty."""
    container.keep()
    container.documents.calls.clear()
    return container


# What a visit costs


def test_a_cold_visit_is_a_read_a_list_and_a_write(container: Container) -> None:
    """The first visit of a container on a quiet document is one request of each kind."""
    assert container.calls(container.keep) == ["read", "entries", "write"]


def test_a_warm_visit_is_one_write(warm: Container) -> None:
    """A visit in a container that remembers the document is one request, visit after visit."""
    asked = [warm.calls(warm.keep) for _ in range(LIST_EVERY - 2)]

    assert asked == [["write"]] * (LIST_EVERY - 2)


def test_warm_visits_list_now_and_then(warm: Container) -> None:
    """The journal's listing costs a warm container less than a twentieth of a request a visit."""
    visits = 10 * LIST_EVERY
    asked = warm.calls(lambda: [warm.keep() for _ in range(visits)])

    assert asked.count("entries") == 10
    assert len(asked) <= 1.05 * visits


def test_nothing_is_read_after_a_lost_race_but_the_document(warm: Container) -> None:
    """A conflict costs a read and a write, and no listing inside the fight."""
    warm.documents.plan = {"write": ["raced"]}

    assert warm.calls(warm.keep) == ["write", "read", "write"]


def test_the_first_of_all_visits_creates(container: Container, store: MemoryDocuments) -> None:
    """Where there is no document the write is create-only, and later ones are over the version it had."""
    container.keep()
    container.keep()

    assert [version for _, version in container.documents.of("write")] == [None, "1"]
    assert stored(store)["pageviews"] == 2


def test_a_visit_that_is_known_is_not_written(warm: Container) -> None:
    """The same visit id again is answered with the number as it is, and asks for nothing."""
    made = visit()
    first = warm.keep(made)
    asked = warm.calls(lambda: warm.keep(made))

    assert asked == []
    assert first is not None
    assert first.pageviews == 2


# Five attempts


@pytest.mark.parametrize("word", ["refused", "denied", "conflict", "dropped"])
def test_there_are_five_attempts(warm: Container, word: str) -> None:
    """A visit is tried to be written five times, document and journal together, and then given up."""
    warm.documents.plan = {"write": [word] * 9, "append": [word] * 9}
    with pytest.raises(StoreError):
        warm.keep()
    writes = [kind for kind in warm.documents.kinds if kind in ("write", "append")]

    assert len(writes) == ATTEMPTS == 5


@pytest.mark.parametrize("failures", range(5))
def test_four_failures_are_survived(warm: Container, store: MemoryDocuments, failures: int) -> None:
    """Whatever fails up to four times, the fifth attempt keeps the visit."""
    for word in ("refused", "denied", "dropped", "conflict"):
        container = Container(store)
        container.documents.plan = {"write": [word] * failures}
        container.keep()
    other_visit(store)

    assert stored(store)["pageviews"] == 1 + 4 + 1


def test_conflicts_lead_to_the_journal(warm: Container, store: MemoryDocuments) -> None:
    """A visit that lost several races is kept in the journal, once, and not in the document."""
    warm.documents.plan = {"write": ["raced"] * TRIES}
    made = visit("ann")
    asked = warm.calls(lambda: warm.keep(made))

    assert asked == ["write", *["read", "write"] * (TRIES - 1), "append"]
    assert list(store.journal) == [made.entry()]
    assert made.id not in stored(store)["recent"]


def test_one_conflict_less_does_not(warm: Container, store: MemoryDocuments) -> None:
    """A visit that lost one race less is written at the last try there."""
    warm.documents.plan = {"write": ["raced"] * (TRIES - 1)}
    asked = warm.calls(warm.keep)

    assert asked == ["write", *["read", "write"] * (TRIES - 1)]
    assert not store.journal


def test_full_jitter(store: MemoryDocuments) -> None:
    """Each repeated attempt at a place waits from nothing up to a doubled limit; a change of place does not wait."""
    for jitter in (0.0, 0.25, 1.0):
        container = Container(store, jitter)
        container.documents.plan = {"write": ["conflict"] * 9, "append": ["refused"] * 9}
        container.failing()
        places = itertools.pairwise(QUIET)
        limits = [FIRST_WAIT * 2**attempt for attempt, (before, place) in enumerate(places) if before == place]
        expected = [jitter * min(LONGEST_WAIT, limit) for limit in limits if jitter]

        assert container.time.slept == pytest.approx(expected)


def test_the_longest_wait(container: Container) -> None:
    """No wait is longer than the longest, however many attempts there were."""
    container.documents.plan = {"write": ["dropped"] * 9}
    container.failing()

    assert len(container.time.slept) == 4
    assert max(container.time.slept) <= LONGEST_WAIT


# Deadlines


@pytest.mark.parametrize("deadline", [0.001, 0.02, 0.3, 1.0, 2.9, 3.1, 7.0, 12.0])
@pytest.mark.parametrize("kind", ["read", "entries", "write"])
@pytest.mark.parametrize("word", ["dropped", "refused", "lost"])
def test_no_visit_takes_longer_than_its_deadline(container: Container, deadline: float, kind: str, word: str) -> None:
    """However the store fails, the answer is there by the deadline."""
    container.documents.seconds = 0.05
    container.documents.plan = {kind: [word] * 9, "append": [word] * 9}
    with contextlib.suppress(Unavailable):
        container.keep(deadline=deadline)

    # Virtual requests that are refused take their 50 ms even if less time was left.
    assert container.time.now <= deadline + 0.05


def test_no_request_is_given_more_time_than_is_left(container: Container) -> None:
    """A request may take its usual time, or what is left of the call's."""
    container.documents.plan = {"read": ["dropped"] * 2}
    container.keep(deadline=REQUEST_SECONDS * 2 + 1)
    timeouts = [timeout for _, _, timeout in container.documents.calls]

    assert timeouts[:2] == [REQUEST_SECONDS] * 2
    assert all(0 < timeout <= 1 for timeout in timeouts[2:])


def test_a_deadline_that_is_over_asks_for_nothing(container: Container) -> None:
    """Without time no request is made, and the visit is surely not counted."""
    error = container.failing(deadline=0)

    assert container.documents.calls == []
    assert error.in_doubt is False


def test_reading_and_settling_keep_to_the_deadline_too(container: Container) -> None:
    """A reader that gets no answer gives up in time."""
    for work in (container.store.read, lambda end: container.store.settle(NOW, end)):
        container.documents.plan = {"read": ["dropped"] * 9}
        start = container.time.now
        with pytest.raises(Unavailable):
            work(start + 5)

        assert container.time.now - start <= 5


# Doubt


@pytest.mark.parametrize("words", [["dropped"], ["dropped"] * 3, ["dropped", "refused", "dropped"]])
def test_in_doubt_the_same_write_is_sent_again(warm: Container, store: MemoryDocuments, words: list[str]) -> None:
    """While the version stands that an unclear write went out from, the same bytes go over the same version."""
    warm.documents.plan = {"write": list(words)}
    warm.keep()
    writes = warm.documents.of("write")

    assert len(writes) == len(words) + 1
    assert len(set(writes)) == 1
    assert stored(store)["pageviews"] == 2


@pytest.mark.parametrize("place", ["write", "append"])
def test_a_late_write_counts_once(warm: Container, store: MemoryDocuments, place: str) -> None:
    """A write that arrives after its repetition changes nothing."""
    warm.documents.plan = {"write": ["conflict"] * TRIES if place == "append" else ["late"], "append": ["late"]}
    warm.keep()
    warm.documents.land()
    other_visit(store)
    warm.documents.land()
    other_visit(store)

    assert stored(store)["pageviews"] == 4
    assert not store.journal


def test_a_lost_answer_is_found_in_the_document(warm: Container, store: MemoryDocuments) -> None:
    """Where the write was done and its answer lost, reading shows the visit, and nothing is written again."""
    warm.documents.plan = {"write": ["lost"]}
    asked = warm.calls(warm.keep)

    assert asked == ["write", "read"]
    assert stored(store)["pageviews"] == 2


def test_a_lost_answer_is_found_below_other_visits(warm: Container, store: MemoryDocuments) -> None:
    """The visit is found also when others were written since."""
    warm.documents.plan = {"write": ["lost"], "read": ["raced"]}
    tally = warm.keep()

    assert stored(store)["pageviews"] == 3
    assert tally is not None
    assert tally.pageviews == 3


def test_a_conflict_in_doubt_is_resolved_by_reading(warm: Container, store: MemoryDocuments) -> None:
    """The repeated write meets a conflict: with the visit in the document it is kept, without it is written anew."""
    warm.documents.plan = {"write": ["lost"], "read": ["refused"]}
    warm.keep()
    warm.documents.plan = {"write": ["dropped", "raced"]}
    warm.keep()

    assert stored(store)["pageviews"] == 4


def test_in_doubt_no_other_place_is_tried(warm: Container, store: MemoryDocuments) -> None:
    """A write that may still land in the document keeps the visit from the journal, and the other way round."""
    warm.documents.plan = {"write": ["dropped", "refused", "refused", "refused", "refused"]}
    error = warm.failing()
    other = Container(store)
    other.documents.plan = {"write": ["conflict"] * TRIES, "append": ["dropped", *["refused"] * 9]}
    unsure = other.failing()

    assert warm.documents.of("append") == []
    assert (error.in_doubt, unsure.in_doubt) == (True, True)
    assert not store.journal


def test_doubt_that_reading_ends_frees_the_visit(warm: Container, store: MemoryDocuments) -> None:
    """Once another version stands and the visit is not in it, its write can never land: it may go anywhere."""
    warm.documents.plan = {"write": ["dropped", "raced"]}
    warm.keep()
    other_visit(store)

    assert len(set(warm.documents.of("write"))) + len(warm.documents.of("append")) == 2
    assert stored(store)["pageviews"] == 1 + 1 + 1 + 1


def test_more_visits_than_the_document_remembers(warm: Container, store: MemoryDocuments) -> None:
    """When too many visits came in between to tell, the visit is left in doubt, and never counted a second time."""

    def many() -> None:
        busy = CounterStore(store, LIMITS)
        for _ in range(RECENT):
            busy.keep(visit(), NOW, float("inf"))

    warm.documents.rival = many
    warm.documents.plan = {"write": ["lost"], "read": ["raced"]}
    error = warm.failing()

    assert error.in_doubt is True
    assert stored(store)["pageviews"] == 2 + RECENT


def test_one_visit_less_than_the_document_remembers(warm: Container, store: MemoryDocuments) -> None:
    """As long as the document remembers the last visit before, it tells."""

    def many() -> None:
        busy = CounterStore(store, LIMITS)
        for _ in range(RECENT - 1):
            busy.keep(visit(), NOW, float("inf"))

    warm.documents.rival = many
    warm.documents.plan = {"write": ["dropped"], "read": ["raced"]}
    warm.keep()

    assert stored(store)["pageviews"] == 2 + RECENT - 1


@pytest.mark.parametrize("place", ["write", "append"])
def test_the_last_answer_is_looked_for(warm: Container, store: MemoryDocuments, place: str) -> None:
    """Where the answer of the last attempt is lost, one more look finds the visit in the document or the journal."""
    if place == "write":
        warm.documents.plan = {"write": [*["dropped"] * 4, "lost"]}
    else:
        warm.documents.plan = {"write": ["conflict"] * TRIES, "append": [*["dropped"] * (4 - TRIES), "lost"]}
    shown = warm.shown()
    other_visit(store)

    assert shown == 2
    assert stored(store)["pageviews"] == 3


def test_the_last_look_may_prove_that_nothing_was_kept(warm: Container, store: MemoryDocuments) -> None:
    """Where somebody else's write came instead of one in doubt, the visit failed for certain."""
    warm.documents.plan = {"write": [*["dropped"] * 4, "raced"]}
    error = warm.failing()

    assert error.in_doubt is False
    assert stored(store)["pageviews"] == 2


def test_doubt_ends_with_the_answer(warm: Container) -> None:
    """A visit that could not be cleared up is told as unclear; one that surely failed is not."""
    warm.documents.plan = {"write": ["dropped"], "read": ["refused"] * 9}
    unclear = warm.failing()
    warm.documents.plan = {"write": ["refused"] * 9, "read": [], "append": ["refused"] * 9}
    clear = warm.failing()

    assert (unclear.in_doubt, clear.in_doubt) == (True, False)


def test_only_unclear_reads_leave_no_doubt(container: Container) -> None:
    """A visit whose document could not even be read was not counted, however the reading failed."""
    container.documents.plan = {"read": ["dropped"] * 9, "append": ["refused"] * 9}

    assert container.failing().in_doubt is False


# The journal


def busy(store: MemoryDocuments, jitter: float = 0.5) -> Container:
    """Return a container that was sent to the journal, its records empty."""
    container = Container(store, jitter)
    container.documents.plan = {"write": ["raced"] * TRIES}
    container.keep()
    container.documents.calls.clear()
    return container


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_it_stays_with_the_journal_for_a_while(store: MemoryDocuments, jitter: float) -> None:
    """A container that was sent to the journal stays one to two seconds, and then tries the document once."""
    container = busy(store, jitter)
    stay = 1 + jitter
    container.time.now += stay - 0.01
    during = container.calls(container.keep)
    container.time.now += 0.02
    container.documents.plan = {"write": ["raced"]}
    after = container.calls(container.keep)
    again = container.calls(container.keep)

    assert during == ["append"]
    assert after == ["read", "write", "append"]
    assert again == ["append"]


def test_it_comes_back_to_the_document(store: MemoryDocuments) -> None:
    """Where the document is quiet again, its visits go there again, and its own entries are folded at the second."""
    container = busy(store)
    container.time.now += 5
    back = container.calls(container.keep)
    folding = container.calls(container.keep)
    settled = container.calls(container.keep)

    assert back == ["read", "write"]
    assert folding == ["entries", "write", "remove"]
    assert settled == ["write"]
    assert not store.journal


def test_a_refused_journal_leads_back(store: MemoryDocuments) -> None:
    """A container in the journal that cannot write there tries the document, within the same five attempts."""
    container = busy(store)
    container.documents.plan = {"append": ["refused", "denied"]}

    assert container.calls(container.keep) == ["append", "append", "read", "write"]


def test_the_number_goes_up_in_the_journal(store: MemoryDocuments) -> None:
    """Each visit that goes to the journal is shown one number more, though the document is not read."""
    container = busy(store)
    shown = [container.shown() for _ in range(5)]

    assert [shown[0] + more for more in range(5)] == shown
    assert container.documents.kinds == ["append"] * 5


def test_nothing_is_shown_where_nothing_was_read(container: Container, store: MemoryDocuments) -> None:
    """A visit that is safe in the journal has no number while the document could never be read."""
    container.documents.plan = {"read": ["refused"] * 3}
    shown = container.keep()

    assert shown is None
    assert len(store.journal) == 1


def test_the_journal_is_no_way_around_a_refusal_that_is_unclear(store: MemoryDocuments) -> None:
    """An append in doubt is repeated as the same entry until it is sure."""
    container = busy(store)
    container.documents.plan = {"append": ["lost", "dropped", "refused"]}
    made = visit()
    container.keep(made)

    assert container.documents.of("append") == [(made.entry(),)] * 4


def test_a_fresh_container_shows_the_journal(store: MemoryDocuments) -> None:
    """The first visit and the first reading of a container show what is in the journal."""
    busy(store)
    seen = Container(store).store.read(NEVER).pageviews
    shown = Container(store).shown()

    assert seen == TRIES + 1
    assert shown == TRIES + 2


# Reading


def test_reading_lists_only_with_a_reason(container: Container, store: MemoryDocuments) -> None:
    """A container lists at its first reading, and again while there were entries or after it added one itself."""
    other_visit(store)
    read = container.store.read
    first = container.calls(lambda: read(NEVER))
    second = container.calls(lambda: read(NEVER))
    own = busy(store)
    own.documents.calls.clear()
    third = own.calls(lambda: own.store.read(NEVER))
    fourth = own.calls(lambda: own.store.read(NEVER))
    Container(store).store.settle(NOW, NEVER)
    fifth = own.calls(lambda: own.store.read(NEVER))
    sixth = own.calls(lambda: own.store.read(NEVER))

    assert sorted(first) == ["entries", "read"]
    assert second == ["read"]
    assert sorted(third) == sorted(fourth) == sorted(fifth) == ["entries", "read"]
    assert sixth == ["read"]


def test_reading_sees_what_is_folded_meanwhile(container: Container, store: MemoryDocuments) -> None:
    """An entry that somebody folds between the two requests of a reading is in what is read."""
    other_visit(store)
    store.append(visit().entry(), 0)
    container.documents.rival = lambda: fold(store)
    for kind in ("read", "entries"):
        container.documents.plan = {kind: ["raced"]}

        assert container.store.read(NEVER).pageviews == 2


def fold(store: MemoryDocuments) -> None:
    """Let somebody else fold."""
    CounterStore(store, LIMITS).settle(NOW, float("inf"))


def test_reading_changes_nothing(container: Container, store: MemoryDocuments) -> None:
    """Reading shows the entries, and leaves document and journal as they are."""
    other_visit(store)
    store.append(visit().entry(), 0)
    before = store.document, dict(store.journal)
    container.store.read(NEVER)

    assert before == (store.document, store.journal)
    assert set(container.documents.kinds) == {"read", "entries"}


def test_an_empty_place_reads_as_zero(container: Container) -> None:
    """Before the first visit there are none."""
    assert container.store.read(NEVER).pageviews == 0
    assert container.store.settle(NOW, NEVER)[0].pageviews == 0
    assert "write" not in container.documents.kinds


# Folding


def test_settling_is_exact(container: Container, store: MemoryDocuments) -> None:
    """Settling folds everything, says how much there was, and leaves one document and no entry."""
    other_visit(store)
    for visitor in ("ann", "bob", "ann"):
        store.append(visit(visitor).entry(), 0)
    tally, waiting = container.store.settle(NOW, NEVER)

    assert (tally.pageviews, tally.unique, waiting) == (4, 2, 3)
    assert stored(store)["pageviews"] == 4
    assert not store.journal


def test_what_is_folded_changes_the_totals_now(store: MemoryDocuments) -> None:
    """The time in the document is that at which entries got into its totals, also when a crawler brought them in."""
    other_visit(store)
    crawler = Visit("a crawler", "2026-09-21", None, "crawler")
    moved = []
    for later, write in (
        (60, lambda at: Container(store).store.keep(crawler, at, NEVER)),
        (120, lambda at: Container(store).store.settle(at, NEVER)),
    ):
        store.append(visit().entry(), 0)
        write(NOW + later)
        moved.append(stored(store)["updatedAt"] - NOW)

    assert moved == [60, 120]
    assert stored(store)["pageviews"] == 3


@pytest.mark.parametrize("kind", ["read", "entries", "write", "remove"])
@pytest.mark.parametrize("word", ["refused", "denied", "lost", "dropped", "late", "raced"])
def test_settling_is_exact_in_trouble(container: Container, store: MemoryDocuments, kind: str, word: str) -> None:
    """Whichever of its requests fails, settling shows each visit once, and so does everybody later."""
    other_visit(store)
    for _ in range(3):
        store.append(visit().entry(), 0)
    container.documents.plan = {kind: [word]}
    tally, _ = container.store.settle(NOW, NEVER)
    container.documents.land()
    raced = int(word == "raced" and not container.documents.plan[kind])
    other_visit(store)

    assert tally.pageviews in (4, 4 + raced)
    assert stored(store)["pageviews"] == 5 + raced
    assert not store.journal


def test_settling_takes_as_many_pages_as_there_are(container: Container, store: MemoryDocuments) -> None:
    """A journal of more than one page is folded page by page."""
    for _ in range(2 * PAGE + 1):
        store.append(visit().entry(), 0)
    tally, waiting = container.store.settle(NOW, NEVER)

    assert tally.pageviews == waiting == 2 * PAGE + 1
    assert not store.journal


def test_a_page_with_strangers_is_not_the_last(container: Container, store: MemoryDocuments) -> None:
    """Objects that are no entries of ours may be on a full page: there may be more behind it all the same."""
    store.append("0-stranger", 0)
    for _ in range(PAGE + 10):
        store.append(visit().entry(), 0)
    tally, waiting = container.store.settle(NOW, NEVER)

    assert tally.pageviews == waiting == PAGE + 10
    assert list(store.journal) == ["0-stranger"]


def test_strangers_are_left_alone(container: Container, store: MemoryDocuments) -> None:
    """Entries that are not ours are neither counted nor removed, and keep nobody from his work."""
    strangers = ["0", "readme.txt", "2026-13-45.v.-.-", "2026-09-21.v", "zzz"]
    for stranger in strangers:
        store.append(stranger, 0)
    store.append(visit().entry(), 0)

    assert container.shown() == 2
    assert container.store.settle(NOW, NEVER)[0].pageviews == 2
    assert set(strangers) == set(store.journal)


def test_a_page_full_of_strangers_is_no_trap(container: Container, store: MemoryDocuments) -> None:
    """Where strangers fill the listing, visits are counted and settling comes to an end."""
    for number in range(PAGE):
        store.append(f"{number:04}", 0)
    shown = [container.shown() for _ in range(3)]
    tally, waiting = container.store.settle(NOW, NEVER)

    assert shown == [1, 2, 3]
    assert (tally.pageviews, waiting) == (3, 0)
    assert container.documents.kinds.count("entries") == 2


def test_what_could_not_be_removed_is_removed_later(warm: Container, store: MemoryDocuments) -> None:
    """A failed removal does not fail the visit; the next visit lists again, counts nothing twice, and removes."""
    for _ in range(2):
        store.append(visit().entry(), 0)
    cold = Container(store)
    cold.documents.plan = {"remove": ["refused"]}
    first = cold.shown()
    left = len(store.journal)
    asked = cold.calls(cold.keep)

    assert (first, left) == (4, 2)
    assert asked == ["entries", "remove", "write"]
    assert stored(store)["pageviews"] == 5
    assert not store.journal


def test_a_listing_that_fails_does_not_fail_the_visit(container: Container, store: MemoryDocuments) -> None:
    """A visit is counted without the journal where that cannot be listed, and the next one lists again."""
    store.append(visit().entry(), 0)
    container.documents.plan = {"entries": ["refused"]}
    first = container.calls(container.keep)
    second = container.calls(container.keep)

    assert first == ["read", "entries", "write"]
    assert second == ["entries", "write", "remove"]
    assert stored(store)["pageviews"] == 3


def test_entries_are_not_folded_after_a_conflict(container: Container, store: MemoryDocuments) -> None:
    """Entries listed before a conflict are forgotten: the visit is written without them, and folded at the next."""
    other_visit(store)
    store.append(visit().entry(), 0)
    container.documents.plan = {"write": ["conflict"]}
    first = container.calls(container.keep)
    second = container.calls(container.keep)

    assert first == ["read", "entries", "write", "read", "write"]
    assert second == ["entries", "write", "remove"]
    assert stored(store)["pageviews"] == 4


def test_entries_hidden_behind_a_full_page(store: MemoryDocuments) -> None:
    """Entries that were folded but not removed are not counted again when new ones pushed them off the first page."""
    for number in range(PAGE):
        store.append(Visit(f"m{number:04}", "2026-09-21").entry(), 0)
    container = Container(store)
    container.documents.plan = {"remove": ["refused"]}
    container.keep()
    for number in range(PAGE):
        store.append(Visit(f"a{number:04}", "2026-09-21").entry(), 0)
    container.keep()
    tally, _ = container.store.settle(NOW, NEVER)

    assert tally.pageviews == 2 * PAGE + 2
    assert not store.journal


def test_folded_ids_leave_the_document(store: MemoryDocuments) -> None:
    """Ids of entries that are gone leave the document at a later fold, but for the last ones."""
    for number in range(PAGE):
        store.append(Visit(f"m{number:04}", "2026-09-21").entry(), 0)
    for _ in range(2):
        fold(store)
        store.append(visit().entry(), 0)
    fold(store)

    assert len(stored(store)["folded"]) <= tallies.FOLDED + 1


# Errors


def test_a_damaged_document_is_not_touched(container: Container, store: MemoryDocuments) -> None:
    """What is no counter is refused by every call, and stays as it is."""
    version = store.write(b'{"pageviews": -1}', None, 0)
    for work in (container.keep, lambda: container.store.read(NEVER), lambda: container.store.settle(NOW, NEVER)):
        with pytest.raises(CorruptDocument):
            work()

    assert store.document == (b'{"pageviews": -1}', version)
    assert not store.journal
    assert set(container.documents.kinds) <= {"read", "entries"}


def test_a_document_that_was_repaired_counts_again(container: Container, store: MemoryDocuments) -> None:
    """Nothing needs to be started anew once the owner has put a counter back."""
    version = store.write(b"{", None, 0)
    with pytest.raises(CorruptDocument):
        container.keep()
    store.write(b'{"count": 41}', version, 0)

    assert container.shown() == 42


def test_what_the_owner_must_correct_is_told(container: Container) -> None:
    """A store that refuses for good is Misconfigured, after as many attempts as anything else."""
    container.documents.plan = {"read": ["denied"] * 9, "append": ["denied"] * 9}
    with pytest.raises(Misconfigured):
        container.keep()
    container.documents.plan = {"read": ["denied"] * 9}
    with pytest.raises(Misconfigured):
        container.store.read(NEVER)


def test_a_refusal_that_passes_is_survived(container: Container) -> None:
    """A 404 that comes and goes does not start the counter over, and costs no visit."""
    container.keep()
    container.keep()
    other = Container(container.documents.store)
    other.documents.plan = {"read": ["denied"], "write": ["denied"]}

    assert other.shown() == 3


# Counting what it costs


def test_requests_are_counted_exactly(store: MemoryDocuments) -> None:
    """After a quiet visit the document holds the number of all requests that were made, of several containers."""
    made = []
    for _ in range(3):
        container = Container(store)
        for _ in range(5):
            container.keep()
        made.append(container)
    journaling = Container(store)
    journaling.documents.plan = {"write": ["raced"] * TRIES}
    for _ in range(4):
        journaling.keep()
        journaling.time.now += 10
    made.append(journaling)
    rivals = 3 * TRIES  # each visit that came between was a container's first, and counted its own

    assert not store.journal
    assert stored(store)["requests"] == {MONTH: rivals + sum(len(container.documents.calls) for container in made)}


@pytest.mark.parametrize("word", ["refused", "dropped", "lost", "conflict"])
def test_requests_are_counted_exactly_after_trouble(warm: Container, store: MemoryDocuments, word: str) -> None:
    """A request that failed is counted as well, and none twice: not even where its answer was lost."""
    spent = stored(store)["requests"][MONTH]
    warm.documents.plan = {"write": [word]}
    warm.keep()
    warm.keep()

    assert stored(store)["requests"] == {MONTH: spent + len(warm.documents.calls)}


def test_requests_before_the_first_visit_are_counted(store: MemoryDocuments) -> None:
    """What a container asked for before it had a store is counted with its first visit."""
    CounterStore(store, LIMITS, requests=2).keep(visit(), NOW, float("inf"))

    assert stored(store)["requests"] == {MONTH: 5}


def test_the_clock_is_asked_for_nothing_but_time() -> None:
    """The numbers that the rules above rest on."""
    assert (ATTEMPTS, FIRST_WAIT, LONGEST_WAIT) == (5, 0.025, 0.4)
    assert 1 / LIST_EVERY < 0.05
    assert REQUEST_SECONDS <= 3


class Unremovable(MemoryDocuments):
    """A store that removes nothing as long as `stubborn`, as without the permission to delete."""

    stubborn = True
    requests = 0

    def entries(self, timeout: float) -> list[str]:
        self.requests += 1
        return super().entries(timeout)

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        self.requests += 1
        if self.stubborn:
            raise Misconfigured("It may not delete.")
        super().remove(entries, timeout)


def test_removals_that_keep_failing_double_nothing() -> None:
    """A crowd's entries that nobody may remove are folded once, however many new ones push them off the listing."""
    store, clock = Unremovable(), Time()
    fold = CounterStore(store, Limits(), clock=clock, sleep=clock.sleep, jitter=lambda: 0.5)
    for number in range(12_000):
        name = hashlib.sha256(str(number).encode()).hexdigest()[:12]
        store.append(Visit(name, "2026-11-21").entry(), 0)
        if number % 200 == 199:
            fold.settle(NOW, NEVER)
    store.stubborn = False
    tally, _ = fold.settle(NOW, NEVER)

    assert tally.pageviews == 12_000
    assert not store.journal


def test_settling_what_cannot_be_removed_comes_to_an_end() -> None:
    """Where entries cannot be removed, the totals are told all the same, after a handful of requests."""
    store, clock = Unremovable(), Time()
    for number in range(1_500):
        store.append(Visit(f"visit-{number:04}", "2026-11-21").entry(), 0)
    fold = CounterStore(store, Limits(), clock=clock, sleep=clock.sleep, jitter=lambda: 0.5)
    tally, _ = fold.settle(NOW, NEVER)

    assert tally.pageviews == 1_000
    assert store.requests < 10


def test_a_long_list_that_is_read_is_said_to_turn(caplog: pytest.LogCaptureFixture) -> None:
    """The turn from list to sketch is logged once, also where the document arrives with too long a list."""
    seen = [f"{number:064x}" for number in range(2_000)]
    store, clock = MemoryDocuments(json.dumps({"pageviews": 2_000, "seen": seen}).encode()), Time()
    counter = CounterStore(store, Limits(), clock=clock, sleep=clock.sleep, jitter=lambda: 0.5)
    with caplog.at_level("INFO", logger="visitor-counter"):
        for _ in range(3):
            counter.keep(visit(), NOW, NEVER)

    assert [record.message for record in caplog.records if "estimated" in record.message] == [
        "the list of visitors is full: from now on unique visitors are estimated (0.65 % error)"
    ]
