"""The slim tree: made as the image is made, run by the real FDK with nothing else in reach, and weighed."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from clouds.oracle import package
from clouds.oracle.laptop.containers import short_folder
from clouds.oracle.laptop.serving import ROOT, Serving
from local.faults import Faults

PYTHON = sys.executable
LEFT_OUT = ("pytest", "_pytest", "pygments", "Cython", "wheel", "pbr", "setuptools", "aiohttp", "yarl", "OpenSSL")
TRACED = """
import json, sys

from fdk.response import Response
from func import handler as counting

def handler(ctx, data=None):
    if data.read() == b"modules":
        files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        return Response(ctx, json.dumps(sorted(set(filter(None, files)))))
    data.seek(0)
    return counting(ctx, data)
"""
TIMED = "import time; start = time.process_time(); import func; print(time.process_time() - start)"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[package.Part]:
    """Make the tree, once for all tests of this file, and return what it weighs."""
    try:
        return package.build(tmp_path_factory.mktemp("package") / "tree", package.arguments().get_default("machine"))
    except package.NotInstalled as problem:
        if os.environ.get("CI") == "true" or "HASHES" in str(problem):
            raise
        pytest.skip(f"the packages were not to be had: {str(problem).splitlines()[-1]}")


@pytest.fixture(scope="module")
def tree(parts: list[package.Part]) -> Path:
    """Return the folder of the tree."""
    return parts[-1].kept[0].parent


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python that has no packages of its own."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder)
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def here(tree: Path, bare: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the function from the tree, with what it imports to be asked for."""
    folder = tmp_path_factory.mktemp("traced")
    (folder / "traced.py").write_text(TRACED)
    config = {
        "PYTHONPATH": f"{tree / 'function'}:{tree / 'python'}",
        "REPORT_TOKEN": "the-token-of-these-tests",
        "TIMEZONE": "Europe/Berlin",
        "PYTHONTZPATH": "",  # the image has no time zones of its own
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", bare)
        with Serving(folder / "cloud", containers=1, config=config, tls=True, function=folder / "traced.py") as serving:
            yield serving


def test_the_tree_counts_and_reports(here: Serving) -> None:
    """The real FDK counts a visit and sends the report with nothing but the tree in reach, also when storage fails."""
    assert json.loads(here.invoke(b'{"vid": "anna"}'))["count"] == 1
    assert json.loads(here.invoke(b'{"path": "/report"}'))["report"] is True
    assert "1" in here.mailbox.messages()[0].body

    here.cloud.faults = Faults({"put:lose-drop": 0.3, "put:lose-503": 0.2, "refuse-429": 0.1}, seed=1)
    answers = [json.loads(here.invoke()) for _ in range(30)]
    here.cloud.faults = Faults()
    assert json.loads(here.invoke(b'{"path": "/stats"}'))["ok"] is True
    counted = [told for told in answers if told["ok"]]
    assert len(counted) > 20
    assert not [line for line in here.pool.log if "Traceback" in line or "No module" in line]


def test_the_entry_point_listens(tree: Path, bare: str) -> None:
    """The image's own command, with the image's own path, starts the FDK, and the FDK listens."""
    folder = short_folder()
    environment = {
        "PATH": f"{Path(bare).parent}:{os.defpath}",
        "PYTHONPATH": f"{tree / 'function'}:{tree / 'python'}",
        "FN_FORMAT": "http-stream",
        "FN_LISTENER": f"unix:{folder / 'fn.sock'}",
    }
    command = [str(tree / "python/bin/fdk"), str(tree / "function/func.py"), "handler"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 20
        while not (folder / "fn.sock").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        listening = (folder / "fn.sock").exists()
        process.kill()
    shutil.rmtree(folder)

    assert listening


def test_what_is_shipped_is_what_is_imported(here: Serving, tree: Path) -> None:
    """A visit and a report import nothing from elsewhere, and something of everything that is shipped."""
    here.invoke(b'{"vid": "anna"}')
    here.invoke(b'{"path": "/report"}')
    files = [Path(file) for file in json.loads(here.invoke(b"modules"))]
    ours = [file for file in files if file.is_relative_to(tree / "python")]
    python = Path(sys.base_prefix).resolve()
    elsewhere = [file for file in files if not file.is_relative_to(tree) and not file.resolve().is_relative_to(python)]

    assert [file.name for file in elsewhere] == ["traced.py"]
    unused = [
        pattern
        for patterns in package.KEPT.values()
        for pattern in patterns
        if not any(file.is_relative_to(place) for place in (tree / "python").glob(pattern) for file in ours)
    ]
    assert unused == ["bin/fdk"]
    assert [name for name in LEFT_OUT if (tree / "python" / name).exists()] == []


def test_the_tree_is_light(parts: list[package.Part], tree: Path) -> None:
    """The tree weighs at most 45 MB; the table says what it weighed before, and leaves out no package of the lock."""
    assert package.size(tree) == sum(part.after for part in parts)
    assert package.size(tree) <= 45_000_000
    assert {part.name for part in parts} == {*wanted_here(), "visitor-counter"}
    assert re.search(r"^in all +\d+\.\d MB +\d\d\.\d MB$", package.table(parts), re.MULTILINE)


def wanted_here() -> set[str]:
    """Return the packages of the lock that this Python needs: some are for older ones, or for Windows."""
    lines = re.findall(r"^[a-z0-9-]+==[^\\\n]+", package.LOCK.read_text(), re.MULTILINE)
    wanted = [Requirement(line) for line in lines]
    return {one.name for one in wanted if one.marker is None or one.marker.evaluate()}


def test_importing_is_not_slower(tree: Path, bare: str) -> None:
    """To import the function from the tree takes no longer than from a plain installation."""
    slim = {"PYTHONPATH": f"{tree / 'function'}:{tree / 'python'}"}
    times: dict[str, list[float]] = {bare: [], PYTHON: []}
    for _ in range(5):
        for python, environment in ((bare, slim), (PYTHON, {"PYTHONPATH": str(ROOT)})):
            done = subprocess.run(
                [python, "-P", "-c", TIMED], env=environment, capture_output=True, text=True, check=True
            )
            times[python].append(float(done.stdout))

    assert min(times[bare]) <= 1.3 * min(times[PYTHON])


def test_all_of_it_is_byte_code_that_is_never_checked(tree: Path) -> None:
    """Every module has byte code that is used whatever its file's time is, and that names no folder of this machine."""
    for source in tree.rglob("*.py"):
        code = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        assert code.read_bytes()[4:8] == b"\x01\x00\x00\x00", source
        assert str(tree).encode() not in code.read_bytes()


def test_a_tree_that_cannot_be_imported_is_refused(tree: Path, tmp_path: Path) -> None:
    """What the function needs and does not find is an error when the tree is made, not at the first visit."""
    function = tmp_path / "function"
    shutil.copytree(tree / "function", function, ignore=shutil.ignore_patterns("__pycache__"))
    (function / "func.py").write_text("import pytest\n")

    with pytest.raises(package.Failed, match="No module named 'pytest'"):
        package.smoke(function, tree / "python")


def test_the_archive_is_a_code_only_function(tree: Path, tmp_path: Path) -> None:
    """The ZIP has the layout Oracle asks for, may be uploaded directly, and is the same each time."""
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    weight = package.write_zip(tree, first)
    package.write_zip(tree, second)

    assert weight == first.stat().st_size <= package.LARGEST_UPLOAD
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {name.partition("/")[0] for name in names} == {"function", "python"}
        assert {"function/func.py", "python/fdk/__init__.py", "python/bin/fdk"} <= set(names)
        modes = {entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
        assert modes == {0o644, 0o755}


def test_only_its_own_folder_is_emptied(tmp_path: Path) -> None:
    """A folder with anything else in it is left as it is."""
    (tmp_path / "holiday.jpg").write_bytes(b"a beach")

    with pytest.raises(package.Failed, match=r"holiday\.jpg"):
        package.build(tmp_path, "x86_64")
    assert (tmp_path / "holiday.jpg").read_bytes() == b"a beach"


def test_the_dockerfile_is_fn_s_in_small() -> None:
    """The image has the bases, the entry point and the path that `fn deploy` would give it, and is no root's."""
    text = (package.HERE / "Dockerfile").read_text()
    plain = yaml.safe_load((ROOT / "func.yaml").read_text())
    version = re.findall(r"^ARG PYTHON=(.+)$", text, re.MULTILINE)[0]

    images = [image.replace("${PYTHON}", version) for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE)]
    assert images == [plain["build_image"], plain["run_image"]]
    (entrypoint,) = re.findall(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)
    assert json.loads(entrypoint) == plain["entrypoint"].split()
    assert "ENV PYTHONPATH=/function:/python\n" in text
    assert "USER 1000:1000\n" in text
    assert plain["runtime"] == "python"
    assert not (ROOT / "Dockerfile").exists()  # `fn deploy` would take it, whatever the runtime is


def test_the_dockerfile_s_files_get_to_it() -> None:
    """Whatever the Dockerfile copies from here exists, and is not kept from it by its ignore file."""
    text = (package.HERE / "Dockerfile").read_text()
    ignored = (package.HERE / "Dockerfile.dockerignore").read_text().splitlines()
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for word in line.split()]

    assert {word.partition("/")[0] for word in copied} == {
        line[1:].partition("/")[0] for line in ignored if line.startswith("!")
    }
    assert all(list(ROOT.glob(pattern)) for pattern in copied)
    assert "*" in ignored


def test_hadolint_has_nothing_to_say() -> None:
    """The Dockerfile is as hadolint wants it."""
    hadolint = Path(PYTHON).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not installed here")
    subprocess.run([str(hadolint), str(package.HERE / "Dockerfile")], check=True)
