"""What is sent to Oracle is what Oracle's own SDK sends, and where to, for everything the function asks."""

from __future__ import annotations

import json
import random
import socket
import string
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.client import HTTPResponse
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import oci
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from oci import regions, regions_definitions
from oci.auth.signers import EphemeralResourcePrincipalSigner
from oci.object_storage import ObjectStorageClient, models

from clouds.oracle.function import endpoint, object_storage
from clouds.oracle.function.client import Client
from clouds.oracle.function.connection import Connection
from clouds.oracle.function.identity import signer
from clouds.oracle.function.object_storage import ObjectStorage
from clouds.oracle.function.settings import ResourcePrincipal
from clouds.oracle.function.signer import Signer
from clouds.oracle.laptop.principal import private_pem
from counter.store import Misconfigured

LATER = time.monotonic() + 3600
OWN = {"user-agent", "accept-encoding", "opc-client-info", "opc-request-id"}
"""The headers in which a client says who it is, numbers its requests, and what packing it understands."""


class Recorder:
    """Reads requests as they come over the wire, whole, and answers each with what `answer` makes of it."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.answer: Callable[[bytes], bytes] = lambda request: self.ok(b'{"objects": []}')
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @staticmethod
    def ok(body: bytes) -> bytes:
        """Return an answer."""
        head = f"HTTP/1.1 200 OK\r\netag: e\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def last(self) -> bytes:
        """Return the only request since the last question."""
        (request,) = self.requests
        self.requests.clear()
        return request

    def close(self) -> None:
        """Stop accepting."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                opened, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[opened], daemon=True).start()

    def _serve(self, opened: socket.socket) -> None:
        with opened, opened.makefile("rb") as stream:
            while head := b"".join(iter(stream.readline, b"\r\n")):
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
                )
                request = head + b"\r\n" + stream.read(length)
                self.requests.append(request)
                opened.sendall(self.answer(request))


class Both(NamedTuple):
    """The SDK's client and ours, with the same key and token, in front of one recorder."""

    recorder: Recorder
    sdk: Any
    ours: Client


@cache
def private_key(number: int) -> bytes:
    """Return one of a few keys, as PEM: each takes a tenth of a second to make."""
    return private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


class Identity:
    """A key and a token in files, as Oracle Functions has them, which may be replaced."""

    def __init__(self, folder: Path) -> None:
        self._key, self._token = folder / "private.pem", folder / "rpst"
        self._numbers = cycle(range(3))
        self.rotate()

    def rotate(self, **claims: object) -> None:
        """Replace both."""
        key = private_key(next(self._numbers))
        told = {"exp": 4_000_000_000, "iat": 0, "res_tenant": "t", "res_compartment": "c", "jti": uuid.uuid4().hex}
        self._key.write_bytes(key)
        self._token.write_text(jwt.encode({**told, **claims}, key, algorithm="RS256"))

    @property
    def token(self) -> str:
        """The token as it is now."""
        return self._token.read_text()

    def ours(self) -> Any:
        """Return what signs our requests."""
        return signer(ResourcePrincipal(str(self._token), str(self._key), "us-phoenix-1"))

    def sdk(self) -> Any:
        """Return what signs the SDK's."""
        return EphemeralResourcePrincipalSigner(str(self._token), str(self._key), region="us-phoenix-1")


def sdk_client(signing: Any, url: str) -> Any:
    """Return the SDK's client as it was used here before: it does what it is told, once."""
    oci.base_client.enable_expect_header = False
    return ObjectStorageClient(
        {},
        signer=signing,
        service_endpoint=url,
        retry_strategy=oci.retry.NoneRetryStrategy(),
        circuit_breaker_strategy=oci.circuit_breaker.NoCircuitBreakerStrategy(),
    )


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    """Return a function's identity."""
    return Identity(tmp_path)


@pytest.fixture
def both(identity: Identity) -> Iterator[Both]:
    """Return both clients."""
    recorder = Recorder()
    sdk, ours = sdk_client(identity.sdk(), recorder.url), Client(identity.ours(), Connection(recorder.url))
    yield Both(recorder, sdk, ours)
    ours.close()
    sdk.base_client.session.close()
    recorder.close()


class Case(NamedTuple):
    """Random names, a body and a version. They are printable, as OBJECT must be."""

    namespace: str
    bucket: str
    name: str
    entry: str
    body: bytes
    version: str


def case(chance: random.Random) -> Case:
    """Make one."""
    signs = string.ascii_letters + string.digits + "-_." * 5
    strange = signs + " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}~äß€😀日本\u0301"

    def text(of: str, most: int) -> str:
        made = "".join(chance.choices(of, k=chance.randint(1, most)))
        return made if made.strip(". ") else "x"

    return Case(
        namespace=text(string.ascii_lowercase + string.digits, 20),
        bucket=text(signs, 30),
        name=text(strange, 40),
        entry=text(strange, 100),
        body=chance.randbytes(chance.choice((0, 1, 2, 300, 5000))),
        version=chance.choice((str(uuid.UUID(int=chance.getrandbits(128))), text(signs, 40))),
    )


Ask = Callable[[Any, Case], object]
REQUESTS: dict[str, tuple[Ask, Callable[[ObjectStorage, Case], object]]] = {
    "read": (
        lambda sdk, case: sdk.get_object(case.namespace, case.bucket, case.name).data.content,
        lambda storage, case: storage.read(5),
    ),
    "create": (
        lambda sdk, case: sdk.put_object(
            case.namespace, case.bucket, case.name, case.body, content_type="application/json", if_none_match="*"
        ),
        lambda storage, case: storage.write(case.body, None, 5),
    ),
    "write": (
        lambda sdk, case: sdk.put_object(
            case.namespace, case.bucket, case.name, case.body, content_type="application/json", if_match=case.version
        ),
        lambda storage, case: storage.write(case.body, case.version, 5),
    ),
    "append": (
        lambda sdk, case: sdk.put_object(
            case.namespace,
            case.bucket,
            f"{case.name}.journal/{case.entry}",
            b"",
            content_type="application/json",
            if_none_match="*",
        ),
        lambda storage, case: storage.append(case.entry, 5),
    ),
    "entries": (
        lambda sdk, case: sdk.list_objects(case.namespace, case.bucket, prefix=f"{case.name}.journal/", limit=1000),
        lambda storage, case: storage.entries(5),
    ),
    "remove": (
        lambda sdk, case: sdk.batch_delete_objects(
            case.namespace,
            case.bucket,
            models.BatchDeleteObjectsDetails(
                objects=[
                    models.BatchDeleteObjectIdentifier(object_name=f"{case.name}.journal/{entry}")
                    for entry in (case.entry, "second")
                ],
                is_skip_deleted_result=True,
            ),
        ),
        lambda storage, case: storage.remove([case.entry, "second"], 5),
    ),
}


def parts(request: bytes) -> tuple[bytes, list[tuple[str, str]], bytes]:
    """Return a request's line, its headers in their order but for a client's own, and its body."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    headers = [tuple(one.decode("latin-1").split(": ", 1)) for one in lines]
    return line, [(name.lower(), value) for name, value in headers if name.lower() not in OWN], body


def test_the_recorder_sees_the_bytes(both: Both) -> None:
    """The comparison below is of whole requests: line, headers and body as they were sent."""
    both.ours.ask("PUT", "/n/a", LATER, body=b"body", condition={"if-match": "x"})
    line, headers, body = parts(both.recorder.last())

    assert (line, body) == (b"PUT /n/a HTTP/1.1", b"body")
    assert dict(headers)["authorization"].startswith('Signature algorithm="rsa-sha256",headers="date (request-target)')
    assert {"accept", "connection", "if-match", "content-type", "content-length", "date", "host", "authorization"} == {
        name for name, _ in headers
    }


@pytest.mark.parametrize("cases", [25, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_is_the_sdk_s(both: Both, monkeypatch: pytest.MonkeyPatch, kind: str, cases: int) -> None:
    """Random names, bodies and conditions give the same bytes in the same order, signature included, but for how the
    client calls itself, how it numbers its requests, and the packing it understands."""
    chance = random.Random(kind)
    ask, our_ask = REQUESTS[kind]
    for _ in range(cases):
        one = case(chance)
        monkeypatch.setattr("time.time", partial(float, chance.uniform(0, 4e9)))
        ask(both.sdk, one)
        theirs = parts(both.recorder.last())
        our_ask(ObjectStorage(both.ours, one.namespace, one.bucket, one.name), one)
        assert parts(both.recorder.last()) == theirs


def test_requests_of_one_second_are_the_sdk_s(both: Both, identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept signature is the one that the SDK makes anew: for another request, for another body, and never one of a
    key that was replaced."""
    monkeypatch.setattr("time.time", lambda: 1.8e9)
    chance = random.Random(5)
    for _ in range(2):
        one = case(chance)._replace(namespace="n", bucket="b", name="o")
        for kind in ("write", "write", "read", "append", "remove"):
            ask, our_ask = REQUESTS[kind]
            ask(both.sdk, one)
            theirs = parts(both.recorder.last())
            our_ask(ObjectStorage(both.ours, "n", "b", "o"), one)
            assert parts(both.recorder.last()) == theirs
        identity.rotate()
        both.sdk.base_client.signer.refresh_security_token()
        both.ours._signer.renew()


def test_the_same_text_is_signed_once() -> None:
    """A signature is most of a request's CPU time, and the next visit of the same second needs the same one."""
    signed: list[bytes] = []

    class Key:
        def sign(self, text: bytes, *_: object) -> bytes:
            signed.append(text)
            return b"signature"

    signer = Signer(lambda: ("id", Key()))  # type: ignore[arg-type, return-value]
    headers = {"date": "Sat, 28 Nov 2026 00:00:00 GMT", "host": "h"}
    for path in ("/o/document", "/o/entry", "/o/document"):
        signer.authorization("PUT", path, headers)
    assert len(signed) == 2

    signer.renew()
    signer.authorization("PUT", "/o/document", headers)
    assert len(signed) == 3


def test_a_page_after_the_first_is_the_sdk_s(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """The marker that the storage gives is asked for as the SDK asks, whatever is in it."""
    monkeypatch.setattr("time.time", lambda: 1.8e9)
    pages = [{"objects": [{"name": "n.journal/a"}], "nextStartWith": "n.journal/ä b"}, {"objects": []}]
    both.sdk.list_objects("n", "b", prefix="n.journal/", start="n.journal/ä b", limit=1000)
    theirs = parts(both.recorder.last())
    both.recorder.answer = lambda request: both.recorder.ok(json.dumps(pages[b"start=" in request]).encode())

    assert ObjectStorage(both.ours, "n", "b", "n").entries(5) == ["a"]
    assert parts(both.recorder.requests[1]) == theirs


def test_the_namespace_is_asked_for_as_the_sdk_asks(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request, that names nothing."""
    monkeypatch.setattr("time.time", lambda: 1.8e9)
    both.recorder.answer = lambda request: both.recorder.ok(b'"mine"')
    assert both.sdk.get_namespace().data == "mine"
    theirs = parts(both.recorder.last())

    assert object_storage.namespace(both.ours, LATER) == "mine"
    assert parts(both.recorder.last()) == theirs


def refusing(recorder: Recorder, good: Callable[[bytes], bool]) -> None:
    """Let the recorder answer 401 to every request that is not good."""
    body = b'{"code": "NotAuthenticated", "message": "no"}'
    refused = b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    recorder.answer = lambda request: recorder.ok(b"{}") if good(request) else refused + body


@pytest.mark.parametrize("why", ["rotated", "expired"])
def test_token_and_key_are_read_again_after_a_401(both: Both, identity: Identity, why: str) -> None:
    """Files that were replaced are read again when the storage refuses the old token, and as rarely as by the SDK."""
    if why == "expired":
        identity.rotate(exp=1)
        both.sdk.base_client.signer.refresh_security_token()
        both.ours._signer.renew()
    old = identity.token
    identity.rotate()
    new = identity.token.encode()
    refusing(both.recorder, lambda request: new in request)
    storage = ObjectStorage(both.ours, "n", "b", "o")
    for ask in (lambda: both.sdk.get_object("n", "b", "o").data.content, lambda: storage.read(5)):
        both.recorder.requests.clear()
        ask()
        ask()
        first, second, third = both.recorder.requests
        assert old.encode() in first
        assert new in second
        assert new in third


def test_a_request_is_refused_twice_at_most(both: Both) -> None:
    """Where the new token is refused too, the owner is told; neither client goes on asking."""
    refusing(both.recorder, lambda request: False)
    with pytest.raises(oci.exceptions.ServiceError):
        both.sdk.get_object("n", "b", "o")
    theirs = len(both.recorder.requests)
    both.recorder.requests.clear()
    with pytest.raises(Misconfigured):
        ObjectStorage(both.ours, "n", "b", "o").write(b"{}", None, 5)

    assert len(both.recorder.requests) == theirs == 2


@pytest.mark.parametrize(
    "principal",
    [
        None,
        ResourcePrincipal("/nowhere/rpst", "/nowhere/private.pem", "us-phoenix-1"),
        ResourcePrincipal("token", "no key", "us-phoenix-1"),
    ],
)
def test_a_function_without_an_identity_is_misconfigured(principal: ResourcePrincipal | None) -> None:
    """As outside Oracle Functions."""
    with pytest.raises(Misconfigured):
        signer(principal)


def test_token_and_key_may_be_given_as_such() -> None:
    """What is no absolute path is the content itself, as it is to the SDK."""
    pem = private_key(0).decode()
    headers = {"date": "Sat, 28 Nov 2026 00:00:00 GMT", "host": "h"}

    assert 'keyId="ST$token"' in signer(ResourcePrincipal("token", pem, "r")).authorization("GET", "/n", headers)


KNOWN = sorted({*regions_definitions.REGIONS, *regions_definitions.REGIONS_SHORT_NAMES})


def sdk_endpoint(region: str, metadata: str | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address that the SDK's client has, in a process that was told nothing before."""
    for name in ("REGIONS_SHORT_NAMES", "REGION_REALMS", "REALMS"):
        monkeypatch.setattr(regions, name, dict(getattr(regions_definitions, name)))
    monkeypatch.setattr(regions, "REGIONS", list(regions_definitions.REGIONS))
    read = dict.fromkeys(regions.ExternalSources, False) | {regions.ExternalSources.IMDS: True}
    monkeypatch.setattr(regions, "_has_been_read_external_sources", read)
    monkeypatch.setenv("OCI_REGION_METADATA", metadata or "")
    signing = object.__new__(EphemeralResourcePrincipalSigner)
    signing.region = None
    del signing.region
    signing._initialize_and_return_region(region)
    return str(ObjectStorageClient({}, signer=signing).base_client.get_endpoint())


def described(region: str) -> str:
    """Return what Oracle Functions would say of a region that the SDK knows."""
    name = regions_definitions.REGIONS_SHORT_NAMES.get(region, region)
    short = {long: short for short, long in regions_definitions.REGIONS_SHORT_NAMES.items()}.get(name, "xxx")
    realm = regions_definitions.REGION_REALMS[name]
    values = (realm, regions_definitions.REALMS[realm], short.upper(), name)
    return json.dumps(dict(zip(endpoint.METADATA, values, strict=True)))


@pytest.mark.parametrize("told", [True, False])
def test_the_address_is_the_sdk_s(monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    """For every region and realm that the SDK knows, by either name, with and without region metadata."""
    assert len(KNOWN) > 150
    for region in KNOWN:
        metadata = described(region) if told else None
        assert endpoint.address(region, metadata) == sdk_endpoint(region, metadata, monkeypatch)


def test_the_address_comes_from_the_metadata_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Oracle Functions describes the region, the SDK is not asked, nor imported."""
    monkeypatch.setitem(__import__("sys").modules, "oci.regions", None)

    assert endpoint.address("eu-frankfurt-1", described("eu-frankfurt-1")).endswith("eu-frankfurt-1.oraclecloud.com")


NEW = {
    "realmKey": "OC99",
    "realmDomainComponent": "OracleCloud99.example",
    "regionKey": "NEW",
    "regionIdentifier": "xx-new-1",
}


@pytest.mark.parametrize("region", ["xx-new-1", "XX-NEW-1", "new", "xx-other-1", "us-luke-1", "a.dotted.domain"])
@pytest.mark.parametrize(
    "metadata",
    [
        json.dumps(NEW),
        json.dumps({**NEW, "regionKey": ""}),
        json.dumps({**NEW, "realmDomainComponent": ""}),
        json.dumps({name: value for name, value in NEW.items() if name != "realmKey"}),
        "{}",
        "{ no json",
        "",
    ],
)
def test_a_region_that_the_sdk_does_not_know(monkeypatch: pytest.MonkeyPatch, region: str, metadata: str) -> None:
    """A new region is where its metadata says; without any that can be used, where the SDK would look."""
    theirs = sdk_endpoint(region, metadata, monkeypatch)
    sdk_endpoint("us-phoenix-1", metadata, monkeypatch)  # forgets what it was told

    assert endpoint.address(region, metadata or None) == theirs


def test_the_recorder_is_read_as_http(both: Both) -> None:
    """Its answers are HTTP, as http.client reads it."""
    with socket.create_connection(both.recorder._listening.getsockname()) as opened:
        opened.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer = HTTPResponse(opened)
        answer.begin()
        assert answer.status == 200
