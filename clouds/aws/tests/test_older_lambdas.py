"""The counters on AWS that this one replaces: their own requests, on the rows they left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engines import needed

from clouds.aws.laptop.laptop import TABLE, Laptop
from local.entrypoint import HttpAnswer, HttpCall
from local.loop_thread import LoopThread, running

PAGE = {"Origin": "https://resume.example", "User-Agent": "Mozilla/5.0 Firefox/140.0"}


class Older:
    """A laptop whose table has the row of an older counter."""

    def __init__(self, laptop: Laptop, loop: LoopThread) -> None:
        self._laptop = laptop
        self._loop = loop

    def leave(self, row: Mapping[str, Any]) -> None:
        """Put the row there, as the older function did."""
        self._laptop.engine.client().put_item(TableName=TABLE, Item=row)

    def row(self, key: str) -> dict[str, Any]:
        """Return the row as it is now."""
        found: dict[str, Any] = self._laptop.engine.client().get_item(TableName=TABLE, Key={"counter_id": {"S": key}})
        return found["Item"]  # type: ignore[no-any-return]

    def ask(self, way: str, method: str, target: str, headers: Mapping[str, str] = PAGE) -> HttpAnswer:
        """Return the answer to a page's request."""
        entrypoint = self._laptop.entrypoints[way]
        return self._loop.run(entrypoint.http(HttpCall(method, target, list(headers.items()), b"", "127.0.0.1")))

    def told(self, way: str, method: str, target: str) -> tuple[int, dict[str, Any]]:
        """Return the answer's status, and what its JSON says."""
        answer = self.ask(way, method, target)
        return answer.status, json.loads(answer.body)

    def allow(self, *operations: str) -> None:
        """Let a new container use these operations of the table, and refuse every other, as a narrow role does."""
        assert self._laptop.proxy is not None
        self._laptop.proxy.fault = lambda kind: None if kind in operations else "400 AccessDeniedException"
        self._loop.run(self._laptop.environments.restart())

    @property
    def requests(self) -> Mapping[str, int]:
        """The requests to the table by their operation."""
        assert self._laptop.proxy is not None
        return self._laptop.proxy.requests

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a direct call gets."""
        answer: dict[str, Any] = json.loads(self._loop.run(self._laptop.entrypoint.invoke(json.dumps(event).encode())))
        return answer


@contextmanager
def replaced(folder: Path, **config: str) -> Iterator[Older]:
    """Run this counter where an older one was."""
    needed("aws")
    laptop = Laptop(folder, containers=1, config={"SALT": "s" * 32, **config})
    with running(laptop) as loop:
        yield Older(laptop, loop)


@pytest.mark.parametrize("attribute", ["visit_count", "count", "visitorCount"])
def test_an_http_api_s_page_goes_on(tmp_path: Path, attribute: str) -> None:
    """GET /counter through an HTTP API is one more than the row said, and the row's own number goes along."""
    with replaced(tmp_path, COUNTER_ID="resume") as older:
        older.leave({"counter_id": {"S": "resume"}, attribute: {"N": "41"}, "owner": {"S": "me"}})
        status, told = older.told("HTTP API", "GET", "/counter")
        row = older.row("resume")

    assert (status, told["count"], told["counted"]) == (200, 42, True)
    assert (row[attribute], row["pageviews"], row["owner"]) == ({"N": "42"}, {"N": "42"}, {"S": "me"})


def test_get_reads_and_post_counts(tmp_path: Path) -> None:
    """With COUNT_ON=POST a page that reads by GET and counts by POST finds both as it knows them."""
    with replaced(tmp_path, COUNT_ON="POST") as older:
        older.leave({"counter_id": {"S": "counter"}, "count": {"N": "7"}})
        calls = [older.told("REST API", method, "/counter") for method in ("GET", "POST", "GET")]

    assert [(status, told["count"], told["counted"]) for status, told in calls] == [
        (200, 7, False),
        (200, 8, True),
        (200, 8, False),
    ]


def test_counter_and_health_through_a_rest_api(tmp_path: Path) -> None:
    """/counter and /health answer with ids of their own, and to a listed page, as that system's monitors ask."""
    with replaced(tmp_path, ALLOWED_ORIGINS=PAGE["Origin"]) as older:
        older.leave({"counter_id": {"S": "counter"}, "visitorCount": {"N": "99"}})
        counted, health = (older.ask("REST API", "GET", f"/{route}") for route in ("counter", "health"))
    headers = [dict(answer.headers) for answer in (counted, health)]
    state = json.loads(health.body)

    assert json.loads(counted.body)["count"] == 100
    assert (state["status"], state["database"], state["counter_value"]) == ("healthy", "connected", 100)
    assert len({told["x-request-id"] for told in headers}) == 2
    assert {told["access-control-allow-origin"] for told in headers} == {PAGE["Origin"]}


def test_direct_payloads(tmp_path: Path) -> None:
    """The payloads that were typed into the console and into scripts are answered as a gateway's are."""
    with replaced(tmp_path) as older:
        older.leave({"counter_id": {"S": "counter"}, "visit_count": {"N": "5"}})
        answers = [
            older.invoke(event) for event in ({"path": "/counter", "httpMethod": "GET"}, {"path": "/health"}, {})
        ]
    bodies = [json.loads(answer["body"]) for answer in answers]

    assert [answer["statusCode"] for answer in answers] == [200, 200, 200]
    assert [body.get("count", body.get("counter_value")) for body in bodies] == [6, 6, 7]


def test_narrow_rights_are_enough(tmp_path: Path) -> None:
    """A role with GetItem, UpdateItem and PutItem counts; /health and a look answer from the document, and /health
    warns. Nothing is put into a journal that nobody could clear."""
    with replaced(tmp_path) as older:
        older.leave({"counter_id": {"S": "counter"}, "visit_count": {"N": "5"}})
        assert older.told("HTTP API", "GET", "/health")[1].get("warnings", []) == []
        older.allow("GetItem", "UpdateItem", "PutItem")
        calls = [
            older.told("HTTP API", "GET", f"/{path}") for path in ("health", "counter", "counter?peek=1", "health")
        ]
        requests = older.requests

    assert [status for status, _ in calls] == [200] * 4
    assert [told.get("count", told.get("counter_value")) for _, told in calls] == [5, 6, 6, 6]
    assert all("list and remove" in told["warnings"][0] for _, told in (calls[0], calls[3]))
    assert requests["PutItem"] == 0
