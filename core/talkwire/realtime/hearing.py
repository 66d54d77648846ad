"""What every event of the service goes through: is it in place, and what follows from it.

One row for each type, of what the other tables say of it, so that a frame is looked up once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from .books import Books
from .clock import TIMES, begin, checked, expect_output
from .happenings import (
    Anomaly,
    Event,
    FunctionCall,
    InvalidFrame,
    Outcome,
    UnknownEvent,
    WireEvent,
)
from .kind import VOCABULARIES, Kind
from .partial import saw
from .pending import ANSWERS
from .reactions import ITEMS, MOVES, PHASE_INPUTS, QUIET, Reaction
from .state import PHASES, PhaseInput, advance

Heard = WireEvent | InvalidFrame | UnknownEvent
Note = Callable[[Books, Any], None]

_Row = tuple[PhaseInput, Reaction | None, bool, Callable[[Books, Any, float], None] | None, bool]

_OTHER = PhaseInput.OTHER

STEADY = frozenset(phase for phase, row in PHASES.items() if row.get(_OTHER) is phase)
"""Where an ordinary event does not move the phase."""

NOTES: Mapping[type[Heard], Note | None] = {
    each: QUIET.get(each)
    for each in get_args(WireEvent)
    if each not in ITEMS and each not in MOVES and each not in TIMES
}
"""What is noted, if anything, of the types that nothing follows from."""

_ROWS: Mapping[Kind, Mapping[type[Heard], _Row]] = {
    kind: {
        each: (
            PHASE_INPUTS.get(each, _OTHER),
            ITEMS.get(each) or MOVES.get(each),
            each in ANSWERS,
            TIMES.get(each),
            each in MOVES,
        )
        for each in vocabulary.events
    }
    for kind, vocabulary in VOCABULARIES.items()
}
"""How a type moves the phase, what is done about it, whether it may answer a command of ours, what
it says of time, and whether something may leave because of it."""


def follow(books: Books, event: Heard, frame: str | bytes, now: float) -> Sequence[Event]:
    """Whatever follows from an event, in a list behind it; its `frame` tells it from others."""
    now = checked(now)
    row = _ROWS[books.kind].get(type(event))
    if row is None or isinstance(event, (InvalidFrame, UnknownEvent)):
        return _out_of_place(books, event)
    if books.heard_before(event.event_id, frame):
        return books.count(Anomaly(type=event.type, reason="it was heard before"))
    moved_by, react, may_answer, tell_time, moves = row
    steady = books.phase in STEADY
    if not steady or moved_by is not _OTHER:
        phase = advance(PHASES, books.phase, moved_by)
        if phase is None:
            reason = f"the session is {books.phase.value}"
            return books.count(Anomaly(type=event.type, reason=reason))
        books.phase = phase
    if not steady:
        begin(books, now)
    events: list[Event] = [event]
    seen = not books.plane.sees_all and saw(books, event, events)
    if react is not None:
        answered = books.pending.answered_by(event) if may_answer else None
        react(books, event, events)
        if answered is not None:
            events.append(books.pending.settle(answered, Outcome.DONE))
    elif tell_time is not None:
        tell_time(books, event, now)
    elif (note := NOTES.get(type(event))) is not None:
        note(books, event)
    if len(events) > 1:
        _take_account(books, events, now)
    if moves or seen or not steady or len(events) > 1:
        books.after(now)
    return events


def _out_of_place(books: Books, event: Heard) -> Sequence[Event]:
    if isinstance(event, InvalidFrame | UnknownEvent):
        return books.count(event)
    reason = f"a {books.kind.value} session has no such event"
    return [event, *books.count(Anomaly(type=event.type, reason=reason))]


def _take_account(books: Books, events: Sequence[Event], now: float) -> None:
    for event in events:
        if isinstance(event, FunctionCall):
            expect_output(books, event, now)
        elif isinstance(event, Anomaly):
            books.count(event)
