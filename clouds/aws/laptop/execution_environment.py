"""An AWS Lambda execution environment on a laptop: AWS's own runtime in a process, and the Runtime API it polls."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from clouds.aws.laptop.runtime_api import RuntimeApi
from local import child
from local.pool import ContainerFailed

ROOT = Path(__file__).resolve().parents[3]
TASK = (ROOT / "clouds" / "aws" / "function", ROOT)
HANDLER = "lambda_function.lambda_handler"

T = TypeVar("T")

RUNTIME = f"""
from awslambdaric.__main__ import main
main(["awslambdaric", "{HANDLER}"])
"""


class ExecutionEnvironment:
    """One process. Its environment is `variables` plus Lambda's own, PATH, PYTHONPATH, HOME and LANG; the user's is not
    inherited. `task` are the folders of the function, which are merged into one in the bundle."""

    def __init__(
        self,
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
        task: tuple[Path, ...] = TASK,
        python: str = sys.executable,
    ) -> None:
        self.calls = 0
        self._variables = variables
        self._on_line = on_line
        self._task = task
        self._python = python
        self._api = RuntimeApi()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._api_lock = asyncio.Lock()
        self._stopped = False

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self, seconds: float = 30.0) -> None:
        """Start the process and wait until it has loaded the function. Raises ContainerFailed if it does not start in
        time, and HandlerFailed if the function cannot be loaded."""
        try:
            await self._start(seconds)
        except BaseException as failure:
            stopped = self._stopped
            await self.stop()
            if isinstance(failure, TimeoutError):
                raise ContainerFailed("the function was not loaded in time", 504) from None
            if stopped and isinstance(failure, Exception):
                raise ContainerFailed("stopped", 503) from failure
            raise

    async def _start(self, seconds: float) -> None:
        async with self._api_lock:
            if self._stopped:
                raise ContainerFailed("stopped", 503)
            await self._api.start()
        self._process = await asyncio.create_subprocess_exec(
            *child.command(RUNTIME, python=self._python),
            env={
                **child.environment(self._task[0], *self._task),
                "LAMBDA_TASK_ROOT": str(self._task[0]),
                "AWS_LAMBDA_RUNTIME_API": self._api.address,
                "AWS_LAMBDA_FUNCTION_NAME": "visitor-counter",
                **self._variables,
            },
            cwd=self._task[0],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must not reach the process; `stop` ends it
        )
        if self._process.stdout:
            self._reader = asyncio.create_task(child.read_lines(self._process.stdout, self._on_line))
        if self._stopped:  # while the process was starting
            raise ContainerFailed("stopped", 503)
        async with asyncio.timeout(seconds):
            await self._until_exit(asyncio.create_task(self._api.ready.wait()))

    async def call(self, event: bytes, seconds: float, request_id: str | None = None) -> bytes:
        """Make one call and return its answer. Raises ContainerFailed if the process died or was killed for taking too
        long, and HandlerFailed if the handler raised."""
        if not self.alive:
            raise ContainerFailed("the function process is gone")
        self.calls += 1
        try:
            return await self._until_exit(asyncio.create_task(self._api.call(event, seconds, request_id)))
        except TimeoutError:
            await self.stop()
            raise ContainerFailed("the function took too long", 504) from None

    async def stop(self) -> None:
        """Kill the process."""
        self._stopped = True
        if self._process:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._reader:
            await self._reader
        async with self._api_lock:  # `start` may still be starting the API
            await self._api.stop()

    async def _until_exit(self, work: asyncio.Task[T]) -> T:
        """Return the result of `work`, unless the process exits first."""
        if self._process is None:
            raise ContainerFailed("not started")
        ended = asyncio.create_task(self._process.wait())
        try:
            await asyncio.wait([work, ended], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
        finally:
            work.cancel()
            ended.cancel()
        if self._api.failure:
            raise self._api.failure
        raise ContainerFailed(f"the function process ended with status {self._process.returncode}")
