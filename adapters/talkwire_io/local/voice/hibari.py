"""Speech from text with hibari-tts: one English voice, carried in the package, on one core."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from talkwire_io.local.voice.interfaces import VoiceError
from talkwire_io.local.voice.weights import verify

MODEL_SHA256 = "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8"

# The engine's memory and its time to first audio grow with the sentence. A reply read out of a
# tool's output may be one endless "sentence", so it is cut at a clause, else at a space.
_LONGEST_SENTENCE = 240
# [text](/phonemes/) is markup to the engine; a model's words must stay words.
_MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)")
# Read as one number, a run this long has no name and the engine fails on it.
_DIGITS = re.compile(r"\d{16,}")


class HibariTextToSpeech:
    """Say English text. Blocking: 20-70 ms a sentence; safe to share between threads.

    Threads take turns sentence by sentence, so one long reply does not keep others waiting.
    The same text always gives the same bytes. Loading takes 0.5 s; raises ImportError when
    hibari-tts is missing and VoiceError when its model is not the one that was tried.
    """

    def __init__(self, *, cpu_threads: int = 1) -> None:
        package: Any = importlib.import_module("hibari")
        model = Path(package.__file__).parent / "assets" / "hibari.onnx"
        verify(model, MODEL_SHA256)
        self._engine: Any = package.Hibari(model=str(model), threads=cpu_threads)
        # The engine's lexicon is plain Python with caches, and made on first use.
        self._lock = threading.Lock()

    @property
    def sample_rate(self) -> int:
        """24000 Hz."""
        return 24_000

    def speak(self, text: str) -> Iterator[bytes]:
        """Yield PCM (s16le mono, 24 kHz), one chunk a sentence; nothing for text without words.

        Raises VoiceError if the engine fails on a sentence.
        """
        for sentence in self._sentences(text):
            for part in self._synthesise(sentence):
                if part.size:
                    yield _pcm(part)

    def _sentences(self, text: str) -> Iterator[str]:
        plain = _MARKUP.sub(r"\1", text).encode("utf-8", "ignore").decode("utf-8")
        plain = _DIGITS.sub(lambda run: " ".join(run[0]), plain)
        for sentence in self._engine.split_sentences(plain):
            yield from filter(_has_words, _pieces(sentence))

    def _synthesise(self, sentence: str) -> list[npt.NDArray[np.float32]]:
        with self._lock:
            try:
                return list(self._engine.stream(sentence, seed=0))
            except Exception as error:  # whatever a third party's grammar trips over
                raise VoiceError(f"hibari-tts cannot say {sentence!r}: {error!r}") from error


def _pieces(sentence: str) -> Iterator[str]:
    while len(sentence) > _LONGEST_SENTENCE:
        head = sentence[:_LONGEST_SENTENCE]
        clause = max(head.rfind(mark) for mark in (", ", "; ", ": "))
        cut = next((at + 1 for at in (clause, head.rfind(" ")) if at > 0), _LONGEST_SENTENCE)
        yield sentence[:cut]
        sentence = sentence[cut:].lstrip()
    yield sentence


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _pcm(wave: npt.NDArray[np.float32]) -> bytes:
    return (np.clip(wave, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
