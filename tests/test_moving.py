"""A counter moves from any cloud to any other with all its data; the real function counts before and after."""

import itertools
import json
import re
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from engines import CLOUDS, needed

from clouds import admin as restore
from clouds.oracle.laptop.serving import Serving
from counter.settings import Environment
from counter.store import Documents
from counter.tally import Limits, Visit
from counter_store import CounterStore
from local.laptop import Hosting
from privacy import Sketch, visitor_hash

EVERYWHERE = ("oracle", *CLOUDS)
PAIRS = list(itertools.permutations(EVERYWHERE, 2))
CONFIG = {"SALT": "salt-that-moves-along", "REPORT_TOKEN": "a-token-that-is-long-enough"}
TIMEOUT = 20.0

YEARS_OLD: dict[str, Any] = {
    "pageviews": 2**33,
    "uniqueVisitors": 3,
    "seen": [visitor_hash(CONFIG["SALT"], visitor) for visitor in ("xenia", "yves", "zoe")],
    "updatedAt": 1790000000,
    "days": {"2026-09-21": {"pageviews": 3, "newVisitors": 1, "filtered": {"crawler": 2}}},
    "months": {"2025-07": {"pageviews": 40, "newVisitors": 4}},
    "requests": {"2026-09": 240},
    "recent": ["one", "two"],
    "folded": ["three"],
    "theme": {"dark": True, "größe": 1.5, "list": [None, ""]},
}
"""A document with every member, and with the owner's own."""


class Home:
    """A counter in one cloud: the function behind its gateway, and the owner's commands."""

    def __init__(self, cloud: str, here: Serving | Hosting, folder: Path) -> None:
        self.cloud = cloud
        self._here = here
        self._folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "function.json").write_text(json.dumps(here.environment()))

    def ask(self, route: str, **headers: str) -> dict[str, Any]:
        """Return the function's answer to a visitor."""
        url = f"{self._here.url}{self._here.gateway.prefix}{route}"
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as answer:
            content: dict[str, Any] = json.load(answer)
        return content

    def totals(self) -> tuple[int, int]:
        """Return the page views and unique visitors that the function shows."""
        answer = self.ask("/counter?peek=1")
        return answer["count"], answer["unique"]

    def command(self, *words: str) -> None:
        """Run one of the owner's commands."""
        restore.main(["--cloud", self.cloud, "--local", str(self._folder), *words])

    @property
    def documents(self) -> Documents:
        """The store, as the owner reaches it."""
        return restore.admin(self.cloud)(Environment(self._here.environment()), None).documents


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Home]]:
    """Return a function that starts a cloud's counter, once for all tests of this file."""
    homes: dict[str, Home] = {}
    with ExitStack() as stack:

        def running(cloud: str) -> Home:
            if cloud not in homes:
                folder = tmp_path_factory.mktemp(cloud)
                here: Serving | Hosting
                if cloud == "oracle":
                    here = Serving(folder, containers=1, config=CONFIG)
                else:
                    here = Hosting(needed(cloud)(folder, containers=1, config=CONFIG))
                stack.enter_context(here)
                homes[cloud] = Home(cloud, here, folder)
            return homes[cloud]

        yield running


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the commands in an empty folder."""
    monkeypatch.chdir(tmp_path)


def written(content: dict[str, Any]) -> str:
    """Write a document to a file and return its name."""
    Path("before.json").write_bytes(json.dumps(content).encode())
    return "before.json"


def exported(home: Home) -> dict[str, Any]:
    """Export the document and return it."""
    home.command("export", "export.json", "--yes")
    content: dict[str, Any] = json.loads(Path("export.json").read_bytes())
    return content


@pytest.mark.slow
@pytest.mark.parametrize("source,target", PAIRS)
def test_a_counter_moves(home: Callable[[str], Home], source: str, target: str) -> None:
    """Totals, history, known visitors, visits in the journal and the owner's own members move to the other cloud."""
    old, new = home(source), home(target)
    old.command("import", written(YEARS_OLD), "--yes")
    for visitor in ("anna", "ben", "anna"):
        old.ask(f"/counter?vid={visitor}")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    carl = visitor_hash(CONFIG["SALT"], "carl")
    old.documents.append(Visit("waits", today, carl).entry(), TIMEOUT)

    old.command("export", "moving.json")
    new.command("import", "moving.json", "--yes")
    count = 2**33 + 4
    assert new.totals() == (count, 6)

    for number, (visitor, unique) in enumerate([("zoe", 6), ("anna", 6), ("carl", 6), ("dora", 7)], 1):
        answer = new.ask(f"/counter?vid={visitor}")
        assert (answer["count"], answer["unique"]) == (count + number, unique)
    content = exported(new)
    assert content["months"]["2025-07"] == YEARS_OLD["months"]["2025-07"]
    assert content["theme"] == YEARS_OLD["theme"]
    assert content["days"]["2026-09-21"] == YEARS_OLD["days"]["2026-09-21"]
    assert content["days"][today] == {"pageviews": 8, "newVisitors": 4, "visitors": 5}
    assert content["requests"]["2026-09"] == 240
    assert set(content["seen"]) > {*YEARS_OLD["seen"], carl}

    # The old counter still works for pages that have not changed: nothing was removed from it.
    assert old.ask("/stats", authorization=f"Bearer {CONFIG['REPORT_TOKEN']}")["count"] == count
    assert old.ask("/counter?vid=emil")["count"] == count + 1
    assert new.totals() == (count + 4, 7)


@pytest.mark.slow
@pytest.mark.parametrize("source,target", PAIRS)
def test_visits_that_wait_at_the_new_place_are_added(home: Callable[[str], Home], source: str, target: str) -> None:
    """Visits already in the new counter's journal when the old document arrives are added to it."""
    old, new = home(source), home(target)
    old.command("import", written(YEARS_OLD), "--yes")
    new.documents.append(Visit(f"early-{source}-{target}", "2026-11-20", "f" * 64).entry(), TIMEOUT)
    old.command("export", "moving.json")
    new.command("import", "moving.json", "--yes")

    store = CounterStore(new.documents, Limits())
    tally, waiting = store.settle(time.time(), time.monotonic() + TIMEOUT)
    assert (tally.pageviews, tally.unique, waiting) == (2**33 + 1, 4, 1)


def sketched() -> dict[str, Any]:
    """A document with a sketch of its visitors."""
    sketch = Sketch.of(visitor_hash(CONFIG["SALT"], f"visitor-{number}") for number in range(5_000))
    return {"pageviews": 9_000, "uniqueVisitors": 5_000, "sketch": sketch.text()}


ROUNDS = [[*EVERYWHERE, EVERYWHERE[0]], [EVERYWHERE[0], *reversed(EVERYWHERE)]]


@pytest.mark.slow
@pytest.mark.parametrize("stations", ROUNDS, ids=["there", "back"])
@pytest.mark.parametrize("content", [YEARS_OLD, {"count": 41}, sketched()], ids=["full", "count", "sketch"])
def test_a_tour_of_all_clouds_changes_nothing(
    home: Callable[[str], Home], stations: list[str], content: dict[str, Any]
) -> None:
    """A document that has been moved through every cloud is the same, byte for byte."""
    name = written(content)
    for number, cloud in enumerate(stations):
        home(cloud).command("import", name, "--yes")
        name = f"from-{number}.json"
        home(cloud).command("export", name)

    assert Path(name).read_bytes() == Path("before.json").read_bytes()


def commands(page: str) -> list[str]:
    """Return the lines of a page that call the owner's commands, in order."""
    text = (restore.ROOT / page).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if re.match(r"\s*([A-Z]\S*=\S+ )*\.venv/bin/python ", line)]


@pytest.mark.slow
def test_the_move_in_the_readme_moves(home: Callable[[str], Home]) -> None:
    """The commands on the page about moving, run as written there, move a counter."""
    lines = [re.search(r"-m clouds\.admin --cloud (\w+) (.+)", line) for line in commands("clouds/README.md")]
    assert [line is not None for line in lines] == [True, True]
    source, target = (line[1] for line in lines if line)
    home(source).command("import", written(YEARS_OLD), "--yes")
    for line in lines:
        assert line is not None
        home(line[1]).command(*shlex.split(line[2]), *(["--yes"] if line[1] == target else []))

    assert source != target
    assert home(target).totals() == home(source).totals() == (2**33, 3)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["clouds/README.md", "docs/restore.md"])
def test_what_the_pages_say_can_be_called(page: str) -> None:
    """Every command on the pages exists, its settings are read by the code, and the shell blocks are valid."""
    text = (restore.ROOT / page).read_text(encoding="utf-8")
    called = re.findall(r"python -m clouds\.admin ([^`\n]+)", text)
    for words in called:
        restore.arguments().parse_args(shlex.split(words), restore.Options())
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        subprocess.run(["sh", "-n"], input=block, text=True, check=True)
        for setting in re.findall(r"(?<![\w?&-])([A-Za-z_]{4,})=", block):
            # The storage account's settings are one name with several endings.
            name = setting.partition("__")[0]
            read = [*restore.ROOT.glob("counter/*.py"), *restore.ROOT.glob("clouds/**/*.py")]
            assert any(f'"{name}"' in path.read_text() for path in read), setting

    assert len(called) >= 2


def test_the_page_names_what_is_there() -> None:
    """The files and folders on the page about the clouds exist, and it lists every cloud."""
    text = (restore.ROOT / "clouds/README.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:clouds|tests|local|docs)/[\w./]+)`", text):
        assert (restore.ROOT / name.replace("clouds/NAME", "clouds/aws")).exists(), name
    for cloud in EVERYWHERE:
        assert f"({cloud}/README.md)" in text
