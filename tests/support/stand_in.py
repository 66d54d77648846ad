"""A backend and a Realtime service to hold the page against: it says what a test tells it to say.

Not a second implementation of the rules. The wire is real (Quart, hypercorn, aiortc); what goes
over it is scripted, so that a test can also send what no healthy server would.
"""

from __future__ import annotations

import asyncio
import fractions
import json
import math
import queue
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request, send_from_directory, websocket

from talkwire_io.browser import static_path

RATE = 48_000
BLOCK = 960  # 20 ms
WAIT = 10.0  # seconds until a test that hears nothing fails
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
BARE_PAGE = """<!doctype html><title>bare</title><script type="module" src="/bare.js"></script>"""
BARE_SCRIPT = """import * as talkwire from "/talkwire.js"; globalThis.talkwire = talkwire;"""

Frame = dict[str, Any]


class Voice(MediaStreamTrack):
    """A tone while ``audible``, silence otherwise, at the pace of the clock."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.audible = False
        self._count = 0
        self._start: float | None = None

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        clock = asyncio.get_running_loop().time
        self._start = clock() if self._start is None else self._start
        await asyncio.sleep(max(0.0, self._start + self._count / RATE - clock()))
        frame = AudioFrame(format="s16", layout="mono", samples=BLOCK)
        frame.planes[0].update(self._block())
        frame.pts, frame.sample_rate = self._count, RATE
        frame.time_base = fractions.Fraction(1, RATE)
        self._count += BLOCK
        return frame

    def _block(self) -> bytes:
        if not self.audible:
            return bytes(2 * BLOCK)
        times = (n / RATE for n in range(self._count, self._count + BLOCK))
        swell = (0.6 + 0.4 * math.sin(2 * math.pi * 3 * self._count / RATE)) * 9000
        return struct.pack(
            f"<{BLOCK}h", *(int(swell * math.sin(2 * math.pi * 220 * t)) for t in times)
        )


class StandIn:
    """Serve a page, the hop at ``/talk`` and ``/v1/realtime/calls``; everything else is the test's.

    Change ``init``, ``status`` and the faults before the page connects. ``say`` speaks for the
    service, ``tell`` for the backend; ``events`` is what the service got, ``messages`` the backend.
    """

    def __init__(self, page: Path | None = None) -> None:
        self.page = page
        self.init: Frame = {
            "version": 1,
            "call": {"url": "/v1/realtime/calls", "key": "ek_stand_in"},
            "commands": [{"type": "session.update", "session": {"type": "realtime"}}],
            "subscribe": None,
            "limits": {"max_frame_bytes": 65_536},
        }
        self.status: Frame = {
            "service": "local",
            "brain": None,
            "voice": {"ok": True, "message": None},
            "tools": [],
            "try": [],
        }
        self.refusal: tuple[int, str, str] | None = None  # status, content type, body
        self.rewrite: Callable[[str], str] = lambda sdp: sdp
        self.on_hello: list[str] | None = None  # raw messages instead of talkwire.init
        self.on_event: Callable[[Frame], Coroutine[Any, Any, None]] | None = None
        self.on_message: Callable[[Frame], Coroutine[Any, Any, None]] | None = None
        self.messages: queue.Queue[str] = queue.Queue()
        self.events: queue.Queue[Frame] = queue.Queue()
        self.requests: queue.Queue[tuple[dict[str, str], str]] = queue.Queue()
        self.loud = threading.Event()
        self.peer_closed = threading.Event()
        self.voice = Voice()
        self.url = ""
        self._app = self._routes()
        self._ready = threading.Event()
        self._channel: RTCDataChannel | None = None
        self._peer: RTCPeerConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    # -- for the test

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(WAIT)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def say(self, *frames: Frame | str | bytes) -> None:
        """Send frames from the service, in this order; a text or bytes goes as it is."""
        self.run(self.emit(frames))

    def tell(self, message: str) -> None:
        """Send one message from the backend, as it is."""
        self.run(self.outbox.put(message))

    def hang_up(self) -> None:
        """The service closes its side of the call."""
        assert self._peer
        self.run(self._peer.close())

    def leave(self) -> None:
        """The backend drops the websocket without a word."""
        self.run(self.outbox.put(None))

    def freeze(self, seconds: float) -> None:
        """Everything stands still, but nothing is gone."""
        self._loop.call_soon_threadsafe(time.sleep, seconds)

    def stop(self) -> None:
        """Server and all are gone."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(WAIT)

    def control(self) -> Frame:
        """The next control frame from the page."""
        while True:
            for line in self.messages.get(timeout=WAIT).split("\n"):
                frame: Frame = json.loads(line)
                if frame["type"].startswith("talkwire."):
                    return frame

    # -- the wire

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside everything else, on the server's loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def emit(self, frames: tuple[Frame | str | bytes, ...]) -> None:
        assert self._channel
        for frame in frames:
            self._channel.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self.outbox: asyncio.Queue[str | None] = asyncio.Queue()
        config = Config()
        config.bind = ["127.0.0.1:0"]
        config.graceful_timeout = 0.2
        config.accesslog = config.errorlog = None
        sockets = config.create_sockets()
        listening = sockets.insecure_sockets[0]
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config.create_sockets = lambda: sockets  # type: ignore[method-assign]
        self._app.before_serving(self._announce)
        await serve(self._app, config, shutdown_trigger=self._stopping.wait)
        for task in list(self._tasks):
            task.cancel()
        if self._peer:
            await self._peer.close()

    async def _announce(self) -> None:
        self._ready.set()

    def _routes(self) -> Quart:
        app = Quart("stand_in")

        @app.get("/")
        async def index() -> Response:
            if self.page is None:
                return Response(BARE_PAGE, content_type="text/html")
            return await send_from_directory(self.page, "index.html")

        @app.get("/bare.js")
        async def bare() -> Response:
            return Response(BARE_SCRIPT, content_type="text/javascript")

        @app.get("/page/<path:name>")
        async def page_file(name: str) -> Response:
            assert self.page
            return await send_from_directory(self.page, name)

        @app.get("/talkwire.js")
        async def module() -> Response:
            return await send_from_directory(static_path(), "talkwire.js")

        @app.get("/demo/status")
        async def status() -> Frame:
            return self.status

        @app.after_request
        async def strict(response: Response) -> Response:
            response.headers["Content-Security-Policy"] = POLICY
            response.headers["Permissions-Policy"] = "microphone=(self)"
            return response

        app.add_url_rule("/v1/realtime/calls", view_func=self._call, methods=["POST"])
        app.add_websocket("/talk", view_func=self._hop)
        return app

    async def _hop(self) -> None:
        self.messages.put(str(await websocket.receive()))
        init = [json.dumps({"type": "talkwire.init", **self.init})]
        for first in init if self.on_hello is None else self.on_hello:
            await websocket.send(first)
        listening = asyncio.ensure_future(self._listen())
        try:
            while (message := await self.outbox.get()) is not None:
                await websocket.send(message)
        finally:
            listening.cancel()

    async def _listen(self) -> None:
        while True:
            message = str(await websocket.receive())
            self.messages.put(message)
            if message.startswith('{"type":"talkwire.offer"'):
                answer = await self._answer(json.loads(message)["sdp"])
                told = {"type": "talkwire.answer", "sdp": answer, "call_id": "rtc_stand_in"}
                await websocket.send(json.dumps(told))
            if self.on_message:
                for line in message.split("\n"):
                    await self.on_message(json.loads(line))

    async def _call(self) -> Response:
        offer = str(await request.get_data(as_text=True))
        self.requests.put((dict(request.headers), offer))
        if self.refusal:
            status, kind, body = self.refusal
            return Response(body, status, content_type=kind)
        headers = {"Location": "/v1/realtime/calls/rtc_stand_in"}
        answer = await self._answer(offer)
        return Response(answer, 201, headers=headers, content_type="application/sdp")

    async def _answer(self, offer: str) -> str:
        peer = self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTrack(self.voice)
        peer.on("datachannel", self._open)
        peer.on("track", lambda track: self.spawn(self._hear(track)))
        peer.on("connectionstatechange", self._watch)
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return self.rewrite(peer.localDescription.sdp)

    def _watch(self) -> None:
        if self._peer and self._peer.connectionState in ("closed", "failed"):
            self.peer_closed.set()

    def _open(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        channel.on("message", lambda text: self.spawn(self._take(json.loads(text))))
        channel.send(json.dumps({"type": "session.created", "session": {"type": "realtime"}}))

    async def _take(self, event: Frame) -> None:
        self.events.put(event)
        if event["type"] == "session.update":
            await self.emit(({"type": "session.updated", "session": event["session"]},))
        if self.on_event:
            await self.on_event(event)

    async def _hear(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                samples = memoryview(bytes(frame.planes[0])).cast("h")
                if max(samples, default=0) > 1000:
                    self.loud.set()
        except MediaStreamError:
            return
