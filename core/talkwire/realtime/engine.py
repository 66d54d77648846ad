"""What a `Service` asks of its engine: the VAD, ears, model and voice that it does not have.

`Service` returns these from every input; whoever drives it carries them out and reports back
through the service's own calls (`speech_started`, `transcribed`, `message_started`, ...).
"""

from typing import Any

from attrs import frozen

from ..values import Value
from .json_values import JsonObject


@frozen(kw_only=True, eq=False, repr=False)
class ConfigurationChanged(Value):
    """The session's configuration, whole; VAD settings may have changed."""

    session: JsonObject


@frozen(kw_only=True, eq=False, repr=False)
class AudioReceived(Value):
    """The client appended audio in the session's input format (websocket)."""

    audio: bytes


@frozen(kw_only=True, eq=False, repr=False)
class InputCleared(Value):
    """Forget the input audio gathered so far."""


@frozen(kw_only=True, eq=False, repr=False)
class TranscriptionRequested(Value):
    """A user item was committed; tell what was said in it, or that it cannot be known.

    Words may be told before (`transcript_delta`), under `Service.speech_item`.
    """

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


@frozen(kw_only=True, eq=False, repr=False)
class McpListRequested(Value):
    """Ask a remote server for its tools, and tell with `mcp_listed` (§3.8).

    `server` is the tool setting that names it, with its URL and authorization.
    """

    item_id: str
    server: JsonObject


@frozen(kw_only=True, eq=False, repr=False)
class McpCallRequested(Value):
    """Have a remote tool run, and tell with `mcp_call_done` or `mcp_call_failed`."""

    response_id: str
    item_id: str
    server: JsonObject
    name: str
    arguments: str


@frozen(kw_only=True, eq=False, repr=False)
class McpApprovalGiven(Value):
    """The user decided about a call; one that was approved may be made in a response to come."""

    approval_request_id: str
    approve: bool
    reason: str | None
    server_label: str
    name: str
    arguments: str


@frozen(kw_only=True, eq=False, repr=False)
class FlushRequested(Value):
    """Translate what is left and end with `translation_done`: the client closes the session."""


EngineRequest = (
    ConfigurationChanged
    | AudioReceived
    | InputCleared
    | TranscriptionRequested
    | ResponseRequested
    | ResponseStopped
    | PlaybackCleared
    | McpListRequested
    | McpCallRequested
    | McpApprovalGiven
    | FlushRequested
)
