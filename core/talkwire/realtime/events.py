"""What the service says: one frozen class per wire type, the 46 of GA (§1.2).

Names are the wire's own in CamelCase. Fields the state machine or a reader of events needs are
typed; deep payloads stay raw JSON (`items.py` says how they are read). `event_id` is empty where
the service sent none. What talkwire itself has to say stands in `happenings.py`.
"""

from typing import Literal

from attrs import frozen
from msgspec import UNSET, Raw, UnsetType

from ..values import Payload, Value
from .items import NO_PART, NO_RESPONSE, NULL, ContentPart, Item, Response


class ErrorDetails(Payload, frozen=True, kw_only=True):
    """The body of an error; `event_id` names the client event it answers."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


class RateLimit(Payload, frozen=True, kw_only=True):
    """One limit of the account; `reset_seconds` in seconds."""

    name: str = ""
    limit: int = 0
    remaining: int = 0
    reset_seconds: float = 0.0


@frozen(kw_only=True, eq=False, repr=False)
class ErrorEvent(Value):
    """The service refused or failed something; few of them end the session (§3.9)."""

    type: Literal["error"] = "error"
    error: ErrorDetails
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class SessionCreated(Value):
    """The session exists: first on a websocket or data channel, never on a sideband (§3.1)."""

    type: Literal["session.created"] = "session.created"
    session: Raw
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class SessionUpdated(Value):
    """The full effective configuration, after each accepted `session.update`."""

    type: Literal["session.updated"] = "session.updated"
    session: Raw
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationCreated(Value):
    """A conversation exists. In the types, never seen on the GA wire."""

    type: Literal["conversation.created"] = "conversation.created"
    conversation: Raw = NULL
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemAdded(Value):
    """An item joined the default conversation; the only frame that tells its place (§3.3)."""

    type: Literal["conversation.item.added"] = "conversation.item.added"
    item: Item
    previous_item_id: str | UnsetType | None = UNSET
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemDone(Value):
    """An item is final. Its `previous_item_id` is not reliable (§3.3)."""

    type: Literal["conversation.item.done"] = "conversation.item.done"
    item: Item
    previous_item_id: str | UnsetType | None = UNSET
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemCreated(Value):
    """The older name of added and done in one; spoken by clones."""

    type: Literal["conversation.item.created"] = "conversation.item.created"
    item: Item
    previous_item_id: str | UnsetType | None = UNSET
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemRetrieved(Value):
    """The answer to `conversation.item.retrieve`, audio included."""

    type: Literal["conversation.item.retrieved"] = "conversation.item.retrieved"
    item: Item
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemTruncated(Value):
    """An assistant item was cut at `audio_end_ms` (ms) of its audio; its transcript is gone."""

    type: Literal["conversation.item.truncated"] = "conversation.item.truncated"
    item_id: str
    content_index: int = 0
    audio_end_ms: int
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemDeleted(Value):
    """An item left the conversation."""

    type: Literal["conversation.item.deleted"] = "conversation.item.deleted"
    item_id: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemInputAudioTranscriptionDelta(Value):
    """More of what the user said; may come before the item itself."""

    type: Literal["conversation.item.input_audio_transcription.delta"] = (
        "conversation.item.input_audio_transcription.delta"
    )
    item_id: str
    content_index: int = 0
    delta: str = ""
    logprobs: Raw = NULL
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemInputAudioTranscriptionCompleted(Value):
    """What the user said, whole. Order across turns is not guaranteed (§3.3)."""

    type: Literal["conversation.item.input_audio_transcription.completed"] = (
        "conversation.item.input_audio_transcription.completed"
    )
    item_id: str
    content_index: int = 0
    transcript: str
    usage: Raw = NULL
    languages: Raw = NULL
    logprobs: Raw = NULL
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemInputAudioTranscriptionSegment(Value):
    """One speaker's stretch, from a diarizing model; `start` and `end` in seconds."""

    type: Literal["conversation.item.input_audio_transcription.segment"] = (
        "conversation.item.input_audio_transcription.segment"
    )
    item_id: str
    content_index: int = 0
    id: str = ""
    speaker: str = ""
    start: float = 0.0
    end: float = 0.0
    text: str = ""
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemInputAudioTranscriptionFailed(Value):
    """The user's words stay unknown for this item."""

    type: Literal["conversation.item.input_audio_transcription.failed"] = (
        "conversation.item.input_audio_transcription.failed"
    )
    item_id: str
    content_index: int = 0
    error: ErrorDetails
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class InputAudioBufferCommitted(Value):
    """The input buffer became a user item, by VAD or by your commit."""

    type: Literal["input_audio_buffer.committed"] = "input_audio_buffer.committed"
    item_id: str
    previous_item_id: str | UnsetType | None = UNSET
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class InputAudioBufferCleared(Value):
    """The input buffer is empty."""

    type: Literal["input_audio_buffer.cleared"] = "input_audio_buffer.cleared"
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class InputAudioBufferSpeechStarted(Value):
    """The user began to speak, `audio_start_ms` (ms) into the session's audio."""

    type: Literal["input_audio_buffer.speech_started"] = "input_audio_buffer.speech_started"
    item_id: str
    audio_start_ms: int = 0
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class InputAudioBufferSpeechStopped(Value):
    """The user stopped, `audio_end_ms` (ms) into the session's audio."""

    type: Literal["input_audio_buffer.speech_stopped"] = "input_audio_buffer.speech_stopped"
    item_id: str
    audio_end_ms: int = 0
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class InputAudioBufferTimeoutTriggered(Value):
    """Nobody spoke for `idle_timeout_ms`; a commit and a response follow."""

    type: Literal["input_audio_buffer.timeout_triggered"] = "input_audio_buffer.timeout_triggered"
    item_id: str
    audio_start_ms: int = 0
    audio_end_ms: int = 0
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class InputAudioBufferDtmfEventReceived(Value):
    """A key was pressed on the phone (SIP). The one event with no `event_id`."""

    type: Literal["input_audio_buffer.dtmf_event_received"] = (
        "input_audio_buffer.dtmf_event_received"
    )
    event: str
    received_at: int = 0
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class OutputAudioBufferStarted(Value):
    """The service began to play a response to the user (WebRTC, SIP)."""

    type: Literal["output_audio_buffer.started"] = "output_audio_buffer.started"
    response_id: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class OutputAudioBufferStopped(Value):
    """The service played a response to its end (WebRTC, SIP)."""

    type: Literal["output_audio_buffer.stopped"] = "output_audio_buffer.stopped"
    response_id: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class OutputAudioBufferCleared(Value):
    """The service threw away what it had not yet played (WebRTC, SIP)."""

    type: Literal["output_audio_buffer.cleared"] = "output_audio_buffer.cleared"
    response_id: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseCreated(Value):
    """A response began: yours, or one the service started by itself."""

    type: Literal["response.created"] = "response.created"
    response: Response
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseDone(Value):
    """A response ended; always sent, whatever its final status."""

    type: Literal["response.done"] = "response.done"
    response: Response = NO_RESPONSE
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseOutputItemAdded(Value):
    """A response began an item."""

    type: Literal["response.output_item.added"] = "response.output_item.added"
    response_id: str
    output_index: int = 0
    item: Item
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseOutputItemDone(Value):
    """A response's item ended; also when it was cut."""

    type: Literal["response.output_item.done"] = "response.output_item.done"
    response_id: str
    output_index: int = 0
    item: Item
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseContentPartAdded(Value):
    """A content part began; its type is `text` or `audio`."""

    type: Literal["response.content_part.added"] = "response.content_part.added"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    part: ContentPart = NO_PART
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseContentPartDone(Value):
    """A content part ended."""

    type: Literal["response.content_part.done"] = "response.content_part.done"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    part: ContentPart = NO_PART
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseOutputTextDelta(Value):
    """More of a written answer."""

    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    delta: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseOutputTextDone(Value):
    """A written answer, whole."""

    type: Literal["response.output_text.done"] = "response.output_text.done"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    text: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseOutputAudioDelta(Value):
    """More audio in the session's output format (base64 on the wire); websocket only."""

    type: Literal["response.output_audio.delta"] = "response.output_audio.delta"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    delta: bytes
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseOutputAudioDone(Value):
    """All audio was sent, which is not to say played."""

    type: Literal["response.output_audio.done"] = "response.output_audio.done"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseOutputAudioTranscriptDelta(Value):
    """More of the transcript of a spoken answer."""

    type: Literal["response.output_audio_transcript.delta"] = (
        "response.output_audio_transcript.delta"
    )
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    delta: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseOutputAudioTranscriptDone(Value):
    """The transcript of a spoken answer, whole."""

    type: Literal["response.output_audio_transcript.done"] = "response.output_audio_transcript.done"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    transcript: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseFunctionCallArgumentsDelta(Value):
    """More of a function call's arguments (JSON text)."""

    type: Literal["response.function_call_arguments.delta"] = (
        "response.function_call_arguments.delta"
    )
    response_id: str
    item_id: str
    output_index: int = 0
    call_id: str
    delta: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseFunctionCallArgumentsDone(Value):
    """A function call's arguments, whole (JSON text, which may be cut or empty)."""

    type: Literal["response.function_call_arguments.done"] = "response.function_call_arguments.done"
    response_id: str
    item_id: str
    output_index: int = 0
    call_id: str
    arguments: str
    name: str = ""
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseMcpCallArgumentsDelta(Value):
    """More of an MCP call's arguments."""

    type: Literal["response.mcp_call_arguments.delta"] = "response.mcp_call_arguments.delta"
    response_id: str
    item_id: str
    output_index: int = 0
    delta: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseMcpCallArgumentsDone(Value):
    """An MCP call's arguments, whole."""

    type: Literal["response.mcp_call_arguments.done"] = "response.mcp_call_arguments.done"
    response_id: str
    item_id: str
    output_index: int = 0
    arguments: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseMcpCallInProgress(Value):
    """The service is running an MCP call."""

    type: Literal["response.mcp_call.in_progress"] = "response.mcp_call.in_progress"
    item_id: str
    output_index: int = 0
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseMcpCallCompleted(Value):
    """An MCP call ended well."""

    type: Literal["response.mcp_call.completed"] = "response.mcp_call.completed"
    item_id: str
    output_index: int = 0
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class ResponseMcpCallFailed(Value):
    """An MCP call failed."""

    type: Literal["response.mcp_call.failed"] = "response.mcp_call.failed"
    item_id: str
    output_index: int = 0
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class McpListToolsInProgress(Value):
    """The service is asking an MCP server for its tools."""

    type: Literal["mcp_list_tools.in_progress"] = "mcp_list_tools.in_progress"
    item_id: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class McpListToolsCompleted(Value):
    """An MCP server's tools can be used from now on."""

    type: Literal["mcp_list_tools.completed"] = "mcp_list_tools.completed"
    item_id: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class McpListToolsFailed(Value):
    """An MCP server's tools could not be had."""

    type: Literal["mcp_list_tools.failed"] = "mcp_list_tools.failed"
    item_id: str
    event_id: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class RateLimitsUpdated(Value):
    """What is left of the account's limits; after `response.done`, or not at all."""

    type: Literal["rate_limits.updated"] = "rate_limits.updated"
    rate_limits: tuple[RateLimit, ...] = ()
    event_id: str = ""


ServerEvent = (
    ErrorEvent
    | SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemCreated
    | ConversationItemRetrieved
    | ConversationItemTruncated
    | ConversationItemDeleted
    | ConversationItemInputAudioTranscriptionDelta
    | ConversationItemInputAudioTranscriptionCompleted
    | ConversationItemInputAudioTranscriptionSegment
    | ConversationItemInputAudioTranscriptionFailed
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferTimeoutTriggered
    | InputAudioBufferDtmfEventReceived
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
    | ResponseCreated
    | ResponseDone
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | ResponseMcpCallArgumentsDelta
    | ResponseMcpCallArgumentsDone
    | ResponseMcpCallInProgress
    | ResponseMcpCallCompleted
    | ResponseMcpCallFailed
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | RateLimitsUpdated
)
