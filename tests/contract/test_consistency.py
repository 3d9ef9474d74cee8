"""The same number everywhere, and none that goes back."""

from itertools import pairwise

import pytest
from contract.caller import Answer, Caller
from contract.counter import ESTIMATE, Counter, Visits


def number(badge: Answer) -> int:
    """The number on a badge."""
    return int(badge.title.rpartition(": ")[2].lstrip("~").replace(",", ""))


def test_the_page_views_are_the_same_everywhere(counter: Counter) -> None:
    """Page, health and badge tell the same page views."""
    shown: list[Answer] = []

    def look() -> Answer:
        shown[:] = [counter.ask("/health"), counter.ask("/badge.svg")]
        return counter.ask("/counter?peek=1")

    page = counter.still(look)
    health, badge = shown
    assert health.told["counter_value"] == page.told["count"]
    assert number(badge) == page.told["count"]


def test_the_visitors_are_the_same_everywhere(counter: Counter) -> None:
    """Page and badge tell the same visitors."""
    shown: list[Answer] = []

    def look() -> Answer:
        shown[:] = [counter.ask("/badge.svg?metric=unique")]
        return counter.ask("/counter?peek=1")

    page = counter.still(look)
    assert number(shown[0]) == page.told["unique"]


def test_the_owner_sees_the_same(owner: Caller, counter: Counter) -> None:
    """The owner's totals are those that everybody sees."""
    stats = counter.still(lambda: owner.ask("/stats", headers=owner.bearer()))

    last = counter.seen[-1]
    assert (stats.told["count"], stats.told["unique"]) == (last.count, last.unique)
    assert stats.told["uniqueIsEstimate"] is counter.is_estimate


def test_no_number_goes_back(counter: Counter, visits: Visits) -> None:
    """Neither page views nor visitors ever go down."""
    totals = counter.seen if counter.alone else [visits.first.before, visits.private.after, counter.totals()]
    for before, after in pairwise(totals):
        assert before.count <= after.count
        assert before.unique <= after.unique


def test_there_are_no_more_visitors_than_visits(counter: Counter, visits: Visits) -> None:
    """The visitors grew by no more than the page views did."""
    if counter.is_estimate:
        pytest.skip(ESTIMATE)
    first, last = visits.first.before, visits.private.after
    assert last.unique - first.unique <= last.count - first.count


def test_what_is_not_counted_is_noted(owner: Caller, counter: Counter) -> None:
    """A prefetch is no page view, and the owner sees that there was one."""

    def noted() -> tuple[int, int]:
        told = owner.ask("/stats", headers=owner.bearer()).told
        return sum(day["filtered"].get("prefetch", 0) for day in told["days"].values()), told["count"]

    before = noted()
    answer = owner.ask("/counter", "POST", {"Sec-Purpose": "prefetch"}, counts=True)
    after = noted()
    assert answer.told["counted"] is False
    assert after[0] - before[0] == 1 if counter.alone else after[0] > before[0]
    assert not counter.alone or after[1] == before[1]


def test_storage_requests_add_up(owner: Caller, visits: Visits) -> None:
    """The owner's budget is about the requests of its month, and visits cost some."""
    told = owner.ask("/stats", headers=owner.bearer()).told

    spent = told["budget"]
    assert spent["used"] == told["requests"].get(spent["month"], 0)
    assert spent["allowance"] is None or spent["allowance"] > 0
    assert sum(told["requests"].values()) >= len(visits.all)


def test_nothing_waits_when_all_is_quiet(owner: Caller, counter: Counter) -> None:
    """Once the owner has looked nothing is left in the journal, as long as nobody comes."""
    if not counter.alone:
        pytest.skip("a visit of somebody else may wait at any moment: only with ALONE=yes")
    stats = [owner.ask("/stats", headers=owner.bearer()) for _ in range(2)]

    assert stats[1].told["entriesWaiting"] == 0


def test_the_same_number_is_the_same_picture(counter: Counter) -> None:
    """Two badges with the same number are the same, and so is their ETag; another metric is another picture."""
    shown: list[Answer] = []

    def look() -> Answer:
        shown[:] = [counter.ask("/badge.svg"), counter.ask("/badge.svg?metric=unique")]
        return counter.ask("/badge.svg")

    again = counter.still(look)
    first, other = shown
    assert (first.body, first.header("ETag")) == (again.body, again.header("ETag"))
    assert other.header("ETag") != first.header("ETag")


def test_no_two_answers_have_the_same_id(counter: Counter) -> None:
    """No two answers of this run have the same request id."""
    ids = [name for answer in counter.caller.answers for name in answer.values("X-Request-Id")]

    assert len(ids) > 1
    assert len(set(ids)) == len(ids)
