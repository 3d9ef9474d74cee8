"""The containers of one function, as a platform keeps them: one call at a time each, more while calls overlap."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

LOG_LINES = 2_000


class ContainerFailed(Exception):
    """The container could not start, died, or did not answer in time. `status` is what the platform makes of it."""

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


class Startable(Protocol):
    """What a pool is made of."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    async def start(self) -> None:
        """Start it. Raises ContainerFailed."""

    async def stop(self) -> None:
        """Kill it."""


C = TypeVar("C", bound=Startable)
T = TypeVar("T")


class Pool(Generic[C]):
    """Work goes to an idle container, and while work overlaps to new ones, up to `size`.

    One that died is replaced when it is needed next; the call it died in fails. `make` is asked for each new one, and
    told who gets the lines that the function writes; `log` holds the last of them.
    """

    def __init__(
        self, make: Callable[[Callable[[str], None]], C], size: int = 4, say: Callable[[str], None] | None = None
    ) -> None:
        self.size = size
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.started = 0
        self._make = make
        self._say = say
        self._places = asyncio.Semaphore(size)
        self._idle: list[C] = []
        self._all: set[C] = set()
        self._stopped = False

    @property
    def containers(self) -> tuple[C, ...]:
        """The containers that run now."""
        return tuple(container for container in tuple(self._all) if container.alive)

    async def warm(self, count: int) -> None:
        """Start containers ahead of the first calls, so that `count` run."""
        missing = min(count, self.size) - len(self._all)
        started = await asyncio.gather(*(self._start() for _ in range(missing)), return_exceptions=True)
        self._idle += [container for container in started if not isinstance(container, BaseException)]
        for failure in started:
            if isinstance(failure, BaseException):
                raise failure

    async def use(self, act: Callable[[C], Awaitable[T]]) -> T:
        """Do something with whichever container is free, which is nobody else's meanwhile. Raises ContainerFailed when
        none starts, and what the container's own start and `act` raise."""
        async with self._places:
            container = await self._take()
            try:
                return await act(container)
            finally:
                await self._give_back(container)

    async def restart(self) -> None:
        """Kill all containers and start as many new ones, which remember nothing."""
        count = len(self._all)
        await self._kill()
        await self.warm(count)

    async def stop(self) -> None:
        """Kill all containers, for good."""
        self._stopped = True
        await self._kill()

    async def _kill(self) -> None:
        # Those that start meanwhile are not among them.
        gone = tuple(self._all)
        self._all.clear()
        self._idle.clear()
        await asyncio.gather(*(container.stop() for container in gone))

    async def _take(self) -> C:
        # The last used first, as the platform does: the fewest containers stay warm.
        while self._idle:
            container = self._idle.pop()
            if container.alive:
                return container
            await self._remove(container)
        return await self._start()

    async def _give_back(self, container: C) -> None:
        if container.alive:
            self._idle.append(container)
        else:
            await self._remove(container)

    async def _start(self) -> C:
        if self._stopped:
            raise ContainerFailed("the pool is stopped", 503)
        container = self._make(self._hear)
        self._all.add(container)
        self.started += 1
        try:
            await container.start()
            if container not in self._all:
                raise ContainerFailed("the pool killed it while it started", 503)
        except BaseException:
            await self._remove(container)
            raise
        return container

    async def _remove(self, container: C) -> None:
        self._all.discard(container)
        await container.stop()

    def _hear(self, line: str) -> None:
        self.log.append(line)
        if self._say:
            self._say(line)
