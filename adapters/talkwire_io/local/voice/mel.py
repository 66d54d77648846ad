"""The log-mel spectrogram Whisper was trained on, in numpy.

80 mel bands from 25 ms Hann windows every 10 ms, in the arithmetic of OpenAI's `whisper/audio.py`
(with the Slaney scale and area norm of its `mel_filters.npz`).
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
HOP = 160  # samples: 10 ms, one frame
_WINDOW = 400  # samples: 25 ms
_BANDS = 80


def log_mel(audio: Floats) -> Floats:
    """Return (80, len(audio) // 160) features of mono audio in -1..1 at 16 kHz."""
    padded = np.pad(audio, _WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP]
    spectrum = np.fft.rfft(windows[: len(audio) // HOP] * _hann(), axis=1)
    power = np.square(np.abs(spectrum)).astype(np.float32)
    mel = np.log10(np.maximum(_filters() @ power.T, 1e-10))
    scaled: Floats = ((np.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return scaled


@functools.cache
def _hann() -> Floats:
    window: Floats = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    return window


@functools.cache
def _filters() -> Floats:
    """Triangles between neighbouring mel points, each of the same area: (80, 201)."""
    bins = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    points = _mel_to_hz(np.linspace(0.0, _hz_to_mel(SAMPLE_RATE / 2), _BANDS + 2))
    widths = np.diff(points)
    slopes = points[:, None] - bins[None, :]
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (points[2:] - points[:-2]))[:, None]).astype(np.float32)


# Slaney's scale: linear to 1 kHz (15 mels), logarithmic above.
_LOG_STEP = float(np.log(6.4)) / 27.0


def _hz_to_mel(hz: float) -> float:
    return 3.0 * hz / 200.0 if hz < 1000.0 else 15.0 + float(np.log(hz / 1000.0)) / _LOG_STEP


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mel < 15.0, 200.0 * mel / 3.0, 1000.0 * np.exp(_LOG_STEP * (mel - 15.0)))
