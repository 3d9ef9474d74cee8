"""The address of Object Storage in a region, and the proxy to reach it.

A realm is a group of Oracle's regions with a domain of its own: the commercial regions are in `oc1`, under
`oraclecloud.com`, and a government's in another.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from clouds.oracle.function.settings import OracleSettings, Proxy

TEMPLATE = "https://objectstorage.{region}.{secondLevelDomain}"
"""The address, with the names of its parts that the SDK uses too."""

METADATA = ("realmKey", "realmDomainComponent", "regionKey", "regionIdentifier")
"""The keys of OCI_REGION_METADATA, for example `OC1`, `oraclecloud.com`, `PHX` and `us-phoenix-1`."""


def address(region: str, metadata: str | None) -> str:
    """The address for a region's name or short name. `metadata` is OCI_REGION_METADATA, which Oracle Functions sets."""
    try:
        known = {key: str(value).lower() for key, value in json.loads(metadata or "").items()}
        realm, domain, short, name = (known[key] for key in METADATA)
        if realm and domain and short and name and region.lower() in (name, short):
            return TEMPLATE.format(region=name, secondLevelDomain=domain)
    except (ValueError, KeyError, AttributeError):
        pass
    # Only outside Oracle Functions: the SDK knows all regions, but its import takes as long as a cold start.
    from oci.regions import endpoint_for  # noqa: PLC0415

    return str(
        endpoint_for(
            "object_storage",
            region=region,
            service_endpoint_template=TEMPLATE,
            endpoint_service_name="objectstorage",
        )
    )


def proxy(address: str, oracle: OracleSettings) -> Proxy | None:
    """The proxy for an address, or None if there is none or the address is exempt."""
    if oracle.proxy is None:
        return None
    # Takes 5 ms of a cold start, so it is imported only if there is a proxy.
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined] # noqa: PLC0415

    bypassed = proxy_bypass_environment(urlsplit(address).netloc, {"no": oracle.no_proxy or ""})
    return None if bypassed else oracle.proxy
