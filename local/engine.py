"""
A database's engine on this machine: installed by npm, and run as a process that ends with ours.
"""

import asyncio
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from local import child

NPM_CI = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
PATIENCE = 10.0  # seconds in which an engine saves what it has


class EngineFailed(Exception):
    """A cloud's database engine does not run; the text says why."""


def npm_ci(folder: Path, wanted: Path, name: str) -> None:
    """Install what the lock file in ``folder`` says, unless ``wanted`` is here. Raises EngineFailed."""
    if wanted.exists():
        return
    done = subprocess.run(NPM_CI, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode or not wanted.exists():
        raise EngineFailed(f"npm did not install {name}:\n{done.stderr}")


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class Engine:
    """
    One process. ``name`` is what it is called when it fails, ``end`` the signal by which it ends and saves what it has,
    ``environment`` all that it knows, by default what we know.
    """

    def __init__(
        self, name: str, end: signal.Signals = signal.SIGTERM, environment: Mapping[str, str] | None = None
    ) -> None:
        self._name = name
        self._end = end
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(
        self, words: Sequence[str], ready: Callable[[], Awaitable[bool]], seconds: float, log: Path | None = None
    ) -> None:
        """Start the program, whose output goes to ``log``, and wait until it is ready. Raises EngineFailed."""
        output = await asyncio.to_thread(log.open, "wb") if log else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *child.command(child.EXEC, self._end),
                *words,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output or asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we end our engine
            )
        finally:
            if output:
                output.close()
        try:
            async with asyncio.timeout(seconds):
                while not await ready():
                    if self._process.returncode is not None:
                        raise EngineFailed(f"{self._name} ended with status {self._process.returncode}.")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            await self.stop()
            raise EngineFailed(f"{self._name} did not listen in time.") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the program, and kill it if it does not."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(self._end)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._process = None
