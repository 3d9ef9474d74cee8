"""The document is packed without loss, and its totals are readable."""

import json
import zlib

from hypothesis import given
from hypothesis import strategies as st

from clouds.packing import MAX_UNPACKED, caught_up, pack, totals, unpack

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
    """Anything that is not a packed document is returned unchanged, for the caller to refuse."""
    assert unpack(b"\x00" + stored) == b"\x00" + stored


def test_a_bomb_is_not_unpacked() -> None:
    """A document that would unpack to more than the limit stays packed, and so does a truncated one."""
    bomb = zlib.compress(b" " * (MAX_UNPACKED + 1))

    assert unpack(bomb) == bomb
    assert unpack(pack(b"x" * 1000)[:-1]) == pack(b"x" * 1000)[:-1]


@given(json_values)
def test_totals_are_whole_numbers_or_absent(content: object) -> None:
    """Whatever JSON the document is, its totals are whole numbers from it, under the expected names."""
    found = totals(json.dumps(content).encode())

    assert set(found) <= {"pageviews", "uniqueVisitors", "updatedAt"}
    assert all(isinstance(content, dict) and content[name] == number for name, number in found.items())


@given(st.integers(0, 2**53), st.integers(-5, 2**53))
def test_a_document_catches_up(pageviews: int, count: int) -> None:
    """The page views become the larger of the document's and an older counter's number; nothing else changes."""
    data = json.dumps({"pageviews": pageviews, "uniqueVisitors": 3, "theme": {"dark": True}}).encode()

    assert json.loads(caught_up(data, count)) == json.loads(data) | {"pageviews": max(pageviews, count)}


@given(json_values)
def test_what_has_no_page_views_catches_up_with_nothing(content: object) -> None:
    """Data without page views is left exactly as it is."""
    data = json.dumps(content).encode()
    if not (isinstance(content, dict) and isinstance(content.get("pageviews"), int)):
        assert caught_up(data, 5) == data
