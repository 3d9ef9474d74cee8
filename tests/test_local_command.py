"""`python -m local` starts with one command, complains in one line, and leaves nothing behind."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import weakref
from importlib import metadata
from pathlib import Path

import pytest
from engines import CLOUDS, needed
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.__main__ import main

ROOT = Path(__file__).resolve().parent.parent
FUNCTION = """
import json, os
from fdk import response

def handler(ctx, data=None):
    environment = os.environ
    told = [os.getpid(), environment["SALT"], environment.get("COUNT_ON"), environment["HOME"]]
    return response.Response(ctx, json.dumps(told))
"""


def command(*arguments: str | Path, packages: str | None = None) -> list[str]:
    """Return the words that start the command; `packages` are Python's -S and such."""
    return [sys.executable, *([packages] if packages else []), "-m", "local", *map(str, arguments)]


def complaint(*arguments: str | Path, packages: str | None = None) -> str:
    """Run a command that cannot start and return the one line it says."""
    done = subprocess.run(
        command(*arguments, packages=packages), cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def function(tmp_path: Path) -> Path:
    """Write a function that tells its process and its salt."""
    path = tmp_path / "func.py"
    path.write_text(FUNCTION)
    return path


class Running:
    """The command, running: what it said until it was ready, and the process."""

    def __init__(self, *arguments: str | Path, code: str = "") -> None:
        words = [sys.executable, "-c", code, *map(str, arguments)] if code else command(*arguments)
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        weakref.finalize(self, self.process.kill)  # a test that fails would leave it, and all that it started
        assert self.process.stdout is not None
        self.said = ""
        watchdog = threading.Timer(20, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                break
        watchdog.cancel()

    def ask(self, path: str) -> list[str]:
        """Return what the function tells."""
        url = re.search(r"http://\S+?:\d+", self.said)
        assert url is not None, self.said
        with urllib.request.urlopen(url[0] + path, timeout=20) as answer:
            told: list[str] = json.load(answer)
        return told

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal and return the exit status and what was said on stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors


def gone(pid: int) -> bool:
    """Say whether a process ends within a few seconds."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][1] == "Z":
            return True  # dead; whoever adopted it has not looked yet
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(function: Path, tmp_path: Path, number: int) -> None:
    """Ctrl-C and SIGTERM end it quietly, with status 0, and no function process stays."""
    running = Running("--port", "0", "--data", tmp_path / "data", "--function", function)
    pid = int(running.ask("/v1/counter")[0])
    status, errors = running.end(number)

    assert (status, errors) == (0, "")
    assert gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_even_a_hard_kill_leaves_no_process(function: Path, tmp_path: Path) -> None:
    """The function dies with the command, however that ends."""
    running = Running("--port", "0", "--data", tmp_path / "data", "--function", function)
    pid, _, _, folder = running.ask("/v1/counter")
    running.end(signal.SIGKILL)

    assert gone(int(pid))
    shutil.rmtree(folder)


def test_the_secrets_are_kept_between_runs(function: Path, tmp_path: Path) -> None:
    """Salt and token are random, stay in the data folder for the owner's eyes only, and --set goes before them."""
    arguments = ("--port", "0", "--data", tmp_path / "data", "--function", function)
    told, said = [], []
    for more in ([], [], ["--set", "SALT=mine", "--set", "COUNT_ON=POST"]):
        running = Running(*arguments, *more)
        told.append(running.ask("/v1/counter")[1:3])
        said.append(running.said)
        running.end(signal.SIGTERM)
    secrets = tmp_path / "data" / "config.json"
    token = json.loads(secrets.read_text())["REPORT_TOKEN"]

    assert told[0] == told[1] == [json.loads(secrets.read_text())["SALT"], None]
    assert told[2] == ["mine", "POST"]
    assert all(f"Bearer {token}" in text for text in said)
    assert secrets.stat().st_mode & 0o777 == 0o600


def test_a_port_in_use_is_said(function: Path, tmp_path: Path) -> None:
    """The line names the port and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = complaint("--port", port, "--data", tmp_path / "data", "--function", function)

    assert said == f"python -m local: port {port} is in use; choose another one with --port\n"


def test_an_unwritable_folder_is_said(function: Path, tmp_path: Path) -> None:
    """The line names the folder and the system's reason."""
    (tmp_path / "file").touch()
    said = complaint("--data", tmp_path / "file" / "data", "--function", function)

    assert said == f"python -m local: cannot write to {tmp_path / 'file' / 'data'}: Not a directory\n"


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--fault", "nonsense=0.1"], "unknown fault 'nonsense'; there are: refuse-503, "),
        (["--fault", "post:late=0.1"], "unknown request 'post' in fault 'post:late'"),
        (["--fault", "late=2"], "the rate of late must be from 0 to 1, not 2"),
        (["--fault", "late"], "a fault is KIND=RATE"),
        (["--function", "no/such/func.py"], "no/such/func.py not found"),
        (["--set", "SALT"], "--set takes KEY=VALUE, not 'SALT'"),
        (["--port", "99999"], "--port must be from 0 to 65535"),
        (["--port", "http"], "argument --port: invalid int value: 'http'"),
        (["--containers", "0"], "--containers must be at least 1"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], expected: str, function: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, no usage text: what is wrong, and status 2."""
    given = ["--data", str(tmp_path / "data"), *arguments]
    if "--function" not in arguments:
        given += ["--function", str(function)]

    with pytest.raises(SystemExit) as left:
        main(given)
    output, errors = capsys.readouterr()

    assert (left.value.code, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"python -m local: {expected}")


def test_a_missing_package_is_said(tmp_path: Path) -> None:
    """Without the requirements (-S hides them) the line says how to get them."""
    assert complaint("--data", tmp_path, packages="-S").endswith("is not installed; run: make run\n")


def test_two_do_not_share_a_folder(function: Path, tmp_path: Path) -> None:
    """A second counter on the same data does not start, and takes nothing from the first, which can still be saved."""
    arguments = ("--port", "0", "--data", tmp_path / "data", "--function", function)
    running = Running(*arguments)
    said = complaint(*arguments)

    assert f"a counter is running on {tmp_path / 'data'} already; stop it, or choose another folder" in said
    assert (tmp_path / "data" / "function.json").exists()
    assert running.end(signal.SIGINT)[0] == 0
    assert not (tmp_path / "data" / "function.json").exists()
    again = Running(*arguments)
    assert again.end(signal.SIGINT)[0] == 0


@pytest.mark.parametrize(
    "file, content, expected",
    [
        ("config.json", "{", "config.json is damaged; remove it to start with a new salt and token"),
        ("config.json", '["SALT"]', "config.json should hold settings and their values as text; mend it"),
        ("cloud.sqlite", "A letter to my aunt. " * 100, "cannot be used: file is not a database"),
    ],
)
def test_a_damaged_file_is_named(function: Path, tmp_path: Path, file: str, content: str, expected: str) -> None:
    """What is in the folder and makes no sense is said in one line, and left as it is."""
    (tmp_path / file).write_text(content)

    assert expected in complaint("--port", "0", "--data", tmp_path, "--function", function)
    assert (tmp_path / file).read_text() == content


@pytest.mark.parametrize("cloud", CLOUDS)
def test_another_cloud_needs_nothing_of_oracles(cloud: str, tmp_path: Path) -> None:
    """`make run CLOUD=...` is all that it takes: what only Oracle's function requires need not be installed."""
    needed(cloud)
    hidden = required("requirements.txt") - required(f"clouds/{cloud}/laptop/engine/requirements.txt")
    code = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({sorted(hidden)}))
runpy.run_module("local", run_name="__main__", alter_sys=True)
"""
    running = Running("--cloud", cloud, "--port", "0", "--data", tmp_path, code=code)
    status, errors = running.end(signal.SIGINT)

    assert {"oci", "fdk", "jwt", "cryptography"} <= hidden
    assert (status, errors) == (0, "")
    assert "Your visitor counter is running" in running.said


def required(file: str) -> set[str]:
    """Return the modules of the packages that a file of requirements asks for, and of all that these ask for."""
    waiting, found = lines_of(ROOT / file), set[str]()
    while waiting:
        wanted = Requirement(waiting.pop())
        if wanted.name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(wanted.name)
        waiting += metadata.requires(wanted.name) or []
    modules = metadata.packages_distributions()
    names = {canonicalize_name(name) for name in found}
    return {module for module, owners in modules.items() if names & {canonicalize_name(owner) for owner in owners}}


def lines_of(file: Path) -> list[str]:
    """Return what a file of requirements asks for, and the files that it names."""
    asked = []
    for line in file.read_text().splitlines():
        if line.startswith("-r "):
            asked += lines_of(file.parent / line[3:])
        elif line and not line.startswith("#"):
            asked.append(line)
    return asked
