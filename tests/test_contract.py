"""The contract suite, run as `make contract` runs it: it finds nothing wrong with the counter, and every bug put in."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar, NamedTuple
from urllib.request import Request, urlopen
from xml.etree import ElementTree

import pytest
from contract.caller import AGENT, Caller
from engines import CLOUDS, needed, ways

from clouds.oracle.laptop.serving import Serving
from counter.page_view import is_crawler
from local.laptop import Hosting

ROOT = Path(__file__).resolve().parent.parent
SUITE = ROOT / "tests" / "contract"
TOKEN = "a-token-that-nobody-must-see"
CONFIG = {"REPORT_TOKEN": TOKEN, "SALT": "a-salt-of-the-tests"}
VISITS = 7


class Bug(NamedTuple):
    """Statements that change what the function does, and the sentence of the suite that they break."""

    statements: str
    breaks: str


PAGE_VIEW = """
from counter.page_view import PageView
read = PageView.read
PageView.read = classmethod(lambda cls, request: replace(read(request), {}))
"""
ANSWER = """
from counter.api import Api
from counter.request import Response
answer = Api.answer
def changed(self, request):
{}
Api.answer = changed
"""
OWNER = """
from counter import api
from counter.api import is_owner
api.is_owner = lambda request, settings: {} or is_owner(request, settings)
"""

BUGS: Mapping[str, Bug] = {
    "every visit counts twice": Bug(
        """
from counter_store import CounterStore
keep = CounterStore.keep
def twice(self, visit, *more):
    keep(self, visit, *more)
    return keep(self, replace(visit, id=visit.id[::-1]), *more)
CounterStore.keep = twice
""",
        "No visit is counted twice",
    ),
    "peek counts": Bug(
        PAGE_VIEW.format("peek=False"),
        "With peek the totals are read and nothing is counted.",
    ),
    "any id is taken": Bug(
        PAGE_VIEW.format("vid=request.query.get('vid'), ignored=()"),
        "An id with other characters, or too long, is left out",
    ),
    "an odd body is an error": Bug(
        """
from counter.page_view import PageView
from counter.request import BadRequest
read = PageView.read
def strict(cls, request):
    view = read(request)
    if view.ignored:
        raise BadRequest("bad_request", "This is no page view.")
    return view
PageView.read = classmethod(strict)
""",
        "A page view counts whatever came with it",
    ),
    "the privacy of browsers is ignored": Bug(
        PAGE_VIEW.format("vid=request.query.get('vid')"),
        "With Sec-GPC the page view counts, and the id is not looked at.",
    ),
    "every origin is echoed": Bug(
        """
from counter.cors import Origins
headers = Origins.headers
def echoed(self, sent, **more):
    return {**headers(self, sent, **more), "Access-Control-Allow-Origin": sent.get("origin", "*")}
Origins.headers = echoed
""",
        "An origin that is not listed is never named",
    ),
    "the token is compared as far as it goes": Bug(
        OWNER.format(
            "(given := request.headers.get('authorization', '').partition(' ')[2].strip()) != ''"
            " and settings.report_token.reveal().startswith(given)"
        ),
        "The owner's token without its last character lets nobody in.",
    ),
    "the scheme is taken literally": Bug(
        """
from counter import api
from counter.api import is_owner
api.is_owner = lambda request, settings: (
    not request.headers.get("authorization", "").startswith(("bearer", "BEARER")) and is_owner(request, settings)
)
""",
        "The owner's token in the header lets him in, in any case of its scheme.",
    ),
    "who shows no token is let in": Bug(
        OWNER.format("'authorization' not in request.headers"),
        "Nobody sees the numbers without the owner's token",
    ),
    "an error shows the exception": Bug(
        """
from counter import api
from counter.request import error
api.error = lambda status, code, message, *more: error(status, code, f"{message} ({__file__}: {code})", *more)
""",
        "No error shows a stack, an exception",
    ),
    "an error repeats what was sent": Bug(
        ANSWER.format(
            "    response = answer(self, request)\n"
            "    return replace(response, body=response.body.replace(b'There is nothing here.', request.url.encode()))"
        ),
        "No answer repeats what was sent",
    ),
    "caches may keep answers": Bug(
        ANSWER.format(
            "    response = answer(self, request)\n"
            "    return replace(response, headers={**response.headers, 'Cache-Control': 'max-age=60'})"
        ),
        "No cache keeps an answer",
    ),
    "all calls have one id": Bug(
        """
from counter.request import Request
Request.public_id = "0b3ba271-1b06-5cbe-9d6f-3b1f5a0ac2f4"
""",
        "No two answers of this run have the same request id.",
    ),
    "HEAD is refused": Bug(
        ANSWER.format("    return answer(self, replace(request, method=request.method.replace('HEAD', 'TRACE')))"),
        "HEAD /counter has the status and headers of a look",
    ),
    "health counts": Bug(
        ANSWER.format(
            "    if request.route == 'health':\n"
            "        answer(self, replace(request, url='/counter'))\n"
            "    return answer(self, request)"
        ),
        "/health says that the storage answers, and counts nothing.",
    ),
    "the badge is one behind": Bug(
        """
from counter.badge import Badge
message = Badge.message
Badge.message = lambda self, tally: f"{int(message(self, tally).replace(',', '')) - 1:,}"
""",
        "Page, health and badge tell the same page views.",
    ),
}
"""Bugs that somebody may make one day, and what the suite has to say to each."""


class Run(NamedTuple):
    """What came of one run of the suite: its exit status, what it printed, and the sentences that it found broken."""

    status: int
    printed: str
    kept: int
    broken: list[str]


def run(url: str, folder: Path, *options: str, token: str = TOKEN, part: Path = SUITE) -> Run:
    """Run the suite as `make contract` does, or a part of it."""
    results = folder / "contract.xml"
    command = [sys.executable, "-m", "pytest", str(part), "--url", url, f"--junitxml={results}", *options]
    environment = {"PATH": os.environ["PATH"], "TOKEN": token}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100)
    kept, broken = 0, []
    for case in ElementTree.parse(results).iter("testcase") if results.exists() else ():  # noqa: S314 - pytest's own
        sentence = next(one.attrib["value"] for one in case.iter("property") if one.attrib["name"] == "sentence")
        if case.find("failure") is not None or case.find("error") is not None:
            broken.append(sentence)
        elif case.find("skipped") is None:
            kept += 1
    assert TOKEN[:-1] not in done.stdout + done.stderr + (results.read_text() if results.exists() else "")
    return Run(done.returncode, done.stdout + done.stderr, kept, broken)


def with_bug(bug: Bug, folder: Path) -> Path:
    """A file with the function as it is once a bug's statements have run."""
    file = folder / "buggy.py"
    root = f"import sys\nfrom dataclasses import replace\n\nsys.path.insert(0, {str(ROOT)!r})\n"
    file.write_text(f"{root}{bug.statements}\nfrom func import handler\n")
    return file


def test_the_counter_keeps_the_contract(tmp_path: Path) -> None:
    """Alone with the function behind the local gateway every number is exact, and nothing is broken."""
    with Serving(tmp_path, containers=1, config=CONFIG) as here:
        done = run(f"{here.url}/v1", tmp_path, "--alone", "--send-report")
        mails = here.mailbox.messages()

    assert (done.status, done.broken) == (0, [])
    assert done.kept >= 200
    assert f"{VISITS} page views were counted" in done.printed
    assert len(mails) == 1


@pytest.mark.slow
@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_cloud_keeps_the_contract(tmp_path: Path, cloud: str) -> None:
    """So it is on every other cloud, with its own engine."""
    with Hosting(needed(cloud)(tmp_path, containers=1, config=CONFIG)) as here:
        done = run(here.url + here.here.entrypoint.prefix, tmp_path, "--alone")

    assert (done.status, done.broken) == (0, [])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_way_to_a_cloud_keeps_the_contract(tmp_path: Path, cloud: str) -> None:
    """And whichever of a cloud's gateways stands before its function."""
    for way in ways(cloud, tmp_path):
        laptop = needed(cloud)(tmp_path / way, containers=1, config=CONFIG)
        laptop.entrypoint = laptop.entrypoints[way]
        with Hosting(laptop) as here:
            done = run(here.url + laptop.entrypoint.prefix, tmp_path, "--alone")

        assert (way, done.status, done.broken) == (way, 0, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        {"COUNT_ON": "POST", "IGNORE_CRAWLERS": "no", "ALLOWED_ORIGINS": "https://one.example,https://two.example"},
        {"SEEN_LIMIT": "0", "TIMEZONE": "Pacific/Kiritimati"},
    ],
    ids=["POST", "estimate"],
)
def test_the_owner_s_settings_are_coped_with(tmp_path: Path, config: Mapping[str, str]) -> None:
    """Whatever the owner set, the suite finds out and nothing is broken."""
    with Serving(tmp_path, containers=1, config={**CONFIG, **config}) as here:
        done = run(f"{here.url}/v1", tmp_path, "--alone")

    assert (done.status, done.broken) == (0, [])
    # What an estimate cannot show is not said to be kept.
    assert ("  The visitors grew by no more" in done.printed) is ("SEEN_LIMIT" in config)


@pytest.mark.slow
def test_without_the_token_the_rest_is_asked(tmp_path: Path) -> None:
    """Without the owner's token, or with none set, the owner's part is skipped visibly, and nobody gets a mail."""
    with Serving(tmp_path, containers=1, config={"SALT": "s"}) as here:
        done = run(f"{here.url}/v1", tmp_path, "--send-report", token="")
        mails = here.mailbox.messages()

    assert (done.status, done.broken, mails) == (0, [], [])
    assert "this needs the owner's token" in done.printed


@pytest.mark.slow
def test_visits_of_others_do_not_matter(tmp_path: Path) -> None:
    """On a site that others visit meanwhile nothing is broken either."""
    with Serving(tmp_path, containers=3, warm=2, config=CONFIG) as here:
        done = threading.Event()

        def visit() -> None:
            number, pause = 0, 0.1
            while not done.wait(pause):
                number, start = number + 1, time.monotonic()
                with urlopen(Request(f"{here.url}/v1/counter?vid=other-{number}", method="POST"), timeout=20):
                    pause = max(0.1, 10 * (time.monotonic() - start))  # as busy on a slow machine as on a fast one

        other = threading.Thread(target=visit)
        other.start()
        try:
            found = run(f"{here.url}/v1", tmp_path)
        finally:
            done.set()
            other.join()

    assert (found.status, found.broken) == (0, [])
    assert "LEFT OUT, because a visit of somebody else may wait" in found.printed


QUICK = ("every visit counts twice",)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in BUGS]
)
def test_a_bug_is_found(tmp_path: Path, name: str, record_property: Callable[[str, object], None]) -> None:
    """Every one of these bugs breaks the sentence that is about it. Only the part with that sentence is run."""
    bug = BUGS[name]
    (part,) = [path for path in SUITE.glob("test_*.py") if f'"""{bug.breaks}' in path.read_text()]
    with Serving(tmp_path, containers=1, function=with_bug(bug, tmp_path), config=CONFIG) as here:
        done = run(f"{here.url}/v1", tmp_path, "--alone", part=part)

    record_property("breaks", bug.breaks)
    assert done.status == 1
    assert [sentence for sentence in done.broken if sentence.startswith(bug.breaks)], done.printed
    assert re.search(rf"BROKEN +{re.escape(bug.breaks)}", done.printed)


@pytest.mark.slow
def test_what_cannot_be_asked_is_one_line(tmp_path: Path) -> None:
    """No counter, a wrong prefix, a wrong token, no URL: one line says so, instead of hundreds of failures."""
    with Serving(tmp_path, containers=1, config=CONFIG) as here:
        nobody = run("http://127.0.0.1:9", tmp_path)
        nothing = run(here.url, tmp_path)
        stranger = run(f"{here.url}/v1", tmp_path, token="wrong")
    nonsense = run("localhost", tmp_path)
    nowhere = run("", tmp_path)

    for done, words in (
        (nobody, "cannot be reached"),
        (nothing, "There is no counter at"),
        (stranger, "TOKEN is not the REPORT_TOKEN"),
        (nonsense, "cannot be asked"),
        (nowhere, "Which counter?"),
    ):
        assert done.status != 0
        assert words in done.printed
        assert len(done.printed.strip().splitlines()) == 1


def test_a_gateway_s_limit_is_kept_to() -> None:
    """A gateway that says 429 is asked again a second later: what it refused never came as far as the counter."""

    class Gateway(BaseHTTPRequestHandler):
        came: ClassVar[list[float]] = []

        def do_POST(self) -> None:
            self.came.append(time.monotonic())
            self.send_response(429 if len(self.came) == 1 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        answer = Caller(f"http://127.0.0.1:{server.server_port}").ask("/counter", "POST", counts=True)
        server.shutdown()
        thread.join()

    assert answer.status == 200
    assert len(Gateway.came) == 2
    assert Gateway.came[1] - Gateway.came[0] >= 1


def test_the_suite_comes_as_itself() -> None:
    """Its user agent is no crawler's, so that its visits are counted like those of people."""
    assert not is_crawler(AGENT)


def test_an_ordinary_run_does_not_ask_anybody() -> None:
    """Whoever runs all tests does not run the suite: it has no URL then."""
    # The other files are left out for the sake of time.
    command = [sys.executable, "-m", "pytest", "tests", "--collect-only", "-q", "--ignore-glob=tests/test_*.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)

    assert (done.returncode, done.stderr) == (0, "")
    assert "browser/test_counter.py" in done.stdout
    assert "contract/" not in done.stdout
