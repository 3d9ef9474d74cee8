"""The document as the databases of other clouds keep it: compressed, with its totals beside it as plain numbers.

There a write is billed by its size or split into pieces by it, and a person who looks at the table wants to read how
many. An older counter may go on counting in a number of its own; what that is ahead, the document catches up with.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

TOTALS = ("pageviews", "uniqueVisitors", "updatedAt")

LONGEST = 16 * 2**20
"""Bytes that a document may be unpacked to."""


def pack(data: bytes) -> bytes:
    """The document `data`, compressed."""
    # The least effort: the visitors' hashes are as good as random, and more of it takes time and saves little.
    return zlib.compress(data, 1)


def unpack(packed: bytes) -> bytes:
    """The document in `packed`; what is none comes back as it is, to be refused by whoever reads it."""
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(packed, LONGEST)
    except zlib.error:
        return packed
    return data if unpacking.eof else packed


def totals(data: bytes) -> dict[str, int]:
    """The totals in the document `data`, by name, as far as they are whole numbers."""
    fields = _fields(data)
    return {name: fields[name] for name in TOTALS if isinstance(fields.get(name), int)}


def caught_up(data: bytes, count: int) -> bytes:
    """The document `data` with `count` page views where it has fewer."""
    fields = _fields(data)
    if not isinstance(fields.get("pageviews"), int) or fields["pageviews"] >= count:
        return data
    return json.dumps({**fields, "pageviews": count}, separators=(",", ":")).encode()


def _fields(data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
