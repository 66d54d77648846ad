"""Conversation items, content parts and responses, as they stand on the wire.

Scalars are typed; deep payloads stay `msgspec.Raw` until a property reads them, because most of
them are never looked at (a relay passes them on). A property never raises for what the network
sent: what cannot be read is empty, and the raw JSON is still there.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ..values import Payload
from .json_values import without_nulls

NULL = Raw(b"null")
_T = TypeVar("_T")


def read(raw: Raw, decoder: msgspec.json.Decoder[_T], otherwise: _T) -> _T:
    """Decode one deep payload, or give `otherwise` for null and for what cannot be read."""
    try:
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError:
            return decoder.decode(without_nulls(bytes(raw)))
    except (ValueError, RecursionError):
        return otherwise


class ContentPart(Payload, frozen=True, kw_only=True):
    """One content part: `input_text`, `input_audio`, `output_text`, `output_audio`, ... (§1.4)."""

    type: str = ""
    text: str | None = None
    transcript: str | None = None
    audio: str | None = None
    image_url: str | None = None
    detail: str | None = None

    @property
    def words(self) -> str:
        """What was said or written: the transcript of an audio part, else the text."""
        return self.transcript or self.text or ""


class Item(Payload, frozen=True, kw_only=True):
    """A conversation item of any of the nine kinds; fields of other kinds are None (§1.4)."""

    id: str = ""
    type: str = ""
    status: str | None = None
    role: str | None = None
    phase: str | None = None
    content: Raw = NULL
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    output: str | None = None
    server_label: str | None = None
    approval_request_id: str | None = None
    approve: bool | None = None
    reason: str | None = None
    tools: Raw = NULL
    error: Raw = NULL

    @property
    def parts(self) -> tuple[ContentPart, ...]:
        """The content parts, decoded at each reading."""
        return read(self.content, _PARTS, ())


class CachedTokens(Payload, frozen=True, kw_only=True):
    """Cached tokens by modality: of those counted already, never beside them."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class TokenDetails(Payload, frozen=True, kw_only=True):
    """Tokens by modality; `cached_tokens` are a subset of the input, never an addition."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: CachedTokens = CachedTokens()


class Usage(Payload, frozen=True, kw_only=True):
    """What one response cost, in tokens (§1.5)."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: TokenDetails = TokenDetails()
    output_token_details: TokenDetails = TokenDetails()


class StatusDetails(Payload, frozen=True, kw_only=True):
    """Why a response ended as it did: `reason` when cut short, `error` when it failed (§1.5)."""

    type: str = ""
    reason: str | None = None
    error: dict[str, Any] | None = None


class Response(Payload, frozen=True, kw_only=True):
    """A response object. Every field may be missing: clones leave many out (§1.5, §2.4)."""

    id: str = ""
    status: str | None = None
    conversation_id: str | UnsetType | None = UNSET
    status_details: Raw = NULL
    output: Raw = NULL
    usage: Raw = NULL
    metadata: Raw = NULL

    @property
    def out_of_band(self) -> bool:
        """Whether it writes to no conversation; only an explicit null says so (§3.4)."""
        return self.conversation_id is None

    @property
    def details(self) -> StatusDetails:
        """`status_details`; a clone's bare string is read as the reason (§2.4)."""
        return read(self.status_details, _DETAILS, None) or StatusDetails(
            reason=read(self.status_details, _STRING, None)
        )

    @property
    def items(self) -> tuple[Item, ...]:
        """The output items, decoded at each reading."""
        return read(self.output, _ITEMS, ())

    @property
    def tokens(self) -> Usage | None:
        """The usage in tokens; None when the service gave none."""
        usage: Usage | None = read(self.usage, _USAGE, None)
        return usage

    @property
    def labels(self) -> dict[str, str]:
        """The metadata that the client gave with `response.create`."""
        return read(self.metadata, _LABELS, None) or {}


NO_PART = ContentPart()
NO_RESPONSE = Response()

_PARTS = msgspec.json.Decoder(tuple[ContentPart, ...])
_ITEMS = msgspec.json.Decoder(tuple[Item, ...])
_DETAILS = msgspec.json.Decoder(StatusDetails | None)
_STRING = msgspec.json.Decoder(str | None)
_USAGE = msgspec.json.Decoder(Usage | None)
_LABELS = msgspec.json.Decoder(dict[str, str] | None)
