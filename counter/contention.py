"""When a container leaves the document for the journal, and when it looks into the journal."""

from __future__ import annotations

from collections.abc import Callable

from counter.store import PAGE
from counter.tally import Tally

CLOSE_SECONDS = 1.0
"""Writes of two containers that are no further apart are a crowd, and the later one notes it in the document."""

STREAM_SECONDS = 0.08
"""The same for two writes of one container: time between the answer to one and the start of the next."""

FRESH_SECONDS = 1.0
"""A container goes to the journal only while the note is no older than this."""

STAY_SECONDS = 1.0
"""A container that went to the journal appends its next visits there for this long, up to twice as long by chance."""

QUIET_SECONDS = 4.0
"""After so long nobody who saw the note still appends, STAY_SECONDS and slow requests included: it may be cleared."""

LOOK_SECONDS = 1.5
"""Least time between two looks into the journal, for each PAGE of entries that it holds."""

LARGE_CROWD = 50
"""Entries found by one look that make the next one come three times as soon."""

VISITS_A_LOOK = 64
"""Visits that pay for one look in which nothing is found: 1.6 % of a request each."""

_NEVER = float("-inf")


class ContentionPolicy:
    """One container's view of the crowd. `clock` gives monotonic seconds, `jitter` a number from 0 to 1.

    Looks that find something are free. Those in vain are paid with visits, so that they cost the same at any rhythm of
    visits: a container starts with enough for four, and at five it looks without any reason."""

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._jitter = jitter
        self._stays_until = _NEVER
        self._left = False
        self._wrote_at = _NEVER
        self._wrote_version: str | None = None
        self._next_look = _NEVER
        self._credit = 4 * VISITS_A_LOOK
        self.expects_entries = False

    def stays_away(self) -> bool:
        """Whether visits go to the journal without asking the document."""
        return self._clock() < self._stays_until

    def leaves(self, tally: Tally, moment: float, conflicts: int) -> bool:
        """Whether a visit at `moment` (unix seconds) that met so many conflicts leaves `tally` for the journal: only
        where the tally notes the crowd, so that everybody who reads it knows where to look."""
        if tally.crowd_at is None or not (conflicts or self._left):
            return False
        return abs(moment - tally.crowd_at) < (FRESH_SECONDS if conflicts > 1 or self._left else 0.04)

    def is_close(self, tally: Tally, version: str | None, moment: float) -> bool:
        """Whether a write at `moment` over this `version` comes close upon the one before."""
        if version is not None and version == self._wrote_version:
            return self._clock() - self._wrote_at < STREAM_SECONDS
        return tally.written_at is not None and abs(moment - tally.written_at) < CLOSE_SECONDS

    def should_look(self, tally: Tally) -> bool:
        """Whether a visit that is about to be written over `tally` looks into the journal first."""
        now = self._clock()
        self._credit = min(self._credit + 1, 5 * VISITS_A_LOOK)
        if self._credit == 5 * VISITS_A_LOOK:
            return True
        if now < self._next_look:
            return False
        after_a_pause = now - self._wrote_at >= LOOK_SECONDS
        return self.expects_entries or (tally.crowd_at is not None and after_a_pause and self._credit >= VISITS_A_LOOK)

    def looked(self, entries: int) -> None:
        """Note that a visit looked, and found so many entries."""
        if not entries or self._credit == 5 * VISITS_A_LOOK:
            self._credit -= VISITS_A_LOOK
        pause = LOOK_SECONDS / 3 if LARGE_CROWD <= entries < PAGE else LOOK_SECONDS * max(1, entries // PAGE)
        self._next_look = self._clock() + pause
        self.expects_entries = entries > 0

    def wrote(self, version: str) -> None:
        """Note that this container wrote the document, which has this version now."""
        self._wrote_at = self._clock()
        self._wrote_version = version
        self._stays_until = _NEVER
        self._left = False

    def appended(self, left: bool) -> None:
        """Note that a visit went to the journal, and whether it was one that had just left the document."""
        if left:
            self._stays_until = self._clock() + STAY_SECONDS * (1 + self._jitter())
        self._left = self.expects_entries = True
