"""What talkwire itself has to say, beside the wire's own events.

`Session` puts these behind the wire event that caused them, in the same list.
"""

import enum

from attrs import frozen

from ..timers import Timer
from ..values import Value
from .events import ErrorDetails, ServerEvent


@frozen(kw_only=True, eq=False, repr=False)
class InvalidFrame(Value):
    """A frame that could not be read; `reason` names what was wrong. Nothing changed."""

    reason: str
    frame: str | bytes


@frozen(kw_only=True, eq=False, repr=False)
class UnknownEvent(Value):
    """A readable frame of a type we do not know, whole. Nothing changed."""

    type: str
    frame: str


@frozen(kw_only=True, eq=False, repr=False)
class Anomaly(Value):
    """A known event where the protocol does not expect it; it changed no more than it should."""

    type: str
    reason: str


@frozen(kw_only=True, eq=False, repr=False)
class FunctionCall(Value):
    """The model calls a function: emitted once per call, to be answered once (§3.7).

    `arguments` is JSON text as the model wrote it: it may be empty or not JSON at all.
    """

    call_id: str
    name: str
    arguments: str
    response_id: str = ""
    item_id: str = ""
    out_of_band: bool = False
    """Of a response outside the conversation: its output goes into the `input` of a
    `ResponseCreate` of yours, not through `send_function_result`."""


@frozen(kw_only=True, eq=False, repr=False)
class FunctionCallCut(Value):
    """A call that was announced and then cut off with its response: never to be answered."""

    call_id: str
    name: str


@frozen(kw_only=True, eq=False, repr=False)
class Interrupted(Value):
    """The user spoke over a response, or it was stopped: stop playing it now (§3.6).

    Emitted once per response. `audio_end_ms` (ms) is what was heard, None when not known.
    """

    response_id: str
    item_id: str = ""
    audio_end_ms: int | None = None


class Outcome(enum.Enum):
    """How a command ended."""

    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


@frozen(kw_only=True, eq=False, repr=False)
class CommandSettled(Value):
    """A command of yours ended; each one does, once (law 5). `error` says why it failed."""

    event_id: str
    type: str
    outcome: Outcome
    error: ErrorDetails | None = None


@frozen(kw_only=True, eq=False, repr=False)
class TimedOut(Value):
    """A deadline passed; `Timer` says which and what was done about it."""

    timer: Timer


@frozen(kw_only=True, eq=False, repr=False)
class SessionClosed(Value):
    """The transport is gone; commands not yet answered were settled as lost."""

    code: int | None = None
    reason: str = ""


Happening = (
    InvalidFrame
    | UnknownEvent
    | Anomaly
    | FunctionCall
    | FunctionCallCut
    | Interrupted
    | CommandSettled
    | TimedOut
    | SessionClosed
)
Event = ServerEvent | Happening
