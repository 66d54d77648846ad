"""Deadlines: a reason per line, a time per row. Seconds, on the caller's own clock."""

import math
from collections.abc import Mapping

from attrs import define, field

from .errors import LocalProtocolError
from .values import Named, new_dict


class Timer(Named):
    """Why a session wakes up."""

    HANDSHAKE = "handshake"
    """The service has not confirmed the configuration; told once, nothing changes."""
    RESPONSE_CREATED = "response_created"
    """Our `response.create` got neither a response nor an error; the gate opens again."""
    SERVER_RESPONSE = "server_response"
    """The service was expected to respond by itself and did not; the gate opens again."""
    SPEECH = "speech"
    """The user began to speak and nothing was heard of it since; the gate opens again."""
    CLEARED = "cleared"
    """Nothing answered our `output_audio_buffer.clear`: nothing was playing, so it is done."""
    OPENING = "opening"
    """Where only function calls are heard (`PARTIAL`) none was yet: by now the page's call counts
    as open, and what left for it as on its way."""
    UNHEARD = "unheard"
    """Where only function calls are heard (`PARTIAL`) nothing more was: what left counts as sent,
    and the response that was seen as over."""
    TOOL = "tool"
    """A function call got no output; told once for each call, which may still be answered."""
    IDLE = "idle"
    """Nobody speaks, nothing runs and nothing is played; told once until something does. Only
    where you give it a delay."""
    EXPIRY = "expiry"
    """So much is left of the session: `SessionExpiring` tells it."""
    ENDING = "ending"
    """The service said that the session is over and did not close it; it is closed."""
    HELLO = "hello"
    """The page has not said hello; the hop is closed."""
    READY = "ready"
    """The page could not open its call; the hop is closed."""


DELAYS: dict[Timer, float] = {
    Timer.HANDSHAKE: 15.0,
    Timer.RESPONSE_CREATED: 15.0,
    Timer.SERVER_RESPONSE: 3.0,
    Timer.SPEECH: 30.0,
    Timer.CLEARED: 5.0,
    Timer.OPENING: 10.0,
    Timer.UNHEARD: 0.5,
    Timer.TOOL: 30.0,
    Timer.EXPIRY: 300.0,
    Timer.ENDING: 5.0,
    Timer.HELLO: 10.0,
    Timer.READY: 30.0,
}


def chosen(
    delays: Mapping[Timer, float], otherwise: Mapping[Timer, float | None]
) -> dict[Timer, float]:
    """Delays with some replaced, or turned off by None.

    Raises LocalProtocolError for what is no delay, or of a timer that the session has not.
    """
    if not isinstance(otherwise, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise LocalProtocolError(f"delays: {type(otherwise).__name__} is no mapping")
    both = dict(delays)
    for timer, delay in otherwise.items():
        if timer in (Timer.HELLO, Timer.READY) or timer not in (*DELAYS, Timer.IDLE):
            raise LocalProtocolError(f"delays: {timer!r} is no timer of a session")
        if delay is None:
            both.pop(timer, None)
        elif _is_seconds(delay):
            both[timer] = delay
        else:
            raise LocalProtocolError(f"delays: {delay!r} is not a time in seconds")
    return both


def _is_seconds(delay: object) -> bool:
    if isinstance(delay, bool) or not isinstance(delay, int | float):
        return False
    return 0 <= delay < math.inf


class Moment(float):
    """A time on the caller's clock; a snapshot tells the time left until then (s)."""

    __slots__ = ()


@define
class TimerTable:
    """The deadlines now running, of those that `delays` (s) has a row for.

    One that has passed is told once, and runs again only after it was not wanted for a while.
    """

    delays: Mapping[Timer, float] = DELAYS
    _deadlines: dict[Timer, Moment] = field(factory=new_dict)
    _told: tuple[Timer, ...] = ()
    followed: tuple[Timer, ...] = ()
    """What `follow` was asked for last."""

    def __contains__(self, timer: Timer) -> bool:
        """Whether a timer is running."""
        return timer in self._deadlines

    def run(self, timer: Timer, wanted: bool, now: float) -> None:
        """Have a timer running, from `now` unless it runs already, or not running."""
        deadlines = self._deadlines
        if not wanted:
            if timer in deadlines or timer in self._told:
                self.stop(timer)
        elif timer not in deadlines and timer in self.delays and timer not in self._told:
            deadlines[timer] = Moment(now + self.delays[timer])

    def follow(self, wanted: tuple[Timer, ...], now: float) -> None:
        """Have these running, as `run` does, and not those that were wanted before."""
        before, self.followed = self.followed, wanted
        for timer in before:
            if timer not in wanted:
                self.stop(timer)
        for timer in wanted:
            if timer not in before:
                self.run(timer, True, now)

    def until(self, timer: Timer, deadline: Moment | None) -> None:
        """Have a timer running until a moment of its own, None: not running."""
        if deadline is not None:
            self._deadlines[timer] = deadline
        elif timer in self._deadlines:
            self.stop(timer)

    def stop(self, timer: Timer) -> None:
        """Have a timer not running; it may be told again."""
        self._deadlines.pop(timer, None)
        if timer in self._told:
            self._told = tuple([told for told in self._told if told is not timer])
        if timer in self.followed:
            self.followed = tuple([other for other in self.followed if other is not timer])

    def clear(self, *, but: Timer | None = None) -> None:
        """Have none running, but perhaps one."""
        self._deadlines = {each: at for each, at in self._deadlines.items() if each is but}
        self.followed = tuple([each for each in self.followed if each is but])

    def next(self) -> float | None:
        """The earliest deadline, None when none is running."""
        return min(self._deadlines.values(), default=None)

    def expire(self, now: float) -> list[Timer]:
        """Take out what is due, earliest first."""
        due = sorted(
            ((at, timer) for timer, at in self._deadlines.items() if at <= now),
            key=lambda row: row[0],
        )
        for _, timer in due:
            del self._deadlines[timer]
            self._told += (timer,)
        return [timer for _, timer in due]
