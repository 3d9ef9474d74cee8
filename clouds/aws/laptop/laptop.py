"""AWS on a laptop: a DynamoDB engine, the function in AWS's own runtime, and a mailbox for the report."""

import asyncio
import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clouds.aws.function.dynamodb import DynamoDB
from clouds.aws.laptop import dynoxide, gateway_event
from clouds.aws.laptop.dynamodb_proxy import DynamoDBProxy
from clouds.aws.laptop.dynoxide import CREDENTIALS, REGION, Dynoxide
from clouds.aws.laptop.execution_environment import ExecutionEnvironment
from clouds.aws.laptop.runtime_api import HandlerFailed
from clouds.aws.laptop.sns_standin import TOPIC, SnsStandin
from counter.store import Documents
from local.entrypoint import FunctionFailed, HttpAnswer, HttpCall
from local.notifications import Mailbox, Message
from local.pool import ContainerFailed, Pool

SECONDS = 29.0
"""The function's timeout, as Terraform sets it."""

TABLE = "visitor-counter"


class LambdaEntrypoint:
    """Calls the function as one kind of gateway does: `event` turns a request into an event, `answer` turns the
    function's answer into an HTTP answer."""

    prefix = ""

    def __init__(
        self,
        pool: Pool[ExecutionEnvironment],
        event: Callable[[HttpCall], gateway_event.Event],
        answer: Callable[[bytes], HttpAnswer | None] = gateway_event.http_answer,
    ) -> None:
        self._pool = pool
        self._event = event
        self._answer = answer

    async def http(self, call: HttpCall) -> HttpAnswer:
        """Hand an HTTP request to the function. Raises FunctionFailed."""
        try:
            answer = await self._run(json.dumps(self._event(call)).encode())
        except ContainerFailed as failed:
            raise FunctionFailed(failed.status) from failed
        except HandlerFailed as failed:
            raise FunctionFailed(500) from failed
        answered = self._answer(answer)
        if answered is None:
            raise FunctionFailed(500)
        return answered

    async def invoke(self, body: bytes = b"") -> bytes:
        """Call the function directly, as `aws lambda invoke` does. Raises FunctionFailed."""
        try:
            return await self._run(body or b"{}")
        except ContainerFailed as failed:
            raise FunctionFailed(failed.status, str(failed).encode()) from failed
        except HandlerFailed as failed:
            raise FunctionFailed(502, failed.error) from failed

    async def _run(self, event: bytes) -> bytes:
        return await self._pool.use(lambda environment: environment.call(event, SECONDS))


class Laptop:
    """The counter as on AWS, all on this machine. `folder` holds all data, `config` the function's settings,
    `containers` is the largest number of execution environments, `latency` the seconds added to each storage
    request."""

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
        self.engine = Dynoxide(folder / "dynamodb.sqlite")
        self.sns = SnsStandin(self.mailbox)
        self.proxy: DynamoDBProxy | None = None
        self.environments = Pool(
            lambda log_line: ExecutionEnvironment(self.environment(), log_line), containers, on_line
        )
        self.entrypoints = {
            "HTTP API": LambdaEntrypoint(self.environments, gateway_event.http_api),
            "REST API": LambdaEntrypoint(self.environments, gateway_event.rest_api, gateway_event.rest_answer),
            "function URL": LambdaEntrypoint(self.environments, gateway_event.function_url),
            "load balancer": LambdaEntrypoint(
                self.environments, gateway_event.load_balancer, gateway_event.load_balancer_answer
            ),
        }
        self.entrypoint = self.entrypoints["HTTP API"]
        self._latency = latency
        self._clients: list[Any] = []

    @staticmethod
    def missing() -> str | None:
        """Return why this cannot run here and what to do about it, or None if it can."""
        if importlib.util.find_spec("awslambdaric") is None:
            return "awslambdaric is not installed; run: make run CLOUD=aws"
        return dynoxide.missing()

    async def start(self) -> None:
        """Start the engine and the stand-ins; the function starts with the first calls. Raises EngineFailed."""
        try:
            await self.engine.start()
            table, key = self.config.get("TABLE_NAME", TABLE), self.config.get("TABLE_KEY", "counter_id")
            await asyncio.to_thread(self.engine.create_table, table, key)
            self.proxy = DynamoDBProxy(self.engine.url, self._latency)
            await self.proxy.start()
            await self.sns.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything that was started; no process is left."""
        await self.environments.stop()
        for client in self._clients:
            client.close()
        await self.sns.stop()
        if self.proxy:
            await self.proxy.stop()
        await self.engine.stop()
        self.mailbox.close()

    def environment(self) -> dict[str, str]:
        """Return the function's environment: Lambda's variables, and the addresses of the engine and the stand-in."""
        return {
            "AWS_REGION": REGION,
            **CREDENTIALS,
            "TABLE_NAME": TABLE,
            "TOPIC_ARN": TOPIC,
            "DYNAMODB_ENDPOINT": self.proxy.url if self.proxy else self.engine.url,
            "SNS_ENDPOINT": self.sns.url,
            **self.config,
        }

    def documents(self, name: str) -> Documents:
        """Return a new connection to the engine, with a separate table for each name."""
        table = f"t-{hashlib.sha256(name.encode()).hexdigest()[:40]}"
        client = self.engine.client()
        self._clients.append(client)
        self.engine.create_table(table)
        return DynamoDB(client, table, "counter")
