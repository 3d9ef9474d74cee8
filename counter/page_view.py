"""What a page sends with a view, and which views do not count. An invalid part is left out, and never the view."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from counter.names import page_path, source_host
from counter.request import PAGE_VIEW, Request
from counter.settings import Settings

MAX_AGENT = 512  # characters; browsers stay below 400, and a long user agent must not cost more
PREFIX_LENGTH = 4  # no entry in the list of crawlers is shorter

_VID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)

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
        """The view in the query, which has priority, and the JSON body. Raises BadRequest if the body is too large."""
        body = request.json if request.method == "POST" or request.direct else {}
        # A form, text, or JSON of another kind.
        ignored = ["body"] if body is None or (body and not body.keys() & set(PAGE_VIEW)) else []
        sent = {**(body or {}), **request.query}

        def take(name: str, parse: Callable[[Any], T | None], default: T) -> T:
            if sent.get(name) is None:
                return default
            if (parsed := parse(sent[name])) is None:
                ignored.append(name)
                return default
            return parsed

        site = request.headers.get("origin") or request.headers.get("referer", "")
        # The browser says that its user does not want to be recognised.
        is_private = any(request.headers.get(name, "").strip() == "1" for name in ("sec-gpc", "dnt"))
        return cls(
            vid=None if is_private else take("vid", _vid, None),
            page=take("page", page_path, None),
            source=None if is_private else take("ref", lambda ref: source_host(ref, site), None) or None,
            reload=take("skip", lambda skip: skip == "reload" or None, False),
            peek=take("peek", _is_peek, False),
            ignored=tuple(ignored),
        )


def reason_not_to_count(view: PageView, request: Request, settings: Settings) -> str | None:
    """The reason why `view` is answered but not counted, or None if it counts."""
    names = ("sec-purpose", "purpose", "x-purpose", "x-moz")
    hints = " ".join(request.headers.get(name, "") for name in names).lower()
    if "prefetch" in hints or "prerender" in hints or "preview" in hints:
        return "prefetch"
    if settings.ignore_crawlers and is_crawler(request.headers.get("user-agent", "")):
        return "crawler"
    if not settings.allowed_origins.allow(request.headers.get("origin")):
        return "origin"
    return "reload" if view.reload else None


def is_crawler(user_agent: str) -> bool:
    """Whether the first MAX_AGENT characters of a user agent name a known crawler, in any case. Command-line HTTP tools
    and requests without a user agent count as people."""
    agent, entries = user_agent[:MAX_AGENT].lower(), _entries_by_prefix()
    for start in range(len(agent) - PREFIX_LENGTH + 1):
        for entry in entries.get(agent[start : start + PREFIX_LENGTH], ()):
            if agent.startswith(entry, start):
                return True
    return False


@cache
def _entries_by_prefix() -> Mapping[str, list[str]]:
    # Trying every entry in turn takes several times as long, and nearly every visit matches none.
    found: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("crawlers.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            found.setdefault(line[:PREFIX_LENGTH], []).append(line)
    return found


def _vid(value: Any) -> str | None:
    return value if isinstance(value, str) and _VID.fullmatch(value) else None


def _is_peek(value: Any) -> bool | None:
    return None if isinstance(value, (list, dict)) else str(value).lower() not in ("0", "false", "no")
