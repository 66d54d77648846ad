"""What a service has to say: frames in order, each with its `type` first and an id of its own."""

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field

from .beta import Dialect
from .json_values import is_list, is_object, readable
from .service_beta import told
from .service_checks import RefusedError
from .wire import encode

_BLOCK = 16
"""Characters: a delta and its padding are together a multiple of this, as measured."""
_PADDING = "talkwire-padding"
# Sound that passes here is for the one who talks; a second controller hears none of it (§3.6).
_AUDIO = frozenset({"response.output_audio.delta", "session.output_audio.delta"})


class CounterByKind:
    """A service's ids, a count for each kind: `item_1`, `item_2`, `resp_1`, ..."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def __call__(self, kind: str) -> str:
        self._counts[kind] = count = self._counts.get(kind, 0) + 1
        return f"{kind}_{count}"


@define(eq=False)
class Attachment:
    """A second controller of a session, as a sideband is (§3.1): it hears everything but sound.

    It hears what is said from now on, so no `session.created`. Drain it as the service is drained.
    """

    _frames: deque[str] = field(factory=deque[str])

    def next_frame(self) -> str | None:
        """The next server event as JSON text, or None when there is none."""
        return self._frames.popleft() if self._frames else None

    def hear(self, kind: str, frame: str) -> None:
        """Take a frame that was said, if it is one for this listener."""
        if kind not in _AUDIO:
            self._frames.append(frame)


@define
class Outbox:
    """Frames that wait for `next_frame`; each is encoded at once, so later changes do not show."""

    ids: Callable[[str], str]
    obfuscate: bool = False
    """Whether text deltas are padded, so that their size does not tell what is said."""
    dialect: Dialect = Dialect.GA
    frames: deque[str] = field(factory=deque[str])
    attached: list[Attachment] = field(factory=list[Attachment])

    def say(self, kind: str, /, **fields: Any) -> None:
        """Queue one server event; `bytes` become base64."""
        if self.obfuscate and isinstance(fields.get("delta"), str):
            fields["obfuscation"] = _PADDING[: -len(fields["delta"]) % _BLOCK]
        event = {"type": kind, "event_id": self.ids("event"), **fields}
        said = told(event) if self.dialect is Dialect.BETA else event
        if said is None:
            return
        frame = encoded(said)
        self.frames.append(frame)
        for attachment in self.attached:
            attachment.hear(kind, frame)

    def refuse(self, refusal: RefusedError, event_id: str | None) -> None:
        """Queue the error that answers a client's event (§3.9)."""
        error = {
            "type": "invalid_request_error",
            "code": refusal.code,
            "message": refusal.message,
            "param": refusal.param,
            "event_id": event_id,
        }
        self.say("error", error=error)


def encoded(value: object) -> str:
    """The value as JSON text."""
    try:
        return encode(value)
    except UnicodeEncodeError:  # an engine's words may hold half a character
        return encode(_readable(value))


def _readable(value: Any) -> Any:
    """The value with U+FFFD for what no encoding has."""
    if isinstance(value, str):
        return readable(value)
    if is_object(value):
        return {key: _readable(child) for key, child in value.items()}
    return [_readable(child) for child in value] if is_list(value) else value
