"""The clients: pages, crawlers, badges, monitors and the owner, all at once. Some hang up before the answer."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import aiohttp

from bench.soak.audit import Audit, Fate, visitor_hash
from bench.soak.fleet import NUMBER

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
KINDS = (60, 20, 6, 4, 4, 3, 3)
PAGES = ("", "about", "blog/first-post", "cv")
RETURNING = 0.4
LEAVING = 0.06
PATIENCE = 60.0
LOST = (502, 504)
"""What a gateway answers for a function that died during a call."""

Ask = tuple[int, Mapping[str, str], bytes]


class PageView(NamedTuple):
    """The request for a page view, and how it should be counted."""

    method: str
    query: str
    headers: Mapping[str, str]
    body: bytes | None = None
    vid: str | None = None
    reason: str | None = None
    page: str | None = None


class Visitors:
    """All clients of the counter at `url`. `answers` counts by route and status."""

    def __init__(self, url: str, salt: str, token: str, audit: Audit) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.left = 0
        self.reports_asked = 0
        self.reports_sent = 0
        self._url = url
        self._salt = salt
        self._owner = {"Authorization": f"Bearer {token}"}
        self._audit = audit
        self._known: list[str] = []

    @property
    def lost(self) -> int:
        """How many calls the gateway answered because the function had died."""
        return sum(times for (_, status), times in self.answers.items() if status in LOST)

    async def visit_until(self, seed: int, is_over: Callable[[], bool]) -> None:
        """Make one request after the other until `is_over`."""
        chance = random.Random(seed)
        async with self._session() as session:
            while not is_over():
                match chance.choices(("visit", "read", "stats", "report"), (80, 14, 4, 2))[0]:
                    case "visit":
                        patience = chance.uniform(0, 0.06) if chance.random() < LEAVING else PATIENCE
                        await self._visit(session, self._page_view(chance), patience)
                    case "read":
                        route = chance.choice(("counter?peek=1", "badge.svg", "health", "counter"))
                        await self._read(session, route)
                    case "stats":
                        await self._stats(session)
                    case _:
                        await self._report(session, direct=chance.random() < 0.5)

    async def final_counts(self) -> tuple[int | None, int | None]:
        """Return the count that a visit to a fresh container shows, and then the one in /stats. Call it at rest."""
        async with self._session() as session:
            shown = await self._visit(session, PageView("GET", "", {"User-Agent": BROWSER}), PATIENCE)
            return shown, await self._stats(session)

    def _session(self) -> aiohttp.ClientSession:
        # A new connection each time: a request that the client repeats on its own would be two visits.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=PATIENCE))

    def _page_view(self, chance: random.Random) -> PageView:
        vid, browser, page = self._vid(chance), {"User-Agent": BROWSER}, f"/{chance.choice(PAGES)}"
        get = PageView("GET", f"?vid={vid}&page={page}", browser, vid=vid, page=page)
        match chance.choices(("get", "post", "no_id", "private", "crawler", "prefetch", "invalid_id"), KINDS)[0]:
            case "post":
                return get._replace(method="POST", query="", body=json.dumps({"vid": vid, "page": page}).encode())
            case "no_id":
                return get._replace(query=f"?page={page}", vid=None)
            case "private":
                return get._replace(headers={**browser, "DNT": "1"}, vid=None)
            case "crawler":
                return get._replace(headers={"User-Agent": CRAWLER}, vid=None, reason="crawler")
            case "prefetch":
                return get._replace(headers={**browser, "Sec-Purpose": "prefetch"}, vid=None, reason="prefetch")
            case "invalid_id":
                return get._replace(query="?vid=no%20visitor", vid=None, page=None)
            case _:
                return get

    def _vid(self, chance: random.Random) -> str:
        if self._known and chance.random() < RETURNING:
            return chance.choice(self._known)
        self._known = [*self._known[-200:], str(uuid.UUID(int=chance.getrandbits(128)))]
        return self._known[-1]

    async def _visit(self, session: aiohttp.ClientSession, view: PageView, patience: float) -> int | None:
        """Make a page view, tell the audit its outcome, and return the count that was shown."""
        visitor = visitor_hash(self._salt, view.vid) if view.vid else None
        number = self._audit.start_visit(visitor, view.reason, view.page)
        headers = {**view.headers, NUMBER: str(number)}
        try:
            async with asyncio.timeout(patience):
                status, told, body = await self._ask(session, view.method, f"counter{view.query}", headers, view.body)
        except (TimeoutError, aiohttp.ClientError):
            self.left += 1
            self._audit.answered(number, Fate.DOUBTFUL)
            return None
        answer: dict[str, Any] = json.loads(body)
        self._audit.answered(number, self._fate(status, answer))
        if status != 200:
            return None
        if answer["counted"] is (view.reason is not None) or answer.get("reason") != view.reason:
            self._wrong(f"visit {number} should be {view.reason or 'counted'}, but is {answer.get('reason')}")
        if told.get("x-request-id", "") != answer["requestId"] or not self._audit.is_call(number, answer["requestId"]):
            self._wrong(f"visit {number} got another visit's id")
        count: int | None = answer["count"]
        return count

    def _fate(self, status: int, answer: Mapping[str, Any]) -> Fate:
        if status == 200:
            return Fate.ACKNOWLEDGED
        if status in LOST or (status == 503 and answer.get("mayBeCounted")):
            return Fate.DOUBTFUL
        if status not in (400, 503) and answer.get("error") != "misconfigured":
            self._wrong(f"a visit was answered {status} {answer.get('error')}")
        return Fate.REFUSED

    async def _read(self, session: aiohttp.ClientSession, route: str) -> None:
        # /counter itself is read with HEAD. None of these may count; the audit would see it.
        method = "HEAD" if route == "counter" else "GET"
        await self._try(session, method, route, {"User-Agent": BROWSER})

    async def _stats(self, session: aiohttp.ClientSession) -> int | None:
        """Read /stats, which is exact: it has everything acknowledged before, and nothing that was never sent."""
        least = self._audit.least()
        answer = await self._try(session, "GET", "stats", self._owner)
        if answer is None or answer[0] != 200:
            return None
        count: int = json.loads(answer[2])["count"]
        if not least <= count <= self._audit.most():
            self._wrong(f"/stats shows {count}, not {least} to {self._audit.most()}")
        return count

    async def _report(self, session: aiohttp.ClientSession, direct: bool) -> None:
        self.reports_asked += 1
        if direct:
            answer = await self._try(session, "POST", "/invoke", {}, b'{"path":"/report"}')
        else:
            answer = await self._try(session, "POST", "report", self._owner)
        self.reports_sent += bool(answer and answer[0] == 200 and json.loads(answer[2])["ok"])

    async def _try(
        self,
        session: aiohttp.ClientSession,
        method: str,
        route: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Ask | None:
        """Make a request that counts nothing. Return its answer, or None if there was none in time."""
        try:
            return await self._ask(session, method, route, headers, body)
        except (TimeoutError, aiohttp.ClientError):
            self._wrong(f"/{route} was not answered within {PATIENCE:.0f} s")
            return None

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        method: str,
        route: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Ask:
        url = self._url + (route if route.startswith("/") else f"/v1/{route}")
        async with session.request(method, url, headers=headers, data=body) as answer:
            read = await answer.read()
            self.answers[route.partition("?")[0], answer.status] += 1
            return answer.status, answer.headers, read

    def _wrong(self, what: str) -> None:
        self._audit.violations.append(what)
