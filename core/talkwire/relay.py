"""The browser hop: one websocket between a page and its backend, the session's frames verbatim.

Control messages are `talkwire.*` and are told from frames by their first bytes, before anything
is decoded. This file knows frames and trust; what a frame means is the session's business.
A message holds one frame a line, so that both sides may send many at once.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Self

import msgspec
from attrs import define

from .ag2_page import ag2_init
from .errors import LocalProtocolError
from .hop import (
    CONTROL,
    DECODERS,
    HOPS,
    MOVES,
    VERSION,
    Hop,
    HopInput,
    PageEvent,
    PageHello,
    PageLeft,
    PageOffer,
    PageReady,
    PageText,
)
from .realtime.clock import checked
from .realtime.happenings import Anomaly, Event, InvalidFrame, TimedOut
from .realtime.ids import IdFactory
from .realtime.json_values import JsonObject
from .realtime.session import Session
from .realtime.state import advance
from .realtime.wire import encode
from .snapshot import read, write
from .timers import Timer, TimerTable

# A page's frame may be no larger; transcripts and function calls need a tenth of it.
MAX_FRAME_BYTES = 64 * 1024


@define(init=False, eq=False, repr=False)
class Relay:
    """A `Session` and its page: the same doors, and the handshake that opens the call.

    On the `RELAY` plane the page carries the session's frames: what it passes on are claims, and
    `subscribe` names the event types it shall pass on, beside those the session needs; None: all.
    On the `PARTIAL` plane the page may also be one of AG2's, which knows only `ag2.init`: the key
    goes to whoever connects, for such a page says nothing before it has one.
    On the `SIDEBAND` plane the session has a wire of its own: drive `session` over it, as you
    drive this over the page's. No frame of the page's then reaches it (S3).

    **After every input, drain `next_frame`**, of both where there are two; each is one message.

    Raises LocalProtocolError for a session whose plane carries audio: a page's call does.
    """

    session: Session
    hop: Hop
    call_id: str | None
    """The call's id: of the `answer` you gave, otherwise as the page claims it (S10)."""
    _subscribe: list[str] | None
    _max_frame_bytes: int
    _opens: HopInput | None
    _call: JsonObject | None
    _invited_with: list[JsonObject] | None
    """The commands that `ag2.init` had: a page of ours has not heeded them."""
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
        if session.plane.carries_audio:
            raise LocalProtocolError(
                f"Relay: its session is on the {session.plane.name} plane, which carries audio, "
                "and a page's call does; make it with plane=RELAY or plane=SIDEBAND"
            )
        self.session = session
        self.hop = Hop.WAITING
        self.call_id = None
        self._subscribe = None if subscribe is None else sorted({*subscribe, *session.needs()})
        self._max_frame_bytes = max_frame_bytes
        self._opens = None
        self._call = None
        self._invited_with = None
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
        # Before a page speaks our words a message is one frame, over several lines perhaps.
        several = self._speaks_ours or CONTROL.match(text) is not None
        events: list[Event | PageEvent] = []
        for line in text.split("\n") if several else (text,):
            if len(line) > self._max_frame_bytes:
                # Counting characters is enough to refuse a flood; at most four bytes each.
                reason = f"{len(line)} characters; the limit is {self._max_frame_bytes}"
                events += self.session.count(InvalidFrame(reason=reason, frame=line))
            elif control := CONTROL.match(line):
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
        return [*events, *self.session.handle_timeout(now=now)]

    # -- what you want

    def open_call(self, url: str, key: str, *, model: str = "", now: float) -> None:
        """Tell the page to open the call: POST its offer to `url` with the bearer `key`. A page
        of AG2's is told the `model` as well.

        May be called before the page says hello. What the session has queued by the time it
        does goes first on the data channel. Raises LocalProtocolError when called twice, when
        the page has gone, or for words that are not Unicode.
        """
        call, now = {"url": url, "key": key}, checked(now)
        invitation = ag2_init(call, model)
        _written(invitation, "open_call")
        self._open("open_call", HopInput.INIT, call, now)
        if not self._speaks_ours and self._move(HopInput.INVITE):
            self._timers.run(Timer.HELLO, False, now)  # not every page says it
            self._invited_with = self.session.session_init_data()
            self._control.append(encode({**invitation, "init": self._invited_with}))

    def ask_for_offer(self, *, now: float) -> None:
        """Have the page send its SDP offer, as `PageOffer`: you post it, and no key reaches it.

        May be called before the page says hello. Raises LocalProtocolError as `open_call` does.
        """
        self._open("ask_for_offer", HopInput.ASK, None, checked(now))

    def answer(self, sdp: str, call_id: str, *, now: float) -> None:
        """Hand the page the service's answer to its offer; `call_id` is what the service named.

        Raises LocalProtocolError unless an offer waits, and for words that are not Unicode.
        """
        checked(now)
        if HopInput.ANSWER not in HOPS[self.hop]:
            raise LocalProtocolError(f"answer is not legal when the hop is {self.hop.value}")
        answer = _written({"type": "talkwire.answer", "sdp": sdp, "call_id": call_id}, "answer")
        self._move(HopInput.ANSWER)
        self.call_id = call_id
        self._control.append(answer)

    def close(
        self, code: str = "ended", message: str = "The server ended the call.", *, now: float
    ) -> Sequence[Event | PageEvent]:
        """Say goodbye: the page ends the call and shows `message`. Again is a no-op. One that has
        not said hello would tell the service: its websocket just ends.

        Raises LocalProtocolError for words that are not Unicode.
        """
        now = checked(now)
        goodbye = _goodbye(code, message)
        if self._move(HopInput.CLOSE) and self._speaks_ours:
            self._control.append(goodbye)
        return self.receive_close(reason=message, now=now)

    # -- out

    def next_frame(self) -> str | None:
        """The next message for the page, several frames in it; None when there is none. A page
        that has not said hello is given one frame a message: it may know no other.
        """
        several = self._speaks_ours
        if self.session.closed and self._move(HopInput.CLOSE) and several:  # the page is there
            self._control.append(_goodbye("failed", "the service ended the session"))
        lines = list(iter(self._next_line, None)) if several else [self._next_line() or ""]
        return "\n".join(lines) or None

    def _next_line(self) -> str | None:
        if self._control:
            return self._control.pop(0)
        flows = self._carries and HopInput.FRAME in HOPS[self.hop]
        return self.session.next_frame() if flows else None

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
        return self.hop is Hop.CLOSED or self.session.closed

    # --

    @property
    def _carries(self) -> bool:
        """Whether the page carries the session's frames; otherwise it hears the service itself."""
        return not self.session.plane.trusted

    @property
    def _speaks_ours(self) -> bool:
        """Whether the page knows our words; one of AG2's does not, and nor may one that has not
        said hello where it may be such a page."""
        return self.session.plane.sees_all

    def _open(self, call: str, opens: HopInput, told: JsonObject | None, now: float) -> None:
        if self._opens is not None or self.hop is Hop.CLOSED:
            raise LocalProtocolError(f"{call} is not legal when the hop is {self.hop.value}")
        self._opens, self._call = opens, told
        self._init(now)

    def _move(self, moved_by: HopInput) -> bool:
        hop = advance(HOPS, self.hop, moved_by)
        if hop is None:
            return False
        self.hop = hop
        return True

    def _receive_frame(self, line: str, now: float) -> Sequence[Event]:
        if not self._move(HopInput.FRAME):
            return self.session.count(Anomaly(type="frame", reason=f"the hop is {self.hop.value}"))
        if not self._carries:
            reason = "the session hears the service itself"
            return self.session.count(Anomaly(type="frame", reason=reason))
        return self.session.receive(line, now=now)

    def _receive_control(self, kind: str, line: str, now: float) -> Sequence[Event | PageEvent]:
        decode = DECODERS.get(kind)
        if decode is None:
            reason = "no control message of the page has this type"
            return self.session.count(Anomaly(type=kind, reason=reason))
        try:
            event = decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return self.session.count(InvalidFrame(reason=str(error), frame=line))
        if not self._move(MOVES[type(event)]):
            return self.session.count(Anomaly(type=kind, reason=f"the hop is {self.hop.value}"))
        return self._ANSWERS[type(event)](self, event, now)

    def _hello(self, event: PageHello, now: float) -> Sequence[Event | PageEvent]:
        self._timers.run(Timer.HELLO, False, now)
        self.session.hear_all(now=now)  # it speaks our words
        if event.version != VERSION:
            message = f"the page speaks version {event.version}, the backend {VERSION}"
            return [event, *self.close("version", message, now=now)]
        self._init(now)
        return [event]

    def _init(self, now: float) -> None:
        """Send `talkwire.init` once the page is there and it is known how the call opens."""
        if self._opens is None or not self._move(self._opens):
            return
        self._timers.run(Timer.READY, True, now)
        init = {
            "type": "talkwire.init",
            "version": VERSION,
            "call": self._call,
            "commands": self._first_commands(),
            "subscribe": self._subscribe if self._carries else [],
            "limits": {"max_frame_bytes": self._max_frame_bytes},
        }
        self._control.append(encode(init))

    def _first_commands(self) -> list[JsonObject]:
        """What goes first on the data channel; what has left since an invitation follows it, for
        until now the page has kept it."""
        if self._invited_with is not None:
            return self._invited_with
        return self.session.session_init_data() if self._carries else []

    def _ready(self, event: PageReady, now: float) -> Sequence[Event | PageEvent]:
        self._timers.run(Timer.READY, False, now)
        if self._opens is HopInput.INIT:
            self.call_id = event.call_id
        return [event]

    def _told(self, event: PageOffer | PageText, now: float) -> Sequence[Event | PageEvent]:
        return [event]

    def _left(self, event: PageLeft, now: float) -> Sequence[Event | PageEvent]:
        return [event, *self.receive_close(reason=event.message or event.code, now=now)]

    _ANSWERS: ClassVar[dict[type[PageEvent], Callable[..., Sequence[Event | PageEvent]]]] = {
        PageHello: _hello,
        PageOffer: _told,
        PageReady: _ready,
        PageText: _told,
        PageLeft: _left,
    }


def _goodbye(code: str, message: str) -> str:
    return _written({"type": "talkwire.bye", "code": code, "message": message}, "close")


def _written(message: JsonObject, call: str) -> str:
    try:
        return encode(message)
    except (TypeError, ValueError) as error:
        raise LocalProtocolError(f"{call}: cannot be written as JSON: {error}") from error
