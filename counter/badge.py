"""The number as a picture: a small SVG in the flat style of the badges that READMEs carry.

Whatever the query says is checked first and escaped after that, and the picture loads nothing and runs nothing. Why it
is drawn here and not by a library is in docs/decisions/0007-badge.md.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from counter.request import BadRequest
from counter.tally import Tally

LONGEST_LABEL = 40

COLORS: Mapping[str, str] = {
    "brightgreen": "#44cc11",
    "green": "#97ca00",
    "yellowgreen": "#a4a61d",
    "yellow": "#dfb317",
    "orange": "#fe7d37",
    "red": "#c43d2f",
    "blue": "#0a6fb5",
    "purple": "#7b4fc9",
    "grey": "#555555",
    "gray": "#555555",
    "lightgrey": "#9f9f9f",
    "lightgray": "#9f9f9f",
    "black": "#222222",
}
"""The names people know. Blue and red are a shade darker than elsewhere, so that white text can be read on them."""

_LABELS = {"count": "page views", "unique": "visitors"}
_HEX = re.compile(r"[0-9a-f]{3}|[0-9a-f]{6}", re.ASCII)
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')

# Tenths of a pixel at 11 pixels, in Verdana; DejaVu Sans, which Linux shows instead, differs by a few per cent.
_WIDTHS = {
    character: width
    for width, characters in (
        (30, "'il"),
        (38, "j"),
        (39, " f"),
        (40, ",."),
        (43, "!t"),
        (46, "I"),
        (47, "r"),
        (50, '"()-/:;J[\\]|'),
        (57, "cs"),
        (58, "z"),
        (60, "?"),
        (61, "L"),
        (63, "F"),
        (65, "kvxy"),
        (66, "Pae"),
        (67, "o"),
        (68, "TY"),
        (69, "bdgpq"),
        (70, "$*0123456789E_`hnu{}"),
        (75, "ABSVXZ"),
        (76, "KR"),
        (77, "C"),
        (80, "&"),
        (81, "U"),
        (82, "N"),
        (83, "H"),
        (85, "DG"),
        (87, "OQ"),
        (90, "#+<=>^w~"),
        (93, "M"),
        (107, "m"),
        (109, "W"),
        (110, "@"),
        (118, "%"),
    )
    for character in characters
}
_WIDE, _OTHER = 110, 75
_PADDING = 5
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


@dataclass(frozen=True, slots=True)
class Badge:
    """What a badge shows and how: the `metric` (`count` or `unique`), a label, and a color as `#rrggbb`."""

    metric: str
    label: str
    color: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Badge:
        """The badge that a query asks for. Parameters it does not know are no concern of it.

        Raises BadRequest for a metric, label or color that is not one."""
        metric = query.get("metric", "count")
        if metric not in _LABELS:
            raise BadRequest("invalid_metric", "metric must be count or unique.")
        # Control characters, and those that turn the direction of writing around, are not printable.
        label = query.get("label", _LABELS[metric])
        if not (label.strip() and len(label) <= LONGEST_LABEL and label.isprintable()):
            raise BadRequest("invalid_label", f"label must be 1 to {LONGEST_LABEL} printable characters.")
        color = query.get("color", "blue").lower()
        if color not in COLORS and not _HEX.fullmatch(color):
            raise BadRequest("invalid_color", f"color must be 3 or 6 hex digits, or one of {', '.join(COLORS)}.")
        return cls(metric, label.strip(), COLORS.get(color) or _six_digits(color))

    def message(self, tally: Tally) -> str:
        """The number in `tally`, as people write it."""
        number = f"{tally.unique if self.metric == 'unique' else tally.pageviews:,}"
        return f"~{number}" if self.metric == "unique" and tally.unique_is_estimate else number

    def svg(self, tally: Tally) -> bytes:
        """The badge with the number in `tally`. The same number gives the same bytes."""
        return _draw(self.label, self.message(tally), self.color).encode()


def tag(picture: bytes) -> str:
    """The strong ETag of a picture: another one as soon as a byte differs."""
    return f'"{hashlib.sha256(picture).hexdigest()[:24]}"'


def is_known(etag: str, if_none_match: str) -> bool:
    """Whether an If-None-Match header (`*`, or a list of strong and weak tags) names `etag`."""
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)


def width(text: str) -> int:
    """How many pixels `text` takes at 11 pixels in Verdana, rounded up."""
    return math.ceil(sum(map(_tenths, text)) / 10)


def text_color(background: str) -> str:
    """White or black, whatever can be read on `background` (`#rrggbb`): the contrast is 4.5 to 1 at least."""
    return "#fff" if 1.05 / (_luminance(background) + 0.05) >= 4.5 else "#000"


def _draw(label: str, number: str, color: str) -> str:
    left, right = width(label) + 2 * _PADDING, width(number) + 2 * _PADDING
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
    )


def _text(text: str, middle: float, color: str) -> str:
    # textLength makes the text as wide as its place, whatever font there is. A shadow sets it off from its ground.
    place = f'x="{middle:g}" textLength="{width(text)}" lengthAdjust="spacingAndGlyphs"'
    shadow = "#010101" if color == "#fff" else "#ccc"
    shown = text.translate(_ESCAPES)
    return (
        f'<text aria-hidden="true" {place} y="15" fill="{shadow}" fill-opacity=".3">{shown}</text>'
        f'<text {place} y="14" fill="{color}">{shown}</text>'
    )


def _tenths(character: str) -> int:
    if character in _WIDTHS:
        return _WIDTHS[character]
    if unicodedata.combining(character):
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return _WIDE
    # A letter with an accent is as wide as the letter.
    return _WIDTHS.get(unicodedata.normalize("NFD", character)[0], _OTHER)


def _six_digits(color: str) -> str:
    return "#" + ("".join(digit * 2 for digit in color) if len(color) == 3 else color)


def _luminance(color: str) -> float:
    """The relative luminance of `#rrggbb`, as the Web Content Accessibility Guidelines define it."""
    red, green, blue = (_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
