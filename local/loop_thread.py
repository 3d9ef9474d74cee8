"""An event loop in its own thread, for callers that are not asynchronous."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Protocol, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """`with LoopThread() as loop: loop.run(coroutine)`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="local", daemon=True)

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine on the loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _work(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


class Part(Protocol):
    """Something that can be started and stopped."""

    async def start(self) -> None:
        """Start."""

    async def stop(self) -> None:
        """Stop."""


def stop(loop: LoopThread, part: Part) -> None:
    """Stop a part and wait for it."""
    loop.run(part.stop())


@contextmanager
def running(*parts: Part) -> Iterator[LoopThread]:
    """Start the parts in order and yield their event loop. All are stopped at the end, whatever happens."""
    with ExitStack() as stack:
        loop = stack.enter_context(LoopThread())
        for part in parts:
            stack.callback(stop, loop, part)
            loop.run(part.start())
        yield loop
