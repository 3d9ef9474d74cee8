"""The owner's way to the bucket, from his own machine."""

from datetime import datetime
from pathlib import Path
from typing import Any

import oci.config
import oci.exceptions
from oci._vendor.requests.exceptions import RequestException
from oci.auth.signers import SecurityTokenSigner
from oci.signer import Signer, load_private_key_from_file

from clouds.oracle.function import identity, object_storage
from clouds.oracle.function.object_storage import ObjectStorage
from clouds.oracle.function.settings import OracleSettings
from counter.settings import Environment
from counter.store import Misconfigured, Unavailable

SECONDS = 20.0


class Admin:
    """The stored document, and its earlier versions, of the function with these settings; as ~/.oci/config says."""

    def __init__(self, environment: Environment, profile: str | None) -> None:
        oracle = OracleSettings.read(environment)
        environment.check()
        self.name = oracle.object
        try:
            self._client = connect(oracle, profile or oci.config.DEFAULT_PROFILE)
        except oci.exceptions.ClientError as error:
            raise Misconfigured(str(error)) from error
        namespace = oracle.namespace or object_storage.namespace(self._client, SECONDS)
        self._bucket = (namespace, oracle.bucket)
        self.documents = ObjectStorage(self._client, namespace, oracle.bucket, oracle.object)

    def before(self, moment: datetime) -> bytes:
        """Return the document as it was at that moment, from the bucket's versions. Raises Misconfigured where there
        are none, Unavailable."""
        name, found = self.name, list[Any]()
        query = {"prefix": name, "fields": "name,timeModified"}
        try:
            while True:
                listed = self._client.list_object_versions(*self._bucket, **query)
                found += [one for one in listed.data.items if one.name == name and not one.is_delete_marker]
                if "opc-next-page" not in listed.headers:
                    break
                query["page"] = listed.headers["opc-next-page"]
            old = [one for one in found if one.time_modified < moment]
            if not old:
                since = f"{moment:%Y-%m-%d %H:%M %Z}"
                raise Misconfigured(f"The bucket has no version from before {since}. Is its versioning on?")
            last = max(old, key=lambda one: one.time_modified)
            answer = self._client.get_object(*self._bucket, name, version_id=last.version_id)
            return bytes(answer.data.content)
        except oci.exceptions.ServiceError as error:
            raise Misconfigured(f"The bucket does not show its versions: {error.status} {error.code}.") from error
        except RequestException as error:
            raise Unavailable("The storage could not be reached.", in_doubt=False) from error


def connect(oracle: OracleSettings, profile: str) -> Any:
    """Return a client that signs as the function, where its identity is in the settings, or as ~/.oci/config says."""
    if oracle.principal:
        return object_storage.connect(identity.signer(oracle.principal), oracle.object_storage_endpoint)
    config = oci.config.from_file(profile_name=profile)
    key = (config.get("key_file"), config.get("pass_phrase"))
    if token := config.get("security_token_file"):  # of `oci session authenticate`
        private = load_private_key_from_file(*key)
        signer = SecurityTokenSigner(Path(token).expanduser().read_text(), private)
    else:
        oci.config.validate_config(config)
        signer = Signer(config["tenancy"], config["user"], config["fingerprint"], *key)
    return object_storage.connect(signer, oracle.object_storage_endpoint, config)
