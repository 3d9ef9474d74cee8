"""How database engines and function processes start, end and fail on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from local import child, engine
from local.engine import Engine, EngineFailed
from local.engine_proxy import EngineProxy
from local.loop_thread import LoopThread

ROOT = Path(__file__).resolve().parents[1]
PARENT = """
import subprocess, sys, time
from local import child
process = subprocess.Popen(child.command("import time; print(os.getpid(), flush=True); time.sleep(60)", 15))
time.sleep(60)
"""


async def never() -> bool:
    """Never be ready."""
    return False


def python(code: str) -> list[str]:
    """Return the command that runs code."""
    return [sys.executable, "-c", code]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its parent dies")
def test_a_child_ends_with_its_parent() -> None:
    """A parent that is killed leaves no process behind."""
    with subprocess.Popen(python(PARENT), cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
    until = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_child_knows_nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It inherits nothing from our environment, and imports from the given folders."""
    monkeypatch.setenv("PATH", "/mine")
    monkeypatch.setenv("LANG", "tlh")
    environment = child.environment(tmp_path, Path("/a"), Path("/b"))

    assert environment == {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(tmp_path), "PYTHONPATH": "/a:/b"}


def test_a_line_may_be_long(loop: LoopThread) -> None:
    """Lines of any length arrive whole, even the last without a newline, and invalid UTF-8 is replaced."""
    lines: list[str] = []

    async def read() -> None:
        process = await asyncio.create_subprocess_exec(
            *python("import sys; sys.stdout.buffer.write(b'x' * 300_000 + b'\\n\\n\\xff\\nend')"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout
        await child.read_lines(process.stdout, lines.append)
        await process.wait()

    loop.run(read())

    assert lines == ["x" * 300_000, "", "\N{REPLACEMENT CHARACTER}", "end"]


def test_an_engine_that_exits_is_an_error(loop: LoopThread) -> None:
    """The error gives its exit status."""
    with pytest.raises(EngineFailed, match=r"It ended with status 3\."):
        loop.run(Engine("It").start(python("raise SystemExit(3)"), never, 20))


@pytest.mark.slow
def test_an_engine_that_is_never_ready_is_stopped(loop: LoopThread, tmp_path: Path) -> None:
    """After the timeout it is an error, and the process is gone. Its output is in its log."""
    log = tmp_path / "log"
    with pytest.raises(EngineFailed, match=r"It did not start within 4 seconds\."):
        loop.run(
            Engine("It").start(python("import os, time; print(os.getpid(), flush=True); time.sleep(60)"), never, 4, log)
        )

    assert not Path(f"/proc/{int(log.read_text())}").exists()


def test_an_engine_may_save_what_it_has(loop: LoopThread, tmp_path: Path) -> None:
    """It is stopped with its own signal, and has time to write."""
    saved, ready = tmp_path / "saved", tmp_path / "ready"
    code = f"""
import pathlib, signal, sys, time
def end(*_):
    time.sleep(0.2)
    pathlib.Path({str(saved)!r}).touch()
    sys.exit()
signal.signal(signal.SIGINT, end)
pathlib.Path({str(ready)!r}).touch()
time.sleep(60)
"""

    async def is_ready() -> bool:
        return await asyncio.to_thread(ready.exists)

    some = Engine("It", signal.SIGINT)
    loop.run(some.start(python(code), is_ready, 20))
    loop.run(some.stop())

    assert saved.exists()


def test_an_engine_that_does_not_end_is_killed(
    loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time to save is limited."""
    monkeypatch.setattr(engine, "STOP_TIMEOUT", 0.2)
    log = tmp_path / "log"
    code = "import os, signal, time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"

    async def has_begun() -> bool:
        return "\n" in await asyncio.to_thread(log.read_text)

    some = Engine("It")
    loop.run(some.start(python(code), has_begun, 20, log))
    loop.run(some.stop())

    assert not Path(f"/proc/{int(log.read_text())}").exists()


def test_a_silent_engine_does_not_block_the_proxy(loop: LoopThread) -> None:
    """A client that gives up waiting leaves no task behind when the proxy stops, although the engine has acted."""

    async def ask() -> None:
        acted = asyncio.Event()

        async def act(request: web.BaseRequest) -> web.Response:
            acted.set()
            return web.Response(text="done")

        runner = web.ServerRunner(web.Server(act))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy = EngineProxy(f"http://127.0.0.1:{runner.addresses[0][1]}", fault=lambda method: "hang")
        await proxy.start()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(1)) as session:
            with pytest.raises(TimeoutError):
                await session.put(proxy.url)
        await acted.wait()
        await proxy.stop()
        await runner.cleanup()
        assert proxy.requests == {"PUT": 1}
        assert asyncio.all_tasks() == {asyncio.current_task()}

    loop.run(ask())


def wait_for(path: Path) -> None:
    """Wait until a file or folder exists."""
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def write_lock(file: Path, version: str) -> None:
    """Write an npm lock file with one package."""
    file.write_text(json.dumps({"packages": {"node_modules/engine": {"version": version}}}))


def npm(folder: Path, then: str) -> Path:
    """Write a fake npm into a folder, which saves its process id and runs `then`, and a lock file for it to install."""
    write_lock(folder / "package-lock.json", "2.0.0")
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\necho $$ > pid\nmkdir -p node_modules/engine\n{then}\n")
    program.chmod(0o755)
    return program


def test_an_interrupted_installation_is_repeated(
    loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends npm at once, and a partial installation is not used: the next start installs it again."""
    npm(tmp_path, "exec sleep 60")
    monkeypatch.setattr(engine, "NPM_CI", [str(tmp_path / "npm")])

    async def interrupt() -> None:
        installing = asyncio.create_task(engine.npm_ci(tmp_path, "It", "1 MB"))
        await asyncio.to_thread(wait_for, tmp_path / "node_modules")
        installing.cancel()
        with suppress(asyncio.CancelledError):
            await installing

    loop.run(interrupt())
    assert not Path(f"/proc/{int((tmp_path / 'pid').read_text())}").exists()

    npm(tmp_path, "cp package-lock.json node_modules/.package-lock.json")
    for _ in range(2):
        loop.run(engine.npm_ci(tmp_path, "It", "1 MB"))
    assert capsys.readouterr().err == "Installing It with npm: 1 MB on disk, a minute or two, first run only ...\n" * 2


def test_an_engine_of_another_version_is_replaced(
    loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine that runs is always the version in the lock file."""
    npm(tmp_path, "cp package-lock.json node_modules/.package-lock.json")
    monkeypatch.setattr(engine, "NPM_CI", [str(tmp_path / "npm")])
    (tmp_path / "node_modules").mkdir()
    write_lock(tmp_path / "node_modules" / ".package-lock.json", "1.0.0")

    assert not engine.is_whole(tmp_path)
    loop.run(engine.npm_ci(tmp_path, "It", "1 MB"))
    assert engine.is_whole(tmp_path)


def test_an_engine_that_cannot_be_installed_is_an_error(
    loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error includes npm's own message."""
    npm(tmp_path, "echo 'no network' >&2; exit 1")
    monkeypatch.setattr(engine, "NPM_CI", [str(tmp_path / "npm")])

    with pytest.raises(EngineFailed, match="npm could not install It:\nno network"):
        loop.run(engine.npm_ci(tmp_path, "It", "1 MB"))
