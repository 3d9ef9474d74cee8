"""
The execution environments of one function: a call goes to an idle one, and calls that overlap start more.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from execution_environment import ExecutionEnvironment

from local.containers import LOG_LINES, ContainerFailed


class LambdaPool:
    """
    At most ``size`` environments, one call at a time each. One that died is replaced at the next call.

    ``variables`` is asked for each new one. ``log`` holds the last lines that the function wrote.
    """

    def __init__(
        self, variables: Callable[[], Mapping[str, str]], size: int = 4, say: Callable[[str], None] | None = None
    ) -> None:
        self.size = size
        self.started = 0
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._variables = variables
        self._say = say
        self._places = asyncio.Semaphore(size)
        self._idle: list[ExecutionEnvironment] = []
        self._all: set[ExecutionEnvironment] = set()
        self._stopped = False

    @property
    def environments(self) -> tuple[ExecutionEnvironment, ...]:
        """The environments that run now."""
        return tuple(environment for environment in self._all if environment.alive)

    async def call(self, event: bytes, seconds: float) -> bytes:
        """Make one call in whichever environment is free. Raises what an environment raises."""
        async with self._places:
            environment = await self._take()
            try:
                return await environment.call(event, seconds)
            finally:
                if environment.alive:
                    self._idle.append(environment)
                else:
                    await self._remove(environment)

    async def warm(self, count: int) -> None:
        """Start environments ahead of the first calls, so that ``count`` run."""
        missing = min(count, self.size) - len(self._all)
        self._idle += await asyncio.gather(*(self._start() for _ in range(missing)))

    async def restart(self) -> None:
        """Kill all environments: the next calls are cold starts."""
        await asyncio.gather(*(self._remove(environment) for environment in tuple(self._all)))
        self._idle.clear()

    async def stop(self) -> None:
        """Kill all environments, for good."""
        self._stopped = True
        await self.restart()

    async def _take(self) -> ExecutionEnvironment:
        # The last used first, as the platform does: the fewest stay warm.
        while self._idle:
            environment = self._idle.pop()
            if environment.alive:
                return environment
            await self._remove(environment)
        return await self._start()

    async def _start(self) -> ExecutionEnvironment:
        if self._stopped:
            raise ContainerFailed("the pool is stopped", 503)
        environment = ExecutionEnvironment(self._variables(), self._hear)
        self._all.add(environment)
        self.started += 1
        try:
            await environment.start()
        except BaseException:
            await self._remove(environment)
            raise
        return environment

    async def _remove(self, environment: ExecutionEnvironment) -> None:
        self._all.discard(environment)
        await environment.stop()

    def _hear(self, line: str) -> None:
        self.log.append(line)
        if self._say:
            self._say(line)
