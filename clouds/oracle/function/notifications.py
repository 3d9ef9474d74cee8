"""Sends the report: publishes it to an Oracle Notifications topic, which mails it to its subscribers."""

from __future__ import annotations

import oci.exceptions
from oci._vendor.requests.exceptions import RequestException
from oci.auth.signers import get_resource_principals_signer
from oci.circuit_breaker import NoCircuitBreakerStrategy
from oci.ons import NotificationDataPlaneClient
from oci.ons.models import MessageDetails
from oci.retry import NoneRetryStrategy

from counter.store import NotPublished

PUBLISH_SECONDS = 10.0


class Topic:
    """A Notifications topic, by its OCID. `endpoint` replaces the region's own address."""

    def __init__(self, ocid: str, endpoint: str | None = None) -> None:
        options = {"service_endpoint": endpoint} if endpoint else {}
        self._client = NotificationDataPlaneClient(
            {},
            signer=get_resource_principals_signer(),
            retry_strategy=NoneRetryStrategy(),
            circuit_breaker_strategy=NoCircuitBreakerStrategy(),
            timeout=(1.0, PUBLISH_SECONDS),
            **options,
        )
        self._ocid = ocid

    attaches = False

    def publish(self, title: str, body: str, attachment: bytes = b"") -> None:
        """Publish one message. Success does not mean that there are subscribers. Raises NotPublished."""
        try:
            self._client.publish_message(self._ocid, MessageDetails(title=title, body=body))
        except oci.exceptions.ServiceError as error:
            if error.status == 429 or error.status >= 500:
                raise NotPublished("The notification service is busy or failed.", retry=True) from error
            raise NotPublished(
                "The topic was not found, or the function may not publish to it: check TOPIC_OCID and the policy.",
                retry=False,
            ) from error
        except RequestException as error:
            raise NotPublished("The notification service could not be reached.", retry=True) from error
