"""Settings are read once, an invalid one is refused by name, and secrets are never printed."""

import dataclasses
import logging
import traceback
from collections.abc import Mapping
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clouds.oracle.function.settings import OracleSettings
from counter.cors import Origins
from counter.settings import DEFAULT_SALT, MAX_HISTORY_DAYS, MAX_SEEN_LIMIT, Environment, Settings, SettingsError

SECRET = "hunter2-hunter2-hunter2"

DEFAULTS: dict[str, Any] = {
    "bucket": "cloud-resume-data",
    "object": "counter.json",
    "namespace": None,
    "report_token": None,
    "topic": None,
    "allowed_origins": Origins(("*",)),
    "counter_paths": frozenset({"httpvisitor", "visitor-counter"}),
    "count_on": "GET",
    "ignore_crawlers": True,
    "seen_limit": 400,
    "history_days": 400,
    "timezone": UTC,
    "site_name": None,
    "pages": 200,
    "page_list": frozenset(),
    "public_stats": False,
    "report_backup": True,
    "object_storage_endpoint": None,
    "notifications_endpoint": None,
    "principal": None,
    "region_metadata": None,
    "proxy": None,
    "no_proxy": None,
    "trusted": None,
    "free_requests": None,
}


class Found:
    """All settings read on Oracle Cloud: those of every cloud, and Oracle's own."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        environment = Environment(variables)
        self.parts = (OracleSettings.read(environment), Settings.read(environment))
        environment.check()

    def __getattr__(self, name: str) -> Any:
        oracle, settings = self.parts
        return getattr(settings if hasattr(settings, name) else oracle, name)

    def without(self, attribute: str) -> tuple[OracleSettings, Settings]:
        """The same settings with one attribute set to its default."""
        oracle, settings = self.parts
        if hasattr(settings, attribute):
            return oracle, dataclasses.replace(settings, **{attribute: DEFAULTS[attribute]})
        return dataclasses.replace(oracle, **{attribute: DEFAULTS[attribute]}), settings


NOTHING_SET = (OracleSettings(), Settings())

GOOD: list[tuple[str, str, str, object]] = [
    ("BUCKET", "mine", "bucket", "mine"),
    ("OBJECT", "sites/blog.json", "object", "sites/blog.json"),
    ("OBJECT", "o" * 200, "object", "o" * 200),
    ("NAMESPACE", "axabc", "namespace", "axabc"),
    ("TOPIC_OCID", "ocid1.onstopic.oc1.x", "topic", "ocid1.onstopic.oc1.x"),
    ("ALLOWED_ORIGINS", "*", "allowed_origins", Origins(("*",))),
    ("ALLOWED_ORIGINS", "https://a.example", "allowed_origins", Origins(("https://a.example",))),
    (
        "ALLOWED_ORIGINS",
        " https://A.example , http://localhost:8080,, ",
        "allowed_origins",
        Origins(("https://a.example", "http://localhost:8080")),
    ),
    (
        "ALLOWED_ORIGINS",
        "https://b.example:443/, http://a.example:80",
        "allowed_origins",
        Origins(("https://b.example", "http://a.example")),
    ),
    ("ALLOWED_ORIGINS", "https://münchen.example", "allowed_origins", Origins(("https://xn--mnchen-3ya.example",))),
    ("COUNTER_PATHS", "/, Hits", "counter_paths", frozenset({"/", "hits"})),
    ("COUNTER_PATHS", "ResumeSiteCounter", "counter_paths", frozenset({"resumesitecounter"})),
    ("COUNTER_PATHS", " /prod/Hits/ , Zähler,, ", "counter_paths", frozenset({"hits", "zähler"})),
    ("ALLOWED_ORIGINS", "null", "allowed_origins", Origins(("null",))),
    ("ALLOWED_ORIGINS", "http://[::1]:8000", "allowed_origins", Origins(("http://[::1]:8000",))),
    ("COUNT_ON", "GET", "count_on", "GET"),
    ("COUNT_ON", "post", "count_on", "POST"),
    *[("IGNORE_CRAWLERS", text, "ignore_crawlers", True) for text in ("1", "true", "YES", "On")],
    *[("IGNORE_CRAWLERS", text, "ignore_crawlers", False) for text in ("0", "False", "no", "OFF")],
    ("SEEN_LIMIT", "0", "seen_limit", 0),
    ("SEEN_LIMIT", str(MAX_SEEN_LIMIT), "seen_limit", MAX_SEEN_LIMIT),
    ("HISTORY_DAYS", "1", "history_days", 1),
    ("HISTORY_DAYS", str(MAX_HISTORY_DAYS), "history_days", MAX_HISTORY_DAYS),
    ("TIMEZONE", "utc", "timezone", UTC),
    ("TIMEZONE", "Europe/Berlin", "timezone", ZoneInfo("Europe/Berlin")),
    ("SITE_NAME", "Übersicht ☕", "site_name", "Übersicht ☕"),
    ("SITE_NAME", "s" * 60, "site_name", "s" * 60),
    ("SITE_NAME", "s" * 61, "site_name", "s" * 60),
    ("SITE_NAME", "two\r\nlines", "site_name", "two lines"),
    ("SITE_NAME", "My\u00a0site \u202eeman", "site_name", "My site eman"),
    ("SITE_NAME", "\u0645\u06cc\u200c\u062e\u0648", "site_name", "\u0645\u06cc\u200c\u062e\u0648"),
    ("SITE_NAME", "\U0001f469\u200d\U0001f4bb", "site_name", "\U0001f469\u200d\U0001f4bb"),
    ("SITE_NAME", "caf\udce9", "site_name", "caf"),
    ("SITE_NAME", "\x07\u200d", "site_name", None),
    ("PAGES", "0", "pages", 0),
    ("PAGES", "1000", "pages", 1000),
    ("PAGE_LIST", "/, /blog/index.html,/caf%C3%A9/", "page_list", frozenset({"/", "/blog", "/café"})),
    ("PUBLIC_STATS", "true", "public_stats", True),
    ("REPORT_BACKUP", "false", "report_backup", False),
    ("OBJECT_STORAGE_ENDPOINT", "http://localhost:1234/", "object_storage_endpoint", "http://localhost:1234"),
    ("NOTIFICATIONS_ENDPOINT", "https://n.example", "notifications_endpoint", "https://n.example"),
    ("NO_PROXY", "localhost,.example", "no_proxy", "localhost,.example"),
    ("REQUESTS_CA_BUNDLE", "/etc/ca.pem", "trusted", "/etc/ca.pem"),
    ("SSL_CERT_FILE", "/etc/ca.pem", "trusted", "/etc/ca.pem"),
    ("NOTIFICATIONS_ENDPOINT", "http://[::1]:8080", "notifications_endpoint", "http://[::1]:8080"),
]

BAD: list[tuple[str, str]] = [
    ("OBJECT", "o" * 201),
    ("OBJECT", "two\nlines"),
    ("ALLOWED_ORIGINS", ","),
    ("ALLOWED_ORIGINS", "*,https://qqa.example"),
    ("ALLOWED_ORIGINS", "https://qqa.example/path"),
    ("ALLOWED_ORIGINS", "qqa.example"),
    ("ALLOWED_ORIGINS", "https://*.qqa.example"),
    ("ALLOWED_ORIGINS", "https://qqa.example https://qqb.example"),
    ("ALLOWED_ORIGINS", "ftp://qqa.example"),
    ("ALLOWED_ORIGINS", "https://qq ä.example"),
    ("COUNT_ON", "qqPUT"),
    ("COUNT_ON", "GET,POST"),
    ("IGNORE_CRAWLERS", "qqmaybe"),
    ("IGNORE_CRAWLERS", "2"),
    ("SEEN_LIMIT", "-1"),
    ("SEEN_LIMIT", str(MAX_SEEN_LIMIT + 1)),
    ("SEEN_LIMIT", "1e2"),
    ("SEEN_LIMIT", "1_0"),
    ("SEEN_LIMIT", "٣"),
    ("SEEN_LIMIT", "9" * 5000),
    ("HISTORY_DAYS", "0"),
    ("HISTORY_DAYS", str(MAX_HISTORY_DAYS + 1)),
    ("HISTORY_DAYS", "4.5"),
    ("TIMEZONE", "qqMars/Olympus"),
    ("TIMEZONE", "europe/qqberlin"),
    ("TIMEZONE", "../../etc/passwd"),
    ("TIMEZONE", "/etc/passwd"),
    ("TIMEZONE", "America"),
    ("TIMEZONE", "+02:00"),
    ("PAGES", "1001"),
    ("PAGES", "-1"),
    ("PAGE_LIST", "/a,qqq"),
    ("PAGE_LIST", "/" + "q" * 200),
    ("PUBLIC_STATS", "maybe"),
    ("REPORT_BACKUP", "2"),
    ("OBJECT_STORAGE_ENDPOINT", "qqhost:80"),
    ("OBJECT_STORAGE_ENDPOINT", "https://qqhost/path"),
    ("OBJECT_STORAGE_ENDPOINT", "https://qqhost?query"),
    ("OBJECT_STORAGE_ENDPOINT", "https://qq_host"),
    ("OBJECT_STORAGE_ENDPOINT", "https://qqhost:port"),
    ("OBJECT_STORAGE_ENDPOINT", "https://qqhost:99999"),
    ("OBJECT_STORAGE_ENDPOINT", "https://[::1"),
    ("OBJECT_STORAGE_ENDPOINT", "https://[:]"),
    ("OBJECT_STORAGE_ENDPOINT", "https://.qqhost"),
    ("OBJECT_STORAGE_ENDPOINT", "https://qqhost-"),
    ("OBJECT_STORAGE_ENDPOINT", "https://qquser:pw@host"),
    ("NOTIFICATIONS_ENDPOINT", "file:///qqetc"),
    ("SALT", "qq\udcff-not-utf8"),
    ("REPORT_TOKEN", "qq\udcff-not-utf8"),
    ("BUCKET", "qq\udcff-not-utf8"),
]


def test_nothing_has_to_be_set() -> None:
    """Every setting has the default that docs/settings.md gives."""
    found = Found({})

    assert {name: getattr(found, name) for name in DEFAULTS} == DEFAULTS
    assert found.salt.reveal() == DEFAULT_SALT == "change-me"
    fields = (*dataclasses.fields(Settings), *dataclasses.fields(OracleSettings))
    assert {field.name for field in fields} == {*DEFAULTS, "salt"}


@pytest.mark.parametrize("name, text, attribute, expected", GOOD)
def test_a_valid_value_is_parsed(name: str, text: str, attribute: str, expected: object) -> None:
    """A value in the form that docs/settings.md describes is parsed, and changes nothing else."""
    found = Found({name: text})

    assert getattr(found, attribute) == expected
    assert found.without(attribute) == NOTHING_SET


@pytest.mark.parametrize("name, text", BAD)
def test_a_bad_value_is_refused_by_name(name: str, text: str) -> None:
    """The error names the setting and does not quote its value."""
    with pytest.raises(SettingsError) as caught:
        Found({name: text})

    message = str(caught.value)
    assert message.startswith(name + " ")
    assert message.count("\n") == 0
    assert text not in message or text in ("-1", "0", "2", ",")
    assert "qq" not in message


def test_every_bad_setting_is_named_at_once() -> None:
    """All invalid settings are reported at once, and the valid ones are not mentioned."""
    environment = {"COUNT_ON": "x", "SEEN_LIMIT": "x", "TIMEZONE": "x", "HISTORY_DAYS": "30", "SALT": SECRET}
    with pytest.raises(SettingsError) as caught:
        Found(environment)

    message = str(caught.value)
    assert [name for name in ("COUNT_ON", "SEEN_LIMIT", "TIMEZONE", "HISTORY_DAYS", "SALT") if name in message] == [
        "COUNT_ON",
        "SEEN_LIMIT",
        "TIMEZONE",
    ]


@pytest.mark.parametrize("empty", ["", "   ", "\t\n"])
def test_an_empty_value_is_no_value(empty: str) -> None:
    """A variable that is set to nothing means the default, since some consoles cannot unset one."""
    names = {name for name, *_ in GOOD} | {"SALT", "REPORT_TOKEN"}

    found = Found(dict.fromkeys(names, empty))

    assert (found.salt.reveal(), found.report_token) == (DEFAULT_SALT, None)
    oracle, settings = found.parts
    assert (oracle, dataclasses.replace(settings, salt=Settings().salt)) == NOTHING_SET


def test_the_environment_is_the_process_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping the settings are those of this process."""
    monkeypatch.setenv("BUCKET", "from-outside")

    assert Found().bucket == "from-outside"


def test_other_variables_are_ignored() -> None:
    """Variables that are not settings are ignored."""
    assert Found({"FN_MEMORY": "256", "COUNTON": "x", "seen_limit": "x"}).parts == NOTHING_SET


def test_settings_never_change() -> None:
    """Settings are immutable."""
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
        Settings().seen_limit = 5  # type: ignore[misc]


def test_secrets_do_not_print(caplog: pytest.LogCaptureFixture) -> None:
    """However settings are turned into text, it has neither salt nor token; `reveal` returns them."""
    _, found = Found({"SALT": SECRET, "REPORT_TOKEN": SECRET}).parts
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").warning("%s %r", found, found.salt)
    try:
        raise ValueError(found, found.salt)
    except ValueError as error:
        trace = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    texts = [
        repr(found),
        str(found),
        f"{found}{found.salt}{found.report_token!r}{found.salt!s:>40}",
        str(dataclasses.asdict(found)),
        caplog.text,
        "".join(line for line in trace.splitlines() if "SECRET" not in line),
    ]

    assert SECRET not in "".join(texts)
    assert "<secret>" in repr(found)
    assert found.salt.reveal() == SECRET
    assert found.report_token is not None
    assert found.report_token.reveal() == SECRET


@pytest.mark.parametrize(
    "environment, named",
    [
        ({}, ["SALT"]),
        ({"SALT": "change-me"}, ["SALT"]),
        ({"SALT": SECRET}, []),
        ({"SALT": SECRET, "REPORT_TOKEN": "1234567890abcde"}, ["REPORT_TOKEN"]),
        ({"SALT": SECRET, "REPORT_TOKEN": "1234567890abcdef"}, []),
        ({"REPORT_TOKEN": "letmein"}, ["SALT", "REPORT_TOKEN"]),
    ],
)
def test_unsafe_settings_are_warned_about(environment: dict[str, str], named: list[str]) -> None:
    """The default salt and a short token work, with warnings that do not quote them; the token's is private."""
    _, settings = Found(environment).parts
    warnings = (*settings.warnings, *settings.private_warnings)

    assert [warning.split()[0] for warning in warnings] == named
    assert "REPORT_TOKEN" not in "".join(settings.warnings)
    assert not [value for value in environment.values() if value in "".join(warnings)]


NAMES = sorted({name for name, *_ in GOOD} | {"SALT", "REPORT_TOKEN"})


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40), max_size=6))
def test_any_environment_is_parsed_or_refused(environment: dict[str, str]) -> None:
    """Any environment gives either settings or one SettingsError, which names only variables that are set."""
    try:
        found = Found(environment)
    except SettingsError as error:
        named = {name for name in NAMES if f"{name} must" in str(error)}
        assert named
        assert named <= environment.keys()
    else:
        assert found.bucket
        assert 0 <= found.seen_limit <= MAX_SEEN_LIMIT
