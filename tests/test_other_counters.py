"""Moving in from another counter: each one's export is read as that counter writes it, and no number changes."""

import csv
import gzip
import io
import json
import zipfile
from datetime import date

import pytest

from clouds.other_counters import EXPECTED, NotAnExport, Numbers, added, read
from counter.tally import Limits, Tally

TODAY = date(2026, 11, 28)

BUSUANZI = """\
/ try{BusuanziCallback_1046609647591({"site_uv":880,"page_pv":500,"version":2.4,"site_pv":1934});}catch(e){}
/posts/a/ try{BusuanziCallback_1046609647592({"site_uv":881,"page_pv":120,"version":2.4,"site_pv":1935});}catch(e){}
"""
VERCOUNT = '{"status":"success","message":"ok","data":{"site_uv":20,"page_pv":7,"site_pv":51}}'
LEANCLOUD = """\
#filetype:JSON-streaming {"type":"Class","class":"Counter"}
{"url":"/2021/hello/","time":41,"title":"Hello","objectId":"a1","createdAt":"2021-01-02T03:04:05.678Z"}
{"url":"/2022/你好/","time":9,"title":"你好","objectId":"a2","createdAt":"2022-01-02T03:04:05.678Z"}
"""
GOATCOUNTER = """\
2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,Referrer scheme,Screen size,Location,FirstVisit,Date
/a.html,"A, the first",false,,Firefox 120,Linux,s1,0,https://news.example/item?id=1,h,"1920,1080,1",DE,true,2026-03-01T23:10:00Z
/,Home,false,,Firefox 120,Linux,s1,0,,,"1920,1080,1",DE,true,2026-03-01T23:11:00Z
/a.html,A,false,,Safari 17,iOS,s2,0,Hacker News,g,"390,844,3",FR,true,2026-03-02T00:10:00Z
download,Click,true,,Safari 17,iOS,s2,0,,,"390,844,3",FR,true,2026-03-02T00:11:00Z
/a.html,A,false,,Bot,,s3,3,,,,,true,2026-03-02T00:12:00Z
"""
GOATCOUNTER_JSON = {
    "info.json": '{"export_version": "1.0", "goatcounter_version": "2.7"}',
    "paths.jsonl": '{"id": 9, "path": "/a", "title": "A", "event": false}\n{"id": 8, "path": "buy", "event": true}\n',
    "refs.jsonl": '{"id": 1, "ref": "", "ref_scheme": ""}\n{"id": 2, "ref": "news.example/item", "ref_scheme": "h"}\n',
    "hit_stats.jsonl": '{"hour":"2026-03-05T19:00:00Z","path_id":9,"ref_id":2,"count":4}\n'
    '{"hour":"2026-03-06T15:00:00Z","path_id":9,"ref_id":1,"count":3}\n'
    '{"hour":"2026-03-06T15:00:00Z","path_id":8,"ref_id":1,"count":1}\n',
}
PLAUSIBLE = {
    "imported_visitors_20260301_20260302.csv": "date,visitors,pageviews,bounces,visits,visit_duration\n"
    "2026-03-01,10,25,3,11,400\n2026-03-02,4,5,1,4,90\n",
    "imported_pages_20260301_20260302.csv": "date,hostname,page,visits,visitors,pageviews\n"
    "2026-03-01,example.com,/,10,9,20\n2026-03-01,example.com,/a,4,4,5\n2026-03-02,example.com,/,4,4,5\n",
    "imported_sources_20260301_20260302.csv": "date,source,referrer,visitors,visits\n2026-03-01,news.example,,7,7\n",
    "imported_browsers_20260301_20260302.csv": "date,browser,browser_version,visitors\n2026-03-01,Firefox,120,10\n",
}


def zipped(parts: dict[str, str]) -> bytes:
    """Return an archive of files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(f"export/{name}", text)
    return file.getvalue()


def test_busuanzi() -> None:
    """The site's totals are the highest that were answered; a line that begins with a path tells that page's views."""
    numbers = read("busuanzi", BUSUANZI.encode())

    assert (numbers.views, numbers.visitors) == (1935, 881)
    assert numbers.pages == {"/": 500, "/posts/a": 120}


def test_vercount() -> None:
    """Its answer has the numbers one level down."""
    numbers = read("vercount", VERCOUNT.encode())

    assert (numbers.views, numbers.visitors, numbers.pages) == (51, 20, {})


def test_leancloud() -> None:
    """Each object of the class is a page with its views, in lines, and as the REST interface lists them."""
    lines = read("leancloud", LEANCLOUD.encode())
    objects = [json.loads(line) for line in LEANCLOUD.splitlines()[1:]]
    listed = read("leancloud", json.dumps({"results": objects}).encode())

    assert lines == listed
    assert (lines.views, lines.pages) == (50, {"/2021/hello": 41, "/2022/你好": 9})


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_goatcounter_csv(pack: type[bytes]) -> None:
    """Each row is a view of its day, page and site; events and bots are none; a session is a visitor."""
    numbers = read("goatcounter", pack(GOATCOUNTER.encode()))

    assert (numbers.views, numbers.visitors) == (3, 2)
    assert numbers.days == {"2026-03-01": 2, "2026-03-02": 1}
    assert numbers.people == {"2026-03-01": 1, "2026-03-02": 1}
    assert numbers.pages == {"/a.html": 2, "/": 1}
    assert numbers.sources == {"news.example": 1}


def test_goatcounter_json() -> None:
    """The hours of a day and the pages are summed, without events; another version of the form is refused."""
    numbers = read("goatcounter", zipped(GOATCOUNTER_JSON))

    assert (numbers.views, numbers.days, numbers.pages) == (7, {"2026-03-05": 4, "2026-03-06": 3}, {"/a": 7})
    assert numbers.sources == {"news.example": 4}

    with pytest.raises(NotAnExport, match="it must be 1"):
        read("goatcounter", zipped(GOATCOUNTER_JSON | {"info.json": '{"export_version": "2.0"}'}))


def test_plausible() -> None:
    """Days, pages and sites come from their tables; what the counter does not keep is left."""
    numbers = read("plausible", zipped(PLAUSIBLE))

    assert (numbers.views, numbers.visitors) == (30, 14)
    assert numbers.days == {"2026-03-01": 25, "2026-03-02": 5}
    assert numbers.pages == {"/": 25, "/a": 5}
    assert numbers.sources == {"news.example": 7}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_plain_table(encoding: str) -> None:
    """Two columns are enough, with a header or without, and in any of the usual encodings."""
    text = io.StringIO()
    csv.writer(text).writerows([["page", "views"], ["/a", 30], ["https://example.com/b/?x=1", "1,200"], ["/ü", 2]])
    numbers = read("csv", text.getvalue().encode(encoding))

    assert (numbers.views, numbers.pages) == (1232, {"/a": 30, "/b": 1200, "/ü": 2})


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize(
    "data", [b"", b"hello", b"PK\3\4broken", b"\x1f\x8bbroken", b'{"a": 1}', b"a,b\nc,d\n", b"\0\1"]
)
def test_anything_else_is_refused(kind: str, data: bytes) -> None:
    """What is no export is said to be none; nothing is guessed."""
    with pytest.raises(NotAnExport):
        read(kind, data)


def test_they_are_added_to_what_is_there() -> None:
    """Totals, days, pages and sites are the sums; the rest of the document stays."""
    there = {
        "pageviews": 10,
        "uniqueVisitors": 4,
        "seen": ["a" * 64],
        "days": {"2026-03-02": {"pageviews": 10, "newVisitors": 4}},
        "theme": 1,
    }
    file = zipped(PLAUSIBLE)
    numbers = read("plausible", file)
    tally = Tally.decode(added(json.dumps(there).encode(), numbers, file, TODAY, Limits()), Limits())

    assert (tally.pageviews, tally.unique, tally.seen.size(), tally.fields["theme"]) == (40, 18, 1, 1)
    assert {day: sums["pageviews"] for day, sums in tally.days.items()} == {"2026-03-01": 25, "2026-03-02": 15}
    assert (tally.pages.count("/"), tally.pages.count("/a"), tally.pages.other[0]) == (25, 5, 0)
    assert tally.sources.count("news.example") == 7

    with pytest.raises(NotAnExport, match="already"):
        added(tally.encode(), numbers, file, TODAY, Limits())


def test_what_has_no_room_is_summed() -> None:
    """Days beyond the limit go into their months and pages beyond it into `other`: every view is somewhere."""
    numbers = Numbers(views=60)
    for number in range(1, 11):
        numbers.days[f"2026-02-{number:02}"] = numbers.pages[f"/{number}"] = number
    tally = Tally.decode(added(b"", numbers, b"file", TODAY, Limits(days=3, pages=4)), Limits(days=3, pages=4))

    assert {day: sums["pageviews"] for day, sums in tally.days.items()} == {
        "2026-02-08": 8,
        "2026-02-09": 9,
        "2026-02-10": 10,
    }
    assert tally.months["2026-02"]["pageviews"] == 28
    assert set(tally.pages.names) == {"/7", "/8", "/9", "/10"}
    assert tally.pages.other[0] == 21
