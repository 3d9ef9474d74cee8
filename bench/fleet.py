"""A fleet: real `fdk` processes of one function against one stand-in, called in closed loops and timed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import certifi

from clouds.oracle.laptop.containers import Container
from clouds.oracle.laptop.fn_entrypoint import deadline, ulid
from clouds.oracle.laptop.serving import ROOT, Serving
from clouds.oracle.laptop.storage import NAMESPACE
from local.faults import Faults

FUNCTIONS = Path(__file__).parent / "functions"
COUNTER = ROOT / "func.py"
FLOOR = FUNCTIONS / "floor.py"
PLAIN = FUNCTIONS / "plain.py"
BARE = FUNCTIONS / "bare.py"


@dataclass
class Round:
    """The result of one round of visits: times and CPU in seconds, `answers` by status."""

    seconds: float = 0.0
    cpu: float = 0.0
    times: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    in_doubt: int = 0
    requests: int = 0

    def add(self, other: Round) -> None:
        """Add another round's result."""
        self.seconds += other.seconds
        self.cpu += other.cpu
        self.times += other.times
        self.answers += other.answers
        self.requests += other.requests

    @property
    def acknowledged(self) -> int:
        return self.answers[200]

    @property
    def rate(self) -> float:
        """Acknowledged visits a second."""
        return self.acknowledged / self.seconds

    @property
    def median(self) -> float:
        return median(self.times)

    @property
    def p99(self) -> float:
        return sorted(self.times)[int(len(self.times) * 0.99)]


class Fleet:
    """Warm containers of one function: each has answered once, so imports and connections are done."""

    def __init__(self, here: Serving, function: Path) -> None:
        self.here = here
        self.function = function

    def visit(self, visits: int, visitor: str = "visitor") -> Round:
        """Make `visits` on every container, one after the other, all containers at once, each with its own visitor."""
        result = Round()
        before, cpu = self.here.cloud.requests.by_kind.total(), self._cpu()
        start = time.perf_counter()
        loops = enumerate(self.here.pool.containers)
        self.here.run(_all([_loop(container, f"{visitor}-{n}", visits, result) for n, container in loops]))
        result.seconds = time.perf_counter() - start
        result.cpu = self._cpu() - cpu
        result.requests = self.here.cloud.requests.by_kind.total() - before
        return result

    def stored(self) -> bytes:
        """Return the stored document."""
        stored = self.here.objects.get(self.here.config["BUCKET"], "counter.json")
        return stored.data if stored else b""

    def totals(self) -> tuple[int, int]:
        """Return page views and unique visitors in the document."""
        document = json.loads(self.stored())
        return document["pageviews"], document["uniqueVisitors"]

    def put_document(self, document: Mapping[str, object]) -> None:
        """Replace the document directly, as an owner does who restores one."""
        self.here.objects.put(self.here.config["BUCKET"], "counter.json", json.dumps(document).encode())

    def in_turn(self, visitor: str) -> list[dict[str, object]]:
        """Make one visit on every container, one container after the other, and return the answers."""
        return [self.first(container, f"{visitor}-{n}")[0] for n, container in enumerate(self.here.pool.containers)]

    def first(self, container: Container, vid: str) -> tuple[dict[str, object], float]:
        """Make one visit on `container`; return its answer and the CPU seconds of its process since it started."""
        _, _, body = self.here.run(container.call(call_headers(vid)))
        return json.loads(body), cpu_seconds(container.pid)

    def entries(self) -> int:
        """Return how many journal entries wait to be folded."""
        return len(self.here.objects.list(self.here.config["BUCKET"], prefix="counter.json.journal/"))

    def restart(self) -> None:
        """Replace all containers by new ones, with empty memory."""
        self.here.run(self.here.pool.restart())

    def hang_up(self) -> None:
        """Close all connections to the storage, as it does itself with idle ones. For TLS only."""
        if self.here.network:
            self.here.run(self.here.network.hang_up())

    def cold(self, share: float = 1.0) -> float:
        """Return the seconds from the start of a new container to its first answer, with this share of a core."""
        return self.here.run(self._cold(share))

    async def _cold(self, share: float) -> float:
        container = Container(self.function, self.here.environment())
        start = time.perf_counter()
        throttle = asyncio.create_task(_throttle(container, share))
        try:
            await container.start(seconds=120)
            await container.call(call_headers("cold"), seconds=120)
            return time.perf_counter() - start
        finally:
            throttle.cancel()
            await container.stop()

    def memory(self, key: str) -> float:
        """Return the first container's memory in MB; `key` names it in /proc/PID/status (VmRSS: now, VmHWM: peak)."""
        lines = Path(f"/proc/{self.here.pool.containers[0].pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024

    def _cpu(self) -> float:
        return sum(cpu_seconds(container.pid) for container in self.here.pool.containers)


@contextmanager
def fleet(
    function: Path,
    containers: int = 1,
    *,
    latency: float = 0.02,
    faults: Faults | None = None,
    warm: bool = True,
    tls: bool = False,
    config: Mapping[str, str] | None = None,
) -> Iterator[Fleet]:
    """Yield a Fleet on an empty bucket. With `warm` each container first makes one visit, one after the other. With
    `tls` the storage has Oracle's host names, and certifi's authorities are loaded with its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"SALT": "bench", "NAMESPACE": NAMESPACE, **(config or {})}
        serving = Serving(
            Path(folder), containers=containers, latency=latency, function=function, config=settings, tls=tls
        )
        with serving as here:
            if tls:
                trusted = here.principal.authority
                own = f"\n# Issuer: CN=stand-in O=DigiCert Inc\n{trusted.read_text()}"
                trusted.write_text(Path(certifi.where()).read_text() + own)
            here.warm(containers)
            built = Fleet(here, function)
            if warm:
                for number, container in enumerate(here.pool.containers):
                    here.run(_loop(container, f"warm-{number}", 1, Round()))
            here.cloud.faults = faults or Faults()
            yield built


async def _throttle(container: Container, share: float) -> None:
    """Let a container's process run for `share` of each tenth of a second, as clouds do that sell parts of a core."""
    while share < 1:
        for seconds, sign in ((share / 10, signal.SIGCONT), ((1 - share) / 10, signal.SIGSTOP)):
            if container.alive:
                os.kill(container.pid, sign)
            await asyncio.sleep(seconds)


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used, user and system. For Linux only."""
    return time.clock_gettime(~pid << 3 | 2)  # the id of a process's clock, as clock_getcpuclockid(3) makes it


def call_headers(vid: str) -> dict[str, str]:
    """Return an API Gateway's headers for one page view."""
    return {
        "fn-intent": "httprequest",
        "fn-http-method": "GET",
        "fn-http-request-url": f"/v1/counter?vid={vid}",
        "fn-call-id": ulid(),
        "fn-deadline": deadline(),
        "fn-http-h-user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
        "fn-http-h-host": "example.com",
        "content-type": "application/octet-stream",
    }


async def _all(loops: list[Coroutine[object, object, None]]) -> None:
    await asyncio.gather(*loops)


async def _loop(container: Container, vid: str, visits: int, result: Round) -> None:
    for _ in range(visits):
        start = time.perf_counter()
        _, headers, body = await container.call(call_headers(vid))
        result.times.append(time.perf_counter() - start)
        result.answers[int(headers.get("fn-http-status", 0))] += 1
        result.in_doubt += bool(json.loads(body).get("mayBeCounted"))
