"""The ports that every cloud's adapters implement: the storage with its errors, and the mail.

StoreError
├── Conflict          another write came first; after five in a row, try again later
├── Unavailable       the storage cannot be reached now: try again later
├── CorruptDocument   the document is not a valid counter: the owner must repair it; it was not touched
└── Misconfigured     the storage refused the request: the owner must correct a setting or a permission
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

PAGE = 1000  # how many journal entries one request lists or removes, and one write folds
REQUEST_SECONDS = 3.0  # the timeout of one storage request
LISTING_SECONDS = 6.0  # the timeout of a listing, which may have many pages

T = TypeVar("T")


class StoreError(Exception):
    """A failed storage request. The message is safe to show: it has no name, address or secret."""


class Conflict(StoreError):
    """The document has another version, or exists already. Nothing was written."""


class Unavailable(StoreError):
    """The storage did not act, or did not answer. If `in_doubt`, it may have acted, or may still act."""

    def __init__(self, message: str, *, in_doubt: bool) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt


class CorruptDocument(StoreError):
    """The stored document is not a valid counter. It was not touched."""


class Misconfigured(StoreError):
    """The storage refused the request because of a wrong name or a missing permission. Nothing was done."""


class Documents(Protocol):
    """The stored document and its journal. Adapters do not inherit from this class, and do not retry.

    `timeout` limits the whole call in seconds, even if an answer arrives byte by byte. Every error of the vendor's
    client becomes one of three: Conflict (only where a method says so), Misconfigured (nothing was done), or
    Unavailable, which is `in_doubt` unless it is certain that nothing was done."""

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        """The document and its opaque version, or None, but only if the storage is certain that there is none."""

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Replace the document if its version is still `version` (None: create it), and return the new version. Raises
        Conflict otherwise."""

    def append(self, entry: str, timeout: float) -> None:
        """Add the journal entry named `entry`, unless it exists."""

    def entries(self, timeout: float) -> list[str]:
        """The names of all entries in the journal, from all pages. They include every entry that exists during the
        whole call."""

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        """Remove these entries; those already gone are ignored."""


class NotPublished(Exception):
    """The report was not sent, or may not have been. If `retry`, trying again may help."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class Publisher(Protocol):
    """Sends reports. `attaches`: whether a message can have an attachment."""

    attaches: bool

    def publish(self, title: str, body: str, attachment: bytes = b"") -> None:
        """Send one message, with `counter.json` as a file if it `attaches`. Raises NotPublished."""


class Metered:
    """The documents of one container: counts `requests`, and limits each one to the time left until `deadline`.
    `round_trip` is the time that the last reading of the document took.

    `clock` returns monotonic seconds, in which the deadline is given. A failed read is never in doubt."""

    def __init__(self, documents: Documents, clock: Callable[[], float], requests: int) -> None:
        self._documents = documents
        self._clock = clock
        self.requests = requests
        self.deadline = clock()
        self.round_trip = 0.0

    def read(self) -> tuple[bytes, str] | None:
        """The document and its version, or None."""
        timeout, start = self._spend(), self._clock()
        found = _certain(lambda: self._documents.read(timeout))
        self.round_trip = self._clock() - start
        return found

    def write(self, data: bytes, version: str | None) -> str:
        """Replace the document if its version is still `version`, and return the new version. Raises Conflict."""
        return self._documents.write(data, version, self._spend())

    def append(self, entry: str) -> None:
        """Add a journal entry."""
        self._documents.append(entry, self._spend())

    def entries(self) -> list[str]:
        """The names of all journal entries."""
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
