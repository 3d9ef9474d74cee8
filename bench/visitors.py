"""The set of visitors alone: bytes and time of a visit at each size, and the error of the estimate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median, pstdev

from counter.tally import Limits, Tally, Visit
from privacy import Seen, visitor_hash

Row = tuple[str, str, str]


def sizes() -> Iterator[Row]:
    """Measure what one visit writes with this many known visitors, as an exact list and as a sketch."""
    for known in (0, 100, 400, 1_000, 5_000, 100_000):
        for limit, name in ((known + 1, "exact"), (0, "sketch")):
            if known > 5_000 and limit:
                continue
            tally = Tally(Tally.empty().fields, Seen.of((visitor_hash("s", str(n)) for n in range(known)), limit))
            limits = Limits(seen=limit)
            data, seconds = b"", []
            for number in range(40):
                start = time.process_time()
                tally = tally.add(Visit(f"visit-{number:06}", "2026-11-21", visitor_hash("s", "again")), 1, limits)
                data = tally.encode()
                seconds.append(time.process_time() - start)
            yield (
                f"{known:,} visitors, {name}",
                f"{len(data) / 1024:.1f} KB, {median(seconds) * 1e6:.0f} microseconds of CPU",
                "",
            )


def errors(runs: int = 40) -> Iterator[Row]:
    """Compare the counted number of visitors with the true one, over `runs` sets of visitors."""
    marks = (1_000, 3_000, 10_000, 30_000)
    counted: dict[int, list[int]] = {mark: [] for mark in marks}
    for run in range(runs):
        seen, count = Seen(), 0
        for number in range(1, marks[-1] + 1):
            seen, more = seen.add(visitor_hash(str(run), str(number)), Limits().seen)
            count += more
            if number in counted:
                counted[number].append(count)
    for mark, counts in counted.items():
        off = [count / mark - 1 for count in counts]
        yield f"{mark:,} visitors", f"standard error {pstdev(off):.2%}, mean {sum(off) / runs:+.2%}", "0.65 % at most"
