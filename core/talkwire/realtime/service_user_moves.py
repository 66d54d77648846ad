"""What an engine reports of the user: speech, silence and words (§3.3, §3.6)."""

from collections.abc import Mapping
from typing import Any

from ..errors import LocalProtocolError
from .engine import EngineRequest
from .json_values import JsonObject
from .kind import Kind
from .service_arguments import check, optional
from .service_books import Books
from .service_items import TICKS_PER_MS

_MORE = frozenset({"usage", "languages", "logprobs"})


class UserMoves:
    """What the user does, as the engine's ears hear it."""

    _books: Books

    @property
    def speech_item(self) -> str | None:
        """The id of the item that the user is speaking, None in silence."""
        speech = self._books.input.speech
        return None if speech is None else speech.item_id

    def speech_started(
        self, *, audio_start_ms: int, played_ms: int | None = None, now: float
    ) -> list[EngineRequest]:
        """The user began to speak, over the assistant perhaps (§3.6).

        `played_ms`: how much of the response now playing was heard (webrtc); None when not known.
        Ignored when turn detection is off. Raises LocalProtocolError when the user speaks already.
        """
        check("speech_started", now, whole=(audio_start_ms, *optional(played_ms)))
        books, detection = self._books, self._books.detection
        if books.closed or detection is None:
            return []
        if books.input.speech is not None:
            raise LocalProtocolError("speech_started is not legal while the user speaks already")
        books.input.start(books.conversation.fresh("item"), audio_start_ms)
        books.floor.now, books.floor.heard_ms = now, played_ms
        requests = books.floor.interrupt() if detection.get("interrupt_response") else []
        books.floor.quiet_since = None
        return requests

    def speech_stopped(self, *, audio_end_ms: int, now: float) -> list[EngineRequest]:
        """The user stopped: the turn is committed and, if so configured, answered.

        Ignored when the client cleared the buffer or turned detection off meanwhile.
        """
        check("speech_stopped", now, whole=(audio_end_ms,))
        speech, detection = self._books.input.speech, self._books.detection
        if speech is None or detection is None:
            return []
        requests = self._books.input.stop(speech, audio_end_ms)
        return requests + self._answer_turn(detection, now)

    def _answer_turn(self, detection: JsonObject, now: float) -> list[EngineRequest]:
        """Respond by itself, where the kind of session and its settings want that."""
        if self._books.kind is not Kind.REALTIME or not detection["create_response"]:
            return []
        self._books.floor.now = now
        return self._books.floor.answer_turn(self._books.session)

    def audio_received(self, *, duration_ms: int, now: float) -> list[EngineRequest]:
        """Audio of the user came in beside the wire (webrtc): it counts for a client's commit."""
        check("audio_received", now, whole=(duration_ms,))
        self._books.input.add(duration_ms * TICKS_PER_MS)
        return []

    def transcript_delta(self, item_id: str, delta: str, *, now: float) -> list[EngineRequest]:
        """More of what was said, in an item or in the `speech_item` that will be one (§3.3)."""
        check("transcript_delta", now, words=(item_id, delta))
        if self._books.transcribes and self._books.input.expects(item_id):
            self._books.input.say_words(item_id, delta)
        return []

    def transcript_segment(
        self,
        item_id: str,
        text: str,
        *,
        speaker: str,
        start: float,
        end: float,
        segment_id: str | None = None,
        now: float,
    ) -> list[EngineRequest]:
        """What one of several speakers said, and when (s)."""
        words = (item_id, text, speaker, *optional(segment_id))
        check("transcript_segment", now, words=words, seconds=(start, end))
        books = self._books
        if books.transcribes and books.input.expects(item_id):
            segment = {"text": text, "id": segment_id or books.outbox.ids("seg")}
            times = {"speaker": speaker, "start": start, "end": end}
            books.input.say_segment(item_id, {**segment, **times})
        return []

    def transcribed(
        self,
        item_id: str,
        transcript: str,
        *,
        more: Mapping[str, Any] | None = None,
        now: float,
    ) -> list[EngineRequest]:
        """What was said in a committed item; the client hears of it if it asked for that.

        `more`: `usage`, `languages` or `logprobs` for the wire; usage is by duration otherwise.
        Raises LocalProtocolError for other fields.
        """
        check("transcribed", now, words=(item_id, transcript), fields=more)
        fields = dict(more or {})
        if not _MORE.issuperset(fields):
            raise LocalProtocolError(f"transcribed: more={fields!r} may hold {sorted(_MORE)}")
        tell = self._books.transcribes
        self._books.input.transcribed(item_id, transcript, tell=tell, more=fields)
        return []

    def transcription_failed(
        self, item_id: str, message: str, *, now: float
    ) -> list[EngineRequest]:
        """What was said in a committed item cannot be known."""
        check("transcription_failed", now, words=(item_id, message))
        self._books.input.not_transcribed(item_id, message, tell=self._books.transcribes)
        return []
