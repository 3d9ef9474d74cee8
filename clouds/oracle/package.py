"""
``python -m clouds.oracle.package FOLDER``: the function as Oracle runs it, and nothing else, in a folder or a ZIP.

``FOLDER/function`` is this project's part, ``FOLDER/python`` what it needs: installed as ``requirements.lock`` says,
slimmed to what the function imports, byte-compiled, and imported once. It needs a Python with pip, and no Docker: the
Dockerfile beside this file runs it too, and so do the tests.
"""

import argparse
import compileall
import csv
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LOCK = HERE / "requirements.lock"

KEPT: dict[str, tuple[str, ...]] = {
    "asn1crypto": ("asn1crypto",),
    "certifi": ("certifi",),
    "cffi": ("_cffi_backend.*",),
    "circuitbreaker": ("circuitbreaker.py",),
    "crc32c": ("crc32c",),
    "cryptography": ("cryptography",),
    "fdk": ("fdk", "bin/fdk"),
    "httptools": ("httptools",),
    "oci": (
        "oci/*.py",
        "oci/_vendor",
        "oci/auth",
        "oci/circuit_breaker",
        "oci/dns",  # the SDK's own pagination imports it
        "oci/object_storage",
        "oci/ons",
        "oci/pagination",
        "oci/retry",
        "oci/work_requests",  # the SDK's own waiter imports it
    ),
    "pyjwt": ("jwt",),
    "python-dateutil": ("dateutil",),
    "python-pkcs11": ("pkcs11",),
    "pytz": ("pytz/*.py",),  # for pytz.utc; the time zones for TIMEZONE are in tzdata
    "six": ("six.py",),
    "tzdata": ("tzdata",),
    "urllib3": ("urllib3",),
}
"""What is shipped of each package; whatever else is in the lock is left out whole. The tests let the function count
and report in the packed tree: what is missing here fails there, and so does what is here and never imported."""

UNUSED = ("tests", "*.c", "*.h", "*.pxd", "*.pyi", "*.pyx")
"""What no kept package needs to run."""

FILES = ("*.py", "counter/*", "clouds/__init__.py", "clouds/oracle/__init__.py", "clouds/oracle/function/*.py")
"""What is shipped of this project, as ``fn deploy`` would: the root, the core, and what only Oracle needs."""

GLIBC = (28, 17, 12, 5)
"""Wheels for these minor versions of glibc 2 and older: the FDK's images are Oracle Linux 8, which has glibc 2.28."""

LARGEST = 45_000_000
"""Bytes the tree may weigh."""

LARGEST_UPLOAD = 25_000_000
"""Bytes of a ZIP that may be uploaded directly; beyond it, and up to 250 MB, it must be in a bucket."""

SMOKE = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
LAUNCHER = "#!/usr/bin/env python3\nfrom fdk.scripts.fdk import main\n\nmain()\n"


class Failed(Exception):
    """The package cannot be made; the text says why."""


class NotInstalled(Failed):
    """The packages were not to be had: the index was not reached, or has other files than the lock knows."""


class Part(NamedTuple):
    """A package: what it weighs where pip put it, and what is shipped of it."""

    name: str
    before: int
    kept: list[Path]

    @property
    def after(self) -> int:
        """The bytes that are shipped, byte code included."""
        code = (made for path in self.kept for made in path.parent.glob(f"__pycache__/{path.stem}.*") if path.is_file())
        return sum(map(size, (*self.kept, *code)))


def build(folder: Path, machine: str, *, compare: bool = False) -> list[Part]:
    """
    Make the tree in ``folder``, which is emptied first, for this Python on Linux, and return its parts.

    ``machine`` is ``x86_64`` or ``aarch64``. With ``compare`` the weights before are with byte code, as those of a
    plain ``fn deploy`` are, which takes a minute more. Raises Failed.
    """
    clear(folder)
    function, python = folder / "function", folder / "python"
    with tempfile.TemporaryDirectory(prefix="package-") as temporary:
        installed = Path(temporary)
        install(installed, machine, compile_all=compare)
        parts = slim(installed, python)
    # pip's own launcher names the Python of the machine it ran on.
    (python / "bin" / "fdk").write_text(LAUNCHER)
    function.mkdir()
    for path in sorted(path for pattern in FILES for path in ROOT.glob(pattern) if path.is_file()):
        shipped = function / path.relative_to(ROOT)
        shipped.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, shipped)
    parts.append(Part("visitor-counter", size(function), [function]))
    # Unchecked: whatever an image or a ZIP does to the files' times, the byte code is used, and never written again.
    mode = PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(folder, quiet=1, stripdir=folder, prependdir="/", invalidation_mode=mode):
        raise Failed("some files cannot be byte-compiled; which ones is above")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.parent == python / "bin" else 0o644)
    if runs_here(machine):
        smoke(function, python)
    if size(folder) > LARGEST:
        raise Failed(f"the tree weighs {megabytes(size(folder))}, more than {megabytes(LARGEST)}")
    return parts


def clear(folder: Path) -> None:
    """Make the folder, or empty it. Raises Failed when it holds anything that was not made here."""
    strange = {path.name for path in folder.iterdir()} - {"function", "python"} if folder.exists() else set()
    if strange:
        raise Failed(f"{folder} holds {', '.join(sorted(strange))}; name a folder that may be emptied")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def install(target: Path, machine: str, *, compile_all: bool = False) -> None:
    """Install all of the lock into ``target``: wheels only, each with the right hash. Raises Failed."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC] + [f"manylinux2014_{machine}"]
    platforms = [word for tag in tags for word in ("--platform", tag)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    command.append("--root-user-action=ignore")  # a container's build is root, and its folder is its own
    command += ["--require-hashes", "--only-binary=:all:", *platforms, "--target", str(target), "--requirement"]
    command += [str(LOCK), "--compile" if compile_all else "--no-compile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"pip did not install requirements.lock:\n{done.stderr}")


def slim(installed: Path, target: Path) -> list[Part]:
    """Move what is kept to ``target``, and return each package with what is kept of it."""
    parts = []
    for metadata in sorted(installed.glob("*.dist-info")):
        name = metadata.name.split("-")[0].lower().replace("_", "-")
        with (metadata / "RECORD").open(encoding="utf-8", newline="") as record:
            # Commands are named as if they were two folders up, where pip would have put them.
            files = [installed / row[0].removeprefix("../../") for row in csv.reader(record)]
        before = sum(size(path) for path in files)
        kept: list[Path] = []
        if name in KEPT:
            (metadata / "RECORD").unlink()  # it names what is gone now; the licence and the rest stay
            wanted = [path for pattern in KEPT[name] for path in sorted(installed.glob(pattern))]
            for path in (*wanted, metadata):
                kept.append(target / path.relative_to(installed))
                kept[-1].parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, kept[-1])
        parts.append(Part(name, before, kept))
    if missing := KEPT.keys() - {part.name for part in parts}:
        raise Failed(f"not in requirements.lock: {', '.join(sorted(missing))}")
    remove(path for pattern in UNUSED for path in target.rglob(pattern))
    remove(target.rglob("__pycache__"))
    return parts


def remove(paths: Iterable[Path]) -> None:
    """Remove files, and folders with all that is in them."""
    for path in list(paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def smoke(function: Path, python: Path) -> None:
    """Import every module of the function with nothing but the tree in reach. Raises Failed."""
    found = (path.relative_to(function).with_suffix("") for path in function.rglob("*.py"))
    modules = sorted(".".join(path.parts).removesuffix(".__init__") for path in found)
    environment = {"PYTHONPATH": f"{function.absolute()}:{python.absolute()}"}
    command = [sys.executable, "-S", "-P", "-B", "-W", "error", "-c", SMOKE, "fdk.scripts.fdk", *modules]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"the function cannot be imported from the tree:\n{done.stderr}")


def write_zip(folder: Path, file: Path) -> int:
    """Write the tree as the archive of a code-only function, the same bytes for the same tree, and return its size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        named = {path.relative_to(folder).as_posix() + "/" * path.is_dir(): path for path in folder.rglob("*")}
        for name, path in sorted(named.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, also where it is made on another system: the modes below are Unix's
            entry.external_attr = path.stat().st_mode << 16
            entry.compress_type = zipfile.ZIP_STORED if path.is_dir() else zipfile.ZIP_DEFLATED
            archive.writestr(entry, b"" if path.is_dir() else path.read_bytes())
    return size(file)


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 when there is none."""
    if path.is_dir():
        return sum(map(size, path.iterdir()))
    return path.stat().st_size if path.is_file() else 0


def megabytes(count: int) -> str:
    """Return bytes as people read them."""
    return f"{count / 1e6:.1f} MB"


def runs_here(machine: str) -> bool:
    """Whether what is built for the machine can be imported on this one."""
    return platform.system() == "Linux" and platform.machine() == machine


def table(parts: Sequence[Part]) -> str:
    """Return what the parts weigh, the heaviest first, and those that are left out in one line."""
    kept = sorted((part for part in parts if part.kept), key=lambda part: part.before, reverse=True)
    out = [part for part in parts if not part.kept]
    rows = [(part.name, part.before, part.after) for part in kept]
    rows.append((f"{len(out)} left out", sum(part.before for part in out), 0))
    rows.append(("in all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    lines = [f"{name:<18}{megabytes(before):>10}{megabytes(after):>10}" for name, before, after in rows]
    return "\n".join([f"{'':<18}{'before':>10}{'after':>10}", *lines])


def arguments() -> argparse.ArgumentParser:
    """Return the command line, described."""
    parser = argparse.ArgumentParser(
        prog="python -m clouds.oracle.package", description="Make the function as Oracle runs it, for this Python."
    )
    parser.add_argument("folder", type=Path, help="where to; it is emptied first")
    parser.add_argument("--zip", type=Path, metavar="FILE", help="write the archive of a code-only function, too")
    here = "aarch64" if platform.machine() in ("aarch64", "arm64") and platform.system() == "Linux" else "x86_64"
    parser.add_argument("--machine", choices=("x86_64", "aarch64"), default=here, help=f"(default {here})")
    parser.add_argument("--compare", action="store_true", help="weigh as `fn deploy` would ship it; takes a minute")
    return parser


def main(given: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = arguments().parse_args(given)
    try:
        parts = build(options.folder, options.machine, compare=options.compare)
        print(table(parts))
        print(f"\n{options.folder} is for Python {platform.python_version()[:4]} on Linux, {options.machine}.")
        if not runs_here(options.machine):
            print("It was not tried: that is another machine than this one.")
        if options.zip:
            weight = write_zip(options.folder, options.zip)
            print(f"{options.zip} has {megabytes(weight)}.")
            if weight > LARGEST_UPLOAD:
                print(f"More than {megabytes(LARGEST_UPLOAD)} cannot be uploaded directly: put it in a bucket.")
    except (Failed, OSError) as error:
        raise SystemExit(f"package: {error}") from error


if __name__ == "__main__":
    main()
