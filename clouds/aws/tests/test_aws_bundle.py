"""What is packed for AWS, in AWS's own runtime."""

import json
from pathlib import Path
from typing import Any

import pytest
from engines import cannot
from test_bundle import Build, build

from clouds.aws.laptop.dynoxide import CREDENTIALS, REGION, Dynoxide
from clouds.aws.laptop.execution_environment import ExecutionEnvironment
from clouds.aws.laptop.laptop import Laptop
from clouds.bundle import Recipe
from local.loop_thread import running

__all__ = ["build"]


@pytest.mark.slow
def test_aws_counts_from_the_bundle(build: Build, tmp_path: Path) -> None:
    """What was packed counts, in AWS's own runtime."""
    cannot(Laptop.missing())
    tree = tmp_path / "tree"
    build(Recipe.read("aws"), tree)
    assert {path.parent.parent.name for path in tree.glob("botocore/data/*/*/*")} == {"dynamodb", "sns"}
    engine = Dynoxide()
    with running(engine) as loop:
        engine.create_table("visitor-counter")
        variables = {"AWS_REGION": REGION, **CREDENTIALS, "DYNAMODB_ENDPOINT": engine.url}

        async def visits() -> list[Any]:
            environment = ExecutionEnvironment(variables, print, (tree,))
            await environment.start()
            try:
                return [json.loads(await environment.call(b'{"path": "/counter"}', 15)) for _ in range(3)]
            finally:
                await environment.stop()

        answers = loop.run(visits())

    assert [json.loads(answer["body"])["count"] for answer in answers] == [1, 2, 3]
