"""The rules of the house: who imports whom, what the rooms may do, what is said where, what stays light.

Everything is read from the files themselves, so that a new file is under the rules from its first line.
"""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from pipelines.settings import Settings

HOUSE = Path(__file__).parent.parent
MAY_IMPORT = {
    "schemas": {"schemas"},
    "connectors": {"schemas", "connectors"},
    "assets": {"schemas", "connectors", "assets"},
    "pipelines": {"schemas", "connectors", "assets", "pipelines"},
    "tests": {"schemas", "connectors", "assets", "pipelines", "tests"},
}
ROOMS = ("schemas", "connectors", "assets", "pipelines")
NOT_OURS = {".git", ".venv", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__", "dist"}
LONGEST_FILE = 450


def modules(*rooms: str) -> list[Path]:
    """Every Python file of these rooms."""
    return sorted(path for room in rooms for path in (HOUSE / room).rglob("*.py"))


def name_of(path: Path) -> str:
    """The file's path in the repository."""
    return path.relative_to(HOUSE).as_posix()


def tree_of(path: Path) -> ast.Module:
    """The file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module imported anywhere in the file, also inside functions and for type checking only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            assert node.level == 0, "an import that says where it starts is an absolute one"


def named(tree: ast.AST) -> Iterator[str]:
    """Every plain or dotted name that is used."""
    yield from (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute))


def called(tree: ast.AST) -> Iterator[str]:
    """Every function called by a plain or dotted name."""
    yield from (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_import_only_in_one_direction(room: str) -> None:
    """Schemas know nobody, connectors know schemas, assets know both, pipelines know all; nobody knows the tests."""
    wrong = {
        f"{name_of(path)} imports {name}"
        for path in modules(room)
        for name in imported(tree_of(path))
        if name.split(".")[0] in MAY_IMPORT.keys() - MAY_IMPORT[room]
    }
    assert not wrong


@pytest.mark.parametrize("room", ["schemas", "connectors"])
def test_dagster_stays_in_the_outer_rooms(room: str) -> None:
    """Shapes and connectors are plain Python, usable without it."""
    wrong = {name_of(path) for path in modules(room) for name in imported(tree_of(path)) if name.startswith("dagster")}
    assert not wrong


IMPURE_MODULES = {
    *("asyncio", "glob", "http", "httpx", "io", "logging", "os", "pathlib", "random", "requests", "secrets", "shutil"),
    *("socket", "sqlite3", "sqlalchemy", "subprocess", "tempfile", "threading", "time", "urllib", "duckdb", "uuid"),
}
IMPURE_CALLS = re.compile(
    r"(^|\.)(open|now|today|utcnow|localtime|read_text|read_bytes|write_text|write_bytes|read_table|write_table"
    r"|input|getenv|urlopen|environ)$"
)
WRITES_A_PAGE = "schemas/tables_page.py"


def test_schemas_do_nothing_but_name_shapes() -> None:
    """No file, network, clock, randomness or environment; the page writer may print, and nothing else."""
    wrong = set()
    for path in modules("schemas"):
        tree = tree_of(path)
        wrong |= {f"{name_of(path)}: {name}" for name in imported(tree) if name.split(".")[0] in IMPURE_MODULES}
        wrong |= {f"{name_of(path)}: {name}()" for name in called(tree) if IMPURE_CALLS.search(name)}
        if name_of(path) != WRITES_A_PAGE:
            wrong |= {f"{name_of(path)}: {name}()" for name in called(tree) if name in {"print", "exec", "eval"}}
    assert not wrong


def test_the_present_is_asked_for_in_one_place() -> None:
    """Every time of ours comes from the home's clock, so that runs can be repeated; sandboxes may have their own."""
    asking = re.compile(r"(datetime|date)(\.datetime|\.date)?\.(now|utcnow|today)$")
    found = {
        name_of(path)
        for path in modules("schemas", "connectors", "assets")
        if "sandbox" not in path.parts and any(asking.search(name) for name in called(tree_of(path)))
    }
    assert found == {"connectors/home.py"}


def test_no_file_is_a_drawer() -> None:
    """Names that say nothing about what lives there are a sign that a room is missing."""
    drawers = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "base", "misc", "lib", "tools"}
    words = {name_of(path): set(re.split(r"[_./]", name_of(path))) for path in modules(*ROOMS, "tests")}
    assert not {name for name, parts in words.items() if parts & drawers}


def public_definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Public functions and classes of a module, and public methods of its public classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                methods = (part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef))
                yield from (method for method in methods if not method.name.startswith("_"))


def test_every_module_says_what_lives_in_it() -> None:
    """A file that has anything in it begins with a paragraph about it."""
    silent = {
        name_of(path)
        for path in modules(*ROOMS, "tests")
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(tree_of(path))
    }
    assert not silent


def test_every_public_function_and_class_says_what_it_is() -> None:
    """In the four rooms: functions, classes and their methods."""
    silent = {
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in modules(*ROOMS)
        for node in public_definitions(tree_of(path))
        if not ast.get_docstring(node)
    }
    assert not silent


def test_every_test_states_a_behaviour() -> None:
    """A test says in its docstring what must be true; no two tests of a file have one name."""
    silent = set()
    for path in modules("tests"):
        tests = [node for node in public_definitions(tree_of(path)) if node.name.startswith("test_")]
        silent |= {f"{name_of(path)}:{node.lineno} {node.name}" for node in tests if not ast.get_docstring(node)}
        assert len({node.name for node in tests}) == len(tests), name_of(path)
    assert not silent


def test_no_test_is_skipped() -> None:
    """Neither skipped nor expected to fail, under whatever condition."""
    skipping = re.compile(r"^(pytest\.)?(mark\.)?(skip|skipif|xfail|importorskip)$")
    assert not {
        f"{name_of(p)}: {name}" for p in modules("tests") for name in named(tree_of(p)) if skipping.search(name)
    }


def test_no_test_waits_for_the_clock() -> None:
    """Only the tests of the whole system may look again and again at a process they have started."""
    sleeping = re.compile(r"^time\.sleep$")
    found = {name_of(p) for p in modules("tests") if any(sleeping.search(name) for name in named(tree_of(p)))}
    assert not {name for name in found if not name.startswith("tests/system/")}


def test_no_file_is_too_long_to_read() -> None:
    """A longer file is a sign that a room is missing."""
    long = {
        name_of(p): n for p in modules(*ROOMS, "tests") if (n := len(p.read_text("utf-8").splitlines())) > LONGEST_FILE
    }
    assert not long


def texts() -> Iterator[tuple[str, str]]:
    """Every text file of the repository with its content; not what tools and runs leave behind."""
    ignored = NOT_OURS | {line.strip("/\n") for line in (HOUSE / ".gitignore").read_text().splitlines()}
    for path in sorted(HOUSE.rglob("*")):
        parts = path.relative_to(HOUSE).parts
        if path.is_file() and not ignored.intersection(parts):
            try:
                yield name_of(path), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def test_no_file_names_a_host_to_install_from() -> None:
    """Which registry packages come from is the machine's setting, not ours: not even in the locks."""
    hosts = "|".join(
        re.escape(".".join(host))
        for host in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("anaconda", "org"),
            ("registry", "npmjs", "org"),
            ("proxy", "golang", "org"),
            ("crates", "io"),
        )
    )
    index = "--(extra-)?index" + "-url|--find" + "-links|--trusted" + "-host"
    found = {f"{name}: {match[0]}" for name, text in texts() for match in re.finditer(f"{hosts}|{index}", text)}
    assert not found


def test_no_source_tag_of_a_reference_is_left() -> None:
    """Statements stand on their own; shorthand for where somebody read them belongs to the notes."""
    tag = re.compile(r"[(\[]\s*(?:S[0-9]|SK2?|OD|CONV|LIB|SDK)(?:\s*[,+/]\s*(?:S[0-9]|SK2?|OD|CONV|LIB|SDK))*\s*[)\]]")
    found = {f"{name}: {match[0]}" for name, text in texts() for match in tag.finditer(text)}
    assert not found


LIGHT = """
import sys
from pipelines.command import main
sys.argv = ["nightshift", *sys.argv[1:]]
try:
    main.main()
except SystemExit as ended:
    assert not ended.code, ended.code
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize("words", [["--help"], ["users", "--help"], ["users", "list"]], ids=" ".join)
def test_small_commands_load_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    """Help and the roster come without Dagster and pandas, help also without Arrow and databases."""
    ended = subprocess.run(
        [sys.executable, "-c", LIGHT, *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    heavy = {"dagster", "pandas"} | ({"pyarrow", "numpy", "duckdb", "sqlalchemy"} if "--help" in words else set())
    assert not heavy.intersection(ended.stdout.rpartition("imported:")[2].split())


def test_the_installed_version_is_the_one_of_the_project() -> None:
    """Name, version and command of the installed distribution are those of pyproject.toml."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
    assert metadata.version(project["name"]) == project["version"]
    (command,) = metadata.entry_points(group="console_scripts", name="nightshift")
    assert command.value == project["scripts"]["nightshift"]
    assert callable(command.load())


def test_the_example_of_the_settings_lists_every_one() -> None:
    """``.env.example`` names each setting that is read and no other, with its default where there is one."""
    lines = (HOUSE / ".env.example").read_text().splitlines()
    matches = [re.fullmatch(r"(?:# )?([A-Z_]+)=(.*)", line) for line in lines]
    listed = {match[1]: match[2] for match in matches if match}
    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)
    for name, field in Settings.model_fields.items():
        expected = "" if field.default is None else str(field.default)
        assert listed[name.upper()].removeprefix("./").lower() == expected.lower()


def test_dagster_finds_the_definitions() -> None:
    """``workspace.yaml`` and pyproject.toml point to the same module, and it is there."""
    (module,) = re.findall(r"module_name: (\S+)", (HOUSE / "workspace.yaml").read_text())
    assert module == tomllib.loads((HOUSE / "pyproject.toml").read_text())["tool"]["dagster"]["module_name"]
    assert importlib.util.find_spec(module) is not None
