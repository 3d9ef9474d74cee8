"""Child processes that end when this process does."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

# On Linux the kernel signals the child even if this process is killed.
COMMAND = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, {signal})
    if os.getppid() != {parent}:
        sys.exit(1)
"""
EXEC = "os.execvp(sys.argv[1], sys.argv[1:])"
"""Statements for `command` that replace the process with the program named by its arguments."""


def command(then: str, number: int = signal.SIGKILL, python: str | None = None) -> list[str]:
    """Return the command of a child that runs the Python statements `then` and gets the signal `number` when this
    process ends. `os` and `sys` are already imported. `python` is the interpreter, by default this one."""
    return [python or sys.executable, "-c", COMMAND.format(signal=int(number), parent=os.getpid()) + then]


def environment(home: Path, *paths: Path) -> dict[str, str]:
    """Return the environment of a child that imports from `paths`. It inherits nothing from the user's."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }


async def read_lines(output: asyncio.StreamReader, on_line: Callable[[str], None]) -> None:
    """Call `on_line` with each line of the output, of any length, until it ends."""
    rest = b""
    while chunk := await output.read(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            on_line(line.decode(errors="replace"))
    if rest:
        on_line(rest.decode(errors="replace"))
