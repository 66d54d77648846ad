"""The ways to drive a session, each as a fixture's value: a script runs on all of them unchanged.

A new binding is a line in BINDINGS and how it links two ends, not new tests. Scripts are written
with anyio, which runs on both loops; time is virtual, so deadlines cost nothing and a hang fails.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal

import anyio
import attrs
import pytest
import sniffio
import trio
import trio.testing
import websockets.asyncio.client
import websockets.trio.client
from anyio.abc import SocketStream
from websockets.server import ServerProtocol

import talkwire_io.asyncio
import talkwire_io.trio
import talkwire_io.trio_streams
import talkwire_io.trio_websockets
import talkwire_io.websockets
from support import virtual
from support.peers import LinePeer, Peer, WebSocketPeer, sockets
from talkwire import Relay, Session
from talkwire_io.transport import Transport

Connection = talkwire_io.asyncio.Connection | talkwire_io.trio.Connection
Script = Callable[[], Awaitable[None]]
Link = Callable[..., AbstractAsyncContextManager[tuple[Transport, Peer]]]

LONG_S = 3600.0
"""Virtual seconds after which a script has hung."""


@attrs.frozen
class Runtime:
    """A loop with a clock of its own, and the driver of a session on it."""

    name: Literal["asyncio", "trio"]
    connection: Callable[[Session | Relay, Transport], Connection]
    now: Callable[[], float]

    @asynccontextmanager
    async def giving_up(self, seconds: float) -> AsyncIterator[None]:
        """Cancel the block as the runtime's own users do; TimeoutError comes out."""
        if self.name == "asyncio":
            async with asyncio.timeout(seconds):
                yield
        else:
            with anyio.fail_after(seconds):
                yield

    def run(self, script: Script) -> None:
        """Run a script; one that hangs is one that fails."""

        async def bounded() -> None:
            with anyio.fail_after(LONG_S):
                await script()

        if self.name == "asyncio":
            virtual.run(bounded())
        else:
            trio.run(bounded, clock=trio.testing.MockClock(autojump_threshold=0))


ASYNCIO = Runtime(
    "asyncio", talkwire_io.asyncio.Connection, lambda: asyncio.get_running_loop().time()
)
TRIO = Runtime("trio", talkwire_io.trio.Connection, trio.current_time)
RUNTIMES = (ASYNCIO, TRIO)
every_runtime = pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda each: each.name)


def driving(protocol: Session | Relay, transport: Transport) -> Connection:
    """The driver of the runtime that is running."""
    [runtime] = [each for each in RUNTIMES if each.name == sniffio.current_async_library()]
    return runtime.connection(protocol, transport)


@attrs.frozen
class Binding:
    """A runtime and a kind of wire on it. `link()` gives our transport and the far end, and takes
    what the wire's library takes; `tells_codes` and `frames` say what the wire can."""

    name: str
    runtime: Runtime
    link: Link
    tells_codes: bool = True
    """It has close codes, pings, and messages in parts."""

    def run(self, script: Script) -> None:
        self.runtime.run(script)

    def now(self) -> float:
        return self.runtime.now()

    def connect(self, protocol: Session | Relay, transport: Transport) -> Connection:
        return self.runtime.connection(protocol, transport)


@asynccontextmanager
async def _accepting(peer: WebSocketPeer) -> AsyncIterator[None]:
    async with anyio.create_task_group() as handshake:
        handshake.start_soon(peer.accept)
        yield


async def _peer(end: socket.socket) -> WebSocketPeer:
    return WebSocketPeer(await SocketStream.from_socket(end), ServerProtocol(max_size=None))


@asynccontextmanager
async def _asyncio_websocket(**options: Any) -> AsyncIterator[tuple[Transport, Peer]]:
    here, there = sockets()
    peer = await _peer(there)
    connecting = websockets.asyncio.client.connect(
        "ws://peer/", sock=here, compression=None, proxy=None, **options
    )
    async with _accepting(peer), connecting as client:
        try:
            yield talkwire_io.websockets.WebSocketTransport(client), peer
        finally:
            await peer.drop()


@asynccontextmanager
async def _trio_websocket(
    stream: Callable[[socket.socket], trio.abc.Stream],
    **options: Any,
) -> AsyncIterator[tuple[Transport, Peer]]:
    here, there = sockets()
    peer = await _peer(there)
    connecting = websockets.trio.client.connect(
        "ws://peer/",
        stream=stream(here),
        create_connection=talkwire_io.trio_websockets.Unblocked,
        compression=None,
        proxy=None,
        **options,
    )
    async with _accepting(peer), connecting as client:
        try:
            yield talkwire_io.trio_websockets.WebSocketTransport(client), peer
        finally:
            await peer.drop()


@asynccontextmanager
async def _trio_lines(**options: Any) -> AsyncIterator[tuple[Transport, Peer]]:
    here, there = sockets()
    peer = LinePeer(await SocketStream.from_socket(there))
    async with _on_trio(here) as stream, trio.open_nursery() as nursery:
        try:
            yield talkwire_io.trio_streams.LineTransport(stream, nursery, **options), peer
        finally:
            await peer.drop()


def _on_trio(end: socket.socket) -> trio.SocketStream:
    return trio.SocketStream(trio.socket.from_stdlib_socket(end))


BINDINGS = (
    Binding("asyncio-websockets", ASYNCIO, _asyncio_websocket),
    Binding("trio-websockets", TRIO, functools.partial(_trio_websocket, _on_trio)),
    Binding("trio-lines", TRIO, _trio_lines, tells_codes=False),
)
every_binding = pytest.mark.parametrize("binding", BINDINGS, ids=lambda each: each.name)
with_codes = pytest.mark.parametrize(
    "binding", [each for each in BINDINGS if each.tells_codes], ids=lambda each: each.name
)
