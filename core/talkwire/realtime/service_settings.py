"""The session's configuration as a service keeps it: what it begins with, how a patch changes it.

The defaults are those measured in `session.created` (§1.6), in the wire's own order.
"""

from collections.abc import Mapping

from .json_values import JsonObject, is_object
from .kind import Kind
from .service_checks import RefusedError
from .service_schema import OPENINGS, PATCHES

_LISTENING: JsonObject = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
}
_ANSWERING: JsonObject = {"create_response": True, "interrupt_response": True}
_VADS: Mapping[Kind, Mapping[str, JsonObject]] = {
    Kind.REALTIME: {
        "server_vad": {**_LISTENING, "idle_timeout_ms": None, **_ANSWERING},
        "semantic_vad": {"type": "semantic_vad", "eagerness": "auto", **_ANSWERING},
    },
    # Nobody answers there, so nothing is said about answering (§1.3).
    Kind.TRANSCRIPTION: {
        "server_vad": _LISTENING,
        "semantic_vad": {"type": "semantic_vad", "eagerness": "auto"},
    },
}
_TRANSCRIBED: JsonObject = {"model": "whisper-1", "language": None, "prompt": None}
_PCM: JsonObject = {"type": "audio/pcm", "rate": 24000}


def default_session(kind: Kind, *, session_id: str, expires_at: int) -> JsonObject:
    """The configuration that a session of this kind starts with."""
    return _DEFAULTS[kind](session_id, expires_at)


def _input(kind: Kind) -> JsonObject:
    return {
        "format": _PCM,
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": _VADS[kind]["server_vad"],
    }


def _realtime(session_id: str, expires_at: int) -> JsonObject:
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
            "input": _input(Kind.REALTIME),
            "output": {"format": _PCM, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def _transcription(session_id: str, expires_at: int) -> JsonObject:
    return {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": session_id,
        "expires_at": expires_at,
        "audio": {"input": _input(Kind.TRANSCRIPTION)},
        "include": None,
    }


def _translation(session_id: str, expires_at: int) -> JsonObject:
    return {
        "type": "translation",
        "id": session_id,
        "model": "gpt-realtime-translate",
        "expires_at": expires_at,
        "audio": {
            "input": {"transcription": None, "noise_reduction": None},
            "output": {"language": None},
        },
    }


_DEFAULTS = {
    Kind.REALTIME: _realtime,
    Kind.TRANSCRIPTION: _transcription,
    Kind.TRANSLATION: _translation,
}


def started_session(session: JsonObject, settings: JsonObject) -> JsonObject:
    """The configuration a session is opened with: as a patch, but it may choose the model.

    Raises `RefusedError` for settings that a patch could not have either.
    """
    kind = session["type"]
    return _merged(session, OPENINGS[Kind(kind)]({"type": kind, **settings}, "session"))


def updated_session(
    session: JsonObject, update: JsonObject, *, voice: str | JsonObject | None
) -> JsonObject:
    """The whole configuration after a patch; `voice` is what audio was produced in, if any was.

    Raises `RefusedError` and so loses the whole patch (§3.1); `session` itself is never changed.
    """
    kind = Kind(session["type"])
    _check_kind(kind, update.get("type"))
    patch: JsonObject = PATCHES[kind](update, "session")
    if "model" in patch and patch["model"] != session["model"]:
        raise RefusedError("invalid_value", "Cannot update a session's model.", "session.model")
    if "voice" in patch.get("audio", {}).get("output", {}):
        check_voice("session.audio.output.voice", voice)
    tracing = session.get("tracing")
    if tracing is not None and patch.get("tracing", tracing) != tracing:
        message = "Cannot update tracing once it is enabled."
        raise RefusedError("invalid_value", message, "session.tracing")
    return _merged(session, patch)


def _check_kind(kind: Kind, given: object) -> None:
    """Refuse an update that is meant for a conversation in a transcription, or the other way."""
    kinds = (Kind.REALTIME.value, Kind.TRANSCRIPTION.value)
    if kind.value in kinds and given in kinds and given != kind.value:
        words = f"Passing a {given} session update event to a {kind.value} session is not allowed."
        raise RefusedError("invalid_parameter", words, "session.type")


def check_voice(param: str, spoken: str | JsonObject | None) -> None:
    """Refuse a voice once there was audio in any (§1.6)."""
    if spoken is not None:
        message = "Cannot update a conversation's voice if assistant audio is present."
        raise RefusedError("cannot_update_voice", message, param)


def _merged(session: JsonObject, patch: JsonObject) -> JsonObject:
    """`session` with a checked patch laid over it, key by key down to the audio settings."""
    audio: JsonObject = {
        side: _with_format({**current, **patch.get("audio", {}).get(side, {})})
        for side, current in session["audio"].items()
    }
    kind = Kind(session["type"])
    if kind in _VADS:
        audio["input"] = _heard(kind, session["audio"]["input"], audio["input"])
    return {**session, **patch, "audio": audio}


def _heard(kind: Kind, before: JsonObject, after: JsonObject) -> JsonObject:
    """Fill in what a patch left out of the two objects in the input settings."""
    detection, transcription = after["turn_detection"], after["transcription"]
    if is_object(detection):
        known = before["turn_detection"]
        same = is_object(known) and known["type"] == detection["type"]
        base: JsonObject = known if same else _VADS[kind][detection["type"]]
        detection = {**base, **detection}
    if is_object(transcription):
        told: JsonObject = before["transcription"] or {}
        transcription = {**_TRANSCRIBED, **told, **transcription}
    return {**after, "turn_detection": detection, "transcription": transcription}


def _with_format(settings: JsonObject) -> JsonObject:
    """A PCM format named without its rate has the only one there is."""
    if "format" not in settings:
        return settings
    kind = settings["format"]["type"]
    return {**settings, "format": _PCM if kind == _PCM["type"] else {"type": kind}}
