"""A kept-alive HTTPS connection that sends each request once, with one deadline for request and answer together.

`http.client` parses the answers. Its own timeout starts again at each read of the socket, so an answer that arrives
byte by byte would never end; here each read gets the time that is left.
"""

from __future__ import annotations

import io
import select
import socket
import ssl
import time
from email.message import Message
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from clouds.bounded import bounded
from clouds.oracle.function.settings import Proxy
from counter.store import Misconfigured, Unavailable

CONNECT_SECONDS = 1.0
"""The timeout for connecting to one address of the host."""

USUAL_ISSUER = "O=DigiCert"
"""The organization that signs Oracle's certificates (oracle/oci-cli#1048). Loading only its root certificates takes a
twentieth of the time of loading all. A server's certificate that none of these has signed is checked again with all."""


class Answer(NamedTuple):
    """A complete answer."""

    status: int
    headers: Message
    body: bytes


class Connection:
    """A connection to one host. `address` begins with `http://` or `https://`; `trusted` is a file or a folder with
    certificates to use instead of certifi's. Proxies are for `https://` only."""

    def __init__(self, address: str, proxy: Proxy | None = None, trusted: str | None = None) -> None:
        self._idle: list[socket.socket] = []  # at most one if requests do not overlap
        parts = urlsplit(address)
        self.host = parts.netloc
        self._name = (parts.hostname or "").encode("ascii")  # as text it would import Unicode tables, which takes 3 ms
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._proxy = proxy if self._tls else None
        self._trusted = trusted
        self._usual_only = True  # until a certificate needs all roots

    def send(self, method: str, request: bytes, deadline: float) -> Answer:
        """Send the bytes of one request and read the answer. `deadline` is in seconds of time.monotonic.

        Raises Misconfigured, or Unavailable, which is in doubt if the host may have received the request."""
        opened = self._reuse() or self._open(deadline)
        try:
            _send(opened, request, deadline)
            answer = HTTPResponse(_Reader(opened, deadline), method=method)  # type: ignore[arg-type]
            answer.begin()
            if answer.length is None and not answer.chunked:
                raise HTTPException("Nothing says where the answer ends, so a part would look like the whole.")
            body = answer.read()
        except Exception as error:  # after any error the request may have been executed
            opened.close()
            raise Unavailable("The storage could not be reached.", in_doubt=True) from error
        if answer.will_close:
            opened.close()
        else:
            self._idle.append(opened)
        return Answer(answer.status, answer.headers, body)

    def close(self) -> None:
        """Close the connection. The next request opens a new one."""
        while self._idle:
            self._idle.pop().close()

    def __del__(self) -> None:
        self.close()

    def _reuse(self) -> socket.socket | None:
        """The open connection, or None if there is none or the other side has closed it."""
        while self._idle:
            opened = self._idle.pop()
            poll = select.poll()
            poll.register(opened, select.POLLIN)
            if not poll.poll(0):
                return opened
            opened.close()  # Nothing was requested, so anything to read means that the other side has closed it.
        return None

    def _open(self, deadline: float) -> socket.socket:
        try:
            proxy = self._proxy
            host, port = (proxy.host.encode("ascii"), proxy.port) if proxy else (self._name, self._port)
            opened = _connect(host, port, deadline)
            try:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if proxy:
                    self._tunnel(opened, proxy, deadline)
                if not self._tls:
                    return opened
                opened.settimeout(_left(deadline))
                return self._context.wrap_socket(opened, server_hostname=self._name)
            except BaseException:
                opened.close()
                raise
        except ssl.SSLCertVerificationError as error:
            if self._usual_only:
                self._usual_only = False
                del self._context
                return self._open(deadline)
            raise Misconfigured("The storage's certificate is not trusted: check for a proxy in between.") from error
        except (OSError, HTTPException, ValueError, Unavailable) as error:
            raise Unavailable("The storage could not be reached.", in_doubt=False) from error

    def _tunnel(self, opened: socket.socket, proxy: Proxy, deadline: float) -> None:
        """Ask the proxy to pass bytes on to the host, with an HTTP CONNECT. TLS then goes through it unread."""
        name = self._name.decode()
        host = f"[{name}]" if ":" in name else name
        lines = [f"CONNECT {host}:{self._port} HTTP/1.1", f"host: {host}:{self._port}"]
        if proxy.authorization:
            lines.append(f"proxy-authorization: {proxy.authorization.reveal()}")
        _send(opened, "\r\n".join([*lines, "", ""]).encode(), deadline)
        answer = HTTPResponse(_Reader(opened, deadline), method="CONNECT")  # type: ignore[arg-type]
        answer.begin()
        if answer.status != 200:
            raise OSError(f"The proxy said {answer.status}.")

    @cached_property
    def _context(self) -> ssl.SSLContext:
        # Cached, since loading all root certificates takes more time than the rest of a visit.
        try:
            trusted = Path(self._trusted or _certifi())
            if trusted.is_dir():
                return ssl.create_default_context(capath=trusted)
            if self._usual_only and (usual := _usual(trusted.read_text("utf-8"))):
                return ssl.create_default_context(cadata=usual)
            self._usual_only = False
            return ssl.create_default_context(cafile=trusted)
        except OSError as error:
            raise Misconfigured(
                "The certificates to trust cannot be read: check REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE."
            ) from error


class _Reader(io.RawIOBase):
    """A socket for HTTPResponse whose reads are limited to the time left."""

    def __init__(self, opened: socket.socket, deadline: float) -> None:
        self._opened = opened
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        self._opened.settimeout(_left(self._deadline))
        return self._opened.recv_into(buffer)


def _send(opened: socket.socket, data: bytes, deadline: float) -> None:
    rest = memoryview(data)
    while rest:
        opened.settimeout(_left(deadline))
        rest = rest[opened.send(rest) :]


def _connect(host: bytes, port: int, deadline: float) -> socket.socket:
    """A connection to the first address of the host that answers."""
    problem: OSError | None = None
    # The system's own look-up of a name has no deadline, so it runs in a thread.
    addresses = bounded(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), _left(deadline))
    for family, kind, protocol, _, found in addresses:
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(min(CONNECT_SECONDS, _left(deadline)))
            opened.connect(found)
        except OSError as error:
            opened.close()
            problem = error
        else:
            return opened
    raise problem or OSError("The host has no address.")


def _left(deadline: float) -> float:
    """The seconds until the deadline. Raises TimeoutError if it is over."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("There was no time left.")
    return left


def _certifi() -> Path:
    """certifi's file of root certificates."""
    # Found, not imported: certifi asks importlib.resources for it, which is 10 ms of a cold start.
    (folder,) = find_spec("certifi").submodule_search_locations  # type: ignore[union-attr, misc]
    return Path(folder) / "cacert.pem"


def _usual(bundle: str) -> str:
    """The certificates of the usual issuer, which certifi names in a comment before each one."""
    parts = (part.lstrip() for part in bundle.split("\n\n"))
    return "\n".join(part for part in parts if part.startswith("# Issuer: ") and USUAL_ISSUER in part)
