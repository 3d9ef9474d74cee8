"""Reads a saved document, from a file or from a daily mail, and makes a new one that starts at a number."""

import email
import email.policy
import json
from contextlib import suppress
from datetime import UTC, datetime

from counter.document import NotACounter, decode
from counter.tally import Limits, Tally


def parse(data: bytes) -> bytes:
    """Return the counter document in a file: the whole file, or the JSON in a daily mail, saved as .eml or as text.
    Raises NotACounter."""
    try:
        decode(data, 0)
        return data
    except NotACounter as problem:
        reason = problem
    for text in (data.decode("utf-8", "replace"), body_of(data)):
        # From the end: the document comes last in a mail, followed only by what the mail service adds.
        starts = [at for at, char in enumerate(text) if char == "{" and text[:at].rpartition("\n")[2].strip() == ""]
        for at in reversed(starts):
            with suppress(ValueError, RecursionError):
                _, end = json.JSONDecoder().raw_decode(text, at)
                found = text[at:end].encode()
                decode(found, 0)
                return found
    raise NotACounter(f"the file is neither a counter document nor a mail with one: {reason}")


def body_of(data: bytes) -> str:
    """Return the plain text of a mail saved as .eml, or an empty text for any other file."""
    mail = email.message_from_bytes(data, policy=email.policy.default)
    body = mail.get_body(("plain",)) if "content-type" in mail else None
    with suppress(LookupError, ValueError):  # an unknown charset
        return body.get_content() if body else ""
    return ""


def starting_at(pageviews: int, visitors: int) -> bytes:
    """Return a new document with these totals."""
    now = int(datetime.now(UTC).timestamp())
    return json.dumps({"pageviews": pageviews, "uniqueVisitors": visitors, "seen": [], "updatedAt": now}).encode()


def described(data: bytes) -> str:
    """Return a one-line summary of a document."""
    try:
        tally = Tally.decode(data, Limits(seen=0))
    except NotACounter as problem:
        return f"{len(data):,} bytes that are not a counter document: {problem}"
    totals = f"{tally.pageviews:,} page views, {tally.unique:,} unique visitors"
    with suppress(ValueError, OverflowError, OSError):  # a time outside the calendar
        if tally.updated_at and tally.updated_at > 0:
            totals += f", last counted {datetime.fromtimestamp(tally.updated_at, UTC):%Y-%m-%d %H:%M} UTC"
    return totals
