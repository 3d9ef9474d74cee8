"""A pool of function processes on this machine: calls find one, and whoever restarts or stops it loses none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from local.loop_thread import LoopThread
from local.pool import ContainerFailed, Pool


class Process:
    """What a pool is made of, at its simplest. Every third one cannot start."""

    made = 0

    def __init__(self, hear: Callable[[str], None]) -> None:
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


def test_one_that_does_not_start_costs_no_other(loop: LoopThread) -> None:
    """Those that were started beside it are there for the next calls, and a restart starts as many as there were."""
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


def test_a_restart_amid_calls_loses_sight_of_none(loop: LoopThread) -> None:
    """It never has more than its size, and after its stop none, whatever started meanwhile; those that it ends take
    their time beside them."""
    everybody: list[Slow] = []

    def make(hear: Callable[[str], None]) -> Slow:
        everybody.append(Slow())
        return everybody[-1]

    async def run() -> None:
        pool = Pool(make, size=4)

        async def call(one: Slow) -> None:
            await asyncio.sleep(0.001)

        async def caller() -> None:
            for _ in range(30):
                with suppress(ContainerFailed):
                    await pool.use(call)
                assert len(pool.containers) <= pool.size
                assert sum(each.alive for each in everybody) <= 2 * pool.size

        calling = [asyncio.create_task(caller()) for _ in range(4)]
        for _ in range(5):
            await asyncio.sleep(0.004)
            await pool.restart()
            assert {each for each in everybody if each.alive} <= set(pool.containers)
        await pool.stop()
        await asyncio.gather(*calling)

    loop.run(run())

    assert len(everybody) > 8
    assert not any(each.alive for each in everybody)


class Slow:
    """What a pool is made of, if it takes its time to start and to stop."""

    alive = False

    async def start(self) -> None:
        """Start it."""
        await asyncio.sleep(0.002)
        self.alive = True

    async def stop(self) -> None:
        """Kill it."""
        await asyncio.sleep(0.003)
        self.alive = False


async def number(process: Process) -> int:
    """Return which process it is."""
    return process.number
