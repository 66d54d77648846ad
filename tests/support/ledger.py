"""A bystander with both ends of a `Pair`'s wire in view, and what it must never see."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from attrs import define, field

from support.pair import Pair
from talkwire import (
    Anomaly,
    CommandSettled,
    Event,
    FunctionCall,
    FunctionCallCut,
    Gate,
    Interrupted,
    InvalidFrame,
    Outcome,
    SessionClosed,
    TimedOut,
    Timer,
    UnknownEvent,
)
from talkwire.realtime.engine import EngineRequest, ResponseRequested

PCM_MS = 48  # bytes

# What the service may answer by an error although the command was settled as done before: the
# thing was done already, by somebody else (§3.5, §3.6).
SETTLED_BY_OTHERS = frozenset(
    {"response.cancel", "conversation.item.truncate", "output_audio_buffer.clear"}
)


def frame_of(text: str) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(text)
    return frame


def refused_by_gate(frame: dict[str, Any]) -> bool:
    return bool(frame["error"]["code"] == "conversation_already_has_active_response")


@define
class Ledger:
    """What a bystander with both ends of the wire in view knows. Each frame is looked at once."""

    pair: Pair
    issued: dict[str, str] = field(factory=dict[str, str])
    """Every event id that was returned or sent, and the type of its command."""
    settled: dict[str, CommandSettled] = field(factory=dict[str, CommandSettled])
    in_flight: dict[str, float] = field(factory=dict[str, float])
    """Creates for the default conversation that left and heard nothing yet, and when they left."""
    lost_creates: bool = False
    failed_creates: bool = False
    cancelled_creates: bool = False
    service_active: str | None = None
    known_active: str | None = None
    """The active response as the session must know it."""
    in_band: set[str] = field(factory=set[str])
    """Responses in the default conversation that the session heard of."""
    heard_of: bool = False
    """Whether the session heard anything of the service."""
    cancel_sent: set[str] = field(factory=set[str])
    out_of_band: set[str] = field(factory=set[str])
    """Responses beside the conversation, as far as the session knows them to run."""
    known_items: list[str] = field(factory=list[str])
    received: dict[str, int] = field(factory=dict[str, int])
    """Audio (bytes) that the session received, by item, and that was not truncated."""
    deleted: set[str] = field(factory=set[str])
    """Items that the service has forgotten, as far as the session knows."""
    speaking: bool = False
    """Whether the session knows that the user speaks and will be answered by the service."""
    answers_turns: bool = True
    expected_since: float = 0.0
    calls_told: set[str] = field(factory=set[str])
    calls: dict[str, FunctionCall] = field(factory=dict[str, FunctionCall])
    answered: dict[str, tuple[str, bool]] = field(factory=dict[str, tuple[str, bool]])
    """By call: the item that answers it, and whether a response was asked for."""
    outputs_taken: Counter[str] = field(factory=Counter[str])
    answers: dict[str, str] = field(factory=dict[str, str])
    """By command, the call that it answers."""
    refused_outputs: set[str] = field(factory=set[str])
    interrupted: set[str] = field(factory=set[str])
    shown_to_model: set[str] = field(factory=set[str])
    asked_about: dict[str, str] = field(factory=dict[str, str])
    """Items that a response was asked for, and that request."""
    creates: set[str] = field(factory=set[str])
    """Creates for the default conversation that left."""
    requests: set[str] = field(factory=set[str])
    """Creates that somebody asked for; the others follow up function calls."""
    playing: bool = False
    cleared_sound: set[str] = field(factory=set[str])
    """Clears that left while something was playing."""
    called_off: set[str] = field(factory=set[str])
    """Requests that may have been on their way when the user said stop."""
    turns_given_up: int = 0
    """Turns of the user's whose answer was waited for in vain; it may still come."""
    echoes: bool = False
    """Whether the session heard a response that names its request."""
    guessed: set[str] = field(factory=set[str])
    """Requests that the late answer to such a turn was taken for: nothing tells it from the answer
    of a service that echoes no metadata (§3.4)."""
    speaks: list[str] = field(factory=list[str])
    """Messages of the assistant's, as far as the session knows."""
    words: dict[str, str] = field(factory=dict[str, str])
    """What was said in each item of the assistant's, even if it was cut later."""
    closed: bool = False

    # -- the session speaks

    def sent(self, text: str) -> None:
        frame = frame_of(text)
        kind, event_id = frame["type"], frame.get("event_id", "")
        if kind == "input_audio_buffer.append":
            return
        assert event_id, f"{kind} has no event id"
        assert self.settled.get(event_id) is None, f"{event_id} leaves after it was settled"
        self.issued[event_id] = kind
        if kind == "response.create" and frame["response"].get("conversation") != "none":
            self._create_left(event_id)
        elif kind == "output_audio_buffer.clear" and self.playing:
            self.cleared_sound.add(event_id)
        elif kind == "response.cancel":
            self.cancel_sent.add(frame["response_id"])
        elif kind == "conversation.item.truncate":
            received = self.received.get(frame["item_id"])
            if self.pair.plane.carries_audio:
                assert frame["item_id"] not in self.deleted, "it is not there any more"
                assert received is not None, "no audio of it was received"
                assert 0 <= frame["audio_end_ms"] <= received // PCM_MS

    def _create_left(self, event_id: str) -> None:
        assert self.known_active is None, f"create while {self.known_active} is active"
        assert not self.in_flight, "a second create is on its way"
        assert not self.speaking, "create while the user speaks"
        self.in_flight[event_id] = self.pair.now
        self.creates.add(event_id)

    # -- the service speaks

    def said(self, text: str) -> None:
        frame = frame_of(text)
        say = self._SAID.get(frame["type"])
        if say is not None:
            say(self, frame)

    def _created(self, frame: dict[str, Any]) -> None:
        response = frame["response"]
        if response["conversation_id"] is not None:
            assert self.service_active is None, "a second response writes to the conversation"
            self.service_active = response["id"]

    def _done(self, frame: dict[str, Any]) -> None:
        if frame["response"]["id"] == self.service_active:
            self.service_active = None

    def _item_added(self, frame: dict[str, Any]) -> None:
        if frame["item"]["type"] == "function_call_output":
            call_id = frame["item"]["call_id"]
            self.outputs_taken[call_id] += 1
            assert self.outputs_taken[call_id] == 1, f"{call_id} was answered twice"

    def _spoken(self, frame: dict[str, Any]) -> None:
        self.words[frame["item_id"]] = frame.get("text", frame.get("transcript", ""))

    _SAID: ClassVar[dict[str, Callable[[Ledger, dict[str, Any]], None]]] = {
        "response.created": _created,
        "response.done": _done,
        "conversation.item.added": _item_added,
        "response.output_text.done": _spoken,
        "response.output_audio_transcript.done": _spoken,
    }

    def requested(self, request: EngineRequest) -> None:
        """A response of the conversation began: the model sees what is in it."""
        if isinstance(request, ResponseRequested) and request.response_id == self.service_active:
            self.shown_to_model |= {item["id"] for item in request.items}

    # -- the session hears

    def heard(self, text: str, events: Sequence[Event]) -> None:
        """What a frame told the session, and what the session made of it."""
        frame = frame_of(text) if text else {}
        self.heard_of |= bool(text)
        for event in events:
            assert not isinstance(event, InvalidFrame | UnknownEvent), event
            assert self.closed or not isinstance(event, Anomaly | FunctionCallCut), event
            self._happened(event, events, frame)
        if not self.closed:
            hear = self._HEARD.get(frame.get("type", ""))
            if hear is not None:
                hear(self, frame)
        self.closed |= any(isinstance(event, SessionClosed) for event in events)

    def _happened(self, event: Event, events: Sequence[Event], frame: dict[str, Any]) -> None:
        if isinstance(event, CommandSettled):
            self._settled(event, events, frame)
        elif isinstance(event, FunctionCall):
            assert event.call_id not in self.calls, f"{event.call_id} was emitted twice"
            self.calls[event.call_id] = event
        elif isinstance(event, Interrupted):
            assert event.response_id not in self.interrupted, "interrupted twice"
            self.interrupted.add(event.response_id)
        elif isinstance(event, TimedOut):
            self._timed_out(event.timer, events)

    def _settled(
        self, event: CommandSettled, events: Sequence[Event], frame: dict[str, Any]
    ) -> None:
        event_id = event.event_id
        assert event_id not in self.settled, f"{event_id} settled twice"
        assert self.issued.get(event_id, "response.create") == event.type
        self.settled[event_id] = event
        self.in_flight.pop(event_id, None)
        if event.outcome is Outcome.LOST:
            assert any(isinstance(other, SessionClosed | TimedOut) for other in events)
        elif event.outcome is Outcome.FAILED:
            assert frame["type"] == "error"
            assert not refused_by_gate(frame)
        elif not frame:  # nothing was playing, and nobody said so
            assert TimedOut(timer=Timer.CLEARED) in events
            assert event.type == "output_audio_buffer.clear"
        else:
            assert frame["type"] != "error" or refused_by_gate(frame)
        call_id = self.answers.get(event_id)
        if call_id is not None and event.outcome is Outcome.FAILED:
            self.refused_outputs.add(call_id)
            self.answered.pop(call_id, None)  # it may be answered again
        if event.type == "response.create":
            self.lost_creates |= event.outcome is Outcome.LOST
            self.failed_creates |= event.outcome is Outcome.FAILED
            if event.outcome is Outcome.DONE and frame["type"] == "response.done":
                self._guessed(event_id)

    def _guessed(self, event_id: str) -> None:
        """Our service echoes, so this request was not answered by a response that began before.

        The session may think so once for each turn that it gave up, and only until it knows.
        """
        assert self.turns_given_up and not self.echoes, f"{event_id} was not what ended"
        self.turns_given_up -= event_id in self.creates  # those folded into it are settled first
        self.guessed.add(event_id)
        self.lost_creates = True

    def _timed_out(self, timer: Timer, events: Sequence[Event]) -> None:
        if timer is Timer.RESPONSE_CREATED:
            lost = [e for e in events if isinstance(e, CommandSettled)]
            assert all(event.outcome is Outcome.LOST for event in lost)
            assert lost or not self.in_flight
            assert self.pair.now >= max(self.in_flight.values(), default=0.0) + 15.0
            self.in_flight.clear()
        elif timer.value == "speech":
            self.speaking = False  # nothing was heard of its end
        elif timer is Timer.SERVER_RESPONSE:
            self.turns_given_up += 1
            assert self.pair.now >= self.expected_since + 3.0
            assert self.pair.session.gate.state is not Gate.SERVER_EXPECTED

    def _error(self, frame: dict[str, Any]) -> None:
        event_id = frame["error"]["event_id"]
        self.in_flight.pop(event_id, None)
        settled = self.settled.get(event_id)
        if settled is None or settled.outcome is Outcome.LOST or event_id in self.guessed:
            return
        if settled.outcome is Outcome.DONE and not refused_by_gate(frame):
            assert settled.type in SETTLED_BY_OTHERS, f"done, and then refused: {frame}"

    def _hear_created(self, frame: dict[str, Any]) -> None:
        response = frame["response"]
        self.echoes |= "client_event_id" in (response["metadata"] or {})
        if response["conversation_id"] is None:
            self.out_of_band.add(response["id"])
        else:
            self.known_active = response["id"]
            self.in_band.add(response["id"])

    def _hear_done(self, frame: dict[str, Any]) -> None:
        response_id = frame["response"]["id"]
        self.out_of_band.discard(response_id)
        if response_id == self.known_active:
            self.known_active = None

    def _hear_item(self, frame: dict[str, Any]) -> None:
        self.known_items.append(frame["item"]["id"])
        if frame["item"].get("role") == "assistant":
            self.speaks.append(frame["item"]["id"])

    def _hear_deleted(self, frame: dict[str, Any]) -> None:
        self.deleted.add(frame["item_id"])

    @property
    def cuttable(self) -> list[str]:
        """What was received and is still there."""
        return [item_id for item_id in self.received if item_id not in self.deleted]

    def _hear_call(self, frame: dict[str, Any]) -> None:
        self.calls_told.add(frame["call_id"])
        assert frame["call_id"] in self.calls, "a whole call was not emitted"

    def _hear_audio(self, frame: dict[str, Any]) -> None:
        size = len(base64.b64decode(frame["delta"]))
        self.received[frame["item_id"]] = self.received.get(frame["item_id"], 0) + size

    def _hear_speech(self, frame: dict[str, Any]) -> None:
        self.speaking = self.answers_turns

    def _hear_silence(self, frame: dict[str, Any]) -> None:
        self.speaking = False
        if frame["type"] == "input_audio_buffer.speech_stopped":
            self.expected_since = self.pair.now

    def _hear_playing(self, frame: dict[str, Any]) -> None:
        self.playing = frame["type"] == "output_audio_buffer.started"

    def _hear_settings(self, frame: dict[str, Any]) -> None:
        turns = frame["session"]["audio"]["input"]["turn_detection"]
        self.answers_turns = turns is not None and turns["create_response"]
        self.speaking = self.speaking and self.answers_turns

    _HEARD: ClassVar[dict[str, Callable[[Ledger, dict[str, Any]], None]]] = {
        "error": _error,
        "session.created": _hear_settings,
        "session.updated": _hear_settings,
        "response.created": _hear_created,
        "response.done": _hear_done,
        "conversation.item.added": _hear_item,
        "conversation.item.deleted": _hear_deleted,
        "response.function_call_arguments.done": _hear_call,
        "response.output_audio.delta": _hear_audio,
        "output_audio_buffer.started": _hear_playing,
        "output_audio_buffer.stopped": _hear_playing,
        "output_audio_buffer.cleared": _hear_playing,
        "input_audio_buffer.speech_started": _hear_speech,
        "input_audio_buffer.speech_stopped": _hear_silence,
        "input_audio_buffer.committed": _hear_silence,
        "input_audio_buffer.cleared": _hear_silence,
    }
