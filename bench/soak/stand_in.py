"""The stand-in for Oracle's services in its own process, which can be killed and frozen during a write.

`python -m bench.soak.stand_in FOLDER PORT` listens, and reads one command per line, in JSON: `plan` and `seed` set the
faults, `settle` waits until no request is running. It answers each with a line of JSON that has the totals so far.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clouds.oracle.laptop.cloud import Cloud, Requests
from clouds.oracle.laptop.objects import Objects
from clouds.oracle.laptop.serving import BUCKET, ROOT
from local.faults import Faults
from local.notifications import TOPIC, Mailbox

FILE = "cloud.sqlite"
LATENCY = 0.005
HOST = "127.0.0.1"


async def serve(folder: Path, port: int) -> None:
    """Serve until standard input ends. The bucket keeps every version."""
    objects = Objects(folder / FILE)
    objects.create_bucket(BUCKET)
    objects.keep_versions(BUCKET)
    mailbox = Mailbox(folder / FILE)
    cloud = Cloud(objects, latency=LATENCY, mailbox=mailbox, topics={TOPIC})
    cloud.requests = Requests(remember=0)
    injected: Counter[str] = Counter()
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    await cloud.start(HOST, port)
    line = b"{}"
    while line:
        command = json.loads(line)
        if "plan" in command:
            cloud.faults = Faults(command["plan"], command["seed"])
            cloud.faults.injected = injected
        if "settle" in command:
            await cloud.settled()
        print(json.dumps({"url": cloud.url, "injected": injected, "requests": cloud.requests.by_kind}), flush=True)
        line = await commands.readline()
    await cloud.stop()
    mailbox.close()
    objects.close()


class StandIn:
    """Controls that process. `injected` and `requests` are totals over all its restarts; the last moments before a kill
    may be missing."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.restarts = 0
        self.frozen = 0
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._faults: dict[str, Any] = {}
        self._before: dict[str, Counter[str]] = {"injected": Counter(), "requests": Counter()}
        self._current: dict[str, Counter[str]] = {"injected": Counter(), "requests": Counter()}

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def injected(self) -> Counter[str]:
        return self._before["injected"] + self._current["injected"]

    @property
    def requests(self) -> Counter[str]:
        return self._before["requests"] + self._current["requests"]

    @property
    def calls(self) -> int:
        """How many requests this process has answered since its last start, as of its last status."""
        return self._current["requests"].total()

    async def start(self) -> None:
        """Start it, after a restart on the same port."""
        async with self._lock:
            await self._start()

    async def set_faults(self, plan: Mapping[str, float], seed: int) -> None:
        """Set the faults from now on; they stay after a restart."""
        async with self._lock:
            self._faults = {"plan": plan, "seed": seed}
            await self._ask(self._faults)

    async def settle(self) -> None:
        """Wait until no request is running."""
        async with self._lock:
            await self._ask({"settle": True})

    async def kill(self, seconds: float) -> None:
        """Kill it, whatever it is doing, and restart it after `seconds`."""
        async with self._lock:
            if self._process is None:
                raise RuntimeError("not started")
            await self._ask({})
            for what, count in self._current.items():
                self._before[what] += count
            self._process.kill()
            await self._process.wait()
            await asyncio.sleep(seconds)
            self.restarts += 1
            await self._start()
            await self._ask(self._faults)

    async def freeze(self, seconds: float) -> None:
        """Pause it for `seconds`: connections stay open without answers, and afterwards all requests are processed."""
        async with self._lock:
            if self.pid:
                self.frozen += 1
                os.kill(self.pid, signal.SIGSTOP)
                try:
                    await asyncio.sleep(seconds)
                finally:
                    os.kill(self.pid, signal.SIGCONT)

    async def stop(self) -> None:
        """Stop it."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            await self._process.wait()
            self._process = None

    async def _start(self) -> None:
        self._current = {what: Counter() for what in self._current}
        port = self.url.rpartition(":")[2] or "0"
        arguments = ("-m", "bench.soak.stand_in", str(self._folder), port)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, stdin=pipe, stdout=pipe, start_new_session=True
        )
        self.url = (await self._status())["url"]

    async def _ask(self, command: Mapping[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("not started")
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()
        status = await self._status()
        self._current = {what: Counter(status[what]) for what in self._current}

    async def _status(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("not started")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the stand-in stopped unexpectedly")
        status: dict[str, Any] = json.loads(line)
        return status


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
