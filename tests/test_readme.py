"""What the README and the other pages say is what happens: their commands, their tables, their links."""

import importlib.util
import json
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from engines import CLOUDS

from bench.__main__ import sections
from bench.cost import Prices
from clouds.admin import arguments
from clouds.oracle.function.settings import OracleSettings
from clouds.oracle.laptop.serving import Serving
from counter.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PLACES = ("*.md", ".github/*.md", "bench/*.md", "clouds/*.md", "clouds/*/*.md", "docs/**/*.md", "web/**/*.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))
STACKS = sorted({path.parent for place in ("clouds/*/*.tf", "clouds/*/terraform/*.tf") for path in ROOT.glob(place)})
TOKEN = "a-token-that-is-long-enough"
MAKE = re.compile(r"make ([\w-]+)")


def named(path: Path) -> str:
    """Return a path below the root."""
    return path.relative_to(ROOT).as_posix()


every_page = pytest.mark.parametrize("page", PAGES, ids=named)


def blocks(language: str, text: str) -> list[str]:
    """Return a page's blocks in a language, those in lists too, as somebody would paste them."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def anchors(text: str) -> set[str]:
    """Return where links into a page may lead, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def modules(command: str, text: str) -> set[str]:
    """Return the modules that a text runs with `command`."""
    return set(re.findall(rf"{command} -m ([a-z][\w.]*\w)", text))


def curls() -> list[str]:
    """Return the README's curl commands."""
    return [line for block in blocks("sh", README) for line in block.splitlines() if line.startswith("curl ")]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the counter for the tests of this file."""
    with Serving(tmp_path_factory.mktemp("readme"), containers=2, config={"REPORT_TOKEN": TOKEN}) as serving:
        yield serving


def asked(here: Serving, line: str) -> tuple[str, dict[str, object]]:
    """Send the request of a curl command, and return its path with the answer."""
    words = [word.replace("$REPORT_TOKEN", TOKEN) for word in shlex.split(line, comments=True)[1:]]
    options = dict(pairwise(words))
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    (address,) = (urlsplit(word) for word in words if word.startswith("http"))
    path = f"{address.path}?{address.query}"

    with urlopen(Request(here.url + path, method=options.get("-X", "GET"), headers=headers), timeout=20) as answer:
        content = answer.read()
        is_json = answer.headers["Content-Type"] == "application/json"
        return path, json.loads(content) if is_json else {}


def test_the_curl_lines_do_what_they_say(here: Serving) -> None:
    """In the order in which the README gives them: one counts, one only reads, and the counter is healthy."""
    answers = [asked(here, line) for line in curls()]
    counted = [answer for path, answer in answers if path == "/v1/counter?"]
    read = [answer for path, answer in answers if "peek=1" in path]

    assert [answer["count"] for answer in counted] == [1]
    assert [(answer["count"], answer["counted"]) for answer in read] == [(1, False)]
    assert all(answer.get("ok", True) for _, answer in answers)
    assert [path for path, _ in answers if "/health" in path]


def makes(text: str) -> set[str]:
    """Return the targets that a page names, in its blocks and in its sentences."""
    return set(MAKE.findall("\n".join([*blocks("sh", text), *re.findall(r"`(make [^`\n]*)`", text)])))


@every_page
def test_make_targets_exist(page: Path) -> None:
    """Every `make` that a page names is a target of the Makefile."""
    assert makes(page.read_text()) <= set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE))


def test_the_targets_are_named() -> None:
    """The README names what there is to do, and the look-up sees it."""
    assert {"run", "test", "bench", "soak", "contract"} <= makes(README)


def test_the_makefile_s_modules_exist() -> None:
    """Every module that the Makefile runs is there to be run."""
    run = modules("", MAKEFILE) - {"slow"}  # which is a mark of pytest

    assert {"local", "bench", "bench.soak"} <= run
    assert [name for name in run if importlib.util.find_spec(name) is None] == []


@every_page
def test_the_modules_of_a_page_exist(page: Path) -> None:
    """Every module that a page has Python run is there to be run."""
    run = modules(r"python[\d.]*", page.read_text())

    assert [name for name in run if importlib.util.find_spec(name) is None] == []


@every_page
def test_the_options_of_a_page_are_understood(page: Path) -> None:
    """Every `clouds.admin` command of a page is one, and every table that `make bench` is asked for can be made."""
    text = page.read_text()
    for command in re.findall(r"python -m clouds\.admin ([\w-]+ [^`\n|]+)", text):
        words = shlex.split(re.sub(r"\bN\b", "1", command))
        if not {*words} & {"aws", "azure"} - {*CLOUDS}:  # the command of a cloud that was taken away
            arguments().parse_args(words)
    tables = {name for names in re.findall(r"--only ([\w,]+)", text) for name in names.split(",")}

    assert tables <= set(sections(Prices()))


def taken_away(link: str) -> bool:
    """Say whether a link leads to one of the clouds that may be deleted, and was."""
    return any(f"{cloud}/" in link for cloud in {"aws", "azure"} - set(CLOUDS))


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page leads to a file of this tree, and to a heading that is in it."""
    for link, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text()):
        if "://" in link or taken_away(link):
            continue
        target = page.parent / link if link else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), f"{link}#{anchor}"


def test_the_settings_table_has_the_defaults() -> None:
    """The defaults in the table of settings are the defaults in the code."""
    default, oracle = Settings(), OracleSettings()
    table = (ROOT / "docs/settings.md").read_text()

    for name, value in (
        ("`SALT`", f"`{default.salt.reveal()}`"),
        ("`BUCKET`, `OBJECT`", f"`{oracle.bucket}`, `{oracle.object}`"),
        ("`SEEN_LIMIT`, `HISTORY_DAYS`", f"`{default.seen_limit}`, `{default.history_days}`"),
    ):
        assert f"| {name} | {value} |" in table


@every_page
def test_the_shell_blocks_are_shell(page: Path) -> None:
    """Every shell block of a page, in a list too, parses as shell."""
    text = page.read_text()
    found = blocks("sh", text)
    for block in found:
        done = subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), block

    assert len(found) == text.count("```sh\n")


@pytest.mark.parametrize("stack", STACKS, ids=named)
def test_what_a_page_asks_of_terraform_is_there(stack: Path) -> None:
    """Outputs and addresses of resources in the commands of a cloud's page are in its Terraform, by these names."""
    terraform = "\n".join(path.read_text() for path in stack.glob("*.tf"))
    outputs = set(re.findall(r'^output "(\w+)"', terraform, re.MULTILINE))
    resources = {f"{kind}.{name}" for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', terraform, re.MULTILINE)}
    text = next(page for page in (stack / "README.md", stack.parent / "README.md") if page.exists()).read_text()
    everywhere = (ROOT / "clouds/README.md").read_text()
    asked = set(re.findall(r"terraform output -raw (\w+)", text + everywhere))
    commands = re.findall(r"terraform (?:state rm|import)[^`\n]*", text)
    addresses = set(re.findall(r"\b[a-z]+_\w+\.\w+", " ".join(commands)))

    assert asked <= outputs
    assert addresses <= resources
    assert asked
    assert addresses
