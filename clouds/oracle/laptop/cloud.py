"""A stand-in for the two Oracle services on one port, with latency and faults, and a record of every request."""

import asyncio
import ssl
import time
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from aiohttp import web

from clouds.oracle.laptop.objects import Objects
from clouds.oracle.laptop.storage import NAMESPACE, Answer, Call, Storage, bucket_not_found, error
from local.faults import Faults
from local.notifications import PREFIX, Mailbox, Notifications

REMEMBERED = 10_000
REFUSALS = {
    "refuse-503": (503, "ServiceUnavailable", "The service is currently unavailable"),
    "refuse-429": (429, "TooManyRequests", "User-rate limit exceeded"),
    "refuse-500": (500, "InternalServerError", "An internal server error occurred"),
    "conflict-409": (409, "ConcurrentObjectUpdate", "The object was concurrently updated"),
    "lose-500": (500, "InternalServerError", "An internal server error occurred"),
    "lose-503": (503, "ServiceUnavailable", "The service is currently unavailable"),
}


class Seen(NamedTuple):
    """One request as it was received. `status` is None if the client got no answer."""

    kind: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    status: int | None
    fault: str | None
    acted: bool
    at: float


class Requests:
    """The most recent requests, in order of their answers, and how many there were of each kind."""

    def __init__(self, remember: int = REMEMBERED) -> None:
        self.by_kind: Counter[str] = Counter()
        self._seen: deque[Seen] = deque(maxlen=remember)

    def add(self, seen: Seen) -> None:
        """Record one request."""
        self.by_kind[seen.kind] += 1
        self._seen.append(seen)

    def of(self, kind: str) -> list[Seen]:
        """Return the remembered requests of one kind."""
        return [seen for seen in self if seen.kind == kind]

    def clear(self) -> None:
        """Forget all requests."""
        self.by_kind.clear()
        self._seen.clear()

    def __iter__(self) -> Iterator[Seen]:
        return iter(tuple(self._seen))

    def __len__(self) -> int:
        """Return how many requests there were, including those no longer remembered."""
        return sum(self.by_kind.values())


class Cloud:
    """Object Storage and Notifications over HTTP or TLS.

    `faults` and `latency` (seconds, added to each request before the store acts) may be changed at any time; `requests`
    may be read at any time, from any thread.
    """

    def __init__(
        self,
        objects: Objects,
        faults: Faults | None = None,
        latency: float = 0.0,
        *,
        mailbox: Mailbox | None = None,
        topics: Collection[str] | None = None,
        namespace: str = NAMESPACE,
    ) -> None:
        self.objects = objects
        self.faults = faults or Faults()
        self.latency = latency
        self.mailbox = mailbox
        self.requests = Requests()
        self._busy = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._storage = Storage(objects, namespace)
        self._notifications = Notifications(mailbox, topics) if mailbox else None
        self._runner: web.ServerRunner | None = None
        self._stopping = asyncio.Event()
        self._url = ""

    @property
    def url(self) -> str:
        """The stand-in's address, without a path."""
        return self._url

    async def start(self, host: str = "127.0.0.1", port: int = 0, ssl: ssl.SSLContext | None = None) -> str:
        """Listen, and return the address. Raises OSError if the port is in use."""
        self._stopping.clear()
        # A plain server without routing takes a third of the time per request, and there are only two services.
        # Handlers keep running when a client leaves: a request that was sent may still be acted on.
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=ssl, backlog=1024)
        await site.start()
        bound = self._runner.addresses[0][1]
        self._url = f"{'https' if ssl else 'http'}://{'localhost' if ssl else host}:{bound}"
        return self._url

    async def stop(self) -> None:
        """Close the port and all connections. Hanging requests are dropped, late ones never acted on."""
        self._stopping.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def settled(self) -> None:
        """Wait until no request is in progress, so that late ones have been acted on."""
        await self._quiet.wait()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._busy += 1
        self._quiet.clear()
        try:
            return await self._serve(request)
        except (web.RequestPayloadError, ConnectionError):
            return web.Response(status=400)  # the client left in the middle of its request
        finally:
            self._busy -= 1
            if not self._busy:
                self._quiet.set()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = request.headers
        if headers.get("expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = await request.content.read() if request.body_exists else b""
        raw = request.raw_path
        if raw.startswith(PREFIX):
            path, _, query = raw.partition("?")
            call = Call("publish", request.method, path, query, headers)
        else:
            call = self._storage.call(request.method, raw, headers)

        if self.latency:
            await asyncio.sleep(self.latency)
        fault = self.faults.decide(call.kind)
        answer: Answer | None
        if fault is None:
            answer, acted = self._act(call, body), True
        else:
            answer, acted = await self._fail(fault, call, body, request)
        status = answer.status if answer else None
        self.requests.add(
            Seen(call.kind, call.method, call.path, call.query, headers, status, fault, acted, time.monotonic())
        )
        if answer is None:
            if request.transport:
                request.transport.abort()
            return web.Response(status=500)  # never sent
        return web.Response(status=answer.status, body=answer.body or None, headers=answer.headers)

    def _act(self, call: Call, body: bytes) -> Answer:
        if call.kind != "publish":
            return self._storage.answer(call, body)
        if self._notifications:
            return self._notifications.answer(call, body)
        return error(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")

    async def _fail(self, fault: str, call: Call, body: bytes, request: web.BaseRequest) -> tuple[Answer | None, bool]:
        """Return the answer, or None if the client gets none, and whether the store acted."""
        if fault == "slow":
            await self._pause(self.faults.slow_seconds)
            return self._act(call, body), True
        if fault == "late":
            stopped = await self._pause(self.faults.late_seconds)
            if not stopped:
                self._act(call, body)
            return None, not stopped
        if fault == "drop-before":
            return None, False
        if fault == "flaky-404":
            refused = bucket_not_found(call.parts[1] if len(call.parts) > 1 else "?", self._storage.namespace)
            return error(refused.status, refused.code, str(refused)), False
        acted = fault.startswith("lose-")
        if acted:
            self._act(call, body)
        if fault == "lose-hang":
            await self._hang(request)
        return error(*REFUSALS[fault]) if fault in REFUSALS else None, acted

    async def _hang(self, request: web.BaseRequest) -> None:
        until = time.monotonic() + self.faults.hang_seconds
        while request.transport and time.monotonic() < until and not await self._pause(0.05):
            pass

    async def _pause(self, seconds: float) -> bool:
        """Sleep until the time is up or the stand-in stops; return whether it stopped."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True


class Network:
    """An HTTPS proxy that connects every client to the stand-in's TLS port, whatever host it asked for.

    With `HTTPS_PROXY` set to `url` and the stand-in's certificate authority trusted, the SDK uses Oracle's real host
    names and needs no other setting. `hosts` counts the requested hosts.
    """

    def __init__(self, host: str, port: int) -> None:
        self.hosts: Counter[str] = Counter()
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The proxy's address."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1] if self._server else 0}"

    async def start(self) -> str:
        """Listen on a free port of the loopback interface, and return the address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self.url

    async def stop(self) -> None:
        """Close the port and every tunnel."""
        if self._server:
            self._server.close()
            await self.hang_up()
            await self._server.wait_closed()
            self._server = None

    async def hang_up(self) -> None:
        """Close every connection, as a server does with those that are idle for long."""
        for tunnel in tuple(self._tunnels):
            tunnel.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._tunnel(reader, writer))
        self._tunnels.add(task)
        task.add_done_callback(self._tunnels.discard)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward: asyncio.StreamWriter | None = None
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)
            if request[0] != b"CONNECT" or not request[1].endswith(b":443"):
                writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            self.hosts[request[1].decode("ascii").removesuffix(":443")] += 1
            back, onward = await asyncio.open_connection(*self._target)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            # If either end closes, the tunnel ends, so that a dropped connection is dropped on the other side too.
            ways = [asyncio.create_task(copy(reader, onward)), asyncio.create_task(copy(back, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            for end in (writer, onward):
                if end:
                    end.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes from reader to writer until the end."""
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
