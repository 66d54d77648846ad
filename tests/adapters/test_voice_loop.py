"""One conversation through all four parts: heard, understood, done, answered, understood again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.speech import needs_voice, resample, track, voice
from talkwire_io.local.voice import CallTool, RuleBrain, Say, SpeechStarted, Turn

pytestmark = needs_voice

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "get_weather",
        "description": "Get the current weather at a place.",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
        },
    },
    {
        "type": "function",
        "name": "set_timer",
        "description": "Start a countdown.",
        "parameters": {
            "type": "object",
            "properties": {"minutes": {"type": "integer"}},
            "required": ["minutes"],
        },
    },
]


def turns(pcm: bytes) -> list[bytes]:
    """Cut the audio where the detector says that somebody spoke."""
    cut: list[bytes] = []
    start_ms = 0
    for event in voice().detector().feed(pcm):
        if isinstance(event, SpeechStarted):
            start_ms = event.at_ms
        else:
            cut.append(pcm[start_ms * 32 : event.at_ms * 32])
    return cut


def user(text: str) -> dict[str, Any]:
    content = [{"type": "input_audio", "transcript": text}]
    return {"type": "message", "role": "user", "content": content}


@pytest.mark.parametrize("start_s", [0.4, 1.23])
def test_two_spoken_requests_become_two_tool_calls(start_s: float) -> None:
    lines = [("What is the weather in Rome?", start_s), ("Set a timer for ten minutes.", 4.5)]
    pcm, _ = track(lines, 8.0)
    heard = [voice().speech_to_text.transcribe(turn) for turn in turns(pcm)]
    assert heard == ["What is the weather in Rome?", "Set a timer for 10 minutes."]

    calls = [RuleBrain().answer(Turn([user(text)], tools=TOOLS)) for text in heard]
    assert calls == [
        [CallTool("get_weather", '{"location": "Rome"}')],
        [CallTool("set_timer", '{"minutes": 10}')],
    ]


def test_a_tools_output_is_spoken_so_that_it_can_be_understood() -> None:
    output = json.dumps({"location": "Rome", "temperature_c": 21, "sky": "clear"})
    items = [
        user("What is the weather in Rome?"),
        {
            "type": "function_call",
            "call_id": "c1",
            "name": "get_weather",
            "arguments": '{"location": "Rome"}',
        },
        {"type": "function_call_output", "call_id": "c1", "output": output},
    ]
    [said] = RuleBrain().answer(Turn(items, tools=TOOLS))
    assert isinstance(said, Say)

    mouth = voice().text_to_speech
    pcm = resample(b"".join(mouth.speak(said.text)), mouth.sample_rate, 16_000)
    heard = voice().speech_to_text.transcribe(pcm)
    assert all(word in heard for word in ("Rome", "temperature", "21 degrees", "sky", "clear")), (
        heard
    )
