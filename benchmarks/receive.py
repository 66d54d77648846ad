"""What one event costs: `Session.receive` beside the bare JSON decoders and the peers.

Every candidate reads the same frames, one turn a round. talkwire's step is a new session, each
frame received and the answers drained: it decodes, types, keeps the books and decides what to
send; on the direct mix the PCM of every piece of sound is then in hand. openai-agents does the
same work; the others only parse, and of them all only talkwire and openai-agents decode sound.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import orjson
import pybase64

from talkwire import DIRECT, RELAY, Plane, Session, events

from .corpus import turn
from .measure import Prepare, Report, Table, Target, Times, always, measure, ratio
from .peers import AG2, Agents, absent, installed

OURS = "talkwire"


def _relay(frames: Sequence[str]) -> None:
    session = Session(plane=RELAY, now=0.0)
    for frame in frames:
        session.receive(frame, now=1.0)
        while session.next_frame() is not None:
            pass


def _direct(frames: Sequence[str]) -> int:
    heard = 0
    session = Session(plane=DIRECT, now=0.0)
    for frame in frames:
        for event in session.receive(frame, now=1.0):
            if type(event) is events.ResponseOutputAudioDelta:
                heard += len(event.delta)
        while session.next_frame() is not None:
            pass
    return heard


def _decoding(decode: Callable[[str], object]) -> Callable[[Sequence[str]], object]:
    def read(frames: Sequence[str]) -> None:
        for frame in frames:
            decode(frame)

    return read


def _orjson_and_pcm(frames: Sequence[str]) -> int:
    heard = 0
    for frame in frames:
        event = orjson.loads(frame)
        if event["type"] == "response.output_audio.delta":
            heard += len(pybase64.b64decode(event["delta"], validate=True))
    return heard


def _steps(plane: Plane, frames: Sequence[str]) -> dict[str, Prepare]:
    readers: dict[str, Callable[[Sequence[str]], object]] = {
        OURS: _direct if plane.carries_audio else _relay,
        "json.loads": _decoding(json.loads),
        "msgspec to dict": _decoding(msgspec.json.Decoder().decode),
        "orjson.loads": _decoding(orjson.loads),
    }
    if plane.carries_audio:
        readers["orjson + pybase64"] = _orjson_and_pcm
    steps = {name: always(partial(read, frames)) for name, read in readers.items()}
    return steps | {peer.title: always(peer.receive(frames)) for peer in installed()}


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
                f"{ratio(times, name, OURS):.2f} x",
            ]
        )
    rows += [[title, "not installed", "", "", ""] for title in absent()]
    return Table(
        title=f"Receive, {plane.name}: {len(frames)} frames a turn, {mean:,.0f} bytes each",
        columns=["", "µs/event", "events/s", "orjson.loads = 1", "talkwire = 1"],
        rows=rows,
    )


def _targets(plane: Plane, times: Times) -> list[Target]:
    def against(other: str, limit: float) -> Target:
        value = ratio(times, other, OURS) if other in times else None
        return Target(f"{other} / {plane.name} step", value, limit, at_least=True)

    limit = 1.4 if plane.carries_audio else 1.6
    name = f"{plane.name} step{' with PCM' if plane.carries_audio else ''} / orjson.loads"
    targets = [Target(name, ratio(times, OURS, "orjson.loads"), limit)]
    if not plane.carries_audio:
        targets.append(against("json.loads", 1.5))
    return [*targets, against(Agents.title, 13), against(AG2.title, 2.5)]


def run(rounds: int) -> Report:
    tables: list[Table] = []
    targets: list[Target] = []
    for plane in (RELAY, DIRECT):
        frames = turn(audio=plane.carries_audio).frames
        times = measure(_steps(plane, frames), rounds)
        tables.append(_table(plane, frames, times))
        targets += _targets(plane, times)
    return Report(tables=tables, targets=targets)
