"""
``python -m local``: the counter on this machine.
"""

import argparse
import asyncio
import errno
import importlib.util
import json
import os
import secrets
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

try:
    from local.containers import ContainerFailed
    from local.faults import KINDS, Faults
    from local.notifications import TOPIC, Message
    from local.principal import write_secret
    from local.serving import ROOT, Serving
except ModuleNotFoundError as missing:
    print(f"python -m local: {missing.name} is not installed; run: make run", file=sys.stderr)
    raise SystemExit(2) from None

WELCOME = """
  Your visitor counter is running. Every visit goes through the real function.

    Demo page     {url}/
    Counter       {url}{prefix}/counter?vid=me
    Mailbox       {url}/mailbox
    Owner's page  {url}/web/owner.html, with the token below

    The report    curl -H 'Authorization: Bearer {token}' {url}{prefix}/report
    fn invoke     curl -X POST --data '{{"path":"/report"}}' {url}/invoke

    Your data is in {data} and stays there. {faults}
    Ctrl-C stops everything.
"""
NO_FAULTS = (
    "To see how it copes with a storage\n    that fails, add for example: --fault put:lose-drop=0.2 --latency 20"
)


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with status 2."""
        fail(message)


def fail(message: str) -> NoReturn:
    """Say in one line why nothing runs, and leave with status 2."""
    print(f"python -m local: {message}", file=sys.stderr)
    raise SystemExit(2)


def arguments() -> Parser:
    """Return the command line, described."""
    parser = Parser(prog="python -m local", description="Run the visitor counter on this machine.", epilog=(
        "faults: " + "; ".join(f"{kind} ({what})" for kind, what in KINDS.items())
    ))  # fmt: skip
    parser.add_argument("--port", type=int, default=8080, help="port of the gateway (default 8080, 0 for a free one)")
    parser.add_argument("--host", default="127.0.0.1", help="address of the gateway (default 127.0.0.1)")
    parser.add_argument("--containers", type=int, default=4, metavar="N", help="function processes at most (default 4)")
    parser.add_argument("--data", type=Path, default=Path(".local"), help="folder for all data (default .local)")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="milliseconds per storage request")
    parser.add_argument("--fault", action="append", default=[], metavar="[REQUEST:]KIND=RATE", help="see below")
    parser.add_argument("--seed", type=int, help="make the faults repeatable")
    parser.add_argument("--region", default="us-phoenix-1", help="region the function believes to be in")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="the function's configuration")
    parser.add_argument("--function", type=Path, default=ROOT / "func.py", help=argparse.SUPPRESS)
    return parser


def configuration(folder: Path, given: Sequence[str]) -> dict[str, str]:
    """Return the function's configuration: what the folder keeps since the first start, then what was given."""
    kept = folder / "config.json"
    config = {"REPORT_TOKEN": secrets.token_urlsafe(18), "SALT": secrets.token_hex(16), "TOPIC_OCID": TOPIC}
    if kept.exists():
        known = json.loads(kept.read_text())
        if not isinstance(known, dict) or not all(isinstance(value, str) for value in known.values()):
            fail(f"{kept} should hold settings and their values as text; mend it, or remove it to start over")
        config.update(known)
    else:
        write_secret(kept, json.dumps(config, indent=2).encode())
    for setting in given:
        key, equals, value = setting.partition("=")
        if not equals or not key.isidentifier():
            fail(f"--set takes KEY=VALUE, not {setting!r}")
        config[key] = value
    return config


async def serve(serving: Serving, data: Path) -> None:
    """Run until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    starting = asyncio.create_task(serving.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait([starting])
        return
    await starting
    rates = ", ".join(f"{rule} in {rate:.0%}" for rule, rate in serving.cloud.faults.plan.items())
    welcome = WELCOME.format(
        url=serving.url.replace("127.0.0.1", "localhost"),
        prefix=serving.gateway.prefix,
        token=serving.config["REPORT_TOKEN"],
        data=data,
        faults=f"Storage fails on purpose: {rates}." if rates else NO_FAULTS,
    )
    # How to reach this storage as the function does, for `python -m clouds.oracle.restore --local`.
    reach = data / "function.json"
    write_secret(reach, json.dumps(serving.environment(), indent=2).encode())
    print(welcome, flush=True)
    await stopping
    await serving.stop()
    reach.unlink(missing_ok=True)


def show_mail(message: Message) -> None:
    """Print a mail that the function sent."""
    print(f"\n  Mail: {message.title}\n" + "".join(f"    {line}\n" for line in message.body.splitlines()), flush=True)


def check(options: argparse.Namespace) -> None:
    """Leave with a word about it when what is needed or what was asked for is not to be had."""
    if os.name == "nt":
        fail("the FDK needs Unix sockets; run it on Linux, on macOS, or in WSL")
    for package in ("fdk", "oci"):
        if importlib.util.find_spec(package) is None:
            fail(f"{package} is not installed; run: make run")
    if not options.function.is_file():
        fail(f"{options.function} not found")
    if not 0 <= options.port <= 65535:
        fail(f"--port must be from 0 to 65535, not {options.port}")
    if options.containers < 1:
        fail("--containers must be at least 1")
    if options.latency < 0:
        fail("--latency must not be negative")


def main(given: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = arguments().parse_args(given)
    check(options)
    try:
        faults = Faults.parse(options.fault, options.seed)
    except ValueError as error:
        fail(str(error))
    data: Path = options.data
    try:
        data.mkdir(parents=True, exist_ok=True)
        config = configuration(data, options.set)
        serving = Serving(
            data,
            containers=options.containers,
            warm=1,
            latency=options.latency / 1000,
            config=config,
            faults=faults,
            region=options.region,
            function=options.function,
            host=options.host,
            port=options.port,
            say=lambda line: print(line, file=sys.stderr, flush=True),
            on_message=show_mail,
        )
    except (OSError, sqlite3.OperationalError) as error:
        fail(f"cannot write to {data}: {getattr(error, 'strerror', None) or error}")
    except ValueError:
        fail(f"{data / 'config.json'} is damaged; remove it to start with a new salt and token")
    try:
        asyncio.run(serve(serving, data))
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # before or after the time when Ctrl-C is waited for
    except ContainerFailed as error:
        fail(f"the function did not start: {error}")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            fail(f"port {options.port} is in use; choose another one with --port")
        fail(f"cannot listen on {options.host}:{options.port}: {error.strerror}")


if __name__ == "__main__":
    main()
