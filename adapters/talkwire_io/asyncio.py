"""Drive a `Session` or a `Relay` over a `Transport` on asyncio."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

from talkwire import Command, Event, JsonObject, PageEvent, Relay, Respond, Session

from .transport import Transport, TransportClosed


class Connection:
    """A session on its transport. Iterating is pumping: nothing is read, and no deadline is
    kept, while nobody iterates; no task runs that you did not start.

    Its calls may be made from any task of the same loop. They return what the session's own
    calls return, and what they queued has been handed to the transport by then. One that is
    cancelled meanwhile has been made all the same: what it queued leaves with what comes next.

    Leaving the `async with` block ends the session and closes the transport.
    """

    def __init__(self, protocol: Session | Relay, transport: Transport) -> None:
        self.protocol = protocol
        self.session = protocol.session if isinstance(protocol, Relay) else protocol
        self._transport = transport
        self._events: deque[Event | PageEvent] = deque()
        self._unsent: str | None = None
        """The message being sent: still ours until the transport has taken it."""
        self._writing = asyncio.Lock()
        self._waiting: asyncio.Timeout | None = None
        self._closed = asyncio.Event()

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

    async def __anext__(self) -> Event | PageEvent:
        """The next event. Ends when the session has, with everything it had to say."""
        while not self._events:
            if self.protocol.closed:
                raise StopAsyncIteration
            await self._step()
        return self._events.popleft()

    async def _step(self) -> None:
        """Wait for one input, hand it over, pass on whatever came of it."""
        waiting = asyncio.timeout_at(self.protocol.next_timeout())
        try:
            message = await self._receive(waiting)
        except TransportClosed as end:
            self._lost(end)
        except OSError as error:
            if waiting.expired():
                # Loops may wake a little early; the deadline, which another task may have moved,
                # is then what the clock says.
                now = max(waiting.when() or 0, _now())
                self._events += self.protocol.handle_timeout(now=now)
            else:  # the network gave up, and not the clock: that is a TimeoutError too
                self._lost(TransportClosed(reason=str(error)))
        else:
            self._events += self.protocol.receive(message, now=_now())
        await self.flush()

    async def _receive(self, waiting: asyncio.Timeout) -> str | bytes:
        self._waiting = waiting
        try:
            async with waiting:
                return await self._transport.receive()
        finally:
            self._waiting = None

    async def flush(self) -> None:
        """Send what is queued, in order, one writer at a time. Only calls made on `protocol`
        itself need it."""
        self._rearm()
        async with self._writing:
            try:
                while (message := self._unsent or self.protocol.next_frame()) is not None:
                    self._unsent = message
                    await self._transport.send(message)
                    self._unsent = None
            except TransportClosed as end:
                self._lost(end)
            except OSError as error:
                self._lost(TransportClosed(reason=str(error)))
        if self.protocol.closed:
            self._closed.set()

    def _rearm(self) -> None:
        """Move the deadline of who waits for a message; one that has passed is being handled.
        There may be events already: another task found the end before the transport told it."""
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(_now() if self._events else self.protocol.next_timeout())

    def _lost(self, end: TransportClosed) -> None:
        self._events += self.protocol.receive_close(code=end.code, reason=end.reason, now=_now())
        self._rearm()

    async def close(self) -> None:
        """End the session, let its last word out, close the transport; again is a no-op."""
        self._events += self.protocol.close(now=_now())
        try:
            await self.flush()
        finally:
            await self._transport.close()

    async def wait_closed(self) -> None:
        """Wait until the session has ended and its last word is out; somebody must iterate."""
        await self._closed.wait()

    # -- the session's calls

    async def send(self, command: Command) -> str:
        """`Session.send`."""
        event_id = self.session.send(command, now=_now())
        await self.flush()
        return event_id

    async def send_text(self, text: str, *, role: str = "user", respond: bool = True) -> str:
        """`Session.send_text`."""
        event_id = self.session.send_text(text, role=role, respond=respond, now=_now())
        await self.flush()
        return event_id

    async def send_function_result(
        self, call_id: str, output: str, *, respond: Respond | bool = True
    ) -> str:
        """`Session.send_function_result`."""
        event_id = self.session.send_function_result(call_id, output, respond=respond, now=_now())
        await self.flush()
        return event_id

    async def send_audio(self, audio: bytes) -> None:
        """`Session.send_audio`."""
        self.session.send_audio(audio, now=_now())
        await self.flush()

    async def truncate_audio(
        self, item_id: str, audio_end_ms: float, *, content_index: int = 0
    ) -> str:
        """`Session.truncate_audio`."""
        event_id = self.session.truncate_audio(
            item_id, audio_end_ms, content_index=content_index, now=_now()
        )
        await self.flush()
        return event_id

    async def report_playback(
        self, item_id: str, played_ms: float, *, content_index: int = 0
    ) -> None:
        """`Session.report_playback`. On the direct plane nothing is cut without such reports."""
        self.session.report_playback(item_id, played_ms, content_index=content_index, now=_now())
        await self.flush()

    async def session_update(self, patch: JsonObject) -> str:
        """`Session.session_update`."""
        event_id = self.session.session_update(patch, now=_now())
        await self.flush()
        return event_id

    async def send_mcp_approval(
        self, approval_request_id: str, approve: bool, reason: str | None = None
    ) -> str:
        """`Session.send_mcp_approval`."""
        event_id = self.session.send_mcp_approval(approval_request_id, approve, reason, now=_now())
        await self.flush()
        return event_id

    async def cancel(self) -> str | None:
        """`Session.cancel`."""
        event_id = self.session.cancel(now=_now())
        await self.flush()
        return event_id


def _now() -> float:
    return asyncio.get_running_loop().time()
