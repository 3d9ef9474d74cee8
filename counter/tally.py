"""The counter document as an immutable value: its totals, its history, adding a visit, and folding the journal.

Nothing here reads a clock or a store. A `Tally` never changes, so a container can keep and show the last one while the
next one is being written.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from counter.document import Texts, decode, encode
from counter.history import History, keep_newest, periods, plus
from counter.people import People
from counter.ranking import Ranking
from counter.visit import ELSEWHERE, Visit
from privacy import Seen, names_id

__all__ = ["Limits", "Tally", "Visit"]

# How many visit ids the document remembers. A write in doubt is resolved by looking for its id, so this many other
# visits may be written in between: five seconds' worth at one write every 20 ms, which is longer than any timeout.
RECENT = 256
REQUEST_MONTHS = 24
SOURCES = 50

_NOBODY = People({})
_NO_NAMES = Ranking()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a document: exact visitor hashes, days of history, pages, and which pages are always kept; the
    owner's time zone, in which days begin; and the salt, which connects a visit with its page in the journal."""

    seen: int = 400
    days: int = 400
    pages: int = 200
    page_list: frozenset[str] = frozenset()
    timezone: tzinfo = UTC
    salt: str = field(default="", repr=False)

    def date(self, at: float) -> str:
        """The owner's date at `at`, in unix seconds."""
        return str(datetime.fromtimestamp(at, self.timezone).date())


class Tally:
    """A counter document: its `fields`, as document.decode returns them, and the visitors it has `seen`."""

    def __init__(self, fields: Mapping[str, Any], seen: Seen, texts: Texts | None = None) -> None:
        self.fields = fields
        self.seen = seen
        self._texts = {} if texts is None else texts
        self.pageviews: int = fields["pageviews"]
        self.unique: int = fields["uniqueVisitors"]
        """Different visitors, estimated if `unique_is_estimate`."""
        self.unique_is_estimate = seen.sketch is not None
        updated_at = _seconds(fields.get("updatedAt"))
        self.updated_at = None if updated_at is None else int(updated_at)
        """Unix seconds of the last counted visit, or None if there is none or the document does not have it."""
        self.days: Mapping[str, Mapping[str, Any]] = fields.get("days", {})
        """By date: `pageviews`, `newVisitors`, `visitors`, and in `filtered` what was not counted, by reason."""
        self.weeks: Mapping[str, int] = fields.get("weeks", {})
        """Visitors by ISO week (YYYY-Www)."""
        self.months: Mapping[str, Mapping[str, Any]] = fields.get("months", {})
        """By month: `visitors`, and the sums of the days that are no longer kept."""
        self.people: People = fields.get("people", _NOBODY)
        self.pages: Ranking = fields.get("pages", _NO_NAMES)
        """The pages by their paths."""
        self.sources: Ranking = fields.get("sources", _NO_NAMES)
        """Where visitors came from, by host."""
        self.requests: Mapping[str, int] = fields.get("requests", {})
        """Storage requests by month in UTC, the month of the cloud's free allowance."""
        self.recent: Sequence[str] = fields.get("recent", ())
        """Ids of the last visits written, oldest first."""
        self.folded: Sequence[str] = fields.get("folded", ())
        """Ids of visits folded in from the journal, oldest first."""
        self.written_at = _seconds(fields.get("writtenAt"))
        """Unix seconds of the last write, or None if an earlier version of the counter wrote it."""
        self.crowd_at = _seconds(fields.get("crowdAt"))
        """Unix seconds of the last write that was close to another one: the journal may have visits from about that
        time. None if there was none since the journal was last listed."""

    @classmethod
    def empty(cls) -> Tally:
        """The tally before the first visit."""
        return cls({"pageviews": 0, "uniqueVisitors": 0}, Seen())

    @classmethod
    def decode(cls, data: bytes, limits: Limits) -> Tally:
        """The tally in the document `data`. Raises document.NotACounter."""
        return cls(*decode(data, limits.seen))

    def encode(self) -> bytes:
        """The document as it is stored."""
        return encode(self.fields, self.seen, self._texts)

    def views_of(self, kind: str, day: str) -> int:
        """Page views of the `day`, the ISO `week` or the `month` (as `kind` says) that `day` is in."""
        first, days = date.fromisoformat(day), 1
        if kind == "week":
            first, days = first - timedelta(days=first.weekday()), 7
        elif kind == "month":
            first, days = first.replace(day=1), calendar.monthrange(first.year, first.month)[1]
        dropped = self.months.get(day[:7], {}).get("pageviews", 0) if kind == "month" else 0
        dates = (str(first + timedelta(number)) for number in range(days))
        return dropped + sum(int(self.days.get(date_, {}).get("pageviews", 0)) for date_ in dates)

    def people_of(self, kind: str, day: str) -> int | None:
        """The visitors of that day, week or month, or None if they are not known."""
        label = periods(day)[kind]
        sums = {"day": self.days, "month": self.months}.get(kind, {}).get(label, {})
        number = self.weeks.get(label) if kind == "week" else sums.get("visitors")
        return 0 if number is None and not self.views_of(kind, day) else number

    def has(self, visit_id: str) -> bool:
        """Whether the document remembers this visit as counted."""
        return visit_id in self.recent or visit_id in self.folded

    def remembers(self, earlier: Tally) -> bool:
        """Whether `recent` still has every visit written since `earlier`. Only then a missing id proves that its visit
        was not written."""
        return earlier.recent[-1] in self.recent if earlier.recent else len(self.recent) < RECENT

    def add(self, visit: Visit, at: float, limits: Limits) -> Tally:
        """The tally with `visit` added at `at` (unix seconds)."""
        draft = _Draft(self, limits, visit.day, at)
        # The platform repeated the call, and its page and source were folded before the visit itself.
        draft.apply(visit.parts()[0] if visit.names_id in self.folded else visit, at)
        draft.fields["recent"] = [*self.recent, visit.id][-RECENT:]
        return draft.finished()

    def fold(
        self, visits: Iterable[Visit], limits: Limits, at: float | None = None, forget: Collection[str] = ()
    ) -> Tally:
        """The tally with the journal's `visits`, each counted once even if it is folded again. Their ids are remembered
        as folded, and those in `forget` are dropped. `at` is the current time in unix seconds, if the tally will be
        written. It may only replace the document it is based on, and only if the journal was listed after reading
        that."""
        visits = [*visits]
        if not visits and not forget:
            return self
        today = max((visit.day for visit in visits), default=None) if at is None else limits.date(at)
        draft = _Draft(self, limits, today, at)
        known = {*self.recent, *self.folded}
        if any(not visit.is_view for visit in visits):
            # A visit that was written to the document brought its page and source along.
            known.update(names_id(limits.salt, visit_id) for visit_id in self.recent)
        folded = dict.fromkeys(known_id for known_id in self.folded if known_id not in forget)
        for visit in visits:
            if visit.id not in known:
                known.add(visit.id)
                draft.apply(visit, at)
            folded[visit.id] = None
        draft.fields["folded"] = [*folded]
        return draft.finished()

    def with_requests(self, month: str, more: int) -> Tally:
        """The tally with `more` storage requests counted in `month` (YYYY-MM)."""
        requests = {**self.requests, month: plus(self.requests.get(month, 0), more)}
        keep_newest(requests, REQUEST_MONTHS)
        return Tally({**self.fields, "requests": requests}, self.seen, self._texts)

    def stamped(self, at: float, crowd_at: float | None) -> Tally:
        """The tally to write at `at` (unix seconds), with the note of a crowd if there was one."""
        fields = {**self.fields, "writtenAt": round(at, 2)}
        fields.pop("crowdAt", None)
        if crowd_at is not None:
            fields["crowdAt"] = round(crowd_at, 2)
        return Tally(fields, self.seen, self._texts)


class _Draft:
    """A mutable copy of a tally, to which any number of visits are added. `today` is the date on the writer's own
    clock; only that clock ends periods."""

    def __init__(self, tally: Tally, limits: Limits, today: str | None, at: float | None) -> None:
        self.fields = dict(tally.fields)
        self._history = History(self.fields)
        self._people = tally.people.turned(today, at) if today else tally.people
        self._rankings: dict[str, Ranking] = {}
        self._seen = tally.seen
        self._texts = tally._texts
        self._limits = limits
        self._today = today

    def apply(self, visit: Visit, at: float | None) -> None:
        if visit.reason is not None:
            filtered = {"pageviews": 0, "newVisitors": 0, "filtered": {visit.reason: 1}}
            self._history.add(visit.day, filtered, {}, self._limits.days)
            return
        if visit.is_view:
            self._count(visit, at)
        self._rank("pages", visit.page, visit, self._limits.pages, self._limits.page_list)
        self._rank("sources", visit.source, visit, SOURCES)

    def _count(self, visit: Visit, at: float | None) -> None:
        fields, new, more = self.fields, 0, dict[str, int]()
        if at is not None:
            fields["updatedAt"] = int(at)
        # An older counter reads `count`: if that equals the total, it is kept equal.
        if fields.get("count") == fields["pageviews"]:
            fields["count"] = plus(fields["pageviews"], 1)
        fields["pageviews"] = plus(fields["pageviews"], 1)
        if visit.visitor is not None:
            self._seen, new = self._seen.add(visit.visitor, self._limits.seen)
            self._people, more = self._people.add(visit.day, visit.visitor, self._limits.seen)
            fields["uniqueVisitors"] = plus(fields["uniqueVisitors"], new)
        self._history.add(visit.day, {"pageviews": 1, "newVisitors": new}, more, self._limits.days)

    def _rank(self, key: str, name: str | None, visit: Visit, places: int, always: Collection[str] = ()) -> None:
        if name is None or not (places or always):
            return
        if key not in self._rankings:
            self._rankings[key] = self.fields.get(key, _NO_NAMES).copy()
            self._rankings[key].turn((self._today or visit.day)[:7])
        if visit.is_view:
            self._rankings[key].view(visit.day[:7])
        if name != ELSEWHERE:
            self._rankings[key].add(name, visit.day[:7], places, always)

    def finished(self) -> Tally:
        self.fields.update(self._history.fields(), **self._rankings, people=self._people)
        if not self._people:
            del self.fields["people"]
        return Tally(self.fields, self._seen, self._texts)


def _seconds(value: object) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
