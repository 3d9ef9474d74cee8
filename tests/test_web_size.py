"""The element stays as small as it promises to be."""

import shutil
import subprocess
from pathlib import Path

import pytest

ELEMENT = Path(__file__).resolve().parents[1] / "web" / "visitor-counter.js"


def test_element_is_small() -> None:
    """What `gzip -9` makes of the element, its licence line included, is at most 2,000 bytes."""
    gzip = shutil.which("gzip")
    if gzip is None:
        pytest.skip("gzip is not installed")

    packed = subprocess.run([gzip, "-9", "-c", ELEMENT], check=True, capture_output=True).stdout

    assert len(packed) <= 2000


def test_element_names_its_licence() -> None:
    """Whoever copies the one file copies its licence along."""
    assert "UPL-1.0" in ELEMENT.read_text().splitlines()[0]
