"""The service's end of one WebRTC call: data channel `oai-events`, a track in and a track out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame

from talkwire_io.local.outlet import Piece
from talkwire_io.local.pcm import resample
from talkwire_io.local.speaker import RATE, Playlist, SpeakerTrack

_log = logging.getLogger(__name__)

CHANNEL = "oai-events"
# Silero looks at 32 ms; two frames of 20 ms are one trip to a worker thread instead of two.
_FRAMES_AT_ONCE = 2
_CLOSE_S = 1.5
# A page that stopped reading its channel; frames are text, so this is minutes of them.
_MAX_BUFFERED = 4 * 1024 * 1024


class OfferError(ValueError):
    """The SDP is no offer that could become a call; the message says why."""


class NoCandidatesError(RuntimeError):
    """This host has no network address that a peer could reach."""


class Peer:
    """An `Outlet` over WebRTC. Callbacks are called on the event loop.

    `on_frame(text)`: a client event came. `on_lost(why)`: the other side is gone.
    `on_drained(response_id)`: a reply was heard to its end.
    """

    def __init__(
        self,
        *,
        on_frame: Callable[[str | bytes], None],
        on_drained: Callable[[str], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self.opened = asyncio.Event()
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._playlist = Playlist(on_drained)
        self._channel: RTCDataChannel | None = None
        self._early: list[str] = []
        self._incoming: MediaStreamTrack | None = None
        self._speaks = False
        # No STUN: the default asks Google's, and a call on this machine or network needs none.
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.on("datachannel", self._datachannel)
        self._pc.on("track", self._track)
        self._pc.on("connectionstatechange", self._state_changed)

    async def answer(self, offer: str) -> str:
        """Take the page's SDP offer and return the answer, its candidates included.

        Raises OfferError for what is no usable offer, and NoCandidatesError on a host with nothing
        but its loopback interface, where no connection could come about.
        """
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
            audio = self._arrange()
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except OfferError:
            raise
        except Exception as error:
            # aiortc's parser has no exception of its own: ValueError, KeyError, AssertionError ….
            raise OfferError(f"The SDP offer cannot be read: {_words(error)}") from error
        answer: str = self._pc.localDescription.sdp
        if "a=candidate:" not in answer:
            raise NoCandidatesError(
                "This host has no network interface but loopback, so WebRTC cannot connect here. "
                "Connect it to a network, or use the websocket."
            )
        self._speaks = "send" in (audio.currentDirection or "")
        return answer

    def _arrange(self) -> RTCRtpTransceiver:
        """One audio line each way and the data channel; every other line is declined."""
        audio = [each for each in self._pc.getTransceivers() if each.kind == "audio"]
        if not audio:
            raise OfferError("The SDP offer has no audio line; add an audio transceiver.")
        if self._pc.sctp is None:
            raise OfferError(f"The SDP offer has no data channel; create {CHANNEL!r} first.")
        for other in self._pc.getTransceivers():
            if other is not audio[0]:
                # A track that nobody reads would be decoded and kept for the whole call.
                other.direction = "inactive"
        self._pc.addTrack(SpeakerTrack(self._playlist))
        return audio[0]

    async def listen(self, on_sound: Callable[[list[AudioFrame]], None]) -> None:
        """Pass on the caller's audio, some frames at a time, until the track ends."""
        waiting: list[AudioFrame] = []
        track: Any = self._incoming  # aiortc's frames and packets are not wholly typed
        while track is not None:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, AudioFrame):
                waiting.append(frame)
            if len(waiting) >= _FRAMES_AT_ONCE:
                on_sound(waiting)
                waiting = []

    async def close(self) -> None:
        """Close the connection and whatever belongs to it."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._pc.close()
        except TimeoutError:
            _log.warning("a peer connection took more than %s s to close", _CLOSE_S)

    # What the conductor asks of an outlet.

    @property
    def speaks(self) -> bool:
        """Whether the page asked to receive audio."""
        return self._speaks

    @property
    def played_ms(self) -> int | None:
        """How much of the response now playing has left; None in silence."""
        return self._playlist.played_ms

    def send(self, frame: str) -> None:
        """Put a frame on the data channel, when it is open; nothing happens when it was closed."""
        channel = self._channel
        if channel is None:
            self._early.append(frame)
            return
        if channel.readyState != "open":
            return
        if channel.bufferedAmount > _MAX_BUFFERED:
            self._on_lost("the page stopped reading its data channel")
            return
        try:
            channel.send(frame)
        except ValueError:
            # More than its SDP said it takes (§3.10): the page goes without, a sideband has it.
            _log.warning("a frame of %d characters is too large for the page", len(frame))

    async def sent(self) -> None:
        """Wait until the data channel has nothing left to send."""
        channel, empty = self._channel, asyncio.Event()
        if channel is not None and channel.readyState == "open" and channel.bufferedAmount:
            channel.on("bufferedamountlow", empty.set)
            await empty.wait()

    def cut(self, pcm: bytes, rate: int) -> list[Piece]:
        """Bring a sound to the track's 48 kHz."""
        sound = resample(pcm, rate, RATE)
        return [Piece(duration_ms=len(sound) * 1000 // (2 * RATE), pcm=sound)] if sound else []

    async def room(self) -> None:
        """Wait until the track has nearly played what it has."""
        await self._playlist.room()

    def play(self, response_id: str, piece: Piece) -> None:
        """Play after what waits already."""
        self._playlist.play(response_id, piece.pcm)

    def finish(self, response_id: str) -> None:
        """Report the end of this response when all of it was played."""
        self._playlist.finish(response_id)

    def clear(self, response_id: str) -> None:
        """Fall silent within one frame (20 ms)."""
        self._playlist.clear(response_id)

    # What aiortc reports.

    def _datachannel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL or self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._on_frame)
        channel.on("close", self._channel_closed)
        for frame in self._early:
            self.send(frame)
        self._early.clear()
        self.opened.set()

    def _channel_closed(self) -> None:
        self._on_lost("the data channel was closed")

    def _track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._incoming is None:
            self._incoming = track

    def _state_changed(self) -> None:
        if self._pc.connectionState in ("failed", "closed"):
            self._on_lost(f"the connection is {self._pc.connectionState}")


def _words(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]
