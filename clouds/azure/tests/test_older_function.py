"""The counter on Azure that this one replaces: its own request, from the row it left, answered as its page expects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from azure.data.tables import TableClient
from engines import needed

from clouds.azure.laptop.laptop import Laptop
from local.entrypoint import HttpCall
from local.loop_thread import running

TABLE = "VisitorCounter"


@pytest.mark.slow
def test_the_page_of_an_older_function_goes_on(tmp_path: Path) -> None:
    """GET /api/HttpVisitor is one more than the row counter/1 said; `count` there and the owner's own properties stay
    readable."""
    needed("azure")
    laptop = Laptop(tmp_path, containers=1, config={"SALT": "s" * 32})
    with running(laptop) as loop:
        table = TableClient.from_connection_string(laptop.engine.connection_string(), TABLE)
        table.create_table()
        table.create_entity({"PartitionKey": "counter", "RowKey": "1", "count": 41, "note": "mine"})
        calls = [
            loop.run(laptop.entrypoint.http(HttpCall("GET", target, [("User-Agent", "Firefox")], b"", "127.0.0.1")))
            for target in ("/api/HttpVisitor", "/api/HttpVisitor", "/api/counter?peek=1")
        ]
        row = table.get_entity("counter", "1")
        table.close()

    assert [(answer.status, json.loads(answer.body)["count"]) for answer in calls] == [(200, 42), (200, 43), (200, 43)]
    assert (row["count"], row["pageviews"], row["note"]) == (43, 43, "mine")
