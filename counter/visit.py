"""One visit, and its journal entries, whose names contain it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace

from counter.history import is_day

ELSEWHERE = ""  # stands for a page or source that is in another entry
_NAME = "[A-Za-z0-9_-]{2,300}|[_-]"
_ENTRY = re.compile(
    rf"(\d{{4}}-\d\d-\d\d)\.([A-Za-z0-9_-]{{1,64}})\.([a-z]{{1,16}}|[_-])\.([0-9a-f]{{64}}|-)(?:\.({_NAME})\.({_NAME}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One page view: a unique id, the owner's date (YYYY-MM-DD), the visitor's hash if the browser sent an id, the
    reason if it is not counted (`crawler`, `prefetch`), and the page and the source if they were sent. `names_id` is
    the id of the journal entry for page and source, which is separate from the visitor's; only the salt connects the
    two (privacy.names_id). `is_view` is false for that second entry."""

    id: str
    day: str
    visitor: str | None = None
    reason: str | None = None
    page: str | None = None
    source: str | None = None
    names_id: str | None = None
    is_view: bool = True

    def entries(self) -> tuple[str, ...]:
        """The names of the visit's journal entries. The first counts it; a second one adds its page and source, has its
        own id, and may be lost."""
        return tuple(part.entry() for part in self.parts())

    def parts(self) -> tuple[Visit, ...]:
        """The visit as stored in the journal: in two parts if it would connect a visitor with a page or source."""
        if self.visitor is None or not (self.page or self.source):
            return (replace(self, names_id=None),)
        view = replace(self, page=self.page and ELSEWHERE, source=self.source and ELSEWHERE, names_id=None)
        if self.names_id is None or self.reason is not None:
            return (view,)
        return view, Visit(self.names_id, self.day, page=self.page, source=self.source, is_view=False)

    def entry(self) -> str:
        """The name of the journal entry for one of the `parts`: only letters, digits, `.`, `_` and `-`."""
        kind = (self.reason or "-") if self.is_view else "_"
        names = f".{_encoded(self.page)}.{_encoded(self.source)}" if (self.page, self.source) != (None, None) else ""
        return f"{self.day}.{self.id}.{kind}.{self.visitor or '-'}{names}"

    @classmethod
    def of_entry(cls, entry: str) -> Visit | None:
        """The visit in an entry's name, or None for any other name."""
        parts = _ENTRY.fullmatch(entry)
        if parts is None or not is_day(parts[1]):
            return None
        day, visit_id, kind, visitor, page, source = parts.groups()
        try:
            names = _decoded(page or "-"), _decoded(source or "-")
        except ValueError:
            return None
        reason = None if kind in "_-" else kind
        visit = cls(visit_id, day, None if visitor == "-" else visitor, reason, *names, is_view=kind != "_")
        return visit if visit.entry() == entry else None


def _encoded(name: str | None) -> str:
    if not name:
        return "-" if name is None else "_"
    return base64.urlsafe_b64encode(name.encode()).decode("ascii").rstrip("=")


def _decoded(text: str) -> str | None:
    if text in ("-", "_"):
        return None if text == "-" else ELSEWHERE
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
