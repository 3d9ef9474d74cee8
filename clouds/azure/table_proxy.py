"""
What stands between the function and Table Storage on a laptop: it takes time, and loses answers when told to.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

import aiohttp
from aiohttp import web

LARGEST = 16 * 2**20
# Between two hops only, or said anew for the body that goes out.
OWN = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"))


class TableProxy:
    """
    Passes each request on to the engine at ``port`` and its answer back, ``latency`` seconds later.

    ``fault`` is asked for each request, by its method, what goes wrong: "lose" drops the connection after the engine
    acted, "drop" before, "hang" answers nothing after it acted; None is all well. ``requests`` counts them by method.
    """

    def __init__(
        self, port: int, latency: float = 0.0, fault: Callable[[str], str | None] = lambda method: None
    ) -> None:
        self.port = 0
        self.fault = fault
        self.latency = latency
        self.requests: Counter[str] = Counter()
        self._target = f"http://127.0.0.1:{port}"
        self._runner: web.ServerRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._session = aiohttp.ClientSession(
            # The engine closes what was idle for five seconds: sooner here, or a request could meet that.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=3),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._runner = web.ServerRunner(web.Server(self._pass_on, access_log=None), shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._runner:
            await self._runner.cleanup()
        if self._session:
            await self._session.close()

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        fault = self.fault(request.method)
        self.requests[request.method] += 1
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > LARGEST:
                return web.Response(status=413)
        await asyncio.sleep(self.latency)
        if fault == "drop":
            return self._hang_up(request)
        status, headers, answer = await self._ask(request, bytes(body))
        if fault == "hang":
            await asyncio.sleep(60)
        if fault:
            return self._hang_up(request)
        return web.Response(status=status, body=answer or None, headers=headers)

    async def _ask(self, request: web.BaseRequest, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if self._session is None:
            raise RuntimeError("not started")
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in OWN]
        async with self._session.request(
            request.method, self._target + request.raw_path, headers=headers, data=body or None
        ) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in OWN]
            return answer.status, kept, await answer.read()

    def _hang_up(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport:
            request.transport.abort()
        return web.Response(status=500)
