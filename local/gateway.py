"""The local gateway: an HTTP server that calls the function, and serves the demo page and the mailbox."""

import json
import logging
import os
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from aiohttp import http_exceptions, web
from multidict import CIMultiDict

from local.entrypoint import CONNECTION_HEADERS, Entrypoint, FunctionFailed, HttpCall
from local.notifications import Mailbox

MAX_BODY = 6 * 1024 * 1024
# The prefix that the demo page uses, whichever cloud runs.
DEMO = "/v1"
BAD_HTTP = http_exceptions.HttpProcessingError
log = logging.getLogger("local.gateway")
# Malformed HTTP gets a 400 and is not an error of ours, so it is not logged.
log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], BAD_HTTP)))


class Gateway:
    """Serves the function under its entrypoint's prefix, and also the demo page, the folder `web` and the mailbox.

    `POST /invoke` is a direct call by the owner, like `fn invoke`. In the cloud IAM would authorize it; here it is
    refused to web pages, and `invocable=False` turns it off.
    """

    def __init__(
        self,
        entrypoint: Entrypoint,
        *,
        mailbox: Mailbox | None = None,
        web_folder: Path | None = None,
        invocable: bool = True,
    ) -> None:
        self.prefix = entrypoint.prefix
        self._entrypoint = entrypoint
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
        """Listen, and return the address. Raises OSError if the port is in use."""
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None, logger=log), shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, backlog=1024).start()
        self._url = f"http://{f'[{host}]' if ':' in host else host}:{self._runner.addresses[0][1]}"
        return self._url

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path == "/invoke" and self._invocable:
            return await self._invoke(request)
        if request.method in ("GET", "HEAD"):
            if self._mailbox and path == "/mailbox":
                return web.Response(body=self._mailbox.page(), content_type="text/html", charset="utf-8")
            if self._mailbox and path == "/mailbox.json":
                return web.Response(body=self._mailbox.as_json(), content_type="application/json")
            if file := self._file(path):
                return web.FileResponse(file, headers={"cache-control": "no-cache"})
        if is_below(self.prefix, path):
            return await self._function(request, request.raw_path)
        if is_below(DEMO, path):
            return await self._function(request, self.prefix + request.raw_path.removeprefix(DEMO))
        return problem(404, "Not Found")

    async def _function(self, request: web.BaseRequest, target: str) -> web.StreamResponse:
        body = await read(request)
        if body is None:
            return problem(413, "Request Entity Too Large")
        headers, remote = list(request.headers.items()), request.remote or "127.0.0.1"
        try:
            answer = await self._entrypoint.http(HttpCall(request.method, target, headers, body, remote))
        except FunctionFailed as failed:
            return problem(failed.status, HTTPStatus(failed.status).phrase)
        passed = CIMultiDict((name, value) for name, value in answer.headers if name.lower() not in CONNECTION_HEADERS)
        return web.Response(status=answer.status, body=answer.body or None, headers=passed)

    async def _invoke(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return problem(405, "Method Not Allowed")
        if "origin" in request.headers:
            return problem(403, "Not for web pages")  # any page open in the browser can send requests to this port
        body = await read(request)
        if body is None:
            return problem(413, "Request Entity Too Large")
        try:
            return web.Response(body=await self._entrypoint.invoke(body), content_type="application/json")
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
        try:
            return file if file.is_relative_to(self._web) and file.is_file() else None
        except OSError:
            return None  # the name is too long


def is_below(prefix: str, path: str) -> bool:
    """Return whether the path is the prefix, or continues it."""
    return path == prefix or path.startswith(prefix + "/")


async def read(request: web.BaseRequest) -> bytes | None:
    """Return the body, or None if it is too large for a function or incomplete."""
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > MAX_BODY:
        return None
    if request.headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    body = bytearray()
    with suppress(ConnectionError):  # the client has left
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY:
                return None
        return bytes(body)
    return None


def problem(status: int, message: str) -> web.Response:
    """Return an answer of the gateway's own."""
    body = json.dumps({"code": status, "message": message}, separators=(",", ":")).encode()
    return web.Response(status=status, body=body, content_type="application/json")
