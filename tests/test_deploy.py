"""`deploy`, the one command that makes a whole counter, beside programs that only write down how they were called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CLOUDS = Path(__file__).resolve().parents[1] / "clouds"
SCRIPTS = sorted(CLOUDS.glob("*/deploy"))
PROGRAMS = ("oci", "docker", "az", "python3.12", "python3.13", "push")
WRITES_DOWN = '#!/bin/sh\necho "$(basename "$0") $*" >> "{called}"\n'


class Machine:
    """A machine with the script of one cloud, and nothing else of the repository."""

    def __init__(self, folder: Path, script: Path) -> None:
        self.called = folder / "called"
        self.cloud = folder / "clouds" / script.parent.name
        self.script = self.cloud / "deploy"
        self.stack = self.cloud / "terraform" if (script.parent / "terraform").is_dir() else self.cloud
        self.stack.mkdir(parents=True)
        (folder / "bin").mkdir()
        for name in PROGRAMS:
            self.program(folder / "bin" / name)
        self.program(folder / "clouds" / "oracle" / "push")
        self.terraform = folder / "bin" / "terraform"
        self.program(self.terraform, 'case $1 in version) echo "Terraform v1.5.7";; esac\n')
        shutil.copy(script, self.script)
        shutil.copy(CLOUDS / "deploy.sh", folder / "clouds")
        self.environment = {
            "PATH": f"{folder / 'bin'}:{os.defpath}",
            "OCI_TENANCY": "ocid1.tenancy.oc1..mine",
            "OCI_REGION": "eu-frankfurt-1",
            "AWS_REGION": "eu-central-1",
            "LOCATION": "germanywestcentral",
        }

    def program(self, path: Path, more: str = "") -> None:
        """Put a program there that writes down how it was called."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(WRITES_DOWN.format(called=self.called) + more)
        path.chmod(0o755)

    def deploy(self, *words: str) -> tuple[int, str, list[str]]:
        """Run the script, and return its status, what it printed, and the programs it called."""
        self.called.write_text("")
        done = subprocess.run(
            [self.script, *words], env=self.environment, capture_output=True, text=True, timeout=20, check=False
        )
        return done.returncode, done.stdout + done.stderr, self.called.read_text().splitlines()


@pytest.fixture(params=SCRIPTS, ids=lambda script: script.parent.name)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """A machine on which nothing was deployed yet."""
    return Machine(tmp_path, request.param)


def test_every_cloud_has_one() -> None:
    """One command makes a counter on each cloud."""
    assert {script.parent.name for script in SCRIPTS} == {path.parent.name for path in CLOUDS.glob("*/bundle.toml")}


def test_the_answers_are_kept_and_applied(machine: Machine) -> None:
    """The first call writes the settings down and applies them; the same call again applies them again."""
    for _ in range(2):
        status, printed, called = machine.deploy("you@example.com")

        assert status == 0, printed
        (kept,) = machine.stack.glob("*.tfvars")
        assert '"you@example.com"' in kept.read_text()
        assert f"terraform apply -var-file={kept.name}" in called


def test_another_address_is_not_passed_over(machine: Machine) -> None:
    """Who corrects the address is told where it is kept, before anything is made with the wrong one."""
    machine.deploy("tpyo@example.com")
    status, printed, called = machine.deploy("typo@example.com")

    assert status == 1
    assert "does not have typo@example.com. Change it there" in printed
    assert not [call for call in called if call.startswith("terraform apply")]


def test_without_an_address_nothing_is_written(machine: Machine) -> None:
    """Without an address the script says what to add."""
    status, printed, _ = machine.deploy()

    assert status == 1
    assert "add the address for the report" in printed
    assert not list(machine.stack.glob("*.tfvars"))


def test_a_terraform_that_is_too_old_is_refused(machine: Machine) -> None:
    """Terraform 1.4 would stop half-way with a message about our files."""
    machine.program(machine.terraform, 'case $1 in version) echo "Terraform v1.4.6";; esac\n')
    status, printed, called = machine.deploy("you@example.com")

    assert status == 1
    assert "Terraform 1.5 or newer is needed. This is Terraform v1.4.6" in printed
    assert [call for call in called if call != "terraform version"] == []


@pytest.mark.parametrize("left", ["terraform.tfstate.d", "blue.tfvars", "terraform.tfstate", "backend.tf"])
@pytest.mark.parametrize("script", [script for script in SCRIPTS if (script.parent / "terraform").is_dir()])
def test_a_state_in_the_old_folder_is_moved_first(tmp_path: Path, script: Path, left: str) -> None:
    """An apply without the state would make a second counter. The command that is printed moves it, and all is well."""
    machine = Machine(tmp_path, script)
    (machine.cloud / left).write_text("state")
    status, printed, called = machine.deploy("you@example.com")

    assert status == 1
    assert not [call for call in called if call.startswith("terraform apply")]
    subprocess.run(printed.strip().splitlines()[-1], shell=True, check=True)  # noqa: S602 - as it would be pasted
    assert (machine.stack / left).read_text() == "state"
    (machine.stack / "blue.tfvars").unlink(missing_ok=True)
    assert machine.deploy("you@example.com")[0] == 0


def test_azure_knows_the_mail_service_before_it_is_asked_for(tmp_path: Path) -> None:
    """A new subscription refuses the mail until it is registered, and newer hosts an empty connection string."""
    machine = Machine(tmp_path, CLOUDS / "azure" / "deploy")
    _, _, called = machine.deploy("you@example.com")
    calls = [
        " ".join(call.split()[:4]) for call in called if not call.startswith(("az account", "az ad", "terraform out"))
    ]

    wanted = ["az provider register --namespace", "python3.12 -m clouds.bundle azure", "terraform init -input=false"]
    wanted += ["terraform workspace select -or-create", "terraform apply -var-file=production.tfvars"]
    wanted += ["az functionapp config appsettings", "az functionapp deployment source"]
    assert [call for call in calls if call in wanted] == wanted
    assert [call for call in called if "config-zip" in call and "--build-remote false" in call]
