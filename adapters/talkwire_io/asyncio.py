"""Drive a `Session` or a `Relay` over a `Transport` on asyncio."""

import asyncio
from collections import deque
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, TypeVar

import anyio
import attrs

from talkwire import Event, LocalProtocolError, PageEvent, Relay, Session

from .transport import Transport, TransportClosed
from .verbs import Verbs

LAST_WORD_S = 2.0
"""How long the last word may take: a full socket shall not hold up the end of a block."""

Awaited = TypeVar("Awaited", bound=Event | PageEvent)


@attrs.define(eq=False)
class _Wire:
    """A door of the core, and the transport that leads to it."""

    door: Session | Relay
    transport: Transport
    unsent: str | None = None
    """The message being sent: still ours until the transport has taken it."""
    gone: TransportClosed | None = None
    """What writing met. What came before that, a refusal perhaps, is still to be read."""
    until: float = 0.0
    """How long it is read on for then."""
    hearing: asyncio.Task[str | bytes | TransportClosed] | None = None

    async def hear(self) -> str | bytes | TransportClosed:
        """The next message, or the end of the transport."""
        try:
            return await self.transport.receive()
        except TransportClosed as end:
            return end
        except OSError as error:  # the network gave up: a TimeoutError of its own is one too
            return TransportClosed(reason=str(error))

    def next_message(self) -> str | None:
        """What is to be sent next, None when there is nothing."""
        if self.unsent is None:
            self.unsent = self.door.next_frame()
        return self.unsent

    async def drain(self) -> TransportClosed | None:
        """Send what is queued, in order; gives the end of the transport where it met that."""
        try:
            while (message := self.next_message()) is not None:
                await self.transport.send(message)
                self.unsent = None
        except TransportClosed as end:
            return end
        except OSError as error:
            return TransportClosed(reason=str(error))
        return None


class Connection(Verbs):
    """A session on its transport. Iterating is pumping: nothing is read, and no deadline is
    kept, while nobody iterates; no task runs that you did not start.

    Its calls may be made from any task of the same loop. They return what the session's own
    calls return, and what they queued has been handed to the transport by then. One that is
    cancelled meanwhile has been made all the same: what it queued leaves with what comes next.

    With a sideband (`attach`) two transports are waited for at once, each in a task that ends
    with the `async with` block and reads a message ahead. Leaving the block ends the session and
    closes the transports.
    """

    def __init__(self, protocol: Session | Relay, transport: Transport) -> None:
        self.protocol = protocol
        self.session = protocol.session if isinstance(protocol, Relay) else protocol
        self._wires = [_Wire(protocol, transport)]
        self._events: deque[Event | PageEvent] = deque()
        self._writing = asyncio.Lock()
        self._more = False
        """Whoever writes shall look again before it stops."""
        self._waiting: asyncio.Timeout | None = None
        self._closed = asyncio.Event()

    def attach(self, sideband: Transport) -> None:
        """Drive the relay's session over a transport of its own: the sideband of its call."""
        self._wires.append(_Wire(self.session, sideband))
        self._rearm(self._now())  # whoever waits for the page alone begins again

    @property
    def call_id(self) -> str | None:
        """The id of the page's call, None until it is known, and where there is no page."""
        return self.protocol.call_id if isinstance(self.protocol, Relay) else None

    async def __aenter__(self) -> Self:
        await self.flush()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    def read_events(self) -> Self:
        """The same as iterating: `async for event in call.read_events()`."""
        return self

    async def __anext__(self) -> Event | PageEvent:
        """The next event. Ends when the session has, with everything it had to say."""
        while not self._events:
            if self.protocol.closed:
                raise StopAsyncIteration
            await self._step()
        return self._events.popleft()

    async def wait_for(self, kind: type[Awaited]) -> Awaited | None:
        """Pump until there is such an event, and give it; None: the session ended without one.
        Whoever iterates then still gets all of them."""
        looked_at = 0
        while True:
            for event in list(self._events)[looked_at:]:
                if isinstance(event, kind):
                    return event
            looked_at = len(self._events)
            if self.protocol.closed:
                return None
            await self._step()

    async def _step(self) -> None:
        """Wait for one input, hand it over, pass on whatever came of it."""
        if self._waiting is not None:
            raise LocalProtocolError("one task at a time iterates a connection")
        # Who was to send it has been cancelled; it may have been whoever reads.
        if self._more or any(wire.unsent is not None for wire in self._wires):
            await self._pass_on()
        waiting = asyncio.timeout_at(self._deadline())
        try:
            heard = await self._hear(waiting)
        except TimeoutError:
            # Loops may wake a little early; the deadline, which another task may have moved,
            # is then what the clock says.
            self._late(max(waiting.when() or 0, self._now()))
        else:
            for wire, message in heard:
                if isinstance(message, TransportClosed):
                    self._lost(wire, message)
                else:
                    self._events += wire.door.receive(message, now=self._now())
        await self._pass_on()

    def _late(self, now: float) -> None:
        for wire in self._wires:
            if wire.gone is not None and wire.until <= now:
                self._lost(wire, wire.gone)
        self._events += self.protocol.handle_timeout(now=now)

    async def _hear(
        self, waiting: asyncio.Timeout
    ) -> list[tuple[_Wire, str | bytes | TransportClosed]]:
        """What came first, and what came with it."""
        self._waiting = waiting
        try:
            async with waiting:
                if len(self._wires) == 1:
                    [wire] = self._wires
                    return [(wire, await wire.hear())]
                return await self._hear_any()
        finally:
            self._waiting = None

    async def _hear_any(self) -> list[tuple[_Wire, str | bytes | TransportClosed]]:
        for wire in self._wires:
            if wire.hearing is None:
                wire.hearing = asyncio.create_task(wire.hear())
        tasks = [wire.hearing for wire in self._wires if wire.hearing is not None]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        heard: list[tuple[_Wire, str | bytes | TransportClosed]] = []
        for wire in reversed(self._wires):  # the sideband first: a page's end ends its session
            if wire.hearing is not None and wire.hearing.done():
                heard.append((wire, wire.hearing.result()))
                wire.hearing = None
        return heard

    async def flush(self) -> None:
        """Send what is queued, in order, one writer at a time. Only calls made on `protocol`
        itself need it."""
        self._rearm()
        try:
            async with self._writing:
                self._more = True
                while self._more:
                    self._more = False
                    await self._drain()
        finally:
            if self._more:
                self._rearm(self._now())  # cancelled: who waits for a message takes over
        if self.protocol.closed:
            self._closed.set()

    async def _pass_on(self) -> None:
        """Flush, unless somebody is at it: a full socket holds up who writes, not who reads."""
        if self._writing.locked():
            self._more = True
        elif self.protocol.closed or any(wire.next_message() for wire in self._wires):
            await self.flush()

    async def _drain(self) -> None:
        for wire in reversed(self._wires):  # the page last: it is told how a sideband ended
            if wire.gone is None and (end := await wire.drain()) is not None:
                wire.gone, wire.until = end, self._now() + LAST_WORD_S
                self._rearm()

    def _rearm(self, deadline: float | None = None) -> None:
        """Move the deadline of who waits for a message; one that has passed is being handled.
        There may be events already: another task found the end before the transport told it."""
        if self._waiting is not None and not self._waiting.expired():
            at = self._now() if self._events else deadline or self._deadline()
            self._waiting.reschedule(at)

    def _deadline(self) -> float | None:
        due = self.protocol.next_timeout()
        for wire in self._wires:
            if wire.gone is not None:
                due = wire.until if due is None else min(due, wire.until)
        return due

    def _lost(self, wire: _Wire, end: TransportClosed) -> None:
        self._events += wire.door.receive_close(code=end.code, reason=end.reason, now=self._now())
        self._rearm()

    async def close(self) -> None:
        """End the session, let its last word out, close the transport; again is a no-op."""
        self._events += self.protocol.close(now=self._now())
        async with AsyncExitStack() as ending:
            ending.callback(self._closed.set)
            for wire in self._wires:
                ending.push_async_callback(_end, wire)
            # Cancelled it is said too: there are cancels that strike again and again.
            with anyio.move_on_after(LAST_WORD_S, shield=True):
                await self.flush()

    async def wait_closed(self) -> None:
        """Wait until the session has ended and its last word is out; somebody must iterate."""
        await self._closed.wait()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _end(wire: _Wire) -> None:
    with anyio.move_on_after(LAST_WORD_S, shield=True):
        try:
            await wire.transport.close()
        finally:
            if wire.hearing is not None:
                wire.hearing.cancel()
                await asyncio.wait([wire.hearing])
