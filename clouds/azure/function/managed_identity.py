"""The function's managed identity, Azure's way to authenticate a function without any stored key.

App Service and Functions provide tokens at an address inside the machine. Getting one is a single small request; for it
azure-identity would import msal and cryptography: 16 MB more to ship and 0.15 s of CPU at each cold start.
"""

from __future__ import annotations

import json
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError
from azure.core.pipeline import Pipeline
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest

from counter.settings import Secret

TOKEN_SECONDS = 3.0
"""The timeout for a token. A container needs one when it starts, and a new one before it expires after a day."""


class NoToken(AzureError):
    """There is no token. If `refused`, the function does not have this identity; otherwise a retry may succeed."""

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


class ManagedIdentity:
    """Gets tokens for the function's own identity, or for the user-assigned one with `client_id`. The SDKs call this a
    token credential; they cache the tokens."""

    def __init__(self, endpoint: str, header: Secret, client_id: str | None = None) -> None:
        self._endpoint = endpoint
        self._header = header
        self._client_id = client_id
        # The address is inside the machine, where no proxy leads.
        self._pipeline = Pipeline(RequestsTransport(use_env_settings=False))

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token for the first scope. Raises NoToken."""
        query = {"api-version": "2019-08-01", "resource": scopes[0].removesuffix("/.default")}
        if self._client_id:
            query["client_id"] = self._client_id
        request = HttpRequest("GET", self._endpoint, params=query, headers={"X-IDENTITY-HEADER": self._header.reveal()})
        try:
            answer = self._pipeline.run(
                request, connection_timeout=TOKEN_SECONDS, read_timeout=TOKEN_SECONDS
            ).http_response
            answer.read()
            if answer.status_code == 200:
                content = json.loads(answer.text())
                return AccessToken(str(content["access_token"]), int(content["expires_on"]))
        except (AzureError, ValueError, KeyError, TypeError) as error:
            raise NoToken("The platform returned no token.", refused=False) from error
        busy = answer.status_code in (404, 408, 410, 429) or answer.status_code >= 500
        raise NoToken(f"The identity was refused with {answer.status_code}.", refused=not busy)
