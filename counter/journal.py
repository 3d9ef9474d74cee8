"""What one listing of the journal shows: entries to fold, and entries that are in the document already."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counter.store import PAGE
from counter.tally import Tally, Visit

log = logging.getLogger("visitor-counter")


@dataclass(frozen=True, slots=True)
class Listing:
    """The visits that wait in the journal, by the names of their entries; `more` where it may hold others as well."""

    visits: Mapping[str, Visit]
    more: bool

    @classmethod
    def of(cls, names: Sequence[str]) -> Listing:
        """The listing of entries with these names. Those that hold no visit are somebody else's and left alone."""
        visits = {name: visit for name in names if (visit := Visit.of_entry(name)) is not None}
        if len(visits) < len(names):
            log.warning("%d entries of the journal are not the counter's and were left alone", len(names) - len(visits))
        return cls(visits, len(names) >= PAGE)

    def folded_in(self, tally: Tally) -> list[str]:
        """Names of entries that somebody folded into `tally` and did not get to remove."""
        folded = set(tally.folded)
        return [name for name, visit in self.visits.items() if visit.id in folded]

    def without(self, names: Sequence[str]) -> Listing:
        """The listing once the entries `names` are removed."""
        gone = set(names)
        return Listing({name: visit for name, visit in self.visits.items() if name not in gone}, self.more)
