"""A process that ends with ours: how it is started, what it knows of the user, and what it says."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

# Even when we are killed, the system tells the child (Linux).
COMMAND = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, {signal})
    if os.getppid() != {parent}:
        sys.exit(1)
"""
EXEC = "os.execvp(sys.argv[1], sys.argv[1:])"
"""Become the program that the words after the command name."""


def command(then: str, number: int = signal.SIGKILL, python: str | None = None) -> list[str]:
    """Return the command of a process that gets a signal when ours ends, and runs the Python statements `then`, which
    find `os` and `sys` imported; in this Python, unless another is named."""
    return [python or sys.executable, "-c", COMMAND.format(signal=int(number), parent=os.getpid()) + then]


def environment(home: Path, *paths: Path) -> dict[str, str]:
    """Return what a process must know that finds its modules in `paths`: nothing of the user's."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }


async def lines(output: asyncio.StreamReader, say: Callable[[str], None]) -> None:
    """Say each line until the output ends, however long one is."""
    rest = b""
    while chunk := await output.read(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            say(line.decode(errors="replace"))
    if rest:
        say(rest.decode(errors="replace"))
