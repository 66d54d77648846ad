"""Real speech for tests: sentences spoken by the offline voice, at any rate, with any silences.

Importing this needs nothing but pytest; calling it needs the `voice` extra (mark such a module
with `pytestmark = needs_voice`).
"""

from __future__ import annotations

import functools
import wave
from collections.abc import Sequence
from pathlib import Path

import pytest

from talkwire_io.local.voice import MissingVoice, TextToSpeech, Voice, load_voice, missing_voice

_MISSING = missing_voice()
needs_voice = pytest.mark.skipif(_MISSING is not None, reason=_MISSING.hint if _MISSING else "")


@functools.cache
def voice() -> Voice:
    """Return the whole voice, loaded once in a test run."""
    loaded = load_voice()
    assert not isinstance(loaded, MissingVoice), loaded.hint
    return loaded


@functools.cache
def speaker() -> TextToSpeech:
    """Return the mouth alone, loaded once in a test run."""
    from talkwire_io.local.voice.hibari import HibariTextToSpeech

    return HibariTextToSpeech()


@functools.lru_cache(maxsize=64)
def spoken(sentence: str, rate: int = 16_000) -> bytes:
    """Return the sentence as 16-bit mono PCM at `rate` Hz. The same text gives the same bytes."""
    mouth = speaker()
    return resample(b"".join(mouth.speak(sentence)), mouth.sample_rate, rate)


def resample(pcm: bytes, rate: int, wanted: int) -> bytes:
    """Change the rate of 16-bit mono PCM by cutting or padding its whole spectrum."""
    import numpy as np

    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    count = round(len(samples) * wanted / rate)
    spectrum = np.fft.rfft(samples)
    resized = np.zeros(count // 2 + 1, complex)
    kept = min(len(spectrum), len(resized))
    resized[:kept] = spectrum[:kept]
    changed = np.fft.irfft(resized, count) * (count / len(samples))
    return bytes(np.clip(changed, -32768, 32767).astype("<i2").tobytes())


def silence(seconds: float, rate: int = 16_000) -> bytes:
    """Return 16-bit mono PCM in which nothing is heard."""
    return bytes(2 * round(seconds * rate))


def track(
    lines: Sequence[tuple[str, float]], total_s: float, rate: int = 16_000
) -> tuple[bytes, list[tuple[float, float]]]:
    """Lay sentences, each with its start in seconds, into `total_s` seconds of silence.

    Returns 16-bit mono PCM and when each sentence begins and ends, in seconds. Raises ValueError
    when one would begin before the last has ended, or would not fit.
    """
    pcm = bytearray(silence(total_s, rate))
    spans: list[tuple[float, float]] = []
    for sentence, start_s in lines:
        said = spoken(sentence, rate)
        end_s = start_s + len(said) / 2 / rate
        free_from = spans[-1][1] if spans else 0.0
        first = round(start_s * rate) * 2
        if start_s < free_from or first + len(said) > len(pcm):
            free = f"{free_from:.2f}..{total_s} s"
            raise ValueError(f"{sentence!r} takes {start_s:.2f}..{end_s:.2f} s, free is {free}")
        pcm[first : first + len(said)] = said
        spans.append((start_s, end_s))
    return bytes(pcm), spans


def write_wav(
    path: str | Path,
    lines: Sequence[tuple[str, float]],
    total_s: float,
    rate: int = 48_000,
) -> list[tuple[float, float]]:
    """Write a 16-bit mono WAV of `total_s` seconds: (sentence, start in seconds), else silence.

    Returns when each sentence begins and ends, in seconds; raises ValueError as `track` does.
    """
    pcm, spans = track(lines, total_s, rate)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return spans
