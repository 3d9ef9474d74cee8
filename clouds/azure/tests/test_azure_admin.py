"""The owner's way to the table: as whoever `az login` signed in, and to what an older counter left there as well."""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from azure.data.tables import TableClient
from engines import cannot

from clouds import admin as restore
from clouds.azure import admin
from clouds.azure.function.storage_account import StorageAccount
from clouds.azure.function.table_storage import OPTIONS, TableStorage
from clouds.azure.laptop.azurite import ACCOUNT, Azurite, missing
from clouds.oracle.laptop.principal import Principal
from counter.settings import Environment
from counter.store import Misconfigured
from local.loop_thread import running

TIMEOUT = 20.0
SCRIPT = """#!/bin/sh
# Stands in for the Azure CLI, which cannot sign in here: it checks what it is asked, and answers as the real one does.
[ "$*" = "account get-access-token --resource https://storage.azure.com --output json" ] || exit 2
{answer}
"""


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the one folder in which programs are looked for first."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "az"


def installed(az: Path, answer: str) -> None:
    """Install the stand-in of the Azure CLI with its answer, in shell."""
    az.write_text(SCRIPT.format(answer=answer))
    az.chmod(0o755)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Run the real engine with TLS, so that it lets in who has a token."""
    cannot(missing())
    folder = tmp_path_factory.mktemp("azurite")
    principal = Principal(folder)
    principal.server_context()
    certificate = str(principal.certificate)
    engine = Azurite(folder, "--oauth", "basic", "--cert", certificate, "--key", certificate)
    with running(engine):
        yield engine


def token(audience: str) -> str:
    """Return a token for an hour, signed by nobody: the engine does not check signatures."""
    now = int(time.time())
    claims = {"aud": audience, "iss": "https://sts.windows.net/0/", "nbf": now - 60, "iat": now - 60, "exp": now + 3600}
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2lnbmF0dXJl"])


def told(audience: str) -> str:
    """Return what makes the Azure CLI tell a token."""
    answer = {"accessToken": token(audience), "expires_on": int(time.time()) + 3600, "tokenType": "Bearer"}
    return f"echo '{json.dumps(answer)}'"


def storage(engine: Azurite) -> TableStorage:
    """Open the table as the owner; only the address is another: the engine's is no host name."""
    account = StorageAccount.read(Environment({"AzureWebJobsStorage__accountName": "mine", "TABLE_NAME": "ByAz"}))
    here = replace(account, url=f"https://127.0.0.1:{engine.port}/{ACCOUNT}")
    return TableStorage(admin.table(here, connection_verify=str(next(engine.folder.glob("ca-*.pem")))))


def test_a_login_opens_the_table(engine: Azurite, az: Path) -> None:
    """Without any key, whoever signed in with the Azure CLI reads and writes the document."""
    installed(az, told("https://storage.azure.com"))
    own = storage(engine)
    version = own.write(b"first", None, TIMEOUT)

    assert own.read(TIMEOUT) == (b"first", version)


def test_a_token_for_something_else_does_not(engine: Azurite, az: Path) -> None:
    """A token that is not for Storage is refused, and the refusal names the role."""
    installed(az, told("https://management.azure.com"))

    with pytest.raises(Misconfigured, match="Storage Table Data Contributor"):
        storage(engine).read(TIMEOUT)


def test_nobody_is_told_how_to_sign_in(az: Path) -> None:
    """Where the Azure CLI is missing, signed out or too old, the refusal says so in one line."""
    words = ["export", "saved.json", "--cloud", "azure", "--local", "."]
    Path("function.json").write_text('{"AzureWebJobsStorage__accountName": "mine"}')
    expired = {"accessToken": "x", "expiresOn": "2023-01-01 00:00:00.000000"}
    answers = {
        None: "install the Azure CLI",
        "echo 'ERROR: Please run \"az login\" to setup account.' >&2; exit 1": 'run "az login"',
        f"echo '{json.dumps(expired)}'": "2.54",
        "echo no JSON": "2.54",
    }
    for answer, says in answers.items():
        if answer is not None:
            installed(az, answer)
        with pytest.raises(SystemExit) as leaving:
            restore.main(words)
        assert says in str(leaving.value)
        assert "\n" not in str(leaving.value)


def test_an_account_is_needed() -> None:
    """Without an account the refusal names both ways, with the command; a profile is nothing that Azure knows."""
    with pytest.raises(Misconfigured, match="az storage account show-connection-string"):
        restore.admin("azure")(Environment({}), None)
    with pytest.raises(Misconfigured, match="az login"):
        restore.admin("azure")(Environment({"AzureWebJobsStorage__accountName": "mine"}), "work")


def test_an_older_counter_s_row(az: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The number of an older counter is exported as the function would pick it up, and replaced with the document."""
    cannot(missing())
    engine = Azurite(tmp_path_factory.mktemp("azurite"))
    with running(engine):
        connection = engine.connection_string()
        Path("function.json").write_text(json.dumps({"AzureWebJobsStorage": connection, "TABLE_NAME": "older"}))
        with TableClient.from_connection_string(connection, "older", **OPTIONS) as table:
            table.create_table()
            table.create_entity({"PartitionKey": "counter", "RowKey": "1", "count": 41, "note": "mine"})
            restore.main(["export", "saved.json", "--cloud", "azure", "--local", "."])
            restore.main(["start-at", "5", "--yes", "--cloud", "azure", "--local", "."])
            row = table.get_entity("counter", "1")

    assert Path("saved.json").read_bytes() == b'{"count": 41}'
    assert (row["count"], row["pageviews"], row["note"]) == (5, 5, "mine")
