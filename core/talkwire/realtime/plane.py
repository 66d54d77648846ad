"""The planes on which a session is seen: what is observed there and what is trusted (law 7)."""

from collections.abc import Mapping

from attrs import evolve, frozen

from ..timers import DELAYS, Timer
from ..values import Value


@frozen(kw_only=True, eq=False, repr=False)
class Plane(Value):
    """A way to the service. The rules read these fields; nobody asks for an adapter's type."""

    name: str
    carries_audio: bool
    """Audio passes here: we know what was received and own the playback (§3.6)."""
    trusted: bool
    """Frames come from the service itself; otherwise they are a page's claims (S3, S4)."""
    delays: Mapping[Timer, float]
    """Which waits are timed here, and how long (s); the relay times its page instead."""
    max_frame_bytes: int | None = None
    """The largest frame that passes; a browser closes the channel over a larger one (§3.10)."""
    sees_all: bool = True
    """Every event is heard here; otherwise function calls only, and nobody tells how a command or
    a response ended (§4)."""


_HOP = (Timer.HELLO, Timer.READY)
_PAGE: dict[Timer, float] = {
    timer: delay for timer, delay in DELAYS.items() if timer not in (*_HOP, Timer.HANDSHAKE)
}
_GUESSES = (Timer.OPENING, Timer.UNHEARD)
_SERVICE: dict[Timer, float] = {
    timer: delay for timer, delay in DELAYS.items() if timer not in (*_HOP, *_GUESSES)
}

DIRECT = Plane(name="direct", carries_audio=True, trusted=True, delays=_SERVICE)
"""A websocket to the service, audio included. The player is yours: tell the session what was
played of the audio (`Session.report_playback`), or nothing is cut where the user speaks over it.
"""

SIDEBAND = Plane(name="sideband", carries_audio=False, trusted=True, delays=_SERVICE)
"""A websocket attached to a call by its `call_id`: the same events, no audio."""

RELAY = Plane(
    name="relay", carries_audio=False, trusted=False, delays=_PAGE, max_frame_bytes=256_000
)
"""The frames of a call's data channel as a page passes them on."""

PARTIAL = evolve(RELAY, name="partial", sees_all=False)
"""The same by a page of AG2's, which passes on function calls and nothing else (§4). The gate
cannot know what runs: a request leaves at once, unless a call tells that a response is running.
"""
