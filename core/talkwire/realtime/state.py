"""The machine: every lifecycle of a realtime session as an enum and one literal table.

Rule 1: whether something is legal in a realtime session, and what it leads to, is decided by a
row of this file and nowhere else; the browser hop has its own table, in `relay.py`. A row that
is absent means: refused if you asked for it, an anomaly if the network did; in both cases nothing
changes.

Rule 2: this file does not know which side it serves. `Session` and `Service` read the same rows.

The states are those of `protocol.md` §3.1 (phase), §3.4-3.5 (gate) and §3.7 (function calls).
"""

from collections.abc import Mapping
from typing import TypeVar

from ..values import Named


class Phase(Named):
    """Where a session stands as a whole."""

    CONNECTING = "connecting"
    """Nothing was heard yet. Commands may be sent: nothing in the protocol forbids it (§3.1)."""
    CREATED = "created"
    """The service spoke; our configuration is not confirmed."""
    READY = "ready"
    """`session.updated` confirmed a configuration."""
    ENDING = "ending"
    """A fatal error was heard; the close follows and no command makes sense any more."""
    CLOSED = "closed"
    """The transport is gone. Terminal."""


class PhaseInput(Named):
    """What moves the phase."""

    CREATED = "session.created"
    UPDATED = "session.updated"
    OTHER = "any other server event"
    FATAL = "an error that ends the session"
    CLOSED = "session.closed"
    CLOSE = "the transport closed"
    COMMAND = "a command of the client"


_P, _PI = Phase, PhaseInput

PHASES: Mapping[Phase, Mapping[PhaseInput, Phase]] = {
    Phase.CONNECTING: {
        _PI.CREATED: _P.CREATED,
        _PI.UPDATED: _P.READY,  # a sideband begins with it (§3.1)
        _PI.OTHER: _P.CREATED,  # attached late
        _PI.FATAL: _P.ENDING,
        _PI.CLOSED: _P.ENDING,
        _PI.CLOSE: _P.CLOSED,
        _PI.COMMAND: _P.CONNECTING,
    },
    Phase.CREATED: {
        _PI.UPDATED: _P.READY,
        _PI.OTHER: _P.CREATED,
        _PI.FATAL: _P.ENDING,
        _PI.CLOSED: _P.ENDING,
        _PI.CLOSE: _P.CLOSED,
        _PI.COMMAND: _P.CREATED,
    },
    Phase.READY: {
        _PI.UPDATED: _P.READY,
        _PI.OTHER: _P.READY,
        _PI.FATAL: _P.ENDING,
        _PI.CLOSED: _P.ENDING,
        _PI.CLOSE: _P.CLOSED,
        _PI.COMMAND: _P.READY,
    },
    Phase.ENDING: {
        _PI.UPDATED: _P.ENDING,
        _PI.OTHER: _P.ENDING,
        _PI.FATAL: _P.ENDING,
        _PI.CLOSED: _P.ENDING,
        _PI.CLOSE: _P.CLOSED,
    },
    Phase.CLOSED: {},
}


class Gate(Named):
    """Who may write to the default conversation: at most one response at a time (§3.4)."""

    IDLE = "idle"
    """No response that we know of."""
    SERVER_EXPECTED = "server_expected"
    """The user's turn was committed and the service will respond by itself."""
    CREATE_SENT = "create_sent"
    """Our `response.create` is on its way."""
    CANCEL_PENDING = "cancel_pending"
    """It is, and must be cancelled as soon as it has an id: earlier is a no-op (§3.5)."""
    ACTIVE = "active"
    """A response is running, until its `response.done` and nothing else."""
    CANCEL_SENT = "cancel_sent"
    """It is, and was told to stop; late deltas still come."""


class GateInput(Named):
    """What moves the gate."""

    CREATE = "our response.create leaves"
    CREATED = "response.created"
    CREATED_OTHER = "response.created of the service's own, our create still on its way"
    DONE = "response.done of the active response"
    DONE_UNSEEN = "response.done of one that we did not see begin"
    DONE_BEFORE_OURS = "response.done of the service's own, our create still on its way"
    DONE_BEFORE_STOPPED = "the same, and our create was told to stop"
    COMMITTED = "the user's turn ended and the service answers it by itself"
    REFUSED = "our create met an active response"
    FAILED = "our create failed otherwise"
    CANCEL = "our response.cancel"
    NOT_ACTIVE = "our cancel found nothing to cancel"
    GIVE_UP = "the deadline of the wait passed"
    CLOSE = "the transport closed"


_G, _GI = Gate, GateInput

GATES: Mapping[Gate, Mapping[GateInput, Gate]] = {
    Gate.IDLE: {
        _GI.CREATE: _G.CREATE_SENT,
        _GI.CREATED: _G.ACTIVE,
        _GI.COMMITTED: _G.SERVER_EXPECTED,
        _GI.CLOSE: _G.IDLE,
    },
    Gate.SERVER_EXPECTED: {
        _GI.CREATED: _G.ACTIVE,
        _GI.DONE_UNSEEN: _G.IDLE,
        _GI.COMMITTED: _G.SERVER_EXPECTED,
        _GI.CANCEL: _G.CANCEL_PENDING,  # the answer that is about to come
        _GI.GIVE_UP: _G.IDLE,
        _GI.CLOSE: _G.IDLE,
    },
    Gate.CREATE_SENT: {
        _GI.CREATED: _G.ACTIVE,
        _GI.CREATED_OTHER: _G.ACTIVE,
        _GI.DONE_UNSEEN: _G.IDLE,
        _GI.COMMITTED: _G.CREATE_SENT,
        _GI.REFUSED: _G.ACTIVE,
        _GI.FAILED: _G.IDLE,
        _GI.CANCEL: _G.CANCEL_PENDING,
        _GI.GIVE_UP: _G.IDLE,
        _GI.CLOSE: _G.IDLE,
    },
    Gate.CANCEL_PENDING: {
        _GI.CREATED: _G.CANCEL_SENT,
        _GI.CREATED_OTHER: _G.ACTIVE,  # it answers what the user said since
        _GI.DONE_UNSEEN: _G.IDLE,
        _GI.COMMITTED: _G.CANCEL_PENDING,
        _GI.REFUSED: _G.ACTIVE,
        _GI.FAILED: _G.IDLE,
        _GI.GIVE_UP: _G.IDLE,
        _GI.CLOSE: _G.IDLE,
    },
    Gate.ACTIVE: {
        _GI.CREATED: _G.ACTIVE,  # the end of the one before was lost on the way
        _GI.DONE: _G.IDLE,
        _GI.DONE_BEFORE_OURS: _G.CREATE_SENT,
        _GI.DONE_BEFORE_STOPPED: _G.CANCEL_PENDING,
        _GI.COMMITTED: _G.ACTIVE,
        _GI.REFUSED: _G.ACTIVE,  # the created that we took for ours was the service's own
        _GI.FAILED: _G.ACTIVE,
        _GI.CANCEL: _G.CANCEL_SENT,
        _GI.CLOSE: _G.IDLE,
    },
    Gate.CANCEL_SENT: {
        _GI.CREATED: _G.ACTIVE,
        _GI.DONE: _G.IDLE,
        _GI.DONE_BEFORE_OURS: _G.CREATE_SENT,
        _GI.DONE_BEFORE_STOPPED: _G.CANCEL_PENDING,  # ours was on its way when we said stop
        _GI.COMMITTED: _G.CANCEL_SENT,
        _GI.REFUSED: _G.CANCEL_SENT,
        _GI.FAILED: _G.CANCEL_SENT,
        _GI.NOT_ACTIVE: _G.IDLE,  # it ended by itself meanwhile (§3.5)
        _GI.CLOSE: _G.IDLE,
    },
}


class Call(Named):
    """A function call, by its `call_id` (§3.7)."""

    ANNOUNCED = "announced"
    """Its item began; the arguments are still coming."""
    EMITTED = "emitted"
    """It was handed to the application, once, and waits for its output."""
    ANSWERED = "answered"
    """Its output was sent. Terminal, unless the service refuses the output."""
    CUT = "cut"
    """Its response ended first; it will never be complete. Terminal."""


class CallInput(Named):
    """What moves a function call."""

    COMPLETE = "the arguments are whole"
    ANSWER = "its output is sent"
    REFUSED = "the service refused the output"
    RESPONSE_DONE = "its response ended"


_C, _CI = Call, CallInput

CALLS: Mapping[Call, Mapping[CallInput, Call]] = {
    Call.ANNOUNCED: {
        _CI.COMPLETE: _C.EMITTED,
        _CI.RESPONSE_DONE: _C.CUT,
    },
    Call.EMITTED: {
        _CI.COMPLETE: _C.EMITTED,  # four events say the same; the first one counts
        _CI.ANSWER: _C.ANSWERED,
        _CI.RESPONSE_DONE: _C.EMITTED,
    },
    Call.ANSWERED: {
        _CI.COMPLETE: _C.ANSWERED,
        _CI.REFUSED: _C.EMITTED,
        _CI.RESPONSE_DONE: _C.ANSWERED,
    },
    Call.CUT: {
        _CI.RESPONSE_DONE: _C.CUT,
    },
}


class Mcp(Named):
    """What the service asks of an MCP server: its tools, or to run one (§3.8)."""

    ASKED = "asked"
    """Its item is there; nothing is known of the server's answer."""
    RUNNING = "running"
    """The service waits for the server."""
    COMPLETED = "completed"
    """The server answered. Terminal."""
    FAILED = "failed"
    """It did not, or refused. Terminal."""


class McpInput(Named):
    """What moves it."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed, or an item with what was answered"
    FAILED = "failed, or an item with an error"


_M, _MI = Mcp, McpInput

MCP: Mapping[Mcp, Mapping[McpInput, Mcp]] = {
    Mcp.ASKED: {
        _MI.IN_PROGRESS: _M.RUNNING,
        _MI.COMPLETED: _M.COMPLETED,
        _MI.FAILED: _M.FAILED,
    },
    Mcp.RUNNING: {
        _MI.IN_PROGRESS: _M.RUNNING,
        _MI.COMPLETED: _M.COMPLETED,
        _MI.FAILED: _M.FAILED,
    },
    Mcp.COMPLETED: {
        _MI.COMPLETED: _M.COMPLETED,  # an event and two items say the same
    },
    Mcp.FAILED: {
        _MI.FAILED: _M.FAILED,
    },
}


class Approval(Named):
    """The service's question whether an MCP tool may run."""

    ASKED = "asked"
    """It was handed to the application, once, and waits for its answer."""
    ANSWERED = "answered"
    """The answer was sent. Terminal, unless the service refuses it."""


class ApprovalInput(Named):
    """What moves an approval."""

    ANSWER = "our answer is sent"
    REFUSED = "the service refused the answer"


APPROVALS: Mapping[Approval, Mapping[ApprovalInput, Approval]] = {
    Approval.ASKED: {ApprovalInput.ANSWER: Approval.ANSWERED},
    Approval.ANSWERED: {ApprovalInput.REFUSED: Approval.ASKED},
}


_State = TypeVar("_State", bound=Named)
_Input = TypeVar("_Input", bound=Named)


def advance(
    table: Mapping[_State, Mapping[_Input, _State]], state: _State, moved_by: _Input
) -> _State | None:
    """The state that follows, or None when the table has no such row."""
    return table[state].get(moved_by)
