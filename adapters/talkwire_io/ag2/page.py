"""A page's websocket as AG2 knows it, as a `Transport`."""

import asyncio
import json
import logging
from collections import deque
from typing import Any, Protocol

import msgspec

from talkwire import JsonObject, ga_type

from ..transport import TransportClosed

_log = logging.getLogger(__name__)
_CLOSE_S = 5.0  # a page that is out of reach never answers a close
_UNREADABLE = (ValueError, RecursionError)
as_object = msgspec.json.Decoder(dict[str, Any]).decode
"""Read a frame, which is one JSON object. Raises ValueError or RecursionError for what is none."""


class WebSocket(Protocol):
    """What AG2 asks of a websocket (`WebSocketProtocol`) and is used here; Starlette's will do."""

    async def send_json(self, data: Any, mode: str = "text") -> None: ...

    async def receive_text(self) -> str: ...


class PageSocket:
    """The page's websocket, accepted by you. It also keeps the last message, for `raw`."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._send_text: Any = getattr(websocket, "send_text", None)
        self._close: Any = getattr(websocket, "close", None)
        self._frames: deque[JsonObject] = deque()
        self._unsent: list[str] = []
        """What of a message of several lines has not left, where each leaves by itself."""
        self._sent = self._ended = False

    async def receive(self) -> str | bytes:
        while not self._ended:
            try:
                message: Any = await self._websocket.receive_text()
            except KeyError:  # Starlette's word for a binary message
                message = None
            except Exception as error:  # whatever the framework calls the end
                self._ended = True
                raise _closed(error) from error
            if isinstance(message, str):
                self._frames = _frames(message)
                return message
            _log.info("a binary message of the page was dropped: nothing of its is binary")
        raise TransportClosed

    async def send(self, message: str) -> None:
        if self._ended:
            raise TransportClosed
        try:
            if self._send_text is not None:
                await self._send_text(message)
            else:
                await self._send_lines(message)
        except Exception as error:
            if isinstance(error, RuntimeError) and not self._sent:
                error.add_note(
                    "The page's websocket takes nothing: await websocket.accept() first."
                )
                raise
            raise _closed(error) from error
        self._sent = True

    async def _send_lines(self, message: str) -> None:
        self._unsent = self._unsent or message.split("\n")
        while self._unsent:
            await self._websocket.send_json(json.loads(self._unsent[0]))
            del self._unsent[0]

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._ended or self._close is None:
            return
        self._ended = True
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._close(code, reason)
        except Exception as error:
            _log.debug("the page's websocket was closed already: %r", error)

    def raw(self, event: Any) -> JsonObject:
        """An event word for word as the page passed it on."""
        while self._frames:
            frame = self._frames.popleft()
            if ga_type(str(frame.get("type"))) == event.type and _id(frame) == event.event_id:
                return frame
        return as_object(msgspec.json.encode(event))


def _frames(message: str) -> deque[JsonObject]:
    """The frames of a message: one a line, or a single one over several lines."""
    return deque(_read(message) or [it for line in message.split("\n") for it in _read(line)])


def _read(text: str) -> list[JsonObject]:
    try:
        return [as_object(text)]
    except _UNREADABLE:
        return []


def _id(frame: JsonObject) -> str:
    return str(frame.get("event_id") or "")


def _closed(error: Exception) -> TransportClosed:
    code = getattr(error, "code", None)
    return TransportClosed(code if isinstance(code, int) else None, str(error))
