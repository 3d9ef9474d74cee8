"""What every cloud's engine and function process on this machine share: how they start, end, fail and are hidden."""

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
    """Be ready never."""
    return False


def python(code: str) -> list[str]:
    """Return the words that run code."""
    return [sys.executable, "-c", code]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child")
def test_a_child_ends_with_its_parent() -> None:
    """Also a parent that is killed leaves no process behind."""
    with subprocess.Popen(python(PARENT), cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
    until = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_child_knows_nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment has no word of ours, and its modules are where it was told."""
    monkeypatch.setenv("PATH", "/mine")
    monkeypatch.setenv("LANG", "tlh")
    known = child.environment(tmp_path, Path("/a"), Path("/b"))

    assert known == {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(tmp_path), "PYTHONPATH": "/a:/b"}


def test_a_line_may_be_long(loop: LoopThread) -> None:
    """Lines come whole, however long, the last one without its end too, and what is no UTF-8 stops nothing."""
    said: list[str] = []

    async def read() -> None:
        process = await asyncio.create_subprocess_exec(
            *python("import sys; sys.stdout.buffer.write(b'x' * 300_000 + b'\\n\\n\\xff\\nend')"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout
        await child.lines(process.stdout, said.append)
        await process.wait()

    loop.run(read())

    assert said == ["x" * 300_000, "", "\N{REPLACEMENT CHARACTER}", "end"]


def test_an_engine_that_ends_is_told(loop: LoopThread) -> None:
    """Whoever starts it is told with which status it ended."""
    with pytest.raises(EngineFailed, match=r"It ended with status 3\."):
        loop.run(Engine("It").start(python("raise SystemExit(3)"), never, 20))


def test_an_engine_that_is_never_ready_is_ended(loop: LoopThread, tmp_path: Path) -> None:
    """After its time it is told so, and nothing of it is left; what it wrote is in its log."""
    log = tmp_path / "log"
    with pytest.raises(EngineFailed, match=r"It did not listen in time\."):
        loop.run(
            Engine("It").start(python("import os, time; print(os.getpid(), flush=True); time.sleep(60)"), never, 4, log)
        )

    assert not Path(f"/proc/{int(log.read_text())}").exists()


def test_an_engine_may_save_what_it_has(loop: LoopThread, tmp_path: Path) -> None:
    """It ends by the signal that it knows, and has the time to write."""
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
    """Its time to save is not for ever."""
    monkeypatch.setattr(engine, "PATIENCE", 0.2)
    log = tmp_path / "log"
    code = "import os, signal, time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"

    async def has_begun() -> bool:
        return "\n" in await asyncio.to_thread(log.read_text)

    some = Engine("It")
    loop.run(some.start(python(code), has_begun, 20, log))
    loop.run(some.stop())

    assert not Path(f"/proc/{int(log.read_text())}").exists()


def test_a_silent_engine_holds_nobody_up(loop: LoopThread) -> None:
    """Who gave up waiting for an answer that never comes leaves no work behind when the proxy stops; the engine had
    acted before."""

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
    """Wait until a file or folder is there."""
    until = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def locked(file: Path, version: str) -> None:
    """Write a lock file of npm's with one package."""
    file.write_text(json.dumps({"packages": {"node_modules/engine": {"version": version}}}))


def npm(folder: Path, then: str) -> Path:
    """Put a program of that name in a folder, which writes its process id down and goes on with `then`, and say which
    engine is wanted there."""
    locked(folder / "package-lock.json", "2.0.0")
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\necho $$ > pid\nmkdir -p node_modules/engine\n{then}\n")
    program.chmod(0o755)
    return program


def test_an_installation_that_was_broken_off_is_begun_again(
    loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who loses patience ends npm at once, and what it left is not taken for an engine: the next start installs it."""
    npm(tmp_path, "exec sleep 60")
    monkeypatch.setattr(engine, "NPM_CI", [str(tmp_path / "npm")])

    async def lose_patience() -> None:
        installing = asyncio.create_task(engine.npm_ci(tmp_path, "It"))
        await asyncio.to_thread(wait_for, tmp_path / "node_modules")
        installing.cancel()
        with suppress(asyncio.CancelledError):
            await installing

    loop.run(lose_patience())
    assert not Path(f"/proc/{int((tmp_path / 'pid').read_text())}").exists()

    npm(tmp_path, "cp package-lock.json node_modules/.package-lock.json")
    for _ in range(2):
        loop.run(engine.npm_ci(tmp_path, "It"))
    assert capsys.readouterr().err == "Installing It with npm, once ...\n" * 2


def test_an_engine_of_another_version_is_replaced(
    loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs is what the lock file says, also after it was raised."""
    npm(tmp_path, "cp package-lock.json node_modules/.package-lock.json")
    monkeypatch.setattr(engine, "NPM_CI", [str(tmp_path / "npm")])
    (tmp_path / "node_modules").mkdir()
    locked(tmp_path / "node_modules" / ".package-lock.json", "1.0.0")

    assert not engine.is_whole(tmp_path)
    loop.run(engine.npm_ci(tmp_path, "It"))
    assert engine.is_whole(tmp_path)


def test_an_engine_that_cannot_be_installed_is_told(
    loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With npm's own words."""
    npm(tmp_path, "echo 'no network' >&2; exit 1")
    monkeypatch.setattr(engine, "NPM_CI", [str(tmp_path / "npm")])

    with pytest.raises(EngineFailed, match="npm did not install It:\nno network"):
        loop.run(engine.npm_ci(tmp_path, "It"))
