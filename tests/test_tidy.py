"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("agent", "catalogue", "machine", "wire")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
FOLDER_FILES_MAX = 12
HOT = {
    "agent/model.py",
    "agent/collectors/inbox/store.py",
    "agent/collectors/systems/base.py",
    "agent/engine/past/answer.py",
    "agent/ledger/record/movements.py",
}
"""Where nouns are made for every event or post, frozen for the type checker alone (docs/adr/0009)."""
TEST_NAME_WORDS_MIN = 4
TEXT = {".py", ".pyi", ".sql", ".toml", ".md", ".yml", ".yaml", ".sh", ".service", ".lock", ".cfg", ".json", ".txt", ""}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> tuple[Path, ...]:
    """Everything that is or would be committed; without git, everything that does not look made."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        made = {"__pycache__", "site", "build", "dist", "demo-data"}
        found = [
            p for p in ROOT.rglob("*") if not any(x.startswith(".") or x in made for x in p.relative_to(ROOT).parts)
        ]
    return tuple(sorted(path for path in found if path.is_file()))


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file and its content, line ends as they are."""
    for path in files():
        if path.suffix in TEXT:
            yield path, path.read_bytes().decode("utf-8")


@cache
def tree(path: Path) -> ast.Module:
    """One Python file, parsed; all of them are kept, so that looking through them for cycles is a waste."""
    gc.disable()
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    finally:
        gc.freeze()
        gc.enable()


def python(*folders: str) -> Iterator[Path]:
    """The Python files under some folders of the project."""
    for path in files():
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders:
            yield path


def where(path: Path, node: ast.AST | int = 0) -> str:
    """A place as an editor opens it."""
    line = node if isinstance(node, int) else getattr(node, "lineno", 0)
    return f"{path.relative_to(ROOT)}:{line}"


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All that one Python file consists of."""
    return tuple(ast.walk(tree(path)))


def functions(path: Path) -> Iterator[Function]:
    """Every function of a file, nested ones and methods too."""
    return (node for node in nodes(path) if isinstance(node, Function))


def called(node: ast.AST) -> str:
    """The last name of what a call calls: `b` of `a.b(…)`."""
    if not isinstance(node, ast.Call):
        return ""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def assert_none(faults: Iterable[str]) -> None:
    """Fail with one fault a line."""
    told = list(faults)
    assert not told, "\n" + "\n".join(told)


def stories() -> Iterator[tuple[Path, Function]]:
    """Every test function, with its file."""
    for path in python("tests"):
        if path.name.startswith("test_"):
            for function in functions(path):
                if function.name.startswith("test_"):
                    yield path, function


def test_no_file_of_code_is_longer_than_400_lines() -> None:
    lengths = {path: path.read_bytes().count(b"\n") for path in files() if path.suffix in {".py", ".sql"}}
    rooms = {*ROOMS, "bench", "manual", "sim", "soak"}
    inside = {path: lines for path, lines in lengths.items() if path.relative_to(ROOT).parts[0] in rooms}
    assert_none(f"{where(p)} {n} lines" for p, n in inside.items() if n > FILE_LINES_MAX)


def test_no_function_body_is_longer_than_50_lines() -> None:
    faults = []
    for path in python(*ROOMS):
        for function in functions(path):
            body = function.body[1:] if ast.get_docstring(function) is not None else function.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > FUNCTION_LINES_MAX:
                faults.append(f"{where(path, function)} {function.name}: {lines} lines")
    assert_none(faults)


def test_no_folder_of_code_holds_more_than_12_files() -> None:
    # Numbered migrations are a list that only grows: nobody looks for a place in it.
    counts = Counter(
        path.parent for path in python(*ROOMS) if path.name != "__init__.py" and path.parent.name != "versions"
    )
    assert_none(f"{where(folder)} {n} files" for folder, n in counts.items() if n > FOLDER_FILES_MAX)


def defined(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """What a module defines under a name of its own, but for what a decorator hands to somebody: commands, checks."""
    for node in tree(path).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if not node.decorator_list:
                yield node.name, node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node


def used(path: Path) -> Iterator[str]:
    """Every name that a file reads, imports or reaches into."""
    for node in nodes(path):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name


def test_nothing_is_defined_that_the_program_does_not_use() -> None:
    # What tests alone call is tested and of no use; `main` is called by the console scripts.
    around = ("bench", "manual", "scripts", "sim", "soak")
    names = {"main", "__all__"}.union(*(used(path) for path in python(*ROOMS, *around)))
    unused = ((path, name, node) for path in python(*ROOMS) for name, node in defined(path) if name not in names)
    assert_none(f"{where(path, node)} {name}" for path, name, node in unused if path.parent.name != "versions")


def test_nothing_is_left_to_be_done_later() -> None:
    later = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error")) + r")\b")
    faults = [
        where(path, number)
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if later.search(line)
    ]
    assert_none(faults)


def test_no_file_names_a_workplace_or_a_package_host() -> None:
    names = ("/wor" + "k/", ".lib" + "rary/", "pypi" + ".org", "python" + "hosted", "/opt/" + "wheels")
    assert_none(f"{where(path)} {name}" for path, text in texts() for name in names if name in text)


def test_every_text_file_ends_its_lines_with_lf() -> None:
    assert_none(where(path) for path, text in texts() if "\r" in text or (text and not text.endswith("\n")))


def test_every_module_says_first_what_it_is_for() -> None:
    paths = list(python(*ROOMS, "tests", "bench", "sim", "soak"))
    silent = [
        where(p) for p in paths if not re.match(rb'r?"""[^\n"]', p.read_bytes()) or not ast.get_docstring(tree(p))
    ]
    assert_none(silent)


def test_no_exception_is_passed_over_in_silence() -> None:
    def silent(handler: ast.ExceptHandler) -> bool:
        return all(
            isinstance(s, ast.Pass) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
            for s in handler.body
        )

    faults = [
        where(path, node)
        for path in python(*ROOMS, "tests", "bench", "sim", "soak")
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler) and silent(node)
    ]
    assert_none(faults)


def test_every_dataclass_is_frozen_with_slots_and_keywords() -> None:
    wanted = {"frozen", "slots", "kw_only"}
    faults = []
    for path in python(*ROOMS):
        for node in nodes(path):
            for mark in node.decorator_list if isinstance(node, ast.ClassDef) else ():
                bare = isinstance(mark, ast.Name) and mark.id == "dataclass"
                given = {k.arg for k in mark.keywords if _is_true(k.value)} if isinstance(mark, ast.Call) else set()
                if bare or (called(mark) == "dataclass" and not wanted <= given):
                    faults.append(where(path, node))
                if isinstance(mark, ast.Name) and mark.id == "noun" and str(path.relative_to(ROOT)) not in HOT:
                    faults.append(f"{where(path, node)} noun")
    assert_none(faults)


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def test_the_engine_reads_no_clock_and_knows_no_float() -> None:
    clocks = {"now", "today", "utcnow", "monotonic", "perf_counter", "float"}
    faults = [
        where(path, node)
        for path in python("agent")
        if path.relative_to(ROOT).parts[1] == "engine"
        for node in nodes(path)
        if called(node) in clocks or (isinstance(node, ast.Constant) and isinstance(node.value, float))
    ]
    assert_none(faults)


def test_no_test_and_no_code_uses_mocks() -> None:
    faults = []
    for path in python(*ROOMS, "tests", "bench", "sim", "soak"):
        for node in nodes(path):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            faults += [where(path, node) for name in names if name.startswith(("unittest.mock", "mock", "pytest_mock"))]
    assert_none(faults)


def test_every_test_name_is_a_sentence() -> None:
    short = [f"{where(p, f)} {f.name}" for p, f in stories() if len(f.name.split("_")) - 1 < TEST_NAME_WORDS_MIN]
    assert_none(short)


def test_every_test_asserts_something() -> None:
    silent = [f"{where(p, f)} {f.name}" for p, f in stories() if not _asserts(f, _asserting_helpers(p))]
    assert_none(silent)


@cache
def _asserting_helpers(path: Path) -> set[str]:
    return {function.name for function in functions(path) if _asserts(function, set())}


def _asserts(function: Function, helpers: set[str]) -> bool:
    for node in ast.walk(function):
        name = called(node)
        if isinstance(node, ast.Assert) or name in {"raises", "warns", "fail"} | helpers or name.startswith("assert"):
            return True
    return False


def test_no_two_tests_of_a_file_share_a_name() -> None:
    counts = Counter((path, function.name) for path, function in stories())
    assert_none(f"{where(path)} {name}" for (path, name), n in counts.items() if n > 1)


def test_every_locked_package_has_a_hash_and_every_dependency_a_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.findall(
        r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==\S+((?: \\\n    --hash=\S+)*)", lock, flags=re.MULTILINE
    )
    locked = {name for name, hashes in blocks if "--hash=sha256:" in hashes}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["catalogue"], *extras["parquet"], *extras["dev"]]
    names = {re.split(r"[\[<>=~! ]", requirement)[0].lower() for requirement in wanted}
    assert_none(name for name, hashes in blocks if not hashes)
    assert_none(sorted(names - locked))
    assert "://" not in lock


def test_what_an_installation_downloads_is_a_part_of_the_lock_and_enough() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        found = re.findall(
            r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?(==.*(?:\n    --hash=.*)+)", text, flags=re.MULTILINE
        )
        return dict(found)

    every, run = pins("requirements.lock"), pins("requirements.run.lock")
    assert run.items() <= every.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted, seen = [*project["dependencies"], *extras["catalogue"], *extras["build"]], set[str]()
    while wanted:
        one = Requirement(wanted.pop())
        key = f"{one.name.lower().replace('_', '-')}{sorted(one.extras)}"
        if key in seen:
            continue
        seen.add(key)
        for line in metadata.requires(one.name) or ():
            needs = Requirement(line)
            if needs.marker is None or any(needs.marker.evaluate({"extra": extra}) for extra in one.extras or {""}):
                wanted.append(str(needs))
    names = {re.split(r"\[", key)[0] for key in seen}
    assert {name.replace(".", "-") for name in names} <= run.keys()


def test_every_relative_link_of_the_manual_leads_somewhere() -> None:
    link = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
    inside = [(path, x) for path, text in texts() if path.suffix == ".md" for x in link.findall(text) if ":" not in x]
    assert_none(f"{where(path)} {target}" for path, target in inside if not (path.parent / target).exists())


IMPORT_ALL = """
import logging, os, pkgutil, importlib, sys, threading
writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
seen = []
def watch(event, args):
    if event == "open" and (args[2] or 0) & writes and args[0] != os.devnull:
        seen.append(f"opens {args[0]} for writing")
    elif event in {"socket.connect", "socket.bind", "subprocess.Popen", "os.system", "os.putenv"}:
        seen.append(event)
sys.addaudithook(watch)
for room in sys.argv[1:]:
    package = importlib.import_module(room)
    for module in pkgutil.walk_packages(package.__path__, room + "."):
        if not module.name.endswith(("__main__", "migrations.env")):  # both are run, by Python and by alembic
            importlib.import_module(module.name)
known = logging.Logger.manager.loggerDict.values()
loggers = [logging.getLogger(), *(logger for logger in known if isinstance(logger, logging.Logger))]
seen += [f"{l.name} has {h}" for l in loggers for h in l.handlers if not isinstance(h, logging.NullHandler)]
seen += [f"thread {t.name}" for t in threading.enumerate() if t is not threading.main_thread()]
print("\\n".join(seen), end="")
"""


def test_importing_any_module_does_nothing_to_the_world() -> None:
    command = [sys.executable, "-B", "-W", "error", "-c", IMPORT_ALL, *ROOMS]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "")
