"""The SDK's connections to DynamoDB: certificates are checked at each, and read once a container."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import SSLError
from tls import Authority, answering, tls

from clouds.aws.function.client import connect
from clouds.aws.function.dynamodb import DynamoDB
from counter.store import Unavailable

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Any, ...]]:
    """Give this process an identity, and return the certificates that were read, in order."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    found: list[tuple[Any, ...]] = []
    load = ssl.SSLContext.load_verify_locations

    def counting(context: ssl.SSLContext, *places: Any, **named: Any) -> None:
        found.append(places)
        load(context, *places, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counting)
    return found


def ask(client: Any) -> None:
    """Make one request."""
    client.get_item(TableName="t", Key={"k": {"S": "v"}})


def test_certificates_are_read_once(
    read: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the service closes the connection, the root certificates are read for the first one only."""
    authority = Authority(tmp_path, "good")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with tls(authority.context()) as server:
        server.behave = answering(EMPTY)
        client = connect("dynamodb", "eu-central-1", server.url, seconds=5)
        for _ in range(3):
            ask(client)
        client.close()

    assert server.connections == 3
    assert [places[0] for places in read] == [str(authority.file)]


@pytest.mark.parametrize("wrong", ["name", "authority"])
@pytest.mark.usefixtures("read")
def test_a_wrong_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """Also on a connection after the first."""
    good, other = Authority(tmp_path, "good"), Authority(tmp_path, "other")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(good.file))
    with tls(good.context()) as server:
        server.behave = answering(EMPTY)
        client = connect("dynamodb", "eu-central-1", server.url, seconds=5)
        ask(client)
        server.context = good.context("127.0.0.2") if wrong == "name" else other.context()
        with pytest.raises(SSLError):
            ask(client)
        client.close()


@pytest.mark.usefixtures("read")
def test_an_answer_cut_anywhere_is_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the answer to a write ends too early, the write may have been done."""
    authority = Authority(tmp_path, "good")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with tls(authority.context()) as server:
        documents = DynamoDB(connect("dynamodb", "eu-central-1", server.url, seconds=5), "t", "c")
        server.behave = answering(EMPTY)
        assert documents.write(b"{}", None, 5)
        for length in range(0, len(EMPTY), 5):
            server.behave = answering(EMPTY[:length])
            with pytest.raises(Unavailable) as cut:
                documents.write(b"{}", None, 5)
            assert cut.value.in_doubt is True
        documents._client.close()
