"""`python -m local` starts with one command, reports errors in one line, and leaves nothing behind."""

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
from engines import SLOW_CLOUDS, needed
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.__main__ import main

ROOT = Path(__file__).resolve().parent.parent
FUNCTION = """
import json, os
from fdk import response

def handler(ctx, data=None):
    environment = os.environ
    answer = [os.getpid(), environment["SALT"], environment.get("COUNT_ON"), environment["HOME"]]
    return response.Response(ctx, json.dumps(answer))
"""


def command(*arguments: str | Path, packages: str | None = None) -> list[str]:
    """Return the command line; `packages` is a Python option such as -S."""
    return [sys.executable, *([packages] if packages else []), "-m", "local", *map(str, arguments)]


def error_of(*arguments: str | Path, packages: str | None = None) -> str:
    """Run a command that cannot start and return the one line it prints."""
    done = subprocess.run(
        command(*arguments, packages=packages), cwd=ROOT, capture_output=True, text=True, check=False, timeout=90
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def function(tmp_path: Path) -> Path:
    """Write a function that answers with its process id and its settings."""
    path = tmp_path / "func.py"
    path.write_text(FUNCTION)
    return path


class Running:
    """The running command: what it printed until it was ready, and its process."""

    def __init__(self, *arguments: str | Path, code: str = "") -> None:
        argv = [sys.executable, "-c", code, *map(str, arguments)] if code else command(*arguments)
        self.process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        weakref.finalize(self, self.process.kill)  # else a failing test leaves it and its children running
        assert self.process.stdout is not None
        self.output = ""
        watchdog = threading.Timer(90, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            self.output += line
            if "Ctrl-C" in line:
                break
        watchdog.cancel()

    def ask(self, path: str) -> list[str]:
        """Return the function's answer."""
        url = re.search(r"http://\S+?:\d+", self.output)
        assert url is not None, self.output
        with urllib.request.urlopen(url[0] + path, timeout=60) as response:
            answer: list[str] = json.load(response)
        return answer

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal and return the exit status and the output on stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


def gone(pid: int) -> bool:
    """Return whether a process ends within half a minute."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][1] == "Z":
            return True  # dead, and not yet reaped by its new parent
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(function: Path, tmp_path: Path, number: int) -> None:
    """Ctrl-C and SIGTERM end it quietly, with status 0, and no function process is left."""
    running = Running("--port", "0", "--data", tmp_path / "data", "--function", function)
    pid = int(running.ask("/v1/counter")[0])
    status, errors = running.end(number)

    assert (status, errors) == (0, "")
    assert gone(pid)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its parent dies")
def test_even_a_hard_kill_leaves_no_process(function: Path, tmp_path: Path) -> None:
    """The function ends with the command, even when that is killed."""
    running = Running("--port", "0", "--data", tmp_path / "data", "--function", function)
    pid, _, _, folder = running.ask("/v1/counter")
    running.end(signal.SIGKILL)

    assert gone(int(pid))
    shutil.rmtree(folder)


@pytest.mark.parametrize("cloud", ["oracle", *SLOW_CLOUDS])
def test_a_first_start_behind_a_proxy_is_quiet(cloud: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is for the way out: nothing here goes through it. A first visit prints no warning, and
    a report one line, with where all of it is."""
    if cloud != "oracle":
        needed(cloud)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = Running("--cloud", cloud, "--port", str(port), "--data", tmp_path / "data")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    prefix = "api" if cloud == "azure" else "v1"
    with opener.open(f"http://127.0.0.1:{port}/{prefix}/counter?vid=me", timeout=60) as answer:
        assert json.load(answer)["count"] == 1
    with opener.open(f"http://127.0.0.1:{port}/invoke", b'{"path": "/report"}', timeout=60) as answer:
        assert answer.status == 200
    running.process.send_signal(signal.SIGINT)
    printed, errors = running.process.communicate(timeout=60)

    # Azure's function says that it has made its table.
    assert [line for line in errors.splitlines() if line and "starts at 0" not in line] == []
    assert [line for line in printed.splitlines() if line] == [
        f"  Mail: Visitor counter: 1 page view today, the first day (http://localhost:{port}/mailbox)"
    ]


@pytest.mark.slow
def test_the_secrets_are_kept_between_runs(function: Path, tmp_path: Path) -> None:
    """Salt and token are random, are kept in a file only the owner can read, and --set overrides them."""
    arguments = ("--port", "0", "--data", tmp_path / "data", "--function", function)
    settings, outputs = [], []
    for more in ([], [], ["--set", "SALT=mine", "--set", "COUNT_ON=POST"]):
        running = Running(*arguments, *more)
        settings.append(running.ask("/v1/counter")[1:3])
        outputs.append(running.output)
        running.end(signal.SIGTERM)
    secrets = tmp_path / "data" / "config.json"
    token = json.loads(secrets.read_text())["REPORT_TOKEN"]

    assert settings[0] == settings[1] == [json.loads(secrets.read_text())["SALT"], None]
    assert settings[2] == ["mine", "POST"]
    assert all(f"Bearer {token}" in text for text in outputs)
    assert secrets.stat().st_mode & 0o777 == 0o600


def test_a_port_in_use_is_reported(function: Path, tmp_path: Path) -> None:
    """The error names the port and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        error = error_of("--port", port, "--data", tmp_path / "data", "--function", function)

    assert error == f"python -m local: port {port} is in use; choose another with --port\n"


def test_an_unwritable_folder_is_reported(function: Path, tmp_path: Path) -> None:
    """The error names the folder and the system's reason."""
    (tmp_path / "file").touch()
    error = error_of("--data", tmp_path / "file" / "data", "--function", function)

    assert error == f"python -m local: cannot write to {tmp_path / 'file' / 'data'}: Not a directory\n"


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--fault", "nonsense=0.1"], "unknown fault 'nonsense'; choose from: refuse-503, "),
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
    """An error is one line without traceback or usage text, and the status is 2."""
    given = ["--data", str(tmp_path / "data"), *arguments]
    if "--function" not in arguments:
        given += ["--function", str(function)]

    with pytest.raises(SystemExit) as left:
        main(given)
    output, errors = capsys.readouterr()

    assert (left.value.code, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"python -m local: {expected}")


def test_a_missing_package_is_reported(tmp_path: Path) -> None:
    """Without the requirements (-S hides them) the error says how to install them."""
    assert error_of("--data", tmp_path, packages="-S").endswith("is not installed; run: make run\n")


@pytest.mark.slow
def test_two_do_not_share_a_folder(function: Path, tmp_path: Path) -> None:
    """A second counter on the same data does not start, and leaves the first as it is."""
    arguments = ("--port", "0", "--data", tmp_path / "data", "--function", function)
    running = Running(*arguments)
    error = error_of(*arguments)

    assert f"another counter is using {tmp_path / 'data'}; stop it, or choose another folder" in error
    assert (tmp_path / "data" / "function.json").exists()
    assert running.end(signal.SIGINT)[0] == 0
    assert not (tmp_path / "data" / "function.json").exists()
    again = Running(*arguments)
    assert again.end(signal.SIGINT)[0] == 0


@pytest.mark.parametrize(
    "file, content, expected",
    [
        ("config.json", "{", "config.json is not valid JSON; fix it, or delete it to get a new salt and token"),
        ("config.json", '["SALT"]', "config.json must be a JSON object of strings; fix it, or delete it"),
        ("cloud.sqlite", "A letter to my aunt. " * 100, "file is not a database; choose another folder with --data"),
    ],
)
def test_a_damaged_file_is_named(function: Path, tmp_path: Path, file: str, content: str, expected: str) -> None:
    """A corrupt file is reported in one line and left as it is."""
    (tmp_path / file).write_text(content)

    assert expected in error_of("--port", "0", "--data", tmp_path, "--function", function)
    assert (tmp_path / file).read_text() == content


@pytest.mark.parametrize("cloud", SLOW_CLOUDS)
def test_another_cloud_does_not_need_oracles_packages(cloud: str, tmp_path: Path) -> None:
    """`make run CLOUD=...` is enough: packages that only Oracle's function requires need not be installed."""
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
    assert "Your visitor counter is running" in running.output


def required(file: str) -> set[str]:
    """Return the modules of all packages in a requirements file, and of their dependencies."""
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
    """Return the requirements in a file, and in the files that it includes."""
    found = []
    for line in file.read_text().splitlines():
        if line.startswith("-r "):
            found += lines_of(file.parent / line[3:])
        elif line and not line.startswith("#"):
            found.append(line)
    return found
