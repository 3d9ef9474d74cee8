"""Stores the document and the journal in one DynamoDB table.

| port    | request                                             | our Conflict                    |
|---------|-----------------------------------------------------|---------------------------------|
| read    | GetItem, consistent                                 |                                 |
| write   | UpdateItem on condition of the version, or no item  | ConditionalCheckFailedException |
| append  | PutItem: an item that is nothing but its key        | none: once more is the same     |
| entries | Scan, consistent, page by page                      |                                 |
| remove  | BatchWriteItem, 25 at a time                        |                                 |

The SDK's retries are off. If the answer to a conditional write was lost, the SDK would send it again and report its own
success as a conflict. A throttled request is Unavailable, and the loop that owns all retries waits.
docs/decisions/0010-dynamodb.md has the reasoning.
"""

from __future__ import annotations

import re
import time
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from clouds.aws.function import item as stored_item
from clouds.aws.function.item import EXPIRES, Version
from clouds.bounded import bounded
from clouds.packing import pack
from counter.store import Conflict, Misconfigured, StoreError, Unavailable

BATCH = 25
"""The largest number of items in one BatchWriteItem."""

_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException", "ReplicatedWriteConflictException", "RequestLimitExceeded",
        "ThrottlingException", "TransactionConflictException",
    }
)  # fmt: skip
_NEVER_SENT = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
_REASONS = {
    "ResourceNotFoundException": "The table was not found: check TABLE_NAME and the region.",
    "AccessDeniedException": "The function may not use the table: check the policy of its role.",
    "ValidationException": "The table does not accept the counter's items: TABLE_KEY must be its key, of type string.",
}
_UNKNOWN = "The storage does not know the function, or refuses it: check its role and its region."


class DynamoDB:
    """Documents in one table: the document in the item `counter_id`, entries as items `counter_id.journal/ENTRY`.
    `key` is the table's key, `attribute` an older counter's attribute for its number, if it is not a known one.

    `client` must not be shared; `clock` returns monotonic seconds, and `new_version` a text that was never used."""

    def __init__(
        self,
        client: Any,
        table: str,
        counter_id: str,
        *,
        key: str = "counter_id",
        attribute: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        new_version: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._client = client
        self._table = table
        self._key = key
        self._attribute = attribute
        self._item = {key: {"S": counter_id}}
        self._expires = False
        self._journal = f"{counter_id}.journal/"
        self._clock = clock
        self._new_version = new_version
        self._seconds = 0.0
        client.meta.events.register("before-send.dynamodb", self._limit)
        client.meta.events.register("before-parse.dynamodb", self._check)

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        answer = self._ask("get_item", timeout, TableName=self._table, Key=self._item, ConsistentRead=True)
        item = {name: value for name, value in answer.get("Item", {}).items() if name != self._key}
        self._expires = EXPIRES in item
        return stored_item.parse(item, self._attribute) if "Item" in answer else None

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        stored = pack(data)
        if len(stored) > stored_item.MAX_BYTES:
            raise Misconfigured("The counter's document is too large for an item of a table.")
        expected = Version("", self._attribute or "") if version is None else Version.parse(version)
        new, numbers = expected.after(self._new_version(), data)
        attributes = {"version": {"S": new.text}, "document": {"B": stored}, **numbers}
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in attributes) + f" REMOVE #{EXPIRES}"
        is_new: tuple[str, dict[str, Any]] = (f"attribute_not_exists(#{self._key})", {})
        condition, values = expected.condition() if version is not None else is_new
        self._ask(
            "update_item",
            timeout,
            TableName=self._table,
            Key=self._item,
            UpdateExpression=update,
            ConditionExpression=condition,
            # Names are always placeholders, because some of them, like `count`, are reserved words.
            ExpressionAttributeNames={f"#{name}": name for name in re.findall(r"#(\w+)", f"{update} {condition}")},
            ExpressionAttributeValues={f":{name}": value for name, value in attributes.items()} | values,
        )
        self._expires = False
        return str(new)

    def warnings(self) -> tuple[str, ...]:
        """What should be changed in the item, for /health."""
        warning = f"The table's item has {EXPIRES}, so DynamoDB deletes it if the table's TTL is on. Switch TTL off."
        return (warning,) if self._expires else ()

    def append(self, entry: str, timeout: float) -> None:
        self._ask("put_item", timeout, TableName=self._table, Item={self._key: {"S": self._journal + entry}})

    def entries(self, timeout: float) -> list[str]:
        end, found, start = self._clock() + timeout, list[str](), dict[str, Any]()
        while True:
            answer = self._ask(
                "scan",
                end - self._clock(),
                TableName=self._table,
                ConsistentRead=True,
                ProjectionExpression="#key",
                FilterExpression="begins_with(#key, :journal)",
                ExpressionAttributeNames={"#key": self._key},
                ExpressionAttributeValues={":journal": {"S": self._journal}},
                **start,
            )
            found += [item[self._key]["S"].removeprefix(self._journal) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return found
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        end = self._clock() + timeout
        for first in range(0, len(entries), BATCH):
            keys = [{self._key: {"S": self._journal + entry}} for entry in entries[first : first + BATCH]]
            requests = {self._table: [{"DeleteRequest": {"Key": key}} for key in keys]}
            answer = self._ask("batch_write_item", end - self._clock(), RequestItems=requests)
            if answer.get("UnprocessedItems"):
                raise Unavailable("The storage did not remove some journal entries.", in_doubt=True)

    def _limit(self, request: Any, **_: Any) -> None:
        request.context["read_timeout"] = self._seconds

    def _check(self, response_dict: Mapping[str, Any], **_: Any) -> None:
        # The SDK treats a truncated answer as an empty one, which would mean "there is no document".
        body, checksum = response_dict["body"], response_dict["headers"].get("x-amz-crc32")
        is_whole = int(checksum) == zlib.crc32(body) if checksum else body.endswith(b"}")
        if response_dict["status_code"] < 500 and not is_whole:
            raise Unavailable("The storage's answer is incomplete.", in_doubt=True)

    def _ask(self, operation: str, timeout: float, **parameters: Any) -> Any:
        if timeout <= 0:
            raise Unavailable("There was no time left to reach the storage.", in_doubt=False)
        self._seconds = timeout
        try:
            return bounded(lambda: getattr(self._client, operation)(**parameters), timeout)
        except StoreError:
            raise
        except ClientError as error:
            raise _refused(error) from error
        except _NEVER_SENT as error:
            raise Unavailable("The storage could not be reached.", in_doubt=False) from error
        except (HTTPClientError, SSLError, ResponseParserError) as error:
            raise Unavailable("The storage could not be reached.", in_doubt=True) from error
        except BotoCoreError as error:
            raise Misconfigured(_UNKNOWN) from error
        except Exception as error:
            # The SDK raises other errors for invalid answers.
            raise Unavailable("The storage's answer is invalid.", in_doubt=True) from error


def _refused(error: ClientError) -> Conflict | Unavailable | Misconfigured:
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    if code == "ConditionalCheckFailedException":
        return Conflict("Another visit was written at the same moment.")
    if code in _THROTTLED:
        return Unavailable("The storage got too many requests.", in_doubt=False)
    if status >= 500:
        return Unavailable("The storage failed.", in_doubt=True)
    return Misconfigured(_REASONS.get(code, _UNKNOWN))
