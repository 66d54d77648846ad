"""Narrow what came off the wire: schemas, items and outputs may have any shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Any]:
    """Return the value if it is a list or a tuple, else an empty list."""
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else []
