"""Settings are read once, understood or refused by name, and their secrets do not print."""

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
from counter.settings import DEFAULT_SALT, LONGEST_HISTORY, MOST_SEEN, Environment, Settings, SettingsError

SECRET = "hunter2-hunter2-hunter2"

DEFAULTS: dict[str, Any] = {
    "bucket": "cloud-resume-data",
    "object": "counter.json",
    "namespace": None,
    "report_token": None,
    "topic": None,
    "allowed_origins": Origins(("*",)),
    "counter_paths": frozenset({"httpvisitor", "visitor-counter"}),
    "count_on_get": True,
    "ignore_crawlers": True,
    "seen_limit": 400,
    "history_days": 400,
    "timezone": UTC,
    "site_name": None,
    "object_storage_endpoint": None,
    "notifications_endpoint": None,
    "principal": None,
    "free_requests": None,
}


class Found:
    """All that is read from an environment on Oracle Cloud: what every cloud reads, and Oracle's own."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        environment = Environment(variables)
        self.parts = (OracleSettings.read(environment), Settings.read(environment))
        environment.check()

    def __getattr__(self, name: str) -> Any:
        oracle, settings = self.parts
        return getattr(settings if hasattr(settings, name) else oracle, name)

    def without(self, attribute: str) -> tuple[OracleSettings, Settings]:
        """The same with one attribute as by default."""
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
    ("COUNTER_PATHS", "/", "counter_paths", frozenset({""})),
    ("COUNTER_PATHS", "ResumeSiteCounter", "counter_paths", frozenset({"resumesitecounter"})),
    ("COUNTER_PATHS", " /prod/Hits/ , Zähler,, ", "counter_paths", frozenset({"hits", "zähler"})),
    ("ALLOWED_ORIGINS", "null", "allowed_origins", Origins(("null",))),
    ("ALLOWED_ORIGINS", "http://[::1]:8000", "allowed_origins", Origins(("http://[::1]:8000",))),
    ("COUNT_ON", "GET", "count_on_get", True),
    ("COUNT_ON", "post", "count_on_get", False),
    *[("IGNORE_CRAWLERS", text, "ignore_crawlers", True) for text in ("1", "true", "YES", "On")],
    *[("IGNORE_CRAWLERS", text, "ignore_crawlers", False) for text in ("0", "False", "no", "OFF")],
    ("SEEN_LIMIT", "0", "seen_limit", 0),
    ("SEEN_LIMIT", str(MOST_SEEN), "seen_limit", MOST_SEEN),
    ("HISTORY_DAYS", "1", "history_days", 1),
    ("HISTORY_DAYS", str(LONGEST_HISTORY), "history_days", LONGEST_HISTORY),
    ("TIMEZONE", "utc", "timezone", UTC),
    ("TIMEZONE", "Europe/Berlin", "timezone", ZoneInfo("Europe/Berlin")),
    ("SITE_NAME", "Übersicht ☕", "site_name", "Übersicht ☕"),
    ("SITE_NAME", "s" * 60, "site_name", "s" * 60),
    ("OBJECT_STORAGE_ENDPOINT", "http://localhost:1234/", "object_storage_endpoint", "http://localhost:1234"),
    ("NOTIFICATIONS_ENDPOINT", "https://n.example", "notifications_endpoint", "https://n.example"),
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
    ("SEEN_LIMIT", str(MOST_SEEN + 1)),
    ("SEEN_LIMIT", "1e2"),
    ("SEEN_LIMIT", "1_0"),
    ("SEEN_LIMIT", "٣"),
    ("SEEN_LIMIT", "9" * 5000),
    ("HISTORY_DAYS", "0"),
    ("HISTORY_DAYS", str(LONGEST_HISTORY + 1)),
    ("HISTORY_DAYS", "4.5"),
    ("TIMEZONE", "qqMars/Olympus"),
    ("TIMEZONE", "europe/qqberlin"),
    ("TIMEZONE", "../../etc/passwd"),
    ("TIMEZONE", "/etc/passwd"),
    ("TIMEZONE", "America"),
    ("TIMEZONE", "+02:00"),
    ("SITE_NAME", "q" * 61),
    ("SITE_NAME", "two\r\nlines"),
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
    """Every setting has a default, which is the one docs/settings.md names."""
    found = Found({})

    assert {name: getattr(found, name) for name in DEFAULTS} == DEFAULTS
    assert found.salt.reveal() == DEFAULT_SALT == "change-me"
    fields = (*dataclasses.fields(Settings), *dataclasses.fields(OracleSettings))
    assert {field.name for field in fields} == {*DEFAULTS, "salt"}


@pytest.mark.parametrize("name, text, attribute, expected", GOOD)
def test_a_good_value_is_understood(name: str, text: str, attribute: str, expected: object) -> None:
    """What is written as docs/settings.md says is understood, and nothing else changes."""
    found = Found({name: text})

    assert getattr(found, attribute) == expected
    assert found.without(attribute) == NOTHING_SET


@pytest.mark.parametrize("name, text", BAD)
def test_a_bad_value_is_refused_by_name(name: str, text: str) -> None:
    """The error names the setting and quotes nothing of its value."""
    with pytest.raises(SettingsError) as caught:
        Found({name: text})

    told = str(caught.value)
    assert told.startswith(name + " ")
    assert told.count("\n") == 0
    assert text not in told or text in ("-1", "0", "2", ",")
    assert "qq" not in told


def test_every_bad_setting_is_named_at_once() -> None:
    """Nobody has to correct settings one by one; the good ones are not mentioned."""
    environment = {"COUNT_ON": "x", "SEEN_LIMIT": "x", "TIMEZONE": "x", "HISTORY_DAYS": "30", "SALT": SECRET}
    with pytest.raises(SettingsError) as caught:
        Found(environment)

    told = str(caught.value)
    assert [name for name in ("COUNT_ON", "SEEN_LIMIT", "TIMEZONE", "HISTORY_DAYS", "SALT") if name in told] == [
        "COUNT_ON",
        "SEEN_LIMIT",
        "TIMEZONE",
    ]


@pytest.mark.parametrize("empty", ["", "   ", "\t\n"])
def test_an_empty_value_is_no_value(empty: str) -> None:
    """A console that sets a variable to nothing means the default."""
    names = {name for name, *_ in GOOD} | {"SALT", "REPORT_TOKEN"}

    found = Found(dict.fromkeys(names, empty))

    assert (found.salt.reveal(), found.report_token) == (DEFAULT_SALT, None)
    oracle, settings = found.parts
    assert (oracle, dataclasses.replace(settings, salt=Settings().salt)) == NOTHING_SET


def test_the_environment_is_the_process_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping the settings are those of this process."""
    monkeypatch.setenv("BUCKET", "from-outside")

    assert Found().bucket == "from-outside"


def test_foreign_variables_are_none_of_our_business() -> None:
    """What the platform or the owner sets besides is ignored."""
    assert Found({"FN_MEMORY": "256", "COUNTON": "x", "seen_limit": "x"}).parts == NOTHING_SET


def test_settings_never_change() -> None:
    """What was read once stays as it is."""
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
        Settings().seen_limit = 5  # type: ignore[misc]


def test_secrets_do_not_print(caplog: pytest.LogCaptureFixture) -> None:
    """Whichever way settings are turned into text, salt and token are not in it; asked for, they are."""
    _, found = Found({"SALT": SECRET, "REPORT_TOKEN": SECRET}).parts
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").warning("%s %r", found, found.salt)
    try:
        raise ValueError(found, found.salt)
    except ValueError as error:
        trace = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    said = [
        repr(found),
        str(found),
        f"{found}{found.salt}{found.report_token!r}{found.salt!s:>40}",
        str(dataclasses.asdict(found)),
        caplog.text,
        "".join(line for line in trace.splitlines() if "SECRET" not in line),
    ]

    assert SECRET not in "".join(said)
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
def test_what_should_not_stay_is_a_warning(environment: dict[str, str], named: list[str]) -> None:
    """The default salt and a short token work, and are warned about without quoting them: the token in private."""
    _, settings = Found(environment).parts
    warnings = (*settings.warnings, *settings.private_warnings)

    assert [warning.split()[0] for warning in warnings] == named
    assert "REPORT_TOKEN" not in "".join(settings.warnings)
    assert not [value for value in environment.values() if value in "".join(warnings)]


NAMES = sorted({name for name, *_ in GOOD} | {"SALT", "REPORT_TOKEN"})


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40), max_size=6))
def test_any_environment_is_understood_or_refused(environment: dict[str, str]) -> None:
    """Whatever is in the environment, there are settings or one SettingsError, which names only what is there."""
    try:
        found = Found(environment)
    except SettingsError as error:
        named = {name for name in NAMES if f"{name} must" in str(error)}
        assert named
        assert named <= environment.keys()
    else:
        assert found.bucket
        assert 0 <= found.seen_limit <= MOST_SEEN
