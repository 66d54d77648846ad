"""A translation session at the service (§1.2, §1.3): speech in, speech in another language out.

It has no turns, items or responses. The client ends it by `session.close`: the engine translates
what is left, `session.closed` is said and the transport is closed.
"""

from attrs import define

from .engine import AudioReceived, EngineRequest, FlushRequested
from .service_checks import RefusedError
from .service_outbox import Outbox

SAMPLE_RATE = 24000
"""Hz; both ways PCM16, mono."""


@define
class Translation:
    """What is said in a translation session."""

    _outbox: Outbox
    closing: bool = False
    """Whether the client asked for the end."""

    def append(self, audio: bytes) -> list[EngineRequest]:
        """Take more of what is to be translated."""
        if self.closing:
            message = "The session is closing; no more audio can be appended."
            raise RefusedError("invalid_value", message, "type")
        return [AudioReceived(audio=audio)]

    def close(self) -> list[EngineRequest]:
        """The client asked for the end; asking again changes nothing."""
        requests: list[EngineRequest] = [] if self.closing else [FlushRequested()]
        self.closing = True
        return requests

    def heard(self, delta: str, elapsed_ms: int | None) -> None:
        """More of what was said, as it was said."""
        self._outbox.say("session.input_transcript.delta", delta=delta, elapsed_ms=elapsed_ms)

    def said(self, delta: str, elapsed_ms: int | None) -> None:
        """More of the translation, written."""
        self._outbox.say("session.output_transcript.delta", delta=delta, elapsed_ms=elapsed_ms)

    def spoke(self, audio: bytes, elapsed_ms: int | None) -> None:
        """More of the translation, aloud."""
        self._outbox.say(
            "session.output_audio.delta",
            delta=audio,
            channels=1,
            format="pcm16",
            sample_rate=SAMPLE_RATE,
            elapsed_ms=elapsed_ms,
        )
