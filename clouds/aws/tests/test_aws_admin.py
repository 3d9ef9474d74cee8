"""The owner's access to the table: with the AWS CLI's credentials, and to an older counter's item as well."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import cannot

from clouds import admin as restore
from clouds.aws.laptop.dynoxide import CREDENTIALS, Dynoxide, missing
from counter.settings import Environment
from counter.store import Misconfigured
from local.loop_thread import running

owner = restore.admin("aws")
KEYS = "[default]\naws_access_key_id=usual\naws_secret_access_key=s\n[other]\naws_access_key_id=other\n"
KEYS += "aws_secret_access_key=s\n"
CONFIG = """
[profile other]
region = eu-west-1
[profile lapsed]
region = eu-west-1
sso_session = mine
sso_account_id = 123456789012
sso_role_name = owner
[sso-session mine]
sso_start_url = https://mine.example/start
sso_region = eu-west-1
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dynoxide]:
    """Run the engine with an empty table, for all tests of this file."""
    cannot(missing())
    engine = Dynoxide()
    with running(engine):
        engine.create_table("mine")
        yield engine


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder without any AWS sign-in."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".aws").mkdir()
    return tmp_path


def signed_in(home: Path) -> None:
    """Sign in as `aws configure` does."""
    (home / ".aws/credentials").write_text(KEYS)
    (home / ".aws/config").write_text(CONFIG)


def identity(profile: str | None, **variables: str) -> str:
    """Return the access key that signs the owner's requests."""
    own: Any = owner(Environment({"AWS_REGION": "eu-west-1", **variables}), profile)
    return str(own.documents._client._request_signer._credentials.access_key)


def test_credentials_are_found_as_by_the_cli(home: Path) -> None:
    """First a given profile, then keys in the environment, then the profile called default."""
    signed_in(home)

    assert identity(None) == "usual"
    assert identity("other") == "other"
    assert identity(None, **CREDENTIALS) == "laptop"
    assert identity("other", **CREDENTIALS) == "other"


def test_a_profile_is_enough(
    home: Path, engine: Dynoxide, monkeypatch: pytest.MonkeyPatch, put: Callable[..., None]
) -> None:
    """With a profile in ~/.aws, its region, and the function's settings in the environment, an export works."""
    signed_in(home)
    put(visit_count={"N": "41"})
    for name, value in {"DYNAMODB_ENDPOINT": engine.url, "TABLE_NAME": "mine", "COUNTER_ID": "older"}.items():
        monkeypatch.setenv(name, value)
    restore.main(["export", "saved.json", "--cloud", "aws", "--profile", "other"])

    assert Path("saved.json").read_bytes() == b'{"count": 41}'


@pytest.fixture
def put(engine: Dynoxide) -> Callable[..., None]:
    """Return a function that stores an item with the given attributes."""
    client = engine.client()
    return lambda **item: client.put_item(TableName="mine", Item={"counter_id": {"S": "older"}, **item})


def test_nobody_is_told_how_to_sign_in(home: Path) -> None:
    """Without a valid sign-in no request is made, and the error says what to do."""
    with pytest.raises(Misconfigured, match="aws sso login"):
        identity(None)
    with pytest.raises(Misconfigured, match="nobody"):
        identity("nobody")
    signed_in(home)
    with pytest.raises(Misconfigured, match="SSO"):
        identity("lapsed")


def test_a_region_is_needed(home: Path) -> None:
    """Without a region in the environment or the profile the error says so."""
    signed_in(home)

    with pytest.raises(Misconfigured, match="AWS_REGION"):
        owner(Environment({}), None)
    assert owner(Environment({"COUNTER_ID": "blog"}), "other").name == "blog.json"


@pytest.mark.parametrize("name", ["visit_count", "count", "visitorCount"])
def test_an_older_counter_s_item(engine: Dynoxide, put: Callable[..., None], name: str) -> None:
    """An older counter's number is exported as the function would adopt it, and replaced with the document."""
    put(**{name: {"N": "41"}, "note": {"S": "mine"}})
    own = {**CREDENTIALS, "AWS_REGION": "eu-west-1", "DYNAMODB_ENDPOINT": engine.url}
    Path("function.json").write_text(json.dumps({**own, "TABLE_NAME": "mine", "COUNTER_ID": "older"}))
    restore.main(["export", "saved.json", "--cloud", "aws", "--local", "."])
    restore.main(["start-at", "5", "--yes", "--cloud", "aws", "--local", "."])
    item = engine.client().get_item(TableName="mine", Key={"counter_id": {"S": "older"}})["Item"]

    assert Path("saved.json").read_bytes() == b'{"count": 41}'
    assert {name: item[name] for name in (name, "note", "pageviews")} == {
        name: {"N": "5"}, "note": {"S": "mine"}, "pageviews": {"N": "5"}
    }  # fmt: skip
