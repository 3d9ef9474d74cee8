"""Parses a counter document strictly, without holding a long list of visitors in memory.

An invalid document is refused with the reason. That is essential: a counter that starts over because it could not read
its document has lost every visit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from json.decoder import WHITESPACE, JSONDecoder, scanstring  # type: ignore[attr-defined]
from typing import Any

from counter.history import MAX_NUMBER, is_day, is_whole
from counter.people import People
from counter.ranking import Ranking
from privacy import Seen, Sketch

_HASHES = re.compile('(?:"[0-9a-f]{64}", ?){100}')  # a million visitors are read a hundred at a time


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


def _decode(data: bytes, seen_limit: int) -> tuple[dict[str, Any], Seen]:
    fields, seen = _read(data, seen_limit)
    if "sketch" in fields:
        # Both exist if an older counter, for which `sketch` is an unknown key, has started a new list.
        sketch = _sketch(fields.pop("sketch"))
        seen = Seen.of(seen.hashes, seen_limit, sketch.merge(seen.sketch) if seen.sketch else sketch)
    if "pageviews" not in fields and "count" not in fields:
        raise NotACounter("it has neither pageviews nor count")
    fields["pageviews"] = _total(fields, "pageviews" if "pageviews" in fields else "count")
    fields["uniqueVisitors"] = _total(fields, "uniqueVisitors") if "uniqueVisitors" in fields else seen.size()
    for key, fits, what in _SHAPES:
        if key in fields and not fits(fields[key]):
            raise NotACounter(f"{key} is not {what}")
    for key in fields.keys() & _VALUES.keys():
        try:
            fields[key] = _VALUES[key](fields[key])
        except ValueError as error:
            raise NotACounter(f"{key} cannot be read") from error
    return fields, seen


def _read(data: bytes, seen_limit: int) -> tuple[dict[str, Any], Seen]:
    if not data.strip():
        raise NotACounter("it is empty")
    fields: dict[str, Any] = {}
    seen = Seen()
    for key, value in _members(data.decode("utf-8-sig")):
        if key != "seen":
            fields[key] = value
        elif isinstance(value, Iterator):
            seen = Seen.of(value, seen_limit)
        else:
            raise NotACounter("seen is not a list of strings")
    return fields, seen


def _refuse(constant: str) -> None:
    raise NotACounter(f"it holds {constant}, which is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotACounter("it holds a number that is too large")
    return number


_JSON = JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _members(text: str) -> Iterator[tuple[str, Any]]:
    """The members of the JSON object `text`. A list called `seen` is an iterator over its strings, which must be
    exhausted before the next member is read."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        _JSON.decode(text)
        raise NotACounter("it is not a JSON object")
    at = _skip(text, at + 1)
    closed = text[at : at + 1] == "}"
    while not closed:
        _expect(text, at, '"')
        key, at = scanstring(text, at + 1, True)
        at = _skip(text, at)
        _expect(text, at, ":")
        at = _skip(text, at + 1)
        if key == "seen" and text[at : at + 1] == "[":
            strings = _Strings(text, at)
            yield key, iter(strings)
            at = strings.end
        else:
            value, at = _JSON.raw_decode(text, at)
            yield key, value
        at = _skip(text, at)
        closed = text[at : at + 1] == "}"
        if not closed:
            _expect(text, at, ",")
            at = _skip(text, at + 1)
    if _skip(text, at + 1) != len(text):
        raise NotACounter("something follows the JSON object")


class _Strings:
    """The JSON list of strings that starts at `at`; after the iteration `end` is the position behind it."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self.end = at

    def __iter__(self) -> Iterator[str]:
        text = self._text
        at = _skip(text, self.end + 1)
        closed = text[at : at + 1] == "]"
        while not closed:
            while many := _HASHES.match(text, at):
                yield from many[0].replace(" ", "")[1:-2].split('","')
                at = many.end()
            if text[at : at + 1] != '"':
                raise NotACounter("seen is not a list of strings")
            string, at = scanstring(text, at + 1, True)
            yield string
            at = _skip(text, at)
            closed = text[at : at + 1] == "]"
            if not closed:
                _expect(text, at, ",")
                at = _skip(text, at + 1)
        self.end = at + 1


def _skip(text: str, at: int) -> int:
    return WHITESPACE.match(text, at).end()  # type: ignore[no-any-return]


def _expect(text: str, at: int, char: str) -> None:
    if text[at : at + 1] != char:
        raise NotACounter("it is not JSON, or was cut short")


def _sketch(text: object) -> Sketch:
    if not isinstance(text, str):
        raise NotACounter("sketch is not text")
    try:
        return Sketch.parse(text)
    except ValueError as error:
        raise NotACounter(str(error)) from error


def _total(fields: Mapping[str, Any], key: str) -> int:
    value = fields[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NotACounter(f"{key} is not a number")
    if value < 0:
        raise NotACounter(f"{key} is negative")
    if value != int(value):
        raise NotACounter(f"{key} is fractional")
    if value > MAX_NUMBER:
        raise NotACounter(f"{key} is too large")
    return int(value)


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(visit_id, str) for visit_id in value)


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


def _are_days(value: object) -> bool:
    return _are_sums(value) and isinstance(value, dict) and all(map(is_day, value))


_SHAPES: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("days", _are_days, "a history by date"),
    ("weeks", _are_numbers, "an object of whole numbers by week"),
    ("months", _are_sums, "a history by month"),
    ("requests", _are_numbers, "an object of whole numbers by month"),
    ("recent", _are_ids, "a list of strings"),
    ("folded", _are_ids, "a list of strings"),
)

_VALUES: Mapping[str, Callable[[Any], Any]] = {"people": People.parse, "pages": Ranking.parse, "sources": Ranking.parse}
