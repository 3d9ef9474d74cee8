"""The owner's access to the table: with the account of `az login`, and to an older counter's row as well."""

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
# Replaces the Azure CLI, which cannot sign in here: checks its arguments and answers like the real one.
[ "$*" = "account get-access-token --resource https://storage.azure.com --output json" ] || exit 2
{answer}
"""


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where to put the Azure CLI, in a folder that comes first in PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "az"


def installed(az: Path, answer: str) -> None:
    """Install a stand-in for the Azure CLI; its answer is a shell command."""
    az.write_text(SCRIPT.format(answer=answer))
    az.chmod(0o755)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Run the real engine with TLS, so that it accepts tokens."""
    cannot(missing())
    folder = tmp_path_factory.mktemp("azurite")
    principal = Principal(folder)
    principal.server_context()
    certificate = str(principal.certificate)
    engine = Azurite(folder, "--oauth", "basic", "--cert", certificate, "--key", certificate)
    with running(engine):
        yield engine


def token(audience: str) -> str:
    """Return a token valid for an hour, without a real signature: the engine does not check it."""
    now = int(time.time())
    claims = {"aud": audience, "iss": "https://sts.windows.net/0/", "nbf": now - 60, "iat": now - 60, "exp": now + 3600}
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2lnbmF0dXJl"])


def token_answer(audience: str) -> str:
    """Return the shell command that prints a token as the Azure CLI does."""
    answer = {"accessToken": token(audience), "expires_on": int(time.time()) + 3600, "tokenType": "Bearer"}
    return f"echo '{json.dumps(answer)}'"


def storage(engine: Azurite) -> TableStorage:
    """Open the table as the owner, at the engine's address."""
    account = StorageAccount.read(Environment({"AzureWebJobsStorage__accountName": "mine", "TABLE_NAME": "ByAz"}))
    here = replace(account, url=f"https://127.0.0.1:{engine.port}/{ACCOUNT}")
    return TableStorage(admin.table(here, connection_verify=str(next(engine.folder.glob("ca-*.pem")))))


@pytest.mark.slow
def test_a_login_opens_the_table(engine: Azurite, az: Path) -> None:
    """With a sign-in of the Azure CLI and no key, the owner reads and writes the document."""
    installed(az, token_answer("https://storage.azure.com"))
    own = storage(engine)
    version = own.write(b"first", None, TIMEOUT)

    assert own.read(TIMEOUT) == (b"first", version)


@pytest.mark.slow
def test_a_token_for_something_else_does_not(engine: Azurite, az: Path) -> None:
    """A token that is not for Storage is refused, and the error names the role."""
    installed(az, token_answer("https://management.azure.com"))

    with pytest.raises(Misconfigured, match="Storage Table Data Contributor"):
        storage(engine).read(TIMEOUT)


def test_nobody_is_told_how_to_sign_in(az: Path) -> None:
    """If the Azure CLI is missing, signed out or too old, the error says what to do in one line."""
    command = ["export", "saved.json", "--cloud", "azure", "--local", "."]
    Path("function.json").write_text('{"AzureWebJobsStorage__accountName": "mine"}')
    expired = {"accessToken": "x", "expiresOn": "2023-01-01 00:00:00.000000"}
    answers = {
        None: "install the Azure CLI",
        "echo 'ERROR: Please run \"az login\" to setup account.' >&2; exit 1": 'run "az login"',
        f"echo '{json.dumps(expired)}'": "2.54",
        "echo no JSON": "2.54",
    }
    for answer, expected in answers.items():
        if answer is not None:
            installed(az, answer)
        with pytest.raises(SystemExit) as leaving:
            restore.main(command)
        assert expected in str(leaving.value)
        assert "\n" not in str(leaving.value)


def test_an_account_is_needed() -> None:
    """Without a storage account the error names both settings and the command; Azure has no profiles."""
    with pytest.raises(Misconfigured, match="az storage account show-connection-string"):
        restore.admin("azure")(Environment({}), None)
    with pytest.raises(Misconfigured, match="az login"):
        restore.admin("azure")(Environment({"AzureWebJobsStorage__accountName": "mine"}), "work")


@pytest.mark.slow
def test_an_older_counter_s_row(az: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An older counter's number is exported as the function would adopt it, and replaced with the document."""
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
