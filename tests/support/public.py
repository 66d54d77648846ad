"""The public calls of a class, and the types of what they take, as the code has them."""

from __future__ import annotations

import inspect
import typing
from typing import Any


def public_calls(kind: type[Any]) -> dict[str, dict[str, Any]]:
    """The types of the arguments of every public call, by its name."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in inspect.getmembers(kind, callable):
        if not name.startswith("_"):
            hints = typing.get_type_hints(value)
            parameters = inspect.signature(value).parameters
            found[name] = {each: hints[each] for each in parameters if each != "self"}
    return found
