"""What a session does about each event of the service: books first, then what follows from them.

One method per wire type, listed in one table at the end; a type that is not listed there changes
nothing. Legality is in `state.py`, bookkeeping in the books; this file only says who hears what.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import msgspec

from ..errors import LocalProtocolError
from ..timers import Timer, TimerTable
from . import commands as c
from . import events as e
from .call_claims import CallClaims
from .calls import Calls
from .classify import ErrorClass, blocker, classify
from .commands import JsonObject, is_object
from .conversation import Conversation
from .events import ErrorDetails
from .gate import REMEMBERED, Create, ResponseGate
from .happenings import Anomaly, Event, Interrupted, InvalidFrame, Outcome, UnknownEvent
from .ids import IdFactory
from .limits import MAX_METADATA_PAIRS
from .pending import ANSWERS, Pending
from .plane import Plane
from .playback import Playback
from .settings import Settings
from .state import PHASES, CallInput, Gate, Phase, PhaseInput, advance
from .transcript import TELLS
from .wire import encode

CLIENT_EVENT_ID = "client_event_id"


class Reactions:
    """The books of a session and its answer to every event; `Session` adds the doors."""

    __slots__ = (
        "_claims",
        "_frames",
        "_ids",
        "_interrupted",
        "_pending",
        "_playback",
        "_timers",
        "calls",
        "conversation",
        "counts",
        "gate",
        "phase",
        "plane",
        "settings",
    )

    def __init__(self, plane: Plane, ids: IdFactory) -> None:
        self.plane = plane
        self.phase = Phase.CONNECTING
        self.gate = ResponseGate()
        self.calls = Calls()
        self._claims = CallClaims(self.calls, self.gate, plane.trusted)
        self.conversation = Conversation()
        self.settings = Settings()
        self._playback = Playback()
        self._pending = Pending()
        self._timers = TimerTable()
        self._frames: list[str] = []
        self._ids = ids
        self._interrupted: tuple[str, ...] = ()
        self.counts: dict[str, int] = {}
        """How many frames were unreadable, unknown or out of place, by the event that told it."""

    def count(self, *odd: InvalidFrame | UnknownEvent | Anomaly) -> Sequence[Event]:
        """Count what a frame should not have been; gives it back."""
        for event in odd:
            name = type(event).__name__
            self.counts[name] = self.counts.get(name, 0) + 1
        return list(odd)

    # -- what every input ends with

    def _after(self, now: float) -> None:
        """Let leave what may leave now, and set the clock for what is awaited."""
        if not self._takes_commands():
            self._timers.clear()
            return
        due = self.gate.take_cancel()
        if due is not None:
            self._cancel(due)
        create = self.gate.take()
        if create is not None:
            self._queue(self._response_create(create))
            self._time(Timer.RESPONSE_CREATED, False, now)  # each create has its own deadline
        state = self.gate.state
        sent = state in (Gate.CREATE_SENT, Gate.CANCEL_PENDING)
        self._time(Timer.RESPONSE_CREATED, sent and self._is_connected(), now)
        speaks = self.gate.user_speaks
        self._time(Timer.SERVER_RESPONSE, state is Gate.SERVER_EXPECTED and not speaks, now)
        self._time(Timer.SPEECH, speaks, now)
        if not self._awaits_configuration():
            self._time(Timer.HANDSHAKE, False, now)

    def _takes_commands(self) -> bool:
        return advance(PHASES, self.phase, PhaseInput.COMMAND) is not None

    def _is_connected(self) -> bool:
        """Whether frames reach the service: a page's call may take long to open."""
        return self.phase is not Phase.CONNECTING or Timer.HANDSHAKE in self.plane.deadlines

    def _awaits_configuration(self) -> bool:
        """Whether the service owes its first word, or the answer to what we asked for first."""
        asked = bool(self.settings.desired)
        return self.phase is Phase.CONNECTING or (self.phase is Phase.CREATED and asked)

    def _time(self, timer: Timer, wanted: bool, now: float) -> None:
        if timer in self.plane.deadlines:
            self._timers.run(timer, wanted, now)

    def _new_event_id(self) -> str:
        """An id that no command on its way has; some have ids of the caller's."""
        return self._new_id("event", lambda made: made in self._pending)

    def _new_item_id(self) -> str:
        """An id that no item has, in the conversation or on its way."""
        sent = self._pending.about(c.ConversationItemCreate)
        return self._new_id("item", lambda made: made in sent or made in self.conversation)

    def _new_id(self, kind: str, taken: Callable[[str], bool]) -> str:
        made: set[str] = set()
        while taken(new := self._ids(kind)):
            if new in made:
                raise LocalProtocolError(f"the id factory repeats itself: {new!r}")
            made.add(new)
        return new

    def _queue(self, command: c.Command) -> None:
        self._frames.append(encode(command))

    def _settle(
        self,
        event_ids: Iterable[str],
        events: list[Event],
        outcome: Outcome = Outcome.DONE,
        error: ErrorDetails | None = None,
    ) -> None:
        events += [self._pending.settle(event_id, outcome, error) for event_id in event_ids]

    def _want_response(self, command: c.ResponseCreate, event_id: str) -> None:
        self._pending.add(event_id, command)
        options = None if command.response is msgspec.UNSET else command.response
        unacknowledged = self._pending.about(c.ConversationItemCreate)
        self.gate.want(Create([event_id], options, unacknowledged))

    def _response_create(self, create: Create) -> c.ResponseCreate:
        return labelled(c.ResponseCreate(response=create.response or {}), create.event_ids[-1])

    def _cancel(self, response_id: str) -> str:
        event_id = self._new_event_id()
        command = c.ResponseCancel(event_id=event_id, response_id=response_id)
        self._pending.add(event_id, command)
        self._queue(command)
        return event_id

    def _follow_up(self, batch_id: str) -> None:
        if self.calls.take_follow_up(batch_id):
            self._want_response(c.ResponseCreate(), self._new_event_id())

    # -- the session

    def _move_phase(self, event: e.ServerEvent) -> bool:
        phase = advance(PHASES, self.phase, _PHASE_INPUTS.get(type(event), PhaseInput.OTHER))
        if phase is None:
            return False
        self.phase = phase
        return True

    def _configured(self, event: e.SessionCreated | e.SessionUpdated, events: list[Event]) -> None:
        self.settings.confirm(event.session)
        self._playback.bytes_per_ms = self.settings.output_bytes_per_ms
        if not self.settings.service_responds:
            self.gate.quiet()

    def _error(self, event: e.ErrorEvent, events: list[Event]) -> None:
        error, kind = event.error, classify(event.error)
        event_id = error.event_id or ""
        unnamed = not error.event_id and kind is ErrorClass.GATE
        if self.gate.owns(event_id) or (unnamed and self.gate.on_its_way):
            if kind is ErrorClass.GATE:
                self._settle(self.gate.refused(blocker(error)), events)
            else:
                self._settle(self.gate.failed(), events, Outcome.FAILED, error)
        elif self.gate.waits(event_id):
            events.append(Anomaly(type=event.type, reason=f"{event_id} has not left yet"))
        elif event_id in self._pending:
            self._command_failed(event_id, error, events)
        if kind in (ErrorClass.FATAL, ErrorClass.SESSION_OVER):
            self.phase = advance(PHASES, self.phase, PhaseInput.FATAL) or self.phase

    def _command_failed(self, event_id: str, error: ErrorDetails, events: list[Event]) -> None:
        command = self._pending.get(event_id)
        if self._cancels(event_id, self.gate.active) and classify(error) is ErrorClass.BENIGN:
            self._settle(self.gate.not_active(), events)
        if isinstance(command, c.ConversationItemCreate):
            call_id = command.item.get("call_id")
            if isinstance(call_id, str) and self.calls.can(call_id, CallInput.REFUSED):
                self.calls.refused(call_id)
        self._settle([event_id], events, Outcome.FAILED, error)

    # -- responses

    def _response_created(self, event: e.ResponseCreated, events: list[Event]) -> None:
        response = event.response
        if self.gate.is_open(response.id):
            events.append(Anomaly(type=event.type, reason=f"{response.id} is running already"))
            return
        if self.gate.has_ended(response.id):
            events.append(Anomaly(type=event.type, reason=f"{response.id} has ended already"))
            return
        ours = response.labels.get(CLIENT_EVENT_ID)
        if response.out_of_band:
            self.gate.created_out_of_band(response.id)
            self._settle(self._out_of_band_create(ours), events)
            return
        if self.gate.active is not None:
            reason = f"{response.id} began before {self.gate.active} ended"
            events.append(Anomaly(type=event.type, reason=reason))
        self._settle(self.gate.created(response.id, ours), events)

    def _out_of_band_create(self, ours: str | None) -> list[str]:
        waiting = [i for i in self._pending.of(c.ResponseCreate) if self._is_out_of_band(i)]
        return [ours] if ours in waiting else waiting[:1] if ours is None else []

    def _is_out_of_band(self, event_id: str) -> bool:
        command = self._pending.get(event_id)
        return isinstance(command, c.ResponseCreate) and command.out_of_band

    def _response_done(self, event: e.ResponseDone, events: list[Event]) -> None:
        response = event.response
        response_id = response.id or self.gate.active or ""
        events += self._claims.response_done(response, event.type)
        events += self.calls.response_done(response_id)
        if response.status == "cancelled":
            self._interrupt(response_id, events)
        ours = response.labels.get(CLIENT_EVENT_ID)
        self._settle(self.gate.done(response_id, ours), events)
        cancels = self._pending.of(c.ResponseCancel)
        self._settle([i for i in cancels if self._cancels(i, response_id)], events)
        self._follow_up(response_id)

    def _cancels(self, event_id: str, response_id: str | None) -> bool:
        command = self._pending.get(event_id)
        return isinstance(command, c.ResponseCancel) and command.response_id == response_id

    def _interrupt(
        self, response_id: str, events: list[Event], audio_end_ms: int | None = None
    ) -> None:
        if response_id in self._interrupted:
            return
        self._interrupted = (*self._interrupted[1 - REMEMBERED :], response_id)
        spoken = self.conversation.last_of(response_id)
        item_id = spoken.id if spoken is not None else ""
        events.append(
            Interrupted(response_id=response_id, item_id=item_id, audio_end_ms=audio_end_ms)
        )

    # -- items

    def _output_item(
        self, event: e.ResponseOutputItemAdded | e.ResponseOutputItemDone, events: list[Event]
    ) -> None:
        item, response_id = event.item, event.response_id
        if not self._claims.may_speak_for(response_id):
            reason = f"item {item.id} of a response that is not running"
            events.append(Anomaly(type=event.type, reason=reason))
            return
        if not self.gate.is_out_of_band(response_id):
            self.conversation.update(item).response_id = response_id
        events += self._claims.output_item(item, response_id, event.type)

    def _arguments_done(
        self, event: e.ResponseFunctionCallArgumentsDone, events: list[Event]
    ) -> None:
        events += self._claims.arguments(event)

    def _item_added(
        self, event: e.ConversationItemAdded | e.ConversationItemCreated, events: list[Event]
    ) -> None:
        self.conversation.place(event.item.id, event.previous_item_id)
        self.conversation.update(event.item)
        self.gate.acknowledged(event.item.id)

    def _item_done(self, event: e.ConversationItemDone, events: list[Event]) -> None:
        self.conversation.update(event.item)
        events += self._claims.item(event.item, event.type)

    def _told(self, event: e.ServerEvent, events: list[Event]) -> None:
        TELLS[type(event)](self.conversation, event)

    # -- audio

    def _audio(self, event: e.ResponseOutputAudioDelta, events: list[Event]) -> None:
        self._playback.receive(event.item_id, event.content_index, event.delta)

    def _committed(self, event: e.InputAudioBufferCommitted, events: list[Event]) -> None:
        item = self.conversation.place(event.item_id, event.previous_item_id)
        item.role = "user"
        if self._pending.is_turn(event) or not self._pending.of(c.InputAudioBufferCommit):
            self._turn_ended()
        else:
            self.gate.quiet()

    def _speech_started(self, event: e.InputAudioBufferSpeechStarted, events: list[Event]) -> None:
        """Where we own the playback, speech stops it and cuts the item at what was heard."""
        self._pending.turn = event.item_id
        if self.settings.service_responds:
            self.gate.speech(True)
        cut = self._cut_playing() if self.settings.speech_interrupts else None
        if cut is not None:
            item_id, played_ms = cut
            self._interrupt(self.conversation.item(item_id).response_id, events, played_ms)

    def _cut_playing(self) -> tuple[str, int] | None:
        """Cut what is being heard, where we own the playback: (item_id, heard ms)."""
        audible = self._playback.audible()
        if audible is None:
            return None
        item_id, content_index, played_ms = audible
        self._playback.stop(item_id, content_index)
        if played_ms:  # a cut at 0 ms is refused (livekit/agents#6157)
            event_id = self._new_event_id()
            command = c.ConversationItemTruncate(
                event_id=event_id,
                item_id=item_id,
                content_index=content_index,
                audio_end_ms=played_ms,
            )
            self._pending.add(event_id, command)
            self._queue(command)
        return item_id, played_ms

    def _speech_stopped(
        self,
        event: e.InputAudioBufferSpeechStopped | e.InputAudioBufferTimeoutTriggered,
        events: list[Event],
    ) -> None:
        self._pending.turn = event.item_id
        self._turn_ended()

    def _turn_ended(self) -> None:
        if self.settings.service_responds:
            self._timers.stop(Timer.SERVER_RESPONSE)  # each turn has its own deadline
            self.gate.speech(False)

    def _input_cleared(self, event: e.InputAudioBufferCleared, events: list[Event]) -> None:
        self.gate.quiet()

    def _playing(self, event: e.OutputAudioBufferStarted, events: list[Event]) -> None:
        self._playback.playing = event.response_id

    def _played(self, event: e.OutputAudioBufferStopped, events: list[Event]) -> None:
        self._playback.playing = None
        # A clear that finds nothing to clear is not answered: this was its answer.
        self._settle(self._pending.of(c.OutputAudioBufferClear), events)

    def _cleared(self, event: e.OutputAudioBufferCleared, events: list[Event]) -> None:
        self._playback.playing = None
        self._interrupt(event.response_id, events)
        self._settle(self._pending.of(c.OutputAudioBufferClear), events)

    _REACTIONS: ClassVar[dict[type[Event], Callable[..., Any]]] = {
        e.SessionCreated: _configured,
        e.SessionUpdated: _configured,
        e.ErrorEvent: _error,
        e.ResponseCreated: _response_created,
        e.ResponseDone: _response_done,
        e.ResponseOutputItemAdded: _output_item,
        e.ResponseOutputItemDone: _output_item,
        e.ResponseFunctionCallArgumentsDone: _arguments_done,
        e.ConversationItemAdded: _item_added,
        e.ConversationItemCreated: _item_added,
        e.ConversationItemDone: _item_done,
        e.ResponseOutputAudioDelta: _audio,
        e.InputAudioBufferCommitted: _committed,
        e.InputAudioBufferSpeechStarted: _speech_started,
        e.InputAudioBufferSpeechStopped: _speech_stopped,
        e.InputAudioBufferTimeoutTriggered: _speech_stopped,
        e.InputAudioBufferCleared: _input_cleared,
        e.OutputAudioBufferStarted: _playing,
        e.OutputAudioBufferStopped: _played,
        e.OutputAudioBufferCleared: _cleared,
        **dict.fromkeys(TELLS, _told),
    }
    # What may settle a command, move a lifecycle or let something leave.
    _FOLLOWED = (
        frozenset(_REACTIONS) - (TELLS.keys() - ANSWERS.keys()) - {e.ResponseOutputAudioDelta}
    )


def labelled(command: c.ResponseCreate, event_id: str) -> c.ResponseCreate:
    """A create that its response will echo: `response.created` names no client event (§3.4)."""
    options: JsonObject = {} if command.response is msgspec.UNSET else command.response
    metadata: object = options.get("metadata") or JsonObject()
    if is_object(metadata) and len(metadata) < MAX_METADATA_PAIRS:
        options = {**options, "metadata": {**metadata, CLIENT_EVENT_ID: event_id}}
    return c.ResponseCreate(event_id=event_id, response=options)


_PHASE_INPUTS: dict[type[e.ServerEvent], PhaseInput] = {
    e.SessionCreated: PhaseInput.CREATED,
    e.SessionUpdated: PhaseInput.UPDATED,
}
