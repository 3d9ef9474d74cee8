"""Stores the document and the journal in Oracle Object Storage.

| port    | request                                      | our Conflict                                        |
|---------|----------------------------------------------|-----------------------------------------------------|
| read    | GET                                          |                                                     |
| write   | PUT `if-match: ETAG`, or `if-none-match: *`  | 412; 409 ConcurrentObjectUpdate; 404 ObjectNotFound |
| append  | PUT `if-none-match: *`, everything in a name | none: 412 means that the entry is there             |
| entries | GET of the names, page by page               |                                                     |
| remove  | one batch delete                             |                                                     |

The requests are the SDK's, byte for byte (docs/decisions/0016 has why they are not made by it). No request is sent
again whose answer was lost: a conditional PUT would meet its own write as 412, and make a caller count twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from clouds.oracle.function.client import Client
from clouds.oracle.function.connection import Answer
from counter.store import PAGE, Conflict, Misconfigured, StoreError, Unavailable

NO_OBJECT = (404, "ObjectNotFound")
BUSY = (409, "ConcurrentObjectUpdate")
UNREADABLE = "The storage's answer is invalid."


def namespace(client: Client, deadline: float) -> str:
    """The tenancy's namespace, with one storage request. Raises Unavailable and Misconfigured."""
    try:
        found = _json(client.ask("GET", "/n", deadline))
    except Unavailable as error:
        raise Unavailable(str(error), in_doubt=False) from error  # nothing was to be written
    if not isinstance(found, str):
        raise Unavailable(UNREADABLE, in_doubt=False)
    return found


class ObjectStorage:
    """Documents in one bucket: the document as the object `name`, entries as empty objects `name.journal/ENTRY`. If no
    `namespace` is given, the first request looks it up."""

    def __init__(self, client: Client, namespace: str | None, bucket: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._bucket = bucket
        self._name = name
        self._journal = f"{name}.journal/"

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        answer = self._ask("GET", _object(self._name), _deadline(timeout))
        # Any other 404 means a wrong name or a missing permission, which must not start the counter over.
        if _refusal(answer) == NO_OBJECT:
            return None
        return _done(answer).body, _etag(answer)

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        condition = {"if-match": version} if version else {"if-none-match": "*"}
        answer = self._ask("PUT", _object(self._name), _deadline(timeout), data, condition)
        if answer.status == 412 or _refusal(answer) in (BUSY, NO_OBJECT):
            raise Conflict("Another visit was written at the same moment.")
        return _etag(_done(answer))

    def append(self, entry: str, timeout: float) -> None:
        target = _object(self._journal + entry)
        answer = self._ask("PUT", target, _deadline(timeout), b"", {"if-none-match": "*"})
        if _refusal(answer) == BUSY:
            raise Unavailable("The storage was busy with this very entry.", in_doubt=False)
        if answer.status != 412:
            _done(answer)

    def entries(self, timeout: float) -> list[str]:
        deadline = _deadline(timeout)
        query: dict[str, object] = {"prefix": self._journal, "limit": PAGE}
        names: list[str] = []
        while True:
            page = _json(self._ask("GET", "/o?" + urlencode(query), deadline))
            try:
                names += [found["name"].removeprefix(self._journal) for found in page["objects"]]
                following = page.get("nextStartWith")
            except (LookupError, TypeError, AttributeError) as error:
                raise Unavailable(UNREADABLE, in_doubt=False) from error
            if not following:
                return names
            query = {"prefix": self._journal, "start": following, "limit": PAGE}

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        named = [{"objectName": self._journal + entry} for entry in entries]
        body = json.dumps({"objects": named, "isSkipDeletedResult": True}).encode("ascii")
        answer = _json(self._ask("POST", "/actions/batchDeleteObjects", _deadline(timeout), body))
        try:
            failed = [item for item in answer.get("failed") or () if item["statusCode"] != 404]
        except (LookupError, TypeError, AttributeError) as error:
            raise Unavailable(UNREADABLE, in_doubt=True) from error
        if failed:
            raise Unavailable("The storage did not remove some journal entries.", in_doubt=True)

    def _ask(
        self,
        method: str,
        target: str,
        deadline: float,
        body: bytes | None = None,
        condition: dict[str, str] | None = None,
    ) -> Answer:
        if self._namespace is None:
            self._namespace = namespace(self._client, deadline)
        bucket = f"/n/{quote(self._namespace, safe='')}/b/{quote(self._bucket, safe='')}"
        return self._client.ask(method, bucket + target, deadline, body=body, condition=condition)


def _deadline(timeout: float) -> float:
    return time.monotonic() + timeout


def _object(name: str) -> str:
    return f"/o/{quote(name, safe='')}"


def _done(answer: Answer) -> Answer:
    """The answer of a successful request. Raises the error for its status otherwise."""
    if 200 <= answer.status < 300:
        return answer
    raise _refused(answer.status)


def _refused(status: int) -> StoreError:
    if status == 429:
        return Unavailable("The storage got too many requests.", in_doubt=False)
    if status >= 500:
        return Unavailable("The storage failed.", in_doubt=True)
    if status < 400:
        return Unavailable(UNREADABLE, in_doubt=True)
    if status == 401:
        return Misconfigured("The storage does not know the function: check its dynamic group.")
    if status == 409:
        return Misconfigured("The bucket refuses to be changed: look for a retention rule, or a lock on it.")
    return Misconfigured("The bucket was not found, or the function may not use it: check BUCKET and the policy.")


def _etag(answer: Answer) -> str:
    etag = answer.headers.get("etag", "")
    if not etag or not etag.isprintable():
        raise Unavailable(UNREADABLE, in_doubt=True)
    return etag


def _json(answer: Answer) -> Any:
    try:
        return json.loads(_done(answer).body)
    except ValueError as error:
        raise Unavailable(UNREADABLE, in_doubt=True) from error


def _refusal(answer: Answer) -> tuple[int, str] | None:
    """The status and the storage's error code of a refused request."""
    if answer.status < 400:
        return None
    try:
        return answer.status, str(json.loads(answer.body)["code"])
    except (ValueError, LookupError, TypeError):
        return answer.status, ""
