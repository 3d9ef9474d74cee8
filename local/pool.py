"""A pool of function containers that scales as a cloud platform does: each takes one call at a time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

LOG_LINES = 2_000


class ContainerFailed(Exception):
    """The container did not start, died, or did not answer in time. `status` is what the platform answers then."""

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


class Startable(Protocol):
    """A container that a pool can start and stop."""

    @property
    def alive(self) -> bool:
        """Whether it is running."""

    async def start(self) -> None:
        """Start it. Raises ContainerFailed."""

    async def stop(self) -> None:
        """Kill it."""


C = TypeVar("C", bound=Startable)
T = TypeVar("T")


class Pool(Generic[C]):
    """Gives work to an idle container, or starts a new one, up to `size`.

    A container that died is replaced when the next one is needed; the call it died in fails. `make(on_line)` returns a
    new container that calls `on_line` with each line of its output. `log` holds the most recent lines.
    """

    def __init__(
        self, make: Callable[[Callable[[str], None]], C], size: int = 4, on_line: Callable[[str], None] | None = None
    ) -> None:
        self.size = size
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.started = 0
        self._make = make
        self._on_line = on_line
        self._slots = asyncio.Semaphore(size)
        self._idle: list[C] = []
        self._all: set[C] = set()
        self._stopped = False

    @property
    def containers(self) -> tuple[C, ...]:
        """The containers that are running."""
        return tuple(container for container in tuple(self._all) if container.alive)

    async def warm(self, count: int) -> None:
        """Start containers until `count` run, before any call needs them."""
        warming = (self._warm_one(min(count, self.size)) for _ in range(count - len(self._all)))
        for failure in await asyncio.gather(*warming, return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure

    async def use(self, act: Callable[[C], Awaitable[T]]) -> T:
        """Run `act` with a free container that nobody else uses meanwhile. Raises ContainerFailed if none starts, and
        whatever the container's `start` and `act` raise."""
        async with self._slots:
            container = await self._acquire()
            try:
                return await act(container)
            finally:
                await self._release(container)

    async def restart(self) -> None:
        """Kill all containers and start as many new ones, with empty memory."""
        count = len(self._all)
        await self._kill()
        await self.warm(count)

    async def stop(self) -> None:
        """Kill all containers. No new ones start."""
        self._stopped = True
        await self._kill()

    async def _kill(self) -> None:
        # A copy, since containers may be started while these stop.
        stopping = tuple(self._all)
        self._all.clear()
        self._idle.clear()
        await asyncio.gather(*(container.stop() for container in stopping))

    async def _warm_one(self, count: int) -> None:
        # In a slot, as calls are, which may have started containers meanwhile.
        async with self._slots:
            if len(self._all) < count:
                self._idle.append(await self._start())

    async def _acquire(self) -> C:
        # Most recently used first, as the platform does, so that as few as possible stay warm.
        while self._idle:
            container = self._idle.pop()
            if self._usable(container):
                return container
            await self._remove(container)
        return await self._start()

    async def _release(self, container: C) -> None:
        if self._usable(container):
            self._idle.append(container)
        else:
            await self._remove(container)

    def _usable(self, container: C) -> bool:
        # One that a restart is stopping may still be alive.
        return container.alive and container in self._all

    async def _start(self) -> C:
        if self._stopped:
            raise ContainerFailed("the pool is stopped", 503)
        container = self._make(self._on_output)
        self._all.add(container)
        self.started += 1
        try:
            await container.start()
            if container not in self._all:
                raise ContainerFailed("the pool was stopped while the container started", 503)
        except BaseException:
            await self._remove(container)
            raise
        return container

    async def _remove(self, container: C) -> None:
        self._all.discard(container)
        await container.stop()

    def _on_output(self, line: str) -> None:
        self.log.append(line)
        if self._on_line:
            self._on_line(line)
