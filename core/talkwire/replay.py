"""Play a recording once more: the same session, the same inputs, and are the bytes the same?"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, cast

from attrs import define, evolve, field, frozen
from msgspec import UNSET

from .errors import UnreadableError
from .hop import PageEvent
from .lines import Header, Line, given, read_header, read_line
from .realtime.happenings import Event
from .realtime.json_values import JsonObject
from .realtime.session import Session
from .realtime.wire import encode
from .recording import inputs
from .relay import Relay


@frozen(kw_only=True)
class Difference:
    """Where a replay first parts from its recording. A frame is None where there was none."""

    line: int
    """In the recording; the first is 1."""
    expected: str | None
    got: str | None


@frozen(kw_only=True)
class Step:
    """One input, and what came of it."""

    line: int
    call: str
    now: float | None
    events: Sequence[Event | PageEvent] = ()
    refusal: str | None = None
    """What was raised, if anything was."""


@define(kw_only=True)
class Replay:
    """A recording that was played to its end."""

    protocol: Session | Relay
    """As it stands at the end."""
    talkwire: str
    """The version that recorded."""
    started: float
    steps: list[Step] = field(factory=list[Step])
    frames: int = 0
    """How many frames left."""
    difference: Difference | None = None
    cut: bool = False
    """The last line is not whole: whoever recorded did not get to its end."""

    @property
    def session(self) -> Session:
        return self.protocol.session if isinstance(self.protocol, Relay) else self.protocol


def replay(lines: Iterable[str]) -> Replay:
    """Play a recording again, line by line.

    Raises UnreadableError for what is no recording, or none that this version can play.
    """
    header, played, cut = _read(lines)
    made = deque(line.id for _, line in played if line.id is not UNSET)
    protocol = _resume(header, made)
    result = Replay(protocol=protocol, talkwire=header.talkwire, started=header.now, cut=cut)
    for number, line in played:
        target = protocol if line.on is UNSET else result.session
        if line.call is not UNSET:
            result.steps.append(_step(target, number, line))
        elif line.out is not UNSET:
            _take_out(result, target, number, line)
    return result


def _read(lines: Iterable[str]) -> tuple[Header, list[tuple[int, Line]], bool]:
    """The header, the other lines with their numbers, and whether the last one is cut off."""
    texts = [(number, text) for number, text in enumerate(lines, 1) if text.strip()]
    header = read_header(texts[0][1] if texts else "")
    read: list[tuple[int, Line]] = []
    for number, text in texts[1:]:
        try:
            read.append((number, read_line(text)))
        except (ValueError, RecursionError) as error:
            if number == texts[-1][0] and not text.endswith("\n"):
                return header, read, True
            raise _unreadable(number, error) from error
    return header, read, False


def _unreadable(number: int, why: object) -> UnreadableError:
    return UnreadableError(f"line {number} of the recording: {why}")


def _resume(header: Header, made: deque[str]) -> Session | Relay:
    def ids(kind: str) -> str:
        return made.popleft() if made else kind  # there are too few where the end is cut off

    kind = Relay if header.of == "relay" else Session
    snapshot = bytes(header.snapshot).decode()
    return kind.resume(snapshot, now=0.0, ids=ids if header.ids else None)


def _step(target: Session | Relay, number: int, line: Line) -> Step:
    call = str(line.call)
    if call not in inputs(target):
        raise _unreadable(number, f"{call!r} is no input")
    args, options = _arguments(number, line)
    step = Step(line=number, call=call, now=options.get("now"))
    try:
        result: Any = getattr(target, call)(*args, **options)
    except Exception as error:  # whatever it is, it was raised then as well
        return evolve(step, refusal=str(error))
    return evolve(step, events=cast(list[Event], result)) if isinstance(result, list) else step


def _arguments(number: int, line: Line) -> tuple[list[Any], JsonObject]:
    try:
        args = [given(each) for each in line.args]
        return args, {name: given(each) for name, each in line.options.items()}
    except (TypeError, ValueError, RecursionError) as error:
        raise _unreadable(number, error) from error


def _take_out(result: Replay, target: Session | Relay, number: int, line: Line) -> None:
    """Take out what was taken out here, and compare."""
    if isinstance(line.out, list):
        expected = line.out
        got = [encode(each) for each in result.session.session_init_data()]
    else:
        frame = target.next_frame()
        expected = [] if line.out is None else [str(line.out)]
        got = [] if frame is None else [frame]
    result.frames += len(got)
    if result.difference is None and got != expected:
        result.difference = Difference(
            line=number, expected="\n".join(expected) or None, got="\n".join(got) or None
        )
