"""The soak on the clouds whose database engine runs here: the real function over its SDK, a proxy that loses answers,
refuses requests and cuts connections, and function processes that are killed; then the account.

What is not seen here, each version of the document, is followed by the soak on Oracle.
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

TOKEN = "soak-token"  # noqa: S105 - lets nobody in anywhere
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
class Account:
    """What the visitors were told, what went wrong, and what was counted."""

    told: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    counted: int = 0
    shown: int = 0
    waiting: int = 0

    @property
    def violations(self) -> list[str]:
        """What must never be."""
        least, most = self.told["acknowledged"], self.told["acknowledged"] + self.told["doubtful"]
        wrong = [] if least <= self.counted <= most else [f"{self.counted} counted of {least} to {most}"]
        if self.shown != self.counted:
            wrong.append(f"a reader is shown {self.shown} of {self.counted}")
        return wrong + ([f"{self.waiting} entries wait at the end"] if self.waiting else [])


def soak(cloud: str, seconds: float, seed: int, clients: int, containers: int) -> Account:
    """One soak of a cloud."""
    account, over = Account(), threading.Event()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        config = {"SALT": MARK, "REPORT_TOKEN": TOKEN}
        here = laptop(cloud)(Path(folder), containers=containers, config=config, latency=0.002)
        with Hosting(here) as hosting:
            counter = f"{hosting.url}{here.entrypoint.prefix.rstrip('/')}/counter"
            works = [threading.Thread(target=_visit, args=(counter, account, over)) for _ in range(clients)]
            works.append(threading.Thread(target=_weather, args=(here, random.Random(seed), account, over)))
            works.append(threading.Thread(target=_kill, args=(random.Random(seed + 1), account, over)))
            for work in works:
                work.start()
            over.wait(seconds)
            over.set()
            for work in works:
                work.join()
            time.sleep(2)
            stats = _ask(f"{counter.rsplit('/', 1)[0]}/stats", "GET", {"Authorization": f"Bearer {TOKEN}"})[1]
            account.counted = stats["count"]
            again = _ask(f"{counter.rsplit('/', 1)[0]}/stats", "GET", {"Authorization": f"Bearer {TOKEN}"})[1]
            account.waiting = again["entriesWaiting"]
            account.shown = _ask(f"{counter}?peek=1", "GET")[1]["count"]
    return account


def rows(account: Account) -> Iterator[tuple[str, str]]:
    """The table of a run."""
    yield "visits", f"{account.told.total():,}"
    for fate in ("acknowledged", "refused", "doubtful"):
        yield f"  {fate}", f"{account.told[fate]:,}"
    yield "faults injected", f"{account.injected.total():,}"
    for kind, times in sorted(account.injected.items()):
        yield f"  {kind}", f"{times:,}"
    yield "function processes killed", f"{account.killed}"
    yield "counted", f"{account.counted:,}"


def _visit(counter: str, account: Account, over: threading.Event) -> None:
    while not over.is_set():
        try:
            status, answer = _ask(counter, "POST")
        except (OSError, ValueError):
            account.told["doubtful"] += 1
            continue
        if status == 200:
            account.told["acknowledged"] += 1
        elif status == 503 and answer.get("mayBeCounted") is False:
            account.told["refused"] += 1
        else:
            account.told["doubtful"] += 1


def _weather(here: Any, chance: random.Random, account: Account, over: threading.Event) -> None:
    while not over.is_set():
        phase = chance.choice(PHASES)

        def fault(_: str, phase: dict[str, float] = phase) -> str | None:
            for kind, rate in phase.items():
                if chance.random() < rate:
                    account.injected[kind] += 1
                    return kind
            return None

        here.proxy.fault = fault
        over.wait(chance.uniform(0.5, 3))
    here.proxy.fault = lambda _: None


def _kill(chance: random.Random, account: Account, over: threading.Event) -> None:
    while not over.wait(chance.uniform(2, 6)):
        pids = list(_functions())
        if pids:
            with suppress(OSError):
                os.kill(chance.choice(pids), signal.SIGKILL)
                account.killed += 1


def _functions() -> Iterator[int]:
    """The processes of the function that this process has started."""
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
