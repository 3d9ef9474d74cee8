"""AWS's entrypoint: a Lambda event in, an answer out. The parts are built once an execution environment."""

from __future__ import annotations

import logging
import re
import time
import uuid
from functools import cache
from typing import Any

from clouds.aws.function import event as gateway_event
from clouds.aws.function.client import connect
from clouds.aws.function.dynamodb import DynamoDB
from clouds.aws.function.settings import AwsSettings
from counter import entrypoint
from counter.api import Api
from counter.settings import Environment, Settings
from counter.store import REQUEST_SECONDS, NotPublished, Publisher
from counter_store import CounterStore

MARGIN_SECONDS = 1.5
"""Kept back of a call's time, so that the answer gets out before the platform ends the call, even where the last thing
waited for was a connection."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

log = logging.getLogger("visitor-counter")


def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """Answers one call, every caller in the form that a gateway expects. Never raises: the platform would show the
    exception's text to whoever called directly, and a gateway make a bare 502 of it."""
    request_id = str(context.aws_request_id)
    left = context.get_remaining_time_in_millis() / 1000
    request = gateway_event.request(
        event,
        request_id if _REQUEST_ID.fullmatch(request_id) else uuid.uuid4().hex,
        time.monotonic() + max(left - MARGIN_SECONDS, 0.5),
    )
    return gateway_event.response(entrypoint.answer(_api, request), event)


@cache
def _api() -> Api:
    environment = Environment()
    aws = AwsSettings.read(environment)
    settings = Settings.read(environment, free_requests=None)
    environment.check()
    entrypoint.tell(settings)
    client = connect("dynamodb", aws.region, aws.dynamodb_endpoint, seconds=REQUEST_SECONDS)
    documents = DynamoDB(client, aws.table, aws.counter_id, key=aws.key, attribute=aws.attribute)
    store = CounterStore(documents, settings.limits)

    @cache
    def topic() -> Publisher:
        if aws.topic is None:
            raise NotPublished("TOPIC_ARN is not set: there is nowhere to send the report to.", retry=False)
        from clouds.aws.function.sns import Topic  # noqa: PLC0415 - once a day, and no part of a cold start

        return Topic(aws.region, aws.topic, aws.sns_endpoint)

    def warnings(deadline: float) -> tuple[str, ...]:
        return (*documents.warnings(), *store.warnings(deadline))

    return Api(settings, store, topic, time.time, warnings)


try:
    # While an environment starts, it has a whole processor, and in a call only the part of one that is paid for.
    _api()
except Exception:  # noqa: BLE001 - the first call comes upon the same, and says what it is
    log.info("the counter is not ready yet")
