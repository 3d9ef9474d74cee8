"""Stores the document and the journal in one partition of an Azure Storage table.

| port    | request                                       | our Conflict                                      |
|---------|-----------------------------------------------|---------------------------------------------------|
| read    | GET of the row                                |                                                   |
| write   | merge `if-match: ETAG`, or insert             | 412; 409 EntityAlreadyExists; 404: the row is gone |
| append  | insert of an empty row, everything in its key | none: EntityAlreadyExists means that it is there  |
| entries | query of a range of keys                      |                                                   |
| remove  | batches of at most 100 deletes                |                                                   |

The SDK's retries are off, and so are redirects and the account's second region. If the answer to a conditional write
was lost, the SDK would send it again, get a 412 because of its own write, and make the caller count twice.
docs/decisions/0011-table-storage.md has the reasoning.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
)
from azure.data.tables import TableClient, UpdateMode
from urllib3.exceptions import NewConnectionError

from clouds.azure.function.managed_identity import NoToken
from clouds.azure.function.row import PARTITION, ROW, TooLarge, document, row
from clouds.bounded import bounded
from counter.store import PAGE, Conflict, Misconfigured, StoreError, Unavailable

CONNECT_SECONDS = 1.0
BATCH = 100

OPTIONS: dict[str, Any] = {"retry_total": 0, "permit_redirects": False, "use_env_settings": False}
"""For every client of a table: no retries, no redirects, and no environment variables."""

_JOURNAL = "journal-"
_BEHIND = "journal."  # the first key after all that begin with the prefix

_VERSION = re.compile(r'W/"[^"]+"')
_GONE = ("ResourceNotFound", "EntityNotFound", "TableNotFound")

T = TypeVar("T")
log = logging.getLogger("visitor-counter")


class TableStorage:
    """Documents in one table: the document as the row `counter`/`1`, entries as rows `counter`/`journal-ENTRY`. The
    first write creates a missing table. `table` must be created with OPTIONS."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        def get(limits: _Limits) -> tuple[bytes, str] | None:
            try:
                found = self._table.get_entity(PARTITION, ROW, **limits())
            except ResourceNotFoundError as error:
                # Any other 404 means a wrong address, which must not start the counter over.
                if _code(error) in _GONE:
                    return None
                raise
            return document(found), _etag(found.metadata)

        return _ask(timeout, get)

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        try:
            new = row(data)
        except TooLarge as error:
            raise Misconfigured("The document is too large for a table's row: lower HISTORY_DAYS.") from error
        if version is None:
            return self._insert(new, timeout)
        if not version.startswith('W/"'):
            # Not a version of any table, which would answer 400 and not 412.
            raise Conflict("This is no version of the document.")

        def merge(limits: _Limits) -> str:
            # Merged, not replaced, so that the owner's own properties stay without being read first.
            merged = self._table.update_entity(
                new, UpdateMode.MERGE, etag=version, match_condition=MatchConditions.IfNotModified, **limits()
            )
            return _etag(merged)

        return _ask(timeout, merge)

    def append(self, entry: str, timeout: float) -> None:
        try:
            self._insert({"PartitionKey": PARTITION, "RowKey": _key(entry)}, timeout)
        except Conflict as conflict:
            if _code(conflict.__cause__) != "EntityAlreadyExists":
                raise Unavailable("The storage was busy with this very entry.", in_doubt=False) from conflict

    def entries(self, timeout: float) -> list[str]:
        keys = _ask(timeout, lambda limits: self._keys(_JOURNAL, _BEHIND, limits))
        return [unquote(key.removeprefix(_JOURNAL).replace("=", "%")) for key in keys]

    def remove(self, entries: Sequence[str], timeout: float) -> None:
        keys = sorted({_key(entry) for entry in entries})

        def delete(limits: _Limits) -> None:
            for at in range(0, len(keys), BATCH):
                self._delete(keys[at : at + BATCH], limits)

        _ask(timeout, delete)

    def _insert(self, new: dict[str, Any], timeout: float) -> str:
        def insert(limits: _Limits) -> str:
            try:
                return _etag(self._table.create_entity(new, **limits()))
            except ResourceNotFoundError as error:
                if _code(error) != "TableNotFound":
                    raise
            self._make_table(limits)
            return _etag(self._table.create_entity(new, **limits()))

        return _ask(timeout, insert)

    def _make_table(self, limits: _Limits) -> None:
        log.info("there was no table, so one is created and the counter starts at 0. If you had one, correct "
                 "TABLE_NAME or the storage account; nothing was overwritten.")  # fmt: skip
        try:
            self._table.create_table(**limits())
        except ResourceExistsError as error:
            if _code(error) != "TableAlreadyExists":
                raise

    def _delete(self, keys: list[str], limits: _Limits) -> None:
        while keys:
            operations = [("delete", {"PartitionKey": PARTITION, "RowKey": key}) for key in keys]
            try:
                self._table.submit_transaction(operations, **limits())
            except HttpResponseError as error:
                if _code(error) not in _GONE:
                    raise
                # A batch fails as a whole if one of its rows is gone: another container removes them too.
                there = {*self._keys(keys[0], keys[-1] + "!", limits)}
                keys = [key for key in keys if key in there]
            else:
                return

    def _keys(self, first: str, behind: str, limits: _Limits) -> list[str]:
        """The row keys from `first` up to but not including `behind`, sorted."""
        wanted = f"PartitionKey eq '{PARTITION}' and RowKey ge '{first}' and RowKey lt '{behind}'"
        keys: list[str] = []
        token = None
        while True:
            rows = self._table.query_entities(wanted, select="RowKey", results_per_page=PAGE, **limits())
            pages = rows.by_page(token)
            try:
                keys += [found["RowKey"] for found in next(pages, ())]
            except ResourceNotFoundError as error:
                if _code(error) != "TableNotFound":
                    raise
                return []
            token = pages.continuation_token  # type: ignore[attr-defined]
            if not token:
                return keys


class _Limits:
    """The timeouts of the next request, from the time left for one call of the port."""

    def __init__(self, timeout: float) -> None:
        self._end = time.monotonic() + timeout

    def __call__(self) -> dict[str, Any]:
        left = self._end - time.monotonic()
        if left <= 0:
            # Earlier requests of this call were refused or did no harm.
            raise Unavailable("There was no time left to reach the storage.", in_doubt=False)
        return {"connection_timeout": min(CONNECT_SECONDS, left), "read_timeout": left}


def _key(entry: str) -> str:
    # A key must not contain / \ # ?, and % causes trouble in an address. Entries of visits are unchanged.
    return _JOURNAL + quote(entry, safe="").replace("%", "=")


def _ask(timeout: float, request: Callable[[_Limits], T]) -> T:
    try:
        limits = _Limits(timeout)
        return bounded(lambda: request(limits), timeout)
    except StoreError:
        raise
    except NoToken as error:
        if error.refused:
            raise Misconfigured("The function has no identity, or not this one: check its managed identity.") from error
        raise Unavailable("The function's identity could not be reached.", in_doubt=False) from error
    except HttpResponseError as error:
        raise _refused(error) from error
    except AzureError as error:
        raise Unavailable("The storage could not be reached.", in_doubt=not _never_sent(error)) from error
    except Exception as error:
        # The SDK raises other errors for invalid answers.
        raise Unavailable("The storage's answer is invalid.", in_doubt=True) from error


def _etag(answer: Mapping[str, Any]) -> str:
    etag = answer.get("etag")
    if not isinstance(etag, str) or not _VERSION.fullmatch(etag):
        raise Unavailable("The storage's answer is incomplete.", in_doubt=True)
    return etag


def _refused(error: HttpResponseError) -> StoreError:
    if isinstance(error, ClientAuthenticationError) and error.response is None:
        return Misconfigured("The function's requests cannot be signed: check its connection string.")
    status, code = error.status_code or 0, _code(error)
    if status == 412 or code == "EntityAlreadyExists" or code in _GONE:
        return Conflict("Another visit was written at the same moment.")
    if status == 429 or code in ("TableBeingDeleted", "AccountBeingCreated"):
        return Unavailable("The storage is busy.", in_doubt=False)
    if status in (0, 408, 409) or status < 400 or status >= 500:
        # A busy storage also answers 503, without saying whether it acted.
        return Unavailable("The storage failed.", in_doubt=True)
    if status in (401, 403):
        return Misconfigured(
            "The storage refuses the function: check its connection string, or its role Storage Table Data Contributor."
        )
    return Misconfigured("The storage does not understand the function: check its address and TABLE_NAME.")


def _code(error: BaseException | None) -> str:
    """The storage's error code; for some errors the SDK leaves it in the body."""
    code = getattr(error, "error_code", None)
    if code is None and isinstance(error, HttpResponseError) and error.response is not None:
        try:
            code = json.loads(error.response.text())["odata.error"]["code"]
        except (ValueError, KeyError, TypeError, AttributeError):
            code = None
    return str(getattr(code, "value", code))


def _never_sent(error: AzureError) -> bool:
    # The SDK raises "request error" for every missing answer; only these certainly happen before anything is sent.
    if isinstance(error, ServiceRequestTimeoutError):
        return True
    return isinstance(error, ServiceRequestError) and isinstance(error.inner_exception, NewConnectionError)
