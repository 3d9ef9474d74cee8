"""The stand-in's objects keep the promises of Object Storage."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clouds.oracle.laptop.objects import Objects, PreconditionFailed


@pytest.fixture
def objects() -> Iterator[Objects]:
    """Return objects in memory."""
    objects = Objects(":memory:")
    yield objects
    objects.close()


def test_an_object_comes_back_as_it_was_written(objects: Objects) -> None:
    """A read returns the bytes, the ETag of the write and the MD5."""
    etag = objects.put("b", "a/b c", b"\x00\xff")
    stored = objects.get("b", "a/b c")

    assert stored is not None
    assert (b"\x00\xff", etag, "0H0076xjKAB61nx+CpheAA==") == (stored.data, stored.etag, stored.md5)


def test_there_is_nothing_before_the_first_write(objects: Objects) -> None:
    """An absent object is None, and deleting it returns False."""
    assert objects.get("b", "o") is None
    assert objects.delete("b", "o") is False


def test_an_etag_never_comes_back(objects: Objects) -> None:
    """The same bytes written again get a new ETag of 36 characters."""
    etags = {objects.put("b", "o", b"same") for _ in range(50)}

    assert len(etags) == 50
    assert {36} == {len(etag) for etag in etags}


def test_if_match_writes_only_over_that_etag(objects: Objects) -> None:
    """A write with the current ETag succeeds; one with a stale ETag changes nothing."""
    first = objects.put("b", "o", b"1")
    second = objects.put("b", "o", b"2", if_match=first)
    with pytest.raises(PreconditionFailed) as failed:
        objects.put("b", "o", b"3", if_match=first)

    stored = objects.get("b", "o")
    assert stored is not None
    assert ("IfMatchFailed", second, b"2") == (failed.value.code, stored.etag, stored.data)


def test_if_match_on_an_absent_object_fails(objects: Objects) -> None:
    """A write with an ETag to an absent object fails and writes nothing."""
    with pytest.raises(PreconditionFailed) as failed:
        objects.put("b", "o", b"1", if_match="00000000-0000-0000-0000-000000000000")

    assert failed.value.code == "IfMatchFailed"
    assert objects.get("b", "o") is None


def test_create_only_writes_once(objects: Objects) -> None:
    """The second create fails and does not change the object."""
    etag = objects.put("b", "o", b"1", if_none_match="*")
    with pytest.raises(PreconditionFailed) as failed:
        objects.put("b", "o", b"2", if_none_match="*")

    stored = objects.get("b", "o")
    assert stored is not None
    assert ("IfNoneMatchFailed", etag) == (failed.value.code, stored.etag)


def test_delete_may_have_a_condition(objects: Objects) -> None:
    """A stale ETag leaves the object, the current one removes it."""
    stale = objects.put("b", "o", b"1")
    current = objects.put("b", "o", b"2")
    with pytest.raises(PreconditionFailed):
        objects.delete("b", "o", if_match=stale)

    assert objects.delete("b", "o", if_match=current) is True
    assert objects.get("b", "o") is None


@pytest.mark.parametrize("path", [":memory:", "file"])
def test_of_racing_creates_one_wins(path: str, tmp_path: Path) -> None:
    """Of sixteen threads that create the same object, one succeeds and fifteen fail."""
    objects = Objects(tmp_path / "o.sqlite" if path == "file" else path)

    def create(number: int) -> bool:
        try:
            objects.put("b", "o", b"%d" % number, if_none_match="*")
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(create, range(16)))

    stored = objects.get("b", "o")
    assert stored is not None
    assert (1, b"%d" % won.index(True)) == (sum(won), stored.data)
    objects.close()


def test_racing_increments_lose_nothing(tmp_path: Path) -> None:
    """Eight writers on two connections add one 25 times each with conditional writes, and none is lost."""
    opened = [Objects(tmp_path / "o.sqlite"), Objects(tmp_path / "o.sqlite")]
    opened[0].put("b", "o", b"0")

    def add(writer: int) -> None:
        objects = opened[writer % 2]
        done = 0
        while done < 25:
            stored = objects.get("b", "o")
            assert stored is not None
            try:
                objects.put("b", "o", b"%d" % (int(stored.data) + 1), if_match=stored.etag)
            except PreconditionFailed:
                continue
            done += 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(8)))

    stored = opened[0].get("b", "o")
    assert stored is not None
    assert stored.data == b"200"
    for objects in opened:
        objects.close()


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    """Objects, ETags and buckets are still there when the file is opened again."""
    objects = Objects(tmp_path / "o.sqlite")
    objects.create_bucket("empty")
    etag = objects.put("b", "o", b"1")
    objects.close()
    objects = Objects(tmp_path / "o.sqlite")

    stored = objects.get("b", "o")
    assert stored is not None
    assert (etag, b"1", ["b", "empty"]) == (stored.etag, stored.data, sorted(objects.buckets))
    objects.close()


def test_listing_is_sorted_by_name(objects: Objects) -> None:
    """A list is sorted by bytes and narrowed by prefix, start (inclusive), end (exclusive) and limit."""
    for name in ["z", "j/2", "j/1", "j/é", "j", "j0", "J/1"]:
        objects.put("b", name, b"")
    objects.put("other", "j/0", b"")

    def names(**narrow: object) -> list[str]:
        return [stored.name for stored in objects.list("b", **narrow)]  # type: ignore[arg-type]

    assert names() == ["J/1", "j", "j/1", "j/2", "j/é", "j0", "z"]
    assert names(prefix="j/") == ["j/1", "j/2", "j/é"]
    assert names(prefix="j/", start="j/2") == ["j/2", "j/é"]
    assert names(prefix="j/", end="j/é") == ["j/1", "j/2"]
    assert names(prefix="j/", limit=1) == ["j/1"]
    assert names(prefix="x") == []


def test_versions_are_kept_on_request(objects: Objects) -> None:
    """A bucket with versioning lists all replaced and removed objects, newest first; other buckets do not."""
    for bucket in ("kept", "lost"):
        objects.put(bucket, "x", b"before")
    objects.keep_versions("kept")
    for bucket in ("kept", "lost"):
        etag = objects.put(bucket, "x", b"1")
        objects.put(bucket, "x", b"2", if_match=etag)
        objects.put(bucket, "xy", b"another")
        objects.delete(bucket, "x")
        objects.put(bucket, "x", b"3", if_none_match="*")

    kept = [(stored.name, stored.data) for stored in objects.versions("kept", "x")]
    assert kept == [("x", b"3"), ("x", b"2"), ("x", b"1"), ("x", b"before"), ("xy", b"another")]
    assert len({stored.etag for stored in objects.versions("kept")}) == 5
    assert [(stored.name, stored.data) for stored in objects.versions("lost", "x")] == [("x", b"3"), ("xy", b"another")]
