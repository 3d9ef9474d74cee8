"""Which names a bounded ranking keeps when clients invent some: measures the size of its probation and its threshold.

The traffic is a blog's: `pages` real pages whose popularity falls as 1/rank (Zipf), a new one every month, and a share
of views of invented paths, most of them once and some a few times (scanners come back).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from unittest.mock import patch

from bench.live import Row
from counter import ranking
from counter.ranking import Ranking

PLACES = 200
MONTHS = 12
VIEWS_A_MONTH = 6_000


def traffic(pages: int, invented: float, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Yield month and path of each view in a year. Invented paths begin with `/?`; no real one does."""
    chance, made_up = random.Random(seed), list[str]()
    for month in range(1, MONTHS + 1):
        # Every month the newest page is the most popular one, and the others move down by one.
        names = [f"/new-{number}" for number in range(month, 0, -1)] + [f"/page-{number}" for number in range(pages)]
        weights = list(accumulate(1 / rank for rank in range(1, len(names) + 1)))
        for _ in range(VIEWS_A_MONTH):
            if chance.random() >= invented:
                yield f"2026-{month:02}", chance.choices(names, cum_weights=weights)[0]
                continue
            if made_up and chance.random() < 0.1:
                yield f"2026-{month:02}", chance.choice(made_up[-200:])
            else:
                made_up.append(f"/?{chance.getrandbits(60):x}")
                yield f"2026-{month:02}", made_up[-1]


def outcome(probation: int, admitted: int, pages: int, invented: float) -> tuple[int, int, float]:
    """Return how many places invented paths hold at the end, how many of the 100 most viewed pages are in the ranking,
    and the share of views of the ranked pages that were counted in `other` instead."""
    kept, true = Ranking(), Counter[str]()
    with patch.multiple(ranking, PROBATION=probation, ADMITTED=admitted):
        for month, path in traffic(pages, invented):
            kept.turn(month)
            kept.view(month)
            kept.add(path, month, PLACES)
            true[path] += 1
    real = {path: views for path, views in true.items() if not path.startswith("/?")}
    top = sorted(real, key=lambda path: real[path], reverse=True)[:100]
    shown = {path: row[0] for path, row in kept.names.items() if path in real}
    missing = sum(real[path] - views for path, views in shown.items())
    assert sum(kept.views[:1]) == true.total() == sum(row[0] for row in kept.names.values()) + kept.other[0]
    return len(kept.names) - len(shown), sum(path in shown for path in top), missing / true.total()


def choices() -> Iterator[Row]:
    """Compare sizes of the probation and thresholds, with 20 % and 50 % invented paths."""
    for pages in (30, 150, 10_000):
        for probation, admitted in ((1, 1), (32, 3), (64, 2), (64, 3), (64, 4), (128, 3)):
            told = []
            for invented in (0.2, 0.5):
                taken, top, missing = outcome(probation, admitted, pages, invented)
                told.append(
                    f"{invented:.0%}: {taken} places, {top} of {min(pages + MONTHS, 100)}, {missing:.2%} missing"
                )
            yield f"{pages:,} pages, probation {probation}, admitted at {admitted}", "; ".join(told), ""
