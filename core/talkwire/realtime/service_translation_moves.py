"""What an engine reports of a translation (§1.2)."""

from ..errors import LocalProtocolError
from .engine import EngineRequest
from .kind import Kind
from .service_arguments import check, optional
from .service_books import Books


class TranslationMoves:
    """What a translator says. `elapsed_ms` (ms) aligns it with what came in.

    Raises LocalProtocolError in a session of another kind.
    """

    _books: Books

    def _translates(self, call: str) -> bool:
        if self._books.kind is not Kind.TRANSLATION:
            raise LocalProtocolError(f"{call} is not legal in a {self._books.kind.value} session")
        return not self._books.closed

    def heard_text(
        self, delta: str, *, elapsed_ms: int | None = None, now: float
    ) -> list[EngineRequest]:
        """More of what was said, as it was said; told if the client asked for transcription."""
        check("heard_text", now, words=(delta,), whole=optional(elapsed_ms))
        if self._translates("heard_text") and self._books.transcribes:
            self._books.translation.heard(delta, elapsed_ms)
        return []

    def translated_text(
        self, delta: str, *, elapsed_ms: int | None = None, now: float
    ) -> list[EngineRequest]:
        """More of the translation, written."""
        check("translated_text", now, words=(delta,), whole=optional(elapsed_ms))
        if self._translates("translated_text"):
            self._books.translation.said(delta, elapsed_ms)
        return []

    def translated_audio(
        self, audio: bytes, *, elapsed_ms: int | None = None, now: float
    ) -> list[EngineRequest]:
        """More of the translation, aloud: PCM16 at 24 kHz, mono. Not sent on webrtc."""
        check("translated_audio", now, whole=optional(elapsed_ms), sound=audio)
        if self._translates("translated_audio") and not self._books.floor.plays:
            self._books.translation.spoke(audio, elapsed_ms)
        return []

    def translation_done(self, *, now: float) -> list[EngineRequest]:
        """All was translated, as `FlushRequested` asked: the session ends (code 1000).

        Raises LocalProtocolError also when the client did not ask for the end.
        """
        check("translation_done", now)
        if not self._translates("translation_done"):
            return []
        if not self._books.translation.closing:
            raise LocalProtocolError("translation_done is not legal: nobody closes the session")
        self._books.outbox.say("session.closed")
        return self._books.end(1000)
