"""The objects of the stand-in: named bytes with an ETag, in one SQLite file.

They keep Object Storage's promises: reads see the last write, a conditional write is atomic, and an ETag is never
reused, even for the same bytes.
"""

import base64
import hashlib
import sqlite3
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL, etag TEXT NOT NULL, modified REAL NOT NULL,
    PRIMARY KEY (bucket, name)
);
CREATE TABLE IF NOT EXISTS versioned (bucket TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    bucket TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL, etag TEXT NOT NULL, modified REAL NOT NULL
);
"""
# Created with the first bucket that keeps versions, so that other files do not pay for it.
TRIGGER = """
CREATE TRIGGER IF NOT EXISTS keep_{when} BEFORE {when} ON objects
WHEN OLD.bucket IN (SELECT bucket FROM versioned)
BEGIN INSERT INTO versions VALUES (OLD.bucket, OLD.name, OLD.data, OLD.etag, OLD.modified); END;
"""
UPDATE = "UPDATE objects SET data = ?, etag = ?, modified = ? WHERE bucket = ? AND name = ? AND etag = ?"
INSERT = "INSERT INTO objects (data, etag, modified, bucket, name) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO "
CREATE = INSERT + "NOTHING"
OVERWRITE = INSERT + "UPDATE SET data = excluded.data, etag = excluded.etag, modified = excluded.modified"
DELETE = "DELETE FROM objects WHERE bucket = ? AND name = ? AND etag = coalesce(?, etag)"
LAST = "\U0010ffff"


class PreconditionFailed(Exception):
    """The condition did not hold; nothing was changed. `code` is Oracle's error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Stored:
    """One object, as of the time of the call."""

    name: str
    data: bytes
    etag: str
    modified: float

    @property
    def md5(self) -> str:
        """The MD5 of the data in base64, as in HTTP headers."""
        return md5_of(self.data)


def md5_of(data: bytes) -> str:
    """Return the MD5 of the data in base64, as in HTTP headers."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def connect(path: str | Path) -> sqlite3.Connection:
    """Open the stand-in's file with the settings that all its users share: WAL, and no fsync per write."""
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False, cached_statements=64)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


class Objects:
    """Objects by bucket and name. Thread-safe; `path` may be `":memory:"`.

    Each method is atomic, and of several writers with the same condition exactly one wins.
    """

    def __init__(self, path: str | Path = ":memory:") -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection = connect(path)
        self._connection.executescript(SCHEMA)
        self._buckets = {name for (name,) in self._connection.execute("SELECT name FROM buckets")}

    @property
    def buckets(self) -> frozenset[str]:
        """The names of all buckets."""
        return frozenset(self._buckets)

    def has_bucket(self, bucket: str) -> bool:
        """Return whether the bucket exists."""
        return bucket in self._buckets

    def create_bucket(self, bucket: str) -> None:
        """Create a bucket, unless it exists."""
        with self._lock:
            self._connection.execute("INSERT OR IGNORE INTO buckets VALUES (?)", (bucket,))
            self._buckets.add(bucket)

    def keep_versions(self, bucket: str) -> None:
        """From now on keep old versions of this bucket's objects."""
        with self._lock:
            self._connection.execute("INSERT OR IGNORE INTO versioned VALUES (?)", (bucket,))
            self._connection.executescript("".join(TRIGGER.format(when=when) for when in ("UPDATE", "DELETE")))

    def versions(self, bucket: str, prefix: str = "") -> list[Stored]:
        """Return all versions of all objects, newest first for each name. Each version has its own ETag."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT name, data, etag, modified, 1 AS replaced, rowid AS age FROM versions"
                " WHERE bucket = :bucket AND name >= :prefix AND name < :end"
                " UNION ALL SELECT name, data, etag, modified, 0, 0 FROM objects"
                " WHERE bucket = :bucket AND name >= :prefix AND name < :end ORDER BY name, replaced, age DESC",
                {"bucket": bucket, "prefix": prefix, "end": prefix + LAST},
            ).fetchall()
        return [Stored(*row[:4]) for row in rows]

    def get(self, bucket: str, name: str) -> Stored | None:
        """Return the object, or None if it does not exist."""
        with self._lock:
            row = self._connection.execute(
                "SELECT data, etag, modified FROM objects WHERE bucket = ? AND name = ?", (bucket, name)
            ).fetchone()
        return Stored(name, *row) if row else None

    def put(
        self, bucket: str, name: str, data: bytes, if_match: str | None = None, if_none_match: str | None = None
    ) -> str:
        """Write the object and return its new ETag. A missing bucket is created.

        With `if_match` it writes only over this ETag, with `if_none_match="*"` only if there is no object; otherwise it
        raises PreconditionFailed. An `if_match` on an absent object fails like a stale one: Oracle does not document
        this, S3 answers 404, and the function must accept either.
        """
        if bucket not in self._buckets:
            self.create_bucket(bucket)
        etag = str(uuid.uuid4())
        # One statement for condition and write, so that another process on the same file cannot interfere.
        values: tuple[object, ...] = (data, etag, time.time(), bucket, name)
        if if_match is not None:
            statement, values = UPDATE, (*values, if_match)
        else:
            statement = CREATE if if_none_match is not None else OVERWRITE
        with self._lock:
            written = self._connection.execute(statement, values).rowcount
        if not written:
            raise PreconditionFailed("IfNoneMatchFailed" if if_match is None else "IfMatchFailed")
        return etag

    def delete(self, bucket: str, name: str, if_match: str | None = None) -> bool:
        """Remove the object; return False if it did not exist. Raises PreconditionFailed if `if_match` is not its
        ETag."""
        with self._lock:
            removed = self._connection.execute(DELETE, (bucket, name, if_match)).rowcount
        if not removed and if_match is not None and self.get(bucket, name):
            raise PreconditionFailed("IfMatchFailed")
        return bool(removed)

    def list(
        self, bucket: str, prefix: str = "", start: str = "", end: str | None = None, limit: int = 1000
    ) -> list[Stored]:
        """Return at most `limit` objects sorted by name, from `start` up to but not including `end`."""
        # SQLite compares text as UTF-8 bytes, as Object Storage does.
        with self._lock:
            rows = self._connection.execute(
                "SELECT name, data, etag, modified FROM objects WHERE bucket = ? AND name >= ?"
                " AND name < ? ORDER BY name LIMIT ?",
                (bucket, max(start, prefix), min(end or LAST, prefix + LAST), limit),
            ).fetchall()
        return [Stored(*row) for row in rows]

    def close(self) -> None:
        """Close the file. The objects cannot be used afterwards."""
        with self._lock:
            self._connection.close()
