"""How a service reads what a client asks for: small checks that tables are made of.

A check takes a value and the parameter's name and returns the value to keep, or raises
`RefusedError` with OpenAI's code and wording. That never leaves the service: it becomes an `error`
frame.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from .json_values import MAX_DEPTH, JsonObject, is_list, is_object

Check = Callable[[Any, str], Any]


class RefusedError(Exception):
    """A client event that is not carried out: `code`, words and the parameter at fault."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


_KINDS: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    dict: "an object",
    list: "an array",
    type(None): "null",
}


def _wrong_type(value: Any, param: str, expected: str) -> RefusedError:
    got = next((name for kind, name in _KINDS.items() if type(value) is kind), "something else")
    message = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    return RefusedError("invalid_type", message, param)


def missing(param: str) -> RefusedError:
    """The refusal of an object without a field it must have."""
    message = f"Missing required parameter: '{param}'."
    return RefusedError("missing_required_parameter", message, param)


def anything(value: Any, param: str) -> Any:
    """Accept every value."""
    return value


def text(value: Any, param: str) -> str:
    """Accept a string."""
    if isinstance(value, str):
        return value
    raise _wrong_type(value, param, "a string")


def flag(value: Any, param: str) -> bool:
    """Accept true and false."""
    if isinstance(value, bool):
        return value
    raise _wrong_type(value, param, "a boolean")


def text_up_to(length: int) -> Check:
    """Accept a string of at most `length` characters."""

    def check(value: Any, param: str) -> str:
        if len(text(value, param)) <= length:
            return text(value, param)
        raise RefusedError(
            "string_above_max_length",
            f"Invalid '{param}': string too long. Expected a string with maximum length {length}, "
            f"but got a string with length {len(value)} instead.",
            param,
        )

    return check


def name_up_to(length: int) -> Check:
    """Accept an identifier (`a-zA-Z0-9_-`) of at most `length` characters."""
    short = text_up_to(length)

    def check(value: Any, param: str) -> str:
        if re.fullmatch("[a-zA-Z0-9_-]+", short(value, param)):
            return text(value, param)
        raise RefusedError(
            "invalid_value",
            f"Invalid '{param}': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]+$'.",
            param,
        )

    return check


def one_of(*values: str) -> Check:
    """Accept one of these strings."""
    supported = ", ".join(f"'{value}'" for value in values)

    def check(value: Any, param: str) -> str:
        if text(value, param) in values:
            return text(value, param)
        message = f"Invalid value: '{value}'. Supported values are: {supported}."
        raise RefusedError("invalid_value", message, param)

    return check


def between(low: float, high: float, *, whole: bool = False) -> Check:
    """Accept a number from `low` to `high`, both included."""
    kinds, name = (int, "integer") if whole else ((int, float), "decimal")
    expected = "an integer" if whole else "a decimal"

    def check(value: Any, param: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise _wrong_type(value, param, expected)
        if low <= value <= high:
            return value
        side, sign, bound = ("below_min", ">=", low) if value < low else ("above_max", "<=", high)
        words = {"below_min": "below minimum", "above_max": "above maximum"}[side]
        raise RefusedError(
            f"{name}_{side}_value",
            f"Invalid '{param}': {name} {words} value. Expected a value {sign} {bound}, "
            f"but got {value} instead.",
            param,
        )

    return check


def nullable(check: Check) -> Check:
    """Accept null, or what `check` accepts."""
    return lambda value, param: None if value is None else check(value, param)


def either(kind: type, check: Check, otherwise: Check) -> Check:
    """Read values of one JSON kind by `check`, and all the rest by `otherwise`."""

    def choose(value: Any, param: str) -> Any:
        return (check if type(value) is kind else otherwise)(value, param)

    return choose


def list_of(check: Check) -> Check:
    """Accept an array whose elements `check` accepts."""

    def elements(value: Any, param: str) -> list[Any]:
        if not is_list(value):
            raise _wrong_type(value, param, "an array")
        return [check(element, f"{param}[{index}]") for index, element in enumerate(value)]

    return elements


def json_object(value: Any, param: str) -> JsonObject:
    """Accept any object."""
    if is_object(value):
        return value
    raise _wrong_type(value, param, "an object")


def object_of(fields: Mapping[str, Check], *required: str) -> Check:
    """Accept an object with these fields only; what is kept stands in the table's order."""

    def check(value: Any, param: str) -> JsonObject:
        given = json_object(value, param)
        for name in required:
            if name not in given:
                raise missing(f"{param}.{name}")
        for name in given:
            if name not in fields:
                unknown = f"{param}.{name}"
                message = f"Unknown parameter: '{unknown}'."
                raise RefusedError("unknown_parameter", message, unknown)
        return {
            name: read(given[name], f"{param}.{name}")
            for name, read in fields.items()
            if name in given
        }

    return check


def by_field(field: str, kinds: Mapping[str, Check]) -> Check:
    """Accept an object that says in `field` which of the tables it is read by."""
    known = one_of(*kinds)

    def check(value: Any, param: str) -> JsonObject:
        given = json_object(value, param)
        if field not in given:
            raise missing(f"{param}.{field}")
        kind: str = known(given[field], f"{param}.{field}")
        read: JsonObject = kinds[kind](value, param)
        return read

    return check


def refuse_depth(value: Any, param: str) -> None:
    """Refuse what is nested deeper than `MAX_DEPTH`; looks at each level in turn."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (
                parent.values() if is_object(parent) else parent if is_list(parent) else ()
            )
        ]
        if not level:
            return
    raise RefusedError("invalid_value", f"Invalid '{param}': nested too deeply.", param)
