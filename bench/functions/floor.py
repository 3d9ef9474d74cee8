"""The floor: a function that makes one unconditional PUT, to its own object, and reads nothing.

No counter that stores its number can do less. The body is as large as a small counter's document.
"""

import logging
import os
import uuid
from typing import Any

import oci
from fdk import response

logging.getLogger().setLevel(logging.WARNING)
oci.base_client.enable_expect_header = False
_CLIENT = oci.object_storage.ObjectStorageClient(
    {},
    signer=oci.auth.signers.get_resource_principals_signer(),
    service_endpoint=os.environ.get("OBJECT_STORAGE_ENDPOINT"),
    retry_strategy=oci.retry.NoneRetryStrategy(),
)
_BUCKET = (os.environ["NAMESPACE"], os.environ["BUCKET"])
_OBJECT = f"floor-{uuid.uuid4().hex}"
_BODY = b'{"pageviews":1}' + b" " * 600


def handler(ctx: Any, data: Any = None) -> Any:
    """Write the object once, and do nothing else."""
    _CLIENT.put_object(*_BUCKET, _OBJECT, _BODY)
    return response.Response(ctx, response_data=b'{"ok":true}', headers={"Content-Type": "application/json"})
