"""The engine behind DynamoDB on a laptop: Dynoxide, a process of its own that keeps its tables in a file."""

import asyncio
import os
import platform
import shutil
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import get_session

from clouds.aws.function.client import connect
from clouds.aws.function.item import KEY
from local.engine import Engine, EngineFailed, free_port, is_whole, npm_ci

ENGINE = Path(__file__).resolve().parent / "engine"
PROGRAM = ENGINE / "node_modules" / "@dynoxide" / "linux-x64" / "dynoxide"
SECONDS = 30.0

REGION = "eu-central-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "laptop", "AWS_SECRET_ACCESS_KEY": "laptop"}
"""The engine lets in whoever signs, with whatever."""

SESSION = get_session()
SESSION.set_credentials(*CREDENTIALS.values())


def missing() -> str | None:
    """Why the engine cannot run here, and what to do about it; None if it can."""
    if installed():
        return None
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "DynamoDB's engine comes from npm for Linux on x86-64 only: elsewhere, install dynoxide 1.2.1 into PATH."
    if not shutil.which("npm"):
        return "DynamoDB's engine comes from npm: install Node.js from nodejs.org, or dynoxide 1.2.1 into PATH."
    return None


def installed() -> Path | None:
    """Return the engine's program if it is here, npm's or one in PATH."""
    found = shutil.which("dynoxide")
    return PROGRAM if is_whole(ENGINE) else Path(found) if found else None


async def install() -> Path:
    """Install the engine as its lock file says, unless it is here, and return its program. Raises EngineFailed."""
    if program := installed():
        return program
    if why := missing():
        raise EngineFailed(why)
    await npm_ci(ENGINE, "DynamoDB's engine")
    return PROGRAM


class Dynoxide:
    """One engine. Its tables are in `file` and outlive it; without a file they are in memory."""

    def __init__(self, file: Path | None = None) -> None:
        self.port = 0
        self._file = file
        self._engine = Engine("DynamoDB's engine", environment={"PATH": os.defpath})

    @property
    def url(self) -> str:
        """The engine's address."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the engine and wait until it listens. Raises EngineFailed."""
        program = await install()
        self.port = free_port()
        words = [str(program), "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        words += ["--db-path", str(self._file)] if self._file else []
        await self._engine.start(words, self._listens, SECONDS)

    async def stop(self) -> None:
        """End the engine, which saves what it has."""
        await self._engine.stop()

    def client(self, url: str | None = None) -> Any:
        """Return a new client of the engine, as the function makes it, or of who stands before it at `url`."""
        return connect("dynamodb", REGION, url or self.url, seconds=SECONDS, session=SESSION)

    def create_table(self, name: str) -> None:
        """Make a table like the one that Terraform makes, unless there is one."""
        try:
            self.client().create_table(
                TableName=name,
                KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
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
