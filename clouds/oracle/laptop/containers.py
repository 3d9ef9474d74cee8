"""The function's containers: real `fdk` processes on Unix sockets, each taking one call at a time, as on Oracle."""

import asyncio
import io
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

import aiohttp

from local import child, pool
from local.pool import ContainerFailed

# The `fdk` command, with the event loop that the FDK expects: Python 3.14 no longer creates one.
FDK = """
import asyncio
if sys.version_info >= (3, 14):
    asyncio.set_event_loop(asyncio.new_event_loop())
from fdk.scripts.fdk import main
main()
"""
SOCKET_LIMIT = 100
LARGE = 2**20  # bytes; aiohttp warns about larger bodies in one piece


class Container:
    """One function process. Its environment is `environment` plus PATH, PYTHONPATH, HOME and LANG; the user's is not
    inherited.

    `on_line` is called with each line that the function writes. `calls` counts its calls.
    """

    def __init__(
        self, function: Path, environment: Mapping[str, str], on_line: Callable[[str], None] | None = None
    ) -> None:
        self.calls = 0
        self._stopped = False
        self._function = function.absolute()
        self._environment = environment
        self._on_line = on_line or (lambda line: None)
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
        """Start the process and wait until it listens. Raises ContainerFailed if it does not."""
        self._folder = folder = short_folder()
        socket = folder / "fn.sock"
        environment = {
            **child.environment(folder, self._function.parent),
            **self._environment,
            "FN_FORMAT": "http-stream",
            "FN_LISTENER": f"unix:{socket}",
        }
        self._process = await asyncio.create_subprocess_exec(
            *child.command(FDK),
            str(self._function),
            "handler",
            env=environment,
            cwd=self._function.parent,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must not reach the container; `stop` ends it
        )
        if self._process.stdout:
            self._reader = asyncio.create_task(child.read_lines(self._process.stdout, self._on_line))
        if self._stopped:  # while the process was starting
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
        """Make one Fn call and return its raw status, headers and body. Further calls wait for this one.

        Raises ContainerFailed if the process died, or was killed because it took longer than `seconds`.
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


class Pool(pool.Pool[Container]):
    """The containers of one function. `environment()` is called for each new one."""

    def __init__(
        self,
        function: Path,
        environment: Callable[[], Mapping[str, str]],
        size: int = 4,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(lambda log_line: Container(function, environment(), log_line), size, on_line)

    async def call(
        self, headers: Mapping[str, str], body: bytes = b"", seconds: float = 30.0
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Make one Fn call in a free container. Raises ContainerFailed."""
        return await self.use(lambda container: container.call(headers, body, seconds))

    async def each(self, act: Callable[[Container], Awaitable[object]]) -> None:
        """Run `act` with every running container at once, for example to warm them all."""
        await asyncio.gather(*(act(container) for container in self.containers))


def short_folder() -> Path:
    """Create a folder with a path short enough for a socket: the system allows about a hundred characters."""
    room = len(tempfile.gettempdir()) + len("/fn-12345678/phonyfn.sock") < SOCKET_LIMIT
    return Path(tempfile.mkdtemp(prefix="fn-", dir=None if room else "/tmp"))  # noqa: S108 - mkdtemp keeps others out
