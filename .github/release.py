"""Prepares a release on this machine, and says what its notes are; standard library only.

    python3 .github/release.py prepare 1.2.0    what `make release VERSION=1.2.0` runs
    python3 .github/release.py notes v1.2.0     what the Release workflow publishes beside the archives

A release is a commit and an annotated tag. The commit moves what CHANGELOG.md has under Unreleased to the version, and
gives func.yaml its number; the tag holds the same notes. Nothing is pushed. Where anything is not as it must be, the
reason is said and nothing is changed. Ends with 0, or with 2 when it was refused.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CHANGELOG: Final = ROOT / "CHANGELOG.md"
DESCRIPTION: Final = ROOT / "func.yaml"
BRANCH: Final = "main"

VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)
SECTION: Final = r"^## \[{name}\]{date}\n(?P<notes>.*?)(?=^## |^\[[^\]\n]+\]: |\Z)"
UNRELEASED: Final = re.compile(SECTION.format(name="Unreleased", date=""), re.MULTILINE | re.DOTALL)

DONE: Final = """\
Release {version} is a commit and the tag v{version}, on this machine only. To look at it:

    git show v{version}

To publish it, commit and tag together, after which the Release workflow builds, signs and publishes the archives:

    git push --atomic --follow-tags origin main

To take it back instead:

    git tag --delete v{version} && git reset --keep HEAD~1
"""


class Refused(Exception):
    """Something is not as it must be for a release; the text says what."""


def main(arguments: Sequence[str], today: date) -> int:
    """Do what the arguments say; the exit status."""
    try:
        match arguments:
            case ["prepare", version]:
                prepare(version, today)
                print(DONE.format(version=version), end="")
            case ["notes", tag]:
                print(unwrapped(notes(tag.removeprefix("v"))))
            case _:
                raise Refused("use: release.py prepare VERSION, or: release.py notes TAG")
    except Refused as reason:
        print(f"release: {reason}", file=sys.stderr)
        return 2
    return 0


def prepare(version: str, today: date) -> None:
    """Make the commit and the tag of a version. Raises Refused, and then nothing is changed."""
    number = numbered(version)
    if git("branch", "--show-current") != BRANCH:
        raise Refused(f"releases are made on {BRANCH}: git switch {BRANCH}")
    if git("status", "--porcelain"):
        raise Refused("there are changes that are not committed: see git status")
    tags = git("tag", "--list", "v*").split()
    released = [numbered(tag[1:]) for tag in tags if VERSION.fullmatch(tag[1:])]
    if released and number <= max(released):
        raise Refused(f"{version} is not newer than {'.'.join(map(str, max(released)))}, which is released")
    changelog, told = moved(CHANGELOG.read_text(encoding="utf-8"), version, today)
    description, found = re.subn(
        r"^version: .*$", f"version: {version}", DESCRIPTION.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    if found != 1:
        raise Refused("func.yaml has no line, or several, that begin with version:")

    before = git("rev-parse", "HEAD")
    try:
        CHANGELOG.write_text(changelog, encoding="utf-8")
        DESCRIPTION.write_text(description, encoding="utf-8")
        git("commit", "--quiet", "--message", f"Release {version}", "--", CHANGELOG.name, DESCRIPTION.name)
        # With a message it is an annotated tag. A line of it that begins with # is a heading, not a comment.
        message = f"Visitor counter {version}\n\n{told}\n"
        git("tag", f"v{version}", "--cleanup=whitespace", "--file=-", text=message)
    except BaseException:
        git("reset", "--quiet", "--hard", before)  # loses nothing: there was nothing that was not committed
        raise


def numbered(version: str) -> tuple[int, ...]:
    """Return a version's three numbers. Raises Refused."""
    found = VERSION.fullmatch(version)
    if not found:
        # A pre-release would be the latest release, which is what the Deploy to Oracle Cloud button takes.
        raise Refused(f"{version!r} is no version: it must be three numbers, as in make release VERSION=1.2.0")
    return tuple(map(int, found.groups()))


def moved(changelog: str, version: str, today: date) -> tuple[str, str]:
    """Return the changelog with what is unreleased under the version, and that part of it. Raises Refused."""
    unreleased = UNRELEASED.search(changelog)
    if not unreleased:
        raise Refused("CHANGELOG.md has no section ## [Unreleased]")
    if f"## [{version}]" in changelog:
        raise Refused(f"CHANGELOG.md has a section {version} already")
    told = unreleased["notes"].strip()
    if not re.search(r"^- \S", told, re.MULTILINE):
        raise Refused("CHANGELOG.md says nothing under Unreleased: write what changed, for those who use it")
    section = f"## [Unreleased]\n\n## [{version}] - {today.isoformat()}\n\n{told}\n"
    rest = changelog[unreleased.end() :]
    return changelog[: unreleased.start()] + section + ("\n" + rest if rest else ""), told


def notes(version: str) -> str:
    """Return what CHANGELOG.md says of a version. Raises Refused."""
    numbered(version)
    pattern = SECTION.format(name=re.escape(version), date=r" - \d{4}-\d\d-\d\d")
    found = re.search(pattern, CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    if not found:
        raise Refused(f"CHANGELOG.md has no section {version}: releases are prepared by make release VERSION={version}")
    return found["notes"].strip()


def unwrapped(text: str) -> str:
    """Return the text with each item in one line: on a page of releases every end of a line is shown as one."""
    return re.sub(r"\n +(?=[^\s-])", " ", text)


def git(*words: str, text: str | None = None) -> str:
    """Return what git says. Raises Refused when it fails."""
    done = subprocess.run(["git", *words], cwd=ROOT, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"git {words[0]} failed, and nothing is changed:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], datetime.now(UTC).date()))
