"""Books as JSON text and back: everything in them, because their types say what that is.

A field is written unless it has its default, and read by its type. So a new field is in every
snapshot without anybody's doing, and a newer talkwire reads the snapshot of an older one.
A `Moment` is written as the time left until then: who reads it may have another clock.
"""

import enum
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeGuard, TypeVar, cast

import msgspec
from msgspec import NODEFAULT, inspect

from .errors import UnreadableError
from .timers import Moment

FORMAT = 1

Book = TypeVar("Book")


class _Cover(msgspec.Struct):
    snapshot: int
    of: str
    books: msgspec.Raw


def write(book: object, *, of: str, now: float) -> str:
    """Write a book and all the books in it; `of` says of what."""

    def nested(value: Any) -> object:
        # Whatever is no value and no book writes itself, or makes ids.
        return None if callable(value) else msgspec.Raw(value.snapshot(now=now).encode())

    books = msgspec.json.encode(_told(book, now), enc_hook=nested)
    return msgspec.json.encode(_Cover(FORMAT, of, msgspec.Raw(books))).decode()


def read(
    text: str, book: type[Book], *, of: str, now: float, hooks: Mapping[Any, Callable[[Any], Any]]
) -> Book:
    """Read a book back; `hooks` make the parts that are no books, by their types.

    Raises UnreadableError for anything but what `write` gave.
    """

    def made(cls: Any, told: Any) -> Any:
        return Moment(told + now) if cls is Moment else hooks[cls](told)

    try:
        cover = msgspec.json.decode(text, type=_Cover)
        if (cover.snapshot, cover.of) != (FORMAT, of):
            found = f"of a {cover.of}, format {cover.snapshot}"
            raise UnreadableError(f"this is a snapshot {found}; expected a {of}, format {FORMAT}")
        return msgspec.json.decode(cover.books, type=book, dec_hook=made)
    except (ValueError, TypeError, RecursionError) as error:
        raise UnreadableError(f"this is no snapshot of a {of}: {error}") from error


def _told(value: object, now: float) -> Any:
    """A value as JSON will have it."""
    if isinstance(value, Moment):
        return value - now
    if _is_dict(value):
        return {_key(key): _told(inner, now) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_told(inner, now) for inner in cast(list[Any], value)]
    if isinstance(value, set):
        return sorted(cast(set[str], value))  # in an order that is the same everywhere
    cls: Any = type(value)
    fields = _fields(cls)
    if fields is None:
        return value
    rows = ((name, getattr(value, name), default()) for name, default in fields)
    return {name: _told(is_, now) for name, is_, default in rows if is_ != default}


def _is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    return isinstance(value, dict)


def _key(key: Any) -> Any:
    return key.value if isinstance(key, enum.Enum) else key


@cache
def _fields(cls: Any) -> tuple[tuple[str, Callable[[], Any]], ...] | None:
    """The fields of a book, each with what makes its default; None: it is no book."""
    info = inspect.type_info(cls)
    if not isinstance(info, inspect.StructType | inspect.DataclassType):
        return None
    return tuple((each.encode_name, _default(each)) for each in info.fields)


def _default(field: inspect.Field) -> Callable[[], Any]:
    factory = field.default_factory
    return (lambda: field.default) if factory is NODEFAULT else factory
