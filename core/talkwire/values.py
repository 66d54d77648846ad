"""What the frozen classes of the wire have in common: comparing, hashing and showing themselves.

attrs could write these for each class; for some eighty classes that is half of the core's import
time, so they are written here once and the classes say `eq=False, repr=False`.
"""

import enum
from collections.abc import Callable, Iterator
from typing import Any

from attrs import Attribute, fields
from msgspec import Raw, Struct

# For fields of books: `dict[str, int]` is ten times as slow to call as `dict`.
new_dict: Callable[[], dict[Any, Any]] = dict
new_list: Callable[[], list[Any]] = list


class Named(enum.Enum):
    """An enum that hashes by identity: enum's own hash is a call, paid at every look-up here."""

    __hash__ = object.__hash__


class Value:
    """Equal when of one class and equal in every field; raw JSON is compared as text."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _state(self) == _state(other)

    def __hash__(self) -> int:
        # Of text alone: other fields may be mutable, or equal without looking alike (1 and 1.0).
        return hash((type(self), *(v for v in _state(self) if isinstance(v, str | bytes))))

    def __repr__(self) -> str:
        """The class and what differs from its defaults, so that a log line stays short."""
        rows = ((f.name, getattr(self, f.name), f.default) for f in _fields(self) if f.repr)
        return _line(self, rows)


class Payload(Struct, frozen=True, kw_only=True):
    """What stands inside an event: decoded in a fifth of the time that an attrs class takes."""

    def __repr__(self) -> str:
        """The class and what differs from its defaults."""
        names, defaults = self.__struct_fields__, self.__struct_defaults__
        return _line(self, ((n, getattr(self, n), d) for n, d in zip(names, defaults, strict=True)))


def _line(value: object, rows: Iterator[tuple[str, Any, Any]]) -> str:
    shown = [f"{name}={_shown(is_)}" for name, is_, default in rows if is_ != default]
    return f"{type(value).__name__}({', '.join(shown)})"


def _state(value: Any) -> list[object]:
    return [_plain(getattr(value, field.name)) for field in _fields(value)]


def _fields(value: Any) -> "tuple[Attribute[Any], ...]":
    known: tuple[Attribute[Any], ...] = fields(value.__class__)
    return known


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, Raw) else value


def _shown(value: object) -> str:
    return bytes(value).decode() if isinstance(value, Raw) else repr(value)
