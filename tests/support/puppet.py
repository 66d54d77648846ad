"""An engine behind a `Pair`'s service that makes a move when it is told to, and only legal ones."""

from __future__ import annotations

from attrs import define, field

from support.pair import Pair
from talkwire.realtime.engine import (
    ConfigurationChanged,
    EngineRequest,
    InputCleared,
    PlaybackCleared,
    ResponseRequested,
    ResponseStopped,
    TranscriptionRequested,
)

CHUNK = bytes(100 * 48)  # 100 ms


@define
class Puppet:
    """It knows what it was asked for, what it has begun, and what the user is doing."""

    pair: Pair
    running: dict[str, str] = field(factory=dict[str, str])
    """By response, the modality that was asked for."""
    messages: dict[str, str] = field(factory=dict[str, str])
    """By response, the modality of the message it is saying."""
    audible: list[str] = field(factory=list[str])
    unknown: list[str] = field(factory=list[str])
    """Items whose words are to be found out."""
    hears: bool = True
    user_speaks: bool = False
    clock_ms: int = 0

    def asked(self, request: EngineRequest) -> None:
        """Take one of the service's requests."""
        match request:
            case ResponseRequested():
                self.running[request.response_id] = request.output_modality
            case ResponseStopped():
                self._ended(request.response_id)
            case PlaybackCleared():
                self.audible.remove(request.response_id)
            case TranscriptionRequested():
                self.unknown.append(request.item_id)
            case InputCleared():
                self.user_speaks = False
            case ConfigurationChanged():
                self.hears = request.session["audio"]["input"]["turn_detection"] is not None
                self.user_speaks = self.user_speaks and self.hears
            case _:
                pass

    def _ended(self, response_id: str) -> None:
        self.running.pop(response_id, None)
        self.messages.pop(response_id, None)

    @property
    def playable(self) -> list[str]:
        """Responses that are made and not yet played to their end."""
        return [response for response in self.audible if response not in self.running]

    # -- the user

    def speech(self, heard_ms: int | None = None) -> None:
        """The user begins to speak, or stops."""
        self.clock_ms += 700
        self.user_speaks = not self.user_speaks
        if self.user_speaks:
            self.pair.engine("speech_started", audio_start_ms=self.clock_ms, played_ms=heard_ms)
        else:
            self.pair.engine("speech_stopped", audio_end_ms=self.clock_ms)

    def transcribe(self, item_id: str, understood: bool = True) -> None:
        self.unknown.remove(item_id)
        if understood:
            self.pair.engine("transcribed", item_id, f"Words of {item_id}.")
        else:
            self.pair.engine("transcription_failed", item_id, "Too quiet.")

    # -- the model

    def say(self, response_id: str, aloud: bool) -> None:
        """A bit more of a message; begin it if need be."""
        if response_id not in self.messages:
            spoken = aloud and self.running[response_id] == "audio"
            self.messages[response_id] = "audio" if spoken else "text"
            self.pair.engine("message_started", response_id, modality=self.messages[response_id])
        self.pair.engine("text", response_id, "It is sunny. ")
        if self.messages[response_id] == "audio":
            if not self.pair.plane.carries_audio and response_id not in self.audible:
                self.audible.append(response_id)
            self.pair.engine("audio", response_id, CHUNK, 100)

    def end_message(self, response_id: str) -> None:
        if self.messages.pop(response_id, None) is not None:
            self.pair.engine("message_done", response_id)

    def call(self, response_id: str) -> None:
        self.pair.engine("function_call", response_id, "double", '{"n":21}')

    def end(self, response_id: str, how: str = "done") -> None:
        """It is done, or it "failed", or is "incomplete"."""
        if how == "failed":
            self.pair.engine("response_failed", response_id, code="server_error", message="Oh.")
        elif how == "incomplete":
            self.pair.engine("response_incomplete", response_id, reason="max_output_tokens")
        else:
            self.end_message(response_id)
            self.pair.engine("response_done", response_id)
        self._ended(response_id)

    def play_out(self, response_id: str) -> None:
        self.audible.remove(response_id)
        self.pair.engine("playback_stopped", response_id)

    def come_to_rest(self) -> None:
        """Deliver everything and end everything, until nothing moves."""
        if self.user_speaks:
            self.speech()
        while True:
            self.pair.run()
            if self.unknown:
                self.transcribe(self.unknown[0])
            elif self.running:
                self.end(next(iter(self.running)))
            elif self.playable:
                self.play_out(self.playable[0])
            elif not self.pair.to_service and not self.pair.to_session:
                return
