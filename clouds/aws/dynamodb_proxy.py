"""
What stands between the function and DynamoDB's engine on a laptop: it takes time, and loses answers when told to.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable

import aiohttp
from aiohttp import web

LARGEST = 16 * 2**20
TARGET = "DynamoDB_20120810."
# Between two hops only, or said anew for the body that goes out.
OWN = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length"))


class DynamoDBProxy:
    """
    Passes each request on to the engine and its answer back, ``latency`` seconds later.

    ``fault`` is asked for each request, by the operation's name, what goes wrong: "lose" drops the connection after the
    engine acted, "cut" in the middle of the answer, "drop" before it acted, "hang" answers nothing after it acted; a
    status and a code, as "400 ThrottlingException", or a status and the JSON to say, is answered in the engine's place;
    None is all well. ``requests`` counts them.
    """

    def __init__(
        self, target: str, latency: float = 0.0, fault: Callable[[str], str | None] = lambda operation: None
    ) -> None:
        self.url = ""
        self.latency = latency
        self.fault = fault
        self.requests: Counter[str] = Counter()
        self._target = target
        self._stopped = asyncio.Event()
        self._runner: web.ServerRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._runner = web.ServerRunner(web.Server(self._pass_on, access_log=None), shutdown_timeout=0.1)
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
        operation = request.headers.get("x-amz-target", "").removeprefix(TARGET)
        self.requests[operation] += 1
        fault = self.fault(operation)
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > LARGEST:
                return web.Response(status=413)
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault == "drop":
            return hang_up(request)
        if fault and fault[0].isdigit():
            return said(fault)
        status, headers, answer = await self._ask(request, bytes(body))
        if fault == "hang":
            await self._stopped.wait()
        if fault == "cut":
            return await cut_off(request, answer)
        if fault:
            return hang_up(request)
        return web.Response(status=status, body=answer, headers=headers)

    async def _ask(self, request: web.BaseRequest, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if self._session is None:
            raise RuntimeError("not started")
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in OWN]
        url = self._target + request.raw_path
        async with self._session.request(request.method, url, headers=headers, data=body) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in OWN]
            return answer.status, kept, await answer.read()


def said(answer: str) -> web.StreamResponse:
    """Return an answer of DynamoDB's: a status, and JSON or the code of an error."""
    status, _, told = answer.partition(" ")
    error = {"__type": f"com.amazonaws.dynamodb.v20120810#{told}", "message": "the table of somebody"}
    text = told if told.startswith("{") else json.dumps(error)
    return web.Response(status=int(status), text=text, content_type="application/x-amz-json-1.0")


async def cut_off(request: web.BaseRequest, answer: bytes) -> web.StreamResponse:
    """Send half of an answer and drop the connection."""
    response = web.StreamResponse(headers={"content-length": str(len(answer))})
    await response.prepare(request)
    await response.write(answer[: len(answer) // 2])
    await asyncio.sleep(0.01)
    return hang_up(request)


def hang_up(request: web.BaseRequest) -> web.StreamResponse:
    """Drop the connection. What is returned never gets out."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)
