"""The daily report's workflow: its very command, run by bash, against a real HTTP server."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

WORKFLOW = Path(__file__).resolve().parent.parent / ".github" / "workflows" / "daily-report.yml"
JOB = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["report"]
TOKEN = "tok/en+with=odd&chars"
SENT = '{"ok":true,"report":true}'

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


@dataclass(frozen=True)
class Canned:
    """An answer to give."""

    status: int = 200
    body: str = SENT
    headers: Mapping[str, str] = field(default_factory=dict)


class Counter:
    """A server that gives its answers one after the other, the last one for ever, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers = [Canned()]
        self.asked: list[tuple[str, str, str | None]] = []
        counter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                counter.asked.append((self.command, self.path, self.headers["Authorization"]))
                answer = counter.answers[min(len(counter.asked), len(counter.answers)) - 1]
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body.encode())

            def log_message(self, *_: object) -> None:
                """Be silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/report"


@pytest.fixture
def counter() -> Iterator[Counter]:
    """A counter that has sent its report, unless told otherwise."""
    counter = Counter()
    thread = threading.Thread(target=counter.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield counter
    counter.server.shutdown()
    thread.join()
    counter.server.server_close()


def run(folder: Path, url: str, token: str = TOKEN) -> tuple[int, str]:
    """Run the workflow's command with these secrets, and return its status and all that it wrote."""
    (step,) = JOB["steps"]
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "REPORT_URL": url, "REPORT_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert TOKEN not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_report_that_went_out_ends_well(counter: Counter, tmp_path: Path) -> None:
    """One call with the bearer header is enough, also where the secrets were pasted with the ends of their lines."""
    assert run(tmp_path, f"{counter.url}\n", f" {TOKEN}\n") == (0, "The counter has sent its report.\n")
    assert counter.asked == [("GET", "/v1/report", f"Bearer {TOKEN}")]


@pytest.mark.parametrize("url, token", [("", ""), ("https://example.com/report", ""), ("", TOKEN), ("\n", TOKEN)])
def test_without_secrets_it_ends_well_with_a_notice(url: str, token: str, tmp_path: Path) -> None:
    """A copy of the repository in which nothing was set up stays green."""
    status, output = run(tmp_path, url, token)

    assert status == 0
    assert output.startswith("::notice title=Daily report::REPORT_URL and REPORT_TOKEN are not both set")


def test_a_variable_switches_it_off() -> None:
    """Where the cloud sends the report, one variable keeps the second mail away."""
    assert JOB["if"] == "vars.DAILY_REPORT != 'off'"


@pytest.mark.parametrize("status", [400, 401, 404, 405, 302])
def test_what_stays_wrong_is_not_tried_again(counter: Counter, tmp_path: Path, status: int) -> None:
    """An answer that would be the same next time fails at once, and its body is shown, where no runner obeys it."""
    counter.answers = [Canned(status, '::error::{"error":"some_word"}', {"Location": "/elsewhere"})]
    ended, output = run(tmp_path, counter.url)

    assert ended == 1
    assert '  | ::error::{"error":"some_word"}' in output
    assert "::error title=Daily report::No report." in output
    assert len(counter.asked) == 1


def test_an_answer_that_is_no_report_fails(counter: Counter, tmp_path: Path) -> None:
    """A 200 from something else, like a page, is no report."""
    counter.answers = [Canned(200, "<html>hello</html>")]

    assert run(tmp_path, counter.url)[0] == 1


def test_what_passes_is_tried_again(counter: Counter, tmp_path: Path) -> None:
    """A busy counter is asked again, as soon as it wants to be, and the report still goes out."""
    counter.answers = [Canned(503, "busy", {"Retry-After": "1"}), Canned()]

    assert run(tmp_path, counter.url)[0] == 0
    assert len(counter.asked) == 2


def test_a_token_never_travels_in_the_open(tmp_path: Path) -> None:
    """Without TLS nothing is sent."""
    status, output = run(tmp_path, "http://example.com/report")

    assert status == 1
    assert "must begin with https://" in output
