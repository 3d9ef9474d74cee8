"""The table row with the document: in compressed chunks, with its totals next to them as plain numbers.

| property                                   | what it is                                                        |
|--------------------------------------------|-------------------------------------------------------------------|
| `chunks`                                   | the number of valid chunks; others are left from an older version |
| `document0`, `document1`, ...              | the chunks of at most 64 KB, the limit of a property              |
| `pageviews`, `uniqueVisitors`, `updatedAt` | for people who look at the table; never read                      |
| `count`                                    | the page views again, under the name that an older counter uses   |

All other properties belong to the owner and stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from azure.data.tables import EdmType, EntityProperty

from clouds.packing import caught_up, pack, totals, unpack

PARTITION = "counter"
ROW = "1"
"""The keys of the row with an older counter's `count`."""

CHUNK = 64 * 1024
MAX_CHUNKS = 15
"""A row may have 1 MB; this leaves 64 KB for everything else."""

_INT32 = range(-(2**31), 2**31)


class TooLarge(ValueError):
    """The document does not fit into a row."""


def row(data: bytes) -> dict[str, Any]:
    """The row with the document `data`, to be merged into the stored one. Raises TooLarge."""
    packed = pack(data)
    chunks = [packed[at : at + CHUNK] for at in range(0, len(packed), CHUNK)]
    if len(chunks) > MAX_CHUNKS:
        raise TooLarge
    named = {f"document{number}": chunk for number, chunk in enumerate(chunks)}
    return {"PartitionKey": PARTITION, "RowKey": ROW, **_numbers(data), "chunks": len(chunks), **named}


def document(row: Mapping[str, Any]) -> bytes:
    """The document in `row`, or one made from an older counter's `count`. From an invalid row comes an invalid
    document, which the caller refuses."""
    count = _count(row)
    if "chunks" not in row and "document0" not in row:
        return json.dumps({"count": count}, default=str).encode()
    data = unpack(_packed(row))
    return caught_up(data, count) if isinstance(count, int) else data


def _packed(row: Mapping[str, Any]) -> bytes:
    chunks = _plain(row.get("chunks"))
    if isinstance(chunks, int) and chunks in range(1, MAX_CHUNKS + 1):
        found = [row.get(f"document{number}") for number in range(chunks)]
        if packed := b"".join(chunk for chunk in found if isinstance(chunk, bytes)):
            return packed
    return b"There is a document in this row, but it cannot be read."


def _count(row: Mapping[str, Any]) -> object:
    """An older counter's number, which may be text; 0 if there is none, None if another property might be it."""
    if "count" not in row:
        return None if any(type(_plain(value)) in (int, float) for value in row.values()) else 0
    count = _plain(row["count"])
    return int(count) if isinstance(count, str) and count.isascii() and count.isdigit() else count


def _plain(value: object) -> object:
    # 64-bit numbers are wrapped with their type.
    return value.value if isinstance(value, EntityProperty) else value


def _numbers(data: bytes) -> dict[str, Any]:
    found = totals(data)
    if "pageviews" in found:
        found["count"] = found["pageviews"]
    return {name: _number(value) for name, value in found.items()}


def _number(value: int) -> int | EntityProperty:
    # As 32 bits if it fits: an older counter adds 1 to what it reads, which fails for a wrapped number.
    return value if value in _INT32 else EntityProperty(value, EdmType.INT64)
