"""`make bench`: the measurements behind the README's numbers, as tables.

They are ratios within one run, not absolute times, so they hold on slow and fast machines. On a busy machine they get
worse, never better.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

from bench import live, rankings, visitors, year
from bench.cost import SECONDS_A_MONTH, Prices
from bench.simulation import Simulation

ELEMENT = Path(__file__).resolve().parent.parent / "web" / "visitor-counter.js"
REQUEST_SECONDS = 0.02

Section = tuple[str, Callable[[], Iterator[live.Row]]]


def sections(prices: Prices) -> dict[str, list[Section]]:
    """Return the tables by name: each is a title and the function that yields its rows."""
    return {
        "warm": [("A warm visit, compared with a function that makes one bare PUT", live.warm)],
        "idle": [("The first visit after the connection was closed", live.idle)],
        "cold": [("A cold start, compared with a bare function with one GET and one PUT", live.cold)],
        "crowd": [(f"{n} containers at once, 25 visits each", partial(live.crowd, n)) for n in (1, 4, 16, 32)],
        "many": [("64 containers at once, 12 visits each", live.many)],
        "history": [("400 days and 390 visitors in the document", live.history)],
        "growth": [("A million visitors", live.growth)],
        "visitors": [("Exact list or sketch: what a visit writes", visitors.sizes), ("The estimate", visitors.errors)],
        "rankings": [("Invented paths: sizes of the probation, and views until admission", rankings.choices)],
        "year": [("A year of a small site: true and shown", year.rows)],
        "flood": [("A flood of invented names", year.flood)],
        "faults": [("One storage request in five fails: count minus acknowledged", _faults)],
        "element": [("What the page loads", _element)],
        "simulation": [("In virtual time, 20 ms per storage request", lambda: _simulation(prices))],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only", metavar="NAMES", help="tables to make, comma-separated: " + ", ".join(sections(Prices()))
    )
    for price in fields(Prices):
        name = f"--{price.name.replace('_', '-')}"
        parser.add_argument(name, type=float, default=price.default, metavar="N", help="list price or allowance")
    options = parser.parse_args(arguments)
    tables = sections(Prices(**{price.name: getattr(options, price.name) for price in fields(Prices)}))
    chosen = options.only.split(",") if options.only else list(tables)
    if unknown := [name for name in chosen if name not in tables]:
        parser.error(f"there is no table {', '.join(unknown)}; there are: {', '.join(tables)}")
    logging.disable(logging.CRITICAL)
    start = time.monotonic()
    for name in chosen:
        for title, rows in tables[name]:
            _print(title, rows())
    print(f"Done in {time.monotonic() - start:.0f} s.")


def _print(title: str, rows: Iterator[live.Row]) -> None:
    print(f"\n### {title}\n\n| what | measured | should be |\n|---|---|---|")
    for what, measured, wanted in rows:
        print(f"| {what} | {measured} | {wanted} |", flush=True)


def _faults() -> Iterator[live.Row]:
    for kind in live.FAULTS:
        yield from live.faults(kind)


def _element() -> Iterator[live.Row]:
    script = ELEMENT.read_bytes()
    size = len(gzip.compress(script, 9, mtime=0))
    yield "visitor-counter.js", f"{size} bytes gzipped, {len(script):,} uncompressed", "below 2,000 gzipped"


def _simulation(prices: Prices) -> Iterator[live.Row]:
    for containers in (6, 16, 64):
        simulation = Simulation(containers, REQUEST_SECONDS)
        simulation.burst(1)
        off = simulation.shown_after(2.0)
        yield f"{containers} visits at once: shown minus counted, two seconds later", f"{min(off)} to {max(off)}", "0"
    cold = Simulation(100, REQUEST_SECONDS)
    for number, store in enumerate(cold.stores):
        cold.world.start(lambda store=store: cold.visit(store), 60.0 * number)  # type: ignore[misc]
    yield "requests of a cold visit, one a minute", f"{cold.finish().requests_a_visit:.2f}", "2"
    for containers, visits in ((16, 25), (16, 250), (64, 25), (1000, 25)):
        run = Simulation(containers, REQUEST_SECONDS).burst(visits)
        free = containers / REQUEST_SECONDS
        yield (
            f"{containers:,} containers, {visits} visits each without a pause",
            f"{run.acknowledged / run.visits:.1%} acknowledged, {run.rate / free:.0%} of conflict-free, "
            f"{run.requests_a_visit:.2f} requests a visit, 99 % within {run.quantile(0.99) * 1000:.0f} ms, "
            f"lost or doubled {abs(run.lost)}",
            "100 %, 65 % at least, 0",
        )
    for containers, rate, seconds in ((4, 1, 600), (16, 20, 60), (100, 1_000, 10), (1_000, 10_000, 5)):
        run = Simulation(containers, REQUEST_SECONDS).stream(rate, seconds)
        month = prices.month(rate * SECONDS_A_MONTH, run.requests_a_visit, run.quantile(0.5))
        yield (
            f"{rate:,} visits a second for {seconds} s, up to {containers:,} containers",
            f"{run.acknowledged / run.visits:.1%} acknowledged, {run.requests_a_visit:.2f} requests a visit, "
            f"99 % within {run.quantile(0.99) * 1000:.0f} ms, the number shown lags {run.lag(0.5):,} "
            f"(99 %: {run.lag(0.99):,}), {run.entries:,} entries left, lost or doubled {abs(run.lost)}, "
            f"${month:,.2f} a month",
            "100 %, 0",
        )


if __name__ == "__main__":
    main()
