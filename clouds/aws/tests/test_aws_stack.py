"""The Terraform of AWS fits the rest, and really applies: the AWS provider builds it in a stand-in of AWS."""

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import yaml

from clouds.aws.function.settings import AwsSettings
from clouds.bundle import Recipe
from counter.api import Api
from counter.settings import Environment, Settings

AWS = Path(__file__).resolve().parents[1]
TERRAFORM = AWS / "terraform"
SERVICES = (
    "apigateway", "apigatewayv2", "budgets", "cloudwatch", "dynamodb", "iam", "lambda", "logs", "scheduler", "sns",
    "ssm", "sts",
)  # fmt: skip

HEALTHY = '{"statusCode": 200, "headers": {}, "body": "{}", "isBase64Encoded": false}'


def text(file: str) -> str:
    """Return one of the stack's files."""
    return (TERRAFORM / file).read_text(encoding="utf-8")


VARIABLES = dict(re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text("variables.tf"), re.MULTILINE | re.DOTALL))


def test_the_routes_are_the_contract() -> None:
    """The gateway lets through what api.py answers, with each of its methods and OPTIONS, and nothing else."""
    routed = {
        path: set(re.findall(r'"(\w+)"', methods))
        for path, methods in re.findall(r'"/(\S+)" += \[(.*)\]', text("gateway.tf"))
    }
    settings = Settings(counter_paths=frozenset())  # their routes are made of the setting
    answered = Api(settings, None, None, lambda: 0.0)._routes  # type: ignore[arg-type] # no request is made

    assert routed == {name: {*methods, "OPTIONS"} for name, (methods, _) in answered.items()}


def test_the_archive_is_built_for_the_functions_python() -> None:
    """Its packages are byte code, which only the runtime's own version of Python can read."""
    (runtime,) = re.findall(r'^  runtime += "python([\d.]+)"', text("function.tf"), re.MULTILINE)

    assert Recipe.read("aws").python == runtime


class Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


def test_the_settings_are_read() -> None:
    """What Terraform gives the function are settings that it reads, its table and its topic among them."""
    given = set(re.findall(r"^ +([A-Z_]+) += ", text("function.tf"), re.MULTILINE))
    given |= set(re.findall(r"\{ ([A-Z_]+) = ", text("function.tf")))
    asked = Asked()
    environment = Environment(asked)
    AwsSettings.read(environment)
    Settings.read(environment, free_requests=None)

    assert {"TABLE_NAME", "COUNTER_ID", "TOPIC_ARN", "SALT", "REPORT_TOKEN"} <= given
    assert given - asked.names == set()


def test_every_permission_is_used_and_every_use_permitted() -> None:
    """The role's actions on the table and the topic are the requests that the code makes."""
    asked = re.findall(r'_ask\(\s*"(\w+)"', (AWS / "function" / "dynamodb.py").read_text(encoding="utf-8"))
    used = {"dynamodb:" + "".join(word.title() for word in name.split("_")) for name in asked} | {"sns:Publish"}
    role = text("identity.tf").split('"aws_iam_role_policy" "function"')[0]

    actions = "".join(re.findall(r"actions += \[.*?\]", role, re.DOTALL))

    assert set(re.findall(r'"((?:dynamodb|sns):\w+)"', actions)) == used
    assert "*" not in actions
    assert '["*"]' not in role


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_variable_is_explained(name: str) -> None:
    """A variable says what it is for; one that may be mistyped is checked, with a message that begins with its name."""
    block = VARIABLES[name]
    messages = re.findall(r'error_message = "(.*)"', block)

    assert re.search(r'description = ".{20,}"', block)
    assert messages or "bool" in block or name == "report_token_version"
    assert all(message.startswith(f"{name} ") for message in messages)


def test_the_numbers_are_not_terraforms() -> None:
    """No apply can write over the counter, for Terraform knows of no items."""
    assert not [path.name for path in TERRAFORM.glob("*.tf") if "aws_dynamodb_table_item" in path.read_text()]


@pytest.mark.parametrize("stage", ["green", "blue"])
def test_what_fails_the_contract_goes_back(stage: str) -> None:
    """Each stage gets the archive that was built once, by its hash, and goes back when the contract is not kept."""
    workflow = yaml.safe_load((AWS.parents[1] / ".github" / "workflows" / "aws.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"][stage]
    commands = [step.get("run", "") for step in job["steps"]]
    checked, shipped, tested, back = (
        next(number for number, command in enumerate(commands) if word in command)
        for word in ("sha256sum --check", 'ship "$FUNCTION" build/aws.zip', "make contract ", '--back "$PREVIOUS"')
    )

    assert checked < shipped < tested < back
    assert job["env"]["SHA256"] == "${{ needs.build.outputs.sha256 }}"
    assert job["steps"][back]["if"].startswith("(failure() || cancelled()) && ")
    assert job["environment"]["name"] == f"aws-{stage}"
    assert "green" in workflow["jobs"]["blue"]["needs"]


def mirror() -> Path | None:
    """Return where Terraform finds the AWS provider on this machine, if anywhere."""
    places = (
        [Path(os.environ["TF_PLUGIN_MIRROR"])] if "TF_PLUGIN_MIRROR" in os.environ else sorted(Path("/opt").glob("*"))
    )
    return next((place for place in places if (place / "registry.terraform.io" / "hashicorp" / "aws").is_dir()), None)


def missing() -> str | None:
    """Say what a real apply lacks here, and what to do about it; None if nothing."""
    if not shutil.which("terraform"):
        return "terraform is not installed"
    if not mirror():
        return "no AWS provider: terraform -chdir=clouds/aws/terraform providers mirror DIR; set TF_PLUGIN_MIRROR=DIR"
    lacking = [name for name in ("moto", "flask", "awscli") if not importlib.util.find_spec(name)]
    return f"no {', '.join(lacking)}: pip install -r clouds/aws/tests/requirements.txt" if lacking else None


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Account:
    """An AWS account made up by moto, and a copy of the stack that is applied to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = folder / "stack"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        shutil.copytree(
            TERRAFORM, self.stack, ignore=lambda _, names: [name for name in names if not name.endswith(".tf")]
        )
        endpoints = "\n".join(f'    {service} = "{self.url}"' for service in SERVICES)
        (self.stack / "local_override.tf").write_text(
            'provider "aws" {\n  skip_credentials_validation = true\n  skip_metadata_api_check = true\n'
            f"  max_retries = 5\n  endpoints {{\n{endpoints}\n  }}\n}}\n"
        )
        # Without the budget: moto makes one, but cannot say whom it mails (DescribeSubscribersForNotification).
        (self.stack / "terraform.tfvars").write_text(
            'region = "eu-central-1"\nemail = "you@example.com"\nbudget_usd = 0\nsite_name = "My site"\n'
            'github_repository = "owner/repository"\nstate_bucket = "my-state"\n'
        )
        (folder / "rc").write_text(f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror()}" }}\n}}\n')
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "TF_CLI_CONFIG_FILE": str(folder / "rc"),
            "TF_IN_AUTOMATION": "1",
            "GOGC": "400",  # half of the time goes into the provider's start, and much of that into collecting garbage
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": self.url,
        }

    def archive(self, number: int) -> Path:
        """Return an archive with some code."""
        path = self.folder / f"{number}.zip"
        with zipfile.ZipFile(path, "w") as content:
            content.writestr("lambda_function.py", f"def lambda_handler(event, context):\n    return {number}\n")
        return path

    def tell(self, path: str, content: object) -> None:
        """Tell moto how to behave."""
        headers = {"Content-Type": "application/json"}
        urlopen(Request(self.url + path, json.dumps(content).encode(), headers), timeout=10).close()

    def run(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command there; one that hangs is an error."""
        return subprocess.run(
            words, cwd=cwd or self.stack, env=self.environment, capture_output=True, text=True, timeout=900, check=False
        )

    def terraform(self, *words: str, expected: int = 0) -> str:
        """Run terraform, and return what it said."""
        done = self.run("terraform", words[0], "-input=false", "-no-color", *words[1:])
        assert done.returncode == expected, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def ship(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Ship an archive, or go back, as the pipeline does."""
        return self.run(str(AWS / "ship"), "visitor-counter-blue", *map(str, words))

    def live(self) -> str:
        """Return the version that visitors get."""
        alias = ["get-alias", "--function-name", "visitor-counter-blue", "--name", "live"]
        return self.run("aws", "lambda", *alias, "--query", "FunctionVersion", "--output", "text").stdout.strip()

    def state(self) -> Any:
        """Return what Terraform remembers."""
        return json.loads((self.stack / "terraform.tfstate").read_text())

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        return {name: output["value"] for name, output in self.state()["outputs"].items()}

    def things(self) -> set[str]:
        """Return what there is, by type and name."""
        return {f"{thing['type']}.{thing['name']}" for thing in self.state()["resources"] if thing["mode"] == "managed"}

    def changes(self, *words: str) -> dict[str, list[str]]:
        """Return what an apply would do, by address, without what it would leave alone."""
        self.terraform("plan", "-out=plan", *words)
        plan = json.loads(self.run("terraform", "show", "-json", "plan").stdout)
        actions = {change["address"]: change["change"]["actions"] for change in plan["resource_changes"]}
        return {address: done for address, done in actions.items() if done not in (["no-op"], ["read"])}


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    """An account with nothing in it."""
    if problem := missing():
        if os.environ.get("REQUIRE_TERRAFORM"):
            pytest.fail(problem)
        pytest.skip(problem)
    here = Account(tmp_path)
    log = (tmp_path / "moto.log").open("w")
    moto = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(here.port)], stdout=log, stderr=log, env=here.environment
    )
    try:
        for _ in range(300):
            try:
                # Without Docker, a function says what it is told to say, or else its event.
                here.tell("/moto-api/config", {"lambda": {"use_docker": False}})
                break
            except (URLError, ConnectionError):
                time.sleep(0.1)
        yield here
    finally:
        moto.send_signal(signal.SIGTERM)
        moto.wait(120)
        log.close()


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_stack_is_applied_shipped_to_and_taken_away(account: Account) -> None:
    """A second plan finds nothing to do; bad code never goes live; nothing takes the table away until that is allowed.

    It is one walk through a counter's life, for applying takes most of the time."""
    first, second = f"-var=zip={account.archive(1)}", account.archive(2)
    account.terraform("init")
    account.terraform("apply", "-auto-approve", first)
    account.terraform("plan", "-detailed-exitcode", first)
    outputs = account.outputs()
    assert account.live() == outputs["live_version"] == "1"
    assert re.fullmatch(r"[0-9a-f]{64}", outputs["salt"])
    assert re.fullmatch(r"[0-9a-f]{64}", outputs["report_token"])
    assert outputs["salt"] != outputs["report_token"]

    # Another setting changes the function in place, and neither a salt nor anything else.
    changed = account.changes(first, "-refresh=false", '-var=settings={COUNT_ON = "POST", PAGES = "50"}')
    assert changed == {"aws_lambda_function.counter": ["update"], "aws_lambda_alias.live": ["update"]}

    # moto's function answers its event, which is no healthy answer.
    refused = account.ship(second)
    assert refused.returncode == 1
    assert "is not healthy. Visitors still get version 1." in refused.stderr
    assert account.live() == "1"

    account.tell("/moto-api/static/lambda-simple/response", {"results": [HEALTHY], "region": "eu-central-1"})
    shipped = account.ship(account.archive(3))
    assert shipped.returncode == 0, shipped.stderr
    assert shipped.stdout == f"previous=1\nversion={account.live()}\n"
    assert account.live() != "1"
    assert account.ship("--back", "1").returncode == 0
    assert account.live() == "1"
    assert account.ship("--back", "1").stdout == "version=1\n"  # it would go back to itself

    # The newest version is the one that was taken back: no apply makes it live again.
    said = " ".join(account.terraform("apply", "-auto-approve", first, expected=1).split())
    assert "The newest code at AWS is not" in said
    assert account.live() == "1"

    # A refused plan says so before anything is touched: with another salt every visitor would be new.
    said = account.terraform("plan", "-refresh=false", first, "-var=salt=another", expected=1)
    assert "This counter has another salt already" in said

    said = account.terraform("destroy", "-auto-approve", "-refresh=false", first, expected=1)
    assert "DeletionProtectionEnabled" in said or "deletion protection" in said
    assert {"aws_dynamodb_table.counter", "aws_ssm_parameter.salt"} <= account.things()

    unlocked = (first, "-refresh=false", "-var=live_version=1", "-var=deletion_protection=false")
    account.terraform("apply", "-auto-approve", *unlocked, "-var=report_token_version=2")
    again = account.outputs()
    assert again["salt"] == outputs["salt"]
    assert again["report_token"] != outputs["report_token"]
    account.terraform("destroy", "-auto-approve", *unlocked)
    assert account.things() == set()


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_an_older_table_is_adopted_behind_a_rest_gateway(account: Account) -> None:
    """The table of an older counter, with another key and an expiry, is taken over in place, and can expire no more; a
    REST gateway is made, plans clean, and goes away again."""

    def aws(*words: str) -> Any:
        done = account.run("aws", "dynamodb", *words, "--table-name", "Resume", "--output", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "{}")

    aws("create-table", "--attribute-definitions", "AttributeName=SiteName,AttributeType=S", "--billing-mode",
        "PAY_PER_REQUEST", "--key-schema", "AttributeName=SiteName,KeyType=HASH")  # fmt: skip
    aws("update-time-to-live", "--time-to-live-specification", "Enabled=true,AttributeName=ItemExpireTTL")
    aws("put-item", "--item", '{"SiteName": {"S": "home"}, "Count": {"N": "41"}, "ItemExpireTTL": {"N": "1"}}')

    wanted = [f"-var=zip={account.archive(1)}", "-var=table_name=Resume", "-var=counter_id=home", "-var=gateway=rest"]
    wanted += ["-var=api_key=true", '-var=settings={TABLE_KEY = "SiteName", COUNT_ATTRIBUTE = "Count"}']
    account.terraform("init")
    account.terraform("import", *wanted, "aws_dynamodb_table.counter", "Resume")
    assert account.changes(*wanted)["aws_dynamodb_table.counter"] == ["update"]
    account.terraform("apply", "-auto-approve", *wanted)
    assert aws("describe-time-to-live")["TimeToLiveDescription"]["TimeToLiveStatus"] in ("DISABLED", "DISABLING")
    assert aws("scan")["Items"][0]["Count"] == {"N": "41"}
    assert account.changes(*wanted) == {}
    assert account.outputs()["url"].endswith("/v1")
    assert account.outputs()["api_key"]

    unlocked = [*wanted, "-refresh=false", "-var=deletion_protection=false"]
    account.terraform("apply", "-auto-approve", *unlocked)
    account.terraform("destroy", "-auto-approve", *unlocked)
    assert account.things() == set()
