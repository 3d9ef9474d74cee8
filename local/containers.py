"""
The containers: real ``fdk`` processes on Unix sockets, one call at a time each, as the platform runs them.
"""

import asyncio
import io
import os
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

import aiohttp

# What the ``fdk`` command does, in a process that dies with its parent even when the parent is killed (Linux), and that
# has the event loop which the FDK expects to find (Python 3.14 makes none by itself).
COMMAND = """
import asyncio, os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != {parent}:
        sys.exit(1)
if sys.version_info >= (3, 14):
    asyncio.set_event_loop(asyncio.new_event_loop())
from fdk.scripts.fdk import main
main()
"""
SOCKET_LIMIT = 100
LARGE = 2**20  # bytes that aiohttp does not like to get in one piece
LOG_LINES = 2_000


class ContainerFailed(Exception):
    """The container could not start, died, or did not answer in time. ``status`` is what the platform makes of it."""

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


class Container:
    """
    One function process. Its environment is what is given plus PATH, PYTHONPATH, HOME and LANG, nothing of the user's.

    ``say`` gets each line the function writes. ``calls`` counts the calls it took.
    """

    def __init__(
        self, function: Path, environment: Mapping[str, str], say: Callable[[str], None] | None = None
    ) -> None:
        self.calls = 0
        self._stopped = False
        self._function = function.absolute()
        self._environment = environment
        self._say = say
        self._lock = asyncio.Lock()
        self._folder: Path | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process id."""
        if self._process is None:
            raise ContainerFailed("not started")
        return self._process.pid

    async def start(self, seconds: float = 30.0) -> None:
        """Start the process and wait until it listens. Raises ContainerFailed when it does not."""
        self._folder = folder = short_folder()
        socket = folder / "fn.sock"
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "HOME": str(folder),
            "PYTHONPATH": str(self._function.parent),
            **self._environment,
            "FN_FORMAT": "http-stream",
            "FN_LISTENER": f"unix:{socket}",
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            COMMAND.format(parent=os.getpid()),
            str(self._function),
            "handler",
            env=environment,
            cwd=self._function.parent,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we end our containers
        )
        if self._process.stdout:
            self._reader = asyncio.create_task(self._read(self._process.stdout))
        if self._stopped:  # while the process was being made
            await self.stop()
            raise ContainerFailed("stopped")
        try:
            async with asyncio.timeout(seconds):
                while not socket.exists():
                    if not self.alive:
                        raise ContainerFailed(f"the function process ended with status {self._process.returncode}")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            await self.stop()
            raise ContainerFailed("the function process did not listen in time", 504) from None
        except ContainerFailed:
            await self.stop()
            raise
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(socket), limit=1, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding"),
            headers={"User-Agent": "local-gateway"},
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def call(
        self, headers: Mapping[str, str], body: bytes = b"", seconds: float = 30.0
    ) -> tuple[int, Mapping[str, str], bytes]:
        """
        Make one Fn call and return its raw status, headers and body. Further calls wait for this one.

        Raises ContainerFailed when the process died, or had to be killed because it took longer than ``seconds``.
        """
        async with self._lock:
            if self._session is None or not self.alive:
                raise ContainerFailed("the function process is gone")
            self.calls += 1
            data = body if len(body) < LARGE else io.BytesIO(body)
            try:
                async with (
                    asyncio.timeout(seconds),
                    self._session.post("http://fn/call", data=data, headers=headers) as answer,
                ):
                    return answer.status, answer.headers, await answer.read()
            except TimeoutError:
                await self.stop()
                raise ContainerFailed("the function took too long", 504) from None
            except aiohttp.ClientError as error:
                await self.stop()
                raise ContainerFailed("the function process died") from error

    async def stop(self) -> None:
        """Kill the process and remove its socket."""
        self._stopped = True
        if self._session:
            await self._session.close()
        if self._process:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._reader:
            await self._reader
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _read(self, output: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await output.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            if self._say:
                for line in lines:
                    self._say(line.decode(errors="replace"))
        if rest and self._say:
            self._say(rest.decode(errors="replace"))


class Pool:
    """
    The containers of one function: a call goes to an idle one, overlapping calls start more, up to ``size``.

    One that died is replaced at the next call; the call it died in fails. ``environment`` is asked for each new
    container. ``log`` holds the last lines that the functions wrote.
    """

    def __init__(
        self,
        function: Path,
        environment: Callable[[], Mapping[str, str]],
        size: int = 4,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.size = size
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.started = 0
        self._function = function
        self._environment = environment
        self._say = say
        self._places = asyncio.Semaphore(size)
        self._idle: list[Container] = []
        self._all: set[Container] = set()
        self._stopped = False

    @property
    def containers(self) -> tuple[Container, ...]:
        """The containers that run now."""
        return tuple(container for container in tuple(self._all) if container.alive)

    async def warm(self, count: int) -> None:
        """Start containers ahead of the first calls, so that ``count`` run."""
        missing = min(count, self.size) - len(self._all)
        started = await asyncio.gather(*(self._start() for _ in range(missing)), return_exceptions=True)
        self._idle += [container for container in started if isinstance(container, Container)]
        for failure in started:
            if isinstance(failure, BaseException):
                raise failure

    async def call(
        self, headers: Mapping[str, str], body: bytes = b"", seconds: float = 30.0
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Make one Fn call in whichever container is free. Raises ContainerFailed as a container does."""
        async with self._places:
            container = await self._take()
            try:
                return await container.call(headers, body, seconds)
            finally:
                await self._give_back(container)

    async def each(self, act: Callable[[Container], Awaitable[object]]) -> None:
        """Do something with every running container at once, as a benchmark does to warm them all."""
        await asyncio.gather(*(act(container) for container in self.containers))

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
        await asyncio.gather(*(container.stop() for container in tuple(self._all)))
        self._all.clear()
        self._idle.clear()

    async def _take(self) -> Container:
        # The last used first, as the platform does: the fewest containers stay warm.
        while self._idle:
            container = self._idle.pop()
            if container.alive:
                return container
            await self._remove(container)
        return await self._start()

    async def _give_back(self, container: Container) -> None:
        if container.alive:
            self._idle.append(container)
        else:
            await self._remove(container)

    async def _start(self) -> Container:
        if self._stopped:
            raise ContainerFailed("the pool is stopped", 503)
        container = Container(self._function, self._environment(), self._hear)
        self._all.add(container)
        self.started += 1
        try:
            await container.start()
        except BaseException:
            await self._remove(container)
            raise
        return container

    async def _remove(self, container: Container) -> None:
        self._all.discard(container)
        await container.stop()

    def _hear(self, line: str) -> None:
        self.log.append(line)
        if self._say:
            self._say(line)


def short_folder() -> Path:
    """Make a new folder whose path leaves room for a socket: the system allows about a hundred characters."""
    room = len(tempfile.gettempdir()) + len("/fn-12345678/phonyfn.sock") < SOCKET_LIMIT
    return Path(tempfile.mkdtemp(prefix="fn-", dir=None if room else "/tmp"))  # noqa: S108 - mkdtemp keeps others out
