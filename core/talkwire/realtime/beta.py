"""The beta dialect (§2): the one place that knows the old names, in and out.

`heard` makes GA's frame of whatever a service said, `said` makes the beta frame of a GA command.
Both take and give plain JSON objects, change neither and leave alone what they do not know, so
that everything beyond this edge sees GA names only. OpenAI itself has switched beta off (§2.3);
previews of Azure's and clones still speak it, and some clones mix the two.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import msgspec

from .events import (
    ConversationItemCreated,
    ConversationItemDone,
    ConversationItemRetrieved,
    ErrorEvent,
    ResponseDone,
    ResponseOutputItemDone,
    SessionCreated,
    SessionUpdated,
)
from .items import read
from .json_values import JsonObject, is_list, is_object


class Dialect(enum.Enum):
    """Which names a session says; both are always understood."""

    GA = "ga"
    """OpenAI's own."""
    BETA = "beta"
    """What the header `OpenAI-Beta: realtime=v1` stood for."""


# -- the tables: beta on the left, GA on the right

# `conversation.item.created` has no row: GA says it in two frames, added and done, so it stays a
# name of its own, which the machine knows (§2.1).
EVENTS: Mapping[str, str] = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
}

# Of a session, and of the options of a response (§2.2).
FIELDS: Mapping[str, tuple[str, ...]] = {
    "modalities": ("output_modalities",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "input_audio_format": ("audio", "input", "format"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "max_response_output_tokens": ("max_output_tokens",),
}

# Values that are spelt otherwise. Where two rows begin or end alike, the first one is spoken.
Spelling = Sequence[tuple[Any, Any]]
MODALITIES: Spelling = ((["text", "audio"], ["audio"]), (["audio", "text"], ["audio"]))
FORMATS: Spelling = (
    ("pcm16", {"type": "audio/pcm", "rate": 24000}),
    ("pcm16", {"type": "audio/pcm"}),
    ("g711_ulaw", {"type": "audio/pcmu"}),
    ("g711_alaw", {"type": "audio/pcma"}),
)
VALUES: Mapping[str, Spelling] = {
    "modalities": MODALITIES,
    "input_audio_format": FORMATS,
    "output_audio_format": FORMATS,
}
# The content of an assistant's message; a user's is the same in both (§2.1).
PARTS: Spelling = (("text", "output_text"), ("audio", "output_audio"))

TRANSCRIPTION_UPDATE = "transcription_session.update"  # of GA's session.update, by `session.type`
SWITCHED_OFF = "beta_api_shape_disabled"
_HINT = "(The beta dialect was spoken, and the service has switched it off: speak Dialect.GA.)"

# What may betray old parts, in JSON without spaces. Where spaces stand, the wire does not find
# `type` at its place and reads the frame with care anyway.
_OLD_PARTS = tuple(f':"{old}"'.encode() for old, _ in PARTS)

ItemEvent = (
    ConversationItemCreated
    | ConversationItemDone
    | ConversationItemRetrieved
    | ResponseOutputItemDone
)


def _is_switched_off(event: ErrorEvent) -> bool:
    return event.error.code == SWITCHED_OFF


def _is_flat(event: SessionCreated | SessionUpdated) -> bool:
    return read(event.session, _FLAT, _NOTHING_FLAT) != _NOTHING_FLAT


def _has_old_item(event: ItemEvent) -> bool:
    return event.item.role == "assistant" and _has_old_parts(event.item.content)


def _is_old_end(event: ResponseDone) -> bool:
    """Without usage it is cut short, as a rule; or a clone's, that has it elsewhere (§2.4)."""
    return bytes(event.response.usage) == b"null" or _has_old_parts(event.response.output)


def _has_old_parts(raw: msgspec.Raw) -> bool:
    text = bytes(raw)
    for mark in _OLD_PARTS:  # a generator takes longer than both
        if mark in text:
            return True
    return False


_Flat = msgspec.defstruct("_Flat", [(name, msgspec.Raw, msgspec.Raw()) for name in FIELDS])
_FLAT, _NOTHING_FLAT = msgspec.json.Decoder(_Flat), _Flat()
# How the event itself betrays an old shape under a name that GA has too. What begins (`added`) has
# no parts yet.
LOOKED_AT: Mapping[str, Callable[[Any], bool]] = {
    "error": _is_switched_off,
    "session.created": _is_flat,
    "session.updated": _is_flat,
    "conversation.item.created": _has_old_item,
    "conversation.item.done": _has_old_item,
    "conversation.item.retrieved": _has_old_item,
    "response.done": _is_old_end,
    "response.output_item.done": _has_old_item,
}


# -- in


def ga_type(kind: str) -> str:
    """GA's name for a type of event, whichever dialect it was told in."""
    return EVENTS.get(kind, kind)


def heard(frame: JsonObject) -> JsonObject:
    """GA's frame for one of a service, whose `type` is a text; equal to it if it was GA already."""
    kind = frame["type"]
    ga = {**frame, "type": ga_type(kind)}
    session, item, error = frame.get("session"), frame.get("item"), frame.get("error")
    if is_object(session):
        ga["session"] = _session_heard(session, renamed=kind in EVENTS)
    if is_object(item):
        ga["item"] = item_in(item, GA)
    if is_object(error) and error.get("code") == SWITCHED_OFF:
        ga["error"] = {**error, "message": f"{error.get('message') or ''} {_HINT}".lstrip()}
    if is_object(frame.get("response")):
        _response_heard(ga)
    return ga


def _session_heard(session: JsonObject, *, renamed: bool) -> JsonObject:
    kind = "transcription" if renamed else "realtime"
    nested = nest(session)
    return {"type": kind, **nested} if renamed or nested != session else session


def _response_heard(frame: JsonObject) -> None:
    response = nest(frame["response"])
    if "output" in response:
        response["output"] = items_in(response["output"], GA)
    if response.get("usage") is None and "usage" in frame:  # a clone put it beside (§2.4)
        response["usage"] = frame.pop("usage")
    frame["response"] = response


def nest(flat: JsonObject) -> JsonObject:
    """Every flat field at GA's place for it, unless something stands there already."""
    nested = {key: value for key, value in flat.items() if key not in FIELDS}
    for key, path in FIELDS.items():
        if key in flat:
            nested = _laid_under(nested, path, _respelt(VALUES.get(key, ()), flat[key], GA))
    return nested


def _laid_under(settings: JsonObject, path: Sequence[str], value: Any) -> JsonObject:
    head, *tail = path
    if not tail:
        return {head: value, **settings}
    below = settings.get(head)
    return {**settings, head: _laid_under(below if is_object(below) else {}, tail, value)}


# -- out


def said(frame: JsonObject) -> JsonObject:
    """The beta frame for a GA command; what beta has no name for stays, for the service to judge.

    `temperature`, which GA has not, is passed on where the caller put it (§2.2).
    """
    beta = dict(frame)
    session, response, item = frame.get("session"), frame.get("response"), frame.get("item")
    if is_object(session):
        beta["session"] = flatten({key: it for key, it in session.items() if key != "type"})
        if session.get("type") == "transcription":
            beta["type"] = TRANSCRIPTION_UPDATE
    if is_object(response):
        beta["response"] = flatten(response)
        if "input" in response:
            beta["response"]["input"] = items_in(response["input"], BETA)
    if is_object(item):
        beta["item"] = item_in(item, BETA)
    return beta


def flatten(nested: JsonObject) -> JsonObject:
    """Every field that GA has at a place of its own under beta's flat name; the rest stays."""
    flat: JsonObject = {}
    for key, path in FIELDS.items():
        value, nested = _taken(nested, path)
        if value is not _ABSENT:
            flat[key] = _respelt(VALUES.get(key, ()), value, BETA)
    return {**nested, **flat}


def _taken(settings: JsonObject, path: Sequence[str]) -> tuple[Any, JsonObject]:
    """What stands at a path, and the rest; objects on the way that are empty then go too."""
    head, *tail = path
    found = settings.get(head, _ABSENT)
    if not tail:
        return found, {key: value for key, value in settings.items() if key != head}
    if not is_object(found):
        return _ABSENT, settings
    found, below = _taken(found, tail)
    return found, {**settings, head: below} if below else _taken(settings, [head])[1]


# -- both ways; `service_beta.py` reads the tables in the other direction

BETA, GA = 0, 1  # the columns of a spelling
_ABSENT = object()


def _respelt(spelling: Spelling, value: Any, to: int) -> Any:
    return next((copy(row[to]) for row in spelling if row[1 - to] == value), value)


def items_in(items: Any, to: int) -> Any:
    """`item_in` for each of a list; what is no list, or no item, stays as it is."""
    return [item_in(it, to) if is_object(it) else it for it in items] if is_list(items) else items


def item_in(item: JsonObject, to: int) -> JsonObject:
    """An item with the parts of an assistant's message under the names of one dialect."""
    parts = item.get("content")
    if item.get("role") != "assistant" or not is_list(parts):
        return item
    return {**item, "content": [_part(it, to) if is_object(it) else it for it in parts]}


def _part(part: JsonObject, to: int) -> JsonObject:
    return {**part, "type": _respelt(PARTS, part["type"], to)} if "type" in part else part
