"""One whole run: the function behind its gateway, the clients, the faults, and the final check."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.soak.audit import Audit, Fate
from bench.soak.fault_schedule import FaultSchedule
from bench.soak.fleet import Fleet
from bench.soak.footprint import Footprint
from bench.soak.history import History
from bench.soak.stand_in import StandIn
from bench.soak.visitors import Visitors
from clouds.oracle.laptop.fn_entrypoint import FnEntrypoint
from clouds.oracle.laptop.principal import Principal
from clouds.oracle.laptop.serving import BUCKET, ROOT
from clouds.oracle.laptop.storage import NAMESPACE
from local.gateway import Gateway
from local.notifications import TOPIC

SALT = "soak"
TOKEN = "soak-token"  # noqa: S105 - for this run only
WARM_CALLS = 30
"""Calls after which a process has run all its code, and should grow no more."""


@dataclass(frozen=True)
class Plan:
    """The length (at least), seed and size of a run; a phase of faults lasts at most `pace` seconds. The run continues
    until all `kinds` of faults were injected and `acknowledged` visits were acknowledged."""

    seconds: float = 120.0
    seed: int = 1
    clients: int = 8
    containers: int = 4
    pace: float = 4.0
    function: Path = ROOT / "func.py"
    kinds: frozenset[str] = frozenset()
    acknowledged: int = 0


@dataclass
class Outcome:
    """The result of a run. `violations` is empty if every promise was kept."""

    audit: Audit
    footprint: Footprint = field(default_factory=Footprint)
    injected: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    killed: int = 0
    lost: int = 0
    left: int = 0
    restarts: int = 0
    frozen: int = 0
    mails: int = 0
    seconds: float = 0.0

    @property
    def violations(self) -> list[str]:
        return self.audit.violations + self.footprint.violations()


def run(plan: Plan) -> Outcome:
    """Run one soak test. It ends early at the first violation. It leaves nothing behind, not even after Ctrl-C, which
    is raised as KeyboardInterrupt once everything has stopped."""
    sockets = _sockets()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        data, temporary = Path(folder, "data"), Path(folder, "tmp")
        for each in (data, temporary):
            each.mkdir()
        with _temporary_files_in(temporary):
            soak = Soak(plan, data, temporary)
            asyncio.run(_unless_stopped(soak))
        left = sorted(path.name for path in temporary.iterdir())
    wrong = soak.outcome.audit.violations
    wrong += [f"{name} is left in the temporary folder" for name in left]
    wrong += [f"process {pid} still runs" for pid in sorted(soak.pids) if _runs(pid)]
    if _sockets() > sockets:
        wrong.append(f"{_sockets() - sockets} sockets of this process are left open")
    return soak.outcome


class Soak:
    """One run in the folder `data`; containers put temporary files into `temporary`. `pids` has all processes."""

    def __init__(self, plan: Plan, data: Path, temporary: Path) -> None:
        self.audit = Audit(SALT)
        self.outcome = Outcome(self.audit)
        self.pids: set[int] = set()
        self._plan = plan
        self._temporary = temporary
        self._principal = Principal(data / "principal")
        self._stand_in = StandIn(data)
        self._fleet = Fleet(plan.function, self._environment, plan.containers, self.audit.called)
        self._gateway = Gateway(FnEntrypoint(self._fleet))
        self._data = data
        self._end = 0.0

    async def run(self) -> None:
        """Start everything, run clients and faults, wait until all is quiet, and check the result."""
        start = time.monotonic()
        try:
            await self._stand_in.start()
            await self._gateway.start()
            history = History(self._data, self.audit)
            try:
                await self._run_load(history)
            finally:
                history.close()
        finally:
            await self._gateway.stop()
            await self._fleet.stop()
            await self._stand_in.stop()
        self.outcome.seconds = time.monotonic() - start

    async def _run_load(self, history: History) -> None:
        plan = self._plan
        visitors = Visitors(self._gateway.url, SALT, TOKEN, self.audit)
        schedule = FaultSchedule(self._stand_in, self._fleet, plan.seed, plan.pace)
        self._end = time.monotonic() + plan.seconds
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(history))
            fault_tasks = [
                tasks.create_task(work(self._is_over))
                for work in (schedule.change_faults, schedule.kill_containers, schedule.kill_and_freeze_stand_in)
            ]
            visitor_tasks = [
                tasks.create_task(visitors.visit_until(plan.seed * 1000 + client, self._is_over))
                for client in range(plan.clients)
            ]
            await asyncio.wait(fault_tasks)
            await self._stand_in.set_faults({}, 0)
            await asyncio.wait(visitor_tasks)
            await self._fleet.idle()
            await self._stand_in.settle()
            watching.cancel()
        await self._check(visitors, history)

    async def _check(self, visitors: Visitors, history: History) -> None:
        await self._fleet.restart()
        shown, stats = await visitors.final_counts()
        await self._stand_in.settle()
        history.end()
        if not shown == stats == self.audit.pageviews:
            self._wrong(f"a fresh container shows {shown}, /stats {stats}, the document {self.audit.pageviews}")
        mails = history.mails()
        if not visitors.reports_sent <= mails <= visitors.reports_asked:
            self._wrong(f"{visitors.reports_sent} reports were confirmed, but {mails} arrived")
        if visitors.lost > self._fleet.killed:
            self._wrong(f"{visitors.lost} calls died, but {self._fleet.killed} containers were killed")
        self.outcome.injected = self._stand_in.injected
        self.outcome.requests = self._stand_in.requests.total()
        self.outcome.killed, self.outcome.lost, self.outcome.left = self._fleet.killed, visitors.lost, visitors.left
        self.outcome.restarts, self.outcome.frozen = self._stand_in.restarts, self._stand_in.frozen
        self.outcome.mails = mails

    async def _watch(self, history: History) -> None:
        """Follow the document while it changes, and measure the processes."""
        while True:
            await asyncio.sleep(0.25)
            history.read()
            for container in self._fleet.containers:
                self.pids.add(container.pid)
                if container.calls >= WARM_CALLS:
                    self.outcome.footprint.sample("container", container.pid)
            if self._stand_in.pid:
                self.pids.add(self._stand_in.pid)
                if self._stand_in.calls >= WARM_CALLS:
                    self.outcome.footprint.sample("stand-in", self._stand_in.pid)

    def _is_over(self) -> bool:
        if self.audit.violations:
            return True
        if time.monotonic() < self._end:
            return False
        is_enough = self.audit.count(Fate.ACKNOWLEDGED) >= self._plan.acknowledged
        return is_enough and self._plan.kinds <= self._stand_in.injected.keys()

    def _environment(self) -> dict[str, str]:
        """Return what the platform and an owner would set, and the stand-in's address."""
        return {
            **self._principal.environment(),
            "BUCKET": BUCKET,
            "NAMESPACE": NAMESPACE,
            "TOPIC_OCID": TOPIC,
            "SALT": SALT,
            "REPORT_TOKEN": TOKEN,
            "OBJECT_STORAGE_ENDPOINT": self._stand_in.url,
            "NOTIFICATIONS_ENDPOINT": self._stand_in.url,
            "PYTHONPATH": os.pathsep.join((str(self._plan.function.parent), str(ROOT))),
            "TMPDIR": str(self._temporary),
        }

    def _wrong(self, what: str) -> None:
        self.audit.violations.append(what)


async def _unless_stopped(soak: Soak) -> None:
    """Run to the end, or until Ctrl-C. Pressing it again while everything stops changes nothing."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    running = asyncio.create_task(soak.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
        return
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    raise KeyboardInterrupt


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _sockets() -> int:
    number = 0
    with suppress(OSError):
        for each in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                number += str(each.readlink()).startswith("socket:")
    return number


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
