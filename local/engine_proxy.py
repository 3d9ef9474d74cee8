"""What stands between the function and a database's engine on a laptop: it takes time, and loses answers when told
to."""

import asyncio
from collections import Counter
from collections.abc import Callable

import aiohttp
from aiohttp import web

from local.entrypoint import OWN

LARGEST = 16 * 2**20


class EngineProxy:
    """Passes each request on to the engine at `target`, after `latency` seconds, and its answer back.

    `fault` is asked for each request, by its kind, what goes wrong: "lose" drops the connection after the engine acted,
    "cut" in the middle of the answer, "drop" before it acted, "hang" answers nothing after it acted; a status and what
    to say of it is answered in the engine's place; None is all well. `requests` counts them by kind. The `keepalive` is
    how many seconds a connection to the engine may be idle: fewer than the engine allows, or a request could meet its
    closing.
    """

    def __init__(
        self,
        target: str,
        latency: float = 0.0,
        fault: Callable[[str], str | None] = lambda kind: None,
        *,
        keepalive: float = 15.0,
    ) -> None:
        self.url = ""
        self.latency = latency
        self.fault = fault
        self.requests: Counter[str] = Counter()
        self._target = target
        self._keepalive = keepalive
        self._stopped = asyncio.Event()
        self._runner: web.ServerRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    def kind(self, request: web.BaseRequest) -> str:
        """Return what a request is called."""
        return request.method

    def said(self, answer: str) -> web.StreamResponse:
        """Return an answer in the engine's place: a status, and what is told."""
        status, _, told = answer.partition(" ")
        return web.Response(status=int(status), text=told)

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=self._keepalive),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        server = web.Server(self._pass_on, access_log=None, auto_decompress=False)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port and all connections."""
        self._stopped.set()
        if self._runner:
            await self._runner.cleanup()
        if self._session:
            await self._session.close()

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        kind = self.kind(request)
        self.requests[kind] += 1
        fault = self.fault(kind)
        body = await whole(request)
        if body is None:
            return web.Response(status=413)
        await asyncio.sleep(self.latency)
        if fault == "drop":
            return hang_up(request)
        if fault and fault[0].isdigit():
            return self.said(fault)
        status, headers, answer = await self._ask(request, body)
        return await self._answered(request, fault, status, headers, answer)

    async def _answered(
        self, request: web.BaseRequest, fault: str | None, status: int, headers: list[tuple[str, str]], answer: bytes
    ) -> web.StreamResponse:
        if fault == "hang":
            await self._stopped.wait()
        if fault == "cut" and answer:
            return await cut_off(request, status, answer)
        if fault:
            return hang_up(request)
        return web.Response(status=status, body=answer or None, headers=headers)

    async def _ask(self, request: web.BaseRequest, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if self._session is None:
            raise RuntimeError("not started")
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in OWN]
        url = self._target + request.raw_path
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in OWN]
            return answer.status, kept, await answer.read()


async def whole(request: web.BaseRequest) -> bytes | None:
    """Return a request's body, or None where it is too large."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            return None
    return bytes(body)


async def cut_off(request: web.BaseRequest, status: int, answer: bytes) -> web.StreamResponse:
    """Send half of an answer and drop the connection."""
    response = web.StreamResponse(status=status, headers={"content-length": str(len(answer))})
    await response.prepare(request)
    await response.write(answer[: len(answer) // 2])
    await asyncio.sleep(0.01)
    return hang_up(request)


def hang_up(request: web.BaseRequest) -> web.StreamResponse:
    """Drop the connection. What is returned never gets out."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)
