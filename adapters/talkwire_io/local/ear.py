"""What a call hears: sound in, the beginnings and ends of speech and the words' audio out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from av import AudioFrame

from talkwire_io.local.pcm import Resampler, WireFormat
from talkwire_io.local.voice import SpeechStarted, Voice, VoiceActivityDetector

_log = logging.getLogger(__name__)

RATE = 16_000
_BYTES_PER_MS = 2 * RATE // 1000
# Longer than any sentence; what was said before is lost to the transcript, not to the turn.
_LONGEST_MS = 120_000
# Kept while nobody speaks: more than the longest prefix padding a client would ask for.
_QUIET_MS = 2_000
# How long a pause ends a turn, for the detector that understands nothing of what is said.
_EAGERNESS_MS = {"high": 300, "low": 1_000}
_SEMANTIC_MS = 500


@attrs.frozen(kw_only=True)
class Started:
    """Speech began at `at_ms`, counted from the call's first sample."""

    at_ms: int


@attrs.frozen(kw_only=True)
class Stopped:
    """Speech ended at `at_ms`; `pcm` is all of it (s16le mono, 16 kHz)."""

    at_ms: int
    pcm: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Taken:
    """The audio of an item that the client committed itself."""

    item_id: str
    pcm: bytes = attrs.field(repr=False)


Heard = Started | Stopped | Taken


class Ear:
    """One call's hearing. Its methods block and belong in a worker thread, one at a time.

    Only `configure` may be called from elsewhere at any moment.
    """

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._wanted: dict[str, Any] | None = None
        self._settings: dict[str, Any] | None = None
        self._detector: VoiceActivityDetector | None = None
        self._detector_origin_ms = 0
        self._to_16k = Resampler(RATE)
        self._to_detector = Resampler(RATE)
        self._buffer = bytearray()
        self._buffer_ms = 0  # when the buffer begins, since the first sample
        self._speech_ms: int | None = None

    def configure(self, turn_detection: Mapping[str, Any] | None) -> None:
        """Follow the session's `turn_detection`; None leaves the turns to the client."""
        self._wanted = None if turn_detection is None else _settings(turn_detection)

    def hear_frames(self, frames: Sequence[AudioFrame]) -> list[Heard]:
        """Take frames of an incoming track, in order."""
        return self._hear(b"".join(map(self._to_16k.feed_frame, frames)))

    def hear_wire(self, audio: bytes, format: WireFormat) -> list[Heard]:
        """Take audio as the client appended it."""
        return self._hear(self._to_16k.feed(format.decode(audio), format.rate))

    def take(self, item_id: str) -> list[Heard]:
        """Hand over all that was heard since the last turn, as the audio of `item_id`."""
        pcm = bytes(self._buffer)
        self._forget(len(pcm))
        return [Taken(item_id=item_id, pcm=pcm)]

    def clear(self) -> list[Heard]:
        """Forget what was heard; speech that is going on goes on."""
        self._forget(len(self._buffer))
        return []

    def _hear(self, pcm: bytes) -> list[Heard]:
        self._follow_settings()
        self._buffer += pcm
        heard: list[Heard] = []
        if self._detector is not None:
            for event in self._detector.feed(self._to_detector.feed(pcm, RATE)):
                at_ms = self._detector_origin_ms + event.at_ms
                started = isinstance(event, SpeechStarted)
                heard.append(self._started(at_ms) if started else self._stopped(at_ms))
        self._forget_old()
        return heard

    def _started(self, at_ms: int) -> Heard:
        self._speech_ms = at_ms
        return Started(at_ms=at_ms)

    def _stopped(self, at_ms: int) -> Heard:
        begin = 0 if self._speech_ms is None else self._offset(self._speech_ms)
        end = self._offset(at_ms)
        pcm = bytes(self._buffer[begin:end])
        self._speech_ms = None
        self._forget(end)
        return Stopped(at_ms=at_ms, pcm=pcm)

    def _offset(self, at_ms: int) -> int:
        return min(max(at_ms - self._buffer_ms, 0) * _BYTES_PER_MS, len(self._buffer))

    def _forget_old(self) -> None:
        """Bound the buffer: when turns are detected, silence is only kept for the prefix."""
        idle = self._detector is not None and self._speech_ms is None
        keep = (_QUIET_MS if idle else _LONGEST_MS) * _BYTES_PER_MS
        if len(self._buffer) > keep + _QUIET_MS * _BYTES_PER_MS:
            self._forget(len(self._buffer) - keep)

    def _forget(self, size: int) -> None:
        size -= size % _BYTES_PER_MS  # the buffer begins at a whole millisecond
        del self._buffer[:size]
        self._buffer_ms += size // _BYTES_PER_MS

    def _follow_settings(self) -> None:
        wanted = self._wanted
        # New thresholds wait for the end of a sentence: a fresh detector would not know it began.
        if wanted == self._settings or (wanted is not None and self._speech_ms is not None):
            return
        self._settings, self._speech_ms = wanted, None
        if wanted is None:
            self._detector = None
            return
        try:
            self._detector = self._voice.detector(**wanted)
        except ValueError as error:
            _log.warning("turn detection stays as it was: %s", error)
            return
        self._to_detector = Resampler(self._detector.sample_rate)
        self._detector_origin_ms = self._buffer_ms + len(self._buffer) // _BYTES_PER_MS


def _settings(turn_detection: Mapping[str, Any]) -> dict[str, Any]:
    if turn_detection.get("type") == "semantic_vad":
        eagerness = str(turn_detection.get("eagerness"))
        return {"silence_duration_ms": _EAGERNESS_MS.get(eagerness, _SEMANTIC_MS)}
    names = ("threshold", "prefix_padding_ms", "silence_duration_ms")
    given = {name: turn_detection.get(name) for name in names}
    return {name: value for name, value in given.items() if value is not None}
