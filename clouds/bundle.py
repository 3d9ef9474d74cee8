"""Builds a cloud's bundle: the function and its packages in one archive.

    python -m clouds.bundle oracle|aws|azure [--zip FILE] [--folder FOLDER] [--python 3.12] [--machine x86_64]

`clouds/NAME/bundle.toml` is the recipe. The packages come from `requirements.lock` next to it, verified by hash. The
build is reproducible: the same sources give the same bytes. It needs Python with pip, but no Docker and no account.
"""

from __future__ import annotations

import argparse
import csv
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

CLOUDS = Path(__file__).resolve().parent
ROOT = CLOUDS.parent
OURS = (
    "counter",
    "counter_store.py",
    "privacy.py",
    "clouds/__init__.py",
    "clouds/settings.py",
    "web/visitor-counter.js",
    "web/busuanzi.js",
    "web/owner.html",
)
"""The files of this project in every bundle, in addition to `clouds/NAME/function`."""

GLIBC = (28, 17, 12, 5)
"""Minor versions of glibc 2 to accept wheels for: all three clouds' images have at least glibc 2.28."""

UNUSED = ("__pycache__", "tests", "*.c", "*.h", "*.pxd", "*.pyi", "*.pyx")
"""Files that no package needs at run time."""

INSTALLER = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")
"""Files that pip writes about the installation."""

# Marshal version 2 has no references: which objects are shared depends on what else is in memory, and the build must be
# reproducible. Unchecked byte code is used even if the cloud changes the files' times. A package's byte code takes the
# place of its source, without docstrings; our own files keep theirs, to be read where the function runs.
COMPILE = """
import importlib.util, marshal, pathlib, sys
folder, package = sys.argv[1], sys.argv[2] == "package"
for path in sorted(pathlib.Path(folder).rglob("*.py")):
    source, name = path.read_bytes(), str(path.relative_to(folder))
    code = compile(source, name, "exec", dont_inherit=True, optimize=2 if package else 0)
    made = path.with_suffix(".pyc") if package else pathlib.Path(importlib.util.cache_from_source(str(path)))
    made.parent.mkdir(exist_ok=True)
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    made.write_bytes(head + marshal.dumps(code, 2))
    if package:
        path.unlink()
"""

IMPORT = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"


class Failed(Exception):
    """The bundle cannot be built; the message says why."""


class NotInstalled(Failed):
    """The packages could not be installed: the index was not reached, or its files differ from the lock file."""


@dataclass(frozen=True)
class Recipe:
    """The contents of a cloud's bundle, from its `bundle.toml`.

    `python` and `machine` are the cloud's. `function` and `packages` are the folders in the archive for our files and
    for packages. `shared` names the modules in `clouds/` that this cloud's function needs. `files` maps more names in
    the archive, such as the entry point, to files of this repository. `kept` has patterns for the files of each package
    to ship; a package without an entry is left out. `largest` is the limit for the total size of all files, in bytes.
    """

    cloud: str
    python: str
    machine: str
    function: str
    packages: str
    largest: int
    shared: Sequence[str]
    files: Mapping[str, str]
    kept: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls, cloud: str) -> Recipe:
        """Read a cloud's recipe."""
        return cls(cloud=cloud, **tomllib.loads((CLOUDS / cloud / "bundle.toml").read_text(encoding="utf-8")))

    @property
    def lock(self) -> Path:
        """The lock file of the cloud's packages."""
        return CLOUDS / self.cloud / "requirements.lock"


def build(recipe: Recipe, folder: Path) -> bool:
    """Build the bundle's files in `folder`, which must be empty or new.

    Returns whether it was byte-compiled and imported, which needs the recipe's Python and machine. Raises Failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Failed(f"{folder} is not empty; choose a new folder")
    with tempfile.TemporaryDirectory(prefix="bundle-") as temporary:
        install(recipe, Path(temporary))
        keep(recipe, Path(temporary), folder / recipe.packages)
    python = interpreter(recipe.python)
    compiled = "-I", "-S", "-c", COMPILE, str(folder)
    if python:
        run("the packages cannot be byte-compiled", python, *compiled, "package")
    modules = copy(recipe, folder)
    if python:
        run("the function cannot be byte-compiled", python, *compiled, "function")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    tried = python is not None and (platform.system(), platform.machine()) == ("Linux", recipe.machine)
    if python and tried:
        paths = [str((folder / part).absolute()) for part in dict.fromkeys((recipe.function, recipe.packages))]
        start = f"import sys; sys.path[:0] = {paths!r}; {IMPORT}"
        run("the function cannot be imported", python, "-I", "-S", "-B", "-W", "error", "-c", start, *modules)
    if (weight := size(folder)) > recipe.largest:
        raise Failed(f"the files have {weight:,} bytes, more than {recipe.largest:,}")
    return tried


def run(problem: str, *command: str) -> None:
    """Run a command. Raises Failed with the problem and the command's error output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{problem}:\n{done.stderr}")


def copy(recipe: Recipe, folder: Path) -> list[str]:
    """Copy our files into the bundle, and return the names of their modules."""
    own = f"clouds/{recipe.cloud}"
    sources = [ROOT / name for name in (*OURS, *recipe.shared, f"{own}/__init__.py", f"{own}/function")]
    names = [path for source in sources for path in (source.rglob("*") if source.is_dir() else [source])]
    paths = {f"{recipe.function}/{path.relative_to(ROOT).as_posix()}": path for path in names}
    paths = {name: path for name, path in paths.items() if path.is_file() and "__pycache__" not in path.parts}
    moved = {name: ROOT / source for name, source in recipe.files.items()}
    paths = {name: path for name, path in paths.items() if path not in moved.values()} | moved
    for name, path in paths.items():
        target = folder / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    inside = [Path(name.removeprefix(recipe.function).lstrip("/")) for name in paths if name.endswith(".py")]
    return sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in inside)


def install(recipe: Recipe, target: Path) -> None:
    """Install the packages of the lock file into `target`: only wheels for the cloud's Python, verified by hash. Raises
    NotInstalled."""
    lock = recipe.lock.read_text(encoding="utf-8")
    major, minor = map(int, recipe.python.split("."))
    # pip selects wheels for the given Python, but evaluates the conditions in the lock file for the one it runs on.
    if conditions(lock, (major, minor)) != conditions(lock, sys.version_info[:2]):
        raise NotInstalled(f"this Python would install other packages than the cloud's; use Python {recipe.python}")
    tags = [f"manylinux_2_{minor}_{recipe.machine}" for minor in GLIBC] + [f"manylinux2014_{recipe.machine}"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    command += ["--root-user-action=ignore", "--require-hashes", "--only-binary=:all:", "--no-compile"]
    command += [argument for tag in tags for argument in ("--platform", tag)]
    command += ["--python-version", recipe.python, "--implementation", "cp", "--target", str(target)]
    command += ["--requirement", str(recipe.lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"pip could not install {recipe.lock.relative_to(ROOT)}:\n{done.stderr}")


def conditions(lock: str, version: tuple[int, int]) -> list[bool]:
    """Return whether each condition on the Python version in a lock file holds for this version."""
    found = re.findall(r"python_full_version (<|>=) '(\d+)\.(\d+)'", lock)
    return [(version < (int(major), int(minor))) == (operator == "<") for operator, major, minor in found]


def keep(recipe: Recipe, installed: Path, target: Path) -> None:
    """Move the files to ship from the installed packages to `target`, with their licences. Raises Failed."""
    known = set()
    for metadata in sorted(installed.glob("*.dist-info")):
        name = metadata.name.split("-")[0].lower().replace("_", "-")
        known.add(name)
        with (metadata / "RECORD").open(encoding="utf-8", newline="") as record:
            # Scripts are recorded two folders up, where pip would normally put them; no cloud runs any.
            files = {installed / row[0] for row in csv.reader(record) if not row[0].startswith("../")}
        wanted = [path for pattern in recipe.kept.get(name, ()) for path in installed.glob(pattern)]
        wanted += [metadata] if wanted else []
        for path in sorted(files):
            parts = path.relative_to(installed).parts
            unused = any(Path(part).match(pattern) for part in parts for pattern in UNUSED)
            unused |= path.parent == metadata and path.name in INSTALLER
            if path.is_file() and not unused and any(path.is_relative_to(parent) for parent in wanted):
                moved = target.joinpath(*parts)
                moved.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, moved)
    if missing := recipe.kept.keys() - known:
        raise Failed(f"not in requirements.lock: {', '.join(sorted(missing))}")


def interpreter(version: str) -> str | None:
    """Return the path of a Python of that version, this one or one in PATH, or None."""
    for name in (sys.executable, f"python{version}"):
        command = [name, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            continue
        answered, _, path = done.stdout.strip().partition(" ")
        if answered == version:
            return path
    return None


def size(folder: Path) -> int:
    """Return the total size of the files in a folder, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_zip(folder: Path, file: Path) -> int:
    """Write the folder as a reproducible archive, and return its size in bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        named = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        for name, path in sorted(named.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, on every system: the modes below are Unix's
            entry.external_attr = (0o100755 if path.parent.name == "bin" else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return file.stat().st_size


def main(given: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m clouds.bundle", description="Build the function's archive.")
    parser.add_argument("cloud", choices=sorted(path.parent.name for path in CLOUDS.glob("*/bundle.toml")))
    parser.add_argument("--zip", type=Path, metavar="FILE", help="the archive to write (default build/CLOUD.zip)")
    parser.add_argument("--folder", type=Path, help="write the files to this folder, which must be empty or new")
    parser.add_argument("--python", metavar="3.12", help="the Python version, instead of the cloud's default")
    parser.add_argument("--machine", choices=("x86_64", "aarch64"), help="the machine, instead of the cloud's default")
    options = parser.parse_args(given)
    chosen = {name: getattr(options, name) for name in ("python", "machine") if getattr(options, name)}
    recipe = replace(Recipe.read(options.cloud), **chosen)
    file = options.zip or Path("build") / f"{options.cloud}.zip"
    try:
        with tempfile.TemporaryDirectory(prefix="bundle-") as temporary:
            tree = options.folder or Path(temporary) / "tree"
            tried = build(recipe, tree)
            print(f"Files:   {size(tree) / 1e6:.1f} MB, for Python {recipe.python} on Linux, {recipe.machine}")
            if options.zip or not options.folder:
                print(f"Archive: {write_zip(tree, file) / 1e6:.1f} MB, {file}")
    except (Failed, OSError) as error:
        raise SystemExit(f"python -m clouds.bundle: {error}") from error
    if not interpreter(recipe.python):
        print(f"Warning: no byte code, so a cold start takes twice as long. Install Python {recipe.python} to add it.")
    elif not tried:
        print("The import was not tested, because this machine is of another kind.")


if __name__ == "__main__":
    main()
