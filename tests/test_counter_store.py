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

from counter.backoff import FIRST_WAIT, MAX_ATTEMPTS, MAX_WAIT
from counter.contention import LOOK_SECONDS, MAX_SLOW_SECONDS, QUIET_SECONDS, STAY_SECONDS, VISITS_A_LOOK
from counter.journal import CLOSED_SECONDS, NO_ENTRY, REMEMBER_SECONDS
from counter.store import PAGE, REQUEST_SECONDS, Conflict, CorruptDocument, Misconfigured, StoreError, Unavailable
from counter.tally import RECENT, Limits, Tally, Visit
from counter_store import CounterStore
from local.memory import MemoryDocuments

LIMITS = Limits()
NOW = 1_790_000_000.0  # in 2026-09
MONTH = "2026-09"
NEVER = 1000.0
numbers = itertools.count()


def visit(visitor: str | None = None) -> Visit:
    """Return a new visit."""
    return Visit(f"v{next(numbers)}", "2026-09-21", visitor.encode().hex().ljust(64, "0") if visitor else None)


class Container:
    """One container: its store, its time, and what it asks of a shared place."""

    def __init__(self, store: MemoryDocuments, jitter: float = 0.5) -> None:
        self.time = Time()
        self.documents = Troubled(store, self.time, rival=lambda: other_visit(store, self.time.now))
        self.store = CounterStore(self.documents, LIMITS, clock=self.time, sleep=self.time.sleep, jitter=lambda: jitter)

    def keep(self, made: Visit | None = None, deadline: float = NEVER) -> Tally:
        """Keep a visit that begins now; the deadline is in seconds from now."""
        return self.store.keep(made or visit(), NOW + self.time.now, self.time.now + deadline)

    def shown(self) -> int:
        """Keep a visit, and return the number shown."""
        return self.keep().pageviews

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


def other_visit(store: MemoryDocuments, now: float = 0.0) -> None:
    """Let a container without trouble keep a visit, so many seconds after the first moment."""
    CounterStore(store, LIMITS).keep(visit(), NOW + now, float("inf"))


def crowd(store: MemoryDocuments, entries: int = 0, now: float = 0.0) -> None:
    """Let two visits come so close upon each other that the later one notes a crowd, and others go to the journal."""
    other_visit(store, now)
    other_visit(store, now)
    for _ in range(entries):
        store.append(visit().entry(), 0)


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


def test_a_cold_visit_is_a_read_and_a_write(store: MemoryDocuments) -> None:
    """Where the document notes no crowd, a container's first visit is two requests, visit after visit."""
    for _ in range(100):
        container = Container(store)
        container.time.now = 10.0 * next(numbers)

        assert container.calls(container.keep) == ["read", "write"]


def test_a_warm_visit_is_one_write(warm: Container) -> None:
    """A visit in a container that remembers the document is one request, visit after visit."""
    asked = [warm.calls(warm.keep) for _ in range(VISITS_A_LOOK - 2)]

    assert asked == [["write"]] * (VISITS_A_LOOK - 2)


@pytest.mark.parametrize("rhythm", [(0.0,), (1.0,), (60.0,), (0.01, 0.01, 0.01, 60.0), (0.3, 2.0), (0.05, 1.1)])
def test_looking_costs_the_same_at_any_rhythm(warm: Container, rhythm: Sequence[float]) -> None:
    """However the visits of one container follow upon each other, it looks into the journal at one in 128 of them,
    and twice more at most."""
    visits = 20 * VISITS_A_LOOK
    asked = []
    for number in range(visits):
        warm.time.now += rhythm[number % len(rhythm)]
        asked += warm.calls(warm.keep)

    assert 19 <= asked.count("entries") <= 22
    assert len(asked) <= 1.012 * visits


def test_nothing_is_read_after_a_lost_race_but_the_document(warm: Container) -> None:
    """A conflict costs a read and a write, and no listing inside the fight."""
    warm.time.now += 60
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

    assert len(writes) == MAX_ATTEMPTS == 5


@pytest.mark.parametrize("failures", range(5))
def test_four_failures_are_survived(warm: Container, store: MemoryDocuments, failures: int) -> None:
    """Whatever fails up to four times, the fifth attempt keeps the visit."""
    for word in ("refused", "denied", "dropped", "conflict"):
        container = Container(store)
        container.documents.plan = {"write": [word] * failures}
        container.keep()
    other_visit(store)

    assert stored(store)["pageviews"] == 1 + 4 + 1


def test_a_crowd_leads_to_the_journal(warm: Container, store: MemoryDocuments) -> None:
    """A visit that meets a conflict, and reads of a crowd, is kept in the journal, once, and not in the document. A
    container's first one makes sure before that the journal may be listed and cleared."""
    warm.documents.plan = {"write": ["raced", "raced"]}
    made = visit("ann")
    first = warm.calls(lambda: warm.keep(made))
    journal = list(store.journal)
    warm.time.now += 10
    warm.documents.plan = {"write": ["raced", "raced"]}
    later = warm.calls(warm.keep)

    assert first == ["write", "read", "entries", "remove", "append"]
    assert warm.documents.of("remove")[0] == ((NO_ENTRY,),)
    assert journal == [made.entry()]
    assert made.id not in stored(store)["recent"]
    assert later[-3:] == ["write", "read", "append"]


def test_two_at_the_same_moment_are_no_crowd(store: MemoryDocuments, container: Container) -> None:
    """Where two visits meet after a quiet time, the later one is written a moment later and nothing is appended."""
    other_visit(store, -60)
    container.documents.plan = {"write": ["raced"]}
    asked = container.calls(container.keep)

    assert asked == ["read", "write", "read", "write"]
    assert not store.journal


def test_a_crowd_is_noted_by_who_comes_second(store: MemoryDocuments) -> None:
    """A write that comes close upon another one notes it, whoever made the other and whether they met or not; a later
    one, that looked into the journal, takes the note away."""
    one = Container(store)
    noted = []
    for pause in (10.0, 10.0, 0.005, 10.0):
        one.time.now += pause
        one.keep()
        noted.append(stored(store).get("crowdAt"))
    other_visit(store, one.time.now + 0.2)

    assert noted == [None, None, pytest.approx(NOW + 20, abs=0.01), None]
    assert stored(store)["crowdAt"] >= NOW + 30.2


def test_full_jitter(store: MemoryDocuments) -> None:
    """Each repeated attempt waits from nothing up to a doubled limit."""
    for jitter in (0.0, 0.25, 1.0):
        container = Container(store, jitter)
        container.documents.plan = {"write": ["dropped"] * 9}
        container.failing()
        expected = [jitter * min(MAX_WAIT, FIRST_WAIT * 2**attempt) for attempt in range(4) if jitter]

        assert container.time.slept == pytest.approx(expected)


def test_the_longest_wait(container: Container) -> None:
    """No wait is longer than the longest, however many attempts there were."""
    container.documents.plan = {"write": ["dropped"] * 9}
    container.failing()

    assert len(container.time.slept) == 4
    assert max(container.time.slept) <= MAX_WAIT


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
    warm.documents.plan = {"write": ["raced", "raced"] if place == "append" else ["late"], "append": ["late"]}
    warm.keep()
    warm.documents.land()
    other_visit(store)
    warm.documents.land()
    CounterStore(store, LIMITS).settle(NOW, float("inf"))

    assert stored(store)["pageviews"] == (4 if place == "append" else 3)
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
    """The repeated write meets a conflict: with the visit in the document it is kept, without it is written again."""
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
    other.keep()
    other.documents.plan = {"write": ["raced"], "append": ["dropped", *["refused"] * 9]}
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
        warm.documents.plan = {"write": ["raced"], "append": ["dropped", "dropped", "dropped", "lost"]}
    shown = warm.shown()
    CounterStore(store, LIMITS).settle(NOW, float("inf"))

    assert shown == stored(store)["pageviews"] == (2 if place == "write" else 3)


def test_the_last_look_may_prove_that_nothing_was_kept(warm: Container, store: MemoryDocuments) -> None:
    """Where somebody else's write came instead of one in doubt, the visit failed for certain."""
    warm.documents.plan = {"write": [*["dropped"] * 4, "raced"]}
    with pytest.raises(Conflict):
        warm.keep()

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
    container.keep()
    container.documents.plan = {"write": ["raced", "raced"]}
    container.keep()
    assert container.documents.kinds[-1] == "append"
    container.documents.plan = {}
    container.documents.calls.clear()
    return container


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_it_stays_with_the_journal_for_a_while(store: MemoryDocuments, jitter: float) -> None:
    """A container that went to the journal stays one to two seconds, and then reads whether the crowd is over."""
    container = busy(store, jitter)
    stay = STAY_SECONDS * (1 + jitter)
    container.time.now += stay - 0.01
    during = container.calls(container.keep)
    container.time.now += 0.02
    other_visit(store, container.time.now)
    other_visit(store, container.time.now)
    after = container.calls(container.keep)
    again = container.calls(container.keep)

    assert during == ["append"]
    assert after == ["read", "append"]
    assert again == ["append"]


def test_it_comes_back_to_the_document(store: MemoryDocuments) -> None:
    """Where the crowd is over its visits go to the document again, and fold what is in the journal."""
    container = busy(store)
    container.time.now += 5
    back = container.calls(container.keep)
    settled = container.calls(container.keep)

    assert back == ["read", "entries", "write", "remove"]
    assert settled == ["write"]
    assert not store.journal


def test_a_refused_journal_leads_back(store: MemoryDocuments) -> None:
    """A container in the journal that cannot write there tries the document, within the same five attempts."""
    container = busy(store)
    container.documents.plan = {"append": ["refused", "denied"]}

    assert container.calls(container.keep)[:4] == ["append", "append", "read", "entries"]
    assert stored(store)["pageviews"] == 4


def test_the_number_goes_up_in_the_journal(store: MemoryDocuments) -> None:
    """Each visit that goes to the journal is shown one number more, though the document is not read."""
    container = busy(store)
    shown = [container.shown() for _ in range(5)]

    assert [shown[0] + more for more in range(5)] == shown
    assert container.documents.kinds == ["append"] * 5


def test_an_append_in_doubt_is_repeated(store: MemoryDocuments) -> None:
    """An append in doubt is repeated as the same entry until it is sure, and goes nowhere else."""
    container = busy(store)
    container.documents.plan = {"append": ["lost", "dropped", "refused"]}
    made = visit()
    container.keep(made)

    assert container.documents.of("append") == [(made.entry(),)] * 4


@pytest.mark.parametrize("kind", ["entries", "remove"])
def test_nothing_is_appended_that_nobody_could_fold(store: MemoryDocuments, kind: str) -> None:
    """Where the role may not list or remove, visits stay with the document, however they meet; after a minute the
    container asks again."""
    container = Container(store)
    container.keep()
    for _ in range(20):
        container.documents.plan = {"write": ["raced", "raced"], kind: ["denied"] * 99}
        container.keep()
        container.time.now += 0.3
    refused, counted = container.documents.kinds.count(kind), stored(store)["pageviews"]
    appended = len(store.journal)
    container.time.now += CLOSED_SECONDS
    other_visit(store, container.time.now)
    container.documents.plan = {"write": ["raced", "raced"]}
    container.keep()

    assert (counted, appended) == (21 + 40, 0)
    assert refused <= 7
    assert len(store.journal) == 1


def test_a_call_that_comes_twice_is_kept_once(store: MemoryDocuments, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while its first entry waits in the journal for longer than the document remembers other visits."""
    crowd(store)
    made = visit()
    store.append(made.entry(), 0)
    container = Container(store)
    with monkeypatch.context() as full:
        full.setattr("counter.journal.MIN_FOLDED", 0)
        full.setattr("counter.journal.DOCUMENT_BYTES", 0)
        shown = container.keep(made).pageviews
        container.documents.plan = {"entries": ["refused"] * 999}
        for _ in range(RECENT + 1):
            container.keep()
        container.documents.plan = {}
    tally, _ = container.store.settle(NOW, NEVER)

    assert shown == 3
    assert tally.pageviews == 3 + RECENT + 1


def test_a_fresh_container_shows_the_journal(store: MemoryDocuments) -> None:
    """The first visit and the first reading of a container show what is in the journal."""
    busy(store)
    seen = Container(store).store.read(NEVER).pageviews
    shown = Container(store).shown()

    assert seen == 3
    assert shown == 4


@pytest.mark.parametrize("visits", [1, 2, 10, 60])
def test_who_won_all_its_writes_is_exact_after_a_crowd(store: MemoryDocuments, visits: int) -> None:
    """A container that never met a conflict shows the others' visits two seconds after they were kept, and so do a new
    one and the one that appended."""
    winner, loser = Container(store), Container(store)
    for container in (winner, loser):
        container.time.now = 100.0
        container.keep()

    def overtaken() -> None:
        winner.time.now = max(winner.time.now, loser.time.now)
        winner.keep()

    loser.documents.rival = overtaken
    loser.documents.seconds = winner.documents.seconds = 0.02
    for _ in range(visits):
        loser.documents.plan = {"write": ["raced"] * 5}
        loser.keep()
        loser.documents.plan = {}
    expected = len(store.journal) + stored(store)["pageviews"]
    for container in (winner, loser, new := Container(store)):
        container.time.now = loser.time.now + 2.0
    read = [container.store.read(container.time.now + 9).pageviews for container in (winner, loser, new)]

    assert store.journal
    assert read == [expected] * 3
    assert [container.shown() for container in (winner, loser, new)] == [expected + 1, expected + 2, expected + 3]


def test_a_container_never_shows_less_than_before(store: MemoryDocuments) -> None:
    """What a container showed once, from the journal, it does not take back while it writes the document alone."""
    container = Container(store)
    container.keep()
    for _ in range(10):
        store.append(visit().entry(), 0)
    container.time.now += 2
    other_visit(store, container.time.now)
    other_visit(store, container.time.now)
    container.documents.plan = {"remove": ["refused"]}
    seen = [container.store.read(container.time.now + 9).pageviews]
    container.documents.plan = {"entries": ["refused"] * 9}
    seen += [container.shown() for _ in range(3)]

    assert seen == [13, 14, 15, 16]


def test_an_earlier_copy_that_was_put_back_is_shown(store: MemoryDocuments) -> None:
    """Where the owner puts back an earlier copy of the document, the smaller number is shown."""
    container = Container(store)
    earlier, *_ = [container.keep() for _ in range(5)]
    store.write(earlier.encode(), store.document[1] if store.document else None, 0)

    assert container.store.read(NEVER).pageviews == 1
    assert container.shown() == 2


# Reading


def test_reading_lists_only_with_a_reason(container: Container, store: MemoryDocuments) -> None:
    """A reading is one request where the document notes no crowd; with the note, or after this container appended, the
    journal is listed as well, until somebody has looked into it after the crowd."""
    other_visit(store, -60)
    read = container.store.read
    first = container.calls(lambda: read(NEVER))
    own = busy(store)
    noted = container.calls(lambda: read(NEVER))
    appended = own.calls(lambda: own.store.read(NEVER))
    own.time.now += QUIET_SECONDS + 1
    own.keep()
    own.store.read(NEVER)
    read(NEVER)
    over = container.calls(lambda: read(NEVER)), own.calls(lambda: own.store.read(NEVER))

    assert first == ["read"]
    assert noted == ["read", "entries", "read"]
    assert appended == ["entries", "read"]
    assert "crowdAt" not in stored(store)
    assert over == (["read"], ["read"])


def test_reading_works_where_listing_is_refused(container: Container, store: MemoryDocuments) -> None:
    """A role that may not list shows the document, which holds all visits then."""
    other_visit(store)
    other_visit(store)
    container.documents.plan = {"entries": ["denied"] * 9}

    assert container.store.read(NEVER).pageviews == 2


@pytest.mark.parametrize("kind", ["read", "entries"])
def test_reading_sees_what_is_folded_meanwhile(container: Container, store: MemoryDocuments, kind: str) -> None:
    """An entry that somebody folds between the requests of a reading is in what is read."""
    crowd(store, entries=1)
    container.documents.rival = lambda: fold(store)
    container.documents.plan = {kind: ["raced"]}

    assert container.store.read(NEVER).pageviews == 3


def fold(store: MemoryDocuments) -> None:
    """Let somebody else fold."""
    CounterStore(store, LIMITS).settle(NOW, float("inf"))


def test_reading_changes_nothing(container: Container, store: MemoryDocuments) -> None:
    """Reading shows the entries, and leaves document and journal as they are."""
    crowd(store, entries=1)
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
    crowd(store)
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
    assert stored(store)["pageviews"] == 4


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
    fold(store)

    assert tally.pageviews in (4, 4 + raced)
    assert stored(store)["pageviews"] == 4 + raced
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
    """Entries that are not ours are neither counted nor removed, and do no harm."""
    strangers = ["0", "readme.txt", "2026-13-45.v.-.-", "2026-09-21.v", "zzz"]
    for stranger in strangers:
        store.append(stranger, 0)
    crowd(store, entries=1)

    assert container.shown() == 4
    assert container.store.settle(NOW, NEVER)[0].pageviews == 4
    assert set(strangers) == set(store.journal)


def test_a_page_full_of_strangers_is_no_trap(container: Container, store: MemoryDocuments) -> None:
    """Where strangers fill the listing, visits are counted and settling comes to an end."""
    crowd(store)
    for number in range(PAGE):
        store.append(f"{number:04}", 0)
    shown = [container.shown() for _ in range(3)]
    tally, waiting = container.store.settle(NOW, NEVER)

    assert shown == [3, 4, 5]
    assert (tally.pageviews, waiting) == (5, 0)
    assert container.documents.kinds.count("entries") == 2


def test_what_could_not_be_removed_is_removed_later(store: MemoryDocuments) -> None:
    """A failed removal does not fail the visit; a later visit lists again, counts nothing twice, and removes."""
    crowd(store, entries=2)
    cold = Container(store)
    cold.documents.plan = {"remove": ["refused"]}
    first = cold.shown()
    left = len(store.journal)
    cold.time.now += LOOK_SECONDS
    asked = cold.calls(cold.keep)

    assert (first, left) == (5, 2)
    assert asked == ["entries", "write", "remove"]
    assert stored(store)["pageviews"] == 6
    assert not store.journal


def test_a_listing_that_fails_does_not_fail_the_visit(container: Container, store: MemoryDocuments) -> None:
    """A visit is counted without the journal where that cannot be listed, and a later one lists again."""
    crowd(store, entries=1)
    container.documents.plan = {"entries": ["refused"]}
    first = container.calls(container.keep)
    container.time.now += LOOK_SECONDS
    second = container.calls(container.keep)

    assert first == ["read", "entries", "write"]
    assert second == ["entries", "write", "remove"]
    assert stored(store)["pageviews"] == 5


def test_nothing_is_listed_inside_a_fight(container: Container, store: MemoryDocuments) -> None:
    """Entries listed before a conflict are forgotten: the visit is written without them, or goes to the journal."""
    crowd(store, entries=1, now=-0.5)
    container.documents.plan = {"write": ["conflict"]}
    first = container.calls(container.keep)
    container.time.now += LOOK_SECONDS
    second = container.calls(container.keep)

    assert first == ["read", "entries", "write", "read", "write"]
    assert second == ["entries", "write", "remove"]
    assert stored(store)["pageviews"] == 5


def test_many_entries_that_were_not_removed(store: MemoryDocuments) -> None:
    """Entries that were folded but not removed are not counted again, however many others come after them."""
    crowd(store, entries=PAGE)
    container = Container(store)
    container.documents.plan = {"remove": ["refused"]}
    container.keep()
    for number in range(PAGE):
        store.append(Visit(f"a{number:04}", "2026-09-20").entry(), 0)
    container.keep()
    tally, _ = container.store.settle(NOW, NEVER)

    assert tally.pageviews == 2 * PAGE + 4
    assert not store.journal


def test_ids_are_remembered_by_time(store: MemoryDocuments, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id of a folded visit stays for REMEMBER_SECONDS, however many others are folded, and is known when its entry
    comes back; then it leaves. Without room for more, folding waits, and what is shown is exact all the same."""
    monkeypatch.setattr("counter.journal.MIN_FOLDED", 10)
    monkeypatch.setattr("counter.journal.DOCUMENT_BYTES", 0)
    container = Container(store)
    first, second = ([visit() for _ in range(10)] for _ in range(2))
    for one in first:
        store.append(one.entry(), 0)
    container.store.settle(NOW, NEVER)
    for one in second:
        store.append(one.entry(), 0)
    seen = []
    for seconds in (0.0, REMEMBER_SECONDS - 0.1, 0.2):
        container.time.now += seconds
        store.append(first[0].entry(), 0)
        tally, _ = container.store.settle(NOW, container.time.now + 9)
        seen.append((tally.pageviews, len(stored(store)["folded"]), len(store.journal)))

    assert seen == [(20, 10, 10), (20, 10, 10), (20, 10, 0)]


@pytest.mark.parametrize("others", [700, 3000])
def test_a_lost_append_is_counted_once_however_many_others_are_folded(store: MemoryDocuments, others: int) -> None:
    """The answer to an append is lost; until the container tries again, others fold two pages and more."""
    container = busy(store)
    made = visit()

    def crowd_passes() -> None:
        for _ in range(2):
            for _ in range(others // 2):
                store.append(visit().entry(), 0)
            fold(store)

    container.documents.rival = crowd_passes
    container.documents.plan = {"append": ["lost", "raced"]}
    before = container.store.read(NEVER).pageviews
    container.keep(made)
    fold(store)

    assert stored(store)["pageviews"] <= before + others + 1
    assert container.store.read(NEVER).pageviews == before + others + 1


def test_removals_that_failed_once_double_nothing_in_other_containers(store: MemoryDocuments) -> None:
    """900 entries folded whose removal failed, 5,000 more, visits in eight cold containers: each is counted once."""
    crowd(store, entries=900)
    folder = Container(store)
    folder.documents.plan = {"remove": ["refused"]}
    folder.keep()
    for _ in range(5_000):
        store.append(visit().entry(), 0)
    for number in range(8):
        cold = Container(store)
        cold.time.now = 10.0 * (number + 1)
        other_visit(store, cold.time.now)
        cold.keep()
    tally, waiting = Container(store).store.settle(NOW, NEVER)

    assert tally.pageviews == 2 + 900 + 1 + 5_000 + 16
    assert waiting + stored(store)["pageviews"] >= tally.pageviews


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
    """Nothing needs a restart once the owner has restored a counter."""
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
    journaling.documents.plan = {"write": ["raced"]}
    for _ in range(4):
        journaling.keep()
        journaling.time.now += 10
    made.append(journaling)
    rivals = 3  # the visit that came between was a container's first, and counted its own: read, list, write

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

    assert stored(store)["requests"] == {MONTH: 4}


@pytest.mark.parametrize("kind", ["write", "append"])
def test_requests_of_a_visit_in_doubt_are_counted_once(warm: Container, store: MemoryDocuments, kind: str) -> None:
    """Where a visit was told as in doubt and its write had landed, its requests are in the document already."""
    spent = stored(store)["requests"][MONTH]
    warm.documents.plan = {"write": ["lost"], "read": ["refused"] * 5}
    if kind == "append":
        warm.documents.plan = {"write": ["dropped"], "read": ["refused"] * 5}
    assert warm.failing().in_doubt
    warm.keep()

    assert stored(store)["requests"] == {MONTH: spent + len(warm.documents.calls)}


def test_the_clock_is_asked_for_nothing_but_time() -> None:
    """The numbers that the rules above rest on."""
    assert (MAX_ATTEMPTS, FIRST_WAIT, MAX_WAIT) == (5, 0.025, 0.4)
    assert 1 / VISITS_A_LOOK < 0.02
    assert REQUEST_SECONDS <= 3
    assert QUIET_SECONDS >= MAX_SLOW_SECONDS + 2 * STAY_SECONDS + REQUEST_SECONDS
    assert REMEMBER_SECONDS >= 60 + 30


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


@pytest.mark.slow
def test_removals_that_keep_failing_double_nothing() -> None:
    """A crowd's entries that nobody may remove are folded once, and no more of them than the document remembers."""
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
    assert len(store.document[0] if store.document else b"") <= 180 * 1024
    assert len(stored(store)["folded"]) > 10_000


def test_settling_what_cannot_be_removed_comes_to_an_end() -> None:
    """Where entries cannot be removed, the totals are told all the same, after a handful of requests."""
    store, clock = Unremovable(), Time()
    for number in range(1_500):
        store.append(Visit(f"visit-{number:04}", "2026-11-21").entry(), 0)
    fold = CounterStore(store, Limits(), clock=clock, sleep=clock.sleep, jitter=lambda: 0.5)
    tally, _ = fold.settle(NOW, NEVER)

    assert tally.pageviews == 1_500
    assert store.requests < 10


def test_the_turn_from_list_to_sketch_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The visitor for whom the list has no room makes it a sketch, and the log says that the number is an estimate."""
    store, clock = MemoryDocuments(), Time()
    counter = CounterStore(store, Limits(seen=2), clock=clock, sleep=clock.sleep, jitter=lambda: 0.5)
    with caplog.at_level("INFO", logger="visitor-counter"):
        for number in range(5):
            counter.keep(Visit(f"v{number}", "2026-11-21", f"{number:064x}"), NOW, NEVER)

    assert [record.message for record in caplog.records if "estimated" in record.message] == [
        "the list of visitors is full: from now on unique visitors are estimated (0.65 % error)"
    ]


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
