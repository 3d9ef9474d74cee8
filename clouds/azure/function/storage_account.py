"""The function's storage account: the address of its tables, and the function's credentials.

Every function app has a storage account. Its setting is `AzureWebJobsStorage`, a connection string, or, without any
key, `AzureWebJobsStorage__accountName` (or `__tableServiceUri`) for access with the function's managed identity, and
`__clientId` if that is a user-assigned one. The counter's table is in the same account.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from azure.data.tables import TableClient

from clouds.azure.function.managed_identity import ManagedIdentity
from clouds.azure.function.table_storage import OPTIONS
from clouds.azure.function.transport import transport
from clouds.settings import address
from counter.settings import Environment, Secret, SettingsError

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}", re.ASCII)
_TABLE = re.compile(r"(?!tables$)[A-Za-z][A-Za-z0-9]{2,62}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """Either a connection string, or the address of the tables and an identity; and the table's name."""

    connection: Secret | None
    url: str | None
    identity: ManagedIdentity | None
    table_name: str

    @classmethod
    def read(cls, environment: Environment) -> StorageAccount:
        """The account in `environment`, which collects the errors."""
        name = "AzureWebJobsStorage"
        connection = environment.read(name, _connection, None)
        account = environment.read(f"{name}__accountName", _account, None)
        return cls(
            connection=connection,
            url=environment.read(f"{name}__tableServiceUri", address, account),
            identity=None if connection else identity(environment, environment.text(f"{name}__clientId")),
            table_name=environment.read("TABLE_NAME", _table, "VisitorCounter"),
        )

    def table(self, **options: Any) -> TableClient:
        """A client of the table, with additional `options` of the SDK. Makes no request. Raises SettingsError if a
        setting is missing."""
        options = {"transport": transport(options.get("connection_verify", True)), **OPTIONS, **options}
        if self.connection:
            return TableClient.from_connection_string(self.connection.reveal(), self.table_name, **options)
        if not self.url:
            raise SettingsError("AzureWebJobsStorage or AzureWebJobsStorage__accountName must name a storage account.")
        if not self.identity:
            raise SettingsError("The function has no managed identity: give it one, or a connection string.")
        return TableClient(self.url, self.table_name, credential=self.identity, **options)


def identity(environment: Environment, client_id: str | None = None) -> ManagedIdentity | None:
    """The function's managed identity, or None if it has none."""
    endpoint, header = environment.text("IDENTITY_ENDPOINT"), environment.text("IDENTITY_HEADER")
    return ManagedIdentity(endpoint, Secret(header), client_id) if endpoint and header else None


def _connection(text: str) -> Secret:
    try:
        TableClient.from_connection_string(text, "VisitorCounter").close()
        named = dict(part.partition("=")[::2] for part in text.split(";"))
        base64.b64decode(named.get("AccountKey", ""), validate=True)
    except (ValueError, KeyError) as error:
        raise ValueError("must be the connection string of a storage account") from error
    return Secret(text)


def _account(text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        raise ValueError("must be the name of a storage account: 3 to 24 lower-case letters and digits")
    return f"https://{text}.table.core.windows.net"


def _table(text: str) -> str:
    if not _TABLE.fullmatch(text):
        raise ValueError("must be 3 to 63 letters and digits, starting with a letter")
    return text
