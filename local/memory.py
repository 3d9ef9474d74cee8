"""Documents in memory: the smallest complete implementation of the port, for tests and simulations."""

import threading
from collections.abc import Sequence

from counter.store import Conflict


class MemoryDocuments:
    """One document and its journal. Containers and threads may share it; each request is atomic.

    `document` is the stored document and its version, `journal` the names of the entries in order of arrival, and
    `writes` how often the document was written. It serves as the version, so no version ever repeats.
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
        """Add an entry, unless it exists."""
        with self._lock:
            self.journal[entry] = None

    def entries(self, timeout: float) -> list[str]:
        """Return the names of all entries, sorted."""
        with self._lock:
            return sorted(self.journal)

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        """Remove entries; those already gone are ignored."""
        with self._lock:
            for entry in entries:
                self.journal.pop(entry, None)
