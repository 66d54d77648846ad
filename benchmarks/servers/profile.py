"""Where talkwire's share goes: the same layers over a transport that costs nothing."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from talkwire import Session
from talkwire_io.asyncio import Connection
from talkwire_io.transport import TransportClosed

from ..measure import Prepare, Table, always, measure, median_us
from .echoes import Echo, EchoAndHear, EchoingSession, EchoWithDeadline


class _Memory:
    """Has the frames already, and swallows what is sent."""

    def __init__(self, frames: Sequence[str]) -> None:
        self._frames = iter(frames)

    async def receive(self) -> str:
        for frame in self._frames:
            return frame
        raise TransportClosed(1000)

    async def send(self, message: str) -> None:
        pass

    async def close(self, code: int = 1000, reason: str = "") -> None:
        pass


def _driven(make: Callable[[float], Session], frames: Sequence[str]) -> Prepare:
    async def drive() -> None:
        async for _ in Connection(make(0.0), _Memory(frames)):
            pass

    def step() -> None:
        loop.run_until_complete(drive())

    loop = asyncio.new_event_loop()
    return always(step)


def _by_hand(frames: Sequence[str]) -> Prepare:
    """The least that a driver must do: wait, hand over, drain, and look at the deadline."""

    async def drive() -> None:
        session, transport = Session(now=0.0), _Memory(frames)
        with suppress(TransportClosed):
            while True:
                for _ in session.receive(await transport.receive(), now=loop.time()):
                    pass
                while (frame := session.next_frame()) is not None:
                    await transport.send(frame)
                session.next_timeout()

    def step() -> None:
        loop.run_until_complete(drive())

    loop = asyncio.new_event_loop()
    return always(step)


def _alone(frames: Sequence[str]) -> Prepare:
    def step() -> None:
        session = Session(now=0.0)
        for frame in frames:
            session.receive(frame, now=1.0)
            session.next_frame()

    return always(step)


def table(frames: Sequence[str], rounds: int) -> Table:
    steps: dict[str, Prepare] = {
        "Connection, nothing behind it": _driven(Echo, frames),
        "… and a deadline to keep": _driven(EchoWithDeadline, frames),
        "… and Session.receive, its events handed out": _driven(EchoAndHear, frames),
        "… and deadlines that move: all of it": _driven(EchoingSession, frames),
        "The least a driver of a Session could do": _by_hand(frames),
        "Session.receive and next_frame, in a loop": _alone(frames),
    }
    times = measure(steps, rounds)
    each = [median_us(times, name) / len(frames) for name in steps]
    return Table(
        title="Where the share goes: µs a message, over a transport that costs nothing",
        columns=["", "µs/message", "more than above"],
        rows=[
            [name, f"{us:.2f}", f"{us - before:+.2f}" if name.startswith("…") else ""]
            for name, us, before in zip(steps, each, [0.0, *each], strict=False)
        ],
    )
