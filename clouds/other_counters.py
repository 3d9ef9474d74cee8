"""Reads the numbers of other counters from their exports, and adds them to a counter document.

Every reader gets the files of an export (name and text) and returns `Numbers`. An unknown format raises `NotAnExport`,
which says what was expected; nothing is guessed.
"""

import csv
import gzip
import io
import json
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

from clouds.saved_file import text_of
from counter.history import History, plus
from counter.names import page_path, source_host
from counter.ranking import Ranking
from counter.tally import Limits, Tally

MAX_UNPACKED = 500_000_000
Rows = Iterator[dict[str, str]]


class NotAnExport(ValueError):
    """The file is not what that counter exports; the text says what was expected."""


@dataclass
class Numbers:
    """Another counter's numbers: totals, views by day (YYYY-MM-DD), page and site, visitors by day."""

    views: int = 0
    unnamed: int = 0  # views of something other than a page, such as an event
    visitors: int = 0
    days: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    pages: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)

    def described(self) -> str:
        """Return a one-line summary."""
        parts = [f"{self.views:,} page views", f"{self.visitors:,} visitors"]
        if self.days:
            parts.append(f"{len(self.days):,} days from {min(self.days)} to {max(self.days)}")
        for name, names in (("pages", self.pages), ("sites", self.sources)):
            parts += [f"{len(names):,} {name}"] if names else []
        return ", ".join(parts)


def read(kind: str, data: bytes) -> Numbers:
    """Return the numbers in a file that the counter `kind` exported; zipped or gzipped too. Raises NotAnExport."""
    try:
        numbers = READERS[kind](_parts(data))
    except (zipfile.BadZipFile, EOFError, OSError, csv.Error, KeyError, TypeError, ValueError) as error:
        if isinstance(error, NotAnExport):
            raise
        raise NotAnExport(f"this cannot be read as an export of {kind}: {error}") from error
    numbers.views = max(numbers.views, numbers.days.total(), numbers.pages.total() + numbers.unnamed)
    if not numbers.views and not numbers.visitors:
        raise NotAnExport(f"there are no numbers in it; an export of {kind} has {EXPECTED[kind]}")
    return numbers


def added(there: bytes, numbers: Numbers, file: bytes, today: date, limits: Limits) -> bytes:
    """Return the counter document `there`, which may be empty, with the numbers of a file in it. A file is added once:
    the document remembers which. Raises NotACounter, NotAnExport."""
    tally = Tally.decode(there, limits) if there else Tally.empty()
    fields, mark = dict(tally.fields), sha256(file).hexdigest()[:16]
    if mark in fields.get("imported", ()):
        raise NotAnExport("the numbers in this file are already in the counter")
    fields["imported"] = [*fields.get("imported", ()), mark]
    fields["pageviews"] = plus(tally.pageviews, numbers.views)
    fields["uniqueVisitors"] = plus(tally.unique, numbers.visitors)
    if fields.get("count") == tally.pageviews:  # an older counter's own name of the total
        fields["count"] = fields["pageviews"]
    history = History(fields)
    for day, views in sorted(numbers.days.items()):
        history.add(day, {"pageviews": views, "newVisitors": 0}, {"day": numbers.people[day]}, limits.days)
    fields |= history.fields()
    for key, names in (("pages", numbers.pages), ("sources", numbers.sources)):
        if names:
            fields[key] = _ranked(fields.get(key), names, limits, str(today)[:7])
    return Tally(fields, tally.seen).encode()


def _ranked(known: Ranking | None, names: Mapping[str, int], limits: Limits, month: str) -> Ranking:
    """Return a ranking with further views, all before this month and the last: the most viewed names stay, the views of
    the others are in its `other`."""
    ranking = known.copy() if known else Ranking()
    ranking.turn(month)
    for name, views in names.items():
        total, *recent = ranking.names.get(name, (0, 0, 0))
        ranking.names[name] = (plus(total, views), *recent)
    ranking.views = (plus(ranking.views[0], sum(names.values())), *ranking.views[1:])
    best = sorted(ranking.names, key=lambda name: ranking.names[name][0], reverse=True)[: limits.pages]
    ranking.names = {name: ranking.names[name] for name in best}
    return ranking


def _parts(data: bytes) -> dict[str, str]:
    """Return the files of an archive by their names, or the one that is given."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_UNPACKED)
    if data[:2] != b"PK":
        return {"": text_of(data)}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
            raise NotAnExport(f"it has more than {MAX_UNPACKED // 10**6:,} MB")
        return {entry.filename.rpartition("/")[2]: text_of(archive.read(entry)) for entry in archive.infolist()}


def _whole(value: Any) -> int:
    number = int(str(value).replace(",", "").strip() or 0)
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number


def _day(text: str) -> str:
    return str(date.fromisoformat(text.strip()[:10]))


def _page(numbers: Numbers, name: str, views: int) -> None:
    """Count the views of a page. If the name is not a path, they are only in the totals."""
    if path := page_path(name if name.startswith(("/", "http")) else f"/{name}"):
        numbers.pages[path] += views
    else:
        numbers.unnamed += views


def _source(numbers: Numbers, name: str, views: int) -> None:
    if host := source_host(name):
        numbers.sources[host] += views


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Return every JSON object in a text, whatever is around it: lines, a list, or a JSONP call."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
            yield value
        except ValueError:
            at += 1
        at = text.find("{", at)


def _table(text: str) -> Rows:
    """Return the rows of a CSV file with a header, by the names of its columns in small letters."""
    dialect = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    reader = csv.reader(io.StringIO(text), delimiter=dialect)
    header = [name.strip().lower() for name in next(reader, [])]
    for row in reader:
        if any(row):
            yield dict(zip(header, row, strict=False))


def _busuanzi(parts: Mapping[str, str]) -> Numbers:
    """Read answers of busuanzi or Vercount: one, or a line for each page, with the page's path before it."""
    numbers = Numbers()
    for line in "\n".join(parts.values()).splitlines():
        for answer in _objects(line):
            inner = answer.get("data")
            found = inner if isinstance(inner, dict) else answer
            if "site_pv" not in found:
                continue
            numbers.views = max(numbers.views, _whole(found.get("site_pv", 0)))
            numbers.visitors = max(numbers.visitors, _whole(found.get("site_uv", 0)))
            path = line.split()[0]
            if path.startswith("/"):
                numbers.pages[page_path(path) or "/"] = _whole(found.get("page_pv", 0))
    return numbers


def _leancloud(parts: Mapping[str, str]) -> Numbers:
    """Read the class Counter of a theme for LeanCloud: objects with `url` and `time`, the views of a page."""
    numbers = Numbers()
    for text in parts.values():
        objects = [each for found in _objects(text) for each in found.get("results", [found])]
        for each in objects:
            if "url" in each and "time" in each:
                _page(numbers, str(each["url"]), _whole(each["time"]))
    return numbers


def _goatcounter(parts: Mapping[str, str]) -> Numbers:
    """Read GoatCounter's export: CSV, a row for each page view, or JSON, a ZIP with the views of each hour."""
    numbers = Numbers()
    if "hit_stats.jsonl" in parts:
        info = next(_objects(parts.get("info.json", "")), {})
        if str(info.get("export_version", "1.0")).partition(".")[0] != "1":
            raise NotAnExport("this version of GoatCounter's JSON export is not supported; it must be 1")
        paths = {each["id"]: each for each in _objects(parts["paths.jsonl"])}
        refs = {each["id"]: str(each.get("ref", "")) for each in _objects(parts.get("refs.jsonl", ""))}
        for hit in _objects(parts["hit_stats.jsonl"]):
            if not paths[hit["path_id"]].get("event"):
                views = _whole(hit["count"])
                numbers.days[_day(hit["hour"])] += views
                _page(numbers, str(paths[hit["path_id"]]["path"]), views)
                _source(numbers, refs.get(hit.get("ref_id"), ""), views)
        return numbers
    sessions = defaultdict[str, set[str]](set)
    for row in _table(re.sub(r"^\d,?Path", "Path", next(iter(parts.values())), count=1)):
        if row["event"].lower() == "true" or row["bot"] not in ("", "0"):
            continue
        day = _day(row["date"])
        numbers.days[day] += 1
        sessions[day].add(row["session"])
        _page(numbers, row["path"], 1)
        _source(numbers, row["referrer"], 1)
    numbers.people.update({day: len(found) for day, found in sessions.items()})
    numbers.visitors = len(set().union(*sessions.values()))
    return numbers


def _plausible(parts: Mapping[str, str]) -> Numbers:
    """Read Plausible's export: its ZIP of tables, or one of them. Visitors are summed by day, as Plausible's own ids
    last a day."""
    numbers, pages = Numbers(), Counter[str]()
    for name, text in parts.items():
        for row in _table(text):
            views = _whole(row.get("pageviews", row.get("visits", 0)))
            if "page" in row or (name.startswith("pages") and "name" in row):
                pages[row.get("page") or row["name"]] += views
            elif "source" in row or (name.startswith("sources") and "name" in row):
                _source(numbers, row.get("source") or row["name"], _whole(row.get("visitors", views)))
            elif "visitors" in name or (not name and "date" in row):
                numbers.days[_day(row["date"])] += views
                numbers.people[_day(row["date"])] += _whole(row.get("visitors", 0))
    for path, views in pages.items():
        _page(numbers, path, views)
    numbers.visitors = numbers.people.total()
    return numbers


def _csv(parts: Mapping[str, str]) -> Numbers:
    """Read a plain table of two columns, with or without a header: pages or days, and their views."""
    numbers = Numbers()
    for text in parts.values():
        for name, views, *_ in (row for row in csv.reader(io.StringIO(text)) if len(row) > 1):
            if not views.strip().replace(",", "").isdigit():
                if numbers.unnamed or numbers.days or numbers.pages:
                    raise NotAnExport(f"{views!r} is not a number of views")
            elif re.fullmatch(r"\d{4}-\d\d-\d\d", name.strip()):
                numbers.days[_day(name)] += _whole(views)
            else:
                _page(numbers, name.strip(), _whole(views))
    return numbers


READERS: Mapping[str, Callable[[Mapping[str, str]], Numbers]] = {
    "busuanzi": _busuanzi,
    "vercount": _busuanzi,
    "leancloud": _leancloud,
    "goatcounter": _goatcounter,
    "plausible": _plausible,
    "csv": _csv,
}
EXPECTED = {
    "busuanzi": "answers with site_pv, site_uv and page_pv",
    "vercount": "answers with site_pv, site_uv and page_pv",
    "leancloud": "objects with url and time",
    "goatcounter": "a CSV file with the columns Path and Date, or a ZIP with hit_stats.jsonl",
    "plausible": "tables with the columns date, visitors and pageviews",
    "csv": "two columns: a page or a day, and its views",
}
