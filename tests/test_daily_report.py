"""The daily report's script, run as the workflow runs it, against a real HTTP server."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / ".github" / "report.py"
TOKEN = "tok/en+with=odd&chars"
SENT = '{"ok":true,"report":true}'


@dataclass(frozen=True)
class Canned:
    """An answer to give, and how."""

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
                body = answer.body.encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

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


@dataclass(frozen=True)
class Run:
    """How a run of the script ended, and all it wrote."""

    status: int
    output: str


def run(url: str = "", token: str = TOKEN, **more: str) -> Run:
    """Run the script with this address and token, without a wait between attempts unless one is asked for."""
    environ = {"PATH": os.environ["PATH"], "REPORT_URL": url, "REPORT_TOKEN": token, "REPORT_WAITS": "0 0", **more}
    done = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    return Run(done.returncode, output)


def test_a_report_that_went_out_ends_well(counter: Counter) -> None:
    """One call with the bearer header is enough, and nothing secret is printed."""
    done = run(counter.url)
    assert done == Run(0, "The counter has sent its report.\n")
    assert counter.asked == [("GET", "/v1/report", f"Bearer {TOKEN}")]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500, 301, 302, 307])
def test_what_stays_wrong_is_not_tried_again(counter: Counter, status: int) -> None:
    """An answer that would be the same next time fails at once, with its status and body."""
    counter.answers = [Canned(status, '{"ok":false,"error":"some_word"}', {"Location": "/elsewhere"})]
    done = run(counter.url)
    assert done.status == 1
    assert f"status {status}" in done.output
    assert '{"ok":false,"error":"some_word"}' in done.output
    assert TOKEN not in done.output
    assert len(counter.asked) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_tried_again(counter: Counter, status: int) -> None:
    """A busy counter is asked again, and the report still goes out."""
    counter.answers = [Canned(status, "busy"), Canned()]
    done = run(counter.url)
    assert done.status == 0
    assert len(counter.asked) == 2


def test_a_counter_that_stays_away_fails_loudly(counter: Counter) -> None:
    """After the last attempt the run fails, and its log holds the last status and body."""
    counter.answers = [Canned(503, '{"ok":false,"error":"unavailable"}')]
    done = run(counter.url)
    assert done.status == 1
    assert len(counter.asked) == 3
    assert '{"ok":false,"error":"unavailable"}' in done.output
    assert done.output.endswith("No report: status 503 at attempt 3, its body is above.\n")


def test_in_a_workflow_the_failure_is_on_top_of_the_page(counter: Counter) -> None:
    """A failure becomes an annotation of the run."""
    counter.answers = [Canned(401, "no")]
    assert "\n::error title=Daily report::No report: status 401" in run(counter.url, GITHUB_ACTIONS="true").output


def test_no_connection_is_tried_again_and_then_fails() -> None:
    """A counter that cannot be reached at all is reported as such."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        done = run(f"http://127.0.0.1:{taken.getsockname()[1]}/report")
    assert done.status == 1
    assert "Attempt 3: no answer." in done.output
    assert "refused" in done.output


@pytest.mark.parametrize(
    "asked, least, most",
    [
        pytest.param("1", 1.0, 20.0, id="seconds"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 20.0, id="a date gone by"),
        pytest.param("soon", 0.0, 20.0, id="nonsense"),
    ],
)
def test_retry_after_is_honoured(counter: Counter, asked: str, least: float, most: float) -> None:
    """The counter says when to come back; a past date means now, and nonsense means the usual wait."""
    counter.answers = [Canned(503, "busy", {"Retry-After": asked}), Canned()]
    begun = time.monotonic()
    assert run(counter.url).status == 0
    assert least <= time.monotonic() - begun < most


@pytest.mark.parametrize(
    "url, token, named",
    [
        ("", "t", ["REPORT_URL"]),
        ("https://counter.example/report", " \n", ["REPORT_TOKEN"]),
        ("", "", ["REPORT_URL", "REPORT_TOKEN"]),
        ("counter.example/report", "t", ["REPORT_URL"]),
        ("ftp://counter.example/report", "t", ["REPORT_URL"]),
        ("https://[::1/report", "t", ["REPORT_URL"]),
        ("https://counter.example:junk/report", "t", ["REPORT_URL"]),
        ("http://counter.example/report", "t", ["REPORT_URL", "https://"]),
        ("https://counter.example/report", "two words", ["REPORT_TOKEN"]),
        ("https://counter.example/report", "schlüssel", ["REPORT_TOKEN"]),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(url: str, token: str, named: list[str]) -> None:
    """A missing or wrong secret is named in one sentence that does not show it."""
    done = run(url, token)
    assert done.status == 2
    assert done.output.count("\n") == 1
    for name in named:
        assert name in done.output
    for secret in (url, token):
        assert len(secret) < 2 or secret not in done.output


def test_secrets_pasted_with_a_line_end_are_understood(counter: Counter) -> None:
    """White space around a secret is not part of it."""
    assert run(f" {counter.url}\n", f"{TOKEN}\n").status == 0
    assert counter.asked[0][2] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "echo",
    [TOKEN, TOKEN.upper(), "tok%2Fen%2Bwith%3Dodd%26chars", "tok/en%2Bwith%3Dodd%26chars"],
    ids=["plain", "capitals", "quoted", "quoted but for slashes"],
)
def test_a_body_that_repeats_the_token_is_masked(counter: Counter, echo: str) -> None:
    """Whatever way an answer spells the token, the log shows stars."""
    counter.answers = [Canned(401, f"wrong token: {echo}!")]
    assert "wrong token: ***!" in run(counter.url).output


def test_the_address_is_a_secret_too(counter: Counter) -> None:
    """The address, which may hold a token of its own, is masked like the token."""
    counter.answers = [Canned(404, f"nothing at {counter.url}?token=second-secret or token=second-secret")]
    output = run(f"{counter.url}?token=second-secret").output
    assert "nothing at *** or ***" in output


def test_a_body_cannot_command_the_runner(counter: Counter) -> None:
    """A body is shown as text, also where it looks like a workflow command or colours a terminal."""
    counter.answers = [Canned(401, "::error::forged\n##[add-mask]a\r::notice::forged\x1b[31m")]
    lines = run(counter.url).output.splitlines()
    assert not [line for line in lines if line.lstrip().startswith("::") or "##[" in line or "\x1b" in line]


def test_a_long_body_is_cut(counter: Counter) -> None:
    """A body of any length leaves a readable log that says how much is missing."""
    counter.answers = [Canned(500, "x" * 5000)]
    assert "... and 3000 characters more" in run(counter.url).output


def test_a_redirect_does_not_get_the_token(counter: Counter) -> None:
    """The token goes to REPORT_URL and nowhere else."""
    counter.answers = [Canned(302, "", {"Location": counter.url})]
    done = run(counter.url)
    assert done.status == 1
    assert len(counter.asked) == 1
    assert "Redirects are not followed" in done.output


@pytest.mark.parametrize("body", ["<html>a page</html>", '{"ok":true,"count":7}', "[]", ""])
def test_another_page_is_no_report(counter: Counter, body: str) -> None:
    """200 from something that is not /report fails, for no mail was sent."""
    counter.answers = [Canned(200, body)]
    done = run(counter.url)
    assert done.status == 1
    assert "does REPORT_URL end with /report?" in done.output
