"""The lines of a recording, as `recording` writes and `replay` reads them."""

import binascii
import json
from collections.abc import Mapping
from typing import Any, Literal, TypeGuard, cast

import msgspec
from attrs import fields
from msgspec import UNSET, Raw, UnsetType

from .errors import UnreadableError
from .realtime import commands, translation
from .realtime.calls import Respond
from .realtime.happenings import Anomaly, InvalidFrame, UnknownEvent
from .realtime.json_values import MAX_DEPTH, JsonObject, is_list, is_object
from .values import Value

FORMAT = 1
UNWRITABLE = "talkwire.unwritable"
"""Marks what JSON has no word for: the call fails on it, and shall fail again."""
_ODD = {cls.__name__: cls for cls in (Anomaly, InvalidFrame, UnknownEvent)}
_SCALARS = (bool, int, float, str, type(None))

On = Literal["session"] | UnsetType
"""A relay's session was called, not the relay."""


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The first line."""

    recording: int
    """The format."""
    talkwire: str
    """The version that recorded."""
    of: Literal["session", "relay"]
    now: float
    ids: bool = False
    """Ids come from a factory of the caller's; each that was made has a line."""
    snapshot: Raw


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Any other line: an input, what was taken out (null: nothing was left), or an id made."""

    call: str | UnsetType = UNSET
    out: str | list[str] | UnsetType | None = UNSET
    id: str | UnsetType = UNSET
    on: On = UNSET
    args: list[Any] = []
    options: dict[str, Any] = {}


def written(line: Header | Line) -> str:
    """A line as text, without its end."""
    try:
        return msgspec.json.encode(line, enc_hook=_mark).decode()
    except (TypeError, ValueError, RecursionError):
        # A lone surrogate, which this writes, or worse.
        return json.dumps(_marked(msgspec.structs.asdict(line)))


def read_header(text: str) -> Header:
    """Raises UnreadableError for what begins no recording, or none that this version plays."""
    try:
        header = msgspec.json.decode(text, type=Header)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"this is no recording: {error}") from error
    if header.recording != FORMAT:
        raise UnreadableError(
            f"this is a recording of format {header.recording}, by talkwire {header.talkwire}; "
            f"this talkwire plays format {FORMAT}"
        )
    return header


def read_line(text: str) -> Line:
    """Raises ValueError or RecursionError for what is no line of a recording."""
    try:
        return msgspec.json.decode(text, type=Line)
    except msgspec.DecodeError:
        return msgspec.convert(json.loads(text), Line)  # lone surrogates


# -- arguments: a scalar stands for itself, all else in an object whose one key says what it is


def argument(value: object) -> object:
    """An argument as it is written."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, float):
        return float(value)  # a Moment, as `next_timeout` gives it
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": bytes(cast(bytes, value))}
    cls: Any = type(value)
    name = cls.__name__
    if isinstance(value, Respond):
        return {name: value.value}
    if cls in _ODD.values():
        return {name: {each.name: argument(getattr(value, each.name)) for each in fields(cls)}}
    if _command(name) == cls:
        rows = ((each.name, getattr(value, each.name)) for each in fields(cls))
        return {name: {name: is_ for name, is_ in rows if is_ is not UNSET}}
    return {"json": dict(value) if _is_mapping(value) else value}


def given(written: Any) -> Any:
    """The argument that was written so. Raises TypeError or ValueError when none was."""
    if not is_object(written):
        return written
    if len(written) != 1:
        raise ValueError("an argument has one key")
    [(kind, value)] = written.items()
    value = _unmarked(value)
    if kind == "json":
        return value
    if kind == "bytes":
        return msgspec.convert(value, bytes)
    if kind == Respond.__name__:
        return Respond(value)
    if kind in _ODD:
        return _ODD[kind](**{name: given(each) for name, each in dict(value).items()})
    command = _command(kind)
    if command is None:
        raise ValueError(f"no argument is a {kind!r}")
    try:
        return msgspec.convert(value, command)
    except msgspec.ValidationError:
        return command(**value)  # as it was made: nothing checks a command before it is sent


def _command(name: str) -> type[Value] | None:
    found = getattr(commands, name, None) or getattr(translation, name, None)
    return found if isinstance(found, type) and issubclass(found, Value) else None


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


class _Unwritable:
    """What JSON has no word for, once more."""


def _mark(value: object) -> JsonObject:
    return {UNWRITABLE: type(value).__name__}


def _unmarked(value: Any) -> Any:
    if is_object(value):
        if value.keys() == {UNWRITABLE}:
            return _Unwritable()
        return {name: _unmarked(inner) for name, inner in value.items()}
    return [_unmarked(inner) for inner in value] if is_list(value) else value


def _marked(value: Any, depth: int = 0) -> Any:
    """The same, with a mark for whatever cannot be written or is too deep to know."""
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode()
    if depth < MAX_DEPTH and isinstance(value, list | tuple):
        return [_marked(inner, depth + 1) for inner in cast(list[Any], value)]
    if depth < MAX_DEPTH and is_object(value):
        rows = cast(dict[Any, Any], value).items()
        return {
            str(name): _marked(inner, depth + 1) if isinstance(name, str) else _mark(name)
            for name, inner in rows
            if inner is not UNSET
        }
    return value if isinstance(value, bool | int | float | str | None) else _mark(value)
