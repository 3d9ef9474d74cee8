"""What the clouds' own settings have in common: how an address and a name are checked."""

from __future__ import annotations

import re

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]*[0-9A-Fa-f][0-9A-Fa-f:.]*\]"
_URL = re.compile(rf"https?://(?:{_HOST})(?::(\d{{1,5}}))?/?", re.ASCII)


def address(text: str) -> str:
    """An address without a path. Raises ValueError saying what it must be."""
    found = _URL.fullmatch(text)
    if not found or int(found[1] or 1) > 65535:
        raise ValueError("must be an address like https://host:port, without a path")
    return text.rstrip("/")


def name(text: str) -> str:
    """A name of at most 200 printable characters: journal entries begin with it, and a store allows 1,024 bytes for
    their names. Raises ValueError saying what it must be."""
    if len(text) > 200 or not text.isprintable():
        raise ValueError("must be a name of at most 200 printable characters")
    return text
