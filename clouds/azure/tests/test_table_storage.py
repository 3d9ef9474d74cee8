"""The document and the journal in an Azure table: the real SDK in front of Microsoft's own engine, and of a server that
says whatever a test tells it to."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from azure.data.tables import EdmType, EntityProperty, TableClient, UpdateMode
from dripping import DRIP, DRIP_SECONDS, dripping
from engines import cannot

from clouds.azure.function.row import MAX_CHUNKS, TooLarge, document, row
from clouds.azure.function.table_storage import OPTIONS, TableStorage
from clouds.azure.laptop.azurite import ACCOUNT, KEEPALIVE, KEY, Azurite, missing
from counter.store import PAGE, Conflict, CorruptDocument, Misconfigured, Unavailable
from counter.tally import Limits, Visit
from counter_store import CounterStore
from local.engine_proxy import EngineProxy
from local.loop_thread import running

CONNECTION = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
TIMEOUT = 5.0
DAY = "2026-11-20"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Run the real engine, for all tests of this file."""
    cannot(missing())
    engine = Azurite(tmp_path_factory.mktemp("azurite"))
    with running(engine):
        yield engine


@contextmanager
def client(connection: str, name: str = "VisitorCounter") -> Iterator[TableClient]:
    """Open a container's own client of a table."""
    with TableClient.from_connection_string(connection, name, **OPTIONS) as table:
        yield table


@pytest.fixture
def name() -> str:
    """Return the name of a table that nobody has."""
    return f"t{uuid.uuid4().hex}"


@pytest.fixture
def table(engine: Azurite, name: str) -> Iterator[TableClient]:
    """Return a client of an empty table."""
    with client(engine.connection_string(), name) as table:
        table.create_table()
        yield table


def kept(table: TableClient) -> dict[str, Any]:
    """Return the row that holds the document."""
    return table.get_entity("counter", "1")


def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes that cannot be compressed."""
    return random.Random(seed).randbytes(size)


class TestTheRow:
    """What the row looks like that holds the document."""

    def test_its_numbers_can_be_read(self, table: TableClient) -> None:
        """Whoever looks at the table sees the totals as plain numbers, and an older counter its `count`."""
        store = CounterStore(TableStorage(table), Limits())
        for number in range(3):
            store.keep(Visit(f"visit-{number}", DAY, "f" * 64), 1790000000.0, time.monotonic() + TIMEOUT)
        found = kept(table)

        assert (found["pageviews"], found["count"], found["uniqueVisitors"]) == (3, 3, 1)
        assert found["updatedAt"] == 1790000000
        assert {name: type(found[name]) for name in ("pageviews", "count")} == {"pageviews": int, "count": int}

    @pytest.mark.parametrize("size", [0, 1, 65_000, 65_536, 200_000, 900_000])
    def test_a_large_document_is_cut(self, table: TableClient, size: int) -> None:
        """A document of any size up to the limit comes back as it was, in chunks of at most 64 KB."""
        data = noise(size)
        version = TableStorage(table).write(data, None, TIMEOUT)
        found = kept(table)
        chunks = [value for name, value in found.items() if name.startswith("document")]

        assert TableStorage(table).read(TIMEOUT) == (data, version)
        assert len(chunks) == found["chunks"]
        assert max(map(len, chunks)) <= 65_536

    def test_an_older_chunk_is_never_mixed_in(self, table: TableClient) -> None:
        """A document that shrinks and grows again is always the one that was written last."""
        storage, version = TableStorage(table), None
        for seed, size in enumerate((300_000, 10, 100_000, 0, 200_000, 70_000)):
            data = noise(size, seed)
            version = storage.write(data, version, TIMEOUT)

            assert storage.read(TIMEOUT) == (data, version)

    def test_what_does_not_fit_is_refused(self, table: TableClient) -> None:
        """A document that a row cannot hold is an error of its own, and the one that is there stays."""
        version = TableStorage(table).write(b"first", None, TIMEOUT)
        with pytest.raises(TooLarge):
            row(noise(1_000_000))
        with pytest.raises(Misconfigured):
            TableStorage(table).write(noise(1_000_000), version, TIMEOUT)

        assert TableStorage(table).read(TIMEOUT) == (b"first", version)

    def test_the_owner_s_own_stays(self, table: TableClient) -> None:
        """What else the owner keeps in the row is never removed, whoever wrote before."""
        own = {"PartitionKey": "counter", "RowKey": "1", "note": "mine", "big": EntityProperty(2**40, EdmType.INT64)}
        table.create_entity({**own, "count": 7})
        one, other = TableStorage(table), TableStorage(table)
        _, version = one.read(TIMEOUT) or (b"", "")
        version = one.write(b'{"pageviews":8}', version, TIMEOUT)
        other.write(b'{"pageviews":9}', version, TIMEOUT)
        found = kept(table)

        assert (found["note"], found["big"], found["count"]) == ("mine", own["big"], 9)

    def test_a_large_total_stays_exact(self, table: TableClient) -> None:
        """A total beyond 32 bits is stored as it is."""
        TableStorage(table).write(b'{"pageviews":9007199254740991}', None, TIMEOUT)

        assert kept(table)["count"] == EntityProperty(9007199254740991, EdmType.INT64)


class TestAnOlderCounter:
    """The row `counter`/`1` as an older counter left it, or goes on writing it."""

    @pytest.mark.parametrize(
        "count", [7, EntityProperty(7, EdmType.INT64), 7.0, "7"], ids=["Int32", "Int64", "Double", "text"]
    )
    def test_its_count_is_picked_up(self, table: TableClient, count: object) -> None:
        """The page views of an older counter are where the new one begins, in whatever type they were kept."""
        table.create_entity({"PartitionKey": "counter", "RowKey": "1", "count": count})
        store = CounterStore(TableStorage(table), Limits())
        tally = store.keep(Visit("a", DAY, "f" * 64), time.time(), time.monotonic() + TIMEOUT)

        assert tally is not None
        assert (tally.pageviews, tally.unique) == (8, 1)
        assert kept(table)["count"] == 8

    def test_a_row_without_a_count_begins_at_0(self, table: TableClient) -> None:
        """A row that an older function has made and not counted in yet is a counter at 0."""
        table.create_entity({"PartitionKey": "counter", "RowKey": "1", "note": "mine"})
        store = CounterStore(TableStorage(table), Limits())
        tally = store.keep(Visit("a", DAY), time.time(), time.monotonic() + TIMEOUT)

        assert tally is not None
        assert (tally.pageviews, kept(table)["count"], kept(table)["note"]) == (1, 1, "mine")

    def test_it_loses_nothing_at_the_change(self, table: TableClient) -> None:
        """What the older one counts between our reading and our writing is not overwritten."""
        table.create_entity({"PartitionKey": "counter", "RowKey": "1", "count": 7})
        storage = TableStorage(table)
        _, version = storage.read(TIMEOUT) or (b"", "")
        table.update_entity({**kept(table), "count": 8}, UpdateMode.REPLACE)
        with pytest.raises(Conflict):
            storage.write(b'{"pageviews":8}', version, TIMEOUT)

        assert storage.read(TIMEOUT) is not None
        assert kept(table)["count"] == 8

    @pytest.mark.parametrize("mode", [UpdateMode.MERGE, UpdateMode.REPLACE], ids=["merging", "replacing"])
    def test_what_it_counts_meanwhile_is_counted(self, table: TableClient, mode: UpdateMode) -> None:
        """An older counter that still runs beside the new one loses no visit either, nor do they count one twice."""
        new = CounterStore(TableStorage(table), Limits())
        for number in range(4):
            new.keep(Visit(f"new-{number}", DAY, "f" * 64), time.time(), time.monotonic() + TIMEOUT)
            found = kept(table)
            table.update_entity({**found, "count": found["count"] + 1}, mode)
        tally = CounterStore(TableStorage(table), Limits()).read(time.monotonic() + TIMEOUT)

        assert (tally.pageviews, tally.unique) == (8, 1)

    @pytest.mark.parametrize(
        "strange",
        [
            {"count": "seven"},
            {"count": -1},
            {"count": 1.5},
            {"count": True},
            {"count": uuid.UUID(int=7)},
            {"visits": 7},
            {"count": 7, "chunks": 1},
            {"count": 7, "chunks": 2, "document0": zlib.compress(b'{"pageviews":7}')[:9]},
            {"count": 7, "chunks": 1, "document0": "text"},
            {"count": 7, "document0": zlib.compress(b'{"pageviews":7,"uniqueVisitors":2,"seen":[]}')},
            {"count": 7, "chunks": "one", "document0": b"x"},
            {"count": 7, "chunks": -1, "document0": b"x"},
            {"chunks": 1, "document0": zlib.compress(b"[]"), "count": 9, "pageviews": 7},
        ],
        ids=str,
    )
    def test_what_is_no_counter_is_left_alone(self, table: TableClient, strange: dict[str, Any]) -> None:
        """A row that makes no sense is refused, and not touched."""
        table.create_entity({"PartitionKey": "counter", "RowKey": "1", **strange})
        before = kept(table)
        store = CounterStore(TableStorage(table), Limits())
        with pytest.raises(CorruptDocument):
            store.keep(Visit("a", DAY), time.time(), time.monotonic() + TIMEOUT)
        after = kept(table)

        assert (after, after.metadata) == (before, before.metadata)  # type: ignore[attr-defined]

    def test_the_most_chunks_are_enough_for_a_row(self) -> None:
        """The row's limit is the table's own: as many chunks as fit in 1 MB with room for the rest."""
        largest = row(noise(MAX_CHUNKS * 65_536 - 2_000))

        assert sum(len(value) for value in largest.values() if isinstance(value, bytes)) < 2**20 - 65_536
        assert document(largest) == noise(MAX_CHUNKS * 65_536 - 2_000)


class TestTheTable:
    """The table itself, and its versions."""

    def test_it_is_made_at_first_need(self, engine: Azurite, name: str, caplog: pytest.LogCaptureFixture) -> None:
        """Where there is no table there is no document and no entry, and the first write makes it, and says so."""
        caplog.set_level("INFO", logger="visitor-counter")
        with client(engine.connection_string(), name) as absent:
            storage = TableStorage(absent)
            before = storage.read(TIMEOUT), storage.entries(TIMEOUT)
            storage.remove(["a"], TIMEOUT)
            with pytest.raises(Conflict):
                storage.write(b"x", "W/\"datetime'2026-11-20T10%3A00%3A00.0000000Z'\"", TIMEOUT)
            quiet = not caplog.records
            version = storage.write(b"first", None, TIMEOUT)

            assert before == (None, [])
            assert storage.read(TIMEOUT) == (b"first", version)
            assert quiet
            assert "TABLE_NAME" in caplog.text

    def test_many_make_it_at_once(self, engine: Azurite, name: str) -> None:
        """Eight first writes at the same moment make one table and one document."""

        def create(number: int) -> bool:
            with client(engine.connection_string(), name) as absent:
                try:
                    TableStorage(absent).write(b"%d" % number, None, TIMEOUT)
                except Conflict:
                    return False
                return True

        with ThreadPoolExecutor(8) as containers:
            created = sum(containers.map(create, range(8)))

        assert created == 1

    def test_a_version_does_not_come_back(self, table: TableClient) -> None:
        """A document that was deleted and created again with the same bytes has a new version."""
        storage, versions = TableStorage(table), set[str]()
        for _ in range(10):
            versions.add(storage.write(b"same", None, TIMEOUT))
            table.delete_entity("counter", "1")

        assert len(versions) == 10

    @pytest.mark.slow
    def test_counts_survive_a_restart(self, tmp_path: Path) -> None:
        """What the engine was told it still knows when it is started again."""
        cannot(missing())
        engine = Azurite(tmp_path)
        with running(engine), client(engine.connection_string()) as first:
            version = TableStorage(first).write(noise(100_000), None, TIMEOUT)
        with running(engine), client(engine.connection_string()) as second:
            assert TableStorage(second).read(TIMEOUT) == (noise(100_000), version)


class TestTheJournal:
    """Entries as rows of their own."""

    @pytest.mark.slow
    def test_every_page_is_listed(self, table: TableClient) -> None:
        """More entries than a page holds are all listed, in their order, and a page of them is removed at once."""
        names = [Visit(f"{number:05}", DAY, "f" * 64).entry() for number in range(PAGE + 5)]
        for at in range(0, len(names), 100):
            rows = [{"PartitionKey": "counter", "RowKey": f"journal-{entry}"} for entry in names[at : at + 100]]
            table.submit_transaction([("create", entry) for entry in rows])
        storage = TableStorage(table)
        listed = storage.entries(4 * TIMEOUT)
        storage.remove(listed[:PAGE], 4 * TIMEOUT)

        assert listed == names
        assert storage.entries(4 * TIMEOUT) == names[PAGE:]

    def test_the_longest_key_keeps_azure_s_limits(self, table: TableClient) -> None:
        """A key has at most 512 UTF-16 units and no forbidden character; the engine of the tests takes longer ones."""
        entry = Visit("v" * 12, DAY, page="/" + "\u8a9e" * 66, source="h" * 96 + ".com").entry()
        for name in (entry, Visit("v" * 64, DAY, "f" * 64, "prefetch").entry()):
            TableStorage(table).append(name, TIMEOUT)
        keys = [found["RowKey"] for found in table.query_entities("PartitionKey eq 'counter'", select="RowKey")]

        assert max(len(key.encode("utf-16-le")) // 2 for key in keys) <= 512
        assert not set("".join(keys)) & set("/\\#?\t\n\r")
        assert entry in TableStorage(table).entries(TIMEOUT)

    def test_others_may_have_removed_some(self, table: TableClient) -> None:
        """A batch that fails because some of its rows are gone removes those that are not."""
        storage = TableStorage(table)
        names = [f"{number:03}" for number in range(120)]
        for entry in names[::3]:
            storage.append(entry, TIMEOUT)
        storage.append("kept", TIMEOUT)
        storage.append("0005", TIMEOUT)
        storage.remove([*names, *names], TIMEOUT)

        assert storage.entries(TIMEOUT) == ["0005", "kept"]

    @pytest.mark.slow
    def test_two_remove_the_same_at_once(self, engine: Azurite, table: TableClient, name: str) -> None:
        """Eight that remove the same entries at the same moment all succeed, and nothing is left."""
        storage = TableStorage(table)
        names = [f"{number:03}" for number in range(60)]
        for entry in names:
            storage.append(entry, TIMEOUT)

        def remove(start: int) -> None:
            with client(engine.connection_string(), name) as own:
                TableStorage(own).remove(names[start:], TIMEOUT)

        with ThreadPoolExecutor(8) as containers:
            list(containers.map(remove, range(0, 40, 5)))

        assert storage.entries(TIMEOUT) == []


Operation = Callable[[TableStorage, float], object]
OPERATIONS: dict[str, Operation] = {
    "read": lambda storage, timeout: storage.read(timeout),
    "create": lambda storage, timeout: storage.write(b"{}", None, timeout),
    "write": lambda storage, timeout: storage.write(b"{}", 'W/"version"', timeout),
    "append": lambda storage, timeout: storage.append("a", timeout),
    "entries": lambda storage, timeout: storage.entries(timeout),
    "remove": lambda storage, timeout: storage.remove(["a"], timeout),
}
ANSWERS: dict[tuple[int, str] | str, tuple[type[Exception], bool | None]] = {
    (400, "InvalidInput"): (Misconfigured, None),
    (401, "NoAuthenticationInformation"): (Misconfigured, None),
    (403, "AuthenticationFailed"): (Misconfigured, None),
    (403, "AuthorizationPermissionMismatch"): (Misconfigured, None),
    (404, "NotFound"): (Misconfigured, None),
    (409, "TableBeingDeleted"): (Unavailable, False),
    (429, "TooManyRequests"): (Unavailable, False),
    (500, "InternalError"): (Unavailable, True),
    (500, "OperationTimedOut"): (Unavailable, True),
    (503, "ServerBusy"): (Unavailable, True),
    (302, "Found"): (Unavailable, True),
    "drop": (Unavailable, True),
    "hang": (Unavailable, True),
}

SILENCE_SECONDS = 60.0
"""How long a server that hangs keeps silent. A call that is bounded at all ends long before half of it."""


class Told:
    """A server that gives every request the same answer: a status and a code as a table words it, "drop", or "hang"."""

    def __init__(self) -> None:
        self.answer: tuple[int, str] | str = (200, "")
        self.requests = 0
        self._released = threading.Event()
        told = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                told.requests += 1
                self.rfile.read(int(self.headers.get("content-length") or 0))
                if isinstance(told.answer, str):
                    if told.answer == "hang":
                        told._released.wait(SILENCE_SECONDS)
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, code = told.answer
                message = {"lang": "en-US", "value": "the table of somebody"}
                body = json.dumps({"odata.error": {"code": code, "message": message}}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_PATCH = do_MERGE = do_DELETE = _answer

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)

    def open(self) -> AbstractContextManager[TableClient]:
        """Open a container's own client."""
        return client(CONNECTION + f"TableEndpoint=http://127.0.0.1:{self._server.server_port}/{ACCOUNT};")

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and let go whoever hangs."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """Run a server that says what it is told to."""
    with Told() as server:
        yield server


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_answer_has_its_error(told: Told, operation: str, answer: tuple[int, str] | str) -> None:
    """Each refusal becomes one of our errors after one request, tells what may have happened, and names nothing."""
    kind, unclear = ANSWERS[answer]
    told.answer, before = answer, told.requests
    with told.open() as table, pytest.raises(kind) as error:
        OPERATIONS[operation](TableStorage(table), 0.4 if answer == "hang" else 20.0)

    assert unclear == getattr(error.value, "in_doubt", None)
    assert told.requests - before == 1
    assert "somebody" not in str(error.value)
    assert ACCOUNT not in str(error.value)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_closed_port_was_sent_nothing(operation: str) -> None:
    """A connection that is refused leaves no doubt: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    address = f"TableEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    with client(CONNECTION + address) as table, pytest.raises(Unavailable) as error:
        OPERATIONS[operation](TableStorage(table), TIMEOUT)

    assert error.value.in_doubt is False


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_name_that_is_not_known_was_sent_nothing(operation: str) -> None:
    """A storage account that does not exist has no address, so nothing was sent."""
    address = "TableEndpoint=https://none.invalid/;"
    with client(CONNECTION + address) as table, pytest.raises(Unavailable) as error:
        OPERATIONS[operation](TableStorage(table), TIMEOUT)

    assert error.value.in_doubt is False


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_silent_store_is_left_in_time(told: Told, operation: str) -> None:
    """A store that does not answer is waited for as long as the call says, whatever is asked of it."""
    told.answer = "hang"
    with told.open() as table:
        start = time.monotonic()
        with pytest.raises(Unavailable):
            OPERATIONS[operation](TableStorage(table), 0.3)
        took = time.monotonic() - start

    assert 0.25 < took < SILENCE_SECONDS / 2


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_answer_that_drips_is_left_in_time(operation: str) -> None:
    """An answer that arrives byte by byte takes no longer than the call may, and leaves a doubt."""
    with dripping(DRIP) as url:
        start = time.monotonic()
        with client(f"{CONNECTION}TableEndpoint={url}/{ACCOUNT};") as table, pytest.raises(Unavailable) as left:
            OPERATIONS[operation](TableStorage(table), 0.6)

    assert time.monotonic() - start < DRIP_SECONDS / 2
    assert left.value.in_doubt is True


CREATED = b"HTTP/1.1 201 Created\r\n"


@pytest.mark.parametrize("answer", [CREATED + b"Content-Le", CREATED + b"Content-Length: 9\r\n\r\n{", b"junk"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_no_answer_leaves_a_doubt(operation: str, answer: bytes) -> None:
    """Whatever the SDK makes of an answer that is cut or no HTTP, the request may have been done."""
    with (
        dripping(answer, 0.0) as url,
        client(f"{CONNECTION}TableEndpoint={url}/{ACCOUNT};") as table,
        pytest.raises(Unavailable) as left,
    ):
        OPERATIONS[operation](TableStorage(table), TIMEOUT)

    assert left.value.in_doubt is True


def test_a_wrong_key_is_misconfigured(engine: Azurite, table: TableClient, name: str) -> None:
    """The engine's own words for a wrong key are an error of the owner's, never "no document"."""
    wrong = engine.connection_string().replace(KEY, KEY.replace("Eby8", "Eby9"))
    with client(wrong, name) as refused:
        for operation in OPERATIONS.values():
            with pytest.raises(Misconfigured):
                operation(TableStorage(refused), TIMEOUT)


@pytest.mark.slow
def test_a_race_loses_nothing(engine: Azurite, name: str) -> None:
    """Sixteen containers that count and settle at once have every visit acknowledged and counted once, the first
    included."""

    def count(container: int) -> None:
        with client(engine.connection_string(), name) as table:
            store = CounterStore(TableStorage(table), Limits())
            for number in range(8):
                visit = Visit(f"{container}-{number}", DAY, f"{container:064x}")
                store.keep(visit, time.time(), time.monotonic() + 28)
                if number == 5:
                    with suppress(Conflict, Unavailable):  # others may write meanwhile
                        store.settle(time.time(), time.monotonic() + 10)

    with ThreadPoolExecutor(16) as containers:
        list(containers.map(count, range(16)))
    with client(engine.connection_string(), name) as table:
        tally, _ = CounterStore(TableStorage(table), Limits()).settle(time.time(), time.monotonic() + 28)

        assert (tally.pageviews, tally.unique) == (16 * 8, 16)
        assert TableStorage(table).entries(TIMEOUT) == []


FAULTS = {
    "writes lost": ("lose", ("PATCH", "POST")),
    "answers lost": ("lose", ("GET", "PATCH", "POST")),
    "requests dropped": ("drop", ("GET", "PATCH", "POST")),
    "silence": ("hang", ("GET", "PATCH", "POST")),
}
"""What goes wrong with one request in five, and with which."""


class Impatient:
    """A table of which each request is given up after a second."""

    def __init__(self, table: TableClient) -> None:
        self._storage = TableStorage(table)

    def __getattr__(self, name: str) -> Any:
        """Return the port's method of this name, with a shorter timeout."""
        method = getattr(self._storage, name)
        return lambda *args: method(*args[:-1], min(args[-1], 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("faults", FAULTS)
def test_exactly_once(engine: Azurite, name: str, faults: str) -> None:
    """Whatever goes wrong with one request in five, before or after the engine acted, a visit counts exactly once."""
    fault, methods = FAULTS[faults]
    visits = 8 if fault == "hang" else 30
    chance = random.Random(7)

    def what(method: str) -> str | None:
        return fault if method in methods and chance.random() < 0.2 else None

    proxy = EngineProxy(engine.url, fault=what, keepalive=KEEPALIVE)

    def count(container: int) -> tuple[int, int]:
        counted = unclear = 0
        with client(engine.connection_string(proxy.url), name) as table:
            store = CounterStore(Impatient(table), Limits())
            for number in range(visits):
                visit = Visit(f"{container}-{number}", DAY, f"{container:064x}")
                try:
                    store.keep(visit, time.time(), time.monotonic() + 28)
                    counted += 1
                except Conflict:
                    pass  # refused: five attempts met others
                except Unavailable as error:
                    unclear += error.in_doubt
        return counted, unclear

    with running(proxy), ThreadPoolExecutor(4) as containers:
        told = list(containers.map(count, range(4)))
    counted, unclear = (sum(part) for part in zip(*told, strict=True))
    with client(engine.connection_string(), name) as table:
        tally, _ = CounterStore(TableStorage(table), Limits()).settle(time.time(), time.monotonic() + 10)

    assert counted <= tally.pageviews <= counted + unclear
    assert counted >= 0.9 * 4 * visits
    assert sum(proxy.requests.values()) > 4 * visits
    assert unclear or tally.pageviews == counted
