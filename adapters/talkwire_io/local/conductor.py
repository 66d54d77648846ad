"""Drive one `Service` for one call: what it asks of its engine is done here, and reported back.

The service is only touched on the event loop and is drained after every input; whatever blocks
runs in the engine's threads. All tasks of a call live in the one group that `run` holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Generator, Iterable
from functools import partial
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
from talkwire_io.local.ear import RATE, Ear, Heard, Started, Stopped
from talkwire_io.local.engine import Engine
from talkwire_io.local.outlet import Outlet, Way, say_last_words
from talkwire_io.local.pcm import WireFormat, resample
from talkwire_io.local.voice import Voice

_log = logging.getLogger(__name__)

# Sound waiting for the detector, in pieces (40 ms each on WebRTC). More means a machine too slow
# for its calls: then the newest is dropped, as a late reaction is worse than a missed word.
_MOST_WAITING = 250


class Conductor:
    """One call. `run()` carries it until `end(reason)`."""

    def __init__(self, service: Service, engine: Engine) -> None:
        self.service = service
        self.reason = ""
        self._engine = engine
        self._outlet: Outlet | None = None
        self._attached: dict[Attachment, Way] = {}
        self._ear = Ear(engine.voice) if isinstance(engine.voice, Voice) else None
        self._sounds: asyncio.Queue[Callable[[], list[Heard]]] = asyncio.Queue()
        self._dropped = 0
        self._deaf = False
        self._spoken: bytes | None = None
        self._unheard: dict[str, asyncio.Event] = {}
        self._replies: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._ended = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._configure()

    async def run(self, outlet: Outlet, *companions: Coroutine[Any, Any, None]) -> None:
        """Carry the call over `outlet`, with the coroutines that read and write for it.

        Ends after `end()`, with every task gone. An exception in a companion ends the call too and
        comes out in an ExceptionGroup; what goes wrong in the voice or the brain does not.
        """
        async with asyncio.TaskGroup() as self._group:
            self._outlet = outlet
            for companion in companions:
                self._start(companion)
            if self._ear is not None:
                self._start(self._listen())
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
        if self._ear is None or self.ended:
            return
        milliseconds = sum(frame.samples * 1000 // frame.sample_rate for frame in frames)
        self._move(self.service.audio_received(duration_ms=milliseconds, now=_now()))
        if self._sounds.qsize() < _MOST_WAITING:
            self._sounds.put_nowait(partial(self._ear.hear_frames, frames))
            return
        self._dropped += 1
        if self._dropped % _MOST_WAITING == 1:
            _log.warning("this machine is too slow to listen: %d pieces dropped", self._dropped)

    async def caught_up(self) -> None:
        """Wait until there is room for more sound: a client may send faster than it is heard."""
        if self._sounds.qsize() >= _MOST_WAITING:
            await self._sounds.join()

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
                self._configure()
            case AudioReceived(audio=audio):
                if self._ear is not None:
                    format = WireFormat(self._input["format"])
                    self._sounds.put_nowait(partial(self._ear.hear_wire, audio, format))
            case InputCleared():
                if self._ear is not None:
                    self._sounds.put_nowait(self._ear.clear)
            case TranscriptionRequested(item_id=item_id):
                self._understand(item_id)
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

    def _configure(self) -> None:
        if self._ear is not None:
            self._ear.configure(self._input["turn_detection"])

    @property
    def _input(self) -> dict[str, Any]:
        found: dict[str, Any] = self.service.session["audio"]["input"]
        return found

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None  # nothing is asked for before the call runs
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Hearing.

    async def _listen(self) -> None:
        """Feed the ear, piece by piece and in order."""
        while True:
            step = await self._sounds.get()
            try:
                for heard in await self._engine.listen(step):
                    self._notice(heard)
            except Exception:
                # A broken detector leaves a call that can still be typed to; one line is enough.
                if not self._deaf:
                    _log.exception("sound cannot be heard in this call")
                self._deaf = True
            finally:
                self._sounds.task_done()

    def _notice(self, heard: Heard) -> None:
        if isinstance(heard, Started):
            assert self._outlet is not None
            played_ms = self._outlet.played_ms
            self._move(
                self.service.speech_started(
                    audio_start_ms=heard.at_ms, played_ms=played_ms, now=_now()
                )
            )
        elif isinstance(heard, Stopped):
            self._spoken = heard.pcm
            self._move(self.service.speech_stopped(audio_end_ms=heard.at_ms, now=_now()))
            self._spoken = None
        else:
            self._start(self._transcribe(heard.item_id, heard.pcm))

    def _understand(self, item_id: str) -> None:
        """Have an item transcribed: the speech that just ended, or what was heard so far."""
        if self._ear is None:
            message = "This service has no voice installed, so it cannot understand speech."
            self._move(self.service.transcription_failed(item_id, message, now=_now()))
            return
        self._unheard[item_id] = asyncio.Event()
        if self._spoken is not None:
            self._start(self._transcribe(item_id, self._spoken))
        else:
            # In its turn: sound that came before the commit may still wait for the ear.
            self._sounds.put_nowait(partial(self._ear.take, item_id))

    async def _transcribe(self, item_id: str, pcm: bytes) -> None:
        try:
            words = await self._engine.work(partial(self._write_down, pcm))
        except Exception:
            _log.exception("speech could not be transcribed")
            message = "The speech could not be transcribed."
            self._move(self.service.transcription_failed(item_id, message, now=_now()))
        else:
            self._move(self.service.transcribed(item_id, words, now=_now()))
        finally:
            self._unheard.pop(item_id).set()

    def _write_down(self, pcm: bytes) -> str:
        assert isinstance(self._engine.voice, Voice)
        ears = self._engine.voice.speech_to_text
        return ears.transcribe(resample(pcm, RATE, ears.sample_rate)).strip() if pcm else ""

    # Answering.

    async def _answer(self, request: ResponseRequested) -> None:
        """Carry out one response; whatever goes wrong becomes a response that failed."""
        assert self._outlet is not None
        response_id = request.response_id
        try:
            # The brain must know what was said, if it can be known at all.
            for unheard in list(self._unheard.values()):
                await unheard.wait()
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
