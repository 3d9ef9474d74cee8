"""A release, prepared by `make release` in a scratch repository, and the notes that the workflow publishes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = """\
# Changelog

## [Unreleased]

### Added

- A thing that takes so many words to say what it is that its item
  has a second line.

### Fixed

- Another thing.

## [1.1.0] - 2026-01-31

### Added

- The first thing.
"""
PEOPLE = {f"GIT_{who}_{what}": "maintainers@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ALONE = {"HOME": "/nowhere", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **PEOPLE}


class Repository:
    """A scratch repository of what a release changes, with the Makefile in it and a release behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("Makefile", "func.yaml", "pyproject.toml"):
            text = (ROOT / name).read_text(encoding="utf-8")
            text = re.sub(r'(?m)^(version: |current_version = ")[\d.]+', r"\g<1>1.1.0", text)
            (folder / name).write_text(text)
        (folder / "CHANGELOG.md").write_text(CHANGELOG)
        (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
        (folder / ".gitignore").write_text(".venv\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=All there is")
        self.git("tag", "--annotate", "v1.1.0", "--message=1.1.0")

    def git(self, *words: str) -> str:
        """Return what git says."""
        environment = {"PATH": os.environ["PATH"], **ALONE}
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def release(self, version: str) -> subprocess.CompletedProcess[str]:
        """Run `make release`, as if everything were installed."""
        return subprocess.run(
            ["make", "--assume-old", ".venv/installed-test", "release", f"VERSION={version}"],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], **ALONE},
            capture_output=True,
            text=True,
            check=False,
        )

    def state(self) -> list[str]:
        """Return all that a release could change."""
        return [self.git(*words) for words in (("rev-parse", "HEAD"), ("tag", "--list"), ("status", "--porcelain"))]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a scratch repository."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    return Repository(tmp_path / "project")


def test_a_release_is_one_commit_and_a_tag(repository: Repository) -> None:
    """What was unreleased is under the version with today's date, func.yaml has the number, and that is all."""
    done = repository.release("1.2.0")

    assert done.returncode == 0, done.stderr
    changelog = (repository.folder / "CHANGELOG.md").read_text()
    assert re.search(r"\n## \[Unreleased\]\n\n## \[1\.2\.0\] - \d{4}-\d\d-\d\d\n\n### Added\n\n- A thing", changelog)
    assert len(changelog.splitlines()) == len(CHANGELOG.splitlines()) + 2
    assert "version: 1.2.0\n" in (repository.folder / "func.yaml").read_text()
    assert repository.git("log", "-1", "--format=%s", "v1.2.0") == "Release 1.2.0"
    assert repository.git("cat-file", "-t", "v1.2.0") == "tag"
    assert repository.git("diff", "--name-only", "v1.1.0", "v1.2.0").split() == [
        "CHANGELOG.md",
        "func.yaml",
        "pyproject.toml",
    ]
    assert "git push --atomic --follow-tags origin main" in done.stdout


@pytest.mark.parametrize("version", ["", "1.2", "v1.2.0", "1.2.0-rc1", "1.1.0", "1.0.9"])
def test_what_is_no_new_version_is_refused(repository: Repository, version: str) -> None:
    """A slip in the version changes nothing."""
    before = repository.state()

    assert repository.release(version).returncode != 0
    assert repository.state() == before


@pytest.mark.slow
def test_nothing_is_released_where_nothing_is_written(repository: Repository) -> None:
    """After a release there is nothing to release, until something is written under Unreleased."""
    repository.release("1.2.0")
    before = repository.state()
    done = repository.release("1.3.0")

    assert done.returncode != 0
    assert "CHANGELOG.md" in done.stdout + done.stderr
    assert repository.state() == before


@pytest.mark.parametrize("slip", ["a change that is not committed", "another branch"])
def test_a_slip_is_noticed(repository: Repository, slip: str) -> None:
    """Releases are made of all there is on main, and of nothing else."""
    if slip == "another branch":
        repository.git("switch", "--quiet", "--create", "idea")
    else:
        (repository.folder / "func.yaml").write_text("changed")
    before = repository.state()

    assert repository.release("1.2.0").returncode != 0
    assert repository.state() == before


@pytest.mark.slow
def test_the_notes_are_the_versions_part_of_the_changelog(repository: Repository) -> None:
    """The workflow publishes what the changelog has for the tag, each item in one line; without any it stops."""
    repository.release("1.2.0")
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]["build"]["steps"]
    (command,) = [step["run"] for step in steps if "notes.md" in step.get("run", "")]

    def notes(tag: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=repository.folder,
            env={"PATH": os.environ["PATH"], "GITHUB_REF_NAME": tag},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, (repository.folder / "notes.md").read_text().strip()

    status, written = notes("v1.2.0")
    assert status == 0
    assert written.splitlines() == [
        "### Added",
        "",
        "- A thing that takes so many words to say what it is that its item has a second line.",
        "",
        "### Fixed",
        "",
        "- Another thing.",
    ]
    assert notes("v9.9.9")[0] != 0
