"""`deploy`, the one command that makes a whole counter: what it does with what it is told, beside programs that only
write down how they were called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = sorted(Path(__file__).resolve().parents[1].glob("clouds/*/deploy"))
PROGRAMS = ("bin/terraform", "bin/oci", "bin/docker", "bin/make", ".venv/bin/python", "clouds/oracle/push")


class Machine:
    """A machine with the script of one cloud, and nothing else of the repository."""

    def __init__(self, folder: Path, script: Path) -> None:
        self.called = folder / "called"
        self.script = folder / "clouds" / script.parent.name / "deploy"
        for name in PROGRAMS:
            program = folder / name
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(f'#!/bin/sh\necho "$(basename "$0") $*" >> "{self.called}"\n')
            program.chmod(0o755)
        self.stack = self.script.parent / ("terraform" if (script.parent / "terraform").exists() else "")
        self.stack.mkdir(parents=True, exist_ok=True)
        shutil.copy(script, self.script)
        self.environment = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "OCI_TENANCY": "ocid1.tenancy.oc1..mine",
            "OCI_REGION": "eu-frankfurt-1",
            "AWS_REGION": "eu-central-1",
        }

    def deploy(self, *words: str) -> tuple[int, str, list[str]]:
        """Run the script: its status, what it said, and the programs it called."""
        self.called.write_text("")
        done = subprocess.run(
            [self.script, *words], env=self.environment, capture_output=True, text=True, timeout=20, check=False
        )
        return done.returncode, done.stdout + done.stderr, self.called.read_text().splitlines()


@pytest.fixture(params=SCRIPTS, ids=lambda script: script.parent.name)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """A machine on which nothing was deployed yet."""
    return Machine(tmp_path, request.param)


def test_what_was_said_is_kept_and_applied(machine: Machine) -> None:
    """The first call writes the settings down and applies them; the same call again applies them again."""
    for _ in range(2):
        status, said, called = machine.deploy("you@example.com")

        assert status == 0, said
        (kept,) = machine.stack.glob("*.tfvars")
        assert '"you@example.com"' in kept.read_text()
        assert f"terraform apply -var-file={kept.name}" in called


def test_another_address_is_not_passed_over(machine: Machine) -> None:
    """Who corrects the address is told where it is kept, before anything is made with the wrong one."""
    machine.deploy("tpyo@example.com")
    status, said, called = machine.deploy("typo@example.com")

    assert status == 1
    assert "says nothing of typo@example.com. Change it there" in said
    assert not [call for call in called if call.startswith("terraform apply")]


def test_without_an_address_nothing_is_written(machine: Machine) -> None:
    """Who says nothing is told what to say."""
    status, said, _ = machine.deploy()

    assert status == 1
    assert "say where the report goes" in said
    assert not list(machine.stack.glob("*.tfvars"))
