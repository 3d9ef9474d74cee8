"""The bare function to compare cold starts with: fdk and oci, one GET, one PUT, nothing else."""

import json
import os
from typing import Any

import oci
from fdk import response

_CLIENT = oci.object_storage.ObjectStorageClient(
    {},
    signer=oci.auth.signers.get_resource_principals_signer(),
    service_endpoint=os.environ.get("OBJECT_STORAGE_ENDPOINT"),
)


def handler(ctx: Any, data: Any = None) -> Any:
    """Read and write the document, and do nothing else."""
    bucket = (os.environ["NAMESPACE"], os.environ["BUCKET"])
    stored = _CLIENT.get_object(*bucket, "counter.json")
    document = json.loads(stored.data.content)
    document["pageviews"] += 1
    _CLIENT.put_object(*bucket, "counter.json", json.dumps(document), if_match=stored.headers["etag"])
    headers = {"Content-Type": "application/json"}
    return response.Response(ctx, response_data=json.dumps({"count": document["pageviews"]}), headers=headers)
