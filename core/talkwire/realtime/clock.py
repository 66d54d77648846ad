"""What a session does about time: what frames say of it, and each deadline that passes.

Which deadlines run is set after every input, in `books.py`; how long they are, in `timers.py`.
"""

from collections.abc import Callable
from typing import Any

from ..errors import LocalProtocolError
from ..timers import Moment, Timer
from . import events as e
from .books import Books
from .expiry import FOREVER
from .happenings import Event, FunctionCall, Outcome, TimedOut
from .partial import unheard
from .state import PHASES, GateInput, PhaseInput, advance
from .usage import allowances


def checked(time: object, name: str = "now") -> float:
    """A time as you give it, looked at before anything changes.

    Raises LocalProtocolError for what is no number of seconds.
    """
    if type(time) is float and -FOREVER < time < FOREVER:
        return time  # as good as always
    if isinstance(time, int | float) and abs(time) < FOREVER:
        return float(time)
    shown = type(time).__name__ if isinstance(time, int) else f"{time!r:.40}"
    raise LocalProtocolError(f"{name}: {shown} is not a time in seconds")


_TOOL = Timer.TOOL


def _limits(books: Books, event: e.RateLimitsUpdated, now: float) -> None:
    books.rate_limits = allowances(books.rate_limits or {}, event.rate_limits, now)


def tell_end(books: Books, expires_at: Any) -> None:
    """The service says when the session ends, or nothing of it."""
    if books.expiry.tell(expires_at):
        _warn_ahead(books)


def set_wall_clock(books: Books, unix_time: float, now: float) -> None:
    """It is told what time it is: the end of the session, if known, is where it was."""
    books.expiry.epoch = Moment(now - unix_time)
    if books.expiry.expires_at is not None:
        books.expiry.at = Moment(books.expiry.epoch + books.expiry.expires_at)
        if Timer.EXPIRY in books.timers:
            _warn_ahead(books)


def begin(books: Books, now: float) -> None:
    """The service spoke for the first time."""
    books.expiry.begin(now)
    _warn_ahead(books)


def _warn_ahead(books: Books) -> None:
    ahead, end = books.timers.delays.get(Timer.EXPIRY), books.expiry.at
    if ahead is not None and end is not None:
        books.timers.until(Timer.EXPIRY, Moment(end - ahead))


TIMES: dict[type[Event], Callable[[Books, Any, float], None]] = {
    e.RateLimitsUpdated: _limits,
}
"""What a frame says of time, by its type."""


def expect_output(books: Books, call: FunctionCall, now: float) -> None:
    """A call was handed to the application: from now on its output is awaited."""
    delay = books.timers.delays.get(_TOOL)
    if delay is not None and not call.out_of_band:
        books.calls.expect(call.call_id, Moment(now + delay))
        books.timers.until(_TOOL, books.calls.next_due)


# -- deadlines


def _told(books: Books, timer: Timer, now: float) -> list[Event]:
    return [TimedOut(timer=timer)]


def _counts_as_open(books: Books, timer: Timer, now: float) -> list[Event]:
    books.phase = advance(PHASES, books.phase, PhaseInput.OTHER) or books.phase
    begin(books, now)
    return [TimedOut(timer=timer)]


def _give_up(books: Books, timer: Timer, now: float) -> list[Event]:
    events: list[Event] = [TimedOut(timer=timer)]
    books.settle(books.gate.failed(GateInput.GIVE_UP), events, Outcome.LOST)
    return events


def _silence(books: Books, timer: Timer, now: float) -> list[Event]:
    books.gate.quiet()
    return [TimedOut(timer=timer)]


def _nothing_to_clear(books: Books, timer: Timer, now: float) -> list[Event]:
    events: list[Event] = [TimedOut(timer=timer)]
    books.settle(books.pending.of("output_audio_buffer.clear"), events)
    return events


def _no_output(books: Books, timer: Timer, now: float) -> list[Event]:
    due = books.calls.take_due(now)
    books.timers.until(Timer.TOOL, books.calls.next_due)
    return [TimedOut(timer=timer, call_id=call_id) for call_id in due]


def _ends_soon(books: Books, timer: Timer, now: float) -> list[Event]:
    return [books.expiry.warning(now)]


_EXPIRED: dict[Timer, Callable[[Books, Timer, float], list[Event]]] = {
    Timer.RESPONSE_CREATED: _give_up,
    Timer.SERVER_RESPONSE: _give_up,
    Timer.SPEECH: _silence,
    Timer.CLEARED: _nothing_to_clear,
    Timer.OPENING: _counts_as_open,
    Timer.UNHEARD: unheard,
    Timer.TOOL: _no_output,
    Timer.EXPIRY: _ends_soon,
}


def expired(books: Books, timer: Timer, now: float) -> list[Event]:
    """A deadline passed: do what `Timer` says, and tell."""
    return _EXPIRED.get(timer, _told)(books, timer, now)
