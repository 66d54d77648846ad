"""The libraries that carry websockets: each bare, and with talkwire on it.

Each is a function: given no talk it serves an echo, as the library's own documentation writes one;
given a talk it serves that through talkwire's binding. Adding one is a line in `LIBRARIES`.
"""

import asyncio
import importlib
import socket
from collections.abc import Callable, Sequence
from typing import Any

import anyio
from attrs import frozen

from talkwire import Event, PageEvent, Relay, Session
from talkwire_io.asyncio import Connection

from .hosting import Host

Told = Event | PageEvent


@frozen
class Talk:
    """What a server does with a websocket: which protocol, and what to do about each event."""

    protocol: Callable[[float], Session | Relay]
    """Made anew for each websocket, `now` given."""
    on_event: Callable[[Told], str | None] = lambda event: None
    """Gives what to answer, straight over the transport."""

    async def drive(self, transport: Any, connect: Any = Connection) -> None:
        """`connect` is the driver of the loop that runs."""
        async with connect(self.protocol(anyio.current_time()), transport) as call:
            async for event in call:
                if (answer := self.on_event(event)) is not None:
                    await transport.send(answer)


# -- websockets


def websockets_on_asyncio(listener: socket.socket, talk: Talk | None) -> None:
    server = importlib.import_module("websockets.asyncio.server")
    binding = importlib.import_module("talkwire_io.websockets")

    async def echo(websocket: Any) -> None:
        async for message in websocket:
            await websocket.send(message)

    async def ours(websocket: Any) -> None:
        assert talk is not None
        await talk.drive(binding.WebSocketTransport(websocket))

    async def main() -> None:
        handler = echo if talk is None else ours
        async with server.serve(handler, sock=listener, ping_interval=None):
            await asyncio.Event().wait()

    asyncio.run(main())


def websockets_on_trio(listener: socket.socket, talk: Talk | None) -> None:
    trio, server = map(importlib.import_module, ("trio", "websockets.trio.server"))

    async def echo(websocket: Any) -> None:
        async for message in websocket:
            await websocket.send(message)

    async def ours(websocket: Any) -> None:
        assert talk is not None
        transport = importlib.import_module("talkwire_io.trio_websockets").WebSocketTransport
        driver = importlib.import_module("talkwire_io.trio").Connection
        await talk.drive(transport(websocket), driver)

    async def main() -> None:
        handler = echo if talk is None else ours
        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(listener))]
        await server.serve(handler, listeners=listeners, ping_interval=None)

    trio.run(main)


# -- Quart and hypercorn


def quart_on_hypercorn(listener: socket.socket, talk: Talk | None) -> None:
    quart, hypercorn = map(importlib.import_module, ("quart", "hypercorn.asyncio"))
    app, websocket = quart.Quart("bare" if talk is None else "ours"), quart.websocket

    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    async def ours() -> None:
        assert talk is not None
        await talk.drive(binding.PageTransport())

    binding = importlib.import_module("talkwire_io.quart")
    if talk is not None:
        app.register_blueprint(binding.blueprint)
    app.websocket("/")(echo if talk is None else ours)
    config = importlib.import_module("hypercorn.config").Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    asyncio.run(hypercorn.serve(app, config, shutdown_trigger=asyncio.Event().wait))


# -- Starlette and uvicorn


def starlette_on_uvicorn(listener: socket.socket, talk: Talk | None) -> None:
    binding = importlib.import_module("talkwire_io.starlette")

    async def echo(websocket: Any) -> None:
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    async def ours(websocket: Any) -> None:
        assert talk is not None
        await talk.drive(binding.PageTransport(websocket))

    serve_starlette(listener, echo if talk is None else ours)


def serve_starlette(listener: socket.socket, handler: Callable[[Any], Any]) -> None:
    """Serve one accepted websocket after another to `handler`."""
    applications, routing, uvicorn = map(
        importlib.import_module, ("starlette.applications", "starlette.routing", "uvicorn")
    )

    async def accepted(websocket: Any) -> None:
        await websocket.accept()
        await handler(websocket)

    app = applications.Starlette(routes=[routing.WebSocketRoute("/", accepted)])
    config = uvicorn.Config(app, log_level="critical", ws_ping_interval=None, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


# -- all of them


@frozen
class Library:
    """A way to serve websockets, and the modules that it needs."""

    name: str
    serve: Callable[[socket.socket, Talk | None], None]
    """Serves an echo, or the talk, for ever."""
    modules: Sequence[str]

    @property
    def installed(self) -> bool:
        try:
            for module in self.modules:
                importlib.import_module(module)
        except ImportError:
            return False
        return True

    def host(self, talk: Talk | None) -> Host:
        return Host(lambda listener: self.serve(listener, talk))


QUART = Library("Quart + hypercorn", quart_on_hypercorn, ["quart", "hypercorn"])
STARLETTE = Library(
    "Starlette + uvicorn", starlette_on_uvicorn, ["talkwire_io.starlette", "uvicorn"]
)
LIBRARIES = (
    Library("websockets, asyncio", websockets_on_asyncio, ["talkwire_io.websockets"]),
    Library(
        "websockets, trio",
        websockets_on_trio,
        ["talkwire_io.trio_websockets"],
    ),
    QUART,
    STARLETTE,
)
