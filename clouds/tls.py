"""Root certificates, read once a container: AWS's and Azure's SDK read them again for each connection.

That takes as much CPU time as ten visits, after each pause in which the service has closed the connection.
"""

from __future__ import annotations

import ssl


def read_certificates_once(context: ssl.SSLContext) -> None:
    """Let a context skip certificates that it has read before. What it trusts is the same."""
    load, known = context.load_verify_locations, set()

    def once(*places: str | None) -> None:
        if places not in known:
            load(*places)
            known.add(places)

    context.load_verify_locations = once  # type: ignore[method-assign, assignment]
