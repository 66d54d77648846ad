"""The far end of a wire, moved by the test: it reads, answers and breaks only when told to.

Runs on asyncio and on trio. A peer that nobody moves is one that has frozen.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import anyio
from anyio.abc import SocketStream
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

CHUNK = 65536


class PeerEnded(Exception):  # noqa: N818
    """Our side has gone: the code and reason it told, if it did."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Peer(Protocol):
    """What a script does with the far end."""

    async def receive(self) -> str:
        """The next message; raises PeerEnded. Answers pings and closes on the way."""
        ...

    async def send(self, *messages: str) -> None:
        """Send them, in one piece if they fit."""
        ...

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, with a code where the wire has such."""
        ...

    async def half_close(self) -> None:
        """Send no more, without a goodbye."""
        ...

    async def drop(self) -> None:
        """Be gone at once."""
        ...


class _OnSocket:
    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream

    async def half_close(self) -> None:
        await self._stream.send_eof()

    async def drop(self) -> None:
        await self._stream.aclose()


class WebSocketPeer(_OnSocket):
    """Either side of a websocket, over the library's core without I/O."""

    def __init__(self, stream: SocketStream, protocol: ServerProtocol | ClientProtocol) -> None:
        super().__init__(stream)
        self.protocol = protocol
        self.requests: list[Request] = []
        self._answers: list[Response] = []
        self._messages: deque[str] = deque()
        self._parts: list[bytes] = []

    async def accept(self, refusal: tuple[int, str] | None = None, *, begun: bytes = b"") -> None:
        """The handshake of a server, or why there will be none: a status and a body. `begun` has
        been read already."""
        assert isinstance(self.protocol, ServerProtocol)
        self._take(begun)
        while not self.requests:
            await self._read()
        if refusal is None:
            answer = self.protocol.accept(self.requests[0])
        else:
            answer = self.protocol.reject(*refusal)
        self.protocol.send_response(answer)
        await self._flush()

    async def knock(self, **headers: str) -> int:
        """The handshake of a client; the status of the answer."""
        assert isinstance(self.protocol, ClientProtocol)
        request = self.protocol.connect()
        request.headers.update(headers)
        self.protocol.send_request(request)
        await self._flush()
        while not self._answers:
            assert await self._read(), self.protocol.handshake_exc
        return self._answers[0].status_code

    async def receive(self) -> str:
        while not self._messages:
            if not await self._read():
                code, reason = self.protocol.close_code, self.protocol.close_reason
                raise PeerEnded(code, reason or "")
        return self._messages.popleft()

    async def send(self, *messages: str) -> None:
        for message in messages:
            self.protocol.send_text(message.encode())
        await self._flush()

    async def send_in_parts(self, *parts: str) -> None:
        """One message in several frames."""
        self.protocol.send_text(parts[0].encode(), fin=False)
        for part in parts[1:]:
            self.protocol.send_continuation(part.encode(), fin=False)
        self.protocol.send_continuation(b"", fin=True)
        await self._flush()

    async def ping(self, times: int) -> None:
        for number in range(times):
            self.protocol.send_ping(b"%d" % number)
        await self._flush()

    async def close(self, code: int, reason: str = "") -> None:
        self.protocol.send_close(code, reason)
        await self._flush()
        while await self._read():
            pass
        await self._stream.aclose()

    async def _read(self) -> bool:
        """Take what has come and answer it; False: there will be no more."""
        try:
            self._take(await self._stream.receive(CHUNK))
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.protocol.receive_eof()
            return False
        await self._flush()
        return True

    def _take(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Request):
                self.requests.append(event)
            elif isinstance(event, Response):
                self._answers.append(event)
            elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.CONT):
                self._parts.append(bytes(event.data))
                if event.fin:
                    self._messages.append(b"".join(self._parts).decode())
                    self._parts.clear()

    async def _flush(self) -> None:
        written = self.protocol.data_to_send()
        if data := b"".join(written):
            await self._stream.send(data)
        if b"" in written:
            await self._stream.send_eof()


class LinePeer(_OnSocket):
    """The far end of a stream that carries a frame a line."""

    def __init__(self, stream: SocketStream) -> None:
        super().__init__(stream)
        self._buffer = b""

    async def receive(self) -> str:
        while b"\n" not in self._buffer:
            try:
                self._buffer += await self._stream.receive(CHUNK)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                raise PeerEnded(None, "") from None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    async def send(self, *messages: str) -> None:
        await self.send_bytes("".join(f"{message}\n" for message in messages).encode())

    async def send_bytes(self, data: bytes) -> None:
        await self._stream.send(data)

    async def close(self, code: int, reason: str = "") -> None:
        await self._stream.aclose()


def sockets() -> Sequence[socket.socket]:
    """Both ends of a connection within this process: what is written has arrived."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CHUNK)
    return ends
