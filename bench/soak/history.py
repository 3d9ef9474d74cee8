"""What the stand-in kept of the document and its journal, taken out of its file piece by piece."""

from __future__ import annotations

from pathlib import Path

from bench.soak.audit import Audit
from bench.soak.stand_in import FILE
from clouds.oracle.laptop.objects import connect
from local.notifications import Mailbox

DOCUMENT = "counter.json"
JOURNAL = f"{DOCUMENT}.journal/"
COPIES = f"{DOCUMENT}.copies/"
"""The report keeps a copy of the document for each day of the week."""


class History:
    """The earlier versions in the order in which they were replaced. They are removed as they are read, so that a long
    run needs no more room than a short one."""

    def __init__(self, folder: Path, audit: Audit) -> None:
        self._path = folder / FILE
        self._audit = audit
        self._connection = connect(self._path)

    def read(self) -> None:
        """Hands the audit whatever was replaced or removed since the last time."""
        rows = self._connection.execute("DELETE FROM versions RETURNING rowid, name, data").fetchall()
        for _, name, data in sorted(rows):
            if name == DOCUMENT:
                self._audit.follow(data)
            elif name.startswith(JOURNAL):
                self._audit.removed(name.removeprefix(JOURNAL))
            elif not name.startswith(COPIES):
                self._audit.violations.append(f"an object {name} was there, and nobody should write one")

    def end(self) -> None:
        """Hands the audit what is left when nothing moves any more: the document as it is, and the journal."""
        self.read()
        left = dict(self._connection.execute("SELECT name, data FROM objects").fetchall())
        document = left.pop(DOCUMENT, None)
        if document is not None:
            self._audit.follow(document)
        self._audit.conclude(name for name in left if not name.startswith(COPIES))

    def mails(self) -> int:
        """Reports that arrived."""
        mailbox = Mailbox(self._path)
        try:
            return len(mailbox.messages())
        finally:
            mailbox.close()

    def close(self) -> None:
        self._connection.close()
