"""`make soak`: everything goes wrong at once, for a while, and then every visit is accounted for.

Real `fdk` processes with Oracle's SDK, a stand-in of Oracle's services in a process of its own, the local gateway.
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
from bench.soak.footprint import Course
from bench.soak.soak import Outcome, Plan, run
from local.command_line import Parser

SHOWN = 20
"""Violations that are printed; the first says most."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when a promise was broken or none was tried, 130 when Ctrl-C came first."""
    options = _options(arguments)
    # A container that was killed is reaped by whoever asks first, and asyncio warns when that is not its own watcher.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    seed = random.randrange(10_000) if options.seed is None else options.seed
    print(f"Everything goes wrong for {options.minutes:g} minutes, seed {seed} ...", flush=True)
    if options.cloud != "oracle":
        return _elsewhere(options.cloud, options.minutes * 60, seed, options.clients, options.containers)
    try:
        outcome = run(Plan(options.minutes * 60, seed, options.clients, options.containers))
    except KeyboardInterrupt:
        print("Stopped before its end: nothing was proved.", file=sys.stderr)
        return 130
    return _print(outcome, seed)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, metavar="N", help="how long (default 2)")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="the same faults and visitors again, if not in the same order"
    )
    parser.add_argument("--clients", type=int, default=Plan.clients, metavar="N", help="who come at once (default 8)")
    parser.add_argument("--containers", type=int, default=Plan.containers, metavar="N", help="at most (default 4)")
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
        print("Nothing went wrong in so short a time: nothing was proved.")
    return 1 if outcome.violations or not outcome.injected else 0


def _elsewhere(cloud: str, seconds: float, seed: int, clients: int, containers: int) -> int:
    account = engines.soak(cloud, seconds, seed, clients, containers)
    print("\n| what | |\n|---|---|")
    for what, figure in engines.rows(account):
        print(f"| {what} | {figure} |")
    for violation in account.violations:
        print(f"Violated: {violation}.")
    return 1 if account.violations or not account.injected else 0


def rows(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """The table of a run."""
    audit, kept = outcome.audit, outcome.audit.count(Fate.ACKNOWLEDGED)
    yield "seconds", f"{outcome.seconds:.0f}"
    yield "visits", f"{len(audit.visits):,}"
    yield "  acknowledged", f"{kept:,}"
    yield "  refused", f"{audit.count(Fate.REFUSED):,}"
    yield "  doubtful (of them counted)", f"{audit.count(Fate.DOUBTFUL):,} ({audit.doubtful_counted:,})"
    yield "  who left before the answer", f"{outcome.left:,}"
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
        yield f"MB of the oldest {what}, warm and last", _course(outcome.footprint.memory(what))
        yield f"sockets of the oldest {what}, warm and last", _course(outcome.footprint.sockets(what))


def _course(course: Course | None) -> str:
    return f"{course.first:.0f}, {course.last:.0f} (most {course.most:.0f})" if course else "not measured"


if __name__ == "__main__":
    sys.exit(main())
