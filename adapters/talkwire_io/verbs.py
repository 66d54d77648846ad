"""What a session can be told, as any runtime's `Connection` tells it: the call, then a flush."""

from abc import ABC, abstractmethod

from talkwire import Command, JsonObject, Respond, Session


class Verbs(ABC):
    """The session's calls, awaited until what they queued has been handed to the transport."""

    session: Session

    @abstractmethod
    async def flush(self) -> None:
        """Send what is queued."""

    @abstractmethod
    def _now(self) -> float:
        """The time on the runtime's clock (s)."""

    async def send(self, command: Command) -> str:
        """`Session.send`."""
        event_id = self.session.send(command, now=self._now())
        await self.flush()
        return event_id

    async def send_text(self, text: str, *, role: str = "user", respond: bool = True) -> str:
        """`Session.send_text`."""
        event_id = self.session.send_text(text, role=role, respond=respond, now=self._now())
        await self.flush()
        return event_id

    async def send_function_result(
        self, call_id: str, output: str, *, respond: Respond | bool = True
    ) -> str:
        """`Session.send_function_result`."""
        event_id = self.session.send_function_result(
            call_id, output, respond=respond, now=self._now()
        )
        await self.flush()
        return event_id

    async def send_audio(self, audio: bytes) -> None:
        """`Session.send_audio`."""
        self.session.send_audio(audio, now=self._now())
        await self.flush()

    async def truncate_audio(
        self, item_id: str, audio_end_ms: float, *, content_index: int = 0
    ) -> str:
        """`Session.truncate_audio`."""
        event_id = self.session.truncate_audio(
            item_id, audio_end_ms, content_index=content_index, now=self._now()
        )
        await self.flush()
        return event_id

    async def report_playback(
        self, item_id: str, played_ms: float, *, content_index: int = 0
    ) -> None:
        """`Session.report_playback`. On the direct plane nothing is cut without such reports."""
        self.session.report_playback(
            item_id, played_ms, content_index=content_index, now=self._now()
        )
        await self.flush()

    async def session_update(self, patch: JsonObject) -> str:
        """`Session.session_update`."""
        event_id = self.session.session_update(patch, now=self._now())
        await self.flush()
        return event_id

    async def send_mcp_approval(
        self, approval_request_id: str, approve: bool, reason: str | None = None
    ) -> str:
        """`Session.send_mcp_approval`."""
        event_id = self.session.send_mcp_approval(
            approval_request_id, approve, reason, now=self._now()
        )
        await self.flush()
        return event_id

    async def cancel(self) -> str | None:
        """`Session.cancel`."""
        event_id = self.session.cancel(now=self._now())
        await self.flush()
        return event_id
