"""How everything here is measured, and how it is printed.

One process, equal rounds, the order shuffled in each, thread time, and for every comparison the
median of the per-round ratios. Absolute times drift with the machine; the ratios hold.
"""

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from attrs import frozen

Step = Callable[[], object]
"""Does the work of one round; this is what is timed."""

Prepare = Callable[[], Step]
"""Makes a round's step ready, untimed."""


def always(step: Step) -> Prepare:
    """A step that needs no preparation."""
    return lambda: step


Times = dict[str, list[int]]
"""Nanoseconds of thread time of each round, by the step's name."""

_WARM_UP = 20


@contextmanager
def _quiet_heap() -> Iterator[None]:
    """Keep what was imported out of the garbage collector's rounds; it stays on."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _thread_time(_: str) -> int:
    return time.thread_time_ns()


def measure(
    steps: Mapping[str, Prepare], rounds: int, *, clock: Callable[[str], int] = _thread_time
) -> Times:
    """Run every step once a round, in a new order each time. `clock` gives a step's time (ns)."""
    times: Times = {name: [] for name in steps}
    names = list(steps)
    shuffled = random.Random(1)
    with _quiet_heap():
        for number in range(-_WARM_UP, rounds):
            shuffled.shuffle(names)
            for name in names:
                step = steps[name]()
                started = clock(name)
                step()
                spent = clock(name) - started
                if number >= 0:
                    times[name].append(spent)
    return times


def median_us(times: Times, name: str) -> float:
    """Microseconds of a round: the median."""
    return statistics.median(times[name]) / 1000


def ratio(times: Times, one: str, other: str) -> float:
    """How many times as long `one` takes as `other`: the median of the rounds."""
    return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))


@frozen
class Target:
    """A figure that shall be reached: `value` at most `limit`, or at least with `at_least`."""

    name: str
    value: float | None
    limit: float
    unit: str = "x"
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        good = self.value >= self.limit if self.at_least else self.value <= self.limit
        return "pass" if good else "MISS"

    def row(self) -> list[str]:
        sign = "≥" if self.at_least else "≤"
        value = "-" if self.value is None else f"{self.value:,.{2 if self.unit == 'x' else 0}f}"
        limit = f"{sign} {self.limit:,g} {self.unit}"
        return [self.name, f"{value} {self.unit}", limit, self.verdict]


@frozen
class Table:
    """A heading, a row of column names, rows, and what to know about them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def text(self) -> str:
        """For a terminal: the first column to the left, figures to the right."""
        lines = [self.columns, *self.rows]
        widths = [max(len(row[index]) for row in lines) for index in range(len(self.columns))]
        padded = (
            "  ".join(
                cell.rjust(width) if index else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in lines
        )
        return "\n".join(["", self.title, *padded, *([self.note] if self.note else [])])

    def markdown(self) -> str:
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = ["| " + " | ".join(row) + " |" for row in (self.columns, rule, *self.rows)]
        note = ["", self.note] if self.note else []
        return "\n".join([f"### {self.title}", "", *lines, *note, ""])


@frozen
class Report:
    """What one benchmark has to say."""

    tables: Sequence[Table]
    targets: Sequence[Target] = ()
