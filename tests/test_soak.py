"""The soak test finds no broken promise in the counter, and finds each in a counter that breaks one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from engines import CLOUDS, needed

from bench.soak import __main__ as command
from bench.soak import engines
from bench.soak.audit import Audit, Fate, visit_id
from bench.soak.soak import Outcome, Plan, run
from local.faults import KINDS

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory and sockets of processes are read in /proc")
DAY = "2026-11-20"
ROOT = Path(__file__).resolve().parent.parent


@needs_linux
@pytest.mark.slow
def test_every_visit_is_accounted_for() -> None:
    """All kinds of faults, killed containers and a killed store: nothing lost, doubled or left."""
    outcome = run(Plan(seconds=12, seed=7, pace=1.2, kinds=frozenset(KINDS), acknowledged=50))

    assert outcome.violations == []
    assert outcome.audit.difference() == 0
    assert outcome.audit.count(Fate.ACKNOWLEDGED) >= 50
    assert outcome.audit.count(Fate.DOUBTFUL) > 0
    assert outcome.audit.entries > 0
    assert set(outcome.injected) == set(KINDS)
    assert outcome.killed > 1
    assert outcome.restarts > 0
    assert outcome.footprint.memory("container") is not None


@needs_linux
@pytest.mark.slow
@pytest.mark.parametrize(
    "function, seconds, seen",
    [("forgetful", 40, "was counted 2 times"), ("careless", 12, "was acknowledged but counted 0 times")],
)
def test_a_broken_loop_is_seen(function: str, seconds: float, seen: str) -> None:
    """A counter that counts twice, or acknowledges a visit without keeping it, fails. The first is seen at once and
    ends the run, the second only in the final check."""
    path, enough = Path(__file__).parent / f"{function}.py", frozenset(KINDS)
    outcome = run(Plan(seconds=seconds, seed=7, pace=1.2, function=path, kinds=enough, acknowledged=50))

    assert any(seen in violation for violation in outcome.violations)


@needs_linux
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # processes end in the middle of a call
@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_visit_is_accounted_for_elsewhere(cloud: str) -> None:
    """Twenty seconds of lost and refused requests, cut answers and killed function processes on the other clouds."""
    needed(cloud)
    result = engines.soak(cloud, seconds=20, seed=3, clients=6, containers=4)

    assert result.violations == []
    assert result.answers["acknowledged"] > 20
    assert result.injected.total() > 0
    assert result.killed > 0


@pytest.mark.parametrize(
    "given, expected",
    [
        (["--containers", "0"], "--containers must be at least 1"),
        (["--clients", "0"], "--clients must be at least 1"),
        (["--clients", "many"], "argument --clients: invalid int value: 'many'"),
        (["--minutes", "0"], "--minutes must be more than 0 and finite"),
        (["--minutes", "-1"], "--minutes must be more than 0 and finite"),
        (["--minutes", "nan"], "--minutes must be more than 0 and finite"),
        (["--minutes", "inf"], "--minutes must be more than 0 and finite"),
        (["--minutes", "two"], "argument --minutes: invalid float value: 'two'"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_a_mistake_is_one_line(
    given: list[str], expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing starts; the error is one line, and the status 2."""
    monkeypatch.setattr(command, "run", lambda _: pytest.fail("it runs"))

    with pytest.raises(SystemExit) as left:
        command.main(given)

    assert left.value.code == 2
    assert capsys.readouterr() == ("", f"make soak: {expected}\n")


def test_a_run_without_a_fault_proves_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run so short that nothing went wrong in it does not pass."""
    monkeypatch.setattr(command, "run", lambda _: Outcome(Audit()))

    assert command.main(["--minutes", "0.001"]) == 1
    assert capsys.readouterr().out.endswith("nothing was proved.\n")


def processes(folder: Path) -> set[int]:
    """Return the processes that have their temporary files in a folder, or below it."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes():
                found.add(int(process.name))
    return found


@pytest.mark.slow
@needs_linux
@pytest.mark.parametrize("presses", [1, 3])
def test_ctrl_c_stops_everything(tmp_path: Path, presses: int) -> None:
    """Ctrl-C ends it with one line that claims nothing. However often it is pressed, no process or file is left."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.soak", "--minutes", "1", "--seed", "7"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as soak:
        try:
            until = time.monotonic() + 60
            while len(processes(tmp_path)) < 3 and time.monotonic() < until:
                time.sleep(0.1)
            started = processes(tmp_path)
            for _ in range(presses):
                os.killpg(soak.pid, signal.SIGINT)
                time.sleep(0.05)
            output, errors = soak.communicate(timeout=60)
        finally:
            soak.kill()

    assert len(started) >= 3  # itself, the stand-in, a container
    # aiohttp may print that it was stopped in the middle of a request, if it was.
    assert (soak.returncode, errors.splitlines()[-1]) == (130, "Stopped early: nothing was proved.")
    assert output.count("\n") == 1
    assert processes(tmp_path) == set()
    assert list(tmp_path.iterdir()) == []


class Book:
    """An audit, and a document that a test writes by hand: versions of it, and visits by the names of their calls."""

    def __init__(self) -> None:
        self.audit = Audit()
        self.document: dict[str, Any] = {"pageviews": 0, "uniqueVisitors": 0, "seen": [], "recent": []}

    def visit(self, call: str, fate: Fate, visitor: str | None = None, page: str | None = None) -> str:
        """Note a visit and what its visitor was told; return its id."""
        number = self.audit.start_visit(visitor, None, page)
        self.audit.called(number, call)
        self.audit.answered(number, fate)
        return visit_id(call)

    def write(self, *recent: str, folded: tuple[str, ...] = (), pageviews: int = 1, unique: int = 0) -> None:
        """Write the next version: visits that are added to it, and how much the totals grow."""
        before = self.document
        self.document = {
            "pageviews": before["pageviews"] + pageviews,
            "uniqueVisitors": before["uniqueVisitors"] + unique,
            "days": {DAY: {"pageviews": before["pageviews"] + pageviews}},
            "recent": [*before["recent"], *recent][-256:],
            "folded": list(folded),
        }
        self.audit.follow(json.dumps(self.document).encode())

    def concluded(self, *entries: str) -> list[str]:
        """Return what the audit finds wrong in the end."""
        self.audit.conclude(entries)
        return self.audit.violations


@pytest.fixture
def book() -> Book:
    """Return an audit of an empty counter."""
    return Book()


def test_the_audit_finds_nothing_where_all_is_well(book: Book) -> None:
    """Acknowledged is in, refused is not, doubtful may be either; and the difference is none."""
    book.write(book.visit("a", Fate.ACKNOWLEDGED, "x" * 64), unique=1)
    book.write(folded=(book.visit("b", Fate.ACKNOWLEDGED, "x" * 64), book.visit("c", Fate.DOUBTFUL)), pageviews=2)
    book.visit("d", Fate.DOUBTFUL)
    book.visit("e", Fate.REFUSED)

    assert book.concluded() == []
    assert (book.audit.difference(), book.audit.doubtful_counted) == (0, 1)


def test_the_audit_sees_a_visit_that_comes_again_much_later(book: Book) -> None:
    """A visit is taken in once in all of history, however long ago the document forgot its id."""
    again = book.visit("again", Fate.ACKNOWLEDGED)
    book.write(again)
    for number in range(300):
        book.write(book.visit(f"{number}", Fate.ACKNOWLEDGED))
    assert again not in book.document["recent"]
    assert book.audit.violations == []
    book.write(folded=(again,))

    assert f"visit {again} was counted 2 times" in book.concluded()


@pytest.mark.parametrize(
    "fate, kept, seen",
    [
        (Fate.ACKNOWLEDGED, False, "was acknowledged but counted 0 times"),
        (Fate.REFUSED, True, "was refused but counted 1 times"),
    ],
)
def test_the_audit_holds_the_counter_to_its_word(book: Book, fate: Fate, kept: bool, seen: str) -> None:
    """What was acknowledged must be in, what was refused must not."""
    visit = book.visit("a", fate)
    if kept:
        book.write(visit)

    assert any(seen in violation for violation in book.concluded())


def test_the_audit_sees_totals_without_visits_and_visits_without_totals(book: Book) -> None:
    """The count grows by one for each visit that is taken in, and for nothing else."""
    book.write(book.visit("a", Fate.ACKNOWLEDGED), pageviews=2)
    book.write(book.visit("b", Fate.ACKNOWLEDGED), pageviews=0)

    assert book.audit.violations[:2] == ["the count grew by 2 for 1 page views", "the count grew by 0 for 1 page views"]
    # Both wrongs together add up, and are seen all the same.
    assert book.audit.difference() == 0


def test_the_audit_sees_who_was_counted_as_new(book: Book) -> None:
    """A visitor who came before is not new, and a visit of nobody's is nobody's."""
    book.write(book.visit("a", Fate.ACKNOWLEDGED, "x" * 64), unique=1)
    book.write(book.visit("b", Fate.ACKNOWLEDGED, "x" * 64), unique=1)
    book.write(visit_id("nobody"))

    assert book.concluded()[0] == "2 unique visitors, but 1 is right"
    assert f"visit {visit_id('nobody')} belongs to no call" in book.audit.violations


def test_the_audit_sees_what_the_journal_lost_or_left(book: Book) -> None:
    """An entry goes only when its visit was taken in, and at rest there is none."""
    lost = book.visit("lost", Fate.DOUBTFUL)
    book.audit.entry_removed(f"{DAY}.{lost}.-.-")

    found = book.concluded(f"{DAY}.left.-.-")

    assert f"the journal's entry of visit {lost} was removed but never counted" in found
    assert f"entry {DAY}.left.-.- is left in the journal" in found


def test_the_audit_sees_pages_that_do_not_add_up(book: Book) -> None:
    """Every page view with a page is in the pages' sum, and no page has more views than it got."""
    book.write(book.visit("a", Fate.ACKNOWLEDGED, page="/a"))
    assert book.audit.violations == ["the pages grew by 0 for 1 page views with a page"]
    book.audit.violations.clear()
    book.audit.visits.clear()
    again = book.visit("b", Fate.ACKNOWLEDGED, page="/a")
    book.document = {**book.document, "pageviews": 2, "days": {DAY: {"pageviews": 2}}, "folded": [again]}
    book.document["pages"] = {"views": [1, 1, 0], "names": {"/a": [3, 3, 0]}}
    book.audit.follow(json.dumps(book.document).encode())

    assert book.audit.violations == ["page /a has 3 views, but 2 is right"]


def test_the_audit_sees_a_document_that_forgets(book: Book) -> None:
    """The ids of the last visits stay: without them a repeated write would not be known again."""
    book.write(book.visit("a", Fate.ACKNOWLEDGED))
    book.document["recent"] = []
    book.write(book.visit("b", Fate.ACKNOWLEDGED))

    assert "recent is not the previous list plus one visit" in book.audit.violations
