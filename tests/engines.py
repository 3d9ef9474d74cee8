"""The clouds that the tests of all go through. Removing one is deleting its folder in clouds/ and its line here."""

import os
from pathlib import Path

import pytest

from local.laptop import Laptop, laptop

CLOUDS: tuple[str, ...] = (
    "aws",
    "azure",
)


def cannot(why: str | None) -> None:
    """Skip with the reason why something cannot run here, if there is one; fail in CI, where it must run."""
    if why:
        (pytest.fail if os.environ.get("REQUIRE_ENGINES") else pytest.skip)(why)


def ways(cloud: str, folder: Path) -> list[str]:
    """Return the names of all the ways that gateways have to a cloud's function."""
    laptop = needed(cloud)(folder)
    laptop.mailbox.close()
    return list(laptop.entrypoints)


def needed(cloud: str) -> type[Laptop]:
    """Return what runs a cloud on this machine; skip with the reason where it cannot, but in CI, where it must."""
    why: str | None
    try:
        why = laptop(cloud).missing()
    except ModuleNotFoundError as missing:
        why = f"{missing.name} is not installed"
    cannot(why and f"{cloud}: {why}")
    return laptop(cloud)
