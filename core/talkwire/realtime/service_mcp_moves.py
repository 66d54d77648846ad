"""What an engine reports of remote tools: what servers offer, and what their tools gave (§3.8)."""

from collections.abc import Sequence
from typing import get_args

from ..errors import LocalProtocolError
from .engine import EngineRequest
from .json_values import JsonObject, is_object
from .service_arguments import check, check_choice, optional
from .service_books import Books
from .service_mcp import McpErrorKind
from .service_response import Response


class McpMoves:
    """What remote servers offer and what became of their tools' calls."""

    _books: Books

    def mcp_listed(
        self, item_id: str, tools: Sequence[JsonObject] | None, *, now: float
    ) -> list[EngineRequest]:
        """The tools of a server, as `McpListRequested` asked for; None: it cannot be reached.

        A tool is {name, input_schema, description?, annotations?}.
        """
        listed = None if tools is None else list(tools)
        check("mcp_listed", now, words=(item_id,), json=listed)
        if not all(is_object(tool) for tool in listed or ()):
            raise LocalProtocolError("mcp_listed: a tool is an object")
        self._books.mcp.listed(item_id, listed)
        return []

    def mcp_call(
        self,
        response_id: str,
        server_label: str,
        name: str,
        arguments: str,
        *,
        approval_request_id: str | None = None,
        now: float,
    ) -> list[EngineRequest]:
        """The model calls a remote tool; `arguments` is JSON text.

        The call is asked for by `McpCallRequested`, or the user is asked first, as the server's
        `require_approval` has it; then it is made in a later response, naming the request that
        was granted. Raises LocalProtocolError for a server that the response has not, and for a
        request that was not granted.
        """
        words = (response_id, server_label, name, arguments, *optional(approval_request_id))
        check("mcp_call", now, words=words)
        response = self._books.floor.running.get(response_id)
        if response is None:
            return []
        call = {"server_label": server_label, "name": name, "arguments": arguments}
        return self._books.mcp.call(response, call, approval_request_id)

    def mcp_call_done(
        self, response_id: str, item_id: str, output: str, *, now: float
    ) -> list[EngineRequest]:
        """A remote tool has run. Ignored when the call is over already."""
        check("mcp_call_done", now, words=(response_id, item_id, output))
        if response := self._calling(response_id, item_id):
            response.finish_mcp_call(item_id, "completed", output=output)
        return []

    def mcp_call_failed(
        self,
        response_id: str,
        item_id: str,
        message: str,
        *,
        kind: McpErrorKind = "tool_execution_error",
        code: int | None = None,
        now: float,
    ) -> list[EngineRequest]:
        """A remote tool could not run; `code` goes with errors of the protocol and of HTTP."""
        check("mcp_call_failed", now, words=(response_id, item_id, message), json=code)
        check_choice("mcp_call_failed", kind, get_args(McpErrorKind))
        if response := self._calling(response_id, item_id):
            error = {"type": kind, "message": message} | ({} if code is None else {"code": code})
            response.finish_mcp_call(item_id, "failed", error=error)
        return []

    def _calling(self, response_id: str, item_id: str) -> Response | None:
        response = self._books.floor.running.get(response_id)
        return None if response is None or item_id not in response.mcp_calls else response
