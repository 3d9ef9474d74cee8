"""The report on its way: the real SDK, and a stand-in of SNS that speaks its protocol."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from clouds.aws.function.sns import Topic
from clouds.aws.laptop import sns_standin
from clouds.aws.laptop.dynoxide import CREDENTIALS, REGION
from clouds.aws.laptop.sns_standin import TOPIC, SnsStandin
from counter.store import NotPublished
from local.loop_thread import running
from local.notifications import Mailbox


class Post(NamedTuple):
    """The stand-in, and the topic that publishes to it."""

    standin: SnsStandin
    topic: Topic


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process an identity, as Lambda does."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def post() -> Iterator[Post]:
    """Run the stand-in."""
    standin = SnsStandin(Mailbox())
    with running(standin):
        yield Post(standin, Topic(REGION, TOPIC, standin.url))
    standin.mailbox.close()


def test_a_report_arrives(post: Post) -> None:
    """Title and text arrive as they were, whatever signs are in the text."""
    post.topic.publish("My site: 1 page view", "Ä line\n\n" + "█▂ 漢字 & <b>\n" * 3000)
    (message,) = post.standin.mailbox.messages()

    assert (message.topic, message.title) == (TOPIC, "My site: 1 page view")
    assert message.body == "Ä line\n\n" + "█▂ 漢字 & <b>\n" * 3000


REFUSALS = {
    (404, "NotFound"): False,
    (403, "AuthorizationError"): False,
    (403, "InvalidClientTokenId"): False,
    (400, "InvalidParameter"): False,
    (400, "Throttled"): True,
    (400, "ThrottledException"): True,
    (429, "Throttling"): True,
    (500, "InternalFailure"): True,
    (503, "ServiceUnavailable"): True,
}


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_a_refusal_is_told(post: Post, refusal: tuple[int, str]) -> None:
    """What passes may be tried again, what does not pass is the owner's to correct."""
    post.standin.refusal = refusal
    with pytest.raises(NotPublished) as refused:
        post.topic.publish("title", "text")

    assert refused.value.retry is REFUSALS[refusal]
    assert refused.value.__cause__ is not None


def test_another_topic_is_not_found(post: Post) -> None:
    """A topic that is not there is named by its setting."""
    with pytest.raises(NotPublished, match="TOPIC_ARN"):
        Topic(REGION, f"{TOPIC}-of-somebody", post.standin.url).publish("title", "text")


def test_nobody_there_may_be_tried_again() -> None:
    """A service that cannot be reached is not the owner's mistake."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotPublished) as refused:
        Topic(REGION, TOPIC, f"http://127.0.0.1:{port}").publish("title", "text")

    assert refused.value.retry


def test_the_stand_in_is_as_strict_as_sns(post: Post) -> None:
    """A title of two lines, of other letters, or too long, no text, and too much of it are refused."""
    for title, text in (("two\nlines", "x"), ("ä", "x"), ("x" * 101, "x"), ("x", "x" * (sns_standin.MAX_MESSAGE + 1))):
        with pytest.raises(NotPublished):
            post.topic.publish(title, text)

    assert post.standin.mailbox.messages() == []
