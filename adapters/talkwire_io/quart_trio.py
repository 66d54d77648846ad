"""Quart on trio: the twin of `quart.py`, for apps that are a `QuartTrio`.

Quart-Trio has the first of Quart's habits, a disconnect that cancels the handler wherever it is;
registering `blueprint` mends it, and serves the page's module.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
from quart import Websocket, websocket
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIWebsocketConnection

from .dialing import taking
from .page import PageCall, open_call, page_call
from .quart import QUEUED_MESSAGES, admit, page_blueprint
from .transport import TransportClosed
from .trio import Connection
from .trio_streams import Writer
from .trio_websockets import TRIO

_SCOPE_KEY = "talkwire.page"


class PageConnection(TrioASGIWebsocketConnection):
    """Quart's websocket with a queue that ends when the page has gone."""

    def __init__(self, app: QuartTrio, scope: Any) -> None:
        super().__init__(app, scope)
        self.send_channel, self.receive_channel = trio.open_memory_channel[str | bytes](
            QUEUED_MESSAGES
        )
        self.nursery: trio.Nursery | None = None
        self.carries_a_call = False
        self.gone = False
        self.close_code: int | None = None
        scope[_SCOPE_KEY] = self

    async def handle_websocket(  # type: ignore[override]  # as in the class it extends
        self, nursery: trio.Nursery, websocket: Websocket, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Run the handler. trio may start it before or after the task that reads."""
        self.nursery = nursery
        await super().handle_websocket(nursery, websocket, send)

    async def handle_messages(  # type: ignore[override]
        self, nursery: trio.Nursery, receive: Callable[[], Awaitable[Any]]
    ) -> None:
        """Queue what the page sends, and its end. The nursery is that of the handler."""
        async with self.send_channel:
            while (event := await receive())["type"] != "websocket.disconnect":
                if event["type"] == "websocket.receive":
                    with suppress(trio.BrokenResourceError):  # we have closed it meanwhile
                        await self.send_channel.send(event.get("text") or event.get("bytes") or "")
            self.gone, self.close_code = True, event.get("code")
        if not self.carries_a_call:
            nursery.cancel_scope.cancel()


class PageTransport:
    """The websocket of the request being handled. Raises RuntimeError without `blueprint`.

    From here on a disconnect does not cancel the handler: it is told by `receive`, after all that
    the page had said. What is sent to a page that has gone meanwhile is dropped.

    A cancelled `send` has sent: its write goes on in the nursery of the request.
    """

    def __init__(self) -> None:
        # The object behind the context-local, so that any task may use it.
        current: Any = websocket
        self._websocket: Websocket = current._get_current_object()
        scope: Any = self._websocket.scope
        page = scope.get(_SCOPE_KEY)
        if page is None:
            raise RuntimeError("register talkwire_io.quart_trio.blueprint on the app first")
        self._page: PageConnection = page
        self._page.carries_a_call = True
        self._writer = Writer(page.nursery, self._websocket.send)

    async def receive(self) -> str | bytes:
        """Wait for the page's next message; what it sent before it went is not lost."""
        try:
            return await self._websocket.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise TransportClosed(self._page.close_code) from None

    async def send(self, message: str) -> None:
        if not self._page.gone:
            await self._writer.send(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it and wake who receives: a page that is out of reach never answers a close."""
        if not self._page.gone:
            self._page.gone = True
            self._page.receive_channel.close()
            await self._websocket.close(code, reason)


@taking(page_call)
@asynccontextmanager
async def connect(call: PageCall) -> AsyncGenerator[Connection]:
    admit(call)
    async with open_call(call, PageTransport(), TRIO) as connection:
        yield connection


blueprint = page_blueprint(PageConnection)
"""Serves `/talkwire.js`, and gives the app websockets that a call can live on."""
