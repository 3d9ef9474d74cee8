"""The item that holds the document: the document compressed, and its totals as plain numbers beside it.

| attribute                                  | what it is                                                         |
|--------------------------------------------|--------------------------------------------------------------------|
| `counter_id`                               | the table's key                                                    |
| `version`                                  | new with each write, and never the same again                      |
| `document`                                 | the document, compressed; as a person may put it back, plain       |
| `pageviews`, `uniqueVisitors`, `updatedAt` | for people who look at the table; never read                       |
| `visit_count`, `count` or `visitorCount`   | the page views once more, by the name that an older counter knows  |

Whatever else the item has is its owner's and stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counter.packing import caught_up, totals, unpack

KEY = "counter_id"
OLDER = ("visit_count", "count", "visitorCount")
"""What older counters call the page views. One of them alone makes an item that is picked up."""

LARGEST = 300_000
"""Bytes of a compressed document. An item takes 400 KB in all; what the counter writes is a tenth of that."""

_UNREADABLE = b"There is a document in this item, but it cannot be read."

Item = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB sends it: each value in a mapping, by the name of its type."""


@dataclass(frozen=True, slots=True)
class Version:
    """What must still be in the item for a write to be good: the `version` that was read, empty where there was none
    of ours, and what an older counter had counted in its own attribute, since it knows of no version."""

    text: str
    name: str = ""
    number: str = ""

    @classmethod
    def parse(cls, token: str) -> Version:
        """The version that was written down as `token`."""
        older, is_ours, text = token.partition(" ")
        name, _, number = older.partition("=")
        return cls(text, name, number) if is_ours else cls(token)

    def __str__(self) -> str:
        # The text last: who put a document back may have given it any.
        return f"{self.name}={self.number} {self.text}"

    def condition(self) -> tuple[str, dict[str, Any]]:
        """It in DynamoDB's words: an expression and the values in it. Names in it are `#` and the attribute's own."""
        has_number = f"#{self.name} = :was" if self.name else ""
        values = {":was": {"N": self.number}} if self.name else {}
        has_version = "#version = :expected"
        values[":expected"] = {"S": self.text}
        if not self.text:
            # None of ours: there is none, or what a person wrote there.
            has_version = f"(NOT attribute_type(#version, :string) OR {has_version})"
            values[":string"] = {"S": "S"}
        return f"{has_version} AND {has_number}" if has_number else has_version, values


def numbers(data: bytes, older: str) -> dict[str, Any]:
    """The totals in the document `data`, as attributes; the page views also by the name `older`, if that is one."""
    found = totals(data)
    if older and "pageviews" in found:
        found[older] = found["pageviews"]
    return {name: {"N": str(value)} for name, value in found.items()}


def parse(item: Item) -> tuple[bytes, str]:
    """The document in `item`, or the one that an older counter's number stands for, and its version. Where the item
    makes no sense this is no counter's document either, and refused by whoever reads it."""
    found = [name for name in OLDER if "N" in item.get(name, {})]
    name = found[0] if len(found) == 1 else ""
    number = item[name]["N"] if name else ""
    if "document" not in item and "version" not in item:
        return (f'{{"count": {number}}}' if name else "{}").encode(), str(Version("", name, number))
    text, data = item.get("version", {}).get("S", ""), _unpacked(item.get("document", {}))
    if name and (count := _whole(number)) is not None:
        data = caught_up(data, count)
    return data, str(Version(text, name, number))


def _unpacked(document: Mapping[str, Any]) -> bytes:
    if isinstance(text := document.get("S"), str):
        return text.encode()
    if isinstance(stored := document.get("B"), bytes) and stored:
        return unpack(stored)
    return _UNREADABLE


def _whole(number: str) -> int | None:
    try:
        return int(number)
    except ValueError:
        return None
