"""The core does no I/O and asks for nothing: what it imports, and what importing it loads."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import talkwire

CORE = Path(__file__).resolve().parents[2] / "core"
MODULES = sorted((CORE / "talkwire").rglob("*.py"))
# Everything the core may import from outside itself.
ALLOWED = {
    "attrs",
    "binascii",
    "collections",
    "collections.abc",
    "copy",
    "enum",
    "functools",
    "json",
    "math",
    "msgspec",
    "pybase64",
    "re",
    "typing",
}
NAMES = [str(path.relative_to(CORE)) for path in MODULES]
each = pytest.mark.parametrize("path", MODULES, ids=NAMES)


def imports(tree: ast.AST) -> set[str]:
    """The modules that are imported by their full names; the core's own are relative."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
    return found


def test_the_walk_sees_the_whole_core_and_every_kind_of_import() -> None:
    assert {"talkwire/relay.py", "talkwire/realtime/session.py"} <= set(NAMES)
    source = "import os.path as p\ndef f():\n    from time import sleep\nfrom . import x"
    assert imports(ast.parse(source)) == {"os.path", "time"}


@each
def test_a_module_imports_nothing_but_what_computes(path: Path) -> None:
    assert imports(ast.parse(path.read_text())) <= ALLOWED


@each
def test_a_module_neither_waits_nor_opens_nor_prints(path: Path) -> None:
    tree = ast.parse(path.read_text())
    waits = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    assert not [node for node in ast.walk(tree) if isinstance(node, waits)]
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "exec", "eval", "__import__"}


def loaded(code: str, cwd: Path) -> set[str]:
    """The modules that are loaded after running this where only the core can be imported."""
    report = "import sys; print('\\n'.join(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(CORE)}
    # Site is needed for attrs and msgspec; the adapters must be out of reach all the same.
    hide = "import sys; sys.modules['talkwire_io'] = None; sys.modules['pybase64'] = None; "
    done = subprocess.run(
        [sys.executable, "-c", f"{hide}{code}; {report}"],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_the_core_loads_itself_and_its_two_dependencies(tmp_path: Path) -> None:
    base = loaded("import attrs, msgspec, json", tmp_path)
    core = loaded("import talkwire", tmp_path)
    more = {name for name in core - base if name.split(".")[0] != "talkwire"}
    assert "talkwire.realtime.session" in core
    assert more <= {"msgspec.json", "copy", "binascii"}, more
    unwanted = {"asyncio", "socket", "ssl", "trio", "anyio", "quart", "logging", "talkwire_io"}
    assert not unwanted & {name.split(".")[0] for name in core - base}


def test_the_public_names_are_sorted_there_and_explained() -> None:
    names = talkwire.__all__
    # As ruff sorts them: CONSTANTS, then Classes, then functions and modules.
    assert names == sorted(names, key=lambda n: (not n.isupper(), n[0].islower(), n))
    assert len(set(names)) == len(names)
    for name in names:
        public = getattr(talkwire, name)
        if isinstance(public, type | ModuleType | FunctionType):
            assert (public.__doc__ or "").strip(), name


def test_every_public_class_and_method_explains_itself() -> None:
    missing = [
        f"{name}.{method}"
        for name in talkwire.__all__
        if isinstance(kind := getattr(talkwire, name), type)
        if kind.__module__.startswith("talkwire")
        for method, value in vars(kind).items()
        if not method.startswith("_")
        if callable(value) or isinstance(value, property)
        if not (getattr(value, "__doc__", None) or "").strip()
    ]
    assert missing == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (CORE / "talkwire" / "py.typed").exists()
