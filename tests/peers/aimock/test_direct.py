"""Our client against somebody else's service: aimock speaks GA Realtime from fixtures.

It differs from the one we wrote: an output item is told of only when it is done, there is no
event for the user's own item being done, no rate limits, no audio. All of it must be understood.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio import client as websocket_client

from support.command import within
from talkwire import (
    DIRECT,
    Dialect,
    FunctionCall,
    Gate,
    InvalidFrame,
    Session,
    SessionClosed,
    UnknownEvent,
    events,
)
from talkwire_io.asyncio import Connection
from talkwire_io.openai import OpenAI
from talkwire_io.websockets import WebSocketTransport, connect

HERE = Path(__file__).parent
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running aimock; its base URL."""
    log = tmp_path_factory.mktemp("aimock") / "log"
    address = re.compile(r"listening on http://(\S+)")
    command = ["node_modules/.bin/llmock", "--port", "0", "--strict", "--fixtures", "turn.json"]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=HERE, stdout=out, stderr=subprocess.STDOUT)
    try:
        assert within(20, lambda: address.search(log.read_text()) or process.poll() is not None)
        found = address.search(log.read_text())
        assert found, log.read_text()
        yield f"http://{found[1]}/v1"
    finally:
        process.terminate()
        process.wait(10)


@asynccontextmanager
async def calling(url: str, **options: Any) -> AsyncIterator[Connection]:
    settings = {"output_modalities": ["text"], "tools": [WEATHER]}
    async with asyncio.timeout(20), OpenAI("none", base_url=url) as service:
        async with connect(settings, service=service, **options) as call:
            yield call


async def talk(call: Connection, question: str) -> list[str]:
    """Ask, answer every call, and return their arguments once the answer is whole."""
    asked: list[str] = []
    await call.send_text(question)
    async for event in call:
        assert not isinstance(event, InvalidFrame | UnknownEvent), event
        match event:
            case FunctionCall():
                asked.append(event.arguments)
                await call.send_function_result(event.call_id, "sunny")
            case events.ResponseDone() if call.session.gate.state is Gate.IDLE:
                return asked
    raise AssertionError("the service ended the session")


def test_two_calls_of_a_response_are_answered_and_one_answer_follows(aimock: str) -> None:
    async def main() -> Session:
        async with calling(aimock) as call:
            asked = await talk(call, "What is the weather in Rome and in Oslo?")
            assert asked == ['{"city":"Rome"}', '{"city":"Oslo"}']
            return call.session

    session = asyncio.run(main())
    assert [
        (item.type, item.text or item.output or item.arguments) for item in session.conversation
    ] == [
        ("message", "What is the weather in Rome and in Oslo?"),
        ("function_call", '{"city":"Rome"}'),
        ("function_call", '{"city":"Oslo"}'),
        ("function_call_output", "sunny"),
        ("function_call_output", "sunny"),
        ("message", "It is sunny in Rome and it snows in Oslo."),
    ]


def test_a_response_that_fails_is_told_and_the_next_one_works(aimock: str) -> None:
    async def main() -> None:
        async with calling(aimock) as call:
            assert await talk(call, "fail") == []
            assert await talk(call, "weather") != []

    asyncio.run(main())


def test_beta_is_refused_as_openai_refuses_it(aimock: str) -> None:
    async def main() -> list[object]:
        url = f"{aimock.replace('http', 'ws')}/realtime?model=gpt-realtime"
        headers = {"OpenAI-Beta": "realtime=v1"}
        async with websocket_client.connect(url, additional_headers=headers) as websocket:
            now = asyncio.get_running_loop().time()
            session = Session(plane=DIRECT, dialect=Dialect.BETA, now=now)
            async with (
                asyncio.timeout(20),
                Connection(session, WebSocketTransport(websocket)) as call,
            ):
                return [event async for event in call]

    said = asyncio.run(main())
    refusals = [event for event in said if isinstance(event, events.ErrorEvent)]
    assert [event.error.code for event in refusals] == ["beta_api_shape_disabled"]
    closed = said[-1]
    assert isinstance(closed, SessionClosed)
    assert closed.code == 4000
