"""Every place where a counter is kept keeps the same promises: in memory, in SQLite, and the real SDK on the wire."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs

import pytest
from wire import Saying, object_store, signer

from counter_store import CounterStore
from documents import PAGE, Conflict, Documents, Misconfigured, Unavailable
from local.cloud import Seen
from local.faults import Faults
from local.memory import MemoryDocuments
from local.serving import BUCKET, Serving
from local.sqlite import SqliteDocuments
from object_storage import ObjectStorage
from tally import Limits, Visit

TIMEOUT = 5.0
ENTRIES = ("2026-11-20.b.-.-", "2026-11-20.a.-.-")
Place = Callable[[], Documents]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the stand-in alone, for all tests of this file."""
    with Serving(tmp_path_factory.mktemp("cloud"), gateway=False) as serving:
        yield serving


@pytest.fixture(scope="module")
def signing(here: Serving) -> Any:
    """Return what signs requests."""
    return signer(here.principal)


@pytest.fixture(params=["memory", "sqlite", "sdk"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Return what opens one and the same empty place again and again, as containers do."""
    if request.param == "memory":
        shared = MemoryDocuments()
        yield lambda: shared
        return
    here: Serving = request.getfixturevalue("here")
    name = f"{uuid.uuid4()}.json"
    if request.param == "sqlite":
        yield lambda: SqliteDocuments(here.objects, BUCKET, name)
        return
    signing = request.getfixturevalue("signing")
    with ExitStack() as opened:
        yield lambda: opened.enter_context(object_store(signing, here.cloud_url, name))


@pytest.fixture
def documents(place: Place) -> Documents:
    """Return an empty place."""
    return place()


def test_there_is_nothing_at_first(documents: Documents) -> None:
    """An absent document reads as None, and an empty journal lists nothing."""
    assert documents.read(TIMEOUT) is None
    assert documents.entries(TIMEOUT) == []


def test_what_was_created_is_read_with_its_version(documents: Documents) -> None:
    """Creating returns the version that reading returns with the same bytes."""
    data = bytes(range(256)) * 100
    version = documents.write(data, None, TIMEOUT)

    assert documents.read(TIMEOUT) == (data, version)
    assert isinstance(version, str)
    assert version


def test_a_second_create_conflicts(documents: Documents) -> None:
    """Creating is for the first one only, and changes nothing otherwise."""
    version = documents.write(b"first", None, TIMEOUT)
    with pytest.raises(Conflict):
        documents.write(b"second", None, TIMEOUT)

    assert documents.read(TIMEOUT) == (b"first", version)


def test_the_current_version_is_replaced(documents: Documents) -> None:
    """A write over the current version is what everybody reads afterwards."""
    version = documents.write(b"first", None, TIMEOUT)
    newer = documents.write(b"second", version, TIMEOUT)

    assert documents.read(TIMEOUT) == (b"second", newer)


def test_a_stale_version_conflicts(documents: Documents) -> None:
    """A write over an earlier version changes nothing."""
    stale = documents.write(b"first", None, TIMEOUT)
    version = documents.write(b"second", stale, TIMEOUT)
    with pytest.raises(Conflict):
        documents.write(b"third", stale, TIMEOUT)

    assert documents.read(TIMEOUT) == (b"second", version)


def test_a_missing_document_cannot_be_replaced(documents: Documents) -> None:
    """A write over a version conflicts where there is no document, and creates none."""
    with pytest.raises(Conflict):
        documents.write(b"first", "00000000-0000-0000-0000-000000000000", TIMEOUT)

    assert documents.read(TIMEOUT) is None


def test_a_version_never_comes_back(documents: Documents) -> None:
    """The same bytes written again and again get a new version each time."""
    versions = [documents.write(b"same", None, TIMEOUT)]
    for _ in range(10):
        versions.append(documents.write(b"same", versions[-1], TIMEOUT))

    assert len(set(versions)) == 11
    for stale in versions[:-1]:
        with pytest.raises(Conflict):
            documents.write(b"same", stale, TIMEOUT)


def test_an_entry_is_listed_by_its_name(documents: Documents) -> None:
    """The journal lists exactly what was added."""
    for entry in ENTRIES:
        documents.append(entry, TIMEOUT)

    assert sorted(ENTRIES) == sorted(documents.entries(TIMEOUT))


def test_an_entry_may_be_added_again(documents: Documents) -> None:
    """An entry that is there already is success, and still one entry."""
    for _ in range(3):
        documents.append(ENTRIES[0], TIMEOUT)

    assert documents.entries(TIMEOUT) == [ENTRIES[0]]


@pytest.mark.parametrize(
    "entry",
    [
        Visit("v" * 64, "2026-11-20", "f" * 64, "prefetch").entry(),
        Visit("-_-", "9999-12-31").entry(),
        Visit("01J0000000000000000000000Z", "2026-01-01", "0" * 64).entry(),
        "0",
        "a.b-c_d",
        "~!$&'()*+,;=:@",
        "a b",
        "100%25",
        "ä€😀",
        "?x=1#y",
        "deeper/down",
    ],
)
def test_names_pass_unchanged(documents: Documents, entry: str) -> None:
    """What may be in an object's name comes back as it was, and can be removed."""
    documents.append(entry, TIMEOUT)
    documents.append("kept", TIMEOUT)
    listed = documents.entries(TIMEOUT)
    documents.remove([entry], TIMEOUT)

    assert {entry, "kept"} == set(listed)
    assert documents.entries(TIMEOUT) == ["kept"]


def test_removing_leaves_the_others(documents: Documents) -> None:
    """Exactly the named entries go, and one that is gone already is no error."""
    for entry in "abcd":
        documents.append(entry, TIMEOUT)
    documents.remove(["a", "c", "never-was"], TIMEOUT)
    documents.remove(["a"], TIMEOUT)

    assert sorted(documents.entries(TIMEOUT)) == ["b", "d"]


def test_an_entry_may_come_back(documents: Documents) -> None:
    """An entry that was removed can be added again, as a late append does."""
    documents.append("a", TIMEOUT)
    documents.remove(["a"], TIMEOUT)
    documents.append("a", TIMEOUT)

    assert documents.entries(TIMEOUT) == ["a"]


def test_document_and_journal_are_apart(documents: Documents) -> None:
    """Entries do not make a document, nor change its version; the document is no entry."""
    documents.append("a", TIMEOUT)
    before = documents.read(TIMEOUT)
    version = documents.write(b"first", None, TIMEOUT)
    documents.append("b", TIMEOUT)
    documents.remove(["a"], TIMEOUT)

    assert before is None
    assert documents.read(TIMEOUT) == (b"first", version)
    assert documents.entries(TIMEOUT) == ["b"]


def test_containers_share_a_place(place: Place) -> None:
    """What one container did, the next request of another one sees."""
    one, other = place(), place()
    version = one.write(b"first", None, TIMEOUT)
    one.append("a", TIMEOUT)
    seen = other.read(TIMEOUT), other.entries(TIMEOUT)
    other.remove(["a"], TIMEOUT)

    assert seen == ((b"first", version), ["a"])
    assert one.entries(TIMEOUT) == []


def filled(here: Serving, name: str, count: int) -> list[str]:
    """Put that many entries into the journal of `name`, and return them."""
    journal = SqliteDocuments(here.objects, BUCKET, name)
    names = [f"2026-11-20.{number:05}.-.-" for number in range(count)]
    for entry in names:
        journal.append(entry, TIMEOUT)
    return names


@pytest.mark.parametrize("kind", ["memory", "sqlite", "sdk"])
def test_a_listing_shows_a_page(here: Serving, signing: Any, kind: str) -> None:
    """Of more entries than a page holds the first page is listed, and once it was removed the rest."""
    name = f"{kind}.json"
    names = filled(here, name, PAGE + 5)
    with object_store(signing, here.cloud_url, name) as wire:
        places: dict[str, Documents] = {
            "memory": MemoryDocuments(entries=names),
            "sqlite": SqliteDocuments(here.objects, BUCKET, name),
            "sdk": wire,
        }
        documents = places[kind]
        page = documents.entries(TIMEOUT)
        documents.remove(page, TIMEOUT)
        rest = documents.entries(TIMEOUT)

    assert names[:PAGE] == sorted(page)
    assert names[PAGE:] == sorted(rest)


def test_a_race_loses_nothing(place: Place) -> None:
    """Sixteen containers that count five visits each at once count eighty, the first write included."""
    barrier = threading.Barrier(16)

    def count(container: int) -> int:
        store = CounterStore(place(), Limits())
        barrier.wait()
        kept = 0
        for number in range(5):
            visit = Visit(f"{container}-{number}", "2026-11-20", f"{container:064x}")
            try:
                store.keep(visit, time.time(), time.monotonic() + 10)
            except Unavailable:
                continue
            kept += 1
        return kept

    with ThreadPoolExecutor(16) as containers:
        kept = sum(containers.map(count, range(16)))
    tally, _ = CounterStore(place(), Limits()).settle(time.time(), time.monotonic() + 10)

    assert kept == 80
    assert (tally.pageviews, tally.unique) == (80, 16)
    assert place().entries(TIMEOUT) == []


@pytest.fixture
def wire(here: Serving, signing: Any) -> Iterator[ObjectStorage]:
    """Return the real SDK in front of the stand-in, its record empty, faults over afterwards."""
    with object_store(signing, here.cloud_url, f"{uuid.uuid4()}.json") as storage:
        here.cloud.requests.clear()
        yield storage
    here.cloud.faults = Faults()


def only(here: Serving) -> Seen:
    """Return the one request that went over the wire since the last question."""
    (seen,) = here.cloud.requests
    here.cloud.requests.clear()
    return seen


def test_one_call_is_one_request(here: Serving, wire: ObjectStorage) -> None:
    """Each call makes one request, with the condition in its header and no `expect`."""
    wire.read(TIMEOUT)
    read = only(here)
    version = wire.write(b"{}", None, TIMEOUT)
    created = only(here)
    wire.write(b"{}", version, TIMEOUT)
    replaced = only(here)
    wire.append("a", TIMEOUT)
    appended = only(here)
    wire.entries(TIMEOUT)
    listed = only(here)
    wire.remove(["a", "b"], TIMEOUT)
    removed = only(here)

    every = [read, created, replaced, appended, listed, removed]
    assert [seen.kind for seen in every] == ["get", "put", "put", "put", "list", "delete"]
    assert [seen.headers.get("if-none-match") for seen in every] == [None, "*", None, "*", None, None]
    assert [None, None, version, None, None, None] == [seen.headers.get("if-match") for seen in every]
    assert {None} == {seen.headers.get("expect") for seen in every}
    assert {"application/json"} == {seen.headers["content-type"] for seen in (created, replaced, appended)}
    assert [seen.headers["content-length"] for seen in (created, replaced, appended)] == ["2", "2", "0"]
    assert created.path.removeprefix(f"/n/local/b/{BUCKET}/o/") + ".journal/a" == appended.path.removeprefix(
        f"/n/local/b/{BUCKET}/o/"
    ).replace("%2F", "/")
    assert [str(PAGE)] == parse_qs(listed.query)["limit"]


@pytest.mark.parametrize("condition", ["create", "replace"])
def test_a_conflict_is_one_request(here: Serving, wire: ObjectStorage, condition: str) -> None:
    """A refused condition is not tried again, and the connection is good for the next request."""
    wire.write(b"{}", None, TIMEOUT)
    here.cloud.requests.clear()
    with pytest.raises(Conflict):
        wire.write(b"x" * 5000, None if condition == "create" else "stale", TIMEOUT)
    refused = only(here)

    assert refused.status == 412
    assert wire.read(TIMEOUT) is not None


def test_the_connection_is_kept(here: Serving, wire: ObjectStorage) -> None:
    """Reads, writes and conflicts of one container go over one connection."""
    session = wire._client.base_client.session
    version = wire.write(b"{}", None, TIMEOUT)
    for _ in range(3):
        wire.read(TIMEOUT)
        version = wire.write(b"{}", version, TIMEOUT)
        with pytest.raises(Conflict):
            wire.write(b"{}", None, TIMEOUT)
        wire.append("a", TIMEOUT)
        wire.entries(TIMEOUT)
        wire.remove(["a"], TIMEOUT)
    pools = session.get_adapter(here.cloud_url).poolmanager.pools
    (pool,) = [pools[key] for key in pools.keys()]  # noqa: SIM118 - it is no mapping to iterate

    assert pool.num_connections == 1


def test_a_lost_answer_is_not_sent_again(here: Serving, wire: ObjectStorage) -> None:
    """Where the store acted and the answer was lost, the caller is told so after one request."""
    version = wire.write(b"1", None, TIMEOUT)
    here.cloud.requests.clear()
    for fault in ("lose-500", "lose-503", "lose-drop"):
        here.cloud.faults = Faults({f"put:{fault}": 1})
        with pytest.raises(Unavailable) as lost:
            wire.write(b"2", version, TIMEOUT)
        seen = only(here)
        here.cloud.faults = Faults()
        stored = wire.read(TIMEOUT)
        here.cloud.requests.clear()

        assert (lost.value.unclear, seen.acted) == (True, True)
        assert stored is not None
        assert stored[1] != version
        version = stored[1]


Operation = Callable[[ObjectStorage, float], object]
READ: Operation = lambda storage, timeout: storage.read(timeout)  # noqa: E731
OPERATIONS: dict[str, Operation] = {
    "read": READ,
    "create": lambda storage, timeout: storage.write(b"{}", None, timeout),
    "write": lambda storage, timeout: storage.write(b"{}", "version", timeout),
    "append": lambda storage, timeout: storage.append("a", timeout),
    "entries": lambda storage, timeout: storage.entries(timeout),
    "remove": lambda storage, timeout: storage.remove(["a"], timeout),
}
WRITES = ("create", "write")
ANSWERS: dict[tuple[int, str] | str, tuple[type[Exception], bool | None]] = {
    (404, "BucketNotFound"): (Misconfigured, None),
    (404, "NamespaceNotFound"): (Misconfigured, None),
    (404, "NotAuthorizedOrNotFound"): (Misconfigured, None),
    (401, "NotAuthenticated"): (Misconfigured, None),
    (403, "NotAllowed"): (Misconfigured, None),
    (429, "TooManyRequests"): (Unavailable, False),
    (500, "InternalServerError"): (Unavailable, True),
    (503, "ServiceUnavailable"): (Unavailable, True),
    "drop": (Unavailable, True),
    "hang": (Unavailable, True),
}


@pytest.fixture(scope="module")
def saying(here: Serving) -> Iterator[Saying]:
    """Run a server that says what it is told to."""
    with Saying() as server:
        yield server


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_answer_has_its_error(saying: Saying, signing: Any, operation: str, answer: tuple[int, str] | str) -> None:
    """Each refusal of the store becomes one of our errors, tells what may have happened, and names nothing."""
    kind, unclear = ANSWERS[answer]
    saying.answer, before = answer, saying.requests
    with object_store(signing, saying.url) as storage, pytest.raises(kind) as error:
        OPERATIONS[operation](storage, 0.25)

    assert unclear == getattr(error.value, "unclear", None)
    # A 401 is asked once more with a token that was read again: the function's own may have run out.
    assert saying.requests - before == (2 if answer == (401, "NotAuthenticated") else 1)
    assert "bucket of somebody" not in str(error.value)
    assert saying.url not in str(error.value)


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize(
    "answer",
    [
        (412, "IfMatchFailed"),
        (412, "IfNoneMatchFailed"),
        (412, "PreconditionFailed"),
        (409, "ConcurrentObjectUpdate"),
        (404, "ObjectNotFound"),
    ],
    ids=str,
)
def test_each_way_to_lose_a_race_is_a_conflict(
    saying: Saying, signing: Any, operation: str, answer: tuple[int, str]
) -> None:
    """A write that somebody else forestalled is a Conflict, however the store words it."""
    saying.answer = answer
    with object_store(signing, saying.url) as storage, pytest.raises(Conflict):
        OPERATIONS[operation](storage, TIMEOUT)


def test_only_a_missing_object_is_no_document(saying: Saying, signing: Any) -> None:
    """`ObjectNotFound` reads as None: every other 404 is an error, as the table above says."""
    saying.answer = (404, "ObjectNotFound")
    with object_store(signing, saying.url) as storage:
        found = storage.read(TIMEOUT)

    assert found is None


def test_a_busy_entry_is_not_taken_for_kept(saying: Saying, signing: Any) -> None:
    """An append that meets a 409 was not done: only a 412 says that the entry is there."""
    with object_store(signing, saying.url) as storage:
        saying.answer = (409, "ConcurrentObjectUpdate")
        with pytest.raises(Unavailable) as busy:
            storage.append("a", TIMEOUT)
        saying.answer = (412, "IfNoneMatchFailed")
        storage.append("a", TIMEOUT)

    assert busy.value.unclear is False


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_closed_port_was_sent_nothing(signing: Any, operation: str) -> None:
    """A connection that is refused leaves no doubt: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with object_store(signing, f"http://127.0.0.1:{port}") as storage, pytest.raises(Unavailable) as error:
        OPERATIONS[operation](storage, TIMEOUT)

    assert error.value.unclear is False


@pytest.mark.parametrize("namespace, bucket", [("other", BUCKET), ("local", "other")])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_wrong_name_is_misconfigured(
    here: Serving, signing: Any, operation: str, namespace: str, bucket: str
) -> None:
    """The stand-in's own words for a wrong namespace or bucket are an error of the owner's, never "no document"."""
    with (
        object_store(signing, here.cloud_url, namespace=namespace, bucket=bucket) as storage,
        pytest.raises(Misconfigured),
    ):
        OPERATIONS[operation](storage, TIMEOUT)


def test_a_silent_store_is_left_in_time(saying: Saying, signing: Any) -> None:
    """A store that does not answer is waited for as long as the call says."""
    saying.answer = "hang"
    with object_store(signing, saying.url) as storage:
        start = time.monotonic()
        with pytest.raises(Unavailable):
            storage.read(0.3)
        took = time.monotonic() - start

    assert 0.25 < took < 0.9
