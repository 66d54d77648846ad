"""AG2's class as far as it goes without AG2: its configuration, the page's invitation, its calls.

What its observers are told is tried where AG2 is installed, in `tests/peers/ag2`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from support.ag2_socket import Ag2Socket
from support.desk import open_desk
from support.local import MISSING, Local, Parrot, local_service, run
from talkwire import LocalProtocolError, events
from talkwire_io.ag2 import OpenAIRealtimeWebRTCClient, UnusableConfig
from talkwire_io.ag2.page import PageSocket
from talkwire_io.local.calls import Calls
from talkwire_io.openai import MissingKey, ServiceError, ServiceUnreachable
from talkwire_io.transport import TransportClosed

KEY = "sk-proj-abcDEF_123-xyz0987654321"
ENTRY = {"model": "gpt-realtime", "api_key": KEY}


class Hidden:
    """A key as pydantic holds it."""

    def get_secret_value(self) -> str:
        return KEY


def client(entry: Any = None, socket: Any = None, **above: Any) -> OpenAIRealtimeWebRTCClient:
    config = {"config_list": [ENTRY if entry is None else entry], **above}
    socket = Ag2Socket() if socket is None else socket
    return OpenAIRealtimeWebRTCClient(llm_config=config, websocket=socket)


def base_url(local: Local) -> str:
    return f"http://127.0.0.1:{local.port}/v1"


@asynccontextmanager
async def connected(
    *, temperature: float | None = None, suffix: str = "", **entry: Any
) -> AsyncIterator[tuple[OpenAIRealtimeWebRTCClient, Ag2Socket, Local]]:
    socket = Ag2Socket()
    async with local_service(Calls(MISSING, Parrot())) as local:
        row = {**ENTRY, "base_url": f"{base_url(local)}{suffix}", **entry}
        above = {} if temperature is None else {"temperature": temperature}
        made = client(row, socket, **above)
        async with made.connect():
            yield made, socket, local


def test_importing_it_does_not_import_ag2() -> None:
    code = "import sys, talkwire_io.ag2; sys.exit('autogen' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


# -- llm_config


BROKEN: list[tuple[Any, str]] = [
    (None, "no row in its config_list"),
    ({}, "no row in its config_list"),
    ({"config_list": []}, "no row in its config_list"),
    ({"config_list": ["sk-secret-in-the-wrong-place"]}, "a row is a dict, not str"),
    ({"config_list": [{"api_key": KEY}]}, "names no model"),
    ({"config_list": [{**ENTRY, "model": ""}]}, "names no model"),
    ({"config_list": [{**ENTRY, "api_type": "azure"}]}, "api_type 'azure' has another client"),
    ({"config_list": [{**ENTRY, "api_key": 3}]}, "api_key is a text, not int"),
]


@pytest.mark.parametrize(("config", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_a_configuration_that_no_call_can_be_made_of_says_what_to_change(
    config: Any, words: str
) -> None:
    with pytest.raises(UnusableConfig) as refused:
        OpenAIRealtimeWebRTCClient(llm_config=config, websocket=Ag2Socket())
    assert words in str(refused.value)
    assert "sk-secret" not in str(refused.value)


def test_a_base_url_that_is_none_is_told_when_the_call_begins() -> None:
    async def main() -> None:
        made = client({**ENTRY, "base_url": "wss://example.test/v1"})
        with pytest.raises(UnusableConfig, match="base_url"):
            async with made.connect():
                pass

    run(main())


def test_a_websocket_that_ag2_would_not_take_is_refused() -> None:
    with pytest.raises(TypeError, match=r"object has no send_json\(\)"):
        client(socket=object())


def test_a_key_that_is_nowhere_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    async def main() -> None:
        with pytest.raises(MissingKey, match="OPENAI_API_KEY"):
            async with client({"model": "gpt-realtime"}).connect():
                pass

    run(main())


@pytest.mark.parametrize("key", [KEY, Hidden(), None], ids=["text", "hidden", "environment"])
def test_a_key_is_taken_as_text_hidden_or_from_the_environment(
    key: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    async def main() -> None:
        async with connected(api_key=key) as (_, socket, _):
            assert socket.types() == ["ag2.init"]

    run(main())


def test_a_service_that_refuses_or_is_not_there_is_told_and_the_page_is_not() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local:
            socket = Ag2Socket()
            refusing = client({**ENTRY, "base_url": f"{base_url(local)}/elsewhere"}, socket)
            with pytest.raises(ServiceError, match="answered 404"):
                async with refusing.connect():
                    pass
            nowhere = client({**ENTRY, "base_url": "http://127.0.0.1:9/v1"}, socket)
            with pytest.raises(ServiceUnreachable):
                async with nowhere.connect():
                    pass
            assert socket.sent == []

    run(main())


def test_a_factory_is_given_where_ag2s_own_would_be() -> None:
    logger, config = logging.getLogger("test"), {"config_list": [ENTRY]}
    get_factory = OpenAIRealtimeWebRTCClient.get_factory
    factory = get_factory(config, logger, websocket=Ag2Socket())
    assert factory is not None
    made = factory()
    assert isinstance(made, OpenAIRealtimeWebRTCClient)
    assert made.logger is logger
    assert get_factory(config, logger) is None
    assert get_factory(config, logger, websocket=Ag2Socket(), more=1) is None
    google = {"config_list": [{**ENTRY, "api_type": "google"}]}
    assert get_factory(google, logger, websocket=Ag2Socket()) is None


# -- the invitation


@pytest.mark.parametrize("suffix", ["", "/", "/realtime/sessions", "/realtime"])
def test_the_page_is_told_how_to_open_a_ga_call(suffix: str) -> None:
    """AG2 took the address of the beta's sessions for `base_url`, and it may still stand there."""

    async def main() -> None:
        async with connected(suffix=suffix, voice="marin") as (_, socket, local):
            (init,) = socket.sent
            config = init["config"]
            assert config["url"] == f"{base_url(local)}/realtime/calls"
            assert config["model"] == "gpt-realtime"
            assert config["client_secret"]["value"] == config["value"]
            assert config["value"].startswith("ek_")
            (update,) = init["init"]
            session = update["session"]
            assert session["type"] == "realtime"
            assert session["output_modalities"] == ["audio"]
            assert session["audio"]["output"] == {"voice": "marin"}
            assert session["audio"]["input"] == {"turn_detection": {"type": "server_vad"}}

    run(main())


def test_a_temperature_is_left_out_and_said_to_be(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with connected(temperature=0.8) as (made, socket, _):
            assert "temperature" in caplog.text
            await made.session_update({"temperature": 0.7, "instructions": "Be brief."})
            assert socket.sent[-1]["session"] == {"type": "realtime", "instructions": "Be brief."}

    run(main())


def test_without_a_temperature_nothing_is_said_of_it(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with connected() as (made, _, _):
            await made.session_update({"instructions": "Be brief."})

    run(main())
    assert "temperature" not in caplog.text


class Seeded(OpenAIRealtimeWebRTCClient):
    """Opens its sessions in its own way, in the beta's shape."""

    def session_init_data(self) -> list[dict[str, Any]]:
        content = [{"type": "input_text", "text": "Hello."}]
        item = {"type": "message", "role": "user", "content": content}
        return [
            {"type": "session.update", "session": {"voice": "cedar", "turn_detection": None}},
            {"type": "conversation.item.create", "item": item},
        ]


def test_what_opens_the_session_may_be_replaced() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local:
            socket = Ag2Socket()
            config = {"config_list": [{**ENTRY, "base_url": base_url(local)}]}
            async with Seeded(llm_config=config, websocket=socket).connect():
                update, item = socket.sent[0]["init"]
        audio = {"input": {"turn_detection": None}, "output": {"voice": "cedar"}}
        assert update["session"] == {"type": "realtime", "audio": audio}
        assert item["item"]["content"][0]["text"] == "Hello."

    run(main())


class Mistaken(OpenAIRealtimeWebRTCClient):
    """Opens its sessions with what the service would refuse."""

    def session_init_data(self) -> list[dict[str, Any]]:
        return [{"type": "session.upgrade"}]


def test_what_opens_the_session_is_looked_at_before_a_key_is_asked_for() -> None:
    async def main() -> None:
        async with open_desk() as desk:
            config = {"config_list": [{**ENTRY, "base_url": desk.url}]}
            with pytest.raises(LocalProtocolError, match=r"session\.upgrade"):
                async with Mistaken(llm_config=config, websocket=Ag2Socket()).connect():
                    pass
            assert desk.asked == []

    run(main())


# -- the end


class Closing(Ag2Socket):
    """Takes a moment to close, as a real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.closed = asyncio.Event(), False

    async def send_json(self, data: Any, mode: str = "text") -> None:
        await super().send_json(data, mode)
        if data["type"] == "response.create":
            self.asked.set()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await anyio.sleep(0.01)
        self.closed = True


def test_a_call_that_anyio_cancels_again_and_again_is_hung_up_all_the_same() -> None:
    """As AG2's agent does, whose task group is cancelled: every wait in it ends at once."""

    async def main() -> None:
        async with open_desk() as desk:
            socket = Closing()
            made = client({**ENTRY, "base_url": desk.url}, socket)
            socket.say({"type": "talkwire.hello", "version": 1})
            socket.say({"type": "talkwire.ready", "call_id": "rtc_1"})
            socket.say({"type": "talkwire.text", "text": "Hello."})

            async def reads() -> None:
                async with made.connect():
                    assert [event async for event in made.read_events()] == []

            async with anyio.create_task_group() as agent:
                agent.start_soon(reads)
                await socket.asked.wait()  # what stood before the text has been read by then
                agent.cancel_scope.cancel()
            with anyio.fail_after(2):
                assert await desk.next_hang_up() == "rtc_1"
            assert socket.closed
            assert socket.types()[-1] == "talkwire.bye"

    run(main())


# -- the calls


def test_a_patch_in_the_betas_shape_is_sent_in_gas() -> None:
    async def main() -> None:
        async with connected() as (made, socket, _):
            tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
            await made.session_update({"tools": tools, "tool_choice": "auto"})
            await made.session_update({"input_audio_format": "g711_ulaw", "modalities": ["text"]})
        first, second = (frame["session"] for frame in socket.sent[1:])
        assert first == {"type": "realtime", "tools": tools, "tool_choice": "auto"}
        audio = {"input": {"format": {"type": "audio/pcmu"}}}
        assert second == {"type": "realtime", "output_modalities": ["text"], "audio": audio}

    run(main())


def test_text_is_added_and_answered_and_nothing_is_stopped_that_does_not_run() -> None:
    async def main() -> None:
        async with connected() as (made, socket, _):
            await made.send_text(role="assistant", text="Hello.")
            assert socket.types()[1:] == ["conversation.item.create", "response.create"]
            item = socket.sent[1]["item"]
            assert (item["role"], item["content"][0]["type"]) == ("assistant", "output_text")

    run(main())


def test_a_truncation_is_passed_on() -> None:
    async def main() -> None:
        async with connected() as (made, socket, _):
            await made.truncate_audio(audio_end_ms=1200, content_index=0, item_id="item_1")
            cut = socket.sent[-1]
            assert cut["type"] == "conversation.item.truncate"
            assert (cut["item_id"], cut["audio_end_ms"]) == ("item_1", 1200)

    run(main())


def test_a_result_of_a_call_that_nobody_made_is_a_mistake_that_is_named() -> None:
    async def main() -> None:
        async with connected() as (made, _, _):
            with pytest.raises(LocalProtocolError, match="'call_9' is not known"):
                await made.send_function_result("call_9", "21")

    run(main())


Call = Callable[[OpenAIRealtimeWebRTCClient], Awaitable[None]]
CALLS: dict[str, Call] = {
    "send_text": lambda it: it.send_text(role="user", text="Hello."),
    "send_function_result": lambda it: it.send_function_result("call_1", "21"),
    "session_update": lambda it: it.session_update({"instructions": ""}),
    "truncate_audio": lambda it: it.truncate_audio(0, 0, "item_1"),
}


@pytest.mark.parametrize("name", CALLS)
def test_nothing_can_be_said_before_the_call_and_afterwards_it_is_dropped(name: str) -> None:
    """The page may go at any time: then there is nobody to tell, and no mistake either."""

    async def main() -> None:
        with pytest.raises(LocalProtocolError, match=rf"{name} is not legal before connect\(\)"):
            await CALLS[name](client())
        async with connected() as (made, socket, _):
            pass
        before = list(socket.sent)
        await CALLS[name](made)
        assert socket.sent == before

    run(main())


def test_reading_without_a_call_is_a_mistake() -> None:
    async def main() -> None:
        with pytest.raises(LocalProtocolError, match="read_events"):
            await anext(client().read_events())

    run(main())


def test_reading_ends_when_the_page_goes() -> None:
    async def main() -> None:
        async with connected() as (made, socket, _):
            socket.leave()
            async with asyncio.timeout(2):
                assert [event async for event in made.read_events()] == []

    run(main())


# -- the page's websocket


def test_a_message_of_several_frames_that_was_cut_short_goes_on_where_it_stopped() -> None:
    """Where only `send_json` is there each frame leaves by itself, and once."""

    class Slow(Ag2Socket):
        async def send_json(self, data: Any, mode: str = "text") -> None:
            if data["n"] == 2 and not slow.is_set():
                await slow.wait()
            await super().send_json(data, mode)

    slow = asyncio.Event()

    async def main() -> None:
        socket = Slow()
        page, message = PageSocket(socket), '{"n":1}\n{"n":2}\n{"n":3}'
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await page.send(message)
        slow.set()
        await page.send(message)  # as a driver does
        assert [frame["n"] for frame in socket.sent] == [1, 2, 3]

    run(main())


CALLED = {
    "type": "response.function_call_arguments.done",
    "event_id": "event_1",
    "response_id": "resp_1",
    "item_id": "item_1",
    "call_id": "call_1",
    "arguments": "{}",
    "name": "get_weather",
}
SPOKEN = {"type": "response.audio_transcript.done", "transcript": "Hello.", "more": 1}


@pytest.mark.parametrize(
    "message",
    [
        json.dumps(CALLED, indent=2),
        "\n".join(map(json.dumps, ({"type": "error"}, CALLED))),
        "no JSON\n" + json.dumps(CALLED),
    ],
    ids=["over several lines", "one of several", "beside another"],
)
def test_a_frame_is_given_word_for_word_however_it_was_passed_on(message: str) -> None:
    told = events.ResponseFunctionCallArgumentsDone(
        response_id="resp_1",
        item_id="item_1",
        call_id="call_1",
        arguments="{}",
        name="get_weather",
        event_id="event_1",
    )

    async def main() -> None:
        socket = Ag2Socket()
        page = PageSocket(socket)
        socket.say(message)
        assert await page.receive() == message
        assert page.raw(told) == CALLED
        assert page.raw(told)["call_id"] == "call_1"  # of an event that no frame is left for

    run(main())


def test_a_frame_in_the_betas_words_is_given_in_them() -> None:
    told = events.ResponseOutputAudioTranscriptDone(
        response_id="resp_1", item_id="item_1", transcript="Hello."
    )

    async def main() -> None:
        socket = Ag2Socket()
        page = PageSocket(socket)
        socket.say(SPOKEN)
        await page.receive()
        assert page.raw(told) == SPOKEN

    run(main())


class Binary(Ag2Socket):
    """Starlette's way with binary messages: a KeyError, or nothing at all."""

    async def receive_text(self) -> Any:
        text = await super().receive_text()
        if text == "bytes":
            raise KeyError("text")
        return None if text == "none" else text


def test_a_binary_message_is_passed_over_and_does_not_end_the_call() -> None:
    async def main() -> None:
        socket = Binary()
        page = PageSocket(socket)
        for text in ("bytes", "none", "{}"):
            socket.say(text)
        assert await page.receive() == "{}"
        socket.leave()
        with pytest.raises(TransportClosed) as gone:
            await page.receive()
        assert (gone.value.code, gone.value.reason) == (1001, "the page has gone")
        for again in (page.receive(), page.send("{}")):
            with pytest.raises(TransportClosed):
                await again
        await page.close()

    run(main())


class Closed(Ag2Socket):
    closed = 0

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed += 1
        raise RuntimeError('Cannot call "send" once a close message has been sent.')


def test_a_websocket_is_closed_once_and_one_that_was_closed_already_is_no_trouble() -> None:
    async def main() -> None:
        socket = Closed()
        page = PageSocket(socket)
        await page.close()
        await page.close()
        assert socket.closed == 1

    run(main())


class Unaccepted(Ag2Socket):
    async def send_json(self, data: Any, mode: str = "text") -> None:
        raise RuntimeError('Expected ASGI message "websocket.accept"')


def test_a_websocket_that_was_not_accepted_is_told_with_what_to_do() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local:
            made = client({**ENTRY, "base_url": base_url(local)}, Unaccepted())
            with pytest.raises(RuntimeError) as refused:
                async with made.connect():
                    pass
            assert "await websocket.accept()" in refused.value.__notes__[0]

    run(main())
