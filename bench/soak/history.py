"""The earlier versions of the document and its journal, read from the stand-in's file bit by bit."""

from __future__ import annotations

from pathlib import Path

from bench.soak.audit import Audit
from bench.soak.stand_in import FILE
from clouds.oracle.laptop.objects import connect
from local.notifications import Mailbox

DOCUMENT = "counter.json"
JOURNAL = f"{DOCUMENT}.journal/"
COPIES = f"{DOCUMENT}.copies/"
"""The report keeps a copy of the document here for each day of the week."""


class History:
    """The earlier versions, in the order in which they were replaced. Each is deleted once it is read, so that a
    long run needs no more space than a short one."""

    def __init__(self, folder: Path, audit: Audit) -> None:
        self._path = folder / FILE
        self._audit = audit
        self._connection = connect(self._path)

    def read(self) -> None:
        """Give the audit everything replaced or removed since the last call."""
        rows = self._connection.execute("DELETE FROM versions RETURNING rowid, name, data").fetchall()
        for _, name, data in sorted(rows):
            if name == DOCUMENT:
                self._audit.follow(data)
            elif name.startswith(JOURNAL):
                self._audit.entry_removed(name.removeprefix(JOURNAL))
            elif not name.startswith(COPIES):
                self._audit.violations.append(f"an object {name} should not exist")

    def end(self) -> None:
        """Give the audit the final document and journal, once nothing changes any more."""
        self.read()
        left = dict(self._connection.execute("SELECT name, data FROM objects").fetchall())
        document = left.pop(DOCUMENT, None)
        if document is not None:
            self._audit.follow(document)
        self._audit.conclude(name for name in left if not name.startswith(COPIES))

    def mails(self) -> int:
        """Return how many reports arrived."""
        mailbox = Mailbox(self._path)
        try:
            return len(mailbox.messages())
        finally:
            mailbox.close()

    def close(self) -> None:
        self._connection.close()
