"""The Terraform of Azure fits the rest: the function's settings and rights, host.json, the README, the workflow."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from counter.settings import Environment, Settings

AZURE = Path(__file__).resolve().parents[1]
ROOT = AZURE.parents[1]
README = (AZURE / "README.md").read_text(encoding="utf-8")
TERRAFORM = {path.name: path.read_text(encoding="utf-8") for path in sorted((AZURE / "terraform").glob("*.tf"))}
WORKFLOW = ROOT / ".github" / "workflows" / "azure.yml"

PLATFORMS_OWN = {"AzureWebJobsStorage__credential", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"}
"""What Terraform sets for the platform alone: our code has no use for it."""

PLATFORMS_GIFT = {
    "IDENTITY_ENDPOINT": "http://127.0.0.1:8081/msi/token",
    "IDENTITY_HEADER": "made-up",
}
"""What the platform gives a function that has an identity; nobody sets it."""

FORMS = {
    "COUNT_ON": "POST",
    "TIMEZONE": "Europe/Berlin",
    "ALLOWED_ORIGINS": "https://example.com",
    "AzureWebJobsStorage": "",
    "AzureWebJobsStorage__accountName": "vcproductionabc123",
    "EMAIL_ENDPOINT": "https://counter-production-abc123.europe.communication.azure.com",
    "EMAIL_FROM": "DoNotReply@made-up.azurecomm.net",
    "EMAIL_TO": "you@example.com",
}
"""Values of the form that Terraform gives, where any text will not do."""


def blocks(text: str, kind: str) -> dict[str, str]:
    """Return the text of each `kind "NAME" {...}`, or of each resource of that kind, by its name."""
    return dict(re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', text, re.MULTILINE | re.DOTALL))


def given() -> set[str]:
    """Return the names of all settings that function.tf gives the function."""
    text = TERRAFORM["function.tf"].split("resource ")[-2]  # the locals stand between two resources
    names = re.findall(r"^ +(\w+) += |\{ (\w+) = ", text.split("locals {")[1], re.MULTILINE)
    return {first or second for first, second in names} - {"report_token", "chosen", "settings", "platform", "url"}


class Asked(dict[str, str]):
    """An environment that remembers which of its names were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


def asked_by_the_door() -> set[str]:
    """Return the settings that function_app.py asks for itself, when it is loaded."""
    return set(
        re.findall(
            r'Environment\(\)\.text\("(\w+)"\)', (AZURE / "function" / "function_app.py").read_text(encoding="utf-8")
        )
    )


@pytest.fixture
def asked() -> Asked:
    """Everything that the function reads, read as it does, from what Terraform and the platform give."""
    from clouds.azure.function.mail import publisher  # noqa: PLC0415 - the rest needs no package of Azure's
    from clouds.azure.function.storage_account import StorageAccount  # noqa: PLC0415

    values = Asked({name: FORMS.get(name, "made-up-and-long-enough") for name in given()} | PLATFORMS_GIFT)
    environment = Environment(values)
    account, mail = StorageAccount.read(environment), publisher(environment)
    settings = Settings.read(environment, free_requests=None)
    environment.check()

    with account.table() as table:
        assert table.url.startswith("https://vcproductionabc123.table.core.windows.net")
    assert account.identity is not None
    assert mail() is not None
    assert settings.report_token is not None
    assert (settings.count_on, settings.site_name) == ("POST", "made-up-and-long-enough")
    return values


def test_the_settings_are_understood(asked: Asked) -> None:
    """What Terraform gives the function are settings that it reads, and enough for its table and its mail."""
    unread = given() - asked.names - asked_by_the_door()

    assert {"SALT", "REPORT_TOKEN", "REPORT_SCHEDULE", "EMAIL_ENDPOINT"} <= given()
    assert unread == PLATFORMS_OWN


def test_every_setting_of_azures_own_is_in_the_readme(asked: Asked) -> None:
    """What the function reads here and nowhere else stands in a table of this cloud's README."""
    everywhere = Asked({})
    Settings.read(Environment(everywhere))
    own = (asked.names | asked_by_the_door()) - everywhere.names - set(PLATFORMS_GIFT)

    assert own
    assert not {name for name in own if f"`{name}`" not in README}


def test_the_timer_has_its_schedule() -> None:
    """The report's hour is given by the name that the timer looks for, with seconds, as the platform writes it."""
    assert "%REPORT_SCHEDULE%" in (AZURE / "function" / "function_app.py").read_text(encoding="utf-8")
    assert re.search(r'REPORT_SCHEDULE += "0 0 \$\{var\.report_hour_utc\} \* \* \*"', TERRAFORM["function.tf"])


def test_the_rights_are_those_in_the_readme() -> None:
    """Each role of the function's is explained in the README's table, and the table names no other."""
    roles = {
        re.search(r"role_definition_(?:name += \"(.*?)\"|id += azurerm_role_definition\.(\w+))", block)
        for name, block in blocks(TERRAFORM["identity.tf"], 'resource "azurerm_role_assignment"').items()
        if name != "owner"
    }
    named = {found[1] or f"a custom role, `{found[2]}`" for found in roles if found}
    table = README.split("## What the function may do")[1].split("\n## ")[0]
    explained = {line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")} - {"role"}

    assert named == explained - {"---"}


def test_the_document_is_not_terraforms() -> None:
    """No apply can write over the numbers, for Terraform knows of no table; nor can it take them or the salt away."""
    assert not [name for name, text in TERRAFORM.items() if re.search(r"azurerm_storage_table", text)]
    for name, kind in (("storage.tf", "azurerm_storage_account"), ("function.tf", "random_password")):
        kept = blocks(TERRAFORM[name], f'resource "{kind}"')
        assert "prevent_destroy = true" in kept["counter" if kind == "azurerm_storage_account" else "salt"]


def test_nobodys_place_is_written_down() -> None:
    """The platform's record of each request, which has the visitor's town, is not written; nor is its HTTP log."""
    levels = json.loads((AZURE / "function" / "host.json").read_text(encoding="utf-8"))["logging"]["logLevel"]
    quiet = {"Warning", "Error", "Critical", "None"}

    assert levels["default"] in quiet
    assert levels.get("Host.Results", levels["default"]) in quiet
    assert not [name for name, text in TERRAFORM.items() if "azurerm_monitor_diagnostic_setting" in text]


@pytest.mark.parametrize("name", sorted(blocks(TERRAFORM["variables.tf"], "variable")))
def test_every_variable_is_explained(name: str) -> None:
    """A variable says what it is for; one that may be mistyped is checked, with a message that begins with its name."""
    block = blocks(TERRAFORM["variables.tf"], "variable")[name]
    messages = re.findall(r'error_message = "(.*)"', block)

    assert re.search(r'description = ".{20,}"', block)
    assert messages or "bool" in block or name == "report_token_version"
    assert all(message.startswith(f"{name} ") for message in messages)


def test_the_zip_is_built_for_the_functions_python() -> None:
    """Terraform, the workflow and the zip name one version of Python."""
    default = re.search(r'default += "(.*)"', blocks(TERRAFORM["variables.tf"], "variable")["python_version"])
    built = [
        step["with"]["python-version"]
        for step in yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["build"]["steps"]
        if step.get("uses", "").startswith("actions/setup-python@")
    ]

    assert default
    assert built == [default[1]]
    assert re.search(rf"\b{re.escape(default[1])}\b", (AZURE / "bundle.toml").read_text(encoding="utf-8"))


def jobs() -> dict[str, Any]:
    """Return the jobs of the workflow that ships."""
    found = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    assert isinstance(found, dict)
    return found


def test_nothing_runs_before_it_is_switched_on() -> None:
    """Each job waits for the repository's variable, or for a job that does."""
    for name, job in jobs().items():
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        assert "vars.AZURE_PIPELINE == 'on'" in job.get("if", "") or set(needs) & {"test", "build", "staging"}, name


def test_production_gets_what_staging_ran() -> None:
    """Production waits for staging and for approval, and ships the very zip that staging ran, hash by hash."""
    staging, production = jobs()["staging"], jobs()["production"]

    assert "staging" in production["needs"]
    assert production["environment"]["name"] == "azure-production"
    assert staging["env"]["SHA256"] == production["env"]["SHA256"] == "${{ needs.build.outputs.sha256 }}"
    assert [step.get("run") for step in staging["steps"]] == [step.get("run") for step in production["steps"]]


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_what_fails_the_contract_goes_back(stage: str) -> None:
    """What runs is kept before it is replaced; the contract is tested right after, and what fails it is undone."""
    there = jobs()[stage]["steps"]
    commands = [step.get("run", "") for step in there]
    tested = next(number for number, command in enumerate(commands) if command.startswith("make contract "))

    assert "sha256sum --check" in commands[tested - 4]
    assert there[tested - 3]["uses"].startswith("azure/login@")
    assert "--file build/previous.zip" in commands[tested - 2]
    assert commands[tested - 1].endswith("--src build/azure.zip")
    assert commands[tested + 1] == commands[tested - 1].replace("build/azure.zip", "build/previous.zip")
    kept = f"steps.{there[tested - 2]['id']}.outputs.there == 'true'"
    assert there[tested + 1]["if"] == f"(failure() || cancelled()) && {kept}"


def test_the_identities_are_those_of_the_environments() -> None:
    """Entra ID lets in the environments that the workflow uses, by the names that they have there."""
    subjects = re.findall(r":environment:([\w-]+(?:\$\{var\.stage\})?)\"", TERRAFORM["pipeline.tf"])
    used = {job["environment"] if isinstance(job["environment"], str) else job["environment"]["name"]
            for job in jobs().values() if "environment" in job}  # fmt: skip

    assert set(subjects) == {"azure-${var.stage}", "azure-plan"}
    assert used == {"azure-staging", "azure-production"}


def test_what_the_workflow_needs_is_in_the_readme() -> None:
    """Every variable and secret of the workflow is in the README, under The pipeline."""
    names = set(re.findall(r"(?:vars|secrets)\.([A-Z_]+)", WORKFLOW.read_text(encoding="utf-8")))
    section = README.split("## The pipeline")[1].split("\n## ")[0]

    assert "AZURE_CLIENT_ID" in names
    assert not {name for name in names if f"`{name}`" not in section}


def terraform() -> str:
    """Return the command, or skip the test and say why."""
    found = shutil.which("terraform")
    if not found:
        pytest.skip("terraform is not installed; .github/workflows/checks.yml has it")
    return found


def test_the_files_are_in_terraforms_own_form() -> None:
    """`terraform fmt` has nothing to change, here and in the tests."""
    run = subprocess.run(
        [terraform(), "fmt", "-check", "-diff", "-recursive", AZURE / "terraform"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
