"""A conversation as a script, and what becomes of it in the core alone: the trace that every
binding must give.

A `Script` is what the far end does, move by move, and what the user of the library does about an
event. `perform` plays it to the core with no I/O at all, and writes the score down: who says what
on which wire, and what is heard before the next is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from support.far_end import ALL_WAYS, CALL_ID, PAGE_WAYS, PLANES, SDP, FarEnd, Move, Way, Wire
from talkwire import (
    CommandSettled,
    Event,
    PageEvent,
    PageHello,
    PageOffer,
    Relay,
    Session,
    SessionClosed,
)

Told = str
"""The type of an event and its essential fields: no ids, no times."""
Verb = tuple[Any, ...]
"""The name of a call on the session, and what it is given."""
User = Callable[[Event | PageEvent, Sequence[Told]], Sequence[Verb]]
"""What the user does about an event, having seen these, it among them."""

SETTINGS = {"output_modalities": ["text"]}
_ESSENTIAL = ("arguments", "audio_end_ms", "code", "delta", "name", "status", "text", "transcript")
_BROKEN = (None, 1005, 1006)
"""Codes of a wire that ended without a close: each server has its own."""


def told(event: object, *, codes: bool) -> Told:
    """`codes`: this wire tells the code and the reason of its close."""
    said = [type(event).__name__]
    if isinstance(event, SessionClosed):
        known = codes and event.code not in _BROKEN
        return " ".join([*said, str(event.code), event.reason] if known else said).strip()
    if isinstance(event, CommandSettled):
        said += [event.type, event.outcome.value]
    for name in _ESSENTIAL:
        if (value := getattr(event, name, None)) is not None:
            said.append(f"{name}={value}")
    if (error := getattr(event, "error", None)) is not None:
        said.append(f"error={error.code}")
    return " ".join(said)


def nothing(event: Event | PageEvent, seen: Sequence[Told]) -> Sequence[Verb]:
    """What a user does who only listens."""
    return ()


@attrs.frozen
class Script:
    """`moves` is the far end's part, `user` ours."""

    name: str
    moves: Sequence[Move]
    user: User = nothing
    settings: dict[str, Any] = attrs.field(factory=lambda: SETTINGS)
    ways: Sequence[Way] = ALL_WAYS
    needs_codes: bool = False
    """It ends with a code, which not every wire can tell."""


@attrs.frozen
class Do:
    """The far end makes a move."""

    move: Move


@attrs.frozen
class Hear:
    """It hears one line."""

    wire: Wire


@attrs.frozen
class Say:
    """It says one line; `seen` events have been handed to the user by then."""

    wire: Wire
    seen: int


@attrs.frozen
class Close:
    """It closes a wire."""

    wire: Wire
    code: int
    reason: str


Entry = Do | Hear | Say | Close


@attrs.define
class Alone:
    """The core, the user and the far end, and nothing in between."""

    script: Script
    way: Way
    codes: bool = True
    cut: int | None = None
    """Somebody is gone after so many entries of the score."""
    gone: Wire = attrs.field()
    """Whose wire that is: behind a page, the page's unless told."""
    far: FarEnd = attrs.field(init=False)
    session: Session = attrs.field(init=False)
    doors: dict[Wire, Session | Relay] = attrs.field(init=False)
    score: list[Entry] = attrs.field(factory=list[Entry])
    trace: list[Told] = attrs.field(factory=list[Told])
    _waiting: list[Event | PageEvent] = attrs.field(factory=list[Event | PageEvent])
    _opened: bool = attrs.field(init=False)

    @gone.default
    def _the_nearest(self) -> Wire:
        return "page" if self.way in PAGE_WAYS else "service"

    def __attrs_post_init__(self) -> None:
        self.far = FarEnd(self.way)
        self.session = Session(plane=PLANES[self.way], now=0)
        self.doors = {"service": self.session}
        self._opened = self.way not in PAGE_WAYS
        if self._opened:
            self.session.session_update(self.script.settings, now=0)
            return
        relay = Relay(self.session, now=0)
        if self.way == "relay+sideband":
            relay.ask_for_offer(now=0)
        self.doors = {"page": relay}

    def perform(self) -> Alone:
        self._drain()
        for move in (None, *self.script.moves):
            if move is not None and not self._over:
                self.score.append(Do(move))
                self.far.do(move)
                self._drain()
            self._talk()
        if self._is_cut:
            self._happened(self.doors[self.gone].receive_close(now=0))
            self._opened = True
        self._tell()
        return self

    @property
    def _is_cut(self) -> bool:
        return self.cut is not None and len(self.score) >= self.cut

    @property
    def _over(self) -> bool:
        return self._is_cut or self.session.closed

    def _talk(self) -> None:
        while not self._over and (wire := self._speaking()) is not None:
            line = self.far.said[wire].popleft()
            place = len(self.score)
            self.score.append(Say(wire, 0))
            self._happened(self.doors[wire].receive(line, now=0))
            self.score[place] = Say(wire, len(self.trace))
        if self.far.closing is not None and not self._over:
            code, reason = self.far.closing
            wire = self.far.carrier
            self.score.append(Close(wire, code, reason))
            self._happened(self.doors[wire].receive_close(code=code, reason=reason, now=0))

    def _speaking(self) -> Wire | None:
        return next((wire for wire in self.doors if self.far.said[wire]), None)

    def _happened(self, events: Sequence[Event | PageEvent]) -> None:
        """As a driver does: what came of it leaves, then the user is told."""
        self._drain()
        self._waiting += events
        if not self._opened and any(isinstance(each, self._awaited) for each in events):
            self._open()
        self._tell()

    @property
    def _awaited(self) -> type[PageEvent]:
        """What the page says first, before `connect` goes on."""
        return PageHello if self.way == "relay" else PageOffer

    def _open(self) -> None:
        """As `connect` does with a page's hello, or its offer."""
        relay = self.doors["page"]
        assert isinstance(relay, Relay)
        self.session.session_update(self.script.settings, now=0)
        if self.way == "relay":
            relay.open_call("/v1/realtime/calls", "ek_test", now=0)
        else:
            self.doors = {"service": self.session, "page": relay}
            relay.answer(SDP, CALL_ID, now=0)
        self._opened = True
        self._drain()

    def _tell(self) -> None:
        while self._opened and self._waiting:
            event = self._waiting.pop(0)
            self.trace.append(told(event, codes=self.codes))
            for name, *arguments in self.script.user(event, self.trace):
                getattr(self.session, name)(*arguments, now=0)
                self._drain()

    def _drain(self) -> None:
        for wire, door in self.doors.items():
            while (
                not (self._is_cut or self.far.deaf) and (message := door.next_frame()) is not None
            ):
                for line in message.split("\n"):
                    if not self._is_cut:
                        self.score.append(Hear(wire))
                        self.far.take(line)


def points(script: Script, way: Way, gone: Wire) -> range:
    """Where that wire may be gone: after each thing that was said or heard, from the first on this
    wire on up to the close."""
    score = Alone(script, way).perform().score
    end = next(place for place, entry in enumerate(score) if isinstance(entry, Close))
    if gone == "page" or way not in PAGE_WAYS:
        return range(end + 1)
    begin = next(place for place, entry in enumerate(score) if entry == Hear(gone))
    return range(begin + 1, end + 1)
