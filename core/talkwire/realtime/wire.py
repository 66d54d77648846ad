"""JSON text to events and commands, and back; `service_wire` reads commands over it.

Reading is one guess and one decode: every service writes `{"type":"...` first, so the type is
sliced out of the text and picks a decoder, whose `Literal` type field proves the guess. Anything
else, a later `type`, odd spacing, a lone surrogate that only the standard library reads, takes
the slow path. Nothing here raises for what the network sent (law 4).
"""

import json
import re
from collections.abc import Callable
from typing import Any, get_args

import msgspec
from attrs import fields_dict

from ..errors import LocalProtocolError
from .beta import LOOKED_AT, Dialect, ga_type, heard, said
from .commands import Command, ConversationItemCreate, ResponseCreate, SessionUpdate
from .events import ResponseDone, ResponseOutputAudioDelta, ServerEvent
from .happenings import InvalidFrame, UnknownEvent, WireEvent
from .items import Response
from .json_values import readable, without_nulls
from .translation import TranslationEvent

try:
    import pybase64
except ImportError:  # msgspec's own base64 is slower, and otherwise the same
    pybase64 = None  # type: ignore[assignment]


def wire_type(cls: type[Any]) -> str:
    """The type that an event or command class has on the wire."""
    return str(fields_dict(cls)["type"].default)


def _table(union: Any) -> dict[str, Callable[[str], Any]]:
    return {wire_type(cls): msgspec.json.Decoder(cls).decode for cls in get_args(union)}


def _in_ga(text: str) -> str:
    """A frame as GA has it; word for word what it was where it was GA already."""
    frame = as_object(text)
    ga = heard(frame)
    return text if ga == frame else encode(ga)


def _looked_at(decode: Callable[[str], Any], is_old: Callable[[Any], bool]) -> Callable[[str], Any]:
    """A decoder that also reads the old shapes of a type, where the event betrays one (§2.2)."""

    def decode_either(text: str) -> Any:
        event = decode(text)
        return decode(_in_ga(text)) if is_old(event) else event

    return decode_either


as_object = msgspec.json.Decoder(dict[str, Any]).decode
_IN_GA = _table(ServerEvent)
EVENT_TYPES = frozenset(_IN_GA)
_IN_GA.update(_table(TranslationEvent))
_EVENTS = _IN_GA | {kind: _looked_at(_IN_GA[kind], is_old) for kind, is_old in LOOKED_AT.items()}
_decode_audio_delta = msgspec.json.Decoder(ResponseOutputAudioDelta).decode


def _splice_audio(text: str) -> ResponseOutputAudioDelta:
    """Cut the base64 out and decode it by itself: the rest is small, and it is not.

    Only where the first `"delta":"` can be nothing but the event's own; otherwise, and where the
    base64 is not sound, the ordinary way.
    """
    start = text.find('"delta":"') + 9
    end = text.find('"', start)
    if pybase64 is None or start < 9:
        return _decode_audio_delta(text)
    if text.find("{", 1, start) != -1 or text.find('"delta"', end) != -1:
        return _decode_audio_delta(text)
    try:
        audio = pybase64.b64decode(text[start:end], validate=True)
    except ValueError:
        return _decode_audio_delta(text)
    event = _decode_audio_delta(text[:start] + text[end:])
    object.__setattr__(event, "delta", audio)
    return event


_EVENTS["response.output_audio.delta"] = _splice_audio
COMMAND_TYPES = frozenset(wire_type(cls) for cls in get_args(Command))


class _Peek(msgspec.Struct):
    type: str


class _Id(msgspec.Struct):
    id: str


class _PeekResponse(msgspec.Struct):
    response: _Id


_peek = msgspec.json.Decoder(_Peek).decode
_peek_response = msgspec.json.Decoder(_PeekResponse).decode
_END = re.compile(r'\s*\{\s*"type"\s*:\s*"response\.done"')
UNREADABLE = (ValueError, RecursionError)
_NOT_SO = (*UNREADABLE, KeyError, TypeError, AttributeError)


def decode_event(frame: str | bytes) -> WireEvent | InvalidFrame | UnknownEvent:
    """Read one server frame. What cannot be read comes back as `InvalidFrame`.

    Raises LocalProtocolError for what is no frame at all, neither str nor bytes.
    """
    try:
        event: WireEvent = _EVENTS[frame[9 : frame.find('"', 9)]](frame)  # type: ignore
        return event
    except _NOT_SO:  # bytes, odd spacing, an unknown type, a field that is not as it should be
        return _decode_event_slowly(frame)


def _decode_event_slowly(frame: str | bytes) -> WireEvent | InvalidFrame | UnknownEvent:
    try:
        text = plain_text(frame)
        kind = ga_type(_peek(text).type)
        known = kind in _IN_GA
        return _mend(kind, _in_ga(text)) if known else UnknownEvent(type=kind, frame=text)
    except RecursionError as error:
        if _END.match(frame if isinstance(frame, str) else frame.decode()):
            return ResponseDone()  # too deep to look inside, and an end all the same (§3.4)
        return InvalidFrame(reason=reason(error), frame=frame)
    except UNREADABLE as error:
        return InvalidFrame(reason=reason(error), frame=frame)


def _mend(kind: str, text: str) -> WireEvent:
    """Read a frame of a known type, in GA by now, as far as it can be helped.

    The end of a response is read however malformed, because the gate waits for it (§3.4).
    """
    decode: Callable[[str], WireEvent] = _IN_GA[kind]
    try:
        return decode(text)
    except msgspec.ValidationError:
        try:
            return decode(without_nulls(text, but=_TELLING_NULLS))
        except msgspec.DecodeError:
            if kind == "response.done":
                return ResponseDone(response=Response(id=_id_of_response(text)))
        raise


# Fields whose null says something: the front of the conversation, and no conversation at all.
_TELLING_NULLS = frozenset({"previous_item_id", "conversation_id"})


def _id_of_response(text: str) -> str:
    try:
        return _peek_response(text).response.id
    except msgspec.ValidationError:
        return ""


def plain_text(frame: str | bytes) -> str:
    """The frame as text that a strict decoder reads: lone surrogates become U+FFFD.

    Raises ValueError (or a subclass) or RecursionError when it is no JSON at all, and
    LocalProtocolError for what no network sent: neither str nor bytes.
    """
    if not isinstance(frame, str | bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise LocalProtocolError(f"receive: a frame is str or bytes, not {type(frame).__name__}")
    text = frame if isinstance(frame, str) else frame.decode()
    try:
        as_object(text)
        return text
    except (msgspec.DecodeError, UnicodeError):
        return readable(json.dumps(json.loads(text), ensure_ascii=False))


def reason(error: Exception) -> str:
    """Why a frame cannot be read."""
    if isinstance(error, RecursionError):
        return "JSON nested too deeply"
    return str(error) or type(error).__name__


def encode(value: object) -> str:
    """Write a command, an event or a plain object as one JSON line; unset fields stay away.

    Raises LocalProtocolError's cause (TypeError, ValueError) for what is not JSON.
    """
    return msgspec.json.encode(value).decode()


_SAID_OTHERWISE = (SessionUpdate, ConversationItemCreate, ResponseCreate)


def encode_command(command: object, dialect: Dialect) -> str:
    """Write a command as `encode` does, in one dialect or the other."""
    text = encode(command)
    if dialect is Dialect.BETA and isinstance(command, _SAID_OTHERWISE):
        return encode(said(as_object(text)))
    return text


def _by_msgspec(audio: bytes) -> str:
    return msgspec.json.encode(audio).decode()[1:-1]


_in_base64: Callable[[bytes], str] = (
    _by_msgspec if pybase64 is None else pybase64.b64encode_as_string
)


def audio_frame(kind: str, audio: bytes) -> str:
    """An append, written without looking at each byte twice. Raises TypeError for no bytes."""
    return f'{{"type":"{kind}","audio":"{_in_base64(audio)}"}}'
