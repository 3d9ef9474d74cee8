"""`make soak`: injects every fault at once for a while, then accounts for every visit.

Real `fdk` processes with Oracle's SDK, a stand-in for Oracle's services in its own process, the local gateway.
"""

from __future__ import annotations

import argparse
import logging
import math
import random
import sys
from collections.abc import Iterator, Sequence

from bench.soak import engines
from bench.soak.audit import Fate
from bench.soak.footprint import Trend
from bench.soak.soak import Outcome, Plan, run
from local.command_line import Parser

SHOWN = 20
"""How many violations are printed; the first ones tell the most."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print the table. Return 1 if a promise was broken or nothing was tested, 130 after Ctrl-C."""
    options = _options(arguments)
    # Whoever asks first reaps a killed container, and asyncio warns if that was not its own watcher.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    seed = random.randrange(10_000) if options.seed is None else options.seed
    print(f"Injecting faults for {options.minutes:g} minutes, seed {seed} ...", flush=True)
    if options.cloud != "oracle":
        return _elsewhere(options.cloud, options.minutes * 60, seed, options.clients, options.containers)
    try:
        outcome = run(Plan(options.minutes * 60, seed, options.clients, options.containers))
    except KeyboardInterrupt:
        print("Stopped early: nothing was proved.", file=sys.stderr)
        return 130
    return _print(outcome, seed)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, metavar="N", help="how long (default 2)")
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the same faults and visitors, in another order")
    parser.add_argument("--clients", type=int, default=Plan.clients, metavar="N", help="clients at once (default 8)")
    parser.add_argument(
        "--containers", type=int, default=Plan.containers, metavar="N", help="most processes (default 4)"
    )
    parser.add_argument("--cloud", default="oracle", metavar="NAME", help="oracle, aws or azure (default oracle)")
    options = parser.parse_args(arguments)
    if not 0 < options.minutes < math.inf:
        parser.error("--minutes must be more than 0 and finite")
    for name in ("clients", "containers"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return options


def _print(outcome: Outcome, seed: int) -> int:
    print("\n| what | |\n|---|---|")
    for what, figure in rows(outcome):
        print(f"| {what} | {figure} |")
    for violation in outcome.violations[:SHOWN]:
        print(f"Violated: {violation}.")
    if outcome.violations:
        print(f"{len(outcome.violations)} violations with seed {seed}.")
    elif not outcome.injected:
        print("No fault was injected in so short a time: nothing was proved.")
    return 1 if outcome.violations or not outcome.injected else 0


def _elsewhere(cloud: str, seconds: float, seed: int, clients: int, containers: int) -> int:
    result = engines.soak(cloud, seconds, seed, clients, containers)
    print("\n| what | |\n|---|---|")
    for what, figure in engines.rows(result):
        print(f"| {what} | {figure} |")
    for violation in result.violations:
        print(f"Violated: {violation}.")
    return 1 if result.violations or not result.injected else 0


def rows(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yield the rows of a run's table."""
    audit, kept = outcome.audit, outcome.audit.count(Fate.ACKNOWLEDGED)
    yield "seconds", f"{outcome.seconds:.0f}"
    yield "visits", f"{len(audit.visits):,}"
    yield "  acknowledged", f"{kept:,}"
    yield "  refused", f"{audit.count(Fate.REFUSED):,}"
    yield "  in doubt (of them counted)", f"{audit.count(Fate.DOUBTFUL):,} ({audit.doubtful_counted:,})"
    yield "  whose client left before the answer", f"{outcome.left:,}"
    yield "faults injected", f"{outcome.injected.total():,}"
    for kind, times in sorted(outcome.injected.items()):
        yield f"  {kind}", f"{times:,}"
    yield "containers killed (in the middle of a call)", f"{outcome.killed} ({outcome.lost})"
    yield "stand-in killed and restarted, frozen", f"{outcome.restarts}, {outcome.frozen}"
    yield "versions of the document", f"{audit.versions:,}"
    yield "journal entries", f"{audit.entries:,}"
    yield "storage requests a visit", f"{outcome.requests / max(1, kept):.2f}"
    yield "reports that arrived", f"{outcome.mails}"
    yield "difference", f"{audit.difference():+d}"
    for what in ("container", "stand-in"):
        yield f"MB of the oldest {what}, warm and last", _trend(outcome.footprint.memory(what))
        yield f"sockets of the oldest {what}, warm and last", _trend(outcome.footprint.sockets(what))


def _trend(trend: Trend | None) -> str:
    return f"{trend.first:.0f}, {trend.last:.0f} (most {trend.peak:.0f})" if trend else "not measured"


if __name__ == "__main__":
    sys.exit(main())
