"""The owner's access to the bucket from their own machine."""

import json
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode

import oci.config
import oci.exceptions
from oci.signer import load_private_key_from_file

from clouds.oracle.function import identity, object_storage
from clouds.oracle.function.client import Client, connect
from clouds.oracle.function.connection import Answer
from clouds.oracle.function.object_storage import ObjectStorage
from clouds.oracle.function.settings import OracleSettings
from clouds.oracle.function.signer import Signer
from counter.settings import Environment
from counter.store import Misconfigured

SECONDS = 20.0


class Admin:
    """The function's stored document and its earlier versions, accessed with a profile of ~/.oci/config."""

    def __init__(self, environment: Environment, profile: str | None) -> None:
        oracle = OracleSettings.read(environment)
        environment.check()
        self.name = oracle.object
        try:
            self._client = client(oracle, profile or oci.config.DEFAULT_PROFILE)
        except oci.exceptions.ClientError as error:
            raise Misconfigured(str(error)) from error
        namespace = oracle.namespace or object_storage.namespace(self._client, time.monotonic() + SECONDS)
        self._bucket = f"/n/{quote(namespace, safe='')}/b/{quote(oracle.bucket, safe='')}"
        self.documents = ObjectStorage(self._client, namespace, oracle.bucket, oracle.object)

    def before(self, moment: datetime) -> bytes:
        """Return the document as it was at that moment, from the bucket's versions. Raises Misconfigured if there is
        none, and Unavailable."""
        found: list[tuple[datetime, str]] = []
        query = {"prefix": self.name, "fields": "name,timeModified"}
        while True:
            answer = self._ask("/objectversions", query)
            found += [
                (datetime.fromisoformat(item["timeModified"]), item["versionId"])
                for item in json.loads(answer.body)["items"]
                if item["name"] == self.name and not item["isDeleteMarker"]
            ]
            following = answer.headers.get("opc-next-page")
            if not following:
                break
            query["page"] = following
        old = [version for version in found if version[0] < moment]
        if not old:
            since = f"{moment:%Y-%m-%d %H:%M %Z}"
            raise Misconfigured(f"The bucket has no version from before {since}. Check that its versioning is on.")
        return self._ask(f"/o/{quote(self.name, safe='')}", {"versionId": max(old)[1]}).body

    def _ask(self, target: str, query: dict[str, str]) -> Answer:
        answer = self._client.ask("GET", f"{self._bucket}{target}?{urlencode(query)}", time.monotonic() + SECONDS)
        if answer.status != 200:
            raise Misconfigured(f"The bucket's versions cannot be read: {answer.status}.")
        return answer


def client(oracle: OracleSettings, profile: str) -> Client:
    """Return a client that signs with the function's identity, if it is in the settings, or with a profile of
    ~/.oci/config."""
    if oracle.principal:
        return connect(oracle, identity.signer(oracle.principal))
    config = oci.config.from_file(profile_name=profile)
    if token := config.get("security_token_file"):  # of `oci session authenticate`
        key_id = f"ST${Path(token).expanduser().read_text().strip()}"
    else:
        oci.config.validate_config(config)
        key_id = "/".join(config[part] for part in ("tenancy", "user", "fingerprint"))
    key = load_private_key_from_file(config.get("key_file"), config.get("pass_phrase"))
    return connect(oracle, Signer(lambda: (key_id, key)), config["region"])
