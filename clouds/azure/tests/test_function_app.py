"""Azure's entrypoint: real worker processes, the platform's own package, and Microsoft's own engine behind them."""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engines import cannot

from clouds.azure.function import function_app
from clouds.azure.laptop.functions_pool import Pool, Worker
from clouds.azure.laptop.functions_worker import Functions
from counter.api import Api
from counter.request import Request, Response
from counter.settings import Settings
from counter.tally import Limits
from counter_store import CounterStore
from local.entrypoint import FunctionFailed, HttpCall
from local.laptop import laptop as laptop_of
from local.loop_thread import LoopThread
from local.memory import MemoryDocuments
from local.pool import ContainerFailed

TOKEN = "a-token-of-the-owner"
Laptop: Any = laptop_of("azure")


class Azure:
    """The laptop's Azure, asked with few words."""

    def __init__(self, laptop: Any, loop: LoopThread) -> None:
        self.laptop = laptop
        self.run = loop.run

    def ask(
        self, target: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Return the answer to one request."""
        return self.run(self.asking(target, method, [*(headers or {}).items()], body))

    async def asking(
        self, target: str, method: str = "GET", headers: list[tuple[str, str]] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask, among others."""
        sent = [*(headers or []), ("content-length", str(len(body)))]
        answer = await self.laptop.entrypoint.http(HttpCall(method, target, sent, body, "192.0.2.1"))
        return answer.status, {name.lower(): value for name, value in answer.headers}, answer.body

    def told(self, target: str, method: str = "GET", **more: Any) -> tuple[int, dict[str, Any]]:
        """Return the answer's status and what its JSON says."""
        status, _, body = self.ask(target, method, **more)
        return status, json.loads(body)

    def together(self, calls: list[Awaitable[tuple[int, dict[str, str], bytes]]]) -> list[tuple[int, dict[str, Any]]]:
        """Make calls at the same moment; each one's status and what its JSON says."""

        async def all_of_them() -> Any:
            return await asyncio.gather(*calls)

        return [(status, json.loads(body)) for status, _, body in self.run(all_of_them())]


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[Azure]:
    """Run Azure on this laptop."""
    cannot(Laptop.missing())
    with LoopThread() as loop:
        laptop = Laptop(folder, **options)
        loop.run(laptop.start())
        try:
            yield Azure(laptop, loop)
        finally:
            loop.run(laptop.stop())


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    """Run Azure with one worker, for all tests of this file."""
    config = {"SALT": "salt-for-the-tests", "REPORT_TOKEN": TOKEN}
    with running(tmp_path_factory.mktemp("azure"), containers=1, config=config) as azure:
        yield azure


@pytest.fixture(scope="module")
def functions() -> Functions:
    """Return the functions of the app in this process, which may be asked for once."""
    return Functions(function_app.app)


def call(method: str = "GET") -> dict[str, Any]:
    """Return the host's message for a visit."""
    message = {"trigger": "httpTrigger", "id": str(uuid.uuid4()), "method": method, "url": "https://host/api/counter"}
    return {**message, "headers": {"origin": "https://x.example"}, "body": ""}


def count(azure: Azure) -> int:
    """Return the page views as they are stored."""
    return int(azure.told("/api/counter?peek=1")[1]["count"] or 0)


def test_a_visit_is_counted(azure: Azure) -> None:
    """A visit to /api/counter is answered with the totals and kept."""
    before = count(azure)
    status, told = azure.told("/api/counter?vid=somebody")

    assert (status, told["count"], told["counted"]) == (200, before + 1, True)
    assert str(uuid.UUID(told["requestId"])) == told["requestId"]
    assert count(azure) == before + 1


@pytest.mark.parametrize("path", ["/api/HttpVisitor", "/api/httpvisitor", "/api/HttpVisitor/"])
def test_an_older_page_is_counted(azure: Azure, path: str) -> None:
    """Pages that still ask for HttpVisitor get what /counter answers, in whatever case Azure's routes allow."""
    before = count(azure)
    status, told = azure.told(f"{path}?vid=somebody")

    assert (status, told["count"]) == (200, before + 1)


def test_the_query_is_taken_as_it_was_sent(azure: Azure) -> None:
    """Of a repeated parameter the first counts, an empty one is there, and nothing is decoded twice."""
    assert azure.told("/api/counter?vid=good&vid=bad%20one")[0] == 200
    for bad in ("bad%20one&vid=good", "", "%2541"):
        assert azure.told(f"/api/counter?vid={bad}")[1]["ignored"] == ["vid"]
    assert "ignored" not in azure.told("/api/counter?vid=a%41")[1]


def test_a_body_is_read(azure: Azure) -> None:
    """A POST may bring its visitor in the body."""
    assert azure.told("/api/counter", "POST", body=b'{"vid": "somebody"}')[0] == 200
    assert azure.told("/api/counter", "POST", body=b'{"vid": "some body"}')[1]["ignored"] == ["vid"]
    assert azure.told("/api/counter", "POST", body=b"\xff")[1]["ignored"] == ["body"]


ROUTES: dict[tuple[str, str], int] = {
    ("GET", "/api/health"): 200,
    ("HEAD", "/api/counter"): 200,
    ("OPTIONS", "/api/counter"): 204,
    ("OPTIONS", "/api/nothing"): 204,
    ("GET", "/api/badge.svg"): 200,
    ("GET", "/api/stats"): 401,
    ("GET", "/api/report"): 401,
    ("GET", "/api/nothing"): 404,
    ("GET", "/api"): 404,
    ("GET", "/api/a/b/counter"): 200,
    ("DELETE", "/api/counter"): 405,
    ("PUT", "/api/health"): 405,
    ("PATCH", "/api/HttpVisitor"): 405,
}


@pytest.mark.parametrize("method, path", ROUTES)
def test_each_route_is_the_counter_s(azure: Azure, method: str, path: str) -> None:
    """Whatever is asked for below /api is answered by the counter, with its own headers and never twice."""
    status, headers, body = azure.ask(path, method, {"Origin": "https://example.com"})

    assert status == ROUTES[method, path]
    assert headers["access-control-allow-origin"] == "*"
    assert headers["x-content-type-options"] == "nosniff"
    assert "x-request-id" in headers
    assert bool(body) == (method != "HEAD" and status != 204)


def test_the_badge_is_a_picture(azure: Azure) -> None:
    """The badge keeps its type and its tag, by which it is known again."""
    _, headers, body = azure.ask("/api/badge.svg")
    again, _, nothing = azure.ask("/api/badge.svg", headers={"If-None-Match": headers["etag"]})

    assert headers["content-type"].startswith("image/svg+xml")
    assert body.startswith(b"<svg")
    assert (again, nothing) == (304, b"")


def test_the_owner_has_a_token(azure: Azure) -> None:
    """The owner's numbers need the token; on this cloud no storage request is free."""
    status, told = azure.told("/api/stats", headers={"Authorization": f"Bearer {TOKEN}"})

    assert (status, told["ok"]) == (200, True)
    assert azure.ask("/api/stats", headers={"Authorization": "Bearer wrong"})[0] == 401
    assert azure.ask(f"/api/stats?token={TOKEN}")[0] == 200


def test_no_header_makes_an_owner(azure: Azure) -> None:
    """Headers of proxies and of the platform prove nothing, and no header chooses the request's id."""
    claimed = {
        "X-Forwarded-For": "127.0.0.1",
        "X-Original-URL": "/api/stats",
        "X-MS-CLIENT-PRINCIPAL-ID": "owner",
        "X-Functions-Key": "master",
        "X-Request-Id": "chosen",
        "X-MS-Invocation-Id": "chosen",
    }
    status, headers, _ = azure.ask("/api/report", headers=claimed)

    assert status == 401
    assert headers["x-request-id"] != "chosen"


def test_calls_overlap_in_one_worker(azure: Azure) -> None:
    """Forty calls at once in the threads of one worker are forty visits, and no call meets another's parts."""
    before = count(azure)
    answers = azure.together([azure.asking(f"/api/counter?vid=v{number}") for number in range(40)])

    assert [status for status, _ in answers] == [200] * 40
    assert sorted(told["count"] for _, told in answers) == list(range(before + 1, before + 41))
    assert count(azure) == before + 40
    assert azure.laptop.workers.started == 1


def test_the_timer_mails_the_report(azure: Azure) -> None:
    """When the timer strikes the owner gets a mail; nobody else can make it strike."""
    before = len(azure.laptop.mailbox.messages())
    azure.run(azure.laptop.entrypoint.invoke(b'{"path": "/report"}'))
    messages = azure.laptop.mailbox.messages()

    assert len(messages) == before + 1
    assert messages[0].topic == "owner@laptop.example"
    assert "The counter as it is stored is attached." in messages[0].body
    assert azure.ask("/api/report", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
    assert len(azure.laptop.mailbox.messages()) == before + 2


@pytest.mark.parametrize("refusal", [429, 503])
def test_the_timer_is_tried_again(azure: Azure, refusal: int) -> None:
    """Where trying again may help the timer's call fails, which makes the platform try again."""
    azure.laptop.platform.refusal = refusal
    try:
        with pytest.raises(FunctionFailed) as failed:
            azure.run(azure.laptop.entrypoint.invoke(b'{"path": "/report"}'))
    finally:
        azure.laptop.platform.refusal = None

    assert b"tried again" in failed.value.body


def test_a_mail_that_will_never_go_is_said_once(azure: Azure) -> None:
    """Where the owner has to act first, the log says what to do and nobody tries again."""
    azure.laptop.platform.refusal = 404
    try:
        azure.run(azure.laptop.entrypoint.invoke(b'{"path": "/report"}'))
    finally:
        azure.laptop.platform.refusal = None
    end = time.monotonic() + 5
    while not (said := [line for line in azure.laptop.workers.log if "EMAIL_FROM" in line]) and time.monotonic() < end:
        time.sleep(0.01)

    assert said


def test_nothing_is_logged_of_a_visitor(azure: Azure) -> None:
    """What a worker writes holds nothing that a visitor sent, and no line for each request."""
    azure.ask("/api/counter?vid=very-private-id", headers={"User-Agent": "very-private-agent"})
    lines = "\n".join(azure.laptop.workers.log)

    assert "very-private" not in lines
    assert "AccountKey" not in lines


@pytest.mark.slow
@pytest.mark.parametrize(
    "config, word",
    [
        ({"AzureWebJobsStorage": "nonsense"}, "AzureWebJobsStorage"),
        ({"AzureWebJobsStorage": ""}, "AzureWebJobsStorage"),
        ({"SEEN_LIMIT": "many", "TABLE_NAME": "no-table"}, "TABLE_NAME"),
        ({"EMAIL_TO": "nobody"}, "EMAIL_TO"),
        ({"EMAIL_ENDPOINT": "example.com"}, "EMAIL_ENDPOINT"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_setting_is_named(tmp_path: Path, config: dict[str, str], word: str) -> None:
    """A setting that makes no sense keeps nothing from loading: /health names it, and every other answer has CORS."""
    cannot(Laptop.missing())
    # No engine: nothing may be asked of it.
    with LoopThread() as loop:
        azure = Azure(laptop := Laptop(tmp_path, containers=1, config=config), loop)
        status, told = azure.told("/api/health")
        counted, headers, _ = azure.ask("/api/counter")
        loop.run(laptop.workers.stop())
        laptop.mailbox.close()

    assert (status, told["status"]) == (503, "unhealthy")
    assert word in told["error"]
    assert not any(value and value in told["error"] for value in config.values())
    assert (counted, headers["access-control-allow-origin"]) == (500, "*")


@pytest.mark.slow
def test_no_mail_is_set_up(tmp_path: Path) -> None:
    """Without an address for the report the counter counts, and the report says what is missing."""
    config = {"REPORT_TOKEN": TOKEN, "EMAIL_FROM": "", "EMAIL_TO": ""}
    with running(tmp_path, containers=1, config=config) as azure:
        counted, _ = azure.told("/api/counter?vid=a")
        status, told = azure.told("/api/report", headers={"Authorization": f"Bearer {TOKEN}"})

    assert counted == 200
    assert (status, told["error"]) == (500, "misconfigured")
    assert told["message"].startswith("EMAIL_FROM and EMAIL_TO are not set")


@pytest.mark.slow
def test_sixteen_workers_lose_nothing(tmp_path: Path) -> None:
    """Sixteen workers whose first calls come at the same moment, and more after, count each of them once."""
    with running(tmp_path, containers=16, config={"SALT": "s" * 40}) as azure:
        azure.run(azure.laptop.workers.warm(16))
        answers = [
            *azure.together([azure.asking(f"/api/counter?vid=v{number}") for number in range(32)]),
            *azure.together([azure.asking(f"/api/counter?vid=v{number}") for number in range(32)]),
        ]
        azure.run(azure.laptop.workers.restart())
        status, told = azure.told("/api/counter?peek=1")

    assert [status for status, _ in answers] == [200] * 64
    assert (status, told["count"], told["unique"]) == (200, 64, 32)


class TestOneAtATime:
    """The counter takes one call at a time, whatever the worker's threads do."""

    @pytest.fixture
    def busy(self, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
        """Put a counter behind the entrypoint that tells when two calls are in it."""
        seen = SimpleNamespace(now=0, most=0, go=threading.Event(), entered=threading.Event())
        real = Api(Settings(), CounterStore(MemoryDocuments(), Limits()), lambda: pytest.fail("no report"), time.time)

        class Watched:
            settings = Settings()

            def answer(self, request: Request) -> Response:
                seen.now += 1
                seen.most = max(seen.most, seen.now)
                seen.entered.set()
                seen.go.wait(5)
                time.sleep(0.002)
                response = real.answer(request)
                seen.now -= 1
                return response

        monkeypatch.setattr(function_app, "_api", Watched)
        return seen

    def test_no_two_calls_are_in_it(self, busy: SimpleNamespace, functions: Functions) -> None:
        """Eight threads that call at once come one after the other, and all are answered."""
        busy.go.set()
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: functions.run(call()), range(40)))

        assert busy.most == 1
        assert {answer["status"] for answer in answers} == {200}

    def test_nobody_waits_for_ever(
        self, busy: SimpleNamespace, functions: Functions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A call that does not get its turn in time is asked to try again, and nothing of it was counted."""
        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(functions.run, call())
            assert busy.entered.wait(5)
            monkeypatch.setattr(function_app, "SECONDS", 0.1)
            start = time.monotonic()
            late = functions.run(call())
            took = time.monotonic() - start
            busy.go.set()
            monkeypatch.undo()

            assert first.result()["status"] == 200
        assert late["status"] == 503
        assert dict(late["headers"])["Retry-After"]
        assert dict(late["headers"])["Access-Control-Allow-Origin"] == "*"
        assert took < 1

    def test_it_is_made_once(self, functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
        """A preflight does not wait for its turn, and still finds the counter that the visit beside it makes."""
        made: list[Api] = []

        @functools.cache
        def slow() -> Api:
            time.sleep(0.1)
            store = CounterStore(MemoryDocuments(), Limits())
            made.append(Api(Settings(), store, None, time.time))  # type: ignore[arg-type] # nobody asks for a report
            return made[-1]

        monkeypatch.setattr(function_app, "_made", slow)
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda verb: functions.run(call(verb)), ["OPTIONS", "GET"] * 2))

        assert len(made) == 1
        assert [answer["status"] for answer in answers] == [204, 200] * 2

    def test_a_crash_is_answered_and_lets_go(self, functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
        """An error that should never be is a plain answer, and the next call gets its turn."""

        class Broken:
            settings = Settings()

            def answer(self, request: Request) -> Response:
                raise RuntimeError("a secret")

        monkeypatch.setattr(function_app, "_api", Broken)
        answers = [functions.run(call()) for _ in range(2)]

        assert [answer["status"] for answer in answers] == [500, 500]
        assert all("secret" not in str(answer) for answer in answers)


def test_the_functions_are_what_azure_finds(functions: Functions) -> None:
    """Azure's package finds the two functions, open to all, with all methods and the path as it comes."""
    by_trigger = functions.by_trigger
    http, timer = (by_trigger[kind].get_bindings_dict()["bindings"][0] for kind in ("httpTrigger", "timerTrigger"))

    assert {function.get_function_name() for function in by_trigger.values()} == {"counter", "daily_report"}
    assert (str(http["authLevel"]).lower(), http["route"], http.get("methods")) == ("anonymous", "{*path}", None)
    assert timer["schedule"] == "0 0 6 * * *"


def test_the_schedule_is_the_owner_s(tmp_path: Path) -> None:
    """Where the setting is there the platform reads the schedule from it, and changes it without a new upload."""
    command = "import function_app; print([f.get_trigger().get_dict_repr() for f in function_app.app.get_functions()])"
    here = Path(function_app.__file__).parent
    environment = {"PYTHONPATH": f"{here}:{here.parents[2]}", "REPORT_SCHEDULE": "0 30 5 * * *"}
    done = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert "%REPORT_SCHEDULE%" in done.stdout


def test_host_json_is_what_the_platform_wants() -> None:
    """The host is told the prefix that the README names, and nothing that is not in its schema's top level."""
    host = json.loads((Path(function_app.__file__).parent / "host.json").read_text())

    assert host["version"] == "2.0"
    assert host["extensions"]["http"]["routePrefix"] == "api"
    assert set(host) <= {"version", "functionTimeout", "logging", "extensions", "extensionBundle", "concurrency"}


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0, 0.0005, 0.005, 0.05])
def test_who_stops_the_workers_while_one_starts_is_obeyed(
    azure: Azure, monkeypatch: pytest.MonkeyPatch, moment: float
) -> None:
    """Whenever that is, the call is told so, and no process is left."""
    workers: list[Worker] = []

    class Noted(Worker):
        """A worker that is looked at afterwards."""

        async def start(self, seconds: float = 30.0) -> None:
            """Start it."""
            workers.append(self)
            await super().start(seconds)

    monkeypatch.setattr("clouds.azure.laptop.functions_pool.Worker", Noted)

    async def stop_early() -> None:
        pool = Pool(azure.laptop.environment, 1)
        calling = asyncio.create_task(pool.call(call(), 5))
        await asyncio.sleep(moment)
        await pool.stop()
        with pytest.raises(ContainerFailed):
            await calling

    azure.run(stop_early())

    assert not any(worker.alive for worker in workers)
