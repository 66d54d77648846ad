"""What a session does about MCP: which frames tell of it, and how far they are believed (§3.8).

The service is believed in everything. A page is believed about a request for approval only as an
item of a response that is running (S4); what it says of the rest has no consequence here.
"""

from collections.abc import Callable
from typing import Any

from . import events as e
from .books import Books
from .happenings import Event
from .items import Item
from .mcp import McpBook
from .state import McpInput

ItemEvent = (
    e.ResponseOutputItemAdded
    | e.ResponseOutputItemDone
    | e.ConversationItemAdded
    | e.ConversationItemCreated
    | e.ConversationItemDone
    | e.ResponseDone
)
ListEvent = e.McpListToolsInProgress | e.McpListToolsCompleted | e.McpListToolsFailed
CallEvent = e.ResponseMcpCallInProgress | e.ResponseMcpCallCompleted | e.ResponseMcpCallFailed

_INPUTS: dict[type[ListEvent | CallEvent], McpInput] = {
    e.McpListToolsInProgress: McpInput.IN_PROGRESS,
    e.McpListToolsCompleted: McpInput.COMPLETED,
    e.McpListToolsFailed: McpInput.FAILED,
    e.ResponseMcpCallInProgress: McpInput.IN_PROGRESS,
    e.ResponseMcpCallCompleted: McpInput.COMPLETED,
    e.ResponseMcpCallFailed: McpInput.FAILED,
}


def mcp_item(
    books: Books, item: Item, event: ItemEvent, events: list[Event], *, final: bool
) -> None:
    """An item of one of the MCP kinds; `final` says that it is whole, and to be believed so."""
    events += _book(books).item(item, event.type, final=final)


def mcp_response(books: Books, event: e.ResponseDone, events: list[Event]) -> None:
    """A response ended; for who attached during it, the first to tell of a request."""
    response = event.response
    if books.plane.trusted and b'"mcp_approval_request"' in bytes(response.output):
        for item in response.items:
            mcp_item(books, item, event, events, final=True)


def _book(books: Books) -> McpBook:
    if books.mcp is None:
        books.mcp = McpBook()
    return books.mcp


def _list_tools(books: Books, event: ListEvent, events: list[Event]) -> None:
    events += _book(books).list_tools(event.item_id, _INPUTS[type(event)], event.type)


def _call(books: Books, event: CallEvent, events: list[Event]) -> None:
    events += _book(books).call(event.item_id, _INPUTS[type(event)], event.type)


MCP_EVENTS: dict[type[Event], Callable[[Books, Any, list[Event]], None]] = {
    e.McpListToolsInProgress: _list_tools,
    e.McpListToolsCompleted: _list_tools,
    e.McpListToolsFailed: _list_tools,
    e.ResponseMcpCallInProgress: _call,
    e.ResponseMcpCallCompleted: _call,
    e.ResponseMcpCallFailed: _call,
}
