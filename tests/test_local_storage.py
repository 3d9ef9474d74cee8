"""The stand-in answers Oracle's own SDK as the real services do, for everything the counter uses."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import oci
import pytest

from clouds.oracle.laptop.serving import BUCKET, Serving
from clouds.oracle.laptop.storage import NAMESPACE
from local.faults import KINDS, Faults
from local.notifications import TOPIC

READ_TIMEOUT = 0.5


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the stand-in alone, for all tests of this file."""
    with Serving(tmp_path_factory.mktemp("cloud"), gateway=False) as serving:
        yield serving


@pytest.fixture(scope="module")
def signer(here: Serving) -> Any:
    """Return a signer with the made-up principal."""
    environment = here.principal.environment()
    return oci.auth.signers.EphemeralResourcePrincipalSigner(
        session_token=environment["OCI_RESOURCE_PRINCIPAL_RPST"],
        private_key=environment["OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM"],
        region=environment["OCI_RESOURCE_PRINCIPAL_REGION"],
    )


def options(here: Serving) -> dict[str, Any]:
    """Return the options of both clients: no retries, no circuit breaker, short timeouts."""
    return {
        "service_endpoint": here.cloud_url,
        "retry_strategy": oci.retry.NoneRetryStrategy(),
        "circuit_breaker_strategy": oci.circuit_breaker.NoCircuitBreakerStrategy(),
        "timeout": (1, READ_TIMEOUT),
    }


@pytest.fixture
def storage(here: Serving, signer: Any) -> Iterator[Any]:
    """Return the real client; bucket, faults and records are fresh for each test."""
    for stored in here.objects.list(BUCKET):
        here.objects.delete(BUCKET, stored.name)
    here.cloud.requests.clear()
    client = oci.object_storage.ObjectStorageClient({}, signer=signer, **options(here))
    yield client
    here.cloud.faults = Faults()
    here.settle()
    client.base_client.session.close()


@pytest.fixture
def notifications(here: Serving, signer: Any) -> Iterator[Any]:
    """Return the real client of Notifications."""
    client = oci.ons.NotificationDataPlaneClient({}, signer=signer, **options(here))
    yield client
    client.base_client.session.close()


def refusal(call: Callable[[], object]) -> tuple[int, str | None]:
    """Return the status and code of a refused call."""
    with pytest.raises(oci.exceptions.ServiceError) as error:
        call()
    return error.value.status, error.value.code


def test_the_namespace_is_known(storage: Any) -> None:
    """GetNamespace returns the one namespace."""
    assert storage.get_namespace().data == NAMESPACE


def test_what_is_put_can_be_read(storage: Any) -> None:
    """A GET returns the bytes and the ETag of the PUT, whatever characters the name has."""
    for name in ("counter.json", "journal/2026/a b+c%2F?é.json"):
        put = storage.put_object(NAMESPACE, BUCKET, name, b'{"count":1}')
        got = storage.get_object(NAMESPACE, BUCKET, name)

        assert got.data.content == b'{"count":1}'
        assert put.headers["etag"] == got.headers["etag"]
        assert put.headers["opc-content-md5"] == got.headers["opc-content-md5"]
        assert put.headers["last-modified"].endswith("GMT")
        assert put.request_id


def test_a_large_object_passes(storage: Any) -> None:
    """The stand-in has no size limit and accepts `Expect: 100-continue`."""
    data = bytes(3_000_000)
    storage.put_object(NAMESPACE, BUCKET, "o", data)

    assert len(data) == len(storage.get_object(NAMESPACE, BUCKET, "o").data.content)


def test_conditions_answer_as_oracle_does(storage: Any) -> None:
    """A 412 says which condition failed, and the object is unchanged."""
    put, read = storage.put_object, storage.get_object
    first = put(NAMESPACE, BUCKET, "o", b"1", if_none_match="*").headers["etag"]
    second = put(NAMESPACE, BUCKET, "o", b"2", if_match=first).headers["etag"]

    assert refusal(lambda: put(NAMESPACE, BUCKET, "o", b"3", if_none_match="*")) == (412, "IfNoneMatchFailed")
    assert refusal(lambda: put(NAMESPACE, BUCKET, "o", b"3", if_match=first)) == (412, "IfMatchFailed")
    assert refusal(lambda: put(NAMESPACE, BUCKET, "absent", b"3", if_match=first)) == (412, "IfMatchFailed")
    assert refusal(lambda: storage.delete_object(NAMESPACE, BUCKET, "o", if_match=first)) == (412, "IfMatchFailed")
    assert refusal(lambda: put(NAMESPACE, BUCKET, "o", b"3", if_none_match=second)) == (
        400,
        "InvalidConditionalHeaders",
    )
    assert refusal(lambda: read(NAMESPACE, BUCKET, "o", if_none_match=second)) == (304, None)
    assert refusal(lambda: put(NAMESPACE, BUCKET, "o", b"3", content_md5="AAAA")) == (400, "UnmatchedContentMD5")
    assert read(NAMESPACE, BUCKET, "o").data.content == b"2"


def test_each_404_has_its_code(storage: Any) -> None:
    """Only ObjectNotFound means that there is no object."""
    read = storage.get_object

    assert refusal(lambda: read(NAMESPACE, BUCKET, "o")) == (404, "ObjectNotFound")
    assert refusal(lambda: storage.delete_object(NAMESPACE, BUCKET, "o")) == (404, "ObjectNotFound")
    assert refusal(lambda: read(NAMESPACE, "other", "o")) == (404, "BucketNotFound")
    assert refusal(lambda: read("other", BUCKET, "o")) == (404, "NamespaceNotFound")


def test_an_unsigned_request_is_refused(here: Serving) -> None:
    """Without an Authorization header both services answer 401."""
    for method, path in (
        ("GET", "/n"),
        ("PUT", f"/n/{NAMESPACE}/b/{BUCKET}/o/o"),
        ("POST", f"/20181201/topics/{TOPIC}"),
    ):
        connection = HTTPConnection(urlsplit(here.cloud_url).netloc)
        connection.request(method, path)
        answer = connection.getresponse()

        assert (answer.status, json.load(answer)["code"]) == (401, "NotAuthenticated")
        connection.close()


@pytest.mark.parametrize("target", ["*", "/", "//", "/n/", "/n//b//o/", "/n/local/b", "/%ff/%00", "/n/local/b/x/y/z"])
def test_no_request_confuses_it(here: Serving, target: str) -> None:
    """Any path gets a client error or a namespace, never a server error."""
    connection = HTTPConnection(urlsplit(here.cloud_url).netloc)
    connection.putrequest("GET", target)
    connection.putheader("Authorization", "Signature")
    connection.endheaders()

    assert connection.getresponse().status < 500
    connection.close()


def test_a_head_has_headers_only(storage: Any) -> None:
    """HEAD returns the ETag; its 404 has no body and so no code."""
    etag = storage.put_object(NAMESPACE, BUCKET, "o", b"1").headers["etag"]

    assert etag == storage.head_object(NAMESPACE, BUCKET, "o").headers["etag"]
    assert refusal(lambda: storage.head_object(NAMESPACE, BUCKET, "absent"))[0] == 404


def test_a_list_has_pages(storage: Any) -> None:
    """A list comes in pages of `limit` names, linked by `nextStartWith`; other fields come on request."""
    names = [f"journal/{number:02}" for number in range(25)]
    for name in [*names, "counter.json"]:
        storage.put_object(NAMESPACE, BUCKET, name, b"12")
    pages, start = [], None
    while True:
        page = storage.list_objects(NAMESPACE, BUCKET, prefix="journal/", limit=10, start=start).data
        pages.append([found.name for found in page.objects])
        start = page.next_start_with
        if start is None:
            break
    first = storage.list_objects(NAMESPACE, BUCKET, limit=1, fields="name,size,etag,md5,timeCreated").data.objects[0]

    assert [names[:10], names[10:20], names[20:]] == pages
    assert (first.name, first.size, len(first.etag), len(first.md5)) == ("counter.json", 2, 36, 24)
    assert first.time_created is not None
    assert storage.list_objects(NAMESPACE, BUCKET, limit=1).data.objects[0].etag is None
    assert refusal(lambda: storage.list_objects(NAMESPACE, BUCKET, limit=1001)) == (400, "InvalidParameter")


def test_a_batch_delete_reports_each_result(storage: Any) -> None:
    """Objects are deleted unless they are absent or their condition fails, whatever happens to the others."""
    for name in ("a", "b", "c"):
        storage.put_object(NAMESPACE, BUCKET, name, b"")
    models = oci.object_storage.models
    wanted = [
        models.BatchDeleteObjectIdentifier(object_name="a"),
        models.BatchDeleteObjectIdentifier(object_name="b", if_match="stale"),
        models.BatchDeleteObjectIdentifier(object_name="absent"),
    ]
    details = models.BatchDeleteObjectsDetails(objects=wanted)
    result = storage.batch_delete_objects(NAMESPACE, BUCKET, details).data

    assert [deleted.object_name for deleted in result.deleted] == ["a"]
    assert [(failed.object_name, failed.status_code) for failed in result.failed] == [("b", 412), ("absent", 404)]
    left = storage.list_objects(NAMESPACE, BUCKET).data.objects
    assert [found.name for found in left] == ["b", "c"]


def test_the_record_shows_what_went_over_the_wire(here: Serving, storage: Any) -> None:
    """Each request is counted by kind and recorded with its headers and status."""
    etag = storage.put_object(NAMESPACE, BUCKET, "o", b"1", if_none_match="*").headers["etag"]
    storage.put_object(NAMESPACE, BUCKET, "o", b"2", if_match=etag)
    storage.list_objects(NAMESPACE, BUCKET, prefix="j/")
    refusal(lambda: storage.get_object(NAMESPACE, BUCKET, "absent"))
    create, update = here.cloud.requests.of("put")

    assert here.cloud.requests.by_kind == {"put": 2, "list": 1, "get": 1}
    assert (create.headers.get("if-none-match"), create.headers.get("if-match"), create.status) == ("*", None, 200)
    assert (None, etag) == (update.headers.get("if-none-match"), update.headers.get("if-match"))
    assert here.cloud.requests.of("get")[0].status == 404


def test_a_message_is_in_the_mailbox(here: Serving, notifications: Any) -> None:
    """A published message is stored with its title, and is escaped on the mailbox page."""
    message = oci.ons.models.MessageDetails(title="Report <b>", body="<script>alert(1)</script>")
    result = notifications.publish_message(TOPIC, message).data

    assert result.message_id
    assert here.mailbox.messages()[0].title == "Report <b>"
    assert b"<script>alert" not in here.mailbox.page()
    assert b"Report &lt;b&gt;" in here.mailbox.page()


def test_notifications_refuse_as_oracle_does(notifications: Any) -> None:
    """An unknown topic is "not authorized or not found", and more than 64 KB are refused."""
    small, large = (oci.ons.models.MessageDetails(title="t", body="x" * size) for size in (1, 70_000))

    assert refusal(lambda: notifications.publish_message("ocid1.other", small)) == (404, "NotAuthorizedOrNotFound")
    assert refusal(lambda: notifications.publish_message(TOPIC, large)) == (413, "RequestEntityTooLarge")


REFUSED = {
    "refuse-503": (503, "ServiceUnavailable"),
    "refuse-429": (429, "TooManyRequests"),
    "refuse-500": (500, "InternalServerError"),
    "conflict-409": (409, "ConcurrentObjectUpdate"),
    "flaky-404": (404, "BucketNotFound"),
    "lose-500": (500, "InternalServerError"),
    "lose-503": (503, "ServiceUnavailable"),
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "slow"])
def test_a_fault_acts_before_or_after(here: Serving, storage: Any, kind: str) -> None:
    """A lost write is stored although the client gets an error, a refused one is not, and a late one comes later."""
    here.cloud.faults = Faults({kind: 1}, late_seconds=READ_TIMEOUT + 0.3, hang_seconds=10)
    if kind in REFUSED:
        assert REFUSED[kind] == refusal(lambda: storage.put_object(NAMESPACE, BUCKET, "o", b"1"))
    else:
        with pytest.raises(oci.exceptions.RequestException):
            storage.put_object(NAMESPACE, BUCKET, "o", b"1")
    at_once = here.objects.get(BUCKET, "o") is not None
    here.settle()
    later = here.objects.get(BUCKET, "o") is not None

    assert (kind.startswith("lose-"), kind.startswith("lose-") or kind == "late") == (at_once, later)
    seen = here.cloud.requests.of("put")[0]
    assert (kind, later) == (seen.fault, seen.acted)


def test_a_late_write_is_checked_when_it_arrives(here: Serving, storage: Any) -> None:
    """A write in the meantime stays, because the late write's ETag is stale when it arrives."""
    etag = storage.put_object(NAMESPACE, BUCKET, "o", b"1").headers["etag"]
    here.cloud.faults = Faults({"put:late": 1}, late_seconds=READ_TIMEOUT + 0.3)
    with pytest.raises(oci.exceptions.RequestException):
        storage.put_object(NAMESPACE, BUCKET, "o", b"late", if_match=etag)
    here.cloud.faults = Faults()
    storage.put_object(NAMESPACE, BUCKET, "o", b"2", if_match=etag)
    here.settle()

    assert storage.get_object(NAMESPACE, BUCKET, "o").data.content == b"2"


def test_slow_is_only_slow(here: Serving, storage: Any) -> None:
    """A slow request is answered after its delay, and latency is added to every request."""
    here.cloud.faults, here.cloud.latency = Faults({"slow": 1}, slow_seconds=0.05), 0.05
    start = time.monotonic()
    storage.put_object(NAMESPACE, BUCKET, "o", b"1")
    here.cloud.latency = 0.0

    assert time.monotonic() - start >= 0.1


def test_faults_repeat_with_their_seed() -> None:
    """The same seed fails the same requests, at about the given rate, and no other kind of request."""
    faults = [Faults({"put:lose-drop": 0.2}, seed=7) for _ in range(2)]
    first, second = ([fault.decide("put") for _ in range(1000)] for fault in faults)

    assert first == second
    assert 150 < first.count("lose-drop") < 250
    assert faults[0].decide("get") is None


@pytest.mark.parametrize("rule", ["nonsense=0.1", "lose-drop", "lose-drop=often", "lose-drop=2", "post:lose-drop=0.1"])
def test_an_invalid_fault_is_refused(rule: str) -> None:
    """An invalid rule raises ValueError."""
    with pytest.raises(ValueError, match=r"fault|rate|request"):
        Faults.parse([rule])


PROGRAM = """
import json, os, oci
signer = oci.auth.signers.get_resource_principals_signer()
storage = oci.object_storage.ObjectStorageClient({}, signer=signer)
topics = oci.ons.NotificationDataPlaneClient({}, signer=signer)
namespace = storage.get_namespace().data
etag = storage.put_object(namespace, os.environ["BUCKET"], "o", b"1").headers["etag"]
topics.publish_message(os.environ["TOPIC_OCID"], oci.ons.models.MessageDetails(title="t", body="over TLS"))
print(json.dumps([namespace, etag]))
"""


def test_the_sdk_finds_it_by_oracles_host_names(tmp_path: Path) -> None:
    """With only Oracle's own variables the SDK finds the stand-in over TLS; no address of ours is set anywhere."""
    with Serving(tmp_path, gateway=False, tls=True) as here:
        environment = here.environment()
        output = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=False, timeout=30
        )
        assert output.stderr == b""
        namespace, etag = json.loads(output.stdout)
        stored = here.objects.get(BUCKET, "o")

        assert stored is not None
        assert (NAMESPACE, stored.etag) == (namespace, etag)
        assert here.mailbox.messages()[0].body == "over TLS"
        assert here.network is not None
        assert {f"{name}.us-phoenix-1.oraclecloud.com" for name in ("objectstorage", "notification")} == set(
            here.network.hosts
        )
        assert not [name for name in environment if name.endswith("_ENDPOINT") or name == "NAMESPACE"]
