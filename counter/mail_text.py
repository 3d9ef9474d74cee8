"""Numbers, dates, names and tables as plain text for a mail that is read on a phone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from textwrap import fill

COLUMNS = 42  # what a phone shows in one line
Row = tuple[str, int | None, str]  # label, number (None: not known) and note

_SPELLED = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
    | {"\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
)


def table(heading: str, rows: Iterable[Row]) -> str:
    """Label, number and note in columns; the notes on their own lines if they are too wide."""
    shown = [(f"{label:<12}", "?" if number is None else f"{number:,}", note) for label, number, note in rows]
    width = max(len(number) for _, number, _ in shown)
    is_wide = any(len(label) + width + len(note) + 3 > COLUMNS for label, _, note in shown)
    gap = "\n  " if is_wide else "  "
    lines = [f"{label} {number:>{width}}{gap if note else ''}{note}" for label, number, note in shown]
    return "\n".join([heading, *lines])


def unlinked(name: str, room: int) -> str:
    """A name sent by a client, changed so that no mail program makes a link of it, and cut to fit its line."""
    name = re.sub(r"\.(?!html?$|php$)", "[.]", name).replace("://", "[:]//").replace("@", "[at]")
    return name if len(name) <= room else name[: room - 3] + "..."


def wrapped(paragraph: str) -> str:
    """The paragraph in lines of COLUMNS; a longer word or address stays whole."""
    return "\n".join(
        fill(line, COLUMNS, break_long_words=False, break_on_hyphens=False) if len(line) > COLUMNS else line
        for line in paragraph.splitlines()
    )


def change(now: int, before: int) -> str:
    """The change from `before` to `now` in per cent or as a multiple; empty if there is none, or from 0."""
    if before in (0, now):
        return ""
    if now >= 11 * before:
        return f"{now // before:,} times"
    share = (now - before) / before
    return percent(share, "+.0%" if abs(share) >= 0.01 else "+.1%")


def percent(share: float, form: str = ".0%") -> str:
    """A share in per cent."""
    return format(share, form).replace("%", " %")


def page_views(number: int) -> str:
    """So many page views, in words."""
    return "1 page view" if number == 1 else f"{number:,} page views"


def day_month(day: date) -> str:
    """Day and month, in English: nothing here sets a locale."""
    return f"{day.day} {day:%B}"


def to_ascii(name: str) -> str:
    """The name in ASCII, or an empty text if letters would be lost."""
    spelled = unicodedata.normalize("NFKD", name.translate(_SPELLED))
    loses_letters = any(char.isalnum() and not char.isascii() for char in spelled)
    return "" if loses_letters else "".join(char for char in spelled if " " <= char <= "~").strip()
