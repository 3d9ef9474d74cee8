"""Which pages may read the answers: the list of origins, and the CORS headers for browsers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:.]+\](:\d{1,5})?|null", re.ASCII)
_DEFAULT_PORT = re.compile(r"\A(http:.*):80\Z|\A(https:.*):443\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins whose pages may read the answers, in the owner's order; ("*",) means all."""

    listed: tuple[str, ...] = ("*",)

    @classmethod
    def parse(cls, text: str) -> Origins:
        """The origins in a comma-separated list. Raises ValueError saying what it must be."""
        listed = tuple(dict.fromkeys(_normalized(origin) for origin in text.split(",") if origin.strip()))
        if "*" in listed and len(listed) > 1:
            raise ValueError("must be either * or a list of origins, not both")
        if not listed or not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in listed):
            raise ValueError("must be * or a comma-separated list like https://example.com, without paths")
        return cls(listed)

    def __str__(self) -> str:
        return ",".join(self.listed)

    def allow(self, origin: str | None) -> bool:
        """Whether a view with this `Origin` counts. One without does: browsers always send it between two sites."""
        return "*" in self.listed or not origin or _normalized(origin) in self.listed

    def headers(self, headers: Mapping[str, str], *, preflight: bool) -> dict[str, str]:
        """The CORS headers for a request with these `headers`. They name a listed origin, the first one if the
        request's own is not listed, and repeat nothing else from the request."""
        origin = _normalized(headers.get("origin", ""))
        return {
            "Access-Control-Allow-Origin": origin if origin in self.listed else self.listed[0],
            "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Api-Key, *",
            "Access-Control-Expose-Headers": "X-Request-Id, Retry-After",
            **({"Access-Control-Max-Age": "86400"} if preflight else {}),
            **({} if "*" in self.listed else {"Vary": "Origin"}),
        }


def _normalized(origin: str) -> str:
    """An origin as browsers send it: in lower case, without a default port, international names as `xn--…`."""
    origin = _DEFAULT_PORT.sub(r"\1\2", origin.strip().lower().removesuffix("/"))
    scheme, separator, host = origin.partition("://")
    if separator and not host.isascii():
        with suppress(UnicodeError):
            return f"{scheme}://{host.encode('idna').decode()}"
    return origin
