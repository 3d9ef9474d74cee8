"""A visitor leaves a salted hash and nothing else, and the set of hashes stays small without losing its count."""

import base64
import hashlib
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import REGISTERS, Seen, Sketch, visitor_hash

ROOT = Path(__file__).resolve().parents[1]
CLASSIC_ERROR = 1.04 / REGISTERS**0.5
HIP_ERROR = (0.6931 / REGISTERS) ** 0.5
HIGHEST = 51
PREFIX = "hll14-1:"


def strangers(count: int, seed: int = 1) -> Iterator[str]:
    """Return hashes of visitors that nobody has seen."""
    chance = random.Random(seed)
    return (chance.randbytes(32).hex() for _ in range(count))


hashes = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")


def test_the_hash_never_changes() -> None:
    """It is what earlier counters wrote: hex SHA-256 of salt, colon, id."""
    known = "694cd6bc2f729ed3960b67417a372ebfcaa7e9d7a4481c04fd31459244fb48d8"

    assert visitor_hash("change-me", "visitor-1") == known == hashlib.sha256(b"change-me:visitor-1").hexdigest()


@settings(deadline=None, max_examples=50)
@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.text(min_size=8, max_size=40))
def test_the_hash_depends_on_salt_and_visitor(salt: str, other: str, vid: str) -> None:
    """The same visitor has the same hash, with another salt another one, and neither can be read in it."""
    found = visitor_hash(salt, vid)

    assert found == visitor_hash(salt, vid)
    assert (found == visitor_hash(other, vid)) is (salt == other)
    assert len(found) == 64
    assert vid not in found


@pytest.mark.parametrize("count", [1, 10, 100, 1_000, 10_000, 40_000, 53_000, 100_000, 300_000])
def test_the_estimate_is_within_three_standard_errors(count: int) -> None:
    """However few or many visitors there were, the sketch tells their number."""
    estimate = Sketch.of(strangers(count)).estimate()

    assert abs(estimate - count) <= max(3 * CLASSIC_ERROR * count, 0.5)


@pytest.mark.parametrize("count", [30_000, 50_000, 55_000, 100_000])
def test_the_estimate_is_right_on_average(count: int) -> None:
    """On either side of the change of method ten sketches are off by about 1 %, and not all in one direction."""
    errors = [Sketch.of(strangers(count, seed)).estimate() / count - 1 for seed in range(20, 30)]

    assert abs(sum(errors)) / 10 < 0.01
    assert (sum(error * error for error in errors) / 10) ** 0.5 < 0.015


def test_an_empty_sketch_holds_nobody() -> None:
    """Nobody is no visitor, exactly."""
    assert Sketch().estimate() == 0
    assert Sketch.of([]).registers == bytes(REGISTERS)


def test_a_full_sketch_can_still_be_asked() -> None:
    """Even where every register is at its highest there is an answer and no error."""
    full = Sketch(bytes([HIGHEST]) * REGISTERS)

    assert 1e15 < full.estimate() < 2**53
    assert full.add("0" * 64) == (full, 0)


def test_one_by_one_or_all_at_once_is_the_same() -> None:
    """`add` and `of` make the same registers."""
    some = list(strangers(3_000, seed=5))
    sketch = Sketch()
    for visitor in some:
        sketch, _ = sketch.add(visitor)

    assert sketch.registers == Sketch.of(some).registers


@pytest.mark.parametrize("seed", range(4))
def test_the_running_count_never_goes_down_and_is_true(seed: int) -> None:
    """Counted as they come, visitors are within three standard errors at every size, and a known one adds nothing."""
    sketch, count = Sketch(), 0
    for number, visitor in enumerate(strangers(60_000, seed=seed + 10), 1):
        sketch, more = sketch.add(visitor)
        assert more >= 0
        count += more
        if number in (100, 1_000, 10_000, 60_000):
            assert abs(count - number) <= max(3.5 * HIP_ERROR * number, 1)
            assert sketch.add(visitor) == (sketch, 0)


@settings(deadline=None, max_examples=30)
@given(st.lists(hashes, max_size=30), st.lists(hashes, max_size=30), st.lists(hashes, max_size=30))
def test_merging_is_the_union(one: list[str], two: list[str], three: list[str]) -> None:
    """Merging is commutative, associative, idempotent, and the same as having seen everybody."""
    a, b, c = Sketch.of(one), Sketch.of(two), Sketch.of(three)

    assert a.merge(b).registers == b.merge(a).registers == Sketch.of(one + two).registers
    assert a.merge(b).merge(c).registers == a.merge(b.merge(c)).registers
    assert a.merge(a).registers == a.registers


@pytest.mark.parametrize("count", [0, 1, 500, 5_000, 200_000])
def test_a_sketch_survives_as_text(count: int) -> None:
    """The text is read back to the same registers, goes on counting alike, and is of 16 KB at most."""
    sketch = Sketch.of(strangers(count))
    text = sketch.text()
    again = Sketch.parse(text)

    assert again.registers == sketch.registers
    assert again.text() == text == Sketch(sketch.registers).text()
    assert again.add("a" * 64)[1] == sketch.add("a" * 64)[1]
    assert text.isascii()
    assert len(text) <= 16 * 1024


def test_no_sketch_is_longer_than_sixteen_kilobytes() -> None:
    """Not even one whose registers somebody has chosen by knowing the salt."""
    chance = random.Random(3)
    worst = Sketch(bytes(chance.randrange(HIGHEST + 1) for _ in range(REGISTERS)))

    assert len(worst.text()) <= 16 * 1024


def packed(content: bytes) -> str:
    """Return a text that looks like a sketch of this content."""
    return PREFIX + base64.b64encode(zlib.compress(content)).decode()


GOOD = Sketch.of(strangers(100)).text()
NO_SKETCHES = {
    "nothing": "",
    "another version": "hll14-2:" + GOOD.removeprefix(PREFIX),
    "no version": GOOD.removeprefix(PREFIX),
    "only the version": PREFIX,
    "no base64": PREFIX + "*not base64*",
    "base64 of something else": PREFIX + base64.b64encode(b"something else").decode(),
    "cut short": GOOD[:-8],
    "cut in the middle of a group": GOOD[:-3],
    "followed by something": GOOD + "AAAA",
    "spaces in it": GOOD[:20] + " " + GOOD[20:],
    "not ASCII": GOOD + "ä",
    "too few registers": packed(bytes(REGISTERS - 1)),
    "too many registers": packed(bytes(REGISTERS + 1)),
    "a register that cannot be": packed(bytes(REGISTERS - 1) + bytes([HIGHEST + 1])),
    "something behind the registers": PREFIX + base64.b64encode(zlib.compress(bytes(REGISTERS)) + b"more").decode(),
    "a surrogate": PREFIX + "\ud800",
}


@pytest.mark.parametrize("text", NO_SKETCHES.values(), ids=NO_SKETCHES)
def test_what_is_no_sketch_is_refused(text: str) -> None:
    """Refused with a reason that quotes nothing of it."""
    with pytest.raises(ValueError, match=r"^(is of an unknown version|is damaged|has not the right size)$"):
        Sketch.parse(text)


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60) | st.binary(max_size=200).map(lambda some: PREFIX + base64.b64encode(some).decode()))
def test_any_text_is_a_sketch_or_refused(text: str) -> None:
    """Whatever the text, ValueError is the only thing that goes wrong."""
    try:
        sketch = Sketch.parse(text)
    except ValueError:
        return
    assert len(sketch.registers) == REGISTERS


@settings(deadline=None, max_examples=50)
@given(st.integers(len(PREFIX), len(GOOD) - 1), st.sampled_from("AZaz09+/=\n"))
def test_a_changed_character_changes_nobody(at: int, sign: str) -> None:
    """The text carries a checksum: what was tampered with is refused, or means the same."""
    try:
        sketch = Sketch.parse(GOOD[:at] + sign + GOOD[at + 1 :])
    except ValueError:
        return

    assert sketch.registers == Sketch.parse(GOOD).registers


def test_a_zip_bomb_costs_no_memory() -> None:
    """A text that would unpack to a quarter of a gigabyte is refused within the memory of a function."""
    program = (
        "import base64, sys, zlib\n"
        "from privacy import Sketch\n"
        "packer = zlib.compressobj(1)\n"
        "parts = [packer.compress(bytes(2**20)) for _ in range(256)] + [packer.flush()]\n"
        "text = 'hll14-1:' + base64.b64encode(b''.join(parts)).decode()\n"
        "status = '/proc/self/status'\n"
        "def most():\n"
        "    return next(int(line.split()[1]) for line in open(status) if line.startswith('VmHWM'))\n"
        "before = most() if sys.platform == 'linux' else 0\n"
        "try:\n    Sketch.parse(text)\n"
        "except ValueError as error:\n"
        "    print(most() - before if sys.platform == 'linux' else 0, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    more, _, reason = done.stdout.strip().partition(" ")

    assert reason == "has not the right size"
    assert int(more) < 10 * 1024  # KB


def test_the_set_is_exact_until_its_limit() -> None:
    """Up to the limit every visitor is told apart; the one above it turns the set into a sketch."""
    some = list(strangers(11, seed=7))
    seen = Seen()
    for number, visitor in enumerate(some[:10], 1):
        seen, more = seen.add(visitor, 10)
        assert (more, seen.sketch, seen.size()) == (1, None, number)
        assert seen.add(visitor, 10) == (seen, 0)

    turned, more = seen.add(some[10], 10)

    assert more == 1
    assert turned.sketch is not None
    assert turned.hashes == ()
    assert [turned.add(visitor, 10)[1] for visitor in some] == [0] * 11
    assert turned.size() == 11


def test_a_set_without_a_list_is_a_sketch_from_the_start() -> None:
    """With a limit of nobody the first visitor makes a sketch."""
    seen, more = Seen().add("a" * 64, 0)

    assert (more, seen.sketch is not None, seen.size()) == (1, True, 1)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([f"{n:064x}" for n in range(2**200, 2**200 + 12)]), max_size=40), st.integers(0, 15))
def test_a_set_is_a_set(visitors: list[str], limit: int) -> None:
    """In whatever order and however often they come, below the limit everybody counts once; what was is not changed."""
    seen, count = Seen(), 0
    for visitor in visitors:
        before = (seen.hashes, seen.sketch)
        after, more = seen.add(visitor, limit)
        assert (seen.hashes, seen.sketch) == before
        assert after.add(visitor, limit) == (after, 0)
        seen, count = after, count + more

    if len(set(visitors)) <= limit:
        assert (seen.sketch, count, set(seen.hashes)) == (None, len(set(visitors)), set(visitors))
        assert len(seen.hashes) == count
    assert len(seen.hashes) <= limit


@pytest.mark.parametrize(
    "count, limit, exact", [(0, 0, True), (5, 5, True), (6, 5, False), (1, 0, False), (5000, 1000, False)]
)
def test_a_long_list_is_read_into_a_sketch(count: int, limit: int, exact: bool) -> None:
    """A list that an old document brings along stays one up to the limit; nobody of it is forgotten."""
    some = list(strangers(count, seed=9))

    seen = Seen.of(iter(some), limit)

    assert (seen.sketch is None) is exact
    assert abs(seen.size() - count) <= 3 * CLASSIC_ERROR * count
    assert {seen.add(visitor, limit)[1] for visitor in some} <= {0}


def test_a_set_of_a_sketch_and_a_list_holds_both() -> None:
    """If an older counter has started a new list, the visitors of both are known."""
    old, new = list(strangers(50, seed=1)), list(strangers(5, seed=2))
    seen = Seen.of(new, 10, Sketch.of(old))

    assert [seen.add(visitor, 10)[1] for visitor in old + new] == [0] * 55


@pytest.mark.parametrize(
    "odd", ["", "x", "ab" * 31, "ab" * 33, "zz" * 32, "\ud800", "é" * 64, "AB" * 32, " " + "ab" * 32]
)
def test_what_is_no_hash_is_a_visitor_all_the_same(odd: str) -> None:
    """An old list may hold any text; it is told apart from others, alone and among hashes."""
    sketch = Sketch.of([odd])

    assert sketch.estimate() > 0.5
    assert sketch.add(odd) == (sketch, 0)
    assert Sketch.of(["ab" * 32, odd, "cd" * 32]).add(odd)[1] == 0
