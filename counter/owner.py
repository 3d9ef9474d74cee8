"""Recognises the owner: by the token, or because the cloud authorized a direct call."""

from __future__ import annotations

import hashlib
import hmac

from counter.request import Request
from counter.settings import Settings


def is_owner(request: Request, settings: Settings) -> bool:
    """Whether `request` is the owner's: a direct call, which was signed, or one with the token, in the header
    `Authorization: Bearer` or in the query. If no token is set, only direct calls are."""
    if request.direct:
        return True
    if settings.report_token is None:
        return False
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        given = request.query.get("token", "")
    # Hashes are compared, so that the timing does not even reveal the length.
    return hmac.compare_digest(_sha256(given.strip()), _sha256(settings.report_token.reveal()))


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
