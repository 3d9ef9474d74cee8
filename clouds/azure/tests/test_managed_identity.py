"""The function's identity: a token from inside the machine, and from there to Table Storage over TLS."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from engines import cannot

from clouds.azure.function.managed_identity import ManagedIdentity, NoToken
from clouds.azure.function.storage_account import StorageAccount
from clouds.azure.function.table_storage import TableStorage
from clouds.azure.laptop.azurite import ACCOUNT, Azurite, missing
from counter.settings import Environment, Secret, SettingsError
from counter.store import Misconfigured, Unavailable
from local.loop_thread import running

HEADER = "header-of-this-machine"
TIMEOUT = 5.0


def claim(**claims: object) -> str:
    """Return a token as the cloud's would look, signed by nobody; the engine does not check signatures."""
    now = int(time.time())
    told = {
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
        "nbf": now - 60,
        "iat": now - 60,
        "exp": now + 3600,
        **claims,
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, told)
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}.c2lnbmF0dXJl"


class Machine:
    """The address inside the machine that hands out tokens, as App Service documents it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.token = claim()
        self.body: bytes | None = None
        self.hang = False
        self._released = threading.Event()
        machine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                machine.asked.append(query)
                if machine.hang:
                    machine._released.wait(10)
                known = self.headers.get("X-IDENTITY-HEADER") == HEADER and query.get("api-version") == "2019-08-01"
                told = {"access_token": machine.token, "expires_on": str(int(time.time()) + 86_400)}
                usual = json.dumps({**told, "resource": query.get("resource")}).encode()
                body = usual if machine.body is None else machine.body
                self.send_response(machine.status if known else 403)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):  # the caller gave up waiting
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/msi/token"

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Run the machine's own address."""
    with Machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Run the real engine as Azure runs it: without TLS nobody gets in with a token."""
    cannot(missing())
    folder = tmp_path_factory.mktemp("azurite")
    certificate, key = self_signed(folder)
    engine = Azurite(folder, "--oauth", "basic", "--cert", str(certificate), "--key", str(key))
    with running(engine):
        yield engine


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 and its key, and return the files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def environment(machine: Machine, **more: str) -> Environment:
    """Return what a function with an identity gets to know, by Azure's names."""
    own = {"AzureWebJobsStorage__accountName": "mine", "TABLE_NAME": "ByIdentity"}
    return Environment({**own, "IDENTITY_ENDPOINT": machine.endpoint, "IDENTITY_HEADER": HEADER, **more})


@contextmanager
def storage(machine: Machine, engine: Azurite, **more: str) -> Iterator[TableStorage]:
    """Open a container's own table by its identity. Only the address is another: the engine's is no host name."""
    given = environment(machine, **more)
    account = StorageAccount.read(given)
    given.check()
    here = replace(account, url=f"https://127.0.0.1:{engine.port}/{ACCOUNT}")
    with here.table(connection_verify=str(engine.folder / "certificate.pem")) as table:
        yield TableStorage(table)


@pytest.mark.slow
def test_the_token_opens_the_table(machine: Machine, engine: Azurite) -> None:
    """Without any key, the token from inside the machine lets the function in; it is asked for once."""
    with storage(machine, engine) as own:
        version = own.write(b"first", None, TIMEOUT)
        own.append("a", TIMEOUT)
        own.append("b", TIMEOUT)
        own.remove(["a"], TIMEOUT)

        assert own.read(TIMEOUT) == (b"first", version)
        assert own.entries(TIMEOUT) == ["b"]
    assert machine.asked == [{"api-version": "2019-08-01", "resource": "https://storage.azure.com"}]


@pytest.mark.slow
def test_another_s_token_does_not(machine: Machine, engine: Azurite) -> None:
    """A token that is not for Storage is refused, and that is the owner's to correct."""
    machine.token = claim(aud="https://communication.azure.com")
    with storage(machine, engine) as own, pytest.raises(Misconfigured) as error:
        own.read(TIMEOUT)

    assert "role" in str(error.value)


def test_a_user_assigned_identity_is_named(machine: Machine, engine: Azurite) -> None:
    """`AzureWebJobsStorage__clientId` says which of several identities the token is for."""
    with storage(machine, engine, AzureWebJobsStorage__clientId="client-of-mine") as own:
        own.entries(TIMEOUT)

    assert [asked["client_id"] for asked in machine.asked] == ["client-of-mine"]


REFUSALS: dict[int, tuple[type[Exception], bool | None]] = {
    400: (Misconfigured, None),
    403: (Misconfigured, None),
    404: (Unavailable, False),
    429: (Unavailable, False),
    500: (Unavailable, False),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_without_a_token_nothing_was_sent(machine: Machine, engine: Azurite, status: int) -> None:
    """Where no token is handed out no request goes out either, and the error says who can help."""
    kind, unclear = REFUSALS[status]
    machine.status = status
    with storage(machine, engine) as own, pytest.raises(kind) as error:
        own.write(b"never", None, TIMEOUT)

    assert getattr(error.value, "in_doubt", None) is unclear
    assert HEADER not in str(error.value)
    assert len(machine.asked) == 1


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"{}", b'{"access_token": "x", "expires_on": "soon"}'])
def test_an_answer_that_makes_no_sense_is_no_token(machine: Machine, body: bytes) -> None:
    """What cannot be understood is no token, and may be better the next time."""
    machine.body = body
    with pytest.raises(NoToken) as error:
        ManagedIdentity(machine.endpoint, Secret(HEADER)).get_token("https://storage.azure.com/.default")

    assert error.value.refused is False


def test_a_silent_machine_is_left_in_time(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is waited for a few seconds only."""
    monkeypatch.setattr("clouds.azure.function.managed_identity.TOKEN_SECONDS", 0.2)
    machine.hang = True
    start = time.monotonic()
    with pytest.raises(NoToken):
        ManagedIdentity(machine.endpoint, Secret(HEADER)).get_token("https://storage.azure.com/.default")

    assert time.monotonic() - start < 1


def test_a_closed_port_is_no_token() -> None:
    """A machine that is not there gives no token, which may be better the next time."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NoToken) as error:
        ManagedIdentity(f"http://127.0.0.1:{port}/msi", Secret(HEADER)).get_token("https://storage.azure.com/.default")

    assert error.value.refused is False


ACCOUNTS: dict[str, dict[str, str]] = {
    "the connection string": {"AzureWebJobsStorage": "nonsense"},
    "its key": {
        "AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=mine;AccountKey=abc;"
        "EndpointSuffix=core.windows.net"
    },
    "without a key": {"AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=mine"},
    "a name": {"AzureWebJobsStorage__accountName": "Not A Name"},
    "an address": {"AzureWebJobsStorage__tableServiceUri": "mine.table.core.windows.net"},
    "a table": {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "TABLE_NAME": "my-table"},
    "a reserved table": {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "TABLE_NAME": "Tables"},
    "nothing": {},
    "no identity": {"AzureWebJobsStorage__accountName": "mine"},
}


@pytest.mark.parametrize("case", ACCOUNTS)
def test_what_cannot_be_understood_is_named(case: str) -> None:
    """A setting that makes no sense is an error that names it and does not repeat it."""

    def start() -> None:
        given = Environment(ACCOUNTS[case])
        account = StorageAccount.read(given)
        given.check()
        account.table()

    with pytest.raises(SettingsError) as error:
        start()

    assert any(name in str(error.value) for name in (*ACCOUNTS[case], "AzureWebJobsStorage", "identity"))
    assert not any(value in str(error.value) for value in ACCOUNTS[case].values())


def test_the_laptop_s_short_form_is_understood() -> None:
    """`UseDevelopmentStorage=true` is the engine on its own port, as everywhere in Azure's tools."""
    with StorageAccount.read(Environment({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})).table() as table:
        assert table.url == f"http://127.0.0.1:10002/{ACCOUNT}"
        assert table.table_name == "VisitorCounter"


def test_no_secret_is_printed() -> None:
    """Neither a key nor the machine's header shows in what is printed of the account."""
    given = {
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "IDENTITY_ENDPOINT": "http://x",
        "IDENTITY_HEADER": "hh",
    }
    shown = repr(StorageAccount.read(Environment(given)))

    assert "UseDevelopmentStorage" not in shown
    assert "hh" not in shown
