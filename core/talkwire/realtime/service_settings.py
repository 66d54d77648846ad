"""The session's configuration as a service keeps it: defaults, what a patch may say, the merge.

The tables are `protocol.md` §1.6; a key that has no row is refused as OpenAI refuses it. The
defaults are those measured in `session.created`, in the wire's own order.
"""

from typing import Any

from .commands import JsonObject, is_object
from .limits import MAX_METADATA_PAIRS
from .service_checks import (
    Check,
    RefusedError,
    anything,
    between,
    by_field,
    either,
    flag,
    json_object,
    list_of,
    name_up_to,
    nullable,
    object_of,
    one_of,
    text,
    text_up_to,
)

_MODALITIES = (["text"], ["audio"])


def _modalities(value: Any, param: str) -> list[str]:
    given: list[str] = list_of(text)(value, param)
    if given in _MODALITIES:
        return given
    raise RefusedError(
        "invalid_value",
        f"Invalid modalities: {given}. Supported combinations are: ['text'] and ['audio'].",
        param,
    )


def _metadata(value: Any, param: str) -> JsonObject:
    given = json_object(value, param)
    if len(given) > MAX_METADATA_PAIRS:
        message = (
            f"Invalid '{param}': too many properties. "
            f"Expected at most {MAX_METADATA_PAIRS} properties."
        )
        raise RefusedError("object_above_max_properties", message, param)
    for key, label in given.items():
        text_up_to(64)(key, param)
        text_up_to(512)(label, f"{param}.{key}")
    return given


_RATE = between(24000, 24000, whole=True)
_FORMAT = by_field(
    "type",
    {
        "audio/pcm": object_of({"type": text, "rate": _RATE}),
        "audio/pcmu": object_of({"type": text}),
        "audio/pcma": object_of({"type": text}),
    },
)
_VOICE = either(str, text, object_of({"id": text}, "id"))
_TOKENS = either(str, one_of("inf"), between(1, 4096, whole=True))
_ANSWERING: dict[str, Check] = {"create_response": flag, "interrupt_response": flag}
_DURATION = between(0, 2**31, whole=True)
_TURN_DETECTION = by_field(
    "type",
    {
        "server_vad": object_of(
            {
                "type": text,
                "threshold": between(0, 1),
                "prefix_padding_ms": _DURATION,
                "silence_duration_ms": _DURATION,
                "idle_timeout_ms": nullable(between(5000, 30000, whole=True)),
                **_ANSWERING,
            }
        ),
        "semantic_vad": object_of(
            {"type": text, "eagerness": one_of("low", "medium", "high", "auto"), **_ANSWERING}
        ),
    },
)
_TRANSCRIPTION = object_of(
    {
        "model": text,
        "language": nullable(text),
        "languages": nullable(list_of(text)),
        "prompt": nullable(text),
        "keywords": nullable(list_of(text)),
        "delay": nullable(text),
    }
)
_INPUT = object_of(
    {
        "format": _FORMAT,
        "transcription": nullable(_TRANSCRIPTION),
        "noise_reduction": nullable(object_of({"type": one_of("near_field", "far_field")}, "type")),
        "turn_detection": nullable(_TURN_DETECTION),
    }
)
_FUNCTION = object_of(
    {
        "type": text,
        "name": name_up_to(64),
        "description": text_up_to(1024),
        "parameters": json_object,
    },
    "name",
)
_MCP_KEYS = (
    "type server_label server_url connector_id tunnel_id server_description authorization headers "
    "allowed_tools require_approval defer_loading allowed_callers"
)
_MCP = object_of(dict.fromkeys(_MCP_KEYS.split(), anything), "server_label")
_TOOLS = list_of(by_field("type", {"function": _FUNCTION, "mcp": _MCP}))
_NAMED_TOOL = by_field(
    "type",
    {
        "function": object_of({"type": text, "name": text}, "name"),
        "mcp": object_of({"type": text, "server_label": text, "name": text}, "server_label"),
    },
)
_GENERATION: dict[str, Check] = {
    "output_modalities": _modalities,
    "instructions": text,
    "tools": _TOOLS,
    "tool_choice": either(dict, _NAMED_TOOL, one_of("none", "auto", "required")),
    "parallel_tool_calls": flag,
    "reasoning": nullable(json_object),
    "max_output_tokens": _TOKENS,
    "prompt": nullable(json_object),
}
_OUTPUT: dict[str, Check] = {"format": _FORMAT, "voice": _VOICE}
_SPEED: dict[str, Check] = {"speed": between(0.25, 1.5)}
_PATCH = object_of(
    {
        "type": one_of("realtime"),
        "model": text,
        **_GENERATION,
        "tracing": nullable(either(dict, json_object, one_of("auto"))),
        "truncation": either(dict, json_object, one_of("auto", "disabled")),
        "audio": object_of({"input": _INPUT, "output": object_of({**_OUTPUT, **_SPEED})}),
        "include": nullable(list_of(one_of("item.input_audio_transcription.logprobs"))),
    },
    "type",
)
_RESPONSE = object_of(
    {
        "conversation": text,
        "input": list_of(json_object),
        **_GENERATION,
        "audio": object_of({"output": object_of(_OUTPUT)}),
        "metadata": nullable(_metadata),
    }
)

_VADS: dict[str, JsonObject] = {
    "server_vad": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    },
    "semantic_vad": {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    },
}
_TRANSCRIBED: JsonObject = {"model": "whisper-1", "language": None, "prompt": None}
_PCM: JsonObject = {"type": "audio/pcm", "rate": 24000}


def default_session(*, session_id: str, expires_at: int) -> JsonObject:
    """The configuration a session starts with, as measured in `session.created` (§1.6)."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": _PCM,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": _VADS["server_vad"],
            },
            "output": {"format": _PCM, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def started_session(session: JsonObject, settings: JsonObject) -> JsonObject:
    """The configuration a session is opened with: as a patch, but it may choose the model.

    Raises `RefusedError` for settings that a patch could not have either.
    """
    patch = _PATCH({"type": "realtime", **settings}, "session")
    return merged({**session, "model": patch.get("model", session["model"])}, patch)


def updated_session(session: JsonObject, update: JsonObject, *, spoke: bool) -> JsonObject:
    """The whole configuration after a patch; `spoke` says that audio was produced already.

    Raises `RefusedError` and so loses the whole patch (§3.1); `session` itself is never changed.
    """
    if update.get("type") == "transcription":
        message = "Passing a transcription session update to a realtime session is not allowed."
        raise RefusedError("invalid_value", message, "session.type")
    patch = _PATCH(update, "session")
    if patch.get("model", session["model"]) != session["model"]:
        raise RefusedError("invalid_value", "Cannot update a session's model.", "session.model")
    if spoke and "voice" in patch.get("audio", {}).get("output", {}):
        message = "Cannot update a conversation's voice if assistant audio is present."
        raise RefusedError("cannot_update_voice", message, "session.audio.output.voice")
    tracing = session["tracing"]
    if tracing is not None and patch.get("tracing", tracing) != tracing:
        message = "Cannot update tracing once it is enabled."
        raise RefusedError("invalid_value", message, "session.tracing")
    return merged(session, patch)


def merged(session: JsonObject, patch: JsonObject) -> JsonObject:
    """`session` with a checked patch laid over it, key by key down to the audio settings."""
    audio = patch.get("audio", {})
    hears, speaks = session["audio"]["input"], session["audio"]["output"]
    return {
        **session,
        **patch,
        "audio": {
            "input": _heard(hears, audio.get("input", {})),
            "output": _with_format({**speaks, **audio.get("output", {})}),
        },
    }


def _heard(current: JsonObject, patch: JsonObject) -> JsonObject:
    after = _with_format({**current, **patch})
    detection, transcription = after["turn_detection"], after["transcription"]
    if is_object(detection):
        before = current["turn_detection"]
        same = is_object(before) and before["type"] == detection["type"]
        base: JsonObject = before if same else _VADS[detection["type"]]
        after["turn_detection"] = {**base, **detection}
    if is_object(transcription):
        after["transcription"] = {
            **_TRANSCRIBED,
            **(current["transcription"] or {}),
            **transcription,
        }
    return after


def _with_format(settings: JsonObject) -> JsonObject:
    """A PCM format named without its rate has the only one there is."""
    kind = settings["format"]["type"]
    return {**settings, "format": _PCM if kind == _PCM["type"] else {"type": kind}}


def response_options(options: JsonObject, *, conversation_id: str) -> JsonObject:
    """Check what `response.create` asks for. Raises `RefusedError`."""
    checked: JsonObject = _RESPONSE(options, "response")
    conversation = checked.get("conversation", "auto")
    if conversation not in ("auto", "none", conversation_id):
        message = f"Invalid value: '{conversation}'. Supported values are: 'auto', 'none'."
        raise RefusedError("invalid_value", message, "response.conversation")
    return checked
