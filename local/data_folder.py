"""The folder that keeps one counter of this machine: its secrets, its storage, and how to reach it while it runs."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class Unusable(Exception):
    """The folder cannot be used as it is; the text says why, and what to do about it."""


class DataFolder:
    """`path`, made if it is not there. Raises OSError when it cannot be written."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._config = path / "config.json"
        self._reach = path / "function.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep it to ourselves: engines that knew nothing of each other would write over each other's data. Raises
        Unusable while somebody else has it."""
        import fcntl  # noqa: PLC0415 - not on Windows, where we get no further than to say so

        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unusable(
                    f"a counter is running on {self.path} already; stop it, or choose another folder with --data"
                ) from None
            yield

    def configuration(self, given: Mapping[str, str]) -> dict[str, str]:
        """The function's configuration: the salt and the token, made up once and kept, then what is `given`. Raises
        Unusable when what was kept is damaged."""
        config = {"REPORT_TOKEN": secrets.token_urlsafe(18), "SALT": secrets.token_hex(16)}
        if self._config.exists():
            try:
                known = json.loads(self._config.read_text())
            except ValueError:
                raise Unusable(f"{self._config} is damaged; remove it to start with a new salt and token") from None
            if not isinstance(known, dict) or not all(isinstance(value, str) for value in known.values()):
                raise Unusable(
                    f"{self._config} should hold settings and their values as text; mend it, or remove it to start over"
                )
            config.update(known)
        else:
            write_secret(self._config, json.dumps(config, indent=2).encode())
        return {**config, **given}

    @contextmanager
    def reachable(self, environment: Mapping[str, str]) -> Iterator[None]:
        """Tell `python -m clouds.admin --local`, meanwhile, how the function reaches its storage."""
        try:
            write_secret(self._reach, json.dumps(dict(environment), indent=2).encode())
            yield
        finally:
            self._reach.unlink(missing_ok=True)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
