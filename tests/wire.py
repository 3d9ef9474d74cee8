"""Object Storage's client in front of the stand-in, and of a server that says whatever a test tells it to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from clouds.oracle.function import identity
from clouds.oracle.function.client import Client
from clouds.oracle.function.connection import Connection
from clouds.oracle.function.object_storage import ObjectStorage
from clouds.oracle.function.settings import OracleSettings
from clouds.oracle.function.signer import Signer
from clouds.oracle.laptop.principal import Principal
from clouds.oracle.laptop.serving import BUCKET
from clouds.oracle.laptop.storage import NAMESPACE
from counter.settings import Environment


def signer(principal: Principal) -> Signer:
    """Return what signs requests, made of the variables that a function gets."""
    return identity.signer(OracleSettings.read(Environment(principal.environment())).principal)


@contextmanager
def object_store(
    signer: Signer, url: str, name: str = "counter.json", *, namespace: str | None = NAMESPACE, bucket: str = BUCKET
) -> Iterator[ObjectStorage]:
    """Open one container's Object Storage, with a connection of its own."""
    client = Client(signer, Connection(url))
    try:
        yield ObjectStorage(client, namespace, bucket, name)
    finally:
        client.close()


class Saying:
    """A server that gives every request the same answer: a status and a code, "drop", or "hang". `body` is another body
    than that of an error, or what makes one of the request's target; `etag` goes with it, unless it is None."""

    def __init__(self) -> None:
        self.answer: tuple[int, str] | str = (200, "")
        self.body: bytes | Callable[[str], bytes] | None = None
        self.etag: str | None = "e"
        self.requests = self.connections = 0
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"saying": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)

    def told(self, target: str) -> tuple[int, bytes]:
        """Return the status and the body for a request, unless it is dropped."""
        assert not isinstance(self.answer, str)
        status, code = self.answer
        if status == 304:
            return status, b""
        if self.body is None:
            return status, json.dumps({"code": code, "message": "the bucket of somebody"}).encode()
        return status, self.body(target) if callable(self.body) else self.body

    def __enter__(self) -> Saying:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and let go whoever hangs."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    saying: Saying

    def setup(self) -> None:
        self.saying.connections += 1
        super().setup()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _answer(self) -> None:
        self.saying.requests += 1
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if isinstance(self.saying.answer, str):
            if self.saying.answer == "hang":
                self.saying.released.wait(10)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, body = self.saying.told(self.path)
        self.send_response(status)
        if self.saying.etag is not None:
            self.send_header("etag", self.saying.etag)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = _answer

    def log_message(self, *args: object) -> None:
        """Say nothing."""
