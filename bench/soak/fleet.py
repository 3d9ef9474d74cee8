"""The function's containers, which note the call of each visit and can be killed during one."""

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
"""The header that carries a visit's number through the gateway."""


class Fleet(Pool):
    """The usual pool. `on_call` gets the number and call id of each visit before the function is called."""

    def __init__(
        self,
        function: Path,
        environment: Callable[[], Mapping[str, str]],
        size: int,
        on_call: Callable[[int, str], None],
    ) -> None:
        super().__init__(function, environment, size)
        self.killed = 0
        self._calls_running = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._on_call = on_call

    async def call(
        self, headers: Mapping[str, str], body: bytes = b"", seconds: float = 30.0
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Make one Fn call, as the pool does."""
        if number := headers.get(f"fn-http-h-{NUMBER.lower()}"):
            self._on_call(int(number), headers["fn-call-id"])
        self._calls_running += 1
        self._quiet.clear()
        try:
            return await super().call(headers, body, seconds)
        finally:
            self._calls_running -= 1
            if not self._calls_running:
                self._quiet.set()

    async def idle(self) -> None:
        """Wait until no call is running, not even one whose client has left."""
        await self._quiet.wait()

    def kill_one(self, chance: random.Random) -> None:
        """Kill a container, whatever it is doing, but never the oldest one, by calls: its memory is measured."""
        young = sorted(self.containers, key=lambda container: container.calls)[:-1]
        if young:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(young).pid, signal.SIGKILL)
                self.killed += 1
