"""The lifecycles as tables: held against a copy of each row, and walked over the whole grid."""

import enum
from collections.abc import Mapping
from typing import Any

import pytest

from support.drawing import PAGE, explained, page, tables
from talkwire.hop import HOPS, Hop
from talkwire.realtime.state import (
    APPROVALS,
    CALLS,
    GATES,
    MCP,
    PHASES,
    Approval,
    Call,
    Gate,
    Mcp,
    Phase,
    advance,
)

Golden = dict[str, dict[str, str]]

PHASES_AS_WRITTEN: Golden = {
    "connecting": {
        "session.created": "created",
        "session.updated": "ready",
        "any other server event": "created",
        "an error that ends the session": "ending",
        "session.closed": "ending",
        "the transport closed": "closed",
        "a command of the client": "connecting",
    },
    "created": {
        "session.updated": "ready",
        "any other server event": "created",
        "an error that ends the session": "ending",
        "session.closed": "ending",
        "the transport closed": "closed",
        "a command of the client": "created",
    },
    "ready": {
        "session.updated": "ready",
        "any other server event": "ready",
        "an error that ends the session": "ending",
        "session.closed": "ending",
        "the transport closed": "closed",
        "a command of the client": "ready",
    },
    "ending": {
        "session.updated": "ending",
        "any other server event": "ending",
        "an error that ends the session": "ending",
        "session.closed": "ending",
        "the transport closed": "closed",
    },
    "closed": {},
}

GATES_AS_WRITTEN: Golden = {
    "idle": {
        "our response.create leaves": "create_sent",
        "response.created": "active",
        "the user's turn ended and the service answers it by itself": "server_expected",
        "the transport closed": "idle",
    },
    "server_expected": {
        "response.created": "active",
        "response.done of one that we did not see begin": "idle",
        "the user's turn ended and the service answers it by itself": "server_expected",
        "our response.cancel": "cancel_pending",
        "the deadline of the wait passed": "idle",
        "the transport closed": "idle",
    },
    "create_sent": {
        "response.created": "active",
        "response.created of the service's own, our create still on its way": "active",
        "response.done of one that we did not see begin": "idle",
        "the user's turn ended and the service answers it by itself": "create_sent",
        "our create met an active response": "active",
        "our create failed otherwise": "idle",
        "our response.cancel": "cancel_pending",
        "the deadline of the wait passed": "idle",
        "the transport closed": "idle",
    },
    "cancel_pending": {
        "response.created": "cancel_sent",
        "response.created of the service's own, our create still on its way": "active",
        "response.done of one that we did not see begin": "idle",
        "the user's turn ended and the service answers it by itself": "cancel_pending",
        "our create met an active response": "active",
        "our create failed otherwise": "idle",
        "the deadline of the wait passed": "idle",
        "the transport closed": "idle",
    },
    "active": {
        "response.created": "active",
        "response.done of the active response": "idle",
        "response.done of the service's own, our create still on its way": "create_sent",
        "the same, and our create was told to stop": "cancel_pending",
        "the user's turn ended and the service answers it by itself": "active",
        "our create met an active response": "active",
        "our create failed otherwise": "active",
        "our response.cancel": "cancel_sent",
        "the transport closed": "idle",
    },
    "cancel_sent": {
        "response.created": "active",
        "response.done of the active response": "idle",
        "response.done of the service's own, our create still on its way": "create_sent",
        "the same, and our create was told to stop": "cancel_pending",
        "the user's turn ended and the service answers it by itself": "cancel_sent",
        "our create met an active response": "cancel_sent",
        "our create failed otherwise": "cancel_sent",
        "our cancel found nothing to cancel": "idle",
        "the transport closed": "idle",
    },
}

CALLS_AS_WRITTEN: Golden = {
    "announced": {"the arguments are whole": "emitted", "its response ended": "cut"},
    "emitted": {
        "the arguments are whole": "emitted",
        "its output is sent": "answered",
        "its response ended": "emitted",
    },
    "answered": {
        "the arguments are whole": "answered",
        "the service refused the output": "emitted",
        "its response ended": "answered",
    },
    "cut": {"its response ended": "cut"},
}

MCP_AS_WRITTEN: Golden = {
    "asked": {
        "in_progress": "running",
        "completed, or an item with what was answered": "completed",
        "failed, or an item with an error": "failed",
    },
    "running": {
        "in_progress": "running",
        "completed, or an item with what was answered": "completed",
        "failed, or an item with an error": "failed",
    },
    "completed": {"completed, or an item with what was answered": "completed"},
    "failed": {"failed, or an item with an error": "failed"},
}

APPROVALS_AS_WRITTEN: Golden = {
    "asked": {"our answer is sent": "answered"},
    "answered": {"the service refused the answer": "asked"},
}

HOPS_AS_WRITTEN: Golden = {
    "waiting": {
        "ag2.init": "invited",
        "talkwire.hello": "greeted",
        "talkwire.bye or the end of the websocket": "closed",
    },
    "invited": {
        "talkwire.hello": "greeted",
        "a frame of the session": "open",
        "talkwire.bye or the end of the websocket": "closed",
    },
    "greeted": {
        "talkwire.init with a key": "opening",
        "talkwire.init without one": "asked",
        "talkwire.bye or the end of the websocket": "closed",
    },
    "asked": {
        "talkwire.offer": "offered",
        "talkwire.bye or the end of the websocket": "closed",
    },
    "offered": {
        "talkwire.answer": "opening",
        "talkwire.bye or the end of the websocket": "closed",
    },
    "opening": {
        "talkwire.ready": "open",
        "a frame of the session": "opening",
        "talkwire.text": "opening",
        "talkwire.bye or the end of the websocket": "closed",
    },
    "open": {
        "a frame of the session": "open",
        "talkwire.text": "open",
        "talkwire.bye or the end of the websocket": "closed",
    },
    "closed": {},
}

Table = Mapping[Any, Mapping[Any, Any]]
TABLES: list[tuple[Table, enum.Enum, Golden]] = [
    (HOPS, Hop.WAITING, HOPS_AS_WRITTEN),
    (PHASES, Phase.CONNECTING, PHASES_AS_WRITTEN),
    (GATES, Gate.IDLE, GATES_AS_WRITTEN),
    (CALLS, Call.ANNOUNCED, CALLS_AS_WRITTEN),
    (MCP, Mcp.ASKED, MCP_AS_WRITTEN),
    (APPROVALS, Approval.ASKED, APPROVALS_AS_WRITTEN),
]
each = pytest.mark.parametrize(
    ("table", "first", "golden"), TABLES, ids=["hop", "phase", "gate", "call", "mcp", "approval"]
)


def inputs_of(table: Table) -> type[enum.Enum]:
    return type(next(moved_by for row in table.values() for moved_by in row))


@each
def test_every_row_is_the_one_that_was_agreed(
    table: Table, first: enum.Enum, golden: Golden
) -> None:
    rows = {
        state.value: {moved_by.value: target.value for moved_by, target in row.items()}
        for state, row in table.items()
    }
    assert rows == golden


@each
def test_every_state_has_a_row_and_every_target_is_a_state(
    table: Table, first: enum.Enum, golden: Golden
) -> None:
    states = set(type(first))
    assert set(table) == states
    assert {target for row in table.values() for target in row.values()} <= states


@each
def test_every_state_can_be_reached_and_every_input_moves_something(
    table: Table, first: enum.Enum, golden: Golden
) -> None:
    reached, edge = {first}, {first}
    while edge:
        edge = {target for state in edge for target in table[state].values()} - reached
        reached |= edge
    assert reached == set(type(first))
    assert {moved_by for row in table.values() for moved_by in row} == set(inputs_of(table))


@each
def test_over_the_whole_grid_an_input_moves_or_is_refused_and_nothing_else(
    table: Table, first: enum.Enum, golden: Golden
) -> None:
    for state in type(first):
        for moved_by in inputs_of(table):
            wanted = golden[state.value].get(moved_by.value)
            got = advance(table, state, moved_by)
            assert (got.value if got is not None else None) == wanted, (state, moved_by)


def test_every_table_of_the_code_is_held_against_a_copy() -> None:
    assert [table.rows for table in tables()] == [table for table, _, _ in TABLES]
    assert [table.first for table in tables()] == [first for _, first, _ in TABLES]


def test_every_state_explains_itself_and_the_terminal_ones_say_so() -> None:
    """Nothing leads out of a state whose docstring says "Terminal.", and of no other."""
    for table in tables():
        words = explained(table.states)
        assert set(words) == set(table.states.__members__), table.name
        said = {state for state in table.states if "Terminal." in words[state.name]}
        assert said == {state for state in table.states if table.leads_nowhere(state)}, table.name


def test_the_drawn_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == page(), "docs/tables.md is stale: run `make docs` and commit it"


def test_the_gate_can_always_open_again_without_a_command_of_ours() -> None:
    """A request must never wait for ever: from every state the wire or the clock leads to idle."""
    ours = {"our response.create leaves", "our response.cancel"}
    for start in Gate:
        reached, edge = {start}, {start}
        while edge:
            moves = {
                target
                for state in edge
                for moved_by, target in GATES[state].items()
                if moved_by.value not in ours
            }
            edge = moves - reached
            reached |= edge
        assert Gate.IDLE in reached, start
