"""PCM between sampling rates and the Realtime API's audio formats: s16le mono on our side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from av import AudioFrame, AudioResampler

from talkwire_io.local import g711

# format type -> (bytes of a sample, Hz when the format does not say)
_FORMATS = {"audio/pcm": (2, 24_000), "audio/pcmu": (1, 8_000), "audio/pcma": (1, 8_000)}
_LAWS = {"audio/pcmu": g711.MU_LAW, "audio/pcma": g711.A_LAW}


class Resampler:
    """Turn one stream of audio, in pieces, into s16le mono at `rate` Hz. One thread at a time."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._source: tuple[str, str, int] | None = None
        self._engine: AudioResampler | None = None

    def feed(self, pcm: bytes, rate: int) -> bytes:
        """Take mono s16le PCM of `rate` Hz (whole samples), return what is ready."""
        if rate == self._rate or not pcm:
            return pcm
        return self.feed_frame(frame_of(pcm, rate))

    def feed_frame(self, frame: AudioFrame) -> bytes:
        """Take a decoded frame of any layout and rate, return what is ready."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if source != self._source or self._engine is None:
            # A peer may change between the codecs that were agreed on.
            self._source = source
            self._engine = AudioResampler(format="s16", layout="mono", rate=self._rate)
        frame.pts = None  # a lost packet is a gap in time, not an error
        return b"".join(map(pcm_of, self._engine.resample(frame)))

    def flush(self) -> bytes:
        """Return what was held back for the filter, and begin anew."""
        engine, self._engine = self._engine, None
        return b"" if engine is None else b"".join(map(pcm_of, engine.resample(None)))


def resample(pcm: bytes, rate: int, wanted: int) -> bytes:
    """Change the rate (Hz) of a whole sound."""
    resampler = Resampler(wanted)
    return resampler.feed(pcm, rate) + resampler.flush()


def frame_of(pcm: bytes, rate: int) -> AudioFrame:
    """Return mono s16le PCM as a frame; half a sample at the end is left out."""
    frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.planes[0].update(pcm.ljust(frame.planes[0].buffer_size, b"\0"))
    frame.sample_rate = rate
    return frame


def pcm_of(frame: AudioFrame) -> bytes:
    """Return the samples of a packed s16 mono frame; a plane may be longer than its sound."""
    return bytes(frame.planes[0])[: frame.samples * 2]


class WireFormat:
    """A Realtime audio format, `{"type": "audio/pcm", "rate": 24000}`, as bytes on the wire."""

    def __init__(self, format: Mapping[str, Any] | None) -> None:
        kind = str((format or {}).get("type"))
        self._law = _LAWS.get(kind)
        width, rate = _FORMATS.get(kind, _FORMATS["audio/pcm"])
        self.rate = rate
        self.bytes_per_ms = width * rate // 1000

    def decode(self, data: bytes) -> bytes:
        """Return s16le PCM at `rate` Hz; half a sample at the end is left out."""
        return data[: len(data) & ~1] if self._law is None else self._law.decode(data)

    def encode(self, pcm: bytes) -> bytes:
        """Take s16le PCM at `rate` Hz."""
        return pcm if self._law is None else self._law.encode(pcm)
