"""How long an answer takes. The ceilings are far above what is usual: they find what is broken, not what is slow."""

from statistics import median

from contract.counter import STRANGER, Counter, Visits

FIRST, USUAL, LONGEST = 20.0, 2.0, 10.0
SAMPLES = 12


def test_the_first_answer(counter: Counter, times: dict[str, list[float]]) -> None:
    """The first answer, which a container may have had to start for, comes within 20 seconds."""
    times["the first answer"] = [counter.caller.answers[0].seconds]

    assert times["the first answer"][0] < FIRST


def test_a_look(counter: Counter, times: dict[str, list[float]]) -> None:
    """A look usually takes less than two seconds."""
    times["a look"] = [counter.ask("/counter?peek=1").seconds for _ in range(SAMPLES)]

    assert median(times["a look"]) < USUAL


def test_a_visit(visits: Visits, times: dict[str, list[float]]) -> None:
    """A visit usually takes less than two seconds, the connection included."""
    times["a visit"] = [visit.answer.seconds for visit in visits.all]

    assert median(times["a visit"]) < USUAL


def test_a_preflight(counter: Counter, times: dict[str, list[float]]) -> None:
    """A preflight usually takes less than two seconds."""
    times["a preflight"] = [counter.ask("/counter", "OPTIONS", {"Origin": STRANGER}).seconds for _ in range(SAMPLES)]

    assert median(times["a preflight"]) < USUAL


def test_a_badge(counter: Counter, times: dict[str, list[float]]) -> None:
    """A badge usually takes less than two seconds."""
    times["a badge"] = [counter.ask("/badge.svg").seconds for _ in range(SAMPLES)]

    assert median(times["a badge"]) < USUAL


def test_no_answer_takes_for_ever(counter: Counter) -> None:
    """But for the first one, no answer of this run took longer than ten seconds."""
    assert max(answer.seconds for answer in counter.caller.answers[1:]) < LONGEST
