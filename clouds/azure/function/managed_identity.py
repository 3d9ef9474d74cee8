"""The function's managed identity: Azure's own word for who the function is, so that no key has to be kept anywhere.

App Service and Functions hand out tokens at an address inside the machine. That is one small request, for which
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
"""The longest that a token is waited for: once a container, and again before it runs out, a day later."""


class NoToken(AzureError):
    """There is no token. `refused`: the function has no identity, or not this one; else trying again may help."""

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


class ManagedIdentity:
    """Gets tokens for the function's own identity, or for the user-assigned one that `client_id` names. It is what
    the SDKs call a token credential, and keeps no token: they do."""

    def __init__(self, endpoint: str, header: Secret, client_id: str | None = None) -> None:
        self._endpoint = endpoint
        self._header = header
        self._client_id = client_id
        # The address is inside the machine: no proxy leads there.
        self._pipeline = Pipeline(RequestsTransport(use_env_settings=False))

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token for the one scope. Raises NoToken."""
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
                told = json.loads(answer.text())
                return AccessToken(str(told["access_token"]), int(told["expires_on"]))
        except (AzureError, ValueError, KeyError, TypeError) as error:
            raise NoToken("No token was handed out.", refused=False) from error
        busy = answer.status_code in (404, 408, 410, 429) or answer.status_code >= 500
        raise NoToken(f"The identity was refused with {answer.status_code}.", refused=not busy)
