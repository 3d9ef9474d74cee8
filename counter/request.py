"""A call as every entrypoint hands it in, and the answer it hands back. No cloud in sight.

A call that came through a gateway has a URL. A direct one (`fn invoke`, a scheduler) has none: the cloud has checked
who made it, and its JSON body may name what is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode

LONGEST_BODY = 16 * 1024
_ASKED = frozenset({"path", "httpMethod", "method", "vid", "peek", "queryStringParameters", "body"})


class BadRequest(Exception):
    """What was sent cannot be understood. `word` is for machines, the text for people; it quotes nothing."""

    def __init__(self, word: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.word = word
        self.status = status


@dataclass(frozen=True)
class Request:
    """One call: `url` is path and query as they were sent (None for a direct call), `headers` have lower-case names,
    `id` is the platform's own and differs from call to call, `deadline` is in monotonic seconds."""

    method: str
    url: str | None
    id: str
    deadline: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    direct: bool = False

    @property
    def route(self) -> str:
        """The end of the path: gateways put a prefix in front."""
        path = (self.url or "").partition("?")[0]
        return path.rstrip("/").rpartition("/")[2]

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The query, percent-decoded once; of a repeated parameter the first. Raises BadRequest."""
        try:
            pairs = parse_qsl((self.url or "").partition("?")[2], keep_blank_values=True, max_num_fields=50)
        except ValueError as error:
            raise BadRequest("bad_request", "The query has too many parameters.") from error
        return dict(reversed(pairs))

    @cached_property
    def json(self) -> Mapping[str, Any]:
        """The body as a JSON object; empty for an empty body. Raises BadRequest."""
        if len(self.body) > LONGEST_BODY:
            raise BadRequest("too_large", "The body is too large.", 413)
        if not self.body.strip():
            return {}
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadRequest("bad_request", "The body is not JSON.") from error
        if not isinstance(content, dict):
            raise BadRequest("bad_request", "The body is not a JSON object.")
        return content

    def resolved(self) -> Request:
        """A direct call as the HTTP request its body describes: `{"path":"/report"}`, `{"vid":"…"}`, an API gateway's
        event; nothing at all means `GET /counter`. Any other call as it is. Raises BadRequest."""
        if self.url is not None:
            return self
        asked = self.json
        if asked and not _ASKED & asked.keys():
            raise BadRequest("bad_request", 'The body should be empty or like {"path": "/counter"}.')
        path, method = asked.get("path", "/counter"), asked.get("httpMethod", asked.get("method", "GET"))
        parameters = asked.get("queryStringParameters") or {}
        body = asked.get("body") or ""
        if not (isinstance(path, str) and isinstance(method, str) and isinstance(parameters, dict)):
            raise BadRequest("bad_request", "path and httpMethod should be text, queryStringParameters an object.")
        named = {key: asked[key] for key in ("vid", "peek") if key in asked}
        if not isinstance(named.get("vid", ""), (str, type(None))):
            named["vid"] = ""  # as invalid as in the body of a POST, and not the visitor "5" or "True"
        given = {key: value for key, value in {**parameters, **named}.items() if value is not None}
        query = urlencode(given, errors="replace")
        return replace(
            self,
            method=method.upper(),
            url=path + ("&" if "?" in path else "?") + query if query else path,
            body=(body if isinstance(body, str) else json.dumps(body)).encode(errors="replace"),
            direct=True,
        )


@dataclass(frozen=True)
class Response:
    """An answer: headers by their usual names, each once."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
