"""What visits do to the document: totals, visitors, history, the journal's entries, and how large it may get."""

import base64
import itertools
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counter.history import FILTERED_DAYS
from counter.names import page_path, source_host
from counter.ranking import Ranking
from counter.settings import MAX_HISTORY_DAYS, MAX_SEEN_LIMIT
from counter.tally import RECENT, REQUEST_MONTHS, Limits, Tally, Visit
from privacy import names_id

AT = 1790000000
LIMITS = Limits()
LARGEST = Limits(seen=MAX_SEEN_LIMIT, days=MAX_HISTORY_DAYS)

visitors = st.none() | st.integers(0, 9).map(lambda number: f"{number:064x}")
some_days = st.integers(0, 900).map(lambda number: str(date(2024, 1, 1) + timedelta(number)))
reasons = st.sampled_from([None, None, None, "crawler", "prefetch"])


@st.composite
def visits(draw: st.DrawFn, most: int = 30) -> list[Visit]:
    """Return visits, each with an id of its own."""
    drawn = draw(st.lists(st.tuples(some_days, visitors, reasons), max_size=most))
    return [
        Visit(f"id{number}", day, visitor if reason is None else None, reason)
        for number, (day, visitor, reason) in enumerate(drawn)
    ]


def named(ranking: Ranking) -> set[str]:
    """Return the names it knows."""
    return {*ranking.names, *ranking.probation}


def all_of(tally: Tally, some: Sequence[Visit], limits: Limits = LIMITS) -> Tally:
    """Return the tally after these visits, one after the other."""
    for visit in some:
        tally = tally.add(visit, AT, limits)
    return tally


def sums(tally: Tally) -> tuple[int, int, Counter[str]]:
    """Return what the whole history adds up to: page views, new visitors, filtered ones by reason."""
    views = new = 0
    filtered: Counter[str] = Counter()
    for entry in (*tally.days.values(), *tally.months.values()):
        views += entry.get("pageviews", 0)
        new += entry.get("newVisitors", 0)
        filtered.update(entry.get("filtered", {}))
    return views, new, filtered


def test_the_first_visit() -> None:
    """One visit makes a whole document out of nothing."""
    tally = Tally.empty().add(Visit("first", "2026-11-20", "ab" * 32), AT + 0.9, LIMITS)

    assert json.loads(tally.with_requests("2026-11", 3).encode()) == {
        "pageviews": 1,
        "uniqueVisitors": 1,
        "seen": ["ab" * 32],
        "updatedAt": AT,
        "days": {"2026-11-20": {"pageviews": 1, "newVisitors": 1, "visitors": 1}},
        "weeks": {"2026-W47": 1},
        "months": {"2026-11": {"visitors": 1}},
        "people": {
            "day": {"2026-11-20": {"seen": ["ab" * 8]}},
            "week": {"2026-W47": {"seen": ["ab" * 8]}},
            "month": {"2026-11": {"seen": ["ab" * 8]}},
        },
        "requests": {"2026-11": 3},
        "recent": ["first"],
    }


def test_before_the_first_visit() -> None:
    """An empty tally is zero everywhere."""
    tally = Tally.empty()

    assert (tally.pageviews, tally.unique, tally.updated_at, tally.unique_is_estimate) == (0, 0, None, False)
    assert (tally.days, tally.months, tally.requests, tally.recent, tally.folded) == ({}, {}, {}, (), ())
    assert not tally.has("")


@pytest.mark.parametrize("reason", ["crawler", "prefetch"])
def test_what_is_not_counted_is_noted(reason: str) -> None:
    """A filtered visit changes no total and is written down under its reason."""
    tally = all_of(Tally.empty(), [Visit("1", "2026-11-20", None, reason), Visit("2", "2026-11-20", None, reason)])

    assert (tally.pageviews, tally.unique) == (0, 0)
    assert tally.days == {"2026-11-20": {"pageviews": 0, "newVisitors": 0, "filtered": {reason: 2}}}
    assert tally.has("1")


@given(visits(), visits())
def test_the_time_is_that_of_the_last_change(before: list[Visit], later: list[Visit]) -> None:
    """It moves when the totals do, by a visit or from the journal, and what is not counted leaves it as it was."""
    tally = all_of(Tally.empty(), before)
    counted = any(visit.reason is None for visit in before)
    assert tally.updated_at == (AT if counted else None)

    others = [Visit(f"other {visit.id}", visit.day, visit.visitor, visit.reason) for visit in later]
    folded = tally.fold(others, LIMITS, at=AT + 60)
    assert folded.updated_at == (AT + 60 if folded.pageviews > tally.pageviews else tally.updated_at)


@pytest.mark.parametrize(
    "moment, expected",
    [(AT, AT), (1.5e9, 1500000000), (-5, -5), (None, None), ("x", None), (True, None), ([], None), (1e300, int(1e300))],
)
def test_when_it_was_updated(moment: object, expected: int | None) -> None:
    """An old document's time is shown where it is one."""
    tally = Tally.decode(json.dumps({"pageviews": 1, "updatedAt": moment}).encode(), LIMITS)

    assert tally.updated_at == expected


@settings(deadline=None, max_examples=50)
@given(visits(), st.integers(1, 40))
def test_any_visits_are_what_a_plain_count_says(some: list[Visit], keep: int) -> None:
    """Totals, visitors and the sums of the history equal those of a dictionary that forgets nothing."""
    tally = all_of(Tally.empty(), some, Limits(seen=20, days=keep))

    counted = [visit for visit in some if visit.reason is None]
    unique = {visit.visitor for visit in counted} - {None}
    views, new, filtered = sums(tally)
    assert (tally.pageviews, tally.unique) == (len(counted), len(unique))
    assert (views, new) == (len(counted), len(unique))
    assert filtered == Counter(visit.reason for visit in some if visit.reason)
    assert all(tally.has(visit.id) for visit in some)
    assert set(tally.seen.hashes) == unique


@settings(deadline=None, max_examples=50)
@given(visits(), st.integers(1, 40), st.integers(0, 6))
def test_the_history_keeps_its_days(some: list[Visit], keep: int, seen: int) -> None:
    """The newest days that have visits are kept; what is dropped is in its month; the total stays the sum."""
    tally = all_of(Tally.empty(), some, Limits(seen, keep))

    assert sorted(tally.days) == sorted({visit.day for visit in some})[-keep:]
    for month in {visit.day[:7] for visit in some}:
        in_month = [visit for visit in some if visit.day.startswith(month) and visit.day not in tally.days]
        counted = len([visit for visit in in_month if visit.reason is None])
        assert tally.months.get(month, {}).get("pageviews", 0) == counted
    assert sums(tally)[:2] == (tally.pageviews, tally.unique)


def test_what_was_not_counted_is_kept_by_day_for_a_month() -> None:
    """Of older days the reasons are summed by month, where nobody asks for the day; no sum loses anything."""
    days = [str(date(2026, 3, 1) + timedelta(number)) for number in range(FILTERED_DAYS + 10)]
    tally = all_of(Tally.empty(), [Visit(f"v{day}", day, None, "crawler") for day in days])

    assert [day for day in tally.days if "filtered" in tally.days[day]] == days[-FILTERED_DAYS:]
    assert tally.months == {"2026-03": {"filtered": {"crawler": 10}}}
    assert sums(tally)[2] == {"crawler": len(days)}


@settings(deadline=None, max_examples=50)
@given(visits(), st.integers(0, 6), st.integers(1, 20))
def test_a_document_is_read_as_it_was_written(some: list[Visit], seen: int, keep: int) -> None:
    """Writing and reading changes nothing, and what was read goes on like what was remembered."""
    limits = Limits(seen, keep)
    tally = all_of(Tally.empty(), some, limits).fold(some[:3], limits).with_requests("2026-11", 2)
    again = Tally.decode(tally.encode(), limits)
    further = Visit("further", "2026-05-05", "f" * 64)

    assert again.encode() == tally.encode()
    assert (again.pageviews, again.unique, again.days, again.recent) == (
        tally.pageviews,
        tally.unique,
        tally.days,
        tally.recent,
    )
    assert again.add(further, AT, limits).encode() == tally.add(further, AT, limits).encode()


@settings(deadline=None, max_examples=50)
@given(visits())
def test_a_tally_is_never_changed(some: list[Visit]) -> None:
    """What was written may be remembered and shown while the next one is made."""
    tally = all_of(Tally.empty(), some[::2], Limits(3, 2))
    before = tally.encode()
    all_of(tally, some[1::2], Limits(3, 2)).with_requests("2026-11", 1)
    tally.fold(some, Limits(3, 2))

    assert tally.encode() == before


@settings(deadline=None, max_examples=50)
@given(visits(), st.randoms(use_true_random=False))
def test_folding_is_adding_in_any_order(some: list[Visit], chance: random.Random) -> None:
    """The journal's entries give the same totals and history as the visits themselves, in whatever order."""
    limits = Limits(seen=20, days=40)
    shuffled = chance.sample(some, len(some))

    folded, other = Tally.empty().fold(some, limits), Tally.empty().fold(shuffled, limits)

    added = all_of(Tally.empty(), some, limits)
    for tally in (folded, other):
        assert (tally.pageviews, tally.unique) == (added.pageviews, added.unique)
        assert set(tally.seen.hashes) == set(added.seen.hashes)
        assert sums(tally) == sums(added)
        assert set(tally.folded) == {visit.id for visit in some}
        assert tally.recent == ()


@settings(deadline=None, max_examples=50)
@given(visits(), st.integers(0, 30), st.integers(0, 6))
def test_nothing_is_folded_twice(some: list[Visit], middle: int, seen: int) -> None:
    """Entries folded again, or whose visit is in the document already, change nothing but the list of ids."""
    limits = Limits(seen=seen, days=40)
    added = all_of(Tally.empty(), some[:middle], limits)
    once = added.fold(some, limits)
    twice = once.fold(some, limits)

    assert once.pageviews == len([visit for visit in some if visit.reason is None])
    assert twice.encode() == once.encode()
    assert once.fold([], limits).pageviews == once.pageviews
    assert once.fold([*some, *some], limits).encode() == once.encode()


def test_ids_of_folded_visits_stay_until_they_are_forgotten() -> None:
    """An entry that a late network brings back is still known, however many others were folded since; only what is
    named is forgotten."""
    early = [Visit(f"early{number}", "2026-11-20") for number in range(2_000)]
    tally = Tally.empty().fold(early, LIMITS)
    later = [Visit("later", "2026-11-20")]
    after = tally.fold(later, LIMITS, forget={early[0].id, early[7].id})

    assert list(after.folded) == [visit.id for visit in (*early[1:7], *early[8:], *later)]
    assert after.fold(early[8:], LIMITS).pageviews == 2_001
    assert list(after.fold([], LIMITS, forget={"later"}).folded) == list(after.folded)[:-1]


@pytest.mark.parametrize("odd", [None, True, "1", [1], {}])
def test_an_odd_note_of_a_crowd_is_none(odd: object) -> None:
    """Moments in the document that are no numbers are taken for missing, and the document stays readable."""
    tally = Tally.decode(json.dumps({"pageviews": 1, "crowdAt": odd, "writtenAt": odd}).encode(), LIMITS)

    assert (tally.crowd_at, tally.written_at) == (None, None)
    assert (tally.stamped(AT, AT).crowd_at, tally.stamped(AT, None).written_at) == (AT, AT)


def test_the_last_visits_are_remembered() -> None:
    """Of the visits' ids the last 256 stay."""
    tally = all_of(Tally.empty(), [Visit(f"v{number}", "2026-11-20") for number in range(RECENT + 2)])

    assert len(tally.recent) == RECENT
    assert [tally.has(visit_id) for visit_id in ("v0", "v1", "v2", f"v{RECENT + 1}", "never")] == [
        False,
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("between", [0, 1, RECENT - 1, RECENT, RECENT + 1])
@pytest.mark.parametrize("before", [0, 1, RECENT])
def test_it_is_known_how_far_memory_reaches(before: int, between: int) -> None:
    """`remembers` is true exactly while every visit since then is still in the list."""
    earlier = all_of(Tally.empty(), [Visit(f"a{number}", "2026-11-20") for number in range(before)])
    between_visits = [Visit(f"b{number}", "2026-11-20") for number in range(between)]
    later = all_of(earlier, between_visits)

    if later.remembers(earlier):
        assert all(later.has(visit.id) for visit in between_visits)
    assert later.remembers(earlier) is (between < RECENT)


ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
entries = st.builds(
    lambda visit_id, day, visitor, reason, page, source, names_id: Visit(
        visit_id, str(day), visitor, reason, page_path(page), source_host(source) or None, names_id
    ),
    ids,
    st.dates(),
    st.none() | st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}"),
    st.none() | st.from_regex(r"[a-z]{1,16}", fullmatch=True),
    st.none() | st.text(max_size=200).map(lambda text: f"/{text}") | st.just("/" + "\u8a9e" * 66),
    st.none() | st.from_regex(r"[a-z0-9]{1,40}\.[a-z]{1,40}", fullmatch=True),
    st.none() | ids,
)


@settings(deadline=None, max_examples=50)
@given(entries)
def test_an_entry_is_read_as_it_was_written(visit: Visit) -> None:
    """Each part of a visit survives as the name of an object, of characters that are safe in one."""
    for part in visit.parts():
        entry = part.entry()

        assert Visit.of_entry(entry) == part
        assert not set(entry) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
        assert len(entry) <= 500


@settings(deadline=None, max_examples=50)
@given(entries)
def test_no_entry_connects_a_page_with_a_visitor(visit: Visit) -> None:
    """A visit that has both is two entries without anything in common but the date."""
    parts = visit.parts()
    for part in parts:
        assert part.visitor is None or not (part.page or part.source)
        assert (
            part.visitor is None or base64.urlsafe_b64encode((visit.page or "?").encode()).decode() not in part.entry()
        )
    if len(parts) == 2:
        assert {part.id for part in parts} == {visit.id, visit.names_id}
        assert [part.visitor for part in parts] == [visit.visitor, None]


@settings(deadline=None, max_examples=50)
@given(st.lists(entries, max_size=20), st.randoms(use_true_random=False))
def test_parts_add_up_to_the_visit(some: list[Visit], chance: random.Random) -> None:
    """Folded from the journal in any order, and repeated, they give what the visits themselves give."""
    some = [replace(visit, id=f"v{number}", names_id=f"n{number}") for number, visit in enumerate(some)]
    whole = Tally.empty().fold(some, LIMITS)
    parts = [part for visit in some for part in visit.parts()]
    chance.shuffle(parts)
    folded = Tally.empty().fold(parts[:5], LIMITS).fold(parts, LIMITS).fold(parts[3:9], LIMITS)

    assert (folded.pageviews, folded.unique) == (whole.pageviews, whole.unique)
    assert (folded.days.keys(), sums(folded)) == (whole.days.keys(), sums(whole))
    for one, other in ((folded.pages, whole.pages), (folded.sources, whole.sources)):
        assert one.views[0] == other.views[0]
        assert one.other[0] + sum(row[0] for row in one.names.values()) == other.views[0]


@settings(deadline=None, max_examples=50)
@given(st.lists(entries, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_a_page_counts_once_however_its_visit_is_delivered(some: list[Visit], chance: random.Random) -> None:
    """A call that is delivered twice, to the document and through the journal, in any order, counts view, page and
    source once."""
    limits = replace(LIMITS, salt="salt")
    some = [replace(visit, id=f"v{n}", names_id=names_id("salt", f"v{n}")) for n, visit in enumerate(some)]
    expected = all_of(Tally.empty(), some)
    tally = Tally.empty()
    for visit in chance.choices(some, k=3 * len(some)) + some:
        if chance.random() < 0.5:
            tally = tally.fold(visit.parts(), limits)
        elif not tally.has(visit.id):
            tally = tally.add(visit, AT, limits)

    assert sums(tally) == sums(expected)
    for one, other in ((tally.pages, expected.pages), (tally.sources, expected.sources)):
        assert one.views[0] == other.views[0]
        assert one.other[0] + sum(row[0] for row in one.names.values()) == other.views[0]
        assert {name: one.count(name) for name in named(other)} == {name: other.count(name) for name in named(other)}


@pytest.mark.parametrize("order", list(itertools.permutations(("direct", "view", "names"))), ids="+".join)
def test_a_page_counts_once_in_any_order(order: tuple[str, ...]) -> None:
    """Of a call that is delivered twice, the entries may be folded one by one, before and after the visit itself."""
    limits = replace(LIMITS, salt="salt")
    visit = Visit("v", "2026-11-20", "ab" * 32, page="/a", source="example.com", names_id=names_id("salt", "v"))
    entries_of = dict(zip(("view", "names"), visit.parts(), strict=True))
    tally = Tally.empty()
    for step in order:
        if step != "direct":
            tally = tally.fold([entries_of[step]], limits)
        elif not tally.has(visit.id):
            tally = tally.add(visit, AT, limits)

    assert (tally.pageviews, tally.unique) == (1, 1)
    for ranking, name in ((tally.pages, "/a"), (tally.sources, "example.com")):
        assert (ranking.views[0], ranking.count(name)) == (1, 1)


def test_without_its_second_entry_a_page_is_in_other() -> None:
    """The entry with the visitor says that the view named a page; which one is lost, and the sum stays exact."""
    visit = Visit("v", "2026-11-20", "ab" * 32, page="/a", source="example.com", names_id="n")
    tally = Tally.empty().fold(visit.parts()[:1], LIMITS)

    assert (tally.pageviews, tally.unique) == (1, 1)
    assert tally.pages.other[0] == tally.sources.other[0] == 1
    assert tally.fold(visit.parts()[1:], LIMITS).pages.count("/a") == 1
    assert tally.fold(visit.parts()[1:], LIMITS).pageviews == 1


NO_ENTRIES = [
    "",
    "2026-11-20",
    "2026-11-20.id.-",
    "2026-11-20.id.-.-.more",
    "2026-11-20..-.-",
    "2026-02-30.id.-.-",
    "0000-01-01.id.-.-",
    "2026-11-20.id.Crawler.-",
    "2026-11-20.id.-.-.-.-",
    "2026-11-20.id.-.-.L2",
    "2026-11-20.id.-.-.L2E=.-",
    "2026-11-20.id.-.-.L2F.-",
    "2026-11-20.id.-.-._w.-",
    "2026-11-20.id.-.-." + "L" * 301 + ".-",
    "2026-11-20.id.crawler crawler.-",
    "2026-11-20.id.-." + "a" * 63,
    "2026-11-20.id.-." + "A" * 64,
    "2026-11-20.id.-." + "g" * 64,
    "2026-11-20.i/d.-.-",
    "2026-11-20." + "i" * 65 + ".-.-",
    "2026-11-20.id.-.-\n",
    "٢٠٢٦-11-20.id.-.-",
    "20261120.id.-.-",
    "folder/2026-11-20.id.-.-",
]


@pytest.mark.parametrize("name", NO_ENTRIES)
def test_what_is_no_entry_is_none(name: str) -> None:
    """What somebody else put among the entries is not taken for a visit."""
    assert Visit.of_entry(name) is None


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=100))
def test_any_name_is_an_entry_or_none(name: str) -> None:
    """No name of an object is an error, and no two names are the same visit."""
    visit = Visit.of_entry(name)

    assert visit is None or visit.entry() == name


def test_requests_are_kept_for_two_years() -> None:
    """Requests add up by month, and the oldest months go."""
    tally = Tally.empty()
    for number in range(30):
        for _ in range(2):
            tally = tally.with_requests(f"{2024 + number // 12}-{number % 12 + 1:02d}", number)

    assert len(tally.requests) == REQUEST_MONTHS
    assert (min(tally.requests), tally.requests["2026-06"]) == ("2024-07", 58)


@pytest.mark.parametrize("odd", ["0001-01-01", "1969-12-31", "2026-11-01", "2028-02-29", "9999-12-31"])
@pytest.mark.parametrize("days", [1, 30, MAX_HISTORY_DAYS])
def test_a_wrong_clock_loses_nothing(odd: str, days: int) -> None:
    """A visit dated before all days that are kept, or far in the future, breaks nothing and every sum stays true."""
    limits = Limits(days=days)
    usual = [Visit(f"u{number}", str(date(2026, 11, 1) + timedelta(number))) for number in range(5)]
    tally = all_of(Tally.empty(), usual, limits)

    tally = tally.add(Visit("odd", odd, "ab" * 32), -62135596800 if odd < "1000" else AT, limits)
    tally = all_of(tally, [Visit("after", "2026-11-06"), Visit("odd2", odd)], limits)

    assert (tally.pageviews, tally.unique) == (8, 1)
    assert sums(tally)[:2] == (8, 1)
    assert Tally.decode(tally.encode(), limits).encode() == tally.encode()


def test_the_running_number_never_goes_down() -> None:
    """At the turn from list to sketch and after it, the number goes on from where it was, and stays true."""
    limits = Limits(seen=50, days=10)
    chance = random.Random(8)
    some = [chance.randbytes(32).hex() for _ in range(3_000)]
    tally, numbers = Tally.empty(), []
    for number, visitor in enumerate(some):
        tally = tally.add(Visit(f"v{number}", "2026-11-20", visitor), AT, limits)
        numbers.append(tally.unique)

    assert numbers[:51] == list(range(1, 52))
    assert numbers == sorted(numbers)
    assert abs(numbers[-1] - 3_000) <= 3 * 0.0065 * 3_000 + 1
    assert tally.unique_is_estimate
    known = all_of(tally, [Visit(f"k{number}", "2026-11-21", visitor) for number, visitor in enumerate(some)], limits)
    assert known.unique == tally.unique


def test_the_number_an_old_document_shows_is_not_lowered() -> None:
    """Where the old number is larger than its list, it goes on from there, also when the list becomes a sketch."""
    old = {"pageviews": 99, "uniqueVisitors": 70, "seen": [f"{number:064x}" for number in range(5)]}
    tally = Tally.decode(json.dumps(old).encode(), Limits(seen=3))

    assert (tally.unique, tally.unique_is_estimate) == (70, True)
    assert tally.add(Visit("n", "2026-11-20", "ab" * 32), AT, Limits(seen=3)).unique == 71


def test_a_flood_of_random_visitors_stays_below_the_ceiling() -> None:
    """Whoever sends random ids for ever, from now on to the end of the history, makes no larger document."""
    limits = Limits(seen=20, days=40)
    chance = random.Random(7)
    tally, sizes = Tally.empty(), []
    for number in range(4_000):
        day = str(date(2024, 1, 1) + timedelta(number // 20))
        reason = (None, None, "crawler", "prefetch")[number % 4]
        visitor = chance.randbytes(32).hex() if reason is None else None
        tally = tally.add(Visit(f"{chance.getrandbits(70):018x}", day, visitor, reason), AT, limits)
        if number % 20 == 0:
            tally = tally.with_requests(day[:7], 20)
            sizes.append(len(tally.encode()))

    assert (len(tally.days), len(tally.months), len(tally.recent)) == (40, 7, RECENT)
    assert max(sizes) <= 40 * 110 + 7 * 110 + RECENT * 22 + 17_000 + 6 * 4_500
