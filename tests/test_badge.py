"""The badge: the right number in the right width, readable, cached, and nothing of a query in it but what may be."""

import json
import re
from pathlib import Path
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
from counting import Counter
from hypothesis import given, settings
from hypothesis import strategies as st

from counter.badge import MAX_LABEL, Badge, colors, text_color, width
from counter.names import one_line
from counter.request import Response, is_known, tag
from counter.store import Unavailable
from counter.tally import Limits, Tally
from privacy import visitor_hash

TODAY = "2026-09-21"
SVG = "{http://www.w3.org/2000/svg}"
STORED = b'{"pageviews":1234,"uniqueVisitors":321}'
SNAPSHOT = Path(__file__).with_name("snapshots") / "badge.svg"


def tally(count: int, unique: int = 0) -> Tally:
    """A tally with these totals."""
    return Tally.decode(json.dumps({"pageviews": count, "uniqueVisitors": unique}).encode(), Limits())


def drawn(count: int = 1234, unique: int = 321, **query: str) -> ElementTree.Element:
    """The badge for a query, parsed."""
    return ElementTree.fromstring(Badge.of(query).svg(tally(count, unique), TODAY))  # noqa: S314 - it is our own


def texts(svg: ElementTree.Element) -> list[str]:
    """What can be read in a badge: label and number."""
    return [text.text or "" for text in svg.iter(f"{SVG}text") if "aria-hidden" not in text.attrib]


def get(query: str = "", data: bytes = STORED, method: str = "GET", **headers: str) -> Response:
    """The answer to a call for the badge, with these headers (`_` for `-`)."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Counter(data).ask(f"/v1/badge.svg?{query}", method, named)


def test_badge_is_the_reviewed_picture() -> None:
    """The badge of 1,234 page views is, byte by byte, the one that somebody has looked at."""
    assert SNAPSHOT.read_bytes() == get().body


def test_badge_shows_page_views_or_visitors() -> None:
    """`metric` chooses the number, and the label that goes with it."""
    assert texts(drawn()) == ["page views", "1,234"]
    assert texts(drawn(metric="count")) == ["page views", "1,234"]
    assert texts(drawn(metric="unique")) == ["visitors", "321"]


def test_estimate_is_marked() -> None:
    """A number of visitors that is an estimate says so, and the page views beside it do not."""
    hashes = [visitor_hash("salt", str(number)) for number in range(9)]
    many = Tally.decode(json.dumps({"pageviews": 12, "uniqueVisitors": 9, "seen": hashes}).encode(), Limits(seen=5))

    assert b">~9<" in Badge.of({"metric": "unique"}).svg(many, TODAY)
    assert b">12<" in Badge.of({}).svg(many, TODAY)


@pytest.mark.parametrize("digits", range(1, 17))
def test_badge_is_as_wide_as_its_number(digits: int) -> None:
    """Each digit takes 7 pixels, each comma 4, and the number 5 pixels of room on both sides."""
    number = int("1234567890123456"[:digits])
    svg = drawn(number)
    _, left, right, gloss = svg.iter(f"{SVG}rect")

    assert texts(svg)[1] == f"{number:,}"
    assert int(right.attrib["width"]) == 10 + 7 * digits + 4 * ((digits - 1) // 3)
    assert int(left.attrib["width"]) + int(right.attrib["width"]) == int(svg.attrib["width"])
    assert gloss.attrib["width"] == svg.attrib["width"]
    assert svg.attrib["viewBox"] == f"0 0 {svg.attrib['width']} 20"


def test_no_visit_yet_is_a_zero() -> None:
    """Before the first visit the badge shows 0 and nothing is stored."""
    counter = Counter()

    assert b"page views: 0<" in counter.ask("/badge.svg").body
    assert counter.store.document is None


def test_badge_never_counts() -> None:
    """However often it is asked for, the document stays as it is."""
    counter = Counter(b'{"count":7}')

    for query in ("", "vid=somebody", "metric=unique&vid=x"):
        assert counter.ask(f"/badge.svg?{query}").status == 200
    assert counter.store.document == (b'{"count":7}', "1")
    assert "write" not in counter.store.asked


def test_badge_has_a_name() -> None:
    """Label and number can be heard: as the picture's name and title, once, while the shadows are silent."""
    svg = drawn(label='Tom & "Jerry" <3')

    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-label"] == svg.findtext(f"{SVG}title") == 'Tom & "Jerry" <3: 1,234'


@pytest.mark.parametrize("color", [*colors(), "fff", "000", "0af", "ABCDEF", "777777", "767676", "Blue"])
def test_text_can_be_read(color: str) -> None:
    """On every ground the text has a contrast of 4.5 to 1 at least, and a named color has it up to the shaded edges."""
    badge = Badge.of({"color": color})
    text = text_color(badge.color)

    assert contrast(badge.color, text) >= 4.5
    assert contrast("#555555", "#fff") >= 4.5
    if color in colors():
        for shade in (0x00, 0x5D, 0xBB):
            assert contrast(mixed(badge.color, shade), text) >= 4.4


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 0xFFFFFF))
def test_any_color_can_be_read_on(color: int) -> None:
    """The same holds for all 16,777,216 colors."""
    ground = f"#{color:06x}"

    assert contrast(ground, text_color(ground)) >= 4.5


def mixed(color: str, shade: int) -> str:
    """A color under a tenth of this grey."""
    return "#" + "".join(f"{round(int(color[at : at + 2], 16) * 0.9 + shade * 0.1):02x}" for at in (1, 3, 5))


def contrast(one: str, other: str) -> float:
    """The contrast of two colors as the accessibility guidelines define it."""

    def luminance(color: str) -> float:
        digits = color[1:] if len(color) == 7 else "".join(digit * 2 for digit in color[1:])
        channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return float(sum(part * value for part, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("color, fill", [("0af", "#00aaff"), ("FF8800", "#ff8800"), ("brightgreen", "#44cc11")])
def test_color_is_a_name_or_hex_digits(color: str, fill: str) -> None:
    """A color reaches the picture as six hex digits, whatever way it was named."""
    assert [rect.attrib["fill"] for rect in drawn(color=color).iter(f"{SVG}rect")][2] == fill


@pytest.mark.parametrize("value", ["", "Count", "uniqueVisitors", "years"])
def test_a_wrong_metric_is_refused(value: str) -> None:
    """A number that there is not is a 400 that says which there are, in JSON, and repeats nothing."""
    response = get(urlencode({"metric": value}))
    answer = json.loads(response.body)

    assert (response.status, answer["error"]) == (400, "invalid_metric")
    assert answer["message"] == "metric must be one of count, unique, page, today, week, month."
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert "ETag" not in response.headers


@pytest.mark.parametrize(
    "label, shown",
    [
        ("", "page views"),
        ("  ", "page views"),
        ("\u202e\u200d", "page views"),
        ("x" * 41, "x" * 40),
        ("a\nb\tc\0d\x1be\x7ff", "a b c d e f"),
        ("abc\N{RIGHT-TO-LEFT OVERRIDE}def", "abc def"),
        ("abc\N{ZERO WIDTH SPACE}def", "abc def"),
        ("my\N{NO-BREAK SPACE}visits", "my visits"),
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
    ],
)
def test_any_label_is_drawn(label: str, shown: str) -> None:
    """What does not print is left out, what is too long is cut: a label never breaks the picture."""
    assert texts(drawn(label=label))[0] == shown
    assert get(urlencode({"label": label})).status == 200


@pytest.mark.parametrize(
    "color, fill",
    [
        ("", "#0a6fb5"),
        ("00", "#0a6fb5"),
        ("0afx", "#0a6fb5"),
        ("url(x)", "#0a6fb5"),
        ('red"/><script>', "#0a6fb5"),
        ("\N{FULLWIDTH DIGIT ONE}00", "#0a6fb5"),
        ("#0af", "#00aaff"),
        ("#ff0000", "#ff0000"),
        ("ff000080", "#ff0000"),
        (" success ", "#44cc11"),
        ("blueviolet", "#8a2be2"),
        ("Critical", "#c43d2f"),
    ],
)
def test_any_color_is_drawn(color: str, fill: str) -> None:
    """Names that people use and hex digits are understood, and anything else is the usual blue."""
    assert [rect.attrib["fill"] for rect in drawn(color=color).iter(f"{SVG}rect")][2] == fill
    assert get(urlencode({"color": color})).status == 200


def test_badge_shows_a_page_or_a_period() -> None:
    """`page` names the page whose views are shown, the periods show their visitors; what is unknown is a `?`."""
    counter = Counter()
    for vid in "aab":
        counter.ask(f"/counter?vid={vid}&page=/blog/")
    shown = {
        query: ElementTree.fromstring(counter.ask(f"/badge.svg?{query}").body).attrib["aria-label"]  # noqa: S314
        for query in ("page=/blog", "metric=page&page=/blog/index.html", "page=/none", "metric=page", "metric=today")
    }

    assert list(shown.values()) == [
        "page views: 3",
        "page views: 3",
        "page views: ?",
        "page views: ?",
        "visitors today: 2",
    ]
    assert b"visitors this week: 2<" in counter.ask("/badge.svg?metric=week").body
    assert b"visitors this month: 2<" in counter.ask("/badge.svg?metric=month").body
    assert "write" not in counter.store.asked[-5:]


@pytest.mark.parametrize(
    "count, short",
    [
        *[(0, "0"), (999, "999"), (1000, "1k"), (1234, "1.2k"), (9999, "9.9k"), (10_550, "10k"), (999_999, "999k")],
        *[(1_000_000, "1M"), (1_250_000, "1.2M"), (3_000_000_000, "3G"), (2**53 - 1, "9,007,199G")],
    ],
)
def test_large_numbers_may_be_abbreviated(count: int, short: str) -> None:
    """With a letter for the thousands, and never more than were counted."""
    assert texts(drawn(count, abbreviated="true"))[1] == short


@pytest.mark.parametrize(
    "label", ["x", "x" * 40, " visits ", "Besucher für Zürich", "訪問者", "زوار", "счётчик", "e\u0301"]
)
def test_label_may_be_in_any_language(label: str) -> None:
    """Any printable label is shown as it is, without blanks around it."""
    assert texts(drawn(label=label))[0] == label.strip()


def test_headers_let_caches_keep_it_for_a_while() -> None:
    """A badge is a picture that may be kept for five minutes, and may do nothing but be looked at."""
    headers = get().headers

    assert headers["Content-Type"] == "image/svg+xml"
    assert headers["Cache-Control"] == "public, max-age=300"
    assert headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert re.fullmatch(r'"[0-9a-f]{24}"', headers["ETag"])


def test_head_is_the_same_without_the_picture() -> None:
    """HEAD has the headers of GET and no body."""
    assert get(method="HEAD") == Response(200, get().headers)


def test_posting_is_not_for_a_badge() -> None:
    """Another method is refused, with those that work."""
    response = get(method="POST")

    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_known_picture_is_not_sent_again() -> None:
    """Who has the picture gets a 304 with its headers; who has another one gets the new one."""
    etag = get().headers["ETag"]

    for known in (etag, f"W/{etag}", f'"a", "b,c", W/{etag}', f'"a",{etag}', "*", " * "):
        for method in ("GET", "HEAD"):
            response = get(method=method, if_none_match=known)
            assert (response.status, response.body, response.headers["ETag"]) == (304, b"", etag)
            assert response.headers["Cache-Control"] == "public, max-age=300"
    for other in ("", '"a"', etag.strip('"'), f'"x{etag[1:]}', '"*"', "nonsense"):
        assert get(if_none_match=other).status == 200
    assert get("color=red", if_none_match=etag).status == 200
    assert get(data=b'{"count":1235}', if_none_match=etag).status == 200


def test_without_a_number_there_is_no_picture() -> None:
    """A storage that cannot be reached is a 503 in JSON that nobody keeps, also for somebody who knows a picture."""
    counter = Counter(STORED)
    counter.store.failure = Unavailable("The storage could not be reached.", in_doubt=False)

    response = counter.ask("/badge.svg", headers={"If-None-Match": "*"})

    assert (response.status, json.loads(response.body)["error"]) == (503, "storage_unavailable")
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert "Retry-After" in response.headers


def test_damaged_document_is_no_picture() -> None:
    """Nor is there one of a document that is no counter."""
    response = get(data=b"{")

    assert (response.status, json.loads(response.body)["error"]) == (500, "damaged_document")
    assert response.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"


def test_wrong_query_costs_no_request() -> None:
    """A query that cannot be understood is refused before the store is asked."""
    counter = Counter(STORED)

    assert counter.ask("/badge.svg?metric=none").status == 400
    assert counter.store.asked == []


def test_direct_call_may_ask_for_a_badge() -> None:
    """A call without a URL names the badge in its body, as it would any other address."""
    body = json.dumps({"path": "/badge.svg", "queryStringParameters": {"label": "a&b"}}).encode()

    assert b"<title>a&amp;b: 0</title>" in Counter().ask(None, body=body).body


anything = st.text(st.characters() | st.sampled_from("<>&\"'\r\n\0\x1b\u202e%/;"), max_size=60)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.sampled_from(["metric", "label", "color", "vid", "x"]), anything, max_size=3))
def test_fuzzed_queries_make_pictures_or_errors(query: dict[str, str]) -> None:
    """Whatever is asked: the answer is a well-formed picture whose only foreign text is a checked label, or an error
    that is the same for all; and no header is changed by it."""
    encoded = "&".join(f"{name}={quote(value, safe='', errors='replace')}" for name, value in query.items())
    response = get(encoded)
    plain = get()

    if response.status == 400:
        answer = json.loads(response.body)
        assert (answer["error"], answer["message"]) in REFUSALS
        return
    svg = ElementTree.fromstring(response.body)  # noqa: S314 - it is our own
    label = texts(svg)[0]
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} == ELEMENTS
    assert {name for element in svg.iter() for name in element.attrib} == ATTRIBUTES
    assert all(char.isprintable() or char in "\u200c\u200d" for char in label)
    assert (
        label == one_line(query.get("label", "").encode(errors="replace").decode(), MAX_LABEL) or label == "page views"
    )
    for name, value in response.headers.items():
        assert name == "ETag" or value == plain.headers[name]


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=80))
def test_fuzzed_bytes_are_never_repeated(raw: bytes) -> None:
    """A query of any bytes, encoded or not, leaves nothing in headers, and only well-formed text in the body."""
    response = get(raw.decode("latin-1"))

    assert all(value.isascii() and value.isprintable() for value in response.headers.values())
    if response.status == 200:
        ElementTree.fromstring(response.body)  # noqa: S314 - it is our own
    else:
        json.loads(response.body)


@pytest.mark.parametrize("attack", ['"><script>alert(1)</script>', "</title><a href='x'>", "]]>", "<!--", "&lt;b&gt;"])
def test_markup_in_a_label_stays_text(attack: str) -> None:
    """What looks like markup is shown letter by letter."""
    svg = drawn(label=attack)

    assert texts(svg)[0] == attack
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} == ELEMENTS


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=100), st.text(max_size=30))
def test_matching_tags_never_fails(header: str, content: str) -> None:
    """Any If-None-Match header has an answer, and only one that holds the tag has the answer yes."""
    etag = tag(content.encode())

    assert is_known(etag, header) is (header.strip() == "*")
    assert is_known(etag, f'"other", {etag}')


@pytest.mark.parametrize(
    "text, pixels", [("", 0), ("0123456789", 70), ("1,234", 32), ("é", 7), ("e\u0301", 7), ("訪問", 22)]
)
def test_width_is_verdanas(text: str, pixels: int) -> None:
    """Widths are Verdana's at 11 pixels; an accent takes none, and a Chinese sign takes a square."""
    assert width(text) == pixels


def test_every_ascii_character_has_its_width() -> None:
    """No printable ASCII character is guessed."""
    guess = width("\N{CYRILLIC SMALL LETTER SHA}" * 10)

    assert guess == 75
    assert {character for character in map(chr, range(32, 127)) if width(character * 10) == guess} == set("ABSVXZ")


ELEMENTS = {"svg", "title", "linearGradient", "stop", "clipPath", "g", "rect", "text"}
ATTRIBUTES = {name for element in drawn().iter() for name in element.attrib}
REFUSALS = {(answer["error"], answer["message"]) for answer in (json.loads(get(query).body) for query in ("metric=",))}
