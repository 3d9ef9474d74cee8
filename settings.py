"""The owner's settings: read once from the environment, checked, and never changed. Nothing else reads os.environ.

A setting that cannot be understood is an error that names it, never a guess. The messages quote no values, so they may
be shown to anyone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TypeVar

DEFAULT_SALT = "change-me"
LONGEST_HISTORY = 800
MOST_SEEN = 1000
SHORTEST_TOKEN = 16

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:.]+\](:\d{1,5})?|null", re.ASCII)
_URL = re.compile(r"https?://[^\s/?#]+/?", re.ASCII)

T = TypeVar("T")


class SettingsError(ValueError):
    """One or more settings cannot be understood. The text names each and says what it should be."""


class Secret:
    """A text that is not printed: not by print, not in a log, not in a traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True)
class ResourcePrincipal:
    """Where Oracle Functions puts the function's identity: files with its session token and its key, and its region."""

    rpst: str = field(repr=False)
    private_pem: str = field(repr=False)
    region: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What the owner may set. Every one has a default; the README's table says what each is for."""

    bucket: str = "cloud-resume-data"
    object: str = "counter.json"
    namespace: str | None = None
    salt: Secret = Secret(DEFAULT_SALT)  # noqa: RUF009 - a value that never changes
    report_token: Secret | None = None
    topic: str | None = None
    allowed_origins: frozenset[str] = frozenset({"*"})
    count_on_get: bool = True
    ignore_crawlers: bool = True
    seen_limit: int = 400
    history_days: int = 400
    timezone: tzinfo = UTC
    site_name: str | None = None
    object_storage_endpoint: str | None = None
    notifications_endpoint: str | None = None
    principal: ResourcePrincipal | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The settings in `environment`, by default this process's own. An empty value counts as none.

        Raises SettingsError naming every setting that cannot be understood."""
        return _Reader(os.environ if environment is None else environment).settings()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What works but should not stay as it is, in words that anybody may read: /health shows them."""
        if self.salt.reveal() == DEFAULT_SALT:
            return ("SALT is the default, which everybody knows. Set a long random text before the first visit.",)
        return ()

    @property
    def private_warnings(self) -> tuple[str, ...]:
        """The same in words for the log alone, since a stranger could make use of them."""
        if self.report_token and len(self.report_token.reveal()) < SHORTEST_TOKEN:
            return (f"REPORT_TOKEN is short enough to be guessed. Use at least {SHORTEST_TOKEN} random characters.",)
        return ()


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[str] = []

    def settings(self) -> Settings:
        default = Settings()
        salt, token = self._text("SALT"), self._text("REPORT_TOKEN")
        settings = Settings(
            bucket=self._text("BUCKET") or default.bucket,
            object=self._read("OBJECT", _object_name, default.object),
            namespace=self._text("NAMESPACE"),
            salt=Secret(salt) if salt else default.salt,
            report_token=Secret(token) if token else None,
            topic=self._text("TOPIC_OCID"),
            allowed_origins=self._read("ALLOWED_ORIGINS", _origins, default.allowed_origins),
            count_on_get=self._read("COUNT_ON", _is_get, default.count_on_get),
            ignore_crawlers=self._read("IGNORE_CRAWLERS", _yes_or_no, default.ignore_crawlers),
            seen_limit=self._read("SEEN_LIMIT", _whole(0, MOST_SEEN), default.seen_limit),
            history_days=self._read("HISTORY_DAYS", _whole(1, LONGEST_HISTORY), default.history_days),
            timezone=self._read("TIMEZONE", _timezone, default.timezone),
            site_name=self._read("SITE_NAME", _one_line, default.site_name),
            object_storage_endpoint=self._read("OBJECT_STORAGE_ENDPOINT", _url, None),
            notifications_endpoint=self._read("NOTIFICATIONS_ENDPOINT", _url, None),
            principal=self._principal(),
        )
        if self._problems:
            raise SettingsError(" ".join(self._problems))
        return settings

    def _principal(self) -> ResourcePrincipal | None:
        """Version 2.2 without a passphrase, as Oracle Functions has it; None leaves any other to the SDK."""
        prefix = "OCI_RESOURCE_PRINCIPAL_"
        if self._text(prefix + "VERSION") != "2.2" or self._text(prefix + "PRIVATE_PEM_PASSPHRASE"):
            return None
        rpst, pem, region = (self._text(prefix + name) for name in ("RPST", "PRIVATE_PEM", "REGION"))
        return ResourcePrincipal(rpst, pem, region) if rpst and pem and region else None

    def _text(self, name: str) -> str | None:
        text = self._environment.get(name, "").strip() or None
        if text and any("\ud800" <= sign <= "\udfff" for sign in text):  # so the system hands over what is not UTF-8
            self._problems.append(f"{name} must be UTF-8 text.")
            return None
        return text

    def _read(self, name: str, understand: Callable[[str], T], default: T) -> T:
        text = self._text(name)
        if text is None:
            return default
        try:
            return understand(text)
        except ValueError as error:
            self._problems.append(f"{name} {error}.")
            return default


def _object_name(text: str) -> str:
    if len(text) > 200 or not text.isprintable():
        raise ValueError("must be a name of at most 200 printable characters")
    return text


def _origins(text: str) -> frozenset[str]:
    origins = frozenset(origin.strip().lower() for origin in text.split(",") if origin.strip())
    if "*" in origins and len(origins) > 1:
        raise ValueError("must be either * or a list of origins, not both")
    if not origins or not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be * or a comma-separated list like https://example.com, without paths or final slashes")
    return origins


def _is_get(text: str) -> bool:
    if text.upper() not in ("GET", "POST"):
        raise ValueError("must be GET (count on GET and POST) or POST (GET only reads)")
    return text.upper() == "GET"


def _yes_or_no(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ValueError("must be true or false")
    return text.lower() in _YES


def _whole(least: int, most: int) -> Callable[[str], int]:
    def understand(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return understand


def _timezone(text: str) -> tzinfo:
    if text.upper() == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only owners outside UTC pay for it at a cold start

    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("must be UTC or a name like Europe/Berlin") from error


def _one_line(text: str) -> str:
    if len(text) > 60 or not text.isprintable():
        raise ValueError("must be one line of at most 60 characters")
    return text


def _url(text: str) -> str:
    if not _URL.fullmatch(text):
        raise ValueError("must be an address like https://host:port, without a path")
    return text.rstrip("/")
