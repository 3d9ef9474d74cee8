"""The settings that exist only on AWS."""

from __future__ import annotations

import re
from dataclasses import dataclass

from clouds.settings import address, name
from counter.settings import Environment


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """The table and the topic. All have defaults; clouds/aws/README.md describes each."""

    table: str = "visitor-counter"
    counter_id: str = "counter"
    key: str = "counter_id"
    attribute: str | None = None
    topic: str | None = None
    region: str | None = None
    dynamodb_endpoint: str | None = None
    sns_endpoint: str | None = None

    @classmethod
    def read(cls, environment: Environment) -> AwsSettings:
        """The settings in `environment`, which collects the errors."""
        default = cls()
        return cls(
            table=environment.text("TABLE_NAME") or default.table,
            counter_id=environment.read("COUNTER_ID", name, default.counter_id),
            key=environment.read("TABLE_KEY", _attribute, default.key),
            attribute=environment.read("COUNT_ATTRIBUTE", _attribute, None),
            topic=environment.text("TOPIC_ARN"),
            region=environment.text("AWS_REGION"),
            dynamodb_endpoint=environment.read("DYNAMODB_ENDPOINT", address, None),
            sns_endpoint=environment.read("SNS_ENDPOINT", address, None),
        )


def _attribute(text: str) -> str:
    if not re.fullmatch(r"\w{1,255}", text, re.ASCII):
        raise ValueError("must be the name of an attribute: letters, digits and _")
    return text
