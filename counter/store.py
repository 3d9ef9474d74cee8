"""Where a counter is kept: the port that every store's adapter fills, and what can go wrong behind it.

StoreError
├── Conflict          somebody else wrote first; five in a row end a call: try again later
├── Unavailable       storage cannot be reached now: try again later
├── CorruptDocument   the document is no counter: the owner must repair it; it was not touched
└── Misconfigured     the store refuses us: the owner must correct a setting or a permission
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

PAGE = 1000
"""Journal entries that a store lists or removes by one request, and that are folded at once."""

REQUEST_SECONDS = 3.0
"""The longest that one storage request is waited for."""

LISTING_SECONDS = 6.0
"""The same for a listing, which may have many pages."""

T = TypeVar("T")


class StoreError(Exception):
    """Something the store could not do. The text is safe to show: it holds no name, address or secret."""


class Conflict(StoreError):
    """The document has another version by now, or exists already. Nothing was written."""


class Unavailable(StoreError):
    """Storage did not do it, or did not say so. `in_doubt`: it may have been done, or may still be."""

    def __init__(self, message: str, *, in_doubt: bool) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt


class CorruptDocument(StoreError):
    """What is stored is not a counter. It was left exactly as it is."""


class Misconfigured(StoreError):
    """The store refused the request: a wrong name, or a permission that is missing. Nothing was done."""


class Documents(Protocol):
    """Where the document and the journal are kept. Adapters do not inherit from this and do not retry.

    `timeout` bounds the whole call in seconds, also where an answer arrives byte by byte. Whatever the vendor's client
    raises becomes one of three errors: Conflict (only where a method says so), Misconfigured (nothing was done), or
    Unavailable, which is `in_doubt` unless it is certain that nothing was done."""

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        """The document and its version, which is opaque; None only when the store is sure that there is none."""

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Replace the document if its version is still `version` (None: create it if there is none); the new version.

        Raises Conflict when it is not."""

    def append(self, entry: str, timeout: float) -> None:
        """Add the journal entry named `entry`; if it is there already, do nothing."""

    def entries(self, timeout: float) -> list[str]:
        """Names of all entries in the journal. An entry that is there from the start of the call to its end is among
        them, however many pages the store makes of them."""

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        """Remove these entries; one that is gone already is no error."""


class Metered:
    """The documents of one container: counts `requests`, and gives each one what is left until `deadline`.

    `clock` gives the monotonic seconds in which the deadline is set. What only reads is never in doubt."""

    def __init__(self, documents: Documents, clock: Callable[[], float], requests: int) -> None:
        self._documents = documents
        self._clock = clock
        self.requests = requests
        self.deadline = clock()

    def read(self) -> tuple[bytes, str] | None:
        """The document and its version; None when there is none."""
        return _certain(lambda: self._documents.read(self._spend()))

    def write(self, data: bytes, version: str | None) -> str:
        """Replace the document if its version is still `version`; the new version. Raises Conflict."""
        return self._documents.write(data, version, self._spend())

    def append(self, entry: str) -> None:
        """Add a journal entry."""
        self._documents.append(entry, self._spend())

    def entries(self) -> list[str]:
        """Names of all journal entries."""
        found = _certain(lambda: self._documents.entries(self._spend(LISTING_SECONDS)))
        self.requests += len(found) // PAGE
        return found

    def remove(self, entries: Sequence[str]) -> None:
        """Remove journal entries."""
        self._documents.remove(entries, self._spend())

    def _spend(self, most: float = REQUEST_SECONDS) -> float:
        left = self.deadline - self._clock()
        if left <= 0:
            raise Unavailable("There was no time left to reach the storage.", in_doubt=False)
        self.requests += 1
        return min(most, left)


def _certain(request: Callable[[], T]) -> T:
    try:
        return request()
    except Unavailable as error:
        raise Unavailable(str(error), in_doubt=False) from error
