"""The counter that thanks for a visit also when the storage did not keep it. For the soak's own test, which must see
it."""

import func
from counter.store import StoreError
from counter.tally import Tally, Visit
from counter_store import CounterStore

_keep = CounterStore.keep


def _keep_or_not(store: CounterStore, visit: Visit, at: float, deadline: float) -> Tally:
    try:
        return _keep(store, visit, at, deadline)
    except StoreError:
        return Tally.empty()


CounterStore.keep = _keep_or_not  # type: ignore[assignment, method-assign]
handler = func.handler
