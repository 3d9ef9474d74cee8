"""Saving the counter and bringing it back: each is one command, and none loses what it replaces."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from damaged import KINDS
from test_local_command import Running

from clouds.oracle import restore
from local.faults import Faults
from local.principal import private_pem
from local.serving import BUCKET, Serving
from report import compose
from settings import Settings
from tally import Limits, Tally

OBJECT = "counter.json"
OLD = b'{"pageviews": 123, "uniqueVisitors": 45, "seen": [], "updatedAt": 1790000000, "theme": {"dark": true}}'
NEW = b'{"pageviews": 4567, "uniqueVisitors": 890, "seen": [], "days": {"2026-09-21": {"pageviews": 7}}}'
DAY = 86_400

Command = Callable[..., str]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the stand-in alone, its bucket with versions, for all tests of this file."""
    with Serving(tmp_path_factory.mktemp("cloud"), gateway=False) as serving:
        serving.objects.keep_versions(BUCKET)
        yield serving


@pytest.fixture
def here(serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """Return it with an empty bucket, reachable as `--local .` from an empty folder."""
    monkeypatch.chdir(tmp_path)
    Path("function.json").write_text(json.dumps(serving.environment()))
    for stored in serving.objects.list(BUCKET):
        serving.objects.delete(BUCKET, stored.name)
    age(serving, "versions", 1000)
    yield serving
    serving.cloud.faults = Faults()


@pytest.fixture
def command(here: Serving, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return what runs a command on the stand-in and returns what it said."""

    def run(*words: str) -> str:
        restore.main([*words, "--local", "."])
        return capsys.readouterr().out

    return run


def age(here: Serving, table: str, days: float) -> None:
    """Make everything in a table of the stand-in so many days older."""
    here.objects._connection.execute(f"UPDATE {table} SET modified = modified - ?", (days * DAY,))  # noqa: S608


def put(here: Serving, data: bytes, days_ago: float = 0) -> None:
    """Store a document, as if it had been so many days ago."""
    here.objects.put(BUCKET, OBJECT, data)
    if days_ago:
        age(here, "objects", days_ago)


def kept(here: Serving) -> bytes:
    """Return the document as it is stored."""
    stored = here.objects.get(BUCKET, OBJECT)
    assert stored is not None
    return stored.data


def refused(command: Command, *words: str) -> str:
    """Run a command that changes nothing and return why."""
    with pytest.raises(SystemExit) as leaving:
        command(*words)
    assert isinstance(leaving.value.code, str)
    return leaving.value.code


def test_export_and_import_are_a_round_trip(here: Serving, command: Command) -> None:
    """What was exported and is imported again is the same document, byte for byte."""
    put(here, OLD)
    assert "123 page views, 45 unique visitors, last counted 2026-09-21 14:13 UTC" in command("export", "saved.json")
    assert Path("saved.json").read_bytes() == OLD

    put(here, NEW)
    said = command("import", "saved.json", "--yes")
    assert "There now:  4,567 page views, 890 unique visitors\nThen there: 123 page views" in said
    assert kept(here) == OLD


def test_what_is_replaced_is_kept(here: Serving, command: Command) -> None:
    """The replaced document is in a file, which the command names, and importing that goes back."""
    put(here, NEW)
    Path("old.json").write_bytes(OLD)
    copy = command("import", "old.json", "--yes").rpartition("import ")[2].strip()

    assert Path(copy).read_bytes() == NEW
    command("import", copy, "--yes")
    assert kept(here) == NEW


def test_nothing_is_replaced_unasked(here: Serving, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --yes a person must say yes; where nobody is, nothing happens."""
    put(here, NEW)
    Path("old.json").write_bytes(OLD)
    for answer, said in (("", "nothing was changed"), ("no", "nothing was changed")):
        monkeypatch.setattr("builtins.input", lambda question, answer=answer: answer)
        assert said in refused(command, "import", "old.json")
    done = subprocess.run(
        [sys.executable, "-m", "clouds.oracle.restore", "import", Path("old.json").absolute(), "--local", Path.cwd()],
        cwd=Path(restore.__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, kept(here)) == (1, NEW)
    assert "nobody is here to ask" in done.stderr

    monkeypatch.setattr("builtins.input", lambda question: "y")
    command("import", "old.json")
    assert kept(here) == OLD


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_what_is_no_counter_is_not_imported(here: Serving, command: Command, data: bytes) -> None:
    """The ten kinds of damage are refused with the reason, and the document stays as it is."""
    put(here, NEW)
    Path("damaged.json").write_bytes(data)

    assert "is no counter" in refused(command, "import", "damaged.json", "--yes")
    assert kept(here) == NEW


def test_a_damaged_document_can_be_saved_and_replaced(here: Serving, command: Command) -> None:
    """What the function refuses to touch, the owner can export, and repair by importing."""
    put(here, b'{"pageviews": -1}')
    Path("old.json").write_bytes(OLD)

    assert "17 bytes that are no counter: pageviews is negative" in command("export", "damaged.json")
    assert "no counter: pageviews is negative\nThen there: 123" in command("import", "old.json", "--yes")
    assert kept(here) == OLD


def test_an_export_overwrites_nothing(here: Serving, command: Command) -> None:
    """A file that is there stays, unless it may be overwritten; without a document there is none to save."""
    assert "no document yet" in refused(command, "export", "saved.json")
    put(here, OLD)
    Path("saved.json").write_text("precious")

    assert "is there already" in refused(command, "export", "saved.json")
    assert Path("saved.json").read_text() == "precious"
    command("export", "saved.json", "--yes")
    assert Path("saved.json").read_bytes() == OLD


def mail(data: bytes) -> tuple[str, str]:
    """Return the daily mail about a document, with what a mail service adds below it."""
    title, body = compose(
        Tally.decode(data, Limits()), datetime.fromtimestamp(1790000000, UTC), Settings(site_name="{A site}")
    )
    return title, f"{body}\n--\nYou get this {{mail}} because you subscribed.\n{{not json}}\n"


def as_text(title: str, body: str) -> bytes:
    """Return a mail's text as somebody copied it."""
    return body.encode()


def as_dos_text(title: str, body: str) -> bytes:
    """Return a mail's text as a Windows editor saved it."""
    return b"\xef\xbb\xbf" + body.replace("\n", "\r\n").encode()


def as_eml(title: str, body: str) -> bytes:
    """Return a mail as a mail program saves it: with headers, and encoded."""
    message = EmailMessage()
    message["Subject"] = title
    message.set_content(body, cte="base64")
    message.add_alternative(f"<pre>{body}</pre>", subtype="html")
    return bytes(message)


@pytest.mark.parametrize("saved", [as_text, as_dos_text, as_eml])
def test_a_daily_mail_is_a_backup(here: Serving, command: Command, saved: Callable[[str, str], bytes]) -> None:
    """The document in a report is found, however the mail was saved, and is the one that was reported."""
    document: dict[str, Any] = json.loads(OLD) | {
        "seen": ["a" * 64, "b" * 64],
        "days": {"2026-09-21": {"pageviews": 7}},
    }
    Path("mail").write_bytes(saved(*mail(json.dumps(document).encode())))
    command("import", "mail", "--yes")

    assert json.loads(kept(here)) == document


def test_start_at_a_number(here: Serving, command: Command) -> None:
    """A counter can begin where another one stopped, whether there is a document or not."""
    assert "There now:  nothing" in command("start-at", "5000", "--yes")
    assert json.loads(kept(here))["pageviews"] == 5000

    said = command("start-at", "12", "--visitors", "3", "--yes")
    assert "There now:  5,000 page views, 0 unique visitors" in said
    content = json.loads(kept(here))
    assert (content["pageviews"], content["uniqueVisitors"], content["seen"]) == (12, 3, [])
    assert content["updatedAt"] > time.time() - 60

    assert "negative" in refused(command, "start-at", "-1", "--yes")
    assert "too large" in refused(command, "start-at", str(2**60), "--yes")
    assert json.loads(kept(here))["pageviews"] == 12


def test_yesterday_comes_back(here: Serving, command: Command) -> None:
    """The last version from before today is brought back, wherever it is among the pages of versions."""
    put(here, b'{"count": 1}', days_ago=3)
    put(here, OLD, days_ago=2)
    for number in range(1100):  # which is more than a page holds
        put(here, b'{"count": %d}' % (1000 + number))
    here.objects.put(BUCKET, f"{OBJECT}.other", b"{}")

    said = command("yesterday", "--yes")
    assert "There now:  2,099 page views" in said
    assert "Then there: 123 page views" in said
    assert kept(here) == OLD


def test_yesterday_comes_back_after_a_removal(here: Serving, command: Command) -> None:
    """A document that was removed today comes back from the versions, too."""
    put(here, OLD, days_ago=2)
    here.objects.delete(BUCKET, OBJECT)

    assert "There now:  nothing" in command("yesterday", "--yes")
    assert kept(here) == OLD


def test_without_a_version_the_mails_are_named(here: Serving, command: Command) -> None:
    """Where the bucket has nothing from before today, the command says where else yesterday's document is."""
    here.objects._connection.execute("DELETE FROM versions")
    put(here, NEW)

    assert "daily mail" in refused(command, "yesterday", "--yes")
    assert kept(here) == NEW


def test_a_damaged_version_is_not_brought_back(here: Serving, command: Command) -> None:
    """If yesterday's document is no counter, today's stays."""
    put(here, b"[]", days_ago=2)
    put(here, NEW)

    assert "that is no counter" in refused(command, "yesterday", "--yes")
    assert kept(here) == NEW


def test_a_visit_meanwhile_is_in_the_copy(here: Serving, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A visit that is counted while the owner thinks is in the copy of the old document: the write is conditional."""
    put(here, NEW)
    Path("old.json").write_bytes(OLD)
    later = NEW.replace(b"4567", b"4568")

    def think(question: str) -> str:
        put(here, later)
        return "yes"

    monkeypatch.setattr("builtins.input", think)
    here.cloud.requests.clear()
    copy = command("import", "old.json").rpartition("import ")[2].strip()
    assert Path(copy).read_bytes() == later
    assert kept(here) == OLD
    assert all("if-match" in seen.headers for seen in here.cloud.requests.of("put"))


def test_a_document_that_came_meanwhile_is_not_replaced(
    here: Serving, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who agreed to replace nothing does not replace a document that somebody else made in between."""

    def think(question: str) -> str:
        put(here, NEW)
        return "yes"

    monkeypatch.setattr("builtins.input", think)
    assert "just now" in refused(command, "start-at", "5")
    assert kept(here) == NEW


def test_a_lost_answer_is_no_lost_restore(here: Serving, command: Command) -> None:
    """Where the write went through and its answer did not, the command knows; where nothing did, it says so."""
    put(here, NEW)
    Path("old.json").write_bytes(OLD)
    here.cloud.faults = Faults({"put:lose-drop": 1.0})
    assert "Done." in command("import", "old.json", "--yes")
    assert kept(here) == OLD

    here.cloud.faults = Faults({"put:drop-before": 1.0})
    assert "could not be reached" in refused(command, "start-at", "5", "--yes")
    assert kept(here) == OLD


def test_waiting_visits_are_named(here: Serving, command: Command) -> None:
    """Visits in the journal belong to no document yet; the owner is told that they will be added."""
    here.objects.put(BUCKET, f"{OBJECT}.journal/2026-09-21.abc.-.-", b"")

    assert "1 visits wait in the journal" in command("start-at", "5", "--yes")


def test_a_user_s_configuration_is_enough(here: Serving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a user with an API key in ~/.oci/config, and the function's settings in the environment, it works the same."""
    put(here, OLD)
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
    monkeypatch.setenv("OBJECT_STORAGE_ENDPOINT", here.cloud_url)
    monkeypatch.setenv("BUCKET", BUCKET)
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
    with pytest.raises(SystemExit, match="no `make run` is running"):
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
