"""The simulation behind the README's figures keeps the promises it is quoted for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from bench.cost import Prices
from bench.simulation import Simulation, SlowDocuments, World
from counter.contention import ContentionPolicy
from local.memory import MemoryDocuments

T = TypeVar("T")

REQUEST_SECONDS = 0.02


@pytest.mark.parametrize("containers, visits", [(1, 200), (4, 25), (16, 25), (16, 100), (64, 50)])
def test_a_crowd_is_counted_and_hardly_slowed(containers: int, visits: int) -> None:
    """However many come at once, all are acknowledged, none lost or doubled, at 65 % of conflict-free or more."""
    outcome = Simulation(containers, REQUEST_SECONDS).burst(visits)

    assert outcome.acknowledged == outcome.visits == containers * visits
    assert outcome.lost == 0
    assert outcome.rate >= 0.65 * containers / REQUEST_SECONDS
    assert outcome.quantile(0.99) < 10 * REQUEST_SECONDS


class Queue(SlowDocuments):
    """A store that does one request at a time: the more containers ask, the longer each of them waits."""

    def __init__(self, world: World, documents: MemoryDocuments, seconds: float) -> None:
        super().__init__(world, documents, 0.0)
        self._each = seconds

    def _slowly(self, act: Callable[[], T]) -> T:
        world = self._world
        done = max(world.now, getattr(world, "busy_until", 0.0)) + self._each * (0.5 + world.random.random())
        world.busy_until = done  # type: ignore[attr-defined]
        world.sleep(done - world.now)
        return super()._slowly(act)


@pytest.mark.parametrize("seconds", [0.005, 0.02, 0.04, 0.06])
def test_a_slow_store_refuses_nobody(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Where sixteen wait for a store that does one thing at a time, up to a second for each request, all are
    acknowledged: a visit finds the note of the crowd however long the answers take."""
    monkeypatch.setattr("bench.simulation.SlowDocuments", Queue)
    outcomes = [Simulation(16, seconds, seed).burst(8) for seed in range(3)]

    assert [outcome.acknowledged for outcome in outcomes] == [16 * 8] * 3
    assert [outcome.lost for outcome in outcomes] == [0] * 3


@pytest.mark.slow
@pytest.mark.parametrize("rate, seconds", [(1, 1_000), (2, 1_000), (4, 600), (10, 60)])
def test_steady_traffic_costs_hardly_more_than_writing(
    monkeypatch: pytest.MonkeyPatch, rate: float, seconds: float
) -> None:
    """Looking into the journal and using it costs at most 0.02 requests a visit more than conditional writes alone, at
    any rate, on the average of two runs."""

    def requests_a_visit() -> float:
        runs = [Simulation(4, REQUEST_SECONDS, seed).stream(rate, seconds) for seed in (1, 2)]
        return sum(run.requests for run in runs) / sum(run.visits for run in runs)

    ours = requests_a_visit()
    monkeypatch.setattr(ContentionPolicy, "should_look", lambda *_: False)
    monkeypatch.setattr(ContentionPolicy, "leaves", lambda *_: False)

    assert ours - requests_a_visit() <= 0.02


@pytest.mark.parametrize("containers", [2, 6, 16, 64])
@pytest.mark.parametrize("visits", [1, 3, 25])
def test_two_seconds_after_a_crowd_everybody_is_exact(containers: int, visits: int) -> None:
    """Every container shows all visits that were acknowledged, and so does a new one."""
    simulation = Simulation(containers, REQUEST_SECONDS)
    simulation.burst(visits)

    assert set(simulation.shown_after(2.0)) == {0}


def test_one_container_makes_one_request_a_visit() -> None:
    """A container alone needs 1.05 storage requests a visit at most, its listings included."""
    outcome = Simulation(1, REQUEST_SECONDS).burst(1_000)

    assert outcome.requests_a_visit <= 1.05
    assert outcome.lags == [0] * 1_000


def test_visits_that_come_at_random_are_all_counted() -> None:
    """Where visits arrive faster than the document can be written, none is lost and none waits long."""
    outcome = Simulation(50, REQUEST_SECONDS).stream(rate=200, seconds=5)

    assert outcome.acknowledged == outcome.visits > 800
    assert outcome.lost == 0
    assert outcome.quantile(0.99) < 10 * REQUEST_SECONDS


def test_the_same_seed_is_the_same_run() -> None:
    """A simulated figure can be looked at again."""
    once, again = (Simulation(8, REQUEST_SECONDS, seed=3).burst(10) for _ in range(2))

    assert once == again


def test_what_is_free_costs_nothing() -> None:
    """A small site's month is free but for the gateway's calls, and twice the visits beyond cost twice."""
    prices = Prices(million_gateway_calls=0)

    assert prices.month(30_000, requests_a_visit=1.1, seconds_a_visit=0.03) == 0
    assert Prices(free_requests=0, million_gateway_calls=0).month(1e6, 1, 0) == pytest.approx(0.34)
