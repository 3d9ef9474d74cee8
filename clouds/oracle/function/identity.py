"""The function's own identity: the signer made of the variables that Oracle Functions gives (version 2.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from oci.auth.signers import get_resource_principals_signer
from oci.auth.signers.ephemeral_resource_principals_signer import (
    EphemeralResourcePrincipalSigner,
    FileBasedSessionKeySupplier,
)

from clouds.oracle.function.settings import ResourcePrincipal
from counter.store import Misconfigured


def signer(principal: ResourcePrincipal | None) -> Any:
    """A signer for the SDK's clients. It reads token and key again when the token nears its end.

    Raises Misconfigured where there is no resource principal, as outside Oracle Functions."""
    try:
        if principal is None or not Path(principal.private_pem).is_absolute():
            return get_resource_principals_signer()
        return _Signer(session_token=principal.rpst, private_key=principal.private_pem, region=principal.region)
    except (OSError, ValueError) as error:
        raise Misconfigured("The function has no resource principal to sign its requests with.") from error


class _Signer(EphemeralResourcePrincipalSigner):  # type: ignore[misc]
    def _construct_session_key_supplier(self, private_key: str, private_key_passphrase: str | None = None) -> Any:
        return _Key(private_key, private_key_passphrase)


class _Key(FileBasedSessionKeySupplier):  # type: ignore[misc]
    def refresh(self) -> None:
        # Oracle made this key a moment ago. To prove again that its primes are prime is an eighth of a cold start.
        pem = Path(self.private_key_file).read_bytes()
        self.private_key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        self.public_key = self.private_key.public_key()
