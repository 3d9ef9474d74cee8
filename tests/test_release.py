"""A release: prepared by the very script in a scratch repository, pushed to another, or refused and nothing changed."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = """\
# Changelog

The form is that of Keep a Changelog.

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
NOTES = CHANGELOG.partition("## [Unreleased]\n\n")[2].partition("\n## [1.1.0]")[0]
PEOPLE = {f"GIT_{who}_{what}": "maintainers@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ALONE = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **PEOPLE}


class Repository:
    """A scratch repository of what a release is made of, with this script in it and a release behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".github").mkdir(parents=True)
        shutil.copy(ROOT / ".github" / "release.py", folder / ".github")
        shutil.copy(ROOT / "func.yaml", folder)
        (folder / "CHANGELOG.md").write_text(CHANGELOG)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()
        self.git("tag", "--annotate", "v1.1.0", "--message=1.1.0")
        self.git("tag", "vacation")  # not every tag is a version

    def git(self, *words: str) -> str:
        """Return what git says."""
        done = subprocess.run(["git", *words], cwd=self.folder, env=ALONE, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self) -> None:
        """Commit all there is."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=All there is")

    def write(self, changelog: str) -> None:
        """Commit another changelog."""
        (self.folder / "CHANGELOG.md").write_text(changelog)
        self.commit()

    def release(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        command = [sys.executable, str(self.folder / ".github" / "release.py"), *words]
        return subprocess.run(command, env=ALONE, capture_output=True, text=True, check=False)

    def state(self) -> tuple[Any, ...]:
        """Return all that a release could change."""
        files = {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}
        return files, *map(self.git, ("rev-parse", "tag", "status"), ("HEAD", "--list", "--porcelain"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a scratch repository."""
    return Repository(tmp_path / "project")


def test_the_notes_move_under_the_version(repository: Repository) -> None:
    """What was unreleased is under the version with today's date; all else stays, and func.yaml has the number."""
    func = (repository.folder / "func.yaml").read_text()
    first = datetime.now(UTC).date()
    done = repository.release("prepare", "1.2.0")

    assert (done.returncode, done.stderr) == (0, "")
    days = (first, first + timedelta(days=1))  # it may have been midnight
    possible = [
        CHANGELOG.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [1.2.0] - {day.isoformat()}\n") for day in days
    ]
    assert (repository.folder / "CHANGELOG.md").read_text() in possible
    expected = re.sub("^version: .*", "version: 1.2.0", func, flags=re.MULTILINE)
    assert (repository.folder / "func.yaml").read_text() == expected != func


def test_it_is_one_commit_and_an_annotated_tag(repository: Repository) -> None:
    """Nothing else is in the commit, nothing is left over, and the tag holds the notes with their headings."""
    before = repository.git("rev-parse", "HEAD")
    repository.release("prepare", "1.2.0")

    assert repository.git("status", "--porcelain") == ""
    assert repository.git("log", "--format=%s", f"{before}..") == "Release 1.2.0"
    assert repository.git("diff", "--name-only", before).split() == ["CHANGELOG.md", "func.yaml"]
    assert repository.git("rev-list", "-1", "v1.2.0") == repository.git("rev-parse", "HEAD")
    tag = repository.git("for-each-ref", "--format=%(objecttype) %(contents)", "refs/tags/v1.2.0")
    kind, _, message = tag.partition(" ")
    assert (kind, message) == ("tag", f"Visitor counter 1.2.0\n\n{NOTES.strip()}")


def test_what_it_says_to_do_next_publishes(repository: Repository, tmp_path: Path) -> None:
    """The command that it prints brings commit and tag to where the project is kept; before it, nothing is there."""
    origin = tmp_path / "origin.git"
    repository.git("init", "--quiet", "--bare", str(origin))
    repository.git("remote", "add", "origin", str(origin))
    done = repository.release("prepare", "1.2.0")
    there = repository.git("ls-remote", "origin")
    (push,) = re.findall(r"^ +git (push .+)$", done.stdout, re.MULTILINE)
    repository.git(*shlex.split(push))

    assert there == ""
    pushed = repository.git("ls-remote", "origin")
    assert {"refs/heads/main", "refs/tags/v1.2.0"} <= set(pushed.split())
    assert repository.git("rev-parse", "main") == repository.git("rev-parse", "origin/main")


def test_it_can_be_taken_back(repository: Repository) -> None:
    """The other command that it prints leaves everything as it was."""
    before = repository.state()
    done = repository.release("prepare", "1.2.0")
    (undo,) = re.findall(r"^ +(git tag --delete .+)$", done.stdout, re.MULTILINE)
    assert repository.state() != before
    for command in undo.split(" && "):
        repository.git(*shlex.split(command)[1:])

    assert repository.state() == before


def test_one_release_after_the_other(repository: Repository) -> None:
    """After a release there is nothing to release, until something is written under Unreleased."""
    assert repository.release("prepare", "1.2.0").returncode == 0
    refused = repository.release("prepare", "1.2.1")
    changelog = (repository.folder / "CHANGELOG.md").read_text()
    repository.write(changelog.replace("## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- The last thing.\n"))
    done = repository.release("prepare", "1.10.0")

    assert (refused.returncode, "says nothing under Unreleased" in refused.stderr) == (2, True)
    assert done.returncode == 0
    versions = re.findall(r"^## \[(.+?)\]", (repository.folder / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions == ["Unreleased", "1.10.0", "1.2.0", "1.1.0"]
    assert repository.release("notes", "v1.10.0").stdout == "### Fixed\n\n- The last thing.\n"


def nothing_changed(repository: Repository, version: str, reason: str) -> None:
    """Ask for a release, and see it refused for that reason with everything as it was."""
    before = repository.state()
    done = repository.release("prepare", version)

    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(reason, done.stderr), done.stderr
    assert repository.state() == before


@pytest.mark.parametrize(
    "version",
    [
        "",
        "1.2",
        "v1.2.0",
        "01.2.0",
        "1.2.0.0",
        "1.2.0-rc.1",
        "1.2.0+5",
        "1.2.x",
        "-1.2.0",
        "1.2.0\n",
        "\N{FULLWIDTH DIGIT ONE}.2.0",
    ],
)
def test_what_is_no_version_is_refused(repository: Repository, version: str) -> None:
    """A version is three plain numbers."""
    nothing_changed(repository, version, "is no version")


@pytest.mark.parametrize("version", ["1.1.0", "1.0.9", "0.9.0"])
def test_what_is_not_newer_is_refused(repository: Repository, version: str) -> None:
    """A version is newer than all that are tagged."""
    nothing_changed(repository, version, r"not newer than 1\.1\.0")


@pytest.mark.parametrize("change", ["changed", "staged", "new"])
def test_a_tree_that_is_not_clean_is_refused(repository: Repository, change: str) -> None:
    """What is not committed, in whatever way, is neither released nor lost."""
    (repository.folder / ("new.txt" if change == "new" else "CHANGELOG.md")).write_text(f"{CHANGELOG}- More.\n")
    if change == "staged":
        repository.git("add", "--all")
    nothing_changed(repository, "1.2.0", "not committed")


@pytest.mark.parametrize("switch", ["--create=other", "--detach"])
def test_another_branch_is_refused(repository: Repository, switch: str) -> None:
    """Releases are made on main."""
    repository.git("switch", "--quiet", switch)
    nothing_changed(repository, "1.2.0", "on main")


@pytest.mark.parametrize(
    "changelog, reason",
    [
        (CHANGELOG.replace(NOTES, ""), "says nothing"),
        (CHANGELOG.replace(NOTES, "### Added\n\n### Fixed\n"), "says nothing"),
        (CHANGELOG.replace("## [Unreleased]", "## Soon"), "no section ## .Unreleased"),
        (CHANGELOG.replace("[1.1.0]", "[1.2.0]"), "a section 1.2.0 already"),
    ],
    ids=["nothing", "headings", "no section", "already there"],
)
def test_without_notes_it_is_refused(repository: Repository, changelog: str, reason: str) -> None:
    """A release says what changed, once."""
    repository.write(changelog)
    nothing_changed(repository, "1.2.0", reason)


def test_a_description_without_a_version_is_refused(repository: Repository) -> None:
    """A func.yaml that cannot be given its number is not guessed at."""
    (repository.folder / "func.yaml").write_text("name: visitor-counter\n")
    repository.commit()
    nothing_changed(repository, "1.2.0", "func.yaml")


def test_a_commit_that_fails_leaves_nothing(repository: Repository) -> None:
    """What a hook does not let through is undone."""
    hook = repository.folder / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho no commits on Saturdays >&2\nexit 1\n")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    nothing_changed(repository, "1.2.0", "no commits on Saturdays")


def test_a_tag_that_fails_leaves_nothing(repository: Repository) -> None:
    """Without its tag the commit is undone, too."""
    repository.git("config", "tag.forceSignAnnotated", "true")
    repository.git("config", "gpg.program", "false")
    nothing_changed(repository, "1.2.0", "git tag failed")


def test_the_notes_are_those_of_the_tag(repository: Repository) -> None:
    """The notes for the page of releases are the version's own, each item in one line."""
    repository.release("prepare", "1.2.0")
    told = repository.release("notes", "v1.2.0")
    first = repository.release("notes", "v1.1.0")

    assert told.stdout == NOTES.replace("its item\n  has", "its item has")
    assert first.stdout == "### Added\n\n- The first thing.\n"


@pytest.mark.parametrize("tag", ["v1.2.0", "vUnreleased", "v.*", ""])
def test_a_tag_that_was_not_prepared_has_no_notes(repository: Repository, tag: str) -> None:
    """The workflow stops at a tag that somebody made by hand."""
    told = repository.release("notes", tag)

    assert (told.returncode, told.stdout) == (2, "")


@pytest.mark.parametrize("words", [(), ("prepare",), ("prepare", "1.2.0", "2.0.0"), ("publish", "1.2.0")])
def test_it_says_how_it_is_used(repository: Repository, words: tuple[str, ...]) -> None:
    """Other words do nothing, and say which would do something."""
    before = repository.state()
    done = repository.release(*words)

    assert (done.returncode, "use: release.py" in done.stderr) == (2, True)
    assert repository.state() == before


def test_make_release_prepares() -> None:
    """`make release VERSION=...` runs the script, with the version in one piece, and says how when it is missing."""
    shown = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "release", "VERSION=1.2.0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert shlex.split(shown.stdout.splitlines()[-1])[1:] == [".github/release.py", "prepare", "1.2.0"]


def test_the_changelog_is_in_form() -> None:
    """Our own changelog begins with what is unreleased, then has the versions, newest first, each with its day."""
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    found = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:]]
    versions = [tuple(map(int, match.groups())) for match in found if match]

    assert headings[0] == "[Unreleased]"
    assert len(versions) == len(found)
    assert versions == sorted(set(versions), reverse=True)
