"""Refusals as OpenAI words them: a status and `{"error": {"message": …, "type": …, …}}`."""

from __future__ import annotations

import json

from quart import Response

INVALID_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"


class ProblemError(Exception):
    """A request that is refused; raised anywhere in a view, answered in one place."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    def response(self) -> Response:
        """Return it as an HTTP response."""
        error = {
            "message": str(self),
            "type": SERVER_ERROR if self.status >= 500 else INVALID_REQUEST,
            "code": self.code,
            "param": self.param,
        }
        return Response(json.dumps({"error": error}), self.status, content_type="application/json")
