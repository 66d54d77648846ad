"""Where the floor is: what reading a relay turn costs before any book is kept.

The same frames, decoded only, by what the core could be built on. The core's events are attrs
classes, so its floor is the row `events as attrs`, and with its two doors `doors without books`;
`one union of structs` is what events as `msgspec.Struct`s in one tagged union would start from.
"""

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Union, get_args

import msgspec
import orjson
from attrs import NOTHING, fields
from msgspec import Raw

from talkwire import RELAY
from talkwire.realtime.events import ServerEvent
from talkwire.realtime.wire import decode_event, wire_type

from .corpus import turn
from .measure import Prepare, Report, Table, always, measure, ratio


def _struct(event: type[Any], tagged: bool) -> type[Any]:
    """The same event as a struct, its type a tag or a field."""
    of = [f for f in fields(event) if not (tagged and f.name == "type")]
    rows = [(f.name, f.type) if f.default is NOTHING else (f.name, f.type, f.default) for f in of]
    tag = wire_type(event) if tagged else None
    return msgspec.defstruct(event.__name__, rows, frozen=True, kw_only=True, tag=tag)


def _by_hint(frames: Sequence[str]) -> Callable[[], object]:
    known = {
        wire_type(event): msgspec.json.Decoder(_struct(event, tagged=False)).decode
        for event in get_args(ServerEvent)
    }

    def read() -> None:
        for frame in frames:
            known[frame[9 : frame.find('"', 9)]](frame)

    return read


class _Doors:
    """`Session`'s doors, and nothing behind them."""

    def receive(self, frame: str, *, now: float) -> list[object]:
        return [decode_event(frame)]

    def next_frame(self) -> str | None:
        return None


def _without_books(frames: Sequence[str]) -> None:
    doors = _Doors()
    for frame in frames:
        doors.receive(frame, now=1.0)
        while doors.next_frame() is not None:
            pass


def _each(decode: Callable[[str], object], frames: Sequence[str]) -> None:
    for frame in frames:
        decode(frame)


def run(rounds: int) -> Report:
    frames = turn(audio=False).frames
    structs = [_struct(event, tagged=True) for event in get_args(ServerEvent)]
    union = msgspec.json.Decoder(Union[tuple(structs)]).decode  # noqa: UP007
    steps: dict[str, Prepare] = {
        "structure only (Raw)": always(partial(_each, msgspec.json.Decoder(Raw).decode, frames)),
        "one union of structs": always(partial(_each, union, frames)),
        "a struct for each type": always(_by_hint(frames)),
        "events as attrs (talkwire's)": always(partial(_each, decode_event, frames)),
        "doors without books": always(partial(_without_books, frames)),
        "orjson.loads": always(partial(_each, orjson.loads, frames)),
    }
    times = measure(steps, rounds)
    rows = [
        [
            name,
            f"{statistics.median(each) / len(frames) / 1000:.2f}",
            f"{ratio(times, name, 'orjson.loads'):.2f} x",
        ]
        for name, each in times.items()
    ]
    table = Table(
        title=f"The floor, {RELAY.name}: decoding alone",
        columns=["", "µs/event", "orjson.loads = 1"],
        rows=rows,
        note="The books come on top, as calls of Python functions: a tenth of a microsecond each "
        "in a warm loop and two tenths in a cold one.",
    )
    return Report(tables=[table])
