"""What processes hold once they are warm: memory and sockets. Linux tells; elsewhere nothing is measured."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEGABYTES = 40.0
"""What a warm process may still grow by, however long it runs. Its first report imports the SDK, which is 23 MB."""

SOCKETS = 8
"""Sockets that a warm process may have more at its end than at first: broken connections are opened again."""


@dataclass(slots=True)
class Course:
    """How one quantity went."""

    first: float
    last: float
    most: float
    looks: int = 1

    def add(self, value: float) -> None:
        self.last, self.most, self.looks = value, max(value, self.most), self.looks + 1


class Footprint:
    """Processes by what they are and their id; each is looked at again and again."""

    def __init__(self) -> None:
        self._memory: dict[tuple[str, int], Course] = {}
        self._sockets: dict[tuple[str, int], Course] = {}

    def look(self, what: str, pid: int) -> None:
        """Notes what the process holds now, if it is there."""
        with suppress(OSError):
            process = Path(f"/proc/{pid}")
            lines = (process / "status").read_text().splitlines()
            memory = next((line for line in lines if line.startswith("VmRSS")), None)
            if memory is None:  # it was killed, and is not buried yet
                return
            sockets = sum(str(each.readlink()).startswith("socket:") for each in (process / "fd").iterdir())
            for courses, value in ((self._memory, int(memory.split()[1]) / 1024), (self._sockets, sockets)):
                if (what, pid) in courses:
                    courses[what, pid].add(value)
                else:
                    courses[what, pid] = Course(value, value, value)

    def memory(self, what: str) -> Course | None:
        """MB of the process of this kind that was looked at longest; None where nothing was measured."""
        return _longest(self._memory, what)

    def sockets(self, what: str) -> Course | None:
        """Sockets of the process of this kind that was looked at longest; None where nothing was measured."""
        return _longest(self._sockets, what)

    def violations(self) -> list[str]:
        """Every process that grew beyond the bounds, in words."""
        return [
            f"{what} {pid} went from {course.first:.0f} to {course.last:.0f} {unit}"
            for courses, bound, unit in ((self._memory, MEGABYTES, "MB"), (self._sockets, SOCKETS, "sockets"))
            for (what, pid), course in courses.items()
            if course.last > course.first + bound
        ]


def _longest(courses: dict[tuple[str, int], Course], what: str) -> Course | None:
    mine = [course for (kind, _), course in courses.items() if kind == what]
    return max(mine, key=lambda course: course.looks, default=None)
