"""The mouth speaks sentence by sentence, the same way each time, and stumbles over nothing."""

from __future__ import annotations

import wave
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from support.speech import needs_voice, resample, speaker, voice, write_wav
from talkwire_io.local.voice.words import words

pytestmark = needs_voice


def seconds(pcm: bytes) -> float:
    return len(pcm) / 2 / speaker().sample_rate


def test_each_sentence_is_a_chunk_so_that_the_first_audio_comes_early() -> None:
    text = "The weather in Rome is sunny. It is twenty one degrees. Dr. Smith is out!"
    chunks = list(speaker().speak(text))
    assert len(chunks) == 3
    assert all(0.8 < seconds(chunk) < 4 for chunk in chunks)
    assert chunks[0] == b"".join(speaker().speak("The weather in Rome is sunny."))


def test_a_sentence_without_end_is_cut_so_that_it_can_begin() -> None:
    endless = "the price of bread is four euros, and " * 20
    chunks = list(speaker().speak(endless))
    assert len(chunks) > 2
    assert all(seconds(chunk) < 20 for chunk in chunks)


def test_what_it_says_can_be_understood() -> None:
    said = "The timer is set for 12 minutes."
    pcm = resample(b"".join(speaker().speak(said)), speaker().sample_rate, 16_000)
    assert words(voice().speech_to_text.transcribe(pcm)) == words(said)


@pytest.mark.parametrize("text", ["", " \n ", "...", "😀", "!?", "\ud800"])
def test_text_without_words_gives_no_audio(text: str) -> None:
    assert list(speaker().speak(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "1" * 400,
        "a" * 3000,
        "see [this](https://example.org/a?b=c#d)",
        '{"temperature": 21.5, "sky": null}',
        "21 °C \u2014 «ok»; Дом, 日本 x\u0000y \x07",
        "1e400, 5/0, 99:99, $$$, 3rd, 0th, MMXXVI, -0.5%",
        "a\ud800b",
    ],
)
def test_whatever_a_tool_may_return_can_be_said(text: str) -> None:
    assert seconds(b"".join(speaker().speak(text))) > 0.3


def test_threads_may_share_it_and_the_same_text_is_always_the_same_audio() -> None:
    texts = ["The first one.", "Another one, which is a little longer.", "And a third."] * 3
    alone = [b"".join(speaker().speak(text)) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda text: b"".join(speaker().speak(text)), texts)) == alone


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_wav_for_a_microphone_has_its_sentences_where_they_were_asked_for(
    tmp_path: Path, rate: int
) -> None:
    import numpy as np

    lines = [("What is the weather in Rome?", 1.0), ("Thank you.", 4.5)]
    spans = write_wav(tmp_path / "mic.wav", lines, 7.0, rate)
    with wave.open(str(tmp_path / "mic.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, rate)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")

    assert len(samples) == 7 * rate
    edges = [0.0, *(edge for span in spans for edge in span), 7.0]
    loud = [
        bool(np.abs(samples[round(a * rate) + 1 : round(b * rate) - 1].astype(int)).max() > 1000)
        for a, b in pairwise(edges)
    ]
    assert loud == [False, True, False, True, False]


def test_sentences_that_do_not_fit_into_a_wav_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Thank you"):
        write_wav(tmp_path / "x.wav", [("Hello there.", 0.0), ("Thank you.", 0.5)], 9.0)
    with pytest.raises(ValueError, match="Hello"):
        write_wav(tmp_path / "x.wav", [("Hello there.", 0.0)], 0.5)
    assert not (tmp_path / "x.wav").exists()
