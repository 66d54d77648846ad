"""The other side of a conversation: a service, and a page where the plane has one.

It is the same on every wire. `Alone` plays it to the core, a `Player` to a binding.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

import attrs

from support.hop import tell
from talkwire import DIRECT, RELAY, SIDEBAND, Plane
from talkwire.realtime.engine import ResponseRequested
from talkwire.realtime.service import Service

Wire = Literal["service", "page"]
Way = Literal["direct", "sideband", "relay", "relay+sideband"]

PLANES: dict[Way, Plane] = {
    "direct": DIRECT,
    "sideband": SIDEBAND,
    "relay": RELAY,
    "relay+sideband": SIDEBAND,
}
SERVICE_WAYS: tuple[Way, ...] = ("direct", "sideband")
PAGE_WAYS: tuple[Way, ...] = ("relay", "relay+sideband")
ALL_WAYS = (*SERVICE_WAYS, *PAGE_WAYS)

CALL_ID = "rtc_test"
SDP = "v=0\r\n"
HELLO = tell(type="talkwire.hello", version=1, client="test")
OFFER = tell(type="talkwire.offer", sdp=SDP)
READY = tell(type="talkwire.ready", call_id=CALL_ID)


@attrs.define
class FarEnd:
    """`said` is what is to be said next on each wire, `heard` the types of what was told to it."""

    way: Way
    service: Service = attrs.field(init=False)
    said: dict[Wire, deque[str]] = attrs.field(init=False)
    heard: list[str] = attrs.field(factory=list[str])
    event_ids: list[str] = attrs.field(factory=list[str])
    """Of the commands that were heard."""
    response: str = ""
    """The id of the response that was asked for last."""
    closing: tuple[int, str] | None = None
    """It closes the wire that carries the session, with this code and reason."""
    deaf: bool = False
    """It takes nothing for now."""
    _opened: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.service = Service(now=0, plane="webrtc" if self.has_page else "websocket")
        self.said = {"service": deque(), "page": deque([HELLO] if self.has_page else [])}
        self._opened = self.way != "relay"  # whose page has no call yet
        self._speak()

    @property
    def has_page(self) -> bool:
        return self.way in ("relay", "relay+sideband")

    @property
    def carrier(self) -> Wire:
        """The wire on which the session is spoken."""
        return "page" if self.way == "relay" else "service"

    def take(self, line: str) -> None:
        """Hear one line, whichever wire it came over."""
        frame = json.loads(line)
        self.heard.append(frame["type"])
        match frame["type"]:
            case "talkwire.init" if frame["call"] is None:
                self.said["page"].append(OFFER)
            case "talkwire.init":
                self._opened = True
                self.said["page"].append(READY)
                for command in frame["commands"]:
                    self._obey(json.dumps(command))
            case "talkwire.answer":
                self.said["page"].append(READY)
            case "talkwire.bye":
                pass
            case _:
                self._obey(line)
        self._speak()

    def do(self, move: Move) -> None:
        """Let something happen here."""
        move(self)
        self._speak()

    def _obey(self, command: str) -> None:
        self.event_ids.append(json.loads(command)["event_id"])
        for request in self.service.receive(command, now=0):
            if isinstance(request, ResponseRequested):
                self.response = request.response_id

    def _speak(self) -> None:
        while self._opened and (frame := self.service.next_frame()) is not None:
            if self.way not in ("sideband", "relay+sideband") or not _greets(frame):
                self.said[self.carrier].append(frame)


Move = Callable[[FarEnd], Any]


def _greets(frame: str) -> bool:
    """A sideband is not greeted (§3.1)."""
    return bool(json.loads(frame)["type"] == "session.created")


# -- moves


def answers(*words: str) -> Move:
    """The model writes a message and is done."""

    def move(far: FarEnd) -> None:
        far.service.message_started(far.response, modality="text", now=0)
        for each in words:
            far.service.text(far.response, each, now=0)
        far.service.message_done(far.response, now=0)
        far.service.response_done(far.response, now=0)

    return move


def calls(*functions: tuple[str, str]) -> Move:
    """The model calls functions, all in one response."""

    def move(far: FarEnd) -> None:
        for name, arguments in functions:
            far.service.function_call(far.response, name, arguments, now=0)
        far.service.response_done(far.response, now=0)

    return move


def speaks(ms: int, words: str) -> Move:
    """The model says something aloud, and would go on."""

    def move(far: FarEnd) -> None:
        far.service.message_started(far.response, modality="audio", now=0)
        far.service.text(far.response, words, now=0)
        far.service.audio(far.response, bytes(ms * 48), ms, now=0)

    return move


def user_speaks(far: FarEnd) -> None:
    """The user begins to speak, and stops."""
    far.service.speech_started(audio_start_ms=1000, now=0)
    far.service.speech_stopped(audio_end_ms=2000, now=0)


def closes(code: int = 1000, reason: str = "") -> Move:
    def move(far: FarEnd) -> None:
        far.closing = (code, reason)

    return move


def page_says(**frame: Any) -> Move:
    def move(far: FarEnd) -> None:
        far.said["page"].append(tell(**frame))

    return move


def says(line: str) -> Move:
    """Something is on the wire that carries the session, whoever wrote it."""

    def move(far: FarEnd) -> None:
        far.said[far.carrier].append(line)

    return move


def stops_listening(far: FarEnd) -> None:
    """From now on it takes nothing: what is sent to it fills the wire."""
    far.deaf = True


def listens_again(far: FarEnd) -> None:
    far.deaf = False
