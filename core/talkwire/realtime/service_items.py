"""Items as a client may create them (§1.4): checked, and put into the shape of the GA wire.

There `object` is absent, a message's status is there even if the client gave none, and audio is
counted, never kept. Of MCP's items a client gives only its answer to an approval request.
"""

import binascii
from collections.abc import Callable
from typing import Any

from .json_values import JsonObject
from .limits import MAX_CALL_ID, MAX_ITEM_ID
from .playback import G711_BYTES_PER_MS, PCM16_BYTES_PER_MS
from .service_checks import (
    Check,
    RefusedError,
    by_field,
    flag,
    list_of,
    name_up_to,
    nullable,
    object_of,
    one_of,
    text,
)

TICKS_PER_MS = PCM16_BYTES_PER_MS
"""Audio is counted in bytes of 24 kHz PCM, whatever its format: sums of ms are not exact."""
_PER_G711_BYTE = TICKS_PER_MS // G711_BYTES_PER_MS
_TICKS_PER_BYTE = {"audio/pcm": 1, "audio/pcmu": _PER_G711_BYTE, "audio/pcma": _PER_G711_BYTE}


def audio_bytes(value: Any, param: str) -> int:
    """Check base64 audio and give its length in bytes. Raises `RefusedError`."""
    try:
        return len(binascii.a2b_base64(text(value, param), strict_mode=True))
    except ValueError as error:
        message = f"Invalid '{param}'. Expected base64-encoded audio bytes, but got others."
        raise RefusedError("invalid_value", message, param) from error


def audio_ticks(size: int, audio_format: JsonObject) -> int:
    """How long `size` bytes last in a session's audio format, in ticks."""
    return size * _TICKS_PER_BYTE[audio_format["type"]]


def _image_url(value: Any, param: str) -> str:
    if text(value, param).startswith("data:"):
        return text(value, param)
    message = f"Invalid '{param}'. Expected a base64-encoded data URL."
    raise RefusedError("invalid_value", message, param)


_INPUT_TEXT = object_of({"type": text, "text": text}, "text")
_INPUT_AUDIO = object_of({"type": text, "audio": audio_bytes, "transcript": nullable(text)})
_INPUT_IMAGE = object_of(
    {"type": text, "image_url": _image_url, "detail": one_of("auto", "low", "high")}, "image_url"
)
_OUTPUT_TEXT = object_of({"type": text, "text": text}, "text")
_SPOKEN_OR_SEEN = {
    "input_text": _INPUT_TEXT,
    "input_audio": _INPUT_AUDIO,
    "input_image": _INPUT_IMAGE,
}
_ID = name_up_to(MAX_ITEM_ID)
_HEAD: dict[str, Check] = {
    "id": _ID,
    "object": one_of("realtime.item"),
    "type": text,
    "status": one_of("completed", "incomplete", "in_progress"),
}


def _message(more: dict[str, Check], **parts: Check) -> Check:
    content = list_of(by_field("type", parts))
    return object_of({**_HEAD, "role": text, **more, "content": content}, "content")


_ROLES = {
    "system": _message({}, input_text=_INPUT_TEXT),
    "user": _message({}, **_SPOKEN_OR_SEEN),
    # Assistant audio cannot be put into a conversation: its words can (§1.4).
    "assistant": _message({"phase": nullable(text)}, output_text=_OUTPUT_TEXT),
}
_CALL_ID = name_up_to(MAX_CALL_ID)
_APPROVAL = object_of(
    {
        "id": _ID,
        "object": one_of("realtime.item"),
        "type": text,
        "approval_request_id": text,
        "approve": flag,
        "reason": nullable(text),
    },
    "approval_request_id",
    "approve",
)
_ITEM = by_field(
    "type",
    {
        "message": by_field("role", _ROLES),
        "function_call": object_of(
            {**_HEAD, "name": text, "call_id": _CALL_ID, "arguments": text}, "name", "arguments"
        ),
        "function_call_output": object_of(
            {**_HEAD, "call_id": _CALL_ID, "output": text}, "call_id", "output"
        ),
        "mcp_approval_response": _APPROVAL,
    },
)
_REFERENCE = object_of({"type": text, "id": text}, "id")


def checked_item(item: JsonObject, param: str) -> JsonObject:
    """Check an item that a client gives. Raises `RefusedError`."""
    given: JsonObject = _ITEM(item, param)
    given.pop("object", None)
    return given


def wire_item(given: JsonObject, fresh: Callable[[str], str]) -> JsonObject:
    """A checked item as the wire shows it; `fresh` makes the ids it lacks."""
    head = {"id": given.get("id") or fresh("item"), "type": given["type"]}
    return _SHOWN[given["type"]](head, given, fresh)


def _shown_message(head: JsonObject, given: JsonObject, fresh: Callable[[str], str]) -> JsonObject:
    content = [_shown_part(part) for part in given["content"]]
    return {**head, "status": "completed", **given, "content": content}


def _shown_part(part: JsonObject) -> JsonObject:
    if part["type"] != "input_audio":
        return part
    return {"type": "input_audio", "transcript": part.get("transcript")}


def _shown_call(head: JsonObject, given: JsonObject, fresh: Callable[[str], str]) -> JsonObject:
    return {
        **head,
        "status": given.get("status", "completed"),
        "name": given["name"],
        "call_id": given.get("call_id") or fresh("call"),
        "arguments": given["arguments"],
    }


def _as_given(head: JsonObject, given: JsonObject, fresh: Callable[[str], str]) -> JsonObject:
    return {**head, **given}


_SHOWN = {
    "message": _shown_message,
    "function_call": _shown_call,
    "function_call_output": _as_given,
    "mcp_approval_response": _as_given,
}


def referenced(item: JsonObject, param: str) -> str | None:
    """The id that an `item_reference` names, or None for any other item. Raises `RefusedError`."""
    if item.get("type") != "item_reference":
        return None
    found: str = _REFERENCE(item, param)["id"]
    return found
