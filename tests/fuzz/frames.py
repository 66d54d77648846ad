"""Arbitrary bytes into `receive`, as they are, a frame a line: of a session on each plane, of a
relay before and after its handshake, and of a service, each new and by turns:

* nothing escapes, and every event and request is of a type that is known;
* what is said in answer is JSON, of a type that is known;
* no command settles twice, all settle once the transport is gone, no call is emitted twice;
* an event can be looked at to its depths, whatever it was made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from fuzz.steps import PAGE
from fuzz.subjects import EVENTS, REQUESTS, SAID, SPOKEN
from support.frames import (
    already_active,
    call,
    response_created,
    response_done,
    session_created,
    session_updated,
    text_of,
)
from support.picture import picture
from support.samples import CLIENT_FRAMES, SERVER_FRAMES
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    CommandSettled,
    FunctionCall,
    Plane,
    Relay,
    Session,
)
from talkwire.service import Service

TURNS = 8
"""Whose turn it is goes by an input's length, so that a seed can be made for each."""
BEFORE, AFTER, SERVICE = 5, 6, 7
LINES = 8
"""Frames of an input; what is behind them belongs to the last one."""


def play(data: bytes) -> None:
    """One input; raises where something is not as it should be."""
    turn, thorough = len(data) % TURNS, len(data) % 9 == 0
    if turn < BEFORE:
        _session((DIRECT, DIRECT, SIDEBAND, RELAY, RELAY)[turn], data, thorough)
    elif turn < SERVICE:
        _relay(data, thorough, greeted=turn == AFTER)
    else:
        _service(data)


def _session(plane: Plane, data: bytes, thorough: bool) -> None:
    session = Session(plane=plane, now=0.0)
    asked = {session.send_text("Hello.", now=0.0)} if thorough else set[str]()
    events: list[Any] = []
    for line in data.split(b"\n", LINES):
        events += session.receive(line, now=1.0)
    _finish(session, events, asked, thorough)


def _relay(data: bytes, thorough: bool, *, greeted: bool) -> None:
    session = Session(plane=RELAY, now=0.0)
    relay = Relay(session, now=0.0)
    relay.open_call("https://example.test", "ek_1", now=0.0)
    asked = {session.send_text("Hello.", now=0.0)} if thorough else set[str]()
    if greeted:
        relay.receive(PAGE[0], now=0.0)
    _finish(relay, list(relay.receive(data, now=1.0)), asked, thorough)


def _finish(end: Session | Relay, events: list[Any], asked: set[str], thorough: bool) -> None:
    asked |= {event_id for event_id in _said(end, SAID) if event_id}
    if thorough:
        events += end.handle_timeout(now=100.0)
        asked |= {event_id for event_id in _said(end, SAID) if event_id}
        picture(events)
    events += end.receive_close(now=101.0)
    ended: list[str] = []
    called: list[str] = []
    for event in events:
        assert type(event) in EVENTS, event
        if isinstance(event, CommandSettled):
            ended.append(event.event_id)
        elif isinstance(event, FunctionCall):
            called.append(event.call_id)
    assert len(ended) == len(set(ended)), ended
    assert len(called) == len(set(called)), called
    assert asked <= set(ended), asked - set(ended)


def _service(data: bytes) -> None:
    service = Service(now=0.0)
    for line in data.split(b"\n", LINES):
        for request in service.receive(line, now=0.0):
            assert type(request) in REQUESTS, request
    for _ in _said(service, SPOKEN):
        pass


def _said(source: Session | Relay | Service, known: frozenset[str]) -> Iterator[str]:
    """The event ids of what is said, each frame looked at."""
    while (message := source.next_frame()) is not None:
        for line in message.split("\n"):
            frame = msgspec.json.decode(line)
            kind = frame["type"]
            assert kind in known or kind.startswith("talkwire."), kind
            if kind == "talkwire.init":
                yield from (command["event_id"] for command in frame["commands"])
            else:
                yield frame.get("event_id", "")


# -- what to begin with


def seeds() -> list[bytes]:
    """The sample frames, each for someone who can hear it."""
    short = [
        session_created(),
        session_updated(vad=None),
        response_created("resp_1", ours="event_tw2"),
        response_done("resp_1", "cancelled", reason="turn_detected", output=[call("call_1", "{}")]),
        already_active(None, "resp_1"),
    ]
    events = [text_of(frame).encode() for frame in (*SERVER_FRAMES.values(), *short)]
    commands = [text_of(frame).encode() for frame in CLIENT_FRAMES.values()]
    heard = [_for_turn(frame, turn % BEFORE) for turn, frame in enumerate(events)]
    passed_on = [_for_turn(frame, AFTER) for frame in events]
    page = [_for_turn(words.encode(), turn) for words in PAGE for turn in (BEFORE, AFTER)]
    return [*heard, *passed_on, *page, *(_for_turn(frame, SERVICE) for frame in commands)]


def _for_turn(frame: bytes, turn: int) -> bytes:
    return frame + b" " * ((turn - len(frame)) % TURNS)


def words() -> list[str]:
    """The wire's types, keys and short values, for libFuzzer to put together."""
    found: set[str] = set()
    for frame in (*SERVER_FRAMES.values(), *CLIENT_FRAMES.values(), *map(json.loads, PAGE)):
        found |= set(_texts(frame))
    odd = ["null", "true", "1e999", "-1", "[[", '":{"', "\\ud800", "\\u0000"]
    return sorted({f'"{text}"' for text in found if len(text) < 60} | set(odd))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            yield from _texts(below)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value
