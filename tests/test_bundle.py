"""What is shipped: the same for the same sources, and it runs with nothing else in reach."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from engines import CLOUDS

from clouds import bundle
from clouds.bundle import Recipe
from clouds.oracle.laptop.containers import short_folder
from clouds.oracle.laptop.serving import Serving
from local.faults import Faults

Build = Callable[[Recipe, Path], None]
PYTHON = sys.executable
pytestmark = pytest.mark.timeout(1800)  # pip takes its time on a busy machine
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
LEFT_OUT = ("pytest", "_pytest", "pygments", "Cython", "wheel", "pbr", "setuptools", "aiohttp", "yarl", "OpenSSL")
LOADED = """
import importlib, os, sys
sys.path[:0] = sys.argv[2:]
importlib.import_module(sys.argv[1])
files = {name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}
inside = [name for name, file in files.items() if file.startswith(tuple(sys.argv[2:]))]
print(*[file for name, file in files.items() if name not in inside and not file.startswith(sys.base_prefix)])
print(len(inside), sum(os.path.exists(sys.modules[name].__spec__.cached or "") for name in inside))
"""
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


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Return `bundle.build`, which here asks pip for a cloud's packages only once. Skips the test where they cannot be
    fetched."""
    fetched: dict[str, Path] = {}
    install = bundle.install

    def once(recipe: Recipe, target: Path) -> None:
        if recipe.cloud not in CLOUDS:  # Oracle's are half a gigabyte, and one test asks for them
            install(recipe, target)
            return
        if recipe.cloud not in fetched:
            folder = tmp_path_factory.mktemp("packages")
            install(recipe, folder)
            fetched[recipe.cloud] = folder
        shutil.copytree(fetched[recipe.cloud], target, dirs_exist_ok=True)

    def building(recipe: Recipe, folder: Path) -> None:
        try:
            bundle.build(replace(recipe, python=HERE), folder)
        except bundle.NotInstalled as problem:
            if os.environ.get("CI") == "true" or "HASHES" in str(problem):
                raise
            pytest.skip(f"the packages could not be fetched: {str(problem).splitlines()[-1]}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "install", once)
        yield building


@pytest.fixture(scope="module", params=CLOUDS)
def small(request: pytest.FixtureRequest, build: Build, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Make the tree of a cloud whose packages are small, once for all tests of this file."""
    folder = tmp_path_factory.mktemp("bundle") / "tree"
    build(Recipe.read(request.param), folder)
    return request.param, folder


@pytest.mark.slow
@pytest.mark.usefixtures("build")
def test_the_same_sources_make_the_same_archive(small: tuple[str, Path], tmp_path: Path) -> None:
    """Made again, in another folder and at another time, every bit is the same."""
    cloud, tree = small
    bundle.write_zip(tree, tmp_path / "one.zip")
    bundle.main([cloud, "--python", HERE, "--zip", str(tmp_path / "two.zip")])

    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "two.zip") as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)


@pytest.mark.slow
def test_it_is_loaded_alone(small: tuple[str, Path]) -> None:
    """A Python that knows nothing but the bundle loads the entry point, all of it from byte code."""
    cloud, tree = small
    recipe = Recipe.read(cloud)
    (entry,) = (Path(name).stem for name in recipe.files if name.endswith(".py"))
    paths = list(dict.fromkeys(str(tree / part) for part in (recipe.function, recipe.packages)))
    done = subprocess.run(
        [PYTHON, "-I", "-S", "-B", "-W", "error", "-c", LOADED, entry, *paths],
        env={"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    outside, counts = done.stdout.split("\n")[:2]
    loaded, compiled = map(int, counts.split())
    assert outside == ""
    assert loaded > 20
    assert loaded - compiled <= 5  # packages without a file of their own have no byte code


@pytest.mark.slow
def test_it_holds_what_is_needed_and_no_more(small: tuple[str, Path]) -> None:
    """The function, the core and the kept packages with their licences; nothing of another cloud or of tests."""
    cloud, tree = small
    recipe = Recipe.read(cloud)
    folders = {path.parent.name for path in (tree / recipe.function / "clouds").rglob("*.py")}
    packages = {path.name.split("-")[0].replace("_", "-").lower() for path in tree.rglob("*.dist-info")}
    licensed = {path.name for path in tree.rglob("*.dist-info") if list(path.rglob("LICEN*"))}

    assert folders == {"clouds", cloud, "function"}
    for name in ("counter/crawlers.txt", "web/visitor-counter.js", "web/owner.html"):
        assert (tree / recipe.function / name).is_file()
    assert packages == set(recipe.kept)
    assert {path.name for path in tree.rglob("*.dist-info")} == licensed
    assert not [*tree.rglob("RECORD"), *tree.rglob("tests"), *tree.rglob("laptop")]


@pytest.mark.slow
def test_all_of_it_is_byte_code_that_is_never_checked(small: tuple[str, Path]) -> None:
    """Every module has byte code that is used whatever its file's time is, and that names no folder of this machine.
    Only our own files come with their sources."""
    cloud, tree = small
    own = [f"clouds/{cloud}", *bundle.OURS, *Recipe.read(cloud).shared, *Recipe.read(cloud).files]
    sources = [path.relative_to(tree) for path in tree.rglob("*.py")]
    cached = {str(path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc") for path in sources}
    compiled = {str(path.relative_to(tree)) for path in tree.rglob("*.pyc")}

    assert [path for path in sources if not any(path.is_relative_to(name) for name in own)] == []
    assert {name for name in compiled if "__pycache__" in name} == cached
    assert len(compiled - cached) > 50
    for name in compiled:
        code = (tree / name).read_bytes()
        assert code[4:8] == b"\x01\x00\x00\x00", name
        assert str(tree).encode() not in code


@pytest.mark.slow
def test_byte_code_of_another_python_is_a_clear_error(small: tuple[str, Path], tmp_path: Path) -> None:
    """A package without its source says that the wrong Python runs it; it is not half imported."""
    _, tree = small
    urllib3 = next(tree.rglob("urllib3"))
    shutil.copytree(urllib3, tmp_path / "urllib3")
    code = tmp_path / "urllib3" / "__init__.pyc"
    code.write_bytes(b"\x00\x00\r\n" + code.read_bytes()[4:])
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import urllib3"
    done = subprocess.run([PYTHON, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)

    assert "ImportError: bad magic number in 'urllib3'" in done.stderr


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    """Nothing is written among files that were not made here."""
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(bundle.Failed, match="is not empty"):
        bundle.build(Recipe.read("aws"), tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("cloud", ["oracle", *CLOUDS])
def test_no_recipe_allows_a_large_bundle(cloud: str) -> None:
    """Each cold start loads the files, so they are 25 MB at most; a larger bundle is not made."""
    assert Recipe.read(cloud).largest <= 25_000_000


@pytest.mark.slow
def test_what_is_too_large_is_refused(build: Build, tmp_path: Path) -> None:
    """A bundle that outgrew its limit is an error while it is made."""
    recipe = replace(Recipe.read("aws"), kept={}, largest=1000)
    with pytest.raises(bundle.Failed, match="more than 1,000"):
        build(recipe, tmp_path / "tree")


@pytest.mark.slow
def test_a_function_that_cannot_be_imported_is_refused(build: Build, tmp_path: Path) -> None:
    """A package that is missing in the recipe is an error when the bundle is made, not at the first visit."""
    with pytest.raises(bundle.Failed, match=r"cannot be imported[^!]*No module named 'azure'"):
        build(replace(Recipe.read("azure"), kept={}), tmp_path / "tree")


@pytest.mark.slow
def test_a_package_that_is_not_locked_is_refused(build: Build, tmp_path: Path) -> None:
    """A recipe that names a package the lock does not have is a mistake, and is named."""
    recipe = Recipe.read("aws")
    with pytest.raises(bundle.Failed, match=r"not in requirements\.lock: boto3"):
        build(replace(recipe, kept={"boto3": ["boto3"]}), tmp_path / "tree")


@pytest.fixture(scope="module")
def tree(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make Oracle's tree, once for all tests of this file. It takes long, for pip first installs half a gigabyte."""
    folder = tmp_path_factory.mktemp("package") / "tree"
    build(Recipe.read("oracle"), folder)
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python that has no packages of its own, under the name that the image's launcher looks for."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder)
    if not (folder / "bin" / "python3.12").exists():
        (folder / "bin" / "python3.12").symlink_to("python")
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def here(tree: Path, bare: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run Oracle's function from the tree, with what it imports to be asked for."""
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


@pytest.mark.slow
def test_oracle_counts_and_reports_from_the_bundle(here: Serving) -> None:
    """The real FDK counts a visit and sends the report with nothing but the tree in reach, also when storage fails."""
    assert json.loads(here.invoke(b'{"vid": "anna"}'))["count"] == 1
    assert json.loads(here.invoke(b'{"path": "/report"}'))["report"] is True
    assert "1" in here.mailbox.messages()[0].body

    here.cloud.faults = Faults({"put:lose-drop": 0.3, "put:lose-503": 0.2, "refuse-429": 0.1}, seed=1)
    answers = [json.loads(here.invoke()) for _ in range(30)]
    here.cloud.faults = Faults()
    assert json.loads(here.invoke(b'{"path": "/stats"}'))["ok"] is True
    assert len([answer for answer in answers if answer["ok"]]) > 20
    assert not [line for line in here.pool.log if "Traceback" in line or "No module" in line]


@pytest.mark.slow
def test_what_oracle_gets_is_what_is_imported(here: Serving, tree: Path) -> None:
    """A visit and a report import nothing from elsewhere, and something of everything that is shipped."""
    here.invoke(b'{"vid": "anna"}')
    here.invoke(b'{"path": "/report"}')
    files = [Path(file) for file in json.loads(here.invoke(b"modules"))]
    packed = [file for file in files if file.is_relative_to(tree / "python")]
    python = Path(sys.base_prefix).resolve()
    # Debian's Python has a sitecustomize.py of its own, a link to /etc.
    standard = (sys.base_prefix, python)
    elsewhere = [
        file
        for file in files
        if not file.is_relative_to(tree)
        and not any(place.is_relative_to(prefix) for place in (file, file.resolve()) for prefix in standard)
    ]
    kept = [pattern for patterns in Recipe.read("oracle").kept.values() for pattern in patterns]
    patterns = [f"{pattern}c" if pattern.endswith(".py") else pattern for pattern in kept]  # packages are byte code

    assert [file.name for file in elsewhere] == ["traced.py"]
    unused = [
        pattern
        for pattern in patterns
        if not any(file.is_relative_to(place) for place in (tree / "python").glob(pattern) for file in packed)
    ]
    assert unused == []
    assert [name for name in LEFT_OUT if (tree / "python" / name).exists()] == []


@pytest.mark.slow
def test_the_images_command_listens(tree: Path, bare: str) -> None:
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
        until = time.monotonic() + 60
        while not (folder / "fn.sock").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        listening = (folder / "fn.sock").exists()
        process.kill()
    shutil.rmtree(folder)

    assert listening


@pytest.mark.slow
def test_oracles_archive_is_a_code_only_function(tree: Path, tmp_path: Path) -> None:
    """The ZIP has the layout that Oracle asks for, and may be uploaded directly, which 25 MB may."""
    assert bundle.write_zip(tree, tmp_path / "one.zip") <= 25_000_000
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    assert {name.partition("/")[0] for name in modes} == {"function", "python"}
    assert {"function/func.py", "function/counter/api.py", "python/fdk/__init__.pyc"} <= set(modes)
    assert [name for name, mode in modes.items() if mode != 0o644] == ["python/bin/fdk"]


def test_the_image_is_what_fn_deploy_makes() -> None:
    """The image has the bases, the entry point and the path that `fn deploy` would give it, and is not run by root."""
    text = (bundle.CLOUDS / "oracle" / "Dockerfile").read_text()
    named = yaml.safe_load((bundle.ROOT / "func.yaml").read_text())

    images = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert images == [named["build_image"], named["run_image"]]
    (entrypoint,) = re.findall(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)
    assert json.loads(entrypoint) == named["entrypoint"].split()
    assert "ENV PYTHONPATH=/function:/python\n" in text
    assert "USER 1000:1000\n" in text
    assert not (bundle.ROOT / "Dockerfile").exists()  # `fn deploy` would take it, whatever the runtime is


def seen_by_docker() -> set[str]:
    """Return the files of the repository that docker and `fn deploy` see, by the root's .dockerignore."""
    lines = [line for line in (bundle.ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    found: set[str] = set()
    for line in lines[1:]:
        if line.startswith("!"):
            found |= {path.relative_to(bundle.ROOT).as_posix() for path in bundle.ROOT.glob(line[1:])}
    return {path for name in found for path in ([name] if (bundle.ROOT / name).is_file() else below(name))}


def below(folder: str) -> list[str]:
    """Return the files in a folder of the repository."""
    files = [path for path in (bundle.ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return [path.relative_to(bundle.ROOT).as_posix() for path in files]


def test_the_image_can_be_built_of_what_docker_sees(tmp_path: Path) -> None:
    """With no other files than the .dockerignore lets through, the Dockerfile's command makes the tree, and a plain
    `fn deploy` finds the function."""
    for name in seen_by_docker():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(bundle.ROOT / name, tmp_path / name)
    text = (bundle.CLOUDS / "oracle" / "Dockerfile").read_text()
    (command,) = re.findall(r"^RUN python3\.12 -m (clouds\.bundle oracle .*)$", text, re.MULTILINE)
    assert command == "clouds.bundle oracle --folder /tree"
    program = (
        "from pathlib import Path; from clouds import bundle; recipe = bundle.Recipe.read('oracle');"
        "print(*bundle.copy(recipe, Path('tree'))); assert recipe.lock.is_file()"
    )

    def said(program: str) -> str:
        command = [PYTHON, "-P", "-c", program]
        done = subprocess.run(
            command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert {"func", "counter.api", "clouds.oracle.function.object_storage"} <= set(said(program).split())
    assert said("import func; print(func.__file__)").startswith(str(tmp_path))


def test_hadolint_has_nothing_to_say() -> None:
    """The Dockerfile is as hadolint wants it."""
    hadolint = Path(PYTHON).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not installed here")
    subprocess.run([str(hadolint), str(bundle.CLOUDS / "oracle" / "Dockerfile")], check=True)
