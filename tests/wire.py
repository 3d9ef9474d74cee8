"""The real SDK in front of the stand-in, and of a server that says whatever a test tells it to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from oci.auth.signers import EphemeralResourcePrincipalSigner

from clouds.oracle.function import object_storage
from clouds.oracle.function.object_storage import ObjectStorage
from clouds.oracle.laptop.principal import Principal
from clouds.oracle.laptop.serving import BUCKET
from clouds.oracle.laptop.storage import NAMESPACE


def signer(principal: Principal) -> Any:
    """Return what signs requests, made of the variables that a function gets."""
    environment = principal.environment()
    return EphemeralResourcePrincipalSigner(
        session_token=environment["OCI_RESOURCE_PRINCIPAL_RPST"],
        private_key=environment["OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM"],
        region=environment["OCI_RESOURCE_PRINCIPAL_REGION"],
    )


@contextmanager
def object_store(
    signer: Any, url: str, name: str = "counter.json", *, namespace: str = NAMESPACE, bucket: str = BUCKET
) -> Iterator[ObjectStorage]:
    """Open one container's Object Storage, with a connection of its own."""
    client = object_storage.connect(signer, url)
    try:
        yield ObjectStorage(client, namespace, bucket, name)
    finally:
        client.base_client.session.close()


class Saying:
    """A server that gives every request the same answer: a status and a code, "drop", or "hang"."""

    def __init__(self) -> None:
        self.answer: tuple[int, str] | str = (200, "")
        self.requests = 0
        self._released = threading.Event()
        saying = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def _answer(self) -> None:
                saying.requests += 1
                self.rfile.read(int(self.headers.get("content-length", 0)))
                if isinstance(saying.answer, str):
                    if saying.answer == "hang":
                        saying._released.wait(10)
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, code = saying.answer
                body = json.dumps({"code": code, "message": "the bucket of somebody"}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = _answer

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)

    def __enter__(self) -> Saying:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and let go whoever hangs."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
