"""The other end of the wire: what OpenAI's Realtime service does, without ears, model or voice.

It validates what a client says, keeps the conversation, lets one response at a time write to it
and answers with the same frames and errors; an *engine* (VAD, STT, model, TTS), driven by whoever
drives this class, supplies the content. The rules are `protocol.md` §3 and the tables of
`state.py`; which file holds what:

    service_commands   the client's events            service_checks     how they are read
    service_floor      the gate, playing, cancelling  service_schema     what may be asked for
    service_response   one response, frame by frame   service_settings   the configuration
    service_input      the user's audio and turns     service_items      items clients create
    service_mcp        remote tools                   service_conversation
    service_context    what the model sees            service_limits     rate limits
    service_translation                               service_outbox     frames, and who hears them
    service_beta       the old dialect
    service_*_moves    what an engine reports
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from ..errors import LocalProtocolError
from .beta import SWITCHED_OFF, Dialect
from .engine import EngineRequest
from .json_values import JsonObject
from .kind import VOCABULARIES, Kind
from .limits import MAX_EVENT_ID, SESSION_SECONDS
from .service_arguments import check, check_choice, optional
from .service_books import open_books
from .service_checks import RefusedError, text_up_to
from .service_commands import HANDLERS
from .service_mcp_moves import McpMoves
from .service_model_moves import ModelMoves
from .service_outbox import Attachment, CounterByKind, Outbox
from .service_translation_moves import TranslationMoves
from .service_user_moves import UserMoves
from .service_wire import InvalidCommand, command_table, decode_command

Plane = Literal["websocket", "webrtc"]
KindName = Literal["realtime", "transcription", "translation"]

_PLAYS: dict[str, bool] = {"websocket": False, "webrtc": True}
_COMMANDS = {kind: command_table(known.commands) for kind, known in VOCABULARIES.items()}
_KINDS: tuple[Any, ...] = (*Kind, *(kind.value for kind in Kind))
_LIMITS = ("requests", "tokens")
_check_event_id = text_up_to(MAX_EVENT_ID)


class Service(UserMoves, ModelMoves, McpMoves, TranslationMoves):
    """The service's side of one session.

    **After every input, drain:** take `next_frame()` until it is None, carry out the requests that
    the input returned, and wake it up at `next_timeout()`. Times are in ms of the session's audio;
    `now` is in seconds of any monotonic clock. What a client sends never raises. A move of the
    engine's about a response that is not running any more is ignored; one that is not legal
    otherwise raises `LocalProtocolError` and changes nothing. Objects that are handed out are not
    to be changed.
    """

    def __init__(
        self,
        *,
        now: float,
        session: JsonObject | None = None,
        kind: Kind | KindName = Kind.REALTIME,
        plane: Plane = "websocket",
        ids: Callable[[str], str] | None = None,
        expires_at: int = 0,
        expires_in: float = SESSION_SECONDS,
        rate_limits: Mapping[str, int] | None = None,
        context_tokens: int | None = None,
        obfuscate: bool = False,
        dialect: Dialect = Dialect.GA,
        beta: bool = False,
    ) -> None:
        """Open a session and queue its `session.created`.

        `session` holds settings over OpenAI's measured defaults; `plane` "webrtc" says that the
        driver plays the audio; `ids("item")` makes a unique id. The session ends after
        `expires_in` (s); `expires_at` (unix s) is what it tells of that. `rate_limits` ("requests"
        and "tokens" per minute) are told after each response; `context_tokens` bounds what the
        model sees, as `truncation` has it; `obfuscate` pads text deltas. `dialect` is what is
        spoken with the client; `session` is GA's in both. `beta` says that the client asked for
        the beta (`OpenAI-Beta`), which is refused (§2.3).
        Raises LocalProtocolError for settings that `session.update` would refuse.
        """
        check("Service", now, seconds=(expires_in,), json=session)
        check("Service", now, whole=(expires_at, *optional(context_tokens)))
        check_choice("Service(plane=...)", plane, _PLAYS)
        check_choice("Service(kind=...)", kind, _KINDS)
        check_choice("Service(dialect=...)", dialect, Dialect)
        check("Service(rate_limits=...)", now, fields=rate_limits)
        limits = rate_limits or {}
        check("Service(rate_limits=...)", now, whole=limits.values())
        if any(name not in _LIMITS or limit < 1 for name, limit in limits.items()):
            raise LocalProtocolError(f"Service(rate_limits={limits!r}): {_LIMITS}, 1 or more each")
        outbox = Outbox(ids or CounterByKind(), obfuscate, dialect)
        try:
            self._books = open_books(
                kind=Kind(kind),
                plays=_PLAYS[plane],
                settings=session or {},
                outbox=outbox,
                expires_at=expires_at,
                context_tokens=context_tokens,
                rate_limits=limits,
                now=now,
            )
        except RefusedError as refusal:
            raise LocalProtocolError(f"Service(session=...): {refusal.message}") from None
        self._dialect = dialect
        self._expires_in = expires_in
        self._expires = now + expires_in
        if beta:
            outbox.frames.clear()
            self._end(SWITCHED_OFF, _BETA, 4000)

    @property
    def session(self) -> JsonObject:
        """The effective configuration, as the wire shows it."""
        return self._books.session

    @property
    def opening(self) -> tuple[EngineRequest, ...]:
        """What the settings that the session was opened with ask of the engine (MCP lists)."""
        return tuple(self._books.opening)

    @property
    def closed(self) -> bool:
        """Whether the session is over: the client is gone, or the service has ended it."""
        return self._books.closed

    @property
    def close_code(self) -> int | None:
        """What the driver shall close the transport with, once drained; None: nothing."""
        return self._books.close_code

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

    def attach(self) -> Attachment:
        """Let a second controller listen (a sideband); what it says goes into `receive` as well."""
        attachment = Attachment()
        self._books.outbox.attached.append(attachment)
        return attachment

    def detach(self, attachment: Attachment) -> None:
        """The second controller is gone; the session goes on.

        Raises LocalProtocolError when it is not attached.
        """
        attached = self._books.outbox.attached
        if attachment not in attached:
            raise LocalProtocolError("detach: this attachment is not attached")
        attached.remove(attachment)

    # The client

    def receive(
        self, frame: str | bytes, *, now: float, played_ms: int | None = None
    ) -> list[EngineRequest]:
        """Take a client event; one that is refused is answered by an `error` frame.

        `played_ms`: how much of the response now playing was heard (webrtc), as in
        `speech_started`; an `output_audio_buffer.clear` truncates there.
        """
        check("receive", now, whole=optional(played_ms))
        books = self._books
        if books.closed:
            return []
        command = decode_command(frame, _COMMANDS[books.kind], self._dialect)
        event_id = command.event_id if isinstance(command.event_id, str) else None
        books.floor.now, books.floor.heard_ms = now, played_ms
        try:
            if isinstance(command, InvalidCommand):
                raise RefusedError(command.code, command.message, command.param)
            _check_event_id(event_id or "", "event_id")
            return HANDLERS[command.type](books, command)
        except RefusedError as refusal:
            books.outbox.refuse(refusal, event_id)
            return []

    def receive_close(self, *, now: float) -> list[EngineRequest]:
        """The client is gone: everything stops and every later input is ignored."""
        check("receive_close", now)
        return self._books.end(None)

    # Time

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is to be called next, on the clock of `now`."""
        if self._books.closed:
            return None
        idle = self._idle_at()
        return self._expires if idle is None else min(idle, self._expires)

    def handle_timeout(self, *, now: float) -> list[EngineRequest]:
        """Do what is due: end the session (§3.9), or prompt a user who says nothing (§1.6)."""
        check("handle_timeout", now)
        if self._books.closed:
            return []
        if now >= self._expires:
            words = f"Your session hit the maximum duration of {self._expires_in / 60:g} minutes."
            return self._end("session_expired", words, 1001)
        idle = self._idle_at()
        return [] if idle is None or now < idle else self._time_out(now)

    def end_session(
        self, code: str, message: str, *, close_code: int = 1011, now: float
    ) -> list[EngineRequest]:
        """End the session with an error that is fatal to it: insufficient_quota, ... (§3.9)."""
        check("end_session", now, words=(code, message), whole=(close_code,))
        return [] if self._books.closed else self._end(code, message, close_code)

    def _idle_at(self) -> float | None:
        quiet_since, detection = self._books.floor.quiet_since, self._books.detection or {}
        idle_ms = detection.get("idle_timeout_ms")
        if quiet_since is None or idle_ms is None:
            return None
        return float(quiet_since + idle_ms / 1000)

    def _time_out(self, now: float) -> list[EngineRequest]:
        books, detection = self._books, self._books.detection or {}
        books.floor.quiet_since = None
        item_id = books.conversation.fresh("item")
        requests = books.input.time_out(item_id, detection["idle_timeout_ms"])
        return requests + self._answer_turn(detection, now)

    def _end(self, code: str, message: str, close_code: int) -> list[EngineRequest]:
        self._books.outbox.refuse(RefusedError(code, message), None)
        return self._books.end(close_code)


_BETA = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
