"""Asks a counter over HTTP and keeps each answer exactly as it came: nothing is followed, decoded or sent again."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

AGENT = "visitor-counter-contract/1"
"""Who asks. It is on no list of crawlers, and pretends to be nobody else."""

TIMEOUT = 30.0

PATIENCE = 30
"""How often a second is waited for a gateway that says 429: it lets one address ask so often only."""


class Hidden(str):
    """A text that a failing assertion does not print."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


@dataclass(frozen=True)
class Answer:
    """One answer: `headers` as they were sent, one that came twice is there twice."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for sent, value in self.headers if sent.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a header that may be there once at most."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None

    @cached_property
    def told(self) -> Mapping[str, Any]:
        """What the JSON says; nothing where it is no JSON object."""
        try:
            told = json.loads(self.body)
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}

    @property
    def title(self) -> str:
        """What a picture says to those who cannot see it; nothing where it is no well-formed SVG."""
        try:
            return ElementTree.fromstring(self.body).findtext("{http://www.w3.org/2000/svg}title") or ""  # noqa: S314
        except ElementTree.ParseError:
            return ""

    @property
    def ours(self) -> bool:
        """Whether the function answered, and not a gateway in front of it."""
        return bool(self.values("X-Request-Id"))

    @property
    def text(self) -> str:
        """All of it, to look for what should not be there."""
        head = "\n".join(f"{name}: {value}" for name, value in self.headers)
        return f"{head}\n\n{self.body.decode('utf-8', 'replace')}"

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:200].decode('utf-8', 'replace')}>"


class Caller:
    """Asks the counter at `url`, which ends where the routes begin. `token` is the owner's, and is never shown.

    What is to be counted goes over a connection of its own, so that it is surely sent once. The rest shares one; where
    the other side has closed that meanwhile, it is opened again.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("the URL must be like https://host/v1")
        self.prefix = parts.path.rstrip("/")
        self.answers: list[Answer] = []
        self.has_token = token is not None
        self._token = token or ""
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._kept: HTTPConnection | None = None

    def ask(
        self,
        target: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        counts: bool = False,
    ) -> Answer:
        """The answer to one request. Raises OSError or HTTPException when there is none."""
        sent = {"User-Agent": AGENT, **(headers or {})}
        answer = self._once(target, method, sent, body, counts)
        for _ in range(PATIENCE):
            if answer.status != 429:
                break
            time.sleep(1)  # it did not come as far as the counter
            answer = self._once(target, method, sent, body, counts)
        self.answers.append(answer)
        return answer

    def bearer(self, form: str = "{}", scheme: str = "Bearer") -> Mapping[str, str]:
        """The header that shows the owner's token, or one of another form."""
        return {"Authorization": Hidden(f"{scheme} {form.format(self._token)}")}

    def shortened(self) -> Mapping[str, str]:
        """The header with the owner's token but its last character."""
        return {"Authorization": Hidden(f"Bearer {self._token[:-1]}")}

    def with_token(self, target: str) -> str:
        """`target` with the owner's token as its query."""
        return Hidden(f"{target}?token=" + "".join(f"%{byte:02X}" for byte in self._token.encode()))

    def shows_token(self, answer: Answer) -> bool:
        """Whether the owner's token is in an answer."""
        return self.has_token and self._token in answer.text

    def _once(self, target: str, method: str, sent: Mapping[str, str], body: bytes | None, counts: bool) -> Answer:
        if counts:
            connection = self._connect()
            try:
                return self._exchange(connection, target, method, sent, body)
            finally:
                connection.close()
        if self._kept is not None and self._kept.sock is not None:
            try:
                return self._exchange(self._kept, target, method, sent, body)
            except ConnectionError:
                self._kept.close()
        self._kept = self._connect()
        return self._exchange(self._kept, target, method, sent, body)

    def _connect(self) -> HTTPConnection:
        kind = HTTPSConnection if self._secure else HTTPConnection
        return kind(self._host, self._port, timeout=TIMEOUT)

    def _exchange(
        self, connection: HTTPConnection, target: str, method: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        began = time.perf_counter()
        connection.putrequest(method, self.prefix + target, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.encode())
        if body is not None or method == "POST":
            connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        return Answer(response.status, tuple(response.getheaders()), content, time.perf_counter() - began)
