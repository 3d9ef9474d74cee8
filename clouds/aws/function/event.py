"""From what AWS Lambda hands to a function to the Request, and from the Response to what it wants back.

| event                                     | told by               | query              | repeated headers         |
|-------------------------------------------|-----------------------|--------------------|--------------------------|
| HTTP API, function URL (payload 2.0)      | `requestContext.http` | as it was sent     | joined by commas         |
| REST API (payload 1.0)                    | `requestContext`      | apart and decoded  | the last, as at Oracle's |
| load balancer                             | `requestContext.elb`  | apart, not decoded | the last, as at Oracle's |
| `aws lambda invoke`, a schedule, a tester | no `requestContext`   | none: direct       |                          |

Only a gateway writes `requestContext`, and no client can take it away. What is in it may be anything all the same,
since whoever may invoke the function can write it too, so every part is looked at with suspicion. Payload 2.0 joins
what a client sent twice, and that cannot be undone, for a value may have commas of its own; a token or an origin that
was sent twice is then none, and nobody gains by it.
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
    """The request that `event` describes. Raises nothing: what makes no sense is a request that makes none."""
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
    """What `answer` is for whoever sent `event`: all of them read the same form. All that the counter says is text, the
    badge as well."""
    told = {"statusCode": answer.status, "headers": dict(answer.headers)}
    told |= {"body": answer.body.decode(), "isBase64Encoded": False}
    if isinstance(event, dict) and "elb" in _object(event.get("requestContext")) and "multiValueHeaders" in event:
        told["multiValueHeaders"] = {name: [value] for name, value in answer.headers.items()}
    return told


def _is_nobody(event: object) -> bool:
    """Whether nobody visits: a rule, a schedule or a warm-up call that names no path."""
    return isinstance(event, dict) and "path" not in event and ("detail-type" in event or "source" in event)


def _written(event: object) -> bytes:
    try:
        return b"" if event is None else json.dumps(event).encode()
    except RecursionError:
        return _NO_JSON  # the runtime can read what is nested a little deeper than what can be written


def _sent(event: Mapping[str, Any]) -> str:
    # The path is decoded, and the query is not: a question mark in the path was sent as %3F, and begins no query.
    path, query = str(event.get("rawPath")).replace("?", "%3F"), event.get("rawQueryString")
    return f"{path}?{query}" if query else path


def _rebuilt(event: Mapping[str, Any]) -> str:
    # Put together again, for one who decodes it once. What the path begins with does not matter.
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
        return _NO_JSON  # ignored as such by whoever reads the body


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
