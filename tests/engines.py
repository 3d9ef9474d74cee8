"""The clouds that the tests of all go through. Removing one is deleting its folder in clouds/ and its line here."""

import os

import pytest

from local.laptop import Laptop, laptop

CLOUDS: tuple[str, ...] = (
    "aws",
    "azure",
)


def needed(cloud: str) -> type[Laptop]:
    """Return what runs a cloud on this machine; skip with the reason where it cannot, but in CI, where it must."""
    try:
        kind = laptop(cloud)
    except ModuleNotFoundError as missing:
        why: str | None = f"{missing.name} is not installed"
    else:
        why = kind.missing()
        if why is None:
            return kind
    if os.environ.get("REQUIRE_ENGINES"):
        pytest.fail(f"{cloud}: {why}")
    pytest.skip(f"{cloud}: {why}")
