"""A page's websocket as AG2 knows it, both ends in the test's hands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

Frame = dict[str, Any]


class Gone(Exception):  # noqa: N818 - a framework's word for the end
    """What this websocket raises once the page has gone."""

    code = 1001


class Ag2Socket:
    """No more than AG2's `WebSocketProtocol`: `sent` is what the page was told."""

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self._said: asyncio.Queue[str | Exception] = asyncio.Queue()

    async def send_json(self, data: Any, mode: str = "text") -> None:
        self.sent.append(data)

    async def receive_text(self) -> str:
        said = await self._said.get()
        if isinstance(said, Exception):
            self._said.put_nowait(said)  # it stays so
            raise said
        return said

    async def receive_json(self, mode: str = "text") -> Any:
        return json.loads(await self.receive_text())

    async def iter_text(self) -> AsyncIterator[str]:
        while True:
            yield await self.receive_text()

    def say(self, *frames: Frame | str) -> None:
        """The page passes these on, in one message."""
        lines = [frame if isinstance(frame, str) else json.dumps(frame) for frame in frames]
        self._said.put_nowait("\n".join(lines))

    def leave(self) -> None:
        self._said.put_nowait(Gone("the page has gone"))

    def types(self) -> list[str]:
        return [str(frame["type"]) for frame in self.sent]
