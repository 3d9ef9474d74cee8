"""Where a counter is kept: the port that every store's adapter fills, and what can go wrong behind it.

StoreError
├── Conflict          somebody else wrote first; stays between the adapters and counter_store
├── Unavailable       storage cannot be reached now: try again later
├── CorruptDocument   the document is no counter: the owner must repair it; it was not touched
└── Misconfigured     the store refuses us: the owner must correct a setting or a permission
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

PAGE = 1000
"""Journal entries that one listing shows at most."""


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
    """Where the document and the journal are kept. Adapters do not inherit from this, do not retry, and translate
    whatever their vendor says: every method raises Unavailable, `in_doubt` where it may have been done all the same, or
    Misconfigured, where nothing was. `timeout` is in seconds."""

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        """The document and its version, which is opaque; None only when the store is sure that there is none."""

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        """Replaces the document if its version is still `version` (None: creates it if there is none); the new version.

        Raises Conflict when it is not."""

    def append(self, entry: str, timeout: float) -> None:
        """Adds the journal entry named `entry`; if it is there already, nothing."""

    def entries(self, timeout: float) -> list[str]:
        """Names of entries in the journal: all, or PAGE of them, by an order that stays the same."""

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        """Removes these entries; one that is gone already is no error."""
