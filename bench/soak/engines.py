"""The soak test on the clouds whose database engine runs here: the real function with its SDK, a proxy that loses
answers, refuses requests and cuts connections, and function processes that are killed.

It does not see each version of the document; the soak test on Oracle does.
"""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.laptop import Hosting, laptop

TOKEN = "soak-token"  # noqa: S105 - for this run only
MARK = "soak-of-this-process"
PHASES: tuple[dict[str, float], ...] = (
    {"lose": 0.2},
    {"drop": 0.2},
    {"cut": 0.2},
    {"503 ServerBusy": 0.3},
    {"hang": 0.03},
    {"lose": 0.05, "drop": 0.05, "cut": 0.05, "500 InternalServerError": 0.05},
    {"503 ServerBusy": 1.0},
    {},
)


@dataclass
class Result:
    """The answers, the faults that were injected, and what was counted."""

    answers: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    counted: int = 0
    shown: int = 0
    waiting: int = 0

    @property
    def violations(self) -> list[str]:
        """Sentences about what must never happen."""
        least, most = self.answers["acknowledged"], self.answers["acknowledged"] + self.answers["doubtful"]
        wrong = [] if least <= self.counted <= most else [f"{self.counted} counted, not {least} to {most}"]
        if self.shown != self.counted:
            wrong.append(f"a reader sees {self.shown} of {self.counted}")
        return wrong + ([f"{self.waiting} entries are left at the end"] if self.waiting else [])


def soak(cloud: str, seconds: float, seed: int, clients: int, containers: int) -> Result:
    """Run one soak test on a cloud."""
    result, over = Result(), threading.Event()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        config = {"SALT": MARK, "REPORT_TOKEN": TOKEN}
        here = laptop(cloud)(Path(folder), containers=containers, config=config, latency=0.002)
        with Hosting(here) as hosting:
            counter = f"{hosting.url}{here.entrypoint.prefix.rstrip('/')}/counter"
            threads = [threading.Thread(target=_visit, args=(counter, result, over)) for _ in range(clients)]
            threads.append(threading.Thread(target=_inject_faults, args=(here, random.Random(seed), result, over)))
            threads.append(threading.Thread(target=_kill, args=(random.Random(seed + 1), result, over)))
            for thread in threads:
                thread.start()
            over.wait(seconds)
            over.set()
            for thread in threads:
                thread.join()
            time.sleep(2)
            stats = _ask(f"{counter.rsplit('/', 1)[0]}/stats", "GET", {"Authorization": f"Bearer {TOKEN}"})[1]
            result.counted = stats["count"]
            again = _ask(f"{counter.rsplit('/', 1)[0]}/stats", "GET", {"Authorization": f"Bearer {TOKEN}"})[1]
            result.waiting = again["entriesWaiting"]
            result.shown = _ask(f"{counter}?peek=1", "GET")[1]["count"]
    return result


def rows(result: Result) -> Iterator[tuple[str, str]]:
    """Yield the rows of a run's table."""
    yield "visits", f"{result.answers.total():,}"
    for fate in ("acknowledged", "refused", "doubtful"):
        yield f"  {fate}", f"{result.answers[fate]:,}"
    yield "faults injected", f"{result.injected.total():,}"
    for kind, times in sorted(result.injected.items()):
        yield f"  {kind}", f"{times:,}"
    yield "function processes killed", f"{result.killed}"
    yield "counted", f"{result.counted:,}"


def _visit(counter: str, result: Result, over: threading.Event) -> None:
    while not over.is_set():
        try:
            status, answer = _ask(counter, "POST")
        except (OSError, ValueError):
            result.answers["doubtful"] += 1
            continue
        if status == 200:
            result.answers["acknowledged"] += 1
        elif status == 503 and answer.get("mayBeCounted") is False:
            result.answers["refused"] += 1
        else:
            result.answers["doubtful"] += 1


def _inject_faults(here: Any, chance: random.Random, result: Result, over: threading.Event) -> None:
    while not over.is_set():
        phase = chance.choice(PHASES)

        def fault(_: str, phase: dict[str, float] = phase) -> str | None:
            for kind, rate in phase.items():
                if chance.random() < rate:
                    result.injected[kind] += 1
                    return kind
            return None

        here.proxy.fault = fault
        over.wait(chance.uniform(0.5, 3))
    here.proxy.fault = lambda _: None


def _kill(chance: random.Random, result: Result, over: threading.Event) -> None:
    while not over.wait(chance.uniform(2, 6)):
        pids = list(_functions())
        if pids:
            with suppress(OSError):
                os.kill(chance.choice(pids), signal.SIGKILL)
                result.killed += 1


def _functions() -> Iterator[int]:
    """Yield the process ids of the function's processes that this process has started."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            parent = int(process.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and f"SALT={MARK}".encode() in process.joinpath("environ").read_bytes():
                yield int(process.name)


def _ask(url: str, method: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    request = urllib.request.Request(url, method=method, headers={**agent, **(headers or {})})  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - ours
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
