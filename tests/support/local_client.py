"""A client of the local service over a websocket, as an SDK is one."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from support.local import Event, Local

KEY = {"Authorization": "Bearer sk-anything"}


class Client:
    """An SDK's part: sends client events, collects server events."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Event] = []

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def append(self, pcm: bytes, piece: int = 4800) -> None:
        for at in range(0, len(pcm), piece):
            audio = base64.b64encode(pcm[at : at + piece]).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    async def type_text(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.send("conversation.item.create", item=item)
        await self.send("response.create")

    async def wait_for(self, type: str) -> Event:
        while True:
            event: Event = json.loads(await self.socket.recv())
            self.events.append(event)
            if event["type"] == type:
                return event

    def audio(self) -> list[bytes]:
        deltas = [e for e in self.events if e["type"] == "response.output_audio.delta"]
        return [base64.b64decode(each["delta"]) for each in deltas]


@contextlib.asynccontextmanager
async def client(local: Local, query: str = "", **options: Any) -> AsyncIterator[Client]:
    options.setdefault("additional_headers", KEY)
    url = f"ws://127.0.0.1:{local.port}/v1/realtime{query}"
    async with connect(url, proxy=None, **options) as socket:
        yield Client(socket)
