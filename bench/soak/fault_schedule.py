"""Which faults happen when: changing faults, killed containers, a stand-in killed or frozen, and quiet phases."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from bench.soak.fleet import Fleet
from bench.soak.stand_in import StandIn
from local.faults import KINDS

UNANSWERED = {"late", "lose-hang"}
"""These use up all the time of a request, so they must be rare."""


class FaultSchedule:
    """A random schedule of faults. A phase lasts at most `pace` seconds."""

    def __init__(self, stand_in: StandIn, fleet: Fleet, seed: int, pace: float) -> None:
        self._stand_in = stand_in
        self._fleet = fleet
        self._seed = seed
        self._pace = pace
        self._chance = random.Random(seed)
        self._due: list[str] = []

    async def change_faults(self, is_over: Callable[[], bool]) -> None:
        """Run one phase after the other: without faults, or with two to four kinds, all kinds before any repeats."""
        number = 0
        while not is_over():
            number += 1
            plan = {} if number % 4 == 0 else self._draw_plan()
            await self._stand_in.set_faults(plan, self._seed * 1000 + number)
            await asyncio.sleep(self._pace * self._chance.uniform(0.4, 1))

    async def kill_containers(self, is_over: Callable[[], bool]) -> None:
        """Kill one container after the other, whatever it is doing."""
        chance = random.Random(self._seed + 1)
        while not is_over():
            await asyncio.sleep(self._pace * chance.uniform(0.3, 1.2))
            self._fleet.kill_one(chance)

    async def kill_and_freeze_stand_in(self, is_over: Callable[[], bool]) -> None:
        """Kill and restart the stand-in, and freeze it, in turn."""
        chance = random.Random(self._seed + 2)
        while True:
            await asyncio.sleep(self._pace * chance.uniform(1, 2.5))
            if is_over():
                return
            await self._stand_in.kill(chance.uniform(0, 0.3 * self._pace))
            await asyncio.sleep(self._pace * chance.uniform(1, 2.5))
            if is_over():
                return
            await self._stand_in.freeze(chance.uniform(0.2, self._pace))

    def _draw_plan(self) -> dict[str, float]:
        plan = {}
        for _ in range(self._chance.randint(2, 4)):
            if not self._due:
                # Kinds that have not happened yet are at the end of the list, and so come first.
                drawn = self._chance.sample([*KINDS], len(KINDS))
                self._due = sorted(drawn, key=lambda kind: kind not in self._stand_in.injected)
            kind = self._due.pop()
            plan[kind] = self._chance.uniform(0.03, 0.08) if kind in UNANSWERED else self._chance.uniform(0.05, 0.2)
        return plan
