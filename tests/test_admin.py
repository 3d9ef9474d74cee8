"""The owner's commands save and restore the counter on every cloud, and never lose what they replace."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from damaged import KINDS
from engines import CLOUDS, SLOW_CLOUDS
from test_local_command import Running
from test_saved_file import SAVED, mail

from clouds import admin as restore
from clouds.oracle.laptop.principal import private_pem
from clouds.oracle.laptop.serving import BUCKET, Serving
from counter.settings import Environment
from counter.store import PAGE, Conflict, Documents, Unavailable
from counter.tally import Limits, Tally, Visit
from counter_store import CounterStore
from local.faults import Faults
from local.laptop import Laptop
from local.memory import MemoryDocuments

ROOT = Path(restore.__file__).resolve().parents[1]
EVERYWHERE = ("oracle", *CLOUDS)
OLD = b'{"pageviews": 123, "uniqueVisitors": 45, "seen": [], "updatedAt": 1790000000, "theme": {"dark": true}}'
NEW = b'{"pageviews": 4567, "uniqueVisitors": 890, "seen": [], "days": {"2026-09-21": {"pageviews": 7}}}'
DAY = 86_400
TIMEOUT = 20.0

Command = Callable[..., str]


class Stored:
    """A counter in one cloud's store under its own name, as its owner reaches it."""

    def __init__(self, cloud: str, environment: dict[str, str]) -> None:
        own = dict.fromkeys(("OBJECT", "COUNTER_ID", "TABLE_NAME"), f"t{uuid.uuid4().hex}")
        self.cloud = cloud
        self.environment = own | environment  # with the engine's table, if it has created one
        self.name: str = own["OBJECT"]
        self.documents: Documents = restore.admin(cloud)(Environment(self.environment), None).documents

    def put(self, data: bytes) -> None:
        """Store a document."""
        _, version = self.documents.read(TIMEOUT) or (b"", None)
        self.documents.write(data, version, TIMEOUT)

    def kept(self) -> bytes:
        """Return the document as it is stored."""
        found = self.documents.read(TIMEOUT)
        assert found is not None
        return found[0]

    def wait(self, *visits: Visit) -> None:
        """Append visits to the journal."""
        for visit in visits:
            self.documents.append(visit.entry(), TIMEOUT)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the stand-in alone, with versioning, for all tests of this file."""
    with Serving(tmp_path_factory.mktemp("cloud"), gateway=False) as serving:
        serving.objects.keep_versions(BUCKET)
        yield serving


@pytest.fixture(params=["oracle", *SLOW_CLOUDS])
def stored(
    request: pytest.FixtureRequest,
    serving: Serving,
    engine: Callable[[str], Laptop],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stored]:
    """Return a store without a counter, reachable with `--local .` from an empty folder."""
    cloud: str = request.param
    stored = Stored(cloud, (serving if cloud == "oracle" else engine(cloud)).environment())
    monkeypatch.chdir(tmp_path)
    Path("function.json").write_text(json.dumps(stored.environment))
    yield stored
    serving.cloud.faults = Faults()


on_oracle = pytest.mark.parametrize("stored", ["oracle"], indirect=True)


@pytest.fixture
def command(stored: Stored, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs a command on the stored counter and returns its output."""

    def run(*words: str) -> str:
        restore.main([*words, "--cloud", stored.cloud, "--local", "."])
        return capsys.readouterr().out

    return run


def refused(command: Command, *words: str) -> str:
    """Run a command that changes nothing and return why."""
    with pytest.raises(SystemExit) as leaving:
        command(*words)
    assert isinstance(leaving.value.code, str)
    assert "\n" not in leaving.value.code
    return leaving.value.code


def test_export_and_import_are_a_round_trip(stored: Stored, command: Command) -> None:
    """What was exported and is imported again is the same document, byte for byte."""
    stored.put(OLD)
    assert "123 page views, 45 unique visitors, last counted 2026-09-21 14:13 UTC" in command("export", "saved.json")
    assert Path("saved.json").read_bytes() == OLD

    stored.put(NEW)
    said = command("import", "saved.json", "--yes")
    assert "Now:   4,567 page views, 890 unique visitors\nAfter: 123 page views" in said
    assert stored.kept() == OLD


def test_what_is_replaced_is_kept(stored: Stored, command: Command) -> None:
    """The replaced document is in a file, which the command names, and importing that goes back."""
    stored.put(NEW)
    Path("old.json").write_bytes(OLD)
    copy = command("import", "old.json", "--yes").rpartition("import ")[2].strip()

    assert Path(copy).read_bytes() == NEW
    command("import", copy, "--yes")
    assert stored.kept() == NEW


def test_nothing_is_replaced_unasked(stored: Stored, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --yes a person must agree; without a terminal nothing happens."""
    stored.put(NEW)
    Path("old.json").write_bytes(OLD)
    for answer, said in (("", "nothing was changed"), ("no", "nothing was changed")):
        monkeypatch.setattr("builtins.input", lambda question, answer=answer: answer)
        assert said in refused(command, "import", "old.json")
    done = from_the_root("--cloud", stored.cloud, "import", Path("old.json").absolute(), "--local", Path.cwd())
    assert (done.returncode, stored.kept()) == (1, NEW)
    assert "cannot ask without a terminal" in done.stderr

    monkeypatch.setattr("builtins.input", ctrl_c)
    assert "nothing was changed" in refused(command, "import", "old.json")
    assert stored.kept() == NEW

    monkeypatch.setattr("builtins.input", lambda question: "y")
    command("import", "old.json")
    assert stored.kept() == OLD


def ctrl_c(*_: object, **__: object) -> str:
    """What input() does when somebody presses Ctrl-C."""
    raise KeyboardInterrupt


def test_ctrl_c_is_no_crash(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C at any other time ends the command with a warning and the usual status."""
    monkeypatch.setattr(restore, "save", ctrl_c)
    with pytest.raises(SystemExit) as left:
        command("export", "saved.json")

    assert left.value.code == 130
    assert "clouds.admin: stopped; check the counter" in capsys.readouterr().err


def from_the_root(
    *words: str | Path, start: tuple[str, ...] = ("-m", "clouds.admin"), path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command as its owner does, from the root of the project."""
    return subprocess.run(
        [sys.executable, *start, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("cloud", EVERYWHERE)
def test_a_cloud_needs_no_other_s_packages(stored: Stored, cloud: str) -> None:
    """A command needs only its own cloud's packages, and names a missing one in one line."""
    needs = {"oracle": "oci", "aws": "botocore", "azure": "azure"}
    others = ", ".join(f"{package}=None" for name, package in needs.items() if name != stored.cloud)
    program = f"import sys; sys.modules.update({others}); from clouds.admin import main; main(sys.argv[1:])"
    words = ("--cloud", cloud, "start-at", "41", "--yes", "--local", Path.cwd())
    done = from_the_root(*words, start=("-c", program), path=f"clouds/{cloud}")

    if cloud == stored.cloud:
        assert done.returncode == 0, done.stderr
        assert json.loads(stored.kept())["pageviews"] == 41
    else:
        assert done.returncode == 1
        assert done.stderr.startswith(f"python -m clouds.admin: {needs[cloud]}")
        assert done.stderr.count("\n") == 1
        assert (ROOT / done.stderr.split()[-1]).exists()  # the requirements to install


def test_no_path_has_to_be_set(stored: Stored) -> None:
    """The command finds every cloud's modules without a PYTHONPATH, and its help needs no packages."""
    words = ("--cloud", stored.cloud, "start-at", "41", "--yes", "--local", Path.cwd())
    done = from_the_root(*words)
    assert done.returncode == 0, done.stderr
    assert "After: 41 page views" in done.stdout
    assert json.loads(stored.kept())["pageviews"] == 41

    assert from_the_root("--help", start=("-S", "-m", "clouds.admin")).returncode == 0


def test_every_cloud_with_an_owner_is_a_choice(capsys: pytest.CaptureFixture[str]) -> None:
    """The choices of --cloud are the folders in clouds/, so removing one needs no other change."""
    for folder in ROOT.glob("clouds/*/"):
        assert (folder / "admin.py").exists() or folder.name == "__pycache__"
    with pytest.raises(SystemExit):
        restore.main(["export", "saved.json", "--cloud", "nowhere"])
    said = capsys.readouterr().err
    assert all(f"'{cloud}'" in said for cloud in EVERYWHERE)


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_what_is_no_counter_is_not_imported(stored: Stored, command: Command, data: bytes) -> None:
    """The ten kinds of damage are refused with the reason, and the document stays as it is."""
    stored.put(NEW)
    Path("damaged.json").write_bytes(data)

    assert "neither a counter document nor" in refused(command, "import", "damaged.json", "--yes")
    assert stored.kept() == NEW


def test_a_damaged_document_can_be_saved_and_replaced(stored: Stored, command: Command) -> None:
    """A corrupt document can be exported and replaced by an import; the journal stays as it is."""
    stored.put(b'{"pageviews": -1}')
    stored.wait(Visit("one", "2026-09-21"))
    Path("old.json").write_bytes(OLD)

    assert "17 bytes that are not a counter document: pageviews is negative, fractional or too large" in command(
        "export", "damaged.json"
    )
    assert Path("damaged.json").read_bytes() == b'{"pageviews": -1}'
    assert "not a counter document: pageviews is negative, fractional or too large\nAfter: 123" in command(
        "import", "old.json", "--yes"
    )
    assert stored.kept() == OLD
    assert settled(stored.documents).pageviews == 124


def settled(documents: Documents) -> Tally:
    """Fold the journal as the function does, and return the tally."""
    store = CounterStore(documents, Limits())
    return store.settle(time.time(), time.monotonic() + TIMEOUT)[0]


def test_an_export_has_the_visits_that_wait(stored: Stored, command: Command) -> None:
    """Visits in the journal are in the file, and the store is left as it is, so that none is counted twice."""
    stored.put(OLD)
    anna, ben = Visit("one", "2026-09-21", "a" * 64), Visit("two", "2026-09-22", "b" * 64)
    stored.wait(anna, ben, Visit("three", "2026-09-22", None, "crawler"))

    said = command("export", "saved.json")
    assert "125 page views, 47 unique visitors" in said
    assert "3 of the visits waited in the journal; they are in the file" in said
    assert stored.kept() == OLD
    assert len(stored.documents.entries(TIMEOUT)) == 3
    saved = json.loads(Path("saved.json").read_bytes())
    assert saved["theme"] == {"dark": True}
    assert saved["days"]["2026-09-22"] == {"pageviews": 1, "newVisitors": 1, "filtered": {"crawler": 1}, "visitors": 1}

    command("import", "saved.json", "--yes")
    tally = settled(stored.documents)
    assert (tally.pageviews, tally.unique) == (125, 47)
    assert stored.documents.entries(TIMEOUT) == []


def test_an_export_of_the_journal_alone(stored: Stored, command: Command) -> None:
    """Visits in the journal are saved even if there is no document."""
    stored.wait(Visit("one", "2026-09-21", "a" * 64))

    assert "1 page views, 1 unique visitors" in command("export", "saved.json")


@on_oracle
def test_a_long_journal_is_saved_whole(stored: Stored, serving: Serving, command: Command) -> None:
    """Where the journal has more than one page, the visits of all are in the file."""
    stored.put(OLD)
    for number in range(PAGE + 1):
        entry = Visit(f"v{number}", "2026-09-21").entry()
        serving.objects.put(BUCKET, f"{stored.name}.journal/{entry}", b"")

    said = command("export", "saved.json")
    assert f"{123 + PAGE + 1:,} page views" in said


class Folding(MemoryDocuments):
    """A place whose function folds the journal `times` times just when somebody has listed it."""

    def __init__(self, data: bytes, times: int) -> None:
        super().__init__(data)
        self.times = times

    def entries(self, timeout: float) -> list[str]:
        """List, and be overtaken."""
        listed = super().entries(timeout)
        if listed and self.times > 0:
            self.times, left = 0, self.times - 1
            settled(self)
            self.append(Visit(f"later-{left}", "2026-09-21").entry(), TIMEOUT)
            self.times = left
        return listed


def test_what_is_folded_meanwhile_is_in_the_file_once() -> None:
    """Whoever folds the journal during an export neither doubles a visit nor loses one."""
    documents = Folding(OLD, 2)
    documents.append(Visit("one", "2026-09-21").entry(), TIMEOUT)
    data, added = restore.Counter(documents).complete()

    assert (json.loads(data)["pageviews"], added) == (126, 1)
    assert settled(documents).pageviews == 126


def test_what_is_folded_and_gone_during_an_export_is_in_the_file() -> None:
    """Where the journal is empty because somebody just folded it, the document that was read before is not enough."""

    class Emptied(MemoryDocuments):
        """A place whose function folds the journal just before somebody lists it for the first time."""

        folded = False

        def entries(self, timeout: float) -> list[str]:
            if not self.folded:
                self.folded = True
                settled(self)
            return super().entries(timeout)

    documents = Emptied(OLD)
    documents.append(Visit("one", "2026-09-21").entry(), TIMEOUT)
    data, _ = restore.Counter(documents).complete()

    assert json.loads(data)["pageviews"] == 124


def test_an_export_gives_up_on_a_counter_that_never_rests() -> None:
    """If the document changes at every attempt, nothing is saved."""
    documents = Folding(OLD, 100)
    documents.append(Visit("one", "2026-09-21").entry(), TIMEOUT)

    with pytest.raises(restore.Refused, match="too busy"):
        restore.Counter(documents).complete()


def test_an_export_overwrites_nothing(stored: Stored, command: Command) -> None:
    """An existing file is kept unless --yes is given; without a document there is nothing to save."""
    assert "no document yet" in refused(command, "export", "saved.json")
    assert not Path("saved.json").exists()
    stored.put(OLD)
    Path("saved.json").write_text("precious")

    assert "saved.json exists" in refused(command, "export", "saved.json")
    assert Path("saved.json").read_text() == "precious"
    command("export", "saved.json", "--yes")
    assert Path("saved.json").read_bytes() == OLD


@pytest.mark.parametrize("saved", SAVED)
def test_a_daily_mail_is_a_backup(stored: Stored, command: Command, saved: Callable[[str, str], bytes]) -> None:
    """The document in a daily mail is restored exactly, however the mail was saved."""
    document: dict[str, Any] = json.loads(OLD) | {
        "seen": ["a" * 64, "b" * 64],
        "days": {"2026-09-21": {"pageviews": 7}},
    }
    Path("mail").write_bytes(saved(*mail(json.dumps(document).encode())))
    command("import", "mail", "--yes")

    assert json.loads(stored.kept()) == document


def test_numbers_of_another_counter_are_added(stored: Stored, command: Command) -> None:
    """They are shown, added to what is there, and a second time refused; visits counted meanwhile stay."""
    stored.put(OLD)
    Path("pages.csv").write_text("/a,30\n/b,12\n2026-09-20,5\n")
    said = command("import-from", "csv", "pages.csv", "--yes")

    assert "Adds:  42 page views, 0 visitors, 1 days from 2026-09-20 to 2026-09-20, 2 pages" in said
    assert "Now:   123 page views" in said
    assert "After: 165 page views" in said
    assert "already in the counter" in refused(command, "import-from", "csv", "pages.csv", "--yes")
    assert "two columns" in refused(command, "import-from", "csv", __file__, "--yes")

    tally = Tally.decode(stored.kept(), Limits())

    assert (tally.pageviews, tally.unique, tally.fields["theme"]) == (165, 45, {"dark": True})
    assert (tally.pages.count("/a"), tally.pages.other[0]) == (30, 0)


def test_start_at_a_number(stored: Stored, command: Command) -> None:
    """A counter can start at a number, with or without an existing document."""
    assert "Now:   nothing" in command("start-at", "5000", "--yes")
    assert json.loads(stored.kept())["pageviews"] == 5000

    stored.put(json.dumps(json.loads(stored.kept()) | {"days": {"2026-09-21": {"pageviews": 7}}}).encode())
    said = command("start-at", "12", "--visitors", "3", "--yes")
    assert "Now:   5,000 page views, 0 unique visitors" in said
    assert json.loads(stored.kept())["days"] == {"2026-09-21": {"pageviews": 7}}
    content = json.loads(stored.kept())
    assert (content["pageviews"], content["uniqueVisitors"], content["seen"]) == (12, 3, [])
    assert content["updatedAt"] > time.time() - 60

    assert "negative" in refused(command, "start-at", "-1", "--yes")
    assert "too large" in refused(command, "start-at", str(2**60), "--yes")
    assert json.loads(stored.kept())["pageviews"] == 12


@pytest.mark.slow
@on_oracle
def test_yesterday_comes_back(stored: Stored, serving: Serving, command: Command) -> None:
    """The last version from before today is restored, whichever page of the versions it is on."""
    stored.put(b'{"count": 1}')
    age(serving, "objects", 3)
    stored.put(OLD)
    age(serving, "objects", 2)
    for number in range(1100):  # which is more than a page holds
        stored.put(b'{"count": %d}' % (1000 + number))
    serving.objects.put(BUCKET, f"{stored.name}.other", b"{}")

    said = command("yesterday", "--yes")
    assert "Now:   2,099 page views" in said
    assert "After: 123 page views" in said
    assert stored.kept() == OLD


def age(here: Serving, table: str, days: float) -> None:
    """Make everything in a table of the stand-in so many days older."""
    here.objects._connection.execute(f"UPDATE {table} SET modified = modified - ?", (days * DAY,))  # noqa: S608


@on_oracle
def test_yesterday_comes_back_after_a_removal(stored: Stored, serving: Serving, command: Command) -> None:
    """A document that was removed today is restored from the versions as well."""
    stored.put(OLD)
    age(serving, "objects", 2)
    serving.objects.delete(BUCKET, stored.name)

    assert "Now:   nothing" in command("yesterday", "--yes")
    assert stored.kept() == OLD


def test_without_a_version_the_mails_are_named(stored: Stored, command: Command) -> None:
    """If the store has no earlier version, the command says where else yesterday's document is."""
    stored.put(NEW)

    said = refused(command, "yesterday", "--yes")
    assert "daily mail" in said
    assert {"oracle": "versioning", "aws": "point-in-time", "azure": "no versions"}[stored.cloud] in said
    assert stored.kept() == NEW


@on_oracle
def test_a_damaged_version_is_not_brought_back(stored: Stored, serving: Serving, command: Command) -> None:
    """If yesterday's version is corrupt, today's document stays."""
    stored.put(b"[]")
    age(serving, "objects", 2)
    stored.put(NEW)

    assert "that is not a counter document" in refused(command, "yesterday", "--yes")
    assert stored.kept() == NEW


def test_a_visit_meanwhile_is_in_the_copy(
    stored: Stored, serving: Serving, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visit counted while the owner decides is in the copy of the old document, since the write is conditional."""
    stored.put(NEW)
    Path("old.json").write_bytes(OLD)
    later = NEW.replace(b"4567", b"4568")

    def think(question: str) -> str:
        stored.put(later)
        return "yes"

    monkeypatch.setattr("builtins.input", think)
    serving.cloud.requests.clear()
    copy = command("import", "old.json").rpartition("import ")[2].strip()
    assert Path(copy).read_bytes() == later
    assert stored.kept() == OLD
    assert all("if-match" in seen.headers for seen in serving.cloud.requests.of("put"))


def test_a_visit_at_the_last_moment_is_in_the_copy(stored: Stored, tmp_path: Path) -> None:
    """A visit between the last read and the write makes the command read again: nothing is replaced unseen."""
    stored.put(NEW)
    later = NEW.replace(b"4567", b"4568")
    documents, read = stored.documents, stored.documents.read

    class Hurried:
        """The store, with a visit just after the first read."""

        write, append, entries, remove = documents.write, documents.append, documents.entries, documents.remove
        came = False

        def read(self, timeout: float) -> tuple[bytes, str] | None:
            found = read(timeout)
            if not self.came:
                self.came = True
                stored.put(later)
            return found

    restore.Counter(Hurried()).replace(lambda _: OLD, exists=True, copy=tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == later
    assert stored.kept() == OLD


def test_where_no_copy_can_be_kept_nothing_is_replaced(stored: Stored, tmp_path: Path) -> None:
    """The copy is written before the document, so a full disk does no harm."""
    stored.put(NEW)
    with pytest.raises(OSError, match="directory"):
        restore.Counter(stored.documents).replace(lambda _: OLD, exists=True, copy=tmp_path / "no" / "folder")

    assert stored.kept() == NEW


def test_a_doubtful_replacement_leaves_its_copy(stored: Stored, tmp_path: Path) -> None:
    """If the write is in doubt, the old document is in the copy, and the message names the file."""
    stored.put(NEW)
    documents = stored.documents

    class Doubtful:
        """The store, whose answer to the write is lost, and a visit right after it."""

        append, entries, remove, read = documents.append, documents.entries, documents.remove, documents.read

        def write(self, data: bytes, version: str | None, timeout: float) -> str:
            documents.write(data, version, timeout)
            stored.put(OLD.replace(b"123", b"124"))
            raise Unavailable("No answer.", in_doubt=True)

    with pytest.raises(Unavailable, match="the-copy"):
        restore.Counter(Doubtful()).replace(lambda _: OLD, exists=True, copy=tmp_path / "the-copy")

    assert (tmp_path / "the-copy").read_bytes() == NEW


def test_where_surely_nothing_changed_no_copy_stays(stored: Stored, tmp_path: Path) -> None:
    """If only a read fails, nothing was changed, and the copy is removed."""
    stored.put(NEW)
    documents, answers = stored.documents, [stored.documents.read]

    class Busy:
        """The store, with a conflict on the write, and no answer to the second read."""

        append, entries, remove = documents.append, documents.entries, documents.remove

        def read(self, timeout: float) -> tuple[bytes, str] | None:
            if not answers:
                raise Unavailable("No answer.", in_doubt=True)
            return answers.pop()(timeout)

        def write(self, data: bytes, version: str | None, timeout: float) -> str:
            raise Conflict

    with pytest.raises(Unavailable):
        restore.Counter(Busy()).replace(lambda _: OLD, exists=True, copy=tmp_path / "the-copy")

    assert not (tmp_path / "the-copy").exists()
    assert stored.kept() == NEW


def test_a_document_that_came_meanwhile_is_not_replaced(
    stored: Stored, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If there was no document when the owner agreed, one created in the meantime is not replaced."""

    def think(question: str) -> str:
        stored.put(NEW)
        return "yes"

    monkeypatch.setattr("builtins.input", think)
    assert "just now" in refused(command, "start-at", "5")
    assert stored.kept() == NEW


@on_oracle
def test_a_lost_answer_is_no_lost_restore(stored: Stored, serving: Serving, command: Command) -> None:
    """A write whose answer is lost is recognised as done; a write that never arrived is reported."""
    stored.put(NEW)
    Path("old.json").write_bytes(OLD)
    serving.cloud.faults = Faults({"put:lose-drop": 1.0})
    assert "Done." in command("import", "old.json", "--yes")
    assert stored.kept() == OLD

    serving.cloud.faults = Faults({"put:drop-before": 1.0})
    assert "could not be reached" in refused(command, "start-at", "5", "--yes")
    assert stored.kept() == OLD


def test_waiting_visits_are_named(stored: Stored, command: Command) -> None:
    """Visits in the journal are reported and added to the new document."""
    stored.wait(Visit("one", "2026-09-21"))

    assert "Visits waiting in the journal: 1" in command("start-at", "5", "--yes")
    assert settled(stored.documents).pageviews == 6


@on_oracle
def test_a_user_s_configuration_is_enough(
    stored: Stored, serving: Serving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An API key in ~/.oci/config and the function's settings in the environment are enough."""
    stored.put(OLD)
    key = tmp_path / "key.pem"
    key.write_bytes(private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    config = tmp_path / "config"
    lines = [
        "[OWNER]",
        "user=ocid1.user.oc1..a",
        "fingerprint=" + ":".join(["20"] * 16),
        "tenancy=ocid1.tenancy.oc1..a",
    ]
    config.write_text("\n".join([*lines, "region=us-phoenix-1", f"key_file={key}"]))
    config.chmod(0o600)
    monkeypatch.setenv("OCI_CONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OBJECT_STORAGE_ENDPOINT", serving.cloud_url)
    monkeypatch.setenv("BUCKET", BUCKET)
    monkeypatch.setenv("OBJECT", stored.name)
    restore.main(["export", "saved.json", "--profile", "OWNER"])
    assert Path("saved.json").read_bytes() == OLD

    with pytest.raises(SystemExit, match="nobody"):
        restore.main(["export", "again.json", "--profile", "nobody"])
    monkeypatch.setenv("OCI_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(SystemExit, match="config"):
        restore.main(["export", "again.json"])


def test_it_works_on_what_make_run_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--local .local` is the counter of `make run`, while it runs."""
    data = tmp_path / ".local"
    with pytest.raises(SystemExit, match="no `make run` is using"):
        restore.main(["start-at", "41", "--yes", "--local", str(data)])
    running = Running("--port", "0", "--data", data)
    try:
        restore.main(["start-at", "41", "--yes", "--local", str(data)])
        told: Any = running.ask("/v1/counter")
        assert told["count"] == 42
        restore.main(["export", str(tmp_path / "saved.json"), "--local", str(data)])
    finally:
        status, _ = running.end(signal.SIGTERM)
    assert status == 0
    assert "42 page views" in capsys.readouterr().out
    assert not (data / "function.json").exists()
