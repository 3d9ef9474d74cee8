"""Nothing that is written anywhere holds an address, a user agent, an id, a token, the salt or an exception's text."""

import base64
import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

import pytest

from clouds.oracle.laptop.serving import BUCKET, Serving
from local.faults import Faults

SALT = "salt-qqsqsqs"
TOKEN = "token-qqtqtqt"
ADDRESS = "203.0.113.77"
ADDRESS6 = "2001:db8:77::77"
AGENT = "Agent-qqaqaqa/1.0 (X11; Ünix)"
ROBOT = "Googlebot/2.1 qqrqrqr"
VID = "vid-qqvqvqv:1.2_3"
BAD_VID = "bad vid qqbqbqb"
REFERER = "https://referer-qqfqfqf.example/page?private=1"
COOKIE = "session=cookie-qqcqcqc"
WRONG = "wrong-qqwqwqw"
JUNK = "junk-qqjqjqj"

HEADERS = {
    "X-Forwarded-For": ADDRESS,
    "X-Real-Ip": ADDRESS6,
    "Forwarded": f'for="[{ADDRESS6}]"',
    "User-Agent": AGENT,
    "Referer": REFERER,
    "Cookie": COOKIE,
    "Origin": "https://origin-qqoqoqo.example",
    "Accept-Language": "tlh-qqlqlql",
}
SECRETS = {
    "the salt": SALT,
    "the token": TOKEN,
    "an address": ADDRESS,
    "an address of version 6": ADDRESS6,
    "a user agent": AGENT,
    "a crawler's user agent": ROBOT,
    "a visitor's id": VID,
    "an id that is none": BAD_VID,
    "a referer": REFERER,
    "a cookie": COOKIE,
    "a wrong token": WRONG,
    "a body": JUNK,
    "an origin": HEADERS["Origin"],
    "a language": HEADERS["Accept-Language"],
}
OF_EXCEPTIONS = [
    "Traceback",
    "HTTPSConnectionPool",
    "opc-request-id",
    "ServiceError",
    "RemoteDisconnected",
    "qqexqexqe",
]


def written_as(secret: str) -> set[str]:
    """Return the ways a text may be written: as it is, percent-encoded, in JSON, in base64 at any offset, in hex."""
    forms = {secret, secret.lower(), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    raw = secret.encode()
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + raw).decode()
        # Whole groups of it only: what stands at its ends depends on the neighbours.
        middle = coded[4 if offset else 0 : -4]
        forms |= {middle, middle.replace("+", "-").replace("/", "_")}
    return forms | {raw.hex()}


def found_in(texts: Mapping[str, str], secrets: Mapping[str, str]) -> list[str]:
    """Return which secrets stand where."""
    return [
        f"{name} in {place}"
        for name, secret in secrets.items()
        for place, text in texts.items()
        if any(form in text or form.lower() in text.lower() for form in written_as(secret))
    ]


@pytest.mark.parametrize("form", sorted(written_as("a secret of some length")))
def test_the_search_finds_what_it_looks_for(form: str) -> None:
    """Whichever way a secret were written, inside of other text, it would be found."""
    assert found_in({"there": f"xx{form}yy"}, {"it": "a secret of some length"}) == ["it in there"]
    coded = [
        base64.b64encode(f"{'x' * n}a secret of some length{'y' * m}".encode()).decode() for n, m in ((0, 1), (4, 2))
    ]
    assert all(found_in({"there": text}, {"it": "a secret of some length"}) for text in coded)


class Visitor:
    """Somebody who sends everything there is to hide, and keeps all answers."""

    def __init__(self, here: Serving) -> None:
        self.here = here
        self.answers: list[str] = []

    def ask(self, target: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: str = "") -> int:
        """Make a request and return its status."""
        connection = HTTPConnection(urlsplit(self.here.url).netloc, timeout=40)
        sent = {name: value.encode() for name, value in {**HEADERS, **(headers or {})}.items()}
        connection.request(method, target, body.encode() or None, sent)
        answer = connection.getresponse()
        self.answers.append(f"{answer.status} {answer.getheaders()} {answer.read().decode()}")
        connection.close()
        return answer.status

    def everything(self) -> None:
        """Ask for all there is, in the right ways and the wrong ones."""
        vid, bad = quote(VID), quote(BAD_VID)
        for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT"):
            self.ask(f"/v1/counter?vid={vid}", method)
            self.ask(f"/v1/counter?vid={bad}", method)
        self.ask("/v1/counter", "POST", body=json.dumps({"vid": VID}))
        self.ask("/v1/counter", "POST", body=JUNK)
        self.ask(f"/v1/counter?vid={vid}", headers={"User-Agent": ROBOT})
        self.ask(f"/v1/counter?vid={vid}", headers={"Sec-Purpose": "prefetch"})
        self.ask(f"/v1/counter?vid={vid}", headers={"DNT": "1"})
        self.ask(f"/v1/counter?vid={vid}&peek=1")
        self.ask(f"/v1/{JUNK}?vid={vid}")
        self.ask("/v1/health")
        for target in ("/v1/report", "/v1/stats"):
            self.ask(target, headers={"Authorization": f"Bearer {TOKEN}"})
            self.ask(f"{target}?token={TOKEN}")
            self.ask(f"{target}?token={WRONG}")
            self.ask(target, headers={"Authorization": f"Bearer {WRONG}"})
        for body in (b"", json.dumps({"vid": VID}).encode(), json.dumps({"vid": BAD_VID}).encode(), JUNK.encode()):
            self.answers.append(self.here.invoke(body).decode())


def all_objects(here: Serving) -> dict[str, str]:
    """Return every object's name and content."""
    return {f"object {stored.name}": stored.name + stored.data.decode() for stored in here.objects.list(BUCKET)}


@pytest.mark.slow
def test_nothing_personal_is_written_anywhere(tmp_path: Path) -> None:
    """Answers, log, mails, document and journal are searched for everything that was sent, at every kind of failure."""
    config = {"SALT": SALT, "REPORT_TOKEN": TOKEN, "ALLOWED_ORIGINS": "https://listed.example"}
    texts: dict[str, str] = {}
    with Serving(tmp_path / "cloud", containers=2, config=config, tls=True) as here:
        visitor = Visitor(here)
        visitor.everything()
        texts |= all_objects(here)
        stored = here.objects.get(BUCKET, "counter.json")
        assert stored is not None
        content = json.loads(stored.data)
        assert content["pageviews"] > 3
        assert content["uniqueVisitors"] == 1
        assert len(here.mailbox.messages()) == 2

        # Where somebody else keeps winning, visits go to the journal: conflicts until one is there.
        for kind in ("put:conflict-409", "refuse-503", "lose-500", "drop-before", "flaky-404"):
            here.cloud.faults = Faults({kind: 1.0 if kind != "put:conflict-409" else 0.8}, seed=3)
            for _ in range(40 if kind == "put:conflict-409" else 1):
                visitor.ask(f"/v1/counter?vid={quote(VID)}")
                texts |= all_objects(here)
                if any(".journal/" in place for place in texts):
                    break
            visitor.ask("/v1/health")
            visitor.ask("/v1/report", headers={"Authorization": f"Bearer {TOKEN}"})
            texts |= {f"{place} after {kind}": text for place, text in all_objects(here).items()}
        here.cloud.faults = Faults()
        for damaged in (f'{{"count": "{JUNK}"}}', f'{{"pageviews": 1, "days": {{"{JUNK}": 1}}}}', f'{{"{JUNK}'):
            here.objects.put(BUCKET, "counter.json", damaged.encode())
            visitor.ask(f"/v1/counter?vid={quote(VID)}")
            visitor.ask("/v1/health")
        time.sleep(0.1)
        texts["the log"] = "\n".join(here.pool.log)
        texts["the mailbox"] = "\n".join(f"{mail.title} {mail.body}" for mail in here.mailbox.messages())
    texts |= {f"answer {number}": answer for number, answer in enumerate(visitor.answers)}

    assert any(".journal/" in place for place in texts)
    assert len(texts["the log"]) > 100
    assert found_in(texts, SECRETS) == []
    assert found_in(texts, dict(zip(OF_EXCEPTIONS, OF_EXCEPTIONS, strict=True))) == []


BROKEN = f"""
import func

class Broken:
    settings = None
    def answer(self, request):
        try:
            {{"{SALT}": 1}}["qqexqexqe"]
        except KeyError as error:
            raise RuntimeError("qqexqexqe", request, request.headers, request.query) from error

func._api = Broken
handler = func.handler
"""


def test_an_exception_is_kept_from_everyone(tmp_path: Path) -> None:
    """An exception that holds the whole request in its text leaves the place in the log, and nothing else."""
    broken = tmp_path / "broken.py"
    broken.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).resolve().parents[1])!r})\n{BROKEN}")
    with Serving(tmp_path / "cloud", containers=1, tls=True, function=broken) as here:
        visitor = Visitor(here)
        visitor.everything()
        time.sleep(0.1)
        texts = {"the log": "\n".join(here.pool.log), "the answers": "\n".join(visitor.answers)}

    assert "internal_error" in texts["the answers"]
    assert "unexpected RuntimeError" in texts["the log"]
    assert found_in(texts, SECRETS) == []
    assert found_in(texts, dict(zip(OF_EXCEPTIONS, OF_EXCEPTIONS, strict=True))) == []
