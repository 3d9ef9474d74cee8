"""The counter without its visit ids: it takes a visit for new whose write was answered by silence, and counts it twice.
For the soak's own test, which must see it."""

import func
from counter.tally import Tally


def _has_no_memory(tally: Tally, visit_id: str) -> bool:
    return False


Tally.has = _has_no_memory  # type: ignore[assignment, method-assign]
handler = func.handler
