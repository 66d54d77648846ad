"""A turn with a function in it, as an application of openai-python's would write it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeFunctionToolParam, RealtimeSessionCreateRequestParam

from support.command import Served

MODEL = "gpt-realtime"
WEATHER: RealtimeFunctionToolParam = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "The city, e.g. Rome"}},
        "required": ["city"],
    },
}
SESSION: RealtimeSessionCreateRequestParam = {
    "type": "realtime",
    "instructions": "Be short.",
    "tools": [WEATHER],
    "audio": {"input": {"transcription": {"model": "whisper-1"}}},
}


def client(service: Served, key: str = "sk-local") -> AsyncOpenAI:
    return AsyncOpenAI(api_key=key, base_url=f"{service.url}/v1", max_retries=0)


@dataclass
class Turn:
    heard: str = ""
    said: str = ""
    calls: list[tuple[str, object]] = field(default_factory=list)
    sound: bytes = b""
    types: list[str] = field(default_factory=list)


async def ask(connection: AsyncRealtimeConnection, text: str) -> None:
    await connection.conversation.item.create(
        item={
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}],
        }
    )
    await connection.response.create()


async def follow(connection: AsyncRealtimeConnection) -> Turn:
    """Run the functions that are called, until an answer has been spoken."""
    turn = Turn()
    async for event in connection:
        turn.types.append(event.type)
        if event.type == "error":
            raise AssertionError(event.error)
        elif event.type == "conversation.item.input_audio_transcription.completed":
            turn.heard = event.transcript
        elif event.type == "response.function_call_arguments.done":
            turn.calls.append((event.name, json.loads(event.arguments)))
            weather = json.dumps({"sky": "sunny", "celsius": 18})
            await connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": event.call_id, "output": weather}
            )
        elif event.type == "response.output_audio.delta":
            turn.sound += base64.b64decode(event.delta)
        elif event.type == "response.output_audio_transcript.done":
            turn.said = event.transcript
        elif event.type == "response.done":
            if turn.said:
                return turn
            await connection.response.create()
    raise AssertionError(f"the service ended the session after {turn.types}")
