"""Where the counter is that is asked, and the report at the end of the run.

    python -m pytest tests/contract --url https://host/v1

The owner's token comes from the environment, as TOKEN, so that no list of processes shows it.
"""

from __future__ import annotations

import inspect
import os
import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from contract.caller import Caller
from contract.counter import Counter, Visits

AREAS = ("function", "security", "limits", "consistency", "speed")
SENTENCE, AREA = "sentence", "area"
COUNTER = pytest.StashKey[Counter]()
BEGAN = pytest.StashKey[float]()
TIMES = pytest.StashKey[dict[str, list[float]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that say which counter to ask, and what may be asked of it."""
    group = parser.getgroup("contract", "a counter that runs somewhere")
    group.addoption("--url", help="where its routes begin: https://host/v1")
    group.addoption("--alone", action="store_true", help="nobody else visits it meanwhile: numbers must be exact")
    group.addoption("--origin", help="an origin that its ALLOWED_ORIGINS lists")
    group.addoption("--send-report", action="store_true", help="ask for a report, which the owner gets as a mail")


def asked(config: pytest.Config) -> bool:
    """Whether this run is for this suite. An ordinary one only comes by, and names no counter."""
    return bool(config.getoption("url", None))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out of an ordinary run."""
    return None if asked(config) else True


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin the session by looking at the counter."""
    # Not called in an ordinary run, which comes by here only when it has started.
    config = session.config
    if not asked(config):
        raise pytest.UsageError("Which counter? Say --url https://host/v1, or: make contract URL=https://host/v1")
    if config.option.collectonly:
        return
    config.stash[BEGAN] = time.monotonic()
    config.stash[TIMES] = {}
    counter = config.stash[COUNTER] = reached(
        config.option.url, os.environ.get("TOKEN", "").strip() or None, config.option.alone, config.option.origin
    )
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    others = "nobody else visits it" if counter.alone else "others may visit it meanwhile"
    reporter.write_line(
        f"Asking {config.option.url}, where {others}. It counts seven page views of two visitors there,"
    )
    reporter.write_line("and one more where crawlers are counted.")
    for warning in counter.warnings:
        reporter.write_line(f"It warns: {warning}")


def reached(url: str, token: str | None, alone: bool, origin: str | None) -> Counter:
    """The counter at `url`. Raises UsageError, in one line, where there is none or the token is not its owner's."""
    try:
        caller = Caller(url, token)
        health = caller.ask("/health")
        stats = caller.ask("/stats", headers=caller.bearer()) if token else None
    except ValueError as error:
        raise pytest.UsageError(f"{url} cannot be asked: {error}.") from error
    except (OSError, HTTPException) as error:
        raise pytest.UsageError(f"{url} cannot be reached: {error}.") from error
    if health.told.get("service") != "visitor-counter":
        raise pytest.UsageError(f"There is no counter at {url}: /health answered {health.status}. Is the prefix right?")
    if health.status != 200:
        raise pytest.UsageError(f"The counter at {url} is not healthy: {health.told.get('error')}")
    if stats and stats.status == 401:
        raise pytest.UsageError(f"TOKEN is not the REPORT_TOKEN of the counter at {url}: /stats answered 401.")
    if stats and stats.status != 200:
        raise pytest.UsageError(f"/stats of the counter at {url} answered the owner {stats.status}.")
    return Counter(
        caller,
        alone=alone,
        stats=stats.told if stats else None,
        origin=origin,
        warnings=health.told.get("warnings", ()),
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what this counter cannot be asked."""
    if not asked(config):
        return
    for item in items:
        assert isinstance(item, pytest.Function)
        case = f" [{item.callspec.id}]" if hasattr(item, "callspec") else ""
        sentence = " ".join((inspect.getdoc(item.obj) or item.name).split())
        item.user_properties += [(AREA, item.path.stem.removeprefix("test_")), (SENTENCE, sentence + case)]
    items.sort(key=lambda item: AREAS.index(dict(item.user_properties)[AREA]))


@pytest.fixture(scope="session")
def counter(pytestconfig: pytest.Config) -> Counter:
    """The counter that is asked."""
    return pytestconfig.stash[COUNTER]


@pytest.fixture(scope="session")
def caller(counter: Counter) -> Caller:
    """What asks it."""
    return counter.caller


@pytest.fixture(scope="session")
def visits(counter: Counter) -> Visits:
    """The visits of this run."""
    return Visits(counter)


@pytest.fixture
def owner(caller: Caller) -> Caller:
    """What asks, with the owner's token."""
    if not caller.has_token:
        pytest.skip("this needs the owner's token: make contract URL=… TOKEN=…")
    return caller


@pytest.fixture
def times(pytestconfig: pytest.Config) -> dict[str, list[float]]:
    """Answer times, by what was asked, for the report."""
    return pytestconfig.stash[TIMES]


def left_out(skipped: list[pytest.TestReport], write: Callable[[str], None]) -> None:
    """Say which sentences were not asked, by reason."""
    for why in sorted({reason(report)[0] for report in skipped}):
        write(f"\nLEFT OUT, because {why}")
        for report in skipped:
            if reason(report)[0] == why:
                write(f"        {told(report, SENTENCE)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many page views the run has counted."""
    if not asked(config) or config.stash.get(BEGAN, None) is None:
        return
    write = terminalreporter.write_line
    reports: dict[str, list[pytest.TestReport]] = {
        kind: [report for report in terminalreporter.stats.get(kind, []) if hasattr(report, "user_properties")]
        for kind in ("passed", "failed", "error", "skipped")
    }
    broken = [*reports["failed"], *reports["error"]]
    write("")
    write(f"{'area':<14}{'kept':>6}{'broken':>8}{'left out':>10}")
    kept, wrong, left = (areas(part) for part in (reports["passed"], broken, reports["skipped"]))
    for area in AREAS:
        write(f"{area:<14}{kept[area]:>6}{wrong[area]:>8}{left[area]:>10}")
    for report in broken:
        write(f"\nBROKEN  {told(report, SENTENCE)}", red=True)
        for line in reason(report):
            write(f"        {line}")
    left_out(reports["skipped"], write)
    counter, times = config.stash[COUNTER], config.stash[TIMES]
    write("")
    for what, seconds in times.items():
        many = f"median of {len(seconds)}, the slowest {max(seconds) * 1000:.0f} ms" if len(seconds) > 1 else "one"
        write(f"{what:<20}{median(seconds) * 1000:>6.0f} ms   {many}")
    answers = counter.caller.answers
    counted = sum(answer.told.get("counted") is True for answer in answers)
    took = time.monotonic() - config.stash[BEGAN]
    write(f"{len(answers)} requests, of which {counted} page views were counted, in {took:.1f} seconds")


def areas(reports: Sequence[pytest.TestReport]) -> Tally[str]:
    """How many reports there are of each area."""
    return Tally(told(report, AREA) for report in reports)


def told(report: pytest.TestReport, name: str) -> str:
    """One property of a test."""
    return str(dict(report.user_properties).get(name, report.nodeid))


def reason(report: pytest.TestReport) -> list[str]:
    """Why a test did not pass, in a few lines."""
    longrepr: Any = report.longrepr
    if isinstance(longrepr, tuple):
        return [str(longrepr[2]).removeprefix("Skipped: ")]
    crash = getattr(longrepr, "reprcrash", None)
    return str(crash.message if crash else longrepr).splitlines()[:6]
