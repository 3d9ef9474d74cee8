"""Sends the report by e-mail, through Azure Communication Services: no server to run, paid by the mail.

It is one request to its REST interface. The SDK for it would send the same, and then go on asking in a thread of its
own whether the mail has arrived. docs/decisions/0012-azure-mail.md says why it is no alert of Azure Monitor.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.rest import HttpRequest

from clouds.azure.function.managed_identity import ManagedIdentity, NoToken
from clouds.azure.function.storage_account import identity
from clouds.settings import address
from counter.settings import Environment
from counter.store import NotPublished, Publisher

PUBLISH_SECONDS = 10.0
SCOPE = "https://communication.azure.com/.default"
VERSION = "2023-03-31"

_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")


class Mail:
    """Mails from `sender`, an address of the Communication Services resource at `endpoint`, to `recipients`."""

    def __init__(self, endpoint: str, sender: str, recipients: Sequence[str], credential: ManagedIdentity) -> None:
        # No policy retries: the caller of the report does.
        policies = [BearerTokenCredentialPolicy(credential, SCOPE)]
        self._client: PipelineClient[HttpRequest, object] = PipelineClient(
            endpoint, policies=policies, use_env_settings=False
        )
        self._encrypted = endpoint.startswith("https:")  # only a laptop's address is not encrypted
        self._sender = sender
        self._recipients = [{"address": recipient} for recipient in recipients]

    attaches = True

    def publish(self, title: str, body: str, attachment: bytes = b"") -> None:
        """Send one mail. Success means that it was accepted, not that it was delivered. Raises NotPublished."""
        encoded = base64.b64encode(attachment).decode("ascii")
        file = {"name": "counter.json", "contentType": "application/json", "contentInBase64": encoded}
        request = HttpRequest(
            "POST",
            self._client.format_url("/emails:send"),
            params={"api-version": VERSION},
            json={
                "senderAddress": self._sender,
                "recipients": {"to": self._recipients},
                "content": {"subject": title, "plainText": body},
                **({"attachments": [file]} if attachment else {}),
            },
        )
        try:
            answer = self._client.send_request(
                request, connection_timeout=1.0, read_timeout=PUBLISH_SECONDS, enforce_https=self._encrypted
            )
        except NoToken as error:
            raise NotPublished(
                "The function has no identity to send the mail with: check its managed identity."
                if error.refused
                else "The function's identity could not be reached.",
                retry=not error.refused,
            ) from error
        except AzureError as error:
            raise NotPublished("The mail service could not be reached.", retry=True) from error
        status = answer.status_code  # type: ignore[attr-defined]
        if status == 202:
            return
        if status == 429 or status >= 500:
            raise NotPublished("The mail service is busy or failed.", retry=True)
        raise NotPublished(
            f"The mail service refused the report with {status}: check EMAIL_ENDPOINT, EMAIL_FROM, EMAIL_TO and the "
            "function's role.",
            retry=False,
        )


def publisher(environment: Environment) -> Callable[[], Publisher]:
    """A function that creates the publisher when it is first needed, and raises NotPublished if a setting is
    missing."""
    endpoint = environment.read("EMAIL_ENDPOINT", address, None)
    sender = environment.read("EMAIL_FROM", _one_address, None)
    recipients: tuple[str, ...] = environment.read("EMAIL_TO", _addresses, tuple[str, ...]())
    credential = identity(environment, environment.text("AzureWebJobsStorage__clientId"))
    given = {"EMAIL_ENDPOINT": endpoint, "EMAIL_FROM": sender, "EMAIL_TO": recipients}
    missing = [name for name, value in given.items() if not value]
    made: list[Mail] = []

    def mail() -> Publisher:
        if not (endpoint and sender and recipients):
            unset = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
            raise NotPublished(f"{unset}: there is nowhere to send the report to.", retry=False)
        if not credential:
            raise NotPublished("The function has no managed identity to send the mail with: give it one.", retry=False)
        if not made:
            made.append(Mail(endpoint, sender, recipients, credential))
        return made[0]

    return mail


def _one_address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be an e-mail address")
    return text


def _addresses(text: str) -> tuple[str, ...]:
    addresses = tuple(part.strip() for part in text.split(",") if part.strip())
    if not addresses or not all(map(_ADDRESS.fullmatch, addresses)):
        raise ValueError("must be an e-mail address, or several with commas between")
    return addresses
