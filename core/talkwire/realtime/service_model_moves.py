"""What an engine reports of the model: messages, calls and the end of a response (§3.2).

A move about a response that is not running any more is ignored.
"""

from typing import Literal

from ..errors import LocalProtocolError
from .engine import EngineRequest
from .json_values import JsonObject
from .service_arguments import check, check_choice
from .service_books import Books
from .service_response import Message, Response


class ModelMoves:
    """What the model says, as the engine makes it."""

    _books: Books

    def _response(self, call: str, response_id: str, now: float) -> Response | None:
        check(call, now, words=(response_id,))
        self._books.floor.now = now
        return self._books.floor.running.get(response_id)

    def _open(self, call: str, response_id: str, now: float) -> tuple[Response, Message] | None:
        response = self._response(call, response_id, now)
        if response is None:
            return None
        if response.message is None:
            raise LocalProtocolError(f"{call} is not legal: {response_id} has no message open")
        return response, response.message

    def message_started(
        self, response_id: str, *, modality: Literal["audio", "text"], now: float
    ) -> list[EngineRequest]:
        """The model begins a message, spoken or written.

        Raises LocalProtocolError when one is open, or for speech in a response of text only.
        """
        check_choice("message_started", modality, ("audio", "text"))
        response = self._response("message_started", response_id, now)
        if response is None:
            return []
        if response.message is not None:
            raise LocalProtocolError(f"message_started is not legal: {response_id} has one open")
        if modality == "audio" and not response.speaks:
            raise LocalProtocolError(f"message_started: {response_id} is of text only")
        response.start_message(self._books.conversation.fresh("item"), modality)
        return []

    def text(self, response_id: str, delta: str, *, now: float) -> list[EngineRequest]:
        """More of a written message, or of the transcript of a spoken one.

        Raises LocalProtocolError when no message is open.
        """
        check("text", now, words=(delta,))
        if found := self._open("text", response_id, now):
            response, message = found
            response.say_words(message, delta)
        return []

    def audio(
        self, response_id: str, audio: bytes, duration_ms: int, *, now: float
    ) -> list[EngineRequest]:
        """More of a spoken message: audio in the output format, and how long it lasts (ms).

        On webrtc only the duration matters: the driver plays. Raises LocalProtocolError when no
        message is open, when it is a written one, or for a negative duration.
        """
        check("audio", now, whole=(duration_ms,), sound=audio)
        if found := self._open("audio", response_id, now):
            response, message = found
            if not message.modality.speaks:
                raise LocalProtocolError(f"audio is not legal in the text message of {response_id}")
            self._books.floor.say_audio(response, message, audio, duration_ms)
        return []

    def message_done(self, response_id: str, *, now: float) -> list[EngineRequest]:
        """The open message is whole. Raises LocalProtocolError when no message is open."""
        if found := self._open("message_done", response_id, now):
            response, message = found
            response.finish_message(message, "completed")
        return []

    def function_call(
        self, response_id: str, name: str, arguments: str, *, now: float
    ) -> list[EngineRequest]:
        """The model calls a function; `arguments` is JSON text. A message may be open beside it."""
        check("function_call", now, words=(name, arguments))
        if response := self._response("function_call", response_id, now):
            fresh = self._books.conversation.fresh
            response.call(fresh("item"), fresh("call"), name, arguments)
        return []

    def response_done(
        self, response_id: str, *, usage: JsonObject | None = None, now: float
    ) -> list[EngineRequest]:
        """The response is complete.

        Raises LocalProtocolError while a message is open or a remote tool runs.
        """
        check("response_done", now, fields=usage)
        if response := self._response("response_done", response_id, now):
            if response.message is not None:
                raise LocalProtocolError(f"response_done: {response_id} has a message open")
            if response.mcp_calls:
                raise LocalProtocolError(f"response_done: {response_id} has an MCP call running")
            self._books.floor.finish(response, "completed", usage=usage)
        return []

    def response_incomplete(
        self,
        response_id: str,
        *,
        reason: Literal["max_output_tokens", "content_filter"],
        usage: JsonObject | None = None,
        now: float,
    ) -> list[EngineRequest]:
        """The response was cut short by a limit; a message that is open stays incomplete."""
        check("response_incomplete", now, fields=usage)
        check_choice("response_incomplete", reason, ("max_output_tokens", "content_filter"))
        if response := self._response("response_incomplete", response_id, now):
            details = {"type": "incomplete", "reason": reason}
            self._books.floor.finish(response, "incomplete", details, usage)
        return []

    def response_failed(
        self, response_id: str, *, code: str, message: str, now: float
    ) -> list[EngineRequest]:
        """The response failed; a message that is open stays incomplete."""
        check("response_failed", now, words=(code, message))
        if response := self._response("response_failed", response_id, now):
            error = {"type": "server_error", "code": code, "message": message}
            self._books.floor.finish(response, "failed", {"type": "failed", "error": error})
        return []

    def playback_stopped(self, response_id: str, *, now: float) -> list[EngineRequest]:
        """A response was played to its end (webrtc).

        Raises LocalProtocolError while the response is still being made.
        """
        if self._response("playback_stopped", response_id, now) is not None:
            raise LocalProtocolError(f"playback_stopped is not legal: {response_id} is running")
        self._books.floor.played(response_id)
        return []
