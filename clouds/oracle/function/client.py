"""Signed requests to Oracle's Object Storage: the SDK's own, byte for byte, without importing the SDK.

The order of the headers is the SDK's too. `tests/test_sdk_requests.py` compares them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from email.utils import formatdate
from hashlib import sha256

from clouds.oracle.function import endpoint
from clouds.oracle.function.connection import Answer, Connection
from clouds.oracle.function.settings import OracleSettings
from clouds.oracle.function.signer import Signer


class Client:
    """Signs each request and sends it over one connection."""

    def __init__(self, signer: Signer, connection: Connection) -> None:
        self._signer = signer
        self._connection = connection

    def ask(
        self,
        method: str,
        target: str,
        deadline: float,
        *,
        body: bytes | None = None,
        condition: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to one request. `target` is the path with its query, `deadline` is in seconds of time.monotonic,
        and `condition` is an `if-match` or `if-none-match` header.

        A 401 may mean that the function's key has expired, so the key is then loaded again and the request sent once
        more. Raises Unavailable and Misconfigured."""
        answer = self._send(method, target, deadline, body, condition or {})
        if answer.status != 401:
            return answer
        self._signer.renew()
        return self._send(method, target, deadline, body, condition or {})

    def close(self) -> None:
        """Close the connection. The next request opens a new one."""
        self._connection.close()

    def _send(
        self, method: str, target: str, deadline: float, body: bytes | None, condition: Mapping[str, str]
    ) -> Answer:
        headers = {
            "user-agent": "visitor-counter",
            "accept-encoding": "identity",
            "accept": "application/json",
            "connection": "keep-alive",
            **condition,
            "content-type": "application/json",
        }
        if body is not None:
            headers["content-length"] = str(len(body))
        headers["date"] = formatdate(usegmt=True)
        headers["host"] = self._connection.host
        if method == "POST":  # Object Storage wants a signed hash of the body for a POST, and none for a PUT
            headers["x-content-sha256"] = b64encode(sha256(body or b"").digest()).decode("ascii")
        headers["authorization"] = self._signer.authorization(method, target, headers)
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return self._connection.send(method, head + (body or b""), deadline)


def connect(oracle: OracleSettings, signer: Signer, region: str | None = None) -> Client:
    """A client for the Object Storage in the settings, or else for the region's, by default the function's own."""
    region = region or (oracle.principal.region if oracle.principal else "")
    address = oracle.object_storage_endpoint or endpoint.address(region, oracle.region_metadata)
    return Client(signer, Connection(address, endpoint.proxy(address, oracle), oracle.trusted))
