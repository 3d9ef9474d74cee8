"""AWS Lambda's Runtime API, version 2018-06-01, which the runtime in an execution environment polls for calls."""

import asyncio
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PREFIX = "/2018-06-01/runtime"
FUNCTION = "arn:aws:lambda:eu-central-1:000000000000:function:visitor-counter"
MAX_BODY = 6 * 2**20


class HandlerFailed(Exception):
    """The handler raised, or could not be loaded. `error` is the runtime's report of it."""

    def __init__(self, error: bytes) -> None:
        super().__init__(error.decode(errors="replace"))
        self.error = error


@dataclass(frozen=True)
class Invocation:
    """One call: its event, its deadline, and its answer."""

    event: bytes
    deadline: float
    id: str
    answer: asyncio.Future[bytes] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class RuntimeApi:
    """The Runtime API of one execution environment. `ready` is set when the runtime asks for its first call."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.failure: HandlerFailed | None = None
        self.address = ""
        self._calls: asyncio.Queue[Invocation] = asyncio.Queue()
        self._open: dict[str, Invocation] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_get(f"{PREFIX}/invocation/next", self._next)
        app.router.add_post(f"{PREFIX}/invocation/{{id}}/response", self._response)
        app.router.add_post(f"{PREFIX}/invocation/{{id}}/error", self._error)
        app.router.add_post(f"{PREFIX}/init/error", self._init_error)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._runner:
            await self._runner.cleanup()

    async def call(self, event: bytes, seconds: float, request_id: str | None = None) -> bytes:
        """Hand out a call and return its answer. A retried call has the same `request_id`. Raises HandlerFailed and
        TimeoutError."""
        invocation = Invocation(event, time.time() + seconds, request_id or str(uuid.uuid4()))
        self._open[invocation.id] = invocation
        self._calls.put_nowait(invocation)
        try:
            async with asyncio.timeout(seconds):
                return await invocation.answer
        finally:
            del self._open[invocation.id]

    async def _next(self, request: web.Request) -> web.Response:
        self.ready.set()
        invocation = await self._calls.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        return web.Response(body=invocation.event, content_type="application/json", headers=headers)

    async def _response(self, request: web.Request) -> web.Response:
        body = await request.read()
        if invocation := self._open.get(request.match_info["id"]):
            invocation.answer.set_result(body)
        return accepted()

    async def _error(self, request: web.Request) -> web.Response:
        body = await request.read()
        if invocation := self._open.get(request.match_info["id"]):
            invocation.answer.set_exception(HandlerFailed(body))
        return accepted()

    async def _init_error(self, request: web.Request) -> web.Response:
        self.failure = HandlerFailed(await request.read())
        return accepted()


def accepted() -> web.Response:
    """Return the Runtime API's answer to every report of the runtime."""
    status: dict[str, Any] = {"status": "OK"}
    return web.Response(status=202, body=json.dumps(status).encode(), content_type="application/json")
