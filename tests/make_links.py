"""Makes every link to this repository lead to yours: `make publish-as OWNER/REPOSITORY`, as often as you like."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PLACES: Final = ("*.md", ".github/**/*.*", "bench/*.md", "clouds/**/*.md", "docs/**/*.md", "web/**/*.*")
PAGE: Final = "clouds/oracle/README.md"
NAME: Final = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", re.ASCII)
BUTTON: Final = re.compile(rf"zipUrl=https://github\.com/({NAME.pattern})/releases/")
"""The link by which a copy knows what it is published as now: the button on Oracle's page."""


def pages(root: Path) -> Iterator[Path]:
    """Yield the files that may have links."""
    found = {path for place in PLACES for path in root.glob(place) if "node_modules" not in path.parts}
    yield from (path for path in sorted(found) if path.suffix in (".md", ".yml", ".html", ".js"))


def published_as(root: Path) -> str:
    """Return what the links lead to now. Raises SystemExit where Oracle's page has no button."""
    found = BUTTON.search((root / PAGE).read_text(encoding="utf-8"))
    if not found:
        raise SystemExit(f"{PAGE} has no button to deploy with, so nobody knows which links are to be changed.")
    return found[1]


def publish(root: Path, name: str) -> int:
    """Make all links lead to `name`; the number of files that were changed. Raises SystemExit."""
    if not NAME.fullmatch(name):
        raise SystemExit("Give the repository as GitHub writes it: make publish-as OWNER/REPOSITORY")
    before, changed = published_as(root), 0
    for path in pages(root):
        text = path.read_text(encoding="utf-8")
        after = text.replace(before, name)
        if after != text:
            path.write_text(after, encoding="utf-8")
            changed += 1
    return changed


def main(given: Sequence[str]) -> None:
    """Run the command."""
    (name,) = given or ("",)
    end = f"files lead to https://github.com/{name} now. See git diff, then commit."
    print(publish(ROOT, name), end)  # noqa: T201 - a command


if __name__ == "__main__":
    main(sys.argv[1:])
