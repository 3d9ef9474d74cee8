"""
The gateway: HTTP in, Fn call out, wrapped as Oracle API Gateway wraps it.
"""

import json
import os
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from local.containers import ContainerFailed, Pool
from local.notifications import Mailbox

BODY_LIMIT = 6 * 1024 * 1024
DEADLINE = 30
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
HTTP_HEADER = "fn-http-h-"
# Between two hops only, and never passed on (RFC 9110, section 7.6.1).
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
     "transfer-encoding", "upgrade", "expect")
)  # fmt: skip
# Ours to say: the body that goes out is the one we send.
OWN = frozenset(("content-length", "connection", "transfer-encoding", "keep-alive", "content-type"))


class FunctionFailed(Exception):
    """A direct invocation did not end well. ``status`` is 502 or 504, ``body`` what the FDK had to say."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"the function failed with {status}")
        self.status = status
        self.body = body


class Gateway:
    """
    Serves the function below ``prefix``, and beside it what a laptop needs: a demo page, ``web``, and the mailbox.

    ``POST /invoke`` is ``fn invoke``: the cloud's IAM would have let the caller in, so it is only for whoever can reach
    this port without a browser; ``invocable=False`` takes it away.
    """

    def __init__(
        self,
        pool: Pool,
        prefix: str = "/v1",
        *,
        mailbox: Mailbox | None = None,
        web_folder: Path | None = None,
        invocable: bool = True,
    ) -> None:
        self.pool = pool
        self.prefix = prefix
        self._mailbox = mailbox
        self._web = web_folder.resolve() if web_folder else None
        self._invocable = invocable
        self._runner: web.ServerRunner | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """The gateway's address, without a path."""
        return self._url

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the address. Raises OSError when the port is taken."""
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, backlog=1024).start()
        self._url = f"http://{host}:{self._runner.addresses[0][1]}"
        return self._url

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def invoke(self, body: bytes = b"") -> bytes:
        """Call the function directly, as ``fn invoke`` does. Raises FunctionFailed when the function fails."""
        headers = {"fn-call-id": ulid(), "fn-deadline": deadline(), "content-type": "text/plain"}
        try:
            status, _, answer = await self.pool.call(headers, body, DEADLINE)
        except ContainerFailed as failed:
            raise FunctionFailed(failed.status, str(failed).encode()) from failed
        if status != 200:
            raise FunctionFailed(status, answer)
        return answer

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path == self.prefix or path.startswith(self.prefix + "/"):
            return await self._function(request)
        if path == "/invoke" and self._invocable:
            return await self._invoke(request)
        if request.method in ("GET", "HEAD"):
            if self._mailbox and path == "/mailbox":
                return web.Response(body=self._mailbox.page(), content_type="text/html", charset="utf-8")
            if self._mailbox and path == "/mailbox.json":
                return web.Response(body=self._mailbox.as_json(), content_type="application/json")
            if file := self._file(path):
                return web.FileResponse(file, headers={"cache-control": "no-cache"})
        return problem(404, "Not Found")

    async def _function(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await read(request)
        if body is None:
            return problem(413, "Request Entity Too Large")
        try:
            status, headers, answer = await self.pool.call(wrap(request), body, DEADLINE)
        except ContainerFailed as failed:
            return problem(failed.status, HTTPStatus(failed.status).phrase)
        if status in (502, 504):
            # For the platform these mean that the function itself failed; what it said is lost.
            return problem(502, "Bad Gateway")
        return unwrap(headers, answer)

    async def _invoke(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return problem(405, "Method Not Allowed")
        if "origin" in request.headers:
            return problem(403, "Not for web pages")  # any page in the browser could reach this port
        body = await read(request)
        if body is None:
            return problem(413, "Request Entity Too Large")
        try:
            return web.Response(body=await self.invoke(body), content_type="application/json")
        except FunctionFailed as failed:
            return web.Response(status=failed.status, body=failed.body)

    def _file(self, path: str) -> Path | None:
        if self._web is None:
            return None
        if path == "/":
            file = self._web / "demo.html"
        elif path.startswith("/web/"):
            file = Path(os.path.realpath(self._web / path.removeprefix("/web/")))
        else:
            return None
        return file if file.is_relative_to(self._web) and file.is_file() else None


def wrap(request: web.BaseRequest) -> dict[str, str]:
    """
    Return the headers of the Fn call for an HTTP request.

    What the client sent appears under ``fn-http-h-`` only, so nobody can send a header that means something to Fn.
    """
    remote = request.remote or "127.0.0.1"
    client: dict[str, str] = {}
    for sent, value in request.headers.items():
        name = sent.lower()
        if name not in HOP_BY_HOP:
            # The FDK keeps one value of a header, so repeated ones are joined here.
            client[name] = f"{client[name]}, {value}" if name in client else value
    # Oracle does not say whether it keeps what a client claims; nothing may rest on the first entry.
    client["x-forwarded-for"] = f"{client['x-forwarded-for']}, {remote}" if "x-forwarded-for" in client else remote
    client["x-real-ip"] = remote
    client["forwarded"] = f"for={remote}"
    call = {HTTP_HEADER + name: sendable(value) for name, value in client.items()}
    call |= {
        "fn-intent": "httprequest",
        "fn-invoke-type": "sync",
        "fn-http-method": request.method,
        "fn-http-request-url": sendable(request.raw_path),
        "fn-call-id": ulid(),
        "fn-deadline": deadline(),
        "content-type": sendable(client.get("content-type", "application/octet-stream")),
        "oci-subject-id": "ocid1.apigateway.oc1.phx.local",
        "oci-subject-type": "resource",
        "opc-request-id": f"/{uuid.uuid4().hex.upper()}/{uuid.uuid4().hex.upper()}",
    }
    # Sorted, as Fn's own client (Go) sends them: the FDK merges what is named alike, and what comes first wins.
    return dict(sorted(call.items()))


def unwrap(headers: Mapping[str, str], body: bytes) -> web.Response:
    """Return the HTTP answer that a function's Fn answer stands for."""
    client = {
        name[len(HTTP_HEADER) :]: value
        for name, value in headers.items()
        if name.lower().startswith(HTTP_HEADER) and name[len(HTTP_HEADER) :].lower() not in OWN
    }
    if "content-type" in headers:
        client["content-type"] = headers["content-type"]
    return web.Response(status=int(headers.get("fn-http-status", "200")), body=body or None, headers=client)


async def read(request: web.BaseRequest) -> bytes | None:
    """Return the body, or None when it is larger than a function may be sent."""
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > BODY_LIMIT:
        return None
    if request.headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def problem(status: int, message: str) -> web.Response:
    """Return an answer of the gateway's own."""
    body = json.dumps({"code": status, "message": message}, separators=(",", ":")).encode()
    return web.Response(status=status, body=body, content_type="application/json")


def sendable(value: str) -> str:
    """Return the text with bytes that are not UTF-8 read as Latin-1, which is what the FDK would make of them."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def deadline() -> str:
    """Return the time by which a call that starts now must have ended."""
    return (datetime.now(UTC) + timedelta(seconds=DEADLINE)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ulid() -> str:
    """Return a new ULID: 48 bits of time, 80 bits of chance."""
    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
