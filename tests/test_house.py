"""The house keeps its order: which file may import which, where a vendor may appear, and what is written down."""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
SETTINGS = ROOT / "docs" / "settings.md"
OURS = {path.stem for path in ROOT.glob("*.py")}
FOLDERS = ("local", "clouds", "bench")

ARROWS: dict[str, set[str]] = {
    # Doors: they may import everything below them.
    "func": OURS - {"func"},
    # What is answered.
    "door": {"answer", "api", "documents", "request", "settings"},
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
    "packing": set(),
    "request": set(),
    "attempts": {"documents"},
    "crawlers": set(),
    "settings": set(),
}  # fmt: skip
"""Which of our modules a root module may import. A new module is entered here, on its floor."""

SDKS: dict[str, set[str]] = {
    "fdk": {"func.py"},
    "oci": {"object_storage.py", "notifications.py", "resource_principal.py", "clouds/oracle/"},
    "cryptography": {"resource_principal.py"},
    "urllib3": {"object_storage.py", "clouds/azure/"},
    "boto3": set(),
    "botocore": {"clouds/aws/"},
    "awslambdaric": {"clouds/aws/"},
    "azure": {"clouds/azure/"},
    "requests": set(),
    "aiohttp": {"clouds/aws/", "clouds/azure/"},
}
"""Where packages of a vendor, or that come with one, may be imported: files, and folders of clouds."""

MADE = {"node_modules", "__pycache__"}
SOURCES = sorted(
    path
    for folder in (ROOT, *(ROOT / name for name in FOLDERS))
    for path in (folder.glob("*.py") if folder == ROOT else folder.rglob("*.py"))
    if not MADE & set(path.parts) and "tests" not in path.relative_to(ROOT).parts
)
IN_ROOT = [path for path in SOURCES if path.parent == ROOT]
IN_CLOUDS = [path for path in SOURCES if path.is_relative_to(ROOT / "clouds")]
TESTS = sorted(path for folder in (ROOT / "tests", *ROOT.glob("clouds/*/tests")) for path in folder.rglob("*.py"))
CLOUDS = sorted(path.parent for path in ROOT.glob("clouds/*/bundle.toml"))
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


def shipped(cloud: Path) -> list[Path]:
    """Return a cloud's own modules that its function is made of: its door, and what that imports in its folder."""
    found: list[Path] = []
    waiting = [cloud / f"{tomllib.loads((cloud / 'bundle.toml').read_text(encoding='utf-8'))['entry']}.py"]
    while waiting:
        path = waiting.pop()
        if path.exists() and path not in found:
            found.append(path)
            waiting += [cloud / f"{name}.py" for name in packages(path)]
    return sorted(found)


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
    """Doors are where it begins; what is needed twice belongs below. An owner's tool may have parts."""
    doors = {"func", "lambda_function", "function_app"}
    assert not (doors if path.parent == ROOT / "clouds" else {*doors, "clouds"}) & packages(path)


@pytest.mark.parametrize("path", [*IN_ROOT, *IN_CLOUDS], ids=named)
def test_a_vendor_has_its_place(path: Path) -> None:
    """A vendor's package is imported in its door and its adapters, and nowhere else."""
    for package in packages(path) & set(SDKS):
        assert named(path).startswith(tuple(SDKS[package]))


FUNCTIONS = [path for cloud in CLOUDS for path in shipped(cloud)]
ORACLES = {"func", "object_storage", "notifications", "resource_principal", "oracle_settings"}


def test_the_functions_of_the_clouds_are_found() -> None:
    """Each cloud's door and adapters are seen by the rules below."""
    assert all(len(shipped(cloud)) >= 3 for cloud in CLOUDS)


@pytest.mark.parametrize("path", FUNCTIONS, ids=named)
def test_a_cloud_s_function_stands_on_the_root_alone(path: Path) -> None:
    """A cloud's function imports the core, its own folder and its vendor, and nothing that is for laptops."""
    siblings = {found.stem for found in FUNCTIONS if found.parent == path.parent}
    vendors = {package for package, places in SDKS.items() if f"{named(path.parent)}/" in places} - {"aiohttp"}

    assert packages(path) <= (OURS - ORACLES) | siblings | vendors | set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", IN_CLOUDS, ids=named)
def test_no_cloud_knows_another(path: Path) -> None:
    """A cloud is one folder: no file of it imports one of another, so that each can be taken away."""
    others = {found.stem for cloud in CLOUDS if not path.is_relative_to(cloud) for found in cloud.glob("*.py")}
    mine = {found.stem for found in path.parent.glob("*.py")}

    assert not packages(path) & (others - mine)


@pytest.mark.parametrize("path", [path for path in IN_ROOT if path.name not in set().union(*SDKS.values())], ids=named)
def test_the_core_needs_nothing_but_python(path: Path) -> None:
    """Beside ours, the core imports the standard library only."""
    assert packages(path) - OURS <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", [*IN_ROOT, *FUNCTIONS, *ROOT.glob("clouds/*.py")], ids=named)
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
    assert not NAMELESS & set(path.stem.split("_"))


def test_no_folder_hides_a_package() -> None:
    """A folder in the root named like an SDK would be imported in its place; so would a module named like Python's."""
    assert not set(SDKS) & {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert not OURS & (set(sys.stdlib_module_names) | set(SDKS))


def test_no_two_modules_have_one_name() -> None:
    """A function is shipped flat and the tests see all folders at once, so a plain name means one module."""
    flat = [path.stem for path in SOURCES if path.parent in (ROOT, *CLOUDS)]
    flat += [path.stem for path in TESTS if path.parent.name != "contract"]

    assert [name for name, times in Counter(flat).items() if times > 1 and name != "conftest"] == []


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
        for path in TESTS
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []


def settings_read(paths: Sequence[Path]) -> set[str]:
    """Return the names of all settings that files read from the environment, but the platform's own."""
    return {
        node.args[0].value
        for path in paths
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
    """The look-up that the table is checked by sees the settings there are."""
    assert {"BUCKET", "SALT", "REPORT_TOKEN", "ALLOWED_ORIGINS", "TIMEZONE"} <= settings_read(IN_ROOT)


@pytest.mark.parametrize("name", sorted(settings_read(IN_ROOT)))
def test_every_setting_is_in_the_table(name: str) -> None:
    """Whatever the owner may set has a row in the table of settings."""
    rows = [line for line in SETTINGS.read_text(encoding="utf-8").splitlines() if line.startswith("|")]

    assert any(f"`{name}`" in row.split("|")[1] for row in rows)


PLATFORMS = {"AWS_REGION", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"}
"""What the platform sets, and no owner."""


@pytest.mark.parametrize("cloud", CLOUDS, ids=named)
def test_every_setting_of_a_cloud_is_in_its_readme(cloud: Path) -> None:
    """Whatever the owner may set on one cloud alone has a row in the table of that cloud's README."""
    rows = [line for line in (cloud / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    told = set(re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows)))

    assert settings_read(shipped(cloud)) - PLATFORMS - told == set()


def readme_map() -> list[str]:
    """Return the names in the first column of the README's map: the table in which func.py has a row."""
    text = README.read_text(encoding="utf-8")
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


def test_the_readme_s_map_is_the_tree() -> None:
    """Each file of the function and each folder is on the map, and what is on the map exists."""
    made = {"build", "dist", "node_modules", "__pycache__"}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - made
    there = {path.name for path in ROOT.glob("*.py")} | {f"{name}/" for name in folders}
    on_the_map = readme_map()

    assert there - set(on_the_map) == set()
    assert [name for name in on_the_map if not (ROOT / name).exists()] == []
