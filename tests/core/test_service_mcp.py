"""Remote tools at the service: §3.8, §1.2, §1.4."""

from typing import Any

import pytest

from support.service_line import Frame, Line, said
from support.weight import weight
from talkwire.errors import LocalProtocolError
from talkwire.realtime.engine import (
    ConfigurationChanged,
    McpApprovalGiven,
    McpCallRequested,
    McpListRequested,
    ResponseRequested,
)
from talkwire.realtime.wire import EVENT_TYPES

DOCS: dict[str, Any] = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "https://example.com/mcp",
    "require_approval": "never",
}
SEARCH = {"name": "search", "input_schema": {"type": "object"}, "description": "Find a page."}


def connected(**fields: Any) -> tuple[Line, str]:
    """A line with a remote server and a response that may use it; the frames so far are read."""
    line = Line(session={"tools": [{**DOCS, **fields}]})
    response_id = line.respond()
    line.frames()
    return line, response_id


def call(line: Line, response_id: str, **fields: Any) -> Any:
    """The model searches the docs."""
    return line.service.mcp_call(response_id, "docs", "search", '{"q":"x"}', now=0, **fields)


def started(line: Line, response_id: str) -> str:
    """The model calls the tool and it begins to run; gives the item's id."""
    (request,) = call(line, response_id)
    assert isinstance(request, McpCallRequested)
    return request.item_id


# Lists


def test_a_servers_tools_are_listed_when_a_session_names_it_3_8() -> None:
    line = Line()

    requests = line.send("session.update", session={"type": "realtime", "tools": [DOCS]})

    updated, added, progress = line.frames()
    item = {"id": "item_1", "type": "mcp_list_tools", "server_label": "docs", "tools": []}
    assert updated["session"]["tools"] == [DOCS]
    assert (added["type"], added["item"]) == ("conversation.item.added", item)
    assert (progress["type"], progress["item_id"]) == ("mcp_list_tools.in_progress", "item_1")
    assert requests == [
        ConfigurationChanged(session=line.service.session),
        McpListRequested(item_id="item_1", server=DOCS),
    ]

    assert line.service.mcp_listed("item_1", [SEARCH], now=0) == []

    completed, done = line.frames()
    assert (completed["type"], completed["item_id"]) == ("mcp_list_tools.completed", "item_1")
    assert (done["type"], done["item"]) == ("conversation.item.done", {**item, "tools": [SEARCH]})
    (request,) = line.send("response.create")
    assert isinstance(request, ResponseRequested)
    assert request.items == ({**item, "tools": [SEARCH]},)


def test_a_server_that_cannot_be_reached_offers_nothing_3_8() -> None:
    line = Line(session={"tools": [DOCS]})

    line.service.mcp_listed("item_1", None, now=0)

    failed, done = line.frames()
    assert (failed["type"], done["item"]["tools"]) == ("mcp_list_tools.failed", [])


def test_a_session_opened_with_a_server_asks_for_its_tools_at_once_3_8() -> None:
    line = Line(fresh=True, session={"tools": [DOCS]})

    assert line.types() == [
        "session.created",
        "conversation.item.added",
        "mcp_list_tools.in_progress",
    ]
    assert line.service.opening == (McpListRequested(item_id="item_1", server=DOCS),)
    assert Line().service.opening == ()


def test_a_server_is_asked_again_only_when_its_setting_changes_3_8() -> None:
    line = Line(session={"tools": [DOCS]})

    def asked(*tools: Frame) -> int:
        requests = line.send("session.update", session={"type": "realtime", "tools": tools})
        return sum(isinstance(request, McpListRequested) for request in requests)

    assert asked(DOCS) == 0
    assert asked() == 0
    assert asked({"type": "function", "name": "f"}, DOCS) == 0
    assert asked({**DOCS, "authorization": "token"}) == 1
    assert asked(DOCS, {**DOCS, "server_label": "more"}) == 2


def test_a_server_for_one_response_is_listed_before_it_begins_3_8() -> None:
    line = Line()

    listing, response = line.send("response.create", response={"tools": [DOCS]})

    assert isinstance(listing, McpListRequested)
    assert isinstance(response, ResponseRequested)
    assert response.tools == (DOCS,)
    assert line.types() == [
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "response.created",
    ]


@pytest.mark.parametrize("why", ["unknown", "told already", "closed"])
def test_tools_that_nobody_waits_for_are_ignored(why: str) -> None:
    line = Line(session={"tools": [DOCS]})
    if why == "told already":
        line.service.mcp_listed("item_1", [], now=0)
    if why == "closed":
        line.service.receive_close(now=0)
    line.frames()

    line.service.mcp_listed("item_9" if why == "unknown" else "item_1", [SEARCH], now=0)

    assert line.frames() == []


def test_tools_that_are_not_json_are_the_engines_mistake_and_change_nothing() -> None:
    line = Line(session={"tools": [DOCS]})

    with pytest.raises(LocalProtocolError, match="mcp_listed"):
        line.service.mcp_listed("item_1", [{"name": object()}], now=0)

    assert line.frames() == []
    line.service.mcp_listed("item_1", [SEARCH], now=0)
    assert "mcp_list_tools.completed" in line.types()


def test_a_list_that_was_deleted_meanwhile_is_not_heard_of_as_an_item_again_3_8() -> None:
    line = Line(session={"tools": [DOCS]})
    line.send("conversation.item.delete", item_id="item_1")
    line.frames()

    line.service.mcp_listed("item_1", [SEARCH], now=0)

    assert line.types() == ["mcp_list_tools.completed"]
    assert line.service.items == ()


# Calls


def test_a_call_says_everything_in_order_3_8() -> None:
    line, response_id = connected()

    requests = call(line, response_id)
    assert requests == [
        McpCallRequested(
            response_id=response_id,
            item_id="mcp_1",
            server=DOCS,
            name="search",
            arguments='{"q":"x"}',
        )
    ]
    assert line.service.mcp_call_done(response_id, "mcp_1", "Found.", now=0) == []
    line.done(response_id)

    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert {frame["type"] for frame in frames} <= EVENT_TYPES
    begun = {
        "id": "mcp_1",
        "type": "mcp_call",
        "server_label": "docs",
        "name": "search",
        "arguments": "",
        "approval_request_id": None,
        "output": None,
        "error": None,
    }
    whole = {**begun, "arguments": '{"q":"x"}', "output": "Found."}
    at = {"response_id": response_id, "item_id": "mcp_1", "output_index": 0}
    assert frames[0]["item"] == begun
    assert {key: frames[2][key] for key in (*at, "delta")} == {**at, "delta": '{"q":"x"}'}
    assert {key: frames[3][key] for key in (*at, "arguments")} == {**at, "arguments": '{"q":"x"}'}
    for progress in frames[4:6]:  # these alone do not name their response (§1.2)
        assert list(progress) == ["type", "event_id", "item_id", "output_index"]
    assert [frames[6]["item"], frames[7]["item"]] == [whole] * 2
    assert frames[8]["response"]["output"] == [whole]
    assert line.service.items[-1] == whole


def test_a_call_without_arguments_has_no_delta_3_8() -> None:
    line, response_id = connected()

    line.service.mcp_call(response_id, "docs", "search", "", now=0)

    assert "response.mcp_call_arguments.delta" not in line.types()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, {"type": "tool_execution_error", "message": "No."}),
        (
            {"kind": "http_error", "code": 503},
            {"type": "http_error", "message": "No.", "code": 503},
        ),
    ],
)
def test_a_call_may_fail_and_the_response_goes_on_3_8(given: dict[str, Any], error: Frame) -> None:
    line, response_id = connected()
    item_id = started(line, response_id)
    line.frames()

    assert line.service.mcp_call_failed(response_id, item_id, "No.", now=0, **given) == []

    failed, done, finished = line.frames()
    assert failed["type"] == "response.mcp_call.failed"
    assert done["item"] == finished["item"]
    assert (done["item"]["error"], done["item"]["output"]) == (error, None)
    line.written(response_id, "It is broken.")
    line.done(response_id)


def test_a_response_is_not_done_while_a_remote_tool_runs_3_8() -> None:
    line, response_id = connected()
    item_id = started(line, response_id)
    line.frames()

    with pytest.raises(LocalProtocolError, match="MCP call"):
        line.service.response_done(response_id, now=0)

    assert line.frames() == []
    line.service.mcp_call_done(response_id, item_id, "Found.", now=0)
    line.done(response_id)


def test_a_call_that_is_cut_by_the_end_of_its_response_fails_3_5() -> None:
    line, response_id = connected()
    item_id = started(line, response_id)
    line.frames()

    line.send("response.cancel")

    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "response.mcp_call.failed",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert frames[1]["item"]["error"]["type"] == "tool_execution_error"
    assert line.service.mcp_call_done(response_id, item_id, "Late.", now=0) == []
    assert line.service.mcp_call_failed(response_id, item_id, "Late.", now=0) == []
    assert call(line, response_id) == []
    assert line.frames() == []


def test_the_end_of_a_call_is_told_once_3_8() -> None:
    line, response_id = connected()
    item_id = started(line, response_id)
    line.service.mcp_call_done(response_id, item_id, "Found.", now=0)
    line.frames()

    line.service.mcp_call_failed(response_id, item_id, "And failed.", now=0)

    assert line.frames() == []


def test_a_server_that_the_response_has_not_is_the_engines_mistake() -> None:
    line, response_id = connected()

    with pytest.raises(LocalProtocolError, match="'mail'"):
        line.service.mcp_call(response_id, "mail", "send", "{}", now=0)

    assert line.frames() == []


# Approvals


def asked(line: Line, response_id: str) -> str:
    """The model calls a tool that needs approval; gives the request's id."""
    assert call(line, response_id) == []
    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "response.output_item.added",
        "conversation.item.added",
        "conversation.item.done",
        "response.output_item.done",
    ]
    request: Frame = frames[-1]["item"]
    assert request == {
        "id": "mcpr_1",
        "type": "mcp_approval_request",
        "server_label": "docs",
        "name": "search",
        "arguments": '{"q":"x"}',
    }
    return "mcpr_1"


def decide(line: Line, **fields: Any) -> list[Any]:
    """The user decides about the request."""
    item = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", **fields}
    return line.send("conversation.item.create", item=item)


def test_a_call_is_made_once_the_user_has_approved_of_it_3_8() -> None:
    line, response_id = connected(require_approval="always")
    asked(line, response_id)
    line.done(response_id)
    line.frames()

    assert decide(line, approve=True) == [
        McpApprovalGiven(
            approval_request_id="mcpr_1",
            approve=True,
            reason=None,
            server_label="docs",
            name="search",
            arguments='{"q":"x"}',
        )
    ]
    added, done = line.frames()
    assert added["item"] == done["item"]
    assert (added["item"]["type"], added["item"]["approve"]) == ("mcp_approval_response", True)

    again = line.respond()
    (request,) = call(line, again, approval_request_id="mcpr_1")
    assert isinstance(request, McpCallRequested)
    line.service.mcp_call_done(again, request.item_id, "Found.", now=0)
    assert line.frames()[-1]["item"]["approval_request_id"] == "mcpr_1"
    with pytest.raises(LocalProtocolError, match="mcpr_1"):
        call(line, again, approval_request_id="mcpr_1")


def test_a_call_that_was_denied_is_not_made_3_8() -> None:
    line, response_id = connected(require_approval="always")
    asked(line, response_id)

    (given,) = decide(line, approve=False, reason="Too costly.", id="my_answer")

    assert (given.approve, given.reason) == (False, "Too costly.")
    assert line.frames()[0]["item"]["id"] == "my_answer"
    with pytest.raises(LocalProtocolError, match="granted"):
        call(line, response_id, approval_request_id="mcpr_1")


def test_a_call_that_was_denied_is_not_remembered() -> None:
    line, response_id = connected(require_approval="always")
    asked(line, response_id)
    before = weight(line.service)

    decide(line, approve=False, id="my_answer")
    line.send("conversation.item.delete", item_id="my_answer")
    line.frames()

    assert weight(line.service) < before


def test_a_call_is_not_made_before_it_is_approved_of_3_8() -> None:
    line, response_id = connected(require_approval="always")
    asked(line, response_id)

    for request_id in ("mcpr_1", "mcpr_9"):
        with pytest.raises(LocalProtocolError, match="granted"):
            call(line, response_id, approval_request_id=request_id)


@pytest.mark.parametrize("why", ["unknown", "answered already", "deleted"])
def test_an_answer_to_what_is_not_asked_is_refused_3_8(why: str) -> None:
    line, response_id = connected(require_approval="always")
    if why != "unknown":
        asked(line, response_id)
    if why == "answered already":
        decide(line, approve=True)
    if why == "deleted":
        line.send("conversation.item.delete", item_id="mcpr_1")
    line.frames()

    item = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    error = line.refused("conversation.item.create", item=item)

    assert (error["code"], error["param"]) == ("invalid_value", "item.approval_request_id")


def test_deleting_the_request_does_not_take_the_approval_back() -> None:
    line, response_id = connected(require_approval="always")
    asked(line, response_id)
    decide(line, approve=True)
    line.send("conversation.item.delete", item_id="mcpr_1")

    assert call(line, response_id, approval_request_id="mcpr_1")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({}, "missing_required_parameter", "item.approve"),
        ({"approve": "yes"}, "invalid_type", "item.approve"),
        ({"approve": True, "reason": 1}, "invalid_type", "item.reason"),
        ({"approve": True, "why": ""}, "unknown_parameter", "item.why"),
        ({"approve": True, "id": "x" * 33}, "string_above_max_length", "item.id"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_by_its_parameter_1_4(
    fields: dict[str, Any], code: str, param: str
) -> None:
    line, response_id = connected(require_approval="always")
    asked(line, response_id)

    item = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", **fields}
    error = line.refused("conversation.item.create", item=item)

    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize(
    ("setting", "asks"),
    [
        ("always", True),
        ("never", False),
        (None, True),
        ({"never": {"tool_names": ["search"]}}, False),
        ({"never": {"tool_names": ["fetch"]}}, True),
        ({"always": {"tool_names": ["search"]}}, True),
        ({"always": {"tool_names": ["fetch"]}}, False),
        ({"never": {"read_only": True}}, True),
    ],
)
def test_who_must_be_asked_is_set_for_each_server_and_tool_1_6(setting: Any, asks: bool) -> None:
    line, response_id = connected(require_approval=setting)

    requests = call(line, response_id)

    assert (requests == []) is asks


# Settings


@pytest.mark.parametrize(
    "more",
    [
        {"connector_id": "connector_gmail", "authorization": "token"},
        {"tunnel_id": "tunnel_1", "headers": {"X": "1"}, "server_description": "All pages."},
        {"allowed_tools": ["search"], "defer_loading": True, "allowed_callers": ["model"]},
        {"allowed_tools": {"read_only": True}},
        {"require_approval": {"always": {"tool_names": ["search"]}}},
    ],
)
def test_every_setting_of_a_server_is_accepted_and_shown_1_6(more: dict[str, Any]) -> None:
    tool = {**DOCS, **more}

    line = Line()
    line.send("session.update", session={"type": "realtime", "tools": [tool]})

    assert line.service.session["tools"] == [tool]


@pytest.mark.parametrize(
    ("tool", "code", "param"),
    [
        ({"type": "mcp", "server_url": "https://x"}, "missing_required_parameter", "server_label"),
        ({"type": "mcp", "server_label": "x"}, "missing_required_parameter", "server_url"),
        ({**DOCS, "require_approval": "sometimes"}, "invalid_value", "require_approval"),
        ({**DOCS, "allowed_tools": "all"}, "invalid_type", "allowed_tools"),
        ({**DOCS, "url": "https://x"}, "unknown_parameter", "url"),
    ],
)
def test_a_server_that_cannot_be_is_refused_by_its_parameter_1_6(
    tool: Frame, code: str, param: str
) -> None:
    line = Line()

    error = line.refused("session.update", session={"type": "realtime", "tools": [tool]})

    assert (error["code"], error["param"]) == (code, f"session.tools[0].{param}")


def test_of_mcps_items_a_client_creates_answers_only_1_4() -> None:
    for kind in ("mcp_call", "mcp_list_tools", "mcp_approval_request"):
        error = Line().refused("conversation.item.create", item={**said("Hi"), "type": kind})
        assert (error["code"], error["param"]) == ("invalid_value", "item.type")
