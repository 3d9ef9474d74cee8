"""What an attacker might try with headers, tokens and mails, and what comes of it."""

import hmac
import json
import logging
import re
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from counting import Counter
from hypothesis import given, settings
from hypothesis import strategies as st
from test_secrets import found_in

from clouds import admin as restore
from clouds.oracle.laptop.serving import BUCKET, Serving

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "the-token-qqtqtqt-of-these-tests"
WRONG = "the-token-qqwqwqw-of-somebody-else"
OWNER = {"Authorization": f"Bearer {TOKEN}"}
CONFIG = {"SALT": "salt-qqsqsqs-of-these-tests", "REPORT_TOKEN": TOKEN}
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


# Headers

READ = {
    "authorization", "dnt", "if-none-match", "origin", "purpose", "sec-gpc", "sec-purpose", "user-agent", "x-moz",
    "x-purpose",
}  # fmt: skip
"""The only headers of a call that change anything, in small letters."""

FORGED: dict[str, str] = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "owner.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/report",
    "X-Forwarded-Uri": "/v1/report",
    "X-Forwarded-Method": "POST",
    "X-Forwarded-User": "owner",
    "Forwarded": "for=127.0.0.1;host=localhost;proto=https",
    "Via": "1.1 gateway",
    "X-Real-Ip": "127.0.0.1",
    "True-Client-Ip": "127.0.0.1",
    "Cf-Connecting-Ip": "127.0.0.1",
    "X-Original-Url": "/report",
    "X-Rewrite-Url": "/report",
    "X-Http-Method-Override": "POST",
    "X-Method-Override": "DELETE",
    "X-Request-Id": "forged",
    "Opc-Request-Id": "forged",
    "X-Amzn-Request-Id": "forged",
    "X-Amzn-Trace-Id": "Root=forged",
    "X-Amzn-Oidc-Identity": "owner",
    "X-Ms-Client-Principal": "b3duZXI=",
    "X-Ms-Client-Principal-Name": "owner",
    "X-Functions-Key": "owner",
    "X-Report-Token": TOKEN,
    "Proxy-Authorization": f"Bearer {TOKEN}",
    "Cookie": f"token={TOKEN}",
    "X-Authorization": f"Bearer {TOKEN}",
    "Fn-Intent": "direct",
    "Fn-Call-Id": "forged",
}
CALLS = [
    ("/counter?vid=anna", "GET", b""),
    ("/counter?vid=anna&peek=1", "GET", b""),
    ("/counter", "POST", b'{"vid": "anna"}'),
    ("/report", "POST", b'{"path": "/report"}'),
    ("/stats", "GET", b""),
    ("/badge.svg", "GET", b""),
    ("/health", "GET", b""),
    ("/counter", "OPTIONS", b""),
]
NAMES = st.sampled_from(sorted(FORGED)) | st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
VALUES = st.sampled_from(["1", "127.0.0.1", "owner", "/report", f"Bearer {TOKEN}", "prefetch"]) | st.text(max_size=20)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(CALLS), st.dictionaries(NAMES, VALUES, min_size=1, max_size=6))
def test_other_headers_change_nothing(call: tuple[str, str, bytes], headers: dict[str, str]) -> None:
    """A call with any headers but the few that are read gets the answer, and makes the document, of one without."""
    url, method, body = call
    others = {name: value for name, value in headers.items() if name.lower() not in READ}
    plain, forged = (Counter(b'{"pageviews": 7}', REPORT_TOKEN=TOKEN) for _ in range(2))
    answers = [
        counter.ask(url, method, sent, body) for counter, sent in ((plain, BROWSER), (forged, {**BROWSER, **others}))
    ]

    assert answers[0] == answers[1]
    assert plain.store.document == forged.store.document
    assert forged.papers.published == []


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the real function behind the gateway, for all tests of this file that only look."""
    with Serving(tmp_path_factory.mktemp("cloud"), containers=1, config=CONFIG) as serving:
        yield serving


def ask(
    here: Serving, target: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
) -> tuple[int, Any]:
    """Make one HTTP request; its status, and what its JSON says."""
    connection = HTTPConnection(urlsplit(here.url).netloc, timeout=40)
    connection.request(method, target, body or None, {**BROWSER, **(headers or {})})
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    return answer.status, json.loads(raw) if raw[:1] == b"{" else raw


def kept(here: Serving) -> dict[str, Any]:
    """Return the document as it is stored."""
    stored = here.objects.get(BUCKET, "counter.json")
    assert stored is not None
    content = json.loads(stored.data)
    assert isinstance(content, dict)
    return content


def test_forged_headers_change_nothing_behind_the_gateway(here: Serving) -> None:
    """All of them at once, through the real function: the visit is one visit of one visitor, the report stays shut,
    and nothing of what was claimed is kept or answered."""
    ask(here, "/v1/counter?vid=anna", "POST")
    before, mails = kept(here), len(here.mailbox.messages())
    # A forged intent costs the forger the status; test_func.py tests it separately.
    headers = {name: value for name, value in FORGED.items() if name != "Fn-Intent"}
    status, told = ask(here, "/v1/counter?vid=anna", "POST", headers)
    after = kept(here)

    assert (status, told["count"], told["unique"], told["counted"]) == (200, before["pageviews"] + 1, 1, True)
    assert told["requestId"] != "forged"
    assert after["seen"] == before["seen"]
    assert after.keys() - {"crowdAt"} == before.keys() - {"crowdAt"}  # two visits within a second may be a crowd
    assert [ask(here, f"/v1/{route}", headers=headers)[0] for route in ("report", "stats")] == [401, 401]
    assert ask(here, "/v1/counter?vid=anna", "PUT", headers)[0] == 405
    assert len(here.mailbox.messages()) == mails
    texts = {"the document": json.dumps(after), "the answer": json.dumps(told), "the log": "\n".join(here.pool.log)}
    assert found_in(texts, {name: value for name, value in FORGED.items() if len(value) > 6}) == []


# The token


@pytest.mark.parametrize(
    "given", ["", "x", TOKEN[:-1], TOKEN, TOKEN + "x", WRONG, "ä" * 40, "x" * 10_000, "\ud800", f" {TOKEN} "]
)
@pytest.mark.parametrize("place", ["header", "query"])
def test_tokens_are_compared_in_constant_time(given: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is given, right or wrong, long or short, is compared once, by a function made for that, and as a hash:
    two values of the same length, so that time tells neither a letter nor how many there are."""
    seen: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        seen.append((one, other))
        return compare(one, other)

    monkeypatch.setattr("counter.api.hmac.compare_digest", watched)
    counter = Counter(REPORT_TOKEN=TOKEN)
    if place == "header":
        answer = counter.ask("/stats", headers={"Authorization": f"Bearer {given}"})
    else:
        answer = counter.ask(f"/stats?token={quote(given, errors='surrogatepass')}")

    assert answer.status == (200 if given.strip() == TOKEN else 401)
    assert [(len(one), len(other)) for one, other in seen] == [(32, 32)]
    assert TOKEN.encode() not in seen[0]


LOUD = """
import logging
import func

for logger in [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]:
    if logger.name.partition(".")[0] != "fdk":
        logger.setLevel(1)
logging.getLogger("visitor-counter").debug("everything is logged")
handler = func.handler
"""


@pytest.mark.parametrize("source", [pytest.param("", id="as shipped"), pytest.param(LOUD, id="with every level on")])
def test_the_token_is_in_no_log(tmp_path: Path, source: str) -> None:
    """The right token and a wrong one, in a header, the query, a body, where they belong and where they do not: the
    real function writes neither, nor an address, a browser's name or an id, at any level of its own or the SDK's."""
    function = ROOT / "func.py"
    if source:
        function = tmp_path / "loud.py"
        function.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{source}")
    with Serving(tmp_path / "cloud", containers=1, config=CONFIG, function=function) as here:
        answers = []
        for token in (TOKEN, WRONG):
            body = json.dumps({"token": token, "REPORT_TOKEN": token, "vid": token}).encode()
            for route in ("report", "stats", "counter", "nothing"):
                answers.append(ask(here, f"/v1/{route}", headers={"Authorization": f"Bearer {token}"}))
                answers.append(ask(here, f"/v1/{route}", headers={"Authorization": token, "Cookie": f"token={token}"}))
                answers.append(ask(here, f"/v1/{route}?token={token}", headers={"X-Forwarded-For": "203.0.113.77"}))
                answers.append(ask(here, f"/v1/{route}", "POST", {"X-Report-Token": token}, body))
            answers.append((200, json.loads(here.invoke(json.dumps({"path": f"/report?token={token}"}).encode()))))
        mails = len(here.mailbox.messages())
        time.sleep(0.2)
        log = "\n".join(here.pool.log)

    assert mails == 4  # twice with the right token, and twice without a gateway
    assert ("everything is logged" in log) is bool(source)
    secrets = {"the token": TOKEN, "a wrong token": WRONG, "the salt": CONFIG["SALT"]}
    assert found_in({"the log": log, "the answers": json.dumps(answers, default=repr)}, secrets) == []
    assert found_in({"the log": log}, {"an address": "203.0.113.77", "a browser": BROWSER["User-Agent"]}) == []


def test_nothing_of_ours_is_logged_by_value(caplog: pytest.LogCaptureFixture) -> None:
    """Behind every entrypoint: no logger of any level hears of the token, the salt, an id or a body."""
    caplog.set_level(1)
    logging.getLogger("visitor-counter").setLevel(1)
    counter = Counter(REPORT_TOKEN=TOKEN, SALT=CONFIG["SALT"], SEEN_LIMIT="1")
    for vid in ("vid-qqvqvqv-1", "vid-qqvqvqv-2", "vid qqbqbqb"):
        for headers in (OWNER, {"Authorization": f"Bearer {WRONG}"}):
            for route in ("counter", "stats", "report"):
                counter.ask(f"/{route}?vid={quote(vid)}&token={WRONG}", "POST", headers, b'{"junk": "qqjqjqj"}')
    counter.store.document = (b'{"qqjqjqj', "damaged")
    counter.ask("/counter?vid=vid-qqvqvqv-3")
    counter.ask("/health")
    said = "\n".join(record.getMessage() for record in caplog.records)

    assert "estimated" in said
    assert "corrupt" in said
    assert not re.search("qq[a-z]q", said)


def test_the_token_changes_no_count(here: Serving) -> None:
    """Whoever has it can read and can have a mail sent to the owner; no call with it counts, sets or removes."""
    ask(here, "/v1/counter?vid=anna", "POST")
    before = kept(here)
    for route in ("report", "stats"):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            ask(here, f"/v1/{route}?vid=berta&peek=0&count=99", method, OWNER, b'{"pageviews": 99, "vid": "berta"}')
    after = kept(here)

    spent = {"requests", "updatedAt"}
    assert {key: value for key, value in after.items() if key not in spent} == {
        key: value for key, value in before.items() if key not in spent
    }


# Building it again


def test_a_mail_is_enough_to_build_the_counter_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the cloud held is gone. What the owner has is the last mail, the salt and this repository: with those
    the counter goes on at the number it had, and knows its visitors."""
    with Serving(tmp_path / "first", containers=1, config=CONFIG) as lost:
        for vid in ("anna", "berta", "carla", "anna"):
            ask(lost, f"/v1/counter?vid={vid}", "POST")
        assert ask(lost, "/v1/report", headers=OWNER)[0] == 200
        (mail,) = lost.mailbox.messages()

    with Serving(tmp_path / "second", containers=1, config=CONFIG) as new:
        assert new.objects.get(BUCKET, "counter.json") is None
        monkeypatch.chdir(tmp_path)
        Path("function.json").write_text(json.dumps(new.environment()))
        Path("mail.txt").write_text(mail.body)
        restore.main(["import", "mail.txt", "--yes", "--local", "."])
        restored = kept(new)
        known = ask(new, "/v1/counter?vid=berta", "POST")[1]
        stranger = ask(new, "/v1/counter?vid=dora", "POST")[1]

    assert (restored["pageviews"], restored["uniqueVisitors"], len(restored["seen"])) == (4, 3, 3)
    assert (known["count"], known["unique"]) == (5, 3)
    assert (stranger["count"], stranger["unique"]) == (6, 4)
