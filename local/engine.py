"""A database engine on this machine: installed with npm, run as a child process."""

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
STOP_TIMEOUT = 10.0  # seconds for an engine to save its data


class EngineFailed(Exception):
    """A database engine could not be installed or started; the message says why."""


def is_whole(folder: Path) -> bool:
    """Return whether npm installed everything in `folder`'s lock file: npm writes its own list last."""
    try:
        installed, wanted = (
            json.loads((folder / name).read_text())["packages"]
            for name in ("node_modules/.package-lock.json", "package-lock.json")
        )
    except FileNotFoundError:
        return False
    return all(package["version"] == wanted.get(name, {}).get("version") for name, package in installed.items())


async def npm_ci(folder: Path, name: str, size: str) -> None:
    """Install the packages in `folder`'s lock file, unless they are installed. Raises EngineFailed."""
    if await asyncio.to_thread(is_whole, folder):
        return
    print(
        f"Installing {name} with npm: {size} on disk, a minute or two, first run only ...", file=sys.stderr, flush=True
    )
    process = await asyncio.create_subprocess_exec(
        *child.command(child.EXEC),
        *NPM_CI,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # npm ignores Ctrl-C until it is done, so it is killed instead
    )
    try:
        _, errors = await process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode or not await asyncio.to_thread(is_whole, folder):
        raise EngineFailed(f"npm could not install {name}:\n{errors.decode(errors='replace')}")


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class Engine:
    """One engine process. `name` appears in its errors, `end` is the signal that makes it save its data and exit, and
    `environment` is its whole environment, by default a copy of ours."""

    def __init__(
        self, name: str, end: signal.Signals = signal.SIGTERM, environment: Mapping[str, str] | None = None
    ) -> None:
        self._name = name
        self._end = end
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(
        self, command: Sequence[str], ready: Callable[[], Awaitable[bool]], seconds: float, log: Path | None = None
    ) -> None:
        """Run `command`, with its output in `log`, and wait until `ready()` is true. Raises EngineFailed."""
        output = await asyncio.to_thread(log.open, "wb") if log else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *child.command(child.EXEC, self._end),
                *command,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output or asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C must not reach the engine; `stop` ends it
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
            raise EngineFailed(f"{self._name} did not start within {seconds:g} seconds.") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Send the engine its signal, and kill it if it does not exit."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(self._end)
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._process = None
