"""Documents in the stand-in's SQLite file, without a network: the reference that tests compare the others with."""

from collections.abc import Sequence

from clouds.oracle.laptop.objects import Objects, PreconditionFailed
from counter.store import Conflict


class SqliteDocuments:
    """One document and its journal in `objects`, under the same names as in Object Storage."""

    def __init__(self, objects: Objects, bucket: str, name: str) -> None:
        self._objects = objects
        self._bucket = bucket
        self._name = name
        self._journal = f"{name}.journal/"

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        """Return the document and its version."""
        stored = self._objects.get(self._bucket, self._name)
        return (stored.data, stored.etag) if stored else None

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Replace the document, or create it, and return its new version."""
        try:
            return self._objects.put(self._bucket, self._name, data, version, None if version else "*")
        except PreconditionFailed as failed:
            raise Conflict("Another visit was written at the same moment.") from failed

    def append(self, entry: str, timeout: float) -> None:
        """Add an entry, unless it exists."""
        try:
            self._objects.put(self._bucket, self._journal + entry, b"", if_none_match="*")
        except PreconditionFailed:
            return

    def entries(self, timeout: float) -> list[str]:
        """Return the names of all entries, sorted."""
        found = self._objects.list(self._bucket, self._journal, limit=-1)
        return [stored.name.removeprefix(self._journal) for stored in found]

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        """Remove entries; those already gone are ignored."""
        for entry in entries:
            self._objects.delete(self._bucket, self._journal + entry)
