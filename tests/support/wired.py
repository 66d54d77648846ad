"""A driver's connection whose service is a real `Service` in the same process: no time passes, and
what the connection sends has arrived when the call returns. It runs on asyncio and on trio.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import define, field

from support.pair import Pair
from talkwire import DIRECT, Command, Event, JsonObject, Plane, Respond, Session
from talkwire.realtime.engine import ResponseRequested

RESPONDED = "response.create"
OUTPUT = "function_call_output"


@define
class Wired:
    """The connection, and the service's moves for a test to make. Each returns the events."""

    plane: Plane = DIRECT
    settings: JsonObject = field(factory=dict[str, Any])
    pair: Pair = field(init=False)
    response_id: str = ""
    """The response that the model is at."""

    def __attrs_post_init__(self) -> None:
        self.pair = Pair(plane=self.plane, settings=self.settings)
        self.pair.run()

    @property
    def session(self) -> Session:
        return self.pair.session

    # -- the connection

    async def _ask(self, method: str, *args: Any, **options: Any) -> Any:
        asked = self.pair.call(method, *args, **options)
        self.pair.run()
        return asked

    async def send(self, command: Command) -> str:
        event_id: str = await self._ask("send", command)
        return event_id

    async def send_text(self, text: str, *, role: str = "user", respond: bool = True) -> str:
        event_id: str = await self._ask("send_text", text, role=role, respond=respond)
        return event_id

    async def send_function_result(
        self, call_id: str, output: str, *, respond: Respond | bool = True
    ) -> str:
        event_id: str = await self._ask("send_function_result", call_id, output, respond=respond)
        return event_id

    async def session_update(self, patch: JsonObject) -> str:
        event_id: str = await self._ask("session_update", patch)
        return event_id

    async def cancel(self) -> str | None:
        event_id: str | None = await self._ask("cancel")
        return event_id

    async def close(self) -> None:
        self.pair.close()

    # -- the service

    def respond(self) -> list[Event]:
        """The model takes up the response that is asked for."""
        [request] = [each for each in self.pair.requests if isinstance(each, ResponseRequested)]
        self.pair.requests.clear()
        self.response_id = request.response_id
        return self.pair.run()

    def call(self, name: str, arguments: str = "{}") -> list[Event]:
        """The model calls a function in its response."""
        return self.move("function_call", self.response_id, name, arguments)

    def done(self) -> list[Event]:
        """Its response is whole."""
        return self.move("response_done", self.response_id)

    def move(self, name: str, *args: Any, **options: Any) -> list[Event]:
        """Any move of the engine's."""
        self.pair.engine(name, *args, **options)
        return self.pair.run()

    # -- what came of it

    @property
    def outputs(self) -> list[str]:
        """What calls were answered with, in the order in which the service heard it."""
        return [item["output"] for item in self.pair.service.items if item["type"] == OUTPUT]

    @property
    def asked(self) -> int:
        """How often a response was asked for."""
        return sum(json.loads(frame)["type"] == RESPONDED for frame in self.pair.frames)
