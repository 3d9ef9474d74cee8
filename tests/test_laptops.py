"""The other clouds on this machine: one command starts engine, function and demo page, and stops them all."""

import json
import re
import signal
import time
import urllib.request
from pathlib import Path

import pytest
from engines import CLOUDS, needed
from test_local_command import Running, error_of

from local.laptop import Hosting


def get(url: str) -> bytes:
    """Return the body at an address."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        body: bytes = answer.read()
    return body


@pytest.mark.slow
@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_demo_page_counts_and_mails(tmp_path: Path, cloud: str) -> None:
    """The demo page finds the counter, and a direct call for the report puts a mail into the mailbox."""
    with Hosting(needed(cloud)(tmp_path, containers=1)) as hosting:
        page = get(f"{hosting.url}/").decode()
        (address,) = re.findall(r'<script [^>]*src="([^"]*)visitor-counter.js"', page)
        answers = [json.loads(get(f"{hosting.url}{address}counter?vid=me")) for _ in range(2)]
        hosting.invoke(b'{"path":"/report"}')
        mails = json.loads(get(f"{hosting.url}/mailbox.json"))

    assert [(answer["count"], answer["unique"]) for answer in answers] == [(1, 1), (2, 1)]
    assert [mail["title"] for mail in mails] == ["Visitor counter: 2 page views today, the first day"]


@pytest.mark.slow
@pytest.mark.parametrize("cloud", CLOUDS)
def test_one_command_runs_a_cloud(tmp_path: Path, cloud: str) -> None:
    """`python -m local --cloud NAME` counts, keeps the count between runs, and ends with a signal."""
    needed(cloud)
    counts = []
    for _ in range(2):
        running = Running("--cloud", cloud, "--port", "0", "--data", tmp_path)
        url = re.search(r"curl '(http://\S+)\?vid=me'", running.output)
        assert url, running.output
        counts.append(json.loads(get(url[1]))["count"])
        status, errors = running.end(signal.SIGINT)
        assert status == 0, errors

    assert counts == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("cloud", CLOUDS)
def test_latency_slows_storage_down(tmp_path: Path, cloud: str) -> None:
    """With `--latency` each storage request takes that many milliseconds longer, and so does a warm visit."""
    needed(cloud)
    running = Running("--cloud", cloud, "--port", "0", "--data", tmp_path, "--latency", "500")
    url = re.search(r"curl '(http://\S+)\?vid=me'", running.output)
    assert url, running.output
    get(url[1])
    start = time.monotonic()
    count = json.loads(get(url[1]))["count"]
    seconds = time.monotonic() - start
    status, errors = running.end(signal.SIGINT)

    assert (count, status) == (2, 0), errors
    assert seconds >= 0.5


@pytest.mark.parametrize("option", [["--fault", "put:late=0.1"], ["--region", "eu-frankfurt-1"]])
def test_options_for_oracle_only_are_refused_elsewhere(option: list[str]) -> None:
    """Options of the stand-in for Oracle's services are an error with other clouds."""
    assert "--cloud oracle only" in error_of("--cloud", CLOUDS[0], *option)
