"""A store whose requests end as a test says, and the time that goes by for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from counter.store import Conflict, Misconfigured, Unavailable
from local.memory import MemoryDocuments

WORDS = ("ok", "refused", "denied", "lost", "dropped", "conflict", "raced", "late", "killed", "killed after")


class Killed(BaseException):
    """The container is gone in the middle of a request."""


class Troubled:
    """Documents over a shared store. `plan` holds, by kind of request, how the next ones end; the others are fine.

    `ok`; `refused` (not done, and said so); `denied` (a wrong name, or a missing permission); `lost` (done, but the
    answer is lost); `dropped` (not done, but nobody said so); `conflict` (not done, a 409); `raced` (somebody else
    comes first: `rival` is called); `late` (no answer, and done only by `land`); `killed` and `killed after` (the
    container ends before or after it was done). A request takes `seconds` of `clock`, one without an answer all the
    time it has. `calls` is what was asked for, with the seconds it was given.
    """

    def __init__(
        self, store: MemoryDocuments, clock: Time | None = None, rival: Callable[[], None] = lambda: None
    ) -> None:
        self.store = store
        self.clock = clock or Time()
        self.rival = rival
        self.seconds = 0.0
        self.plan: dict[str, list[str]] = {}
        self.calls: list[tuple[str, tuple[object, ...], float]] = []
        self.flying: list[Late] = []

    @property
    def kinds(self) -> list[str]:
        """What was asked for, in order."""
        return [kind for kind, _, _ in self.calls]

    def of(self, kind: str) -> list[tuple[object, ...]]:
        """Return what the requests of one kind asked for."""
        return [args for made, args, _ in self.calls if made == kind]

    def land(self) -> None:
        """Let everything arrive that is late."""
        while self.flying:
            self.flying.pop(0).land(self.store)

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        """Do it as planned."""
        self._before("read", (), timeout)
        found = self.store.read(timeout)
        self._after()
        return found

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Do it as planned."""
        self._before("write", (data, version), timeout)
        made = self.store.write(data, version, timeout)
        self._after()
        return made

    def append(self, entry: str, timeout: float) -> None:
        """Do it as planned."""
        self._before("append", (entry,), timeout)
        self.store.append(entry, timeout)
        self._after()

    def entries(self, timeout: float) -> list[str]:
        """Do it as planned."""
        self._before("entries", (), timeout)
        found = self.store.entries(timeout)
        self._after()
        return found

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        """Do it as planned."""
        self._before("remove", (tuple(entries),), timeout)
        self.store.remove(entries, timeout)
        self._after()

    def _before(self, kind: str, args: tuple[object, ...], timeout: float) -> None:
        self.calls.append((kind, args, timeout))
        planned = self.plan.get(kind)
        self._word = planned.pop(0) if planned else "ok"
        self._timeout = timeout
        silent = self._word in ("dropped", "late", "lost")
        self.clock.now += timeout if silent else self.seconds
        if self._word == "killed":
            raise Killed
        if self._word == "refused":
            raise Unavailable("refused", in_doubt=False)
        if self._word == "denied":
            raise Misconfigured("denied")
        if self._word == "conflict":
            raise Conflict("conflict")
        if self._word == "late":
            self.flying.append(Late(kind, args))
        if self._word in ("dropped", "late"):
            raise Unavailable("dropped", in_doubt=True)
        if self._word == "raced":
            self.rival()

    def _after(self) -> None:
        if self._word == "lost":
            raise Unavailable("lost", in_doubt=True)
        if self._word == "killed after":
            raise Killed


class Late(NamedTuple):
    """A request that is still under way."""

    kind: str
    args: tuple[object, ...]

    def land(self, store: MemoryDocuments) -> None:
        """Take effect, if the condition holds now."""
        with suppress(Conflict):
            getattr(store, self.kind)(*self.args, 0)


class Time:
    """Seconds that pass only by sleeping and by requests; `slept` are the waits that were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds
