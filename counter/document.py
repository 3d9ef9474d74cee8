"""Writes a counter document, and parses one strictly, without holding a long list of visitors in memory.

An invalid document is refused with the reason. That is essential: a counter that starts over because it could not read
its document has lost every visit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from counter.history import MAX_NUMBER, is_day, is_whole
from counter.people import People
from counter.ranking import Ranking
from privacy import Seen, Sketch

_STRINGS = re.compile(r'(?:"[^"\\\x00-\x1f]*",[ \t\r\n]*){100}')
_LONG_LIST = re.compile(rf'"seen"[ \t\r\n]*:[ \t\r\n]*\[[ \t\r\n]*(?={_STRINGS.pattern})')
_STRING = re.compile('"([^"]*)"')
_CUT = "\0"

# The JSON of the members of large objects, kept from one write to the next: a visit changes one of them.
Texts = dict[str, tuple[Mapping[str, Any], Mapping[str, str]]]

_json = json.JSONEncoder(separators=(",", ":")).encode
_utf8 = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class NotACounter(ValueError):
    """The text is not a counter document. The message says why and does not quote it."""


def decode(data: bytes, seen_limit: int) -> tuple[dict[str, Any], Seen]:
    """The fields of the document `data` and the visitors it has seen. It may be one of ours, `{"count": N}`, or the
    four fields `pageviews`, `uniqueVisitors`, `seen`, `updatedAt`. The fields always include `pageviews` and
    `uniqueVisitors`, and never `seen` and `sketch`. `people` is a People, `pages` and `sources` are Rankings. Unknown
    keys are kept.

    Raises NotACounter for anything else.
    """
    try:
        return _decode(data, seen_limit)
    except NotACounter:
        raise
    except RecursionError as error:
        raise NotACounter("it is nested too deeply") from error
    except ValueError as error:
        raise NotACounter("it is not JSON, or was cut short") from error


def encode(fields: Mapping[str, Any], seen: Seen, texts: Texts) -> bytes:
    """The document of `fields` and `seen` as `decode` returns them: one JSON object in UTF-8, with unknown keys
    unchanged. `texts` is used and updated."""
    members = {key: _text(key, value, texts) for key, value in fields.items()}
    if seen.sketch is None:
        members["seen"] = _json(seen.hashes)
    else:
        members["sketch"] = _json(seen.sketch.text())
    return ("{" + ",".join(f"{_json(key)}:{text}" for key, text in members.items()) + "}").encode()


def _text(key: str, value: Any, texts: Texts) -> str:
    if isinstance(value, Ranking):
        parts = {part: _members(f"{key}.{part}", rows, texts, _utf8) for part, rows in value.content().items()}
        return "{" + ",".join(f'"{part}":{text}' for part, text in parts.items()) + "}"
    if key in ("days", "weeks", "months"):
        return _members(key, value, texts, _json)
    return _json(value.content() if isinstance(value, People) else value)


def _members(key: str, members: Any, texts: Texts, encoded: Callable[[Any], str]) -> str:
    if not isinstance(members, dict):
        return encoded(members)
    before, known = texts.get(key, ({}, {}))
    known = {
        name: known[name] if before.get(name) is member else f"{encoded(name)}:{encoded(member)}"
        for name, member in members.items()
    }
    texts[key] = members, known
    return "{" + ",".join(known.values()) + "}"


def _decode(data: bytes, seen_limit: int) -> tuple[dict[str, Any], Seen]:
    fields, seen = _read(data, seen_limit)
    for key, fits, what in _SHAPES:
        if key in fields and not fits(fields[key]):
            raise NotACounter(f"{key} is not {what}")
    for key in fields.keys() & _VALUES.keys():
        try:
            fields[key] = _VALUES[key](fields[key])
        except ValueError as error:
            raise NotACounter(f"{key} {error}") from error
    if sketch := fields.pop("sketch", None):
        # Both exist if an older counter, for which `sketch` is an unknown key, has started a new list.
        seen = Seen.of(seen.hashes, seen_limit, sketch.merge(seen.sketch) if seen.sketch else sketch)
    if "pageviews" not in fields and "count" not in fields:
        raise NotACounter("it has neither pageviews nor count")
    fields["pageviews"] = _total(fields, "pageviews" if "pageviews" in fields else "count")
    fields["uniqueVisitors"] = _total(fields, "uniqueVisitors") if "uniqueVisitors" in fields else seen.size()
    return fields, seen


def _read(data: bytes, seen_limit: int) -> tuple[dict[str, Any], Seen]:
    """The members of the document and the visitors in `seen`. Most of a long list is cut out before the JSON is parsed,
    and read one visitor at a time."""
    if not data.strip():
        raise NotACounter("it is empty")
    text = data.decode("utf-8-sig")
    found = _LONG_LIST.search(text)
    start = end = found.end() if found else 0
    while found and (many := _STRINGS.match(text, end)):
        end = many.end()
    fields = _object(f"{text[:start]}{json.dumps(_CUT)},{text[end:]}" if found else text)
    listed = fields.pop("seen", [])
    if not _are_texts(listed):
        raise NotACounter("seen is not a list of strings")
    if found and listed[:1] == [_CUT]:
        cut = (string[1] for string in _STRING.finditer(text, start, end))
        return fields, Seen.of(chain(cut, listed[1:]), seen_limit)
    if found:  # the list that was cut is a member of another object
        fields = _object(text)
        listed = fields.pop("seen", [])
    return fields, Seen.of(listed, seen_limit)


def _object(text: str) -> dict[str, Any]:
    content = _JSON.decode(text)
    if not isinstance(content, dict):
        raise NotACounter("it is not a JSON object")
    return content


def _refuse(constant: str) -> None:
    raise NotACounter(f"it holds {constant}, which is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotACounter("it holds a number that is too large")
    return number


_JSON = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _total(fields: Mapping[str, Any], key: str) -> int:
    value = fields[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NotACounter(f"{key} is not a number")
    if not 0 <= value <= MAX_NUMBER or value != int(value):
        raise NotACounter(f"{key} is negative, fractional or too large")
    return int(value)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _are_numbers(value: object) -> bool:
    return isinstance(value, dict) and all(map(is_whole, value.values()))


def _are_sums(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(sums, dict)
        and is_whole(sums.get("pageviews", 0))
        and is_whole(sums.get("newVisitors", 0))
        and is_whole(sums.get("visitors", 0))
        and _are_numbers(sums.get("filtered", {}))
        for sums in value.values()
    )


_SHAPES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("days", lambda value: _are_sums(value) and all(map(is_day, value)), "a history by date"),
    ("weeks", _are_numbers, "an object of whole numbers by week"),
    ("months", _are_sums, "a history by month"),
    ("requests", _are_numbers, "an object of whole numbers by month"),
    ("recent", _are_texts, "a list of strings"),
    ("folded", _are_texts, "a list of strings"),
)

_VALUES: Mapping[str, Callable[[Any], Any]] = {
    "sketch": Sketch.parse,
    "people": People.parse,
    "pages": Ranking.parse,
    "sources": Ranking.parse,
}
