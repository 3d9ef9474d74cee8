"""A proxy between the function and a database engine, which adds latency and injects faults."""

import asyncio
from collections import Counter
from collections.abc import Callable

import aiohttp
from aiohttp import web

from local.entrypoint import CONNECTION_HEADERS

MAX_BODY = 16 * 2**20


class EngineProxy:
    """Forwards each request to the engine at `target` after `latency` seconds, and returns its answer.

    `fault(kind)` decides what goes wrong with a request: "drop" closes the connection before the engine acts, "lose"
    after it acted, "cut" in the middle of the answer; "hang" never answers after the engine acted; a status and a text
    ("503 busy") is answered in the engine's place; None means no fault. `requests` counts requests by kind. `keepalive`
    is how many seconds a connection to the engine may stay idle. It must be less than the engine allows, or a request
    could be sent on a connection that the engine is closing.
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
        """Return the kind of a request: here, its method."""
        return request.method

    def error_answer(self, answer: str) -> web.StreamResponse:
        """Return the answer for a fault given as a status and a text."""
        status, _, text = answer.partition(" ")
        return web.Response(status=int(status), text=text)

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
        body = await read_body(request)
        if body is None:
            return web.Response(status=413)
        await asyncio.sleep(self.latency)
        if fault == "drop":
            return hang_up(request)
        if fault and fault[0].isdigit():
            return self.error_answer(fault)
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
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in CONNECTION_HEADERS]
        url = self._target + request.raw_path
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            passed = [(name, value) for name, value in answer.headers.items() if name.lower() not in CONNECTION_HEADERS]
            return answer.status, passed, await answer.read()


async def read_body(request: web.BaseRequest) -> bytes | None:
    """Return a request's body, or None if it is too large."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
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
    """Drop the connection. The returned response is never sent."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)
