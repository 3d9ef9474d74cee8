"""Documents in memory: the smallest store that keeps every promise of the port, for tests and simulations."""

import threading
from collections.abc import Sequence

from counter.store import PAGE, Conflict


class MemoryDocuments:
    """One document and its journal. Any number of containers and threads may share it; each request is one step.

    `document` is what is stored with its version, `journal` the names of the entries in the order they came, and
    `writes` how often the document was written: the version, which therefore never comes back.
    """

    def __init__(self, data: bytes | None = None, entries: Sequence[str] = ()) -> None:
        self.document: tuple[bytes, str] | None = None
        self.journal: dict[str, None] = dict.fromkeys(entries)
        self.writes = 0
        self._lock = threading.Lock()
        if data is not None:
            self.write(data, None, 0)

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        """Return the document and its version."""
        return self.document

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Replace the document, or create it, and return its new version."""
        with self._lock:
            if version != (self.document[1] if self.document else None):
                raise Conflict("Another visit was written at the same moment.")
            self.writes += 1
            self.document = (data, str(self.writes))
            return self.document[1]

    def append(self, entry: str, timeout: float) -> None:
        """Add an entry; one that is there stays as it is."""
        with self._lock:
            self.journal[entry] = None

    def entries(self, timeout: float) -> list[str]:
        """Return the names of the first entries, in their order."""
        with self._lock:
            return sorted(self.journal)[:PAGE]

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        """Remove entries, those that are gone included."""
        with self._lock:
            for entry in entries:
                self.journal.pop(entry, None)
