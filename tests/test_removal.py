"""A cloud is one folder and one line: without them everything else is as it was."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from engines import CLOUDS

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".pytest_cache", ".ruff_cache", ".hypothesis", "__pycache__", "node_modules", "build", ".local"
)
# What looks at the whole tree, and what goes through all clouds; EXPLORE=all runs everything.
CHOSEN = [f"tests/test_{noun}.py" for noun in ("readme", "workflows", "entrypoints")]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the tree, with what mypy knows of it and the engines that are installed here."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    for engine in ROOT.glob("clouds/*/laptop/engine/node_modules"):
        (copy / engine.relative_to(ROOT)).symlink_to(engine)
    return copy


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_can_be_taken_away(copy: Path, cloud: str) -> None:
    """With its folder and its line deleted, types, rules, documents and the other entrypoints are as good as before."""
    shutil.rmtree(copy / "clouds" / cloud)
    line = copy / "tests" / "engines.py"
    kept, removed = re.subn(rf'^    "{cloud}",\n', "", line.read_text(encoding="utf-8"), flags=re.MULTILINE)
    line.write_text(kept, encoding="utf-8")
    tests = ["tests"] if os.environ.get("EXPLORE") == "all" else CHOSEN

    assert removed == 1
    for words in (["mypy", "."], ["pytest", "-q", "--deselect", "tests/test_removal.py", *tests]):
        done = subprocess.run([sys.executable, "-m", *words], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
