"""The workflows: pinned, with few rights, and running what the README runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parent.parent / ".github" / "workflows"
WORKFLOWS = sorted([*FOLDER.glob("*.yml"), *FOLDER.glob("*.yaml")])

SIGNS_IN = {
    "oracle": ("build", "staging", "production"),
    "aws": ("green", "blue"),
    "azure": ("staging", "production"),
    "infrastructure": ("aws", "azure", "oracle-plan", "oracle"),
}
"""The jobs that sign in to a cloud, without a key."""

WRITES = {
    ("checks.yml", "code"): {"security-events"},
    **{(f"{cloud}.yml", job): {"id-token"} for cloud, jobs in SIGNS_IN.items() for job in jobs},
    **{(f"{cloud}.yml", "pull-request"): {"pull-requests"} for cloud in ("oracle", "aws", "azure")},
    ("release.yml", "publish"): {"contents", "id-token", "attestations"},
}
"""The only rights to write, by workflow and job."""

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def parsed(path: Path) -> dict[Any, Any]:
    """A workflow as YAML sees it; its `on` is the boolean True there."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def steps(path: Path) -> list[dict[str, Any]]:
    """Every step of every job."""
    return [step for job in parsed(path)["jobs"].values() for step in job["steps"]]


def test_the_workflows_are_there() -> None:
    """There are workflows to look at, so that the rules below say something."""
    assert {"checks.yml", "ci.yml", "daily-report.yml", "oracle.yml", "release.yml"} <= {
        path.name for path in WORKFLOWS
    }


@every_workflow
def test_actions_are_pinned(path: Path) -> None:
    """Every action is pinned by a full commit hash, with its version in a comment for people and Dependabot."""
    uses = [line for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert len(uses) == sum("uses" in step for step in steps(path))
    for line in uses:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@every_workflow
def test_rights_are_least(path: Path) -> None:
    """No right is given to a whole workflow, and none to write to a job, but those in WRITES."""
    workflow = parsed(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        written = {right for right, level in job["permissions"].items() if level not in ("read", "none")}
        assert written == WRITES.get((path.name, name), set())


@every_workflow
def test_each_right_has_a_reason(path: Path) -> None:
    """Beside every right there is a word on what it is for."""
    rights = re.findall(r"^ +[a-z-]+: (?:read|write)\b(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert rights or all(not job["permissions"] for job in parsed(path)["jobs"].values())
    assert all(reason.startswith(" # to ") for reason in rights)


@every_workflow
def test_who_may_sign_in_has_an_environment(path: Path) -> None:
    """A job that can sign in to a cloud runs in an environment: its name is in the token, and the cloud looks at it."""
    for job in parsed(path)["jobs"].values():
        assert job["permissions"].get("id-token") != "write" or job.get("environment")


@every_workflow
def test_nobody_elses_code_runs_with_our_secrets(path: Path) -> None:
    """Events that run a stranger's change with the owner's rights are not used, and no token is left on disk."""
    workflow = parsed(path)
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(workflow[True])
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@every_workflow
def test_secrets_reach_programs_through_the_environment(path: Path) -> None:
    """No expression is expanded inside a command, where it could be printed or run, and what Terraform is told, which
    names the owner, is a secret: a log shows a variable, and all the world may read the log."""
    assert all("${{" not in step.get("run", "") for step in steps(path))
    for line in path.read_text(encoding="utf-8").splitlines():
        if "secrets." in line:
            assert re.fullmatch(r" +([A-Z_]+): \$\{\{ secrets\.\1 \}\}", line), line
        if "TFVARS:" in line:
            assert "secrets." in line, line


@every_workflow
def test_no_run_is_endless(path: Path) -> None:
    """Every job ends by itself, and two runs of one thing do not fight."""
    workflow = parsed(path)
    assert "cancel-in-progress" in workflow["concurrency"]
    assert all(job["timeout-minutes"] <= 45 for job in workflow["jobs"].values())


@every_workflow
def test_a_slow_contract_leaves_time_to_go_back(path: Path) -> None:
    """A contract that takes too long has failed, long before its job is cancelled."""
    for job in parsed(path)["jobs"].values():
        for step in job["steps"]:
            if step.get("run", "").startswith("make contract "):
                assert step["timeout-minutes"] <= job["timeout-minutes"] / 2


def test_ci_runs_the_one_command() -> None:
    """CI runs on every change, on each Python we promise, through the one script that installs all that they need."""
    ci = parsed(FOLDER / "ci.yml")
    assert set(ci[True]) == {"push", "pull_request"}
    assert '.ci/run "$TARGET"' in [step.get("run") for step in steps(FOLDER / "ci.yml")]
    assert (FOLDER.parents[1] / ".ci" / "run").read_text(encoding="utf-8").rstrip().endswith('make "${1:-test-all}"')


def test_the_report_is_daily_and_by_hand() -> None:
    """The report is asked for once a day, and whenever the owner presses the button."""
    events = parsed(FOLDER / "daily-report.yml")[True]
    assert set(events) == {"schedule", "workflow_dispatch"}
    (entry,) = events["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", entry["cron"])


def test_what_github_disables_takes_nothing_else_along() -> None:
    """After 60 quiet days GitHub disables whole workflows with a schedule: no check of a change is in one of them, but
    for the audit, which is more than what a change needs."""
    scheduled = {path.name for path in WORKFLOWS if "schedule" in parsed(path)[True]}

    assert scheduled == {"audit.yml", "daily-report.yml"}


def test_a_private_copy_stays_green() -> None:
    """What needs a plan of GitHub's that private repositories may not have is left out there."""
    jobs = parsed(FOLDER / "checks.yml")["jobs"]

    assert all("!github.event.repository.private" in jobs[name]["if"] for name in ("dependencies", "code"))


def test_production_gets_what_staging_ran() -> None:
    """Production waits for staging and for approval, and runs the very digest that staging ran, if we signed it."""
    jobs = parsed(FOLDER / "oracle.yml")["jobs"]
    staging, production = jobs["staging"], jobs["production"]
    commands = [step.get("run", "") for step in production["steps"]]
    verify, copy, deploy = (
        next(number for number, command in enumerate(commands) if word in command)
        for word in ("cosign verify", '--tag "$IMAGE" "$STAGING_REPOSITORY@$DIGEST"', "ship.py deploy")
    )

    assert "staging" in production["needs"]
    assert production["environment"]["name"] == "production"
    assert staging["env"]["DIGEST"] == production["env"]["DIGEST"] == "${{ needs.build.outputs.digest }}"
    assert verify < copy < deploy


def test_a_tag_is_given_and_nothing_else() -> None:
    """A digest gets another tag as it is: no index is put around it, for staging's digest must be production's, and
    nothing is written beside it, where the signature is."""
    commands = [step.get("run", "") for step in steps(FOLDER / "oracle.yml")]
    tagging = [command for command in commands if "--tag" in command and not command.startswith("docker build ")]
    assert len(tagging) == 3
    assert all(command.startswith("docker buildx imagetools create --prefer-index=false --tag ") for command in tagging)


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_what_fails_the_contract_goes_back(stage: str) -> None:
    """After each deployment the contract is tested, and what it does not like is undone, by digest."""
    steps_there = parsed(FOLDER / "oracle.yml")["jobs"][stage]["steps"]
    commands = [step.get("run", "") for step in steps_there]
    tested = next(number for number, command in enumerate(commands) if command.startswith("make contract "))

    assert 'ship.py deploy "$IMAGE@$DIGEST"' in commands[tested - 1]
    assert 'ship.py deploy "$PREVIOUS"' in commands[tested + 1]
    assert steps_there[tested + 1]["if"].startswith("(failure() || cancelled()) && ")
    assert any(":current" in command for command in commands[tested + 2 :])


def test_an_apply_waits_for_approval_and_for_its_variable() -> None:
    """Terraform changes nothing from a pull request, nothing before somebody switched it on, and nothing without the
    environment whose reviewers approve it."""
    jobs = parsed(FOLDER / "infrastructure.yml")["jobs"]
    for cloud in ("aws", "azure"):
        job = jobs[cloud]
        assert f"vars.{cloud.upper()}_TERRAFORM == 'on'" in job["if"]
        assert job["environment"].endswith(f"&& '{cloud}-plan' || '{cloud}-apply' }}}}")
        applies = [step for step in job["steps"] if "terraform apply" in step.get("run", "")]
        assert [step["if"] for step in applies] == ["github.event_name != 'pull_request'"]
        assert "head.repo.full_name == github.repository" in job["if"]
    assert "vars.ORACLE_TERRAFORM == 'on'" in jobs["oracle-plan"]["if"]
    assert (jobs["oracle"]["needs"], jobs["oracle"]["environment"]) == ("oracle-plan", "oracle-apply")


@pytest.mark.parametrize(
    "cloud, first, last",
    [("oracle", "staging", "production"), ("aws", "green", "blue"), ("azure", "staging", "production")],
)
def test_the_branch_test_is_deployed_once_and_proposed(cloud: str, first: str, last: str) -> None:
    """A push to `test` goes to the first stage only; when that is well, a pull request to main is opened."""
    workflow = parsed(FOLDER / f"{cloud}.yml")
    jobs = workflow["jobs"]

    assert workflow[True]["push"]["branches"] == ["main", "test"]
    assert jobs[last]["if"] == "github.ref == 'refs/heads/main'"
    assert jobs["pull-request"]["if"] == "github.ref == 'refs/heads/test'"
    assert jobs["pull-request"]["needs"] == first
    assert "gh pr create --base main --head test" in jobs["pull-request"]["steps"][0]["run"]
