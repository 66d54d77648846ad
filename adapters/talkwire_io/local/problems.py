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


def unknown_call(call_id: str) -> ProblemError:
    """What is asked about a call that there is not."""
    return ProblemError(404, f"There is no call {call_id}.", code="call_id_not_found")


def no_translator() -> ProblemError:
    """A translation is asked for; refused as OpenAI refuses a model that it does not have."""
    words = "This service has no model that translates: its offline brain only answers."
    return ProblemError(404, words, code="model_not_found", param="model")
