"""`Session`: one realtime voice session, seen from the client's side."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import ClassVar

import msgspec
from attrs import evolve

from ..errors import LocalProtocolError
from ..timers import Timer
from . import commands as c
from .commands import Command, JsonObject
from .happenings import (
    Anomaly,
    Event,
    InvalidFrame,
    Outcome,
    SessionClosed,
    TimedOut,
    UnknownEvent,
)
from .ids import IdFactory, counter
from .limits import ITEM_ID, MAX_APPEND, MAX_EVENT_ID
from .plane import DIRECT, Plane
from .reactions import Reactions, labelled
from .state import PHASES, CallInput, GateInput, Phase, PhaseInput, advance
from .wire import decode_event, encode, wire_type

# Where an ordinary event does not move the phase.
_STEADY = tuple(phase for phase, row in PHASES.items() if row.get(PhaseInput.OTHER) is phase)


class Session(Reactions):
    """One realtime voice session as a state machine, the client's side of it.

    In: `receive`, `receive_close`, `handle_timeout`, each returning the events it caused, and
    your calls (`send_text`, ...), each returning the `event_id` that its `CommandSettled` will
    carry. Out: `next_frame` until it gives None, and `next_timeout`.

    **After every input, drain `next_frame`**: a call or a frame may have queued several.

    `now` is seconds on any monotonic clock, the same one throughout. No frame ever raises; a
    call of yours that cannot be obeyed raises LocalProtocolError and has changed nothing.
    """

    __slots__ = ()

    def __init__(self, *, plane: Plane = DIRECT, now: float, ids: IdFactory | None = None) -> None:
        super().__init__(plane, ids or counter())
        self._time(Timer.HANDSHAKE, True, now)

    # -- in: what happened

    def receive(self, frame: str | bytes, *, now: float) -> Sequence[Event]:
        """Take one frame of the service. Returns the events it caused, the wire's own first."""
        event = decode_event(frame)
        react = self._REACTIONS.get(type(event))
        if isinstance(event, (InvalidFrame, UnknownEvent)):
            return self.count(event)
        if self.phase in _STEADY and type(event) not in self._FOLLOWED:
            # Most frames by far: words, sound, and what the books do not need.
            if react is not None:
                react(self, event, [])
            return [event]
        if not self._move_phase(event):
            reason = f"the session is {self.phase.value}"
            return self.count(Anomaly(type=event.type, reason=reason))
        events: list[Event] = [event]
        if react is not None:
            answered = self._pending.answered_by(event)
            react(self, event, events)
            if answered is not None:
                events.append(self._pending.settle(answered, Outcome.DONE))
        self._after(now)
        self.count(*[odd for odd in events if isinstance(odd, Anomaly)])
        return events

    def receive_close(
        self, *, code: int | None = None, reason: str = "", now: float
    ) -> Sequence[Event]:
        """The transport is gone. Everything still open is settled as lost; again is a no-op."""
        phase = advance(PHASES, self.phase, PhaseInput.CLOSE)
        if phase is None:
            return []
        self.phase = phase
        self._timers.clear()
        self._frames.clear()
        self.gate.lose()
        return [*self._pending.lose_all(), SessionClosed(code=code, reason=reason)]

    def handle_timeout(self, *, now: float) -> Sequence[Event]:
        """The clock reached `next_timeout()`. Earlier or later calls do no harm."""
        events: list[Event] = []
        for timer in self._timers.expire(now):
            events.append(TimedOut(timer=timer))
            if timer is Timer.SPEECH:
                self.gate.quiet()
            if timer in (Timer.RESPONSE_CREATED, Timer.SERVER_RESPONSE):
                self._settle(self.gate.failed(GateInput.GIVE_UP), events, Outcome.LOST)
        self._after(now)
        return events

    # -- in: what you want

    def send(self, command: Command, *, now: float) -> str:
        """Send anything on the wire. Returns its `event_id`, given or made ("" for an append).

        Raises LocalProtocolError when the session is over, an id is too long or not unique, a
        function call is not there to be answered, or the command is not JSON.
        """
        name = type(command).__name__
        self._require_open(name)
        if isinstance(command, c.InputAudioBufferAppend):
            return self._append(command)
        event_id = self._event_id(command, name)
        send = self._SENDERS.get(type(command), Session._send_plain)
        send(self, evolve(command, event_id=event_id), event_id)
        self._after(now)
        return event_id

    def send_text(self, text: str, *, role: str = "user", respond: bool = True, now: float) -> str:
        """Add a text message; with `respond`, ask for an answer as soon as the gate allows.

        The `event_id` returned is the item's; the request for an answer settles on its own.
        `role` is user, system or assistant; an assistant's words are `output_text` (§1.4).
        """
        if role not in ("user", "system", "assistant"):
            raise LocalProtocolError(f"send_text: role {role!r} is not user, system or assistant")
        kind = "output_text" if role == "assistant" else "input_text"
        item: JsonObject = {
            "type": "message",
            "role": role,
            "content": [{"type": kind, "text": text}],
        }
        return self._send_message(item, respond, now)

    def send_function_result(
        self, call_id: str, output: str, *, respond: bool = True, now: float
    ) -> str:
        """Answer a function call, once. The follow-up response is asked for when all the calls
        of the same response are answered and it has ended (§3.7).

        Raises LocalProtocolError when the call is unknown, cut off, answered already, or of a
        response outside the conversation (`FunctionCall.out_of_band`).
        """
        item: JsonObject = {"type": "function_call_output", "call_id": call_id, "output": output}
        self._require_open("send_function_result")
        self._require_answerable(call_id, "send_function_result")
        event_id = self._new_event_id()
        self._send_item(c.ConversationItemCreate(event_id=event_id, item=item), event_id, respond)
        self._after(now)
        return event_id

    def send_audio(self, audio: str, *, now: float) -> None:
        """Append base64 audio in the session's input format. Never acknowledged (§1.3).

        Raises LocalProtocolError over 15 MiB of base64, or where no audio passes.
        """
        self._require_open("send_audio")
        self._append(c.InputAudioBufferAppend(audio=audio))

    def truncate_audio(
        self, item_id: str, audio_end_ms: int, *, content_index: int = 0, now: float
    ) -> str:
        """Cut a spoken item at what was heard (ms), clamped to what was received (§3.6).

        Raises LocalProtocolError where audio passes and none of that item did: text and
        replayed items cannot be truncated (livekit/agents-js#977).
        """
        command = c.ConversationItemTruncate(
            item_id=item_id, content_index=content_index, audio_end_ms=max(0, audio_end_ms)
        )
        return self.send(command, now=now)

    def session_update(self, patch: JsonObject, *, now: float) -> str:
        """Patch the configuration; `type` is filled in. A refusal loses the whole patch."""
        return self.send(c.SessionUpdate(session={"type": "realtime", **patch}), now=now)

    def session_init_data(self) -> list[JsonObject]:
        """Take out what is queued so far as objects: what opens the session, in order.

        For whoever opens the call elsewhere (a page) and sends it there first.
        """
        frames, self._frames = self._frames, []
        return [msgspec.json.decode(frame, type=JsonObject) for frame in frames]

    def cancel(self, *, now: float) -> str | None:
        """Stop the response now running, or on its way, and what is being played of it.

        Returns the `event_id` of the cancel, None when it leaves later or there is nothing to
        stop: a button pressed a moment late is no mistake. Functions already called go on: the
        answer to their results is asked for unless you send them with `respond=False`.
        """
        self._require_open("cancel")
        response_id = self.gate.cancel()
        event_id = None if response_id is None else self._cancel(response_id)
        if self._playback.playing is not None:
            self.send(c.OutputAudioBufferClear(), now=now)
        self._cut_playing()
        self._after(now)
        return event_id

    def report_playback(
        self, item_id: str, played_ms: int, *, content_index: int = 0, now: float
    ) -> None:
        """Tell how much of a spoken item your player has played (ms); direct plane."""
        self._require_open("report_playback")
        self._playback.report(item_id, content_index, played_ms)

    def close(self, *, now: float) -> Sequence[Event]:
        """End the session from our side; the transport is then yours to close."""
        return self.receive_close(reason="closed by us", now=now)

    # -- out

    def next_frame(self) -> str | None:
        """The next frame to send, None when there is none."""
        return self._frames.pop(0) if self._frames else None

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`, on the clock of `now`; None: no need."""
        return self._timers.next()

    @classmethod
    def needs(cls) -> frozenset[str]:
        """The event types without which the session would not know where it stands."""
        return frozenset(wire_type(kind) for kind in cls._REACTIONS)

    @property
    def closed(self) -> bool:
        """Whether the transport is gone."""
        return self.phase is Phase.CLOSED

    # -- check, then mutate, then queue

    def _require_open(self, call: str) -> None:
        if not self._takes_commands():
            raise LocalProtocolError(f"{call} is not legal when the session is {self.phase.value}")

    def _require_answerable(self, call_id: str, call: str) -> None:
        record = self.calls.get(call_id)
        beside = record is not None and record.out_of_band
        if not beside and self.calls.can(call_id, CallInput.ANSWER):
            return
        state = "not known" if record is None else record.state.value
        state = "outside the conversation" if beside else state
        raise LocalProtocolError(f"{call} is not legal: function call {call_id!r} is {state}")

    def _event_id(self, command: Command | None, call: str) -> str:
        """The event id given, checked, or a new one; an append needs none."""
        given = msgspec.UNSET if command is None else command.event_id
        if given is msgspec.UNSET:
            return self._new_event_id()
        if not 0 < len(given) <= MAX_EVENT_ID:
            raise LocalProtocolError(f"{call}: event_id must have 1 to {MAX_EVENT_ID} characters")
        if given in self._pending:
            raise LocalProtocolError(f"{call}: event_id {given!r} is on its way already")
        return given

    def _encode(self, command: Command) -> str:
        try:
            return encode(command)
        except (TypeError, ValueError, RecursionError) as error:
            name = type(command).__name__
            raise LocalProtocolError(f"{name} cannot be written as JSON: {error}") from error

    def _send_plain(self, command: Command, event_id: str) -> None:
        frame = self._encode(command)
        self._pending.add(event_id, command)
        self._frames.append(frame)

    def _append(self, command: c.InputAudioBufferAppend) -> str:
        if not self.plane.carries_audio:
            raise LocalProtocolError(f"no audio passes on the {self.plane.name} plane")
        size = len(command.audio)
        if size > MAX_APPEND:
            raise LocalProtocolError(
                f"{size} characters of audio in one append; the limit is {MAX_APPEND}"
            )
        self._frames.append(self._encode(command))
        return ""

    def _update(self, command: c.SessionUpdate, event_id: str) -> None:
        self._send_plain(command, event_id)
        self.settings.ask(command.session)

    def _truncate(self, command: c.ConversationItemTruncate, event_id: str) -> None:
        received = self._playback.received_ms(command.item_id, command.content_index)
        if self.plane.carries_audio:
            if received is None:
                raise LocalProtocolError(
                    f"ConversationItemTruncate: no audio was received for {command.item_id!r}"
                )
            command = evolve(command, audio_end_ms=min(command.audio_end_ms, received))
        self._send_plain(command, event_id)
        self._playback.stop(command.item_id, command.content_index)

    def _send_message(self, item: JsonObject, respond: bool, now: float) -> str:
        self._require_open("send_text")
        event_id, create_id = self._new_event_id(), self._new_event_id()
        self._send_item(c.ConversationItemCreate(event_id=event_id, item=item), event_id)
        if respond:
            self._want_response(c.ResponseCreate(), create_id)
        self._after(now)
        return event_id

    def _send_item(
        self, command: c.ConversationItemCreate, event_id: str, respond: bool = False
    ) -> None:
        item = {"id": self._new_item_id(), **command.item}
        call_id, kind = str(item.get("call_id", "")), item.get("type")
        if not isinstance(item["id"], str) or not ITEM_ID.fullmatch(item["id"]):
            raise LocalProtocolError(
                f"ConversationItemCreate: item id {item['id']!r} is not 1 to 32 of a-z A-Z 0-9 _ -"
            )
        if kind == "function_call_output":
            self._require_answerable(call_id, "function_call_output")
        elif kind == "function_call" and not call_id:
            raise LocalProtocolError("ConversationItemCreate: a function_call needs a call_id")
        self._send_plain(evolve(command, item=item), event_id)
        if kind == "function_call_output":
            self.calls.answer(call_id, respond=respond)
            self._follow_up(self.calls[call_id].batch)
        elif kind == "function_call":
            self.calls.adopt(call_id, name=str(item.get("name", "")))

    def _create_response(self, command: c.ResponseCreate, event_id: str) -> None:
        self._encode(command)
        command = deepcopy(command)  # it may wait, and what was checked is what shall leave
        if command.out_of_band:
            self._send_plain(labelled(command, event_id), event_id)
        else:
            self._want_response(command, event_id)

    def _cancel_response(self, command: c.ResponseCancel, event_id: str) -> None:
        self._encode(command)
        if command.response_id in (msgspec.UNSET, self.gate.active):
            response_id = self.gate.cancel() if self.gate.active else None
            if response_id is None:
                state = self.gate.state.value
                raise LocalProtocolError(f"ResponseCancel is not legal when the gate is {state}")
            command = evolve(command, response_id=response_id)
        self._send_plain(command, event_id)

    _SENDERS: ClassVar[dict[type[Command], Callable[..., None]]] = {
        c.SessionUpdate: _update,
        c.ConversationItemCreate: _send_item,
        c.ConversationItemTruncate: _truncate,
        c.ResponseCreate: _create_response,
        c.ResponseCancel: _cancel_response,
    }
