"""`make publish-as OWNER/REPOSITORY`: after it every link leads to one repository."""

import shutil
from pathlib import Path

import make_links
import pytest


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of all pages."""
    for path in make_links.pages(make_links.ROOT):
        target = tmp_path / path.relative_to(make_links.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def left_over(root: Path, name: str) -> list[str]:
    """Return the pages that still name another repository than `name` as this one."""
    return [path.name for path in make_links.pages(root) if name in path.read_text(encoding="utf-8")]


def test_every_link_leads_to_the_repository(copy: Path) -> None:
    """No page has the old name any more, however often it is published under another one."""
    was = make_links.published_as(copy)
    assert left_over(copy, was)
    assert make_links.publish(copy, "jane-doe/my.counter") >= 4
    assert left_over(copy, was) == []
    assert make_links.publish(copy, "john/counter") >= 4
    assert left_over(copy, "jane-doe") == []
    assert "https://github.com/john/counter/releases/latest" in (copy / make_links.PAGE).read_text(encoding="utf-8")


def test_no_page_is_left_behind() -> None:
    """Whatever this copy is published as, the placeholder is everywhere or nowhere."""
    if make_links.published_as(make_links.ROOT) != "OWNER/REPOSITORY":
        assert left_over(make_links.ROOT, "OWNER/REPOSITORY") == []


@pytest.mark.parametrize("name", ["", "jane", "https://github.com/jane/counter", "jane/counter/tree", "jane counter"])
def test_what_is_no_repository_is_refused(copy: Path, name: str) -> None:
    """A slip changes nothing."""
    before = (copy / "README.md").read_bytes()
    with pytest.raises(SystemExit, match="make publish-as OWNER/REPOSITORY"):
        make_links.publish(copy, name)

    assert (copy / "README.md").read_bytes() == before
