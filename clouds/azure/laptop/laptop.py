"""Azure on a laptop: Microsoft's own engine of Table Storage, the function app in worker processes, mails in a
mailbox."""

import base64
import hashlib
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from azure.data.tables import TableClient

from clouds.azure.function.table_storage import OPTIONS, TableStorage
from clouds.azure.laptop import azurite
from clouds.azure.laptop.functions_pool import Pool
from clouds.azure.laptop.platform_standin import PlatformStandin
from counter.store import Documents
from local.engine_proxy import EngineProxy
from local.entrypoint import FunctionFailed, HttpAnswer, HttpCall
from local.notifications import Mailbox, Message
from local.pool import ContainerFailed

SECONDS = 60.0
HOST = "laptop.azurewebsites.example"


class FunctionsEntrypoint:
    """Calls the function app as Azure's front end and the Functions host do."""

    prefix = "/api"

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def http(self, call: HttpCall) -> HttpAnswer:
        """Hand an HTTP request to the function and return its answer. Raises FunctionFailed."""
        headers = joined([*call.headers, ("x-forwarded-for", call.remote or "127.0.0.1")])
        message = {
            "trigger": "httpTrigger",
            "id": str(uuid.uuid4()),
            "method": call.method,
            "url": f"https://{HOST}{call.target}",
            "headers": headers,
            # The host ignores a body without a content length.
            "body": base64.b64encode(call.body if "content-length" in headers else b"").decode(),
        }
        answer = await self._run(message)
        answered = [(name, value) for name, value in answer["headers"]]
        return HttpAnswer(answer["status"], answered, base64.b64decode(answer["body"]))

    async def invoke(self, body: bytes = b"") -> bytes:
        """Fire the timer if `body` asks for the report, and return nothing: on Azure only the timer calls the function
        without HTTP. Raises FunctionFailed."""
        if b"report" not in body:
            raise FunctionFailed(501, b"On Azure only the timer calls the function directly, to send the report.")
        await self._run({"trigger": "timerTrigger", "id": str(uuid.uuid4())})
        return b""

    async def _run(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.pool.call(message, SECONDS)
        except ContainerFailed as failed:
            raise FunctionFailed(failed.status, str(failed).encode()) from failed


class Laptop:
    """The counter as on Azure, all on this machine. `folder` holds all data, `config` the function's settings,
    `containers` is the largest number of worker processes, `latency` the seconds added to each storage request."""

    def __init__(
        self,
        folder: Path,
        *,
        containers: int = 4,
        config: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        on_message: Callable[[Message], None] | None = None,
        latency: float = 0.0,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config = dict(config or {})
        self.mailbox = Mailbox(folder / "mailbox.sqlite", on_message)
        self.engine = azurite.Azurite(folder / "azurite")
        self.platform = PlatformStandin(self.mailbox)
        self.proxy: EngineProxy | None = None
        self.workers = Pool(self.environment, containers, on_line)
        self.entrypoint = FunctionsEntrypoint(self.workers)
        self.entrypoints = {"functions": self.entrypoint}
        self._latency = latency
        self._tables: list[TableClient] = []

    @staticmethod
    def missing() -> str | None:
        """Return why this cannot run here and what to do about it, or None if it can."""
        return azurite.missing()

    async def start(self) -> None:
        """Start the engine and the stand-ins; workers start with the first calls. Raises EngineFailed."""
        try:
            await self.engine.start()
            self.proxy = EngineProxy(self.engine.url, self._latency, keepalive=azurite.KEEPALIVE)
            await self.proxy.start()
            await self.platform.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything that was started; no process is left."""
        await self.workers.stop()
        for table in self._tables:
            table.close()
        await self.platform.stop()
        if self.proxy:
            await self.proxy.stop()
        await self.engine.stop()
        self.mailbox.close()

    def environment(self) -> dict[str, str]:
        """Return the function's environment."""
        url = self.proxy.url if self.proxy else None
        storage = {"AzureWebJobsStorage": self.engine.connection_string(url)}
        return {**storage, **self.platform.environment(), **self.config}

    def documents(self, name: str) -> Documents:
        """Return a new connection to the engine, with a separate table for each name."""
        table_name = f"t{hashlib.sha256(name.encode()).hexdigest()[:40]}"
        table = TableClient.from_connection_string(self.engine.connection_string(), table_name, **OPTIONS)
        self._tables.append(table)
        return TableStorage(table)


def joined(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Return headers as the host passes them: lowercase names, the values of a repeated one joined by commas."""
    values: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        values[lower] = f"{values[lower]},{value}" if lower in values else value
    return values
