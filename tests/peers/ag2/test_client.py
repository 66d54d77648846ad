"""Our class as AG2 sees it: its signatures, its protocol, and the events its observers look for."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from autogen import LLMConfig
from autogen.agentchat.realtime.experimental import RealtimeAgent
from autogen.agentchat.realtime.experimental import realtime_events as ag2
from autogen.agentchat.realtime.experimental.clients.oai import (
    OpenAIRealtimeWebRTCClient as Theirs,
)
from autogen.agentchat.realtime.experimental.clients.realtime_client import RealtimeClientProtocol
from autogen.agentchat.realtime.experimental.websockets import WebSocketProtocol

from support.ag2_socket import Ag2Socket, Frame
from support.command import Served
from talkwire_io.ag2 import OpenAIRealtimeWebRTCClient, UnusableConfig, register

CALLS = (
    "__init__",
    "connect",
    "get_factory",
    "logger",
    "read_events",
    "send_audio",
    "send_function_result",
    "send_text",
    "session_init_data",
    "session_update",
    "truncate_audio",
)
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
HELLO = {"type": "talkwire.hello", "version": 1}
READY = {"type": "talkwire.ready"}


def call_done(call_id: str, arguments: str = "{}", name: str = "get_weather") -> Frame:
    return {
        "type": "response.function_call_arguments.done",
        "event_id": f"event_{call_id}",
        "response_id": "resp_1",
        "item_id": f"item_{call_id}",
        "output_index": 0,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def shape(call: Any) -> Any:
    if isinstance(call, property):
        return property
    parameters = inspect.signature(call).parameters.values()
    kinds = [(each.name, each.kind, each.default) for each in parameters]
    return kinds, inspect.iscoroutinefunction(call), inspect.isasyncgenfunction(call)


@pytest.mark.parametrize("call", CALLS)
def test_its_signatures_are_ag2s(call: str) -> None:
    ours = inspect.getattr_static(OpenAIRealtimeWebRTCClient, call)
    theirs = inspect.getattr_static(Theirs, call)
    assert type(ours) is type(theirs)
    assert shape(getattr(OpenAIRealtimeWebRTCClient, call)) == shape(getattr(Theirs, call))


@asynccontextmanager
async def connected(service: Served) -> AsyncIterator[tuple[OpenAIRealtimeWebRTCClient, Ag2Socket]]:
    row = {"model": "gpt-realtime", "api_key": "sk-local", "base_url": f"{service.url}/v1"}
    socket = Ag2Socket()
    assert isinstance(socket, WebSocketProtocol)
    client = OpenAIRealtimeWebRTCClient(llm_config=LLMConfig(config_list=[row]), websocket=socket)
    assert isinstance(client, RealtimeClientProtocol)
    async with client.connect():
        await client.session_update({"tools": [TOOL]})
        yield client, socket


Behave = Callable[[OpenAIRealtimeWebRTCClient, Ag2Socket], Awaitable[None]]


def events_of(service: Served, *frames: Frame | str, then: Behave | None = None) -> list[Any]:
    """What the observers are told of these frames, each a message, until the page leaves."""

    async def main() -> list[Any]:
        async with connected(service) as (client, socket):
            for frame in frames:
                socket.say(frame)
            events: list[Any] = []
            if then is None:
                socket.leave()
            async for event in client.read_events():
                events.append(event)
                if then is not None and len(events) == len(frames):
                    await then(client, socket)
            return events

    return asyncio.run(asyncio.wait_for(main(), 20))


def test_events_are_of_the_classes_that_observers_look_for(service: Served) -> None:
    frames: list[Frame] = [
        {"type": "session.created", "event_id": "event_1", "session": {"id": "sess_1"}},
        {"type": "session.updated", "event_id": "event_2", "session": {"id": "sess_1"}},
        {
            "type": "input_audio_buffer.speech_started",
            "event_id": "event_3",
            "item_id": "item_1",
            "audio_start_ms": 7,
        },
        {
            "type": "response.output_audio.delta",
            "event_id": "event_4",
            "response_id": "resp_1",
            "item_id": "item_2",
            "output_index": 0,
            "content_index": 0,
            "delta": "AAAA",
        },
        {"type": "response.reconsidered", "event_id": "event_5", "more": [1]},
        {"type": "rate_limits.updated", "event_id": "event_6", "rate_limits": [], "more": 1},
    ]
    told = events_of(service, *frames)
    kinds = [ag2.SessionCreated, ag2.SessionUpdated, ag2.SpeechStarted, ag2.AudioDelta]
    assert [type(event) for event in told] == [*kinds, ag2.RealtimeEvent, ag2.RealtimeEvent]
    assert [event.raw_message for event in told] == frames  # word for word
    assert (told[3].delta, told[3].item_id) == ("AAAA", "item_2")


def test_a_function_call_is_one_event_with_its_arguments(service: Served) -> None:
    frame = call_done("call_1", '{"city":"Rome"}')
    (told,) = events_of(service, frame, frame)
    assert isinstance(told, ag2.FunctionCall)
    assert (told.call_id, told.name, told.arguments) == ("call_1", "get_weather", {"city": "Rome"})
    assert told.raw_message == frame


def test_parallel_calls_get_one_answer_however_slow_the_functions_are(service: Served) -> None:
    """AG2 runs them one after the other, and reads nothing meanwhile."""

    async def main() -> list[str]:
        async with connected(service) as (client, socket):
            socket.say(call_done("call_1"))
            socket.say(call_done("call_2"))
            asyncio.get_running_loop().call_later(2.5, socket.leave)
            async for event in client.read_events():
                await asyncio.sleep(0.7)  # longer than the silence that ends a response
                await client.send_function_result(event.call_id, "21")
            return socket.types()

    types = asyncio.run(asyncio.wait_for(main(), 20))
    assert types[2:] == ["conversation.item.create"] * 2 + ["response.create"]


REFUSED = [
    (call_done("call_1", name="get_money"), "There is no function get_money."),
    (call_done("call_1", '{"city":"Ro'), "The arguments are not JSON."),
    (call_done("call_1", '["Rome"]'), "The arguments are not an object."),
]


@pytest.mark.parametrize(("frame", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_observers_would_leave_unanswered_is_answered(
    service: Served, frame: Frame, words: str
) -> None:
    outputs: list[Frame] = []

    async def then(client: OpenAIRealtimeWebRTCClient, socket: Ag2Socket) -> None:
        outputs.extend(each["item"] for each in socket.sent if "item" in each)
        socket.leave()

    (told,) = events_of(service, frame, then=then)
    assert type(told) is ag2.RealtimeEvent
    (output,) = outputs
    assert (output["call_id"], json.loads(output["output"])) == ("call_1", {"error": words})


def test_what_a_page_makes_up_is_shown_in_the_log_and_cut(
    service: Served, caplog: pytest.LogCaptureFixture
) -> None:
    made_up = "call\nWARNING all is well " + "x" * 1000
    events_of(service, call_done(made_up, name="get\nmoney" + "y" * 1000))
    (line,) = [each.getMessage() for each in caplog.records if "refused" in each.getMessage()]
    assert "\n" not in line
    assert len(line) < 250


@pytest.mark.parametrize("result", ["x" * 300_000, "\ud800"], ids=["large", "no Unicode"])
def test_a_result_that_cannot_be_sent_is_answered_and_the_agent_goes_on(
    service: Served, result: str, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"model": "gpt-realtime", "api_key": "sk-local", "base_url": f"{service.url}/v1"}
    register()
    socket = Ag2Socket()
    config = LLMConfig(config_list=[row])
    agent = RealtimeAgent(name="a", llm_config=config, websocket=socket)

    @agent.register_realtime_function(name="get_all", description="Get all there is.")
    def get_all() -> str:
        return result

    @agent.register_realtime_function(name="get_one", description="Get one of it.")
    def get_one() -> str:
        socket.leave()
        return "one"

    async def main() -> None:
        socket.say(call_done("call_1", name="get_all"))
        socket.say(call_done("call_2", name="get_one"))
        await agent.run()

    asyncio.run(asyncio.wait_for(main(), 20))
    outputs = [each["item"]["output"] for each in socket.sent if "item" in each]
    assert outputs == ['{"error":"The result cannot be sent."}', "one"]
    assert "the result of call 'call_1' cannot be sent" in caplog.text


def test_a_frame_over_several_lines_is_told_whole(service: Served) -> None:
    frame = call_done("call_1", '{"city":"Rome"}')
    (told,) = events_of(service, json.dumps(frame, indent=2))
    assert isinstance(told, ag2.FunctionCall)
    assert told.raw_message == frame


def test_no_frame_ends_the_reading(service: Served) -> None:
    """Any of these ended AG2's loop, and with it the agent."""
    told = events_of(service, "no JSON", "[]", "{}", '{"type":3}', call_done("call_1"))
    assert [type(event) for event in told] == [ag2.FunctionCall]


def test_an_error_of_the_service_is_an_event_like_others(service: Served) -> None:
    body = {"type": "invalid_request_error", "code": "invalid_value", "message": "No."}
    frame = {"type": "error", "event_id": "event_1", "error": body}
    (told,) = events_of(service, frame)
    assert told.raw_message == frame


def test_audio_that_is_sent_is_told_to_the_observers_at_once(service: Served) -> None:
    async def main() -> list[Any]:
        async with connected(service) as (client, socket):

            async def later() -> None:
                await asyncio.sleep(0.05)  # somebody reads by now
                await client.send_audio("AAAA")
                await asyncio.sleep(0.05)
                socket.leave()

            async with asyncio.TaskGroup() as both:
                both.create_task(later())
                return [event async for event in client.read_events()]

    (told,) = asyncio.run(asyncio.wait_for(main(), 20))
    assert isinstance(told, ag2.InputAudioBufferDelta)
    assert (told.delta, told.item_id, told.raw_message) == ("AAAA", None, {})


def test_text_that_is_typed_into_our_page_is_said_to_the_model(service: Served) -> None:
    async def main() -> list[str]:
        async with connected(service) as (client, socket):
            socket.say(HELLO)
            socket.say(READY, {"type": "talkwire.text", "text": "Hello."})
            socket.leave()
            assert [event async for event in client.read_events()] == []
            return socket.types()

    types = asyncio.run(asyncio.wait_for(main(), 20))
    assert types == [
        "ag2.init",
        "session.update",
        "talkwire.init",
        "conversation.item.create",
        "response.create",
    ]


def test_a_new_text_stops_what_the_model_is_saying(service: Served) -> None:
    created = {
        "type": "response.created",
        "event_id": "event_1",
        "response": {"id": "resp_1", "status": "in_progress", "conversation_id": "conv_1"},
    }

    async def then(client: OpenAIRealtimeWebRTCClient, socket: Ag2Socket) -> None:
        await client.send_text(role="user", text="Stop.")
        sent = socket.sent[-2:]
        assert [each["type"] for each in sent] == ["response.cancel", "conversation.item.create"]
        assert sent[0]["response_id"] == "resp_1"
        socket.leave()

    assert len(events_of(service, created, then=then)) == 1


def test_an_agent_uses_it_once_it_is_registered() -> None:
    register()
    register()
    config = LLMConfig(config_list=[{"model": "gpt-realtime", "api_key": "sk-local"}])
    agent = RealtimeAgent(name="a", llm_config=config, websocket=Ag2Socket())
    assert isinstance(agent.realtime_client, OpenAIRealtimeWebRTCClient)
    assert not isinstance(agent.realtime_client, Theirs)
    spoken = RealtimeAgent(name="a", llm_config=config)
    assert not isinstance(spoken.realtime_client, OpenAIRealtimeWebRTCClient)


def test_an_llm_config_of_ag2s_own_is_read() -> None:
    config = LLMConfig(
        config_list={"model": "gpt-realtime", "api_key": "sk-local", "voice": "marin"},
        temperature=0.5,
    )
    client = OpenAIRealtimeWebRTCClient(llm_config=config, websocket=Ag2Socket())
    session = client.session_init_data()[0]["session"]
    assert session["audio"]["output"]["voice"] == "marin"
    other = LLMConfig(config_list={"api_type": "google", "model": "gemini"})
    with pytest.raises(UnusableConfig, match="google"):
        OpenAIRealtimeWebRTCClient(llm_config=other, websocket=Ag2Socket())
