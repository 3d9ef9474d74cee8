"""Measurements on real `fdk` processes, each compared in one run with the floor, a bare function, or the plain
read-modify-write loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from statistics import median

from bench.fleet import BARE, COUNTER, FLOOR, PLAIN, Fleet, Round, fleet
from local.faults import Faults
from privacy import visitor_hash

LATENCY = 0.02
EIGHTH = 0.125
FAULTS = {
    "answer lost: 500 after the write": "put:lose-500",
    "answer lost: connection dropped": "put:lose-drop",
    "answer lost: hung past the timeout": "put:lose-hang",
    "refused: 503 before the write": "put:refuse-503",
    "refused: 429": "put:refuse-429",
    "reads fail: 503": "get:refuse-503",
    "reads fail: connection dropped": "get:drop-before",
    "409 ConcurrentObjectUpdate": "put:conflict-409",
    "a write that lands late": "put:late",
}

Row = tuple[str, str, str]


def warm() -> Iterator[Row]:
    """Measure one warm container over TLS, with 20 ms added to each storage request."""
    with (
        fleet(FLOOR, latency=LATENCY, tls=True) as floor,
        fleet(COUNTER, latency=LATENCY, tls=True) as counter,
    ):
        pairs = [(counter.visit(64), floor.visit(64)) for _ in range(6)]
        alone = [_apart(counter, floor) for _ in range(12)]
        memory = counter.memory("VmRSS")
    visits = sum(ours.acknowledged for ours, _ in pairs)
    yield "storage requests a visit", f"{sum(ours.requests for ours, _ in pairs) / visits:.3f}", "1.05 at most"
    yield "median time / bare PUT's", f"{_ratio(pairs, lambda each: each.median):.2f}", "1.25 at most"
    yield "CPU time / bare PUT's", f"{_ratio(pairs, lambda each: each.cpu):.2f}", "0.65 at most"
    yield (
        "  with one visit a second, so that no signature is reused",
        f"{_ratio(alone, lambda each: each.cpu):.2f}",
        "",
    )
    yield "memory at rest", f"{memory:.0f} MB", "40 MB at most"


def idle() -> Iterator[Row]:
    """Measure the first visit after the storage closed the connection, which needs a new TLS handshake."""
    with fleet(COUNTER, latency=0, tls=True) as counter, fleet(FLOOR, latency=0, tls=True) as floor:
        rounds = []
        for _ in range(12):
            kept = _apart(counter, floor)
            counter.hang_up()
            floor.hang_up()
            rounds.append((kept, _apart(counter, floor)))
    for number, name in enumerate(("", "  by a bare PUT")):
        pairs = [(closed[number], kept[number]) for kept, closed in rounds]
        yield (
            f"CPU time / with the connection kept{name}",
            f"{_ratio(pairs, lambda each: each.cpu):.1f}",
            "" if name else "2 at most",
        )


def crowd(containers: int, visits: int = 25) -> Iterator[Row]:
    """Measure warm containers at once, `visits` each, compared with as many that write without conflict, and with the
    plain loop."""
    with fleet(FLOOR, containers, latency=LATENCY) as floor:
        free = floor.visit(visits)
    with fleet(PLAIN, containers, latency=LATENCY) as plain:
        loop = plain.visit(max(4, visits // 4))
    with fleet(COUNTER, containers, latency=LATENCY) as counter:
        ours = counter.visit(visits, "crowd")
        expected = containers + ours.acknowledged
        counter.restart()
        answers = counter.in_turn("quiet") + counter.in_turn("quiet")
        count, unique = counter.totals()
        left = counter.entries()
    yield "acknowledged", f"{ours.acknowledged / (containers * visits):.1%}", "100 %"
    yield "  by the plain loop", f"{loop.acknowledged / loop.answers.total():.1%}", ""
    yield "a fresh container's count minus acknowledged", f"{_number(answers[0], 'count') - expected - 1:+d}", "0"
    yield "count minus acknowledged, afterwards", f"{count - expected - len(answers):+d}", "0"
    yield "unique minus true unique", f"{unique - 3 * containers:+d}", "0"
    yield "journal entries after two quiet visits each", f"{left}", "0"
    if containers > 1:
        yield "visits a second / conflict-free", f"{ours.rate / free.rate:.0%}", "65 % at least"
        yield "  of the plain loop", f"{loop.rate / free.rate:.0%}", ""
    yield "99th percentile / round trip", f"{ours.p99 / free.median:.1f}", "below 10"
    yield "storage requests a visit", f"{ours.requests / ours.acknowledged:.2f}", ""


def many(containers: int = 64) -> Iterator[Row]:
    """More warm containers than a small machine can keep busy, against as many that write without conflict."""
    with fleet(FLOOR, containers, latency=LATENCY) as floor:
        free = floor.visit(6)
    with fleet(COUNTER, containers, latency=LATENCY) as counter:
        ours = counter.visit(12, "many")
    yield "acknowledged", f"{ours.acknowledged / ours.answers.total():.1%}", "100 %"
    yield "visits a second / conflict-free", f"{ours.rate / free.rate:.0%}", "65 % at least"
    yield "99th percentile / round trip", f"{ours.p99 / free.median:.1f}", "below 10"
    yield "storage requests a visit", f"{ours.requests / ours.acknowledged:.2f}", ""


def growth() -> Iterator[Row]:
    """Compare a visit with a million known visitors and a visit with none."""
    million = 1_000_000
    seen = [visitor_hash("bench", f"known-{number}") for number in range(million)]
    with fleet(COUNTER, latency=LATENCY) as small, fleet(COUNTER, latency=LATENCY, warm=False) as large:
        large.put_document({"pageviews": million, "uniqueVisitors": million, "seen": seen, "updatedAt": 1})
        turn = large.visit(1, "turn")
        memory, peak = large.memory("VmRSS"), large.memory("VmHWM")
        pairs = [(large.visit(40, f"l{n}"), small.visit(40, f"s{n}")) for n in range(5)]
        more = len(large.stored()) - len(small.stored())
        for number in range(500):
            large.visit(1, f"new-{number}")
        unique = large.totals()[1]
    truth = million + 1 + len(pairs) + 500
    yield "the visit on which the list turns into a sketch", f"{turn.seconds:.1f} s", "below 28 s"
    yield "memory after it", f"{memory:.0f} MB", "128 MB at most"
    yield "  at its peak", f"{peak:.0f} MB", "256 MB at most"
    yield "median time / with none", f"{_ratio(pairs, lambda each: each.median):.2f}", "1.2 at most"
    yield "CPU time / with none", f"{_ratio(pairs, lambda each: each.cpu):.2f}", ""
    yield "document, larger by", f"{more / 1024:.1f} KB", "32 KB at most"
    yield f"unique visitors, true number {truth:,}", f"{unique:,}", f"off by {3 * 0.0081 * truth:,.0f} at most"


def history(days: int = 400) -> Iterator[Row]:
    """A visit with a long history and a long list of visitors, against a visit with none."""
    first = date(2025, 1, 1)
    document = {
        "pageviews": 100 * days,
        "uniqueVisitors": 390,
        "seen": [visitor_hash("bench", f"known-{number}") for number in range(390)],
        "updatedAt": 1,
        "days": {str(first + timedelta(day)): {"pageviews": 100, "newVisitors": 1} for day in range(days)},
    }
    with fleet(COUNTER, tls=True) as short, fleet(COUNTER, tls=True, warm=False) as long:
        long.put_document(document)
        long.visit(1)
        pairs = [(long.visit(40), short.visit(40)) for _ in range(6)]
        more = len(long.stored()) - len(short.stored())
    yield "median time / with none", f"{_ratio(pairs, lambda each: each.median):.2f}", "1.5 at most"
    yield "CPU time / with none", f"{_ratio(pairs, lambda each: each.cpu):.2f}", "1.5 at most"
    yield "document, larger by", f"{more / 1024:.1f} KB", ""


def cold(containers: int = 9) -> Iterator[Row]:
    """Measure from process start to first answer over TLS, compared with a bare function with one GET and one PUT."""
    document = {"pageviews": 1, "uniqueVisitors": 0, "seen": []}
    with (
        fleet(BARE, containers, latency=0, warm=False, tls=True) as bare,
        fleet(COUNTER, containers, latency=0, warm=False, tls=True) as counter,
    ):
        bare.put_document(document)
        counter.put_document(document)
        counter.here.cloud.requests.clear()
        both = zip(counter.here.pool.containers, bare.here.pool.containers, strict=True)
        ratios = [counter.first(ours, "a")[1] / bare.first(theirs, "a")[1] for ours, theirs in both]
        requests = dict(counter.here.cloud.requests.by_kind)
        bare.here.run(bare.here.pool.stop())
        counter.here.run(counter.here.pool.stop())
        slow = [(counter.cold(EIGHTH), bare.cold(EIGHTH)) for _ in range(3)]
    yield "CPU to the first answer / bare function's", f"{median(ratios):.2f}", "0.55 at most"
    yield "its requests", ", ".join(f"{times / containers:g} {kind}" for kind, times in requests.items()), ""
    seconds = [median(times) for times in zip(*slow, strict=True)]
    yield (
        "start to first answer with an eighth of a core / bare function's",
        f"{seconds[0] / seconds[1]:.2f} ({seconds[0]:.1f} s and {seconds[1]:.1f} s)",
        "0.5 at most",
    )


def faults(kind: str, containers: int = 4, visits: int = 15) -> Iterator[Row]:
    """Let one storage request in five fail in one way, for the counter and for the plain loop."""
    rule = FAULTS[kind]
    for name, function in (("", COUNTER), ("  by the plain loop", PLAIN)):
        if function is PLAIN and ("hang" in rule or "late" in rule):
            continue  # it waits a minute for each missing answer
        with fleet(function, containers, latency=LATENCY) as some:
            some.here.cloud.faults = Faults({rule: 0.2}, seed=7, late_seconds=4, hang_seconds=5)
            result = some.visit(visits)
            some.here.cloud.faults = Faults()
            some.here.settle()
            some.restart()
            count = _number(some.first(some.here.pool.containers[0], "last")[0], "count")
        off = count - 1 - containers - result.acknowledged
        refused = f"{result.answers.total() - result.acknowledged} refused ({result.in_doubt} in doubt)"
        slowest = f"slowest {max(result.times):.1f} s"
        yield f"{kind}{name}", f"{off:+d}; {refused}, {slowest}", "0, below 28 s" if function is COUNTER else ""


def _apart(counter: Fleet, floor: Fleet) -> tuple[Round, Round]:
    """Make one visit on each, in a new second: a new second is a new date, and so a new signature."""
    time.sleep(1)
    return counter.visit(1), floor.visit(1)


def _number(answer: dict[str, object], key: str) -> int:
    number = answer[key]
    assert isinstance(number, int)
    return number


def _ratio(pairs: Sequence[tuple[Round, Round]], value: Callable[[Round], float]) -> float:
    return median(value(ours) / value(theirs) for ours, theirs in pairs)
