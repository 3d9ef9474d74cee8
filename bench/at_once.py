"""Simultaneous visits through `make run` of each cloud, and what it shows two seconds later.

`python -m bench.at_once` starts the counter of a cloud as a user would, sends some visits at the same moment, waits two
seconds, and asks `peek`, the badge and `/health` in turn. The next try uses the same counter.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

CLOUDS = ("oracle", "aws", "azure")
SECONDS = 2.0


@contextmanager
def running(cloud: str) -> Iterator[str]:
    """Run a cloud's counter on this machine, empty at first, and yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-u", "-m", "local", "--cloud", cloud, "--port", "0", "--data", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout
                for line in process.stdout:
                    if found := re.search(r"curl '(http://[^'?]+/counter)", line):
                        break
                else:
                    raise SystemExit(f"make run CLOUD={cloud} does not start")
                yield found[1]
            finally:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=60)


def ask(url: str, method: str = "GET") -> bytes:
    """Make a request, and return the body of the answer."""
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    request = urllib.request.Request(url, method=method, headers=agent)  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - ours
        body: bytes = answer.read()
    return body


def shown(counter: str) -> list[int]:
    """Return what `peek`, the badge and `/health` show."""
    base = counter.rsplit("/", 1)[0]
    badge = re.findall(rb"<text[^>]*>([\d,]+)</text>", ask(f"{base}/badge.svg"))[-1]
    return [
        json.loads(ask(f"{counter}?peek=1"))["count"],
        int(badge.replace(b",", b"")),
        json.loads(ask(f"{base}/health"))["counter_value"],
    ]


def tries(cloud: str, visits: int, times: int) -> Iterator[tuple[int, list[int]]]:
    """Yield for each try the visits acknowledged so far, and what is shown two seconds after the last answer."""
    acknowledged = 0
    with running(cloud) as counter, ThreadPoolExecutor(visits) as browsers:
        for _ in range(times):
            answers = [json.loads(body) for body in browsers.map(lambda _: ask(counter, "POST"), range(visits))]
            acknowledged += sum(answer["counted"] for answer in answers)
            time.sleep(SECONDS)
            yield acknowledged, shown(counter)


def main(arguments: Sequence[str] | None = None) -> int:
    """Test each cloud, and print in how many tries every number was exact. Return 1 if one was not."""
    parser = argparse.ArgumentParser(prog="python -m bench.at_once", description=__doc__)
    parser.add_argument("--clouds", default=",".join(CLOUDS), help="comma-separated (%(default)s)")
    parser.add_argument("--visits", type=int, default=6, help="visits at the same moment (%(default)s)")
    parser.add_argument("--tries", type=int, default=20, help="tries on each cloud (%(default)s)")
    options = parser.parse_args(arguments)
    missed = 0
    for cloud in options.clouds.split(","):
        exact = 0
        for acknowledged, numbers in tries(cloud, options.visits, options.tries):
            if set(numbers) == {acknowledged}:
                exact += 1
            else:
                print(f"  {cloud}: peek, badge and health show {numbers} of {acknowledged}")
        missed += options.tries - exact
        print(f"{cloud}: {options.visits} at once, exact after two seconds in {exact} of {options.tries}", flush=True)
    return bool(missed)


if __name__ == "__main__":
    raise SystemExit(main())
