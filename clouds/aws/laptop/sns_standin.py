"""A stand-in for SNS on a laptop: what is published to its one topic goes to a mailbox."""

import time
import uuid
from html import escape

from aiohttp import web

from local.notifications import Mailbox, Message

TOPIC = "arn:aws:sns:eu-central-1:000000000000:visitor-counter-report"
MAX_MESSAGE = 256 * 1024
NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"


class SnsStandin:
    """Answers `Publish` in SNS's query protocol. A test may set `refusal`, a status and an error code to answer
    with."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.refusal: tuple[int, str] | None = None
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        app = web.Application(client_max_size=4 * MAX_MESSAGE)
        app.router.add_post("/", self._publish)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._runner:
            await self._runner.cleanup()

    async def _publish(self, request: web.Request) -> web.Response:
        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
            return problem(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
        if self.refusal:
            return problem(*self.refusal, "As the test wants it.")
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        if form.get("Action") != "Publish":
            return problem(400, "InvalidAction", "Only Publish is known here.")
        if form.get("TopicArn") != TOPIC:
            return problem(404, "NotFound", "Topic does not exist")
        subject, message = form.get("Subject", ""), form.get("Message", "")
        if not (subject and subject.isascii() and subject.isprintable() and subject[0] != " " and len(subject) <= 100):
            return problem(400, "InvalidParameter", "Invalid parameter: Subject")
        if not message:
            return problem(400, "InvalidParameter", "Invalid parameter: Empty message")
        if len(message.encode()) > MAX_MESSAGE:
            return problem(400, "InvalidParameter", "Invalid parameter: Message too long")
        self.mailbox.add(Message(TOPIC, subject, message, time.time()))
        return xml(200, f"<PublishResult><MessageId>{uuid.uuid4()}</MessageId></PublishResult>", "PublishResponse")


def problem(status: int, code: str, message: str) -> web.Response:
    """Return an error in SNS's format."""
    error = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    return xml(status, error, "ErrorResponse")


def xml(status: int, content: str, root: str) -> web.Response:
    """Return an answer with a new request id."""
    identity = f"<RequestId>{uuid.uuid4()}</RequestId>"
    identity = identity if root == "ErrorResponse" else f"<ResponseMetadata>{identity}</ResponseMetadata>"
    text = f'<{root} xmlns="{NAMESPACE}">{content}{identity}</{root}>'
    return web.Response(status=status, text=text, content_type="text/xml")
