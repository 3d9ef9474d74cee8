"""Signs requests as Oracle's services ask for it: an RSA signature over some of the headers, by the draft "Signing HTTP
Messages". It is deterministic, so the tests compare it with the SDK's, byte for byte."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

BODY_HEADERS = ("content-length", "content-type", "x-content-sha256")
"""Signed as well where the body is, which no PUT to Object Storage asks for."""


class Signer:
    """Signs with the key that `load` returns, together with its id."""

    def __init__(self, load: Callable[[], tuple[str, RSAPrivateKey]]) -> None:
        self._load = load
        self.renew()

    def renew(self) -> None:
        """Loads the key again, as after a 401: a session's key and token are replaced before they run out."""
        self._id, self._key = self._load()

    def authorization(self, method: str, target: str, headers: Mapping[str, str]) -> str:
        """The authorization header of a request with these headers, named in lower case."""
        body = [name for name in BODY_HEADERS if "x-content-sha256" in headers]
        names = ["date", "(request-target)", "host", *body]
        values = {**headers, "(request-target)": f"{method.lower()} {target}"}
        signed = "\n".join(f"{name}: {values[name]}" for name in names).encode("ascii")
        signature = b64encode(self._key.sign(signed, PKCS1v15(), SHA256())).decode("ascii")
        return (
            f'Signature algorithm="rsa-sha256",headers="{" ".join(names)}",keyId="{self._id}",'
            f'signature="{signature}",version="1"'
        )
