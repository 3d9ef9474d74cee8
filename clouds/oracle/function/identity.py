"""The function's own identity, which Oracle calls a resource principal (here version 2.2).

It is a session token (`rpst`, a JWT) and the private key that belongs to it. Oracle Functions provides both as files
and replaces them before they expire. The policy gives rights to the dynamic group that this identity is in.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from clouds.oracle.function.settings import ResourcePrincipal
from clouds.oracle.function.signer import Signer
from counter.store import Misconfigured


def signer(principal: ResourcePrincipal | None) -> Signer:
    """A signer with the function's identity, which reads token and key again when it is renewed. Raises Misconfigured
    if there is no resource principal, as outside Oracle Functions."""

    def load() -> tuple[str, RSAPrivateKey]:
        try:
            if principal is None:
                raise ValueError("There is no resource principal of version 2.2.")
            # Oracle has just created this key. Checking that its primes are prime would take a third of a cold start.
            key = load_pem_private_key(_content(principal.private_pem), None, unsafe_skip_rsa_key_validation=True)
            if not isinstance(key, RSAPrivateKey):
                raise ValueError("The key is not an RSA key.")
            # The id of a session's key is its token, after the letters ST and a dollar sign.
            return f"ST${_content(principal.rpst).decode('ascii').strip()}", key
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Misconfigured("The function has no resource principal to sign its requests with.") from error

    return Signer(load)


def _content(text: str) -> bytes:
    # Like the SDK: an absolute path is a file, anything else is the content itself.
    path = Path(text)
    return path.read_bytes() if path.is_absolute() else text.encode("ascii")
