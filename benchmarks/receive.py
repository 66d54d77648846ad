"""What one event costs: `Session.receive` beside the bare JSON decoders and the peers.

Every candidate reads the same frames, one turn a round. talkwire's step is a new session, each
frame received and the answers drained: it decodes, types, keeps the books and decides what to
send. Most others only decode.
"""

import json
import statistics
from collections.abc import Callable, Sequence

import msgspec
import orjson
import pybase64

from talkwire import DIRECT, RELAY, Plane, Session, events

from .corpus import turn
from .measure import Report, Step, Table, Target, Times, measure, ratio

OURS = "talkwire"


def _relay(frames: Sequence[str]) -> Step:
    def step() -> None:
        session = Session(plane=RELAY, now=0.0)
        for frame in frames:
            session.receive(frame, now=1.0)
            while session.next_frame() is not None:
                pass

    return step


def _direct(frames: Sequence[str]) -> Step:
    """The same, and the PCM of every piece of sound in hand."""

    def step() -> int:
        heard = 0
        session = Session(plane=DIRECT, now=0.0)
        for frame in frames:
            for event in session.receive(frame, now=1.0):
                if type(event) is events.ResponseOutputAudioDelta:
                    heard += len(event.delta)
            while session.next_frame() is not None:
                pass
        return heard

    return step


def _decoding(decode: Callable[[str], object], frames: Sequence[str]) -> Step:
    def step() -> None:
        for frame in frames:
            decode(frame)

    return step


def _orjson_and_pcm(frames: Sequence[str]) -> Step:
    def step() -> None:
        for frame in frames:
            event = orjson.loads(frame)
            if event["type"] == "response.output_audio.delta":
                pybase64.b64decode(event["delta"], validate=True)

    return step


def steps(plane: Plane, frames: Sequence[str]) -> dict[str, Step]:
    found: dict[str, Step] = {
        OURS: _direct(frames) if plane.carries_audio else _relay(frames),
        "json.loads": _decoding(json.loads, frames),
        "msgspec to dict": _decoding(msgspec.json.Decoder().decode, frames),
        "orjson.loads": _decoding(orjson.loads, frames),
    }
    if plane.carries_audio:
        found["orjson + pybase64"] = _orjson_and_pcm(frames)
    return found


def _table(plane: Plane, frames: Sequence[str], times: Times) -> Table:
    mean = sum(map(len, frames)) / len(frames)
    rows = []
    for name in sorted(times, key=lambda name: statistics.median(times[name])):
        each = statistics.median(times[name]) / len(frames) / 1000
        rows.append(
            [
                name,
                f"{each:.2f}",
                f"{1e6 / each:,.0f}",
                f"{ratio(times, name, 'orjson.loads'):.2f} x",
                "-" if name == OURS else f"{ratio(times, name, OURS):.2f} x",
            ]
        )
    return Table(
        title=f"Receive, {plane.name}: {len(frames)} frames a turn, {mean:,.0f} bytes each",
        columns=["", "µs/event", "events/s", "orjson's time", "talkwire is faster by"],
        rows=rows,
    )


def run(rounds: int) -> Report:
    tables, targets = [], []
    for plane, limit in ((RELAY, 1.6), (DIRECT, 1.4)):
        frames = turn(audio=plane.carries_audio).frames
        times = measure(steps(plane, frames), rounds)
        tables.append(_table(plane, frames, times))
        name = f"{plane.name} step / orjson.loads"
        targets.append(Target(name, ratio(times, OURS, "orjson.loads"), limit))
        if plane is RELAY:
            faster = ratio(times, "json.loads", OURS)
            targets.append(Target("json.loads / relay step", faster, 1.5, at_least=True))
    return Report(tables=tables, targets=targets)
