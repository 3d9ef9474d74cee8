"""Oracle Object Storage: what goes over the wire, and what becomes of each answer."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
from wire import Saying, object_store, signer

from clouds.oracle.function.object_storage import ObjectStorage
from clouds.oracle.function.signer import Signer
from clouds.oracle.laptop.cloud import Seen
from clouds.oracle.laptop.serving import BUCKET, Serving
from counter.store import PAGE, Conflict, Misconfigured, StoreError, Unavailable
from local.faults import Faults

TIMEOUT = 5.0


@pytest.fixture(scope="module")
def signing(stand_in: Serving) -> Signer:
    """Return what signs requests."""
    return signer(stand_in.principal)


@pytest.fixture
def wire(stand_in: Serving, signing: Signer) -> Iterator[ObjectStorage]:
    """Return the real SDK in front of the stand-in, its record empty, faults over afterwards."""
    with object_store(signing, stand_in.cloud_url, f"{uuid.uuid4()}.json") as storage:
        stand_in.cloud.requests.clear()
        yield storage
    stand_in.cloud.faults = Faults()


def only(stand_in: Serving) -> Seen:
    """Return the one request that went over the wire since the last question."""
    (seen,) = stand_in.cloud.requests
    stand_in.cloud.requests.clear()
    return seen


def test_one_call_is_one_request(stand_in: Serving, wire: ObjectStorage) -> None:
    """Each call makes one request, with the condition in its header and no `expect`."""
    wire.read(TIMEOUT)
    read = only(stand_in)
    version = wire.write(b"{}", None, TIMEOUT)
    created = only(stand_in)
    wire.write(b"{}", version, TIMEOUT)
    replaced = only(stand_in)
    wire.append("a", TIMEOUT)
    appended = only(stand_in)
    wire.entries(TIMEOUT)
    listed = only(stand_in)
    wire.remove(["a", "b"], TIMEOUT)
    removed = only(stand_in)

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
def test_a_conflict_is_one_request(stand_in: Serving, wire: ObjectStorage, condition: str) -> None:
    """A refused condition is not tried again, and the connection is good for the next request."""
    wire.write(b"{}", None, TIMEOUT)
    stand_in.cloud.requests.clear()
    with pytest.raises(Conflict):
        wire.write(b"x" * 5000, None if condition == "create" else "stale", TIMEOUT)
    refused = only(stand_in)

    assert refused.status == 412
    assert wire.read(TIMEOUT) is not None


def test_the_connection_is_kept(saying: Saying, signing: Signer) -> None:
    """Reads, writes, refusals and listings of one container go over one connection."""
    before = saying.connections
    with object_store(signing, saying.url) as storage:
        for answer in ((412, "IfMatchFailed"), (404, "ObjectNotFound"), (500, "InternalServerError")):
            saying.answer = answer
            for operation in OPERATIONS.values():
                with suppress(StoreError):
                    operation(storage, TIMEOUT)

    assert saying.connections - before == 1


def test_a_lost_answer_is_not_sent_again(stand_in: Serving, wire: ObjectStorage) -> None:
    """Where the store acted and the answer was lost, the caller is told so after one request."""
    version = wire.write(b"1", None, TIMEOUT)
    stand_in.cloud.requests.clear()
    for fault in ("lose-500", "lose-503", "lose-drop"):
        stand_in.cloud.faults = Faults({f"put:{fault}": 1})
        with pytest.raises(Unavailable) as lost:
            wire.write(b"2", version, TIMEOUT)
        seen = only(stand_in)
        stand_in.cloud.faults = Faults()
        stored = wire.read(TIMEOUT)
        stand_in.cloud.requests.clear()

        assert (lost.value.in_doubt, seen.acted) == (True, True)
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
    (409, "RetentionRule"): (Misconfigured, None),
    (409, "IncorrectState"): (Misconfigured, None),
    (429, "TooManyRequests"): (Unavailable, False),
    (500, "InternalServerError"): (Unavailable, True),
    (503, "ServiceUnavailable"): (Unavailable, True),
    (307, "TemporaryRedirect"): (Unavailable, True),
    (304, ""): (Unavailable, True),
    "drop": (Unavailable, True),
    "hang": (Unavailable, True),
}


@pytest.fixture(scope="module")
def saying(stand_in: Serving) -> Iterator[Saying]:
    """Run a server that says what it is told to."""
    with Saying() as server:
        yield server


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_answer_has_its_error(
    saying: Saying, signing: Signer, operation: str, answer: tuple[int, str] | str
) -> None:
    """Each refusal of the store becomes one of our errors, tells what may have happened, and names nothing."""
    kind, unclear = ANSWERS[answer]
    saying.answer, before = answer, saying.requests
    with object_store(signing, saying.url) as storage, pytest.raises(kind) as error:
        OPERATIONS[operation](storage, 0.25 if answer == "hang" else TIMEOUT)

    assert unclear == getattr(error.value, "in_doubt", None)
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
    saying: Saying, signing: Signer, operation: str, answer: tuple[int, str]
) -> None:
    """A write that somebody else forestalled is a Conflict; no other 409 or 404 is (the table above)."""
    saying.answer = answer
    with object_store(signing, saying.url) as storage, pytest.raises(Conflict):
        OPERATIONS[operation](storage, TIMEOUT)


@pytest.mark.parametrize("operation", ["read", "create", "write"])
@pytest.mark.parametrize("etag", [None, "", "two\r\n lines"])
def test_an_answer_without_a_version_is_in_doubt(
    saying: Saying, signing: Signer, operation: str, etag: str | None
) -> None:
    """A success that names no ETag to go on with may have been one."""
    saying.answer, saying.etag = (200, ""), etag
    with object_store(signing, saying.url) as storage, pytest.raises(Unavailable) as error:
        OPERATIONS[operation](storage, TIMEOUT)
    saying.etag = "e"

    assert error.value.in_doubt is True


NOT_ORACLE_S = (b"", b"<html>", b"[]", b"null", b"7")


@pytest.mark.parametrize(
    "operation, body",
    [
        *[("entries", body) for body in (*NOT_ORACLE_S, b"{}", b'{"objects": 7}', b'{"objects": [{}]}')],
        *[("remove", body) for body in (*NOT_ORACLE_S, b'{"failed": 7}', b'{"failed": [{}]}')],
    ],
)
def test_an_answer_that_is_not_oracle_s_is_an_error(
    saying: Saying, signing: Signer, operation: str, body: bytes
) -> None:
    """What some proxy says instead is no empty journal, and no removal."""
    saying.answer, saying.body = (200, ""), body
    with object_store(signing, saying.url) as storage, pytest.raises(Unavailable):
        OPERATIONS[operation](storage, TIMEOUT)
    saying.body = None


@pytest.mark.parametrize("sizes", [(3, 0, 2), (PAGE - 1, 3, 5), (0, PAGE, 1)])
def test_a_listing_is_followed_to_its_end(saying: Saying, signing: Signer, sizes: Sequence[int]) -> None:
    """A page may have fewer names than were asked for, or none: `nextStartWith` says that there are more."""
    names = [f"{number:04}" for number in range(sum(sizes))]
    at = [sum(sizes[:number]) for number in range(len(sizes) + 1)]
    pages = [names[begin:end] for begin, end in pairwise(at)]

    def page(target: str) -> bytes:
        number = int(parse_qs(urlsplit(target).query).get("start", ["0"])[0])
        told: dict[str, object] = {"objects": [{"name": f"counter.json.journal/{name}"} for name in pages[number]]}
        if number + 1 < len(pages):
            told["nextStartWith"] = str(number + 1)
        return json.dumps(told).encode()

    saying.answer, saying.body = (200, ""), page
    with object_store(signing, saying.url) as storage:
        listed = storage.entries(TIMEOUT)
    saying.body = None

    assert listed == names


def test_only_a_missing_object_is_no_document(saying: Saying, signing: Signer) -> None:
    """`ObjectNotFound` reads as None: every other 404 is an error, as the table above says."""
    saying.answer = (404, "ObjectNotFound")
    with object_store(signing, saying.url) as storage:
        found = storage.read(TIMEOUT)

    assert found is None


def test_a_busy_entry_is_not_taken_for_kept(saying: Saying, signing: Signer) -> None:
    """An append that meets a 409 was not done: only a 412 says that the entry is there."""
    with object_store(signing, saying.url) as storage:
        saying.answer = (409, "ConcurrentObjectUpdate")
        with pytest.raises(Unavailable) as busy:
            storage.append("a", TIMEOUT)
        saying.answer = (412, "IfNoneMatchFailed")
        storage.append("a", TIMEOUT)

    assert busy.value.in_doubt is False


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_closed_port_was_sent_nothing(signing: Signer, operation: str) -> None:
    """A connection that is refused leaves no doubt: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with object_store(signing, f"http://127.0.0.1:{port}") as storage, pytest.raises(Unavailable) as error:
        OPERATIONS[operation](storage, TIMEOUT)

    assert error.value.in_doubt is False


@pytest.mark.parametrize("namespace, bucket", [("other", BUCKET), ("local", "other")])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_wrong_name_is_misconfigured(
    stand_in: Serving, signing: Signer, operation: str, namespace: str, bucket: str
) -> None:
    """The stand-in's own words for a wrong namespace or bucket are an error of the owner's, never "no document"."""
    with (
        object_store(signing, stand_in.cloud_url, namespace=namespace, bucket=bucket) as storage,
        pytest.raises(Misconfigured),
    ):
        OPERATIONS[operation](storage, TIMEOUT)


def test_a_silent_store_is_left_in_time(saying: Saying, signing: Signer) -> None:
    """A store that does not answer is waited for as long as the call says."""
    saying.answer = "hang"
    with object_store(signing, saying.url) as storage:
        start = time.monotonic()
        with pytest.raises(Unavailable):
            storage.read(0.3)
        took = time.monotonic() - start

    assert 0.25 < took < 0.9
