"""The calls that are going on: how each begins, ends and leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal

import attrs

from talkwire.realtime.service import Service
from talkwire_io.local.conductor import Conductor
from talkwire_io.local.engine import STEP_S, Engine
from talkwire_io.local.voice import Brain, MissingVoice, Voice
from talkwire_io.local.webrtc import Peer
from talkwire_io.local.websocket import Line

_log = logging.getLogger(__name__)

_ANSWER_S = 10.0
_CLOSE_S = 5.0
GOING_AWAY = 1001
"""The close code of a call that was ended from here."""
_SHUTTING_DOWN = "the service is shutting down"


class FullError(RuntimeError):
    """No call can be added now: there are `max_calls` already, or the service is closing."""


@attrs.define
class _Call:
    conductor: Conductor
    task: asyncio.Task[Any] | None = None


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
    def full(self) -> bool:
        """Whether no call can be added now."""
        return self._closed or len(self._calls) >= self._max_calls

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._calls))

    def __contains__(self, call_id: object) -> bool:
        return call_id in self._calls

    async def open(self, offer: str, session: dict[str, Any]) -> tuple[str, str]:
        """Answer a page's SDP offer with the settings `session`; return (call id, SDP answer).

        Raises FullError, `webrtc.OfferError`, `webrtc.NoCandidatesError`, and TimeoutError when
        the answer could not be made within 10 s.
        """
        call_id, call = self._add("rtc", session, "webrtc")
        conductor = call.conductor
        peer = Peer(on_frame=conductor.receive, on_drained=conductor.drained, on_lost=conductor.end)
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await peer.answer(offer)
        except BaseException:
            del self._calls[call_id]
            await peer.close()
            raise
        call.task = asyncio.create_task(self._carry(call_id, conductor, peer))
        return call_id, answer

    async def converse(
        self,
        session: dict[str, Any],
        receive: Callable[[], Awaitable[str | bytes]],
        send: Callable[[str], Awaitable[None]],
        *,
        beta: bool = False,
    ) -> int:
        """Carry a call over a websocket until it is over; return the code to close it with.

        `receive` and `send` are its two halves; `beta` says that the client asked for the beta.
        Raises FullError, and what they raise, in an ExceptionGroup; cancel it when the websocket
        is gone.
        """
        call_id, call = self._add("ws", session, "websocket", beta=beta)
        call.task = asyncio.current_task()
        conductor = call.conductor
        line = Line(conductor)
        try:
            await conductor.run(line, line.read(receive), line.write(send))
        finally:
            self._remove(call_id)
        return conductor.service.close_code or GOING_AWAY

    def hangup(self, call_id: str, reason: str = "hung up") -> bool:
        """End a call; return whether there was one. `ended` tells when it is gone."""
        call = self._calls.get(call_id)
        if call is not None:
            call.conductor.end(reason)
        return call is not None

    async def ended(self, call_id: str) -> None:
        """Wait until this call is gone: its connection closed, its tasks done."""
        call = self._calls.get(call_id)
        if call is not None and call.task is not None:
            await asyncio.wait([call.task])

    async def close(self) -> None:
        """End every call, take no more, and return when they are gone (at most 5 s)."""
        self._closed = True
        calls = list(self._calls.values())
        for call in calls:
            call.conductor.end(_SHUTTING_DOWN)
        tasks = [call.task for call in calls if call.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_S)
        self._engine.close()

    def _add(
        self,
        prefix: str,
        session: dict[str, Any],
        plane: Literal["webrtc", "websocket"],
        *,
        beta: bool = False,
    ) -> tuple[str, _Call]:
        if self.full:
            words = _SHUTTING_DOWN if self._closed else f"all {self._max_calls} lines are busy"
            raise FullError(f"No call can be taken: {words}.")
        service = Service(
            now=asyncio.get_running_loop().time(),
            session=session,
            plane=plane,
            ids=_new_id,
            expires_at=int(time.time() + self._session_s),
            expires_in=self._session_s,
            beta=beta,
        )
        call_id = _new_id(prefix)
        call = self._calls[call_id] = _Call(Conductor(service, self._engine))
        return call_id, call

    async def _carry(self, call_id: str, conductor: Conductor, peer: Peer) -> None:
        """One WebRTC call from its answer to its end."""
        try:
            if await self._opened(conductor, peer):
                await conductor.run(peer, peer.listen(conductor.hear))
        except Exception:
            _log.exception("call %s broke", call_id)
        finally:
            await peer.close()
            self._remove(call_id)

    async def _opened(self, conductor: Conductor, peer: Peer) -> bool:
        waits = [
            asyncio.create_task(peer.opened.wait()),
            asyncio.create_task(conductor.wait_ended()),
        ]
        try:
            await asyncio.wait(waits, timeout=self._channel_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not peer.opened.is_set():
            conductor.end(f"no data channel within {self._channel_s:g} s")
        return not conductor.ended

    def _remove(self, call_id: str) -> None:
        call = self._calls.pop(call_id)
        _log.info("call %s ended: %s", call_id, call.conductor.reason or "broken off")


def _new_id(prefix: str) -> str:
    # 32 characters is the longest id that the API takes (protocol: items and calls).
    return f"{prefix}_{secrets.token_hex(8)}"
