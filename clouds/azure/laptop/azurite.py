"""Microsoft's own engine of Table Storage for a laptop: Azurite, a Node process on a free port."""

import asyncio
import shutil
import signal
from pathlib import Path

from local.engine import Engine, EngineFailed, free_port, npm_ci

ENGINE = Path(__file__).resolve().parent / "engine"
MAIN = ENGINE / "node_modules" / "azurite" / "dist" / "src" / "table" / "main.js"
SECONDS = 60.0
KEEPALIVE = 3.0  # it closes what was idle for five seconds

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The one account it has. The key is no secret: it is in Azurite's manual and the same for everybody."""


def missing() -> str | None:
    """Why Azurite cannot run here, and what to do about it; None if it can."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "Table Storage's engine, Azurite, needs Node.js 20 or newer with npm: install it from nodejs.org."
    return None


class Azurite:
    """One engine. Its tables are files in `folder`, written every few seconds and when it is stopped. `options` are
    its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = 0
        self.folder = folder
        self._options = options
        self._log = folder / "azurite.log"
        self._engine = Engine("Azurite", signal.SIGINT)

    @property
    def url(self) -> str:
        """The engine's address."""
        return f"http://127.0.0.1:{self.port}"

    def connection_string(self, url: str | None = None) -> str:
        """Return how to reach the engine, or whoever stands in front of it at `url`."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"TableEndpoint={url or self.url}/{ACCOUNT};"
        )

    async def start(self) -> None:
        """Start the engine and wait until it answers. Raises EngineFailed."""
        await npm_ci(ENGINE, "Azurite")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        words = ["node", str(MAIN), "--silent", "--disableTelemetry", "--location", str(self.folder)]
        words += ["--tableHost", "127.0.0.1", "--tablePort", str(self.port), *self._options]
        try:
            await self._engine.start(words, self._answers, SECONDS, self._log)
        except EngineFailed as failed:
            raise EngineFailed(f"{failed} {await asyncio.to_thread(self._said)}") from failed

    async def stop(self) -> None:
        """End the engine, which saves what it has."""
        await self._engine.stop()

    async def _answers(self) -> bool:
        return "successfully" in await asyncio.to_thread(self._said)

    def _said(self) -> str:
        return self._log.read_text(errors="replace")
