"""The document in a saved file is found, whatever form the file has, or the file is refused."""

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
    """Return the daily mail for a document, with the lines that a mail service adds below it."""
    title, body, _ = compose(
        Tally.decode(data, Limits()), datetime.fromtimestamp(1790000000, UTC), Settings(site_name="{A site}")
    )
    return title, f"{body}\n--\nYou get this {{mail}} because you subscribed.\n{{not json}}\n"


def as_text(title: str, body: str) -> bytes:
    """Return a mail's text as copied."""
    return body.encode()


def as_dos_text(title: str, body: str) -> bytes:
    """Return a mail's text as saved by a Windows editor."""
    return b"\xef\xbb\xbf" + body.replace("\n", "\r\n").encode()


def as_eml(title: str, body: str) -> bytes:
    """Return a mail as saved by a mail program: with headers, and encoded."""
    message = EmailMessage()
    message["Subject"] = title
    message.set_content(body, cte="base64")
    message.add_alternative(f"<pre>{body}</pre>", subtype="html")
    return bytes(message)


def as_utf16(title: str, body: str) -> bytes:
    """Return a mail's text as PowerShell or Notepad saved it."""
    return body.encode("utf-16")


def as_forwarded(title: str, body: str) -> bytes:
    """Return a mail that somebody forwarded, its lines quoted twice."""
    quoted = "".join(f"> > {line}\n" for line in body.splitlines())
    return as_eml(title, f"See below.\n\n{quoted}")


def as_attachment(title: str, body: str) -> bytes:
    """Return a mail with the document attached."""
    message = EmailMessage()
    message["Subject"] = title
    message.set_content("The report, and the counter as a file.")
    found = saved_file.parse(body.encode())
    message.add_attachment(found, maintype="application", subtype="json", filename="counter.json")
    return bytes(message)


SAVED: list[Callable[[str, str], bytes]] = [
    as_text,
    as_dos_text,
    as_eml,
    as_utf16,
    as_forwarded,
    as_attachment,
]
"""The ways to save a mail."""


@pytest.mark.parametrize("saved", SAVED)
def test_the_document_is_found_in_a_mail(saved: Callable[[str, str], bytes]) -> None:
    """The document is found however the mail was saved, even if other text in it looks like JSON."""
    assert json.loads(saved_file.parse(saved(*mail(DOCUMENT)))) == json.loads(DOCUMENT)


def test_a_document_is_unchanged() -> None:
    """A saved document is returned byte for byte, so that an export is restored exactly."""
    assert saved_file.parse(DOCUMENT) is DOCUMENT


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_a_corrupt_document_is_refused(data: bytes) -> None:
    """A corrupt document is refused with the reason, and its summary says so."""
    with pytest.raises(NotACounter, match="the file is neither a counter document nor a mail with one: "):
        saved_file.parse(data)
    assert f"{len(data):,} bytes that are not a counter document: " in saved_file.described(data)


@pytest.mark.parametrize("charset", ["idna", "undefined", "qq", "x\0"])
def test_a_mail_in_an_unknown_charset_is_refused(charset: str) -> None:
    """A mail with an unknown or invalid charset is refused like any file without a document."""
    mail = f"Content-Type: text/plain; charset={charset}\n\nhello".encode()
    with pytest.raises(NotACounter, match="nor a mail with one"):
        saved_file.parse(mail)


@pytest.mark.parametrize(
    "moment, shown",
    [(1790000000, ", last counted 2026-09-21 14:13 UTC"), (None, ""), (-5, ""), (1e300, ""), ("yesterday", "")],
)
def test_a_document_is_described_in_a_line(moment: object, shown: str) -> None:
    """The summary has the totals, and the time of the last visit if that is valid."""
    data = json.dumps({"pageviews": 1234, "uniqueVisitors": 56, "seen": [], "updatedAt": moment}).encode()
    assert saved_file.described(data) == f"1,234 page views, 56 unique visitors{shown}"


def test_a_new_document_starts_at_a_number() -> None:
    """A new document has the given totals, no known visitors and no history."""
    tally = Tally.decode(saved_file.starting_at(b"", 5000, 12), Limits())
    assert (tally.pageviews, tally.unique, tally.days) == (5000, 12, {})


def test_starting_at_a_number_keeps_the_history() -> None:
    """Of the document that is there only the totals change; without visitors theirs stays."""
    there = {
        "pageviews": 7,
        "uniqueVisitors": 3,
        "seen": ["a" * 64],
        "days": {"2026-09-21": {"pageviews": 7, "newVisitors": 3}},
        "theme": "dark",
        "updatedAt": 1790000000,
    }
    found = json.loads(saved_file.starting_at(json.dumps(there).encode(), 5000, None))

    assert found == there | {"pageviews": 5000}


def test_a_damaged_document_is_started_anew() -> None:
    """There is nothing in it that could be kept."""
    tally = Tally.decode(saved_file.starting_at(b"{", 5, None), Limits())
    assert (tally.pageviews, tally.unique) == (5, 0)
