"""docs/privacy.md is true: its fields, figures and keys are the code's, its commands work, and nothing else is kept."""

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from datetime import date, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from counting import NOW, Counter
from test_secrets import ADDRESS, ADDRESS6, COOKIE, HEADERS, REFERER, found_in

from clouds import admin as restore
from clouds.oracle.laptop.serving import BUCKET, Serving
from counter.api import SERVICE
from counter.tally import Limits, Tally, Visit
from privacy import visitor_hash

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "privacy.md").read_text("utf-8")
SALT = "salt-qqsqsqs-of-these-tests"
TOKEN = "the-token-qqtqtqt-of-these-tests"
VID = "vid-qqvqvqv:1.2_3"
OTHER = "another-qqzqzqz"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 qqaqaqa"
REASONS = {"crawler", "prefetch"}


# The document


def everything() -> Tally:
    """Return a document that was through all that can happen to one, from an older counter's on."""
    limits = Limits(seen=2, days=3)
    tally = Tally.decode(b'{"count": 7}', limits)
    for number in range(5):
        day = str(date(2026, 9, 28) + timedelta(number))
        tally = tally.add(Visit(f"v{number}", day, visitor_hash(SALT, str(number))), NOW, limits)
        for reason in sorted(REASONS):
            tally = tally.add(Visit(f"{reason}{number}", day, None, reason), NOW, limits)
        tally = tally.fold([Visit(f"j{number}", day)], limits).with_requests(day[:7], 3)
    return tally


def test_what_is_over_is_dropped() -> None:
    """The days, the months, the list and the ids that are past their time are in no document any more."""
    limits = Limits(seen=3, days=400)
    tally = Tally.empty()
    for number in range(260 * 31):
        day = str(date(2000, 1, 1) + timedelta(number))
        if number % 5 == 0 or number > 255 * 31:
            tally = tally.add(Visit(f"v{number}", day, visitor_hash(SALT, str(number))), NOW, limits)
            tally = tally.with_requests(day[:7], 1)
    document = json.loads(tally.encode())

    assert len(document["days"]) == 400
    assert [len(sets) for sets in document["people"].values()] == [2, 2, 2]
    assert (len(document["months"]), len(document["requests"]), len(document["recent"])) == (240, 24, 256)
    assert "seen" not in document
    assert not found_in({"it": tally.encode().decode()}, {"a hash": visitor_hash(SALT, "0")})


def test_an_entry_of_the_journal_holds_four_parts() -> None:
    """The name of an entry is date, id, reason and hash."""
    visit = Visit("k3Jd-_x", "2026-11-20", visitor_hash(SALT, VID), None)

    assert visit.entry().split(".") == ["2026-11-20", "k3Jd-_x", "-", visitor_hash(SALT, VID)]


# The real function


MARKS: Mapping[str, str] = {
    "an address": ADDRESS,
    "an address of version 6": ADDRESS6,
    "a browser's name": "qqaqaqa",
    "a referring page": REFERER,
    "a cookie": COOKIE,
    "an id": VID,
    "another id": OTHER,
    "an origin": HEADERS["Origin"],
    "a language": HEADERS["Accept-Language"],
    "the salt": SALT,
    "the token": TOKEN,
}


def ask(here: Serving, target: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Make one request with everything there is to hide, and return what its JSON says."""
    connection = HTTPConnection(urlsplit(here.url).netloc, timeout=40)
    connection.request(method, f"/v1/{target}", None, {**HEADERS, "User-Agent": BROWSER, **(headers or {})})
    content = json.loads(connection.getresponse().read())
    connection.close()
    assert isinstance(content, dict)
    return content


def test_nothing_else_is_kept(tmp_path: Path) -> None:
    """After visits with marks on everything, each value in the document is one that the page allows; the log is
    empty, and answers, errors and the mail show none of the marks."""
    config = {"SALT": SALT, "REPORT_TOKEN": TOKEN}
    with Serving(tmp_path / "cloud", containers=1, config=config) as here:
        answers = [
            ask(here, f"counter?vid={quote(VID)}", "POST"),
            ask(here, f"counter?vid={quote(VID)}&page=/a%3Fqqaqaqa&ref=https://other.example/qqaqaqa"),
            ask(here, f"counter?vid={OTHER}", headers={"Sec-GPC": "1"}),
            ask(here, f"counter?vid={OTHER}", headers={"DNT": "1"}),
            ask(here, f"counter?vid={OTHER}", headers={"User-Agent": "Googlebot/2.1 qqaqaqa"}),
            ask(here, f"counter?vid={OTHER}", headers={"Sec-Purpose": "prefetch"}),
            ask(here, f"counter?vid={OTHER}%20", "POST"),
            ask(here, f"qqaqaqa?vid={OTHER}"),
            ask(here, "stats", headers={"Authorization": "Bearer qqaqaqa"}),
            ask(here, "stats", headers={"Authorization": f"Bearer {TOKEN}"}),
            ask(here, "report", headers={"Authorization": f"Bearer {TOKEN}"}),
        ]
        stored, copy = here.objects.list(BUCKET)
        (mail,) = here.mailbox.messages()
        log = list(here.pool.log)
    document = json.loads(stored.data)
    (day,) = document["days"].values()

    assert stored.name == "counter.json"
    assert copy.name.startswith("counter.json.copies/")
    assert copy.data == stored.data  # so all that is said of the one holds for the other
    assert document["seen"] == [hashlib.sha256(f"{SALT}:{VID}".encode()).hexdigest()]
    assert (document["pageviews"], document["uniqueVisitors"]) == (5, 1)
    assert day == {"pageviews": 5, "newVisitors": 1, "visitors": 1, "filtered": {"crawler": 1, "prefetch": 1}}
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{12}", visit_id) for visit_id in document["recent"])
    short = hashlib.sha256(f"{SALT}:{VID}".encode()).hexdigest()[:16]
    assert all(sets == {label: {"seen": [short]} for label in sets} for sets in document["people"].values())
    months = document.pop("months")
    assert all(sums == {"visitors": 1} for sums in months.values())
    month = min(months)
    for key, name in (("pages", "/a"), ("sources", "other.example")):
        assert document.pop(key) == {"months": [month], "probation": {name: [1, 1, 0, 0]}, "views": [1, 1, 0]}
    rest = document.keys() - {"seen", "pageviews", "uniqueVisitors", "days", "recent", "people", "weeks"}
    assert all(re.fullmatch(r'[0-9.{}\[\]":-]*', json.dumps(document[key], separators=(",", ":"))) for key in rest)
    assert log == []
    texts = {
        "the document": stored.data.decode(),
        "the answers": json.dumps(answers),
        "the mail": f"{mail.title} {mail.body}",
    }
    assert found_in(texts, MARKS) == []


# To be forgotten


def shell(line: str, **environment: str) -> str:
    """Run a line of the page as a shell does, and return what it says."""
    path = {"PATH": "/usr/bin:/bin:/usr/local/bin:/sbin:/opt/homebrew/bin"}
    done = subprocess.run(["sh", "-c", line], env=path | environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_one_visitor_is_forgotten_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the id, the salt and the page's three steps the visitor's hash is gone, the others' are not, the totals
    stay, and the function goes on: who comes back is new."""
    (line,) = re.findall(r"```sh\n\s*(printf .*)\n", PAGE)
    with Serving(tmp_path / "cloud", containers=1, config={"SALT": SALT}) as here:
        for vid in (VID, OTHER):
            ask(here, f"counter?vid={quote(vid)}", "POST")
        found = shell(line, SALT=SALT, VID=VID).split()[0]

        monkeypatch.chdir(tmp_path)
        Path("function.json").write_text(json.dumps(here.environment()))
        restore.main(["export", "counter.json", "--local", "."])
        document = json.loads(Path("counter.json").read_text())
        document["seen"].remove(found)
        Path("counter.json").write_text(json.dumps(document))
        restore.main(["import", "counter.json", "--yes", "--local", "."])

        stored = here.objects.get(BUCKET, "counter.json")
        assert stored
        assert not found_in({"it": stored.data.decode()}, {"the hash": visitor_hash(SALT, VID)})
        assert ask(here, f"counter?vid={OTHER}", "POST")["unique"] == 2
        back = ask(here, f"counter?vid={quote(VID)}", "POST")

    assert (back["count"], back["unique"]) == (4, 3)


@pytest.mark.parametrize("seen_limit", ["400", "0"])
def test_a_new_salt_forgets_everybody(seen_limit: str) -> None:
    """Without `seen` and `sketch` and with another salt the totals stay, and nobody is known any more; the new salt
    alone has no old hash match either."""
    counter = Counter(SALT=SALT, SEEN_LIMIT=seen_limit)
    for vid in (VID, OTHER):
        counter.ask(f"/counter?vid={quote(vid)}", "POST")
    assert counter.store.document
    whole = json.loads(counter.store.document[0])
    del whole["recent"]  # each counter here numbers its calls from 1
    bare = {key: value for key, value in whole.items() if key not in ("seen", "sketch")}

    for document, salt, unique in ((whole, SALT, 2), (whole, "another salt", 3), (bare, "another salt", 3)):
        again = Counter(json.dumps(document).encode(), SALT=salt, SEEN_LIMIT=seen_limit)
        _, told = again.told(f"/counter?vid={quote(VID)}", "POST")
        assert (told["count"], told["unique"]) == (3, unique)
    assert len(bare) == len(whole) - 1


def test_the_sketch_holds_no_hash() -> None:
    """Once the list has turned, no hash that was in it can be found in the document, in any form."""
    counter = Counter(SALT=SALT, SEEN_LIMIT="5")
    for number in range(6):
        counter.ask(f"/counter?vid={number}", "POST")
    assert counter.store.document
    text = counter.store.document[0].decode()

    assert '"sketch"' in text
    assert not found_in({"it": text}, {str(number): visitor_hash(SALT, str(number)) for number in range(6)})


def test_the_owner_is_told_of_the_default_salt() -> None:
    """A counter without a salt of its own says so."""
    _, told = Counter(SALT="").told("/health")

    assert told["service"] == SERVICE
    assert "SALT is the default" in told["warnings"][0]
