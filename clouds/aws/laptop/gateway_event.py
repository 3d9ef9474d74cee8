"""What AWS hands to a Lambda function for an HTTP request, and what it makes of the answer.

As AWS documents it: payload 2.0 for an HTTP API and, nearly the same, a function URL; payload 1.0 for a REST API; and
for an Application Load Balancer an event of its own.
"""

import base64
import json
import time
import uuid
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.entrypoint import HOP_BY_HOP, HttpAnswer, HttpCall, sendable

ACCOUNT = "000000000000"
TEXT = ("text/", "application/json", "application/xml", "application/javascript")

Event = dict[str, Any]


def http_api(call: HttpCall) -> Event:
    """Return an HTTP API's event: lowercase names, the values of a repeated header joined by commas, cookies separate,
    the query as sent."""
    path, _, query = call.target.partition("?")
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for sent, value in passed_on(call):
        name = sent.lower()
        if name == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";")]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(path),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "laptop",
            "domainName": "laptop.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "laptop",
            "http": {
                "method": call.method,
                "path": unquote(path),
                "protocol": "HTTP/1.1",
                "sourceIp": call.remote,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": uuid.uuid4().hex[:15] + "=",
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
            "timeEpoch": int(time.time() * 1000),
        },
        **body(call),
    }
    return event | ({"cookies": cookies} if cookies else {}) | (
        {"queryStringParameters": parameters} if parameters else {}
    )  # fmt: skip


def function_url(call: HttpCall) -> Event:
    """Return a function URL's event: like an HTTP API's, with its own domain, and cookies in the headers as well."""
    event = http_api(call)
    event["requestContext"]["domainName"] = "laptop.lambda-url.eu-central-1.on.aws"
    if "cookies" in event:
        event["headers"]["cookie"] = "; ".join(event["cookies"])
    return event


def rest_api(call: HttpCall, stage: str = "prod") -> Event:
    """Return a REST API's event: names as sent, all values of each header and parameter, the query parsed and decoded,
    and null for what is absent."""
    path, _, query = call.target.partition("?")
    headers: dict[str, list[str]] = {}
    for name, value in passed_on(call):
        headers.setdefault(name, []).append(value)
    parameters: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters.setdefault(name, []).append(value)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": call.method,
        "headers": {name: values[-1] for name, values in headers.items()} or None,
        "multiValueHeaders": headers or None,
        "queryStringParameters": {name: values[-1] for name, values in parameters.items()} or None,
        "multiValueQueryStringParameters": parameters or None,
        "pathParameters": {"proxy": path.strip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "laptop",
            "httpMethod": call.method,
            "identity": {"sourceIp": call.remote, "userAgent": next(iter(headers.get("User-Agent", [])), None)},
            "path": f"/{stage}{path}",
            "protocol": "HTTP/1.1",
            "requestId": str(uuid.uuid4()),
            "requestTimeEpoch": int(time.time() * 1000),
            "resourceId": "abc123",
            "resourcePath": "/{proxy+}",
            "stage": stage,
        },
        **({"body": None, "isBase64Encoded": False} | body(call)),
    }


def load_balancer(call: HttpCall) -> Event:
    """Return a load balancer's event, with "multi-value headers" on: the query taken apart and not decoded."""
    path, _, query = call.target.partition("?")
    headers: dict[str, list[str]] = {}
    for name, value in passed_on(call):
        headers.setdefault(name.lower(), []).append(value)
    parameters: dict[str, list[str]] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        parameters.setdefault(name, []).append(value)
    group = f"arn:aws:elasticloadbalancing:eu-central-1:{ACCOUNT}:targetgroup/laptop/0123456789abcdef"
    return {
        "requestContext": {"elb": {"targetGroupArn": group}},
        "httpMethod": call.method,
        "path": path,
        "multiValueQueryStringParameters": parameters,
        "multiValueHeaders": headers,
        **({"body": ""} | body(call)),
    }


def passed_on(call: HttpCall) -> list[tuple[str, str]]:
    """Return the headers that a gateway forwards, and those that it adds."""
    kept = [(name, sendable(value)) for name, value in call.headers if name.lower() not in HOP_BY_HOP]
    given = ", ".join(value for name, value in kept if name.lower() == "x-forwarded-for")
    kept = [(name, value) for name, value in kept if name.lower() != "x-forwarded-for"]
    forwarded = f"{given}, {call.remote}" if given else call.remote
    return [*kept, ("X-Forwarded-For", forwarded), ("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https")]


def body(call: HttpCall) -> Event:
    """Return the event's members for the body: text as it is, anything else in base64."""
    if not call.body:
        return {"isBase64Encoded": False}
    kind = next((value for name, value in call.headers if name.lower() == "content-type"), "")
    if kind.lower().startswith(TEXT):
        try:
            return {"body": call.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(call.body).decode(), "isBase64Encoded": True}


def rest_answer(payload: bytes) -> HttpAnswer | None:
    """Return the HTTP answer of a REST API: it renames `WWW-Authenticate`, the others do not."""
    answer = http_answer(payload)
    if answer is None:
        return None
    names = {"www-authenticate": "x-amzn-remapped-www-authenticate"}
    return answer._replace(headers=[(names.get(name, name), value) for name, value in answer.headers])


def load_balancer_answer(payload: bytes) -> HttpAnswer | None:
    """Return what a load balancer makes of a function's answer: with "multi-value headers" on it reads no others."""
    answer = http_answer(payload)
    if answer is None:
        return None
    lists = json.loads(payload).get("multiValueHeaders") or {}
    return answer._replace(headers=[(name.lower(), value) for name, values in lists.items() for value in values])


def http_answer(payload: bytes) -> HttpAnswer | None:
    """Return the HTTP answer for a function's answer, or None if no gateway can parse it."""
    try:
        answer = json.loads(payload)
        status, headers, text = int(answer["statusCode"]), answer.get("headers") or {}, answer.get("body") or ""
        content = base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else text.encode()
        return HttpAnswer(status, [(name.lower(), str(value)) for name, value in headers.items()], content)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
