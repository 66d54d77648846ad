"""What talkwire itself has to say, beside the wire's own events.

`Session` puts these behind the wire event that caused them, in the same list.
"""

import enum

from attrs import frozen

from ..timers import Timer
from ..values import Value
from .events import ErrorDetails, ServerEvent
from .json_values import JsonObject
from .translation import TranslationEvent


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
    SENT = "sent"
    """It left, and nobody tells what became of it: the page passes on no answers (`PARTIAL`)."""


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
    call_id: str = ""
    """The function call that was not answered in time (`Timer.TOOL`)."""


@frozen(kw_only=True, eq=False, repr=False)
class ConfigurationLost(Value):
    """The service refused an update, and with it the whole patch: none of it is in force (§3.1).

    `param` is what it objected to, e.g. "session.tools[0].description".
    """

    event_id: str
    patch: JsonObject
    param: str | None = None
    message: str | None = None


@frozen(kw_only=True, eq=False, repr=False)
class ConfigurationDrift(Value):
    """The configuration in force is not what we asked for; another controller changed it (S5).

    `paths` are dotted, e.g. "audio.output.voice"; `Session.settings.drift` has their values.
    Emitted again only when they change. `session_update(settings.desired)` restores ours.
    """

    paths: tuple[str, ...]


@frozen(kw_only=True, eq=False, repr=False)
class SessionExpiring(Value):
    """The service will end the session in `seconds_left`: time to continue in a new one (§3.10).

    `expires_at` is what the service told (unix seconds), None when it told nothing.
    """

    expires_at: float | None
    seconds_left: float


@frozen(kw_only=True, eq=False, repr=False)
class RestartAdvised(Value):
    """So many responses failed in a row that a new session is the better bet (livekit#6040).

    `code` and `message` are those of the last one. Emitted once, until a response succeeds.
    """

    failures: int
    code: str | None = None
    message: str | None = None


@frozen(kw_only=True, eq=False, repr=False)
class McpApprovalRequested(Value):
    """The model wants to call a tool of an MCP server and the service asks whether it may.

    Emitted once; to be answered once, with `send_mcp_approval`. `arguments` is JSON text as the
    model wrote it.
    """

    approval_request_id: str
    name: str
    arguments: str
    server_label: str


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
    | ConfigurationLost
    | ConfigurationDrift
    | SessionExpiring
    | RestartAdvised
    | McpApprovalRequested
    | SessionClosed
)
WireEvent = ServerEvent | TranslationEvent
Event = WireEvent | Happening
