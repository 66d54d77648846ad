"""Errors of the service by what they mean for the session (§3.9)."""

import enum
import re

from .beta import SWITCHED_OFF
from .events import ErrorDetails


class ErrorClass(enum.Enum):
    """What an error asks of the client."""

    GATE = "gate"
    """Another response is active: wait for its end, then ask again."""
    BENIGN = "benign"
    """The thing was already so; nothing is to be done."""
    OPERATION = "operation"
    """That one command failed."""
    RETRYABLE = "retryable"
    """It was too much at once: the same again, after a while."""
    FATAL = "fatal"
    """The session ends and a new one would end the same way."""
    SESSION_OVER = "session over"
    """The session ends; a new one would do."""


CODES: dict[str, ErrorClass] = {
    "conversation_already_has_active_response": ErrorClass.GATE,
    "response_cancel_not_active": ErrorClass.BENIGN,
    "input_audio_buffer_commit_empty": ErrorClass.BENIGN,
    "item_truncate_invalid_item_id": ErrorClass.BENIGN,
    "inference_rate_limit_exceeded": ErrorClass.RETRYABLE,
    "rate_limit_exceeded": ErrorClass.RETRYABLE,
    "session_expired": ErrorClass.SESSION_OVER,
    SWITCHED_OFF: ErrorClass.FATAL,
    "invalid_api_key": ErrorClass.FATAL,
    "insufficient_quota": ErrorClass.FATAL,
    "model_not_found": ErrorClass.FATAL,
    "account_deactivated": ErrorClass.FATAL,
    "billing_hard_limit_reached": ErrorClass.FATAL,
    "call_id_not_found": ErrorClass.FATAL,
}

# Older servers and clones send no code, only these words (livekit/agents#1056).
WORDS: dict[str, ErrorClass] = {
    "already has an active response": ErrorClass.GATE,
    "no active response found": ErrorClass.BENIGN,
    "already shorter than": ErrorClass.BENIGN,
    "Only model output audio": ErrorClass.BENIGN,
}

_RESPONSE_ID = re.compile(r"\bresp_\w+")


def classify(error: ErrorDetails) -> ErrorClass:
    """Sort an error by its code, else by its words."""
    if error.code in CODES:
        return CODES[error.code]
    message = error.message or ""
    for words, kind in WORDS.items():
        if words in message:
            return kind
    return ErrorClass.OPERATION


def blocker(error: ErrorDetails) -> str | None:
    """The id of the response that a gate error says is active (§3.4)."""
    found = _RESPONSE_ID.search(error.message or "")
    return found.group() if found else None
