"""The limits of the wire (§3.10), for both ends of it.

What a client may know to be too much is refused before it leaves: some of it the service would
answer by losing a whole update (livekit/agents#1183), some by closing without a word.
"""

import re
from collections.abc import Callable, Iterator

from msgspec import UNSET

from .commands import ConversationItemCreate, ResponseCreate, SessionUpdate
from .json_values import JsonObject, is_list, is_object
from .kind import AnyCommand
from .settings import inside

MAX_EVENT_ID = 512
"""Characters of an `event_id`."""
MAX_ITEM_ID = 32
"""Characters of an item's id."""
ITEM_ID = re.compile(f"[a-zA-Z0-9_-]{{1,{MAX_ITEM_ID}}}")
"""What a client may call an item (livekit/agents#1717)."""
MAX_CALL_ID = 32
"""Characters of a `call_id` that a client makes up."""
MAX_APPEND = 15 * 1024 * 1024
"""Characters of base64 in one append: the stricter reading of "15 MiB"."""
MAX_APPEND_BYTES = MAX_APPEND // 4 * 3
"""The same before it is base64."""
MIN_COMMIT_MS = 100
"""The least audio that can be committed, in ms."""
MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512
"""Characters of each."""
MAX_TOOL_DESCRIPTION = 1024
"""Characters."""
MAX_OUTPUT_TOKENS = 4096
"""Of one response; "inf" is the word for no limit."""
IDLE_TIMEOUT_MS = range(5000, 30001)
"""How long the service may be told to wait for the user to speak (ms)."""
SESSION_SECONDS = 3600.0
"""The longest that a session lasts."""


def excess(command: AnyCommand) -> str | None:
    """What of a command is beyond the service's limits, in words; None when nothing is.

    Only limits, and that an object is one: what else may be wrong is the service's to say.
    """
    if isinstance(command, SessionUpdate):
        return _first("session", command.session, _settings)
    if isinstance(command, ResponseCreate) and command.response is not UNSET:
        return _first("response", command.response, _response)
    if isinstance(command, ConversationItemCreate):
        return _first("item", command.item, _item)
    return None


def _first(
    name: str, value: object, complaints: Callable[[JsonObject], Iterator[str]]
) -> str | None:
    return next(complaints(value), None) if is_object(value) else f"{name} is no JSON object"


def _item(item: JsonObject) -> Iterator[str]:
    if item.get("type") == "function_call":
        yield from _longer("call_id", item.get("call_id"), MAX_CALL_ID)


def _settings(session: JsonObject) -> Iterator[str]:
    yield from _model(session)
    idle = inside(session, "audio", "input", "turn_detection", "idle_timeout_ms")
    yield from _outside("idle_timeout_ms", idle, IDLE_TIMEOUT_MS)


def _response(options: JsonObject) -> Iterator[str]:
    yield from _model(options)
    metadata = options.get("metadata")
    if is_object(metadata):
        if len(metadata) > MAX_METADATA_PAIRS:
            yield f"metadata has {len(metadata)} pairs; the limit is {MAX_METADATA_PAIRS}"
        for key, value in metadata.items():
            yield from _longer("a key of metadata", key, MAX_METADATA_KEY)
            yield from _longer(f"metadata[{key!r}]", value, MAX_METADATA_VALUE)


def _model(options: JsonObject) -> Iterator[str]:
    """What a session's configuration and a response's options have in common."""
    tokens = options.get("max_output_tokens")
    yield from _outside("max_output_tokens", tokens, range(1, MAX_OUTPUT_TOKENS + 1))
    tools: object = options.get("tools")
    for index, tool in enumerate(tools if is_list(tools) else ()):
        words: object = inside({"tool": tool}, "tool", "description")
        yield from _longer(f"tools[{index}].description", words, MAX_TOOL_DESCRIPTION)


def _longer(name: str, value: object, limit: int) -> Iterator[str]:
    if isinstance(value, str) and len(value) > limit:
        yield f"{name} has {len(value)} characters; the limit is {limit}"


def _outside(name: str, value: object, limits: range) -> Iterator[str]:
    if isinstance(value, int) and value not in limits:
        yield f"{name} is {value}; it may be {limits[0]} to {limits[-1]}"
