"""Other clouds on this machine: one command starts engine, function and demo page, and stops them all."""

import json
import re
import signal
import time
import urllib.request
from pathlib import Path

import pytest
from engines import CLOUDS, needed
from test_local_command import Running, complaint

from local.laptop import Hosting


def fetched(url: str) -> bytes:
    """Return what is at an address."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_demo_page_counts_and_mails(tmp_path: Path, cloud: str) -> None:
    """The demo page finds the counter where it looks for it, and a direct call for the report ends in the mailbox."""
    with Hosting(needed(cloud)(tmp_path, containers=1)) as hosting:
        page = fetched(f"{hosting.url}/").decode()
        (address, *_) = re.findall(r'<visitor-counter [^>]*src="([^"]+)"', page)
        told = [json.loads(fetched(f"{hosting.url}{address}?vid=me")) for _ in range(2)]
        hosting.invoke(b'{"path":"/report"}')
        mails = json.loads(fetched(f"{hosting.url}/mailbox.json"))

    assert [(one["count"], one["unique"]) for one in told] == [(1, 1), (2, 1)]
    assert [mail["title"] for mail in mails] == ["Visitor counter: 2 page views today, the first day"]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_one_command_runs_a_cloud(tmp_path: Path, cloud: str) -> None:
    """`python -m local --cloud NAME` finds that cloud's modules by itself, counts, keeps the count between runs, and a
    signal ends it."""
    needed(cloud)
    counts = []
    for _ in range(2):
        running = Running("--cloud", cloud, "--port", "0", "--data", tmp_path)
        url = re.search(r"Counter +(http://\S+)", running.said)
        assert url, running.said
        counts.append(json.loads(fetched(url[1]))["count"])
        status, errors = running.end(signal.SIGINT)
        assert status == 0, errors

    assert counts == [1, 2]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_storage_takes_as_long_as_was_asked_for(tmp_path: Path, cloud: str) -> None:
    """With `--latency` each storage request takes that many milliseconds longer, so a warm visit does too."""
    needed(cloud)
    running = Running("--cloud", cloud, "--port", "0", "--data", tmp_path, "--latency", "500")
    url = re.search(r"Counter +(http://\S+)", running.said)
    assert url, running.said
    fetched(url[1])
    begun = time.monotonic()
    counted = json.loads(fetched(url[1]))["count"]
    seconds = time.monotonic() - begun
    status, errors = running.end(signal.SIGINT)

    assert (counted, status) == (2, 0), errors
    assert seconds >= 0.5


@pytest.mark.parametrize("option", [["--fault", "put:late=0.1"], ["--region", "eu-frankfurt-1"]])
def test_what_is_for_oracle_alone_is_said(option: list[str]) -> None:
    """What only the stand-in of Oracle's services can do is refused elsewhere, in one line."""
    assert "--cloud oracle only" in complaint("--cloud", CLOUDS[0], *option)
