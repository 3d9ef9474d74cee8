"""A stand-in for Oracle Notifications, and the mailbox that shows its mails."""

import html
import json
import threading
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote

from clouds.oracle.laptop.objects import connect
from clouds.oracle.laptop.storage import NOT_SIGNED, Answer, Call, as_json, error, rfc3339

MAX_MESSAGE = 64 * 1024
PREFIX = "/20181201/topics/"
TOPIC = "ocid1.onstopic.oc1.phx.local"


@dataclass(frozen=True, slots=True)
class Message:
    """One published message."""

    topic: str
    title: str
    body: str
    published: float


class Mailbox:
    """Stores published messages in the stand-in's SQLite file. Thread-safe."""

    def __init__(self, path: str | Path = ":memory:", on_message: Callable[[Message], None] | None = None) -> None:
        self.on_message = on_message
        self._lock = threading.Lock()
        self._connection = connect(path)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS messages"
            " (number INTEGER PRIMARY KEY, topic TEXT, title TEXT, body TEXT, published REAL)"
        )

    def add(self, message: Message) -> None:
        """Store a message and call `on_message`."""
        with self._lock:
            self._connection.execute(
                "INSERT INTO messages (topic, title, body, published) VALUES (?, ?, ?, ?)",
                (message.topic, message.title, message.body, message.published),
            )
        if self.on_message:
            self.on_message(message)

    def messages(self) -> list[Message]:
        """Return all messages, newest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT topic, title, body, published FROM messages ORDER BY number DESC"
            ).fetchall()
        return [Message(*row) for row in rows]

    def page(self) -> bytes:
        """Return the mailbox as a web page. Messages are shown as text, never as HTML."""
        mails = "".join(
            f"<article><h2>{html.escape(message.title) or 'no subject'}</h2>"
            f"<time>{rfc3339(message.published)}</time><pre>{html.escape(message.body)}</pre></article>"
            for message in self.messages()
        )
        return (PAGE_HEAD + (mails or NO_MAIL) + "</main></html>").encode()

    def as_json(self) -> bytes:
        """Return all messages, newest first, as JSON."""
        return json.dumps([asdict(message) for message in self.messages()]).encode()

    def close(self) -> None:
        """Close the file. The mailbox cannot be used afterwards."""
        with self._lock:
            self._connection.close()


class Notifications:
    """Answers `publish_message` for the topics in `topics`, or for every topic if it is None."""

    def __init__(self, mailbox: Mailbox, topics: Collection[str] | None = None) -> None:
        self.mailbox = mailbox
        self.topics = topics

    def answer(self, call: Call, body: bytes) -> Answer:
        """Act on a request and return its answer. Nothing a client sends makes it raise."""
        topic, _, rest = call.path.removeprefix(PREFIX).partition("/")
        topic = unquote(topic)
        if "Authorization" not in call.headers:
            return error(401, "NotAuthenticated", NOT_SIGNED)
        if call.method != "POST" or rest != "messages" or (self.topics is not None and topic not in self.topics):
            return error(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")
        if len(body) > MAX_MESSAGE:
            # Oracle documents the limit of 64 KB but not the status; its other services answer 413.
            return error(413, "RequestEntityTooLarge", "The message must not be larger than 64 KB")
        try:
            details = json.loads(body)
            message = Message(topic, str(details.get("title") or ""), str(details["body"]), time.time())
        except (ValueError, KeyError, TypeError, AttributeError):
            return error(400, "InvalidParameter", "body is required")
        self.mailbox.add(message)
        return as_json({"messageId": str(uuid.uuid4()), "timeStamp": rfc3339(message.published)}, 202)


NO_MAIL = "<p>No mail yet. Request a report and it appears here.</p>"
PAGE_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Mailbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; --line: #8884; --quiet: #888; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 42rem; margin: 0 auto; padding: 2rem 1rem; }
article { border: 1px solid var(--line); border-radius: .75rem; padding: 1rem 1.25rem; margin: 1rem 0; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.05rem; margin: 0; }
time { color: var(--quiet); font-size: .85rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .75rem 0 0; font-size: .9rem; }
</style><main><h1>Mailbox</h1>
"""
