"""Signs requests to Oracle's services: an RSA signature over the request's line and some headers.

The format is that of the draft "Signing HTTP Messages" (draft-cavage-http-signatures). Signatures of this kind
(PKCS #1 v1.5) are deterministic: the same text and key give the same bytes, so the tests compare them with the SDK's.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

BODY_HEADERS = ("content-length", "content-type", "x-content-sha256")
"""Signed in addition if the request has a hash of its body, as a POST has. A PUT to Object Storage has none."""

KEPT = 4
"""Number of signatures to keep. A date is in whole seconds, so within a second each write of the document has the same
one, and a signature is most of the CPU time of a request."""


class Signer:
    """Signs with a key. `load` returns the key's id and the key."""

    def __init__(self, load: Callable[[], tuple[str, RSAPrivateKey]]) -> None:
        self._load = load
        self.renew()

    def renew(self) -> None:
        """Load the key again, as after a 401: Oracle Functions replaces the key before it expires."""
        self._id, key = self._load()

        @lru_cache(KEPT)  # a new one with each key, so that no signature outlives its key
        def sign(text: bytes) -> str:
            return b64encode(key.sign(text, PKCS1v15(), SHA256())).decode("ascii")

        self._sign = sign

    def authorization(self, method: str, target: str, headers: Mapping[str, str]) -> str:
        """The `authorization` header of a request. The names in `headers` are in lower case; `date` and `host` must be
        among them."""
        body = [name for name in BODY_HEADERS if "x-content-sha256" in headers]
        names = ["date", "(request-target)", "host", *body]
        values = {**headers, "(request-target)": f"{method.lower()} {target}"}
        signed = "\n".join(f"{name}: {values[name]}" for name in names).encode("ascii")
        return (
            f'Signature algorithm="rsa-sha256",headers="{" ".join(names)}",keyId="{self._id}",'
            f'signature="{self._sign(signed)}",version="1"'
        )
