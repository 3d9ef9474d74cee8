"""Pages and sources through the counter's routes: what is counted, what is shown, and to whom."""

import base64
import csv
import io
import json
import re
from typing import Any

import pytest
from counting import Counter

from counter.store import Conflict
from privacy import visitor_hash

TOKEN = "a-token-long-enough"
OWNER = {"Authorization": f"Bearer {TOKEN}"}


def post(counter: Counter, headers: dict[str, str] | None = None, **sent: object) -> dict[str, Any]:
    """Count a view as the element does."""
    _, told = counter.told("/counter", "POST", headers, json.dumps(sent).encode())
    return told


def test_a_page_is_counted_and_shown() -> None:
    """The answer has the page's path and its views, from the first one on, also when it is only looked at."""
    counter = Counter()

    assert post(counter, page="/blog/index.html")["page"] == {"path": "/blog", "count": 1}
    assert counter.told("/counter?page=/about&peek=1")[1]["page"] == {"path": "/about", "count": None}
    assert counter.told("/counter?page=/blog/")[1]["page"] == {"path": "/blog", "count": 2}
    assert "page" not in counter.told("/counter")[1]


def test_a_page_that_cannot_be_used_loses_no_view() -> None:
    """The view counts without it, and the answer names what was left out."""
    counter = Counter()
    told = post(counter, page="/" + "x" * 300, ref="exa mple", vid="anna")

    assert (told["count"], told["unique"], told["counted"], told["ignored"]) == (1, 1, True, ["page", "ref"])
    assert "page" not in told


def test_sources_are_hosts_of_others() -> None:
    """The site itself, empty referrers and machines without a name are no sources, and nothing to complain about."""
    counter = Counter(REPORT_TOKEN=TOKEN)
    site = {"Origin": "https://mysite.example"}
    for ref in (
        "https://www.other.example/a?b=c",
        "other.example:443",
        "mysite.example",
        "",
        "127.0.0.1",
        "other.example",
    ):
        assert "ignored" not in post(counter, site, page="/", ref=ref)

    assert counter.told("/stats", headers=OWNER)[1]["sources"] == {
        "top": [{"name": "other.example", "count": 3, "month": 3, "lastMonth": 0}],
        "other": {"count": 0, "month": 0, "lastMonth": 0},
    }


@pytest.mark.parametrize("signal", ["Sec-GPC", "DNT"])
def test_who_asks_for_privacy_has_no_source(signal: str) -> None:
    """The view and its page count; the id and the source are not looked at."""
    counter = Counter(REPORT_TOKEN=TOKEN)
    told = post(counter, {signal: "1"}, page="/a", ref="other.example", vid="anna")

    assert (told["count"], told["unique"], told["page"]["count"]) == (1, 0, 1)
    assert b"other.example" not in (counter.store.document or (b"",))[0]


def test_what_is_not_counted_names_no_page() -> None:
    """A reload or a crawler adds to no page; it is told the page's number all the same."""
    counter = Counter()
    post(counter, page="/a")
    told = post(counter, page="/a", skip="reload")

    assert (told["reason"], told["page"]) == ("reload", {"path": "/a", "count": 1})
    assert post(counter, {"User-Agent": "Googlebot/2.1"}, page="/a")["page"]["count"] == 1


def test_without_pages_none_is_kept() -> None:
    """PAGES=0 keeps no path, PAGE_LIST beside it only those that it names."""
    without, listed = Counter(PAGES="0"), Counter(PAGES="0", PAGE_LIST="/a")
    for counter in (without, listed):
        for page in ("/a", "/b", "/b", "/b", "/b"):
            post(counter, page=page)

    assert "pages" not in json.loads(without.store.document[0] if without.store.document else b"{}")
    pages = json.loads(listed.store.document[0] if listed.store.document else b"{}")["pages"]
    assert (pages["names"], pages["views"]) == ({"/a": [1, 1, 0]}, [5, 5, 0])


def test_a_page_with_any_name_is_a_page() -> None:
    """Names that mean something to programs mean nothing here."""
    counter = Counter(REPORT_TOKEN=TOKEN)
    names = [
        "/__proto__",
        "/constructor",
        "/<script>alert(1)</script>",
        "/names",
        "/%E2%80%AEevil",
        "/\u05e9\u05dc\u05d5\u05dd",
    ]
    for name in names * 3:
        assert post(counter, page=name)["page"]["path"] == name
    answer = counter.ask("/stats", headers=OWNER)

    assert {row["name"]: row["count"] for row in json.loads(answer.body)["pages"]["top"]} == dict.fromkeys(names, 3)
    assert "\u05e9\u05dc\u05d5\u05dd".encode() in answer.body


# Public statistics


def known() -> Counter:
    """Return a counter with pages of many and of few views, which shows its statistics to anyone."""
    counter = Counter(REPORT_TOKEN=TOKEN, PUBLIC_STATS="true", PAGE_LIST="/listed")
    for page in ["/many"] * 10 + ["/few"] * 9 + ["/listed", "/=insult"]:
        post(counter, page=page, vid="anna")
    post(counter, {"User-Agent": "Googlebot/2.1"})
    return counter


def test_public_statistics_only_read_and_tell_less() -> None:
    """Neither what was not counted, nor requests, nor settings, and of the names only those listed or often viewed."""
    counter = known()
    counter.store.asked.clear()
    answer = counter.ask("/stats")
    told = json.loads(answer.body)

    assert "write" not in counter.store.asked
    assert answer.headers["Cache-Control"] == "max-age=300"
    assert not told.keys() & {"requests", "budget", "settings", "documentBytes", "entriesWaiting"}
    assert b"filtered" not in answer.body
    assert {row["name"]: row["count"] for row in told["pages"]["top"]} == {"/many": 10, "/listed": 1}
    assert told["pages"]["other"]["count"] == 10
    assert told["count"] == 21


def test_a_wrong_token_opens_nothing() -> None:
    """Who sends a token means to be the owner: a wrong one is refused, also where anyone may read."""
    counter = known()

    assert counter.ask("/stats", headers={"Authorization": "Bearer wrong"}).status == 401
    assert counter.ask("/stats?token=wrong").status == 401
    assert "settings" in counter.told("/stats", headers=OWNER)[1]
    assert Counter(REPORT_TOKEN=TOKEN).ask("/stats").status == 401


# For spreadsheets


def table(counter: Counter, name: str, headers: dict[str, str] | None = OWNER) -> list[dict[str, str]]:
    """Return a table's rows."""
    answer = counter.ask(f"/stats?format=csv&table={name}", headers=headers)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


def test_tables_for_spreadsheets() -> None:
    """Days, weeks, months, pages and sources as CSV; pages end with the sum of all others."""
    counter = known()
    day = {"day": "2026-09-21", "pageviews": "21", "newVisitors": "1", "visitors": "1"}

    assert table(counter, "days") == [{**day, "crawler": "1"}]
    assert table(counter, "days", None) == [day]
    assert table(counter, "weeks") == [{"week": "2026-W39", "visitors": "1"}]
    assert table(counter, "months")[0]["month"] == "2026-09"
    assert [row["name"] for row in table(counter, "pages")] == ["/many", "/few", "/listed", "(all others)"]
    assert [row["count"] for row in table(counter, "pages")] == ["10", "9", "1", "1"]
    assert table(counter, "sources") == [{"name": "(all others)", "count": "0", "month": "0", "lastMonth": "0"}]
    assert counter.told("/stats?format=csv&table=seen", headers=OWNER)[1]["error"] == "invalid_table"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start: str) -> None:
    """A reason that an old document brought along, or any other text, is no formula for a spreadsheet."""
    days = {"2026-09-20": {"pageviews": 1, "filtered": {f"{start}cmd|' /C calc'!A0": 1}}}
    counter = Counter(json.dumps({"pageviews": 1, "days": days}).encode(), REPORT_TOKEN=TOKEN)
    answer = counter.ask("/stats?format=csv&table=days", headers=OWNER).body.decode()
    header = next(csv.reader(io.StringIO(answer, newline="")))

    assert header[-1] == f"'{start}cmd|' /C calc'!A0"


def test_before_the_first_visit_tables_are_empty() -> None:
    """Asking for a table of nothing is no error."""
    assert table(Counter(REPORT_TOKEN=TOKEN), "days") == []


# Reports


def test_a_report_of_a_week_or_a_month() -> None:
    """`period` chooses the days that a report is about; another one is refused before anything is sent."""
    counter = Counter(b'{"pageviews":3,"days":{"2026-09-15":{"pageviews":3}}}', REPORT_TOKEN=TOKEN)
    for period in ("day", "week", "month"):
        assert counter.told(f"/report?period={period}", headers=OWNER)[0] == 200
    titles = [title for title, _ in counter.papers.published]

    assert [title.partition(": ")[2] for title in titles] == [
        "0 page views yesterday (0 the day before)",
        "3 page views in week 38",
        "0 page views in August",
    ]
    assert counter.told("/report?period=year", headers=OWNER)[1]["error"] == "invalid_period"
    assert len(counter.papers.published) == 3


def test_a_report_may_leave_out_the_document() -> None:
    """With REPORT_BACKUP=false no hash of a visitor is in any mail."""
    counter = Counter(REPORT_TOKEN=TOKEN, REPORT_BACKUP="false")
    post(counter, vid="anna")
    counter.ask("/report", "POST", OWNER)

    assert "pageviews" not in counter.papers.published[0][1]


# What connects nobody with anything


def test_in_a_crowd_page_and_visitor_go_apart(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the document is busy a visit is two entries of the journal, one with the visitor and one with page and
    source; nothing but the date is in both, and neither log nor document nor mail puts them together."""
    counter = Counter(b'{"pageviews":1,"crowdAt":1790000000,"writtenAt":1790000000}', REPORT_TOKEN=TOKEN)
    write = counter.store.write

    def busy(data: bytes, version: str | None, timeout: float) -> str:
        raise Conflict("Somebody else was faster.")

    monkeypatch.setattr(counter.store, "write", busy)
    told = post(counter, vid="anna", page="/secret-page", ref="where.example")
    entries = sorted(counter.store.journal, key=len)
    monkeypatch.setattr(counter.store, "write", write)
    hashed = visitor_hash("salt-for-the-tests", "anna")
    page = base64.urlsafe_b64encode(b"/secret-page").decode().rstrip("=")

    assert (told["counted"], told["page"]["path"]) == (True, "/secret-page")
    assert len(entries) == 2
    assert sorted((hashed in entry, page in entry) for entry in entries) == [(False, True), (True, False)]
    first, second = (set(re.split(r"\.", entry)) - {"-", "_"} for entry in entries)
    assert first & second == {"2026-09-21"}

    counter.ask("/report", "POST", OWNER)
    stored = json.loads(counter.store.document[0] if counter.store.document else b"{}")
    assert stored["pages"]["probation"] == {"/secret-page": [1, 1, 0, 0]}
    assert stored["sources"]["probation"] == {"where.example": [1, 1, 0, 0]}
    assert (stored["pageviews"], stored["uniqueVisitors"], not counter.store.journal) == (2, 1, True)
    assert "secret" not in caplog.text
    for line in counter.papers.published[0][1].splitlines():
        assert not (hashed[:16] in line and ("secret" in line or "where" in line))
