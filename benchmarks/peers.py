"""The peers: other Python libraries for the same wire, each driven by its own real code.

Nothing of theirs is imitated. Where one of them wants a socket it gets one that swallows what is
sent; where it wants a listener, one that only looks for errors. A peer that is not installed is
named as such and left out.
"""

import asyncio
import base64
import importlib
import json
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import cache
from typing import Any, ClassVar

from .measure import Step

_CALL_ID, _NAME, _ARGUMENTS = "call_uMNE0Myi2tDTPu0w", "get_weather", '{"city":"Rome"}'


class Socket:
    """Swallows what is sent."""

    async def send(self, data: object) -> None:
        pass

    async def send_json(self, data: object) -> None:
        pass


class Peer:
    """A library, and what of it is timed. `__init__` raises ImportError when it is absent."""

    distribution: ClassVar[str]
    title: ClassVar[str]
    """The library and the part of it that reads a frame."""

    def receive(self, frames: Sequence[str]) -> Step:
        """Read a turn."""
        raise NotImplementedError

    def append(self, pcm: bytes, times: int) -> Step | None:
        """Send PCM as `input_audio_buffer.append`; None when it does not."""
        return None

    def function_output(self, output: str, times: int) -> Step | None:
        return None

    def response_create(self, times: int) -> Step | None:
        return None

    def objects(self, frames: Sequence[str]) -> dict[str, Callable[[], object]]:
        """What it holds for a session, by name: idle, or when it read `frames`; made anew."""
        return {}


class OpenAI(Peer):
    """The SDK's connection: it parses, and keeps no state."""

    distribution = "openai"
    title = "openai parse_event"

    def __init__(self) -> None:
        module = importlib.import_module("openai.resources.realtime.realtime")
        self._connect = module.AsyncRealtimeConnection
        self._loop = asyncio.new_event_loop()

    def receive(self, frames: Sequence[str]) -> Step:
        parse = self._connect(Socket()).parse_event

        def step() -> None:
            for frame in frames:
                parse(frame)

        return step

    def append(self, pcm: bytes, times: int) -> Step:
        buffer = self._connect(Socket()).input_audio_buffer

        async def work() -> None:
            for _ in range(times):
                await buffer.append(audio=base64.b64encode(pcm).decode())

        return _on(self._loop, work)

    def function_output(self, output: str, times: int) -> Step:
        item = self._connect(Socket()).conversation.item

        async def work() -> None:
            for _ in range(times):
                answer = {"type": "function_call_output", "call_id": _CALL_ID, "output": output}
                await item.create(item=answer)

        return _on(self._loop, work)

    def response_create(self, times: int) -> Step:
        response = self._connect(Socket()).response

        async def work() -> None:
            for _ in range(times):
                await response.create()

        return _on(self._loop, work)

    def objects(self, frames: Sequence[str]) -> dict[str, Callable[[], object]]:
        return {"openai AsyncRealtimeConnection, idle": lambda: self._connect(Socket())}


class Agents(Peer):
    """The Agents SDK's model: it parses, keeps state and decodes the sound."""

    distribution = "openai-agents"
    title = "openai-agents _handle_ws_event"

    def __init__(self) -> None:
        self._realtime = importlib.import_module("agents.realtime.openai_realtime")
        self._inputs = importlib.import_module("agents.realtime.model_inputs")
        self._events = importlib.import_module("agents.realtime.model_events")
        self._loop = asyncio.new_event_loop()

    def _model(self) -> Any:
        model = self._realtime.OpenAIRealtimeWebSocketModel()
        model._websocket = Socket()
        model.add_listener(_Listener())
        return model

    async def _read(self, frames: Sequence[str]) -> Any:
        model = self._model()
        for frame in frames:
            await model._handle_ws_event(json.loads(frame))
        return model

    def receive(self, frames: Sequence[str]) -> Step:
        return _on(self._loop, lambda: self._read(frames))

    def append(self, pcm: bytes, times: int) -> Step:
        send, audio = self._model().send_event, self._inputs.RealtimeModelSendAudio

        async def work() -> None:
            for _ in range(times):
                await send(audio(audio=pcm))

        return _on(self._loop, work)

    def function_output(self, output: str, times: int) -> Step:
        send, answer = self._model().send_event, self._inputs.RealtimeModelSendToolOutput
        call = self._events.RealtimeModelToolCallEvent(
            name=_NAME, call_id=_CALL_ID, arguments=_ARGUMENTS
        )

        async def work() -> None:
            for _ in range(times):
                await send(answer(tool_call=call, output=output, start_response=False))

        return _on(self._loop, work)

    def response_create(self, times: int) -> Step:
        """Without its gate, which waits in a task of its own."""
        send, create = self._model()._send_raw_message, self._realtime.OpenAIResponseCreateEvent

        async def work() -> None:
            for _ in range(times):
                await send(create(type="response.create"))

        return _on(self._loop, work)

    def objects(self, frames: Sequence[str]) -> dict[str, Callable[[], object]]:
        agents = importlib.import_module("agents.realtime")
        agent = agents.RealtimeAgent(name="agent")
        return {
            "openai-agents model, idle": self._model,
            "openai-agents model, after a relay turn": lambda: self._loop.run_until_complete(
                self._read(frames)
            ),
            "openai-agents model + RealtimeSession, idle": lambda: agents.RealtimeSession(
                self._model(), agent, None
            ),
        }


class _Listener:
    async def on_event(self, event: Any) -> None:
        if event.type in ("error", "exception"):
            raise AssertionError(f"openai-agents did not understand a frame: {event}")


class AG2(Peer):
    """AG2's parser; it speaks the beta's names, so the frames are renamed for it."""

    distribution = "ag2"
    title = "AG2 parse_oai_message"

    def __init__(self) -> None:
        client = "autogen.agentchat.realtime.experimental.clients.oai"
        self._parse = importlib.import_module(f"{client}.utils").parse_oai_message
        self._client = importlib.import_module(f"{client}.rtc_client").OpenAIRealtimeWebRTCClient

    def receive(self, frames: Sequence[str]) -> Step:
        parse = self._parse
        renamed = [beta(frame) for frame in frames]

        def step() -> None:
            for frame in renamed:
                parse(json.loads(frame))

        return step

    def objects(self, frames: Sequence[str]) -> dict[str, Callable[[], object]]:
        config = {"config_list": [{"model": "gpt-realtime"}]}
        return {
            "AG2 OpenAIRealtimeWebRTCClient, idle": lambda: self._client(
                llm_config=config, websocket=Socket()
            )
        }


def beta(frame: str) -> str:
    kind: str = json.loads(frame)["type"]
    renamed = kind.replace("response.output_audio", "response.audio")
    renamed = renamed.replace("conversation.item.added", "conversation.item.created")
    return frame.replace(kind, renamed, 1)


class Pipecat(Peer):
    """pipecat's parser and its service's socket."""

    distribution = "pipecat-ai"
    title = "pipecat parse_server_event"

    def __init__(self) -> None:
        realtime = "pipecat.services.openai.realtime"
        self._events = importlib.import_module(f"{realtime}.events")
        self._service = importlib.import_module(f"{realtime}.llm").OpenAIRealtimeLLMService
        self._loop = asyncio.new_event_loop()

    def receive(self, frames: Sequence[str]) -> Step:
        parse = self._events.parse_server_event

        def step() -> None:
            for frame in frames:
                parse(frame)

        return step

    def _sender(self) -> Any:
        service = self._service(api_key="none")
        service._websocket = Socket()
        return service.send_client_event

    def append(self, pcm: bytes, times: int) -> Step:
        send, append = self._sender(), self._events.InputAudioBufferAppendEvent

        async def work() -> None:
            for _ in range(times):
                await send(append(audio=base64.b64encode(pcm).decode("utf-8")))

        return _on(self._loop, work)

    def function_output(self, output: str, times: int) -> Step:
        send, create = self._sender(), self._events.ConversationItemCreateEvent
        item = self._events.ConversationItem

        async def work() -> None:
            for _ in range(times):
                answer = item(type="function_call_output", call_id=_CALL_ID, output=output)
                await send(create(item=answer))

        return _on(self._loop, work)

    def response_create(self, times: int) -> Step:
        send, create = self._sender(), self._events.ResponseCreateEvent

        async def work() -> None:
            for _ in range(times):
                await send(create())

        return _on(self._loop, work)


def _on(loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, object]]) -> Step:
    """A whole round in one run of the loop, so that the loop itself weighs next to nothing."""
    return lambda: loop.run_until_complete(work())


_PEERS: tuple[type[Peer], ...] = (OpenAI, Agents, AG2, Pipecat)


@cache
def installed() -> list[Peer]:
    """The peers that are here."""
    logging.disable(logging.WARNING)  # they log each frame, and warn of keys they do not need
    found = []
    for peer in _PEERS:
        try:
            found.append(peer())
        except ImportError:
            continue
    return found


def absent() -> list[str]:
    """What would be timed if it were here."""
    here = {type(peer) for peer in installed()}
    return [peer.title for peer in _PEERS if peer not in here]


DISTRIBUTIONS = tuple(peer.distribution for peer in _PEERS)
