"""What a page sends with a view. An invalid part never loses the view: it is left out and named in the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from counter.crawlers import is_crawler
from counter.names import page_path, source_host
from counter.request import PAGE_VIEW, Request
from counter.settings import Settings

_VID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_PRIVACY_HEADERS = ("sec-gpc", "dnt")
_PREFETCH_HEADERS = ("sec-purpose", "purpose", "x-purpose", "x-moz")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageView:
    """A view as the page describes it. `peek` only reads the numbers; `ignored` names the invalid parts."""

    vid: str | None
    page: str | None
    source: str | None
    reload: bool
    peek: bool
    ignored: tuple[str, ...]

    @classmethod
    def read(cls, request: Request) -> PageView:
        """The view in `request`, from its query or a JSON body; the query has priority. Raises BadRequest for a body
        that is too large."""
        ignored: list[str] = []
        sent = {**_body(request, ignored), **request.query}

        def take(name: str, parse: Callable[[Any], T | None], default: T) -> T:
            if sent.get(name) is None:
                return default
            if (parsed := parse(sent[name])) is None:
                ignored.append(name)
                return default
            return parsed

        site = request.headers.get("origin") or request.headers.get("referer", "")
        # The browser says that its user does not want to be recognised.
        is_private = any(request.headers.get(name, "").strip() == "1" for name in _PRIVACY_HEADERS)
        return cls(
            vid=None if is_private else take("vid", _vid, None),
            page=take("page", page_path, None),
            source=None if is_private else take("ref", lambda sent_: source_host(sent_, site), None) or None,
            reload=take("skip", _is_reload, False),
            peek=take("peek", _is_peek, False),
            ignored=tuple(ignored),
        )


def reason_not_to_count(view: PageView, request: Request, settings: Settings) -> str | None:
    """The reason why `view` is answered but not counted, or None if it counts."""
    hints = " ".join(request.headers.get(name, "") for name in _PREFETCH_HEADERS).lower()
    if "prefetch" in hints or "prerender" in hints or "preview" in hints:
        return "prefetch"
    if settings.ignore_crawlers and is_crawler(request.headers.get("user-agent", "")):
        return "crawler"
    if not settings.allowed_origins.allow(request.headers.get("origin")):
        return "origin"
    return "reload" if view.reload else None


def _body(request: Request, ignored: list[str]) -> Mapping[str, Any]:
    if request.method != "POST" and not request.direct:
        return {}
    sent = request.json
    if sent is None or (sent and not sent.keys() & set(PAGE_VIEW)):  # a form, text, or JSON of another kind
        ignored.append("body")
    return sent or {}


def _vid(value: Any) -> str | None:
    return value if isinstance(value, str) and _VID.fullmatch(value) else None


def _is_reload(value: Any) -> bool | None:
    return True if value == "reload" else None


def _is_peek(value: Any) -> bool | None:
    return None if isinstance(value, (list, dict)) else str(value).lower() not in ("0", "false", "no")
