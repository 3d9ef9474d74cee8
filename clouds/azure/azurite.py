"""
Microsoft's own engine of Table Storage for a laptop: Azurite, a Node process on a free port.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from local.laptop import EngineFailed

ENGINE = Path(__file__).resolve().parent / "engine"
MAIN = ENGINE / "node_modules" / "azurite" / "dist" / "src" / "table" / "main.js"
SECONDS = 60.0

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The one account it has. The key is no secret: it is in Azurite's manual and the same for everybody."""

# Node as a process that is told to end when its parent does, even when the parent is killed (Linux).
COMMAND = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 2)
    if os.getppid() != {parent}:
        sys.exit(1)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def missing() -> str | None:
    """Why Azurite cannot run here, and what to do about it; None if it can."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "Table Storage's engine, Azurite, needs Node.js 20 or newer with npm: install it from nodejs.org."
    return None


def install() -> None:
    """Install Azurite as its lock file says, unless it is here. Raises EngineFailed."""
    if MAIN.exists():
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=ENGINE, capture_output=True, text=True, check=False)
    if done.returncode or not MAIN.exists():
        raise EngineFailed(f"npm did not install Azurite:\n{done.stderr}")


class Azurite:
    """One engine. Its tables are files in ``folder``, written every few seconds and when it is stopped."""

    def __init__(self, folder: Path) -> None:
        self.port = 0
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def connection_string(self, port: int | None = None) -> str:
        """Return how to reach the engine, or whoever stands in front of it at ``port``."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"TableEndpoint=http://127.0.0.1:{port or self.port}/{ACCOUNT};"
        )

    def start(self, *options: str) -> None:
        """Start the engine and wait until it answers. ``options`` are its own. Raises EngineFailed."""
        install()
        self.folder.mkdir(parents=True, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        engine = ["node", str(MAIN), "--silent", "--disableTelemetry", "--location", str(self.folder)]
        engine += ["--tableHost", "127.0.0.1", "--tablePort", str(self.port), *options]
        with (self.folder / "azurite.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", COMMAND.format(parent=os.getpid()), *engine],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we end our engine
            )
        end = time.monotonic() + SECONDS
        while "successfully" not in (said := (self.folder / "azurite.log").read_text(errors="replace")):
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise EngineFailed(f"Azurite did not start. {said}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the engine, which saves what it has."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
