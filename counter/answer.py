"""Turns a route's answer into the Response to send: JSON, errors, and the headers of every answer."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from counter.request import Request, Response
from counter.settings import Settings, SettingsError
from counter.store import Conflict, CorruptDocument, StoreError, Unavailable

Answer = tuple[int, Mapping[str, Any] | bytes, Mapping[str, str]]
"""Status, content and headers. An object is sent as JSON with the request's id; bytes are sent as they are, with their
Content-Type in the headers."""

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def respond(request: Request, settings: Settings, answer: Answer) -> Response:
    """The Response to `request`, with the headers for caches and browsers. The answer's own headers override
    them. If the client has the content with the answer's ETag already, it is not sent again."""
    status, content, headers = answer
    if status == 200 and is_known(headers.get("ETag", ""), request.headers.get("if-none-match", "")):
        status = 304
    if request.method == "HEAD" or status in (204, 304):
        body = b""
    elif isinstance(content, bytes):
        body = content
    else:
        text = json.dumps({**content, "requestId": request.public_id}, separators=(",", ":"), ensure_ascii=False)
        body = text.encode(errors="backslashreplace")  # a lone surrogate becomes a JSON escape
    return Response(
        status,
        {
            "Content-Type": "application/json",
            "Cache-Control": "no-cache, no-store, must-revalidate",
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": request.public_id,
            "Cross-Origin-Resource-Policy": "cross-origin",
            **settings.allowed_origins.headers(request.headers, preflight=request.method == "OPTIONS"),
            **headers,
        },
        body,
    )


def tag(content: bytes) -> str:
    """The strong ETag of the content, which changes with every byte."""
    return f'"{hashlib.sha256(content).hexdigest()[:24]}"'


def is_known(etag: str, if_none_match: str) -> bool:
    """Whether an If-None-Match header (`*`, or a list of strong and weak tags) names `etag` (empty: there is none)."""
    return bool(etag) and (if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match))


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
    """An error: `code` for programs, `message` for people. Neither quotes the request or the document."""
    return status, {"ok": False, "status": "error", "error": code, "message": message, **more}, headers or {}


def failed(problem: SettingsError | StoreError) -> Answer:
    """The answer to an error of the settings or the store."""
    later = {"Retry-After": "2"}
    if isinstance(problem, Conflict):
        return error(503, "conflict", str(problem), later, mayBeCounted=False)
    if isinstance(problem, Unavailable):
        return error(503, "storage_unavailable", str(problem), later, mayBeCounted=problem.in_doubt)
    return error(500, "damaged_document" if isinstance(problem, CorruptDocument) else "misconfigured", str(problem))
