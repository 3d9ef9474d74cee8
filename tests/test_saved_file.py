"""What an owner keeps of a counter: whatever form a file has, the document in it is found, or it is refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from damaged import KINDS

from clouds import saved_file
from counter.document import NotACounter
from counter.report import compose
from counter.settings import Settings
from counter.tally import Limits, Tally

DOCUMENT = b'{"pageviews": 123, "uniqueVisitors": 45, "seen": [], "updatedAt": 1790000000}'


def mail(data: bytes) -> tuple[str, str]:
    """Return the daily mail about a document, with what a mail service adds below it."""
    title, body = compose(
        Tally.decode(data, Limits()), datetime.fromtimestamp(1790000000, UTC), Settings(site_name="{A site}")
    )
    return title, f"{body}\n--\nYou get this {{mail}} because you subscribed.\n{{not json}}\n"


def as_text(title: str, body: str) -> bytes:
    """Return a mail's text as somebody copied it."""
    return body.encode()


def as_dos_text(title: str, body: str) -> bytes:
    """Return a mail's text as a Windows editor saved it."""
    return b"\xef\xbb\xbf" + body.replace("\n", "\r\n").encode()


def as_eml(title: str, body: str) -> bytes:
    """Return a mail as a mail program saves it: with headers, and encoded."""
    message = EmailMessage()
    message["Subject"] = title
    message.set_content(body, cte="base64")
    message.add_alternative(f"<pre>{body}</pre>", subtype="html")
    return bytes(message)


SAVED: list[Callable[[str, str], bytes]] = [as_text, as_dos_text, as_eml]
"""How people save a mail."""


@pytest.mark.parametrize("saved", SAVED)
def test_the_document_is_found_in_a_mail(saved: Callable[[str, str], bytes]) -> None:
    """However the mail was saved, and whatever else in it looks like one."""
    assert json.loads(saved_file.parse(saved(*mail(DOCUMENT)))) == json.loads(DOCUMENT)


def test_a_document_is_itself() -> None:
    """Byte for byte, so that an export comes back as it was."""
    assert saved_file.parse(DOCUMENT) is DOCUMENT


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_a_damaged_document_is_none(data: bytes) -> None:
    """It is refused with the reason, and its line says that it is none."""
    with pytest.raises(NotACounter, match="the file is no counter, and no mail with one in it: "):
        saved_file.parse(data)
    assert f"{len(data):,} bytes that are no counter: " in saved_file.described(data)


@pytest.mark.parametrize("alphabet", ["idna", "undefined", "qq", "x\0"])
def test_a_mail_in_an_odd_alphabet_is_no_counter(alphabet: str) -> None:
    """Whatever a mail says of itself, it is refused as what it is: no counter."""
    mail = f"Content-Type: text/plain; charset={alphabet}\n\nhello".encode()
    with pytest.raises(NotACounter, match="no mail with one in it"):
        saved_file.parse(mail)


@pytest.mark.parametrize(
    "moment, said",
    [(1790000000, ", last counted 2026-09-21 14:13 UTC"), (None, ""), (-5, ""), (1e300, ""), ("yesterday", "")],
)
def test_a_document_is_described_in_a_line(moment: object, said: str) -> None:
    """Its totals, and when it last counted where that is a moment of our calendar."""
    data = json.dumps({"pageviews": 1234, "uniqueVisitors": 56, "seen": [], "updatedAt": moment}).encode()
    assert saved_file.described(data) == f"1,234 page views, 56 unique visitors{said}"


def test_a_new_one_starts_where_another_stopped() -> None:
    """With the totals it is given, nobody known, and no history."""
    tally = Tally.decode(saved_file.starting_at(5000, 12), Limits())
    assert (tally.pageviews, tally.unique, tally.days) == (5000, 12, {})
