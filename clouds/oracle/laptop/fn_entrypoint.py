"""Oracle's way: an HTTP request wrapped into an Fn call, as Oracle API Gateway wraps it, and the answer unwrapped."""

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
    """The function in a pool of containers, behind Oracle API Gateway below `prefix`."""

    def __init__(self, pool: Pool, prefix: str = "/v1") -> None:
        self.prefix = prefix
        self._pool = pool

    async def http(self, call: HttpCall) -> HttpAnswer:
        """Make the Fn call that stands for an HTTP request. Raises FunctionFailed."""
        try:
            status, headers, answer = await self._pool.call(wrap(call), call.body, DEADLINE)
        except ContainerFailed as failed:
            raise FunctionFailed(failed.status) from failed
        if status in (502, 504):
            # For the platform these mean that the function itself failed; what it said is lost.
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

    What the client sent appears under `fn-http-h-` only, so nobody can send a header that means something to Fn.
    """
    client: dict[str, str] = {}
    for sent, value in call.headers:
        name = sent.lower()
        if name not in HOP_BY_HOP:
            # The FDK keeps one value of a header, so repeated ones are joined here.
            client[name] = f"{client[name]}, {value}" if name in client else value
    # Oracle does not say whether it keeps what a client claims; nothing may rest on the first entry.
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
    # Sorted, as Fn's own client (Go) sends them: the FDK merges what is named alike, and what comes first wins.
    return dict(sorted(headers.items()))


def unwrap(headers: Mapping[str, str], body: bytes) -> HttpAnswer:
    """Return the HTTP answer that a function's Fn answer stands for."""
    client = [
        (name[len(HTTP_HEADER) :], value)
        for name, value in headers.items()
        if name.lower().startswith(HTTP_HEADER) and name[len(HTTP_HEADER) :].lower() != "content-type"
    ]
    if "content-type" in headers:
        client.append(("content-type", headers["content-type"]))
    return HttpAnswer(int(headers.get("fn-http-status", "200")), client, body)


def deadline() -> str:
    """Return the time by which a call that starts now must have ended."""
    return (datetime.now(UTC) + timedelta(seconds=DEADLINE)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ulid() -> str:
    """Return a new ULID: 48 bits of time, 80 bits of chance."""
    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
