"""openai-python's `realtime.connect(model=…)` on asyncio: typed and spoken, with a function."""

from __future__ import annotations

import asyncio
import base64
import wave
from pathlib import Path

from peers.openai_python.turns import MODEL, SESSION, Turn, ask, client, follow
from support.command import Served


def test_a_typed_question_runs_a_function_and_is_answered_aloud(service: Served) -> None:
    async def talk() -> Turn:
        async with client(service) as openai, openai.realtime.connect(model=MODEL) as connection:
            await connection.session.update(session=SESSION)
            await ask(connection, "What is the weather in Rome?")
            return await follow(connection)

    turn = asyncio.run(asyncio.wait_for(talk(), 30))
    assert turn.types[0] == "session.created"
    assert turn.calls == [("get_weather", {"city": "Rome"})]
    assert "sunny" in turn.said
    assert len(turn.sound) > 24_000  # half a second of it, in 16 bits


def test_a_spoken_question_is_heard_and_answered_without_being_asked_to(
    service: Served, speech: Path
) -> None:
    async def talk() -> Turn:
        async with client(service) as openai, openai.realtime.connect(model=MODEL) as connection:
            await connection.session.update(session=SESSION)
            with wave.open(str(speech)) as file:
                while chunk := file.readframes(2_400):
                    audio = base64.b64encode(chunk).decode()
                    await connection.input_audio_buffer.append(audio=audio)
            return await follow(connection)

    turn = asyncio.run(asyncio.wait_for(talk(), 60))
    assert turn.heard == "What is the weather in Rome?"
    assert turn.calls == [("get_weather", {"city": "Rome"})]
    assert "sunny" in turn.said
