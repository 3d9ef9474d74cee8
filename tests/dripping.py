"""A server whose answers are not whole, for the tests of what an SDK makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

PAUSE = 0.05
DRIP_SECONDS = 60.0
DRIP = b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * int(DRIP_SECONDS / PAUSE) + b"\r\nContent-Length: 2\r\n\r\n{}"
"""An answer that is whole after this time. A bounded call ends long before half of it on any machine."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stopped: Event
    answer: bytes
    pause: float

    def handle(self) -> None:
        """Read what arrives, and send the answer byte by byte."""
        try:
            self.connection.recv(65536)
            for at in range(len(self.answer)):
                if self.stopped.wait(self.pause):
                    return
                self.connection.sendall(self.answer[at : at + 1])
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def dripping(answer: bytes, pause: float = PAUSE) -> Iterator[str]:
    """The address of a server that gives every request this answer, a byte each `pause` seconds, and hangs up."""
    stop = Event()

    class Handler(_Handler):
        stopped = stop

    Handler.answer, Handler.pause = answer, pause
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
