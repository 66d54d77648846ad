"""What a client may ask for, key by key: the tables of §1.6 and §1.3, for each kind of session.

A key that has no row is refused as OpenAI refuses it.
"""

import math
from typing import Any

from .json_values import JsonObject
from .kind import Kind
from .limits import (
    IDLE_TIMEOUT_MS,
    MAX_METADATA_KEY,
    MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE,
    MAX_OUTPUT_TOKENS,
    MAX_TOOL_DESCRIPTION,
)
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
    missing,
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
        text_up_to(MAX_METADATA_KEY)(key, param)
        text_up_to(MAX_METADATA_VALUE)(label, f"{param}.{key}")
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
_TOKENS = either(str, one_of("inf"), between(1, MAX_OUTPUT_TOKENS, whole=True))
_ANSWERING: dict[str, Check] = {"create_response": flag, "interrupt_response": flag}
_IDLE = between(IDLE_TIMEOUT_MS[0], IDLE_TIMEOUT_MS[-1], whole=True)
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
                "idle_timeout_ms": nullable(_IDLE),
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
_NOISE_REDUCTION = object_of(
    {"type": one_of("near_field", "far_field"), "strength": between(0, math.inf)}, "type"
)
_INPUT = object_of(
    {
        "format": _FORMAT,
        "transcription": nullable(_TRANSCRIPTION),
        "noise_reduction": nullable(_NOISE_REDUCTION),
        "turn_detection": nullable(_TURN_DETECTION),
    }
)
_FUNCTION = object_of(
    {
        "type": text,
        "name": name_up_to(64),
        "description": text_up_to(MAX_TOOL_DESCRIPTION),
        "parameters": json_object,
    },
    "name",
)
_TOOL_FILTER = object_of({"read_only": flag, "tool_names": list_of(text)})
_MCP_FIELDS = object_of(
    {
        "type": text,
        "server_label": text,
        "server_url": text,
        "connector_id": text,
        "tunnel_id": text,
        "server_description": text,
        "authorization": text,
        "headers": nullable(json_object),
        "allowed_tools": nullable(either(list, list_of(text), _TOOL_FILTER)),
        "require_approval": nullable(
            either(
                dict,
                object_of({"always": _TOOL_FILTER, "never": _TOOL_FILTER}),
                one_of("always", "never"),
            )
        ),
        "defer_loading": flag,
        "allowed_callers": nullable(anything),
    },
    "server_label",
)


def _mcp(value: Any, param: str) -> JsonObject:
    tool: JsonObject = _MCP_FIELDS(value, param)
    if {"server_url", "connector_id", "tunnel_id"}.isdisjoint(tool):
        raise missing(f"{param}.server_url")
    return tool


_TOOLS = list_of(by_field("type", {"function": _FUNCTION, "mcp": _mcp}))
_NAMED_TOOL = by_field(
    "type",
    {
        "function": object_of({"type": text, "name": text}, "name"),
        "mcp": object_of({"type": text, "server_label": text, "name": text}, "server_label"),
    },
)
_EFFORTS = ("minimal", "low", "medium", "high", "xhigh")
_PROMPT = object_of(
    {"id": text, "version": nullable(text), "variables": nullable(json_object)}, "id"
)
_GENERATION: dict[str, Check] = {
    "output_modalities": _modalities,
    "instructions": text,
    "tools": _TOOLS,
    "tool_choice": either(dict, _NAMED_TOOL, one_of("none", "auto", "required")),
    "parallel_tool_calls": flag,
    "reasoning": nullable(object_of({"effort": one_of(*_EFFORTS)})),
    "max_output_tokens": _TOKENS,
    "prompt": nullable(_PROMPT),
}
_OUTPUT: dict[str, Check] = {"format": _FORMAT, "voice": _VOICE}
_SPEED: dict[str, Check] = {"speed": between(0.25, 1.5)}
_TRACING = object_of({"workflow_name": text, "group_id": text, "metadata": json_object})
_TRUNCATION = by_field(
    "type",
    {
        "retention_ratio": object_of(
            {
                "type": text,
                "retention_ratio": between(0, 1),
                "token_limits": object_of({"post_instructions": between(0, 2**31, whole=True)}),
            },
            "retention_ratio",
        )
    },
)
_INCLUDE = nullable(list_of(one_of("item.input_audio_transcription.logprobs")))
_REALTIME = object_of(
    {
        "type": one_of("realtime"),
        "model": text,
        **_GENERATION,
        "tracing": nullable(either(dict, _TRACING, one_of("auto"))),
        "truncation": either(dict, _TRUNCATION, one_of("auto", "disabled")),
        "audio": object_of({"input": _INPUT, "output": object_of({**_OUTPUT, **_SPEED})}),
        "include": _INCLUDE,
    },
    "type",
)
_TRANSCRIBING = object_of(
    {
        "type": one_of("transcription"),
        "audio": object_of({"input": _INPUT}),
        "include": _INCLUDE,
    },
    "type",
)
_TRANSLATED: dict[str, Check] = {
    "audio": object_of(
        {
            "input": object_of(
                {
                    "transcription": nullable(object_of({"model": text}, "model")),
                    "noise_reduction": nullable(_NOISE_REDUCTION),
                }
            ),
            "output": object_of({"language": text}),
        }
    )
}
PATCHES: dict[Kind, Check] = {
    Kind.REALTIME: _REALTIME,
    Kind.TRANSCRIPTION: _TRANSCRIBING,
    Kind.TRANSLATION: object_of(_TRANSLATED),
}
"""What `session.update` may say."""
OPENINGS: dict[Kind, Check] = {
    **PATCHES,
    Kind.TRANSLATION: object_of({"type": one_of("translation"), "model": text, **_TRANSLATED}),
}
"""What a session may be opened with."""

_RESPONSE = object_of(
    {
        "conversation": text,
        "input": list_of(json_object),
        **_GENERATION,
        "audio": object_of({"output": object_of(_OUTPUT)}),
        "metadata": nullable(_metadata),
    }
)


def response_options(options: JsonObject, *, conversation_id: str) -> JsonObject:
    """Check what `response.create` asks for. Raises `RefusedError`."""
    checked: JsonObject = _RESPONSE(options, "response")
    conversation = checked.get("conversation", "auto")
    if conversation not in ("auto", "none", conversation_id):
        message = f"Invalid value: '{conversation}'. Supported values are: 'auto', 'none'."
        raise RefusedError("invalid_value", message, "response.conversation")
    return checked
