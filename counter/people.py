"""The visitors of the current day, ISO week and month, as three sets of hashes.

Each is a list of shortened hashes while it is small, and then a sketch of 2^12 registers (1.3 % standard error). When a
period is over, its number stays in the history, and its set is dropped a day later. Until then late visits of the
period are counted, and a single wrong clock does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from counter.history import periods
from privacy import Seen, Sketch

MAX_LIST = 100  # how many visitors of a period are kept as a list
PRECISION = 12
HASH_DIGITS = 16  # 64 bits: the probability that two of 100 visitors share them is about 10^-15
KEPT_SECONDS = 24 * 3600


class _Period(NamedTuple):
    """The visitors of one day, week or month, and if it is over, until when they are kept (unix seconds)."""

    label: str
    seen: Seen = Seen()
    until: int = 0


class People:
    """The visitors of the current and the previous day, week and month. Immutable."""

    __slots__ = ("_periods",)

    def __init__(self, of: Mapping[str, Sequence[_Period]]) -> None:
        self._periods = of

    def turned(self, today: str, at: float | None) -> People:
        """The sets on the date `today` of the writer's clock, at `at` in unix seconds: the periods of `today` are the
        current ones, and those that ended more than a day ago are dropped. Without a time, none is dropped."""
        turned = {}
        for kind, label in periods(today).items():
            known = self._periods.get(kind, ())
            running = next((period.seen for period in known if period.label == label), Seen())
            until = int(at or 0) + KEPT_SECONDS
            before = [period._replace(until=period.until or until) for period in known if period.label != label]
            kept = [period for period in before[:1] if at is None or at < period.until]
            turned[kind] = [_Period(label, running), *kept]
        return People(turned)

    def add(self, day: str, visitor: str, limit: int) -> tuple[People, dict[str, int]]:
        """The sets with a `visitor` on `day`, and by how much the visitors of its day, week and month grow. A period
        whose set was dropped does not grow. `limit` is the owner's limit for lists."""
        sets, more = dict(self._periods), {}
        for kind, label in periods(day).items():
            for at, period in enumerate(sets.get(kind, ())):
                if period.label == label:
                    seen, more[kind] = period.seen.add(visitor[:HASH_DIGITS], min(limit, MAX_LIST), PRECISION)
                    sets[kind] = [*sets[kind][:at], period._replace(seen=seen), *sets[kind][at + 1 :]]
        return People(sets), more

    def __bool__(self) -> bool:
        return any(period.seen.hashes or period.seen.sketch for of in self._periods.values() for period in of)

    def is_estimate(self, day: str, kind: str) -> bool:
        """Whether the visitors of the period of this `kind` that contains `day` are kept in a sketch."""
        label = periods(day)[kind]
        return any(period.label == label and period.seen.sketch for period in self._periods.get(kind, ()))

    def content(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The sets as JSON content."""
        return {kind: {period.label: _content(period) for period in of} for kind, of in self._periods.items()}

    @classmethod
    def parse(cls, content: Any) -> People:
        """The sets from their JSON `content`. Raises ValueError."""
        try:
            of = {kind: [_period(label, set_) for label, set_ in sets.items()] for kind, sets in content.items()}
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("are not sets of visitors by day, week and month") from error
        # JSON members may be in any order: the current period is the one without an end.
        return cls({kind: sorted(sets, key=lambda period: period.until > 0)[:2] for kind, sets in of.items()})


def _content(period: _Period) -> dict[str, Any]:
    sketch = period.seen.sketch
    visitors = {"seen": period.seen.hashes} if sketch is None else {"sketch": sketch.text()}
    return {**visitors, "until": period.until} if period.until else visitors


def _period(label: str, content: Mapping[str, Any]) -> _Period:
    hashes, until = content.get("seen", []), content.get("until", 0)
    if not isinstance(hashes, list) or not all(isinstance(of, str) for of in hashes) or type(until) is not int:
        raise TypeError
    sketch = Sketch.parse(content["sketch"], PRECISION) if "sketch" in content else None
    return _Period(label, Seen(() if sketch else tuple(hashes), sketch), until)
