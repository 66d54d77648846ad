"""One realistic frame of every type on the wire: the 46 server events and the 11 commands.

Shapes are those of recorded sessions where there is a recording, else of the public types.
"""

from typing import Any

Frame = dict[str, Any]

EVENT, ITEM, RESPONSE, CALL = "event_E6U0x", "item_E6U0x", "resp_E6U0x", "call_uMNE0"
PART = {"response_id": RESPONSE, "item_id": ITEM, "output_index": 0, "content_index": 0}
USER = {
    "id": ITEM,
    "type": "message",
    "status": "completed",
    "role": "user",
    "content": [{"type": "input_audio", "transcript": None}],
}
SPOKEN = {
    "id": ITEM,
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "phase": "final_answer",
    "content": [{"type": "output_audio", "transcript": "Hello there."}],
}
CALLED = {
    "id": ITEM,
    "type": "function_call",
    "status": "completed",
    "name": "get_weather",
    "call_id": CALL,
    "arguments": '{"city":"London"}',
}
SESSION = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_E6U0w",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "instructions": "Reply in a few words.",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "expires_at": 1785217650,
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "idle_timeout_ms": None,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "voice": "alloy",
            "speed": 1.0,
        },
    },
    "include": None,
}
RUNNING = {
    "object": "realtime.response",
    "id": RESPONSE,
    "status": "in_progress",
    "status_details": None,
    "output": [],
    "conversation_id": "conv_E6U0w",
    "output_modalities": ["audio"],
    "max_output_tokens": "inf",
    "usage": None,
    "metadata": None,
}
ENDED = {
    **RUNNING,
    "status": "completed",
    "output": [SPOKEN],
    "usage": {
        "total_tokens": 205,
        "input_tokens": 41,
        "output_tokens": 164,
        "input_token_details": {
            "text_tokens": 14,
            "audio_tokens": 27,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 28, "audio_tokens": 136},
    },
}
_HEARD = "conversation.item.input_audio_transcription"

_EVENTS: dict[str, Frame] = {
    "error": {
        "error": {
            "type": "invalid_request_error",
            "code": "invalid_value",
            "message": "Invalid value.",
            "param": "session.audio",
            "event_id": "event_tw1",
        }
    },
    "session.created": {"session": SESSION},
    "session.updated": {"session": SESSION},
    "conversation.created": {"conversation": {"id": "conv_1", "object": "realtime.conversation"}},
    "conversation.item.added": {"previous_item_id": None, "item": USER},
    "conversation.item.done": {"previous_item_id": "item_0", "item": SPOKEN},
    "conversation.item.created": {"previous_item_id": "item_0", "item": CALLED},
    "conversation.item.retrieved": {"item": {**USER, "content": [{"type": "input_audio"}]}},
    "conversation.item.truncated": {"item_id": ITEM, "content_index": 0, "audio_end_ms": 1500},
    "conversation.item.deleted": {"item_id": ITEM},
    f"{_HEARD}.delta": {"item_id": ITEM, "content_index": 0, "delta": " Hi", "obfuscation": "dI"},
    f"{_HEARD}.completed": {
        "item_id": ITEM,
        "content_index": 0,
        "transcript": "Hello, my name is Marcelo.",
        "usage": {"type": "duration", "seconds": 3},
    },
    f"{_HEARD}.segment": {
        "item_id": ITEM,
        "content_index": 0,
        "id": "seg_1",
        "speaker": "A",
        "start": 0.0,
        "end": 1.25,
        "text": "Hello.",
    },
    f"{_HEARD}.failed": {
        "item_id": ITEM,
        "content_index": 0,
        "error": {"type": "server_error", "code": "audio_unintelligible", "message": "Sorry."},
    },
    "input_audio_buffer.committed": {"previous_item_id": None, "item_id": ITEM},
    "input_audio_buffer.cleared": {},
    "input_audio_buffer.speech_started": {"item_id": ITEM, "audio_start_ms": 1460},
    "input_audio_buffer.speech_stopped": {"item_id": ITEM, "audio_end_ms": 4256},
    "input_audio_buffer.timeout_triggered": {
        "item_id": ITEM,
        "audio_start_ms": 1460,
        "audio_end_ms": 4256,
    },
    "input_audio_buffer.dtmf_event_received": {"event": "9", "received_at": 1763605109},
    "output_audio_buffer.started": {"response_id": RESPONSE},
    "output_audio_buffer.stopped": {"response_id": RESPONSE},
    "output_audio_buffer.cleared": {"response_id": RESPONSE},
    "response.created": {"response": RUNNING},
    "response.done": {"response": ENDED},
    "response.output_item.added": {"response_id": RESPONSE, "output_index": 0, "item": CALLED},
    "response.output_item.done": {"response_id": RESPONSE, "output_index": 0, "item": SPOKEN},
    "response.content_part.added": {**PART, "part": {"type": "audio", "transcript": ""}},
    "response.content_part.done": {**PART, "part": {"type": "text", "text": "Hello."}},
    "response.output_text.delta": {**PART, "delta": "It", "obfuscation": "cGp60YeLHWv9ws"},
    "response.output_text.done": {**PART, "text": "It is foggy."},
    "response.output_audio.delta": {**PART, "delta": "//8AAAYAAAD8/wMA"},
    "response.output_audio.done": PART,
    "response.output_audio_transcript.delta": {**PART, "delta": " there"},
    "response.output_audio_transcript.done": {**PART, "transcript": "Hello there."},
    "response.function_call_arguments.delta": {
        "response_id": RESPONSE,
        "item_id": ITEM,
        "output_index": 0,
        "call_id": CALL,
        "delta": '{"ci',
    },
    "response.function_call_arguments.done": {
        "response_id": RESPONSE,
        "item_id": ITEM,
        "output_index": 0,
        "call_id": CALL,
        "name": "get_weather",
        "arguments": '{"city":"London"}',
    },
    "response.mcp_call_arguments.delta": {
        "response_id": RESPONSE,
        "item_id": ITEM,
        "output_index": 0,
        "delta": "{",
        "obfuscation": "aB",
    },
    "response.mcp_call_arguments.done": {
        "response_id": RESPONSE,
        "item_id": ITEM,
        "output_index": 0,
        "arguments": "{}",
    },
    "response.mcp_call.in_progress": {"item_id": ITEM, "output_index": 0},
    "response.mcp_call.completed": {"item_id": ITEM, "output_index": 0},
    "response.mcp_call.failed": {"item_id": ITEM, "output_index": 0},
    "mcp_list_tools.in_progress": {"item_id": ITEM},
    "mcp_list_tools.completed": {"item_id": ITEM},
    "mcp_list_tools.failed": {"item_id": ITEM},
    "rate_limits.updated": {
        "rate_limits": [
            {
                "name": "tokens",
                "limit": 15000000,
                "remaining": 14999361,
                "reset_seconds": 0.002,
            }
        ]
    },
}
# The one event without an event_id (§1.2).
_UNNUMBERED = {"input_audio_buffer.dtmf_event_received"}

SERVER_FRAMES: dict[str, Frame] = {
    kind: {"type": kind, **({} if kind in _UNNUMBERED else {"event_id": EVENT}), **fields}
    for kind, fields in _EVENTS.items()
}

_COMMANDS: dict[str, Frame] = {
    "session.update": {"session": {"type": "realtime", "instructions": "Be brief."}},
    "input_audio_buffer.append": {"audio": "AAAAAAAA"},
    "input_audio_buffer.commit": {},
    "input_audio_buffer.clear": {},
    "output_audio_buffer.clear": {},
    "conversation.item.create": {
        "previous_item_id": "root",
        "item": {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Say hello."}],
        },
    },
    "conversation.item.retrieve": {"item_id": ITEM},
    "conversation.item.truncate": {"item_id": ITEM, "content_index": 0, "audio_end_ms": 1500},
    "conversation.item.delete": {"item_id": ITEM},
    "response.create": {"response": {"conversation": "none", "metadata": {"topic": "tides"}}},
    "response.cancel": {"response_id": RESPONSE},
}

CLIENT_FRAMES: dict[str, Frame] = {
    kind: {"type": kind, "event_id": "event_tw1", **fields} for kind, fields in _COMMANDS.items()
}
