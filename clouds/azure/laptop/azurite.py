"""The Table Storage engine on a laptop: Microsoft's Azurite, a Node process."""

import asyncio
import shutil
import signal
from pathlib import Path

from local.engine import Engine, EngineFailed, free_port, npm_ci

ENGINE = Path(__file__).resolve().parent / "engine"
MAIN = ENGINE / "node_modules" / "azurite" / "dist" / "src" / "table" / "main.js"
SECONDS = 60.0
KEEPALIVE = 3.0  # seconds; Azurite closes connections that are idle for five

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's one account. The key is not a secret: its manual publishes it, and it is the same for everyone."""


def missing() -> str | None:
    """Return why Azurite cannot run here and what to do about it, or None if it can."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "Azurite needs Node.js 20 or newer with npm; install it from nodejs.org."
    return None


class Azurite:
    """One engine process. It writes its tables to `folder` every few seconds and when it is stopped. `options` are
    passed to Azurite."""

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
        """Return the connection string of the engine, or of the proxy at `url`."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"TableEndpoint={url or self.url}/{ACCOUNT};"
        )

    async def start(self) -> None:
        """Start the engine and wait until it answers. Raises EngineFailed."""
        await npm_ci(ENGINE, "Azurite", "365 MB")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = ["node", str(MAIN), "--silent", "--disableTelemetry", "--location", str(self.folder)]
        command += ["--tableHost", "127.0.0.1", "--tablePort", str(self.port), *self._options]
        try:
            await self._engine.start(command, self._is_ready, SECONDS, self._log)
        except EngineFailed as failed:
            raise EngineFailed(f"{failed} {await asyncio.to_thread(self._read_log)}") from failed

    async def stop(self) -> None:
        """Stop the engine, which saves its data."""
        await self._engine.stop()

    async def _is_ready(self) -> bool:
        return "successfully" in await asyncio.to_thread(self._read_log)

    def _read_log(self) -> str:
        return self._log.read_text(errors="replace")
