"""asyncio with a clock of its own, and a wire in memory: deadlines pass as fast as tests can run.

When every task waits, the clock jumps to the next deadline; when there is none, nothing will ever
happen again, and that is an error at once instead of a test that hangs.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from talkwire_io.transport import TransportClosed

T = TypeVar("T")


class Hang(Exception):  # noqa: N818
    """Every task waits, and nothing is due."""


class _Jumping(selectors.DefaultSelector):
    """Never waits: it moves the clock instead."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Hang
        self.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run without waiting for anything; on the loop's clock as long as it likes."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class Wire:
    """One end of a connection in memory: a `Transport` that keeps what it sent.

    `other` is its peer. `slow` lets other tasks run within every send, as a full socket would.
    """

    def __init__(self) -> None:
        self.other: Wire = self
        self.sent: list[str] = []
        self.slow = False
        self.closed: tuple[int | None, str] | None = None
        self.closes = 0
        self._arrived: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def receive(self) -> str | bytes:
        if self._arrived.empty() and self.closed is not None:
            raise TransportClosed(*self.closed)
        message = await self._arrived.get()
        if message is None:
            raise TransportClosed(*(self.closed or (None, "")))
        return message

    async def send(self, message: str) -> None:
        if self.slow:
            await asyncio.sleep(0.01)
        if self.closed is not None:
            raise TransportClosed(*self.closed)
        self.sent.append(message)
        self.other.deliver(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.closes += 1
        for end in (self, self.other):
            end.lose(code, reason)

    def deliver(self, message: str | bytes) -> None:
        """Let a message arrive at this end."""
        self._arrived.put_nowait(message)

    def lose(self, code: int | None = None, reason: str = "", *, silently: bool = False) -> None:
        """End it as seen from here; silently: only writing finds out."""
        if self.closed is None:
            self.closed = (code, reason)
            if not silently:
                self._arrived.put_nowait(None)


def wire() -> tuple[Wire, Wire]:
    """Both ends of a connection."""
    here, there = Wire(), Wire()
    here.other, there.other = there, here
    return here, there
