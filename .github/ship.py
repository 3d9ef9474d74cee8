"""Ships to Oracle Cloud from a workflow without an Oracle key: GitHub's own token is exchanged for one that lasts an
hour.

    python3 .github/ship.py login                  signs docker in to Oracle's registry
    python3 .github/ship.py deploy IMAGE@DIGEST    makes the function run it; prints previous=IMAGE@DIGEST
    python3 .github/ship.py plan STACK.zip         shows what this Terraform would change; prints plan=JOB
    python3 .github/ship.py apply JOB              applies that plan

OCI_DOMAIN_URL, OCI_CLIENT_ID, OCI_CLIENT_SECRET, OCI_REGION, OCI_REGISTRY, FUNCTION_OCID and STACK_OCID come from the
environment, as do the variables of a job with `id-token: write`. It needs the oci package.
"""

import base64
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from oci import wait_until
from oci.auth.signers.token_exchange_signer import TokenExchangeSigner
from oci.container_registry import ContainerRegistryClient
from oci.functions import FunctionsManagementClient, models
from oci.resource_manager import ResourceManagerClient
from oci.resource_manager import models as stacks

TIMEOUT: Final = 30.0
LONGEST_UPDATE: Final = 300
LONGEST_JOB: Final = 1500
ENDED: Final = ("SUCCEEDED", "FAILED", "CANCELED")
SHOWN: Final = re.compile(
    r"^\s*(?:# \S+ (?:will|must) be .*|Plan: .*|No changes\..*|Apply complete!.*|.*Error: .*)$", re.MULTILINE
)
"""The lines of a job's log that are shown: which resources change, but no values, since anybody can read the log."""

IMAGE: Final = re.compile(r"(?P<name>[a-z0-9.-]+/[a-z0-9._/-]+:[\w.-]+)@(?P<digest>sha256:[0-9a-f]{64})", re.ASCII)


class WrongSetting(Exception):
    """Something is missing or cannot be used; the message names it and shows no secret."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command, and return its exit status."""
    try:
        match arguments:
            case ["login"]:
                login(signer(environ), environ)
            case ["deploy", image]:
                name, digest = split(image)
                deploy(signer(environ), environ, name, digest)
            case ["plan", archive]:
                plan(signer(environ), environ, Path(archive))
            case ["apply", job]:
                apply(signer(environ), environ, job)
            case _:
                raise WrongSetting("use: ship.py login, deploy IMAGE@DIGEST, plan STACK.zip or apply JOB")
    except WrongSetting as error:
        print(f"::error title=Ship::{error}", file=sys.stderr)
        return 2
    return 0


def needed(environ: Mapping[str, str], name: str) -> str:
    """Return a required setting. Raises WrongSetting if it is missing."""
    value = environ.get(name, "").strip()
    if not value:
        raise WrongSetting(f"{name} is not set: see clouds/oracle/README.md, under The pipeline.")
    return value


def split(image: str) -> tuple[str, str]:
    """Return an image's name with its tag, and its digest. Raises WrongSetting."""
    found = IMAGE.fullmatch(image)
    if not found:
        raise WrongSetting("The image must be given as REGISTRY/NAME:TAG@sha256:DIGEST.")
    return found["name"], found["digest"]


def identity_token(environ: Mapping[str, str], audience: str) -> str:
    """Ask GitHub for a token that says which repository, workflow and environment this job belongs to."""
    url = needed(environ, "ACTIONS_ID_TOKEN_REQUEST_URL")
    request = urllib.request.Request(  # noqa: S310 - the address is GitHub's own
        f"{url}&audience={quote(audience, safe='')}",
        headers={"Authorization": f"Bearer {needed(environ, 'ACTIONS_ID_TOKEN_REQUEST_TOKEN')}"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
        return str(json.load(response)["value"])


def signer(environ: Mapping[str, str]) -> Any:
    """Return the signer of requests to Oracle, whose key is exchanged for GitHub's token by the identity domain."""
    domain = needed(environ, "OCI_DOMAIN_URL")
    if not domain.startswith(("https://", "http://127.0.0.1:")):
        raise WrongSetting("OCI_DOMAIN_URL must begin with https://, or the secret would be sent unencrypted.")
    return TokenExchangeSigner(
        lambda: identity_token(environ, domain),
        domain,
        needed(environ, "OCI_CLIENT_ID"),
        needed(environ, "OCI_CLIENT_SECRET"),
        region=needed(environ, "OCI_REGION"),
    )


def login(signer: Any, environ: Mapping[str, str]) -> None:
    """Sign docker in. The password goes through a pipe: it is never an argument and never printed."""
    client = ContainerRegistryClient({"region": needed(environ, "OCI_REGION")}, signer=signer)
    subprocess.run(
        ["docker", "login", "--username", "BEARER_TOKEN", "--password-stdin", needed(environ, "OCI_REGISTRY")],
        input=client.get_access_token().data.token,
        text=True,
        check=True,
    )


def deploy(signer: Any, environ: Mapping[str, str], name: str, digest: str) -> None:
    """Make the function run this image and wait until it does. Prints what it ran before, as `previous`."""
    function = needed(environ, "FUNCTION_OCID")
    client = FunctionsManagementClient({"region": needed(environ, "OCI_REGION")}, signer=signer)
    before = client.get_function(function).data.source_details
    # The digest identifies it: a tag may have been moved since. It is printed before anything changes, so that the
    # pipeline can always roll back.
    if before.image_digest == digest:
        print("::warning title=Ship::This image already runs, so there is nothing to roll back to.", file=sys.stderr)
    else:
        print(f"previous={before.image}@{before.image_digest}", flush=True)
    source = models.UpdateContainerImageFunctionSourceDetails(image=name, image_digest=digest)
    client.update_function(function, models.UpdateFunctionDetails(source_details=source))
    wait_until(client, client.get_function(function), "lifecycle_state", "ACTIVE", max_wait_seconds=LONGEST_UPDATE)
    running = client.get_function(function).data.source_details.image_digest
    if running != digest:
        raise WrongSetting(f"The function runs {running}, not {digest}.")


def plan(signer: Any, environ: Mapping[str, str], archive: Path) -> None:
    """Give the stack this Terraform, and show what an apply would change. Prints the job as `plan`, for `apply`."""
    client = ResourceManagerClient({"region": needed(environ, "OCI_REGION")}, signer=signer)
    content = base64.b64encode(archive.read_bytes()).decode()
    source = stacks.UpdateZipUploadConfigSourceDetails(zip_file_base64_encoded=content)
    client.update_stack(needed(environ, "STACK_OCID"), stacks.UpdateStackDetails(config_source=source))
    print(f"plan={run(client, environ, stacks.CreatePlanJobOperationDetails())}", flush=True)


def apply(signer: Any, environ: Mapping[str, str], job: str) -> None:
    """Apply the plan of an earlier job, and nothing else."""
    client = ResourceManagerClient({"region": needed(environ, "OCI_REGION")}, signer=signer)
    details = {"execution_plan_strategy": "FROM_PLAN_JOB_ID", "execution_plan_job_id": job}
    run(client, environ, stacks.CreateApplyJobOperationDetails(**details))


def run(client: Any, environ: Mapping[str, str], operation: Any) -> str:
    """Have Resource Manager do something, show how it ended, and return the job. Raises WrongSetting if it failed."""
    details = stacks.CreateJobDetails(stack_id=needed(environ, "STACK_OCID"), job_operation_details=operation)
    job = client.create_job(details).data.id
    ended = wait_until(
        client,
        client.get_job(job),
        evaluate_response=lambda answer: answer.data.lifecycle_state in ENDED,
        max_wait_seconds=LONGEST_JOB,
    )
    print("\n".join(SHOWN.findall(client.get_job_logs_content(job).data)), file=sys.stderr, flush=True)
    if ended.data.lifecycle_state != "SUCCEEDED":
        raise WrongSetting(
            f"The job {job} of the stack ended as {ended.data.lifecycle_state}. Its log is in the console."
        )
    return str(job)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))
