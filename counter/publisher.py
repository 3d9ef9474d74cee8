"""The port through which a report goes out, and its one error."""

from __future__ import annotations

from typing import Protocol


class NotPublished(Exception):
    """The report was not sent, or may not have been. If `retry`, trying again may help."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class Publisher(Protocol):
    """Sends reports."""

    attaches: bool
    """Whether a message can have an attachment."""

    def publish(self, title: str, body: str, attachment: bytes = b"") -> None:
        """Send one message, with `counter.json` as a file if it `attaches`. Raises NotPublished."""
