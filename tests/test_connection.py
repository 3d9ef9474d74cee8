"""A connection of our own: a request is sent once, its answer is whole or given up in time, and TLS is checked."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from OpenSSL import crypto
from tls import ANSWER, Authority, Behaviour, Server, always, answering, tls

from clouds.oracle.function import endpoint
from clouds.oracle.function.connection import Answer, Connection
from clouds.oracle.function.settings import OracleSettings, Proxy
from counter.settings import Environment, Secret, SettingsError
from counter.store import Misconfigured, Unavailable

REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\netag: one\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server without TLS."""
    running = Server()
    yield running
    running.close()


@contextmanager
def connected(server: Server, proxy: Proxy | None = None, trusted: Path | None = None) -> Iterator[Connection]:
    """Open the way to a server."""
    connection = Connection(server.url, proxy, str(trusted) if trusted else None)
    try:
        yield connection
    finally:
        connection.close()


def ask(connection: Connection, seconds: float = 5.0) -> Answer:
    """Send one request."""
    return connection.send("GET", REQUEST, time.monotonic() + seconds)


def test_an_answer_is_read_and_the_connection_kept(server: Server) -> None:
    """Three requests go over one connection."""
    server.behave = always
    with connected(server) as connection:
        answers = [ask(connection) for _ in range(3)]

    assert [(one.status, one.headers["ETag"], one.body) for one in answers] == [(200, "one", b"hello")] * 3
    assert server.connections == 1


def test_a_connection_closed_while_idle_is_replaced(server: Server) -> None:
    """What the server closed between two requests is noticed before the second is sent: no doubt arises."""
    server.behave = answering(ANSWER)
    with connected(server) as connection:
        for _ in range(3):
            assert ask(connection).body == b"hello"
            (idle,) = connection._idle
            idle.settimeout(5)
            assert idle.recv(1, socket.MSG_PEEK) == b""  # the server's end has come

    assert server.connections == 3


def test_an_answer_that_says_close_closes(server: Server) -> None:
    """`connection: close` is heeded."""
    server.behave = answering(ANSWER.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    with connected(server) as connection:
        assert ask(connection).body == b"hello"
        assert connection._idle == []


@pytest.mark.parametrize("whole, needed", [(ANSWER, len(ANSWER)), (CHUNKED, CHUNKED.index(b"0\r\n\r\n") + 1)])
def test_an_answer_cut_anywhere_is_in_doubt(server: Server, whole: bytes, needed: int) -> None:
    """Wherever the answer ends too early, the request may have been done, and nothing is taken for the answer."""
    for length in range(needed):
        server.behave = answering(whole[:length])
        with connected(server) as connection, pytest.raises(Unavailable) as cut:
            ask(connection)
        assert cut.value.in_doubt is True, length
    server.behave = answering(whole)
    with connected(server) as connection:
        assert ask(connection).body == b"hello"


@pytest.mark.parametrize(
    "junk",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nwithout a length, so perhaps only a part",
        b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n",
        b"\x00\xff" * 100,
    ],
)
def test_what_is_no_answer_is_in_doubt(server: Server, junk: bytes) -> None:
    """Whatever comes instead of an answer is the same error."""
    server.behave = answering(junk)
    with connected(server) as connection, pytest.raises(Unavailable) as error:
        ask(connection)

    assert error.value.in_doubt is True
    assert connection._idle == []


def dripping(data: bytes) -> Behaviour:
    """Answer a byte at a time, for a minute or more."""

    def behave(opened: socket.socket) -> None:
        opened.recv(65536)
        for byte in data.ljust(4000, b"x"):
            opened.sendall(bytes([byte]))
            time.sleep(0.02)

    return behave


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200 OK\r\na: ", b"HTTP/1.1 100 Continue\r\n\r\n" * 200, ANSWER[:-5].replace(b"5", b"999999")],
    ids=["nothing", "headers", "continue", "body"],
)
def test_an_answer_that_drips_ends_in_time(server: Server, data: bytes) -> None:
    """The whole answer has to be there by the deadline, however often a byte comes."""
    server.behave = dripping(data)
    start = time.monotonic()
    with connected(server) as connection, pytest.raises(Unavailable) as slow:
        ask(connection, 0.2)

    assert time.monotonic() - start < 10  # it would take more than a minute
    assert slow.value.in_doubt is True


def test_a_request_that_nobody_reads_ends_in_time(server: Server) -> None:
    """Nor does it help to read the request too slowly."""
    done = threading.Event()

    def wait(opened: socket.socket) -> None:
        done.wait(30)

    server.behave = wait
    with connected(server) as connection, pytest.raises(Unavailable) as stuck:
        connection.send("PUT", b"x" * 50_000_000, time.monotonic() + 0.2)
    done.set()

    assert stuck.value.in_doubt is True


def test_no_time_left_is_nothing_sent(server: Server) -> None:
    """After the deadline nothing is begun."""
    with connected(server) as connection, pytest.raises(Unavailable) as late:
        ask(connection, -1)

    assert late.value.in_doubt is False


def test_a_name_that_is_looked_up_for_too_long_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's look-up of a name has no deadline, and the request has."""
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: done.wait(60))
    start = time.monotonic()
    with pytest.raises(Unavailable) as slow:
        ask(Connection("https://storage.example"), 0.2)
    took = time.monotonic() - start
    done.set()

    assert took < 10
    assert slow.value.in_doubt is False


def test_a_name_that_does_not_exist_was_sent_nothing() -> None:
    """A host that cannot be found leaves no doubt."""
    with pytest.raises(Unavailable) as unknown:
        ask(Connection("https://storage.invalid"))

    assert unknown.value.in_doubt is False


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return an authority to trust."""
    return Authority(tmp_path, "good")


def test_a_certificate_that_is_right_is_trusted(authority: Authority) -> None:
    """The name, the time and the authority are right: the request is answered."""
    with tls(authority.context()) as server, connected(server, trusted=authority.file) as connection:
        assert ask(connection).body == b"hello"


@pytest.mark.parametrize("wrong", ["name", "authority", "expired", "certifi"])
def test_a_certificate_that_is_wrong_is_refused(authority: Authority, tmp_path: Path, wrong: str) -> None:
    """A wrong name, another authority, a certificate that ran out: nothing is sent, and the owner is told."""
    signing = Authority(tmp_path, "other") if wrong == "authority" else authority
    valid = timedelta(days=-1 if wrong == "expired" else 1)
    context = signing.context("127.0.0.2" if wrong == "name" else "127.0.0.1", valid=valid)
    read: list[bytes] = []
    with tls(context) as server:
        server.behave = lambda opened: read.append(opened.recv(65536))
        trusted = None if wrong == "certifi" else authority.file
        with connected(server, trusted=trusted) as connection, pytest.raises(Misconfigured, match="certificate"):
            ask(connection)

    assert b"".join(read) == b""


def bundle(monkeypatch: pytest.MonkeyPatch, file: Path, *authorities: tuple[str, Authority]) -> None:
    """Let certifi's bundle be of these, each with its issuer's organisation."""
    parts = [f"\n# Issuer: CN=x O={name}\n# Serial: 1\n{one.file.read_text()}" for name, one in authorities]
    file.write_text("".join(parts))
    monkeypatch.setattr("clouds.oracle.function.connection._certifi", lambda: file)


@pytest.mark.parametrize("issuer, handshakes", [("DigiCert Inc", 1), ("Other Inc", 2)])
def test_the_usual_roots_are_tried_first(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer: str, handshakes: int
) -> None:
    """A certificate of the usual authority needs its roots only; one of another needs all, from then on."""
    usual = "Third Inc" if issuer.startswith("Digi") else "DigiCert Inc"
    bundle(monkeypatch, tmp_path / "all.pem", (usual, Authority(tmp_path, "third")), (issuer, authority))
    with tls(authority.context()) as server, connected(server) as connection:
        assert ask(connection).body == b"hello"
        known = connection._context.get_ca_certs()
        assert server.connections == handshakes
        connection.close()
        assert ask(connection).body == b"hello"

    assert server.connections == handshakes + 1
    assert len(known) == handshakes


def test_the_usual_roots_are_in_the_bundle() -> None:
    """certifi still names issuers as we look for them; its bundle is read only in part."""
    connection = Connection("https://storage.example")
    few = {str(one["issuer"]) for one in connection._context.get_ca_certs()}
    connection._usual_only = False
    del connection._context
    everyone = {str(one["issuer"]) for one in connection._context.get_ca_certs()}

    assert few < everyone
    assert few == {issuer for issuer in everyone if "DigiCert" in issuer}
    assert "DigiCert Global Root G2" in str(few)


def test_certificates_are_read_once(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container makes one TLS context, however often a connection has to be opened again."""
    made: list[object] = []
    original = ssl.create_default_context

    def counting(**options: object) -> ssl.SSLContext:
        made.append(options)
        return original(**options)  # type: ignore[arg-type]

    monkeypatch.setattr("clouds.oracle.function.connection.ssl.create_default_context", counting)
    with tls(authority.context()) as server, connected(server, trusted=authority.file) as connection:
        for _ in range(4):
            assert ask(connection).body == b"hello"
            connection.close()

    assert (server.connections, len(made)) == (4, 1)


def test_certificates_may_be_a_folder(authority: Authority, tmp_path: Path) -> None:
    """A folder is as good as a file, named by hashes as OpenSSL wants it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    certificate = crypto.load_certificate(crypto.FILETYPE_PEM, authority.file.read_bytes())
    name = f"{certificate.subject_name_hash():08x}.0"
    (folder / name).write_bytes(authority.file.read_bytes())
    with tls(authority.context()) as server, connected(server, trusted=folder) as connection:
        assert ask(connection).body == b"hello"


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_certificates_that_cannot_be_read_are_named(tmp_path: Path, content: bytes | None) -> None:
    """The owner is told which variables to look at."""
    file = tmp_path / "bundle.pem"
    if content is not None:
        file.write_bytes(content)
    server = Server()
    server.url = server.url.replace("http:", "https:")
    with connected(server, trusted=file) as connection, pytest.raises(Misconfigured, match="REQUESTS_CA_BUNDLE"):
        ask(connection)
    server.close()


def tunnelling(
    target: int, seen: list[bytes], answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
) -> Behaviour:
    """Be a proxy whose every way leads to one port of this machine."""

    def behave(opened: socket.socket) -> None:
        seen.append(opened.recv(65536))
        opened.sendall(answer)
        if b" 200 " not in answer:
            return
        with socket.create_connection(("127.0.0.1", target)) as onward:
            back = threading.Thread(target=copy, args=[onward, opened], daemon=True)
            back.start()
            copy(opened, onward)
            back.join(10)

    return behave


def copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on bytes until there are no more."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.mark.parametrize("user", [None, "anna:p@ss"])
def test_a_proxy_is_a_tunnel(server: Server, authority: Authority, user: str | None) -> None:
    """Through a proxy the certificate is still that of the host; the proxy gets its own name and word, nothing else."""
    seen: list[bytes] = []
    word = Secret("Basic " + b64encode(user.encode()).decode()) if user else None
    with tls(authority.context("storage.example")) as storage:
        server.behave = tunnelling(storage.port, seen)
        storage.url = "https://storage.example"
        with connected(storage, Proxy("127.0.0.1", server.port, word), authority.file) as connection:
            assert ask(connection).body == b"hello"

    lines = seen[0].decode().split("\r\n")
    assert lines[:2] == ["CONNECT storage.example:443 HTTP/1.1", "host: storage.example:443"]
    assert lines[2:-2] == ([f"proxy-authorization: {word.reveal()}"] if word else [])


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"junk\r\n\r\n", b""])
def test_a_proxy_that_refuses_was_sent_nothing(server: Server, authority: Authority, answer: bytes) -> None:
    """Where there is no way through the proxy, nothing was done."""
    server.behave = tunnelling(0, [], answer)
    connection = Connection("https://storage.example", Proxy("127.0.0.1", server.port), str(authority.file))
    with pytest.raises(Unavailable) as refused:
        ask(connection)

    assert refused.value.in_doubt is False


STORAGE = "https://objectstorage.us-phoenix-1.oraclecloud.com"
USER = Proxy("proxy.example", 3128, Secret("Basic YW5uYTpwQHNz"))


@pytest.mark.parametrize(
    "variables, expected",
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, ("proxy.example", 3128)),
        ({"https_proxy": "http://one.example", "HTTPS_PROXY": "http://two.example"}, ("one.example", 80)),
        ({"ALL_PROXY": "proxy.example:3128"}, ("proxy.example", 3128)),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, ("::1", 3128)),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "oraclecloud.com"}, None),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "localhost, .us-phoenix-1.oraclecloud.com"}, None),
        ({"HTTPS_PROXY": "http://proxy.example", "no_proxy": "*"}, None),
        ({"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "example.com"}, ("proxy.example", 3128)),
    ],
)
def test_the_proxy_is_the_one_the_sdk_would_take(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[str, int] | None
) -> None:
    """The environment's proxy variables mean what they mean to the SDK."""
    from oci._vendor.requests import Session  # noqa: PLC0415
    from oci._vendor.requests.utils import select_proxy  # noqa: PLC0415
    from urllib3.util import parse_url  # noqa: PLC0415

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        for spelled in (name, name.lower()):
            monkeypatch.delenv(spelled, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = endpoint.proxy(STORAGE, OracleSettings.read(Environment()))
    theirs = select_proxy(STORAGE, Session().merge_environment_settings(STORAGE, {}, None, None, None)["proxies"])

    assert found == (Proxy(*expected) if expected else None)
    if theirs:
        parsed = parse_url(theirs)
        assert expected == ((parsed.host or "").strip("[]"), parsed.port or 80)
    else:
        assert expected is None


def test_a_proxy_s_password_is_kept_secret() -> None:
    """It is understood, and not printed."""
    oracle = OracleSettings.read(Environment({"HTTPS_PROXY": "http://anna:p%40ss@proxy.example:3128"}))

    assert oracle.proxy is not None
    assert oracle.proxy.authorization is not None
    assert oracle.proxy.authorization.reveal() == "Basic " + b64encode(b"anna:p@ss").decode()
    assert "anna" not in repr(oracle)
    assert "YW5u" not in repr(oracle)


@pytest.mark.parametrize("text", ["socks5://proxy.example", "https://proxy.example", "http://", "http://a:port"])
def test_a_proxy_that_is_none_is_named(text: str) -> None:
    """What cannot be a proxy is an error of the settings."""
    environment = Environment({"HTTPS_PROXY": text})
    OracleSettings.read(environment)

    with pytest.raises(SettingsError, match="HTTPS_PROXY must be"):
        environment.check()


def test_what_goes_wrong_leaves_nothing_open(server: Server) -> None:
    """A connection that cannot be used again is closed at once, not when memory is tidied up."""
    server.behave = answering(b"junk\r\n\r\n")
    connection = Connection(server.url)
    gc.disable()
    try:
        for _ in range(10):
            with pytest.raises(Unavailable):
                ask(connection)
        left = [one for one in gc.get_objects() if isinstance(one, socket.socket) and is_to(one, server.port)]
    finally:
        gc.enable()

    assert left == []


def is_to(opened: socket.socket, port: int) -> bool:
    """Tell whether a socket is an open connection to a port."""
    try:
        return opened.family == socket.AF_INET and bool(opened.getpeername()[1] == port)
    except OSError:
        return False
