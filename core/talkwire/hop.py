"""The browser hop's states and messages: what a page may say, and when.

Rule: whether a control message is legal, and what it leads to, is decided by a row of `HOPS` and
nowhere else; `relay.py` reads it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
from attrs import field, frozen

from .values import Named, Value

VERSION = 1
CONTROL = re.compile(r'\s*\{\s*"type"\s*:\s*"((?:talkwire|ag2)\.[^"]*)"')
"""Tells a control message from a frame, before anything is decoded."""


class Hop(Named):
    """Where the hop stands."""

    WAITING = "waiting"
    """The page has not said hello."""
    INVITED = "invited"
    """`ag2.init` was sent: a page of AG2's opens its call upon it, one of ours says hello."""
    GREETED = "greeted"
    """The page may be told how to open its call."""
    ASKED = "asked"
    """`talkwire.init` asked the page for its offer, which the backend will post."""
    OFFERED = "offered"
    """The page's offer is here; it waits for the service's answer."""
    OPENING = "opening"
    """The page has what it needs to open the call: a key, or the answer."""
    OPEN = "open"
    """The data channel is open and the first commands are on it."""
    CLOSED = "closed"
    """Either side has gone. Terminal."""


class HopInput(Named):
    """What moves the hop."""

    INVITE = "ag2.init"
    HELLO = "talkwire.hello"
    INIT = "talkwire.init with a key"
    ASK = "talkwire.init without one"
    OFFER = "talkwire.offer"
    ANSWER = "talkwire.answer"
    READY = "talkwire.ready"
    FRAME = "a frame of the session"
    TEXT = "talkwire.text"
    CLOSE = "talkwire.bye or the end of the websocket"


_H, _HI = Hop, HopInput

HOPS: Mapping[Hop, Mapping[HopInput, Hop]] = {
    Hop.WAITING: {_HI.INVITE: _H.INVITED, _HI.HELLO: _H.GREETED, _HI.CLOSE: _H.CLOSED},
    Hop.INVITED: {
        _HI.HELLO: _H.GREETED,
        _HI.FRAME: _H.OPEN,  # of a page that says nothing of itself
        _HI.CLOSE: _H.CLOSED,
    },
    Hop.GREETED: {_HI.INIT: _H.OPENING, _HI.ASK: _H.ASKED, _HI.CLOSE: _H.CLOSED},
    Hop.ASKED: {_HI.OFFER: _H.OFFERED, _HI.CLOSE: _H.CLOSED},
    Hop.OFFERED: {_HI.ANSWER: _H.OPENING, _HI.CLOSE: _H.CLOSED},
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
class PageOffer(Value):
    """The page's SDP offer: post it to the service, then `Relay.answer`."""

    type: Literal["talkwire.offer"] = "talkwire.offer"
    sdp: str


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


PageEvent = PageHello | PageOffer | PageReady | PageText | PageLeft

DECODERS: Mapping[str, Callable[[str], PageEvent]] = {
    "talkwire.hello": msgspec.json.Decoder(PageHello).decode,
    "talkwire.offer": msgspec.json.Decoder(PageOffer).decode,
    "talkwire.ready": msgspec.json.Decoder(PageReady).decode,
    "talkwire.text": msgspec.json.Decoder(PageText).decode,
    "talkwire.bye": msgspec.json.Decoder(PageLeft).decode,
}
MOVES: Mapping[type[PageEvent], HopInput] = {
    PageHello: HopInput.HELLO,
    PageOffer: HopInput.OFFER,
    PageReady: HopInput.READY,
    PageText: HopInput.TEXT,
    PageLeft: HopInput.CLOSE,
}
