"""The owner's access to the table from their own machine."""

import json
import shutil
import subprocess
from datetime import datetime
from typing import Any, NoReturn

from azure.core.credentials import AccessToken
from azure.data.tables import TableClient

from clouds.azure.function.storage_account import StorageAccount
from clouds.azure.function.table_storage import OPTIONS, TableStorage
from counter.settings import Environment
from counter.store import Misconfigured


class Admin:
    """The function's stored document, accessed with the storage account's key or with the identity of `az login`."""

    name = "counter.json"

    def __init__(self, environment: Environment, profile: str | None) -> None:
        account = StorageAccount.read(environment)
        environment.check()
        if profile:
            raise Misconfigured("Azure has no profiles: run `az login` to choose your account.")
        self.documents = TableStorage(table(account))

    def before(self, moment: datetime) -> NoReturn:
        """Raise Misconfigured: tables keep no versions."""
        raise Misconfigured(f"Azure's tables keep no versions, so none from {moment:%Y-%m-%d %H:%M %Z} either.")


class AzureCli:
    """Gets tokens for the account of `az login`; the SDKs call this a token credential. azure-identity runs the same
    program and is much larger."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Return a token for the first scope. Raises Misconfigured."""
        program = shutil.which("az")
        if program is None:
            raise Misconfigured("You are not signed in to Azure: install the Azure CLI, and run `az login`.")
        resource = scopes[0].removesuffix("/.default")
        command = [program, "account", "get-access-token", "--resource", resource, "--output", "json"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = " ".join(done.stderr.split()) or f"az ended with status {done.returncode}."
            raise Misconfigured(f"You are not signed in to Azure. {reason}")
        try:
            answer = json.loads(done.stdout)
            return AccessToken(str(answer["accessToken"]), int(answer["expires_on"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Misconfigured("The Azure CLI returned no token: update it to 2.54 or newer.") from error


def table(account: StorageAccount, **options: Any) -> TableClient:
    """Return a client of the table; `options` are the SDK's. Makes no request. Raises Misconfigured."""
    if account.connection:
        return account.table(**options)
    if not account.url:
        raise Misconfigured(
            "Set AzureWebJobsStorage__accountName to the storage account's name, or AzureWebJobsStorage to "
            "the output of: az storage account show-connection-string --name ACCOUNT --output tsv"
        )
    return TableClient(account.url, account.table_name, credential=AzureCli(), **{**OPTIONS, **options})
