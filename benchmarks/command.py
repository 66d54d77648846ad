"""One command: run the benchmarks, print their tables, with --write keep them."""

import argparse
from collections.abc import Callable, Mapping

from .measure import Report, Table, Target
from .page import Page, machine


def _arguments(prog: str, benchmarks: Mapping[str, object], page: Page) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {prog}", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=benchmarks, help="these, not all")
    parser.add_argument("--rounds", type=int, default=200, help="of each comparison (200)")
    parser.add_argument("--write", action="store_true", help=f"write docs/{page.file.name} too")
    arguments = parser.parse_args()
    if arguments.write and arguments.only:
        parser.error("--write is for the whole page: leave --only away")
    return arguments


def _targets(targets: list[Target]) -> Table:
    columns = ["target", "measured", "wanted", ""]
    return Table("Targets", columns, [target.row() for target in targets])


def main(prog: str, benchmarks: Mapping[str, Callable[[int], Report]], page: Page) -> None:
    arguments = _arguments(prog, benchmarks, page)
    print(f"{machine()}, {arguments.rounds} rounds")
    tables: list[Table] = []
    targets: list[Target] = []
    for name in arguments.only or benchmarks:
        report = benchmarks[name](arguments.rounds)
        for table in report.tables:
            print(table.text(), flush=True)
        tables += report.tables
        targets += report.targets
    if targets:
        summary = _targets(targets)
        print(summary.text())
        tables.insert(0, summary)
    if arguments.write:
        print(f"\nwritten: {page.write(tables, arguments.rounds)}")
