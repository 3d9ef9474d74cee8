"""The owner's settings: read from the environment once, validated, and never changed. Nothing else reads os.environ.

An invalid setting is an error that names it; nothing is guessed. No message quotes a value, so anyone may see them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, tzinfo
from typing import Any, TypeVar

from counter.cors import Origins
from counter.names import one_line, page_path
from counter.tally import Limits

DEFAULT_SALT = "change-me"
MAX_HISTORY_DAYS = 800
MAX_PAGES = 1000
MAX_SEEN_LIMIT = 1000
MAX_SITE_NAME = 60
MIN_TOKEN_LENGTH = 16

_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}

T = TypeVar("T")
Default = TypeVar("Default")


class SettingsError(ValueError):
    """One or more settings are invalid. The message names each and says what it must be."""


class Secret:
    """Text that never appears when it is printed, logged or part of a traceback."""

    def __init__(self, text: str) -> None:
        self.reveal: Callable[[], str] = lambda: text

    def __repr__(self) -> str:
        return "<secret>"


class Environment:
    """The variables to read settings from, by default this process's environment. It collects the errors until
    `check`, which is called after all settings have been read."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables
        self._problems: list[str] = []

    def text(self, name: str, *, is_heading: bool = False) -> str | None:
        """The value of `name`, or None if it is unset or empty. It must be UTF-8, unless it is only a heading."""
        text = self._variables.get(name, "").strip()
        # Python decodes bytes that are not UTF-8 as surrogates.
        if not is_heading and any("\ud800" <= char <= "\udfff" for char in text):
            self._problems.append(f"{name} must be UTF-8 text.")
            return None
        return text or None

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """The value of `name`, parsed by `parse`, which raises ValueError saying what the value must be."""
        text = self.text(name)
        try:
            return default if text is None else parse(text)
        except ValueError as error:
            self._problems.append(f"{name} {error}.")
            return default

    def check(self) -> None:
        """Raise SettingsError naming all invalid settings read so far."""
        if self._problems:
            raise SettingsError(" ".join(self._problems))


def _last_segments(text: str) -> frozenset[str]:
    """The last segments of a comma-separated list of paths, as Request.route has them; `/` stays `/`."""
    paths = [path.strip().strip("/").lower() for path in text.split(",") if path.strip()]
    return frozenset(path.rpartition("/")[2] or "/" for path in paths)


def _count_on(text: str) -> str:
    if text.upper() not in ("GET", "POST"):
        raise ValueError("must be GET (count on GET and POST) or POST (GET only reads)")
    return text.upper()


def _yes_or_no(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError("must be true or false")
    return _SWITCH[text.lower()]


def _whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and minimum <= int(text) <= maximum):
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def _timezone(text: str) -> tzinfo:
    if text.upper() == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - a cold start in UTC does without it

    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("must be UTC or a name like Europe/Berlin") from error


def _paths(text: str) -> frozenset[str]:
    paths = frozenset(page_path(path) or "" for path in text.split(",") if path.strip())
    if "" in paths or len(paths) > MAX_PAGES:
        raise ValueError(f"must be a comma-separated list of at most {MAX_PAGES} paths like /blog/first-post")
    return paths


def _in_words(value: Any) -> str | int | None:
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    return value if value is None or isinstance(value, int) else str(value)


def _setting(parse: Callable[[str], T], default: Default) -> T | Default:
    """A field of Settings, which `parse` reads from the variable of its name in capitals. A Secret is never shown."""
    return field(default=default, metadata={"parse": parse})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the owner may set on every cloud, and how many storage requests a month are free there (None: none are).
    Every one has a default; docs/settings.md says what each is for."""

    salt: Secret = _setting(Secret, Secret(DEFAULT_SALT))
    report_token: Secret | None = _setting(Secret, None)
    allowed_origins: Origins = _setting(Origins.parse, Origins())
    counter_paths: frozenset[str] = _setting(_last_segments, frozenset({"httpvisitor", "visitor-counter"}))
    count_on: str = _setting(_count_on, "GET")
    ignore_crawlers: bool = _setting(_yes_or_no, True)
    seen_limit: int = _setting(_whole(0, MAX_SEEN_LIMIT), 400)
    history_days: int = _setting(_whole(1, MAX_HISTORY_DAYS), 400)
    pages: int = _setting(_whole(0, MAX_PAGES), 200)
    page_list: frozenset[str] = _setting(_paths, frozenset())
    public_stats: bool = _setting(_yes_or_no, False)
    report_backup: bool = _setting(_yes_or_no, True)
    timezone: tzinfo = _setting(_timezone, UTC)
    site_name: str | None = None
    free_requests: int | None = None

    @classmethod
    def read(cls, environment: Environment, *, free_requests: int | None = None) -> Settings:
        """The settings in `environment`, which collects the errors."""
        known: dict[str, Any] = {}
        for each in fields(cls):
            if parse := each.metadata.get("parse"):
                known[each.name] = environment.read(each.name.upper(), parse, each.default)
        # Nothing about a heading is a reason to stop counting.
        heading = one_line(environment.text("SITE_NAME", is_heading=True) or "", MAX_SITE_NAME) or None
        return cls(**known, site_name=heading, free_requests=free_requests)

    @property
    def public(self) -> dict[str, str | int | None]:
        """The settings that are not secret, by their names, as content for JSON."""
        names = [each.name for each in fields(self) if each.metadata.get("parse", Secret) is not Secret]
        return {name.upper(): _in_words(getattr(self, name)) for name in ("site_name", *names)}

    @property
    def limits(self) -> Limits:
        """How much the document may hold."""
        return Limits(self.seen_limit, self.history_days, self.pages, self.page_list, self.timezone, self.salt.reveal())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What works but should be changed. Anyone may read these: /health shows them."""
        warning = "SALT is the default, which everybody knows. Set a long random text before the first visit."
        return (warning,) if self.salt.reveal() == DEFAULT_SALT else ()

    @property
    def private_warnings(self) -> tuple[str, ...]:
        """What works but should be changed, for the log only: an attacker could use it."""
        if self.report_token and len(self.report_token.reveal()) < MIN_TOKEN_LENGTH:
            return (f"REPORT_TOKEN is short enough to be guessed. Use at least {MIN_TOKEN_LENGTH} random characters.",)
        return ()
