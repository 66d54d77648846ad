"""`Session` against whoever speaks: nothing raises, commands settle once, calls come once.

The frames are well formed and their ids are those in use, in any order: what a confused service,
or a page that makes things up, can say (law 4).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from talkwire import (
    DIRECT,
    PARTIAL,
    RELAY,
    SIDEBAND,
    CommandSettled,
    Event,
    FunctionCall,
    LocalProtocolError,
    Plane,
    Session,
    commands,
    counter,
)

RESPONSES = st.sampled_from(["resp_1", "resp_2", ""])
ITEMS = st.sampled_from(["#0", "#1", "#4", "item_1", ""])
CALLS = st.sampled_from(["call_1", "call_2", ""])
EVENT_IDS = st.sampled_from([None, *(f"#{back}" for back in range(6))])  # see `spoken`
STATUSES = st.sampled_from(["in_progress", "completed", "cancelled", "failed", None])
CODES = st.sampled_from(  # the one that ends the session must be rare: little follows it
    [
        *["conversation_already_has_active_response", "response_cancel_not_active"] * 4,
        *["invalid_value", None] * 4,
        "session_expired",
    ]
)
WORDS = st.sampled_from(["", "An active response in progress: resp_2.", "Already has one."])

item = st.fixed_dictionaries(
    {
        "id": ITEMS,
        "type": st.sampled_from(["message", "function_call", "function_call_output"]),
        "status": STATUSES,
        "role": st.sampled_from(["user", "assistant", None]),
        "call_id": CALLS,
        "name": st.just("double"),
        "arguments": st.just("{}"),
        "content": st.sampled_from([None, [], [{"type": "output_text", "text": "Hi."}]]),
    }
)
response = st.fixed_dictionaries(
    {
        "id": RESPONSES,
        "status": STATUSES,
        "conversation_id": st.sampled_from(["conv_1", "conv_1", "conv_1", None]),
        "output": st.lists(item, max_size=2),
        "metadata": st.one_of(
            st.none(), EVENT_IDS.map(lambda i: {"client_event_id": i} if i else {})
        ),
    }
)
turn_detection = st.sampled_from([None, {"type": "server_vad", "create_response": False}])
decisive = st.sampled_from(["response.created", "response.done", "error"])
frame = st.fixed_dictionaries(
    {
        "type": st.one_of(decisive, decisive, st.sampled_from(sorted(Session.needs()))),
        "event_id": st.just("event_x"),
        "response_id": RESPONSES,
        "item_id": ITEMS,
        "previous_item_id": st.one_of(st.none(), ITEMS),
        "call_id": CALLS,
        "name": st.just("double"),
        "arguments": st.just("{}"),
        "content_index": st.just(0),
        "output_index": st.just(0),
        "delta": st.sampled_from(["", "AAAA"]),
        "text": st.just("Hi."),
        "transcript": st.just("Hi."),
        "audio_start_ms": st.just(0),
        "audio_end_ms": st.integers(0, 200),
        "item": item,
        "response": response,
        "session": turn_detection.map(lambda t: {"audio": {"input": {"turn_detection": t}}}),
        "error": st.fixed_dictionaries({"code": CODES, "message": WORDS, "event_id": EVENT_IDS}),
    }
).map(lambda fields: ("receive", json.dumps(fields)))

CALLS_OF_OURS: list[tuple[Any, ...]] = [
    ("send_text", "Hi."),
    ("send_function_result", "call_1", "21"),
    ("send_function_result", "call_2", "21"),
    ("cancel",),
    ("truncate_audio", "item_1", 100),
    ("report_playback", "item_1", 0),
    ("session_update", {"instructions": "Be brief."}),
    ("send", commands.ResponseCreate()),
    ("send", commands.ResponseCreate(response={"conversation": "none"})),
    ("send", commands.ResponseCancel()),
    ("send", commands.ResponseCancel(response_id="resp_2")),
    ("send", commands.InputAudioBufferCommit()),
    ("send", commands.OutputAudioBufferClear()),
    ("send", commands.ConversationItemDelete(item_id="item_1")),
    ("handle_timeout",),
]
step = st.one_of(frame, frame, st.sampled_from(CALLS_OF_OURS))


def spoken(frame: str, ids: list[str]) -> str:
    """The frame, with "#0" for the id that the session made last, "#1" for the one before."""
    for back in range(6):
        known = ids[-1 - back] if back < len(ids) else "nobody"
        frame = frame.replace(f'"#{back}"', f'"{known}"')
    return frame


@given(
    plane=st.sampled_from([DIRECT, SIDEBAND, RELAY, PARTIAL]),
    steps=st.lists(
        st.tuples(st.sampled_from([0.0] * 8 + [4.0, 16.0]), step), min_size=20, max_size=40
    ),
)
def test_whatever_is_said_nothing_raises_and_everything_settles_once(
    plane: Plane, steps: list[tuple[float, tuple[Any, ...]]]
) -> None:
    now = 0.0
    ids: list[str] = []
    make = counter()

    def made(kind: str) -> str:
        ids.append(make(kind))
        return ids[-1]

    session = Session(plane=plane, now=now, ids=made)
    events: list[Event] = []
    issued: set[str] = set()

    def drain() -> None:
        while (text := session.next_frame()) is not None:
            issued.add(json.loads(text)["event_id"])

    for seconds, (method, *args) in steps:
        now += seconds
        if method == "receive":
            args = [spoken(args[0], ids)]
        try:
            result = getattr(session, method)(*args, now=now)
        except LocalProtocolError:
            assert method not in ("receive", "handle_timeout")
            continue
        if method in ("receive", "handle_timeout"):
            events += result
        elif result:
            issued.add(result)
        drain()
        due = session.next_timeout()
        assert due is None or math.isfinite(due)
    events += session.receive_close(now=now)

    settled = Counter(e.event_id for e in events if isinstance(e, CommandSettled))
    assert set(settled.values()) <= {1}
    assert issued <= set(settled)
    emitted = Counter(e.call_id for e in events if isinstance(e, FunctionCall))
    assert set(emitted.values()) <= {1}
    assert session.next_timeout() is None
