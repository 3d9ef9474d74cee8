"""`python -m local`: runs the counter on this machine."""

import argparse
import asyncio
import errno
import importlib.util
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

try:
    from local.command_line import Parser
    from local.data_folder import DataFolder, Unusable
    from local.engine import EngineFailed
    from local.faults import KINDS, Faults
    from local.laptop import ROOT, Hosting, clouds, laptop
    from local.notifications import Message
    from local.pool import ContainerFailed
except ModuleNotFoundError as missing:
    print(f"python -m local: {missing.name} is not installed; run: make run", file=sys.stderr)
    raise SystemExit(2) from None

if TYPE_CHECKING:
    from clouds.oracle.laptop.serving import Serving

WELCOME = """
  Your visitor counter is running as it would on {cloud}. Every visit goes through the real function.

    Owner's page  {url}{prefix}/owner, with the token {token}
    Demo page     {url}/
    Mailbox       {url}/mailbox

  For a page of your own, anywhere on this machine:

    <script defer src="{url}{prefix}/visitor-counter.js"></script>
    <visitor-counter page referrer local></visitor-counter>

    Ask it        curl '{url}{prefix}/counter?vid=me'
    The report    curl -H 'Authorization: Bearer {token}' {url}{prefix}/report
    Direct call   curl -X POST --data '{{"path":"/report"}}' {url}/invoke

    Your data is kept in {data}.{more}
    Press Ctrl-C to stop.
"""
REGION = "us-phoenix-1"
NO_FAULTS = "\n    To see how it copes with failing storage, try: --fault put:lose-drop=0.2 --latency 20"


def fail(message: str) -> NoReturn:
    """Print the reason in one line and exit with status 2."""
    print(f"python -m local: {message}", file=sys.stderr)
    raise SystemExit(2)


def command_line() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(prog="python -m local", description="Run the visitor counter on this machine.", epilog=(
        "faults: " + "; ".join(f"{kind} ({what})" for kind, what in KINDS.items())
    ))  # fmt: skip
    parser.add_argument("--port", type=int, default=8080, help="port of the gateway (default 8080, 0 for a free one)")
    parser.add_argument("--host", default="127.0.0.1", help="address of the gateway (default 127.0.0.1)")
    parser.add_argument("--containers", type=int, default=4, metavar="N", help="most function processes (default 4)")
    parser.add_argument("--cloud", choices=["oracle", *clouds()], default="oracle", help="which cloud (default oracle)")
    parser.add_argument("--data", type=Path, help="folder for all data (default .local, or .local/CLOUD)")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="delay of each storage request")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="[REQUEST:]KIND=RATE",
        help="fail this share of storage requests, 0 to 1; see below for the kinds",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="repeat the same faults")
    parser.add_argument("--region", default=REGION, help=f"Oracle region the function runs in (default {REGION})")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the function")
    parser.add_argument("--function", type=Path, default=ROOT / "func.py", help=argparse.SUPPRESS)
    return parser


def settings(given: Sequence[str]) -> dict[str, str]:
    """Return the settings given with `--set`."""
    config = {}
    for setting in given:
        key, equals, value = setting.partition("=")
        if not equals or not key.isidentifier():
            fail(f"--set takes KEY=VALUE, not {setting!r}")
        config[key] = value
    return config


async def serve(here: "Serving | Hosting", folder: DataFolder, welcome: Callable[[str], str]) -> None:
    """Start everything, print `welcome(url)`, and run until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    starting = asyncio.create_task(here.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait([starting])
        return
    await starting
    try:
        with folder.reachable(here.environment()):
            print(welcome(here.url.replace("127.0.0.1", "localhost")), flush=True)
            await stopping
    finally:
        await here.stop()


def show_mail(port: int, message: Message) -> None:
    """Print one line for a mail sent by the function, and where all of it is."""
    print(f"  Mail: {message.title} (http://localhost:{port}/mailbox)", flush=True)


def check_machine(cloud: str) -> None:
    """Exit with a message if this machine cannot run the cloud's function."""
    if os.name == "nt":
        fail("Windows is not supported; run it on Linux, on macOS, or in WSL")
    for package in ("fdk", "oci") if cloud == "oracle" else ():
        if importlib.util.find_spec(package) is None:
            fail(f"{package} is not installed; run: make run")


def check_options(options: argparse.Namespace) -> None:
    """Exit with a message if an option is invalid."""
    if options.cloud != "oracle" and (options.fault or options.region != REGION):
        fail("--fault and --region work with --cloud oracle only")
    if not options.function.is_file():
        fail(f"{options.function} not found")
    if not 0 <= options.port <= 65535:
        fail(f"--port must be from 0 to 65535, not {options.port}")
    if options.containers < 1:
        fail("--containers must be at least 1")
    if options.latency < 0:
        fail("--latency must not be negative")


def on_oracle(options: argparse.Namespace, config: Mapping[str, str], faults: Faults) -> "Serving":
    """Return the counter on the stand-in for Oracle's services, not started yet."""
    from clouds.oracle.laptop.serving import Serving  # noqa: PLC0415 - needs Oracle's packages; the other clouds do not

    return Serving(
        options.data,
        containers=options.containers,
        warm=1,
        latency=options.latency / 1000,
        config=config,
        faults=faults,
        region=options.region,
        function=options.function,
        host=options.host,
        port=options.port,
        on_line=print_line,
        on_message=partial(show_mail, options.port),
    )


def on_another_cloud(options: argparse.Namespace, config: Mapping[str, str]) -> Hosting:
    """Return the counter on another cloud's database engine, not started yet."""
    try:
        kind = laptop(options.cloud)
    except ModuleNotFoundError as missing:
        fail(f"{missing.name} is not installed; run: make run CLOUD={options.cloud}")
    if reason := kind.missing():
        fail(reason)
    here = kind(
        options.data,
        containers=options.containers,
        config=config,
        on_line=print_line,
        on_message=partial(show_mail, options.port),
        latency=options.latency / 1000,
    )
    return Hosting(here, host=options.host, port=options.port)


def print_line(line: str) -> None:
    """Print a line of the function's log."""
    print(line, file=sys.stderr, flush=True)


def greeting(options: argparse.Namespace, prefix: str, token: str, faults: Faults, url: str) -> str:
    """Return the message printed once everything runs."""
    rates = ", ".join(f"{rule} in {rate:.0%}" for rule, rate in faults.plan.items())
    more = "" if options.cloud != "oracle" else f" Storage fails on purpose: {rates}." if rates else NO_FAULTS
    name = options.cloud.capitalize() if len(options.cloud) > 3 else options.cloud.upper()
    return WELCOME.format(cloud=name, url=url, prefix=prefix, token=token, data=options.data, more=more)


def run(options: argparse.Namespace) -> None:
    """Run the counter until it is stopped; exit with a message if it cannot run."""
    check_machine(options.cloud)
    check_options(options)
    given = settings(options.set)
    try:
        faults = Faults.parse(options.fault, options.seed)
    except ValueError as error:
        fail(str(error))
    options.data = options.data or Path(".local", *([] if options.cloud == "oracle" else [options.cloud]))
    try:
        folder = DataFolder(options.data)
        with folder.locked():
            config = folder.configuration(given)
            oracle = options.cloud == "oracle"
            here = on_oracle(options, config, faults) if oracle else on_another_cloud(options, config)
            welcome = partial(greeting, options, here.gateway.prefix, config["REPORT_TOKEN"], faults)
            try:
                asyncio.run(serve(here, folder, welcome))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    fail(f"port {options.port} is in use; choose another with --port")
                fail(f"cannot listen on {options.host}:{options.port}: {error.strerror}")
    except ContainerFailed as error:
        fail(f"the function did not start: {error}")
    except (Unusable, EngineFailed) as error:
        fail(str(error))
    except sqlite3.DatabaseError as error:
        fail(f"cannot read the data in {options.data}: {error}; choose another folder with --data")
    except OSError as error:
        fail(f"cannot write to {options.data}: {error.strerror or error}")


def main(given: Sequence[str] | None = None) -> None:
    """Run the command."""
    try:
        run(command_line().parse_args(given))
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # Ctrl-C while starting or stopping


if __name__ == "__main__":
    main()
