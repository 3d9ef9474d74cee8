"""The DynamoDB engine on a laptop: Dynoxide, a process that keeps its tables in a file."""

import asyncio
import os
import platform
import shutil
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import get_session

from clouds.aws.function.client import connect
from local.engine import Engine, EngineFailed, free_port, is_whole, npm_ci

ENGINE = Path(__file__).resolve().parent / "engine"
PROGRAM = ENGINE / "node_modules" / "@dynoxide" / "linux-x64" / "dynoxide"
SECONDS = 30.0

REGION = "eu-central-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "laptop", "AWS_SECRET_ACCESS_KEY": "laptop"}
"""The engine accepts any signature."""

SESSION = get_session()
SESSION.set_credentials(*CREDENTIALS.values())


def missing() -> str | None:
    """Return why the engine cannot run here and what to do about it, or None if it can."""
    if installed():
        return None
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "npm has the DynamoDB engine for Linux on x86-64 only; install dynoxide 1.2.1 and add it to PATH."
    if not shutil.which("npm"):
        return "the DynamoDB engine needs npm; install Node.js from nodejs.org, or add dynoxide 1.2.1 to PATH."
    return None


def installed() -> Path | None:
    """Return the engine's program, from npm or from PATH, or None if it is not installed."""
    found = shutil.which("dynoxide")
    return PROGRAM if is_whole(ENGINE) else Path(found) if found else None


async def install() -> Path:
    """Install the engine if it is missing and return its program. Raises EngineFailed."""
    if program := installed():
        return program
    if reason := missing():
        raise EngineFailed(reason)
    await npm_ci(ENGINE, "the DynamoDB engine", "8 MB")
    return PROGRAM


class Dynoxide:
    """One engine process. Its tables are kept in `file`, or in memory without one."""

    def __init__(self, file: Path | None = None) -> None:
        self.port = 0
        self._file = file
        self._engine = Engine("The DynamoDB engine", environment={"PATH": os.defpath})

    @property
    def url(self) -> str:
        """The engine's address."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the engine and wait until it listens. Raises EngineFailed."""
        program = await install()
        self.port = free_port()
        command = [str(program), "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--db-path", str(self._file)] if self._file else []
        await self._engine.start(command, self._listens, SECONDS)

    async def stop(self) -> None:
        """Stop the engine, which saves its data."""
        await self._engine.stop()

    def client(self, url: str | None = None) -> Any:
        """Return a new client like the function's, for the engine or for the proxy at `url`."""
        return connect("dynamodb", REGION, url or self.url, seconds=SECONDS, session=SESSION)

    def create_table(self, name: str, key: str = "counter_id") -> None:
        """Create a table like Terraform's, unless it exists."""
        try:
            self.client().create_table(
                TableName=name,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True
