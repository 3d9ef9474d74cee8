"""The most viewed pages or most frequent sources: a bounded ranking of names that clients send.

A new name starts in a small probation, maintained by Space-Saving (Metwally et al., "Efficient computation of frequent
and top-k elements in data streams", 2005): a newcomer takes the place, and the count, of the rarest name. A name that
has certainly been seen ADMITTED times enters the ranking; if that is full, it must have more views in this month and
the last than the weakest name, which it replaces. So new pages get in, and a flood of invented names does not. All
views with a name are counted, so with `other`, the views of names outside the ranking, the sum is exact.
docs/decisions/0017-pages-and-people.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from counter.history import is_whole, plus

PROBATION = 64
ADMITTED = 3

Row = tuple[int, ...]  # views in total, in this month and in the last; in the probation also the count's largest error
_EMPTY: Row = (0, 0, 0)


@dataclass(slots=True)
class Ranking:
    """Names with their views. Mutable: make a `copy` first."""

    months: Sequence[str] = ()
    names: dict[str, Row] = field(default_factory=dict)
    probation: dict[str, Row] = field(default_factory=dict)
    views: Row = _EMPTY

    def copy(self) -> Ranking:
        """An independent copy."""
        return Ranking(self.months, dict(self.names), dict(self.probation), self.views)

    @property
    def other(self) -> Row:
        """The views of all names that are not in the ranking."""
        named = (sum(column) for column in zip(*self.names.values(), strict=True)) if self.names else _EMPTY
        return tuple(max(views - ranked, 0) for views, ranked in zip(self.views, named, strict=True))

    def count(self, name: str) -> int | None:
        """The known views of `name`, or None if there are none."""
        row = self.names.get(name) or self.probation.get(name)
        return row[0] if row else None

    def turn(self, month: str) -> None:
        """Start `month` (YYYY-MM) by the writer's clock. The previous month becomes the last one, and is restored if
        the clock was wrong."""
        if self.months[:1] == [month]:
            return
        is_back = month in self.months
        self.months = [month, *(known for known in self.months if known != month)][:2]

        def turned(row: Row) -> Row:
            return row[0], row[2] if is_back else 0, row[1], *row[3:]

        self.names = {name: turned(row) for name, row in self.names.items()}
        self.probation = {name: turned(row) for name, row in self.probation.items()}
        self.views = turned(self.views)

    def view(self, month: str) -> None:
        """Count a view with a name in `month`."""
        self.views = _viewed(self.views, self.column(month))

    def add(self, name: str, month: str, places: int, always: Collection[str] = ()) -> None:
        """Count a view of `name` in `month`. The ranking has `places`, some of them reserved for the names in
        `always`."""
        if name in always and name not in self.names:
            self.names[name] = self.probation.pop(name, _EMPTY)[:3]
        if name in self.names:
            self.names[name] = _viewed(self.names[name], self.column(month))
            return
        row = _viewed(self.probation.pop(name, ()) or (*_EMPTY, self._displaced()), self.column(month))
        if row[0] >= ADMITTED and self._makes_room(row, places - len(always), always):
            self.names[name] = row[:3]
        else:
            self.probation[name] = row

    def column(self, month: str) -> int:
        """The column of a row with the views of `month`, or 0, the total, if that month is not kept."""
        return self.months.index(month) + 1 if month in self.months else 0

    def _displaced(self) -> int:
        """Make room in the probation, and return the count that a newcomer takes over."""
        if len(self.probation) < PROBATION:
            return 0
        rarest = min(self.probation, key=lambda name: self.probation[name][0] + self.probation[name][3])
        row = self.probation.pop(rarest)
        return row[0] + row[3]

    def _makes_room(self, row: Row, places: int, always: Collection[str]) -> bool:
        weakest_first = sorted((_recent(known), name) for name, known in self.names.items() if name not in always)
        surplus = weakest_first[: max(len(weakest_first) - places + 1, 0)]
        if places < 1 or (surplus and surplus[-1][0] >= _recent(row)):
            return False
        for _, name in surplus:
            del self.names[name]
        return True

    def content(self) -> dict[str, Any]:
        """The ranking as JSON content."""
        members = (("months", self.months), ("names", self.names), ("probation", self.probation), ("views", self.views))
        return {key: member for key, member in members if member or key == "months"}

    @classmethod
    def parse(cls, content: Any) -> Ranking:
        """The ranking from its JSON `content`. Raises ValueError."""
        try:
            months = [str(month) for month in content["months"]][:2]
            names = {name: _row(row, 3) for name, row in content.get("names", {}).items()}
            probation = {name: _row(row, 4) for name, row in content.get("probation", {}).items()}
            "".join((*months, *names, *probation)).encode()  # half a surrogate pair could not be stored
            return cls(months, names, probation, _row(content["views"], 3))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError("is not a ranking") from error


def _viewed(row: Row, column: int) -> Row:
    return tuple(plus(number, at in (0, column)) for at, number in enumerate(row))


def _recent(row: Row) -> tuple[int, int]:
    return row[1] + row[2], row[0]


def _row(content: Any, length: int) -> Row:
    if not isinstance(content, list) or len(content) != length or not all(map(is_whole, content)):
        raise ValueError
    return tuple(content)
