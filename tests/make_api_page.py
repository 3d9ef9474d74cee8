"""Makes docs/api.md out of docs/openapi.yaml: `python tests/make_api_page.py`. Whoever reads needs no tool for that."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
SOURCE: Final = DOCS / "openapi.yaml"
TARGET: Final = DOCS / "api.md"

HEADER: Final = """\
# What the counter answers

The short form of [`openapi.yaml`](openapi.yaml), which has every header, type and example, and which any tool for
OpenAPI 3.1 reads. Made by `python tests/make_api_page.py`; do not edit.

"""
LINK: Final = re.compile(r"`#/components/\w+/(\w+)`")
WIDE: Final = 140
PROOFS: Final = "`Authorization: Bearer REPORT_TOKEN`, or `?token=`"


def page(document: Mapping[str, Any]) -> str:
    """The page for an OpenAPI document."""
    return HEADER + "\n".join([*_routes(document), *_answers(document), *_ends(document)]) + "\n"


def _routes(document: Mapping[str, Any]) -> Iterator[str]:
    yield LINK.sub(lambda found: f"[{found[1]}](#{found[1].lower()})", document["info"]["description"].rstrip())
    for path, item in document["paths"].items():
        yield f"\n## `{path}`\n"
        parameters: dict[str, str] = {}
        for method, operation in item.items():
            if method == "options":
                continue
            yield from _operation(document, method, operation)
            for reference in operation.get("parameters", ()):
                parameter = resolved(document, reference)
                if parameter["name"] != "Origin":
                    where = "" if parameter["in"] == "query" else ":"
                    parameters[f"{parameter['name']}{where}"] = parameter["description"]
        if parameters:
            yield "\n| parameter, or header with a colon | |\n|---|---|"
            yield from (f"| `{name}` | {text} |" for name, text in parameters.items())


def _operation(document: Mapping[str, Any], method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    proof = f" Needs {PROOFS}." if operation.get("security") else ""
    yield f"- **{method.upper()}**: {operation['summary']}{proof}"
    if more := operation.get("description"):
        yield f"  {more}"
    if body := operation.get("requestBody"):
        yield f"  {body['description']}"
    statuses = ", ".join(_status(document, *answer) for answer in operation["responses"].items())
    yield f"  Answers {statuses}."


def _status(document: Mapping[str, Any], status: str, reference: Mapping[str, Any]) -> str:
    name = str(reference["$ref"]).rpartition("/")[2]
    bodiless = "content" not in resolved(document, reference)
    return status if bodiless else f"[{status}](#{name.lower()})"


def _answers(document: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Answers"
    for name, answer in document["components"]["responses"].items():
        for kind, content in answer.get("content", {}).items():
            yield f"\n### {name}\n\n{answer['description']}"
            if examples := content.get("examples"):
                example = json.dumps(next(iter(examples.values()))["value"])
                short = example if len(example) <= WIDE else json.dumps(json.loads(example), indent=2)
                yield f"\n```json\n{short}\n```"
            else:
                yield f"\n`{kind}`"


def _ends(document: Mapping[str, Any]) -> Iterator[str]:
    call = document["components"]["schemas"]["DirectCall"]
    yield f"\n## DirectCall\n\n{call['description']}\n"
    yield from (f"    {json.dumps(example)}" for example in call["examples"])
    yield "\n## Error codes\n"
    yield ", ".join(f"`{code}`" for code in document["components"]["schemas"]["ErrorCode"]["enum"]) + "."


def resolved(document: Mapping[str, Any], thing: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference refers to; what is none as it is."""
    while "$ref" in thing:
        found: Any = document
        for step in str(thing["$ref"]).removeprefix("#/").split("/"):
            found = found[step]
        thing = found
    return thing


if __name__ == "__main__":
    TARGET.write_text(page(yaml.safe_load(SOURCE.read_text(encoding="utf-8"))), encoding="utf-8")
