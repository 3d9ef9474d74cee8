"""The counter that is asked: what is known of its settings, and its totals before and after something is done."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from contract.caller import Answer, Caller

TRIES = 10
"""How often something is done among the visits of others until none of them came in between."""

SETTLING = 10.0
"""Seconds until a visit that waits in the journal of a busy counter is in the totals that everybody is shown."""

ESTIMATE = "the number of visitors is an estimate, which one more need not change"
"""Why nothing can be said of the visitors that came."""

STRANGER = "https://contract.invalid"
"""An origin that nobody lists: the name can never exist."""


@dataclass(frozen=True)
class Totals:
    """Page views and visitors at one moment."""

    count: int
    unique: int


@dataclass(frozen=True)
class Visit:
    """One visit, and the totals right before and right after it."""

    before: Totals
    answer: Answer
    after: Totals

    @property
    def page_views(self) -> int:
        """By how many the page views grew."""
        return self.after.count - self.before.count

    @property
    def visitors(self) -> int:
        """By how many the visitors grew."""
        return self.after.unique - self.before.unique


class Counter:
    """A counter somewhere. `alone`: nobody else visits it meanwhile, so every number is exact; otherwise visits of
    others may come at any moment, and numbers are only compared with those before and after.

    `stats` is what the owner is told, if the token is known; `origin` one that the counter lists, if given;
    `warnings` what it says at /health should not stay.
    """

    def __init__(
        self,
        caller: Caller,
        *,
        alone: bool,
        stats: Mapping[str, Any] | None,
        origin: str | None,
        warnings: Sequence[str],
    ) -> None:
        self.caller = caller
        self.ask = caller.ask
        self.alone = alone
        self.stats = stats
        self.warnings = warnings
        self.seen: list[Totals] = []
        self._origin = origin

    @cached_property
    def any_origin(self) -> bool:
        """Whether every page may read the answers."""
        return self.ask("/counter?peek=1", headers={"Origin": STRANGER}).header("Access-Control-Allow-Origin") == "*"

    @property
    def listed_origin(self) -> str | None:
        """An origin that the counter lists; None where that is not known."""
        listed = str(self.stats["settings"]["ALLOWED_ORIGINS"]) if self.stats else ""
        return self._origin or (listed.partition(",")[0] if listed not in ("", "*") else None)

    @property
    def is_estimate(self) -> bool:
        """Whether the number of visitors is an estimate, which one more visitor need not change."""
        return "uniqueIsEstimate" in self.ask("/counter?peek=1").told

    def totals(self, at_least: int = 0) -> Totals:
        """The totals now. Among the visits of others they are waited for until they show `at_least` that many."""
        end = time.monotonic() + SETTLING
        while True:
            answer = self.ask("/counter?peek=1")
            assert answer.status == 200, answer
            totals = Totals(answer.told["count"], answer.told["unique"])
            if self.alone or totals.count >= at_least or time.monotonic() > end:
                self.seen.append(totals)
                return totals
            time.sleep(0.5)

    def visit(
        self, target: str, method: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Visit:
        """Make one visit, and remember the totals around it."""
        before = self.seen[-1] if self.seen and self.alone else self.totals()
        answer = self.ask(target, method, headers, body, counts=True)
        return Visit(before, answer, self.totals(at_least=answer.told.get("count") or 0))

    def still(self, call: Callable[[], Answer]) -> Answer:
        """The answer to `call`, which must not change the totals, nor may anything else since they were last seen."""
        earlier = before = self.seen[-1] if self.seen else self.totals()
        for _ in range(1 if self.alone else TRIES):
            answer, after = call(), self.totals()
            if before == after:
                return answer
            earlier, before = before, after
        raise AssertionError(f"the totals changed from {earlier} to {before}")


class Visits:
    """The visits of one run, and nothing else that it counts: seven page views of two visitors; an eighth where
    crawlers are counted."""

    def __init__(self, counter: Counter) -> None:
        # Of all kinds of characters that an id may have, and as long as one may be.
        short, long = f"Contract_{secrets.token_hex(8)}.x-y:Z", f"contract.{secrets.token_hex(64)}"[:128]
        self.by_get = counter.visit(f"/counter?vid={short}", "GET")
        self.get_counts = self.by_get.answer.told.get("reason") != "peek"
        method = "GET" if self.get_counts else "POST"
        self.first = self.by_get if self.get_counts else counter.visit(f"/counter?vid={short}", method)
        self.again = counter.visit(f"/counter?vid={short}", method)
        padded = b'{"vid": "%s", "more": [%s]}' % (long.encode(), b", ".join([b'{"vid": 5}'] * 700))
        self.posted = counter.visit("/counter", "POST", {"Content-Type": "text/plain"}, padded)
        other = b'{"vid": "contract-%s"}' % secrets.token_hex(8).encode()
        self.queried = counter.visit(f"/counter?vid={long}", "POST", {"Content-Type": "application/json"}, other)
        self.nameless = counter.visit("/counter", method)
        self.odd = counter.visit("/counter?vid=no%20good", "POST", body=b"a=form&vid=anna")
        self.private = counter.visit(f"/counter?vid=contract-{secrets.token_hex(8)}", method, {"Sec-GPC": "1"})

    @property
    def all(self) -> tuple[Visit, ...]:
        """Those that are counted."""
        return self.first, self.again, self.posted, self.queried, self.nameless, self.odd, self.private
