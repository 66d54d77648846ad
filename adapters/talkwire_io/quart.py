"""Quart: a page's websocket as a `Transport`, and a call in one `async with`.

Quart has two habits that a voice call must not inherit: a disconnect cancels the handler
wherever it is, and the queue between socket and handler is unbounded. Registering `blueprint`
mends both, and serves the page's module.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from quart import Blueprint, Quart, Response, Websocket, abort, websocket
from quart.asgi import ASGIWebsocketConnection

from .asyncio import Connection
from .browser import static_path
from .dialing import taking
from .page import PageCall, open_call, page_call
from .transport import TransportClosed
from .websockets import ASYNCIO

QUEUED_MESSAGES = 64
"""Messages of a page that wait while its handler is busy; then the page's socket waits."""

_SCOPE_KEY = "talkwire.page"


class PageConnection(ASGIWebsocketConnection):
    """Quart's websocket with a bounded queue that ends in None when the page has gone."""

    def __init__(self, app: Quart, scope: Any) -> None:
        super().__init__(app, scope)
        self.queue: asyncio.Queue[str | bytes | None] = asyncio.Queue(maxsize=QUEUED_MESSAGES)
        self.carries_a_call = False
        self.gone = False
        self.close_code: int | None = None
        scope[_SCOPE_KEY] = self

    async def handle_messages(self, receive: Callable[[], Awaitable[Any]]) -> None:
        """Queue what the page sends, and its end. Quart cancels the handler when this returns."""

        async def noting() -> Any:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                self.gone, self.close_code = True, event.get("code")
            elif event.get("text") is None and not event.get("bytes"):
                event = {**event, "text": ""}  # Quart reads an empty binary message as None
            return event

        await super().handle_messages(noting)
        if self.carries_a_call:
            await self.queue.put(None)
            await asyncio.Event().wait()  # until the handler is done


class PageTransport:
    """The websocket of the request being handled. Raises RuntimeError without `blueprint`.

    From here on a disconnect does not cancel the handler: it is told by `receive`, after all that
    the page had said. What is sent to a page that has gone meanwhile is dropped.

    A cancelled `send` has not sent, for Quart yields before it writes. Only while the page's socket
    takes no more may the server have the message already, and then the page gets it twice.
    """

    def __init__(self) -> None:
        # The object behind the context-local, so that any task may use it.
        current: Any = websocket
        self._websocket: Websocket = current._get_current_object()
        scope: Any = self._websocket.scope
        page = scope.get(_SCOPE_KEY)
        if page is None:
            raise RuntimeError("register talkwire_io.quart.blueprint on the app first")
        self._page: PageConnection = page
        self._page.carries_a_call = True
        self._ended = False

    async def receive(self) -> str | bytes:
        """Wait for the page's next message; what it sent before it went is not lost."""
        if not self._ended:
            # Typed as Quart knows it; that None is the end is between this queue and us.
            message: Any = await self._websocket.receive()
            if isinstance(message, str | bytes):
                return message
            self._ended = True
        raise TransportClosed(self._page.close_code)

    async def send(self, message: str) -> None:
        if self._ended:
            raise TransportClosed(self._page.close_code)
        if not self._page.gone:
            await self._websocket.send(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it and wake who receives: a page that is out of reach never answers a close."""
        if not self._page.gone:
            self._page.gone = True
            while not self._page.queue.empty():
                self._page.queue.get_nowait()
            self._page.queue.put_nowait(None)
            await self._websocket.close(code, reason)


@taking(page_call)
@asynccontextmanager
async def connect(call: PageCall) -> AsyncGenerator[Connection]:
    admit(call)
    async with open_call(call, PageTransport(), ASYNCIO) as connection:
        yield connection


def admit(call: PageCall) -> None:
    """Refuse the websocket of the request being handled with 403, if it may not connect (S1)."""
    origin = websocket.headers.get("Origin")
    if not call.may_connect(origin, websocket.host, secure=websocket.scheme == "wss"):
        abort(403)


def page_blueprint(websockets: type[ASGIWebsocketConnection]) -> Blueprint:
    """Serves `/talkwire.js`, and gives the app websockets that a call can live on."""
    pages = Blueprint("talkwire", __name__, static_folder=str(static_path()))

    @pages.get("/talkwire.js")
    async def module() -> Response:
        response = await pages.send_static_file("talkwire.js")
        response.cache_control.no_cache = True  # page and backend must speak the same version
        return response

    @pages.record_once
    def use(state: Any) -> None:
        state.app.asgi_websocket_class = websockets

    return pages


blueprint = page_blueprint(PageConnection)
"""Serves `/talkwire.js`, and gives the app websockets that a call can live on."""
