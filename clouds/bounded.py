"""Limits the whole time of a call whose client limits only each read of its socket."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NoReturn, TypeVar

from counter.store import Unavailable

T = TypeVar("T")


def bounded(call: Callable[[], T], timeout: float) -> T:
    """What `call` returns or raises within `timeout` seconds.

    Raises Unavailable, in doubt, if it takes longer. The call then continues in a daemon thread, which does not keep
    the process from exiting.
    """
    outcome: SimpleQueue[Callable[[], T]] = SimpleQueue()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            raised = error
            outcome.put(lambda: _raise(raised))
        else:
            outcome.put(lambda: result)

    Thread(target=run, daemon=True).start()
    try:
        finished = outcome.get(timeout=timeout)
    except Empty as error:
        raise Unavailable("The storage did not answer in time.", in_doubt=True) from error
    return finished()


def _raise(error: BaseException) -> NoReturn:
    raise error
