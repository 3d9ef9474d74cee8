"""The Terraform of Oracle Cloud fits the rest: the contract's routes, the function's settings, the stack's form."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from clouds.oracle.function.settings import OracleSettings
from counter.api import Api
from counter.settings import Environment, Settings

ROOT = Path(__file__).resolve().parents[1]
ORACLE = ROOT / "clouds" / "oracle"
FORM: dict[str, Any] = yaml.safe_load((ORACLE / "schema.yaml").read_text(encoding="utf-8"))


def blocks(file: str, kind: str) -> dict[str, str]:
    """Return the text of each `kind "NAME" {...}` in a file, by its name."""
    text = (ORACLE / file).read_text(encoding="utf-8")
    return dict(re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', text, re.MULTILINE | re.DOTALL))


def default(block: str) -> str | None:
    """Return a variable's default as text, or None when it has none."""
    found = re.search(r"^  default += (.*)$", block, re.MULTILINE)
    return found[1].strip('"') if found else None


VARIABLES = blocks("variables.tf", "variable")


def test_the_routes_are_the_contract() -> None:
    """The gateway lets through what api.py answers, with each of its methods and OPTIONS, and nothing else."""
    text = (ORACLE / "gateway.tf").read_text(encoding="utf-8")
    routed = {path: set(re.findall(r'"(\w+)"', methods)) for path, methods in re.findall(r'"/(\S+)" += \[(.*)\]', text)}
    settings = Settings(counter_paths=frozenset())  # their routes are made of the setting
    answered = Api(settings, None, None, lambda: 0.0)._routes  # type: ignore[arg-type] # no request is made

    assert routed == {name: {*methods, "OPTIONS"} for name, (methods, _) in answered.items()}


def test_the_settings_are_understood() -> None:
    """What Terraform gives the function are settings that it reads, and every one that it cannot do without."""
    text = (ORACLE / "function.tf").read_text(encoding="utf-8")
    given = set(re.findall(r"^ +([A-Z_]+) += ", text, re.MULTILINE)) | set(re.findall(r"\{ ([A-Z_]+) = ", text))
    values = {name: "UTC" if name == "TIMEZONE" else "*" for name in given}
    environment = Environment(values)
    oracle, settings = OracleSettings.read(environment), Settings.read(environment)
    environment.check()

    assert given == {
        "NAMESPACE", "BUCKET", "OBJECT", "SALT", "REPORT_TOKEN", "TOPIC_OCID", "ALLOWED_ORIGINS", "SITE_NAME",
        "TIMEZONE",
    }  # fmt: skip
    assert (oracle.namespace, oracle.topic, settings.site_name) == ("*", "*", "*")


def test_the_form_asks_for_every_variable() -> None:
    """Each variable is in the form once, in one of its groups, required if and only if it has no other way. A form
    has no maps, so it has more_settings in place of settings."""
    grouped = [name for group in FORM["variableGroups"] for name in group["variables"]]

    assert set(FORM["variables"]) == set(VARIABLES) - {"settings"}
    assert sorted(grouped) == sorted(FORM["variables"])
    assert all(FORM["variables"][name]["required"] for name, block in VARIABLES.items() if default(block) is None)


@pytest.mark.parametrize("name", sorted(FORM["variables"]))
def test_the_form_has_the_same_defaults(name: str) -> None:
    """Who clicks gets what who types gets."""
    shown = FORM["variables"][name].get("default")
    shown = str(shown).lower() if isinstance(shown, bool) else shown

    assert (None if shown is None else str(shown)) == default(VARIABLES[name])


def test_the_form_shows_every_output() -> None:
    """Each output is shown, and what is secret there is secret here."""
    outputs = blocks("outputs.tf", "output")
    secret = {name for name, block in outputs.items() if "sensitive   = true" in block}
    shown = [name for group in FORM["outputGroups"] for name in group["outputs"]]

    assert set(FORM["outputs"]) == set(outputs)
    assert sorted(shown) == sorted(outputs)
    assert {name for name, output in FORM["outputs"].items() if output.get("sensitive")} == secret


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_variable_is_explained(name: str) -> None:
    """A variable says what it is for; one that may be mistyped is checked, with a message that begins with its name."""
    block = VARIABLES[name]
    messages = re.findall(r'error_message = "(.*)"', block)

    assert re.search(r'description = ".{20,}"', block)
    assert messages or "bool" in block or name == "report_token_version"
    assert all(message.startswith(f"{name} ") and message.endswith(".") for message in messages)


def test_the_document_is_not_terraforms() -> None:
    """No apply can write over counter.json, for Terraform knows of no objects; nor can it take the bucket away."""
    assert not [path.name for path in ORACLE.glob("*.tf") if "oci_objectstorage_object" in path.read_text()]
    assert "prevent_destroy = true" in (ORACLE / "storage.tf").read_text(encoding="utf-8")


def test_terraform_stays_as_old_as_oracles() -> None:
    """Resource Manager runs Terraform 1.5."""
    assert 'required_version = ">= 1.5.0"' in (ORACLE / "versions.tf").read_text(encoding="utf-8")
