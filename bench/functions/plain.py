"""The plain loop of most counters: a client per call, GET, PUT with if-match, five attempts, the SDK's own
retries left on."""

import hashlib
import json
import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

import oci
from fdk import response


def handler(ctx: Any, data: Any = None) -> Any:
    """Count as most counters do: read, add one, write if unchanged, up to five times."""
    signer = oci.auth.signers.get_resource_principals_signer()
    client = oci.object_storage.ObjectStorageClient(
        {}, signer=signer, service_endpoint=os.environ.get("OBJECT_STORAGE_ENDPOINT")
    )
    bucket = (os.environ["NAMESPACE"], os.environ["BUCKET"])
    vid = parse_qs(urlsplit(ctx.RequestURL()).query)["vid"][0]
    for _ in range(5):
        try:
            stored = client.get_object(*bucket, "counter.json")
            document, condition = json.loads(stored.data.content), {"if_match": stored.headers["etag"]}
        except oci.exceptions.ServiceError as error:
            if error.status != 404:
                return _answer(ctx, 500, {"ok": False})
            document, condition = {"pageviews": 0, "uniqueVisitors": 0, "seen": []}, {"if_none_match": "*"}
        document["pageviews"] += 1
        visitor = hashlib.sha256(f"{os.environ.get('SALT', 'change-me')}:{vid}".encode()).hexdigest()
        if visitor not in document["seen"]:
            document["seen"].append(visitor)
            document["uniqueVisitors"] += 1
        try:
            client.put_object(*bucket, "counter.json", json.dumps(document), **condition)
        except oci.exceptions.ServiceError as error:
            if error.status == 412:
                continue
            return _answer(ctx, 500, {"ok": False})
        return _answer(ctx, 200, {"ok": True, "count": document["pageviews"], "unique": document["uniqueVisitors"]})
    return _answer(ctx, 503, {"ok": False})


def _answer(ctx: Any, status: int, content: object) -> Any:
    headers = {"Content-Type": "application/json"}
    return response.Response(ctx, response_data=json.dumps(content), headers=headers, status_code=status)
