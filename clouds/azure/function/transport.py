"""The SDK's transport: a session of requests whose connections share one TLS context."""

from __future__ import annotations

from typing import Any

from azure.core.pipeline.transport import RequestsTransport
from requests import Session
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from clouds.tls import read_certificates_once


def transport(trusted: str | bool = True) -> RequestsTransport:
    """A transport without environment variables and without retries. `trusted` is a file with root certificates to use
    instead of certifi's."""
    session = Session()
    session.trust_env = False
    session.mount("https://", _Adapter())
    return RequestsTransport(session=session, use_env_settings=False, connection_verify=trusted)


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *places: Any, **options: Any) -> None:
        context = create_urllib3_context()
        read_certificates_once(context)
        super().init_poolmanager(*places, ssl_context=context, **options)
