"""A pool of worker processes of a function app on a laptop, each of which may run several calls at once."""

import asyncio
import json
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from clouds.oracle.laptop.containers import short_folder
from local import child
from local.pool import LOG_LINES, ContainerFailed

ROOT = Path(__file__).resolve().parents[3]
FUNCTION = ROOT / "clouds" / "azure" / "function"

WORKER = """
import runpy
runpy.run_module("clouds.azure.laptop.functions_worker", run_name="__main__", alter_sys=True)
"""
THREADS = "PYTHON_THREADPOOL_THREAD_COUNT"


class Worker:
    """One process. Its environment is `environment` plus PATH, PYTHONPATH, HOME and LANG; the user's is not
    inherited."""

    def __init__(self, environment: Mapping[str, str], on_line: Callable[[str], None]) -> None:
        self.calls = 0
        self.under_way = 0
        self._environment = environment
        self._on_line = on_line
        self._folder = short_folder()
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
        socket = self._folder / "worker.sock"
        threads = [self._environment[THREADS]] if THREADS in self._environment else []
        self._process = await asyncio.create_subprocess_exec(
            *child.command(WORKER),
            str(socket),
            *threads,
            env={
                **child.environment(self._folder, FUNCTION, ROOT),
                **self._environment,
            },
            cwd=FUNCTION,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must not reach the worker; `stop` ends it
        )
        if self._process.stdout:
            self._reader = asyncio.create_task(child.read_lines(self._process.stdout, self._on_line))
        try:
            async with asyncio.timeout(seconds):
                while not await listens(socket):
                    if not self.alive:
                        raise ContainerFailed(f"the worker process ended with status {self._process.returncode}")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            await self.stop()
            raise ContainerFailed("the worker process did not listen in time", 504) from None
        except BaseException:
            await self.stop()
            raise
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(socket), limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def call(self, message: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Make one call and return its result. Raises ContainerFailed."""
        if self._session is None or not self.alive:
            raise ContainerFailed("the worker process is gone")
        self.calls += 1
        self.under_way += 1
        try:
            async with asyncio.timeout(seconds), self._session.post("http://worker/", json=message) as answer:
                result = json.loads(await answer.read())
        except TimeoutError:
            await self.stop()
            raise ContainerFailed("the function took too long", 504) from None
        except aiohttp.ClientError as error:
            await self.stop()
            raise ContainerFailed("the worker process died") from error
        finally:
            self.under_way -= 1
        if answer.status != 200:
            raise ContainerFailed(result["error"], 500)
        return dict(result)

    async def stop(self) -> None:
        """Kill the process and remove its socket."""
        if self._session:
            await self._session.close()
        if self._process:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
        if self._reader:
            await self._reader
        shutil.rmtree(self._folder, ignore_errors=True)


async def listens(socket: Path) -> bool:
    """Return whether the socket accepts connections. The file exists a moment before it does."""
    try:
        _, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    writer.close()
    return True


class Pool:
    """The workers of one function app. A call goes to an idle worker, or to a new one, up to `size`. If all are busy,
    it goes to the one with the fewest calls and overlaps with them, as on Azure. `environment()` is called for each new
    worker; `log` holds the most recent lines that the functions wrote."""

    def __init__(
        self, environment: Callable[[], Mapping[str, str]], size: int = 4, on_line: Callable[[str], None] | None = None
    ) -> None:
        self.size = size
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.started = 0
        self._environment = environment
        self._on_line = on_line
        self._workers: list[Worker] = []
        self._starting = 0
        self._killed = 0
        self._stopped = False

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The workers that are running."""
        return tuple(worker for worker in self._workers if worker.alive)

    async def warm(self, count: int) -> None:
        """Start workers until `count` run, before any call needs them."""
        await asyncio.gather(*(self._start() for _ in range(min(count, self.size) - len(self.workers))))

    async def call(self, message: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Make one call and return its result. Raises ContainerFailed if the function raised or its process died."""
        return await (await self._choose()).call(message, seconds)

    async def restart(self) -> None:
        """Kill all workers and start as many new ones, with empty memory."""
        count = len(self.workers)
        await self._kill()
        await self.warm(count)

    async def stop(self) -> None:
        """Kill all workers. No new ones start."""
        self._stopped = True
        await self._kill()

    async def _choose(self) -> Worker:
        running = self.workers
        # The first idle one, so that few stay warm. A worker that is starting belongs to the call it starts for.
        for worker in running:
            if not worker.under_way:
                return worker
        if len(running) + self._starting < self.size:
            return await self._start()
        while not (running := self.workers):
            if not self._starting:
                raise ContainerFailed("no worker process runs", 503)
            await asyncio.sleep(0.01)
        return min(running, key=lambda worker: worker.under_way)

    async def _start(self) -> Worker:
        if self._stopped:
            raise ContainerFailed("the pool is stopped", 503)
        worker, killed = Worker(self._environment(), self._on_output), self._killed
        self._starting += 1
        try:
            await worker.start()
        finally:
            self._starting -= 1
        if killed != self._killed:
            await worker.stop()
            raise ContainerFailed("the pool was stopped while it started", 503)
        self._workers = [*self.workers, worker]
        self.started += 1
        return worker

    async def _kill(self) -> None:
        self._killed += 1
        gone, self._workers = self._workers, []
        await asyncio.gather(*(worker.stop() for worker in gone))

    def _on_output(self, line: str) -> None:
        self.log.append(line)
        if self._on_line:
            self._on_line(line)
