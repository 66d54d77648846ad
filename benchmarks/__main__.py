"""The one command: run the benchmarks, print their tables, with --write keep them."""

import argparse

from . import by_type, floor, memory, page, receive, send
from .measure import Table, Target

BENCHMARKS = {
    "receive": receive.run,
    "send": send.run,
    "memory": memory.run,
    "floor": floor.run,
    "profile": by_type.run,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, help="these, not all")
    parser.add_argument("--rounds", type=int, default=200, help="of each comparison (200)")
    parser.add_argument("--write", action="store_true", help=f"write docs/{page.PAGE.name} too")
    arguments = parser.parse_args()
    if arguments.write and arguments.only:
        parser.error("--write is for the whole page: leave --only away")
    return arguments


def _targets(targets: list[Target]) -> Table:
    columns = ["target", "measured", "wanted", ""]
    return Table("Targets", columns, [target.row() for target in targets])


def main() -> None:
    arguments = _arguments()
    print(f"{page.machine()}, {arguments.rounds} rounds")
    tables: list[Table] = []
    targets: list[Target] = []
    for name in arguments.only or BENCHMARKS:
        report = BENCHMARKS[name](arguments.rounds)
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


main()
