"""The visitors of a day, a week and a month: exact while few, gone when the period is over, whatever a clock says."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counter.people import MAX_LIST, People
from counter.tally import Limits, Tally, Visit
from privacy import visitor_hash

LIMITS = Limits()
NOON = 1790000000  # 2026-09-21, a Monday
MONDAY, TUESDAY, SUNDAY = "2026-09-21", "2026-09-22", "2026-09-20"
HOUR, DAY = 3600, 86400


def came(tally: Tally, visitor: object, day: str = MONDAY, at: float = NOON, limits: Limits = LIMITS) -> Tally:
    """Return the tally after a visit of this visitor."""
    visit = Visit(f"v{tally.pageviews}", day, visitor_hash("salt", str(visitor)))
    return tally.add(visit, at, limits)


def numbers(tally: Tally, day: str = MONDAY) -> tuple[int, int, int]:
    """Return the visitors of the day, its week and its month."""
    day_, week, month = (tally.people_of(kind, day) or 0 for kind in ("day", "week", "month"))
    return day_, week, month


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=60), st.sampled_from([0, 3, 400]))
def test_each_period_counts_its_visitors_once(visits: list[tuple[int, int]], seen: int) -> None:
    """What a set of everybody would say, for days that come one after the other."""
    tally = Tally.empty()
    days = sorted(visits)
    for ago, visitor in days:
        tally = came(tally, visitor, f"2026-{10 + ago // 28}-{ago % 28 + 1:02}", NOON + ago * DAY, Limits(seen=seen))

    if days:
        last = days[-1][0]
        day = f"2026-{10 + last // 28}-{last % 28 + 1:02}"
        today = {visitor for ago, visitor in days if ago == last}
        month = {visitor for ago, visitor in days if ago // 28 == last // 28}
        assert tally.people_of("day", day) == len(today)
        assert tally.people_of("month", day) == len(month)


def test_a_visitor_is_new_to_each_period() -> None:
    """Who comes on two days of one week is two visitors of days, and one of the week and of the month."""
    tally = came(came(came(Tally.empty(), "a"), "a"), "a", TUESDAY, NOON + DAY)

    assert numbers(tally, MONDAY) == (1, 1, 1)
    assert numbers(tally, TUESDAY) == (1, 1, 1)
    assert numbers(came(tally, "a", SUNDAY, NOON + DAY), SUNDAY) == (1, 1, 1)
    assert tally.unique == 1


def test_weeks_are_iso_weeks() -> None:
    """The first days of January may belong to the last week of the old year."""
    tally = came(Tally.empty(), "a", "2027-01-03")

    assert tally.weeks == {"2026-W53": 1}


def test_the_sets_of_a_period_are_gone_a_day_after_it() -> None:
    """No hash of a day is left once the day is over for 24 hours; its number stays."""
    tally = came(Tally.empty(), "a", MONDAY, NOON)
    stored = [tally.encode()]
    for day, at in ((TUESDAY, DAY), ("2026-09-23", 2 * DAY + HOUR), ("2026-11-20", 60 * DAY), ("2026-11-21", 61 * DAY)):
        tally = tally.add(Visit(f"other-{day}", day), NOON + at, LIMITS)
        stored.append(tally.encode())
    people = [json.loads(data)["people"] for data in stored if b"people" in data]

    assert [sorted(sets["day"]) for sets in people[:3]] == [[MONDAY], [MONDAY, TUESDAY], ["2026-09-22", "2026-09-23"]]
    assert "people" not in json.loads(stored[-1])
    assert stored[-1].count(visitor_hash("salt", "a")[:16].encode()) == 1  # in `seen`, of all visitors
    assert numbers(tally, MONDAY) == (1, 1, 1)


def test_a_visit_that_arrives_late_is_counted_for_a_day() -> None:
    """A visit of yesterday that waited in the journal is one more visitor of yesterday, the day after it is not."""
    tally = came(came(Tally.empty(), "a"), "b", TUESDAY, NOON + DAY)
    late = Visit("late", MONDAY, visitor_hash("salt", "c"))
    known = Visit("known", MONDAY, visitor_hash("salt", "a"))

    assert numbers(tally.fold([late, known], LIMITS, at=NOON + DAY), MONDAY)[0] == 2
    assert numbers(tally.fold([late], LIMITS, at=NOON + 3 * DAY), MONDAY)[0] == 1
    assert tally.fold([late], LIMITS, at=NOON + 3 * DAY).pageviews == 3


@pytest.mark.parametrize("wrong, at", [("2036-02-03", NOON + 3400 * DAY), ("1970-01-01", 0), ("2026-10-02", NOON)])
def test_a_wrong_clock_ends_no_period(wrong: str, at: int) -> None:
    """After one visit with another date the day, the week and the month go on where they were."""
    tally = came(came(Tally.empty(), "a"), "b")
    tally = came(tally, "a", wrong, at)
    tally = came(came(tally, "a", at=NOON + HOUR), "c", at=NOON + HOUR)

    assert numbers(tally) == (3, 3, 3)


def test_midnight_is_the_owners() -> None:
    """A fold ends periods by the owner's date."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only here

    before, after = 1790024400 - 3600 * 3, 1790024400 + 60  # 21:00 UTC is midnight in Kyiv
    limits = Limits(timezone=ZoneInfo("Europe/Kyiv"))

    assert limits.date(after) == TUESDAY
    assert limits.date(before) == MONDAY


@pytest.mark.parametrize("visitors", [MAX_LIST, 1_000, 20_000])
def test_many_visitors_are_estimated_well(visitors: int) -> None:
    """Exactly while there is a list, and within five standard errors of 1.3 % beyond."""
    chance, people, count = random.Random(visitors), People({}).turned(MONDAY, NOON), 0
    for _ in range(visitors):
        people, more = people.add(MONDAY, chance.randbytes(32).hex(), 400)
        count += more["day"]

    assert abs(count - visitors) <= (0 if visitors == MAX_LIST else 5 * 0.013 * visitors)
    assert people.is_estimate(MONDAY, "day") is (visitors > MAX_LIST)
    assert len(json.dumps(people.content())) < 3 * 4_000


def test_sets_are_read_as_they_were_written() -> None:
    """People survive as JSON, whatever order its members come back in."""
    people = People({}).turned(MONDAY, NOON)
    for number in range(MAX_LIST + 30):
        people, _ = people.add(MONDAY, visitor_hash("s", str(number)), 400)
    people = people.turned(TUESDAY, NOON + DAY)
    people, _ = people.add(TUESDAY, visitor_hash("s", "1"), 400)
    content = json.loads(json.dumps(people.content()))
    backwards = {kind: dict(reversed(sets.items())) for kind, sets in content.items()}

    for given_ in (content, backwards):
        again = People.parse(given_)
        assert json.loads(json.dumps(again.content())) == content
        assert again.add(TUESDAY, visitor_hash("s", "1"), 400)[1] == {"day": 0, "week": 0, "month": 0}
        assert again.add(MONDAY, visitor_hash("s", "2"), 400)[1] == {"day": 0, "week": 0, "month": 0}


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"day": []},
        {"day": {"2026-09-21": []}},
        {"day": {"2026-09-21": {"seen": "abc"}}},
        {"day": {"2026-09-21": {"seen": [1]}}},
        {"day": {"2026-09-21": {"seen": [], "until": "soon"}}},
        {"day": {"2026-09-21": {"sketch": "hll14-1:abc"}}},
        {"day": {"2026-09-21": {"sketch": 5}}},
    ],
)
def test_what_is_no_set_is_refused(content: object) -> None:
    """Strictly, as the rest of a document."""
    with pytest.raises(ValueError):  # noqa: PT011 - document.decode says where
        People.parse(content)
