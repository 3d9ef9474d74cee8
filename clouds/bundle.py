"""
``python -m clouds.bundle NAME --zip FILE``: a cloud's function and all it needs, in the archive that the cloud runs.

What goes in says ``clouds/NAME/bundle.toml``; the packages are those of ``requirements.lock`` beside it, by their
hashes. The same sources make the same archive, bit for bit. It needs pip, and no Docker and no account.
"""

import argparse
import csv
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CLOUDS = Path(__file__).resolve().parent
ROOT = CLOUDS.parent

GLIBC = (28, 17, 12, 5)
"""Wheels for these minor versions of glibc 2 and older: both clouds' images have at least glibc 2.28."""

UNUSED = ("__pycache__", "tests", "*.c", "*.h", "*.pxd", "*.pyi", "*.pyx")
"""What no package needs to run."""

INSTALLER = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")
"""What pip notes about its own work, which is no part of a package."""

# Byte code without references among its parts: which there are hangs on what else the interpreter has in memory.
# Unchecked: whatever the cloud does to the files' times, the byte code is used.
COMPILE = """
import importlib.util, marshal, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    source, name = path.read_bytes(), str(path.relative_to(sys.argv[1]))
    code = marshal.dumps(compile(source, name, "exec", dont_inherit=True), 2)
    flags = (1).to_bytes(4, "little")
    made = pathlib.Path(importlib.util.cache_from_source(str(path)))
    made.parent.mkdir(exist_ok=True)
    made.write_bytes(importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source) + code)
"""


class Failed(Exception):
    """The bundle cannot be made; the text says why."""


class NotInstalled(Failed):
    """The packages were not to be had: the index was not reached, or has other files than the lock knows."""


@dataclass(frozen=True)
class Recipe:
    """What a cloud's bundle is made of, as its ``bundle.toml`` says: our files that the platform looks for at the top,
    the folder for packages, the cloud's Python and machine, the most bytes, and what is kept of packages."""

    folder: Path
    top: Sequence[str]
    python: str
    machine: str
    largest: int
    packages: str = ""
    kept: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, cloud: str) -> "Recipe":
        """Read a cloud's recipe."""
        folder = CLOUDS / cloud
        return cls(folder=folder, **tomllib.loads((folder / "bundle.toml").read_text(encoding="utf-8")))

    def sources(self) -> dict[str, Path]:
        """Return our own files by their place in the archive: the core, and what only this cloud needs. The platform
        looks for the files in ``top`` at the top."""
        function = self.folder / "function"
        core = [ROOT / "counter_store.py", ROOT / "privacy.py", *(ROOT / "counter").glob("*")]
        own = [CLOUDS / "__init__.py", self.folder / "__init__.py", *function.glob("*.py")]
        placed = {path.relative_to(ROOT).as_posix(): path for path in (*core, *own) if path.is_file()}
        for name in self.top:
            placed.pop((function / name).relative_to(ROOT).as_posix(), None)
            placed[name] = function / name
        return placed


def build(cloud: str, folder: Path) -> bool:
    """
    Make the tree of a cloud's bundle in ``folder``, which must be empty or new.

    Returns whether it has byte code, for which the cloud's own version of Python must be here. Raises Failed.
    """
    recipe = Recipe.of(cloud)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Failed(f"{folder} is not empty")
    packages = folder / recipe.packages
    packages.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bundle-") as temporary:
        install(recipe, Path(temporary))
        keep(recipe, Path(temporary), packages)
    for name, path in recipe.sources().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    python = interpreter(recipe.python)
    if python:
        done = subprocess.run(
            [python, "-I", "-S", "-c", COMPILE, str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Failed(f"the function cannot be byte-compiled:\n{done.stderr}")
    if (bytes_in := sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())) > recipe.largest:
        raise Failed(f"the files have {bytes_in:,} bytes, more than {recipe.largest:,}")
    return python is not None


def install(recipe: Recipe, target: Path) -> None:
    """Install all of the lock into ``target``: wheels for the cloud's Python only, each with the right hash. Raises
    NotInstalled."""
    lock = (recipe.folder / "requirements.lock").read_text(encoding="utf-8")
    major, minor = map(int, recipe.python.split("."))
    # pip picks the wheels of the Python it is told, but judges by the one it runs on which packages are needed at all.
    if judged(lock, (major, minor)) != judged(lock, sys.version_info[:2]):
        raise NotInstalled(
            f"this Python would take other packages than the cloud's: run it with Python {recipe.python}"
        )
    tags = [f"manylinux_2_{minor}_{recipe.machine}" for minor in GLIBC] + [f"manylinux2014_{recipe.machine}"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    command += ["--root-user-action=ignore", "--require-hashes", "--only-binary=:all:", "--no-compile"]
    command += [word for tag in tags for word in ("--platform", tag)]
    command += ["--python-version", recipe.python, "--implementation", "cp", "--target", str(target)]
    command += ["--requirement", str(recipe.folder / "requirements.lock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"pip did not install requirements.lock:\n{done.stderr}")


def judged(lock: str, version: tuple[int, int]) -> list[bool]:
    """Return what a lock's conditions on the version of Python come to."""
    conditions = re.findall(r"python_full_version (<|>=) '(\d+)\.(\d+)'", lock)
    return [(version < (int(major), int(minor))) == (sign == "<") for sign, major, minor in conditions]


def keep(recipe: Recipe, installed: Path, target: Path) -> None:
    """Move what is kept of the installed packages to ``target``; their licences always are. Raises Failed."""
    known = set()
    for metadata in sorted(installed.glob("*.dist-info")):
        name = metadata.name.split("-")[0].lower().replace("_", "-")
        known.add(name)
        with (metadata / "RECORD").open(encoding="utf-8", newline="") as record:
            # Commands are named as if they were two folders up, where pip would have put them; no cloud calls any.
            files = {installed / row[0] for row in csv.reader(record) if not row[0].startswith("../")}
        if name in recipe.kept:
            wanted = [path for pattern in recipe.kept[name] for path in installed.glob(pattern)]
            files = {path for path in files if any(path.is_relative_to(kept) for kept in (*wanted, metadata))}
        for path in sorted(files):
            parts = path.relative_to(installed).parts
            unused = any(Path(part).match(pattern) for part in parts for pattern in UNUSED)
            if path.is_file() and not unused and not (path.parent == metadata and path.name in INSTALLER):
                moved = target.joinpath(*parts)
                moved.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, moved)
    if missing := recipe.kept.keys() - known:
        raise Failed(f"not in requirements.lock: {', '.join(sorted(missing))}")


def interpreter(version: str) -> str | None:
    """Return where a Python of that version is: this one, or one in PATH that answers."""
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


def write_zip(folder: Path, file: Path) -> int:
    """Write the tree as an archive, the same bytes for the same tree, and return its size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        named = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        for name, path in sorted(named.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, also where it is made on another system: the mode below is Unix's
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return file.stat().st_size


def main(given: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m clouds.bundle", description="Make the archive of a function.")
    parser.add_argument("cloud", choices=sorted(path.parent.name for path in CLOUDS.glob("*/bundle.toml")))
    parser.add_argument("--zip", type=Path, metavar="FILE", help="where to (default build/CLOUD.zip)")
    options = parser.parse_args(given)
    file = options.zip or Path("build") / f"{options.cloud}.zip"
    try:
        with tempfile.TemporaryDirectory(prefix="bundle-") as temporary:
            compiled = build(options.cloud, Path(temporary) / "tree")
            weight = write_zip(Path(temporary) / "tree", file)
    except (Failed, OSError) as error:
        raise SystemExit(f"bundle: {error}") from error
    recipe = Recipe.of(options.cloud)
    print(f"{file} has {weight / 1e6:.1f} MB, for Python {recipe.python} on Linux, {recipe.machine}.")
    if not compiled:
        print(f"Without byte code, since Python {recipe.python} is not here: a cold start takes twice as long.")


if __name__ == "__main__":
    main()
