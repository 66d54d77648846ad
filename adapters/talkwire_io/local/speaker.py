"""What a call's caller hears: replies one after the other, silence in between, in real time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from fractions import Fraction

import attrs
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame

from talkwire_io.local.pcm import frame_of

RATE = 48_000
FRAME_SAMPLES = 960  # 20 ms, what Opus takes
# The next sentence is made while this much is left: more than it takes to make one (20-70 ms), and
# little enough that captions run along with the voice.
LEAD_MS = 500
_BYTES_PER_MS = 2 * RATE // 1000
# Behind by more than this (a busy loop), the clock is set anew: frames sent in a burst to catch up
# would only lengthen the listener's jitter buffer.
_LATE_S = 0.2


@attrs.define
class _Sound:
    response_id: str
    data: bytearray = attrs.field(factory=bytearray)
    played: int = 0
    finished: bool = False


class Playlist:
    """The audio waiting to be played: s16le mono 48 kHz, one response after the other.

    `on_drained(response_id)` is called when a finished response was played to its end.
    """

    def __init__(self, on_drained: Callable[[str], None]) -> None:
        self._on_drained = on_drained
        self._sounds: deque[_Sound] = deque()
        self._room = asyncio.Event()

    def play(self, response_id: str, pcm: bytes) -> None:
        """Add audio to a response."""
        sound = self._find(response_id)
        if sound is None:
            sound = _Sound(response_id)
            self._sounds.append(sound)
        sound.data += pcm

    def finish(self, response_id: str) -> None:
        """Say that no more comes for this response; nothing happens if it never had any."""
        sound = self._find(response_id)
        if sound is not None:
            sound.finished = True
            self._drop_drained()

    def clear(self, response_id: str) -> None:
        """Throw away what was not played; it will not be reported as drained."""
        sound = self._find(response_id)
        if sound is not None:
            self._sounds.remove(sound)
            self._make_room()

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes, padded with silence."""
        taken = bytearray()
        while self._sounds and len(taken) < size:
            sound = self._sounds[0]
            piece = sound.data[sound.played : sound.played + size - len(taken)]
            sound.played += len(piece)
            taken += piece
            # A sound that ran dry but goes on keeps its place: the rest of a sentence comes first.
            if not self._drop_drained():
                break
        self._make_room()
        return bytes(taken.ljust(size, b"\0"))

    @property
    def waiting_ms(self) -> int:
        """Milliseconds of audio not yet played."""
        return sum(len(each.data) - each.played for each in self._sounds) // _BYTES_PER_MS

    @property
    def played_ms(self) -> int | None:
        """How much of the response now playing was played; None in silence."""
        return self._sounds[0].played // _BYTES_PER_MS if self._sounds else None

    async def room(self) -> None:
        """Wait until so little is left to play that the next sentence is due."""
        while self.waiting_ms > LEAD_MS:
            self._room.clear()
            await self._room.wait()

    def _find(self, response_id: str) -> _Sound | None:
        return next((each for each in self._sounds if each.response_id == response_id), None)

    def _drop_drained(self) -> bool:
        """Drop a first sound that is over; return whether it was."""
        if not self._sounds:
            return False
        first = self._sounds[0]
        over = first.finished and first.played >= len(first.data)
        if over:
            self._sounds.popleft()
            self._on_drained(first.response_id)
        return over

    def _make_room(self) -> None:
        if not self._room.is_set() and self.waiting_ms <= LEAD_MS:
            self._room.set()


class SpeakerTrack(MediaStreamTrack):
    """A playlist as an outgoing track: a frame every 20 ms by its own clock, silence included."""

    kind = "audio"

    def __init__(self, playlist: Playlist) -> None:
        super().__init__()
        self._playlist = playlist
        self._samples = 0
        self._start: float | None = None

    async def recv(self) -> AudioFrame:
        """Return the next frame when it is due; raises MediaStreamError once stopped."""
        await self._until_due()
        if self.readyState != "live":
            raise MediaStreamError
        frame = frame_of(self._playlist.take(2 * FRAME_SAMPLES), RATE)
        frame.pts = self._samples
        frame.time_base = Fraction(1, RATE)
        self._samples += FRAME_SAMPLES
        return frame

    async def _until_due(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._start is None:
            self._start = now
        early = self._start + self._samples / RATE - now
        if early > 0:
            await asyncio.sleep(early)
        elif early < -_LATE_S:
            self._start -= early
