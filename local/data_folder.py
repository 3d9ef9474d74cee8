"""The folder that holds one counter's data on this machine: its secrets, its storage and how to reach it."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class Unusable(Exception):
    """The folder cannot be used; the message says why and what to do about it."""


class DataFolder:
    """The folder `path`, created if missing. Raises OSError if it cannot be written."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._config = path / "config.json"
        self._reach = path / "function.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder: two engines on the same files would overwrite each other's data. Raises Unusable if another
        process holds the lock."""
        import fcntl  # noqa: PLC0415 - missing on Windows, which check_machine refuses before this runs

        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unusable(
                    f"another counter is using {self.path}; stop it, or choose another folder with --data"
                ) from None
            yield

    def configuration(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the function's settings: a salt and a token, generated on first use and saved, overridden by `given`.
        Raises Unusable if the saved file is damaged."""
        config = {"REPORT_TOKEN": secrets.token_urlsafe(18), "SALT": secrets.token_hex(16)}
        if self._config.exists():
            try:
                saved = json.loads(self._config.read_text())
            except ValueError:
                raise Unusable(
                    f"{self._config} is not valid JSON; fix it, or delete it to get a new salt and token"
                ) from None
            if not isinstance(saved, dict) or not all(isinstance(value, str) for value in saved.values()):
                raise Unusable(
                    f"{self._config} must be a JSON object of strings; fix it, or delete it to get a new salt and token"
                )
            config.update(saved)
        else:
            write_secret(self._config, json.dumps(config, indent=2).encode())
        return {**config, **given}

    @contextmanager
    def reachable(self, environment: Mapping[str, str]) -> Iterator[None]:
        """Save the environment while the counter runs, for `python -m clouds.admin --local` to reach its storage."""
        try:
            write_secret(self._reach, json.dumps(dict(environment), indent=2).encode())
            yield
        finally:
            self._reach.unlink(missing_ok=True)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file with mode 0600 from the start, so that no other user can ever read it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
