"""Rankings: sums that are exact whatever is named, names that come back get in, and invented ones do not."""

import json
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.history import MAX_NUMBER
from counter.ranking import ADMITTED, PROBATION, Ranking

NOVEMBER, DECEMBER = "2026-11", "2026-12"


def view(ranking: Ranking, *names: str, month: str = NOVEMBER, places: int = 200, always: tuple[str, ...] = ()) -> None:
    """Count a view of each of `names`."""
    ranking.turn(month)
    for name in names:
        ranking.view(month)
        ranking.add(name, month, places, always)


names = st.lists(st.integers(0, 150).map(lambda number: f"/{number}"), max_size=400)


@given(names, names, st.integers(0, 20), st.sets(st.integers(0, 9).map(lambda number: f"/{number}"), max_size=5))
def test_the_sum_is_exact(november: list[str], december: list[str], places: int, always: set[str]) -> None:
    """Names and `other` add up to all views, in all and by month, and no name is shown more than it has."""
    ranking = Ranking()
    view(ranking, *november, places=places, always=tuple(always))
    view(ranking, *december, month=DECEMBER, places=places, always=tuple(always))
    true = Counter(november + december)

    totals = [sum(column) for column in zip(ranking.other, *ranking.names.values(), strict=True)]
    assert totals == [len(november) + len(december), len(december), len(november)]
    assert all(ranking.names[name][0] == true[name] for name in always if true[name])
    assert all(row[0] <= true[name] for name, row in (*ranking.names.items(), *ranking.probation.items()))
    assert len(ranking.names) <= max(places, len(always))
    assert len(ranking.probation) <= PROBATION


def test_names_are_read_as_they_were_written() -> None:
    """A ranking survives as JSON."""
    ranking = Ranking()
    view(ranking, "/", "/", "/", "/a", "/__proto__")
    view(ranking, "/", "/b", month=DECEMBER)

    again = Ranking.parse(json.loads(json.dumps(ranking.content())))

    assert again.content() == json.loads(json.dumps(ranking.content())) | {
        "names": ranking.names,
        "probation": ranking.probation,
        "views": ranking.views,
    }
    assert again.names == {"/": (4, 1, 3)}
    assert again.count("/a") == 1
    assert again.count("/never") is None


def test_a_name_is_admitted_when_it_comes_back() -> None:
    """It begins with all the views it had in the probation, and nothing of it is lost."""
    ranking = Ranking()
    for times in range(1, ADMITTED + 1):
        view(ranking, "/new")
        assert ranking.count("/new") == times
        assert ("/new" in ranking.names) is (times == ADMITTED)

    assert ranking.other == (0, 0, 0)


def test_listed_names_are_exact_from_their_first_view() -> None:
    """They need no probation, and nothing pushes them out."""
    ranking = Ranking()
    view(ranking, "/listed", always=("/listed",), places=2)
    view(ranking, *["/a", "/b", "/c"] * 50, always=("/listed",), places=2)

    assert ranking.names["/listed"] == (1, 1, 0)
    assert len(ranking.names) == 2


def test_a_new_page_takes_the_place_of_the_weakest() -> None:
    """In a full ranking it is this month and the last that count, not what was long ago."""
    ranking = Ranking()
    view(ranking, *["/old"] * 90, month="2026-09", places=2)
    view(ranking, *["/strong"] * 50, month=NOVEMBER, places=2)
    view(ranking, *["/new"] * ADMITTED, month=DECEMBER, places=2)

    assert set(ranking.names) == {"/strong", "/new"}
    assert ranking.other == (90, 0, 0)


def test_a_name_that_is_no_stronger_stays_outside() -> None:
    """Whoever repeats an invented name a few times pushes out nobody."""
    ranking = Ranking()
    view(ranking, *["/a", "/b"] * 10, places=2)
    for number in range(50):
        view(ranking, *[f"/invented-{number}"] * 9, places=2)

    assert set(ranking.names) == {"/a", "/b"}


def test_a_wrong_clock_ends_no_month() -> None:
    """After a single visit of the year 2036 the month goes on where it was."""
    ranking = Ranking()
    view(ranking, *["/"] * 5)
    view(ranking, "/", month="2036-01")
    view(ranking, "/")

    assert ranking.months == [NOVEMBER, "2036-01"]
    assert ranking.names["/"] == (7, 6, 1)


def test_a_late_view_belongs_to_its_month() -> None:
    """A view of the last month is folded into the last month, an older one only into the total."""
    ranking = Ranking()
    view(ranking, *["/"] * 3)
    ranking.turn(DECEMBER)
    for month in (NOVEMBER, "2026-08"):
        ranking.view(month)
        ranking.add("/", month, 200)

    assert ranking.names["/"] == (5, 0, 4)
    assert ranking.views == (5, 0, 4)


@pytest.mark.slow
def test_a_flood_of_invented_names_pushes_out_nobody() -> None:
    """A hundred thousand names that nobody asked for twice: the real ones are there, with nearly all their views."""
    chance, ranking = random.Random(5), Ranking()
    real = [f"/page-{number}" for number in range(30)]
    for _ in range(3_000):
        view(ranking, chance.choice(real))
    before = {name: row[0] for name, row in ranking.names.items()}
    for _ in range(100_000):
        view(ranking, f"/{chance.getrandbits(60):x}")
    view(ranking, *real)

    assert set(ranking.names) == set(real)
    assert all(ranking.names[name][0] == before[name] + 1 for name in real)
    assert len(json.dumps(ranking.content())) < 6_000


def test_numbers_stay_what_a_document_may_hold() -> None:
    """At the largest number there is a view more changes nothing."""
    ranking = Ranking.parse(
        {"months": [NOVEMBER], "names": {"/": [MAX_NUMBER, MAX_NUMBER, 0]}, "views": [MAX_NUMBER, MAX_NUMBER, 0]}
    )
    view(ranking, "/", "/other")

    assert ranking.names["/"] == ranking.views == (MAX_NUMBER, MAX_NUMBER, 0)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"months": ["2026-11"]},
        {"months": 1, "views": [1, 1, 1]},
        {"months": ["2026-11"], "views": [1, 1]},
        {"months": ["2026-11"], "views": [1, 1, -1]},
        {"months": ["2026-11"], "views": [1, 1, True]},
        {"months": ["2026-11"], "views": [1, 1, 1.5]},
        {"months": ["2026-11"], "views": [1, 1, 1], "names": ["/"]},
        {"months": ["2026-11"], "views": [1, 1, 1], "names": {"/": 3}},
        {"months": ["2026-11"], "views": [1, 1, 1], "names": {"/": [1, 2]}},
        {"months": ["2026-11"], "views": [1, 1, 1], "names": {"/\ud800": [1, 1, 1]}},
        {"months": ["\ud800"], "views": [1, 1, 1]},
        {"months": ["2026-11"], "views": [1, 1, 1], "probation": {"/": [1, 1, 1]}},
    ],
)
def test_what_is_no_ranking_is_refused(content: object) -> None:
    """Strictly: a ranking that starts over because it could not be read has lost every view."""
    with pytest.raises(ValueError, match="not a ranking"):
        Ranking.parse(content)
