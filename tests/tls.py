"""A server that does with each connection what a test says, and an authority that signs its certificates."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from clouds.oracle.laptop.principal import private_pem

ANSWER = b"HTTP/1.1 200 OK\r\netag: one\r\ncontent-length: 5\r\n\r\nhello"
Behaviour = Callable[[socket.socket], None]


class Server:
    """Does with each connection what `behave` says, in a thread of its own. `connections` counts them, `received` has
    what the last one was sent."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.behave: Behaviour = answering(ANSWER)
        self.connections = 0
        self.received: list[bytes] = []
        self.context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                opened, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=[opened], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, opened: socket.socket) -> None:
        opened.settimeout(10)
        try:
            if self.context:
                opened = self.context.wrap_socket(opened, server_side=True)
            self.behave(opened)
        except OSError:
            pass
        finally:
            opened.close()

    def close(self) -> None:
        """Stop accepting."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)


def answering(*answers: bytes) -> Behaviour:
    """Answer one request after the other, then close."""

    def behave(opened: socket.socket) -> None:
        for answer in answers:
            if not opened.recv(65536):
                return
            opened.sendall(answer)
        opened.shutdown(socket.SHUT_WR)

    return behave


def always(opened: socket.socket) -> None:
    """Answer every request until the client leaves."""
    while opened.recv(65536):
        opened.sendall(ANSWER)


class Authority:
    """Signs certificates, and is one to trust: `file` holds its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}.pem"
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(self._name, self._key, timedelta(days=1), ca=True)
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def context(self, host: str = "127.0.0.1", *, valid: timedelta = timedelta(days=1)) -> ssl.SSLContext:
        """Return a server's side of TLS, for this host."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        certificate = self._sign(subject, key, valid, host=host)
        file = self._folder / f"{host}-{valid.days}.pem"
        file.write_bytes(private_pem(key) + certificate.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, valid: timedelta, *, ca: bool = False, host: str = ""
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        start = x509.CertificateBuilder(issuer_name=self._name, subject_name=subject, public_key=key.public_key())
        start = start.serial_number(x509.random_serial_number())
        start = start.not_valid_before(now - timedelta(days=30)).not_valid_after(now + valid)
        start = start.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if host:
            name = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
            start = start.add_extension(x509.SubjectAlternativeName([name]), critical=False)
        return start.sign(self._key, hashes.SHA256())


@contextmanager
def tls(context: ssl.SSLContext) -> Iterator[Server]:
    """Run a server with TLS."""
    running = Server(context)
    try:
        yield running
    finally:
        running.close()
