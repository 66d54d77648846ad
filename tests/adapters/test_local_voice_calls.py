"""One call with the real voice over real WebRTC: speech in, a function call, speech out."""

from __future__ import annotations

import functools
import json

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from support.local import local_service, page, run
from talkwire_io.local.calls import Calls
from talkwire_io.local.voice import MissingVoice, RuleBrain, Voice, load_voice

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "The city"}},
        "required": ["location"],
    },
}
TIMER = {
    "type": "function",
    "name": "set_timer",
    "description": "Set a timer for some minutes.",
    "parameters": {
        "type": "object",
        "properties": {"minutes": {"type": "integer", "description": "How many minutes"}},
        "required": ["minutes"],
    },
}
TURNS = {"type": "server_vad", "silence_duration_ms": 500}


@functools.cache
def real_voice() -> Voice:
    voice = load_voice()
    if isinstance(voice, MissingVoice):
        pytest.skip(voice.hint)
    return voice


def test_a_spoken_question_runs_a_tool_and_a_second_one_interrupts_the_answer() -> None:
    voice = real_voice()
    from support.speech import spoken

    async def main() -> None:
        async with local_service(Calls(voice, RuleBrain())) as local, page() as caller:
            key = local.key(
                tools=[WEATHER, TIMER],
                audio={"input": {"turn_detection": TURNS, "transcription": {"model": "whisper-1"}}},
            )
            await caller.connect(local, key)

            caller.say(spoken("What is the weather in Rome?", 48_000))
            heard = await caller.wait_for("conversation.item.input_audio_transcription.completed")
            assert "weather in rome" in heard["transcript"].lower()
            call = await caller.wait_for("response.function_call_arguments.done")
            assert call["name"] == "get_weather"
            assert json.loads(call["arguments"]) == {"location": "Rome"}
            await caller.wait_for("response.done")
            report = {"sky": "sunny", "celsius": 24, "wind": "a light breeze from the south west"}
            caller.send(
                "conversation.item.create",
                item={
                    "type": "function_call_output",
                    "call_id": call["call_id"],
                    "output": json.dumps(report),
                },
            )
            caller.send("response.create")
            await caller.wait_for("output_audio_buffer.started")
            await caller.hear(lambda loudness: loudness > 1000)

            caller.say(spoken("Set a timer for ten minutes.", 48_000))
            await caller.wait_for("input_audio_buffer.speech_started")
            await caller.wait_for("output_audio_buffer.cleared")
            await caller.hear(lambda loudness: loudness < 100)
            call = await caller.wait_for("response.function_call_arguments.done")
            assert call["name"] == "set_timer"
            assert json.loads(call["arguments"]) == {"minutes": 10}

    run(main(), 60)
