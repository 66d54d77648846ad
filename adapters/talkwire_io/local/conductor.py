"""Drive one `Service` for one call: what it asks of its engine is done here, and reported back.

The service is only touched on the event loop and is drained after every input; whatever blocks
runs in the engine's threads. All tasks of a call live in the one group that `run` holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Generator, Iterable
from typing import Any

from av import AudioFrame

from talkwire.realtime.engine import (
    AudioReceived,
    ConfigurationChanged,
    EngineRequest,
    InputCleared,
    McpListRequested,
    PlaybackCleared,
    ResponseRequested,
    ResponseStopped,
    TranscriptionRequested,
)
from talkwire.realtime.service import Service
from talkwire.realtime.service_outbox import Attachment
from talkwire_io.local.answering import Answering
from talkwire_io.local.engine import Engine
from talkwire_io.local.hearing import Hearing
from talkwire_io.local.outlet import Outlet, Way, say_last_words

_log = logging.getLogger(__name__)


class Conductor:
    """One call. `run()` carries it until `end(reason)`."""

    def __init__(self, service: Service, engine: Engine) -> None:
        self.service = service
        self.reason = ""
        self._engine = engine
        self._outlet: Outlet | None = None
        self._attached: dict[Attachment, Way] = {}
        self.hearing = Hearing(service, engine, self._move, self._start)
        self._replies: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._ended = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None

    async def run(self, outlet: Outlet, *companions: Coroutine[Any, Any, None]) -> None:
        """Carry the call over `outlet`, with the coroutines that read and write for it.

        Ends after `end()`, with every task gone. An exception in a companion ends the call too and
        comes out in an ExceptionGroup; what goes wrong in the voice or the brain does not.
        """
        async with asyncio.TaskGroup() as self._group:
            self._outlet = outlet
            for companion in (*companions, self.hearing.listen(lambda: outlet.played_ms)):
                self._start(companion)
            try:
                self._move(self.service.opening)
                await self._ended.wait()
                if self.service.close_code is not None:
                    await say_last_words(outlet)
            finally:
                self.end("the other side is gone")
                self._move(self.service.receive_close(now=_now()))
                for task in self._tasks:
                    task.cancel()

    @contextlib.contextmanager
    def attached(self, way: Way) -> Generator[None]:
        """Let a second controller hear all but the sound, from now on; it speaks by `receive`."""
        attachment = self.service.attach()
        self._attached[attachment] = way
        try:
            yield
        finally:
            del self._attached[attachment]
            self.service.detach(attachment)

    def end(self, reason: str) -> None:
        """End the call; the first reason given is kept."""
        if not self._ended.is_set():
            self.reason = reason
            self._ended.set()

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended.is_set()

    async def wait_ended(self) -> None:
        """Wait until `end` is called."""
        await self._ended.wait()

    def receive(self, frame: str | bytes) -> None:
        """Take a client event, of whichever controller."""
        if self._outlet is not None and not self.ended:
            played_ms = self._outlet.played_ms
            with self._contained("a client event"):
                self._move(self.service.receive(frame, now=_now(), played_ms=played_ms))

    def hear(self, frames: list[AudioFrame]) -> None:
        """Take sound from an incoming track."""
        if not self.ended:
            self.hearing.hear_frames(frames)

    def drained(self, response_id: str) -> None:
        """Take the news that a response was heard to its end."""
        if not self.ended:
            with self._contained("the end of a playback"):
                self._move(self.service.playback_stopped(response_id, now=_now()))

    @contextlib.contextmanager
    def _contained(self, what: str) -> Generator[None, None, None]:
        """Log a mistake of ours instead of raising it into aiortc, whose transport would stop."""
        try:
            yield
        except Exception:
            _log.exception("%s could not be handled", what)

    # The service's requests.

    def _move(self, requests: Iterable[EngineRequest]) -> None:
        """Do what an input asked for, then drain: the one way the service is handled."""
        for request in requests:
            self._perform(request)
        self._drain()
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Be woken when the service asks for it, or end when it has ended the session."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self.service.close_code is not None:
            self.end(f"the service closed the session ({self.service.close_code})")
        due = self.service.next_timeout()
        loop = asyncio.get_running_loop()
        self._alarm = None if due is None or self.ended else loop.call_at(due, self._wake)

    def _wake(self) -> None:
        with self._contained("a deadline"):
            self._move(self.service.handle_timeout(now=_now()))

    def _drain(self) -> None:
        while self._outlet is not None and (frame := self.service.next_frame()) is not None:
            self._outlet.send(frame)
        for attachment, way in self._attached.items():
            while (frame := attachment.next_frame()) is not None:
                way.send(frame)

    def _perform(self, request: EngineRequest) -> None:
        match request:
            case ConfigurationChanged():
                self.hearing.configure()
            case AudioReceived(audio=audio):
                self.hearing.hear_wire(audio)
            case InputCleared():
                self.hearing.clear()
            case TranscriptionRequested(item_id=item_id):
                self.hearing.understand(item_id)
            case ResponseRequested(response_id=response_id):
                self._replies[response_id] = self._start(self._answer(request))
            case ResponseStopped(response_id=response_id):
                self._stop(response_id)
            case PlaybackCleared(response_id=response_id):
                if self._outlet is not None:
                    self._outlet.clear(response_id)
            case McpListRequested(item_id=item_id):
                self._move(self.service.mcp_listed(item_id, None, now=_now()))
            case _:  # about calls of remote servers, which cannot be reached from here
                pass

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None  # nothing is asked for before the call runs
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Answering.

    async def _answer(self, request: ResponseRequested) -> None:
        """Carry out one response; whatever goes wrong becomes a response that failed."""
        assert self._outlet is not None
        response_id = request.response_id
        try:
            # The brain must know what was said, if it can be known at all.
            await self.hearing.understood()
            answering = Answering(self.service, self._outlet, self._engine, self._move)
            await answering.run(request)
        except Exception:
            _log.exception("response %s failed", response_id)
            message = "The service could not produce this response."
            failed = self.service.response_failed
            self._move(failed(response_id, code="server_error", message=message, now=_now()))
        finally:
            self._replies.pop(response_id, None)
            self._outlet.finish(response_id)

    def _stop(self, response_id: str) -> None:
        reply = self._replies.get(response_id)
        if reply is not None:
            reply.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()
