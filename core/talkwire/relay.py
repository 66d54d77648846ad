"""The browser hop: one websocket between a page and its backend, the session's frames verbatim.

Control messages are `talkwire.*` and are told from frames by their first bytes, before anything
is decoded. This file knows frames and trust; what a frame means is the session's business.
A message holds one frame a line, so that both sides may send many at once.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Literal, Self

import msgspec
from attrs import define, field, frozen

from .errors import LocalProtocolError
from .realtime.clock import checked
from .realtime.happenings import Anomaly, Event, InvalidFrame, TimedOut
from .realtime.ids import IdFactory
from .realtime.json_values import JsonObject
from .realtime.session import Session
from .realtime.state import advance
from .realtime.wire import encode
from .snapshot import read, write
from .timers import Timer, TimerTable
from .values import Named, Value

VERSION = 1
# A page's frame may be no larger; transcripts and function calls need a tenth of it.
MAX_FRAME_BYTES = 64 * 1024
_CONTROL = re.compile(r'\s*\{\s*"type"\s*:\s*"(talkwire\.[^"]*)"')


class Hop(Named):
    """Where the hop stands."""

    WAITING = "waiting"
    """The page has not said hello."""
    GREETED = "greeted"
    """The page may be told how to open its call."""
    OPENING = "opening"
    """`talkwire.init` was sent; the page is opening the call."""
    OPEN = "open"
    """The data channel is open and the first commands are on it."""
    CLOSED = "closed"
    """Either side has gone. Terminal."""


class HopInput(Named):
    """What moves the hop."""

    HELLO = "talkwire.hello"
    INIT = "talkwire.init"
    READY = "talkwire.ready"
    FRAME = "a frame of the session"
    TEXT = "talkwire.text"
    CLOSE = "talkwire.bye or the end of the websocket"


_H, _HI = Hop, HopInput

HOPS: Mapping[Hop, Mapping[HopInput, Hop]] = {
    Hop.WAITING: {_HI.HELLO: _H.GREETED, _HI.CLOSE: _H.CLOSED},
    Hop.GREETED: {_HI.INIT: _H.OPENING, _HI.CLOSE: _H.CLOSED},
    Hop.OPENING: {
        _HI.READY: _H.OPEN,
        _HI.FRAME: _H.OPENING,  # the service may speak before the page reports
        _HI.TEXT: _H.OPENING,
        _HI.CLOSE: _H.CLOSED,
    },
    Hop.OPEN: {_HI.FRAME: _H.OPEN, _HI.TEXT: _H.OPEN, _HI.CLOSE: _H.CLOSED},
    Hop.CLOSED: {},
}


@frozen(kw_only=True, eq=False, repr=False)
class PageHello(Value):
    """The page is there: who it says it is, and the ticket it was given, if any."""

    type: Literal["talkwire.hello"] = "talkwire.hello"
    version: int | str
    client: str = ""
    ticket: str | None = field(default=None, repr=False)


@frozen(kw_only=True, eq=False, repr=False)
class PageReady(Value):
    """The call is open. `call_id` is the page's claim; not every browser can read it."""

    type: Literal["talkwire.ready"] = "talkwire.ready"
    call_id: str | None = None


@frozen(kw_only=True, eq=False, repr=False)
class PageText(Value):
    """The user typed this. What becomes of it is yours to decide: `send_text`, as a rule."""

    type: Literal["talkwire.text"] = "talkwire.text"
    text: str


@frozen(kw_only=True, eq=False, repr=False)
class PageLeft(Value):
    """The page is going, or was sent away; ARCHITECTURE lists the codes."""

    type: Literal["talkwire.bye"] = "talkwire.bye"
    code: str = "page_closed"
    message: str = ""


PageEvent = PageHello | PageReady | PageText | PageLeft

_DECODERS: dict[str, Callable[[str], PageEvent]] = {
    "talkwire.hello": msgspec.json.Decoder(PageHello).decode,
    "talkwire.ready": msgspec.json.Decoder(PageReady).decode,
    "talkwire.text": msgspec.json.Decoder(PageText).decode,
    "talkwire.bye": msgspec.json.Decoder(PageLeft).decode,
}


@define(init=False, eq=False, repr=False)
class Relay:
    """A `Session` behind a page: the same doors, and the handshake that opens the call.

    `subscribe` names the event types the page shall pass on, beside those the session needs;
    None: all of them. **After every input, drain `next_frame`**; each is one message.

    Raises LocalProtocolError for a session on a plane that trusts what it hears: a page only
    claims what the service said (S3). `RELAY` is the plane for it.
    """

    session: Session
    hop: Hop
    call_id: str | None
    """The call's id as the page reports it: a claim (S10)."""
    _subscribe: list[str] | None
    _max_frame_bytes: int
    _call: JsonObject | None
    _control: list[str]
    _timers: TimerTable

    def __init__(
        self,
        session: Session,
        *,
        subscribe: Iterable[str] | None = None,
        max_frame_bytes: int = MAX_FRAME_BYTES,
        now: float,
    ) -> None:
        now = checked(now)
        if not isinstance(session, Session):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise LocalProtocolError(f"Relay: session is a Session, not {session!r:.40}")
        if type(max_frame_bytes) is not int:
            raise LocalProtocolError(f"Relay: max_frame_bytes is no count: {max_frame_bytes!r:.40}")
        if session.plane.trusted:
            raise LocalProtocolError(
                f"Relay: its session is on the {session.plane.name} plane, which trusts what it "
                "hears, and a page only claims it; make it with plane=RELAY"
            )
        self.session = session
        self.hop = Hop.WAITING
        self.call_id = None
        self._subscribe = None if subscribe is None else sorted({*subscribe, *session.needs()})
        self._max_frame_bytes = max_frame_bytes
        self._call = None
        self._control = []
        self._timers = TimerTable()
        self._timers.run(Timer.HELLO, True, now)

    # -- in

    def receive(self, message: str | bytes, *, now: float) -> Sequence[Event | PageEvent]:
        """Take one message of the page. Returns the events it caused, in order."""
        now = checked(now)
        if not isinstance(message, str | bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            kind = type(message).__name__
            raise LocalProtocolError(f"receive: a message is str or bytes, not {kind}")
        try:
            text = message if isinstance(message, str) else message.decode()
        except UnicodeDecodeError as error:
            return self.session.count(InvalidFrame(reason=str(error), frame=message))
        events: list[Event | PageEvent] = []
        for line in text.split("\n"):
            if len(line) > self._max_frame_bytes:
                # Counting characters is enough to refuse a flood; at most four bytes each.
                reason = f"{len(line)} characters; the limit is {self._max_frame_bytes}"
                events += self.session.count(InvalidFrame(reason=reason, frame=line))
            elif control := _CONTROL.match(line):
                events += self._receive_control(control[1], line, now)
            elif line:
                events += self._receive_frame(line, now)
        return events

    def receive_close(
        self, *, code: int | None = None, reason: str = "", now: float
    ) -> Sequence[Event | PageEvent]:
        """The websocket is gone, and the call with it: the page ends it. Again is a no-op."""
        now = checked(now)
        self._move(HopInput.CLOSE)
        self._timers.clear()
        return self.session.receive_close(code=code, reason=reason, now=now)

    def handle_timeout(self, *, now: float) -> Sequence[Event | PageEvent]:
        """The clock reached `next_timeout()`. Earlier or later calls do no harm."""
        now = checked(now)
        events: list[Event | PageEvent] = []
        for timer in self._timers.expire(now):
            events.append(TimedOut(timer=timer))
            events += self.close("failed", f"no talkwire.{timer.value} in time", now=now)
        events += self.session.handle_timeout(now=now)
        if self.session.closed:  # it had to end itself: the page is still there
            events += self.close("failed", "the service ended the session", now=now)
        return events

    # -- what you want

    def open_call(self, url: str, key: str, *, now: float) -> None:
        """Tell the page to open the call: POST its offer to `url` with the bearer `key`.

        May be called before the page says hello. What the session has queued by the time it
        does goes first on the data channel. Raises LocalProtocolError when called twice, when
        the page has gone, or for words that are not Unicode.
        """
        if self._call is not None or self.hop is Hop.CLOSED:
            raise LocalProtocolError(f"open_call is not legal when the hop is {self.hop.value}")
        call, now = {"url": url, "key": key}, checked(now)
        _written(call, "open_call")
        self._call = call
        self._init(now)

    def close(
        self, code: str = "ended", message: str = "The server ended the call.", *, now: float
    ) -> Sequence[Event | PageEvent]:
        """Say goodbye: the page ends the call and shows `message`. Again is a no-op.

        Raises LocalProtocolError for words that are not Unicode.
        """
        now = checked(now)
        goodbye = _written({"type": "talkwire.bye", "code": code, "message": message}, "close")
        if self._move(HopInput.CLOSE):
            self._control.append(goodbye)
        return self.receive_close(reason=message, now=now)

    # -- out

    def next_frame(self) -> str | None:
        """The next message for the page, several frames in it; None when there is none."""
        lines, self._control = self._control, []
        if self.hop in (Hop.OPENING, Hop.OPEN):
            while (frame := self.session.next_frame()) is not None:
                lines.append(frame)
        return "\n".join(lines) or None

    def snapshot(self, *, now: float) -> str:
        """The relay and its session as JSON text; see `Session.snapshot`. It holds the key."""
        return write(self, of="relay", now=checked(now))

    @classmethod
    def resume(
        cls,
        snapshot: str,
        *,
        now: float,
        unix_time: float | None = None,
        ids: IdFactory | None = None,
    ) -> Self:
        """The relay as it was at its `snapshot`; see `Session.resume`."""
        now = checked(now)

        def session(told: JsonObject) -> Session:
            return Session.resume(encode(told), now=now, unix_time=unix_time, ids=ids)

        return read(snapshot, cls, of="relay", now=now, hooks={Session: session})

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`; None: no need."""
        both = (self._timers.next(), self.session.next_timeout())
        return min((deadline for deadline in both if deadline is not None), default=None)

    @property
    def closed(self) -> bool:
        """Whether either side has gone; a last message may still be there to drain."""
        return self.hop is Hop.CLOSED

    # --

    def _move(self, moved_by: HopInput) -> bool:
        hop = advance(HOPS, self.hop, moved_by)
        if hop is None:
            return False
        self.hop = hop
        return True

    def _receive_frame(self, line: str, now: float) -> Sequence[Event]:
        if not self._move(HopInput.FRAME):
            return self.session.count(Anomaly(type="frame", reason=f"the hop is {self.hop.value}"))
        return self.session.receive(line, now=now)

    def _receive_control(self, kind: str, line: str, now: float) -> Sequence[Event | PageEvent]:
        decode = _DECODERS.get(kind)
        if decode is None:
            reason = "no control message of the page has this type"
            return self.session.count(Anomaly(type=kind, reason=reason))
        try:
            event = decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return self.session.count(InvalidFrame(reason=str(error), frame=line))
        if not self._move(_MOVES[type(event)]):
            return self.session.count(Anomaly(type=kind, reason=f"the hop is {self.hop.value}"))
        return self._ANSWERS[type(event)](self, event, now)

    def _hello(self, event: PageHello, now: float) -> Sequence[Event | PageEvent]:
        self._timers.run(Timer.HELLO, False, now)
        if event.version != VERSION:
            message = f"the page speaks version {event.version}, the backend {VERSION}"
            return [event, *self.close("version", message, now=now)]
        self._init(now)
        return [event]

    def _init(self, now: float) -> None:
        """Send `talkwire.init` once the page is there and the call is known."""
        if self._call is None or not self._move(HopInput.INIT):
            return
        self._timers.run(Timer.READY, True, now)
        init = {
            "type": "talkwire.init",
            "version": VERSION,
            "call": self._call,
            "commands": self.session.session_init_data(),
            "subscribe": self._subscribe,
            "limits": {"max_frame_bytes": self._max_frame_bytes},
        }
        self._control.append(encode(init))

    def _ready(self, event: PageReady, now: float) -> Sequence[Event | PageEvent]:
        self._timers.run(Timer.READY, False, now)
        self.call_id = event.call_id
        return [event]

    def _text(self, event: PageText, now: float) -> Sequence[Event | PageEvent]:
        return [event]

    def _left(self, event: PageLeft, now: float) -> Sequence[Event | PageEvent]:
        return [event, *self.receive_close(reason=event.message or event.code, now=now)]

    _ANSWERS: ClassVar[dict[type[PageEvent], Callable[..., Sequence[Event | PageEvent]]]] = {
        PageHello: _hello,
        PageReady: _ready,
        PageText: _text,
        PageLeft: _left,
    }


_MOVES: dict[type[PageEvent], HopInput] = {
    PageHello: HopInput.HELLO,
    PageReady: HopInput.READY,
    PageText: HopInput.TEXT,
    PageLeft: HopInput.CLOSE,
}


def _written(message: JsonObject, call: str) -> str:
    try:
        return encode(message)
    except (TypeError, ValueError) as error:
        raise LocalProtocolError(f"{call}: cannot be written as JSON: {error}") from error
