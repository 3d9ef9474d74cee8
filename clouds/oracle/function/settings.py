"""The settings that exist only on Oracle Cloud."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from clouds.settings import address, name
from counter.settings import Environment, Secret

T = TypeVar("T")

FREE_REQUESTS = 50_000
"""API requests per month in Oracle's Always Free Object Storage. The figure is from price overviews by others, not from
Oracle's documentation, so the report says "about"."""


@dataclass(frozen=True, slots=True)
class ResourcePrincipal:
    """The function's identity from Oracle Functions: the files with its session token and its key, and its region."""

    rpst: str = field(repr=False)
    private_pem: str = field(repr=False)
    region: str


class Proxy(NamedTuple):
    """A proxy for HTTPS connections, and the value of its `Proxy-Authorization`."""

    host: str
    port: int
    authorization: Secret | None = None


@dataclass(frozen=True, slots=True)
class OracleSettings:
    """The bucket and the topic. All have defaults; docs/settings.md describes each."""

    bucket: str = "cloud-resume-data"
    object: str = "counter.json"
    namespace: str | None = None
    topic: str | None = None
    object_storage_endpoint: str | None = None
    notifications_endpoint: str | None = None
    principal: ResourcePrincipal | None = None
    region_metadata: str | None = None
    proxy: Proxy | None = None
    no_proxy: str | None = None
    trusted: str | None = None
    """A file or a folder with the certificates to trust."""

    @classmethod
    def read(cls, environment: Environment) -> OracleSettings:
        """The settings in `environment`, which collects the errors."""
        default = cls()
        return cls(
            bucket=environment.text("BUCKET") or default.bucket,
            object=environment.read("OBJECT", name, default.object),
            namespace=environment.text("NAMESPACE"),
            topic=environment.text("TOPIC_OCID"),
            object_storage_endpoint=environment.read("OBJECT_STORAGE_ENDPOINT", address, None),
            notifications_endpoint=environment.read("NOTIFICATIONS_ENDPOINT", address, None),
            principal=_principal(environment),
            region_metadata=environment.text("OCI_REGION_METADATA"),
            # The usual names, in the usual order.
            proxy=_first(environment, _proxy, "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
            no_proxy=_first(environment, str, "no_proxy", "NO_PROXY"),
            trusted=_first(environment, str, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"),
        )


def _first(environment: Environment, parse: Callable[[str], T], *names: str) -> T | None:
    return next((environment.read(name, parse, None) for name in names if environment.text(name)), None)


def _proxy(text: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme != "http" or not parts.hostname or not parts.hostname.isascii():
            raise ValueError
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        raise ValueError("must be the address of an HTTP proxy, like http://host:port") from None
    if parts.username is None:
        return Proxy(host, port)
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(host, port, Secret(f"Basic {b64encode(user.encode()).decode('ascii')}"))


def _principal(environment: Environment) -> ResourcePrincipal | None:
    """The identity if it is version 2.2 without a passphrase, as in Oracle Functions, else None."""
    prefix = "OCI_RESOURCE_PRINCIPAL_"
    if environment.text(prefix + "VERSION") != "2.2" or environment.text(prefix + "PRIVATE_PEM_PASSPHRASE"):
        return None
    rpst, pem, region = (environment.text(prefix + name) for name in ("RPST", "PRIVATE_PEM", "REGION"))
    return ResourcePrincipal(rpst, pem, region) if rpst and pem and region else None
