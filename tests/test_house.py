"""The house keeps its order: which file may import which, where a vendor may appear, and what is written down."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
OURS = {path.stem for path in ROOT.glob("*.py")}
FOLDERS = ("local", "clouds", "bench")

ARROWS: dict[str, set[str]] = {
    # Doors: they may import everything below them.
    "func": OURS - {"func"},
    # What is answered.
    "api": {
        "settings", "report", "request", "counter_store", "documents", "tally", "privacy", "crawlers",
        "answer", "badge", "stats",
    },
    "answer": {"documents", "request", "settings"},
    "badge": {"request", "tally"},
    "stats": {"budget", "settings", "tally"},
    "report": {"settings", "tally", "backup", "budget"},
    "backup": {"tally"},
    "budget": {"tally"},
    # Oracle's adapters: each knows the port it fills.
    "object_storage": {"documents"},
    "notifications": {"report"},
    "resource_principal": {"documents", "oracle_settings"},
    "oracle_settings": {"settings"},
    # What is kept.
    "counter_store": {"documents", "document", "tally", "attempts", "journal"},
    "journal": {"documents", "tally"},
    "tally": {"document", "privacy"},
    "document": {"privacy"},
    # The ground: the standard library only.
    "privacy": set(),
    "documents": set(),
    "request": set(),
    "attempts": {"documents"},
    "crawlers": set(),
    "settings": set(),
}  # fmt: skip
"""Which of our modules a root module may import. A new module is entered here, on its floor."""

SDKS: dict[str, set[str]] = {
    "fdk": {"func.py"},
    "oci": {"object_storage.py", "notifications.py", "resource_principal.py", "clouds/oracle/restore.py"},
    "cryptography": {"resource_principal.py"},
    "urllib3": {"object_storage.py"},
}
"""Where packages of a vendor, or that come with one, may be imported, by file."""

CLOUDS: dict[str, tuple[str, ...]] = {
    "boto3": ("clouds/aws/",),
    "botocore": ("clouds/aws/",),
    "azure": ("clouds/azure/",),
    "requests": (),
}

SOURCES = sorted(
    path
    for folder in (ROOT, *(ROOT / name for name in FOLDERS))
    for path in (folder.glob("*.py") if folder == ROOT else folder.rglob("*.py"))
)
IN_ROOT = [path for path in SOURCES if path.parent == ROOT]
SHIPPED = [path for path in SOURCES if path.relative_to(ROOT).parts[0] not in ("local", "bench")]
NAMELESS = {"util", "utils", "helper", "helpers", "manager", "service", "common", "misc"}


def named(path: Path) -> str:
    """Return a file's name below the root."""
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Return the full names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def packages(path: Path) -> set[str]:
    """Return the first names of all that a file imports."""
    return {name.partition(".")[0] for name in imports(path)}


def uses(path: Path, module: str, names: tuple[str, ...]) -> list[int]:
    """Return the lines in which a file uses one of these names of a module."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (
            isinstance(node, ast.Attribute)
            and node.attr in names
            and isinstance(node.value, ast.Name)
            and node.value.id == module
        )
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == module
            and any(alias.name in names for alias in node.names)
        )
    ]


@pytest.mark.parametrize("path", IN_ROOT, ids=named)
def test_imports_go_one_way(path: Path) -> None:
    """A root module imports the floor below it, as the table here says, and nothing else of ours."""
    assert path.stem in ARROWS, f"enter {path.name} in ARROWS, on its floor"
    assert packages(path) & OURS <= ARROWS[path.stem]
    assert not packages(path) & {*FOLDERS, "tests"}


def test_the_table_has_no_circle() -> None:
    """Whoever follows the arrows never comes back, and no arrow leads to what is gone."""
    done: set[str] = set()
    while waiting := set(ARROWS) - done:
        free = {name for name in waiting if ARROWS[name] <= done | {name}}
        assert free, f"a circle among {sorted(waiting)}"
        done |= free
    assert set().union(*ARROWS.values()) <= set(ARROWS)


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nobody_imports_a_door(path: Path) -> None:
    """Doors are where it begins; what is needed twice belongs below."""
    assert not {"func", "lambda_function", "function_app", "clouds"} & packages(path)


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_vendor_has_its_place(path: Path) -> None:
    """A vendor's package is imported in its door and its adapters, and nowhere else."""
    elsewhere = named(path).startswith(("local/", "bench/"))
    for package in packages(path):
        assert elsewhere or package not in SDKS or named(path) in SDKS[package]
        assert elsewhere or package not in CLOUDS or named(path).startswith(CLOUDS[package])


@pytest.mark.parametrize("path", [path for path in IN_ROOT if path.name not in set().union(*SDKS.values())], ids=named)
def test_the_core_needs_nothing_but_python(path: Path) -> None:
    """Beside ours, the core imports the standard library only."""
    assert packages(path) - OURS <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if not named(path).startswith(("local/", "bench/"))], ids=named
)
def test_one_file_reads_the_environment(path: Path) -> None:
    """Settings come from settings.py; nothing else looks at os.environ."""
    assert path.name == "settings.py" or not uses(path, "os", ("environ", "environb", "getenv", "getenvb", "putenv"))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_tricks_with_paths(path: Path) -> None:
    """Modules are found where they are."""
    assert not uses(path, "sys", ("path", "meta_path", "path_hooks", "modules"))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_file_has_one_noun_and_an_end(path: Path) -> None:
    """No file is longer than 300 lines or called after nothing."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300 or named(path).startswith("bench/")
    assert not {"util", "utils", "helper", "helpers", "manager", "service", "common", "misc"} & set(
        path.stem.split("_")
    )


def test_no_folder_hides_a_package() -> None:
    """A folder in the root named like an SDK would be imported in its place; so would a module named like Python's."""
    assert not {*SDKS, *CLOUDS, "aiohttp"} & {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert not OURS & (set(sys.stdlib_module_names) | {*SDKS, *CLOUDS})


@pytest.mark.parametrize("path", [path for path in SOURCES if not named(path).startswith("bench/")], ids=named)
def test_what_is_public_is_explained(path: Path) -> None:
    """Every module, and every public class and function of it, says in words what it is for."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    silent = [
        node.name
        for node in module.body
        if isinstance(node, defined) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]

    assert ast.get_docstring(module) or not module.body
    assert silent == []


def test_tests_state_their_rule() -> None:
    """Every test says in its docstring which rule it keeps."""
    silent = [
        f"{path.name}: {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []


def settings_read() -> set[str]:
    """Return the names of all settings that are read from the environment in the root, but the platform's own."""
    return {
        node.args[0].value
        for path in IN_ROOT
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("text", "read")
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "environment"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_the_settings_are_found() -> None:
    """The look-up that the README is checked by sees the settings there are."""
    assert {"BUCKET", "SALT", "REPORT_TOKEN", "ALLOWED_ORIGINS", "TIMEZONE"} <= settings_read()


needs_readme = pytest.mark.skipif(not README.exists(), reason="README.md is not written yet")


@needs_readme
@pytest.mark.parametrize("name", sorted(settings_read()))
def test_every_setting_is_in_the_readme(name: str) -> None:
    """Whatever the owner may set has a row in the README's table of settings."""
    rows = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("|")]

    assert any(f"`{name}`" in row.split("|")[1] for row in rows)


def readme_map() -> list[str]:
    """Return the names in the first column of the README's map: the table in which func.py has a row."""
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    rows = [
        re.findall(r"`([^`]+)`", line.split("|")[1]) if line.startswith("|") else None for line in text.splitlines()
    ]
    table: list[str] = []
    for row in [*rows, None]:
        if row is not None:
            table += row
        elif "func.py" in table:
            break
        else:
            table = []
    return table


@needs_readme
def test_the_readme_s_map_is_the_tree() -> None:
    """Each file of the function and each folder is on the map, and what is on the map exists."""
    made = {"build", "dist", "node_modules", "__pycache__"}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - made
    there = {path.name for path in ROOT.glob("*.py")} | {f"{name}/" for name in folders}
    on_the_map = readme_map()

    assert there - set(on_the_map) == set()
    assert [name for name in on_the_map if not (ROOT / name).exists()] == []
