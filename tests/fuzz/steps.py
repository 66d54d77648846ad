"""What a run of bytes says: which subject, and step by step what happens to it.

The first byte picks the subject. Then each step is a byte that says what kind it is, and a few
bytes that say which one, so that a change of one byte is a change of one choice. Bytes that are
missing are zeros: every input has a meaning.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from zlib import crc32

from support.samples import CALL, CLIENT_FRAMES, ITEM, RESPONSE, SERVER_FRAMES

Frame = dict[str, Any]
T = TypeVar("T")
SECONDS = (0.0, 0.0, 0.001, 1.0, 4.0, 16.0, 31.0, 3600.0)
STATUSES = ("completed", "in_progress", "cancelled", "failed")
CODES = (
    "invalid_value",
    "conversation_already_has_active_response",
    "response_cancel_not_active",
    "session_expired",
)
MESSAGES = (
    "No.",
    "Conversation already has an active response in progress: resp_1. Wait",
    "Cancellation failed: no active response found",
    "",
)
# What a frame may have where another value stood, or anywhere at all.
ODDITIES = (
    b"null",
    b"{}",
    b"[]",
    b'""',
    b"-1",
    b"1e999",
    b"1.5",
    b"9" * 30,
    b"true",
    b'"\\ud800"',
    b'"\\u0000"',
    b"\xff",
    b"\xed\xa0\x80",
    b"[" * 1500,
    b'{"a":' * 1500,
    b'"' + b"x" * 40 + b'"',
    b",",
    b"}",
    b"\n",
    b"",
)


class Cursor:
    """Reads an input byte by byte; beyond its end there are zeros."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._end = len(data)
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < self._end

    def byte(self) -> int:
        at = self._at
        self._at = at + 1
        return self._data[at] if at < self._end else 0

    def some(self, size: int) -> bytes:
        """The next bytes, as many as there are."""
        at = self._at
        self._at = at + size
        return self._data[at : at + size]


def spread(choices: Mapping[str, T]) -> list[T]:
    """One of the choices for each byte, so that a new choice changes few bytes' meaning."""
    names = sorted(choices)
    return [choices[max(names, key=lambda n: crc32(f"{n} {byte}".encode()))] for byte in range(256)]


def _template(frame: Frame) -> str:
    """A frame with places for what the steps choose."""
    text = json.dumps(frame, separators=(",", ":")).replace("%", "%%")
    for value, place in ((ITEM, "item"), (RESPONSE, "response"), (CALL, "call")):
        text = text.replace(f'"{value}"', f'"%({place})s"')
    for mark, place in (("§status", "status"), ("§code", "code"), ("§message", "message")):
        text = text.replace(f'"{json.dumps(mark)[1:-1]}"', f'"%({place})s"')
    for mark, place in (("§conversation", "conversation"), ("§metadata", "metadata")):
        text = text.replace(json.dumps(mark), f"%({place})s")
    return text.replace('"event_tw1"', '"%(event)s"')


def _templates(frames: Iterable[Frame]) -> list[str]:
    texts = {_template(frame) for frame in frames}
    return spread({text: text for text in texts})


def _open(frame: Frame) -> Frame:
    """A frame of the service, its choices marked: status, error, conversation, metadata."""
    frame = json.loads(json.dumps(frame))
    if "error" in frame:
        frame["error"] |= {"code": "§code", "message": "§message"}
    if "response" in frame:
        marks = {"conversation_id": "§conversation", "metadata": "§metadata"}
        frame["response"] |= {"status": "§status", **marks}
    if "item" in frame:
        frame["item"]["status"] = "§status"
    return frame


def _as_a_call(frame: Frame) -> Frame:
    item = SERVER_FRAMES["response.output_item.added"]["item"]
    return {**frame, "item": {**item, "status": "§status"}}


def _of_mcp(kind: str) -> Frame:
    item = {"id": ITEM, "type": kind, "server_label": "s", "name": "f", "arguments": "{}"}
    return {"type": "conversation.item.done", "previous_item_id": None, "item": item}


def _with_calls(frame: Frame) -> Frame:
    frame = json.loads(json.dumps(frame))
    item = SERVER_FRAMES["response.output_item.added"]["item"]
    frame["response"]["output"] = [{**item, "status": "§status"}]
    return frame


_OPENED = {kind: _open(frame) for kind, frame in SERVER_FRAMES.items()}
_CALLS = [
    _as_a_call(_OPENED[kind])
    for kind in (
        "response.output_item.added",
        "response.output_item.done",
        "conversation.item.added",
        "conversation.item.done",
    )
]
_SETTINGS = [
    {"type": "session.updated", "event_id": "e", "session": {"audio": audio}}
    for audio in (
        {"input": {"turn_detection": None}},
        {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}},
        {"output": {"format": {"type": "audio/pcmu"}}},
    )
]
_IN_BETA: list[Frame] = [
    {"type": "response.audio.delta", "response_id": RESPONSE, "item_id": ITEM, "delta": "AAAA"},
    {"type": "response.text.delta", "response_id": RESPONSE, "item_id": ITEM, "delta": "Hi"},
    {"type": "transcription_session.updated", "session": {"turn_detection": None}},
    {"type": "session.updated", "session": {"modalities": ["text"], "turn_detection": None}},
]
SERVER = _templates(
    [
        *_OPENED.values(),
        *_CALLS,
        *map(_of_mcp, ("mcp_list_tools", "mcp_call", "mcp_approval_request")),
        _with_calls(_OPENED["response.done"]),
        *_SETTINGS,
        *_IN_BETA,
        {"type": "response.reconsidered", "item_id": ITEM},
    ]
)
"""Every event of the service, and a few that matter in more than one shape."""

_ITEMS: list[Frame] = [
    {"type": "function_call_output", "call_id": CALL, "output": "21"},
    {"type": "function_call", "call_id": CALL, "name": "f", "arguments": "{}"},
    {"type": "message", "role": "user", "id": ITEM, "content": []},
    {"type": "mcp_approval_response", "approval_request_id": ITEM, "approve": True},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]},
]
_PATCHES: list[Frame] = [
    {"audio": {"input": {"turn_detection": None}}},
    {"audio": {"input": {"transcription": {"model": "whisper-1"}}}},
    {"output_modalities": ["text"]},
    {"tools": [{"type": "mcp", "server_label": "s", "server_url": "https://example.test"}]},
    {"tools": [{"type": "function", "name": "f", "parameters": {}}]},
    {"temperature": 1},
]
CLIENT = _templates(
    [
        *CLIENT_FRAMES.values(),
        *({"type": "conversation.item.create", "event_id": "event_tw1", "item": i} for i in _ITEMS),
        *({"type": "session.update", "session": {"type": "realtime", **p}} for p in _PATCHES),
        {"type": "response.create", "event_id": "event_tw1"},
        {"type": "response.cancel", "event_id": "event_tw1"},
        {"type": "response.create", "response": {"conversation": "none", "input": []}},
        {"type": "input_audio_buffer.append", "audio": "A" * 6400},
        {"type": "session.input_audio_buffer.append", "audio": "A" * 6400},
        {"type": "session.close", "event_id": "event_tw1"},
        {"type": "response.reconsider", "event_id": "event_tw1"},
    ]
)
"""Every command of a client, and a few that matter in more than one shape."""

PAGE = [
    '{"type":"talkwire.hello","version":1,"client":"page"}',
    '{"type":"talkwire.hello","version":2}',
    '{"type":"talkwire.offer","sdp":"v=0"}',
    '{"type":"talkwire.ready","call_id":"rtc_1"}',
    '{"type":"talkwire.text","text":"Hello."}',
    '{"type":"talkwire.bye","code":"hangup","message":"done"}',
    '{"type":"talkwire.wave"}',
]
"""Every control message of a page."""


class Ids:
    """The ids that a subject has made, and the ones that nobody has."""

    __slots__ = ("_counts", "_made")

    def __init__(self) -> None:
        self._made: dict[str, list[str]] = {}
        self._counts = 0

    def __call__(self, kind: str) -> str:
        self._counts += 1
        made = f"{kind}_tw{self._counts}"
        self._made.setdefault(kind, []).append(made)
        return made

    def pick(self, kind: str, byte: int) -> str:
        """One of the four made last, or one of four that were not made here."""
        made = self._made.get(kind, ())
        if byte & 4 and len(made) > byte & 3:
            return made[-1 - (byte & 3)]
        return ("", f"{kind}_1", f"{kind}_2", f"{kind}_3")[byte & 3]


def written(template: str, cursor: Cursor, ids: Ids) -> str:
    """The frame that the next bytes choose: three for its ids and states."""
    return template % _Places(cursor.byte(), cursor.byte(), cursor.byte(), ids)


class _Places(dict[str, str]):
    """What stands in the places of a template; worked out when it is asked for."""

    def __init__(self, which: int, whose: int, how: int, ids: Ids) -> None:
        self._chosen = which, whose, how, ids

    def __missing__(self, place: str) -> str:
        return _PLACES[place](*self._chosen)


def _metadata(which: int, whose: int, how: int, ids: Ids) -> str:
    return f'{{"client_event_id":"{ids.pick("event", whose & 7)}"}}' if how & 1 else "null"


_PLACES: dict[str, Callable[[int, int, int, Ids], str]] = {
    "response": lambda which, whose, how, ids: ids.pick("resp", which & 7),
    "item": lambda which, whose, how, ids: ids.pick("item", which >> 3 & 7),
    "call": lambda which, whose, how, ids: ids.pick("call", (which >> 6) + (whose >> 3 & 4)),
    "event": lambda which, whose, how, ids: ids.pick("event", whose & 7),
    "status": lambda which, whose, how, ids: STATUSES[whose >> 6],
    "conversation": lambda which, whose, how, ids: "null" if how & 6 == 6 else '"conv_1"',
    "code": lambda which, whose, how, ids: CODES[how >> 3 & 3],
    "message": lambda which, whose, how, ids: MESSAGES[how >> 5 & 3],
    "metadata": _metadata,
}


def frame(templates: list[str], cursor: Cursor, ids: Ids) -> str | bytes:
    """A frame of one of these kinds, sound three times out of four, else spoilt."""
    kind, harm = cursor.byte(), cursor.byte()
    text = written(templates[kind], cursor, ids)
    if harm < 192:
        return text
    return spoilt(text.encode(), harm, cursor)


def spoilt(data: bytes, harm: int, cursor: Cursor) -> bytes:
    """The frame with one to four places overwritten."""
    for _ in range(1 + (harm & 3)):
        at = cursor.byte() + 256 * (cursor.byte() & 3)
        size, odd = cursor.byte() & 31, cursor.byte()
        new = ODDITIES[odd] if odd < len(ODDITIES) else bytes([odd])
        at = at % (len(data) + 1)
        data = data[:at] + new + data[at + size :]
    return data


def raw(cursor: Cursor) -> str | bytes:
    """Bytes as they are; every other time as text, as a transport might hand them over."""
    size = cursor.byte()
    data = cursor.some(size)
    return data if size & 1 else data.decode("utf-8", "surrogateescape")
