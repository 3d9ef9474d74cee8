"""What goes wrong, and how often.

Each kind of fault is one way a storage request ends badly, told apart by what matters to the caller: whether the store
had acted before the answer was lost.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping

KINDS: dict[str, str] = {
    "refuse-503": "503 ServiceUnavailable, not acted",
    "refuse-429": "429 TooManyRequests, not acted",
    "refuse-500": "500 InternalServerError, not acted",
    "conflict-409": "409 ConcurrentObjectUpdate, not acted",
    "flaky-404": "404 BucketNotFound although the bucket is there, not acted",
    "drop-before": "connection closed, not acted",
    "slow": "seconds of delay, then acted and answered",
    "lose-500": "acted, then 500 InternalServerError",
    "lose-503": "acted, then 503 ServiceUnavailable",
    "lose-drop": "acted, then connection closed without an answer",
    "lose-hang": "acted, then silence until the client gave up",
    "late": "silence; acted only seconds later, when the client has given up",
}
REQUESTS = ("get", "put", "list", "delete", "namespace", "publish")


class Faults:
    """Decides for each request whether it fails, and how.

    `plan` maps `KIND` or `REQUEST:KIND` to a rate from 0 to 1, as in `{"put:lose-drop": 0.2, "slow": 0.01}`. The same
    seed and the same order of requests give the same faults. Raises ValueError when the plan makes no sense.
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
                raise ValueError(f"unknown fault {kind!r}; there are: {', '.join(KINDS)}")
            if request and request not in REQUESTS:
                raise ValueError(f"unknown request {request!r} in fault {rule!r}; there are: {', '.join(REQUESTS)}")
            if not 0 <= rate <= 1:
                raise ValueError(f"the rate of {rule} must be from 0 to 1, not {rate:g}")
            self._rules.append((request or None, kind, rate))

    @classmethod
    def parse(cls, rules: Iterable[str], seed: int | None = None) -> "Faults":
        """Read rules as the command line gives them: `lose-drop=0.2` or `put:lose-drop=0.2`."""
        plan: dict[str, float] = {}
        for rule in rules:
            name, _, rate = rule.partition("=")
            try:
                plan[name] = float(rate)
            except ValueError:
                raise ValueError(f"a fault is KIND=RATE, as in lose-drop=0.2, not {rule!r}") from None
        return cls(plan, seed)

    def decide(self, request: str) -> str | None:
        """Return the kind of fault for a request of this kind, or None: most requests are fine."""
        for only, kind, rate in self._rules:
            if (only is None or only == request) and self._random.random() < rate:
                self.injected[kind] += 1
                return kind
        return None
