"""Remote tools as a service runs them: what servers offer, calls, and who approves of them (§3.8).

The engine connects to the servers; the service asks it to, and says what comes of it.
"""

from typing import Literal

from attrs import define, field

from ..errors import LocalProtocolError
from .engine import EngineRequest, McpApprovalGiven, McpCallRequested, McpListRequested
from .json_values import JsonObject, is_object
from .service_checks import RefusedError
from .service_conversation import Conversation
from .service_outbox import Outbox
from .service_response import Response
from .state import APPROVALS, Approval, ApprovalInput, advance

McpErrorKind = Literal["protocol_error", "tool_execution_error", "http_error"]


@define
class _Request:
    """A call that the user is asked about."""

    call: JsonObject
    state: Approval = Approval.ASKED
    granted: bool = False


@define
class Mcp:
    """Which servers were asked for their tools, and which calls were asked about."""

    _outbox: Outbox
    _conversation: Conversation
    _servers: dict[str, JsonObject] = field(factory=dict[str, JsonObject])
    """By label, the tool setting whose list was asked for."""
    _listing: dict[str, JsonObject] = field(factory=dict[str, JsonObject])
    """By item, the lists that are still to come."""
    _requests: dict[str, _Request] = field(factory=dict[str, _Request])
    """By item, the calls that wait for an approval, or for being made after it."""

    def list_tools(self, tools: list[JsonObject]) -> list[EngineRequest]:
        """Ask the servers among these tools for what they offer, unless they were asked before."""
        requests: list[EngineRequest] = []
        for tool in tools:
            if tool["type"] == "mcp" and self._servers.get(tool["server_label"]) != tool:
                self._servers[tool["server_label"]] = tool
                requests.append(self._list(tool))
        return requests

    def _list(self, tool: JsonObject) -> EngineRequest:
        item: JsonObject = {
            "id": self._conversation.fresh("item"),
            "type": "mcp_list_tools",
            "server_label": tool["server_label"],
            "tools": [],
        }
        self._listing[item["id"]] = item
        self._conversation.add(item)
        self._outbox.say("mcp_list_tools.in_progress", item_id=item["id"])
        return McpListRequested(item_id=item["id"], server=tool)

    def listed(self, item_id: str, tools: list[JsonObject] | None) -> None:
        """A server told its tools, or None: it could not be asked."""
        started = self._listing.pop(item_id, None)
        if started is None:
            return
        what = "failed" if tools is None else "completed"
        self._outbox.say(f"mcp_list_tools.{what}", item_id=item_id)
        self._conversation.finish(started, {**started, "tools": tools or []})

    def call(
        self, response: Response, call: JsonObject, approved: str | None
    ) -> list[EngineRequest]:
        """The model calls a tool; `approved` is the request that was granted for it, if any."""
        label = call["server_label"]
        servers = (t for t in response.tools if t["type"] == "mcp" and t["server_label"] == label)
        server = next(servers, None)
        if server is None:
            raise LocalProtocolError(f"mcp_call: {response.id} has no server {label!r}")
        if approved is not None and not self._is_granted(approved):
            raise LocalProtocolError(f"mcp_call: {approved!r} is no request that was granted")
        if approved is None and _needs_approval(server.get("require_approval"), call["name"]):
            item = {"id": self._conversation.fresh("mcpr"), "type": "mcp_approval_request", **call}
            self._requests[item["id"]] = _Request(call)
            response.ask_approval(item)
            return []
        self._requests.pop(approved or "", None)
        item_id = self._conversation.fresh("mcp")
        response.start_mcp_call(
            {
                "id": item_id,
                "type": "mcp_call",
                **call,
                "approval_request_id": approved,
                "output": None,
                "error": None,
            }
        )
        return [
            McpCallRequested(
                response_id=response.id,
                item_id=item_id,
                server=server,
                name=call["name"],
                arguments=call["arguments"],
            )
        ]

    def _is_granted(self, request_id: str) -> bool:
        request = self._requests.get(request_id)
        return request is not None and request.granted

    def check_answer(self, item: JsonObject) -> None:
        """Refuse the response to a request that was not made, or that has one."""
        asked = item["approval_request_id"]
        request = self._requests.get(asked)
        if request is None or advance(APPROVALS, request.state, ApprovalInput.ANSWER) is None:
            message = f"MCP approval request ID '{asked}' is not waiting for a response."
            raise RefusedError("invalid_value", message, "item.approval_request_id")

    def answer(self, item: JsonObject) -> EngineRequest:
        """The user decided."""
        request_id = item["approval_request_id"]
        request = self._requests[request_id]
        request.state, request.granted = Approval.ANSWERED, item["approve"]
        if not request.granted:
            del self._requests[request_id]
        return McpApprovalGiven(
            approval_request_id=request_id,
            approve=item["approve"],
            reason=item.get("reason"),
            **request.call,
        )

    def close(self) -> None:
        """The session is over: no list matters any more."""
        self._listing.clear()

    def forget(self, item_id: str) -> None:
        """An item was deleted; what it asked for does not matter any more."""
        request = self._requests.get(item_id)
        if request is not None and not request.granted:
            del self._requests[item_id]


def _needs_approval(setting: str | JsonObject | None, name: str) -> bool:
    """Whether the user must be asked first; a server without a setting is not trusted."""
    if not is_object(setting):
        return setting != "never"
    if name in _names(setting, "never"):
        return False
    return "always" not in setting or name in _names(setting, "always")


def _names(setting: JsonObject, which: str) -> list[str]:
    chosen: JsonObject = setting.get(which, {})
    names: list[str] = chosen.get("tool_names", [])
    return names
