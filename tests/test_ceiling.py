"""How large a document may get: with every set, ranking and history full, in any script, at any rate of visits."""

import random
from datetime import date, timedelta
from typing import Any

import pytest

from counter.history import FILTERED_DAYS, FILTERED_MONTHS, MONTHS, WEEKS, History
from counter.journal import MIN_FOLDED
from counter.names import MAX_PAGE, MAX_SOURCE, page_path
from counter.people import People
from counter.ranking import PROBATION, Ranking
from counter.settings import MAX_HISTORY_DAYS, MAX_PAGES, MAX_SEEN_LIMIT
from counter.tally import RECENT, REQUEST_MONTHS, SOURCES, Limits, Tally, Visit
from counter_store import CounterStore
from local.memory import MemoryDocuments
from privacy import REGISTERS, Seen, Sketch

AT = 1790000000
TODAY = date(2026, 9, 21)
LIMITS = Limits()
LARGEST = Limits(seen=MAX_SEEN_LIMIT, days=MAX_HISTORY_DAYS, pages=MAX_PAGES)
REASONS = ("crawler", "prefetch", "reload", "origin")
SCRIPTS = {"latin": "x", "hebrew": "\u05d0", "chinese": "\u8a9e", "emoji": "\U0001f44b"}


def ranking(places: int, longest: int, letter: str, views: int) -> Ranking:
    """Return a full ranking whose names are as long as they may be, and its probation as full."""
    width = len(letter.encode())
    full = Ranking()
    full.months = ["2026-09", "2026-08"]

    def name(number: int) -> str:
        start = f"/{number:05}"
        return start + letter * ((longest - len(start)) // width) + "x" * ((longest - len(start)) % width)

    full.names = {name(number): (views * 500, views * 31, views * 31) for number in range(places)}
    full.probation = {name(places + number): (3, 2, 1, views) for number in range(PROBATION)}
    full.views = (views * 10_000, views * 40, views * 40)
    assert all(len(name.encode()) == longest for name in (*full.names, *full.probation))
    return full


def people(visitors: int, seen: int) -> People:
    """Return six sets, of the running periods and of the ones before, of so many visitors each."""
    chance, sets = random.Random(5), People({})
    for day in (TODAY - timedelta(40), TODAY):
        sets = sets.turned(str(day), AT)
        some = [chance.randbytes(32).hex() for _ in range(min(visitors, 3_000))]
        for visitor in some:
            sets, _ = sets.add(str(day), visitor, seen)
    return sets


def full(limits: Limits, letter: str, views: int, *, sketches: bool) -> Tally:
    """Return the largest document that visits can make, at this many page views a day, with its journal folded."""
    chance = random.Random(6)
    history = History({})
    filtered = dict.fromkeys(REASONS, views)
    day = {"pageviews": views, "newVisitors": views, "visitors": views}
    for ago in range(limits.days):
        history.days[str(TODAY - timedelta(ago))] = day | ({"filtered": filtered} if ago < FILTERED_DAYS else {})
    month: dict[str, Any] = {key: number * 31 for key, number in day.items()}
    for ago in range(MONTHS):
        reasons = {"filtered": dict.fromkeys(REASONS, views * 31)} if ago < FILTERED_MONTHS else {}
        history.months[f"{2026 - ago // 12}-{12 - ago % 12:02}"] = month | reasons
    history.weeks = {f"{2020 + number // 52}-W{number % 52 + 1:02}": views * 7 for number in range(WEEKS)}
    worst = Sketch(bytes(min(chance.getrandbits(1) + chance.getrandbits(2), 51) + 6 for _ in range(REGISTERS)))
    fields = {
        "count": views * 9_000,
        "pageviews": views * 9_000,
        "uniqueVisitors": views * 9_000,
        "updatedAt": AT,
        **history.fields(),
        "people": people(limits.seen if not sketches else 10**6, limits.seen),
        "pages": ranking(limits.pages, MAX_PAGE, letter, views),
        "sources": ranking(SOURCES, MAX_SOURCE, "x", views),
        "requests": {f"{2024 + number // 12}-{number % 12 + 1:02}": views * 40 for number in range(REQUEST_MONTHS)},
        "recent": [f"r{number:011}" for number in range(RECENT)],
        "writtenAt": AT + 0.25,
        "crowdAt": AT + 0.25,
    }
    listed = tuple(chance.randbytes(32).hex() for _ in range(limits.seen))
    return Tally(fields, Seen((), worst) if sketches else Seen(listed))


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("sketches", [False, True])
@pytest.mark.parametrize("limits, ceiling", [(LIMITS, 192), (LARGEST, 480)], ids=["default", "largest settings"])
def test_the_document_has_a_ceiling(limits: Limits, ceiling: int, sketches: bool, script: str) -> None:
    """A hundred thousand views and as many visitors a day for decades, every name as long as it may be: so many KB."""
    tally = full(limits, SCRIPTS[script], 10**5, sketches=sketches)
    tally = tally.fold([Visit(f"{number:012}", str(TODAY)) for number in range(MIN_FOLDED)], limits, at=AT)
    data = tally.encode()

    assert len(data) <= ceiling * 1024
    assert Tally.decode(data, limits).encode() == data


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_long_journal_waits_below_the_ceiling(script: str) -> None:
    """A full document takes of a journal of thousands of entries, each with a long name of its own, what it has room
    for; the others wait and are shown."""
    visits = [
        Visit(f"{number:012}", str(TODAY), page=page_path(f"/{number:05}" + SCRIPTS[script] * 48), source="a.example")
        for number in range(4_000)
    ]
    documents = MemoryDocuments(entries=[visit.entry() for visit in visits])
    before = full(LIMITS, SCRIPTS[script], 10**5, sketches=False)
    documents.write(before.encode(), None, 1.0)
    store = CounterStore(documents, LIMITS, clock=lambda: 0.0)
    shown, _ = store.settle(AT, 1.0)
    stored = documents.document[0] if documents.document else b""

    assert len(stored) <= 192 * 1024
    assert MIN_FOLDED <= len(Tally.decode(stored, LIMITS).folded) == 4_000 - len(documents.journal) < 3_000
    assert shown.pageviews == before.pageviews + len(visits)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_visit_keeps_a_full_document_below_its_ceiling(script: str) -> None:
    """In a full document a visit with new names replaces something, and adds nothing."""
    tally = full(LIMITS, SCRIPTS[script], 10**5, sketches=True)
    before = len(tally.encode())
    for number in range(300):
        page = page_path(f"/{number}" + SCRIPTS[script] * 40)
        visit = Visit(f"v{number:012}", str(TODAY), f"{number:064x}", page=page, source=f"host-{number}.example")
        tally = tally.add(visit, AT, LIMITS)

    assert len(tally.pages.names) == LIMITS.pages
    assert len(tally.pages.probation) == len(tally.sources.probation) == PROBATION
    assert len(tally.encode()) <= before + 3_000


def test_names_are_stored_as_utf8() -> None:
    """A path of a script of many bytes takes these bytes, and no escapes of six characters each."""
    path = "/" + "\u8a9e" * 66
    tally = Tally.empty()
    for number in range(3):
        tally = tally.add(Visit(f"v{number}", str(TODAY), page=path), AT, LIMITS)

    assert path.encode() in tally.encode()


@pytest.mark.slow
def test_a_flood_of_names_stays_below_the_ceiling() -> None:
    """Whoever sends invented paths and hosts for months makes a document of bounded size."""
    chance, tally = random.Random(8), Tally.empty()
    sizes = []
    for number in range(6_000):
        day = str(TODAY + timedelta(number // 60))
        page = page_path(f"/{chance.getrandbits(700):x}"[: chance.randrange(2, 200)])
        visit = Visit(f"{number:012}", day, chance.randbytes(32).hex(), page=page, source=f"h{number}.example")
        tally = tally.add(visit, AT + 1440 * number, LIMITS)
        if number % 500 == 499:
            sizes.append(len(tally.encode()))

    assert max(sizes) < 64 * 1024
    assert tally.pages.views[0] == 6_000
