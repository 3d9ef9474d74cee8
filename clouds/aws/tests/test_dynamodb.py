"""The counter in one table: the real SDK, a real engine, and between the two whatever can go wrong."""

from __future__ import annotations

import itertools
import json
import math
import socket
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from dripping import DRIP, DRIP_SECONDS, dripping
from engines import cannot

from clouds import packing
from clouds.aws.function import item as stored_item
from clouds.aws.function.client import connect
from clouds.aws.function.dynamodb import BATCH, DynamoDB
from clouds.aws.laptop import dynoxide
from clouds.aws.laptop.dynamodb_proxy import DynamoDBProxy
from clouds.aws.laptop.dynoxide import CREDENTIALS, REGION, SESSION, Dynoxide
from counter.document import NotACounter, decode
from counter.store import PAGE, Conflict, CorruptDocument, Misconfigured, Unavailable
from counter.tally import Limits, Tally, Visit
from counter_store import CounterStore
from local.loop_thread import running

TIMEOUT = 5.0
DAY = "2026-11-20"
OLDER = ("visit_count", "count", "Count", "visitorCount")
Item = dict[str, Any]


@pytest.fixture(scope="module")
def engine() -> Iterator[Dynoxide]:
    """Run the engine, for all tests of this file."""
    cannot(dynoxide.missing())
    engine = Dynoxide()
    with running(engine):
        yield engine


@pytest.fixture(scope="module")
def wire(engine: Dynoxide) -> Iterator[DynamoDBProxy]:
    """Stand between the SDK and the engine, for all tests of this file."""
    proxy = DynamoDBProxy(engine.url)
    with running(proxy):
        yield proxy


@pytest.fixture
def proxy(wire: DynamoDBProxy) -> Iterator[DynamoDBProxy]:
    """Return it with nothing counted, and nothing wrong afterwards."""
    wire.requests.clear()
    yield wire
    wire.fault = lambda operation: None


@pytest.fixture
def table(engine: Dynoxide) -> str:
    """Return the name of an empty table."""
    name = f"t-{uuid.uuid4().hex}"
    engine.create_table(name)
    return name


@pytest.fixture
def documents(engine: Dynoxide, proxy: DynamoDBProxy, table: str) -> DynamoDB:
    """Return the empty table as the counter sees it, behind the proxy."""
    return DynamoDB(engine.client(proxy.url), table, "counter")


@pytest.fixture
def admin(engine: Dynoxide) -> Any:
    """Return a client for whoever looks into tables."""
    return engine.client()


def put(admin: Any, table: str, **attributes: Any) -> Item:
    """Store an item as the counter's, and return it."""
    item = {"counter_id": {"S": "counter"}, **attributes}
    admin.put_item(TableName=table, Item=item)
    return item


def stored(admin: Any, table: str) -> Item:
    """Return the counter's item as it is stored."""
    answer = admin.get_item(TableName=table, Key={"counter_id": {"S": "counter"}}, ConsistentRead=True)
    return dict(answer["Item"])


def add_one(admin: Any, table: str, name: str) -> int:
    """Count as an older counter does, and return its number."""
    answer = admin.update_item(
        TableName=table,
        Key={"counter_id": {"S": "counter"}},
        UpdateExpression="ADD #number :one",
        ExpressionAttributeNames={"#number": name},
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    return int(answer["Attributes"][name]["N"])


def keep(documents: DynamoDB, *ids: str) -> Tally:
    """Keep a visit of each id in a container of its own, and return the last tally."""
    tally = None
    store = CounterStore(documents, Limits())
    for visit in ids:
        tally = store.keep(Visit(visit, DAY), time.time(), time.monotonic() + TIMEOUT)
    assert tally is not None
    return tally


def test_the_numbers_can_be_read_in_the_console(documents: DynamoDB, admin: Any, table: str) -> None:
    """Beside the compressed document the totals stand as plain numbers, those of the document."""
    tally = keep(documents, "a", "b", "c")
    item = stored(admin, table)

    assert [int(item[name]["N"]) for name in ("pageviews", "uniqueVisitors")] == [3, 0]
    assert int(item["updatedAt"]["N"]) == tally.updated_at
    assert json.loads(zlib.decompress(item["document"]["B"]))["pageviews"] == 3
    assert item.keys() == {"counter_id", "version", "document", "pageviews", "uniqueVisitors", "updatedAt"}


@pytest.mark.parametrize("name", OLDER)
def test_an_older_counter_s_row_is_picked_up(documents: DynamoDB, admin: Any, table: str, name: str) -> None:
    """Its number goes on, under its own name as well, and whatever else the row has stays as it was."""
    others = {"site": {"S": "mine"}, "tags": {"SS": ["x", "y"]}, "pageViews": {"N": "1"}, "flag": {"BOOL": True}}
    put(admin, table, **{name: {"N": "41"}}, **others)
    tally = keep(documents, "a", "b")
    item = stored(admin, table)

    assert tally.pageviews == 43
    assert (item[name]["N"], item["pageviews"]["N"]) == ("43", "43")
    assert {key: item[key] for key in others} == others


@pytest.mark.parametrize("name", OLDER)
def test_an_older_counter_may_still_run(documents: DynamoDB, admin: Any, table: str, name: str) -> None:
    """What an older counter adds to its number, before the first write, after it, and at any time, is counted."""
    put(admin, table, **{name: {"N": "10"}})
    found = documents.read(TIMEOUT)
    assert found is not None
    add_one(admin, table, name)
    with pytest.raises(Conflict):
        documents.write(b'{"pageviews": 11}', found[1], TIMEOUT)
    clock = itertools.count(1_000_000, 10)  # no crowd: visits come ten seconds apart
    store = CounterStore(documents, Limits(), clock=lambda: float(next(clock)))
    for number in range(5):
        store.keep(Visit(f"visit-{number}", DAY), float(next(clock)), math.inf)
        assert add_one(admin, table, name) == 11 + 2 * (number + 1)

    assert CounterStore(documents, Limits()).read(time.monotonic() + TIMEOUT).pageviews == 21
    assert keep(documents, "last").pageviews == 22


def test_two_counters_in_a_race_lose_nothing(engine: Dynoxide, admin: Any, table: str) -> None:
    """An old and a new counter that count at the same time end at the sum of both."""
    put(admin, table, visit_count={"N": "100"})

    def old(_: int) -> int:
        return sum(bool(add_one(engine_client, table, "visit_count")) for _ in range(20))

    def new(container: int) -> int:
        store = CounterStore(DynamoDB(engine.client(), table, "counter"), Limits())
        for number in range(10):
            store.keep(Visit(f"{container}-{number}", DAY), time.time(), time.monotonic() + 10)
        return 10

    engine_client = engine.client()
    with ThreadPoolExecutor(4) as pool:
        added = [pool.submit(old, 0), pool.submit(new, 1), pool.submit(new, 2), pool.submit(new, 3)]
        counted = sum(future.result() for future in added)
    tally, _ = CounterStore(DynamoDB(admin, table, "counter"), Limits()).settle(time.time(), time.monotonic() + 10)

    assert (counted, tally.pageviews) == (50, 150)


PICKED_UP: dict[str, tuple[Item, str | None, int]] = {
    "a key and nothing else": ({}, None, 0),
    "no number yet": ({"site": {"S": "mine"}, "created_date": {"S": "2020-01-01"}}, None, 0),
    "no number, but an expiry": ({"ItemExpireTTL": {"N": "1"}, "last_updated": {"N": "1"}}, None, 0),
    "a number that is text": ({"visit_count": {"S": "41"}}, None, 41),
    "a number of another name": ({"hits": {"N": "41"}}, "hits", 41),
    "the named one of several": ({"hits": {"N": "41"}, "count": {"N": "7"}}, "hits", 41),
    "the named one, that is not there yet": ({"count": {"N": "7"}}, "hits", 0),
}


@pytest.mark.parametrize("kind", PICKED_UP)
def test_an_older_row_of_another_form_is_picked_up(documents: DynamoDB, admin: Any, table: str, kind: str) -> None:
    """A number that is text stays text, one that is missing is 0, and one of another name is found by COUNT_ATTRIBUTE;
    it is kept in step, and what else the row has stays."""
    item, attribute, count = PICKED_UP[kind]
    put(admin, table, **item)
    tally = keep(DynamoDB(documents._client, table, "counter", attribute=attribute), "a", "b")
    after = stored(admin, table)
    name = attribute or ("visit_count" if "visit_count" in item else None)

    assert tally.pageviews == count + 2
    assert name is None or list(after[name].items()) == [(*item.get(name, {"N": "0"}), str(count + 2))]
    assert {key: after.get(key) for key in item if key not in (name, "ItemExpireTTL", "last_updated")} == {
        key: value for key, value in item.items() if key not in (name, "ItemExpireTTL", "last_updated")
    }
    assert "ItemExpireTTL" not in after
    assert ("last_updated" in item) is ("last_updated" in after)


def test_a_named_number_is_there_from_the_first_visit(documents: DynamoDB, admin: Any, table: str) -> None:
    """In a table without the item COUNT_ATTRIBUTE is written too, so that an older function can go on from it."""
    keep(DynamoDB(documents._client, table, "counter", attribute="hits"), "a")

    assert stored(admin, table)["hits"] == {"N": "1"}
    assert add_one(admin, table, "hits") == 2
    assert keep(DynamoDB(documents._client, table, "counter", attribute="hits"), "b").pageviews == 3


STRANGE: dict[str, Item] = {
    "a number of a name that nobody knows": {"hits": {"N": "41"}},
    "a number that is no number": {"visit_count": {"S": "many"}},
    "a number below zero": {"count": {"N": "-1"}},
    "a fraction": {"visitorCount": {"N": "41.5"}},
    "a number too large": {"count": {"N": "1e30"}},
    "two numbers, and which is it": {"count": {"N": "1"}, "visit_count": {"N": "2"}},
    "a version without a document": {"version": {"S": "1"}, "count": {"N": "1"}},
    "a document of another type": {"version": {"S": "1"}, "document": {"N": "1"}},
    "a document that is cut off": {"version": {"S": "1"}, "document": {"B": zlib.compress(b'{"count": 1}')[:-6]}},
    "a document that is rubbish": {"version": {"S": "1"}, "document": {"B": b"rubbish"}},
    "a document that is no counter": {"version": {"S": "1"}, "document": {"B": zlib.compress(b'{"counts": 1}')}},
    "a bomb": {"version": {"S": "1"}, "document": {"B": zlib.compress(b" " * (packing.MAX_UNPACKED + 1))}},
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_counter_is_refused_untouched(documents: DynamoDB, admin: Any, table: str, kind: str) -> None:
    """A row that cannot be a counter's, or a damaged one, is said to be damaged and stays exactly as it is."""
    put(admin, table, **STRANGE[kind])
    before = stored(admin, table)
    with pytest.raises(CorruptDocument):
        keep(documents, "a")

    assert stored(admin, table) == before


REPAIRABLE: dict[str, dict[str, Any]] = {
    "two older counters": {"count": {"N": "3"}, "visit_count": {"N": "4"}},
    "a number of a name that nobody knows": {"hits": {"N": "41"}},
    "a document that lost itself": {"document": {"B": b"x"}},
    "a version without a document": {"version": {"N": "3"}},
    "an empty version": {"version": {"S": ""}, "document": {"S": "?"}},
    "a document of another type": {"version": {"S": "1"}, "document": {"SS": ["x"]}},
}


@pytest.mark.parametrize("kind", REPAIRABLE)
def test_what_was_refused_can_be_repaired(documents: DynamoDB, admin: Any, table: str, kind: str) -> None:
    """An item that is no counter reads as something that is none, never as nothing; its owner may write over it."""
    admin.put_item(TableName=table, Item={"counter_id": {"S": "counter"}, **REPAIRABLE[kind]})
    found = documents.read(TIMEOUT)
    assert found is not None
    with pytest.raises(NotACounter):
        decode(found[0], 0)
    documents.write(b'{"pageviews": 7, "uniqueVisitors": 2, "seen": []}', found[1], TIMEOUT)
    repaired = documents.read(TIMEOUT)

    assert repaired is not None
    assert json.loads(repaired[0])["pageviews"] == 7


def test_a_document_can_be_put_back_by_hand(documents: DynamoDB, admin: Any, table: str) -> None:
    """A document pasted as plain text is understood, and a container that remembers another does not write over it."""
    store = CounterStore(documents, Limits())
    store.keep(Visit("a", DAY), time.time(), time.monotonic() + TIMEOUT)
    put(admin, table, version={"S": "put back"}, document={"S": '{"pageviews": 500, "uniqueVisitors": 7, "seen": []}'})
    tally = store.keep(Visit("b", DAY), time.time(), time.monotonic() + TIMEOUT)

    assert tally is not None
    assert (tally.pageviews, tally.unique) == (501, 7)
    assert stored(admin, table)["pageviews"]["N"] == "501"


@pytest.mark.parametrize("version", [{}, {"version": {"N": "3"}}, {"version": {"S": ""}}, {"version": {"NULL": True}}])
def test_a_document_is_carried_on_whatever_its_version(
    documents: DynamoDB, admin: Any, table: str, version: dict[str, Any]
) -> None:
    """Who put the document back need not know what a version is; of two who then write at once, one does."""
    put(admin, table, document={"S": '{"pageviews": 500, "uniqueVisitors": 7, "seen": []}'}, **version)
    found = documents.read(TIMEOUT)
    assert found is not None
    documents.write(b'{"pageviews": 501, "uniqueVisitors": 7, "seen": []}', found[1], TIMEOUT)
    with pytest.raises(Conflict):
        documents.write(b'{"pageviews": 502, "uniqueVisitors": 7, "seen": []}', found[1], TIMEOUT)

    assert json.loads(found[0])["pageviews"] == 500
    assert stored(admin, table)["pageviews"]["N"] == "501"


def test_a_version_does_not_come_back_with_a_new_item(documents: DynamoDB, admin: Any, table: str) -> None:
    """If the item was deleted and created again, what was remembered of the first is out of date."""
    first = documents.write(b'{"count": 1}', None, TIMEOUT)
    admin.delete_item(TableName=table, Key={"counter_id": {"S": "counter"}})
    second = documents.write(b'{"count": 1}', None, TIMEOUT)
    with pytest.raises(Conflict):
        documents.write(b'{"count": 2}', first, TIMEOUT)

    assert documents.read(TIMEOUT) == (b'{"count": 1}', second)


def test_the_largest_document_fits(documents: DynamoDB, proxy: DynamoDBProxy) -> None:
    """Hashes do not compress, and still the largest document the counter writes fits with room to spare; one that does
    not is refused before anything is sent."""
    chance = Random(1)
    seen = [chance.randbytes(32).hex() for _ in range(1000)]
    days = {f"2{number:03}-01-01": {"pageviews": chance.randrange(10**9)} for number in range(800)}
    data = json.dumps({"pageviews": 1, "uniqueVisitors": 1, "seen": seen, "days": days}).encode()
    version = documents.write(data, None, TIMEOUT)
    proxy.requests.clear()
    with pytest.raises(Misconfigured):
        documents.write(chance.randbytes(stored_item.MAX_BYTES + 1), version, TIMEOUT)

    assert len(packing.pack(data)) < stored_item.MAX_BYTES / 4
    assert documents.read(TIMEOUT) == (data, version)
    assert proxy.requests["UpdateItem"] == 0


def test_counters_share_a_table(engine: Dynoxide, admin: Any, table: str) -> None:
    """Each counter in a table has its own document and its own journal, one's name within another's too."""
    one, other = (DynamoDB(engine.client(), table, name) for name in ("counter", "counter.journal"))
    one.append("a", TIMEOUT)
    other.append("b", TIMEOUT)
    one.write(b'{"count": 1}', None, TIMEOUT)

    assert other.read(TIMEOUT) is None
    assert (one.entries(TIMEOUT), other.entries(TIMEOUT)) == (["a"], ["b"])


def test_a_listing_reads_on(documents: DynamoDB, admin: Any, table: str, proxy: DynamoDBProxy) -> None:
    """Where a table has more than one answer holds, entries behind that are found too."""
    entries = {f"2026-11-20.{number}.-.-" for number in range(40)}
    for entry in entries:
        documents.append(entry, TIMEOUT)
    for number in range(8):
        filler = {"counter_id": {"S": f"else-{number}"}, "what": {"B": b"x" * 390_000}}
        admin.put_item(TableName=table, Item=filler)

    assert set(documents.entries(TIMEOUT)) == entries
    assert proxy.requests["Scan"] > 1


def test_one_call_is_one_request(documents: DynamoDB, proxy: DynamoDBProxy) -> None:
    """Each call makes one request, a full page of entries is removed 25 at a time, and a conflict is not sent again."""
    documents.read(TIMEOUT)
    version = documents.write(b"1", None, TIMEOUT)
    documents.write(b"2", version, TIMEOUT)
    with pytest.raises(Conflict):
        documents.write(b"3", version, TIMEOUT)
    documents.append("a", TIMEOUT)
    documents.entries(TIMEOUT)
    documents.remove([f"e{number}" for number in range(PAGE)], 4 * TIMEOUT)

    asked = {"GetItem": 1, "UpdateItem": 3, "PutItem": 1, "Scan": 1, "BatchWriteItem": PAGE // BATCH}
    assert asked == proxy.requests


OPERATIONS: dict[str, Callable[[DynamoDB, float], object]] = {
    "read": lambda documents, timeout: documents.read(timeout),
    "create": lambda documents, timeout: documents.write(b"{}", None, timeout),
    "write": lambda documents, timeout: documents.write(b"{}", "version", timeout),
    "append": lambda documents, timeout: documents.append("a", timeout),
    "entries": lambda documents, timeout: documents.entries(timeout),
    "remove": lambda documents, timeout: documents.remove(["a"], timeout),
}
ANSWERS: dict[str, tuple[type[Exception], bool | None]] = {
    "400 ResourceNotFoundException": (Misconfigured, None),
    "400 AccessDeniedException": (Misconfigured, None),
    "400 UnrecognizedClientException": (Misconfigured, None),
    "400 ExpiredTokenException": (Misconfigured, None),
    "400 ValidationException": (Misconfigured, None),
    "400 SomethingNewException": (Misconfigured, None),
    "400 ThrottlingException": (Unavailable, False),
    "400 ProvisionedThroughputExceededException": (Unavailable, False),
    "400 RequestLimitExceeded": (Unavailable, False),
    "500 InternalServerError": (Unavailable, True),
    "503 ServiceUnavailable": (Unavailable, True),
    "drop": (Unavailable, True),
    "lose": (Unavailable, True),
    "hang": (Unavailable, True),
}


@pytest.mark.parametrize("fault", ANSWERS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_goes_wrong_is_translated(documents: DynamoDB, proxy: DynamoDBProxy, operation: str, fault: str) -> None:
    """Each failure becomes the error that tells the loop what to do: after one request, in the time there was, and in
    words that name nothing."""
    proxy.fault = lambda _: fault
    kind, unclear = ANSWERS[fault]
    begun = time.monotonic()
    with pytest.raises(kind) as raised:
        OPERATIONS[operation](documents, 0.3 if fault == "hang" else TIMEOUT)

    assert time.monotonic() - begun < 15  # an engine that hangs would never answer
    assert getattr(raised.value, "in_doubt", None) is unclear
    assert proxy.requests.total() == 1
    assert raised.value.__cause__ is not None
    assert not {"somebody", "counter.journal", "127.0.0.1"} & set(str(raised.value).split())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_answer_that_drips_is_left_in_time(table: str, operation: str) -> None:
    """An answer that arrives byte by byte takes no longer than the call may, and leaves a doubt."""
    with dripping(DRIP) as url:
        client = connect("dynamodb", REGION, url, seconds=3, session=SESSION)
        begun = time.monotonic()
        with pytest.raises(Unavailable) as left:
            OPERATIONS[operation](DynamoDB(client, table, "counter"), 0.3)

    assert time.monotonic() - begun < DRIP_SECONDS / 2
    assert left.value.in_doubt is True


NO_ANSWERS = (b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nx-amz-crc32: z\r\n\r\n{}", b"junk")


@pytest.mark.parametrize("answer", NO_ANSWERS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_no_answer_leaves_a_doubt(table: str, operation: str, answer: bytes) -> None:
    """Whatever the SDK makes of an answer that is cut or no HTTP, the request may have been done."""
    with dripping(answer, 0.0) as url:
        client = connect("dynamodb", REGION, url, seconds=3, session=SESSION)
        with pytest.raises(Unavailable) as left:
            OPERATIONS[operation](DynamoDB(client, table, "counter"), TIMEOUT)

    assert left.value.in_doubt is True


def test_nothing_was_sent_where_nobody_listens(table: str) -> None:
    """A connection that is refused leaves no doubt."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = connect("dynamodb", REGION, f"http://127.0.0.1:{port}", seconds=3, session=SESSION)
    for operation in OPERATIONS.values():
        with pytest.raises(Unavailable) as refused:
            operation(DynamoDB(client, table, "counter"), 1.0)
        assert refused.value.in_doubt is False


def test_without_an_identity_nothing_is_asked(engine: Dynoxide, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function without credentials is told that its role is missing."""
    session = botocore.session.Session()
    session.get_component("credential_provider").providers.clear()
    client = connect("dynamodb", REGION, engine.url, seconds=3, session=session)
    with pytest.raises(Misconfigured) as refused:
        DynamoDB(client, "table", "counter").read(1.0)

    assert isinstance(refused.value.__cause__, BotoCoreError)


@pytest.mark.parametrize("fault", ["cut", "200 {broken"])
def test_half_an_answer_is_none(documents: DynamoDB, proxy: DynamoDBProxy, fault: str) -> None:
    """An answer that did not arrive whole is unclear; it never means that there is no document."""
    documents.write(b'{"count": 1}', None, TIMEOUT)
    proxy.fault = lambda operation: fault
    for operation in OPERATIONS.values():
        with pytest.raises(Unavailable) as unclear:
            operation(documents, TIMEOUT)
        assert unclear.value.in_doubt


def test_a_time_that_is_over_asks_nothing(documents: DynamoDB, proxy: DynamoDBProxy) -> None:
    """Without time left no request is made."""
    for operation in OPERATIONS.values():
        with pytest.raises(Unavailable):
            operation(documents, 0.0)

    assert proxy.requests.total() == 0


def test_entries_that_were_not_removed_are_told(documents: DynamoDB, proxy: DynamoDBProxy, table: str) -> None:
    """DynamoDB may do a part of a batch and say which was left."""
    left = {table: [{"DeleteRequest": {"Key": {"counter_id": {"S": "counter.journal/a"}}}}]}
    proxy.fault = lambda operation: f"200 {json.dumps({'UnprocessedItems': left})}"
    with pytest.raises(Unavailable) as unclear:
        documents.remove(["a", "b"], TIMEOUT)

    assert unclear.value.in_doubt


def losing(share: float, seed: int = 1) -> Callable[[str], str | None]:
    """Return a fault that loses that share of the answers to writes, after they were done."""
    chance = Random(seed)
    return lambda operation: "lose" if operation == "UpdateItem" and chance.random() < share else None


@pytest.mark.slow
def test_a_lost_answer_is_one_visit(engine: Dynoxide, proxy: DynamoDBProxy, table: str) -> None:
    """Sixteen containers at once, one answer in five lost after the write was done: each acknowledged visit is counted
    exactly once."""
    proxy.fault = losing(0.2)

    def count(container: int) -> tuple[int, int]:
        store = CounterStore(DynamoDB(engine.client(proxy.url), table, "counter"), Limits())
        kept = unclear = 0
        for number in range(10):
            try:
                store.keep(Visit(f"{container}-{number}", DAY), time.time(), time.monotonic() + 10)
                kept += 1
            except Conflict:
                pass  # refused: five attempts met others
            except Unavailable as error:
                unclear += error.in_doubt
        return kept, unclear

    with ThreadPoolExecutor(16) as containers:
        told = list(containers.map(count, range(16)))
    kept, unclear = (sum(numbers) for numbers in zip(*told, strict=True))
    proxy.fault = lambda operation: None
    fresh = DynamoDB(engine.client(), table, "counter")
    tally, _ = CounterStore(fresh, Limits()).settle(time.time(), time.monotonic() + 10)

    assert kept <= tally.pageviews <= kept + unclear
    assert kept >= 150
    assert fresh.entries(TIMEOUT) == []


def test_a_bare_add_counts_a_lost_answer_twice(engine: Dynoxide, proxy: DynamoDBProxy, admin: Any, table: str) -> None:
    """What this counter does not do, and why: the SDK repeats an ADD whose answer was lost, and it adds again."""
    proxy.fault = losing(0.2)
    plain = botocore.session.get_session().create_client(
        "dynamodb",
        region_name=REGION,
        endpoint_url=proxy.url,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"mode": "standard"}),
    )
    put(admin, table, count={"N": "0"})
    for _ in range(60):
        add_one(plain, table, "count")
    plain.close()

    assert proxy.requests["UpdateItem"] == int(stored(admin, table)["count"]["N"])
    assert int(stored(admin, table)["count"]["N"]) > 66
