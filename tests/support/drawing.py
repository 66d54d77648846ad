"""Draws `docs/tables.md` from the tables in the code, their docstrings and their comments.

`make docs` writes the page; a test compares it. Every table of the core is found by its shape: a
mapping of state -> input -> state over enums, whose first state is the one it begins in.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard

from attrs import frozen

import talkwire

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tables.md"

OPENING = """\
# The tables

Drawn from the code by `make docs`: do not edit. What is legal, and what it leads to, is decided by
a row here and nowhere else. Where there is no row, a call of yours is refused and a frame of the
network is an anomaly; in both cases nothing changes. The drawings leave out what leads nowhere.
§ numbers are sections of the protocol sheet.
"""

Rows = Mapping[enum.Enum, Mapping[enum.Enum, enum.Enum]]


@frozen
class Table:
    """One lifecycle as the code has it."""

    module: ModuleType
    name: str
    rows: Rows

    @property
    def states(self) -> type[enum.Enum]:
        return type(next(iter(self.rows)))

    @property
    def inputs(self) -> type[enum.Enum]:
        return type(next(moved_by for row in self.rows.values() for moved_by in row))

    @property
    def first(self) -> enum.Enum:
        return next(iter(self.states))

    def leads_nowhere(self, state: enum.Enum) -> bool:
        """Whether nothing leads out of this state."""
        return set(self.rows[state].values()) <= {state}


def tables() -> list[Table]:
    """Every table of the core, by the module that writes it down."""
    names = [each.name for each in pkgutil.walk_packages(talkwire.__path__, "talkwire.")]
    return [table for name in sorted(names) for table in _tables_of(importlib.import_module(name))]


def _tables_of(module: ModuleType) -> Iterator[Table]:
    written = [name for name, _ in _assigned(ast.parse(inspect.getsource(module)))]
    for name in written:
        value: Any = getattr(module, name)
        if _is_table(value):
            yield Table(module, name, value)


def _is_table(value: Any) -> TypeGuard[Rows]:
    if not isinstance(value, Mapping) or not value:
        return False
    return all(
        isinstance(state, enum.Enum)
        and isinstance(row, Mapping)
        and all(isinstance(leads_to, enum.Enum) for leads_to in row.values())
        for state, row in value.items()
    )


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def explained(states: type[enum.Enum]) -> dict[str, str]:
    """What the code says under each member of an enum, by the member's name."""
    (tree,) = ast.parse(inspect.getsource(states)).body
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for node, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                found[node.targets[0].id] = " ".join(str(after.value.value).split())
    return found


def remarks(table: Table) -> dict[tuple[str, str], str]:
    """The comment behind each row, by the names of state and input."""
    source = inspect.getsource(table.module)
    lines = source.splitlines()
    written = dict(_assigned(ast.parse(source)))[table.name]
    assert isinstance(written, ast.Dict)
    found: dict[tuple[str, str], str] = {}
    for state, row in zip(written.keys, written.values, strict=True):
        assert isinstance(state, ast.Attribute) and isinstance(row, ast.Dict)
        for moved_by, leads_to in zip(row.keys, row.values, strict=True):
            assert isinstance(moved_by, ast.Attribute)
            _, _, remark = lines[leads_to.lineno - 1].partition("  # ")
            if remark:
                found[state.attr, moved_by.attr] = remark
    return found


# -- the page


def page() -> str:
    """The whole page, as it should be."""
    return "\n".join([OPENING, *(_section(table) for table in tables())])


def _section(table: Table) -> str:
    module = table.module.__name__.removeprefix("talkwire.").replace(".", "/")
    parts = [
        f"## {table.states.__name__}",
        f"{inspect.getdoc(table.states)} (`{table.name}` in `{module}.py`)",
        _drawing(table),
        _states(table),
        _grid(table),
    ]
    return "\n\n".join([*parts, *_remarks(table)]) + "\n"


def _drawing(table: Table) -> str:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {table.first.value}"]
    for state, row in table.rows.items():
        for moved_by, leads_to in row.items():
            if leads_to is not state:
                lines.append(f"    {state.value} --> {leads_to.value}: {moved_by.value}")
        if table.leads_nowhere(state):
            lines.append(f"    {state.value} --> [*]")
    return "\n".join([*lines, "```"])


def _states(table: Table) -> str:
    words = explained(table.states)
    return "\n".join(f"- **{state.value}**: {words[state.name]}" for state in table.states)


def _grid(table: Table) -> str:
    heads = [f"**{state.value}**" for state in table.states]
    lines = [_line(["", *heads]), _line(["---"] * (len(heads) + 1))]
    for moved_by in table.inputs:
        targets = [table.rows[state].get(moved_by) for state in table.states]
        lines.append(_line([moved_by.value, *("" if t is None else t.value for t in targets)]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _remarks(table: Table) -> list[str]:
    lines: list[str] = []
    inputs, states = table.inputs, table.states
    for moved_by, words in explained(inputs).items():
        lines.append(f"- {inputs[moved_by].value}: {words}")
    for (state, moved_by), words in remarks(table).items():
        lines.append(f"- in {states[state].value}, {inputs[moved_by].value}: {words}")
    return ["Remarks:\n\n" + "\n".join(lines)] if lines else []


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
