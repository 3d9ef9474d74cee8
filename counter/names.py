"""The names that clients send, limited and normalized: the path of a page, and the host that a visitor came from.

An empty text is a valid name without information, like the site's own host as a source; None is an invalid one.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlsplit

MAX_PAGE = 200  # bytes of UTF-8
MAX_SOURCE = 100  # bytes

_ORIGIN = re.compile(r"https?://[^/?#]*", re.ASCII | re.IGNORECASE)
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+", re.ASCII)
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
_JOINERS = "\u200c\u200d"  # not printable, but part of Persian words and of emoji


def page_path(sent: Any) -> str | None:
    """The normalized path of a page: percent-decoded once, without query, fragment, `index.html` and final slash.
    Characters that are not printable, such as those that change the writing direction, stay percent-encoded."""
    text = sent.strip() if isinstance(sent, str) else ""
    path = re.split(r"[?#]", _ORIGIN.sub("", text, count=1), maxsplit=1)[0]
    is_path = path.startswith("/") or _ORIGIN.match(text)
    if not is_path or len(path) > 6 * MAX_PAGE:  # too long in any encoding
        return None
    path = re.sub("/{2,}", "/", "".join(map(_printable, _ENCODED.sub(_decoded, path))))
    path = path.rstrip("/").removesuffix("/index.html") or "/"
    return path if len(path.encode()) <= MAX_PAGE else None


def source_host(sent: Any, own: str = "") -> str | None:
    """The host in `sent`, a host name or an address, in lower case and without port and `www.`. Empty for the site's
    `own` host, which may be given as an origin, for IP addresses and for names without a dot."""
    host = _host(sent) if isinstance(sent, str) else None
    if host is None or len(host) > MAX_SOURCE:
        return None
    is_name = "." in host and not host.rpartition(".")[2].isdigit()
    return host if is_name and host != _host(own) else ""


def one_line(text: str, most: int) -> str:
    """`text` as a heading or a label: on one line, of at most `most` characters, without those that do not print."""
    shown = (character if character.isprintable() or character in _JOINERS else " " for character in text)
    return " ".join("".join(shown).split())[:most].strip(f" {_JOINERS}")


def _host(sent: str) -> str | None:
    try:
        address = urlsplit(sent.strip() if "://" in sent else f"//{sent.strip()}")
        host = (address.hostname or "").removesuffix(".").removeprefix("www.")
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError:
        return None
    if ":" in host:  # an IPv6 address
        return "0"
    return host if _HOST.fullmatch(host) or not sent.strip() else None


def _decoded(encoded: re.Match[str]) -> str:
    try:
        return bytes.fromhex(encoded[0].replace("%", "")).decode()
    except UnicodeDecodeError:
        return encoded[0].upper()


def _printable(character: str) -> str:
    is_shown = character.isprintable() or character in _JOINERS
    return character if is_shown else quote(character, errors="surrogatepass")
