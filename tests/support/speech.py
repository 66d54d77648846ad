"""Real speech for tests: sentences spoken by the offline voice, at any rate, with any silences."""

from __future__ import annotations

import functools
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from talkwire_io.local.voice.hibari import HibariTextToSpeech


@functools.cache
def speaker() -> HibariTextToSpeech:
    """The one voice of a test run; raises ImportError when the `voice` extra is not installed."""
    return HibariTextToSpeech()


@functools.lru_cache(maxsize=64)
def spoken(sentence: str, rate: int = 16_000) -> bytes:
    """Return the sentence as 16-bit mono PCM at `rate` Hz. The same text gives the same bytes."""
    pcm = np.frombuffer(b"".join(speaker().speak(sentence)), "<i2")
    return resample(pcm, speaker().sample_rate, rate).tobytes()


def resample(pcm: npt.NDArray[np.int16], rate: int, wanted: int) -> npt.NDArray[np.int16]:
    """Change the sampling rate by cutting or padding the whole spectrum: exact, for short clips."""
    count = round(len(pcm) * wanted / rate)
    spectrum = np.fft.rfft(pcm.astype(np.float64))
    resized = np.zeros(count // 2 + 1, complex)
    kept = min(len(spectrum), len(resized))
    resized[:kept] = spectrum[:kept]
    wave_ = np.fft.irfft(resized, count) * (count / len(pcm))
    return np.clip(wave_, -32768, 32767).astype("<i2")


def write_wav(
    path: str | Path,
    lines: Sequence[tuple[str, float]],
    total_s: float,
    rate: int = 48_000,
) -> list[tuple[float, float]]:
    """Write a 16-bit mono WAV of `total_s` seconds: (sentence, start in seconds), else silence.

    Returns when each sentence begins and ends, in seconds. Raises ValueError when one would begin
    before the last has ended or would not fit, and ImportError without the `voice` extra.
    """
    track = bytearray(round(total_s * rate) * 2)
    spans: list[tuple[float, float]] = []
    for sentence, start_s in lines:
        pcm = spoken(sentence, rate)
        end_s = start_s + len(pcm) / 2 / rate
        free_from = spans[-1][1] if spans else 0.0
        if start_s < free_from or end_s > total_s:
            free = f"{free_from:.2f}..{total_s} s"
            raise ValueError(f"{sentence!r} takes {start_s:.2f}..{end_s:.2f} s, free is {free}")
        first = round(start_s * rate) * 2
        track[first : first + len(pcm)] = pcm
        spans.append((start_s, end_s))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(track[: round(total_s * rate) * 2])
    return spans
