"""A `Session` and a `Service` with a wire in between that delivers when it is told to.

No I/O and no clock but `Pair.now`. What goes in is recorded, so that it can be played again.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field, frozen

from talkwire import (
    DIRECT,
    SIDEBAND,
    Command,
    Event,
    IdFactory,
    JsonObject,
    Plane,
    Session,
    counter,
)
from talkwire.realtime.engine import EngineRequest
from talkwire.realtime.service import Service
from talkwire.realtime.wire import encode
from talkwire.recording import record

# What the session does not drain for us: it ends, or hands its frames out in another way.
EMPTIES = frozenset({"receive_close", "close", "session_init_data"})
NEEDED = Session.needs()


@frozen
class Input:
    """One call on the session, as it was made."""

    method: str
    args: tuple[Any, ...]
    options: dict[str, Any]

    def to(self, session: Session) -> Any:
        return getattr(session, self.method)(*self.args, **self.options)


@define
class Pair:
    """Both ends. Frames wait in `to_service` and `to_session` until they are delivered."""

    plane: Plane = DIRECT
    settings: JsonObject = field(factory=dict[str, Any])
    now: float = 100.0
    on_sent: Callable[[str], None] = lambda frame: None
    """Hears every frame that leaves the session."""
    on_said: Callable[[str], None] = lambda frame: None
    """Hears every frame that the service says."""
    on_heard: Callable[[str, Sequence[Event]], None] = lambda frame, events: None
    """Hears every frame that reaches the session, and what it made of it ("" for no frame)."""
    on_request: Callable[[EngineRequest], None] = lambda request: None
    """Hears everything that the service asks of its engine."""
    connected: bool = True
    opened: bool = True
    """Whether the session is drained; not while a page is still opening its call."""
    to_service: deque[str] = field(factory=deque[str])
    to_session: deque[str] = field(factory=deque[str])
    inputs: list[Input] = field(factory=list[Input])
    results: list[Any] = field(factory=list[Any])
    """What each input returned, or the words of what it raised."""
    frames: list[str] = field(factory=list[str])
    """Every frame that left the session."""
    events: list[Event] = field(factory=list[Event])
    """Every event that the session returned."""
    requests: list[EngineRequest] = field(factory=list[EngineRequest])
    """What the service asked of its engine and nobody has taken yet."""
    ids: list[str] = field(factory=list[str])
    """Every id that the session made."""
    recordings: list[list[str]] = field(factory=list[list[str]])
    """The lines of a recording for each session that was in this place, one after the other."""
    _counter: IdFactory = field(factory=counter)
    session: Session = field(init=False)
    service: Service = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._record_from_now(Session(plane=self.plane, now=self.now, ids=self._make_id))
        self.service = Service(
            now=self.now,
            session=self.settings,
            plane="websocket" if self.plane.carries_audio else "webrtc",
        )
        self._carry()

    def _make_id(self, kind: str) -> str:
        self.ids.append(self._counter(kind))
        return self.ids[-1]

    def _record_from_now(self, session: Session) -> None:
        self.recordings.append([])
        self.session = record(session, self.recordings[-1].append, now=self.now)

    # -- the client's side

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Call the session, record that, and take what it has to send."""
        result = self._record(method, *args, **options)
        self._drain()
        return result

    def _record(self, method: str, *args: Any, **options: Any) -> Any:
        if method != "session_init_data":
            options["now"] = self.now
        made = Input(method, args, options)
        self.inputs.append(made)
        try:
            result = made.to(self.session)
        except Exception as error:
            self.results.append(repr(error))
            raise
        if method != "session_init_data":  # that depends on what was drained before
            self.results.append(result)
        return result

    def _cause(self, frame: str, method: str, *args: Any, **options: Any) -> Sequence[Event]:
        """Let something happen to the session, and take what it has to say and to send."""
        events: Sequence[Event] = self._record(method, *args, **options)
        self.events += events
        self.on_heard(frame, events)
        self._drain()
        return events

    def send(self, command: Command) -> str:
        """Send a command of the client's."""
        event_id: str = self.call("send", command)
        return event_id

    def init_data(self) -> None:
        """Let what is queued leave as objects, as it does when a page opens its call."""
        self.opened = True
        for command in self.call("session_init_data"):
            self._leave(encode(command))

    def _drain(self) -> None:
        while self.opened and (frame := self.session.next_frame()) is not None:
            self._leave(frame)

    def _leave(self, frame: str) -> None:
        self.frames.append(frame)
        self.on_sent(frame)
        if self.connected:
            self.to_service.append(frame)

    def swap(self) -> None:
        """Put another session in the place of this one, made of its snapshot."""
        snapshot = self.session.snapshot(now=self.now)
        again = Session.resume(snapshot, now=self.now, ids=self._make_id)
        self._record_from_now(again)

    # -- the service's side

    def engine(self, move: str, *args: Any, **options: Any) -> list[EngineRequest]:
        """Make a move of the engine's. Returns what the service asks for because of it."""
        requests: list[EngineRequest] = getattr(self.service, move)(*args, **options, now=self.now)
        self._carry()
        for request in requests:
            self.on_request(request)
        self.requests += requests
        return requests

    def _carry(self) -> None:
        while (frame := self.service.next_frame()) is not None:
            self.on_said(frame)
            if self.connected and self._passes(json.loads(frame)["type"]):
                self.to_session.append(frame)

    def _passes(self, kind: str) -> bool:
        """A sideband is not greeted (§3.1); a page passes on what the session needs, AG2's own
        function calls only (§4)."""
        if not self.plane.sees_all:
            return "function" in kind
        if self.plane is SIDEBAND:
            return kind != "session.created"
        return self.plane.trusted or kind in NEEDED

    # -- the wire

    def deliver_to_service(self, count: int = 1) -> None:
        """Let the oldest frames of the session's arrive."""
        for _ in range(min(count, len(self.to_service))):
            self.engine("receive", self.to_service.popleft())

    def deliver_to_session(self, count: int = 1) -> list[Event]:
        """Let the oldest frames of the service's arrive. Returns the events they caused."""
        events: list[Event] = []
        for _ in range(min(count, len(self.to_session))):
            events += self.inject(self.to_session.popleft())
        return events

    def inject(self, frame: str) -> Sequence[Event]:
        """Let a frame arrive at the session, whoever said it."""
        return self._cause(frame, "receive", frame)

    def run(self) -> list[Event]:
        """Deliver in both directions until nothing is on its way."""
        events: list[Event] = []
        while self.to_service or self.to_session:
            self.deliver_to_service(len(self.to_service))
            events += self.deliver_to_session(len(self.to_session))
        return events

    def drop(self) -> Sequence[Event]:
        """Cut the connection: what is on its way is lost, and both sides hear of it."""
        self.connected = False
        self.to_service.clear()
        self.to_session.clear()
        self.engine("receive_close")
        return self._cause("", "receive_close", code=1006)

    def close(self) -> Sequence[Event]:
        """End the session from the client's side; the service's frames may still arrive."""
        events = self._cause("", "close")
        self.connected = False
        self.to_service.clear()
        self.engine("receive_close")
        return events

    # -- the clock

    def wake(self) -> Sequence[Event]:
        """Call `handle_timeout`, due or not."""
        return self._cause("", "handle_timeout")

    def sleep(self, seconds: float) -> list[Event]:
        """Let time pass, waking the session whenever it asked for it."""
        events: list[Event] = []
        end = self.now + seconds
        while (due := self.session.next_timeout()) is not None and due <= end:
            self.now = max(self.now, due)
            events += self.wake()
        self.now = end
        return events


@define
class Trace:
    """What came out of a session that was played again."""

    results: list[Any] = field(factory=list[Any])
    """What each input returned, or the words of what it raised."""
    frames: list[str] = field(factory=list[str])

    def drain(self, session: Session, limit: int | None = None) -> None:
        while limit != 0 and (frame := session.next_frame()) is not None:
            self.frames.append(frame)
            limit = None if limit is None else limit - 1


def replay(
    inputs: Sequence[Input], *, plane: Plane, now: float, drain: Callable[[int], int | None]
) -> Trace:
    """Play inputs to a fresh session that is drained as `drain(step)` says; None: to the end.

    It is drained whole, whatever that says, before an input that would empty it otherwise.
    """
    session, trace = Session(plane=plane, now=now), Trace()
    for step, made in enumerate(inputs):
        if made.method in EMPTIES:
            trace.drain(session)
        result: Any
        try:
            result = made.to(session)
        except Exception as error:
            result = repr(error)
        if made.method == "session_init_data":
            trace.frames += [encode(command) for command in result]
        else:
            trace.results.append(result)
        trace.drain(session, drain(step))
    trace.drain(session)
    return trace
