"""What opening a websocket to the service takes, whatever the runtime: where it is, what it says
when it refuses, how long to try again, and the session that is spoken over it."""

import inspect
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import wraps
from types import GenericAlias
from typing import Any, ParamSpec, TypeVar, get_args

import httpx2
from attrs import field, frozen
from websockets.exceptions import ConnectionClosed, InvalidStatus

from talkwire import DIRECT, SIDEBAND, Dialect, JsonObject, Kind, Plane, Session, Timer, counter
from talkwire.recording import Write
from talkwire.recording import record as recorded

from .openai import CallNotFound, OpenAI, Secret, ServiceError, ServiceUnreachable
from .transport import TransportClosed

P = ParamSpec("P")
R = TypeVar("R")
Options = TypeVar("Options")

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The service's largest: a retrieved item brings its audio along, a minute of it 4 MB."""
FRESH_CALL_S = 3.0
OPEN_TIMEOUT_S = 10.0
_FIRST_PAUSE_S = 0.1
_ABNORMAL = 1006

# At DEBUG the library logs the headers of a handshake, and with them the key (S13).
_log = logging.getLogger(f"{__name__}.websocket")
_log.setLevel(logging.INFO)


@frozen(kw_only=True)
class Dial:
    """A session to open: what `dial` made of its arguments."""

    service: OpenAI
    plane: Plane
    url: str
    headers: httpx2.Headers  # whose repr hides the key
    retry_s: float
    open_timeout_s: float
    max_size: int
    settings: JsonObject = field(repr=False)  # prompts stay out of logs
    record: Write | None
    kind: Kind
    dialect: Dialect
    retain: int | None
    delays: Mapping[Timer, float | None] | None

    @property
    def handshake(self) -> dict[str, Any]:
        """What both bindings of `websockets` take. Not compressed: base64 costs more than it gives,
        and what the service sends cannot swell (`max_size` holds either way)."""
        return {
            "additional_headers": self.headers,
            "compression": None,
            "logger": _log,
            "max_size": self.max_size,
            "open_timeout": self.open_timeout_s,
            "proxy": None if self.service.local else True,
        }

    def pauses(self) -> Iterator[float | None]:
        """How long to wait before each new try (s), `retry_s` in all; None: there is no more."""
        left, pause = self.retry_s, _FIRST_PAUSE_S
        while left > 0:
            pause = min(pause, left)
            yield pause
            left, pause = left - pause, pause * 2
        yield None

    def refusal(self, error: Exception) -> ServiceError | ServiceUnreachable:
        """Why the websocket did not open, as the HTTP calls tell it."""
        if not isinstance(error, InvalidStatus):
            return self.service.unreachable(str(error) or str(error.__cause__ or repr(error)))
        said = error.response
        headers, body = list(said.headers.raw_items()), bytes(said.body or b"")
        told = self.service.refusal(
            httpx2.Response(said.status_code, headers=headers, content=body)
        )
        if told.status == 404 and self.plane is SIDEBAND:
            return CallNotFound(*told.args)
        return told

    def session(self, *, now: float, unix_time: float) -> Session:
        """The session, its configuration queued first."""
        session = Session(
            plane=self.plane,
            kind=self.kind,
            dialect=self.dialect,
            now=now,
            unix_time=unix_time,
            ids=counter(secrets.token_hex(4) + "_"),  # others may speak into the same call
            delays=self.delays,
            retain=self.retain,
        )
        session = session if self.record is None else recorded(session, self.record, now=now)
        session.session_update(self.settings, now=now)
        return session


def dial(
    settings: JsonObject,
    *,
    model: str | None = None,
    call_id: str | None = None,
    service: OpenAI | None = None,
    api_key: str | Secret | None = None,
    safety_identifier: str | None = None,
    retry_s: float = FRESH_CALL_S,
    open_timeout_s: float = OPEN_TIMEOUT_S,
    max_size: int = MAX_MESSAGE_BYTES,
    record: Write | None = None,
    kind: Kind = Kind.REALTIME,
    dialect: Dialect = Dialect.GA,
    retain: int | None = None,
    delays: Mapping[Timer, float | None] | None = None,
) -> Dial:
    """One session of your own with `model` (None: gpt-realtime), audio included; or, with
    `call_id`, a call that a page opened, without its audio: a sideband.

    `settings` is the session's configuration (§1.6), sent first; {} asks a sideband's service for
    what is in force. `service` is who answers; None: who OPENAI_BASE_URL names, else OpenAI, with
    `api_key` or OPENAI_API_KEY. `safety_identifier` is a stable id of the user, hashed by you.
    A call that is not there yet is asked for again for `retry_s` seconds (S15). Opening takes
    `open_timeout_s` seconds at most, a message `max_size` bytes, else it is closed with 1009.
    `record` takes the lines of a recording; `kind`, `dialect`, `retain` and `delays` are Session's.

    Leaving the block ends the session and closes the websocket.

    Raises MissingKey, KeyRefused, CallNotFound, ServiceError for any other refusal and
    ServiceUnreachable; LocalProtocolError for settings that cannot be sent; ValueError for both of
    `model` and `call_id`, or what is no call id.
    """
    if service is None:
        service = OpenAI.from_env(api_key=api_key)
    elif api_key is not None:
        raise ValueError("the service has its key: pass service= or api_key=, not both")
    plane = DIRECT if call_id is None else SIDEBAND
    check_settings(settings, plane, kind=kind, dialect=dialect)
    headers = service.headers(safety_identifier)
    if dialect is Dialect.BETA:
        headers["OpenAI-Beta"] = "realtime=v1"
    return Dial(
        service=service,
        plane=plane,
        url=_address(service, model, call_id, kind),
        headers=headers,
        retry_s=0 if call_id is None else retry_s,
        open_timeout_s=open_timeout_s,
        max_size=max_size,
        settings=settings,
        record=record,
        kind=kind,
        dialect=dialect,
        retain=retain,
        delays=delays,
    )


def check_settings(
    settings: JsonObject,
    plane: Plane,
    *,
    kind: Kind = Kind.REALTIME,
    dialect: Dialect = Dialect.GA,
) -> None:
    """Raise LocalProtocolError for a configuration that could not be sent, before anything is."""
    scratch = Session(plane=plane, kind=kind, dialect=dialect, now=0.0)
    scratch.session_update(settings, now=0.0)


def _address(service: OpenAI, model: str | None, call_id: str | None, kind: Kind) -> str:
    """Which address a session is opened at decides what kind it is (§1.7)."""
    if call_id is not None:
        if model is not None:
            raise ValueError("a call has its model: pass model= or call_id=, not both")
        return service.websocket_url({"call_id": call_id})
    match kind:
        case Kind.TRANSCRIPTION:
            return service.websocket_url({"intent": "transcription"})
        case Kind.TRANSLATION:
            query = {"model": model or "gpt-realtime-translate"}
            return service.websocket_url(query, under="realtime/translations")
        case _:
            return service.websocket_url({"model": model or "gpt-realtime"})


def taking(
    options: Callable[P, Options],
) -> Callable[[Callable[[Options], R]], Callable[P, R]]:
    """Let a function of options take their own parameters, which are written once."""

    def take(connect: Callable[[Options], R]) -> Callable[P, R]:
        @wraps(options)
        def dialled(*args: P.args, **kwargs: P.kwargs) -> R:
            return connect(options(*args, **kwargs))

        dialled.__name__ = dialled.__qualname__ = "connect"
        dialled.__module__ = connect.__module__
        gives: Any = get_args(inspect.signature(connect).return_annotation)[0]
        given = GenericAlias(AbstractAsyncContextManager, gives)
        vars(dialled)["__signature__"] = inspect.signature(options).replace(return_annotation=given)
        return dialled

    return take


def closed(error: ConnectionClosed) -> TransportClosed:
    """The end of a websocket. Where the other side sent no close, the reason is why we did."""
    if error.rcvd is not None:
        return TransportClosed(error.rcvd.code, error.rcvd.reason)
    reason = error.sent.reason if error.sent is not None else str(error.__cause__ or "")
    return TransportClosed(_ABNORMAL, reason)
