"""Runs the clouds other than Oracle on this machine."""

import importlib
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from counter.store import Documents
from local.entrypoint import Entrypoint
from local.gateway import Gateway
from local.loop_thread import LoopThread
from local.notifications import Mailbox, Message

ROOT = Path(__file__).resolve().parent.parent

T = TypeVar("T")


class Laptop(Protocol):
    """A cloud's database engine, function and mailbox, implemented in `clouds/NAME/laptop/laptop.py`.

    `folder` holds all data, `config` the function's settings, `containers` is the largest number of function processes,
    `latency` the seconds added to each storage request. `entrypoints` has every way in which a gateway can call the
    function; `entrypoint` is the default.
    """

    entrypoint: Entrypoint
    entrypoints: Mapping[str, Entrypoint]
    mailbox: Mailbox
    config: Mapping[str, str]

    def __init__(
        self,
        folder: Path,
        *,
        containers: int = 4,
        config: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        on_message: Callable[[Message], None] | None = None,
        latency: float = 0.0,
    ) -> None: ...

    @staticmethod
    def missing() -> str | None:
        """Return in one line why this machine cannot run it and what to do about it, or None if it can."""

    async def start(self) -> None:
        """Start everything but the functions, which start with the first calls. Raises EngineFailed."""

    async def stop(self) -> None:
        """Stop everything that was started; no process is left."""

    def environment(self) -> dict[str, str]:
        """Return the function's environment."""

    def documents(self, name: str) -> Documents:
        """Open a new connection to the engine. Each name has its own document, empty at first."""


def clouds() -> list[str]:
    """Return the names of the clouds other than Oracle that can run on this machine."""
    return sorted(path.parents[1].name for path in ROOT.glob("clouds/*/laptop/laptop.py"))


def laptop(cloud: str) -> type[Laptop]:
    """Return a cloud's `Laptop` class. Raises ModuleNotFoundError if one of its packages is not installed."""
    kind: type[Laptop] = importlib.import_module(f"clouds.{cloud}.laptop.laptop").Laptop
    return kind


class Hosting:
    """A `Laptop` behind a gateway. Use `await start()` and `await stop()`, or a `with` statement."""

    def __init__(self, here: Laptop, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.here = here
        invocable = host in ("127.0.0.1", "::1", "localhost")
        self.gateway = Gateway(
            here.entrypoint, mailbox=here.mailbox, web_folder=ROOT / "web" / "demo", invocable=invocable
        )
        self._address = (host, port)
        self._exit = ExitStack()

    @property
    def url(self) -> str:
        """The gateway's address, without a path."""
        return self.gateway.url

    def environment(self) -> dict[str, str]:
        """Return the function's environment."""
        return self.here.environment()

    async def start(self) -> None:
        """Start everything. Raises OSError if the port is in use, and EngineFailed."""
        try:
            await self.here.start()
            await self.gateway.start(*self._address)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything that was started; no process is left."""
        await self.gateway.stop()
        await self.here.stop()

    def invoke(self, body: bytes = b"") -> bytes:
        """Call the function directly, as its owner can. Only inside `with`. Raises FunctionFailed."""
        return self.run(self.here.entrypoint.invoke(body))

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine on the event loop and return its result. Only inside `with`."""
        return self._loop.run(work)

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            loop = opening.enter_context(LoopThread())
            loop.run(self.start())
            opening.callback(lambda: loop.run(self.stop()))
            self._loop = loop
            self._exit = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()
