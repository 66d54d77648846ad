"""What one frame to the service costs, from your call to the text that leaves.

Audio is PCM16 at 24 kHz, 20 and 100 ms of it. talkwire's cost is the call with its checks and
books, and `next_frame`; the function outputs and the `response.create`s are each of a session of
its own, because a call is answered once and one response runs at a time. A round sends each frame
many times; what leads up to it is not timed.
"""

import base64
import json
import random
import statistics
from collections.abc import Callable, Mapping
from functools import partial

import orjson
import pybase64

from talkwire import DIRECT, Session, commands

from .corpus import turn
from .measure import Prepare, Report, Step, Table, Target, Times, always, measure, ratio
from .peers import Peer, installed

OURS = "talkwire"
_TIMES = 100
_CREATE = "response.create"
_FLOOR = "pybase64 alone"
_OUTPUT = json.dumps({"city": "Rome", "report": "Sunny, a light breeze from the sea. " * 9})
_TURN = turn(audio=False)
_CALLED = [frame for frame in _TURN.frames if not frame.split('"')[3].endswith(".delta")]


def _repeat(work: Callable[[], object]) -> Step:
    def step() -> None:
        for _ in range(_TIMES):
            work()

    return step


def _append(pcm: bytes) -> dict[str, Prepare]:
    kind = "input_audio_buffer.append"
    session = _session()

    def ours() -> None:
        session.send_audio(pcm, now=1.0)
        session.next_frame()

    def with_orjson() -> bytes:
        return orjson.dumps({"type": kind, "audio": pybase64.b64encode_as_string(pcm)})

    def with_json() -> str:
        return json.dumps({"type": kind, "audio": base64.b64encode(pcm).decode()})

    steps: dict[str, Callable[[], object]] = {
        OURS: ours,
        _FLOOR: partial(pybase64.b64encode, pcm),
        "orjson + pybase64": with_orjson,
        "json.dumps + base64": with_json,
    }
    found = {name: always(_repeat(work)) for name, work in steps.items()}
    return found | _of_peers(lambda peer: peer.append(pcm, _TIMES))


def _function_output() -> dict[str, Prepare]:
    item = {"type": "function_call_output", "call_id": _TURN.call_id, "output": _OUTPUT}
    command = {"type": "conversation.item.create", "item": item}

    def ours(session: Session) -> None:
        session.send_function_result(_TURN.call_id, _OUTPUT, respond=False, now=1.0)
        session.next_frame()

    found = {OURS: _on_sessions(ours, *_CALLED)} | _dumps(command)
    return found | _of_peers(lambda peer: peer.function_output(_OUTPUT, _TIMES))


def _response_create() -> dict[str, Prepare]:
    def ours(session: Session) -> None:
        session.send(commands.ResponseCreate(), now=1.0)
        session.next_frame()

    found = {OURS: _on_sessions(ours)} | _dumps({"type": _CREATE})
    return found | _of_peers(lambda peer: peer.response_create(_TIMES))


def _session(*frames: str) -> Session:
    session = Session(plane=DIRECT, now=0.0)
    for frame in frames or _TURN.frames[:1]:
        session.receive(frame, now=0.5)
    while session.next_frame() is not None:
        pass
    return session


def _on_sessions(work: Callable[[Session], object], *frames: str) -> Prepare:
    def prepare() -> Step:
        sessions = [_session(*frames) for _ in range(_TIMES)]

        def step() -> None:
            for session in sessions:
                work(session)

        return step

    return prepare


def _dumps(command: Mapping[str, object]) -> dict[str, Prepare]:
    return {
        "orjson.dumps": always(_repeat(partial(orjson.dumps, command))),
        "json.dumps": always(_repeat(partial(json.dumps, command))),
    }


def _of_peers(send: Callable[[Peer], Step | None]) -> dict[str, Prepare]:
    found = {peer.distribution: send(peer) for peer in installed()}
    return {name: always(step) for name, step in found.items() if step is not None}


def _table(title: str, times: Times) -> Table:
    rows = []
    for name in sorted(times, key=lambda name: statistics.median(times[name])):
        each = statistics.median(times[name]) / _TIMES / 1000
        rows.append([name, f"{each:.2f}", f"{ratio(times, name, OURS):.2f} x"])
    note = "openai-agents: without the gate, which waits in a task of its own."
    return Table(
        title=f"Send: {title}",
        columns=["", "µs/frame", "talkwire = 1"],
        rows=rows,
        note=note if title == _CREATE and "openai-agents" in times else "",
    )


def run(rounds: int) -> Report:
    jobs = {
        "append, 20 ms": _append(random.Random(1).randbytes(960)),
        "append, 100 ms": _append(random.Random(2).randbytes(4800)),
        f"function output of {len(_OUTPUT)} bytes": _function_output(),
        _CREATE: _response_create(),
    }
    tables, targets = [], []
    for title, steps in jobs.items():
        times = measure(steps, rounds)
        tables.append(_table(title, times))
        if title == "append, 20 ms":
            targets.append(Target(f"{title} / {_FLOOR}", ratio(times, OURS, _FLOOR), 2.5))
    return Report(tables=tables, targets=targets)
