"""One visit as a value, and as the names of the journal entries that hold it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace

from counter.history import is_day

ELSEWHERE = ""
"""The page or source of a visit that has one, which is not told here."""

_NAME = "[A-Za-z0-9_-]{2,300}|[_-]"
_ENTRY = re.compile(
    rf"(\d{{4}}-\d\d-\d\d)\.([A-Za-z0-9_-]{{1,64}})\.([a-z]{{1,16}}|[_-])\.([0-9a-f]{{64}}|-)(?:\.({_NAME})\.({_NAME}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One page view: an id that no other visit has, the owner's date (YYYY-MM-DD), the visitor's hash if the browser
    gave an id, for one that is not to be counted the reason (`crawler`, `prefetch`), and the page and the source that
    were named. `names_id`: the id of the journal entry that names them apart from the visitor; nothing but the call's
    own id may lead from one to the other. `is_view`: whether it is a view, and not only the names of one."""

    id: str
    day: str
    visitor: str | None = None
    reason: str | None = None
    page: str | None = None
    source: str | None = None
    names_id: str | None = None
    is_view: bool = True

    def entries(self) -> tuple[str, ...]:
        """Names of the journal entries that hold the visit. The first counts it; a second one adds its page and source,
        has an id of its own and may be lost."""
        return tuple(part.entry() for part in self.parts())

    def parts(self) -> tuple[Visit, ...]:
        """The visit as the journal keeps it: itself, or in two if it would connect a visitor with a page or source."""
        if self.visitor is None or not (self.page or self.source):
            return (replace(self, names_id=None),)
        view = replace(self, page=_elsewhere(self.page), source=_elsewhere(self.source), names_id=None)
        if self.names_id is None:
            return (view,)
        return view, Visit(self.names_id, self.day, page=self.page, source=self.source, is_view=False)

    def entry(self) -> str:
        """One of the `parts` as the name of a journal entry: letters, digits, `.`, `_` and `-` only."""
        kind = (self.reason or "-") if self.is_view else "_"
        names = f".{_encoded(self.page)}.{_encoded(self.source)}" if (self.page, self.source) != (None, None) else ""
        return f"{self.day}.{self.id}.{kind}.{self.visitor or '-'}{names}"

    @classmethod
    def of_entry(cls, entry: str) -> Visit | None:
        """The visit that an entry's name holds; None for a name that no visit has."""
        parts = _ENTRY.fullmatch(entry)
        if parts is None or not is_day(parts[1]):
            return None
        day, visit_id, kind, visitor, page, source = parts.groups()
        try:
            visit = cls(
                visit_id,
                day,
                None if visitor == "-" else visitor,
                None if kind in "_-" else kind,
                _decoded(page or "-"),
                _decoded(source or "-"),
                is_view=kind != "_",
            )
        except ValueError:
            return None
        return visit if visit.entry() == entry else None


def _elsewhere(name: str | None) -> str | None:
    return ELSEWHERE if name else name


def _encoded(name: str | None) -> str:
    if not name:
        return "-" if name is None else "_"
    return base64.urlsafe_b64encode(name.encode()).decode("ascii").rstrip("=")


def _decoded(text: str) -> str | None:
    if text in ("-", "_"):
        return None if text == "-" else ELSEWHERE
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
