"""How long a container waits between attempts, and how often it tries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from counter.store import Conflict, Misconfigured, StoreError, Unavailable

MAX_ATTEMPTS = 5  # to keep one visit, in the document and in the journal together
FIRST_WAIT = 0.025  # seconds; the wait before attempt n is a random part of FIRST_WAIT * 2^(n-1)
MAX_WAIT = 0.4

T = TypeVar("T")


class Backoff:
    """Full jitter, so that writers in conflict do not meet again, and never past a deadline.

    `clock` returns monotonic seconds, `jitter` a number from 0 to 1."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None], jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    def wait(self, attempt: int, deadline: float) -> bool:
        """Wait before the attempt with this number (the first is 0). Return False if there is no time left for it."""
        pause = self._jitter() * min(MAX_WAIT, FIRST_WAIT * 2 ** (attempt - 1)) if attempt else 0.0
        if self._clock() + pause >= deadline:
            return False
        if pause:
            self._sleep(pause)
        return True

    def retry(self, step: Callable[[], T], deadline: float) -> T:
        """Call `step` until it succeeds, and return its result. Raises the error of the last attempt.

        Misconfigured is retried as well, because Oracle answers some valid requests with 404."""
        failure: StoreError | None = None
        for attempt in range(MAX_ATTEMPTS):
            if not self.wait(attempt, deadline):
                break
            try:
                return step()
            except (Conflict, Unavailable, Misconfigured) as error:
                failure = error
        raise given_up(failure) from failure


def given_up(failure: StoreError | None) -> StoreError:
    """The error to raise if nothing was stored and the last attempt, if there was one, ended with `failure`."""
    if failure is None:
        return Unavailable("There was no time left to reach the storage.", in_doubt=False)
    if isinstance(failure, Conflict):
        return Conflict("Too many visits came at the same moment.")
    # If the last request is in doubt, it was not one that stores a visit.
    return Unavailable(str(failure), in_doubt=False) if isinstance(failure, Unavailable) else failure
