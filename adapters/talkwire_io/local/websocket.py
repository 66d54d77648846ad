"""The service's end of a plain websocket: frames both ways, and audio in them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from talkwire_io.local.conductor import Conductor
from talkwire_io.local.outlet import Piece
from talkwire_io.local.pcm import WireFormat, resample

Receive = Callable[[], Awaitable[str | bytes]]
Send = Callable[[str], Awaitable[None]]

_PIECE_MS = 100
# A client that stopped reading: minutes of audio.
_MAX_WAITING = 16 * 1024 * 1024


class Wire:
    """Frames to and from a client; `on_lost(why)` when it does not read what waits for it."""

    def __init__(self, conductor: Conductor, on_lost: Callable[[str], None]) -> None:
        self._conductor = conductor
        self._on_lost = on_lost
        self._frames: asyncio.Queue[str] = asyncio.Queue()
        self._waiting = 0

    async def read(self, receive: Receive) -> None:
        """Take what the client sends, no faster than its audio can be heard."""
        while True:
            self._conductor.receive(await receive())
            await self._conductor.hearing.caught_up()

    async def write(self, send: Send) -> None:
        """Send what there is, as fast as the client takes it."""
        while True:
            frame = await self._frames.get()
            await send(frame)
            self._waiting -= len(frame)
            self._frames.task_done()

    def send(self, frame: str) -> None:
        """Queue a frame; a client that does not read is hung up on."""
        self._waiting += len(frame)
        if self._waiting > _MAX_WAITING:
            self._on_lost("the client stopped reading")
            return
        self._frames.put_nowait(frame)

    async def sent(self) -> None:
        """Wait until the client has taken what was queued."""
        await self._frames.join()


class Line(Wire):
    """An `Outlet` over a websocket. What was played only the client knows."""

    speaks = True
    played_ms: int | None = None

    def __init__(self, conductor: Conductor) -> None:
        super().__init__(conductor, conductor.end)

    def cut(self, pcm: bytes, rate: int) -> list[Piece]:
        """Write a sound in the session's output format, in pieces of 100 ms."""
        format = WireFormat(self._conductor.service.session["audio"]["output"]["format"])
        data = format.encode(resample(pcm, rate, format.rate))
        size = _PIECE_MS * format.bytes_per_ms
        return [
            Piece(duration_ms=len(part) // format.bytes_per_ms, audio=part)
            for part in (data[start : start + size] for start in range(0, len(data), size))
        ]

    async def room(self) -> None:
        """Return at once: the client keeps what it cannot play yet."""

    def play(self, response_id: str, piece: Piece) -> None:
        """Do nothing: the sound is in the `output_audio.delta` that the service writes."""

    def finish(self, response_id: str) -> None:
        """Do nothing: the end of playback is the client's to know."""

    def clear(self, response_id: str) -> None:
        """Do nothing: there is no output buffer here."""
