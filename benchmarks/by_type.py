"""Where a turn's time goes: the receive step of each event type, beside its decoding alone.

Frame by frame, in order, because what a frame costs depends on those before it. Times are wall
clock (a frame is too short for the thread's clock), the median over the rounds of each frame,
the clock's own cost taken off; the sum of a type's frames is what a turn spends on it. "calls"
are the Python functions that a frame enters: the one figure here that no other load can disturb.
"""

import json
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

import orjson

from talkwire import DIRECT, RELAY, Plane, Session
from talkwire.realtime.wire import decode_event

from .corpus import turn
from .measure import Report, Table

Read = Callable[[str], object]
Open = Callable[[], Read]


def _session(plane: Plane) -> Open:
    def opened() -> Read:
        session = Session(plane=plane, now=0.0)
        receive, next_frame = session.receive, session.next_frame

        def read(frame: str) -> object:
            events = receive(frame, now=1.0)
            while next_frame() is not None:
                pass
            return events

        return read

    return opened


def _each(read: Read, frames: Sequence[str]) -> list[int]:
    """Nanoseconds of each frame."""
    clock = time.perf_counter_ns
    times = []
    for frame in frames:
        started = clock()
        read(frame)
        times.append(clock() - started)
    return times


def _calls(read: Read, frames: Sequence[str]) -> list[int]:
    """How many Python functions each frame enters, the reader itself apart."""
    counts: list[int] = []

    def entered(_frame: FrameType, event: str, _what: object) -> None:
        counts[-1] += event == "call"

    for frame in frames:
        counts.append(-1)
        sys.setprofile(entered)
        try:
            read(frame)
        finally:
            sys.setprofile(None)
    return counts


def _nothing(frame: str) -> None:
    pass


def profile(plane: Plane, frames: Sequence[str], rounds: int) -> Table:
    readers: dict[str, Open] = {
        "step": _session(plane),
        "decode": lambda: decode_event,
        "orjson": lambda: orjson.loads,
        "clock": lambda: _nothing,
    }
    found: dict[str, list[list[int]]] = {name: [] for name in readers}
    names = list(readers)
    shuffled = random.Random(1)
    for _ in range(rounds):
        shuffled.shuffle(names)
        for name in names:
            found[name].append(_each(readers[name](), frames))
    costs = {
        name: [statistics.median(frame) for frame in zip(*found[name], strict=True)]
        for name in names
    }
    clock = statistics.median(costs.pop("clock"))
    net = {name: [(each - clock) / 1000 for each in cost] for name, cost in costs.items()}
    return _table(plane, frames, net | {"calls": _calls(_session(plane)(), frames)})


def _table(plane: Plane, frames: Sequence[str], costs: Mapping[str, Sequence[float]]) -> Table:
    places: dict[str, list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        places[json.loads(frame)["type"]].append(index)
    whole = {name: sum(cost) for name, cost in costs.items()}
    rows = []
    for kind, where in places.items():
        total = {name: sum(cost[index] for index in where) for name, cost in costs.items()}
        rows.append((total["step"], _row(kind, len(where), total, whole["step"])))
    rows.append((0.0, _row("all", len(frames), whole, whole["step"])))
    return Table(
        title=f"Where the time goes: {plane.name}, µs a frame (median), share of the turn",
        columns=[
            "",
            "frames",
            "step",
            "decode",
            "books",
            "orjson",
            "step/orjson",
            "calls",
            "share",
        ],
        rows=[row for _, row in sorted(rows, key=lambda row: row[0], reverse=True)],
    )


def _row(kind: str, count: int, total: dict[str, float], turn_total: float) -> list[str]:
    step, decode, orjson_ = (total[name] / count for name in ("step", "decode", "orjson"))
    return [
        kind,
        str(count),
        f"{step:.2f}",
        f"{decode:.2f}",
        f"{step - decode:.2f}",
        f"{orjson_:.2f}",
        f"{step / orjson_:.1f} x",
        f"{total['calls'] / count:.0f}",
        f"{total['step'] / turn_total:.0%}",
    ]


def run(rounds: int) -> Report:
    return Report(
        tables=[
            profile(RELAY, turn(audio=False).frames, rounds),
            profile(DIRECT, turn(audio=True).frames, rounds),
        ]
    )
