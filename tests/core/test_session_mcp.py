"""MCP as the service runs it: lists of tools, calls, approvals: §3.8."""

from typing import Any

import pytest

from support.frames import (
    Frame,
    Script,
    error,
    event,
    item_added,
    item_done,
    output_item,
    response_created,
    response_done,
    settled,
)
from talkwire import (
    RELAY,
    SIDEBAND,
    Anomaly,
    LocalProtocolError,
    Mcp,
    McpApprovalRequested,
    Outcome,
    Plane,
    commands,
)

TOOLS = [{"name": "roll", "input_schema": {"type": "object"}, "description": "Rolls dice."}]


def tools_item(tools: Any = (), **more: Any) -> Frame:
    listed = {"id": "item_l", "type": "mcp_list_tools", "server_label": "dice"}
    return {**listed, "tools": list(tools), **more}


def call_item(**more: Any) -> Frame:
    call = {"id": "item_c", "type": "mcp_call", "server_label": "dice", "name": "roll"}
    return {**call, "arguments": "", **more}


def approval_item(request_id: str = "item_q") -> Frame:
    asked = {"type": "mcp_approval_request", "server_label": "dice", "name": "roll"}
    return {"id": request_id, **asked, "arguments": '{"dice":2}'}


ASKED = McpApprovalRequested(
    approval_request_id="item_q", name="roll", arguments='{"dice":2}', server_label="dice"
)


def listing(how: str) -> Frame:
    return event(f"mcp_list_tools.{how}", item_id="item_l")


def calling(how: str) -> Frame:
    return event(f"response.mcp_call.{how}", item_id="item_c", output_index=0)


def running(plane: Plane = SIDEBAND) -> Script:
    script = Script(plane=plane)
    script.hear(response_created("resp_1"))
    return script


# -- lists of tools


def test_a_session_without_mcp_knows_of_none() -> None:
    mcp = Script().session.mcp
    assert (dict(mcp.servers), mcp.lists, mcp.calls, mcp.approvals) == ({}, {}, {}, {})


def test_the_tools_of_a_server_are_known_once_its_list_is_complete_3_8() -> None:
    script = Script()
    states = []
    for frame in (
        item_added(tools_item()),
        listing("in_progress"),
        listing("completed"),
        item_done(tools_item(TOOLS)),
    ):
        assert script.tell(frame) == []
        states.append(script.session.mcp.servers["dice"].state)
    assert states == [Mcp.ASKED, Mcp.RUNNING, Mcp.COMPLETED, Mcp.COMPLETED]
    assert script.session.mcp.servers["dice"].tools == tuple(TOOLS)
    assert script.session.mcp.servers["dice"].error is None


def test_a_list_may_be_told_of_before_its_item_3_3() -> None:
    script = Script()
    script.hear(listing("in_progress"), item_added(tools_item()))
    assert script.session.mcp.servers["dice"].state is Mcp.RUNNING


@pytest.mark.parametrize("item_first", [True, False])
def test_a_list_that_failed_says_why_3_8(item_first: bool) -> None:
    script = Script()
    why = {"type": "http_error", "code": 401, "message": "Unauthorized"}
    frames = [listing("failed"), item_done(tools_item(error=why))]
    assert script.tell(item_added(tools_item()), *frames[:: -1 if item_first else 1]) == []
    assert script.session.mcp.servers["dice"].state is Mcp.FAILED
    assert script.session.mcp.servers["dice"].error == why


def test_the_newest_list_of_a_server_counts() -> None:
    script = Script()
    script.hear(item_done(tools_item(TOOLS)), item_done(tools_item(TOOLS * 2, id="item_l2")))
    assert len(script.session.mcp.servers["dice"].tools) == 2


def test_a_list_that_is_complete_does_not_fail_afterwards() -> None:
    script = Script()
    script.hear(item_done(tools_item(TOOLS)))
    assert script.tell(listing("failed")) == [
        Anomaly(type="mcp_list_tools.failed", reason="item item_l has completed already")
    ]
    assert script.session.mcp.servers["dice"].state is Mcp.COMPLETED


def test_tools_of_any_shape_are_taken_in_stride() -> None:
    script = Script()
    assert script.tell(item_done(tools_item(tools=[7]))) == []
    assert script.session.mcp.servers["dice"].tools == ()


# -- calls


def test_a_call_runs_and_ends_with_its_output_3_8() -> None:
    script = running()
    assert (
        script.tell(
            output_item("added", "resp_1", call_item()),
            item_added(call_item()),
            event(
                "response.mcp_call_arguments.done",
                response_id="resp_1",
                item_id="item_c",
                output_index=0,
                arguments='{"dice":2}',
            ),
            calling("in_progress"),
        )
        == []
    )
    assert script.session.mcp.calls["item_c"].state is Mcp.RUNNING
    whole = call_item(arguments='{"dice":2}', output="7")
    frames = (calling("completed"), output_item("done", "resp_1", whole), item_done(whole))
    assert script.tell(*frames) == []
    call = script.session.mcp.calls["item_c"]
    assert (call.state, call.name, call.arguments, call.output) == (
        Mcp.COMPLETED,
        "roll",
        '{"dice":2}',
        "7",
    )


@pytest.mark.parametrize(
    "why",
    [
        {"type": "tool_execution_error", "message": "No dice."},
        {"type": "protocol_error", "code": -32602, "message": "Invalid params"},
    ],
)
def test_a_call_that_failed_says_why_3_8(why: Frame) -> None:
    script = running()
    script.hear(output_item("added", "resp_1", call_item()), calling("failed"))
    script.hear(output_item("done", "resp_1", call_item(error=why, output=None)))
    call = script.session.mcp.calls["item_c"]
    assert (call.state, call.error, call.output) == (Mcp.FAILED, why, None)


def test_the_end_of_a_call_may_be_all_that_is_heard_of_it() -> None:
    script = Script(plane=SIDEBAND)
    script.hear(calling("completed"))
    assert script.session.mcp.calls["item_c"].state is Mcp.COMPLETED


def test_the_memory_of_calls_is_bounded() -> None:
    script = Script()
    script.hear(*(item_done(call_item(id=f"item_{n}", output="1")) for n in range(200)))
    assert 10 < len(script.session.mcp.calls) < 200
    assert "item_199" in script.session.mcp.calls


def test_a_call_that_runs_is_forgotten_last() -> None:
    script = Script()
    script.hear(calling("in_progress"))
    script.hear(*(item_done(call_item(id=f"item_{n}", output="1")) for n in range(200)))
    assert script.session.mcp.calls["item_c"].state is Mcp.RUNNING
    script.hear(*(item_added(call_item(id=f"item_{n}")) for n in range(200, 400)))
    assert 10 < len(script.session.mcp.calls) < 200


# -- approvals


@pytest.mark.parametrize(
    "first",
    [
        output_item("done", "resp_1", approval_item()),
        item_done(approval_item()),
        response_done("resp_1", output=[approval_item()]),
    ],
    ids=["output_item.done", "item.done", "response.done"],
)
def test_approval_is_asked_for_once_whichever_event_says_it_first_3_8(first: Frame) -> None:
    script = running()
    script.hear(item_added({**approval_item(), "arguments": ""}))
    assert script.tell(first) == [ASKED]
    assert (
        script.tell(
            item_done(approval_item()),
            output_item("done", "resp_1", approval_item()),
            response_done("resp_1", output=[approval_item()]),
        )
        == []
    )


def test_what_is_missing_in_a_request_is_empty() -> None:
    script = running()
    bare = {"id": "item_q", "type": "mcp_approval_request"}
    (asked,) = script.tell(item_done(bare))
    assert asked == McpApprovalRequested(
        approval_request_id="item_q", name="", arguments="", server_label=""
    )


def test_a_page_can_ask_for_approval_only_in_a_response_that_is_running_s4() -> None:
    script = Script(plane=RELAY)
    frames = (
        item_done(approval_item()),
        response_done("resp_x", output=[approval_item()]),
        output_item("done", "resp_x", approval_item()),
    )
    assert not [e for e in script.tell(*frames) if isinstance(e, McpApprovalRequested)]
    script.hear(response_created("resp_1"))
    assert script.tell(output_item("done", "resp_1", approval_item())) == [ASKED]


@pytest.mark.parametrize(("reason", "told"), [(None, {}), ("Too risky.", {"reason": "Too risky."})])
def test_a_request_is_answered_once_3_8(reason: str | None, told: Frame) -> None:
    script = running()
    script.hear(output_item("done", "resp_1", approval_item()))
    answer = script.session.send_mcp_approval("item_q", False, reason, now=0.0)
    (frame,) = script.sent()
    item_id = frame["item"].pop("id")
    assert frame["event_id"] == answer
    assert frame["item"] == {
        "type": "mcp_approval_response",
        "approval_request_id": "item_q",
        "approve": False,
        **told,
    }
    with pytest.raises(LocalProtocolError, match="'item_q' is answered"):
        script.session.send_mcp_approval("item_q", True, now=0.0)
    added = item_added({"id": item_id, **frame["item"]})
    assert settled(script.tell(added)) == [(answer, Outcome.DONE)]


def test_a_request_that_nobody_made_cannot_be_answered() -> None:
    script = Script()
    item = {"type": "mcp_approval_response", "approval_request_id": "item_q", "approve": True}
    unknown = pytest.raises(LocalProtocolError, match="'item_q' is not known")
    with unknown:
        script.session.send_mcp_approval("item_q", True, now=0.0)
    with unknown:
        script.session.send(commands.ConversationItemCreate(item=item), now=0.0)
    assert script.sent() == []


def test_an_approval_that_was_refused_may_be_given_again() -> None:
    script = running()
    script.hear(output_item("done", "resp_1", approval_item()))
    answer = script.session.send_mcp_approval("item_q", True, now=0.0)
    assert settled(script.tell(error("invalid_value", event_id=answer))) == [
        (answer, Outcome.FAILED)
    ]
    script.session.send_mcp_approval("item_q", True, now=0.0)
    assert script.sent_types() == ["conversation.item.create"] * 2


def test_a_question_that_is_open_is_not_forgotten_one_that_was_answered_is() -> None:
    script = running()
    for n in range(200):
        script.hear(item_done(approval_item(f"item_{n}")))
        if n % 2:
            script.session.send_mcp_approval(f"item_{n}", True, now=0.0)
    known = script.session.mcp.approvals
    assert list(known) == [f"item_{n}" for n in (*range(0, 199, 2), 199)]
    script.session.send_mcp_approval("item_0", True, now=0.0)


def test_after_the_close_no_request_can_be_answered() -> None:
    script = running()
    script.hear(output_item("done", "resp_1", approval_item()))
    script.session.receive_close(now=0.0)
    with pytest.raises(LocalProtocolError, match=r"send_mcp_approval .* closed"):
        script.session.send_mcp_approval("item_q", True, now=0.0)


def test_the_refusal_of_another_command_opens_no_request_again() -> None:
    script = running()
    script.hear(output_item("done", "resp_1", approval_item()))
    script.session.send_mcp_approval("item_q", True, now=0.0)
    other = script.session.send_text("Hello.", respond=False, now=0.0)
    script.hear(error("invalid_value", event_id=other))
    with pytest.raises(LocalProtocolError, match="answered"):
        script.session.send_mcp_approval("item_q", True, now=0.0)
