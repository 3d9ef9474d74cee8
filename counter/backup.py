"""The stored document as text for a mail: complete if there is room, otherwise without its longest lists."""

from __future__ import annotations

import json
from typing import Any

from counter.tally import Tally

COLUMNS = 72
"""Lists are broken into lines of about this length, which mails leave alone."""

# What a document can do without, the least missed first: the visits in `recent` and `folded` are long over. After these
# it is the longest member, but never a total.
_EXPENDABLE = ("recent", "folded", "seen", "sketch")
_TOTALS = frozenset({"pageviews", "uniqueVisitors"})

_FORGETS_VISITORS = "Restored from this, the counter takes returning visitors for new ones, once."
_LOSSES = {
    "seen": _FORGETS_VISITORS,
    "sketch": _FORGETS_VISITORS,
    "days": "Restored from this, the history by day begins anew.",
}


def backup(tally: Tally, room: int) -> tuple[str, str]:
    """The document of `tally` in at most `room` bytes, counted as they are inside of a JSON string; and a few words on
    how to restore it, and what it lacks."""
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
    # A key that is not ours may be anything, and long.
    names = [name if name.isidentifier() and name.isascii() and len(name) <= 30 else "?" for name in lacking]
    shown = ", ".join(dict.fromkeys(names[:12]))
    losses = dict.fromkeys(_LOSSES[name] for name in lacking if name in _LOSSES)
    return " ".join((words, f"Left out, to keep the mail below 64 KB: {shown}.", *losses))


def _in_lines(value: Any) -> str:
    """JSON with a line for each member of an object, and lines of several members for a list."""
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
