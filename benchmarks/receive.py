"""What one event costs: `Session.receive` beside the bare JSON decoders, side by side.

    python benchmarks/receive.py [rounds]

One process, equal rounds, the order shuffled in each, thread time, median of per-round ratios.
Every candidate decodes the same frames; only talkwire's step also types them, keeps the books
and decides what to send.
"""

import importlib.util
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable

import msgspec
from corpus import turn

from talkwire import DIRECT, RELAY, Plane, Session

Step = Callable[[list[str]], None]


def talkwire(plane: Plane) -> Step:
    def step(frames: list[str]) -> None:
        session = Session(plane=plane, now=0.0)
        for frame in frames:
            session.receive(frame, now=1.0)
            while session.next_frame() is not None:
                pass

    return step


def decoding(decode: Callable[[str], object]) -> Step:
    def step(frames: list[str]) -> None:
        for frame in frames:
            decode(frame)

    return step


def candidates(plane: Plane) -> dict[str, Step]:
    found: dict[str, Step] = {
        "talkwire": talkwire(plane),
        "json.loads": decoding(json.loads),
        "msgspec to dict": decoding(msgspec.json.Decoder().decode),
    }
    if importlib.util.find_spec("orjson"):
        import orjson

        found["orjson.loads"] = decoding(orjson.loads)
    return found


def measure(frames: list[str], steps: dict[str, Step], rounds: int) -> dict[str, list[int]]:
    """Nanoseconds of thread time of each round, a turn each."""
    times: dict[str, list[int]] = {name: [] for name in steps}
    names = list(steps)
    shuffled = random.Random(1)
    for _ in range(rounds):
        shuffled.shuffle(names)
        for name in names:
            started = time.thread_time_ns()
            steps[name](frames)
            times[name].append(time.thread_time_ns() - started)
    return times


def table(name: str, frames: list[str], times: dict[str, list[int]]) -> None:
    mean = sum(map(len, frames)) / len(frames)
    print(f"\n{name}: {len(frames)} frames a turn, {mean:.0f} bytes each")
    print(f"{'':>16} {'us/event':>9} {'events/s':>10} {'talkwire is':>14}")
    ours = times["talkwire"]
    for candidate, theirs in times.items():
        each = statistics.median(theirs) / len(frames) / 1000
        ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
        print(f"{candidate:>16} {each:9.2f} {1e6 / each:10,.0f} {ratio:10.2f} x as fast")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"Python {platform.python_version()}, {platform.machine()}, {rounds} rounds")
    for name, plane, audio in (("relay", RELAY, False), ("direct", DIRECT, True)):
        frames = turn(audio=audio)
        steps = candidates(plane)
        measure(frames, steps, 20)
        table(name, frames, measure(frames, steps, rounds))


main()
