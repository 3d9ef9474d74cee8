"""A flood costs no more than the same number of honest visits, and leaves nothing behind that grows."""

import json
import os
import random
import sys
import time
from collections import Counter as Times
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from counting import NOW, Counter, Store

from clouds.oracle.laptop.serving import Serving
from counter.journal import REMEMBER_SECONDS
from counter.request import MAX_BODY
from counter.store import Conflict, StoreError, Unavailable
from counter.tally import Limits, Tally, Visit
from counter_store import CounterStore
from privacy import Seen, Sketch

KB = 1024
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
TOKEN = "the-token-of-these-tests"


def visit(counter: Counter, chance: random.Random) -> int:
    """Make one visit with an id that nobody had before; return how many storage requests it took."""
    counter.store.asked.clear()
    assert counter.ask(f"/counter?vid={chance.randbytes(64).hex()}", "POST", BROWSER).status == 200
    return len(counter.store.asked)


def flooded(visitors: int) -> bytes:
    """Return the document after so many random ids."""
    chance = random.Random(2)
    sketch = Sketch.of(chance.randbytes(32).hex() for _ in range(visitors))
    return Tally({"pageviews": visitors, "uniqueVisitors": visitors, "updatedAt": int(NOW)}, Seen((), sketch)).encode()


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of one run."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


@pytest.mark.slow
def test_a_flood_costs_a_request_a_visit() -> None:
    """The first visit of a container reads and writes; each one after that writes, and lists now and then: no more than
    1.02 requests a visit, whatever the ids."""
    counter, chance = Counter(), random.Random(1)
    first = visit(counter, chance)
    spent = [visit(counter, chance) for _ in range(3_000)]

    assert first == 2
    assert set(spent) == {1, 2}
    assert sum(spent) <= 1.02 * 3_000
    assert counter.totals()[0] == 3_001
    assert counter.store.journal == {}


@pytest.mark.slow
def test_a_flood_s_last_visit_costs_what_its_first_did() -> None:
    """After a million random ids the document is a few kilobytes larger and a visit no slower, and it stays so."""
    early, late, chance = Counter(), Counter(flooded(1_000_000)), random.Random(3)
    for counter in (early, late):
        for _ in range(600):  # past the turn from list to sketch
            visit(counter, chance)
    times: dict[str, list[float]] = {"early": [], "late": []}
    for _ in range(7):  # side by side, so that a busy machine is busy for both
        for name, counter in (("early", early), ("late", late)):
            times[name].append(seconds(lambda counter=counter: [visit(counter, chance) for _ in range(60)]))  # type: ignore[misc]
    document = late.store.document
    assert document is not None

    assert b'"sketch"' in document[0]
    assert len(document[0]) <= 24 * KB
    assert min(times["late"]) <= 2 * min(times["early"])
    assert json.loads(document[0])["pageviews"] == 1_000_000 + 600 + 7 * 60


REFUSED: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "a body too large": ("/counter", "POST", {}, b" " * (MAX_BODY + 1)),
    "no route": ("/wp-login.php", "GET", {}, b""),
    "no method": ("/counter", "DELETE", {}, b""),
    "a preflight": ("/counter", "OPTIONS", {"Origin": "https://evil.example"}, b""),
    "no token": ("/report", "POST", {}, b""),
    "a wrong token": ("/stats", "GET", {"Authorization": "Bearer wrong"}, b""),
    "a wrong token in the query": ("/report?token=wrong", "GET", {}, b""),
    "a badge of nothing": ("/badge.svg?metric=users", "GET", {}, b""),
}


@pytest.mark.parametrize("url, method, headers, body", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_costs_no_request(url: str, method: str, headers: dict[str, str], body: bytes) -> None:
    """The storage is asked only for what will be answered: guessing and junk use up none of the free requests."""
    counter = Counter(REPORT_TOKEN=TOKEN)
    status = counter.ask(url, method, {**BROWSER, **headers}, body).status

    assert status == (204 if method == "OPTIONS" else status)
    assert method == "OPTIONS" or 400 <= status < 500
    assert counter.store.asked == []


LONG: dict[str, Callable[[int], tuple[str, dict[str, str], bytes]]] = {
    "a browser's name": lambda size: ("/counter", {"User-Agent": "Mozilla " * (size // 8)}, b""),
    "a tag without an end": lambda size: ("/badge.svg", {"If-None-Match": 'W/"' + "a" * size}, b""),
    "many tags": lambda size: ("/badge.svg", {"If-None-Match": 'W/"",' * (size // 5)}, b""),
    "quotation marks": lambda size: ("/badge.svg", {"If-None-Match": '"' * size}, b""),
    "an id": lambda size: ("/counter?vid=" + "a" * size, {}, b""),
    "an id in per cent": lambda size: ("/counter?vid=" + "%61" * (size // 3), {}, b""),
    "slashes": lambda size: ("/" * size + "counter" + "/" * size, {}, b""),
    "parameters": lambda size: ("/counter?" + "a=b&" * (size // 4), {}, b""),
    "a label": lambda size: ("/badge.svg?label=" + "e%CC%81" * (size // 7), {}, b""),
    "a token": lambda size: ("/stats", {"Authorization": "Bearer " + "x " * (size // 2)}, b""),
    "an origin": lambda size: ("/counter?peek=1", {"Origin": "https://" + "a." * (size // 2)}, b""),
    "a hint": lambda size: ("/counter", {"Sec-Purpose": "pre" * (size // 3)}, b""),
    "brackets": lambda size: ("/counter", {}, b"[" * (size // 8)),
    "digits": lambda size: ("/counter", {}, b'{"vid": ' + b"9" * (size // 8) + b"}"),
    "a text": lambda size: ("/counter", {}, b'{"vid": "' + b"\\u0061" * (size // 48) + b'"}'),
}


@pytest.mark.parametrize("attack", LONG.values(), ids=LONG)
def test_long_input_takes_no_longer_than_its_length(attack: Callable[[int], tuple[str, dict[str, str], bytes]]) -> None:
    """Input of sixteen times the length takes at most sixteen times as long, and a bit; no pattern backtracks."""
    counter = Counter(b'{"pageviews": 1}', REPORT_TOKEN=TOKEN, ALLOWED_ORIGINS="https://one.example")

    def least(size: int) -> float:
        url, headers, body = attack(size)
        return min(seconds(lambda: counter.ask(url, "POST" if body else "GET", headers, body)) for _ in range(5))

    plain = min(seconds(lambda: counter.ask("/counter", "POST", BROWSER)) for _ in range(20))
    assert least(128 * KB) <= 24 * max(least(8 * KB), plain)


class Crowded(Store):
    """Documents that others keep writing, while it is `busy`: most writes meet a conflict, some answers are lost."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.busy = True
        self._chance = chance

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        fate = self._chance.random() if self.busy else 0.9
        if fate < 0.6:
            self._ask("write")
            raise Conflict("Another visit was written at the same moment.")
        written = super().write(data, version, timeout)
        if fate > 0.95:
            raise Unavailable("The storage could not be reached.", in_doubt=True)
        return written


@pytest.mark.slow
def test_a_crowd_costs_a_bounded_number_of_requests() -> None:
    """However many containers fight for the document: a dozen requests for a visit at most, two on average, and
    when it is over every visit is counted, the journal is empty and the document no larger than it may be."""
    chance, now = random.Random(5), [0.0]
    documents = Crowded(chance)

    def sleep(wait: float) -> None:
        now[0] += wait

    containers = [
        CounterStore(documents, Limits(), clock=lambda: now[0], sleep=sleep, jitter=chance.random) for _ in range(12)
    ]
    spent, entries, kept, unsure = Times[int](), 0, 0, 0
    for number in range(4_000):
        documents.asked.clear()
        now[0] += chance.expovariate(50)
        try:
            chance.choice(containers).keep(
                Visit(f"v{number}", "2026-11-20", chance.randbytes(32).hex()), NOW + now[0], now[0] + 20
            )
            kept += 1
        except StoreError as failure:
            unsure += isinstance(failure, Unavailable) and failure.in_doubt
        spent[len(documents.asked)] += 1
        entries = max(entries, len(documents.journal))
    documents.busy = False
    tally, _ = containers[0].settle(NOW + now[0], now[0] + 20)
    now[0] += REMEMBER_SECONDS  # more ids than that has no document room for
    containers[0].settle(NOW + now[0], now[0] + 20)

    assert max(spent) <= 12
    assert sum(requests * times for requests, times in spent.items()) <= 2 * 4_000
    assert entries > 0
    assert documents.journal == {}
    assert kept <= tally.pageviews <= kept + unsure
    assert kept >= 0.98 * 4_000
    assert len(tally.encode()) <= 128 * KB


def memory(process: int) -> int:
    """Return the memory of a process, in KB."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's memory in /proc")
def test_the_function_s_memory_does_not_grow(tmp_path: Path) -> None:
    """The real function, after its list of visitors has turned into a sketch: hundreds of random ids, bodies up to the
    largest and far beyond, wrong tokens and junk leave its process as large as it was."""
    chance = random.Random(6)
    with Serving(tmp_path, containers=1, warm=1, config={"REPORT_TOKEN": TOKEN, "SEEN_LIMIT": "50"}) as here:
        connection = HTTPConnection(urlsplit(here.url).netloc, timeout=40)

        def ask(url: str, body: bytes = b"", method: str = "POST") -> None:
            connection.request(method, f"/v1{url}", body, BROWSER)
            connection.getresponse().read()

        def flood(times: int) -> int:
            for _ in range(times):
                ask(f"/counter?vid={chance.randbytes(64).hex()}")
                ask("/counter", json.dumps({"vid": chance.randbytes(64).hex(), "x": "y" * 16_000}).encode())
                ask("/counter", os.urandom(100_000))
                ask(f"/report?token={chance.randbytes(200).hex()}")
                ask(f"/{chance.randbytes(1000).hex()}", method="GET")
            return memory(here.pool.containers[0].pid)

        before = flood(60)
        after = flood(200)
        connection.close()
        stored = here.objects.get("cloud-resume-data", "counter.json")
        started = here.pool.started

    assert stored is not None
    assert b'"sketch"' in stored.data
    assert json.loads(stored.data)["pageviews"] == 2 * (60 + 200)
    assert started == 1
    assert after - before <= 2 * KB
