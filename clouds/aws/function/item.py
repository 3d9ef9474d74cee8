"""The item that holds the document: the document compressed, and its totals as plain numbers beside it.

| attribute                                  | what it is                                                         |
|--------------------------------------------|--------------------------------------------------------------------|
| `counter_id`, or what `TABLE_KEY` names    | the table's key                                                    |
| `version`                                  | new with each write, and never the same again                      |
| `document`                                 | the document, compressed; as a person may put it back, plain       |
| `pageviews`, `uniqueVisitors`, `updatedAt` | for people who look at the table; never read                       |
| `visit_count`, `count`, `Count`,           | the page views once more, by the name that an older counter knows, |
| `visitorCount`, or `COUNT_ATTRIBUTE`       | of the type that it has there                                      |
| `last_updated`                             | when, as an older counter wrote it; only where it stands already   |
| `ItemExpireTTL`                            | an older counter's expiry: taken out, for it would delete the item |

Whatever else the item has is its owner's and stays.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from counter.packing import caught_up, totals, unpack

OLDER = ("visit_count", "count", "Count", "visitorCount")
"""What older counters call the page views. One of them alone makes an item that is picked up."""

UPDATED, EXPIRES = "last_updated", "ItemExpireTTL"

LARGEST = 300_000
"""Bytes of a compressed document. An item takes 400 KB in all; what the counter writes is a tenth of that."""

_UNREADABLE = b"There is a document in this item, but it cannot be read."

Item = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB sends it: each value in a mapping, by the name of its type."""


@dataclass(frozen=True, slots=True)
class Version:
    """What must still be in the item for a write to be good: the `version` that was read, empty where there was none
    of ours, and what an older counter had counted in its own attribute `name`, since it knows of no version: its type
    and text, empty where it is not there yet. `updated` is the type of last_updated, empty where there is none."""

    text: str
    name: str = ""
    kind: str = ""
    number: str = ""
    updated: str = ""

    @classmethod
    def parse(cls, token: str) -> Version:
        """The version that was written down as `token`."""
        try:
            return cls(*json.loads(token))
        except (ValueError, TypeError):
            return cls(token)

    def __str__(self) -> str:
        return json.dumps([self.text, self.name, self.kind, self.number, self.updated])

    def condition(self) -> tuple[str, dict[str, Any]]:
        """It in DynamoDB's words: an expression and the values in it. Names in it are `#` and the attribute's own."""
        has_version, values = "#version = :expected", {":expected": {"S": self.text}}
        if not self.text:
            # None of ours: there is none, or what a person wrote there.
            has_version = f"(NOT attribute_type(#version, :string) OR {has_version})"
            values[":string"] = {"S": "S"}
        if not self.name:
            return has_version, values
        if not self.kind:
            return f"{has_version} AND attribute_not_exists(#{self.name})", values
        return f"{has_version} AND #{self.name} = :was", {**values, ":was": {self.kind: self.number}}

    def after(self, text: str, data: bytes) -> tuple[Version, dict[str, Any]]:
        """The version with this `text` once the document `data` is written over this one, and its totals as
        attributes, those of an older counter in the types that they have there."""
        found = totals(data)
        numbers = {name: {"N": str(value)} for name, value in found.items()}
        if self.updated and "updatedAt" in found:
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found["updatedAt"]))
            numbers[UPDATED] = {"S": moment} if self.updated == "S" else numbers["updatedAt"]
        if not (self.name and "pageviews" in found):
            return Version(text, updated=self.updated), numbers
        new = replace(self, text=text, kind=self.kind or "N", number=str(found["pageviews"]))
        return new, {**numbers, self.name: {new.kind: new.number}}


def parse(item: Item, attribute: str | None) -> tuple[bytes, str]:
    """The document in `item`, or the one that an older counter's number stands for, and its version. The number is in
    `attribute`, or in one that is known. Where the item makes no sense this is no counter's document either, and
    refused by whoever reads it."""
    found = [name for name in ((attribute,) if attribute else OLDER) if item.get(name, {}).keys() & {"N", "S"}]
    name = found[0] if len(found) == 1 else attribute or ""
    kind, number = next(iter(item[name].items())) if found and name else ("", "")
    updated = next(iter(item.get(UPDATED, {}).keys() & {"N", "S"}), "")
    count = _whole(number)
    if "document" not in item and "version" not in item:
        # A number of another name may be a count: COUNT_ATTRIBUTE says so, and nobody begins at 0 beside it.
        is_new = not found and (attribute or not any("N" in item[other] for other in item.keys() - {UPDATED, EXPIRES}))
        count = 0 if is_new else count
        return json.dumps({} if count is None else {"count": count}).encode(), str(
            Version("", name, kind, number, updated)
        )
    text, data = item.get("version", {}).get("S", ""), _unpacked(item.get("document", {}))
    if count is not None:
        data = caught_up(data, count)
    return data, str(Version(text, name, kind, number, updated))


def _unpacked(document: Mapping[str, Any]) -> bytes:
    if isinstance(text := document.get("S"), str):
        return text.encode()
    if isinstance(stored := document.get("B"), bytes) and stored:
        return unpack(stored)
    return _UNREADABLE


def _whole(number: Any) -> int | None:
    try:
        return int(number)
    except (ValueError, TypeError):
        return None
