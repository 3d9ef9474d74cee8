"""What goes wrong and when: faults that change all the time, killed containers, a stand-in that is gone, and calm."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from bench.soak.fleet import Fleet
from bench.soak.stand_in import StandIn
from local.faults import KINDS

CALM = 0.25
SILENT = {"late", "lose-hang"}
"""They take all the time that a request has; with many of them nothing else would happen."""


class Storm:
    """A random sequence of weather, and of blows beside it. `pace` is the seconds that a phase lasts at most."""

    def __init__(self, stand_in: StandIn, fleet: Fleet, seed: int, pace: float) -> None:
        self._stand_in = stand_in
        self._fleet = fleet
        self._seed = seed
        self._pace = pace
        self._chance = random.Random(seed)
        self._due: list[str] = []

    async def weather(self, over: Callable[[], bool]) -> None:
        """One phase after the other: calm, or two to four kinds of faults, each kind once before one comes again."""
        number = 0
        while not over():
            number += 1
            plan = {} if number % 4 == 0 else self._plan()
            await self._stand_in.weather(plan, self._seed * 1000 + number)
            await asyncio.sleep(self._pace * self._chance.uniform(0.4, 1))

    async def kill_containers(self, over: Callable[[], bool]) -> None:
        """Kills one container after the other, in the middle of whatever it does."""
        chance = random.Random(self._seed + 1)
        while not over():
            await asyncio.sleep(self._pace * chance.uniform(0.3, 1.2))
            self._fleet.kill_one(chance)

    async def strike_the_stand_in(self, over: Callable[[], bool]) -> None:
        """Kills the stand-in, or lets it stand still, and brings it back."""
        chance = random.Random(self._seed + 2)
        while True:
            await asyncio.sleep(self._pace * chance.uniform(1, 2.5))
            if over():
                return
            await self._stand_in.kill(chance.uniform(0, 0.3 * self._pace))
            await asyncio.sleep(self._pace * chance.uniform(1, 2.5))
            if over():
                return
            await self._stand_in.freeze(chance.uniform(0.2, self._pace))

    def _plan(self) -> dict[str, float]:
        plan = {}
        for _ in range(self._chance.randint(2, 4)):
            if not self._due:
                # Those that did not happen yet come first, at the end of the list.
                drawn = self._chance.sample([*KINDS], len(KINDS))
                self._due = sorted(drawn, key=lambda kind: kind not in self._stand_in.injected)
            kind = self._due.pop()
            plan[kind] = self._chance.uniform(0.03, 0.08) if kind in SILENT else self._chance.uniform(0.05, 0.2)
        return plan
