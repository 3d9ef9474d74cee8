"""Decides when a container appends to the journal instead of writing the document, and when it lists the journal."""

from __future__ import annotations

from collections.abc import Callable

from counter.store import PAGE
from counter.tally import Tally

CLOSE_SECONDS = 0.25  # two containers' writes closer together than this are a crowd, and the later one notes it
STREAM_TRIPS = 2  # the same for two writes of one container, in round trips: others need longer to read and write
FRESH_SECONDS = 1.0  # a container appends to the journal only while the note of a crowd is no older than this
STAY_SECONDS = 1.0  # after an append it appends its next visits as well, for this long or at random up to twice as long
LOOK_SECONDS = 1.5  # the shortest time between two listings of the journal, for each PAGE of entries in it
LARGE_CROWD = 50  # if a listing finds this many entries, the next one comes three times as soon
VISITS_A_LOOK = 128  # so many visits pay for one listing that finds nothing: 0.8 % of a request each
CALL_SECONDS = 0.01  # what the platform may need between two calls of one container, in addition to both

# On a slow store, close and fresh are as long as this many round trips (a write in vain, the other's write, a reading).
SLOW_TRIPS = 3
MAX_SLOW_SECONDS = 3.0

# After this time no container that saw the note still appends, even with slow requests, so it may be cleared: at most
# MAX_SLOW_SECONDS until it is seen, twice STAY_SECONDS, and the time of a request.
QUIET_SECONDS = 8.0

# By the number of conflicts, how old the note may be, in round trips: a crowd writes all the time, two visits at the
# same moment do not. From the third conflict on FRESH_SECONDS apply, for clocks may differ.
BLINK_TRIPS = {1: 1.5, 2: 2.0}

_NEVER = float("-inf")


class ContentionPolicy:
    """One container's view of the crowd. `clock` returns monotonic seconds, `jitter` a number from 0 to 1.

    A listing that finds entries is free. One that finds none is paid with credit that visits earn, so its cost per
    visit is the same at any rate. A container starts with credit for two, and lists without another reason at three."""

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._jitter = jitter
        self._stays_until = _NEVER
        self._left = False
        self._wrote_at = _NEVER
        self._wrote_version: str | None = None
        self._next_look = _NEVER
        self._credit = 2 * VISITS_A_LOOK
        self.expects_entries = False

    def stays_away(self) -> bool:
        """Whether visits are appended to the journal without reading the document."""
        return self._clock() < self._stays_until

    def leaves(self, tally: Tally, moment: float, conflicts: int, round_trip: float) -> bool:
        """Whether a visit at `moment` (unix seconds) with this many conflicts goes to the journal: only if `tally` has
        the note of a crowd, so that every container that reads it knows to list the journal. After one or two conflicts
        the note must be as new as one made during the visit's last requests, of `round_trip` seconds each."""
        if tally.crowd_at is None or not (conflicts or self._left):
            return False
        limit = _scaled(FRESH_SECONDS, round_trip)
        if not self._left and conflicts in BLINK_TRIPS:
            limit = min(limit, BLINK_TRIPS[conflicts] * round_trip + CALL_SECONDS)
        return abs(moment - tally.crowd_at) < limit

    def is_close(self, tally: Tally, version: str | None, moment: float, round_trip: float) -> bool:
        """Whether a write at `moment` based on this `version` is close to the previous write."""
        if version is not None and version == self._wrote_version:
            return self._clock() - self._wrote_at < STREAM_TRIPS * round_trip + CALL_SECONDS
        return tally.written_at is not None and abs(moment - tally.written_at) < _scaled(CLOSE_SECONDS, round_trip)

    def should_look(self, tally: Tally) -> bool:
        """Whether a visit based on `tally` lists the journal before it is written."""
        now = self._clock()
        self._credit = min(self._credit + 1, 3 * VISITS_A_LOOK)
        if self._credit == 3 * VISITS_A_LOOK:
            return True
        if now < self._next_look:
            return False
        after_a_pause = now - self._wrote_at >= LOOK_SECONDS
        return self.expects_entries or (tally.crowd_at is not None and after_a_pause and self._credit >= VISITS_A_LOOK)

    def looked(self, entries: int) -> None:
        """Note that a visit listed the journal and found this many entries."""
        if not entries or self._credit == 3 * VISITS_A_LOOK:
            self._credit -= VISITS_A_LOOK
        pause = LOOK_SECONDS / 3 if LARGE_CROWD <= entries < PAGE else LOOK_SECONDS * max(1, entries // PAGE)
        self._next_look = self._clock() + pause
        self.expects_entries = entries > 0

    def wrote(self, version: str) -> None:
        """Note that this container wrote the document, and its new version."""
        self._wrote_at = self._clock()
        self._wrote_version = version
        self._stays_until = _NEVER
        self._left = False

    def appended(self, left: bool) -> None:
        """Note that a visit was appended to the journal, and whether it had tried the document before."""
        if left:
            self._stays_until = self._clock() + STAY_SECONDS * (1 + self._jitter())
        self._left = self.expects_entries = True


def _scaled(seconds: float, round_trip: float) -> float:
    return max(seconds, min(SLOW_TRIPS * round_trip, MAX_SLOW_SECONDS))
