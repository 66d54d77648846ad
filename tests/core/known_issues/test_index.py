"""Every entry of the list of known issues has its test, and every test says whose issue it was."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[2]
THREAD = re.compile(r"[\w.-]+/[\w.-]+#\d+")


def known_issues() -> Iterator[tuple[int, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Each `known_issue(number)` in the tests, with the test it stands on."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for mark in node.decorator_list:
                    found = re.fullmatch(r"pytest\.mark\.known_issue\((\d+)\)", ast.unparse(mark))
                    if found:
                        yield int(found[1]), node


def test_every_entry_has_a_test() -> None:
    assert sorted({number for number, _ in known_issues()}) == list(range(1, 54))


def test_every_test_names_the_thread_and_the_rule() -> None:
    for number, test in known_issues():
        words = ast.get_docstring(test) or ""
        assert THREAD.match(words) and "→" in words, (number, test.name)
        assert test.name.startswith("test_")
