"""What the local service asks of a voice: four small parts, any of which can be replaced.

PCM is signed 16-bit little-endian mono everywhere; each part states the rate it wants or makes.
Three of the parts block, so call them in a worker thread. Only the brain is quick enough to be
called where it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs


class VoiceError(Exception):
    """A voice is installed but cannot be used; the message names the file or the package."""


@attrs.frozen
class SpeechStarted:
    """Somebody began to speak; `at_ms` already has the prefix padding taken off.

    Milliseconds since the detector's first sample: where the audio to transcribe begins.
    """

    at_ms: int


@attrs.frozen
class SpeechStopped:
    """They stopped; `at_ms` is when that was certain, so it includes the silence waited for.

    Milliseconds since the detector's first sample: where the audio to transcribe ends.
    """

    at_ms: int


class VoiceActivityDetector(Protocol):
    """Tell speech from everything else in one stream of audio. One per call, not thread-safe."""

    @property
    def sample_rate(self) -> int:
        """Hz of the PCM it wants."""
        ...

    def feed(self, pcm: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Take the next PCM, cut anywhere, even inside a sample; say what it showed. Blocking."""
        ...


class DetectorFactory(Protocol):
    """Make a detector for one call, tuned as the session's `turn_detection` asks."""

    def __call__(
        self,
        *,
        threshold: float = 0.5,
        prefix_padding_ms: int = 300,
        silence_duration_ms: int = 500,
    ) -> VoiceActivityDetector:
        """Raise ValueError for a threshold outside 0..1 or a negative duration."""
        ...


class SpeechToText(Protocol):
    """Write down what was said. Shared between calls and safe to call from several threads."""

    @property
    def sample_rate(self) -> int:
        """Hz of the PCM it wants."""
        ...

    def transcribe(self, pcm: bytes) -> str:
        """Return the words of one utterance, "" when there were none. Blocking."""
        ...


class TextToSpeech(Protocol):
    """Say a text. Shared between calls and safe to call from several threads."""

    @property
    def sample_rate(self) -> int:
        """Hz of the PCM it makes."""
        ...

    def speak(self, text: str) -> Iterator[bytes]:
        """Yield PCM sentence by sentence. Each step blocks; nothing is made ahead of it."""
        ...


@attrs.frozen
class Turn:
    """All a brain gets to see before it answers; items and tools have their GA wire shapes."""

    items: Sequence[Mapping[str, Any]]
    """The conversation in order: `message`, `function_call` and `function_call_output` items."""
    instructions: str = ""
    tools: Sequence[Mapping[str, Any]] = ()
    """`{"type": "function", "name": …, "description": …, "parameters": JSON schema}`"""
    tool_choice: Any = "auto"
    """`"auto"`, `"none"`, `"required"` or `{"type": "function", "name": …}`"""


@attrs.frozen
class Say:
    """Speak this."""

    text: str


@attrs.frozen
class CallTool:
    """Call this function; `arguments` is the text of a JSON object."""

    name: str
    arguments: str


Reply = Sequence[Say | CallTool]
"""What a brain wants done, in order; several CallTool are parallel calls."""


class Brain(Protocol):
    """Decide what to say or which tools to call. Pure and quick: no I/O, nothing remembered."""

    def answer(self, turn: Turn) -> Reply:
        """Return at least one action; never raise because of what a turn contains."""
        ...
