"""The collection of tests/postman, run by the real Newman: what tests of older counters ask holds on every cloud."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from engines import CLOUDS, cannot, needed
from rest_gateway import METHODS, RestGateway

from clouds.oracle.laptop.serving import Serving
from local.laptop import Hosting

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent / "postman"
FUNCTION = ("functional", "performance", "security", "integration")
SITE = "https://resume.example"
CONFIG = {"SALT": "s" * 32, "ALLOWED_ORIGINS": SITE, "REPORT_TOKEN": "a-token-that-is-long-enough"}
KEY = "the-key-of-a-usage-plan"


def newman(folder: Path, url: str, *folders: str, **variables: str) -> tuple[int, list[str]]:
    """Run folders of the collection; how many assertions there were, and which failed. What a machine's speed decides
    is given all the time in the world: the limits of the collection are for who asks a cloud."""
    cannot("Node.js is not installed" if shutil.which("npm") is None else None)
    if not (FOLDER / "node_modules").exists():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=FOLDER, check=True, capture_output=True)
    results = folder / "newman.json"
    variables = {"base_url": url, "origin": SITE, "cold_ms": "60000", "warm_ms": "60000", **variables}
    subprocess.run(
        [
            FOLDER / "node_modules" / ".bin" / "newman", "run", FOLDER / "collection.json",
            *(word for name in folders for word in ("--folder", name)),
            *(word for name, value in variables.items() for word in ("--env-var", f"{name}={value}")),
            "--reporters", "json", "--reporter-json-export", results,
        ],
        check=False, capture_output=True, timeout=110,
    )  # fmt: skip
    run: dict[str, Any] = json.loads(results.read_text())["run"]
    failed = [f"{one['source'].get('name')}: {one['error']['message']}" for one in run["failures"]]
    return run["stats"]["assertions"]["total"], failed


def test_oracle_s_function_holds_them(tmp_path: Path) -> None:
    """Behind the local gateway of the real function all that a function can promise holds."""
    with Serving(tmp_path, containers=1, config=CONFIG) as here:
        total, failed = newman(tmp_path, f"{here.url}{here.entrypoint.prefix}", *FUNCTION)

    assert failed == []
    assert total >= 36


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_cloud_s_function_holds_them(tmp_path: Path, cloud: str) -> None:
    """So it is on the other clouds, each with its own engine."""
    laptop = needed(cloud)(tmp_path, containers=1, config=CONFIG)
    with Hosting(laptop) as here:
        total, failed = newman(tmp_path, f"{here.url}{laptop.entrypoint.prefix}", *FUNCTION)

    assert failed == []
    assert total >= 36


def test_a_rest_api_holds_the_rest(tmp_path: Path) -> None:
    """Behind a REST API with a usage plan all of it holds, its own 403 and its key included."""
    laptop = needed("aws")(tmp_path, containers=1, config=CONFIG)
    resources = dict.fromkeys(("/counter", "/badge.svg", "/health", "/stats", "/visitor-counter"), METHODS)
    laptop.entrypoint = RestGateway(laptop.entrypoints["REST API"], resources, KEY)
    with Hosting(laptop) as here:
        url = f"{here.url}{laptop.entrypoint.prefix}"
        total, failed = newman(tmp_path, url, *FUNCTION, "gateway", api_key=KEY)

    assert failed == []
    assert total >= 49


def test_what_does_not_hold_is_found(tmp_path: Path) -> None:
    """A counter that lists no site fails the assertions about the site, and those alone."""
    with Serving(tmp_path, containers=1, config={**CONFIG, "ALLOWED_ORIGINS": "*"}) as here:
        total, failed = newman(tmp_path, f"{here.url}{here.entrypoint.prefix}", "security", "functional")

    assert 0 < len(failed) < total
    assert all("https://resume.example" in one or "deeply equal [ false, 'origin' ]" in one for one in failed)
