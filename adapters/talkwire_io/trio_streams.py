"""Any trio stream as a `Transport`, a frame a line; and writes that a cancel does not break off."""

from collections.abc import Awaitable, Callable

import trio
from attrs import define, field

from .transport import TransportClosed

MAX_LINE_BYTES = 16 * 1024 * 1024

_ENDS = (trio.BrokenResourceError, trio.ClosedResourceError)


@define(eq=False)
class _Write:
    message: str
    done: trio.Event = field(factory=trio.Event)
    end: TransportClosed | None = field(factory=lambda: TransportClosed(reason="cancelled"))


class Writer:
    """Writes one message at a time, each in a task of `nursery`.

    A write that trio cancels has written nobody knows how much, and the wire is spoilt. So a `send`
    that is cancelled leaves its write to go on; sending the same message again waits for that one.
    """

    def __init__(self, nursery: trio.Nursery, write: Callable[[str], Awaitable[None]]) -> None:
        self._nursery = nursery
        self._write = write
        self._begun: _Write | None = None

    async def send(self, message: str) -> None:
        """Return when it is written. A TransportClosed that `write` raised comes out here."""
        if self._begun is not None and self._begun.message != message:
            await self._begun.done.wait()
            self._begun = None
        if self._begun is None:
            self._begun = _Write(message)
            self._nursery.start_soon(self._run, self._begun)
        begun = self._begun
        await begun.done.wait()
        self._begun = None
        if begun.end is not None:
            raise begun.end

    async def _run(self, begun: _Write) -> None:
        try:
            await self._write(begun.message)
            begun.end = None
        except TransportClosed as end:
            begun.end = end
        finally:
            begun.done.set()


class LineTransport:
    """A frame a line over any `trio.abc.Stream`: TCP, TLS, a Unix socket, a pair in memory.

    For two ends that are both yours, a worker and a gateway, say. Writes run in `nursery`, and end
    with the stream at the latest. `max_line` is in bytes: a longer line ends the connection.
    """

    def __init__(
        self, stream: trio.abc.Stream, nursery: trio.Nursery, *, max_line: int = MAX_LINE_BYTES
    ) -> None:
        self._stream = stream
        self._writer = Writer(nursery, self._write)
        self._max_line = max_line
        self._buffer = bytearray()
        self._searched = 0

    async def receive(self) -> str | bytes:
        """Wait for the next line. Cancelled, it keeps the part of one that has come."""
        await trio.lowlevel.checkpoint()  # as everything on trio, also where a line is there
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            if self._searched > self._max_line:
                await self.close()
                raise TransportClosed(reason=f"a line of more than {self._max_line} bytes")
            self._buffer += await self._read()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    async def _read(self) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some()
        except _ENDS as error:
            raise _closed(error) from error
        if not data:
            raise TransportClosed(reason="in the middle of a line" if self._buffer else "")
        return data

    async def send(self, message: str) -> None:
        await self._writer.send(message)

    async def _write(self, message: str) -> None:
        try:
            await self._stream.send_all(message.encode() + b"\n")
        except _ENDS as error:
            raise _closed(error) from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the stream, which has no codes to tell."""
        await self._stream.aclose()


def _closed(error: Exception) -> TransportClosed:
    return TransportClosed(reason=str(error.__cause__ or error))
