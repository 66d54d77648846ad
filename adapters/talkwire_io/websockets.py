"""`websockets` on asyncio: a connection as a `Transport`, the service in one `async with`."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import websockets.asyncio.client
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection as WebSocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from .asyncio import Connection
from .dialing import Dial, closed, dial, taking
from .openai import CallNotFound
from .page import Runtime
from .transport import TransportClosed

CLOSE_S = 5.0
"""How long a close may take; a peer that takes nothing, or says nothing, is then cut off."""


class WebSocketTransport:
    """A connection of `websockets.asyncio`, of either side. It is yours to open; closing it twice
    does no harm.

    A cancelled `send` has sent, for the library takes a message whole and then waits for room. The
    same message sent again is known, and not sent twice.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._taken: str | None = None
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
        if message != self._taken:
            self._taken = message
            try:
                await self._websocket.send(message)
            except ConnectionClosed as end:
                raise closed(end) from end
        self._taken = None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._closing = True
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S), asyncio.TaskGroup() as closing:
                    closing.create_task(self._read_on())
                    await self._websocket.close(code, reason)
        finally:
            self._websocket.transport.abort()

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
        session = call.session(now=_now(), unix_time=time.time())
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
            return await stack.enter_async_context(_Once(call.url, **call.handshake))
        except (OSError, InvalidHandshake) as error:
            refusal = call.refusal(error)
            if pause is None or not isinstance(refusal, CallNotFound):
                raise refusal from error
            await asyncio.sleep(pause)
    raise AssertionError("the last pause is None")


def _now() -> float:
    return asyncio.get_running_loop().time()


ASYNCIO = Runtime(connection=Connection, now=_now, open_transport=open_transport)
"""What opening a page's call needs to know of asyncio."""


class _Once(websockets.asyncio.client.connect):
    """Follows no redirect: it would carry the key on to where nobody sent it."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc
