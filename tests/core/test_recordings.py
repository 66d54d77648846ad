"""Recorded sessions with the real service, replayed: nothing surprises, and what was said is there.

The recordings are not ours to ship; where they are absent this module says that it skips.
"""

import json
from collections.abc import Iterator

import pytest

from support.frames import Frame, text_of
from support.recordings import RECORDINGS
from talkwire import (
    DIRECT,
    SIDEBAND,
    Anomaly,
    ConversationItem,
    Event,
    FunctionCall,
    Gate,
    InvalidFrame,
    Phase,
    Plane,
    Session,
    UnknownEvent,
)

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason=f"the recordings are not here: {RECORDINGS}"
)

HELLO = (
    "Hello, my name is Marcelo.",
    "Hello, Marcelo! Great to meet you. How can I help you today?",
)
FOGGY = "It is foggy and 12 degrees in London."

CONVERSATIONS: dict[str, tuple[Plane, list[tuple[str, str]]]] = {
    "text_in_audio_out": (
        DIRECT,
        [("user", "Say a short greeting."), ("assistant", "Hi there!")],
    ),
    "tool_call_round": (
        DIRECT,
        [
            ("user", "What is the weather in London?"),
            ("call", 'get_weather {"city": "London"}'),
            ("result", FOGGY),
            ("assistant", FOGGY),
        ],
    ),
    "audio_in_server_vad": (DIRECT, [("user", HELLO[0]), ("assistant", HELLO[1])]),
    "sideband_audio_turn": (SIDEBAND, [("user", "Say hello."), ("assistant", "Hello there.")]),
    "sideband_text_turn": (SIDEBAND, [("user", "Say hello."), ("assistant", "Hello there!")]),
}
each = pytest.mark.parametrize("name", sorted(CONVERSATIONS))


def frames(name: str) -> Iterator[Frame]:
    """What the service said, in order."""
    for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["kind"] == "message" and record["direction"] == "received":
            yield record["data"]


def replay(name: str) -> tuple[Session, list[Event]]:
    plane, _ = CONVERSATIONS[name]
    session = Session(plane=plane, now=0.0)
    events = [e for f in frames(name) for e in session.receive(text_of(f), now=0.0)]
    return session, events


def line_of(item: ConversationItem) -> tuple[str, str]:
    """An item as a person would write it down."""
    if item.type == "function_call":
        return "call", f"{item.name} {json.dumps(json.loads(item.arguments or ''))}"
    if item.type == "function_call_output":
        return "result", item.output or ""
    return item.role or "", item.text


def test_every_recording_is_replayed_here() -> None:
    assert {path.stem for path in RECORDINGS.glob("*.jsonl")} == set(CONVERSATIONS)


@each
def test_a_recording_holds_no_surprise(name: str) -> None:
    session, events = replay(name)
    surprises = [e for e in events if isinstance(e, UnknownEvent | InvalidFrame | Anomaly)]
    assert surprises == []
    assert len(events) >= len(list(frames(name))) > 10
    assert (session.phase, session.gate.state) == (Phase.READY, Gate.IDLE)


@each
def test_a_recording_gives_the_conversation_a_person_would_write_down(name: str) -> None:
    session, _ = replay(name)
    assert [line_of(item) for item in session.conversation] == CONVERSATIONS[name][1]


@each
def test_a_recording_calls_its_functions_once(name: str) -> None:
    _, events = replay(name)
    calls = [(e.name, json.loads(e.arguments)) for e in events if isinstance(e, FunctionCall)]
    wanted = [("get_weather", {"city": "London"})] if name == "tool_call_round" else []
    assert calls == wanted


@each
def test_the_same_recording_gives_the_same_events(name: str) -> None:
    assert replay(name)[1] == replay(name)[1]
