"""Creates the SDK's clients with botocore; boto3's additions are not needed."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.session import Session, get_session

from clouds.tls import read_certificates_once
from counter.store import Misconfigured

CONNECT_SECONDS = 1.0


def connect(
    service: str, region: str | None, endpoint: str | None = None, *, seconds: float, session: Session | None = None
) -> Any:
    """A client that makes each request once, without retries, and waits `seconds` for the answer. `endpoint` replaces
    the region's own address, `session` the function's own identity. Raises Misconfigured if there is no region, as
    outside AWS Lambda."""
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=seconds,
        # One attempt: counter_store decides about retries.
        retries={"mode": "standard", "total_max_attempts": 1},
        parameter_validation=False,
        max_pool_connections=1,
        # A laptop's engine is on this machine, and a proxy in the environment is for the way out.
        proxies={} if endpoint else None,
    )
    try:
        client = (session or get_session()).create_client(
            service, region_name=region, endpoint_url=endpoint, config=config
        )
    except BotoCoreError as error:
        raise Misconfigured("The function does not know its region: check AWS_REGION.") from error
    except ValueError as error:
        raise Misconfigured("The address of a service is none: check DYNAMODB_ENDPOINT and SNS_ENDPOINT.") from error
    read_certificates_once(client._endpoint.http_session._manager.connection_pool_kw["ssl_context"])
    return client
