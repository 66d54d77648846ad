"""What a service reads: client frames as commands, or why not, in the words of OpenAI's errors.

Nothing here raises for what a client sent (law 4).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

import msgspec
from attrs import frozen

from ..errors import LocalProtocolError
from .beta import Dialect
from .commands import Command
from .json_values import JsonObject
from .service_beta import asked
from .wire import UNREADABLE, as_object, encode, plain_text, reason, wire_type


@frozen(kw_only=True)
class InvalidCommand:
    """A client frame that a service refuses, with the words of the error that answers it."""

    code: str
    message: str
    param: str | None = None
    event_id: str | None = None


CommandTable = Mapping[str, Callable[[str], Any]]
"""By type, how a client event is read."""


def command_table(classes: Iterable[type[Any]]) -> CommandTable:
    """The client events that a service knows, for `decode_command`."""
    return {wire_type(cls): msgspec.json.Decoder(cls).decode for cls in classes}


_COMMANDS = command_table(get_args(Command))


def decode_command(
    frame: str | bytes, known: CommandTable | None = None, dialect: Dialect = Dialect.GA
) -> Any:
    """Read one client frame, as a service does that knows these; an `InvalidCommand` if it cannot.

    Never raises.
    """
    try:
        text = plain_text(frame)
        raw = as_object(text)
        if dialect is Dialect.BETA:
            raw = asked(raw)
            text = encode(raw)
    except UNREADABLE as error:
        return InvalidCommand(code="invalid_json", message=reason(error))
    event_id = raw.get("event_id")
    event_id = event_id if isinstance(event_id, str) else None
    kind = raw.get("type")
    if not isinstance(kind, str):
        return InvalidCommand(
            event_id=event_id,
            code="missing_required_parameter",
            param="type",
            message="Missing required parameter: 'type'.",
        )
    known = _COMMANDS if known is None else known
    decode = known.get(kind)
    if decode is None:
        supported = ", ".join(f"'{name}'" for name in sorted(known))
        return InvalidCommand(
            event_id=event_id,
            code="invalid_value",
            param="type",
            message=f"Invalid value: '{kind}'. Supported values are: {supported}.",
        )
    try:
        return decode(text)
    except UNREADABLE as error:
        return _refusal(event_id, error)


def read_command(written: JsonObject) -> Command:
    """A command that you have as an object, in GA's shape or beta's, in which a `temperature` is
    dropped: GA has none (§2.2).

    Raises LocalProtocolError for what is none, in the words of the service's own refusal.
    """
    try:
        command: Command | InvalidCommand = decode_command(encode(written), dialect=Dialect.BETA)
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"read_command: cannot be written as JSON: {error}") from error
    if isinstance(command, InvalidCommand):
        raise LocalProtocolError(f"read_command: {command.message}")
    return command


_MISSING = "Object missing required field `"


def _refusal(event_id: str | None, error: Exception) -> InvalidCommand:
    words = str(error)
    if words.startswith(_MISSING):
        # "Object missing required field `audio_end_ms` - at `$.x`": the place, then the name.
        name = words.removeprefix(_MISSING).partition("`")[0]
        param = (_place(words) + name).removeprefix(".")
        message = f"Missing required parameter: '{param}'."
        return InvalidCommand(
            event_id=event_id, code="missing_required_parameter", param=param, message=message
        )
    param = _place(words).strip(".")
    if words.startswith("Invalid base64"):
        message = f"Invalid '{param}'. Expected base64-encoded audio bytes, but got others."
        return InvalidCommand(event_id=event_id, code="invalid_value", param=param, message=message)
    message = f"Invalid type for '{param}': {words.partition(' - at')[0]}."
    return InvalidCommand(event_id=event_id, code="invalid_type", param=param, message=message)


def _place(words: str) -> str:
    _, _, path = words.rstrip("`").partition(" - at `$")
    return f"{path}."
