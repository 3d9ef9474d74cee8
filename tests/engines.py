"""The clouds that the shared tests run on. To remove one, delete its folder in clouds/ and its line here."""

import os
from pathlib import Path

import pytest

from local.laptop import Laptop, laptop

CLOUDS: tuple[str, ...] = (
    "aws",
    "azure",
)
SLOW_CLOUDS = [pytest.param(cloud, marks=pytest.mark.slow) for cloud in CLOUDS]
"""The same, for tests that are quick on Oracle's stand-in and slow on an engine."""


def cannot(reason: str | None) -> None:
    """Skip the test if there is a reason why it cannot run here; fail it in CI, where it must run."""
    if reason:
        (pytest.fail if os.environ.get("REQUIRE_ENGINES") else pytest.skip)(reason)


def ways(cloud: str, folder: Path) -> list[str]:
    """Return the names of all entrypoints of a cloud's function."""
    laptop = needed(cloud)(folder)
    laptop.mailbox.close()
    return list(laptop.entrypoints)


def needed(cloud: str) -> type[Laptop]:
    """Return a cloud's `Laptop` class. Skip the test if it cannot run here; fail it in CI, where it must run."""
    reason: str | None
    try:
        reason = laptop(cloud).missing()
    except ModuleNotFoundError as missing:
        reason = f"{missing.name} is not installed"
    cannot(reason and f"{cloud}: {reason}")
    return laptop(cloud)
