"""The document as text for the mail: complete if it fits, otherwise without its longest members."""

from __future__ import annotations

import json
from typing import Any

from counter.tally import Tally

COLUMNS = 72  # mail programs do not wrap lines this short

# The least missed first: the visits in `recent` and `folded` are long over. After these it is the longest member.
_EXPENDABLE = ("recent", "folded", "people", "seen", "sketch")
_TOTALS = ("pageviews", "uniqueVisitors")

_LOSSES = {
    **dict.fromkeys(("seen", "sketch"), "the counter counts each returning visitor as new once more."),
    "people": "who came today, this week or this month is counted once more in it.",
    "pages": "the counting of pages starts over.",
    "sources": "the counting of sources starts over.",
    "days": "the history by day starts over.",
}

_compact = json.JSONEncoder(separators=(",", ":")).encode


def backup(tally: Tally, room: int) -> tuple[str, str]:
    """The document of `tally` in at most `room` bytes, measured inside a JSON string, and a note on how to restore it
    and what is missing."""
    members = {key: f"{json.dumps(key)}: {_in_lines(value)}" for key, value in json.loads(tally.encode()).items()}
    costs = {key: len(json.dumps(f"{text},\n")) for key, text in members.items()}
    others = [key for key in costs if key not in (*_EXPENDABLE, *_TOTALS)]
    total, left_out = sum(costs.values()), list[str]()
    for key in (*_EXPENDABLE, *sorted(others, key=lambda key: -costs[key])):
        if total > room and key in costs:
            total -= costs.pop(key)
            left_out.append(key)
    note = ["To restore it, save this as counter.json."]
    if left_out:
        # A key that is not ours may be any text of any length.
        names = [name if name.isidentifier() and name.isascii() and len(name) <= 30 else "?" for name in left_out]
        note.append(f"Left out, to keep the mail below 64 KB: {', '.join(dict.fromkeys(names[:12]))}.")
    losses = dict.fromkeys(f"Restored from this, {_LOSSES[name]}" for name in left_out if name in _LOSSES)
    return "{\n" + ",\n".join(members[key] for key in costs) + "\n}", " ".join([*note, *losses])


def _in_lines(value: Any) -> str:
    """JSON with one line per member of an object, and several members of a list per line."""
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"  {json.dumps(key)}: {_compact(member)}" for key, member in value.items()) + "\n}"
    if isinstance(value, list) and value:
        lines = [""]
        for text in map(_compact, value):
            if lines[-1] and len(lines[-1]) + len(text) > COLUMNS:
                lines.append("")
            lines[-1] += f", {text}" if lines[-1] else f"  {text}"
        return "[\n" + ",\n".join(lines) + "\n]"
    return _compact(value)
