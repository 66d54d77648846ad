"""`websockets` on trio: a connection as a `Transport`, the service in one `async with`."""

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import trio
import websockets.trio.client
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.trio.client import ClientConnection
from websockets.trio.connection import Connection as WebSocket

from .dialing import Dial, closed, dial, taking
from .openai import CallNotFound
from .page import Runtime
from .transport import TransportClosed
from .trio import Connection
from .trio_streams import Writer

CLOSE_S = 5.0
"""How long a close may take; a peer that takes nothing, or says nothing, is then cut off."""


class WebSocketTransport:
    """A connection of `websockets.trio`, of either side and over any stream. It is yours to open;
    closing it twice does no harm.

    A cancelled `send` has sent: its write goes on in the nursery of the connection's own
    `async with`. The same message sent again waits for it, and is not sent twice.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._writer = Writer(websocket.nursery, self._write)
        self._receiving = self._closing = False

    async def receive(self) -> str | bytes:
        self._receiving = True
        try:
            message = await self._websocket.recv()
            while self._closing:
                message = await self._websocket.recv()
        except ConnectionClosed as end:
            raise closed(end) from end
        finally:
            self._receiving = False
        return message

    async def send(self, message: str) -> None:
        await self._writer.send(message)

    async def _write(self, message: str) -> None:
        try:
            await self._websocket.send(message)
        except ConnectionClosed as end:
            raise closed(end) from end

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._closing = True
        try:
            with trio.move_on_after(CLOSE_S):
                async with trio.open_nursery() as closing:
                    closing.start_soon(self._read_on)
                    await self._websocket.aclose(code, reason)
        finally:
            await trio.aclose_forcefully(self._websocket.stream)

    async def _read_on(self) -> None:
        """Behind what nobody reads any more the other side's close is not heard
        (python-websockets/websockets#1555)."""
        if not self._receiving:
            with suppress(TransportClosed):
                await self.receive()


@taking(dial)
@asynccontextmanager
async def connect(call: Dial) -> AsyncGenerator[Connection]:
    """What `dial` tells."""
    async with open_transport(call) as transport:
        session = call.session(now=trio.current_time(), unix_time=time.time())
        async with Connection(session, transport) as connection:
            yield connection


@asynccontextmanager
async def open_transport(call: Dial) -> AsyncGenerator[WebSocketTransport]:
    """The websocket alone, for a session that is there already. Raises as `connect` does."""
    async with AsyncExitStack() as stack:
        yield WebSocketTransport(await _open(call, stack))


async def _open(call: Dial, stack: AsyncExitStack) -> ClientConnection:
    for pause in call.pauses():
        try:
            return await stack.enter_async_context(
                _Once(call.url, create_connection=Unblocked, **call.handshake)
            )
        except (OSError, InvalidHandshake, trio.BrokenResourceError) as error:
            refusal = call.refusal(error)
            if pause is None or not isinstance(refusal, CallNotFound):
                raise refusal from error
            await trio.sleep(pause)
    raise AssertionError("the last pause is None")


class Unblocked(ClientConnection):
    """The library's connection, mended in two places where it would wait for ever."""

    _reader: trio.lowlevel.Task | None = None

    async def recv_events(self) -> None:
        self._reader = trio.lowlevel.current_task()
        await super().recv_events()

    async def send_data(self) -> None:
        """Read on while a message waits for room: who sends it takes our answers along."""
        if self.send_lock.locked() and trio.lowlevel.current_task() is self._reader:
            return
        while self.protocol.writes:
            await super().send_data()

    async def close_stream(self) -> None:
        """End the task that reads, also where it waits for somebody to take what it has read."""
        await super().close_stream()
        if self.recv_flow_control is not None:
            self.resume_reading()


TRIO = Runtime(connection=Connection, now=trio.current_time, open_transport=open_transport)
"""What opening a page's call needs to know of trio."""


class _Once(websockets.trio.client.connect):
    """Follows no redirect: it would carry the key on to where nobody sent it."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc
