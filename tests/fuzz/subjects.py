"""Whatever is said to a `Session`, a `Relay` or a `Service`, and whatever is asked of it:

* no frame raises, and a call raises nothing but `LocalProtocolError`, which says why;
* what comes out is of a type that is known, and every frame is one line of JSON;
* every command settles at most once, and once the transport is gone exactly once;
* every function call is emitted at most once;
* the gate stands where its table says; deadlines are finite;
* what is kept is no more than a multiple of what was said.
"""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any, get_args

import msgspec

from fuzz import steps
from fuzz.calls import calls_of
from fuzz.steps import SECONDS, Cursor, Ids, spread
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    CommandSettled,
    Event,
    FunctionCall,
    Gate,
    LocalProtocolError,
    PageEvent,
    Phase,
    Plane,
    Relay,
    Session,
    Timer,
)
from talkwire.realtime.beta import Dialect
from talkwire.realtime.engine import EngineRequest, ResponseRequested
from talkwire.realtime.kind import Kind
from talkwire.realtime.service import Service
from talkwire.realtime.translation import TranslationCommand, TranslationEvent
from talkwire.realtime.wire import COMMAND_TYPES, EVENT_TYPES, wire_type

EVENTS = frozenset({*get_args(Event), *get_args(PageEvent)})
REQUESTS = frozenset(get_args(EngineRequest))
UNANSWERED = ("input_audio_buffer.append", "session.input_audio_buffer.append")
SAID = COMMAND_TYPES | {wire_type(kind) for kind in get_args(TranslationCommand)}
SAID |= {"transcription_session.update"}  # in beta
SPOKEN = EVENT_TYPES | {wire_type(kind) for kind in get_args(TranslationEvent)}
KINDS = (Kind.REALTIME, Kind.REALTIME, Kind.TRANSCRIPTION, Kind.TRANSLATION)
RUNNING = (Gate.ACTIVE, Gate.CANCEL_SENT)
SESSION_CALLS = spread(calls_of(Session))
SERVICE_CALLS = spread(calls_of(Service))


# -- the client's side


class SessionRun:
    """A session on one plane, or behind a page."""

    def __init__(self, cursor: Cursor, plane: Plane, *, behind_a_page: bool = False) -> None:
        self.cursor = cursor
        self.ids = Ids()
        self.now = 0.0
        how = cursor.byte()
        self.session = Session(
            plane=plane,
            kind=KINDS[how & 3],
            dialect=Dialect.BETA if how & 12 == 12 else Dialect.GA,
            now=0.0,
            unix_time=1785214050.0 if how & 16 else None,
            ids=self.ids,
            delays={Timer.IDLE: 10.0} if how & 32 else None,
            retain=2 if how & 64 else None,
        )
        self.relay = Relay(self.session, now=0.0) if behind_a_page else None
        self.end: Session | Relay = self.relay or self.session
        self.issued: set[str] = set()
        self.settled: set[str] = set()
        self.emitted: set[str] = set()
        self.heard = 0

    def run(self) -> None:
        cursor = self.cursor
        while cursor:
            step = cursor.byte()
            if step & 3 < 2:
                self.hear(self.message())
            elif step & 3 == 2:
                self.call(cursor.byte())
            else:
                self.rest(step >> 2)
            self.check()
        self.finish()

    def message(self) -> str | bytes:
        cursor = self.cursor
        step = cursor.byte()
        if step > 240:
            return steps.raw(cursor)
        if self.relay is not None and step & 7 == 7:
            message: str | bytes = steps.PAGE[cursor.byte() % len(steps.PAGE)]
        else:
            message = steps.frame(steps.SERVER, cursor, self.ids)
        if step & 24 == 24 and isinstance(message, str):
            message += "\n" + steps.written(steps.SERVER[cursor.byte()], cursor, self.ids)
        return message

    def hear(self, message: str | bytes) -> None:
        self.heard += len(message)
        self.caused(self.end.receive(message, now=self.now))

    def call(self, which: int) -> None:
        if self.relay is not None and which > 250:
            self._control(self.cursor.byte())
            return
        try:
            result = SESSION_CALLS[which](self.session, self.cursor, self.ids, self.now)
        except LocalProtocolError as error:
            assert str(error)
            return
        self.heard += 400
        if isinstance(result, str) and result:
            self.issued.add(result)
            self.settled.discard(result)  # an id of ours may be used again once it has settled

    def _control(self, how: int) -> None:
        assert self.relay is not None
        try:
            if how & 4:
                self.relay.ask_for_offer(now=self.now)
            elif how & 8:
                self.relay.answer("v=0", "rtc_1", now=self.now)
            elif how & 3:
                self.relay.open_call("https://example.test", "ek_1", now=self.now)
            else:
                self.caused(self.relay.close(now=self.now))
        except LocalProtocolError as error:
            assert str(error)

    def rest(self, how: int) -> None:
        """Let time pass, drain, or lose the transport."""
        if how == 63:
            self.caused(self.end.receive_close(code=1006, now=self.now))
            return
        self.now += SECONDS[how & 7]
        if how & 8:
            self.caused(self.end.handle_timeout(now=self.now))
        if how & 16:
            self.drain()

    def drain(self) -> None:
        while (message := self.end.next_frame()) is not None:
            for line in message.split("\n"):
                frame = msgspec.json.decode(line)
                kind = frame["type"]
                assert kind in SAID or kind.startswith("talkwire."), kind
                if "event_id" in frame and kind not in UNANSWERED:
                    self.issued.add(frame["event_id"])

    def caused(self, events: Sequence[Event | PageEvent]) -> None:
        for event in events:
            assert type(event) in EVENTS, event
            if isinstance(event, CommandSettled):
                self._settle(event.event_id)
            elif isinstance(event, FunctionCall):
                assert event.call_id not in self.emitted, f"{event.call_id} was emitted twice"
                self.emitted.add(event.call_id)

    def _settle(self, event_id: str) -> None:
        assert event_id not in self.settled, f"{event_id} settled twice"
        self.settled.add(event_id)

    def check(self) -> None:
        gate = self.session.gate
        assert gate.active is None or gate.state in RUNNING
        due = self.end.next_timeout()
        assert due is None or math.isfinite(due)

    def finish(self) -> None:
        self.drain()
        assert type(self.session.phase) is Phase
        assert type(self.session.gate.state) is Gate
        self.caused(self.end.receive_close(now=self.now))
        missing = self.issued - self.settled
        assert not missing, f"never settled: {missing}"
        assert self.session.phase is Phase.CLOSED
        assert self.end.next_frame() is None
        assert self.end.next_timeout() is None
        assert list(self.end.receive_close(now=self.now)) == []
        self.drain()


# -- the service's side


class ServiceRun:
    """A service of any kind, its client, a second listener and its engine."""

    def __init__(self, cursor: Cursor, *, plays: bool) -> None:
        self.cursor = cursor
        self.ids = Ids()
        self.now = 0.0
        how = cursor.byte()
        self.service = Service(
            now=0.0,
            plane="webrtc" if plays else "websocket",
            kind=KINDS[how & 3],
            ids=self.ids,
            context_tokens=500 if how & 4 else None,
            obfuscate=bool(how & 8),
        )
        self.beside_it = self.service.attach()
        self.heard = 0
        self.active: str | None = None
        self.beside: set[str] = set()
        self.ended: set[str] = set()

    def run(self) -> None:
        cursor = self.cursor
        while cursor:
            step = cursor.byte()
            if step & 3 == 3:
                self.rest(step >> 2)
            elif step & 1:
                self.hear(steps.raw(cursor) if step > 250 else self.message())
            else:
                self.call(cursor.byte())
            if step & 4:
                self.drain()
        self.finish()

    def rest(self, how: int) -> None:
        self.now += SECONDS[how & 7]
        self.asked(self.service.handle_timeout(now=self.now))
        due = self.service.next_timeout()
        assert due is None or math.isfinite(due)

    def message(self) -> str | bytes:
        return steps.frame(steps.CLIENT, self.cursor, self.ids)

    def hear(self, message: str | bytes) -> None:
        self.heard += len(message)
        self.asked(self.service.receive(message, now=self.now))

    def call(self, which: int) -> None:
        self.heard += 400
        try:
            requests = SERVICE_CALLS[which](self.service, self.cursor, self.ids, self.now)
        except LocalProtocolError as error:
            assert str(error)
            return
        self.asked(requests)

    def asked(self, requests: Sequence[EngineRequest]) -> None:
        for request in requests:
            assert type(request) in REQUESTS, request
            if type(request) is ResponseRequested:
                self.heard += 200 * len(request.items)

    def drain(self) -> None:
        while self.beside_it.next_frame() is not None:
            pass
        while (frame := self.service.next_frame()) is not None:
            assert "\n" not in frame
            event = msgspec.json.decode(frame)
            kind = event["type"]
            assert kind in SPOKEN, kind
            if kind == "response.created":
                self._created(event["response"])
            elif kind == "response.done":
                self._done(event["response"]["id"])
        assert self.service.closed or self.service.active_response == self.active

    def _created(self, response: dict[str, Any]) -> None:
        if response["conversation_id"] is None:
            self.beside.add(response["id"])
        else:
            assert self.active is None, "a second response writes to the conversation"
            self.active = response["id"]

    def _done(self, response_id: str) -> None:
        assert response_id == self.active or response_id in self.beside, response_id
        assert response_id not in self.ended, f"{response_id} ended twice"
        self.ended.add(response_id)
        if response_id == self.active:
            self.active = None

    def finish(self) -> None:
        self.drain()
        self.asked(self.service.receive_close(now=self.now))
        while self.service.next_frame() is not None:
            pass
        assert self.service.closed
        assert self.service.receive('{"type":"response.create"}', now=self.now) == []
        assert self.service.next_frame() is None


# -- one input

_SHARED = (type, ModuleType, FunctionType, MethodType)


def weight(root: object) -> int:
    """Bytes that are reachable from here and belong to no module or class."""
    seen: set[int] = set()
    todo: list[object] = [root]
    total = 0
    while todo:
        here = todo.pop()
        if id(here) in seen or isinstance(here, _SHARED) or callable(here):
            continue
        seen.add(id(here))
        total += sys.getsizeof(here)
        todo += gc.get_referents(here)
    return total


def play(data: bytes) -> None:
    """One input, from beginning to end; raises where something is not as it should be."""
    cursor = Cursor(data)
    subject = cursor.byte()
    player: SessionRun | ServiceRun
    match subject & 7:
        case 0 | 1:
            player = SessionRun(cursor, DIRECT)
        case 2:
            player = SessionRun(cursor, SIDEBAND)
        case 3:
            player = SessionRun(cursor, RELAY)
        case 4 | 5:
            player = SessionRun(cursor, RELAY, behind_a_page=True)
        case _:
            player = ServiceRun(cursor, plays=bool(subject & 1))
    player.run()
    if subject >> 3 == 31:
        kept = player.end if isinstance(player, SessionRun) else player.service
        assert weight(kept) <= 50_000 + 40 * player.heard
