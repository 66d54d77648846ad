"""What a `Service` asks of its engine: the VAD, ears, model and voice that it does not have.

`Service` returns these from every input; whoever drives it carries them out and reports back
through the service's own calls (`speech_started`, `transcribed`, `message_started`, ...).
"""

from typing import Any

from attrs import frozen

from ..values import Value
from .commands import JsonObject


@frozen(kw_only=True, eq=False, repr=False)
class ConfigurationChanged(Value):
    """The session's configuration, whole; VAD settings may have changed."""

    session: JsonObject


@frozen(kw_only=True, eq=False, repr=False)
class AudioReceived(Value):
    """The client appended base64 audio in the session's input format (websocket)."""

    audio: str


@frozen(kw_only=True, eq=False, repr=False)
class InputCleared(Value):
    """Forget the input audio gathered so far."""


@frozen(kw_only=True, eq=False, repr=False)
class TranscriptionRequested(Value):
    """A user item was committed; tell what was said in it, or that it cannot be known."""

    item_id: str


@frozen(kw_only=True, eq=False, repr=False)
class ResponseRequested(Value):
    """Produce a response: `items` is what the model sees, in order, as wire objects."""

    response_id: str
    items: tuple[JsonObject, ...]
    instructions: str
    tools: tuple[JsonObject, ...]
    tool_choice: Any
    output_modality: str
    """"audio" or "text"."""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseStopped(Value):
    """Stop producing this response: the service has ended it. Later reports are ignored."""

    response_id: str


@frozen(kw_only=True, eq=False, repr=False)
class PlaybackCleared(Value):
    """Throw away this response's audio that was not yet played (WebRTC)."""

    response_id: str


EngineRequest = (
    ConfigurationChanged
    | AudioReceived
    | InputCleared
    | TranscriptionRequested
    | ResponseRequested
    | ResponseStopped
    | PlaybackCleared
)
