"""Oracle's entrypoint: an Fn call in, an Fn answer out. The parts are created once per container, at its first call."""

from __future__ import annotations

import io
import logging
import re
import time
import uuid
from datetime import UTC, datetime
from functools import cache

from fdk.context import InvokeContext
from fdk.response import Response as FnResponse

from clouds.oracle.function.client import connect
from clouds.oracle.function.identity import signer
from clouds.oracle.function.object_storage import ObjectStorage
from clouds.oracle.function.settings import FREE_REQUESTS, OracleSettings
from counter import entrypoint
from counter.api import Api
from counter.request import Request
from counter.settings import Environment, Settings
from counter.store import REQUEST_SECONDS, NotPublished, Publisher
from counter_store import CounterStore

DEFAULT_SECONDS = 30.0
MARGIN_SECONDS = 2.0  # of a call's time, so that the answer is sent before the platform ends the call
_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

# The FDK sets the root logger to DEBUG, and the SDK then logs several lines for each request.
logging.getLogger().setLevel(logging.WARNING)
logging.getLogger("fdk").setLevel(logging.WARNING)  # on DEBUG it logs every header of every call


def handler(ctx: InvokeContext, data: io.BytesIO | None = None) -> FnResponse:
    """Answer one call. Never raises: the FDK would send the exception's text to the visitor."""
    response = entrypoint.answer(_api, _request(ctx, data))
    return FnResponse(ctx, response.body, dict(response.headers), response.status)


@cache
def _api() -> Api:
    environment = Environment()
    oracle = OracleSettings.read(environment)
    settings = Settings.read(environment, free_requests=FREE_REQUESTS)
    environment.check()
    entrypoint.tell(settings)
    client = connect(oracle, signer(oracle.principal))
    documents = ObjectStorage(client, oracle.namespace, oracle.bucket, oracle.object)
    store = CounterStore(documents, settings.limits, requests=0 if oracle.namespace else 1)

    def topic() -> Publisher:
        if oracle.topic is None:
            raise NotPublished("TOPIC_OCID is not set: there is nowhere to send the report to.", retry=False)
        # Imported only for the report, to keep it out of the cold start.
        from clouds.oracle.function.notifications import Topic  # noqa: PLC0415

        return Topic(oracle.topic, oracle.notifications_endpoint)

    def keep_copy(day: str, document: bytes) -> None:
        copy = ObjectStorage(client, oracle.namespace, oracle.bucket, f"{oracle.object}.copies/{day}")
        there = copy.read(REQUEST_SECONDS)
        copy.write(document, there[1] if there else None, REQUEST_SECONDS)

    return Api(settings, store, topic, time.time, store.warnings, copy=keep_copy)


def _request(ctx: InvokeContext, data: io.BytesIO | None) -> Request:
    # Only a gateway's call has a URL, and no client's header can remove it (`fn-intent` proves nothing: in the FDK a
    # client's header of that name wins). A call without a URL was signed, and authorized by the cloud.
    url, call_id, headers = ctx.RequestURL(), ctx.CallID() or "", ctx.HTTPHeaders().items()
    return Request(
        method="GET" if url is None else (ctx.Method() or "GET").upper(),
        url=url,
        # Behind a gateway a header may occur twice: first the platform's, last the client's.
        headers={name.lower(): value if isinstance(value, str) else value[-1] for name, value in headers},
        body=data.read() if data is not None else b"",
        id=call_id if _CALL_ID.fullmatch(call_id) else uuid.uuid4().hex,
        deadline=_deadline(ctx.Deadline()),
    )


def _deadline(text: str) -> float:
    try:
        end = datetime.fromisoformat(text)
        left = (end.replace(tzinfo=end.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        left = DEFAULT_SECONDS
    return time.monotonic() + max(left - MARGIN_SECONDS, 0.5)
