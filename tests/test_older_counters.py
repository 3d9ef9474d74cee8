"""The five counters that this one replaces: old function and ours on one row or object, then ours alone, then back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from azure.data.tables import TableClient, UpdateMode
from engines import CLOUDS, needed
from wire import object_store, signer

from clouds.oracle.laptop.serving import Serving
from local.entrypoint import HttpCall
from local.laptop import Hosting
from local.loop_thread import running

START = 41
BROWSER = [("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")]

TOKEN = "a-token-that-is-long-enough"
CONFIG = {"SALT": "s" * 32, "REPORT_TOKEN": TOKEN}

Visit = Callable[[], int]
"""One page view, or the owner's look; the count that is shown."""

Three = tuple[Visit, Visit, Visit]
"""A view of the old function, one of ours, and the owner's look."""


def on_laptop(cloud: str) -> Any:
    """What runs a cloud on this machine, with its engine; skip where the cloud was taken away."""
    if cloud not in CLOUDS:
        pytest.skip(f"{cloud} was taken away")
    return needed(cloud)


def asking(ask: Callable[[HttpCall], Any], method: str, target: str) -> tuple[Visit, Visit]:
    """A page of an older counter, which asks us, and the owner, who looks at /stats."""

    def asked(method: str, target: str, more: Sequence[tuple[str, str]] = ()) -> int:
        answer = ask(HttpCall(method, target, [*BROWSER, *more], b"", "127.0.0.1"))
        assert answer.status == 200, answer.body
        return int(json.loads(answer.body)["count"])

    stats = f"{target.rpartition('/')[0]}/stats"
    return lambda: asked(method, target), lambda: asked("GET", stats, [("Authorization", f"Bearer {TOKEN}")])


@contextmanager
def oracle(folder: Path) -> Iterator[Three]:
    """The object counter.json: read, one more, and written with if-match."""
    with ExitStack() as stack:
        here = stack.enter_context(Serving(folder, containers=1, config=CONFIG))
        store = stack.enter_context(object_store(signer(here.principal), here.cloud_url))
        store.write(json.dumps({"pageviews": START, "uniqueVisitors": 0, "seen": []}).encode(), None, 3)

        def old() -> int:
            data, etag = store.read(3) or (b"", "")
            fields = json.loads(data)
            kept = {"pageviews": fields["pageviews"] + 1, "uniqueVisitors": fields["uniqueVisitors"]}
            store.write(json.dumps({**kept, "seen": fields["seen"]}).encode(), etag, 3)
            return int(kept["pageviews"])

        yield old, *asking(lambda call: here.run(here.entrypoint.http(call)), "GET", "/v1/counter")


@contextmanager
def azure(folder: Path) -> Iterator[Three]:
    """The row counter/1 of VisitorCounter: read, one more, and written back whole."""
    laptop = on_laptop("azure")(folder, containers=1, config=CONFIG)
    with running(laptop) as loop:
        table = TableClient.from_connection_string(laptop.engine.connection_string(), "VisitorCounter")
        table.create_table()
        table.create_entity({"PartitionKey": "counter", "RowKey": "1", "count": str(START)})

        def old() -> int:
            row = table.get_entity("counter", "1")
            row["count"] = int(row["count"]) + 1
            table.update_entity(row, UpdateMode.REPLACE)
            return int(row["count"])

        yield old, *asking(lambda call: loop.run(laptop.entrypoint.http(call)), "GET", "/api/HttpVisitor")
        table.close()


def on_aws(
    row: Mapping[str, Any],
    config: Mapping[str, str],
    old: Callable[[Any], int],
    page: tuple[str, str, str],
) -> Callable[[Path], AbstractContextManager[Three]]:
    """A row of an older table, how the older function counted in it, and how its page asks us."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Three]:
        laptop = on_laptop("aws")(folder, containers=1, config={**CONFIG, "TABLE_NAME": "Older", **config})
        with running(laptop) as loop:
            client = laptop.engine.client()
            client.put_item(TableName="Older", Item=row)
            way, method, target = page
            ask = laptop.entrypoints[way].http
            yield lambda: old(client), *asking(lambda call: loop.run(ask(call)), method, target)

    return opened


def puts(client: Any) -> int:
    """The HTTP API's function: it reads the item and puts a whole one in its place."""
    key = {"SiteName": {"S": "Resume"}}
    count = int(client.get_item(TableName="Older", Key=key, ConsistentRead=True)["Item"]["Count"]["N"]) + 1
    client.put_item(TableName="Older", Item={**key, "Count": {"N": str(count)}})
    return count


def adds(key: Mapping[str, Any], name: str, more: str = "", values: Mapping[str, Any] | None = None) -> Any:
    """A REST API's function: it adds one to an attribute."""

    def old(client: Any) -> int:
        answer = client.update_item(
            TableName="Older",
            Key=key,
            UpdateExpression=f"ADD #count :one {more}",
            ExpressionAttributeNames={"#count": name},
            ExpressionAttributeValues={":one": {"N": "1"}, **(values or {})},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"][name]["N"])

    return old


MAIN = {"counter_id": {"S": "main_counter"}}
LONG_AGO = {"ItemExpireTTL": {"N": "1600000000"}, "last_updated": {"S": "2020-09-13T12:26:40.123456"}}
FIVE: Mapping[str, Callable[[Path], AbstractContextManager[Three]]] = {
    "Oracle Function": oracle,
    "Azure Function": azure,
    "AWS HTTP API": on_aws(
        {"SiteName": {"S": "Resume"}, "Count": {"N": str(START)}},
        {"TABLE_KEY": "SiteName", "COUNTER_ID": "Resume", "COUNTER_PATHS": "ResumeSiteCounter"},
        puts, ("HTTP API", "GET", "/ResumeSiteCounter"),
    ),
    "AWS REST API, POST counts": on_aws(
        {"visitorCount": {"S": "visitorCount"}, "visits": {"N": str(START)}},
        {"TABLE_KEY": "visitorCount", "COUNTER_ID": "visitorCount", "COUNT_ATTRIBUTE": "visits", "COUNT_ON": "POST"},
        adds({"visitorCount": {"S": "visitorCount"}}, "visits"), ("REST API", "POST", "/counter"),
    ),
    "AWS REST API, blue and green": on_aws(
        {**MAIN, "visit_count": {"N": str(START)}, "created_date": {"S": "2020-01-01"}, **LONG_AGO},
        {"COUNTER_ID": "main_counter"},
        adds(MAIN, "visit_count", "SET last_updated = :now", {":now": {"S": "2026-01-01T00:00:00"}}),
        ("REST API", "GET", "/counter"),
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("which", FIVE)
def test_side_by_side_then_alone_then_back(which: str, tmp_path: Path) -> None:
    """For 100 visits old function and ours take turns, then ours counts alone, then the old one does again. At every
    turn the owner sees what was counted, and from there each page is shown one more than the one before."""
    with FIVE[which](tmp_path) as (old, ours, look):
        by_turns = [visit() for visit in [old, ours, ours, old] * 25]
        turns = [look()]
        alone = [ours() for _ in range(20)]
        turns.append(look())
        back = [old() for _ in range(10)]
        turns.append(look())

    assert max(by_turns) <= START + 100
    assert turns == [START + 100, START + 120, START + 130]
    assert alone == list(range(START + 101, START + 121))
    assert back == list(range(START + 121, START + 131))


@pytest.mark.slow
@pytest.mark.parametrize("cloud", ["oracle", "aws", "azure"])
def test_the_bare_address_counts_behind_a_gateway(cloud: str, tmp_path: Path) -> None:
    """With COUNTER_PATHS=/ the address of a gateway counts, with and without a last slash; any other is not found."""
    with ExitStack() as stack:
        config = {**CONFIG, "COUNTER_PATHS": "/"}
        if cloud == "oracle":
            url = stack.enter_context(Serving(tmp_path, containers=1, config=config)).url
        else:
            url = stack.enter_context(Hosting(on_laptop(cloud)(tmp_path, containers=1, config=config))).url
        counts = [json.load(urlopen(f"{url}{path}", timeout=60))["count"] for path in ("/v1/", "/v1", "/v1/?vid=x")]
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{url}/v1/elsewhere", timeout=60)
        refused.value.close()

    assert counts == [1, 2, 3]
    assert refused.value.code == 404


def expired(client: Any) -> list[Any]:
    """Delete what DynamoDB would: items whose ItemExpireTTL is over. What is left."""
    for item in client.scan(TableName="Older", ConsistentRead=True)["Items"]:
        if int(item.get("ItemExpireTTL", {"N": "9" * 10})["N"]) < time.time():
            client.delete_item(TableName="Older", Key={"counter_id": item["counter_id"]})
    return list(client.scan(TableName="Older", ConsistentRead=True)["Items"])


def test_an_item_that_had_expired_is_not_lost(tmp_path: Path) -> None:
    """/health warns of an item's expiry; the first visit takes it out, so that nothing deletes the count any more, and
    keeps last_updated in step as it stands there."""
    laptop = on_laptop("aws")(tmp_path, containers=1, config={"TABLE_NAME": "Older", "COUNTER_ID": "main_counter"})
    with running(laptop) as loop:
        client = laptop.engine.client()
        client.put_item(TableName="Older", Item={**MAIN, "visit_count": {"N": "123"}, **LONG_AGO})

        def told(route: str) -> dict[str, Any]:
            answer = loop.run(laptop.entrypoint.http(HttpCall("GET", route, BROWSER, b"", "127.0.0.1")))
            return dict(json.loads(answer.body))

        warned, counted, healthy = told("/health"), told("/counter"), told("/health")
        (item,) = expired(client)
        again = told("/counter")

    assert any("ItemExpireTTL" in warning for warning in warned["warnings"])
    assert not any("ItemExpireTTL" in warning for warning in healthy["warnings"])
    assert (counted["count"], again["count"], item["visit_count"]["N"]) == (124, 125, "124")
    assert item["last_updated"] == {"S": counted["timestamp"]}
