"""Random runs of many containers in virtual time: every visit is counted once, whatever goes wrong.

`python -m bench.random_runs` makes thousands of them; this runs a few that take seconds. Then each precaution is
removed, and the runs must notice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench.faulty_store import PROFILES, Profile, Scale
from bench.random_runs import RandomRun, run
from counter import journal
from counter.contention import ContentionPolicy
from counter.journal import Journal
from counter.tally import Tally

SEEDS = range(1, 3)
SMALL = Scale(page=6, recent=20, folded=10)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the warnings of all these failures out of the log."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", PROFILES)
def test_every_visit_is_counted_once(name: str) -> None:
    """No visit lost or doubled, none on a wrong day, no call over its deadline, no container that takes back what it
    showed; and two seconds after a calm crowd every container is exact."""
    for seed in SEEDS:
        outcome = run(name, seed)

        assert outcome.violations == [], seed
        assert outcome.acknowledged > 0


def test_a_run_can_be_looked_at_again() -> None:
    """The same seed is the same run."""
    assert run("everything", 3) == run("everything", 3)


Break = Callable[[pytest.MonkeyPatch], None]


def forgets_at_once(patch: pytest.MonkeyPatch) -> None:
    """Ids of folded visits are forgotten as soon as their entries are gone."""
    patch.setattr(journal, "REMEMBER_SECONDS", 0.0)


def forgets_by_number(patch: pytest.MonkeyPatch) -> None:
    """Only the last ids of folded visits are remembered, whether their entries are gone or not."""
    last = property(lambda tally: tally.fields.get("folded", ())[-10:], lambda tally, folded: None)
    patch.setattr(Tally, "folded", last, raising=False)


def appends_anywhere(patch: pytest.MonkeyPatch) -> None:
    """Visits are appended where nobody may remove them."""
    patch.setattr(Journal, "is_open", lambda _: True)


def notes_no_crowd(patch: pytest.MonkeyPatch) -> None:
    """Visits go to the journal, and the document does not say so."""
    patch.setattr(ContentionPolicy, "leaves", lambda _self, _tally, _moment, conflicts, _trip: conflicts > 0)
    patch.setattr(Tally, "crowd_at", property(lambda tally: None, lambda tally, at: None), raising=False)


def looks_for_no_id(patch: pytest.MonkeyPatch) -> None:
    """A write in doubt is taken for one that did not land."""
    patch.setattr(Tally, "has", lambda *_: False)


def takes_each_page_for_new(patch: pytest.MonkeyPatch) -> None:
    """The page of a visit in the document is added again by its second journal entry."""
    patch.setattr("counter.tally.names_id", lambda *_: "")


@pytest.mark.parametrize(
    "breaking, name, seen",
    [
        (takes_each_page_for_new, "delivered again", "named one"),
        (forgets_at_once, "late and twice", "counted twice"),
        (forgets_by_number, "removals fail", "counted twice"),
        (appends_anywhere, "nothing may be removed", "although nothing may be removed"),
        (notes_no_crowd, "a calm crowd", "two seconds after the crowd"),
        (looks_for_no_id, "answers lost", "page views for"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_precaution_that_is_missing_is_seen(
    monkeypatch: pytest.MonkeyPatch, breaking: Break, name: str, seen: str
) -> None:
    """Without it some run breaks a promise, and says which."""
    breaking(monkeypatch)
    said: list[Any] = []
    for seed in range(1, 60):
        said = run(name, seed).violations
        if any(seen in violation for violation in said):
            return
    pytest.fail(f"{breaking.__name__} was not seen; last: {said[:3]}")


def test_a_crowd_in_a_place_that_may_not_be_cleared() -> None:
    """Visits stay with the document; nobody is doubled, and the journal is never used."""
    outcome = RandomRun(Profile(may_remove=False), 7, SMALL).run()

    assert outcome.violations == []
    assert outcome.requests["append"] == 0
