"""What an engine gives to a move, looked at before anything changes.

Whatever is wrong raises `LocalProtocolError`, which names the call.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import LocalProtocolError
from .service_checks import RefusedError, refuse_depth
from .service_outbox import encoded

MAX = 2**53
"""More than any session lasts or counts; beyond it a float is not exact any more."""


def check(
    call: str,
    now: object,
    *,
    words: Iterable[object] = (),
    whole: Iterable[object] = (),
    seconds: Iterable[object] = (),
    sound: object = b"",
    json: object = None,
    fields: object = None,
) -> None:
    """Look at the time, at texts, at whole numbers from 0, at audio, at what must be JSON, and at
    what must be an object of it, or nothing."""
    for second in (now, *seconds):
        if not _is_number(second):
            raise LocalProtocolError(f"{call}: {_short(second)} is no time in seconds")
    for text in words:
        if not isinstance(text, str):
            raise LocalProtocolError(f"{call}: {_short(text)} is no text")
    for number in whole:
        if type(number) is not int or not 0 <= number <= MAX:
            raise LocalProtocolError(f"{call}: {_short(number)} is no whole number from 0")
    if not isinstance(sound, bytes | bytearray | memoryview):
        raise LocalProtocolError(f"{call}: {_short(sound)} is no audio, which is bytes")
    _check_json(call, json)
    _check_json(call, fields)
    if fields is not None and not isinstance(fields, Mapping):
        raise LocalProtocolError(f"{call}: {_short(fields)} is no JSON object")


def check_choice(call: str, value: object, choices: Iterable[object]) -> None:
    """Refuse what is none of these."""
    known = list(choices)
    if value not in known:
        raise LocalProtocolError(f"{call}: {_short(value)} is not one of {known}")


def optional(value: object) -> tuple[object, ...]:
    """The value to look at, none if it was left out."""
    return () if value is None else (value,)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and -MAX <= value <= MAX


def _check_json(call: str, value: object) -> None:
    try:
        refuse_depth(value, call)
        encoded(value)
    except (RefusedError, TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"{call}: this is not JSON: {error}") from None


def _short(value: Any) -> str:
    whole = isinstance(value, int) and not -MAX <= value <= MAX  # too long to be written, perhaps
    return type(value).__name__ if whole else f"{value!r:.40}"
