"""A backend as users run it (Quart on hypercorn, a free port), and a page without a browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Blueprint, Quart, Response, request
from websockets.asyncio.client import ClientConnection, connect

from talkwire.realtime.service import Service

Frame = dict[str, Any]


@contextlib.asynccontextmanager
async def serving(app: Quart, listener: socket.socket | None = None) -> AsyncIterator[int]:
    """Serve `app` on 127.0.0.1, or on a listening socket; the port."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 0.3
    config.errorlog = None
    stopped = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stopped.wait))
    try:
        yield port
    finally:
        stopped.set()
        await server


class Clerk:
    """The HTTP half of a Realtime service, where a test decides what goes wrong.

    It hands out keys and writes hang-ups down; `slow` is how long either takes (seconds).
    """

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = {"value": "ek_clerk", "expires_at": 2_000_000_000, "session": {}}
        self.slow = 0.0
        self.sessions: list[Any] = []
        self.hung_up: asyncio.Queue[str] = asyncio.Queue()
        self.blueprint = Blueprint("clerk", __name__)
        self.blueprint.post("/v1/realtime/client_secrets")(self._mint)
        self.blueprint.post("/v1/realtime/calls/<call_id>/hangup")(self._hangup)

    async def _mint(self) -> Response:
        self.sessions.append((await request.get_json())["session"])
        await asyncio.sleep(self.slow)
        return Response(json.dumps(self.body), self.status, content_type="application/json")

    async def _hangup(self, call_id: str) -> Response:
        await asyncio.sleep(self.slow)
        self.hung_up.put_nowait(call_id)
        return Response("", 200)


@attrs.define
class HopPage:
    """The page's half of the hop; a `Service` stands in for the call it would open."""

    socket: ClientConnection
    service: Service = attrs.field(factory=lambda: Service(now=0, plane="webrtc"))
    init: Frame = attrs.field(factory=dict[str, Any])
    asked: list[Any] = attrs.field(factory=list[Any])
    unheard: list[Frame] = attrs.field(factory=list[Any])

    async def hear(self) -> Frame:
        """The next frame; a message may bring several."""
        if not self.unheard:
            message = str(await self.socket.recv())
            self.unheard += [json.loads(line) for line in message.split("\n")]
        return self.unheard.pop(0)

    async def say(self, *frames: Frame | str) -> None:
        """Send frames as one message."""
        lines = (each if isinstance(each, str) else tell(**each) for each in frames)
        await self.socket.send("\n".join(lines))

    async def hello(self) -> None:
        await self.say({"type": "talkwire.hello", "version": 1, "client": "test"})

    async def open(self, call_id: str | None = "rtc_test") -> None:
        """Say hello, open the call, send its first commands and pass on what it answers."""
        await self.hello()
        self.init = await self.hear()
        assert self.init["type"] == "talkwire.init", self.init
        for command in self.init["commands"]:
            self.obey(command)
        await self.say({"type": "talkwire.ready", "call_id": call_id})
        await self.forward()

    def obey(self, command: Frame) -> None:
        self.asked += self.service.receive(json.dumps(command), now=0)

    async def forward(self) -> None:
        """Pass on what the service said, all in one message."""
        frames: list[Frame | str] = []
        while (frame := self.service.next_frame()) is not None:
            frames.append(frame)
        if frames:
            await self.say(*frames)

    async def serve(self, until: Callable[[Frame], bool]) -> Frame:
        """Pass client events to the service and its answers back, up to one that is wanted."""
        while True:
            frame = await self.hear()
            if frame["type"].startswith("talkwire."):
                assert until(frame), frame
                return frame
            self.obey(frame)
            await self.forward()
            if until(frame):
                return frame

    async def bye(self) -> tuple[Frame, int | None]:
        """The backend's last word, and the code of the close behind it."""
        last = await self.serve(lambda frame: frame["type"] == "talkwire.bye")
        await self.socket.wait_closed()
        return last, self.socket.close_code


def tell(**frame: Any) -> str:
    """A frame as the page writes it: the type first, no spaces."""
    return json.dumps(frame, separators=(",", ":"))


@contextlib.asynccontextmanager
async def visiting(
    port: int, path: str = "/talk", *, origin: str | None = "", **options: Any
) -> AsyncIterator[HopPage]:
    """Connect as a page of this very host would; `origin` None: as what is no page would."""
    given = f"http://127.0.0.1:{port}" if origin == "" else origin
    url = f"ws://127.0.0.1:{port}{path}"
    async with connect(url, origin=given, proxy=None, **options) as socket:  # type: ignore[arg-type]
        yield HopPage(socket)
