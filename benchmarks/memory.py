"""What a session holds in memory: idle, after a turn, and after a call of 1,000 turns.

Bytes that Python allocated and still holds (tracemalloc), of many objects made alike. Frames and
events are let go of, so what is left is what the object keeps: for talkwire the conversation, and
no more than the newest items of it with `retain`. The transport and the application come on top.
"""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from talkwire import DIRECT, RELAY, Plane, Session

from .corpus import Turn, answer, turn
from .measure import Report, Table, Target
from .peers import installed

_ALIKE = 50
_TURNS = 1000
_RETAIN = 50
_ANSWER = '{"report":"Sunny, 24 degrees, a light breeze from the sea."}'


def _held(make: Callable[[], object]) -> float:
    """The bytes that one of what `make` makes holds."""
    for _ in range(3):  # what is made once, at first use, is not of one session
        make()
    with _tracing():
        kept: list[object] = [None] * _ALIKE
        before = _now()
        for index in range(_ALIKE):
            kept[index] = make()
        return (_now() - before) / _ALIKE


@contextmanager
def _tracing() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def _now() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _idle() -> Session:
    return Session(plane=RELAY, now=0.0)


def _after_a_turn(plane: Plane) -> Callable[[], Session]:
    frames = turn(audio=plane.carries_audio).frames

    def make() -> Session:
        session = Session(plane=plane, now=0.0)
        _hear(session, frames, 1.0)
        return session

    return make


def _hear(session: Session, frames: list[str], now: float) -> None:
    for frame in frames:
        session.receive(frame, now=now)
        _drain(session)


def _drain(session: Session) -> list[str]:
    sent = []
    while (frame := session.next_frame()) is not None:
        sent.append(frame)
    return sent


def _call(session: Session) -> Iterator[None]:
    """A long call, turn by turn: a question, a function call, its answer, a spoken reply."""
    last: str | None = None
    for number in range(_TURNS):
        now = 4.0 * number
        asked = turn(audio=False, number=2 * number, after=last, opening=number == 0)
        _hear(session, asked.frames, now)
        session.send_function_result(asked.call_id, _ANSWER, now=now + 1.0)
        replied: Turn = answer(_drain(session), 2 * number + 1, after=asked.last_item)
        _hear(session, replied.frames, now + 2.0)
        last = replied.last_item
        del asked, replied  # frames are not the session's
        yield


def _growth(make: Callable[[], Session]) -> tuple[int, float]:
    """Bytes after the call, and how many each turn of its second half added."""
    with _tracing():
        before = _now()
        session = make()
        half = 0
        for number, _ in enumerate(_call(session), start=1):
            if number == _TURNS // 2:
                half = _now()
        whole = _now()
        del session
        return whole - before, (whole - half) / (_TURNS - _TURNS // 2)


def _objects() -> tuple[dict[str, float], list[list[str]]]:
    ours = {
        "talkwire Session, idle": _held(_idle),
        "talkwire Session, after a relay turn": _held(_after_a_turn(RELAY)),
        "talkwire Session, after a direct turn": _held(_after_a_turn(DIRECT)),
    }
    frames = turn(audio=False).frames
    peers = {
        name: _held(make) for peer in installed() for name, make in peer.objects(frames).items()
    }
    return ours, [[name, f"{held:,.0f}"] for name, held in (ours | peers).items()]


def run(rounds: int) -> Report:
    """Memory is counted, not timed: `rounds` changes nothing."""
    ours, objects = _objects()
    kept, growth = _growth(lambda: Session(plane=RELAY, now=0.0))
    some, flat = _growth(lambda: Session(plane=RELAY, now=0.0, retain=_RETAIN))
    calls = [
        ["everything kept", f"{kept:,}", f"{growth:,.0f}"],
        [f"retain={_RETAIN}", f"{some:,}", f"{flat:,.0f}"],
    ]
    idle, relay, _ = ours.values()
    return Report(
        tables=[
            Table("Memory of one session", ["", "bytes"], objects),
            Table(
                f"Memory after a call of {_TURNS:,} turns, each with a function call",
                ["talkwire Session", "bytes", "bytes a turn, second half"],
                calls,
            ),
        ],
        targets=[
            Target("idle session", idle, 256, "B"),
            Target("after a relay turn", relay, 4000, "B"),
            Target(f"growth a turn with retain={_RETAIN}", flat, 1, "B"),
        ],
    )
