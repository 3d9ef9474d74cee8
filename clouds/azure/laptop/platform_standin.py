"""A stand-in for the Azure services around a function: its managed identity, and Communication Services for mail."""

import base64
import json
import secrets
import time
import uuid
from collections.abc import Collection

from aiohttp import web

from local.notifications import Mailbox, Message

SENDER = "report@laptop.example"
API_VERSION = "2023-03-31"
MAX_BODY = 10 * 2**20


class PlatformStandin:
    """One server for both: `GET /msi/token` as in App Service, and `POST /emails:send` as in Communication Services,
    which requires a token for it. Mails from `senders` go to the mailbox. A test may set `refusal`, the status to
    answer a mail with."""

    def __init__(self, mailbox: Mailbox, senders: Collection[str] = (SENDER,)) -> None:
        self.mailbox = mailbox
        self.senders = senders
        self.secret = secrets.token_hex(16)
        self.refusal: int | None = None
        self.url = ""
        self._tokens: dict[str, str] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_get("/msi/token", self._token)
        app.router.add_post("/emails:send", self._send)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._runner:
            await self._runner.cleanup()

    def environment(self, to: str = "owner@laptop.example") -> dict[str, str]:
        """Return the variables that lead a function to these services."""
        return {
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": self.secret,
            "EMAIL_ENDPOINT": self.url,
            "EMAIL_FROM": SENDER,
            "EMAIL_TO": to,
        }

    async def _token(self, request: web.Request) -> web.Response:
        if request.headers.get("x-identity-header") != self.secret:
            return web.json_response({"statusCode": 403, "message": "not from inside the machine"}, status=403)
        if request.query.get("api-version") != "2019-08-01" or not request.query.get("resource"):
            return web.json_response({"statusCode": 400, "message": "no resource, or another version"}, status=400)
        token = secrets.token_urlsafe(32)
        self._tokens[token] = request.query["resource"]
        expires = int(time.time()) + 86_400
        answer = {"access_token": token, "expires_on": str(expires), "token_type": "Bearer"}
        return web.json_response({**answer, "resource": request.query["resource"]})

    async def _send(self, request: web.Request) -> web.Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token) != "https://communication.azure.com":
            return problem(401, "Denied", "Denied by the resource provider.")
        if self.refusal:
            return problem(self.refusal, "Refused", "As the test wants it.")
        try:
            mail = json.loads(await request.read())
            sender, content = mail["senderAddress"], mail["content"]
            to = ", ".join(recipient["address"] for recipient in mail["recipients"]["to"])
            title, body = str(content["subject"]), str(content["plainText"])
            for file in mail.get("attachments", []):  # shown below the text, as a mail program would
                body += f"\n{file['name']}\n\n{base64.b64decode(file['contentInBase64']).decode()}\n"
        except (ValueError, KeyError, TypeError):
            return problem(400, "BadRequest", "The mail cannot be parsed.")
        if request.query.get("api-version") != API_VERSION or not (to and title):
            return problem(400, "BadRequest", "The mail is incomplete.")
        if sender not in self.senders:
            return problem(404, "DomainNotLinked", "The sender's domain is not linked to this resource.")
        self.mailbox.add(Message(to, title, body, time.time()))
        operation = str(uuid.uuid4())
        where = {"Operation-Location": f"{self.url}/emails/operations/{operation}?api-version={API_VERSION}"}
        return web.json_response({"id": operation, "status": "Running"}, status=202, headers=where)


def problem(status: int, code: str, message: str) -> web.Response:
    """Return an error in the service's format."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
