"""Sends the report: publishes it to an SNS topic, which mails it to its subscribers."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

from clouds.aws.function.client import connect
from counter.store import NotPublished

PUBLISH_SECONDS = 10.0

_BUSY = frozenset({"Throttled", "Throttling", "ThrottledException", "ThrottlingException", "KMSThrottling"})


class Topic:
    """An SNS topic, by its ARN. `endpoint` replaces the region's own address."""

    def __init__(self, region: str | None, arn: str, endpoint: str | None = None) -> None:
        self._client: Any = connect("sns", region, endpoint, seconds=PUBLISH_SECONDS)
        self._arn = arn

    attaches = False

    def publish(self, title: str, body: str, attachment: bytes = b"") -> None:
        """Publish one message. Success does not mean that there are subscribers. SNS allows a title of one line of
        ASCII with at most 100 characters, and 256 KB; reports are smaller.

        Raises NotPublished.
        """
        try:
            self._client.publish(TopicArn=self._arn, Subject=title, Message=body)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or error.response["Error"]["Code"] in _BUSY:
                raise NotPublished("The notification service is busy or failed.", retry=True) from error
            raise NotPublished(
                "The topic was not found, or the function may not publish to it: check TOPIC_ARN and the role.",
                retry=False,
            ) from error
        except (botocore.exceptions.ConnectionError, HTTPClientError, ResponseParserError) as error:
            raise NotPublished("The notification service could not be reached.", retry=True) from error
        except BotoCoreError as error:
            raise NotPublished("The function has no identity to publish with: check its role.", retry=False) from error
