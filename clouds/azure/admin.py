"""The owner's way to the table, from his own machine."""

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
    """The stored document of the function with these settings; by the account's key, or as `az login` says."""

    name = "counter.json"

    def __init__(self, environment: Environment, profile: str | None) -> None:
        account = StorageAccount.read(environment)
        environment.check()
        if profile:
            raise Misconfigured("Azure has no profiles: `az login` says who you are.")
        self.documents = TableStorage(table(account))

    def before(self, moment: datetime) -> NoReturn:
        """Say that tables keep no versions. Raises Misconfigured."""
        raise Misconfigured(f"Azure's tables keep no versions, so there is none of {moment:%Y-%m-%d %H:%M %Z}.")


class AzureCli:
    """Gets tokens for whoever `az login` signed in. It is what the SDKs call a token credential. azure-identity asks
    the same program, and weighs much more."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Return a token for the one scope. Raises Misconfigured."""
        program = shutil.which("az")
        if program is None:
            raise Misconfigured("Azure does not know who you are: install the Azure CLI, and run `az login`.")
        resource = scopes[0].removesuffix("/.default")
        command = [program, "account", "get-access-token", "--resource", resource, "--output", "json"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"az ended with status {done.returncode}."
            raise Misconfigured(f"Azure does not know who you are. {said}")
        try:
            told = json.loads(done.stdout)
            return AccessToken(str(told["accessToken"]), int(told["expires_on"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Misconfigured("The Azure CLI tells no token: it must be 2.54 or newer.") from error


def table(account: StorageAccount, **options: Any) -> TableClient:
    """Return a client of the table; `options` are the SDK's. Makes no request. Raises Misconfigured."""
    if account.connection:
        return account.table(**options)
    if not account.url:
        raise Misconfigured(
            "Which storage account? Name it in AzureWebJobsStorage__accountName, or put into AzureWebJobsStorage what "
            "this says: az storage account show-connection-string --name ACCOUNT --output tsv"
        )
    return TableClient(account.url, account.table_name, credential=AzureCli(), **{**OPTIONS, **options})
