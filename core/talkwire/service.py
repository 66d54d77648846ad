"""The other end of the wire, for tests and for services of your own.

Kept out of `import talkwire`: who only talks to a service need not load one.
"""

from .realtime.engine import (
    AudioReceived,
    ConfigurationChanged,
    EngineRequest,
    InputCleared,
    PlaybackCleared,
    ResponseRequested,
    ResponseStopped,
    TranscriptionRequested,
)
from .realtime.service import Service

__all__ = [
    "AudioReceived",
    "ConfigurationChanged",
    "EngineRequest",
    "InputCleared",
    "PlaybackCleared",
    "ResponseRequested",
    "ResponseStopped",
    "Service",
    "TranscriptionRequested",
]
