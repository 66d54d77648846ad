"""A session that hears of function calls and of nothing else: what it goes by instead (§4).

A page made for AG2 passes on only what has "function" in its type. So responses are seen by the
calls in them, commands are never answered, and an end is not told: after a short silence
(`Timer.UNHEARD`) what was seen counts as over, and what was sent as sent. A response whose calls
are all answered is followed up then, once. Before its first word the page may still be opening its
call and keep what it is sent: the silence begins with that word, or without one a good while later
(`Timer.OPENING`).
"""

from ..timers import Timer
from . import events as e
from .books import Books
from .happenings import Event, Outcome, TimedOut, WireEvent

_OF_CALLS = (e.ResponseFunctionCallArgumentsDelta, e.ResponseFunctionCallArgumentsDone)


def saw(books: Books, event: WireEvent, events: list[Event]) -> bool:
    """Take from an event that its response is running; whether it said so."""
    if not isinstance(event, _OF_CALLS) or not event.response_id:
        return False
    if not books.gate.is_open(event.response_id):
        over = books.gate.active
        books.settle(books.gate.seen(event.response_id), events, Outcome.SENT)
        _follow_up(books, over, events)
    books.timers.stop(Timer.UNHEARD)  # from here on, the silence
    return True


def unheard(books: Books, timer: Timer, now: float) -> list[Event]:
    """It was silent for long enough."""
    events: list[Event] = [TimedOut(timer=timer)]
    sent, over = books.sent(), books.gate.active
    books.gate.unheard()
    books.settle(sent, events, Outcome.SENT)
    for event_id in sent:
        books.settings.unanswered(event_id)
    _follow_up(books, over, events)
    return events


def _follow_up(books: Books, response_id: str | None, events: list[Event]) -> None:
    if response_id is not None:
        events += books.calls.response_done(response_id, completed=True)
        books.follow_up(response_id)
