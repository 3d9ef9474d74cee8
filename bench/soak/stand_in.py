"""The stand-in of Oracle's services as a process of its own, which can be killed and frozen in the middle of a write.

`python -m bench.soak.stand_in FOLDER PORT` listens, and obeys one line of JSON at a time: `plan` and `seed` are the
faults from now on, `settle` waits until nothing is under way. Each is answered with a line that counts what there was.
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
    """Serves until standard input ends; the bucket keeps every version."""
    objects = Objects(folder / FILE)
    objects.create_bucket(BUCKET)
    objects.keep_versions(BUCKET)
    mailbox = Mailbox(folder / FILE)
    cloud = Cloud(objects, latency=LATENCY, mailbox=mailbox, topics={TOPIC})
    cloud.requests = Requests(remember=0)
    injected: Counter[str] = Counter()
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    await cloud.start(HOST, port)
    line = b"{}"
    while line:
        order = json.loads(line)
        if "plan" in order:
            cloud.faults = Faults(order["plan"], order["seed"])
            cloud.faults.injected = injected
        if "settle" in order:
            await cloud.settled()
        print(json.dumps({"url": cloud.url, "injected": injected, "requests": cloud.requests.by_kind}), flush=True)
        line = await orders.readline()
    await cloud.stop()
    mailbox.close()
    objects.close()


class StandIn:
    """The process, seen from outside. `injected` and `requests` count over all its lives; what happened in the moment
    before it was killed may be missing there."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.restarts = 0
        self.frozen = 0
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._weather: dict[str, Any] = {}
        self._before: dict[str, Counter[str]] = {"injected": Counter(), "requests": Counter()}
        self._now: dict[str, Counter[str]] = {"injected": Counter(), "requests": Counter()}

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def injected(self) -> Counter[str]:
        return self._before["injected"] + self._now["injected"]

    @property
    def requests(self) -> Counter[str]:
        return self._before["requests"] + self._now["requests"]

    @property
    def calls(self) -> int:
        """Requests in this life, as far as it was asked."""
        return self._now["requests"].total()

    async def start(self) -> None:
        """Starts it; again on the port it had."""
        async with self._lock:
            await self._start()

    async def weather(self, plan: Mapping[str, float], seed: int) -> None:
        """These are the faults from now on, whatever life it is in."""
        async with self._lock:
            self._weather = {"plan": plan, "seed": seed}
            await self._ask(self._weather)

    async def settle(self) -> None:
        """Returns when no request is under way."""
        async with self._lock:
            await self._ask({"settle": True})

    async def kill(self, seconds: float) -> None:
        """Kills it in the middle of whatever it does, and starts it again after a while."""
        async with self._lock:
            if self._process is None:
                raise RuntimeError("not started")
            await self._ask({})
            for what, count in self._now.items():
                self._before[what] += count
            self._process.kill()
            await self._process.wait()
            await asyncio.sleep(seconds)
            self.restarts += 1
            await self._start()
            await self._ask(self._weather)

    async def freeze(self, seconds: float) -> None:
        """Lets it stand still for a while: no connection breaks, nobody answers, and then all of it is acted on."""
        async with self._lock:
            if self.pid:
                self.frozen += 1
                os.kill(self.pid, signal.SIGSTOP)
                try:
                    await asyncio.sleep(seconds)
                finally:
                    os.kill(self.pid, signal.SIGCONT)

    async def stop(self) -> None:
        """Ends it."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            await self._process.wait()
            self._process = None

    async def _start(self) -> None:
        self._now = {what: Counter() for what in self._now}
        port = self.url.rpartition(":")[2] or "0"
        arguments = ("-m", "bench.soak.stand_in", str(self._folder), port)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, stdin=pipe, stdout=pipe, start_new_session=True
        )
        self.url = (await self._told())["url"]

    async def _ask(self, order: Mapping[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("not started")
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        told = await self._told()
        self._now = {what: Counter(told[what]) for what in self._now}

    async def _told(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("not started")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the stand-in ended by itself")
        told: dict[str, Any] = json.loads(line)
        return told


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
