"""The simulation behind the README's figures keeps the promises it is quoted for."""

import pytest

from bench.cost import Prices
from bench.simulation import Simulation

REQUEST_SECONDS = 0.02


@pytest.mark.parametrize("containers, visits", [(1, 200), (4, 25), (16, 25), (16, 100), (64, 50)])
def test_a_crowd_is_counted_and_hardly_slowed(containers: int, visits: int) -> None:
    """However many come at once, all are acknowledged, none lost or doubled, at 65 % of conflict-free or more."""
    outcome = Simulation(containers, REQUEST_SECONDS).burst(visits)

    assert outcome.acknowledged == outcome.visits == containers * visits
    assert outcome.lost == 0
    assert outcome.rate >= 0.65 * containers / REQUEST_SECONDS
    assert outcome.quantile(0.99) < 10 * REQUEST_SECONDS


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
