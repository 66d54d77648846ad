"""Session configuration: what we asked for, and what the service says is in force (§1.6)."""

from copy import deepcopy
from typing import Any

import msgspec
from msgspec import Raw

from .commands import JsonObject, is_object
from .items import read
from .playback import G711_BYTES_PER_MS, PCM16_BYTES_PER_MS

_OBJECT = msgspec.json.Decoder(dict[str, Any])


def merged(settings: JsonObject, patch: JsonObject) -> JsonObject:
    """A patch laid over settings: objects merge key by key, everything else is replaced."""
    result = dict(settings)
    for key, value in patch.items():
        below = result.get(key)
        if is_object(below) and is_object(value):
            result[key] = merged(below, value)
        else:
            result[key] = deepcopy(value)
    return result


def inside(settings: JsonObject, *path: str) -> Any:
    """A nested value, or None where the path ends early."""
    value: Any = settings
    for key in path:
        value = value.get(key) if is_object(value) else None
    return value


class Settings:
    """The two configurations of a session, and what the rules read of the one in force."""

    __slots__ = (
        "_effective",
        "desired",
        "output_bytes_per_ms",
        "service_responds",
        "speech_interrupts",
    )

    def __init__(self) -> None:
        self.desired: JsonObject = {}
        """Everything we asked for, patch upon patch."""
        self._effective: bytes | None = None
        self.service_responds = True
        """Whether the service answers a committed turn by itself."""
        self.speech_interrupts = True
        """Whether the service stops responding when the user speaks."""
        self.output_bytes_per_ms = PCM16_BYTES_PER_MS
        """How many bytes of output audio last one ms."""

    def ask(self, patch: JsonObject) -> None:
        self.desired = merged(self.desired, patch)

    def confirm(self, session: Raw) -> None:
        """Keep the service's word as JSON, and of it what is read at every turn."""
        self._effective = bytes(session)
        effective = self.effective
        # A clone may say nothing of it, which is not to say that it is off.
        heard = inside(effective, "audio", "input")
        detection = heard.get("turn_detection", JsonObject()) if is_object(heard) else JsonObject()
        detects = is_object(detection)
        self.service_responds = detects and detection.get("create_response") is not False
        self.speech_interrupts = not detects or detection.get("interrupt_response") is not False
        kind = inside(effective, "audio", "output", "format", "type")
        is_g711 = kind in ("audio/pcmu", "audio/pcma")
        self.output_bytes_per_ms = G711_BYTES_PER_MS if is_g711 else PCM16_BYTES_PER_MS

    @property
    def effective(self) -> JsonObject:
        """The configuration in force; empty until the service told it."""
        return read(Raw(self._effective or b"{}"), _OBJECT, {})
