"""Fixtures shared by all tests: the stand-ins and engines, and an empty document in each kind of storage."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from engines import SLOW_CLOUDS, needed
from wire import object_store, signer

from clouds.oracle.laptop.serving import BUCKET, Serving
from counter.store import Documents
from local.laptop import Laptop
from local.loop_thread import LoopThread
from local.memory import MemoryDocuments
from local.sqlite import SqliteDocuments

Place = Callable[[], Documents]
TOLD = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def told_at_the_end(pytestconfig: pytest.Config) -> list[str]:
    """Return the list of lines to print at the end of the run, whichever process the test ran in."""
    return pytestconfig.stash.setdefault(TOLD, [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the lines of a pytest-xdist worker to the controller."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["told"] = session.config.stash.get(TOLD, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect the lines of a worker."""
    node.config.stash.setdefault(TOLD, []).extend(getattr(node, "workeroutput", {}).get("told", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines."""
    if lines := terminalreporter.config.stash.get(TOLD, []):
        terminalreporter.section("schedules explored")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    """Run an event loop in a thread."""
    with LoopThread() as loop:
        yield loop


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the stand-in for Oracle's services alone, without faults."""
    with Serving(tmp_path_factory.mktemp("cloud"), gateway=False) as serving:
        yield serving


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Laptop]]:
    """Return a function that starts a cloud's database engine, once for all tests."""
    running: dict[str, Laptop] = {}
    with ExitStack() as stack:

        def started(cloud: str) -> Laptop:
            if cloud not in running:
                laptop = needed(cloud)(tmp_path_factory.mktemp(cloud))
                loop = stack.enter_context(LoopThread())
                loop.run(laptop.start())
                stack.callback(lambda: loop.run(laptop.stop()))
                running[cloud] = laptop
            return running[cloud]

        yield started


@pytest.fixture(params=["memory", "sqlite", "oracle", *SLOW_CLOUDS])
def fresh(
    request: pytest.FixtureRequest, stand_in: Serving, engine: Callable[[str], Laptop]
) -> Iterator[Callable[[], Place]]:
    """Return a function that creates a place for an empty document: in memory, in SQLite, or in a cloud's storage."""
    with ExitStack() as opened:

        def made() -> Place:
            name = f"{uuid.uuid4()}.json"
            if request.param == "memory":
                shared = MemoryDocuments()
                return lambda: shared
            if request.param == "sqlite":
                return lambda: SqliteDocuments(stand_in.objects, BUCKET, name)
            if request.param == "oracle":
                signing = signer(stand_in.principal)
                return lambda: opened.enter_context(object_store(signing, stand_in.cloud_url, name))
            laptop = engine(request.param)
            return lambda: laptop.documents(name)

        yield made


@pytest.fixture
def place(fresh: Callable[[], Place]) -> Place:
    """Return a function that opens the same document, empty at first, each time it is called, as containers do."""
    return fresh()
