"""Everything that an object of ours shows of itself, at any depth, as something to compare."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Raw

PLAIN = (str, bytes, int, float, type(None))


def picture(value: Any) -> Any:
    """The value itself, or a list of what its public attributes and its items show."""
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping):
        return [(picture(key), picture(below)) for key, below in value.items()]
    shown: list[Any] = []
    if type(value).__module__.startswith("talkwire"):
        shown = [(name, picture(getattr(value, name))) for name in _attributes(value)]
    if isinstance(value, Iterable):
        items = [picture(each) for each in value]
        shown.append(sorted(items, key=repr) if isinstance(value, set | frozenset) else items)
    return shown


def _attributes(value: Any) -> list[str]:
    kind = type(value)
    names = [name for name in dir(value) if not name.startswith("_")]
    return [name for name in names if not callable(getattr(kind, name, None))]
