"""The frameworks whose websockets a page may come over, each on the server that its users run.

A new one is a line in PAGE_BINDINGS and a function that serves its app, not new tests.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import attrs
import hypercorn.asyncio
import hypercorn.trio
import quart
import quart_trio
import trio
import uvicorn
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

import talkwire_io.quart
import talkwire_io.quart_trio
import talkwire_io.starlette
from support.peers import CHUNK
from talkwire_io.transport import Transport

Connect = Callable[..., Any]
Handler = Callable[[Connect, Callable[[], Awaitable[Transport]]], Awaitable[None]]
"""What a call is handled by: it is given `connect` without the framework's own arguments, and what
makes a `Transport` of the websocket, accepted."""


@attrs.define
class Hall:
    """Where pages wait for their handler: the test says beforehand which."""

    port: int
    _handlers: deque[Handler] = attrs.field(factory=deque[Handler])

    def expect(self, handler: Handler) -> None:
        """Have the next page handled by this."""
        self._handlers.append(handler)

    async def receive(
        self, connect: Connect, transport: Callable[[], Awaitable[Transport]]
    ) -> None:
        await self._handlers.popleft()(connect, transport)


Serve = Callable[[Hall, socket.socket], AbstractContextManager[None]]


@attrs.frozen
class PageBinding:
    name: str
    serve: Serve
    tells_codes: bool = True
    """Its server tells the code and the reason of a page's close."""
    watchful: Serve | None = None
    """Its server gives up a page that answers no ping: so served, it does soon."""
    doubles: bool = False
    """A message whose sending was cancelled while the socket was full may be sent twice."""

    @contextmanager
    def serving(self) -> Iterator[Hall]:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CHUNK)  # so that it can be full
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hall = Hall(listener.getsockname()[1])
        with self.serve(hall, listener):
            yield hall


def _config(listener: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 0.3
    config.errorlog = None
    return config


@contextmanager
def _thread(run: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def _quart(hall: Hall, listener: socket.socket) -> Iterator[None]:
    app = quart.Quart("conformance")
    app.logger.addHandler(logging.NullHandler())  # what a handler raises is looked at by its test
    app.register_blueprint(talkwire_io.quart.blueprint)

    @app.websocket("/talk")
    async def talk() -> None:
        async def transport() -> Transport:
            return talkwire_io.quart.PageTransport()

        await hall.receive(talkwire_io.quart.connect, transport)

    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            served = hypercorn.asyncio.serve(app, _config(listener), shutdown_trigger=stop.wait)
            runner.run(served)

    with _thread(run, lambda: loop.call_soon_threadsafe(stop.set)):
        yield


@contextmanager
def _quart_trio(hall: Hall, listener: socket.socket) -> Iterator[None]:
    app = quart_trio.QuartTrio("conformance")
    app.logger.addHandler(logging.NullHandler())
    app.register_blueprint(talkwire_io.quart_trio.blueprint)

    @app.websocket("/talk")
    async def talk() -> None:
        async def transport() -> Transport:
            return talkwire_io.quart_trio.PageTransport()

        await hall.receive(talkwire_io.quart_trio.connect, transport)

    stop, token = trio.Event(), deque[trio.lowlevel.TrioToken]()
    begun = threading.Event()

    async def serve() -> None:
        token.append(trio.lowlevel.current_trio_token())
        begun.set()
        await hypercorn.trio.serve(app, _config(listener), shutdown_trigger=stop.wait)

    def end() -> None:
        begun.wait(20)
        token[0].run_sync_soon(stop.set)

    with _thread(partial(trio.run, serve), end):
        yield


@contextmanager
def _starlette(
    hall: Hall, listener: socket.socket, *, keepalive_s: float | None = None
) -> Iterator[None]:
    async def talk(websocket: WebSocket) -> None:
        async def transport() -> Transport:
            await websocket.accept()
            return talkwire_io.starlette.PageTransport(websocket)

        await hall.receive(partial(talkwire_io.starlette.connect, websocket), transport)

    app = Starlette(routes=[talkwire_io.starlette.route, WebSocketRoute("/talk", talk)])
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        log_config=None,
        log_level=logging.CRITICAL,
        ws_ping_interval=keepalive_s,
        ws_ping_timeout=keepalive_s,
    )
    server = uvicorn.Server(config)

    def stop() -> None:
        server.should_exit = True

    with _thread(partial(server.run, [listener]), stop):
        yield


PAGE_BINDINGS = (
    PageBinding("quart", _quart, tells_codes=False, doubles=True),
    PageBinding("quart-trio", _quart_trio, tells_codes=False),
    PageBinding("starlette", _starlette, watchful=partial(_starlette, keepalive_s=0.5)),
)
