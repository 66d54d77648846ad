"""One voice turn as frames: the types, counts, field order and sizes of recorded sessions."""

import base64
import json
import random
from typing import Any

Frame = dict[str, Any]

_RESPONSE, _USER, _ANSWER, _CALL = (
    "resp_E6U0xfWhN878XBMhc0LKn",
    "item_user",
    "item_say",
    "item_call",
)
_WORDS = "the weather in Rome is sunny today and it will stay like that until the evening".split()


class _Turn:
    """Writes frames with ids and filler of the service's own length."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self._random = random.Random(7)

    def say(self, kind: str, **fields: Any) -> None:
        event_id = "event_" + self.letters(21)
        frame = {"type": kind, "event_id": event_id, **fields}
        self.frames.append(json.dumps(frame, separators=(",", ":")))

    def letters(self, count: int) -> str:
        return "".join(self._random.choices("ABCDEFGHabcdefgh0123456789", k=count))

    def delta(self, kind: str, item: str, **fields: Any) -> None:
        where = {"response_id": _RESPONSE, "item_id": item, "output_index": 0, **fields}
        self.say(kind, **where, obfuscation=self.letters(12))


def _session() -> Frame:
    tool = {
        "type": "function",
        "name": "get_weather",
        "description": "Get the current weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_E6U0wu9FmdwQ0Lgv9ESYH",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "You are a helpful assistant. " * 30,
        "tools": [tool] * 4,
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": 1785217650,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "noise_reduction": None,
                "turn_detection": {"type": "server_vad", "create_response": True},
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
        },
        "include": None,
    }


def _item(item_id: str, kind: str, **fields: Any) -> Frame:
    return {"id": item_id, "type": kind, "status": "completed", **fields}


def _response(status: str, output: list[Frame]) -> Frame:
    usage = {
        "total_tokens": 205,
        "input_tokens": 41,
        "output_tokens": 164,
        "input_token_details": {"text_tokens": 14, "audio_tokens": 27, "cached_tokens": 0},
        "output_token_details": {"text_tokens": 28, "audio_tokens": 136},
    }
    return {
        "object": "realtime.response",
        "id": _RESPONSE,
        "status": status,
        "status_details": None,
        "output": output,
        "conversation_id": "conv_E6mH7vUGZsF5Vhhnr13Tp",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"}},
        "usage": usage if output else None,
        "metadata": None,
    }


def turn(*, audio: bool) -> list[str]:
    """The frames of one spoken turn with a function call; with `audio`, 60 chunks of PCM too."""
    made = _Turn()
    made.say("session.created", session=_session())
    made.say("input_audio_buffer.speech_started", audio_start_ms=1460, item_id=_USER)
    made.say("input_audio_buffer.speech_stopped", audio_end_ms=4256, item_id=_USER)
    made.say("input_audio_buffer.committed", previous_item_id=None, item_id=_USER)
    heard = [{"type": "input_audio", "transcript": None}]
    user = _item(_USER, "message", role="user", content=heard)
    made.say("conversation.item.added", previous_item_id=None, item=user)
    made.say("conversation.item.done", previous_item_id=None, item=user)
    made.say("response.created", response=_response("in_progress", []))
    for word in _WORDS[:6]:
        made.say(
            "conversation.item.input_audio_transcription.delta",
            item_id=_USER,
            content_index=0,
            delta=f" {word}",
            obfuscation=made.letters(12),
        )
    said = _speak(made, audio)
    call = _call(made)
    made.say("response.done", response=_response("completed", [said, call]))
    limit = {"name": "tokens", "limit": 15000000, "remaining": 14999361, "reset_seconds": 0.002}
    made.say("rate_limits.updated", rate_limits=[limit])
    return made.frames


def _speak(made: _Turn, audio: bool) -> Frame:
    part = {"item_id": _ANSWER, "output_index": 0, "content_index": 0, "response_id": _RESPONSE}
    opened = _item(_ANSWER, "message", role="assistant", content=[])
    made.say("response.output_item.added", response_id=_RESPONSE, output_index=0, item=opened)
    made.say("conversation.item.added", previous_item_id=_USER, item=opened)
    made.say("response.content_part.added", **part, part={"type": "audio", "transcript": ""})
    chunks = random.Random(8)
    for index in range(60 if audio else 40):
        if index < 40:
            word = _WORDS[index % len(_WORDS)]
            made.delta(
                "response.output_audio_transcript.delta",
                _ANSWER,
                content_index=0,
                delta=f" {word}",
            )
        if audio:  # 100 to 200 ms of 24 kHz PCM16
            chunk = base64.b64encode(chunks.randbytes(chunks.randrange(4800, 9601, 48))).decode()
            made.say("response.output_audio.delta", **part, delta=chunk)
    words = " ".join(_WORDS)
    made.say("response.output_audio.done", **part)
    made.say("response.output_audio_transcript.done", **part, transcript=words)
    made.say("response.content_part.done", **part, part={"type": "audio", "transcript": words})
    said = _item(
        _ANSWER,
        "message",
        role="assistant",
        content=[{"type": "output_audio", "transcript": words}],
    )
    made.say("conversation.item.done", previous_item_id=None, item=said)
    made.say("response.output_item.done", response_id=_RESPONSE, output_index=0, item=said)
    return said


def _call(made: _Turn) -> Frame:
    fields = {"name": "get_weather", "call_id": "call_uMNE0Myi2tDTPu0w"}
    opened = _item(_CALL, "function_call", **fields, arguments="")
    made.say("response.output_item.added", response_id=_RESPONSE, output_index=1, item=opened)
    made.say("conversation.item.added", previous_item_id=_ANSWER, item=opened)
    for _ in range(20):
        made.delta(
            "response.function_call_arguments.delta",
            _CALL,
            call_id="call_uMNE0Myi2tDTPu0w",
            delta='"city',
        )
    arguments = '{"city":"Rome"}'
    made.say(
        "response.function_call_arguments.done",
        response_id=_RESPONSE,
        item_id=_CALL,
        output_index=1,
        call_id="call_uMNE0Myi2tDTPu0w",
        name="get_weather",
        arguments=arguments,
    )
    called = _item(_CALL, "function_call", **fields, arguments=arguments)
    made.say("conversation.item.done", previous_item_id=None, item=called)
    made.say("response.output_item.done", response_id=_RESPONSE, output_index=1, item=called)
    return called
