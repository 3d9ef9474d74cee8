"""Runs the stand-in, the containers and the gateway together."""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

from clouds.oracle.laptop.cloud import Cloud, Network
from clouds.oracle.laptop.containers import Pool
from clouds.oracle.laptop.fn_entrypoint import FnEntrypoint
from clouds.oracle.laptop.objects import Objects
from clouds.oracle.laptop.principal import Principal
from clouds.oracle.laptop.storage import NAMESPACE
from local.faults import Faults
from local.gateway import Gateway
from local.loop_thread import LoopThread
from local.notifications import TOPIC, Mailbox, Message

ROOT = Path(__file__).resolve().parents[3]
BUCKET = "cloud-resume-data"

T = TypeVar("T")


class Serving:
    """The counter as on Oracle Cloud, all on this machine. Use `await start()` and `await stop()`, or `with
    Serving(...) as here:`, which runs it on an event loop in its own thread.

    `folder` holds all data, `config` the function's settings. Without `gateway`, or with no containers, only the
    stand-in runs. With `tls` the function is not told the stand-in's address: it uses Oracle's own host names.
    """

    def __init__(
        self,
        folder: Path,
        *,
        containers: int = 4,
        warm: int = 0,
        latency: float = 0.0,
        config: Mapping[str, str] | None = None,
        tls: bool = False,
        faults: Faults | None = None,
        gateway: bool = True,
        prefix: str = "/v1",
        region: str = "us-phoenix-1",
        function: Path = ROOT / "func.py",
        web_folder: Path = ROOT / "web" / "demo",
        host: str = "127.0.0.1",
        port: int = 0,
        on_line: Callable[[str], None] | None = None,
        on_message: Callable[[Message], None] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.config = {"BUCKET": BUCKET, "TOPIC_OCID": TOPIC, **(config or {})}
        if not tls:
            self.config.setdefault("NAMESPACE", NAMESPACE)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.principal = Principal(self.folder / "principal", region)
        self.objects = Objects(self.folder / "cloud.sqlite")
        self.objects.create_bucket(self.config["BUCKET"])
        self.mailbox = Mailbox(self.folder / "cloud.sqlite", on_message)
        self.cloud = Cloud(
            self.objects,
            faults,
            latency,
            mailbox=self.mailbox,
            topics={self.config["TOPIC_OCID"]},
            namespace=self.config.get("NAMESPACE", NAMESPACE),
        )
        self.network: Network | None = None
        self.pool = Pool(function, self.environment, containers, on_line)
        invocable = host in ("127.0.0.1", "::1", "localhost")
        self.entrypoint = FnEntrypoint(self.pool, prefix)
        self.gateway = Gateway(self.entrypoint, mailbox=self.mailbox, web_folder=web_folder, invocable=invocable)
        self._tls = tls
        self._address = (host, port)
        self._with_gateway = gateway and containers > 0
        self._warm = warm
        self._loop: LoopThread | None = None
        self._exit = ExitStack()

    @property
    def url(self) -> str:
        """The gateway's address, without a path."""
        return self.gateway.url

    @property
    def cloud_url(self) -> str:
        """The stand-in's address."""
        return self.cloud.url

    def environment(self) -> dict[str, str]:
        """Return the function's environment: Oracle's variables, the settings, and the stand-in's addresses."""
        environment = {**self.principal.environment(), **self.config}
        if self.network:
            environment["HTTPS_PROXY"] = self.network.url
            environment["REQUESTS_CA_BUNDLE"] = str(self.principal.authority)
        else:
            environment.setdefault("OBJECT_STORAGE_ENDPOINT", self.cloud_url)
            environment.setdefault("NOTIFICATIONS_ENDPOINT", self.cloud_url)
        return environment

    async def start(self) -> None:
        """Start everything. Raises OSError if the port is in use, and ContainerFailed if the function does not
        start."""
        try:
            if self._tls:
                await self.cloud.start(ssl=self.principal.server_context())
                self.network = Network("127.0.0.1", urlsplit(self.cloud_url).port or 443)
                await self.network.start()
            else:
                await self.cloud.start()
            if self._with_gateway:
                await self.gateway.start(*self._address)
                await self.pool.warm(self._warm)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything that was started; no process is left."""
        await self.gateway.stop()
        await self.pool.stop()
        if self.network:
            await self.network.stop()
        await self.cloud.stop()
        self.mailbox.close()
        self.objects.close()

    def invoke(self, body: bytes = b"") -> bytes:
        """Call the function directly, as `fn invoke` does. Only inside `with`. Raises FunctionFailed."""
        return self.run(self.entrypoint.invoke(body))

    def warm(self, count: int) -> None:
        """Start containers until `count` run. Only inside `with`."""
        self.run(self.pool.warm(count))

    def settle(self) -> None:
        """Wait until the stand-in has no request in progress, so that late ones have been acted on. Only inside
        `with`."""
        self.run(self.cloud.settled())

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine on the event loop and return its result. Only inside `with`."""
        if self._loop is None:
            raise RuntimeError("only within `with`")
        return self._loop.run(work)

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self._loop = opening.enter_context(LoopThread())
            self.run(self.start())
            opening.callback(lambda: self.run(self.stop()))
            self._exit = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()
        self._loop = None
