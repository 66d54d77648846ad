"""The service that a page's backend calls, its HTTP answers and its sideband moved by the test."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import h11
from anyio.abc import SocketAttribute, SocketListener, SocketStream
from websockets.server import ServerProtocol

from support.far_end import CALL_ID, SDP
from support.peers import CHUNK, WebSocketPeer

KEY = "sk-proj-abcDEF_123-xyz0987654321"


@attrs.define
class Reply:
    """The status of an HTTP answer, and its body: text, or what is written as JSON."""

    status: int
    body: Any
    headers: dict[str, str] = attrs.field(factory=dict[str, str])

    @property
    def text(self) -> str:
        return self.body if isinstance(self.body, str) else json.dumps(self.body)


def minted() -> Reply:
    return Reply(200, {"value": "ek_test", "expires_at": 2_000_000_000, "session": {}})


def opened() -> Reply:
    return Reply(201, SDP, {"Location": f"/v1/realtime/calls/{CALL_ID}"})


@attrs.define
class Desk:
    """What it was asked for is in `asked`, by path; hang-ups and sidebands come one by one."""

    port: int
    secret: Reply = attrs.field(factory=minted)
    call: Reply = attrs.field(factory=opened)
    sideband: Reply | None = None
    """Why there is no sideband."""
    asked: list[tuple[str, bytes]] = attrs.field(factory=list[tuple[str, bytes]])
    lines: list[SocketStream] = attrs.field(factory=list[SocketStream])
    hung_up: Any = attrs.field(factory=lambda: anyio.create_memory_object_stream[str](math.inf))
    sidebands: Any = attrs.field(
        factory=lambda: anyio.create_memory_object_stream[WebSocketPeer](math.inf)
    )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def next_hang_up(self) -> str:
        """The id of the call."""
        call_id: str = await self.hung_up[1].receive()
        return call_id

    async def next_sideband(self) -> WebSocketPeer:
        peer: WebSocketPeer = await self.sidebands[1].receive()
        return peer

    async def serve(self, stream: SocketStream) -> None:
        self.lines.append(stream)
        begun = await stream.receive(CHUNK)
        if begun.startswith(b"POST"):
            async with stream:
                await self._answer(stream, begun)
        else:
            peer = WebSocketPeer(stream, ServerProtocol(max_size=None))
            refusal = None if self.sideband is None else (self.sideband.status, self.sideband.text)
            await peer.accept(refusal, begun=begun)
            if refusal is None:
                await self.sidebands[0].send(peer)
            else:
                await peer.drop()

    async def _answer(self, stream: SocketStream, begun: bytes) -> None:
        http = h11.Connection(h11.SERVER)
        http.receive_data(begun)
        path, body = "", b""
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive(CHUNK))
            elif isinstance(event, h11.Request):
                path = event.target.decode()
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
        self.asked.append((path, body))
        reply = await self._reply(path)
        data = reply.text.encode()
        headers = {**reply.headers, "Content-Length": str(len(data)), "Connection": "close"}
        answer = h11.Response(status_code=reply.status, headers=list(headers.items()))
        sent = [http.send(answer), http.send(h11.Data(data=data)), http.send(h11.EndOfMessage())]
        await stream.send(b"".join(each or b"" for each in sent))

    async def _reply(self, path: str) -> Reply:
        if path.endswith("/client_secrets"):
            return self.secret
        if path.endswith("/hangup"):
            await self.hung_up[0].send(path.split("/")[-2])
            return Reply(200, "")
        return self.call


@asynccontextmanager
async def open_desk() -> AsyncIterator[Desk]:
    line = socket.create_server(("127.0.0.1", 0))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)  # so that it can be full
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener = await SocketListener.from_socket(line)
    desk = Desk(listener.extra(SocketAttribute.local_port))
    try:
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, desk.serve)
            yield desk
            group.cancel_scope.cancel()
    finally:
        for stream in (*desk.hung_up, *desk.sidebands):
            stream.close()
        for connection in desk.lines:
            await anyio.aclose_forcefully(connection)
