"""The way out of a call, as the conductor sees it: frames to send, and a mouth."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

import attrs

_LAST_WORDS_S = 1.0


@attrs.frozen(kw_only=True)
class Piece:
    """A stretch of a reply's sound, ready to leave."""

    duration_ms: int
    pcm: bytes = attrs.field(default=b"", repr=False)
    """What a track plays; empty on a websocket."""
    audio: bytes = attrs.field(default=b"", repr=False)
    """For `output_audio.delta`, in its format; empty on WebRTC: sound travels in the track."""


class Way(Protocol):
    """Where frames leave."""

    def send(self, frame: str) -> None:
        """Queue a frame; nothing happens when the other side is gone."""
        ...

    async def sent(self) -> None:
        """Wait until what was queued has left."""
        ...


async def say_last_words(way: Way) -> None:
    """Let what was said last leave, before the connection is closed: at most 1 s."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_S):
            await way.sent()


class Outlet(Way, Protocol):
    """A data channel with a track, or a websocket that carries both."""

    @property
    def speaks(self) -> bool:
        """Whether the other side can hear anything."""
        ...

    def cut(self, pcm: bytes, rate: int) -> list[Piece]:
        """Make a sound (s16le mono, `rate` Hz) ready to leave. Blocking; in a worker thread."""
        ...

    async def room(self) -> None:
        """Wait until the next sentence is due."""
        ...

    def play(self, response_id: str, piece: Piece) -> None:
        """Add to what this response says."""
        ...

    def finish(self, response_id: str) -> None:
        """Say that this response has no more to play."""
        ...

    def clear(self, response_id: str) -> None:
        """Throw away what was not yet played."""
        ...

    @property
    def played_ms(self) -> int | None:
        """How much of the response now playing was played, where that is known."""
        ...
