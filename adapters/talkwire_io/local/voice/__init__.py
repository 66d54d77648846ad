"""An offline voice for the local service: detector, speech to text, text to speech and a brain.

`load_voice()` gives the three that need models; `RuleBrain` needs nothing. Importing this package
imports no model, no numpy and no native library.
"""

from talkwire_io.local.voice.brain import DEMO_BRAIN_NOTICE, RuleBrain
from talkwire_io.local.voice.interfaces import (
    Brain,
    CallTool,
    DetectorFactory,
    Reply,
    Say,
    SpeechStarted,
    SpeechStopped,
    SpeechToText,
    TextToSpeech,
    Turn,
    VoiceActivityDetector,
    VoiceError,
)
from talkwire_io.local.voice.loading import (
    INSTALL_COMMAND,
    NO_VOICE,
    MissingVoice,
    Voice,
    load_voice,
    missing_voice,
)

__all__ = [
    "DEMO_BRAIN_NOTICE",
    "INSTALL_COMMAND",
    "NO_VOICE",
    "Brain",
    "CallTool",
    "DetectorFactory",
    "MissingVoice",
    "Reply",
    "RuleBrain",
    "Say",
    "SpeechStarted",
    "SpeechStopped",
    "SpeechToText",
    "TextToSpeech",
    "Turn",
    "Voice",
    "VoiceActivityDetector",
    "VoiceError",
    "load_voice",
    "missing_voice",
]
