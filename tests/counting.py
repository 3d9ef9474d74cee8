"""The counter's answers over a store in memory, asked with few words; what several test files share."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

from clouds.oracle.function.settings import FREE_REQUESTS
from counter.api import Api
from counter.request import Request, Response
from counter.settings import Environment, Settings
from counter.store import NotPublished, Publisher, StoreError
from counter_store import CounterStore
from local.memory import MemoryDocuments

NOW = 1790000000.0
"""2026-09-21 14:13:20 UTC, which is when everything happens."""


class Store(MemoryDocuments):
    """Documents in memory that count their requests, and fail with `failure` while there is one."""

    def __init__(self, data: bytes | None = None) -> None:
        self.failure: StoreError | None = None
        self.asked: list[str] = []
        super().__init__(data)
        self.asked.clear()

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.failure:
            raise self.failure

    def read(self, timeout: float) -> tuple[bytes, str] | None:
        self._ask("read")
        return super().read(timeout)

    def write(self, data: bytes, version: str | None, timeout: float) -> str:
        self._ask("write")
        return super().write(data, version, timeout)

    def append(self, entry: str, timeout: float) -> None:
        self._ask("append")
        super().append(entry, timeout)

    def entries(self, timeout: float) -> list[str]:
        self._ask("entries")
        return super().entries(timeout)


class Papers:
    """A publisher that keeps what it publishes, and fails with `failure` while there is one."""

    def __init__(self) -> None:
        self.failure: NotPublished | None = None
        self.published: list[tuple[str, str]] = []

    attaches = False

    def publish(self, title: str, body: str, attachment: bytes = b"") -> None:
        if self.failure:
            raise self.failure
        self.published.append((title, body))


def nowhere() -> Publisher:
    """Where the owner has named no topic."""
    raise NotPublished("There is nowhere to send the report to.", retry=False)


class Counter:
    """The Api with a store and a publisher, asked with few words."""

    def __init__(self, data: bytes | None = None, *, topic: bool = True, **environment: str) -> None:
        self.store = Store(data)
        self.papers = Papers()
        self.now = NOW
        self.settings = Settings.read(
            Environment({"SALT": "salt-for-the-tests", **environment}), free_requests=FREE_REQUESTS
        )
        keeping = CounterStore(self.store, self.settings.limits, clock=lambda: 0.0, sleep=lambda seconds: None)
        self.api = Api(self.settings, keeping, lambda: self.papers if topic else nowhere(), lambda: self.now)
        self._ids = itertools.count(1)

    def ask(
        self,
        url: str | None = "/counter",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """Return the answer to one request; without a URL it is a direct call."""
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        return self.api.answer(Request(method, url, f"call-{next(self._ids)}", 20.0, lower, body))

    def told(
        self,
        url: str | None = "/counter",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> tuple[int, dict[str, Any]]:
        """Return the answer's status and what its JSON says."""
        answer = self.ask(url, method, headers, body)
        return answer.status, json.loads(answer.body) if answer.body else {}

    def totals(self) -> tuple[int, int]:
        """Return page views and unique visitors as they are stored."""
        content = json.loads(self.store.document[0]) if self.store.document else {}
        return content.get("pageviews", 0), content.get("uniqueVisitors", 0)
