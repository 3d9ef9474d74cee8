"""Faults to inject into storage requests, and how often.

Each kind is one way in which a request fails. What matters to the caller is whether the store acted before it failed.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping

KINDS: dict[str, str] = {
    "refuse-503": "503 ServiceUnavailable, not acted",
    "refuse-429": "429 TooManyRequests, not acted",
    "refuse-500": "500 InternalServerError, not acted",
    "conflict-409": "409 ConcurrentObjectUpdate, not acted",
    "flaky-404": "404 BucketNotFound although the bucket exists, not acted",
    "drop-before": "connection closed, not acted",
    "slow": "seconds of delay, then acted and answered",
    "lose-500": "acted, then 500 InternalServerError",
    "lose-503": "acted, then 503 ServiceUnavailable",
    "lose-drop": "acted, then connection closed without an answer",
    "lose-hang": "acted, then no answer until the client gives up",
    "late": "no answer; acted seconds later, after the client gave up",
}
REQUESTS = ("get", "put", "list", "delete", "namespace", "publish")


class Faults:
    """Decides whether and how each request fails.

    `plan` maps `KIND` or `REQUEST:KIND` to a rate from 0 to 1, as in `{"put:lose-drop": 0.2, "slow": 0.01}`. The same
    seed and the same order of requests give the same faults. Raises ValueError if the plan is invalid.
    """

    def __init__(
        self,
        plan: Mapping[str, float] | None = None,
        seed: int | None = None,
        *,
        late_seconds: float = 4.0,
        hang_seconds: float = 60.0,
        slow_seconds: float = 1.0,
    ) -> None:
        self.plan = dict(plan or {})
        self.late_seconds = late_seconds
        self.hang_seconds = hang_seconds
        self.slow_seconds = slow_seconds
        self.injected: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._rules: list[tuple[str | None, str, float]] = []
        for rule, rate in self.plan.items():
            request, _, kind = rule.rpartition(":")
            if kind not in KINDS:
                raise ValueError(f"unknown fault {kind!r}; choose from: {', '.join(KINDS)}")
            if request and request not in REQUESTS:
                raise ValueError(f"unknown request {request!r} in fault {rule!r}; choose from: {', '.join(REQUESTS)}")
            if not 0 <= rate <= 1:
                raise ValueError(f"the rate of {rule} must be from 0 to 1, not {rate:g}")
            self._rules.append((request or None, kind, rate))

    @classmethod
    def parse(cls, rules: Iterable[str], seed: int | None = None) -> "Faults":
        """Parse rules from the command line: `lose-drop=0.2` or `put:lose-drop=0.2`. Raises ValueError."""
        plan: dict[str, float] = {}
        for rule in rules:
            name, _, rate = rule.partition("=")
            try:
                plan[name] = float(rate)
            except ValueError:
                raise ValueError(f"a fault is KIND=RATE, as in lose-drop=0.2, not {rule!r}") from None
        return cls(plan, seed)

    def decide(self, request: str) -> str | None:
        """Return the kind of fault for a request of this kind, or None for no fault."""
        for only, kind, rate in self._rules:
            if (only is None or only == request) and self._random.random() < rate:
                self.injected[kind] += 1
                return kind
        return None
