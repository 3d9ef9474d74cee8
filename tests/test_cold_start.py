"""What a container imports until its first visit is answered: every module costs time at a cold start."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from engines import CLOUDS

from clouds.oracle.laptop.serving import Serving

ROOT = Path(__file__).resolve().parents[1]
OWN = {"counter", "counter_store", "privacy", "clouds", "func", "first", "local"}
"""This project's own; what a visit needs of it is import-linter's business."""

# What is there after the first visit and was not before, by the name that one would import. A new one fails: if the
# first visit needs it, add it here; if not, import it where it is needed.
ORACLE = """
base64 calendar copy cryptography dataclasses email fnmatch glob hashlib hmac http importlib json ntpath pathlib
platform queue quopri select unicodedata urllib uuid zlib
"""
PROXY = "bz2 lzma shutil tempfile"
"""Of urllib.request, for the proxy that leads to the stand-in here."""

OTHERS = {
    "aws": "botocore certifi dateutil jmespath six urllib3",
    "azure": "azure certifi charset_normalizer idna isodate requests typing_extensions urllib3",
}
"""Packages only: which modules they take from the standard library is theirs to decide."""

INSTALLED = """
OpenSSL cryptography cython_runtime markupsafe multidict propcache simplejson typing_extensions werkzeug yarl
"""
"""What the SDKs use where it is installed, as here. It is not shipped."""

BEFORE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
before = set(sys.modules)
"""
FIRST = (
    BEFORE
    + """
import json

from fdk.response import Response
from func import handler as counting

def handler(ctx, data=None):
    if data.read() == b"modules":
        return Response(ctx, json.dumps(sorted(set(sys.modules) - before)))
    data.seek(0)
    return counting(ctx, data)
"""
)


def packages(modules: Iterable[str]) -> set[str]:
    """Return the names that a reader would import, without this project's own and the insides of others."""
    return {module.partition(".")[0] for module in modules if not module.startswith("_")} - OWN


def test_oracle_s_first_visit_imports_no_more(tmp_path: Path) -> None:
    """Neither the SDK, which is there for the report, nor anything else that is not named above."""
    function = tmp_path / "first.py"
    function.write_text(FIRST)
    with Serving(tmp_path / "cloud", containers=1, config={"SALT": "s"}, tls=True, function=function) as here:
        assert json.loads(here.invoke(b'{"vid": "anna"}'))["count"] == 1
        imported = packages(json.loads(here.invoke(b"modules")))

    assert imported - {*ORACLE.split(), *PROXY.split()} == set()
    assert {"cryptography", "http"} <= imported


IMPORTS = {
    "aws": ["clouds.aws.function.lambda_function"],
    "azure": [f"clouds.azure.function.{name}" for name in ("function_app", "storage_account", "table_storage", "mail")],
}


@pytest.mark.slow
@pytest.mark.parametrize("cloud", CLOUDS)
def test_another_cloud_s_first_visit_imports_no_more(cloud: str) -> None:
    """The same of the packages of the others: what a first visit there imports."""
    program = BEFORE + f"import {', '.join(IMPORTS[cloud])}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    imported = packages(done.stdout.split()) - sys.stdlib_module_names

    assert imported - {*OTHERS[cloud].split(), *INSTALLED.split()} == set()
