"""Where the counter is on Oracle Cloud: the settings that only Oracle's entrypoint needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from counter.settings import Environment, address, name

FREE_REQUESTS = 50_000
"""API requests a month that Oracle's Always Free Object Storage includes. Price overviews by others say so; no page of
Oracle's own that we have seen does. That is why the report says "about"."""


@dataclass(frozen=True, slots=True)
class ResourcePrincipal:
    """Where Oracle Functions puts the function's identity: files with its session token and its key, and its region."""

    rpst: str = field(repr=False)
    private_pem: str = field(repr=False)
    region: str


@dataclass(frozen=True, slots=True)
class OracleSettings:
    """The bucket and the topic. Every one has a default; docs/settings.md says what each is for."""

    bucket: str = "cloud-resume-data"
    object: str = "counter.json"
    namespace: str | None = None
    topic: str | None = None
    object_storage_endpoint: str | None = None
    notifications_endpoint: str | None = None
    principal: ResourcePrincipal | None = None

    @classmethod
    def read(cls, environment: Environment) -> OracleSettings:
        """The settings in `environment`, which remembers those that cannot be understood."""
        default = cls()
        return cls(
            bucket=environment.text("BUCKET") or default.bucket,
            object=environment.read("OBJECT", name, default.object),
            namespace=environment.text("NAMESPACE"),
            topic=environment.text("TOPIC_OCID"),
            object_storage_endpoint=environment.read("OBJECT_STORAGE_ENDPOINT", address, None),
            notifications_endpoint=environment.read("NOTIFICATIONS_ENDPOINT", address, None),
            principal=_principal(environment),
        )


def _principal(environment: Environment) -> ResourcePrincipal | None:
    """Version 2.2 without a passphrase, as Oracle Functions has it; None leaves any other to the SDK."""
    prefix = "OCI_RESOURCE_PRINCIPAL_"
    if environment.text(prefix + "VERSION") != "2.2" or environment.text(prefix + "PRIVATE_PEM_PASSPHRASE"):
        return None
    rpst, pem, region = (environment.text(prefix + name) for name in ("RPST", "PRIVATE_PEM", "REGION"))
    return ResourcePrincipal(rpst, pem, region) if rpst and pem and region else None
