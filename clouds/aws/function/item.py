"""The DynamoDB item with the document: compressed, with its totals next to it as plain numbers.

| attribute                                  | what it is                                                         |
|--------------------------------------------|--------------------------------------------------------------------|
| `counter_id`, or what `TABLE_KEY` names    | the table's key                                                    |
| `version`                                  | random, new with each write                                        |
| `document`                                 | the document, compressed; an owner may restore it as plain text    |
| `pageviews`, `uniqueVisitors`, `updatedAt` | for people who look at the table; never read                       |
| `visit_count`, `count`, `Count`,           | the page views again, under the name that an older counter uses,   |
| `visitorCount`, or `COUNT_ATTRIBUTE`       | with the type that the attribute has                               |
| `last_updated`                             | the time in an older counter's format; only if it exists already   |
| `ItemExpireTTL`                            | an older counter's expiry: removed, it would delete the item       |

All other attributes belong to the owner and stay.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from clouds.packing import caught_up, totals, unpack

OLDER = ("visit_count", "count", "Count", "visitorCount")
"""The names that older counters use for the page views. An item with exactly one of them is adopted."""

UPDATED, EXPIRES = "last_updated", "ItemExpireTTL"

MAX_BYTES = 300_000
"""The largest compressed document, in bytes. An item may have 400 KB; the counter writes about a tenth of that."""

_UNREADABLE = b"There is a document in this item, but it cannot be read."

Item = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB sends it: each value is a mapping from the name of its type to the value."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a write requires of the item: the `version` that was read, empty if we have written none yet; and the type
    and text of an older counter's number in the attribute `name`, empty if it does not exist yet, because an older
    counter does not set a version. `updated` is the type of last_updated, empty if it does not exist."""

    text: str
    name: str = ""
    kind: str = ""
    number: str = ""
    updated: str = ""

    @classmethod
    def parse(cls, token: str) -> Version:
        """The version from its text form `token`."""
        try:
            return cls(*json.loads(token))
        except (ValueError, TypeError):
            return cls(token)

    def __str__(self) -> str:
        return json.dumps([self.text, self.name, self.kind, self.number, self.updated])

    def condition(self) -> tuple[str, dict[str, Any]]:
        """The condition for DynamoDB: an expression, with `#NAME` for the attribute NAME, and its values."""
        has_version, values = "#version = :expected", {":expected": {"S": self.text}}
        if not self.text:
            # We have written no version: there is none, or one that a person wrote.
            has_version = f"(NOT attribute_type(#version, :string) OR {has_version})"
            values[":string"] = {"S": "S"}
        if not self.name:
            return has_version, values
        if not self.kind:
            return f"{has_version} AND attribute_not_exists(#{self.name})", values
        return f"{has_version} AND #{self.name} = :was", {**values, ":was": {self.kind: self.number}}

    def after(self, text: str, data: bytes) -> tuple[Version, dict[str, Any]]:
        """The version with this `text` after the document `data` has been written, and its totals as attributes, those
        of an older counter with the types that they have in the item."""
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
    """The document in `item`, or one made from an older counter's number, and its version. The number is in `attribute`
    or in a known one. From an invalid item comes an invalid document, which the caller refuses."""
    found = [name for name in ((attribute,) if attribute else OLDER) if item.get(name, {}).keys() & {"N", "S"}]
    name = found[0] if len(found) == 1 else attribute or ""
    kind, number = next(iter(item[name].items())) if found and name else ("", "")
    updated = next(iter(item.get(UPDATED, {}).keys() & {"N", "S"}), "")
    count = _whole(number)
    if "document" not in item and "version" not in item:
        # A number with an unknown name may be a count: the item is refused until COUNT_ATTRIBUTE is set.
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
