"""Memory and open sockets of warm processes. Measured on Linux only."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEGABYTES = 40.0
"""How much a warm process may still grow, however long it runs. Its first report imports the SDK, which is 23 MB."""

SOCKETS = 8
"""How many more sockets a warm process may have at the end: broken connections are opened again."""


@dataclass(slots=True)
class Trend:
    """One quantity over time."""

    first: float
    last: float
    peak: float
    samples: int = 1

    def add(self, value: float) -> None:
        self.last, self.peak, self.samples = value, max(value, self.peak), self.samples + 1


class Footprint:
    """Samples of processes, by kind and process id."""

    def __init__(self) -> None:
        self._memory: dict[tuple[str, int], Trend] = {}
        self._sockets: dict[tuple[str, int], Trend] = {}

    def sample(self, what: str, pid: int) -> None:
        """Measure the process now, if it exists."""
        with suppress(OSError):
            process = Path(f"/proc/{pid}")
            lines = (process / "status").read_text().splitlines()
            memory = next((line for line in lines if line.startswith("VmRSS")), None)
            if memory is None:  # it was killed, but not reaped yet
                return
            sockets = sum(str(each.readlink()).startswith("socket:") for each in (process / "fd").iterdir())
            for trends, value in ((self._memory, int(memory.split()[1]) / 1024), (self._sockets, sockets)):
                if (what, pid) in trends:
                    trends[what, pid].add(value)
                else:
                    trends[what, pid] = Trend(value, value, value)

    def memory(self, what: str) -> Trend | None:
        """Return the memory (MB) of the process of this kind with the most samples, or None without any."""
        return _most_sampled(self._memory, what)

    def sockets(self, what: str) -> Trend | None:
        """Return the sockets of the process of this kind with the most samples, or None without any."""
        return _most_sampled(self._sockets, what)

    def violations(self) -> list[str]:
        """Return a sentence for each process that grew beyond the limits."""
        return [
            f"{what} {pid} went from {trend.first:.0f} to {trend.last:.0f} {unit}"
            for trends, bound, unit in ((self._memory, MEGABYTES, "MB"), (self._sockets, SOCKETS, "sockets"))
            for (what, pid), trend in trends.items()
            if trend.last > trend.first + bound
        ]


def _most_sampled(trends: dict[tuple[str, int], Trend], what: str) -> Trend | None:
    mine = [trend for (kind, _), trend in trends.items() if kind == what]
    return max(mine, key=lambda trend: trend.samples, default=None)
