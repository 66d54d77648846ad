"""Deadlines: a reason per line, a time per row. Seconds, on the caller's own clock."""

from collections.abc import Mapping

from attrs import define, field

from .values import Named


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
    HELLO = "hello"
    """The page has not said hello; the hop is closed."""
    READY = "ready"
    """The page could not open its call; the hop is closed."""


DELAYS: dict[Timer, float] = {
    Timer.HANDSHAKE: 15.0,
    Timer.RESPONSE_CREATED: 15.0,
    Timer.SERVER_RESPONSE: 3.0,
    Timer.SPEECH: 30.0,
    Timer.HELLO: 10.0,
    Timer.READY: 30.0,
}


class Moment(float):
    """A time on the caller's clock; a snapshot tells the time left until then (s)."""

    __slots__ = ()


@define
class TimerTable:
    """The deadlines now running, of those that `delays` (s) has a row for."""

    _delays: Mapping[Timer, float] = DELAYS
    _deadlines: dict[Timer, Moment] = field(factory=dict[Timer, Moment])

    def __contains__(self, timer: Timer) -> bool:
        """Whether a timer is running."""
        return timer in self._deadlines

    def run(self, timer: Timer, wanted: bool, now: float) -> None:
        """Have a timer running, from `now` unless it runs already, or not running."""
        deadlines = self._deadlines
        if not wanted:
            if timer in deadlines:
                del deadlines[timer]
        elif timer not in deadlines and timer in self._delays:
            deadlines[timer] = Moment(now + self._delays[timer])

    def stop(self, timer: Timer) -> None:
        """Have a timer not running."""
        self._deadlines.pop(timer, None)

    def clear(self) -> None:
        self._deadlines.clear()

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
        return [timer for _, timer in due]
