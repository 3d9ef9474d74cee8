"""What the SDK sends with: a session of requests whose connections share one TLS context.

Left alone, each new connection makes a context and reads all root certificates into it: as much CPU time as ten visits
take, after each pause in which the service has closed the connection.
"""

from __future__ import annotations

import ssl
from typing import Any

from azure.core.pipeline.transport import RequestsTransport
from requests import Session
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context


def transport(trusted: str | bool = True) -> RequestsTransport:
    """A transport that does not ask the environment at each request, and sends nothing again by itself. `trusted` is a
    file with other root certificates than certifi's."""
    session = Session()
    session.trust_env = False
    session.mount("https://", _Adapter())
    return RequestsTransport(session=session, use_env_settings=False, connection_verify=trusted)


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *places: Any, **options: Any) -> None:
        context = create_urllib3_context()
        read_certificates_once(context)
        super().init_poolmanager(*places, ssl_context=context, **options)


def read_certificates_once(context: ssl.SSLContext) -> None:
    """Lets a context skip certificates that it has read before. What it trusts is the same."""
    load, known = context.load_verify_locations, set()

    def once(*places: str | None) -> None:
        if places not in known:
            load(*places)
            known.add(places)

    context.load_verify_locations = once  # type: ignore[method-assign, assignment]
