"""JSON as Python values: telling its kinds apart, and mending what a strict decoder refuses."""

import json
from typing import Any, TypeGuard

JsonObject = dict[str, Any]

MAX_DEPTH = 64
"""Levels of a value: what was read at one stack depth must be writable at another."""


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def without_nulls(text: str | bytes, but: frozenset[str] = frozenset()) -> str:
    """JSON text without fields that are null: it is as good as absent (§1.1), `but` in some.

    Raises ValueError or RecursionError for what cannot be read.
    """

    def told(value: JsonObject) -> JsonObject:
        return {key: it for key, it in value.items() if it is not None or key in but}

    return json.dumps(json.loads(text, object_hook=told))


def readable(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which no encoding has."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
