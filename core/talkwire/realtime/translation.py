"""A translation session's own words (§1.2, §1.3): speech goes in, and comes out translated.

It shares `error`, `session.created`, `session.updated` and `session.update` with the other kinds
of session and has no items, responses or turns. Audio is PCM16 at 24 kHz, mono, best in frames of
200 ms; keep sending silence while nobody speaks, because the service takes what follows a pause
for what follows at once.

The end is a handshake: send `TranslationSessionClose`; the service translates what it still has,
says `session.closed`, which settles the command and ends the session, and closes the transport.
"""

from typing import Literal

from attrs import frozen
from msgspec import UNSET, UnsetType

from ..values import Value


@frozen(kw_only=True, eq=False, repr=False)
class TranslationInputAudioBufferAppend(Value):
    """Add audio (PCM16 at 24 kHz, mono) to what is to be translated; never acknowledged."""

    type: Literal["session.input_audio_buffer.append"] = "session.input_audio_buffer.append"
    event_id: str | UnsetType = UNSET
    audio: bytes


@frozen(kw_only=True, eq=False, repr=False)
class TranslationSessionClose(Value):
    """Have the rest translated and the session ended."""

    type: Literal["session.close"] = "session.close"
    event_id: str | UnsetType = UNSET


@frozen(kw_only=True, eq=False, repr=False)
class TranslationSessionClosed(Value):
    """All was translated, and the session is over."""

    type: Literal["session.closed"] = "session.closed"
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class TranslationInputTranscriptDelta(Value):
    """More of what was said, as it was said; only where `audio.input.transcription` is set.

    Fragments are joined without spaces. `elapsed_ms` (ms) aligns it with the audio, in steps of
    200 ms; several fragments may share one.
    """

    type: Literal["session.input_transcript.delta"] = "session.input_transcript.delta"
    delta: str
    elapsed_ms: int | None = None
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class TranslationOutputTranscriptDelta(Value):
    """More of the translation in writing; joined and aligned as what was said is."""

    type: Literal["session.output_transcript.delta"] = "session.output_transcript.delta"
    delta: str
    elapsed_ms: int | None = None
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class TranslationOutputAudioDelta(Value):
    """More of the translation aloud, in chunks of any length; `sample_rate` in Hz."""

    type: Literal["session.output_audio.delta"] = "session.output_audio.delta"
    delta: bytes
    channels: int | None = None
    format: str | None = None
    sample_rate: int | None = None
    elapsed_ms: int | None = None
    event_id: str = ""


TranslationCommand = TranslationInputAudioBufferAppend | TranslationSessionClose
TranslationEvent = (
    TranslationSessionClosed
    | TranslationInputTranscriptDelta
    | TranslationOutputTranscriptDelta
    | TranslationOutputAudioDelta
)
