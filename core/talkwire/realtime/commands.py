"""What a client says: one frozen class per wire type, the 11 of GA (§1.3).

Unset fields stay off the wire: an empty `instructions` would erase the session's own
(livekit/agents#1469). `event_id` is given by the session that sends the command.
"""

from typing import Literal

from attrs import frozen
from msgspec import UNSET, UnsetType

from ..values import Value
from .json_values import JsonObject


@frozen(kw_only=True, eq=False, repr=False)
class SessionUpdate(Value):
    """Patch the session's configuration; a refusal loses the whole patch (§3.1)."""

    type: Literal["session.update"] = "session.update"
    event_id: str | UnsetType = UNSET
    session: JsonObject


@frozen(kw_only=True, eq=False, repr=False)
class InputAudioBufferAppend(Value):
    """Add audio (base64 on the wire, at most 15 MiB of it) to the input; never acknowledged."""

    type: Literal["input_audio_buffer.append"] = "input_audio_buffer.append"
    event_id: str | UnsetType = UNSET
    audio: bytes


@frozen(kw_only=True, eq=False, repr=False)
class InputAudioBufferCommit(Value):
    """Make a user item of the input buffer (at least 100 ms); creates no response."""

    type: Literal["input_audio_buffer.commit"] = "input_audio_buffer.commit"
    event_id: str | UnsetType = UNSET


@frozen(kw_only=True, eq=False, repr=False)
class InputAudioBufferClear(Value):
    """Throw the input buffer away."""

    type: Literal["input_audio_buffer.clear"] = "input_audio_buffer.clear"
    event_id: str | UnsetType = UNSET


@frozen(kw_only=True, eq=False, repr=False)
class OutputAudioBufferClear(Value):
    """Stop what the service is playing (WebRTC and SIP only)."""

    type: Literal["output_audio_buffer.clear"] = "output_audio_buffer.clear"
    event_id: str | UnsetType = UNSET


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemCreate(Value):
    """Add an item; `previous_item_id` absent appends, "root" puts it first."""

    type: Literal["conversation.item.create"] = "conversation.item.create"
    event_id: str | UnsetType = UNSET
    previous_item_id: str | UnsetType | None = UNSET
    item: JsonObject


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemRetrieve(Value):
    """Ask for an item as the service has it."""

    type: Literal["conversation.item.retrieve"] = "conversation.item.retrieve"
    event_id: str | UnsetType = UNSET
    item_id: str


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemTruncate(Value):
    """Cut an assistant item's audio at `audio_end_ms` (ms), at most what was received."""

    type: Literal["conversation.item.truncate"] = "conversation.item.truncate"
    event_id: str | UnsetType = UNSET
    item_id: str
    content_index: int = 0
    audio_end_ms: int


@frozen(kw_only=True, eq=False, repr=False)
class ConversationItemDelete(Value):
    """Remove an item."""

    type: Literal["conversation.item.delete"] = "conversation.item.delete"
    event_id: str | UnsetType = UNSET
    item_id: str


@frozen(kw_only=True, eq=False, repr=False)
class ResponseCreate(Value):
    """Ask for a response; the options replace the session's for this one."""

    type: Literal["response.create"] = "response.create"
    event_id: str | UnsetType = UNSET
    response: JsonObject | UnsetType = UNSET

    @property
    def out_of_band(self) -> bool:
        """Whether the response shall write to no conversation (§3.4)."""
        return self.response is not UNSET and self.response.get("conversation") == "none"


@frozen(kw_only=True, eq=False, repr=False)
class ResponseCancel(Value):
    """Stop a response; without an id, the default conversation's active one."""

    type: Literal["response.cancel"] = "response.cancel"
    event_id: str | UnsetType = UNSET
    response_id: str | UnsetType = UNSET


Command = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
)
