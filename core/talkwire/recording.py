"""What went into a session and what came out of it, as lines of text; and the same once more.

A recording is JSONL. Its first line holds a snapshot of what is recorded, so it may begin at any
moment. Then, in order: every input before it is carried out, every id that a factory of yours
made, every frame taken out, and null where there was no more. The same inputs give the same bytes
(law 2), so whoever plays it again can tell whether they still do.

It holds prompts and transcripts, but neither the key of a call nor a page's ticket (S2, S13): they
are starred out where they go in and where they come out, so the replay needs no exception.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import msgspec
from msgspec import UNSET, Raw

from .lines import FORMAT, Header, Line, On, argument, written
from .realtime.ids import Counter, IdFactory
from .realtime.json_values import JsonObject
from .realtime.session import Session
from .realtime.wire import encode
from .relay import Relay
from .version import VERSION

# Shorter ones are stand-ins, and to star out such a word would star it out of the protocol too.
_SECRET_CHARACTERS = 8
_TICKET = re.compile(
    r'^(\s*\{\s*"type"\s*:\s*"talkwire\.hello".*"ticket"\s*:\s*")((?:[^"\\]|\\.)*)', re.M
)

Write = Callable[[str], object]
"""Takes one line, its newline included."""
Recorded = TypeVar("Recorded", Session, Relay)


def record(recorded: Recorded, write: Write, *, now: float) -> Recorded:
    """The same session or relay, all inputs and frames of which are also written, line by line.

    From now on use what is returned: what goes into `recorded` directly is not written, and the
    replay will differ. What `write` raises comes out of the call, before anything was done.
    """
    log, session = _Log(write), recorded.session if isinstance(recorded, Relay) else recorded
    log.begin(recorded, session, now)
    recording = Recording(recorded, log)
    if session is not recorded:
        recording.session = Recording(session, log, "session")
    if not isinstance(session.ids, Counter):  # whose state is in the snapshot
        session.ids = partial(_made, log, session.ids)
    return cast(Recorded, recording)


def _made(log: "_Log", ids: IdFactory, kind: str) -> str:
    made = ids(kind)
    log.write(Line(id=made))
    return made


_TELL = {"continuation", "next_frame", "next_timeout", "session_init_data", "snapshot"}


def _inputs(cls: type[Session | Relay]) -> frozenset[str]:
    """Whatever can be called and does not only tell, so that no new call is forgotten."""
    every = (row for base in cls.__mro__ for row in vars(base).items())
    calls = {name for name, value in every if callable(value)}
    return frozenset(name for name in calls - _TELL if not name.startswith("_"))


_SESSION, _RELAY = _inputs(Session), _inputs(Relay)


def inputs(recorded: Session | Relay) -> frozenset[str]:
    """The names of the calls that are written down."""
    return _RELAY if isinstance(recorded, Relay) else _SESSION


class Recording:
    """What `record` gives: the doors of a `Session` or `Relay`, and all else that it shows.

    It passes for the class that it records, so that a driver need not know.
    """

    __slots__ = ("_inputs", "_log", "_on", "_recorded", "session")

    session: Any

    def __init__(self, recorded: Session | Relay, log: "_Log", on: On = UNSET) -> None:
        self._recorded = recorded
        self._inputs = inputs(recorded)
        self._log = log
        self._on: On = on

    @property  # type: ignore[misc]
    def __class__(self) -> type[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self._recorded)

    def __getattr__(self, name: str) -> Any:
        if name in self._inputs:
            return partial(self._enter, name)
        return getattr(self._recorded, name)

    @property
    def ids(self) -> IdFactory:
        """Of a session: as there."""
        return cast(Session, self._recorded).ids

    @ids.setter
    def ids(self, ids: IdFactory) -> None:
        cast(Session, self._recorded).ids = ids

    def _enter(self, call: str, /, *args: Any, **options: Any) -> Any:
        self._log.enter(self._on, call, args, options)
        return getattr(self._recorded, call)(*args, **options)

    def next_frame(self) -> str | None:
        frame = self._recorded.next_frame()
        self._log.leave(self._on, frame)
        return frame

    def session_init_data(self) -> list[JsonObject]:
        objects: list[JsonObject] = cast(Session, self._recorded).session_init_data()
        self._log.leave(self._on, [encode(command) for command in objects])
        return objects


class _Log:
    """Writes the lines, without the secrets."""

    __slots__ = ("_drained", "_secrets", "_write")

    def __init__(self, write: Write) -> None:
        self._write = write
        self._secrets: dict[str, str] = {}
        self._drained: set[On] = set()

    def begin(self, recorded: Session | Relay, session: Session, now: float) -> None:
        snapshot = recorded.snapshot(now=0.0)  # times as they are: the replay has the same clock
        call: JsonObject | None = msgspec.json.decode(snapshot)["books"].get("_call")
        self._hide(None if call is None else call["key"])
        header = Header(
            recording=FORMAT,
            talkwire=VERSION,
            of="session" if session is recorded else "relay",
            now=now,
            ids=not isinstance(session.ids, Counter),
            snapshot=Raw(snapshot.encode()),
        )
        self.write(header)

    def enter(self, on: On, call: str, args: Sequence[Any], options: Mapping[str, Any]) -> None:
        if call == "open_call":
            self._hide(options.get("key", args[1] if len(args) > 1 else None))
        told = [argument(value) for value in args]
        if call == "receive" and told:
            told[0] = _without_ticket(args[0])
        named = {name: argument(value) for name, value in options.items()}
        self._drained.clear()
        self.write(Line(call=call, on=on, args=told, options=named))

    def leave(self, on: On, out: str | list[str] | None) -> None:
        """What was taken out; that there is no more is written once."""
        if out is not None or on not in self._drained:
            self.write(Line(out=out, on=on))
        (self._drained.add if out is None else self._drained.discard)(on)

    def write(self, line: Header | Line) -> None:
        text = written(line)
        for secret, stars in self._secrets.items():
            text = text.replace(secret, stars)
        self._write(text + "\n")

    def _hide(self, secret: object) -> None:
        """From now on: as it stands in JSON, and in JSON within JSON."""
        if isinstance(secret, str) and len(secret) >= _SECRET_CHARACTERS:
            within = json.dumps(secret, ensure_ascii=False)[1:-1]
            for form in (json.dumps(within, ensure_ascii=False)[1:-1], within):
                self._secrets[form] = "*" * len(secret)


def _without_ticket(message: Any) -> object:
    if isinstance(message, bytes):  # which may be no text; it survives this all the same
        text = message.decode(errors="surrogateescape")
        return argument(_TICKET.sub(_starred, text).encode(errors="surrogateescape"))
    return argument(_TICKET.sub(_starred, message) if isinstance(message, str) else message)


def _starred(ticket: re.Match[str]) -> str:
    return ticket[1] + "*" * len(ticket[2])
