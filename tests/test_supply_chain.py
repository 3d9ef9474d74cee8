"""What comes from outside: everything has its hash, every version is the one that was tested, and somebody is asked."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FOLDERS = [
    ROOT,
    ROOT / ".github",
    ROOT / "tests",
    ROOT / "tests" / "postman",
    ROOT / "tests" / "browser" / "packages",
    *sorted(path for path in (ROOT / "clouds").iterdir() if path.is_dir()),
]
FOLDERS += sorted([*(ROOT / "clouds").glob("*/laptop/engine"), *(ROOT / "clouds").glob("*/t*")])

PYTHON_LOCKS = [path for folder in FOLDERS for path in folder.glob("requirements.lock")]
ENGINES = [path for folder in FOLDERS for path in folder.glob("package.json")]
TESTED = ROOT / "tests" / "requirements.lock"
SHIPPED = [path for path in PYTHON_LOCKS if path.parent.parent.name == "clouds"]
RELOCK = "update it: make lock"

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def named(path: Path) -> str:
    """Return a file's name below the root."""
    return path.relative_to(ROOT).as_posix()


def pins(path: Path) -> set[tuple[str, str]]:
    """Return the packages that a file of requirements pins, with their versions, and those of files it includes."""
    text = path.read_text(encoding="utf-8")
    found = {(name.lower().replace("_", "-"), version) for name, version in PIN.findall(text)}
    for included in re.findall(r"^-r (.+)$", text, re.MULTILINE):
        found |= pins(path.parent / included)
    return found


def wanted(lock: Path) -> list[Path]:
    """Return the files that a lock says it was made of."""
    command = shlex.split(lock.read_text(encoding="utf-8").splitlines()[1].removeprefix("#"))
    assert command[:3] == ["uv", "pip", "compile"]
    assert command[command.index("-o") + 1] == named(lock)
    return [ROOT / word for word in command if word.endswith("requirements.txt")]


def steps(job: dict[str, Any], action: str) -> list[dict[str, Any]]:
    """Return what a job hands to an action, once for each time."""
    return [step.get("with", {}) for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]


def job(workflow: str, name: str) -> dict[str, Any]:
    """Return a job of a workflow."""
    content = yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text(encoding="utf-8"))
    found = content["jobs"][name]
    assert isinstance(found, dict)
    return found


def installs() -> Iterator[str]:
    """Yield every command of a workflow that installs Python packages."""
    for path in WORKFLOWS:
        for each in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            yield from (
                line for step in each["steps"] for line in step.get("run", "").splitlines() if "pip install" in line
            )


def test_there_are_locks() -> None:
    """There is something for the rules below to look at: what each cloud runs, what the tests need, what CI needs."""
    assert TESTED in PYTHON_LOCKS
    assert ROOT / ".github" / "requirements.lock" in PYTHON_LOCKS
    assert ROOT / "clouds" / "oracle" / "requirements.lock" in SHIPPED


@pytest.mark.parametrize("lock", PYTHON_LOCKS, ids=named)
def test_the_lock_is_of_these_requirements(lock: Path) -> None:
    """What is required has the same version in its lock, and the lock says how it was made."""
    for path in wanted(lock):
        if path.exists():  # a cloud that was taken away leaves its name in the lock of the tests
            assert pins(path), f"{named(path)} pins nothing"
            assert pins(path) - pins(lock) == set(), RELOCK


@pytest.mark.parametrize("lock", PYTHON_LOCKS, ids=named)
def test_every_package_has_its_hashes(lock: Path) -> None:
    """Whatever index a package comes from, it is the very file that was looked at; and no index is named."""
    entries = re.split(r"^(?=[^\s#])", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]

    assert entries
    assert all(PIN.match(entry) for entry in entries)
    assert [entry for entry in entries if "--hash=" not in entry] == []
    assert all(
        re.fullmatch(r"sha256:[0-9a-f]{64}", word) for entry in entries for word in re.findall(r"--hash=(\S+)", entry)
    )
    assert not re.search(r"://|--(extra-)?index|--find-links", lock.read_text(encoding="utf-8"))


def test_every_requirement_is_locked() -> None:
    """Each file of requirements is in the making of a lock, so nothing comes in without a hash."""
    required = {path for folder in FOLDERS for path in folder.glob("requirements.txt")}

    assert required - {path for lock in PYTHON_LOCKS for path in included(wanted(lock))} == set()


def included(paths: list[Path]) -> set[Path]:
    """Return files of requirements and those that they include."""
    found = {path.resolve() for path in paths if path.exists()}
    for path in list(found):
        more = re.findall(r"^-r (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        found |= included([path.parent / name for name in more])
    return found


@pytest.mark.parametrize("lock", SHIPPED, ids=named)
def test_what_is_tested_is_what_is_shipped(lock: Path) -> None:
    """A package that is shipped has the same version where the tests run, and every one is there."""
    assert pins(lock) - pins(TESTED) == set(), RELOCK


def test_workflows_install_by_hash() -> None:
    """A workflow installs Python packages from a lock only."""
    commands = list(installs())

    assert commands
    for command in commands:
        assert re.search(r"pip install --quiet --require-hashes -r \S*requirements\.lock$", command), command


@pytest.mark.parametrize("package", ENGINES, ids=named)
def test_an_engine_is_locked(package: Path) -> None:
    """A package from npm is of one version, has its hash, and comes from whatever registry npm is set to."""
    required = json.loads(package.read_text(encoding="utf-8"))
    lock = json.loads(package.with_name("package-lock.json").read_text(encoding="utf-8"))
    asked = {**required.get("dependencies", {}), **required.get("optionalDependencies", {})}
    packages = {path: entry for path, entry in lock["packages"].items() if path}

    assert asked
    assert packages
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in asked} == asked
    assert [path for path, entry in packages.items() if not entry.get("integrity", "").startswith("sha512-")] == []
    assert [path for path, entry in packages.items() if "resolved" in entry] == []


MANIFESTS = {"pip": "requirements.txt", "npm": "package.json", "terraform": "versions.tf", "docker": "Dockerfile"}
"""What Dependabot needs to find in a folder, by its names for kinds of packages."""


@pytest.mark.parametrize("kind", MANIFESTS)
def test_new_versions_are_looked_for_everywhere(kind: str) -> None:
    """Dependabot looks into every folder that requires something from outside, and into none in vain."""
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    (update,) = (update for update in updates if update["package-ecosystem"] == kind)
    looked = {ROOT / folder.lstrip("/") for folder in update.get("directories", [update.get("directory")])}
    there = {folder for folder in FOLDERS if (folder / MANIFESTS[kind]).exists()}

    # The folder of a cloud that was taken away may still be named.
    assert {folder for folder in looked if folder.exists()} == there


def test_an_action_has_one_version() -> None:
    """Every workflow uses the same commit of an action, so there is one to look at."""
    used: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, version in re.findall(r"uses: ([\w./-]+)@(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            used.setdefault(action, set()).add(version)

    assert {action: versions for action, versions in used.items() if len(versions) > 1} == {}


def test_known_holes_are_asked_for_every_week() -> None:
    """Each lock, Python's and npm's, is held against what is known, on every change and weekly without one."""
    events = yaml.safe_load((ROOT / ".github" / "workflows" / "audit.yml").read_text(encoding="utf-8"))[True]
    commands = "\n".join(step.get("run", "") for step in job("audit.yml", "audit")["steps"])

    assert {"push", "pull_request", "schedule"} <= set(events)
    assert "git ls-files -z '*requirements.lock' | xargs -0 -n 1 pip-audit --strict " in commands
    assert "clouds/*/laptop/engine/package-lock.json" in commands
    assert "npm " in commands


def test_a_release_lists_and_signs_its_parts() -> None:
    """Every archive of a release is signed, and whatever has parts of others has a list of them, signed too."""
    build, publish = job("release.yml", "build"), job("release.yml", "publish")
    commands = "\n".join(step.get("run", "") for step in build["steps"])
    archives = set(re.findall(r"dist/[\w-]+\.zip", commands))
    listed = {each["file"]: each["output-file"] for each in steps(build, "anchore/sbom-action")}
    signed = steps(publish, "actions/attest")

    assert archives - set(listed) == {"dist/visitor-counter-oracle.zip"}  # Terraform, all of it ours
    assert all(made == file.replace(".zip", ".spdx.json") for file, made in listed.items())
    assert {"subject-path": "dist/*.zip"} in signed
    assert {each["subject-path"]: each["sbom-path"] for each in signed if "sbom-path" in each} == listed


def test_what_can_sign_builds_nothing() -> None:
    """The job that signs and publishes runs no package's code and waits for tests and archives."""
    publish = job("release.yml", "publish")
    commands = [step["run"] for step in publish["steps"] if "run" in step]

    assert set(publish["needs"]) == {"test", "build"}
    assert not steps(publish, "actions/checkout")
    assert [command.split()[0] for command in commands] == ["sha256sum", "gh"]
    assert "--notes-file notes.md" in commands[-1]
