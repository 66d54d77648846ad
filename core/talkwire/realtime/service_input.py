"""The user's audio as a service sees it: how much there is, who is speaking, turns committed.

Audio itself is counted and passed on to the engine, never kept.
"""

import math
from typing import Any

from attrs import define, field, frozen

from .engine import EngineRequest, TranscriptionRequested
from .json_values import JsonObject
from .limits import MIN_COMMIT_MS
from .service_checks import RefusedError
from .service_conversation import Conversation
from .service_items import TICKS_PER_MS
from .service_outbox import Outbox


@frozen
class Speech:
    """What the user is saying: the item it will be, and when it began (ms)."""

    item_id: str
    audio_start_ms: int


@define
class InputBuffer:
    """The input buffer, and the committed items whose words are not known yet."""

    _outbox: Outbox
    _conversation: Conversation
    speech: Speech | None = None
    _ticks: int = 0
    _all_ticks: int = 0
    _unknown: dict[str, int] = field(factory=dict[str, int])
    _told: set[str] = field(factory=set[str])
    """Items of which some words were told already."""

    def add(self, ticks: int) -> None:
        """Count audio that came in."""
        self._ticks += ticks
        self._all_ticks += ticks

    def clear(self) -> None:
        """Throw the buffer away; speech that is going on leads to no item."""
        self._ticks = 0
        self.forget_speech()

    def close(self) -> None:
        """The client is gone: nothing that is still to come matters."""
        self.clear()
        self._unknown.clear()
        self._told.clear()

    def forget_speech(self) -> None:
        """Voice activity is not detected any more."""
        self._told.difference_update(self.reserved)
        self.speech = None

    def forget(self, item_id: str) -> None:
        """An item was deleted: what was said in it does not matter any more."""
        self._unknown.pop(item_id, None)
        self._told.discard(item_id)

    @property
    def reserved(self) -> tuple[str, ...]:
        """The id that the turn being spoken will have."""
        return () if self.speech is None else (self.speech.item_id,)

    def check_commit(self) -> None:
        """Refuse a commit of less than 100 ms; speech that was detected is always enough."""
        ms = self._ticks / TICKS_PER_MS
        if ms < MIN_COMMIT_MS and self.speech is None:
            raise RefusedError(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_COMMIT_MS}ms of audio, but buffer only has {ms:.2f}ms of audio.",
            )

    def start(self, item_id: str, audio_start_ms: int) -> None:
        """The user began to speak."""
        self.speech = Speech(item_id, audio_start_ms)
        self._outbox.say(
            "input_audio_buffer.speech_started", audio_start_ms=audio_start_ms, item_id=item_id
        )

    def stop(self, speech: Speech, audio_end_ms: int) -> list[EngineRequest]:
        """The user stopped: commit what was said."""
        self.speech = None
        self._outbox.say(
            "input_audio_buffer.speech_stopped",
            audio_end_ms=audio_end_ms,
            item_id=speech.item_id,
        )
        return self.commit(speech.item_id, max(0, audio_end_ms - speech.audio_start_ms))

    def time_out(self, item_id: str, waited_ms: int) -> list[EngineRequest]:
        """The user said nothing for so long: commit the silence (§1.2)."""
        end_ms = self._all_ticks // TICKS_PER_MS
        start_ms = max(0, end_ms - waited_ms)
        self._outbox.say(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=start_ms,
            audio_end_ms=end_ms,
            item_id=item_id,
        )
        return self.commit(item_id, end_ms - start_ms)

    def commit(self, item_id: str, ms: int | None = None) -> list[EngineRequest]:
        """Make a user item of the buffer; `ms` is its length if it is not all that is there.

        Speech that is going on stays so: what is still to be said becomes its item (§3.3).
        """
        length_ms = math.ceil(self._ticks / TICKS_PER_MS) if ms is None else ms
        self._unknown[item_id] = self._conversation.heard[item_id] = length_ms
        self._ticks = 0
        previous = self._conversation.last
        self._outbox.say("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        item: JsonObject = {
            "id": item_id,
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        self._conversation.add(item)
        self._conversation.finish(item, item)
        return [TranscriptionRequested(item_id=item_id)]

    # What was said

    def expects(self, item_id: str) -> bool:
        """Whether words of this item may still come: it is being spoken, or was committed."""
        return item_id in self._unknown or item_id in self.reserved

    def say_words(self, item_id: str, delta: str) -> None:
        """More of what was said; may come before the item does (§3.3)."""
        self._told.add(item_id)
        self._say(item_id, "delta", delta=delta)

    def say_segment(self, item_id: str, segment: JsonObject) -> None:
        """What one speaker said, of several."""
        self._say(item_id, "segment", **segment)

    def transcribed(
        self, item_id: str, transcript: str, *, tell: bool, more: JsonObject | None = None
    ) -> None:
        """The engine found out what was said; `tell` says whether the client wants to know.

        `more` holds fields of the wire; usage is the duration if it is not among them.
        """
        ms = self._unknown.pop(item_id, None)
        if ms is None:
            return
        told = item_id in self._told
        self._told.discard(item_id)
        self._conversation.transcribe(item_id, transcript)
        if not tell:
            return
        if transcript and not told:
            self._say(item_id, "delta", delta=transcript)
        usage = {"type": "duration", "seconds": math.ceil(ms / 1000)}
        self._say(item_id, "completed", transcript=transcript, **{"usage": usage, **(more or {})})

    def not_transcribed(self, item_id: str, message: str, *, tell: bool) -> None:
        """The engine could not find out what was said."""
        self._told.discard(item_id)
        if self._unknown.pop(item_id, None) is None or not tell:
            return
        error = {
            "type": "transcription_error",
            "code": "audio_unintelligible",
            "message": message,
            "param": None,
        }
        self._say(item_id, "failed", error=error)

    def _say(self, item_id: str, what: str, **fields: Any) -> None:
        kind = f"conversation.item.input_audio_transcription.{what}"
        self._outbox.say(kind, item_id=item_id, content_index=0, **fields)
