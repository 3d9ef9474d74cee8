"""Converts a Lambda event to a Request, and a Response to the result that Lambda expects.

| event                                     | recognised by         | query              | repeated headers         |
|-------------------------------------------|-----------------------|--------------------|--------------------------|
| HTTP API, function URL (payload 2.0)      | `requestContext.http` | as it was sent     | joined by commas         |
| REST API (payload 1.0)                    | `requestContext`      | apart and decoded  | the last, as at Oracle's |
| load balancer                             | `requestContext.elb`  | apart, not decoded | the last, as at Oracle's |
| `aws lambda invoke`, a schedule, a tester | no `requestContext`   | none: direct       |                          |

Only a gateway adds `requestContext`, and no client can remove it. Its content is still not trusted, because anyone who
may invoke the function can write it too, so every part is validated. Payload 2.0 joins repeated headers with commas,
which cannot be undone, because a value may contain commas; a token or an origin that was sent twice is then invalid,
which helps nobody.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from counter.request import Request, Response

_NO_JSON = b"\0"
_LOOK = b'{"peek": true}'


def request(event: Any, request_id: str, deadline: float) -> Request:
    """The request in `event`. Never raises: an invalid event becomes an invalid request."""
    if not (isinstance(event, dict) and "requestContext" in event):
        return Request("GET", None, request_id, deadline, body=_LOOK if _is_nobody(event) else _written(event))
    http = _object(_object(event["requestContext"]).get("http"))
    method = http.get("method") or event.get("httpMethod")
    return Request(
        method=method.upper() if isinstance(method, str) else "GET",
        url=_sent(event) if http else _rebuilt(event),
        id=request_id,
        deadline=deadline,
        headers=_headers(event),
        body=_body(event),
    )


def response(answer: Response, event: Any) -> dict[str, Any]:
    """The result for the sender of `event`: all kinds of gateways read the same format. All answers are text, even the
    badge."""
    result = {"statusCode": answer.status, "headers": dict(answer.headers)}
    result |= {"body": answer.body.decode(), "isBase64Encoded": False}
    if isinstance(event, dict) and "elb" in _object(event.get("requestContext")) and "multiValueHeaders" in event:
        result["multiValueHeaders"] = {name: [value] for name, value in answer.headers.items()}
    return result


def _is_nobody(event: object) -> bool:
    """Whether it is no visit: a rule, a schedule or a warm-up call without a path."""
    return isinstance(event, dict) and "path" not in event and ("detail-type" in event or "source" in event)


def _written(event: object) -> bytes:
    try:
        return b"" if event is None else json.dumps(event).encode()
    except RecursionError:
        return _NO_JSON  # nested too deeply to be written, although the runtime could read it


def _sent(event: Mapping[str, Any]) -> str:
    # The path is decoded but the query is not, so a question mark in the path was sent as %3F.
    path, query = str(event.get("rawPath")).replace("?", "%3F"), event.get("rawQueryString")
    return f"{path}?{query}" if query else path


def _rebuilt(event: Mapping[str, Any]) -> str:
    # Encode the query again, since Request decodes it once. The beginning of the path does not matter.
    parameters = _object(event.get("multiValueQueryStringParameters")) or _object(event.get("queryStringParameters"))
    if "elb" in _object(event["requestContext"]):
        query = urlencode(parameters, doseq=True, quote_via=lambda text, *_: str(text))
    else:
        query = urlencode(parameters, doseq=True, errors="replace")
    return f"{event.get('path')}?{query}" if query else str(event.get("path"))


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    single = {name.lower(): value for name, value in _object(event.get("headers")).items()}
    several = {
        name.lower(): values[-1]
        for name, values in _object(event.get("multiValueHeaders")).items()
        if isinstance(values, list) and values
    }
    return {name: value for name, value in (single | several).items() if isinstance(value, str)}


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not isinstance(body, str):
        return _NO_JSON
    if not event.get("isBase64Encoded"):
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return _NO_JSON  # ignored by PageView


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
