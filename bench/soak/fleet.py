"""The function's containers, which note what becomes of each visit, and can be killed in the middle of one."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from clouds.oracle.laptop.containers import Pool

NUMBER = "X-Visit"
"""The header by which a visit keeps its number through the gateway."""


class Fleet(Pool):
    """The usual pool. `on_call` hears which call a visit's number became, before the function does."""

    def __init__(
        self,
        function: Path,
        environment: Callable[[], Mapping[str, str]],
        size: int,
        on_call: Callable[[int, str], None],
    ) -> None:
        super().__init__(function, environment, size)
        self.killed = 0
        self._under_way = 0
        self._idle_now = asyncio.Event()
        self._idle_now.set()
        self._on_call = on_call

    async def call(
        self, headers: Mapping[str, str], body: bytes = b"", seconds: float = 30.0
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Make one Fn call, as the pool does."""
        if number := headers.get(f"fn-http-h-{NUMBER.lower()}"):
            self._on_call(int(number), headers["fn-call-id"])
        self._under_way += 1
        self._idle_now.clear()
        try:
            return await super().call(headers, body, seconds)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle_now.set()

    async def idle(self) -> None:
        """Returns when no call is under way, not even one of somebody who left."""
        await self._idle_now.wait()

    def kill_one(self, chance: random.Random) -> None:
        """Kills a container at once, whatever it does; never the one with the most calls, which is to grow old."""
        young = sorted(self.containers, key=lambda container: container.calls)[:-1]
        if young:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(young).pid, signal.SIGKILL)
                self.killed += 1
