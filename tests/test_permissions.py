"""What the function may do in Oracle Cloud is what its code does, no less, no more: code, README and policy agree."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
ORACLE = ROOT / "clouds" / "oracle"
ADAPTERS = ("object_storage.py", "notifications.py")
CLIENTS = {"ObjectStorageClient", "NotificationDataPlaneClient"}
SIGN = re.compile(r"\b(?:OBJECT|ONS|BUCKET|FN)_[A-Z_]+\b")


class Row(NamedTuple):
    """A row of the README's table: a place in the code, the SDK's method it calls, what that takes."""

    file: str
    place: str
    call: str
    permissions: frozenset[str]


def table() -> list[Row]:
    """Return the rows of the table that begins with the heading `in the code`."""
    lines = (ORACLE / "README.md").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| in the code "))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        place, call, permissions = (cell.strip() for cell in line.split("|")[1:4])
        file, name = re.fullmatch(r"`(\w+\.py)` `([\w.]+)`", place).groups()  # type: ignore[union-attr]
        rows.append(Row(file, name, call.strip("`"), frozenset(SIGN.findall(permissions))))
    return rows


def parsed(file: str) -> ast.Module:
    """Return one of our files as a tree."""
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def is_client(node: ast.expr) -> bool:
    """Tell whether an expression is one of the SDK's clients, by the names they have here."""
    return (isinstance(node, ast.Name) and node.id.strip("_") == "client") or (
        isinstance(node, ast.Attribute) and node.attr.strip("_") == "client"
    )


def calls(file: str) -> set[str]:
    """Return the methods of SDK clients that a file uses; its inner works (base_client) send nothing by themselves."""
    return {
        node.attr
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Attribute) and is_client(node.value) and node.attr != "base_client"
    }


def places(file: str) -> Iterator[str]:
    """Return the names of a file's functions and methods, the latter with their class."""
    for node in parsed(file).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef))


def granted() -> set[str]:
    """Return the permissions in the statements of the function's policy."""
    policies = (ORACLE / "identity.tf").read_text(encoding="utf-8")
    start = policies.index('resource "oci_identity_policy" "function"')
    statements = re.findall(r'^ +"(Allow .*)",$', policies[start : policies.index("\n}\n", start)], re.MULTILINE)
    assert len(statements) == 4
    return {sign for statement in statements for sign in re.findall(r"request\.permission = '(\w+)'", statement)}


@pytest.mark.parametrize("file", ADAPTERS)
def test_every_call_has_a_row(file: str) -> None:
    """A new call to Oracle needs a row that says what it takes; without one the function would be refused."""
    assert calls(file), "the look-up does not find the calls any more"
    assert calls(file) - {row.call for row in table() if row.file == file} == set()


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row.place}-{row.call}")
def test_every_row_is_in_the_code(row: Row) -> None:
    """What the table names exists, and is still called."""
    assert row.file in ADAPTERS
    assert row.place in set(places(row.file))
    assert row.call in calls(row.file)


def test_every_permission_is_granted() -> None:
    """Each permission that a call takes is in the policy."""
    assert set().union(*(row.permissions for row in table())) - granted() == set()


def test_nothing_else_is_granted() -> None:
    """The policy has no permission that no call takes, and no statement without a condition on permissions."""
    assert granted() - set().union(*(row.permissions for row in table())) == set()


def test_the_document_cannot_be_deleted() -> None:
    """No statement lets the function delete counter.json itself."""
    policies = (ORACLE / "identity.tf").read_text(encoding="utf-8")
    (document,) = [line for line in policies.splitlines() if "target.object.name = 'counter.json'," in line]

    assert "OBJECT_DELETE" not in document


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.py")), ids=lambda path: path.name)
def test_no_other_client_is_used(path: Path) -> None:
    """The function talks to Oracle through the two clients that the table is about."""
    imported = {
        alias.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "oci"
        for alias in node.names
        if alias.name.endswith("Client")
    }

    assert imported <= CLIENTS
    assert not imported or path.name in ADAPTERS
