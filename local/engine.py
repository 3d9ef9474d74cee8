"""A database's engine on this machine: installed by npm, and run as a process that ends with ours."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from local import child

NPM_CI = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
PATIENCE = 10.0  # seconds in which an engine saves what it has


class EngineFailed(Exception):
    """A cloud's database engine does not run; the text says why."""


def is_whole(folder: Path) -> bool:
    """Say whether npm finished what the lock file in `folder` says: what it installed it writes down last."""
    try:
        here, wanted = (
            json.loads((folder / name).read_text())["packages"]
            for name in ("node_modules/.package-lock.json", "package-lock.json")
        )
    except FileNotFoundError:
        return False
    return all(package["version"] == wanted.get(name, {}).get("version") for name, package in here.items())


async def npm_ci(folder: Path, name: str) -> None:
    """Install what the lock file in `folder` says, unless it is here. Raises EngineFailed."""
    if await asyncio.to_thread(is_whole, folder):
        return
    print(f"Installing {name} with npm, once ...", file=sys.stderr, flush=True)
    process = await asyncio.create_subprocess_exec(
        *child.command(child.EXEC),
        *NPM_CI,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # npm would put Ctrl-C off until it is done
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode or not await asyncio.to_thread(is_whole, folder):
        raise EngineFailed(f"npm did not install {name}:\n{said.decode(errors='replace')}")


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class Engine:
    """One process. `name` is what it is called when it fails, `end` the signal by which it ends and saves what it has,
    `environment` all that it knows, by default what we know."""

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
        """Start the program, whose output goes to `log`, and wait until it is ready. Raises EngineFailed."""
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
