"""The vocabulary against the `openai` package's: no event and no required field that we lack.

What its types say is walked beside ours: a field that it requires must be a field of ours, at any
depth where we type it, and a frame made of its types must be read into our class. What stays
untyped on purpose stands in `UNTYPED`, with the reason.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

import attrs
import msgspec
import pytest
from openai.types import realtime as theirs
from pydantic import BaseModel

from support.frames import text_of
from talkwire import InvalidFrame, UnknownEvent, commands, events
from talkwire.realtime import items, translation
from talkwire.realtime.service_wire import InvalidCommand, command_table, decode_command
from talkwire.realtime.wire import decode_event, wire_type

Frame = dict[str, Any]
Models = dict[str, type[BaseModel]]

# (our class, field): why it has no type of ours, or what its content is read as.
UNTYPED: dict[tuple[str, str], str | type[Any]] = {
    ("SessionCreated", "session"): "the configuration in force is compared and shown as JSON",
    ("SessionUpdated", "session"): "the configuration in force is compared and shown as JSON",
    ("ConversationCreated", "conversation"): "never seen on the wire",
    ("ConversationItemInputAudioTranscriptionDelta", "logprobs"): "passed on as it came",
    ("ConversationItemInputAudioTranscriptionCompleted", "logprobs"): "passed on as it came",
    ("ConversationItemInputAudioTranscriptionCompleted", "usage"): "of two kinds, billed apart",
    ("ConversationItemInputAudioTranscriptionCompleted", "languages"): "passed on as it came",
    ("Item", "content"): items.ContentPart,
    ("Item", "tools"): "the tools of an MCP server: schemas that are the server's own",
    ("Item", "error"): "what an MCP server said: of three kinds, shown as it came",
    ("Response", "output"): items.Item,
    ("Response", "usage"): items.Usage,
    ("Response", "status_details"): items.StatusDetails,
    ("StatusDetails", "error"): "shown as it came",
    ("SessionUpdate", "session"): "a patch: left out and null are two things",
    ("ConversationItemCreate", "item"): "content that no type knows passes through",
    ("ResponseCreate", "response"): "options that no type knows pass through",
}


# -- reading their types


def members(union: Any) -> Models:
    """The classes of one of their unions, by their type on the wire."""
    models = [model for model in get_args(bare(union)) if issubclass(model, BaseModel)]
    return {kind: model for model in models for kind in literals(model.model_fields["type"])}


def literals(field: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in get_args(bare(field.annotation)))


def bare(hint: Any) -> Any:
    """A type without its annotations, and a union without its None."""
    if get_origin(hint) is typing.Annotated:
        return bare(get_args(hint)[0])
    if get_origin(hint) in (typing.Union, types.UnionType):
        some = [each for each in get_args(hint) if each is not type(None)]
        return bare(some[0]) if len(some) == 1 else typing.Union[tuple(some)]  # noqa: UP007
    return hint


def models_in(hint: Any) -> set[type[BaseModel]]:
    """Every class that a value of this type may be, or hold in a list."""
    hint = bare(hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return {hint}
    return {model for each in get_args(hint) for model in models_in(each)}


# -- reading ours


def fields_of(kind: type[Any]) -> dict[str, Any]:
    """The fields of a frozen class of ours, with their types."""
    hints = typing.get_type_hints(kind)
    if issubclass(kind, msgspec.Struct):
        return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(kind)}
    return {field.name: hints[field.name] for field in attrs.fields(kind)}


def typed(hint: Any) -> type[Any] | None:
    """The class of ours that a field holds, alone, in a list or beside None."""
    found = [each for arg in get_args(hint) if (each := typed(arg)) is not None]
    if found:
        return found[0]
    is_ours = isinstance(hint, type) and hint.__module__.startswith("talkwire")
    return hint if is_ours else None


def by_type(kinds: Iterable[type[Any]]) -> dict[str, type[Any]]:
    return {wire_type(kind): kind for kind in kinds}


# -- side by side


def lacking(
    model: type[BaseModel],
    ours: type[Any],
    place: str = "",
    asked: set[tuple[str, str]] | None = None,
) -> Iterator[str]:
    """What their class requires and ours has no field for; `asked`: which fields hold more."""
    here = fields_of(ours)
    for name, field in model.model_fields.items():
        name = field.alias or name
        if name not in here:
            if field.is_required():
                yield f"{place}.{name}"
            continue
        inner = models_in(field.annotation)
        below = UNTYPED.get((ours.__name__, name)) or typed(here[name])
        if inner and asked is not None:
            asked.add((ours.__name__, name))
        if inner and below is None:
            yield f"{place}.{name}: neither typed nor listed as untyped on purpose"
        elif isinstance(below, type):
            for each in sorted(inner, key=lambda each: each.__name__):
                yield from lacking(each, below, f"{place}.{name}<{each.__name__}>", asked)


def values(hint: Any, whole: bool, turn: int) -> Any:
    """A value of one of their types; `turn` picks among alternatives."""
    hint = bare(hint)
    args = get_args(hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return frame_of(hint, whole, turn)
    if get_origin(hint) is Literal:
        return args[turn % len(args)]
    if get_origin(hint) is typing.Union:
        return values(args[turn % len(args)], whole, turn)
    if get_origin(hint) is list:
        return [values(args[0], whole, turn + more) for more in range(3)] if whole else []
    if get_origin(hint) is dict:
        return {"key": values(args[1], whole, turn)} if whole else {}
    plain = {str: "text", int: 1, float: 0.5, bool: True, object: None}
    return plain[hint]


def frame_of(model: type[BaseModel], whole: bool, turn: int) -> Frame:
    """A frame that their class describes: all its fields, or only those it requires."""
    return {
        field.alias or name: values(field.annotation, whole, turn)
        for name, field in model.model_fields.items()
        if whole or field.is_required()
    }


@attrs.frozen
class Vocabulary:
    """What is said in one direction, by their classes and by ours."""

    theirs: Models
    ours: dict[str, type[Any]]


SHARED = (events.ErrorEvent, events.SessionCreated, events.SessionUpdated)
EVENTS = {
    "realtime": Vocabulary(
        members(theirs.RealtimeServerEvent), by_type(get_args(events.ServerEvent))
    ),
    "translation": Vocabulary(
        members(theirs.RealtimeTranslationServerEvent),
        by_type([*SHARED, *get_args(translation.TranslationEvent)]),
    ),
}
COMMANDS = {
    "realtime": Vocabulary(
        members(theirs.RealtimeClientEvent), by_type(get_args(commands.Command))
    ),
    "translation": Vocabulary(
        members(theirs.RealtimeTranslationClientEvent),
        by_type([commands.SessionUpdate, *get_args(translation.TranslationCommand)]),
    ),
}


def each(vocabularies: dict[str, Vocabulary]) -> pytest.MarkDecorator:
    """One test for each type of theirs, in each kind of session."""
    cases = [(name, kind) for name, words in vocabularies.items() for kind in sorted(words.theirs)]
    return pytest.mark.parametrize(("session", "kind"), cases)


whole_and_bare = pytest.mark.parametrize("whole", [True, False], ids=["whole", "bare"])


def test_the_walk_sees_their_whole_vocabulary() -> None:
    sizes = [len(words.theirs) for words in (*EVENTS.values(), *COMMANDS.values())]
    assert all(size >= least for size, least in zip(sizes, (46, 7, 11, 3), strict=True))
    assert {"error", "response.done", "conversation.item.added"} <= set(EVENTS["realtime"].theirs)
    assert "session.closed" in EVENTS["translation"].theirs


@pytest.mark.parametrize("session", ["realtime", "translation"])
def test_they_know_no_event_and_no_command_that_we_do_not(session: str) -> None:
    for words in (EVENTS[session], COMMANDS[session]):
        assert set(words.theirs) - set(words.ours) == set()


@each(EVENTS)
def test_what_they_require_of_an_event_is_a_field_of_ours(session: str, kind: str) -> None:
    words = EVENTS[session]
    assert list(lacking(words.theirs[kind], words.ours[kind], kind)) == []


@each(COMMANDS)
def test_what_they_can_say_in_a_command_we_can_say(session: str, kind: str) -> None:
    words = COMMANDS[session]
    assert set(words.theirs[kind].model_fields) <= set(fields_of(words.ours[kind]))
    assert list(lacking(words.theirs[kind], words.ours[kind], kind)) == []


def test_a_field_that_we_lack_is_found_at_any_depth() -> None:
    class Part(BaseModel):
        phase_of_moon: str

    class Item(BaseModel):
        id: str
        content: list[Part]

    class Added(BaseModel):
        item: Item
        sky: str | None = None

    found = list(lacking(Added, events.ConversationItemAdded, "added"))
    assert found == ["added.item<Item>.content<Part>.phase_of_moon"]


@whole_and_bare
@each(EVENTS)
def test_a_frame_of_their_types_is_read_into_our_class(
    session: str, kind: str, whole: bool
) -> None:
    words = EVENTS[session]
    for turn in range(12):
        frame = text_of(frame_of(words.theirs[kind], whole, turn))
        event = decode_event(frame)
        assert not isinstance(event, InvalidFrame | UnknownEvent), event
        assert isinstance(event, words.ours[kind])


@whole_and_bare
@each(COMMANDS)
def test_a_command_of_their_types_is_read_into_our_class(
    session: str, kind: str, whole: bool
) -> None:
    words = COMMANDS[session]
    known = command_table(words.ours.values())
    for turn in range(12):
        command = decode_command(text_of(frame_of(words.theirs[kind], whole, turn)), known)
        assert not isinstance(command, InvalidCommand), command
        assert isinstance(command, words.ours[kind])


def test_nothing_is_listed_as_untyped_without_need() -> None:
    asked: set[tuple[str, str]] = set()
    for words in (*EVENTS.values(), *COMMANDS.values()):
        for kind, model in words.theirs.items():
            list(lacking(model, words.ours[kind], asked=asked))
    assert set(UNTYPED) - asked == set()
