"""asyncio with a clock of its own, and a wire in memory for it and for trio: deadlines pass as fast
as tests can run.

When every task waits, the clock jumps to the next deadline; when there is none, nothing will ever
happen again, and that is an error at once instead of a test that hangs.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

from talkwire_io.transport import TransportClosed

T = TypeVar("T")


class Hang(Exception):  # noqa: N818
    """Every task waits, and nothing is due."""


class _Jumping(selectors.DefaultSelector):
    """Never waits: where nothing has come, it moves the clock instead."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := super().select(0):
            return ready
        if timeout is None:
            raise Hang
        self.now += timeout
        return []


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
        self._arrived: deque[str | bytes | None] = deque()
        self._news = anyio.Event()

    async def receive(self) -> str | bytes:
        if not self._arrived and self.closed is not None:
            raise TransportClosed(*self.closed)
        while not self._arrived:
            await self._news.wait()
        message = self._arrived.popleft()
        if message is None:
            raise TransportClosed(*(self.closed or (None, "")))
        return message

    async def send(self, message: str) -> None:
        if self.slow:
            await anyio.sleep(0.01)
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
        self._arrive(message)

    def lose(self, code: int | None = None, reason: str = "", *, silently: bool = False) -> None:
        """End it as seen from here; silently: only writing finds out."""
        if self.closed is None:
            self.closed = (code, reason)
            if not silently:
                self._arrive(None)

    def _arrive(self, message: str | bytes | None) -> None:
        self._arrived.append(message)
        self._news.set()
        self._news = anyio.Event()


def wire() -> tuple[Wire, Wire]:
    """Both ends of a connection."""
    here, there = Wire(), Wire()
    here.other, there.other = there, here
    return here, there
