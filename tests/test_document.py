"""Old documents are picked up as they are, and what is not a counter is refused with a reason that quotes nothing."""

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from damaged import DAMAGED
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counter.document import NotACounter
from counter.tally import Limits, Tally, Visit
from privacy import Sketch, visitor_hash

ROOT = Path(__file__).resolve().parents[1]
LIMITS = Limits()
SALT = "an old salt"
VISIT = Visit("id-of-a-visit", "2026-11-20", visitor_hash(SALT, "somebody new"))


def document(content: object) -> bytes:
    """Return a document as earlier counters wrote it."""
    return json.dumps(content).encode()


def stored(tally: Tally) -> dict[str, Any]:
    """Return what a tally is stored as."""
    content = json.loads(tally.encode())
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize(
    "content, pageviews, unique",
    [
        ({"count": 0}, 0, 0),
        ({"count": 123}, 123, 0),
        ({"count": 123.0}, 123, 0),
        ({"pageviews": 7}, 7, 0),
        ({"pageviews": 7, "uniqueVisitors": 3, "seen": ["a", "b"], "updatedAt": 1790000000}, 7, 3),
        ({"pageviews": 7, "seen": ["a", "b", "a"]}, 7, 2),
        ({"pageviews": 7, "uniqueVisitors": 3, "seen": [], "updatedAt": 1790000000.25}, 7, 3),
        ({"pageviews": 7, "count": 3}, 7, 0),
        ({"pageviews": 7, "updatedAt": "yesterday"}, 7, 0),
        ({"pageviews": 7, "updatedAt": None}, 7, 0),
        ({"pageviews": 2**53 - 1}, 2**53 - 1, 0),
    ],
)
def test_an_old_document_is_picked_up(content: dict[str, Any], pageviews: int, unique: int) -> None:
    """A total alone, or the four fields of earlier counters, go on from where they are."""
    tally = Tally.decode(document(content), LIMITS)

    assert (tally.pageviews, tally.unique, tally.unique_is_estimate) == (pageviews, unique, False)


@pytest.mark.parametrize(
    "text",
    [
        b'\xef\xbb\xbf{"count":5}',
        b' \r\n\t{ "count" : 5 } \n',
        b'{"\\u0063ount":5}',
        b'{"count":1,"count":5}',
    ],
)
def test_json_is_json_however_it_is_written(text: bytes) -> None:
    """A byte order mark, spaces, escapes: what other tools write is read."""
    assert Tally.decode(text, LIMITS).pageviews == 5


def test_a_visitor_of_the_old_document_stays_known() -> None:
    """The hash of earlier counters is ours, `sha256(SALT:vid)`, so nobody is new twice."""
    old = {
        "pageviews": 10,
        "uniqueVisitors": 2,
        "seen": [hashlib.sha256(f"{SALT}:{vid}".encode()).hexdigest() for vid in ("anna", "ben")],
        "updatedAt": 1790000000,
    }
    tally = Tally.decode(document(old), LIMITS)
    for number, vid in enumerate(("anna", "ben", "carl", "anna", "carl")):
        visit = Visit(str(number), "2026-11-20", visitor_hash(SALT, vid))
        tally = tally.add(visit, 1790000001 + number, LIMITS)

    assert (tally.pageviews, tally.unique, len(tally.seen.hashes)) == (15, 3, 3)
    assert stored(tally)["seen"][:2] == old["seen"]


def test_the_old_total_is_kept_true() -> None:
    """A function from before, which reads `count`, can go back to the document and finds the total there."""
    tally = Tally.decode(b'{"count": 41}', LIMITS).add(VISIT, 1790000000, LIMITS)

    assert stored(tally)["count"] == stored(tally)["pageviews"] == 42
    assert Tally.decode(tally.encode(), LIMITS).pageviews == 42


UNKNOWN: dict[str, Any] = {
    "theme": "dark",
    "nested": {"a": [1, 2.5, None, True, {"b": "ä\u2028😀"}], "": {}},
    "large": 2**70,
    "small": -1.5e-300,
    "count": 3,
    "Pageviews": -1,
    "": "",
    "lone": "\ud800",
}


def test_unknown_keys_are_kept() -> None:
    """What somebody else keeps in the document comes back as it was, after visits and folds."""
    tally = Tally.decode(document({**UNKNOWN, "pageviews": 5}), LIMITS)
    tally = tally.add(VISIT, 1790000000, LIMITS).fold([Visit("j", "2026-11-20")], LIMITS).with_requests("2026-11", 1)

    found = stored(tally)

    assert {key: found[key] for key in UNKNOWN} == UNKNOWN
    assert found["pageviews"] == 7


@pytest.mark.parametrize("first", [True, False])
def test_a_long_list_of_somebody_else_s_is_kept(first: bool) -> None:
    """Only the document's own `seen` is a list of visitors, wherever another one stands."""
    other = {"other": {"seen": [f"{number:064x}" for number in range(300)]}}
    ours = {"pageviews": 7, "seen": [f"{number:064x}" for number in range(250)]}
    content = other | ours if first else ours | other
    tally = Tally.decode(document(content), LIMITS)

    assert tally.unique == 250
    assert stored(tally)["other"] == content["other"]
    assert stored(tally)["seen"] == content["seen"]


def test_a_list_beside_a_sketch_is_added_to_it() -> None:
    """An older counter ignores the sketch and starts a new list; afterwards the visitors of both are known."""
    some = [f"{number:064x}" for number in range(2**200, 2**200 + 20)]
    for listed in (5, 20):
        both = {"pageviews": 9, "uniqueVisitors": 25, "sketch": Sketch.of([SALT]).text(), "seen": some[:listed]}
        tally = Tally.decode(document(both), Limits(seen=10))

        assert tally.unique == 25
        assert [tally.seen.add(visitor, 10)[1] for visitor in [SALT, *some[:listed]]] == [0] * (listed + 1)
        assert "seen" not in stored(tally)


def test_a_sketch_without_its_number_is_asked() -> None:
    """Where only the number is gone, the sketch tells it."""
    sketch = Sketch.of(f"{number:064x}" for number in range(2**200, 2**200 + 500))
    text = document({"pageviews": 900, "sketch": sketch.text()})

    assert Tally.decode(text, LIMITS).unique == round(sketch.estimate())


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_what_is_not_a_counter_is_refused(text: bytes) -> None:
    """Refused with one sentence for the owner that quotes nothing of the document."""
    with pytest.raises(NotACounter) as caught:
        Tally.decode(text, LIMITS)

    said = str(caught.value)
    assert 8 < len(said) < 100
    assert "\n" not in said
    assert "qq" not in said


@pytest.mark.parametrize("cut", range(1, 150, 7))
def test_a_truncated_document_is_refused_wherever_it_was_cut(cut: int) -> None:
    """No beginning of a document is a document."""
    whole = Tally.decode(b'{"count": 1}', LIMITS).add(VISIT, 1790000000, LIMITS).with_requests("2026-11", 1).encode()

    with pytest.raises(NotACounter):
        Tally.decode(whole[:-cut], LIMITS)


def survives(text: bytes, limits: Limits) -> None:
    """Decode; if it is a counter, let it count, fold, be stored and be read again."""
    try:
        tally = Tally.decode(text, limits)
    except NotACounter:
        return
    entries = [Visit("journal", "2026-11-19", "a" * 64), Visit("crawled", "2026-11-20", None, "crawler")]
    after = tally.add(VISIT, 1790000000, limits).fold(entries, limits).with_requests("2026-11", 2)
    again = Tally.decode(after.encode(), limits)

    counted = 1 + ("journal" not in {*tally.recent, *tally.folded, VISIT.id})
    assert again.pageviews == tally.pageviews + counted
    assert again.unique >= tally.unique
    assert again.encode() == after.encode()


numbers = st.integers(-3, 2**50) | st.floats(allow_nan=True)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
days = st.dates().map(str) | st.text(max_size=4)
sums = st.fixed_dictionaries(
    {},
    optional={
        "pageviews": st.integers(0, 2**40) | values,
        "newVisitors": st.integers(0, 9),
        "filtered": st.dictionaries(st.sampled_from(["crawler", "other"]), st.integers(0, 9)) | values,
        "note": values,
    },
)
rows = st.lists(st.integers(0, 2**53), min_size=3, max_size=4)
names = st.dictionaries(st.text(max_size=3), rows | values, max_size=3)
rankings = st.fixed_dictionaries(
    {"months": st.lists(st.text(max_size=7), max_size=3), "views": rows}, optional={"names": names, "probation": names}
)
sets = st.fixed_dictionaries(
    {},
    optional={
        "seen": st.lists(st.text(max_size=3), max_size=4) | values,
        "sketch": st.just(Sketch.of(["a"], 12).text()) | st.just(Sketch.of(["a"]).text()) | values,
        "until": st.integers(-1, 2**40) | values,
    },
)
people = st.dictionaries(
    st.sampled_from(["day", "week", "month", "other"]), st.dictionaries(days, sets | values, max_size=3), max_size=4
)
counters = st.fixed_dictionaries(
    {"pageviews": st.integers(0, 2**50)},
    optional={
        "count": values,
        "uniqueVisitors": st.integers(0, 2**50) | numbers,
        "seen": st.lists(st.text(max_size=3) | st.just("a" * 64), max_size=8) | values,
        "updatedAt": values,
        "days": st.dictionaries(st.dates().map(str), sums, max_size=6) | values,
        "months": st.dictionaries(days, sums, max_size=4) | values,
        "requests": st.dictionaries(st.text(max_size=8), st.integers(0, 2**40), max_size=30) | values,
        "recent": st.lists(st.text(max_size=8) | st.just("journal"), max_size=6) | values,
        "folded": st.lists(st.text(max_size=8), max_size=6) | values,
        "sketch": st.just(Sketch.of(["a" * 64]).text()) | values,
        "weeks": st.dictionaries(st.text(max_size=8), st.integers(0, 2**40), max_size=3) | values,
        "people": people | values,
        "pages": rankings | values,
        "sources": rankings | values,
        "other": values,
    },
)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=60) | st.binary(max_size=30).map(lambda some: b'{"pageviews":' + some + b"}"))
@example(b'{"pageviews":1,"seen":["\\')
@example(b'{"pageviews":1,"seen":["\\ud800"]}')
@example(b"[" * 100_000)
def test_any_bytes_are_a_counter_or_refused(text: bytes) -> None:
    """NotACounter is the only thing that goes wrong; what is taken can be counted on."""
    survives(text, LIMITS)


@settings(deadline=None, max_examples=50)
@given(values | counters, st.sampled_from([LIMITS, Limits(0, 1), Limits(3, 2)]))
def test_any_json_is_a_counter_or_refused(content: object, limits: Limits) -> None:
    """Whatever JSON somebody put there; what is taken goes on counting and is never refused later."""
    survives(document(content), limits)


@settings(deadline=None, max_examples=50)
@given(counters)
def test_reading_is_what_json_reads(content: dict[str, Any]) -> None:
    """Reading long lists apart changes nothing of what Python's reader makes of a document."""
    try:
        tally = Tally.decode(document(content), LIMITS)
    except NotACounter:
        return
    found = stored(tally)

    ours = {"seen", "sketch", "uniqueVisitors", "people", "pages", "sources"}  # kept in one form
    assert {key: value for key, value in found.items() if key not in ours} == {
        key: value for key, value in content.items() if key not in ours
    }
    if "sketch" not in content:
        assert list(found["seen"]) == list(content.get("seen", []))


PROGRAM = """
import sys, time
from pathlib import Path
from counter.tally import Limits, Tally, Visit
data = Path(sys.argv[1]).read_bytes()
start = time.process_time()
tally = Tally.decode(data, Limits())
took = time.process_time() - start
unique, known = tally.unique, all(tally.seen.add(visitor, 400)[1] == 0 for visitor in sys.argv[2:])
tally = tally.add(Visit("id", "2026-11-20", "ab" * 32), 1790000000, Limits())
status = Path("/proc/self/status")
memory = [line.split()[1] for line in status.open() if line.startswith("VmHWM")] if status.exists() else [0]
print(unique, tally.unique, known, len(tally.encode()), memory[0], took)
"""


@pytest.mark.slow
@pytest.mark.parametrize("separator, says", [(",", True), (", ", False)])
def test_a_million_visitors_fit_into_a_function(tmp_path: Path, separator: str, says: bool) -> None:
    """A document that arrives with a million hashes is read within 200 MB, and nobody in it is forgotten."""
    chance = random.Random(4)
    listed = [chance.randbytes(32).hex() for _ in range(1_000_000)]
    unique = '"uniqueVisitors":1000000,' if says else ""
    path = tmp_path / "counter.json"
    path.write_text(f'{{"pageviews":2000000,{unique}"seen":["' + f'"{separator}"'.join(listed) + '"]}', "ascii")

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path, *listed[::9973]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found, after, known, size, memory, _ = done.stdout.split()

    assert abs(int(found) - 1_000_000) <= (0 if says else 3 * 0.0081 * 1_000_000)
    assert known == "True"
    assert int(after) >= int(found)
    assert int(size) < 17_000
    assert int(memory) <= 200 * 1024  # KB
