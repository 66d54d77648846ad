"""A FastAPI backend as AG2's users have one: a realtime agent for each page's websocket."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from attrs import define, field
from autogen.agentchat.realtime.experimental import RealtimeAgent, RealtimeObserver
from autogen.agentchat.realtime.experimental.realtime_events import RealtimeEvent
from fastapi import FastAPI, WebSocket
from fastapi.staticfiles import StaticFiles

from talkwire_io.ag2 import register
from talkwire_io.browser import static_path

PAGES = Path(__file__).parent / "pages"


class Log(RealtimeObserver):
    """Notes what AG2 tells its observers."""

    def __init__(self) -> None:
        super().__init__()
        self.started = time.monotonic()
        self.lines: list[dict[str, Any]] = []

    async def initialize_session(self) -> None:
        pass

    async def run_loop(self) -> None:
        pass

    async def on_event(self, event: RealtimeEvent) -> None:
        after = round(time.monotonic() - self.started, 3)
        kind = type(event).__name__
        self.lines.append({"after_s": after, "ag2": kind, "message": event.raw_message})


@define
class Backend:
    """The app, and what came of its calls."""

    service: str
    url: str = ""
    cities: list[str] = field(factory=list)
    agents: list[RealtimeAgent] = field(factory=list)
    logs: list[Log] = field(factory=list)
    ended: int = 0

    def app(self) -> FastAPI:
        register()
        app = FastAPI()

        @app.websocket("/session")
        async def session(websocket: WebSocket) -> None:
            await websocket.accept()
            await self._run(websocket)

        app.mount("/talkwire", StaticFiles(directory=static_path()))
        app.mount("/", StaticFiles(directory=PAGES, html=True))
        return app

    async def _run(self, websocket: WebSocket) -> None:
        log = Log()
        agent = RealtimeAgent(
            name="weather",
            system_message="You tell the weather.",
            llm_config={
                "config_list": [
                    {
                        "api_type": "openai",
                        "model": "gpt-realtime",
                        "api_key": "sk-local",
                        "base_url": f"{self.service}/v1/realtime/sessions",
                        "voice": "marin",
                    }
                ],
                "temperature": 0.8,
            },
            observers=[log],
            websocket=websocket,
        )

        @agent.register_realtime_function(
            name="get_weather", description="Get the current weather in a city."
        )
        def get_weather(city: str) -> str:
            self.cities.append(city)
            return f"It is sunny in {city}, 18 degrees."

        self.agents.append(agent)
        self.logs.append(log)
        try:
            await agent.run()
        finally:
            self.ended += 1

    def save(self, path: Path, page: list[Any]) -> None:
        """Write down what AG2 was told and what passed in the page, a line each."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [*self.logs[-1].lines, *page]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve an app with uvicorn, in a thread of its own, on a free port. Yields its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
