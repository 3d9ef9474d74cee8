"""The document as AWS's and Azure's databases store it: compressed, with its totals next to it as plain numbers.

It is compressed because these databases bill or split a write by its size. The totals are for people who look at the
table. An older counter may keep counting in a number of its own; the document catches up with it.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

TOTALS = ("pageviews", "uniqueVisitors", "updatedAt")

MAX_UNPACKED = 16 * 2**20
"""The largest document, in bytes, that is unpacked."""


def pack(data: bytes) -> bytes:
    """The document `data`, compressed."""
    # The fastest level: hashes hardly compress, so a higher level takes time and saves little.
    return zlib.compress(data, 1)


def unpack(packed: bytes) -> bytes:
    """The document in `packed`. Anything else is returned as it is, for the caller to refuse."""
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(packed, MAX_UNPACKED)
    except zlib.error:
        return packed
    return data if unpacking.eof else packed


def totals(data: bytes) -> dict[str, int]:
    """The totals in the document `data` by name, without those that are not whole numbers."""
    fields = _fields(data)
    return {name: fields[name] for name in TOTALS if isinstance(fields.get(name), int)}


def caught_up(data: bytes, count: int) -> bytes:
    """The document `data` with at least `count` page views."""
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
