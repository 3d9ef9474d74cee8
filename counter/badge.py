"""The number as a picture: a small SVG in the flat style of README badges, which loads and runs nothing.

The query is validated and then escaped. docs/decisions/0007-badge.md says why no library draws the badge.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from operator import mul
from pathlib import Path
from typing import NamedTuple

from counter.names import one_line, page_path
from counter.request import BadRequest
from counter.tally import Tally

MAX_LABEL = 40
PERIODS = {"today": "day", "week": "week", "month": "month"}

_LABELS = {
    "count": "page views",
    "unique": "visitors",
    "page": "page views",
    "today": "visitors today",
    "week": "visitors this week",
    "month": "visitors this month",
}
_HEX = re.compile(r"#?([0-9a-f]{6}|[0-9a-f]{3})(?:[0-9a-f]{1,2})?", re.ASCII)
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Badge(NamedTuple):
    """The options of a badge: the `metric`, a label, a color as `#rrggbb`, the path of a page, and whether large
    numbers are abbreviated."""

    metric: str
    label: str
    color: str
    page: str | None
    abbreviated: bool

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Badge:
        """The badge for a query. Unknown parameters are ignored, and an invalid label or color is replaced by the
        default, because a broken picture helps nobody. Raises BadRequest for an unknown metric."""
        page = page_path(query.get("page"))
        metric = query.get("metric", "page" if page else "count")
        if metric not in _LABELS:
            raise BadRequest("invalid_metric", f"metric must be one of {', '.join(_LABELS)}.")
        label = one_line(query.get("label", ""), MAX_LABEL) or _LABELS[metric]
        color = _color(query.get("color", "").strip().lower())
        return cls(metric, label, color, page, query.get("abbreviated", "").lower() in ("1", "true", "yes"))

    def message(self, tally: Tally, today: str) -> str:
        """The number in `tally` as text, or `?` if it is not known. `today` is the owner's date."""
        number: int | None = tally.pageviews
        estimate = False
        if self.metric == "unique":
            number, estimate = tally.unique, tally.unique_is_estimate
        elif self.metric == "page":
            number = tally.pages.count(self.page or "")
        elif kind := PERIODS.get(self.metric):
            number, estimate = tally.people_of(kind, today), tally.people.is_estimate(today, kind)
        if number is None:
            return "?"
        return ("~" if estimate else "") + (_short(number) if self.abbreviated else f"{number:,}")

    def svg(self, tally: Tally, today: str) -> bytes:
        """The badge with the number in `tally`. The same number gives the same bytes."""
        label, number, color = self.label, self.message(tally, today), self.color
        left, right = width(label) + 10, width(number) + 10
        total, name = left + right, f"{label}: {number}".translate(_ESCAPES)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="20" viewBox="0 0 {total} 20" role="img"'
            f' aria-label="{name}"><title>{name}</title>'
            '<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/>'
            '<stop offset="1" stop-opacity=".1"/></linearGradient>'
            f'<clipPath id="r"><rect width="{total}" height="20" rx="3" fill="#fff"/></clipPath>'
            f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#555"/>'
            f'<rect x="{left}" width="{right}" height="20" fill="{color}"/>'
            f'<rect width="{total}" height="20" fill="url(#s)"/></g>'
            '<g text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">'
            f"{_text(label, left / 2, '#fff')}{_text(number, left + right / 2, text_color(color))}</g></svg>\n"
        ).encode()


def colors() -> Mapping[str, str]:
    """The colors by the names people know. Blue and red are a shade darker than elsewhere, so that white text can be
    read on them."""
    return _inverted("colors")


@cache
def _inverted(member: str) -> Mapping[str, str]:
    groups = json.loads(Path(__file__).with_name("badge.json").read_text("utf-8"))[member]
    return {one: key for key, group in groups.items() for one in group}


def _color(named: str) -> str:
    digits = _HEX.fullmatch(named)
    if named in colors() or not digits:
        return colors().get(named, colors()["blue"])
    return "#" + (digits[1] if len(digits[1]) == 6 else "".join(digit * 2 for digit in digits[1]))


def width(text: str) -> int:
    """The width of `text` in pixels at 11 pixels in Verdana, rounded up."""
    return math.ceil(sum(map(_tenths, text)) / 10)


def text_color(background: str) -> str:
    """White or black, whichever is readable on `background` (`#rrggbb`): the contrast is at least 4.5 to 1. The
    luminance is that of the Web Content Accessibility Guidelines."""
    channels = (int(background[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    luminance = sum(map(mul, (0.2126, 0.7152, 0.0722), linear))
    return "#fff" if 1.05 / (luminance + 0.05) >= 4.5 else "#000"


def _text(text: str, middle: float, color: str) -> str:
    # textLength makes the text as wide as its box in any font. A shadow separates it from the background.
    place = f'x="{middle:g}" textLength="{width(text)}" lengthAdjust="spacingAndGlyphs"'
    shadow = "#010101" if color == "#fff" else "#ccc"
    shown = text.translate(_ESCAPES)
    return (
        f'<text aria-hidden="true" {place} y="15" fill="{shadow}" fill-opacity=".3">{shown}</text>'
        f'<text {place} y="14" fill="{color}">{shown}</text>'
    )


def _tenths(character: str) -> int:
    # Tenths of a pixel in Verdana at 11 pixels; DejaVu Sans on Linux differs by a few per cent.
    widths = _inverted("widths")
    if character in widths:
        return int(widths[character])
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):  # combining marks, and joiners in emoji
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return 110
    # A letter with an accent is as wide as the letter.
    return int(widths.get(unicodedata.normalize("NFD", character)[0], 75))


def _short(number: int) -> str:
    """`number` with a letter for thousands, as in 1.2k, rounded down so that it never shows too much."""
    for letter, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            tenths = number * 10 // size
            return f"{tenths / 10:g}{letter}" if tenths < 100 else f"{tenths // 10:,}{letter}"
    return str(number)
