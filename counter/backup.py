"""The document as text for the mail: complete if it fits, otherwise without its longest members."""

from __future__ import annotations

import json
from typing import Any

from counter.tally import Tally

COLUMNS = 72
"""About how long the lines of a list are: mail programs do not wrap lines this short."""

# What a document can do without, the least missed first: the visits in `recent` and `folded` are long over. After these
# it is the longest member, but never a total.
_EXPENDABLE = ("recent", "folded", "people", "seen", "sketch")
_TOTALS = frozenset({"pageviews", "uniqueVisitors"})

_FORGETS_VISITORS = "Restored from this, the counter counts each returning visitor as new once more."
_LOSSES = {
    "seen": _FORGETS_VISITORS,
    "sketch": _FORGETS_VISITORS,
    "people": "Restored from this, who came today, this week or this month is counted once more in it.",
    "pages": "Restored from this, the counting of pages starts over.",
    "sources": "Restored from this, the counting of sources starts over.",
    "days": "Restored from this, the history by day starts over.",
}


def backup(tally: Tally, room: int) -> tuple[str, str]:
    """The document of `tally` in at most `room` bytes, measured inside a JSON string, and a note on how to restore it
    and what is missing."""
    members = {key: f"{json.dumps(key)}: {_in_lines(value)}" for key, value in json.loads(tally.encode()).items()}
    costs = {key: len(json.dumps(f"{text},\n")) for key, text in members.items()}
    rest = sorted(costs.keys() - {*_EXPENDABLE, *_TOTALS}, key=lambda key: costs[key], reverse=True)
    total, lacking = sum(costs.values()), list[str]()
    for key in (*_EXPENDABLE, *rest):
        if total > room and key in costs:
            total -= costs.pop(key)
            lacking.append(key)
    return "{\n" + ",\n".join(members[key] for key in costs) + "\n}", _explained(lacking)


def _explained(lacking: list[str]) -> str:
    words = "To restore it, save this as counter.json."
    if not lacking:
        return words
    # A key that is not ours may be any text of any length.
    names = [name if name.isidentifier() and name.isascii() and len(name) <= 30 else "?" for name in lacking]
    shown = ", ".join(dict.fromkeys(names[:12]))
    losses = dict.fromkeys(_LOSSES[name] for name in lacking if name in _LOSSES)
    return " ".join((words, f"Left out, to keep the mail below 64 KB: {shown}.", *losses))


def _in_lines(value: Any) -> str:
    """JSON with one line per member of an object, and several members of a list per line."""
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"  {json.dumps(key)}: {_compact(member)}" for key, member in value.items()) + "\n}"
    if isinstance(value, list) and value:
        lines = [""]
        for member in value:
            text = _compact(member)
            if lines[-1] and len(lines[-1]) + len(text) > COLUMNS:
                lines.append("")
            lines[-1] += f", {text}" if lines[-1] else f"  {text}"
        return "[\n" + ",\n".join(lines) + "\n]"
    return _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
