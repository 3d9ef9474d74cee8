"""Every interleaving of a few containers over one store, each storage request being a step.

A container is deterministic: what it asks next depends on nothing but the answers it got. So it is run from its start
with the answers so far, up to the first request that has no answer yet; the explorer then tries every order of these
requests and, at each, everything that can go wrong with it. Two orders that lead to the same stored bytes, the same
answers and the same requests under way have the same future, which is explored once. `Explored.schedules` counts the
orders themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from unittest.mock import patch

from counter import tally
from counter.document import decode
from counter.store import Conflict, Documents, Misconfigured, StoreError, Unavailable
from counter.tally import Limits, Tally, Visit
from counter_store import CounterStore
from local.memory import MemoryDocuments
from privacy import names_id

DEADLINE = 1000.0
LIMITS = Limits()
NOW = 1_790_000_000.0

Answer = tuple[str, object]
MakeStore = Callable[[Documents, "Clock"], CounterStore]


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def counter_store(documents: Documents, clock: Clock) -> CounterStore:
    """Return the counter under test, with time and chance in our hands."""
    return CounterStore(documents, LIMITS, clock=clock, sleep=clock.sleep, jitter=lambda: 0.5)


class Request(NamedTuple):
    """One storage request."""

    kind: str
    args: tuple[object, ...]

    @property
    def acts(self) -> bool:
        """Whether it changes the store."""
        return self.kind in ("write", "append", "remove")

    def on(self, documents: Documents) -> object:
        """Do it; a list comes back as a tuple."""
        found = getattr(documents, self.kind)(*self.args, 1.0)
        return tuple(found) if isinstance(found, list) else found


class Asking(BaseException):
    """A container asked for what has no answer yet. No handler of errors may stop it."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.request = request


class Recorded:
    """Documents that answer as they did before, until the record ends."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = iter(answers)

    def _next(self, kind: str, *args: object) -> object:
        request = Request(kind, args)
        word, value = next(self._answers, ("", None))
        if word == "ok":
            return value
        if word == "conflict":
            raise Conflict("conflict")
        if word == "denied":
            raise Misconfigured("denied")
        if word:
            raise Unavailable(word, in_doubt=word == "unclear")
        raise Asking(request)

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        """Answer from the record."""
        return self._next("read")  # type: ignore[return-value]

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Answer from the record."""
        return self._next("write", data, version)  # type: ignore[return-value]

    def append(self, entry: str, timeout: float) -> None:
        """Answer from the record."""
        self._next("append", entry)

    def entries(self, timeout: float) -> list[str]:
        """Answer from the record."""
        return list(self._next("entries"))  # type: ignore[call-overload, no-any-return]

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        """Answer from the record."""
        self._next("remove", tuple(entries))


class Event(NamedTuple):
    """What a container told its caller. `shown` is the number of page views in its answer."""

    what: str  # "kept", "failed" or "unclear" for a visit; "exact" or "shown" for a reading; "ready"
    visit: Visit | None = None
    shown: int | None = None


Program = Callable[[Documents, MakeStore], Iterator[Event]]


@dataclass(frozen=True)
class Actor:
    """A container with something to do. `forced` are answers that its preparation gets instead of the store's, by
    request, as long as they last. `reads` says that its answers must hold everything acknowledged when it began."""

    name: str
    program: Program
    forced: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    reads: bool = False


class Node:
    """A container after some answers: what it asks now (None: it is done), and what it has told its caller."""

    def __init__(self, actor: Actor, make_store: MakeStore, answers: tuple[Answer, ...] = ()) -> None:
        self.actor = actor
        self.answers = answers
        self._make_store = make_store
        self._next: dict[Answer, Node] = {}
        self.asks: Request | None = None
        events: list[Event] = []
        try:
            for event in actor.program(Recorded(answers), make_store):
                events.append(event)
        except Asking as asking:
            self.asks = asking.request
        self.events = tuple(events)

    @property
    def is_ready(self) -> bool:
        """Whether the preparation is over."""
        return any(event.what == "ready" for event in self.events)

    def after(self, answer: Answer) -> Node:
        """Return the container after one more answer."""
        if answer not in self._next:
            self._next[answer] = Node(self.actor, self._make_store, (*self.answers, answer))
        return self._next[answer]


class Stored(NamedTuple):
    """What a store holds, as a value."""

    document: tuple[bytes, str] | None
    journal: frozenset[str]
    writes: int

    @classmethod
    def of(cls, documents: MemoryDocuments) -> Stored:
        """Return what is held."""
        return cls(documents.document, frozenset(documents.journal), documents.writes)

    def opened(self) -> MemoryDocuments:
        """Return a store that holds it."""
        documents = MemoryDocuments(entries=tuple(self.journal))
        documents.document, documents.writes = self.document, self.writes
        return documents

    def after(self, request: Request) -> tuple[Stored, Answer]:
        """Return what is held after a request, and its answer."""
        documents = self.opened()
        try:
            answer: Answer = ("ok", request.on(documents))
        except Conflict:
            return self, ("conflict", None)
        return (Stored.of(documents) if request.acts else self), answer


class State(NamedTuple):
    """Everything the future depends on. `crashed` holds the indexes of containers that are gone, `floors` how many
    visits were acknowledged when each reader began, `flying` the requests that may still take effect."""

    stored: Stored
    nodes: tuple[Node, ...]
    crashed: frozenset[int]
    floors: tuple[int | None, ...]
    flying: tuple[Request, ...]
    faults: int


class Move(NamedTuple):
    """One step of a schedule."""

    who: str
    request: Request
    outcome: str

    def __str__(self) -> str:
        """Return the step as one reads it."""
        kind, args = self.request
        text = " ".join(map(str, args))
        if kind == "write":
            made = Tally.decode(args[0], LIMITS)  # type: ignore[arg-type]
            text = f"over {args[1]}: {made.pageviews} views, recent {made.recent}, folded {made.folded}"
        return f"{self.who}: {kind} {text} {self.outcome}".rstrip()


class Outcome(NamedTuple):
    """How a request ends. Without a word it is what the store does; without an answer the container is gone."""

    word: str
    stored: Stored
    answer: Answer | None
    flying: tuple[Request, ...]


class Violation(AssertionError):
    """A schedule that breaks a promise."""

    def __init__(self, what: str, schedule: Sequence[str]) -> None:
        super().__init__("\n  ".join([what, *schedule]))
        self.schedule = tuple(schedule)


@dataclass
class Explored:
    """How much was looked at."""

    schedules: int = 0
    states: int = 0
    ends: int = 0

    def __iadd__(self, other: Explored) -> Explored:
        """Add up."""
        self.schedules += other.schedules
        self.states += other.states
        self.ends += other.ends
        return self


@dataclass(frozen=True)
class Start:
    """Where a schedule begins. The visits `counted` are in the document when the containers prepare themselves; those
    in `waiting` come to the journal after that, and are, if `folded`, folded by somebody who could not remove them."""

    counted: tuple[Visit, ...] = ()
    waiting: tuple[Visit, ...] = ()
    folded: bool = False

    def before(self) -> Stored:
        """Return what is stored when the containers prepare themselves."""
        documents = MemoryDocuments()
        store = counter_store(documents, Clock())
        for made in self.counted:
            store.keep(made, NOW, DEADLINE)
        return Stored.of(documents)

    def after(self, stored: Stored) -> Stored:
        """Return what is stored when they begin."""
        documents = stored.opened()
        for made in self.waiting:
            documents.append(made.entry(), 1.0)
        if self.folded:
            journal = tuple(documents.journal)
            counter_store(documents, Clock()).settle(NOW, DEADLINE)
            for entry in journal:
                documents.append(entry, 1.0)
        return Stored.of(documents)


def explore(start: Start, actors: Sequence[Actor], faults: int, make_store: MakeStore = counter_store) -> Explored:
    """Run every schedule of `actors` with at most `faults` faults in it. Raises Violation at the first bad one."""
    # Reading the same bytes gives the same value, and most of the time would go into that.
    with patch("counter.tally.decode", lru_cache(maxsize=10_000)(decode)):
        return _Explorer(start, make_store).run(actors, faults)


class _Explorer:
    def __init__(self, start: Start, make_store: MakeStore) -> None:
        self._start = start
        self._make_store = make_store
        self._paths: dict[State, int] = {}
        self._ends: set[tuple[object, ...]] = set()
        self._schedule: list[Move] = []

    def run(self, actors: Sequence[Actor], faults: int) -> Explored:
        stored, nodes = self._start.before(), []
        for actor in actors:
            stored, node = self._prepare(stored, actor)
            nodes.append(node)
        state = State(self._start.after(stored), tuple(nodes), frozenset(), (None,) * len(nodes), (), faults)
        schedules = self._visit(state)
        return Explored(schedules, len(self._paths), len(self._ends))

    def _prepare(self, stored: Stored, actor: Actor) -> tuple[Stored, Node]:
        node = Node(actor, self._make_store)
        forced = {kind: list(answers) for kind, answers in actor.forced.items()}
        while not node.is_ready and node.asks:
            if forced.get(node.asks.kind):
                answer = forced[node.asks.kind].pop(0)
            else:
                stored, answer = stored.after(node.asks)
            node = node.after(answer)
        return stored, node

    def _visit(self, state: State) -> int:
        if state in self._paths:
            return self._paths[state]
        paths = 0
        for move, following in self._moves(state):
            self._schedule.append(move)
            paths += self._visit(following)
            self._schedule.pop()
        if self._is_over(state):
            self._check(state)
            paths += 1  # what is still under way never arrives
        self._paths[state] = paths
        return paths

    def _is_over(self, state: State) -> bool:
        return all(node.asks is None or at in state.crashed for at, node in enumerate(state.nodes))

    def _moves(self, state: State) -> Iterator[tuple[Move, State]]:
        for at, request in enumerate(state.flying):
            flying = state.flying[:at] + state.flying[at + 1 :]
            landed = state.stored.after(request)[0]
            yield Move("late", request, ""), state._replace(stored=landed, flying=flying)
        for at, node in enumerate(state.nodes):
            if node.asks is None or at in state.crashed:
                continue
            for outcome in self._outcomes(state, node.asks):
                yield Move(node.actor.name, node.asks, outcome.word), self._step(state, at, node, outcome)

    def _outcomes(self, state: State, request: Request) -> Iterator[Outcome]:
        before, flying = state.stored, state.flying
        after, answer = before.after(request)
        yield Outcome("", after, answer, flying)
        if not state.faults:
            return
        yield Outcome("and crashes before it", before, None, flying)
        yield Outcome("is refused", before, ("refused", None), flying)
        yield Outcome("is denied", before, ("denied", None), flying)
        yield Outcome("loses its answer", after, ("unclear", None), flying)
        if request.kind == "write":
            yield Outcome("meets a 409", before, ("conflict", None), flying)
        if request.acts:
            yield Outcome("and crashes after it", after, None, flying)
            # In one order: which of two set out first does not matter.
            yield Outcome("is late", before, ("unclear", None), tuple(sorted((*flying, request), key=repr)))

    def _step(self, state: State, at: int, node: Node, outcome: Outcome) -> State:
        word, stored, answer, flying = outcome
        floors, crashed, nodes = state.floors, state.crashed, state.nodes
        if node.actor.reads and floors[at] is None:
            floors = (*floors[:at], len(self._acknowledged(state)), *floors[at + 1 :])
        if answer is None:
            crashed = crashed | {at}
        else:
            after = node.after(answer)
            nodes = (*nodes[:at], after, *nodes[at + 1 :])
            for event in after.events[len(node.events) :]:
                if event.shown is not None and event.what in ("exact", "shown") and event.shown < (floors[at] or 0):
                    self._fail(f"{node.actor.name} shows {event.shown} of {floors[at]} acknowledged visits")
        return State(stored, nodes, crashed, floors, flying, state.faults - bool(word))

    def _acknowledged(self, state: State) -> dict[str, Visit]:
        kept = {visit.id: visit for visit in (*self._start.counted, *self._start.waiting)}
        for node in state.nodes:
            kept.update({event.visit.id: event.visit for event in node.events if event.visit and event.what == "kept"})
        return kept

    def _check(self, state: State) -> None:
        """At the end every acknowledged visit is counted once, every doubtful one at most once, and none left over."""
        kept = self._acknowledged(state)
        doubtful: dict[str, Visit] = {}
        for at, node in enumerate(state.nodes):
            told = [event for event in node.events if event.visit]
            doubtful.update({event.visit.id: event.visit for event in told if event.visit and event.what == "unclear"})
            if at in state.crashed and told and told[-1].what == "begun" and told[-1].visit:
                doubtful[told[-1].visit.id] = told[-1].visit
        end = (state.stored, state.flying, frozenset(kept), frozenset(doubtful))
        if end in self._ends:
            return
        self._ends.add(end)
        problem = _problem(state.stored, state.flying, kept, doubtful, self._make_store)
        if problem:
            self._fail(problem)

    def _fail(self, what: str) -> None:
        raise Violation(what, [str(move) for move in self._schedule])


def _problem(
    stored: Stored,
    flying: Sequence[Request],
    kept: Mapping[str, Visit],
    doubtful: Mapping[str, Visit],
    make_store: MakeStore,
) -> str | None:
    """Say what is wrong with the end of a schedule, as quiet containers see it that come later."""
    documents, clock = stored.opened(), Clock()
    first = make_store(documents, clock).keep(visit("first", "quiet"), NOW, DEADLINE)
    if not len(kept) + 1 <= first.pageviews <= len(kept) + len(doubtful) + 1:
        return f"a fresh container shows {first.pageviews}, {len(kept)} + 1 are acknowledged"
    if documents.journal:
        return "a fresh container leaves entries"
    for request in flying:  # the latest moment there is
        try:
            request.on(documents)
        except Conflict:
            continue
    quiet = make_store(documents, clock)
    quiet.keep(visit("second", "quiet"), NOW, DEADLINE)
    quiet.keep(visit("third", "quiet"), NOW, DEADLINE)
    if documents.journal:
        return "entries are left after quiet visits"
    last, _ = quiet.settle(NOW, DEADLINE)
    return _problem_of(last, kept, doubtful)


def _problem_of(last: tally.Tally, kept: Mapping[str, Visit], doubtful: Mapping[str, Visit]) -> str | None:
    """Say what is wrong with the tally that everything came to in the end, after three quiet visits."""
    views = last.pageviews - 3
    if not len(kept) <= views <= len(kept) + len(doubtful):
        return f"{views} page views of {len(kept)} visits, and {len(doubtful)} in doubt"
    if len(kept) + len(doubtful) > tally.RECENT:
        return None  # more than the document can name
    quiet_ids = {"first", "second", "third"}
    made = {**kept, **doubtful}
    names_ids = {known.names_id for known in made.values()}
    counted = {*last.recent, *last.folded} - quiet_ids - names_ids
    if missing := kept.keys() - counted:
        return f"acknowledged, but not counted: {sorted(missing)}"
    if extra := counted - kept.keys() - doubtful.keys():
        return f"not acknowledged without a doubt, but counted: {sorted(extra)}"
    if views != len(counted):
        return f"{views} page views of {len(counted)} visits"
    visitors = {made[visit_id].visitor for visit_id in counted}
    if last.unique != len(visitors) + 1:
        return f"{last.unique} unique visitors instead of {len(visitors) + 1}"
    return _problem_of_pages(last, [made[visit_id].page for visit_id in counted if made[visit_id].page])


def _problem_of_pages(last: tally.Tally, pages: Sequence[str | None]) -> str | None:
    """Say what is wrong with the pages of the counted visits that named one."""
    if last.pages.views[0] != len(pages):
        return f"{last.pages.views[0]} views of pages, {len(pages)} were made"
    for page, (views, *_) in {**last.pages.probation, **last.pages.names}.items():
        if views > pages.count(page):
            return f"page {page} has {views} views, {pages.count(page)} were made"
    return None


def visit(visit_id: str, visitor: str) -> Visit:
    """Return a visit of somebody, who may look at a page: `ann`, or `ann/page`."""
    name, slash, page = visitor.partition("/")
    hashed = name.encode().hex().ljust(64, "0")
    if not slash:
        return Visit(visit_id, "2026-11-20", hashed)
    return Visit(visit_id, "2026-11-20", hashed, page=f"/{page}", names_id=names_id("", visit_id))


def keeping(store: CounterStore, made: Visit) -> Iterator[Event]:
    """Keep one visit, and tell how it ended."""
    yield Event("begun", made)
    try:
        total = store.keep(made, NOW, DEADLINE)
    except StoreError as error:
        yield Event("unclear" if isinstance(error, Unavailable) and error.in_doubt else "failed", made)
    else:
        yield Event("kept", made, total.pageviews)


def settling(store: CounterStore) -> Iterator[Event]:
    """Fold everything, and tell the exact number."""
    try:
        total, _ = store.settle(NOW, DEADLINE)
    except StoreError:
        return
    yield Event("exact", None, total.pageviews)


def fresh(name: str, visitor: str) -> Actor:
    """Return a container without a memory, and one visit."""

    def program(documents: Documents, make_store: MakeStore) -> Iterator[Event]:
        store = make_store(documents, Clock())
        yield Event("ready")
        yield from keeping(store, visit(name, visitor))

    return Actor(name, program)


def warm(name: str, visitor: str) -> Actor:
    """Return a container that remembers the document as it was after its own last visit, and one visit."""

    def program(documents: Documents, make_store: MakeStore) -> Iterator[Event]:
        store = make_store(documents, Clock())
        yield from keeping(store, visit(f"{name}-before", visitor))
        yield Event("ready")
        yield from keeping(store, visit(name, visitor))

    return Actor(name, program)


def journaling(name: str, visitor: str, *, returns: bool = False) -> Actor:
    """Return a container that a crowd sent to the journal, and one visit: there, or back at the document."""

    def program(documents: Documents, make_store: MakeStore) -> Iterator[Event]:
        clock = Clock()
        store = make_store(documents, clock)
        yield from keeping(store, visit(f"{name}-before", visitor))
        clock.sleep(3 if returns else 0)
        yield Event("ready")
        yield from keeping(store, visit(name, visitor))

    return Actor(name, program, {"write": [("conflict", None)] * 2})


def settler(name: str) -> Actor:
    """Return a fresh container that folds everything, as the report does."""

    def program(documents: Documents, make_store: MakeStore) -> Iterator[Event]:
        store = make_store(documents, Clock())
        yield Event("ready")
        yield from settling(store)

    return Actor(name, program, reads=True)


def reader(name: str) -> Actor:
    """Return a fresh container that is asked for the number only."""

    def program(documents: Documents, make_store: MakeStore) -> Iterator[Event]:
        store = make_store(documents, Clock())
        yield Event("ready")
        try:
            total = store.read(DEADLINE)
        except StoreError:
            return
        yield Event("shown", None, total.pageviews)

    return Actor(name, program, reads=True)


COUNTED = (visit("old-1", "ann"), visit("old-2", "bob"))
WAITING = (visit("old-3", "ann"), visit("old-4", "cid"))
STARTS: Mapping[str, Start] = {
    "nothing": Start(),
    "document": Start(COUNTED),
    "entries": Start(COUNTED, WAITING),
    "folded": Start(COUNTED, WAITING, folded=True),
}
