"""A stand-in for Oracle Object Storage: its paths, headers, conditions and error codes, on top of `Objects`.

Requests and answers are plain values here; `cloud.py` owns the connections.
"""

import itertools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from clouds.oracle.laptop.objects import Objects, PreconditionFailed, Stored, md5_of

NAMESPACE = "local"
PAGE = 1000
NOT_SIGNED = "The required information to complete authentication was not provided."
BATCH = "/actions/batchDeleteObjects"

_request_number = itertools.count(1)
_request_prefix = uuid.uuid4().hex[:12]


class Answer(NamedTuple):
    """The answer to the client."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class Call(NamedTuple):
    """One parsed request. `kind` is get, put, list, delete, namespace, publish or other."""

    kind: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    parts: tuple[str, ...] = ()


class Refused(Exception):
    """The request is answered with one of Oracle's error codes."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def request_id() -> str:
    """Return a new value for `opc-request-id`."""
    return f"{_request_prefix}/{next(_request_number):08X}"


def error(status: int, code: str, message: str) -> Answer:
    """Return an error in the format of Oracle's services."""
    return as_json({"code": code, "message": message}, status)


def as_json(value: object, status: int = 200) -> Answer:
    """Return a JSON answer."""
    headers = {"content-type": "application/json", "opc-request-id": request_id()}
    return Answer(status, headers, json.dumps(value, separators=(",", ":")).encode())


@lru_cache(maxsize=64)
def http_date(moment: int) -> str:
    """Return seconds since 1970 as an HTTP date."""
    return formatdate(moment, usegmt=True)


def rfc3339(moment: float) -> str:
    """Return seconds since 1970 as an RFC 3339 date with milliseconds, as in Oracle's answers."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Storage:
    """Answers Object Storage requests. Buckets come from `objects`; there is one namespace."""

    def __init__(self, objects: Objects, namespace: str = NAMESPACE) -> None:
        self.objects = objects
        self.namespace = namespace
        self._actions: dict[tuple[str, str], Callable[[Call, str, str, bytes], Answer]] = {
            ("PUT", "o"): self._put,
            ("GET", "o"): self._get,
            ("HEAD", "o"): self._get,
            ("DELETE", "o"): self._delete,
            ("GET", "list"): self._list,
            ("GET", "versions"): self._list_versions,
            ("POST", "batch"): self._batch_delete,
        }
        self._kinds = {"PUT": "put", "GET": "get", "HEAD": "get", "DELETE": "delete"}

    def call(self, method: str, raw: str, headers: Mapping[str, str]) -> Call:
        """Parse a request without acting on it."""
        path, _, query = raw.partition("?")
        pieces = path.split("/", 6)  # "", n, namespace, b, bucket, o, object (which may hold "/")
        if "%" in path:
            pieces = [unquote(piece) for piece in pieces]
        kind, parts = "other", tuple(pieces[2:])
        if pieces[1:2] == ["n"]:
            if path in ("/n", "/n/"):
                kind, parts = "namespace", ()
            elif len(pieces) == 7 and pieces[5] == "o" and pieces[6]:
                kind, parts = self._kinds.get(method, "other"), (pieces[2], pieces[4], "o", pieces[6])
            elif len(pieces) == 6 and pieces[5] == "o":
                kind, parts = "list", (pieces[2], pieces[4], "list", "")
            elif len(pieces) == 6 and pieces[5] == "objectversions":
                kind, parts = "list", (pieces[2], pieces[4], "versions", "")
            elif path.endswith(BATCH):
                kind, parts = "delete", (pieces[2], pieces[4], "batch", "")
        return Call(kind, method, path, query, headers, parts)

    def answer(self, call: Call, body: bytes) -> Answer:
        """Act on a request and return its answer. Nothing a client sends makes it raise."""
        try:
            if "Authorization" not in call.headers:
                raise Refused(401, "NotAuthenticated", NOT_SIGNED)
            if call.kind == "namespace" and call.method == "GET":
                return as_json(self.namespace)
            return self._act(call, body)
        except PreconditionFailed as failed:
            return error(412, failed.code, f"The {_conditions[failed.code]} of the request does not hold")
        except Refused as refused:
            return error(refused.status, refused.code, str(refused))

    def _act(self, call: Call, body: bytes) -> Answer:
        if len(call.parts) != 4:
            raise Refused(404, "NotFound", "Not found")
        namespace, bucket, target, name = call.parts
        if namespace != self.namespace:
            raise Refused(404, "NamespaceNotFound", f"The namespace '{namespace}' is unknown, or not yours")
        if not self.objects.has_bucket(bucket):
            raise bucket_not_found(bucket, namespace)
        action = self._actions.get((call.method, target))
        if action is None:
            raise Refused(405, "MethodNotAllowed", "Method not allowed")
        return action(call, bucket, name, body)

    def _put(self, call: Call, bucket: str, name: str, body: bytes) -> Answer:
        if_match, if_none_match = call.headers.get("if-match"), call.headers.get("if-none-match")
        if if_none_match is not None and (if_none_match != "*" or if_match is not None):
            raise Refused(400, "InvalidConditionalHeaders", "PUT takes if-match: ETag, or if-none-match: *, not both")
        claimed = call.headers.get("content-md5")
        md5 = md5_of(body)
        if claimed not in (None, md5):
            raise Refused(400, "UnmatchedContentMD5", "The computed MD5 of the request body does not match Content-MD5")
        etag = self.objects.put(bucket, name, body, if_match, if_none_match)
        now = http_date(int(time.time()))
        headers = {"etag": etag, "opc-content-md5": md5, "last-modified": now, "opc-request-id": request_id()}
        return Answer(200, headers)

    def _get(self, call: Call, bucket: str, name: str, body: bytes) -> Answer:
        wanted = dict(parse_qsl(call.query)).get("versionId") if call.query else None
        stored = self._version(bucket, name, wanted) if wanted else self._stored(bucket, name)
        headers = {"etag": stored.etag, "opc-request-id": request_id()}
        if call.headers.get("if-none-match") == stored.etag:
            return Answer(304, headers)
        if call.headers.get("if-match", stored.etag) != stored.etag:
            raise PreconditionFailed("IfMatchFailed")
        headers["opc-content-md5"] = headers["content-md5"] = stored.md5
        headers["last-modified"] = http_date(int(stored.modified))
        headers["content-type"] = "application/octet-stream"
        return Answer(200, headers, stored.data)

    def _delete(self, call: Call, bucket: str, name: str, body: bytes) -> Answer:
        if not self.objects.delete(bucket, name, call.headers.get("if-match")):
            raise object_not_found(bucket, name)
        return Answer(204, {"opc-request-id": request_id()})

    def _list(self, call: Call, bucket: str, name: str, body: bytes) -> Answer:
        query = dict(parse_qsl(call.query, keep_blank_values=True))
        limit = query.get("limit", str(PAGE))
        if not limit.isdecimal() or not 1 <= int(limit) <= PAGE:
            raise Refused(400, "InvalidParameter", f"limit must be from 1 to {PAGE}")
        size = int(limit)
        found = self.objects.list(bucket, query.get("prefix", ""), query.get("start", ""), query.get("end"), size + 1)
        fields = set(query.get("fields", "name").split(",")) - {""} | {"name"}
        if unknown := fields - _fields.keys():
            raise Refused(400, "InvalidParameter", f"unknown fields: {','.join(sorted(unknown))}")
        columns = [(field, value) for field, value in _fields.items() if field in fields]
        page: dict[str, object] = {
            "objects": [{field: value(stored) for field, value in columns} for stored in found[:size]]
        }
        if len(found) > size:
            page["nextStartWith"] = found[size].name
        return as_json(page)

    def _list_versions(self, call: Call, bucket: str, name: str, body: bytes) -> Answer:
        query = dict(parse_qsl(call.query))
        start, limit = int(query.get("page", "0")), int(query.get("limit", str(PAGE)))
        found = self.objects.versions(bucket, query.get("prefix", ""))
        fields = {"name", *query.get("fields", "").split(",")}
        items = [
            {field: value(stored) if field in fields else None for field, value in _fields.items()}
            | {"versionId": stored.etag, "isDeleteMarker": False}
            for stored in found[start : start + limit]
        ]
        answer = as_json({"items": items, "prefixes": []})
        if len(found) > start + limit:
            answer.headers["opc-next-page"] = str(start + limit)
        return answer

    def _batch_delete(self, call: Call, bucket: str, name: str, body: bytes) -> Answer:
        # Oracle does not document the result for an absent object; "failed, 404" is the harder case for a caller.
        try:
            details = json.loads(body)
            wanted = [(str(entry["objectName"]), entry.get("ifMatch")) for entry in details["objects"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refused(400, "InvalidParameter", "the body must be {objects: [{objectName, ifMatch}]}") from None
        if len(wanted) > PAGE:
            raise Refused(400, "InvalidParameter", f"at most {PAGE} objects in a batch")
        deleted: list[dict[str, object]] = []
        failed: list[dict[str, object]] = []
        for target, if_match in wanted:
            try:
                stored = self._stored(bucket, target)
                self.objects.delete(bucket, target, if_match)
                deleted.append({"objectName": target, "timeLastModified": rfc3339(stored.modified)})
            except Refused as refused:
                failed.append({"objectName": target, "statusCode": refused.status, "errorMessage": str(refused)})
            except PreconditionFailed as unmet:
                failed.append({"objectName": target, "statusCode": 412, "errorMessage": unmet.code})
        return as_json({"deleted": [] if details.get("isSkipDeletedResult") else deleted, "failed": failed})

    def _stored(self, bucket: str, name: str) -> Stored:
        stored = self.objects.get(bucket, name)
        if stored is None:
            raise object_not_found(bucket, name)
        return stored

    def _version(self, bucket: str, name: str, version: str) -> Stored:
        for stored in self.objects.versions(bucket, name):
            if (stored.name, stored.etag) == (name, version):
                return stored
        raise object_not_found(bucket, name)


def bucket_not_found(bucket: str, namespace: str) -> Refused:
    """Return the 404 that means either "no such bucket" or "not allowed": Oracle does not distinguish them."""
    return Refused(
        404,
        "BucketNotFound",
        f"Either the bucket named '{bucket}' does not exist in the namespace '{namespace}' "
        "or you are not authorized to access it",
    )


def object_not_found(bucket: str, name: str) -> Refused:
    """Return the 404 that means "no such object"."""
    return Refused(404, "ObjectNotFound", f"The object '{name}' was not found in the bucket '{bucket}'")


_conditions = {"IfMatchFailed": "if-match", "IfNoneMatchFailed": "if-none-match"}
_fields: dict[str, Callable[[Stored], object]] = {
    "name": lambda stored: stored.name,
    "size": lambda stored: len(stored.data),
    "etag": lambda stored: stored.etag,
    "md5": lambda stored: stored.md5,
    "timeCreated": lambda stored: rfc3339(stored.modified),  # each PUT creates a new object
    "timeModified": lambda stored: rfc3339(stored.modified),
    "storageTier": lambda stored: "Standard",
    "archivalState": lambda stored: None,
}
