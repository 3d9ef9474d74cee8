"""The SDK's connections to Table Storage: certificates are checked at each, and read once a container."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tls import Authority, answering, tls

from clouds.azure.function.storage_account import StorageAccount
from clouds.azure.function.table_storage import TableStorage
from counter.settings import Secret
from counter.store import Unavailable

ROW = b'{"odata.etag": "W/\\"1\\"", "PartitionKey": "counter", "RowKey": "1"}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ROW) + ROW
ACCOUNT = StorageAccount(connection=None, url=None, identity=None, table_name="VisitorCounter")


def storage(url: str, authority: Authority) -> TableStorage:
    """Open a container's table at an address, by a key."""
    text = f"AccountName=a;AccountKey=a2V5;TableEndpoint={url}/a"
    return TableStorage(replace(ACCOUNT, connection=Secret(text)).table(connection_verify=str(authority.file)))


def test_certificates_are_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However often the service closes the connection, the root certificates are read for the first one only."""
    authority = Authority(tmp_path, "good")
    read: list[Any] = []
    load = ssl.SSLContext.load_verify_locations

    def counting(context: ssl.SSLContext, *places: Any, **named: Any) -> None:
        read.append(places[0])
        load(context, *places, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counting)
    with tls(authority.context()) as server:
        server.behave = answering(ANSWER)
        own = storage(server.url, authority)
        for _ in range(3):
            assert own.read(5) is not None
        own._table.close()

    assert server.connections == 3
    assert read == [str(authority.file)]


@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_a_wrong_certificate_is_refused(tmp_path: Path, wrong: str) -> None:
    """Also on a connection after the first."""
    good, other = Authority(tmp_path, "good"), Authority(tmp_path, "other")
    with tls(good.context()) as server:
        server.behave = answering(ANSWER)
        own = storage(server.url, good)
        own.read(5)
        server.context = good.context("127.0.0.2") if wrong == "name" else other.context()
        with pytest.raises(Unavailable):
            own.read(5)
        own._table.close()


WRITTEN = ANSWER.replace(b"200 OK", b"201 Created").replace(b"content-type", b'etag: W/"1"\r\ncontent-type')


@pytest.mark.slow
def test_an_answer_cut_anywhere_is_in_doubt(tmp_path: Path) -> None:
    """Wherever the answer to a write ends too early, or lacks its version, the write may have been done. Only where
    status and version have come whole is it known to be."""
    authority = Authority(tmp_path, "good")
    known = WRITTEN.index(b'"1"') + 3
    with tls(authority.context()) as server:
        own = storage(server.url, authority)
        for answer in [*(WRITTEN[:length] for length in range(len(WRITTEN))), ANSWER.replace(b"200", b"201")]:
            server.behave = answering(answer)
            with suppress(Unavailable):
                assert own.write(b"{}", None, 5) == 'W/"1"'
                assert len(answer) >= known
                continue
            with pytest.raises(Unavailable) as cut:
                own.write(b"{}", None, 5)
            assert cut.value.in_doubt is True
        own._table.close()
