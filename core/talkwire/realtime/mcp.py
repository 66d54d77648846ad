"""MCP as the service runs it: tools of each server, calls, what it asks approval for (§3.8).

The service calls the servers itself, so nothing here is answered but an approval, and that once.
Legality is `state.MCP` and `state.APPROVALS`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import define, field
from msgspec import Raw

from .happenings import Anomaly, McpApprovalRequested
from .items import NULL, Item, read
from .json_values import JsonObject
from .state import APPROVALS, MCP, Approval, ApprovalInput, Mcp, McpInput, advance

REMEMBERED = 64  # calls, approvals and lists of tools, of each; a question that is open stays

McpEvent = McpApprovalRequested | Anomaly

_TOOLS = msgspec.json.Decoder(tuple[dict[str, Any], ...])
_ERROR = msgspec.json.Decoder(dict[str, Any] | None)


@define
class McpItem:
    """A list of a server's tools, or a call of one of them, as far as it is known."""

    id: str
    server_label: str = ""
    state: Mcp = Mcp.ASKED
    name: str = ""
    """The tool that is called; empty for a list."""
    arguments: str = ""
    """JSON text as the model wrote it."""
    output: str | None = None
    _tools: bytes = b"[]"
    _error: bytes = b"null"

    @property
    def tools(self) -> tuple[JsonObject, ...]:
        """The tools listed: `name`, `input_schema` and perhaps more; decoded at each reading."""
        return read(Raw(self._tools), _TOOLS, ())

    @property
    def error(self) -> JsonObject | None:
        """Why it failed, where the service said so: `type`, `message` and perhaps `code`."""
        error: JsonObject | None = read(Raw(self._error), _ERROR, None)
        return error

    def update(self, wire: Item) -> McpInput | None:
        """Take over what a frame says of it; gives how it moves, None when it does not."""
        self.server_label = wire.server_label or self.server_label
        self.name = wire.name or self.name
        self.arguments = wire.arguments or self.arguments
        self.output = wire.output if wire.output is not None else self.output
        if wire.error is not NULL and bytes(wire.error) != b"null":
            self._error = bytes(wire.error)
            return McpInput.FAILED
        if wire.type == "mcp_list_tools" and wire.tools is not NULL:
            self._tools = bytes(wire.tools)
            return McpInput.COMPLETED if self.tools else None
        return McpInput.COMPLETED if wire.output is not None else None


@define
class McpApproval:
    """A question of the service's: may this tool be called?"""

    asked: McpApprovalRequested
    state: Approval = Approval.ASKED


@define
class McpBook:
    """What is known of the MCP servers of a session."""

    lists: dict[str, McpItem] = field(factory=dict[str, McpItem])
    """The lists of tools by the id of their item, oldest first."""
    calls: dict[str, McpItem] = field(factory=dict[str, McpItem])
    """The calls by the id of their item, oldest first."""
    approvals: dict[str, McpApproval] = field(factory=dict[str, McpApproval])
    """What approval was asked for, by the id of the request."""

    @property
    def servers(self) -> Mapping[str, McpItem]:
        """By its label, the newest list of each server's tools."""
        return {each.server_label: each for each in self.lists.values()}

    # -- the service's side

    def item(self, wire: Item, said_by: str, *, final: bool) -> list[McpEvent]:
        """A frame tells an item; `final` says that it is whole."""
        if wire.type == "mcp_approval_request":
            return self._asked(wire) if final else []
        if wire.type not in ("mcp_list_tools", "mcp_call"):
            return []
        book = self.lists if wire.type == "mcp_list_tools" else self.calls
        known = _kept(book, wire.id)
        moved_by = known.update(wire)
        return [] if moved_by is None else _move(known, moved_by, said_by)

    def list_tools(self, item_id: str, moved_by: McpInput, said_by: str) -> list[McpEvent]:
        """An event tells how a list of tools goes on; it may come before its item."""
        return _move(_kept(self.lists, item_id), moved_by, said_by)

    def call(self, item_id: str, moved_by: McpInput, said_by: str) -> list[McpEvent]:
        """An event tells how a call goes on."""
        return _move(_kept(self.calls, item_id), moved_by, said_by)

    def _asked(self, wire: Item) -> list[McpEvent]:
        if wire.id in self.approvals:
            return []
        asked = McpApprovalRequested(
            approval_request_id=wire.id,
            name=wire.name or "",
            arguments=wire.arguments or "",
            server_label=wire.server_label or "",
        )
        oldest = _oldest(self.approvals, Approval.ANSWERED)
        if len(self.approvals) >= REMEMBERED and oldest is not None:
            del self.approvals[oldest]
        self.approvals[wire.id] = McpApproval(asked)
        return [asked]

    # -- our side

    def can_answer(self, approval_request_id: str) -> bool:
        """Whether a question is there and open."""
        approval = self.approvals.get(approval_request_id)
        if approval is None:
            return False
        return advance(APPROVALS, approval.state, ApprovalInput.ANSWER) is not None

    def answer(self, approval_request_id: str) -> None:
        """Our answer is being sent."""
        self._move(approval_request_id, ApprovalInput.ANSWER)

    def refused(self, approval_request_id: str) -> None:
        """The service did not take our answer, if it was one: it may be given again."""
        if approval_request_id in self.approvals:
            self._move(approval_request_id, ApprovalInput.REFUSED)

    def _move(self, approval_request_id: str, moved_by: ApprovalInput) -> None:
        approval = self.approvals[approval_request_id]
        approval.state = advance(APPROVALS, approval.state, moved_by) or approval.state


def _kept(book: dict[str, McpItem], item_id: str) -> McpItem:
    known = book.get(item_id)
    if known is None:
        if len(book) >= REMEMBERED:
            # Where none is over, the oldest: nobody waits for it, and it may be told of again.
            oldest = _oldest(book, Mcp.COMPLETED, Mcp.FAILED)
            del book[next(iter(book)) if oldest is None else oldest]
        known = book[item_id] = McpItem(item_id)
    return known


def _oldest(book: Mapping[str, McpItem | McpApproval], *over: Mcp | Approval) -> str | None:
    """The oldest that is over, if any is."""
    return next((any_id for any_id, known in book.items() if known.state in over), None)


def _move(known: McpItem, moved_by: McpInput, said_by: str) -> list[McpEvent]:
    state = advance(MCP, known.state, moved_by)
    if state is None:
        reason = f"item {known.id} has {known.state.value} already"
        return [Anomaly(type=said_by, reason=reason)]
    known.state = state
    return []
