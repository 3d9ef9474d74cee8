"""Schemathesis asks the real function whatever docs/openapi.yaml allows, and what it does not, and checks each answer.

`make test` sends a few hundred requests, the same each time, to Oracle's entrypoint where Schemathesis is installed,
as in CI. With FUZZ=1000 it is a thousand of each operation, others every time, and to every cloud.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engines import CLOUDS, cannot, needed
from fuzzing import CASES, PATIENCE, TOKEN

from clouds.oracle.laptop.serving import Serving
from local.laptop import Hosting

pytestmark = PATIENCE

ROOT = Path(__file__).resolve().parent.parent
FUZZ = ROOT / "tests" / "fuzz"
COMMAND = ROOT / "build" / "fuzz" / "bin" / "schemathesis"
CONFIG = {"SALT": "salt-for-the-tests", "REPORT_TOKEN": TOKEN}


@contextmanager
def served(cloud: str, folder: Path) -> Iterator[str]:
    """Run the counter, and yield the address that its routes are below."""
    if cloud == "oracle":
        with Serving(folder, containers=1, config=CONFIG) as here:
            yield here.url + here.entrypoint.prefix
    else:
        with Hosting(needed(cloud)(folder, containers=1, config=CONFIG)) as hosting:
            yield hosting.url + hosting.here.entrypoint.prefix


@pytest.mark.slow
@pytest.mark.parametrize("cloud", ["oracle", *(CLOUDS if CASES else ())])
def test_the_function_does_what_its_contract_says(tmp_path: Path, cloud: str) -> None:
    """Statuses, headers and bodies are as documented, what fits is taken, what does not is refused, and no token opens
    anything but the owner's."""
    how = f"Schemathesis is not installed: see {FUZZ.relative_to(ROOT)}/requirements.txt"
    cannot(None if COMMAND.exists() else how)
    report = tmp_path / "report.json"
    chance = ["--generation-database", "none"] if CASES else ["--generation-deterministic"]
    environment = {
        "PATH": os.defpath, "HOME": str(tmp_path), "LANG": "C.UTF-8", "PYTHONPATH": str(FUZZ),
        "REPORT_TOKEN": TOKEN, "SCHEMATHESIS_HOOKS": "unseen_ids",
    }  # fmt: skip
    with served(cloud, tmp_path / "data") as url:
        done = subprocess.run(
            [
                COMMAND, "--config-file", FUZZ / "schemathesis.toml", "run", ROOT / "docs" / "openapi.yaml",
                "--url", url, "--max-examples", str(CASES or 10), *chance, "--no-color",
                "--report-json-path", report,
            ],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["operations"]["tested"] == told["operations"]["total"] >= 16
    assert told["test_cases"]["generated"] > 300
