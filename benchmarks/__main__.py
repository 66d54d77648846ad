"""The one command: runs the benchmarks, prints their tables, and with `--write` the page."""

import argparse
import platform

from . import by_type, receive
from .measure import Table, Target

BENCHMARKS = {"receive": receive.run, "profile": by_type.run}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=200, help="equal rounds of each comparison")
    return parser.parse_args()


def _targets(targets: list[Target]) -> Table:
    columns = ["target", "measured", "wanted", ""]
    return Table("Targets", columns, [target.row() for target in targets])


def main() -> None:
    arguments = _arguments()
    print(f"Python {platform.python_version()}, {platform.machine()}, {arguments.rounds} rounds")
    targets: list[Target] = []
    for name in arguments.only:
        report = BENCHMARKS[name](arguments.rounds)
        for table in report.tables:
            print(table.text())
        targets += report.targets
    if targets:
        print(_targets(targets).text())


main()
