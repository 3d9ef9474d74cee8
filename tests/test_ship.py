"""The script that ships an image: GitHub's token is exchanged, docker signed in, the function updated and checked."""

import base64
import importlib.util
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / ".github" / "ship.py"
OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64
IMAGE = "fra.ocir.io/mytenancy/visitor-counter-staging:git-abc"


@pytest.fixture(scope="module")
def ship() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("ship", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def token(lifetime: float) -> str:
    """Return what looks like a session token of Oracle's."""
    parts = ({"alg": "none"}, {"exp": time.time() + lifetime, "jwk": "{}"})
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".abcd"
    )


@pytest.fixture
def asked() -> Iterator[list[tuple[str, str, Any]]]:
    """Serve GitHub's token endpoint and the identity domain; return what they are asked, the port first."""
    questions: list[tuple[str, str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            questions.append((self.path, self.headers["Authorization"], None))
            self.reply({"value": "github's token"})

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            questions.append((self.path, self.headers["Authorization"], form))
            self.reply({"token": token(3600)})

        def reply(self, content: dict[str, str]) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        questions.append((f"http://127.0.0.1:{server.server_port}", "", None))
        yield questions
        server.shutdown()
        thread.join()


def environment(address: str) -> dict[str, str]:
    """Return what a job has, with both services at one address."""
    return {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{address}/github?api-version=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
        "OCI_DOMAIN_URL": address,
        "OCI_CLIENT_ID": "client",
        "OCI_CLIENT_SECRET": "secret",
        "OCI_REGION": "eu-frankfurt-1",
        "OCI_REGISTRY": "fra.ocir.io",
        "FUNCTION_OCID": "ocid1.fnfunc.oc1..example",
        "STACK_OCID": "ocid1.ormstack.oc1..example",
    }


def test_githubs_token_is_exchanged(ship: ModuleType, asked: list[tuple[str, str, Any]]) -> None:
    """GitHub is asked for a token for this domain, and the domain for a session in exchange, with a key made here."""
    address = asked.pop(0)[0]
    ship.signer(environment(address))
    (path, authorization, _), (exchange, client, form) = asked

    assert parse_qs(urlsplit(path).query) == {"api-version": ["2"], "audience": [address]}
    assert authorization == "Bearer of-the-job"
    assert (exchange, client) == ("/oauth2/v1/token", "Basic " + base64.b64encode(b"client:secret").decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:token-exchange"]
    assert form["requested_token_type"] == ["urn:oci:token-type:oci-upst"]
    assert form["subject_token"] == ["github's token"]
    assert form["public_key"]


def test_docker_gets_the_password_through_a_pipe(ship: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry's token is no argument, which every process on the machine could read."""
    ran: list[tuple[list[str], str]] = []
    client = SimpleNamespace(get_access_token=lambda: SimpleNamespace(data=SimpleNamespace(token="short-lived")))
    monkeypatch.setattr(ship, "ContainerRegistryClient", lambda config, signer: client)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: ran.append((command, options["input"])))
    ship.login(None, environment(""))

    assert ran == [
        (["docker", "login", "--username", "BEARER_TOKEN", "--password-stdin", "fra.ocir.io"], "short-lived")
    ]


class Functions:
    """Oracle Functions with one function, which takes an update or does not."""

    def __init__(self, takes: bool) -> None:
        self.takes = takes
        self.source = SimpleNamespace(image=IMAGE.replace("abc", "old"), image_digest=OLD)

    def get_function(self, ocid: str) -> Any:
        """Answer as the SDK does."""
        assert ocid == "ocid1.fnfunc.oc1..example"
        return SimpleNamespace(data=SimpleNamespace(source_details=self.source))

    def update_function(self, _: str, details: Any) -> None:
        """Take the image, and nothing else."""
        assert details.config is None
        assert details.source_details.source_type == "CONTAINER_IMAGE"
        if self.takes:
            self.source = details.source_details


def shipped(ship: ModuleType, monkeypatch: pytest.MonkeyPatch, functions: Functions) -> int:
    """Return the exit status of a deployment."""
    monkeypatch.setattr(ship, "signer", lambda _: None)
    monkeypatch.setattr(ship, "FunctionsManagementClient", lambda config, signer: functions)
    monkeypatch.setattr(ship, "wait_until", lambda *_, **__: None)
    return int(ship.main(["deploy", f"{IMAGE}@{NEW}"], environment("https://example.com")))


def test_the_image_before_is_told(
    ship: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deployment prints what ran before, in the form that brings it back."""
    functions = Functions(takes=True)

    assert shipped(ship, monkeypatch, functions) == 0
    assert (functions.source.image, functions.source.image_digest) == (IMAGE, NEW)
    previous = capsys.readouterr().out.strip()
    assert previous == f"previous={IMAGE.replace('abc', 'old')}@{OLD}"
    assert ship.split(previous.removeprefix("previous=")) == (IMAGE.replace("abc", "old"), OLD)


def test_another_digest_is_a_failure(
    ship: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was not taken is said, and fails the job, which knows the way back all the same."""
    assert shipped(ship, monkeypatch, Functions(takes=False)) == 2
    assert (said := capsys.readouterr()).out.endswith(f"@{OLD}\n")
    assert f"runs {OLD}, not {NEW}" in said.err


def test_what_runs_already_is_no_way_back(
    ship: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever ships the same image again, after a run that was cut off, is told that it would go back to itself."""
    functions = Functions(takes=True)
    functions.source.image_digest = NEW

    assert shipped(ship, monkeypatch, functions) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "nothing to roll back to" in said.err


LOG = """\
Terraform will perform the following actions:
  # oci_ons_subscription.owner[0] will be created
      + endpoint = "somebody@example.com"
Plan: 1 to add, 0 to change, 0 to destroy.
"""


class Stacks:
    """Resource Manager with one stack, whose jobs end as they are told to."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.uploaded = b""
        self.jobs: list[Any] = []

    def update_stack(self, ocid: str, details: Any) -> None:
        """Take the stack's files."""
        assert ocid == "ocid1.ormstack.oc1..example"
        assert details.config_source.config_source_type == "ZIP_UPLOAD"
        self.uploaded = base64.b64decode(details.config_source.zip_file_base64_encoded)

    def create_job(self, details: Any) -> Any:
        """Begin a job."""
        assert details.stack_id == "ocid1.ormstack.oc1..example"
        self.jobs.append(details.job_operation_details)
        return SimpleNamespace(data=SimpleNamespace(id=f"job-{len(self.jobs)}"))

    def get_job(self, _: str) -> Any:
        """Say how the job is."""
        return SimpleNamespace(data=SimpleNamespace(lifecycle_state=self.state))

    def get_job_logs_content(self, _: str) -> Any:
        """Return the job's log."""
        return SimpleNamespace(data=LOG)


@pytest.fixture
def stacks(ship: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Stacks:
    """A Resource Manager in which everything succeeds, unless told otherwise."""
    here = Stacks("SUCCEEDED")
    monkeypatch.setattr(ship, "signer", lambda _: None)
    monkeypatch.setattr(ship, "ResourceManagerClient", lambda config, signer: here)
    monkeypatch.setattr(ship, "wait_until", lambda client, response, **_: response)
    return here


def test_a_stack_is_planned_and_that_plan_applied(
    ship: ModuleType, stacks: Stacks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stack gets the files, its plan is shown without values, and what is applied is that plan."""
    (tmp_path / "stack.zip").write_bytes(b"the files")
    assert ship.main(["plan", str(tmp_path / "stack.zip")], environment("https://example.com")) == 0
    printed = capsys.readouterr()
    assert printed.out == "plan=job-1\n"
    assert printed.err.splitlines() == [
        "  # oci_ons_subscription.owner[0] will be created",
        "Plan: 1 to add, 0 to change, 0 to destroy.",
    ]
    assert ship.main(["apply", "job-1"], environment("https://example.com")) == 0

    assert stacks.uploaded == b"the files"
    assert [job.operation for job in stacks.jobs] == ["PLAN", "APPLY"]
    assert (stacks.jobs[1].execution_plan_strategy, stacks.jobs[1].execution_plan_job_id) == (
        "FROM_PLAN_JOB_ID",
        "job-1",
    )


def test_a_job_that_fails_fails_the_workflow(
    ship: ModuleType, stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    """An apply that did not succeed is an error, and names the job."""
    stacks.state = "FAILED"

    assert ship.main(["apply", "job-0"], environment("https://example.com")) == 2
    assert "The job job-1 of the stack ended as FAILED." in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, missing, said",
    [
        ([], "", "use: ship.py login, deploy"),
        (["deploy", "fra.ocir.io/mytenancy/visitor-counter"], "", "must be given as REGISTRY/NAME:TAG@sha256:DIGEST"),
        (["login"], "OCI_DOMAIN_URL", "OCI_DOMAIN_URL is not set"),
        (["login"], "OCI_CLIENT_SECRET", "OCI_CLIENT_SECRET is not set"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], missing: str, said: str) -> None:
    """What is missing is named, without a traceback and without a secret."""
    environ = environment("https://example.com") | {"PATH": ""}
    environ.pop(missing, None)
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments], env=environ, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
    assert "secret" not in done.stderr.replace("OCI_CLIENT_SECRET", "")
