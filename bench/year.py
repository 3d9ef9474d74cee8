"""A year of a small site, compared with what the counter shows: pages, sources, and people by day, week and month.

30 pages, about 200 views a day. One view in five is of an invented path; referrers are many sites and some spam; there
are reloads and crawlers; on two days a crowd comes, whose visits go through the journal. The function's own
counter_store.py keeps the visits, on a store in memory.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from bench.live import Row
from counter.history import periods
from counter.tally import Limits, Tally, Visit
from counter_store import CounterStore
from local.memory import MemoryDocuments
from privacy import visitor_hash

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAYS = 365
CROWDS = (100, 250)
LISTED = frozenset({"/", "/page-7"})


class Year:
    """The year's visits, and their true totals."""

    def __init__(self, seed: int = 1) -> None:
        self.pages: Counter[str] = Counter()
        self.sources: Counter[str] = Counter()
        self.people: dict[str, set[str]] = defaultdict(set)
        self.views = 0
        self._chance = random.Random(seed)
        self._number = 0

    def day(self, number: int) -> Iterator[Visit]:
        """Yield the visits of one day. Some visitors are known; a crowd's are all new."""
        chance, day = self._chance, str((BEGIN + timedelta(number)).date())
        pages = ["/", *(f"/page-{rank}" for rank in range(29))]
        hosts = [f"site-{rank}.example" for rank in range(60)]
        for _ in range(2_000 if number in CROWDS else chance.randrange(150, 250)):
            self._number += 1
            draw, visit_id = chance.random(), f"v{self._number:011}"
            if draw < 0.08:
                yield Visit(visit_id, day, reason="crawler" if draw < 0.05 else "reload")
                continue
            is_known = chance.random() < 0.4 and number not in CROWDS
            vid = str(chance.randrange(1_500)) if is_known else f"stranger-{chance.getrandbits(60)}"
            page = chance.choices(pages, cum_weights=list(accumulate(1 / rank for rank in range(1, 31))))[0]
            page = page if chance.random() < 0.8 else f"/{chance.getrandbits(40):x}"
            host = chance.choices(hosts, cum_weights=list(accumulate(1 / rank for rank in range(1, 61))))[0]
            source = None if chance.random() < 0.5 else host if chance.random() < 0.9 else f"spam-{visit_id}.example"
            yield self._noted(Visit(visit_id, day, visitor_hash("s", vid), None, page, source, f"n{visit_id}"))

    def _noted(self, visit: Visit) -> Visit:
        self.views += 1
        self.pages[visit.page or ""] += 1
        self.sources.update([visit.source] if visit.source else [])
        for label in periods(visit.day).values():
            self.people[label].add(visit.visitor or "")
        return visit


def kept(year: Year, limits: Limits) -> tuple[Tally, bytes, float, int]:
    """Let the counter count a year; return its tally and document, the CPU seconds, and the storage requests."""
    documents = MemoryDocuments()
    store = CounterStore(documents, limits)
    seconds = 0.0
    for number in range(DAYS):
        at, visits = (BEGIN + timedelta(number)).timestamp(), [*year.day(number)]
        if number in CROWDS:
            for visit in visits[:-1]:
                for entry in visit.entries():
                    documents.append(entry, 1)
            store.settle(at - 3600, 1e9)
            visits = visits[-1:]
        start = time.process_time()
        for minute, visit in enumerate(visits):
            store.keep(visit, at + 60 * minute, 1e9)
        seconds += time.process_time() - start
    assert documents.document
    tally = Tally.decode(documents.document[0], limits)
    return tally, documents.document[0], seconds, sum(tally.requests.values())


def rows() -> Iterator[Row]:
    """Compare the true numbers with those shown."""
    year = Year()
    tally, document, seconds, requests = kept(year, Limits(page_list=LISTED))
    shown = {name: row[0] for name, row in tally.pages.names.items()}
    real = {name: views for name, views in year.pages.items() if name == "/" or name.startswith("/page-")}
    invented = len(shown.keys() - real.keys())
    yield "page views", f"{tally.pageviews:,} shown, {year.views:,} true", "equal"
    yield "pages of PAGE_LIST", ", ".join(f"{name}: {shown[name]:,} of {real[name]:,}" for name in LISTED), "equal"
    short = sum(views - shown.get(name, 0) for name, views in real.items())
    yield "real pages, short by", f"{short} of {year.views:,} ({short / year.views:.3%}), {len(real)} pages", "0.1 %"
    total = sum(shown.values()) + tally.pages.other[0]
    yield "pages and other", f"{total:,} of {year.views:,}; {invented} invented paths hold a place", "equal"
    top = year.sources.most_common(20)
    worst = max(1 - (tally.sources.count(host) or 0) / views for host, views in top)
    yield "the 20 largest sources", f"at most {worst:.2%} short", "5 %"
    for kind in ("day", "week", "month"):
        labels = {periods(str((BEGIN + timedelta(ago)).date()))[kind]: ago for ago in range(DAYS)}
        off = [
            abs((tally.people_of(kind, str((BEGIN + timedelta(ago)).date())) or 0) / len(year.people[label]) - 1)
            for label, ago in labels.items()
        ]
        yield f"people by {kind}", f"off by {max(off):.1%} at most, {sum(off) / len(off):.2%} on average", "5 %"
    yield "document", f"{len(document) / 1024:.0f} KB", "192 KB at most"
    single = year.views + sum(sum(day.get("filtered", {}).values()) for day in tally.days.values())
    yield "requests a visit", f"{requests / single:.3f}", "1"
    yield "CPU of a visit", f"{seconds / single * 1e6:.0f} microseconds", ""


def flood(names: int = 1_000_000) -> Iterator[Row]:
    """Measure a flood of invented paths and hosts, each once, after a month of 30 real pages."""
    limits, tally, chance, at = Limits(), Tally.empty(), random.Random(3), BEGIN.timestamp()
    day, real = str(BEGIN.date()), [f"/page-{number}" for number in range(30)]
    month = [Visit(f"r{number}", day, page=chance.choice(real), source="real.example") for number in range(3_000)]
    tally = tally.fold(month, limits, at)
    before, sizes, seconds = {name: tally.pages.count(name) for name in real}, list[int](), list[float]()
    for first in range(0, names, 1_000):
        start = time.process_time()
        made_up = (
            Visit(f"f{number}", day, page=f"/{chance.getrandbits(64):x}", source=f"h{number}.example")
            for number in range(first, first + 1_000)
        )
        tally = tally.fold(made_up, limits, at)
        tally = Tally({**tally.fields, "folded": []}, tally.seen)
        seconds.append(time.process_time() - start)
        sizes.append(len(tally.encode()))
    tenth = max(len(seconds) // 10, 1)
    first_tenth, last_tenth = (sum(some) / tenth * 1_000 for some in (seconds[:tenth], seconds[-tenth:]))
    yield (
        f"{names:,} invented paths and hosts",
        f"{sum(seconds):.0f} s; {first_tenth:.0f} microseconds each in the first tenth, {last_tenth:.0f} in the last",
        "the same",
    )
    yield "the largest document, of all after each thousand", f"{max(sizes) / 1024:.1f} KB", "192 KB at most"
    still = sum(tally.pages.count(name) == views for name, views in before.items())
    yield "real pages still there, every view", f"{still} of {len(real)}", "all"
    yield "views of the real source", f"{tally.sources.count('real.example'):,}", "3,000"
    total = sum(row[0] for row in tally.pages.names.values()) + tally.pages.other[0]
    yield "pages and other", f"{total:,}", f"{names + 3_000:,}"
