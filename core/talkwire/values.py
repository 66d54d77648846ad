"""What the frozen classes of the wire have in common: comparing, hashing and showing themselves.

attrs could write these for each class; for some eighty classes that is half of the core's import
time, so they are written here once and the classes say `eq=False, repr=False`.
"""

from typing import Any

from attrs import Attribute, fields
from msgspec import Raw


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
        shown = [
            f"{field.name}={_shown(getattr(self, field.name))}"
            for field in _fields(self)
            if field.repr and getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def _state(value: Any) -> list[object]:
    return [_plain(getattr(value, field.name)) for field in _fields(value)]


def _fields(value: Any) -> "tuple[Attribute[Any], ...]":
    known: tuple[Attribute[Any], ...] = fields(value.__class__)
    return known


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, Raw) else value


def _shown(value: object) -> str:
    return bytes(value).decode() if isinstance(value, Raw) else repr(value)
