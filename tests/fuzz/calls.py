"""Every public call as a choice of bytes: found by looking at the class, and at its types.

A call that is new is fuzzed as soon as it is there. One whose arguments have types that are not
known here is an error, not a gap.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import attrs
import msgspec

from fuzz.steps import Cursor, Ids
from support.public import public_calls
from talkwire import Session

# How a subject hears and is drained is the run's own doing; nobody counts what was not heard.
DOORS = frozenset(
    {
        *["receive", "receive_close", "handle_timeout", "next_frame", "next_timeout", "needs"],
        *["attach", "detach", "close", "open_call", "snapshot", "resume", "count", "send"],
    }
)
TEXTS = ("", "Hello.", "{}", "\ud800", "x" * 300, "user", "system", "assistant")
OBJECTS: tuple[dict[str, Any], ...] = (
    {},
    {"instructions": "Be brief."},
    {"audio": {"input": {"turn_detection": None}}},
    {"tools": object()},
    {"conversation": "none", "metadata": {"k": "v"}},
    {"type": "message", "role": "user", "content": []},
    {"type": "function_call", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "output": "21"},
    {"type": "mcp_approval_response", "approve": True},
)
SILENCE = bytes(2048)
# Whose ids they are; the rest is text.
IDS = {
    "response_id": "resp",
    "item_id": "item",
    "previous_item_id": "item",
    "call_id": "call",
    "approval_request_id": "item",
    "event_id": "event",
}

Maker = Callable[[Cursor, Ids, float], Any]
Call = Callable[[Any, Cursor, Ids, float], Any]


def _object(cursor: Cursor, ids: Ids, now: float) -> dict[str, Any]:
    which, about = cursor.byte(), cursor.byte()
    chosen = dict(OBJECTS[which % len(OBJECTS)])
    if "type" in chosen and about & 8:
        chosen["id"] = ids.pick("item", about & 7)
    if chosen.get("type", "").startswith("function_call"):
        chosen["call_id"] = ids.pick("call", about & 7)
    elif "approve" in chosen:
        chosen["approval_request_id"] = ids.pick("item", about & 7)
    return chosen


def _one_of(choices: Sequence[Any]) -> Maker:
    return lambda cursor, ids, now: choices[cursor.byte() % len(choices)]


def _id_of(kind: str) -> Maker:
    return lambda cursor, ids, now: ids.pick(kind, cursor.byte() & 7)


PLAIN: dict[Any, Maker] = {
    str: _one_of(TEXTS),
    bytes: lambda cursor, ids, now: SILENCE[: cursor.byte() * 8],
    int: lambda cursor, ids, now: (cursor.byte() - 8) * 8,
    float: lambda cursor, ids, now: cursor.byte() / 8,
    bool: lambda cursor, ids, now: bool(cursor.byte() & 1),
    type(None): lambda cursor, ids, now: None,
    msgspec.UnsetType: lambda cursor, ids, now: msgspec.UNSET,
}


def maker(name: str, hint: Any) -> Maker:
    """How bytes make an argument of this name and type."""
    origin, args = get_origin(hint), get_args(hint)
    if name == "now":
        return lambda cursor, ids, now: now
    if origin in (typing.Union, types.UnionType):
        some = [maker(name, each) for each in args]
        return lambda cursor, ids, now: some[cursor.byte() % len(some)](cursor, ids, now)
    if name in IDS and hint is str:
        return _id_of(IDS[name])
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is Literal:
        return _one_of(args)
    if isinstance(hint, enum.EnumMeta):
        return _one_of(list(hint))
    if origin in (dict, Mapping):
        return _object
    if origin in (list, Sequence):
        one = maker(name, args[0])
        return lambda cursor, ids, now: [one(cursor, ids, now)]
    raise AssertionError(f"no bytes for {name}: {hint!r}; add a way")


def _call(name: str, hints: Mapping[str, Any]) -> Call:
    makers = {each: maker(each, hint) for each, hint in hints.items()}

    def call(target: Any, cursor: Cursor, ids: Ids, now: float) -> Any:
        made = {each: make(cursor, ids, now) for each, make in makers.items()}
        return getattr(target, name)(**made)

    return call


def _send(kind: type[Any]) -> Call:
    hints = typing.get_type_hints(kind)
    makers = {
        each.name: maker(each.name, hints[each.name])
        for each in attrs.fields(kind)
        if each.name != "type"
    }

    def send(target: Session, cursor: Cursor, ids: Ids, now: float) -> Any:
        made = {each: make(cursor, ids, now) for each, make in makers.items()}
        return target.send(kind(**made), now=now)

    return send


def calls_of(kind: type[Any]) -> dict[str, Call]:
    """Every public call of a class but the doors, and for a session every command."""
    found = {
        name: _call(name, hints) for name, hints in public_calls(kind).items() if name not in DOORS
    }
    if kind is Session:
        commands = get_args(public_calls(kind)["send"]["command"])
        found |= {f"send {each.__name__}": _send(each) for each in commands}
    return found
