"""Real documents, damaged in every way that was thought of: refused, or kept without losing a number. Never an error.

The seeds are in tests/corpus/, a file each, and so is whatever was ever found.
"""

from __future__ import annotations

import base64
import json
import re
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from counting import Counter
from damaged import DAMAGED
from fuzzing import PATIENCE, TOKEN, tried
from hypothesis import given
from hypothesis import strategies as st

from counter.document import NotACounter
from counter.tally import Limits, Tally, Visit
from privacy import REGISTERS, Sketch

pytestmark = PATIENCE

CORPUS = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "corpus").iterdir())}
SEEDS = [*CORPUS.values(), *(text for text in DAMAGED.values() if len(text) < 1_000)]
LIMITS = [Limits(), Limits(seen=0, days=1), Limits(seen=3, days=2)]
PREFIX = "hll14-1:"
ROUTES = ("/counter?peek=1", "/badge.svg?metric=unique", "/health", "/stats", "/report", "/counter?vid=anna", "/stats")
LARGEST = 2**53 - 1
EDGE = 2**52
"""Beyond it one more visit may not be in the sum."""

NUMBERS = b"""0 -0 -1 1.0 0.5 1e3 1e15 1e16 1e308 1e999 -1e999 9007199254740991 9007199254740992 9223372036854775808
    0x10 01 1_000 +1 .5 NaN Infinity -Infinity null true "7" [] {}""".split()
TOKENS = (
    b'"seen":["a","a"],', b'"seen":[],', b'"seen":null,', b'"pageviews":3,', b'"count":4,', b'"uniqueVisitors":1,',
    b'"days":{"2026-02-30":{}},', b'"days":{"9999-12-31":{"pageviews":1}},', b'"days":{"0001-01-01":{}},',
    b'"months":{"":{"filtered":{"":1}}},', b'"requests":{"\\u0000":1},', b'"recent":["x"],', b'"folded":["j"],',
    b'"updatedAt":1e308,', b'"updatedAt":-1,', b'"updatedAt":"now",',
    b'"seen":["\\ud800"],', b'"sketch":"hll14-1:",', b'"\\ud800":"\\udfff",', b'"\\ud83d\\ude00":1,',
    b"\xef\xbb\xbf", b"\0", b"\x80", b"\xed\xa0\x80", b"\xff\xfe", b"\\u0000", b"\\", b'"', b"{", b"}", b"[", b"]",
    b" " * 300, b"\xc2\xa0", b"\xe2\x80\xa8", b"[" * 2_000, b'{"a":' * 500, b"9" * 5_000, b"1" + b"0" * 400,
)  # fmt: skip


@st.composite
def with_another_number(draw: st.DrawFn, data: bytes) -> bytes:
    """The document with one of its numbers replaced, if it has any."""
    found = list(re.finditer(rb"(?<=[:,\[])-?\d[\d.eE+-]*", data))[:60]
    if not found:
        return data
    place = draw(st.sampled_from(found))
    return data[: place.start()] + draw(st.sampled_from(NUMBERS)) + data[place.end() :]


@st.composite
def with_a_token_more(draw: st.DrawFn, data: bytes, at: int) -> bytes:
    """The document with a token put in, most likely where one may begin."""
    places = [0, at, *(match.end() for match in re.finditer(rb"[{,\[:]", data))]
    at = draw(st.sampled_from(places[:60]))
    return data[:at] + draw(st.sampled_from(TOKENS)) + data[at:]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A document of the corpus after a few accidents."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "cut", "token", "number", "swap", "resume"])):
            case "flip":
                flipped = bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in data[at : at + 1])
                data = data[:at] + flipped + data[at + 1 :]
            case "cut":
                data = data[:at]
            case "token":
                data = draw(with_a_token_more(data, at))
            case "number":
                data = draw(with_another_number(data))
            case "swap":
                data += draw(st.sampled_from(SEEDS))[at:]
            case _:  # a part of it comes twice, or is lost
                data = data[:at] + data[draw(st.integers(0, at + 9)) :]
    return data


def numbers(value: Any) -> Iterator[float]:
    """All numbers in a value of JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from numbers(part)
    elif isinstance(value, (int, float)):
        yield value


def taken(data: bytes, limits: Limits) -> Tally | str:
    """The tally of a document, or why it is refused."""
    try:
        return Tally.decode(data, limits)
    except NotACounter as refusal:
        return str(refusal)


def judged(data: bytes, limits: Limits) -> Tally | None:
    """The tally of a document, after all that must hold of one that is taken; None for one that is refused."""
    tally = taken(data, limits)
    if isinstance(tally, str):
        assert re.fullmatch(r"[A-Za-z, {}-]{8,60}", tally), "it quotes what is stored"
        return None
    meant = json.loads(data.decode("utf-8-sig"))
    kept = json.loads(tally.encode())
    for name, value in meant.items():
        if name not in ("seen", "sketch"):
            assert kept[name] == value
            assert json.dumps(kept[name]) == json.dumps(value) or name in ("pageviews", "uniqueVisitors")
    if "sketch" not in kept:
        assert kept["seen"] == meant.get("seen", [])
    assert Tally.decode(tally.encode(), limits).encode() == tally.encode()
    return tally


def goes_on(tally: Tally, limits: Limits) -> None:
    """Let a tally count and fold; what is stored then is read again, and is one and one more."""
    visit, waiting = Visit("the visit", "2026-11-20", "ab" * 32), Visit("the entry", "2026-11-19", "cd" * 32)
    after = tally.add(visit, 1790000000, limits).fold([waiting, waiting], limits).with_requests("2026-11", 2)
    again = Tally.decode(after.encode(), limits)

    assert again.encode() == after.encode()
    assert again.pageviews == tally.pageviews + 1 + (not tally.has(waiting.id))
    assert again.unique >= tally.unique
    assert again.has(visit.id)
    assert again.has(waiting.id)


def answered(data: bytes, refused: bool) -> None:
    """Ask a counter with this document everything: answered, or, if it is refused, told so, and never touched."""
    counter = Counter(data, REPORT_TOKEN=TOKEN)
    for route in ROUTES:
        answer = counter.ask(route, headers={"Authorization": f"Bearer {TOKEN}"})
        if refused:
            assert answer.status == (503 if route == "/health" else 500)
            assert b"damaged" in answer.body
        else:
            assert answer.status == 200, answer.body
    assert len(counter.papers.published) == (not refused)
    if refused:
        assert counter.store.document == (data, "1")


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("limits", LIMITS, ids=["400", "none", "3"])
def test_the_corpus_is_understood(name: str, limits: Limits) -> None:
    """Each file is a counter, or, where its name says so, is refused; and all routes cope with it."""
    tally = judged(CORPUS[name], limits)

    assert (tally is None) is name.startswith("refused-")
    if tally is not None:
        goes_on(tally, limits)
    answered(CORPUS[name], refused=tally is None)


@tried(50)
@given(damaged(), st.sampled_from(LIMITS))
def test_a_damaged_document_is_refused_or_kept(data: bytes, limits: Limits) -> None:
    """NotACounter, or no number is lost, what is written is read again, and it goes on counting."""
    tally = judged(data, limits)
    if tally is not None and max(numbers(json.loads(data.decode("utf-8-sig"))), default=0) < EDGE:
        goes_on(tally, limits)


@tried(50)
@given(damaged())
def test_all_routes_cope_with_a_damaged_document(data: bytes) -> None:
    """What is taken can be shown, drawn, reported and mailed; what is refused is said to be damaged and left alone."""
    answered(data, refused=judged(data, LIMITS[0]) is None)


@pytest.mark.parametrize(
    "text",
    [
        '{"count": %d}',
        '{"pageviews": 1, "uniqueVisitors": %d}',
        '{"pageviews": 1, "days": {"2026-09-21": {"pageviews": %d, "newVisitors": %d, "filtered": {"crawler": %d}}}}',
        '{"pageviews": 1, "days": {"2020-01-01": {"pageviews": %d}, "2020-01-02": {"pageviews": %d}}}',
        '{"pageviews": 1, "requests": {"2026-09": %d}}',
    ],
)
def test_the_largest_number_is_no_end(text: str) -> None:
    """A counter that can go no higher stays there; it never writes what it would refuse to read."""
    counter = Counter(text.replace("%d", str(LARGEST)).encode(), REPORT_TOKEN=TOKEN)
    for headers in ({}, {"User-Agent": "Googlebot/2.1"}):
        assert counter.ask("/counter?vid=anna", headers=headers).status == 200

    assert counter.store.document is not None
    answered(counter.store.document[0], refused=False)


@st.composite
def sketches(draw: st.DrawFn) -> str:
    """The text of a sketch: of registers that somebody made up, or of a real one, with bits of it flipped."""
    some = draw(st.lists(st.integers(0, 63), min_size=1, max_size=6))
    size = draw(st.sampled_from([REGISTERS, REGISTERS, REGISTERS, REGISTERS - 1, REGISTERS + 1, 0]))
    packed = bytearray(zlib.compress((bytes(some) * (size // len(some) + 1))[:size], draw(st.sampled_from([0, 1, 9]))))
    for _ in range(draw(st.integers(0, 2))):
        packed[draw(st.integers(0, len(packed) - 1))] ^= 1 << draw(st.integers(0, 7))
    text = base64.b64encode(bytes(packed)).decode()
    return PREFIX + draw(st.sampled_from([text, text, text.rstrip("="), text + "=", text[:-4], text + "\n", text * 2]))


@tried(70)
@given(sketches())
def test_a_made_up_sketch_is_refused_or_counts_on(text: str) -> None:
    """ValueError, or the text is read to the same registers again, tells a number, and counts nobody twice."""
    try:
        sketch = Sketch.parse(text)
    except ValueError:
        return
    assert Sketch.parse(sketch.text()).registers == sketch.registers
    assert Sketch.parse(Sketch(sketch.registers).text()).registers == sketch.registers
    assert max(sketch.registers) <= 51
    assert 0 <= sketch.estimate() < 2**53
    more, count = sketch.add("00" * 32)
    assert count >= 0
    assert more.add("00" * 32) == (more, 0)
    assert all(map(int.__le__, sketch.registers, more.registers))


HASH = b'"%s"' % (b"ab" * 32)
LARGE = {
    "spaces": b'{"count":1' + b" " * 2**20 + b"}",
    "keys": b'{"count":1,' + b",".join(b'"%d":1' % number for number in range(25_000)) + b"}",
    "a list over and over": b'{"count":1,' + b'"seen":["a"],' * 20_000 + b'"x":1}',
    "long numbers": b'{"count":1,"x":[' + b",".join([b"9" * 4_000] * 60) + b"]}",
    "escapes": b'{"count":1,"seen":["' + b"\\u0041" * 50_000 + b'"]}',
    "short visitors": b'{"count":1,"seen":[' + b",".join(b'"%d"' % number for number in range(30_000)) + b"]}",
    "visitors that are hashes but for one": b'{"count":1,"seen":[' + b",".join([*[HASH] * 99, b'"A"'] * 40) + b"]}",
    "nesting": b'{"count":1,"x":' + b"[" * 2**20,
    "days": b'{"count":1,"days":{' + b",".join(b'"%04d-01-01":{}' % year for year in range(1, 9_999)) + b"}}",
}
"""Documents of a quarter of a megabyte and more, each as unhandy as can be."""


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_large_document_costs_little(name: str) -> None:
    """Whatever is in it, a document is read within three seconds and twenty times its size in memory."""
    data, start = LARGE[name], time.process_time()
    taken(data, Limits())
    took = time.process_time() - start
    tracemalloc.start()
    taken(data, Limits())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert took < 3
    assert most < 20 * len(data)
