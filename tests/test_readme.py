"""What the README says is what happens: its commands, its tables, its links."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from engines import CLOUDS

from local.serving import Serving
from oracle_settings import OracleSettings
from settings import Settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
TOKEN = "a-token-that-is-long-enough"
MAKE = re.compile(r"make (\w+)")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def curls() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl ")]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("readme"), containers=2, config={"REPORT_TOKEN": TOKEN}) as serving:
        yield serving


@pytest.mark.parametrize("line", curls())
def test_curl_lines_answer(here: Serving, line: str) -> None:
    """Every curl line of the README gets a good answer, as it stands there."""
    words = [word.replace("$REPORT_TOKEN", TOKEN) for word in shlex.split(line, comments=True)[1:]]
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    address = urlsplit(words[-1])

    request = Request(f"{here.url}{address.path}?{address.query}", headers=headers)
    with urlopen(request, timeout=20) as answer:
        assert answer.status == 200
        if answer.headers["Content-Type"] == "application/json":
            json.load(answer)


def test_make_targets_exist() -> None:
    """Every `make` the README names is a target of the Makefile."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = MAKE.findall("\n".join([*blocks("sh"), *re.findall(r"`(make [^`\n]*)`", README)]))

    assert {"run", "test", "bench"} <= set(named) <= targets


def taken_away(link: str) -> bool:
    """Say whether a link leads to one of the clouds that may be deleted, and was."""
    return any(f"{cloud}/" in link for cloud in {"aws", "azure"} - set(CLOUDS))


def test_links_lead_somewhere() -> None:
    """Every relative link and picture of every page of documentation leads to a file of this tree."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("web/**/*.md"), *ROOT.glob("clouds/**/*.md")]
    for page in pages:
        if "node_modules" in page.parts:
            continue
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert "://" in link or taken_away(link) or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_settings_table_has_the_defaults() -> None:
    """The defaults in the README's table are the defaults in the code."""
    default, oracle = Settings(), OracleSettings()

    for name, value in (
        ("`SALT`", f"`{default.salt.reveal()}`"),
        ("`BUCKET`, `OBJECT`", f"`{oracle.bucket}`, `{oracle.object}`"),
        ("`SEEN_LIMIT`, `HISTORY_DAYS`", f"`{default.seen_limit}`, `{default.history_days}`"),
    ):
        assert f"| {name} | {value} |" in README


def test_the_shell_blocks_are_shell() -> None:
    """Every shell block of the README parses as shell."""
    for block in blocks("sh"):
        subprocess.run(["sh", "-n"], input=block, text=True, check=True)
