"""What one call hears: its sound in order through the ear, what was said through the voice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from av import AudioFrame

from talkwire.realtime.engine import EngineRequest
from talkwire.realtime.service import Service
from talkwire_io.local.ear import RATE, Ear, Heard, Started, Stopped
from talkwire_io.local.engine import Engine
from talkwire_io.local.pcm import WireFormat, resample
from talkwire_io.local.voice import Voice

_log = logging.getLogger(__name__)

# Sound waiting for the detector, in pieces (40 ms each on WebRTC). More means a machine too slow
# for its calls: then the newest is dropped, as a late reaction is worse than a missed word.
_MOST_WAITING = 250


class Hearing:
    """The ears of one call; without a voice it is deaf, and says so where words are asked for.

    `move` takes what each report to the service asked for, `start` begins a task of the call's.
    """

    def __init__(
        self,
        service: Service,
        engine: Engine,
        move: Callable[[Iterable[EngineRequest]], None],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._service = service
        self._engine = engine
        self._move = move
        self._start = start
        self._ear = Ear(engine.voice) if isinstance(engine.voice, Voice) else None
        self._sounds: asyncio.Queue[Callable[[], list[Heard]]] = asyncio.Queue()
        self._dropped = 0
        self._broken = False
        self._spoken: bytes | None = None
        self._unheard: dict[str, asyncio.Event] = {}
        self.configure()

    def configure(self) -> None:
        """Follow the session's settings."""
        if self._ear is not None:
            self._ear.configure(self._input["turn_detection"])

    def hear_frames(self, frames: list[AudioFrame]) -> None:
        """Take sound from an incoming track."""
        if self._ear is None:
            return
        milliseconds = sum(frame.samples * 1000 // frame.sample_rate for frame in frames)
        self._move(self._service.audio_received(duration_ms=milliseconds, now=_now()))
        if self._sounds.qsize() < _MOST_WAITING:
            self._sounds.put_nowait(partial(self._ear.hear_frames, frames))
            return
        self._dropped += 1
        if self._dropped % _MOST_WAITING == 1:
            _log.warning("this machine is too slow to listen: %d pieces dropped", self._dropped)

    def hear_wire(self, audio: bytes) -> None:
        """Take sound as the client appended it."""
        if self._ear is not None:
            format = WireFormat(self._input["format"])
            self._sounds.put_nowait(partial(self._ear.hear_wire, audio, format))

    async def caught_up(self) -> None:
        """Wait until there is room for more sound: a client may send faster than it is heard."""
        if self._sounds.qsize() >= _MOST_WAITING:
            await self._sounds.join()

    def clear(self) -> None:
        """Forget what was heard."""
        if self._ear is not None:
            self._sounds.put_nowait(self._ear.clear)

    async def listen(self, played_ms: Callable[[], int | None]) -> None:
        """Feed the ear, piece by piece and in order; `played_ms()` is what was heard of a reply."""
        while True:
            step = await self._sounds.get()
            try:
                for heard in await self._engine.listen(step):
                    self._notice(heard, played_ms())
            except Exception:
                # A broken detector leaves a call that can still be typed to; one line is enough.
                if not self._broken:
                    _log.exception("sound cannot be heard in this call")
                self._broken = True
            finally:
                self._sounds.task_done()

    def _notice(self, heard: Heard, played_ms: int | None) -> None:
        if isinstance(heard, Started):
            started = self._service.speech_started
            self._move(started(audio_start_ms=heard.at_ms, played_ms=played_ms, now=_now()))
        elif isinstance(heard, Stopped):
            self._spoken = heard.pcm
            self._move(self._service.speech_stopped(audio_end_ms=heard.at_ms, now=_now()))
            self._spoken = None
        else:
            self._start(self._transcribe(heard.item_id, heard.pcm))

    def understand(self, item_id: str) -> None:
        """Have an item transcribed: the speech that just ended, or what was heard so far."""
        if self._ear is None:
            message = "This service has no voice installed, so it cannot understand speech."
            self._move(self._service.transcription_failed(item_id, message, now=_now()))
            return
        self._unheard[item_id] = asyncio.Event()
        if self._spoken is not None:
            self._start(self._transcribe(item_id, self._spoken))
        else:
            # In its turn: sound that came before the commit may still wait for the ear.
            self._sounds.put_nowait(partial(self._ear.take, item_id))

    async def understood(self) -> None:
        """Wait until all that was said so far is transcribed, or cannot be."""
        for unheard in list(self._unheard.values()):
            await unheard.wait()

    async def _transcribe(self, item_id: str, pcm: bytes) -> None:
        try:
            words = await self._engine.work(partial(self._write_down, pcm))
        except Exception:
            _log.exception("speech could not be transcribed")
            message = "The speech could not be transcribed."
            self._move(self._service.transcription_failed(item_id, message, now=_now()))
        else:
            self._move(self._service.transcribed(item_id, words, now=_now()))
        finally:
            self._unheard.pop(item_id).set()

    def _write_down(self, pcm: bytes) -> str:
        assert isinstance(self._engine.voice, Voice)
        ears = self._engine.voice.speech_to_text
        return ears.transcribe(resample(pcm, RATE, ears.sample_rate)).strip() if pcm else ""

    @property
    def _input(self) -> dict[str, Any]:
        found: dict[str, Any] = self._service.session["audio"]["input"]
        return found


def _now() -> float:
    return asyncio.get_running_loop().time()
