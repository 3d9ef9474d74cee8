"""Reads a saved document, from a file or from a daily mail, and makes a new one that starts at a number."""

import email
import email.policy
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from counter.document import NotACounter, decode
from counter.settings import MAX_HISTORY_DAYS, MAX_PAGES, MAX_SEEN_LIMIT
from counter.tally import Limits, Tally

KEPT = Limits(seen=MAX_SEEN_LIMIT, days=MAX_HISTORY_DAYS, pages=MAX_PAGES)
"""The largest limits of all settings: the function itself drops what exceeds its own."""

QUOTED = re.compile(r"^(?:[ \t]*[>|])+ ?", re.MULTILINE)


def parse(data: bytes) -> bytes:
    """Return the counter document in a file: the whole file, or the JSON in a daily mail, saved as .eml or as text,
    forwarded with quotation marks, or with the document attached. Raises NotACounter."""
    try:
        decode(data, 0)
        return data
    except NotACounter as problem:
        reason = problem
    whole = text_of(data)
    for text in (whole, QUOTED.sub("", whole), *texts_of(whole.encode())):
        # From the end: the document comes last in a mail, followed only by what the mail service adds.
        starts = [at for at, char in enumerate(text) if char == "{" and text[:at].rpartition("\n")[2].strip() == ""]
        for at in reversed(starts):
            with suppress(ValueError, RecursionError):
                _, end = json.JSONDecoder().raw_decode(text, at)
                found = text[at:end].encode()
                decode(found, 0)
                return found
    raise NotACounter(f"the file is neither a counter document nor a mail with one: {reason}")


def text_of(data: bytes) -> str:
    """Return the text of a file in UTF-8 or UTF-16, with or without a byte order mark."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if len(data) > 1 and 0 in data[:2]:
        return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le", "replace")
    return data.decode("utf-8-sig", "replace")


def texts_of(data: bytes) -> Iterator[str]:
    """Yield the texts in a mail saved as .eml, attachments and forwarded mails included, each also without `>`. Yields
    nothing for any other file."""
    mail = email.message_from_bytes(data, policy=email.policy.default)
    if "content-type" not in mail:
        return
    for part in mail.walk():
        with suppress(LookupError, ValueError, KeyError):  # an unknown charset
            content = part.get_content()
            text = text_of(content) if isinstance(content, bytes) else content
            if isinstance(text, str):
                yield from (text, QUOTED.sub("", text))


def starting_at(there: bytes, pageviews: int, visitors: int | None) -> bytes:
    """Return the document `there` with these totals; history, pages and known visitors stay. Without `visitors` their
    number stays too. Nothing is kept of a document that cannot be read."""
    tally = Tally.empty()
    with suppress(NotACounter):
        tally = Tally.decode(there, KEPT)
    totals = {"pageviews": pageviews, "uniqueVisitors": tally.unique if visitors is None else visitors}
    if "count" in tally.fields:  # an older counter's own name of the total
        totals["count"] = pageviews
    now = {} if tally.updated_at else {"updatedAt": int(datetime.now(UTC).timestamp())}
    return Tally({**tally.fields, **totals, **now}, tally.seen).encode()


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
