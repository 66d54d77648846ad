"""Starlette, and so FastAPI: a page's websocket as a `Transport`, a call in one `async with`."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import wraps
from typing import Concatenate, ParamSpec

from starlette.exceptions import WebSocketException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from .asyncio import Connection
from .browser import static_path
from .page import PageCall, open_call, page_call
from .transport import TransportClosed
from .websockets import ASYNCIO, CLOSE_S

_POLICY_VIOLATION = 1008

P = ParamSpec("P")


class PageTransport:
    """A websocket that was accepted. A cancelled `send` has not sent: uvicorn waits for room
    before it writes."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> str | bytes:
        """Wait for the page's next message."""
        if self._websocket.client_state is WebSocketState.DISCONNECTED:
            raise TransportClosed
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise TransportClosed(message.get("code"), message.get("reason") or "")
        text: str | None = message.get("text")
        return message.get("bytes") or b"" if text is None else text

    async def send(self, message: str) -> None:
        try:
            await self._websocket.send_text(message)
        except WebSocketDisconnect as end:
            raise TransportClosed(end.code, end.reason) from end
        except RuntimeError as error:  # it was closed, by us
            raise TransportClosed(reason=str(error)) from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it; one that is closed already stays so."""
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._websocket.close(code, reason)


@asynccontextmanager
async def _connect(websocket: WebSocket, call: PageCall) -> AsyncGenerator[Connection]:
    headers, secure = websocket.headers, websocket.url.scheme == "wss"
    if not call.may_connect(headers.get("origin"), headers.get("host", ""), secure=secure):
        raise WebSocketException(_POLICY_VIOLATION, "this origin may not connect")
    if websocket.application_state is WebSocketState.CONNECTING:
        await websocket.accept()
    async with open_call(call, PageTransport(websocket), ASYNCIO) as connection:
        yield connection


def _behind(
    options: Callable[P, PageCall],
) -> Callable[Concatenate[WebSocket, P], AbstractAsyncContextManager[Connection]]:
    """Take the websocket, then what the options take, which is written once."""

    @wraps(options)
    def connect(
        websocket: WebSocket, /, *args: P.args, **kwargs: P.kwargs
    ) -> AbstractAsyncContextManager[Connection]:
        return _connect(websocket, options(*args, **kwargs))

    connect.__name__ = connect.__qualname__ = "connect"
    connect.__module__ = __name__
    taken = inspect.signature(options)
    first = inspect.Parameter("websocket", inspect.Parameter.POSITIONAL_ONLY, annotation=WebSocket)
    vars(connect)["__signature__"] = taken.replace(
        parameters=[first, *taken.parameters.values()],
        return_annotation=AbstractAsyncContextManager[Connection],
    )
    return connect


connect = _behind(page_call)


async def module(_: Request) -> FileResponse:
    """The page's half: `talkwire.js`."""
    # Page and backend must speak the same version.
    headers = {"Cache-Control": "no-cache"}
    return FileResponse(
        static_path() / "talkwire.js", media_type="text/javascript", headers=headers
    )


route = Route("/talkwire.js", module, include_in_schema=False)
"""Serves `/talkwire.js`: `Starlette(routes=[route, ...])`, or `app.routes.append(route)`."""
