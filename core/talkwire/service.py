"""The other end of the wire, for tests and for services of your own.

Kept out of `import talkwire`: who only talks to a service need not load one.
"""

from .realtime.engine import (
    AudioReceived,
    ConfigurationChanged,
    EngineRequest,
    FlushRequested,
    InputCleared,
    McpApprovalGiven,
    McpCallRequested,
    McpListRequested,
    PlaybackCleared,
    ResponseRequested,
    ResponseStopped,
    TranscriptionRequested,
)
from .realtime.service import Service
from .realtime.service_outbox import Attachment

__all__ = [
    "Attachment",
    "AudioReceived",
    "ConfigurationChanged",
    "EngineRequest",
    "FlushRequested",
    "InputCleared",
    "McpApprovalGiven",
    "McpCallRequested",
    "McpListRequested",
    "PlaybackCleared",
    "ResponseRequested",
    "ResponseStopped",
    "Service",
    "TranscriptionRequested",
]
