"""AG2 0.9.9's own realtime agent over its websocket client, unmodified.

It speaks the beta: the `OpenAI-Beta` header and the old names, which OpenAI refuses by now, and a
service only speaks when it was told to. The agent's own function observer runs the tools.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from autogen.agentchat.realtime.experimental import RealtimeAgent, RealtimeObserver
from autogen.agentchat.realtime.experimental.realtime_events import RealtimeEvent

from support.command import Served, serve

CLOSED = re.compile(r"closed the session \(4000\)")


class Asking(RealtimeObserver):
    """Asks one question when everything is ready, and notes what is told."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, object]] = []
        self.said = ""
        self.answered = asyncio.Event()

    async def initialize_session(self) -> None:
        pass

    async def run_loop(self) -> None:
        pass

    async def ask(self) -> None:
        await self.realtime_client.send_text(role="user", text="What is the weather in Rome?")

    async def on_event(self, event: RealtimeEvent) -> None:
        message = event.raw_message
        self.messages.append(message)
        if message["type"] == "response.audio_transcript.done":
            self.said = message["transcript"]
        if message["type"] == "response.done" and self.said:
            self.answered.set()


def weather_agent(service: Served, observer: Asking, cities: list[str]) -> RealtimeAgent:
    url = f"{service.url.replace('http', 'ws')}/v1"
    config = {"model": "gpt-realtime", "api_key": "sk-local", "websocket_base_url": url}
    agent = RealtimeAgent(
        name="weather", llm_config={"config_list": [config]}, observers=[observer]
    )
    agent.callbacks.on_observers_ready = observer.ask

    @agent.register_realtime_function(name="get_weather", description="Get the weather in a city.")
    def get_weather(city: str) -> str:
        cities.append(city)
        return f"It is sunny in {city}, 18 degrees."

    return agent


@pytest.fixture(scope="module")
def beta_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(
        tmp_path_factory.mktemp("service") / "log", "--dialect", "both", command="serve"
    ) as served:
        yield served


def test_a_typed_question_runs_a_function_and_is_answered_aloud(beta_service: Served) -> None:
    async def talk() -> tuple[Asking, list[str]]:
        observer, cities = Asking(), list[str]()
        running = asyncio.create_task(weather_agent(beta_service, observer, cities).run())
        answered = asyncio.create_task(observer.answered.wait())
        await asyncio.wait({running, answered}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        assert answered.done(), running
        running.cancel()  # an AG2 agent runs until it is cancelled
        await asyncio.wait({running})
        return observer, cities

    observer, cities = asyncio.run(talk())
    assert cities == ["Rome"]
    assert "sunny" in observer.said
    assert "response.audio.delta" in {message["type"] for message in observer.messages}


def test_a_service_that_dropped_the_beta_ends_the_session_as_openai_does(service: Served) -> None:
    async def talk() -> Asking:
        observer = Asking()
        with pytest.raises(ExceptionGroup):  # the connection is closed under it
            await asyncio.wait_for(weather_agent(service, observer, []).run(), 30)
        return observer

    asyncio.run(talk())
    service.wait_for(CLOSED, 5.0)
