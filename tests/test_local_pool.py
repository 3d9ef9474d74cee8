"""A pool of function processes: calls get a running one, and restarting or stopping it leaves none behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from local.loop_thread import LoopThread
from local.pool import ContainerFailed, Pool


class Process:
    """The simplest container. Every third one fails to start."""

    made = 0

    def __init__(self, on_line: Callable[[str], None]) -> None:
        type(self).made += 1
        self.number = self.made
        self.alive = False

    async def start(self) -> None:
        """Start it."""
        await asyncio.sleep(0)
        if self.number % 3 == 0:
            raise ContainerFailed("not this one")
        self.alive = True

    async def stop(self) -> None:
        """Kill it."""
        self.alive = False


def test_a_container_that_does_not_start_affects_no_other(loop: LoopThread) -> None:
    """Those started at the same time take the next calls, and a restart starts as many as were running."""
    Process.made = 0

    async def run() -> list[list[int]]:
        pool = Pool(Process, size=3)
        with pytest.raises(ContainerFailed):
            await pool.warm(3)
        before = sorted(process.number for process in pool.containers)
        used = [await pool.use(number) for _ in range(2)]
        await pool.restart()
        after = sorted(process.number for process in pool.containers)
        await pool.stop()
        assert pool.containers == ()
        with pytest.raises(ContainerFailed):
            await pool.use(number)
        return [before, used, after]

    assert loop.run(run()) == [[1, 2], [2, 2], [4, 5]]


@pytest.mark.parametrize("seed", range(20))
def test_a_restart_during_calls_leaves_no_container_behind(loop: LoopThread, seed: int) -> None:
    """The pool never runs more containers than its size, besides those that are stopping, and none after its stop."""
    some = random.Random(seed)
    made: list[Slow] = []

    def make(on_line: Callable[[str], None]) -> Slow:
        made.append(Slow(some))
        return made[-1]

    async def run() -> None:
        pool = Pool(make, size=4)

        async def call(container: Slow) -> None:
            await turns(some)

        async def caller() -> None:
            for _ in range(30):
                with suppress(ContainerFailed):
                    await pool.use(call)
                assert len(pool.containers) <= pool.size
                assert sum(container.alive for container in made) <= 2 * pool.size

        calling = [asyncio.create_task(caller()) for _ in range(6)]
        for _ in range(5):
            await turns(some)
            await pool.restart()
            assert {container for container in made if container.alive} <= set(pool.containers)
        await pool.stop()
        await asyncio.gather(*calling)

    loop.run(run())

    assert len(made) > 8
    assert not any(container.alive for container in made)


class Slow:
    """A container that is slow to start and to stop."""

    def __init__(self, some: random.Random) -> None:
        self.alive = False
        self._some = some

    async def start(self) -> None:
        """Start it."""
        await turns(self._some)
        self.alive = True

    async def stop(self) -> None:
        """Kill it."""
        await turns(self._some)
        self.alive = False


async def turns(some: random.Random) -> None:
    """Let the others go first, up to nine times."""
    for _ in range(some.randrange(10)):
        await asyncio.sleep(0)


async def number(process: Process) -> int:
    """Return the process's number."""
    return process.number
