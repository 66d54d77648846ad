"""The calls that are going on: how each begins, ends and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Generator, Iterator
from typing import Any, Literal

import attrs

from talkwire.realtime.beta import Dialect
from talkwire.realtime.kind import Kind
from talkwire.realtime.service import Service
from talkwire_io.local.conductor import Conductor
from talkwire_io.local.engine import STEP_S, Engine
from talkwire_io.local.sideband import attend
from talkwire_io.local.voice import Brain, MissingVoice, Voice
from talkwire_io.local.webrtc import Peer
from talkwire_io.local.websocket import Line, Receive, Send

_log = logging.getLogger(__name__)

_ANSWER_S = 10.0
_CLOSE_S = 5.0
GOING_AWAY = 1001
"""The close code of a call that was ended from here."""
_SHUTTING_DOWN = "the service is shutting down"
_WEBRTC, _WEBSOCKET = "rtc", "ws"
_PLANES: dict[str, Literal["webrtc", "websocket"]] = {_WEBRTC: "webrtc", _WEBSOCKET: "websocket"}


class FullError(RuntimeError):
    """No call can be added now: there are `max_calls` already, or the service is closing."""


class UnknownCallError(LookupError):
    """There is no such call, or it is over."""


@attrs.define
class _Call:
    conductor: Conductor
    tasks: set[asyncio.Task[Any]] = attrs.field(factory=set[asyncio.Task[Any]])
    """Those that carry it, and those of its second controllers."""


class Calls:
    """All calls of one local service, over WebRTC and over websockets. Belongs to one event loop.

    `max_calls` bounds them. In seconds: `channel_s` is how long a page may take to open its data
    channel, `session_s` the longest a call may last, and `step_s` the longest that one step of the
    voice or the brain may take before it counts as failed.
    """

    def __init__(
        self,
        voice: Voice | MissingVoice,
        brain: Brain,
        *,
        max_calls: int = 16,
        channel_s: float = 30.0,
        session_s: float = 3600.0,
        step_s: float = STEP_S,
    ) -> None:
        self._engine = Engine(voice, brain, step_s=step_s)
        self._max_calls = max_calls
        self._channel_s = channel_s
        self._session_s = session_s
        self._calls: dict[str, _Call] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def voice(self) -> Voice | MissingVoice:
        """The voice of all calls."""
        return self._engine.voice

    @property
    def full(self) -> bool:
        """Whether no call can be added now."""
        return self._closed or len(self._calls) >= self._max_calls

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._calls))

    def __contains__(self, call_id: object) -> bool:
        return call_id in self._calls

    async def open(
        self, offer: str, session: dict[str, Any], *, dialect: Dialect = Dialect.GA
    ) -> tuple[str, str]:
        """Answer a page's SDP offer with the settings `session`; return (call id, SDP answer).

        What kind of session it is, its `type` says. The call runs from now on: `attend` to it
        before the page has the answer, if you like.
        Raises FullError, `webrtc.OfferError`, `webrtc.NoCandidatesError`, and TimeoutError when
        the answer could not be made within 10 s.
        """
        call_id, call = self._add(_WEBRTC, session, dialect=dialect)
        conductor = call.conductor
        peer = Peer(on_frame=conductor.receive, on_drained=conductor.drained, on_lost=conductor.end)
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await peer.answer(offer)
        except BaseException:
            del self._calls[call_id]
            await peer.close()
            raise
        call.tasks.add(asyncio.create_task(self._carry(call_id, conductor, peer)))
        return call_id, answer

    async def converse(
        self,
        session: dict[str, Any],
        receive: Receive,
        send: Send,
        *,
        dialect: Dialect | None = Dialect.GA,
    ) -> int:
        """Carry a call over a websocket until it is over; return the code to close it with.

        `receive` and `send` are its two halves; `dialect` None says that the client asked for the
        beta, which is refused (§2.3).
        Raises FullError, and what they raise, in an ExceptionGroup; cancel it when the websocket
        is gone.
        """
        call_id, call = self._add(_WEBSOCKET, session, dialect=dialect)
        conductor = call.conductor
        line = Line(conductor)
        with _present(call):
            try:
                await conductor.run(line, line.read(receive), line.write(send))
            finally:
                self._remove(call_id)
        return conductor.service.close_code or GOING_AWAY

    def check(self, call_id: str) -> None:
        """Raise UnknownCallError unless this is a WebRTC call that is going on."""
        call = self._calls.get(call_id)
        if call is None or call.conductor.ended or not call_id.startswith(f"{_WEBRTC}_"):
            raise UnknownCallError(call_id)

    async def attend(self, call_id: str, receive: Receive, send: Send) -> int:
        """Carry a second controller of a WebRTC call, as `converse` does its only one (§3.1).

        Its end is not the call's. Raises UnknownCallError.
        """
        self.check(call_id)
        call = self._calls[call_id]
        with _present(call):
            return await attend(call.conductor, receive, send)

    def hangup(self, call_id: str, reason: str = "hung up") -> bool:
        """End a call; return whether there was one. `ended` tells when it is gone."""
        call = self._calls.get(call_id)
        if call is not None:
            call.conductor.end(reason)
        return call is not None

    async def ended(self, call_id: str) -> None:
        """Wait until this call is gone: its connection closed, its tasks done."""
        call = self._calls.get(call_id)
        if call is not None and call.tasks:
            await asyncio.wait(call.tasks)

    async def close(self) -> None:
        """End every call, take no more, and return when they are gone (at most 5 s)."""
        self._closed = True
        calls = list(self._calls.values())
        for call in calls:
            call.conductor.end(_SHUTTING_DOWN)
        tasks = [task for call in calls for task in call.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_S)
        self._engine.close()

    def _add(
        self,
        way: str,
        session: dict[str, Any],
        *,
        dialect: Dialect | None,
    ) -> tuple[str, _Call]:
        if self.full:
            words = _SHUTTING_DOWN if self._closed else f"all {self._max_calls} lines are busy"
            raise FullError(f"No call can be taken: {words}.")
        service = Service(
            now=asyncio.get_running_loop().time(),
            session=session,
            kind=session.get("type", Kind.REALTIME),
            plane=_PLANES[way],
            ids=_new_id,
            expires_at=int(time.time() + self._session_s),
            expires_in=self._session_s,
            dialect=dialect or Dialect.GA,
            beta=dialect is None,
        )
        call_id = _new_id(way)
        call = self._calls[call_id] = _Call(Conductor(service, self._engine))
        return call_id, call

    async def _carry(self, call_id: str, conductor: Conductor, peer: Peer) -> None:
        """One WebRTC call from its answer to its end."""
        companions = peer.listen(conductor.hear), self._expect_channel(conductor, peer)
        try:
            await conductor.run(peer, *companions)
        except Exception:
            _log.exception("call %s broke", call_id)
        finally:
            await peer.close()
            self._remove(call_id)

    async def _expect_channel(self, conductor: Conductor, peer: Peer) -> None:
        try:
            async with asyncio.timeout(self._channel_s):
                await peer.opened.wait()
        except TimeoutError:
            conductor.end(f"no data channel within {self._channel_s:g} s")

    def _remove(self, call_id: str) -> None:
        call = self._calls.pop(call_id)
        _log.info("call %s ended: %s", call_id, call.conductor.reason or "broken off")


@contextlib.contextmanager
def _present(call: _Call) -> Generator[None]:
    """Count the task that runs this among the call's."""
    task = asyncio.current_task()
    assert task is not None
    call.tasks.add(task)
    try:
        yield
    finally:
        call.tasks.discard(task)


def _new_id(prefix: str) -> str:
    # 32 characters is the longest id that the API takes (protocol: items and calls).
    return f"{prefix}_{secrets.token_hex(8)}"
