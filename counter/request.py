"""A call and its answer, the same for every entrypoint and every cloud.

A call through a gateway has a URL. A direct call (`fn invoke`, a scheduler) has none: the cloud has authorized the
caller, and its JSON body may describe the request.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from counter.settings import Settings, SettingsError
from counter.store import Conflict, CorruptDocument, StoreError, Unavailable

# Status, content and headers. An object is sent as JSON with the request's id; bytes are sent as they are, with their
# Content-Type in the headers.
Answer = tuple[int, Mapping[str, Any] | bytes, Mapping[str, str]]

MAX_BODY = 16 * 1024
MAX_PARAMETERS = 50
PAGE_VIEW = ("vid", "page", "ref", "skip", "peek")  # what a page may send with a view, in the query or a JSON body

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_EVENT = frozenset({"path", "httpMethod", "method", "queryStringParameters", "body"})


class BadRequest(Exception):
    """A request that cannot be answered: `code` is for programs, the message for people. It quotes nothing of it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True)
class Request:
    """One call: `url` is path and query as sent (None for a direct call), `headers` have lower-case names, `id` is the
    platform's id of the call, and `deadline` is in monotonic seconds."""

    method: str
    url: str | None
    id: str
    deadline: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    direct: bool = False

    @cached_property
    def public_id(self) -> str:
        """The id in the answer: a UUID, and the same one if the platform repeats the call."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.id))

    @property
    def route(self) -> str:
        """The last segment of the path in lower case, since gateways add a prefix."""
        return unquote((self.url or "").partition("?")[0].rstrip("/").rpartition("/")[2]).lower()

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The first MAX_PARAMETERS of the query, percent-decoded once. The first of repeated parameters counts."""
        pairs = (self.url or "").partition("?")[2].split("&")[:MAX_PARAMETERS]
        return dict(reversed(parse_qsl("&".join(pairs), keep_blank_values=True)))

    @cached_property
    def json(self) -> Mapping[str, Any] | None:
        """The body as a JSON object, empty for no body, None for another body. Raises BadRequest over MAX_BODY."""
        if len(self.body) > MAX_BODY:
            raise BadRequest("too_large", "The body is too large.", 413)
        if not self.body.strip():
            return {}
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return content if isinstance(content, dict) else None

    def resolved(self) -> Request:
        """The HTTP request that a direct call's body describes: `{"path": "/report"}`, `{"vid": "…"}`, or an API
        gateway's event; any other body is that of a page view. A call with a URL stays as it is. Raises BadRequest."""
        if self.url is not None:
            return self
        asked = {name: value for name, value in (self.json or {}).items() if value is not None}
        path, method = asked.get("path", "/counter"), asked.get("httpMethod", asked.get("method", "GET"))
        parameters, body = asked.get("queryStringParameters", {}), asked.get("body", "")
        is_event = isinstance(path, str) and isinstance(method, str) and isinstance(parameters, dict)
        if not (is_event and _EVENT & asked.keys()):
            return replace(self, method="GET", url="/counter", direct=True)
        query = urlencode({name: value for name, value in parameters.items() if value is not None}, errors="replace")
        body = body or {name: asked[name] for name in PAGE_VIEW if name in asked}
        text = body if isinstance(body, str) else json.dumps(body)
        url = path + ("&" if "?" in path else "?") + query if query else path
        return replace(self, method=method.upper(), url=url, body=text.encode(errors="replace"), direct=True)


@dataclass(frozen=True)
class Response:
    """An answer: headers by their usual names, each once."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


def respond(request: Request, settings: Settings | None, answer: Answer) -> Response:
    """The Response to `request`, with the headers for caches and browsers, which the answer's own override. Content
    that the client has already, by its ETag, is not sent again. Without `settings` every page may read it."""
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
            **(settings or Settings()).allowed_origins.headers(request.headers, preflight=request.method == "OPTIONS"),
            **headers,
        },
        body,
    )


def tag(content: bytes) -> str:
    """The strong ETag of the content, which changes with every byte."""
    return f'"{sha256(content).hexdigest()[:24]}"'


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
