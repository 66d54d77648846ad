"""The last step of a function call: its result goes out, or words that it cannot."""

import logging
from typing import Protocol

from talkwire import LocalProtocolError, Respond, Session

_UNSENDABLE = '{"error":"The result cannot be sent."}'
_log = logging.getLogger(__name__)


class Answering(Protocol):
    """As much of a connection as answers a call."""

    @property
    def session(self) -> Session: ...

    async def send_function_result(
        self, call_id: str, output: str, *, respond: Respond | bool = True
    ) -> str: ...


async def send_result(
    connection: Answering,
    call_id: str,
    output: str,
    *,
    respond: Respond | bool = True,
    logger: logging.Logger = _log,
) -> None:
    """Answer a call. A result that cannot be sent, because it is larger than what passes or is not
    Unicode, becomes an error in words for the model, for a call without an answer leaves the caller
    in silence.

    Raises LocalProtocolError for a call that cannot be answered.
    """
    try:
        await connection.send_function_result(call_id, output, respond=respond)
    except LocalProtocolError as error:
        session = connection.session
        if not (session.takes_commands and session.calls.can_answer(call_id)):
            raise
        logger.error("the result of call %.64r cannot be sent: %s", call_id, error)
        await connection.send_function_result(call_id, _UNSENDABLE, respond=respond)
