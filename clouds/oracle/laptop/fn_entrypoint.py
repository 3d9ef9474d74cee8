"""Calls the function as Oracle does: wraps an HTTP request into an Fn call like API Gateway, and unwraps the answer."""

import os
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from clouds.oracle.laptop.containers import Pool
from local.entrypoint import HOP_BY_HOP, FunctionFailed, HttpAnswer, HttpCall, sendable
from local.pool import ContainerFailed

DEADLINE = 30
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
HTTP_HEADER = "fn-http-h-"


class FnEntrypoint:
    """Calls the function in a pool of containers, as Oracle API Gateway does for paths under `prefix`."""

    def __init__(self, pool: Pool, prefix: str = "/v1") -> None:
        self.prefix = prefix
        self._pool = pool

    async def http(self, call: HttpCall) -> HttpAnswer:
        """Make the Fn call for an HTTP request. Raises FunctionFailed."""
        try:
            status, headers, answer = await self._pool.call(wrap(call), call.body, DEADLINE)
        except ContainerFailed as failed:
            raise FunctionFailed(failed.status) from failed
        if status in (502, 504):
            # To the platform these mean that the function itself failed, and its answer is lost.
            raise FunctionFailed(502)
        return unwrap(headers, answer)

    async def invoke(self, body: bytes = b"") -> bytes:
        """Call the function directly, as `fn invoke` does. Raises FunctionFailed."""
        headers = {"fn-call-id": ulid(), "fn-deadline": deadline(), "content-type": "text/plain"}
        try:
            status, _, answer = await self._pool.call(headers, body, DEADLINE)
        except ContainerFailed as failed:
            raise FunctionFailed(failed.status, str(failed).encode()) from failed
        if status != 200:
            raise FunctionFailed(status, answer)
        return answer


def wrap(call: HttpCall) -> dict[str, str]:
    """Return the headers of the Fn call for an HTTP request.

    The client's headers appear under `fn-http-h-` only, so a client cannot set a header that Fn interprets.
    """
    client: dict[str, str] = {}
    for sent, value in call.headers:
        name = sent.lower()
        if name not in HOP_BY_HOP:
            # The FDK keeps only one value of a header, so repeated headers are joined here.
            client[name] = f"{client[name]}, {value}" if name in client else value
    # Oracle does not document whether it keeps the client's own value, so nothing may trust the first entry.
    forwarded = client.get("x-forwarded-for")
    client["x-forwarded-for"] = f"{forwarded}, {call.remote}" if forwarded is not None else call.remote
    client["x-real-ip"] = call.remote
    client["forwarded"] = f"for={call.remote}"
    headers = {HTTP_HEADER + name: sendable(value) for name, value in client.items()}
    headers |= {
        "fn-intent": "httprequest",
        "fn-invoke-type": "sync",
        "fn-http-method": call.method,
        "fn-http-request-url": sendable(call.target),
        "fn-call-id": ulid(),
        "fn-deadline": deadline(),
        "content-type": sendable(client.get("content-type", "application/octet-stream")),
        "oci-subject-id": "ocid1.apigateway.oc1.phx.local",
        "oci-subject-type": "resource",
        "opc-request-id": f"/{uuid.uuid4().hex.upper()}/{uuid.uuid4().hex.upper()}",
    }
    # Sorted, as Fn's own client (in Go) sends them: the FDK merges equal names, and the first one wins.
    return dict(sorted(headers.items()))


def unwrap(headers: Mapping[str, str], body: bytes) -> HttpAnswer:
    """Return the HTTP answer for an Fn answer."""
    client = [
        (name[len(HTTP_HEADER) :], value)
        for name, value in headers.items()
        if name.lower().startswith(HTTP_HEADER) and name[len(HTTP_HEADER) :].lower() != "content-type"
    ]
    if "content-type" in headers:
        client.append(("content-type", headers["content-type"]))
    return HttpAnswer(int(headers.get("fn-http-status", "200")), client, body)


def deadline() -> str:
    """Return the deadline of a call that starts now."""
    return (datetime.now(UTC) + timedelta(seconds=DEADLINE)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ulid() -> str:
    """Return a new ULID: 48 bits of time, 80 random bits."""
    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
