"""The other end of the wire: what OpenAI's Realtime service does, without ears, model or voice.

It validates what a client says, keeps the conversation, lets one response at a time write to it
and answers with the same frames and errors; an *engine* (VAD, STT, model, TTS), driven by whoever
drives this class, supplies the content. The rules are `protocol.md` §3 and the tables of
`state.py`; which file holds what:

    service_commands   the client's eleven events     service_checks     how they are read
    service_floor      the gate, playing, cancelling  service_settings   the configuration
    service_response   one response, frame by frame   service_items      items clients create
    service_input      the user's audio and turns     service_conversation
"""

from collections.abc import Callable
from typing import Literal

from ..errors import LocalProtocolError
from .commands import JsonObject
from .engine import EngineRequest
from .limits import MAX_EVENT_ID
from .service_checks import RefusedError, text_up_to
from .service_commands import HANDLERS, open_books
from .service_items import TICKS_PER_MS
from .service_outbox import Counter
from .service_response import Message, Response
from .wire import InvalidCommand, decode_command

Plane = Literal["websocket", "webrtc"]

_PLAYS: dict[str, bool] = {"websocket": False, "webrtc": True}
_check_event_id = text_up_to(MAX_EVENT_ID)


class Service:
    """The service's side of one realtime session.

    **After every input, drain:** take `next_frame()` until it is None and carry out the requests
    that the input returned. Times are in ms of the session's audio; `now` is in seconds of any
    monotonic clock. What a client sends never raises. A move of the engine's about a response
    that is not running any more is ignored; one that is not legal otherwise raises
    `LocalProtocolError` and changes nothing. Objects that are handed out are not to be changed.
    """

    def __init__(
        self,
        *,
        now: float,
        session: JsonObject | None = None,
        plane: Plane = "websocket",
        ids: Callable[[str], str] | None = None,
        expires_at: int = 0,
    ) -> None:
        """Open a session and queue its `session.created`.

        `session` holds settings over OpenAI's measured defaults; `plane` "webrtc" says that the
        driver plays the audio; `ids("item")` makes a unique id; `expires_at` is in unix seconds.
        Raises LocalProtocolError for settings that `session.update` would refuse.
        """
        if plane not in _PLAYS:
            raise LocalProtocolError(f"Service(plane={plane!r}) is not one of {list(_PLAYS)}")
        try:
            self._books = open_books(
                plays=_PLAYS[plane],
                settings=session or {},
                ids=ids or Counter(),
                expires_at=expires_at,
            )
        except RefusedError as refusal:
            raise LocalProtocolError(f"Service(session=...): {refusal.message}") from None
        self._running = self._books.floor.running
        self._closed = False

    @property
    def session(self) -> JsonObject:
        """The effective configuration, as the wire shows it."""
        return self._books.session

    @property
    def closed(self) -> bool:
        """Whether the client is gone."""
        return self._closed

    @property
    def active_response(self) -> str | None:
        """The id of the response that writes to the default conversation."""
        return self._books.floor.active

    @property
    def items(self) -> tuple[JsonObject, ...]:
        """The default conversation, in order, with the words of the user where they are known."""
        return self._books.conversation.items

    def next_frame(self) -> str | None:
        """The next server event as JSON text, or None when there is none."""
        frames = self._books.outbox.frames
        return frames.popleft() if frames else None

    # The client

    def receive(
        self, frame: str | bytes, *, now: float, played_ms: int | None = None
    ) -> list[EngineRequest]:
        """Take a client event; one that is refused is answered by an `error` frame.

        `played_ms`: how much of the response now playing was heard (webrtc), as in
        `speech_started`; an `output_audio_buffer.clear` truncates there.
        """
        if self._closed:
            return []
        command = decode_command(frame)
        event_id = command.event_id if isinstance(command.event_id, str) else None
        self._books.floor.heard_ms = played_ms
        try:
            if isinstance(command, InvalidCommand):
                raise RefusedError(command.code, command.message, command.param)
            _check_event_id(event_id or "", "event_id")
            return HANDLERS[command.type](self._books, command)
        except RefusedError as refusal:
            self._books.outbox.refuse(refusal, event_id)
            return []

    def receive_close(self, *, now: float) -> list[EngineRequest]:
        """The client is gone: everything stops and every later input is ignored."""
        self._closed = True
        self._books.input.close()
        return self._books.floor.close()

    # The engine: what the user does

    def speech_started(
        self, *, audio_start_ms: int, played_ms: int | None = None, now: float
    ) -> list[EngineRequest]:
        """The user began to speak, over the assistant perhaps (§3.6).

        `played_ms`: how much of the response now playing was heard (webrtc); None when not known.
        Ignored when turn detection is off. Raises LocalProtocolError when the user speaks already.
        """
        detection = self._books.session["audio"]["input"]["turn_detection"]
        if self._closed or detection is None:
            return []
        if self._books.input.speech is not None:
            raise LocalProtocolError("speech_started is not legal while the user speaks already")
        self._books.input.start(self._books.fresh("item"), audio_start_ms)
        self._books.floor.heard_ms = played_ms
        return self._books.floor.interrupt() if detection["interrupt_response"] else []

    def speech_stopped(self, *, audio_end_ms: int, now: float) -> list[EngineRequest]:
        """The user stopped: the turn is committed and, if so configured, answered.

        Ignored when the client cleared the buffer or turned detection off meanwhile.
        """
        speech = self._books.input.speech
        if speech is None:
            return []
        requests = self._books.input.stop(speech, audio_end_ms)
        if self._books.session["audio"]["input"]["turn_detection"]["create_response"]:
            requests += self._books.floor.answer_turn(self._books.session)
        return requests

    def audio_received(self, *, duration_ms: int, now: float) -> list[EngineRequest]:
        """Audio of the user came in beside the wire (webrtc): it counts for a client's commit."""
        self._books.input.add(duration_ms * TICKS_PER_MS)
        return []

    def transcribed(self, item_id: str, transcript: str, *, now: float) -> list[EngineRequest]:
        """What was said in a committed item; the client hears of it if it asked for that."""
        self._books.input.transcribed(item_id, transcript, tell=self._tells_transcripts)
        return []

    def transcription_failed(
        self, item_id: str, message: str, *, now: float
    ) -> list[EngineRequest]:
        """What was said in a committed item cannot be known."""
        self._books.input.not_transcribed(item_id, message, tell=self._tells_transcripts)
        return []

    @property
    def _tells_transcripts(self) -> bool:
        return self._books.session["audio"]["input"]["transcription"] is not None

    # The engine: what the model says

    def message_started(
        self, response_id: str, *, modality: Literal["audio", "text"], now: float
    ) -> list[EngineRequest]:
        """The model begins a message, spoken or written.

        Raises LocalProtocolError when one is open, or for speech in a response of text only.
        """
        response = self._running.get(response_id)
        if response is None:
            return []
        if response.message is not None:
            raise LocalProtocolError(f"message_started is not legal: {response_id} has one open")
        if modality == "audio" and not response.speaks:
            raise LocalProtocolError(f"message_started: {response_id} is of text only")
        response.start_message(self._books.fresh("item"), modality)
        return []

    def _open(self, call: str, response_id: str) -> tuple[Response, Message] | None:
        response = self._running.get(response_id)
        if response is None:
            return None
        if response.message is None:
            raise LocalProtocolError(f"{call} is not legal: {response_id} has no message open")
        return response, response.message

    def text(self, response_id: str, delta: str, *, now: float) -> list[EngineRequest]:
        """More of a written message, or of the transcript of a spoken one.

        Raises LocalProtocolError when no message is open.
        """
        if found := self._open("text", response_id):
            response, message = found
            response.say_words(message, delta)
        return []

    def audio(
        self, response_id: str, audio: str, duration_ms: int, *, now: float
    ) -> list[EngineRequest]:
        """More of a spoken message: base64 in the output format, and how long it lasts (ms).

        On webrtc only the duration matters: the driver plays. Raises LocalProtocolError when no
        message is open, when it is a written one, or for a negative duration.
        """
        if found := self._open("audio", response_id):
            response, message = found
            if not message.modality.speaks or duration_ms < 0:
                kind = f"{duration_ms} ms into a {message.modality.part} message"
                raise LocalProtocolError(f"audio is not legal: {kind} of {response_id}")
            self._books.floor.say_audio(response, message, audio, duration_ms)
        return []

    def message_done(self, response_id: str, *, now: float) -> list[EngineRequest]:
        """The open message is whole. Raises LocalProtocolError when no message is open."""
        if found := self._open("message_done", response_id):
            response, message = found
            response.finish_message(message, "completed")
        return []

    def function_call(
        self, response_id: str, name: str, arguments: str, *, now: float
    ) -> list[EngineRequest]:
        """The model calls a function; `arguments` is JSON text. A message may be open beside it."""
        if response := self._running.get(response_id):
            fresh = self._books.fresh
            response.call(fresh("item"), fresh("call"), name, arguments)
        return []

    def response_done(
        self, response_id: str, *, usage: JsonObject | None = None, now: float
    ) -> list[EngineRequest]:
        """The response is complete. Raises LocalProtocolError while a message is open."""
        if response := self._running.get(response_id):
            if response.message is not None:
                raise LocalProtocolError(f"response_done: {response_id} has a message open")
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
        if response := self._running.get(response_id):
            details = {"type": "incomplete", "reason": reason}
            self._books.floor.finish(response, "incomplete", details, usage)
        return []

    def response_failed(
        self, response_id: str, *, code: str, message: str, now: float
    ) -> list[EngineRequest]:
        """The response failed; a message that is open stays incomplete."""
        if response := self._running.get(response_id):
            error = {"type": "server_error", "code": code, "message": message}
            self._books.floor.finish(response, "failed", {"type": "failed", "error": error})
        return []

    def playback_stopped(self, response_id: str, *, now: float) -> list[EngineRequest]:
        """A response was played to its end (webrtc).

        Raises LocalProtocolError while the response is still being made.
        """
        if self._running.get(response_id) is not None:
            raise LocalProtocolError(f"playback_stopped is not legal: {response_id} is running")
        self._books.floor.played(response_id)
        return []
