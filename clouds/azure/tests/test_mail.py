"""The report as a mail of Azure Communication Services: what is sent, and what is made of each answer."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest

from clouds.azure.function.mail import publisher
from clouds.azure.laptop.platform_standin import PlatformStandin
from counter.settings import Environment, SettingsError
from counter.store import NotPublished
from local.loop_thread import LoopThread
from local.notifications import Mailbox


class Post:
    """A mail service, and the machine's own address beside it, that say what they are told to."""

    def __init__(self) -> None:
        self.answer: int | str = 202
        self.token_status = 200
        self.seen: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.tokens = 0
        self._released = threading.Event()
        post = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                post.tokens += 1
                resource = parse_qs(urlsplit(self.path).query)["resource"][0]
                told = {"access_token": f"token for {resource}", "expires_on": str(int(time.time()) + 86_400)}
                self._say(post.token_status, told)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                post.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                if post.answer == "hang":
                    post._released.wait(10)
                if isinstance(post.answer, str):
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self._say(post.answer, {"error": {"code": "Code", "message": "the domain of somebody"}})

            def _say(self, status: int, told: dict[str, Any]) -> None:
                body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def environment(self, **more: str) -> Environment:
        """Return what a function gets to know of it."""
        given = {
            "EMAIL_ENDPOINT": self.url,
            "EMAIL_FROM": "report@example.azurecomm.net",
            "EMAIL_TO": "one@example.com, two@example.com",
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": "header",
        }
        return Environment({**given, **more})

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def post() -> Iterator[Post]:
    """Run a mail service."""
    with Post() as post:
        yield post


def test_one_mail_is_one_request(post: Post) -> None:
    """A report is one request, to all recipients, with a token for this service that is asked for once."""
    mail = publisher(post.environment())
    mail().publish("Title", "Body\nof the report")
    mail().publish("Title", "Body\nof the report")
    path, headers, body = post.seen[0]

    assert len(post.seen) == 2
    assert post.tokens == 1
    assert path == "/emails:send?api-version=2023-03-31"
    assert headers["authorization"] == "Bearer token for https://communication.azure.com"
    assert headers["content-type"] == "application/json"
    assert body == {
        "senderAddress": "report@example.azurecomm.net",
        "recipients": {"to": [{"address": "one@example.com"}, {"address": "two@example.com"}]},
        "content": {"subject": "Title", "plainText": "Body\nof the report"},
    }


def test_the_document_goes_as_a_file(post: Post) -> None:
    """A mail may have a file: the document, byte for byte, is in it and not in the text."""
    mail = publisher(post.environment())()
    mail.publish("Title", "Body", b'{"pageviews": 1}')
    _, _, body = post.seen[0]

    assert mail.attaches
    assert body["attachments"] == [
        {"name": "counter.json", "contentType": "application/json", "contentInBase64": "eyJwYWdldmlld3MiOiAxfQ=="}
    ]


ANSWERS: dict[int | str, bool] = {
    400: False,
    401: False,
    403: False,
    404: False,
    413: False,
    302: False,
    429: True,
    500: True,
    503: True,
    "drop": True,
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_each_answer_has_its_meaning(post: Post, answer: int | str) -> None:
    """Each refusal says whether trying again may help, after one request, and names nothing of the service's."""
    post.answer = answer
    with pytest.raises(NotPublished) as error:
        publisher(post.environment())().publish("Title", "Body")

    assert error.value.retry is ANSWERS[answer]
    assert len(post.seen) == 1
    assert "somebody" not in str(error.value)
    assert post.url not in str(error.value)


def test_a_silent_service_is_left_in_time(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that does not answer is given up, and tried again by whoever asked."""
    monkeypatch.setattr("clouds.azure.function.mail.PUBLISH_SECONDS", 0.2)
    post.answer = "hang"
    start = time.monotonic()
    with pytest.raises(NotPublished) as error:
        publisher(post.environment())().publish("Title", "Body")

    assert error.value.retry is True
    assert time.monotonic() - start < 1


def test_a_closed_port_is_tried_again() -> None:
    """A service that is not there may be there later."""
    with socket.create_server(("127.0.0.1", 0)) as closed, Post() as post:
        port = closed.getsockname()[1]
        closed.close()
        with pytest.raises(NotPublished) as error:
            publisher(post.environment(EMAIL_ENDPOINT=f"http://127.0.0.1:{port}"))().publish("Title", "Body")

    assert error.value.retry is True


@pytest.mark.parametrize("status, retry", [(403, False), (500, True)])
def test_without_a_token_nothing_is_sent(post: Post, status: int, retry: bool) -> None:
    """Where no token is handed out no mail goes out, and the error says who can help."""
    post.token_status = status
    with pytest.raises(NotPublished) as error:
        publisher(post.environment())().publish("Title", "Body")

    assert error.value.retry is retry
    assert post.seen == []


@pytest.mark.parametrize("missing", ["EMAIL_ENDPOINT", "EMAIL_FROM", "EMAIL_TO", "IDENTITY_ENDPOINT"])
def test_what_is_not_set_is_named(post: Post, missing: str) -> None:
    """Where something is not set the report cannot go, and it says what."""
    with pytest.raises(NotPublished) as error:
        publisher(post.environment(**{missing: ""}))()

    assert error.value.retry is False
    assert missing in str(error.value) or "identity" in str(error.value)


@pytest.mark.parametrize(
    "name, value",
    [
        ("EMAIL_ENDPOINT", "mine.communication.azure.com"),
        ("EMAIL_FROM", "me"),
        ("EMAIL_FROM", "a@example.com, b@example.com"),
        ("EMAIL_TO", "me"),
        ("EMAIL_TO", ",,"),
        ("EMAIL_TO", "a@example.com; b@example.com"),
        ("EMAIL_TO", "Me <me@example.com>"),
    ],
)
def test_what_makes_no_sense_is_named(post: Post, name: str, value: str) -> None:
    """A setting that is no address is an error that names it and does not repeat it."""
    given = post.environment(**{name: value})
    publisher(given)
    with pytest.raises(SettingsError) as error:
        given.check()

    assert name in str(error.value)
    assert value not in str(error.value)


class TestTheStandin:
    """The laptop's stand-in is as strict as the service."""

    @pytest.fixture
    def standin(self, tmp_path: Path) -> Iterator[PlatformStandin]:
        """Run the stand-in."""
        with LoopThread() as loop:
            standin = PlatformStandin(mailbox := Mailbox(tmp_path / "mailbox.sqlite"))
            loop.run(standin.start())
            yield standin
            loop.run(standin.stop())
            mailbox.close()

    def test_a_mail_ends_up_in_the_mailbox(self, standin: PlatformStandin) -> None:
        """What is published can be read."""
        publisher(Environment(standin.environment()))().publish("Title", "Body")
        (message,) = standin.mailbox.messages()

        assert (message.topic, message.title, message.body) == ("owner@laptop.example", "Title", "Body")

    @pytest.mark.parametrize("wrong", [{"EMAIL_FROM": "report@example.com"}, {"IDENTITY_HEADER": "wrong"}], ids=str)
    def test_a_stranger_is_refused(self, standin: PlatformStandin, wrong: dict[str, str]) -> None:
        """Who has no token, or no right to send in this name, sends nothing."""
        given = {**standin.environment(), **wrong}
        with pytest.raises(NotPublished) as error:
            publisher(Environment(given))().publish("Title", "Body")

        assert error.value.retry is False
        assert standin.mailbox.messages() == []
