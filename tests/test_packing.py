"""The form in which other clouds' databases keep the document: nothing is lost in it, and people read the totals."""

import json
import zlib

from hypothesis import given
from hypothesis import strategies as st

from counter.packing import LONGEST, caught_up, pack, totals, unpack

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.binary(max_size=5_000))
def test_what_was_packed_comes_out_again(data: bytes) -> None:
    """Every document comes back byte for byte."""
    assert unpack(pack(data)) == data


@given(st.binary(max_size=300))
def test_what_was_not_packed_stays_as_it_is(stored: bytes) -> None:
    """What is no packed document comes back as it is stored, for the reader of documents to refuse."""
    assert unpack(b"\x00" + stored) == b"\x00" + stored


def test_a_bomb_is_not_unpacked() -> None:
    """What would fill the memory is left packed, and so is what was cut off."""
    bomb = zlib.compress(b" " * (LONGEST + 1))

    assert unpack(bomb) == bomb
    assert unpack(pack(b"x" * 1000)[:-1]) == pack(b"x" * 1000)[:-1]


@given(json_values)
def test_totals_are_whole_numbers_or_absent(content: object) -> None:
    """Whatever JSON it is, the numbers beside it are whole ones of its own, by the names that people look for."""
    found = totals(json.dumps(content).encode())

    assert set(found) <= {"pageviews", "uniqueVisitors", "updatedAt"}
    assert all(isinstance(content, dict) and content[name] == number for name, number in found.items())


@given(st.integers(0, 2**53), st.integers(-5, 2**53))
def test_a_document_catches_up(pageviews: int, count: int) -> None:
    """With an older counter's number the page views are the larger of the two, and all else stays."""
    data = json.dumps({"pageviews": pageviews, "uniqueVisitors": 3, "theme": {"dark": True}}).encode()

    assert json.loads(caught_up(data, count)) == json.loads(data) | {"pageviews": max(pageviews, count)}


@given(json_values)
def test_what_has_no_page_views_catches_up_with_nothing(content: object) -> None:
    """What is no counter is left exactly as it is."""
    data = json.dumps(content).encode()
    if not (isinstance(content, dict) and isinstance(content.get("pageviews"), int)):
        assert caught_up(data, 5) == data
