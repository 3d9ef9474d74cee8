"""What docs/openapi.yaml says is what the real api answers, what every gateway routes, and what docs/api.md says."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from counting import NOW, Counter
from make_api_page import SOURCE, TARGET, page, resolved
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from counter.entrypoint import internal_error, unready
from counter.request import MAX_BODY, PAGE_VIEW, Request, Response
from counter.store import Conflict, CorruptDocument, Misconfigured, NotPublished, StoreError, Unavailable

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT: Mapping[str, Any] = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
SCHEMAS: Mapping[str, Any] = DOCUMENT["components"]["schemas"]
TOKEN = "a-token-of-the-owner"
OWNER = {"Authorization": f"Bearer {TOKEN}"}
TAGGED = {"If-None-Match": "*"}
DOWN = Unavailable("The storage could not be reached.", in_doubt=False)
DAMAGED = CorruptDocument("The counter's document is damaged (it is empty). It was not touched.")


def closed(schema: Any) -> Any:
    """The schema without room for what it does not name: readers should bear more, this test should not."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: closed(part) for name, part in schema.items()}
    return {"additionalProperties": False, **parts} if "properties" in parts else parts


def problems(schema: Mapping[str, Any], value: Any) -> list[str]:
    """What is wrong with `value`, by a schema of the document."""
    whole = {**closed(schema), "components": {"schemas": closed(SCHEMAS)}}
    return [error.message for error in OAS31Validator(whole, format_checker=oas31_format_checker).iter_errors(value)]


def operations() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Path, method and operation of all that the document has."""
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def documented_routes() -> dict[str, set[str]]:
    """The methods of each path of the document."""
    routes: dict[str, set[str]] = {}
    for path, method, _ in operations():
        routes.setdefault(path, set()).add(method)
    return routes


def examples() -> Iterator[Any]:
    """All examples of the document, each with its schema."""
    bodies = [operation["requestBody"] for _, _, operation in operations() if "requestBody" in operation]
    answers = DOCUMENT["components"]["responses"]
    for name, holder in [*answers.items(), *((f"body{number}", body) for number, body in enumerate(bodies))]:
        for kind, content in holder.get("content", {}).items():
            for case, example in content.get("examples", {}).items():
                yield pytest.param(content["schema"], example["value"], id=f"{name}-{kind}-{case}")
    for place in ("parameters", "headers"):
        for name, thing in DOCUMENT["components"][place].items():
            if "example" in thing:
                yield pytest.param(thing["schema"], thing["example"], id=f"{place}-{name}")
    for number, example in enumerate(SCHEMAS["DirectCall"]["examples"]):
        yield pytest.param(SCHEMAS["DirectCall"], example, id=f"DirectCall-{number}")


class Case(NamedTuple):
    """A request, and the status of its answer, in a counter that may have troubles."""

    method: str
    target: str
    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    failure: StoreError | NotPublished | None = None
    stored: bytes | None = None
    topic: bool = True
    seen_limit: str = "400"


PAGES = (
    b'{"pageviews":5,"days":{"2026-09-21":{"pageviews":5,"visitors":1}},"weeks":{"2026-W39":1},'
    b'"pages":{"months":["2026-09"],"names":{"/":[4,3,1]},"views":[5,3,1]}}'
)
CASES = [
    Case("GET", "/counter?vid=anna", 200),
    Case("GET", "/counter?peek=1", 200),
    Case("GET", "/counter", 200, {"User-Agent": "Googlebot/2.1"}),
    Case("GET", "/counter", 200, {"Sec-Purpose": "prefetch"}),
    Case("GET", "/counter?vid=anna", 200, seen_limit="0"),
    Case("GET", "/counter?vid=no%20good&peek=0&skip=x&as=_", 200),
    Case("GET", "/counter?skip=reload", 200),
    Case("GET", "/counter", 200, {"Origin": "https://another.example"}),
    Case("GET", "/counter?as=number", 200),
    Case("GET", "/counter?as=visits", 200),
    Case("GET", "/counter?as=shields", 200),
    Case("GET", "/counter", 500, failure=DAMAGED),
    Case("GET", "/counter", 500, failure=Misconfigured("Check BUCKET.")),
    Case("GET", "/counter", 503, failure=DOWN),
    Case("POST", "/counter", 200, body=b'{"vid": "anna"}'),
    Case("POST", "/counter", 200, body=b'{"vid": "anna", "page": "/blog/", "ref": "news.example.com"}'),
    Case("GET", "/counter?page=x&ref=-%20-", 200),
    Case("POST", "/counter", 200, body=b"junk"),
    Case("POST", "/counter", 413, body=b"x" * (MAX_BODY + 1)),
    Case("POST", "/counter", 500, failure=DAMAGED),
    Case("POST", "/counter", 503, failure=DOWN),
    Case("HEAD", "/counter", 200),
    Case("HEAD", "/counter", 500, failure=DAMAGED),
    Case("HEAD", "/counter", 503, failure=DOWN),
    Case("OPTIONS", "/counter", 204),
    Case("GET", "/badge.svg", 200),
    Case("GET", "/badge.svg?metric=unique&label=a&color=0af", 200),
    Case("GET", "/badge.svg", 304, TAGGED),
    Case("GET", "/badge.svg?metric=all", 400),
    Case("GET", "/badge.svg?label=&color=x", 200),
    Case("GET", "/badge.svg?metric=today&abbreviated=true", 200),
    Case("GET", "/badge.svg?page=/blog", 200),
    Case("GET", "/badge.svg", 500, failure=DAMAGED),
    Case("GET", "/badge.svg", 503, failure=DOWN),
    Case("HEAD", "/badge.svg", 200),
    Case("HEAD", "/badge.svg", 304, TAGGED),
    Case("HEAD", "/badge.svg?metric=all", 400),
    Case("HEAD", "/badge.svg", 500, failure=DAMAGED),
    Case("HEAD", "/badge.svg", 503, failure=DOWN),
    Case("OPTIONS", "/badge.svg", 204),
    Case("GET", "/visitor-counter.js", 200),
    Case("GET", "/visitor-counter.js", 304, TAGGED),
    Case("HEAD", "/visitor-counter.js", 200),
    Case("HEAD", "/visitor-counter.js", 304, TAGGED),
    Case("OPTIONS", "/visitor-counter.js", 204),
    Case("GET", "/busuanzi.js", 200),
    Case("GET", "/busuanzi.js", 304, TAGGED),
    Case("HEAD", "/busuanzi.js", 200),
    Case("HEAD", "/busuanzi.js", 304, TAGGED),
    Case("OPTIONS", "/busuanzi.js", 204),
    Case("GET", "/owner", 200),
    Case("GET", "/owner", 304, TAGGED),
    Case("HEAD", "/owner", 200),
    Case("HEAD", "/owner", 304, TAGGED),
    Case("OPTIONS", "/owner", 204),
    Case("GET", "/health", 200),
    Case("GET", "/health", 503, failure=DOWN),
    Case("HEAD", "/health", 200),
    Case("HEAD", "/health", 503, failure=DAMAGED),
    Case("OPTIONS", "/health", 204),
    Case("GET", "/stats", 200, OWNER),
    Case("GET", "/stats", 200, OWNER, stored=b'{"count": 5}'),
    Case("GET", "/stats", 200, OWNER, stored=b'{"pageviews":5,"uniqueVisitors":1,"seen":[],"days":{"2026-09-21":{}}}'),
    Case("GET", "/stats", 200, OWNER, stored=PAGES),
    Case("GET", "/stats?format=csv&table=pages", 200, OWNER, stored=PAGES),
    Case("GET", "/stats?format=csv&table=all", 400, OWNER),
    Case("GET", "/stats?format=backup", 200, OWNER, stored=PAGES),
    Case("GET", "/stats", 401),
    Case("GET", "/stats", 500, OWNER, failure=DAMAGED),
    Case("GET", "/stats", 503, OWNER, failure=DOWN),
    Case("HEAD", "/stats", 200, OWNER),
    Case("HEAD", "/stats", 401),
    Case("HEAD", "/stats", 500, OWNER, failure=DAMAGED),
    Case("HEAD", "/stats", 503, OWNER, failure=DOWN),
    Case("OPTIONS", "/stats", 204),
    Case("GET", "/report", 200, OWNER),
    Case("GET", "/report?period=year", 400, OWNER),
    Case("POST", "/report?period=year", 400, OWNER),
    Case("GET", "/report?token=wrong", 401),
    Case("GET", "/report", 500, OWNER, topic=False),
    Case("GET", "/report", 503, OWNER, failure=NotPublished("Not now.", retry=True)),
    Case("POST", f"/report?token={TOKEN}", 200),
    Case("POST", "/report", 401),
    Case("POST", "/report", 500, OWNER, failure=NotPublished("Never.", retry=False)),
    Case("POST", "/report", 503, OWNER, failure=DOWN),
    Case("OPTIONS", "/report", 204),
]


def path_of(target: str) -> str:
    """The path of a target."""
    return target.partition("?")[0]


def answered(case: Case, **settings: str) -> Response:
    """What the real api answers."""
    counter = Counter(case.stored, topic=case.topic, REPORT_TOKEN=TOKEN, SEEN_LIMIT=case.seen_limit, **settings)
    if isinstance(case.failure, NotPublished):
        counter.papers.failure = case.failure
    else:
        counter.store.failure = case.failure
    return counter.ask(case.target, case.method, case.headers, case.body)


def differences(answer: Response, documented: Mapping[str, Any]) -> list[str]:
    """In what an answer differs from the one in the document: its headers, their values, its type, its body."""
    headers = {name: resolved(DOCUMENT, header) for name, header in documented.get("headers", {}).items()}
    kinds: Mapping[str, Any] = documented.get("content", {})
    found = [f"{name} is not documented" for name in answer.headers if name not in {*headers, "Content-Type"}]
    found += [
        f"{name} is missing"
        for name, header in headers.items()
        if header.get("required", False) and name not in answer.headers
    ]
    for name in headers.keys() & answer.headers.keys():
        value: Any = answer.headers[name]
        whole = headers[name]["schema"].get("type") == "integer"
        found += [f"{name}: {text}" for text in problems(headers[name]["schema"], int(value) if whole else value)]
    if not kinds:
        return found + (["there is a body"] if answer.body else [])
    kind = answer.headers["Content-Type"]
    if kind not in kinds:
        return [*found, f"{kind} is not documented"]
    told = json.loads(answer.body) if kind == "application/json" else answer.body.decode()
    return found + problems(kinds[kind]["schema"], told)


def test_the_document_is_openapi() -> None:
    """It is a valid OpenAPI 3.1 document, and every operation has an id of its own."""
    assert [error.message for error in OpenAPIV31SpecValidator(dict(DOCUMENT)).iter_errors()] == []
    assert str(DOCUMENT["openapi"]).startswith("3.1.")
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("schema, value", [*examples()])
def test_examples_are_true(schema: Mapping[str, Any], value: Any) -> None:
    """Every example is one of its own schema."""
    assert problems(schema, value) == []


def test_nothing_is_left_over() -> None:
    """Every component is used, but for what no operation can name: other paths, other methods, and direct calls."""
    text = SOURCE.read_text(encoding="utf-8")
    for place, things in DOCUMENT["components"].items():
        for name in things if place != "securitySchemes" else ():
            assert f"#/components/{place}/{name}" in text, name


def test_the_routes_are_the_api_s() -> None:
    """The document has the paths and methods that api.py answers, and no others."""
    routes = {
        f"/{name}": {*methods, "OPTIONS"} for name, (methods, _) in Counter(COUNTER_PATHS="counter").api._routes.items()
    }

    assert documented_routes() == routes


def test_the_gateway_has_the_routes() -> None:
    """A gateway that is told its routes is told those of the document."""
    gateway = (ROOT / "clouds" / "oracle" / "gateway.tf").read_text(encoding="utf-8")
    block = gateway.partition("contract = {\n")[2].partition("  }")[0]
    lines = re.findall(r'"(/[^"]+)"\s*=\s*\[([^\]]+)\]', block)

    assert {
        path: set(re.findall(r'"(\w+)"', methods)) for path, methods in lines
    }.items() >= documented_routes().items()


@pytest.mark.parametrize("origins", ["", "https://one.example"], ids=["any origin", "a list"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method} {case.target[:24]} {case.status}")
def test_answers_are_as_documented(case: Case, origins: str) -> None:
    """The real answers have the documented headers, each with a documented value, and bodies of the documented form."""
    operation = DOCUMENT["paths"][path_of(case.target)][case.method.lower()]
    case = case._replace(headers={"Origin": "https://one.example", **case.headers})
    answer = answered(case, ALLOWED_ORIGINS=origins)

    assert answer.status == case.status
    assert differences(answer, resolved(DOCUMENT, operation["responses"][str(case.status)])) == []


def test_no_answer_is_documented_that_is_never_given() -> None:
    """Every documented status of every operation is among the answers above."""
    documented = {
        (method, path, int(status)) for path, method, operation in operations() for status in operation["responses"]
    }
    assert documented == {(case.method, path_of(case.target), case.status) for case in CASES}


@pytest.mark.parametrize(
    "method, url, name", [("GET", "/nothing", "NotFound"), ("DELETE", "/counter", "MethodNotAllowed")]
)
def test_what_there_is_not_is_documented(method: str, url: str, name: str) -> None:
    """Other paths and other methods are answered as documented."""
    assert differences(Counter().ask(url, method), DOCUMENT["components"]["responses"][name]) == []


def test_troubles_before_the_start_are_documented() -> None:
    """While the parts cannot be put together, and where something unforeseen happened, answers are as documented."""
    request, down = Request("GET", "/counter", "the-id", 0.0), Unavailable("Not now.", in_doubt=False)
    health = Request("GET", "/health", "the-id", 0.0)
    answers = DOCUMENT["components"]["responses"]

    assert differences(unready(request, Misconfigured("Check BUCKET."), NOW), answers["Broken"]) == []
    assert differences(unready(request, down, NOW), answers["Unavailable"]) == []
    assert differences(unready(health, down, NOW), answers["Unhealthy"]) == []
    assert differences(internal_error(request), answers["Broken"]) == []


@pytest.mark.parametrize("body", [json.dumps(example).encode() for example in SCHEMAS["DirectCall"]["examples"]])
def test_direct_calls_are_understood(body: bytes) -> None:
    """Every example of a direct call is one that the api understands."""
    assert Counter().ask(None, "GET", body=body).status == 200


def test_the_error_codes_are_the_api_s() -> None:
    """Every code that is documented is answered, and no other."""
    answers = [answered(case) for case in CASES if case.method != "HEAD"]
    answers += [Counter().ask("/nothing"), Counter().ask("/counter", "PUT")]
    request = Request("GET", "/counter", "the-id", 0.0)
    answers += [internal_error(request), unready(request, Conflict("Too many at once."), NOW)]
    told = [json.loads(answer.body) for answer in answers if answer.headers["Content-Type"] == "application/json"
            and answer.body]  # fmt: skip
    codes = {one["error"] for one in told if isinstance(one, dict) and one.get("ok") is False}

    assert codes == set(SCHEMAS["ErrorCode"]["enum"])


def test_parameters_are_those_that_are_read() -> None:
    """The answers read the documented parameters from the query, and no others."""
    read: set[str] = set()

    class Reading(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return "csv" if name == "format" else super().get(name, default)

    counter = Counter(REPORT_TOKEN=TOKEN)
    for path, is_owner in product(documented_routes(), (False, True)):
        request = Request("GET", path, "the-id", float("inf"), direct=is_owner)
        request.__dict__["query"] = Reading()
        counter.api.answer(request)
    named = {one["name"] for one in DOCUMENT["components"]["parameters"].values() if one["in"] == "query"}

    assert read | {*PAGE_VIEW} == named | {DOCUMENT["components"]["securitySchemes"]["token"]["name"]}


def test_the_page_is_up_to_date() -> None:
    """docs/api.md is made of the document as it is."""
    assert TARGET.read_text(encoding="utf-8") == page(DOCUMENT), "run python tests/make_api_page.py"
