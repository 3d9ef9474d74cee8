"""The bundle: made twice it is the same, it runs with nothing else in reach, and it holds nothing that is not run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from engines import cannot

from clouds import bundle
from clouds.aws.laptop.dynoxide import CREDENTIALS, REGION, Dynoxide
from clouds.aws.laptop.execution_environment import ExecutionEnvironment
from clouds.aws.laptop.laptop import Laptop
from clouds.bundle import Recipe
from local.loop_thread import running

RECIPE = Recipe.of("aws")
ALONE = """
import sys
sys.path[:0] = [sys.argv[1]]
import lambda_function
from clouds.aws.function import sns
topic = sns.Topic("eu-central-1", "arn", "http://127.0.0.1:1")
assert lambda_function._api.cache_info().currsize == 1, "it is not ready"
ours = {name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}
outside = [file for file in ours.values() if not file.startswith((sys.argv[1], sys.base_prefix))]
assert not outside, outside
code = [module.__spec__.cached for name, module in sys.modules.items() if ours.get(name, "").startswith(sys.argv[1])]
print(len(code), sum(bool(path) and __import__("os").path.exists(path) for path in code))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the bundle and unpack it, for all tests of this file."""
    folder = tmp_path_factory.mktemp("bundle")
    try:
        bundle.main(["aws", "--zip", str(folder / "one.zip")])
    except SystemExit as problem:
        if isinstance(problem.__cause__, bundle.NotInstalled) and os.environ.get("CI") != "true":
            pytest.skip(f"the packages were not to be had: {str(problem).splitlines()[-1]}")
        raise
    with zipfile.ZipFile(folder / "one.zip") as archive:
        archive.extractall(folder / "one")
    return folder / "one"


def test_the_same_sources_make_the_same_bundle(tree: Path, tmp_path: Path) -> None:
    """Made again, in another folder and at another time, every bit is the same."""
    bundle.main(["aws", "--zip", str(tmp_path / "two.zip")])
    first, second = ((path).read_bytes() for path in (tree.with_suffix(".zip"), tmp_path / "two.zip"))

    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest()
    with zipfile.ZipFile(tmp_path / "two.zip") as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)


def test_it_runs_alone(tree: Path) -> None:
    """A Python that knows nothing but the bundle loads the function and what it publishes with; the byte code is used
    where that Python is the cloud's."""
    python = bundle.interpreter(RECIPE.python) or sys.executable
    environment = {"AWS_REGION": REGION, "SALT": "salt", **CREDENTIALS}
    command = [python, "-I", "-S", "-B", "-W", "error", "-c", ALONE, str(tree)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    loaded, compiled = map(int, done.stdout.split())
    assert loaded > 100
    assert compiled == (loaded if bundle.interpreter(RECIPE.python) else 0)


def test_it_counts(tree: Path) -> None:
    """What was packed counts, in AWS's own runtime."""
    cannot(Laptop.missing())
    engine = Dynoxide()
    with running(engine) as loop:
        engine.create_table("visitor-counter")
        variables = {"AWS_REGION": REGION, **CREDENTIALS, "DYNAMODB_ENDPOINT": engine.url}

        async def visits() -> list[Any]:
            environment = ExecutionEnvironment(variables, print, (tree,))
            await environment.start()
            try:
                return [json.loads(await environment.call(b'{"path": "/counter"}', 15)) for _ in range(3)]
            finally:
                await environment.stop()

        answers = loop.run(visits())

    assert [json.loads(answer["body"])["count"] for answer in answers] == [1, 2, 3]


def test_it_holds_what_is_needed_and_no_more(tree: Path) -> None:
    """Our files are the core and this cloud's function, nothing of the laptop or of the tests; of the SDK's data there
    are two services; every package brings its licence."""
    ours = {path.relative_to(tree).as_posix() for path in (*tree.glob("*.py"), *tree.glob("c*/**/*.py"))}
    services = {path.parent.parent.name for path in tree.glob("botocore/data/*/*/*")}
    packages = {path.name.split("-")[0] for path in tree.glob("*.dist-info")}
    licensed = {path.relative_to(tree).parts[0].split("-")[0] for path in tree.rglob("*.dist-info/**/LICEN*")}

    assert {"lambda_function.py", "counter_store.py", "counter/api.py", "clouds/aws/function/sns.py"} <= ours
    assert "func.py" not in ours
    assert not any("laptop" in name or "tests" in name or "azure" in name or "oracle" in name for name in ours)
    assert (tree / "counter" / "crawlers.txt").read_bytes() == (bundle.ROOT / "counter" / "crawlers.txt").read_bytes()
    assert services == {"dynamodb", "sns"}
    assert packages == licensed
    assert not [*tree.rglob("RECORD"), *tree.rglob("tests")]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    """Nothing is written among files that were not made here."""
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(bundle.Failed):
        bundle.build("aws", tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
