"""Where a container tries to keep a visit, in the document or in the journal, and how long it waits in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from counter.store import Conflict, Misconfigured, StoreError, Unavailable

ATTEMPTS = 5
"""Writes tried for one visit, document and journal together."""

WARY_WRITES = 64
"""A container that had to leave the document gives way at the first conflict until so many writes went undisturbed:
where several write in turn, that spares each of them two more defeats."""

FIRST_WAIT = 0.025
LONGEST_WAIT = 0.4
"""Seconds. The wait before attempt n is a random part of FIRST_WAIT * 2^(n-1), and never longer than this."""

DOCUMENT, JOURNAL = "document", "journal"
QUIET = (DOCUMENT, DOCUMENT, JOURNAL, JOURNAL, DOCUMENT)
BUSY = (JOURNAL, JOURNAL, DOCUMENT, DOCUMENT, DOCUMENT)
WARY = (DOCUMENT, JOURNAL, JOURNAL, DOCUMENT, DOCUMENT)

_NEVER = float("-inf")

T = TypeVar("T")


class Patience:
    """The waits between attempts: full jitter, so that those who met do not meet again, and never past a deadline."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None], jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    def lasts(self, attempt: int, deadline: float) -> bool:
        """Waits before the attempt of that number (the first is 0); False when there is no time for it."""
        pause = self._jitter() * min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)) if attempt else 0.0
        if self._clock() + pause >= deadline:
            return False
        if pause:
            self._sleep(pause)
        return True

    def persist(self, step: Callable[[float], T], deadline: float) -> T:
        """What `step` returns, called with the deadline again and again: a permission may flicker, too.

        Raises what the last attempt raised, a Conflict as Unavailable."""
        failure: StoreError | None = None
        for attempt in range(ATTEMPTS):
            if not self.lasts(attempt, deadline):
                break
            try:
                return step(deadline)
            except (Conflict, Unavailable, Misconfigured) as error:
                failure = error
        raise not_kept(failure) from failure


class Places:
    """One container's choice of place. Where one writer keeps winning, the others must not fight it: a container that
    lost goes to the journal, stays for one to two seconds, and then tries the document once."""

    def __init__(self) -> None:
        self._busy_until = _NEVER
        self._wary_writes = 0

    def plan(self, now: float) -> Sequence[str]:
        """The places to try at `now`, in order."""
        if now < self._busy_until:
            return BUSY
        return WARY if self._wary_writes > 0 or self._busy_until != _NEVER else QUIET

    def left(self, now: float, jitter: float) -> None:
        """Notes that conflicts led to the journal, at `now` in monotonic seconds; `jitter` is from 0 to 1."""
        self._busy_until = now + 1 + jitter
        self._wary_writes = WARY_WRITES

    def won(self) -> None:
        """Notes that the document was written."""
        self._busy_until = _NEVER
        self._wary_writes -= 1


def not_kept(failure: StoreError | None) -> StoreError:
    """What to raise when nothing was kept and the last attempt ended in `failure`; None: there was time for none."""
    if failure is None:
        return Unavailable("There was no time left to reach the storage.", in_doubt=False)
    if isinstance(failure, Conflict):
        return Unavailable("Too many visits came at the same moment.", in_doubt=False)
    # The last request may have got no answer, but then it was none that keeps a visit.
    return Unavailable(str(failure), in_doubt=False) if isinstance(failure, Unavailable) else failure
