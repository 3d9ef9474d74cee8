"""Keeps the document and the journal in Oracle Object Storage.

| port   | request                                      | our Conflict                                        |
|--------|----------------------------------------------|-----------------------------------------------------|
| read   | GET                                          |                                                     |
| write  | PUT `if-match: ETAG`, or `if-none-match: *`  | 412; 409 ConcurrentObjectUpdate; 404 ObjectNotFound |
| append | PUT `if-none-match: *`, everything in a name | none: 412 means that the entry is there             |
| remove | one batch delete                             |                                                     |

The SDK's own retries send a conditional PUT again whose answer was lost, meet their own write as 412, and so make a
caller count twice: they are off. So are its circuit breaker, which one service can open for another, and its
`Expect: 100-continue`, which leaves unread bytes on a kept-alive connection (oracle/oci-python-sdk#622).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import oci.base_client
import oci.exceptions
from oci._vendor.requests.exceptions import RequestException
from oci.circuit_breaker import NoCircuitBreakerStrategy
from oci.object_storage import ObjectStorageClient
from oci.object_storage.models import BatchDeleteObjectIdentifier, BatchDeleteObjectsDetails
from oci.retry import NoneRetryStrategy
from urllib3.exceptions import NewConnectionError

from counter.store import PAGE, Conflict, Misconfigured, Unavailable

CONNECT_SECONDS = 1.0

T = TypeVar("T")


def connect(signer: Any, endpoint: str | None = None, config: Mapping[str, Any] | None = None) -> ObjectStorageClient:
    """A client that does what it is told, once. `endpoint` is for another place than the region's own; `config` is the
    SDK's, for a signer that brings no region along."""
    oci.base_client.enable_expect_header = False
    options = {"service_endpoint": endpoint} if endpoint else {}
    client = ObjectStorageClient(
        dict(config or {}),
        signer=signer,
        retry_strategy=NoneRetryStrategy(),
        circuit_breaker_strategy=NoCircuitBreakerStrategy(),
        **options,
    )
    session = client.base_client.session
    for adapter in session.adapters.values():
        # At some refusals the SDK makes its session anew, and drops the old connections open as they are.
        adapter.poolmanager.pools.dispose_func = lambda pool: pool.close()
    # What the environment says of proxies and certificates is asked once here: asked at each request, as the SDK
    # does, it is a fifth of a request's CPU time.
    address = re.sub(r"\{.*?\}", "", client.base_client.endpoint)
    merged = session.merge_environment_settings(address, {}, None, None, None)
    session.trust_env, session.proxies, session.verify = False, merged["proxies"], merged["verify"]
    return client


def namespace(client: ObjectStorageClient, timeout: float) -> str:
    """The tenancy's namespace: one storage request, so once a container at most. Raises Unavailable, Misconfigured."""
    try:
        return str(_ask(client, timeout, lambda: client.get_namespace().data))
    except Unavailable as error:
        raise Unavailable(str(error), in_doubt=False) from error  # nothing was to be written


class ObjectStorage:
    """Documents in one bucket: the document as the object `name`, entries as empty objects `name.journal/ENTRY`. A
    `namespace` that is not given is looked up by the first request."""

    def __init__(self, client: ObjectStorageClient, namespace: str | None, bucket: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name_of_bucket = bucket
        self._name = name
        self._journal = f"{name}.journal/"

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        def get() -> tuple[bytes, str] | None:
            try:
                answer = self._client.get_object(*self._bucket(), self._name)
            except oci.exceptions.ServiceError as error:
                # Any other 404 is a wrong name or a missing permission, and no reason to start a counter over.
                if error.status == 404 and error.code == "ObjectNotFound":
                    return None
                raise
            # Read whole, or the connection could not be used again.
            return answer.data.content, answer.headers["etag"]

        return self._ask(timeout, get)

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        condition = {"if_match": version} if version else {"if_none_match": "*"}
        return self._ask(timeout, lambda: self._put(self._name, data, **condition))

    def append(self, entry: str, timeout: float) -> None:
        try:
            self._ask(timeout, lambda: self._put(self._journal + entry, b"", if_none_match="*"))
        except Conflict as conflict:
            cause = conflict.__cause__
            if not (isinstance(cause, oci.exceptions.ServiceError) and cause.status == 412):
                raise Unavailable("The storage was busy with this very entry.", in_doubt=False) from conflict

    def entries(self, timeout: float) -> list[str]:
        def listing() -> list[str]:
            found = self._client.list_objects(*self._bucket(), prefix=self._journal, limit=PAGE).data.objects
            return [item.name.removeprefix(self._journal) for item in found]

        return self._ask(timeout, listing)

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        named = [BatchDeleteObjectIdentifier(object_name=self._journal + entry) for entry in entries]
        details = BatchDeleteObjectsDetails(objects=named, is_skip_deleted_result=True)
        failed = self._ask(timeout, lambda: self._client.batch_delete_objects(*self._bucket(), details).data.failed)
        if any(item.status_code != 404 for item in failed or ()):
            raise Unavailable("The storage did not remove some journal entries.", in_doubt=True)

    def _put(self, name: str, data: bytes, **condition: str) -> str:
        answer = self._client.put_object(*self._bucket(), name, data, content_type="application/json", **condition)
        return str(answer.headers["etag"])

    def _bucket(self) -> tuple[str, str]:
        return self._namespace or "", self._name_of_bucket

    def _ask(self, timeout: float, request: Callable[[], T]) -> T:
        if self._namespace is None:
            self._namespace = namespace(self._client, timeout)
        return _ask(self._client, timeout, request)


def _ask(client: ObjectStorageClient, timeout: float, request: Callable[[], T]) -> T:
    client.base_client.timeout = (min(CONNECT_SECONDS, timeout), timeout)
    try:
        return request()
    except oci.exceptions.ServiceError as error:
        raise _refused(error) from error
    except RequestException as error:
        raise Unavailable("The storage could not be reached.", in_doubt=not _never_sent(error)) from error


def _refused(error: oci.exceptions.ServiceError) -> Conflict | Unavailable | Misconfigured:
    if error.status in (409, 412) or (error.status == 404 and error.code == "ObjectNotFound"):
        return Conflict("Another visit was written at the same moment.")
    if error.status == 429:
        return Unavailable("The storage is asked too often.", in_doubt=False)
    if error.status >= 500:
        return Unavailable("The storage has a failure of its own.", in_doubt=True)
    if error.status == 401:
        return Misconfigured("The storage does not know the function: check its dynamic group.")
    return Misconfigured("The bucket was not found, or the function may not use it: check BUCKET and the policy.")


def _never_sent(error: Exception) -> bool:
    if isinstance(error, oci.exceptions.ConnectTimeout):
        return True
    # The SDK turns what went wrong on the connection into text; only the exception's own history still has it.
    cause = error.args[0] if error.args else None
    reason = getattr(getattr(cause, "__context__", None), "reason", None)
    return isinstance(reason, NewConnectionError)
