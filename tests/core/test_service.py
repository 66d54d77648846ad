"""The service as a whole: its doors, its laws, and how it compares with recorded sessions."""

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.recordings import RECORDINGS
from support.service_line import Frame, Line, said
from talkwire.errors import LocalProtocolError
from talkwire.realtime.engine import (
    EngineRequest,
    PlaybackCleared,
    ResponseRequested,
    ResponseStopped,
)
from talkwire.realtime.happenings import InvalidFrame, UnknownEvent
from talkwire.realtime.service import Service
from talkwire.realtime.wire import COMMAND_TYPES, EVENT_TYPES, decode_event

# The doors


def test_session_created_is_the_first_frame_3_1() -> None:
    service = Service(now=0)

    frame = service.next_frame()

    assert frame is not None
    assert frame.startswith('{"type":"session.created","event_id":"event_1","session":{')
    assert service.next_frame() is None
    assert not service.closed
    assert service.session["expires_at"] == 0


def test_a_command_may_be_sent_before_session_created_was_read_3_1() -> None:
    line = Line(fresh=True)

    line.send("conversation.item.create", item=said("Hi"))

    assert line.types() == [
        "session.created",
        "conversation.item.added",
        "conversation.item.done",
    ]


def test_every_id_can_come_from_a_factory() -> None:
    made: list[str] = []

    def ids(kind: str) -> str:
        made.append(f"{kind}-{len(made)}")
        return made[-1]

    line = Line(ids=ids)
    line.user_speaks()
    line.service.function_call(line.service.active_response or "", "f", "{}", now=0)

    seen = [
        line.service.session["id"],
        line.service.active_response,
        *(item["id"] for item in line.service.items),
        line.service.items[-1]["call_id"],
        *(frame["event_id"] for frame in line.frames()),
    ]
    assert set(seen) <= set(made)


def test_an_unknown_plane_is_a_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="pigeon"):
        Line(plane="pigeon")


def test_when_the_client_is_gone_everything_stops_and_nothing_is_heard_any_more() -> None:
    line = Line(plane="webrtc")
    spoken = line.respond()
    line.spoken(spoken, "Hello", 100)
    line.done(spoken)
    running = line.respond()
    line.service.speech_stopped(audio_end_ms=0, now=0)
    line.frames()

    assert line.service.receive_close(now=0) == [
        ResponseStopped(response_id=running),
        PlaybackCleared(response_id=spoken),
    ]

    assert line.service.closed
    assert line.service.active_response is None
    assert line.service.receive_close(now=0) == []
    assert line.send("response.create") == []
    assert line.user_speaks() == []
    line.spoken(running, "Late", 100)
    line.service.playback_stopped(spoken, now=0)
    assert line.frames() == []


def test_words_and_the_end_of_speech_that_come_after_the_close_are_ignored() -> None:
    line = Line(session={"audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    line.user_speaks()
    line.service.speech_started(audio_start_ms=2000, now=0)
    line.service.receive_close(now=0)
    line.frames()

    assert line.service.transcribed("item_1", "Hello", now=0) == []
    assert line.service.speech_stopped(audio_end_ms=3000, now=0) == []

    assert line.frames() == []


def test_frames_said_before_the_close_are_still_there_to_be_taken() -> None:
    line = Line(fresh=True)

    line.service.receive_close(now=0)

    assert line.types() == ["session.created"]


# What a client says is never trusted


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        ("", "invalid_json", None),
        ("no", "invalid_json", None),
        ("[]", "invalid_json", None),
        (b"\xff", "invalid_json", None),
        ("[" * 100_000, "invalid_json", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type": 1}', "missing_required_parameter", "type"),
        ('{"type": "response.run"}', "invalid_value", "type"),
        ('{"type": "session.created"}', "invalid_value", "type"),
        ('{"type": "session.update"}', "missing_required_parameter", "session"),
        ('{"type": "session.update", "session": []}', "invalid_type", "session"),
        ('{"type": "response.cancel", "response_id": 1}', "invalid_type", "response_id"),
    ],
)
def test_a_frame_that_cannot_be_read_is_answered_by_an_error_3_9(
    frame: str | bytes, code: str, param: str | None
) -> None:
    line = Line()

    assert line.service.receive(frame, now=0) == []

    error = line.error()
    assert list(error) == ["type", "code", "message", "param", "event_id"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert error["event_id"] is None
    assert error["message"]


def test_an_error_carries_the_event_id_of_the_command_it_answers_or_null_3_9() -> None:
    line = Line()

    line.send("response.cancel", event_id="event_of_mine")
    assert line.error()["event_id"] == "event_of_mine"

    line.send("response.cancel")
    assert line.error()["event_id"] is None

    line.send("no.such.event", event_id="another")
    assert line.error()["event_id"] == "another"


def test_an_event_id_has_at_most_512_characters_3_10() -> None:
    line = Line()
    line.send("conversation.item.create", event_id="x" * 512, item=said("Hi"))
    assert "error" not in line.types()

    line.send("conversation.item.create", event_id="x" * 513, item=said("Hi"))

    error = line.error()
    assert (error["code"], error["param"]) == ("string_above_max_length", "event_id")
    assert len(line.service.items) == 1


def assert_readable(line: Line) -> list[str]:
    """Every frame is one that a client can read, `type` and `event_id` first; gives the types."""
    types: list[str] = []
    for frame in line.frames():
        assert list(frame)[:2] == ["type", "event_id"]
        assert not isinstance(decode_event(json.dumps(frame)), InvalidFrame | UnknownEvent)
        types.append(frame["type"])
    return types


@settings(deadline=None)
@given(frames=st.lists(st.binary(max_size=200) | st.text(max_size=200), max_size=4))
def test_any_bytes_into_receive_never_raise_and_leave_valid_frames(
    frames: list[bytes | str],
) -> None:
    line = Line()

    for frame in frames:
        assert line.service.receive(frame, now=0) == []

    assert assert_readable(line) == ["error"] * len(frames)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "id", "role", "content", "audio", "input", "output", "text", "name"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_commands = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(COMMAND_TYPES))},
    optional={
        "event_id": _json,
        "session": _json,
        "response": _json,
        "item": _json,
        "audio": _json,
        "item_id": _json | st.sampled_from(["item_1", "item_2"]),
        "previous_item_id": _json | st.sampled_from(["root", "item_1"]),
        "response_id": _json,
        "content_index": st.integers(),
        "audio_end_ms": st.integers(),
    },
)


@settings(max_examples=100, deadline=None)
@given(commands=st.lists(_commands, max_size=5), plane=st.sampled_from(["websocket", "webrtc"]))
def test_any_json_in_any_command_never_raises_and_leaves_valid_frames(
    commands: list[dict[str, Any]], plane: str
) -> None:
    line = Line(plane=plane)
    line.speak(line.respond(), "Hello", 100)
    line.frames()

    for command in commands:
        line.service.receive(json.dumps(command), now=0)

    assert_readable(line)


# A conversation drawn at random, played twice

_good = st.sampled_from(
    [
        '{"type":"response.create"}',
        '{"type":"response.create","response":{"conversation":"none"}}',
        '{"type":"response.cancel"}',
        '{"type":"output_audio_buffer.clear"}',
        '{"type":"input_audio_buffer.clear"}',
        '{"type":"input_audio_buffer.commit"}',
        '{"type":"conversation.item.delete","item_id":"item_2"}',
        '{"type":"conversation.item.truncate","item_id":"item_2","audio_end_ms":50}',
        json.dumps({"type": "conversation.item.create", "item": said("Hi")}),
        json.dumps(
            {
                "type": "session.update",
                "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}},
            }
        ),
    ]
)
_engine = st.sampled_from(
    "start write text audio finish call done fail played speak silent".split()
)
_steps = st.lists(st.tuples(st.booleans(), _good, _engine, st.integers(0, 3)), max_size=30)


def engine_moves(service: Service, at: str) -> dict[str, Callable[[], list[EngineRequest]]]:
    """What an engine may do, about the response `at` where it is about one."""
    return {
        "start": lambda: service.message_started(at, modality="audio", now=0),
        "write": lambda: service.message_started(at, modality="text", now=0),
        "text": lambda: service.text(at, "word ", now=0),
        "audio": lambda: service.audio(at, b"\0\0", 100, now=0),
        "finish": lambda: service.message_done(at, now=0),
        "call": lambda: service.function_call(at, "f", "{}", now=0),
        "done": lambda: service.response_done(at, now=0),
        "fail": lambda: service.response_failed(at, code="c", message="m", now=0),
        "played": lambda: service.playback_stopped(at, now=0),
        "speak": lambda: service.speech_started(audio_start_ms=0, played_ms=30, now=0),
        "silent": lambda: service.speech_stopped(audio_end_ms=10, now=0),
    }


def play(line: Line, steps: list[tuple[bool, str, str, int]], *, drain: bool) -> list[Frame]:
    """Let client and engine do these things; the engine's mistakes are no matter here."""
    service, frames = line.service, line.frames()
    known = ["resp_0"]
    for of_client, frame, move, which in steps:
        at = known[max(0, len(known) - 1 - which)]
        try:
            if of_client:
                requests = service.receive(frame, now=0, played_ms=20)
            else:
                requests = engine_moves(service, at)[move]()
        except LocalProtocolError:
            requests = []
        known += [r.response_id for r in requests if isinstance(r, ResponseRequested)]
        if drain:
            frames += line.frames()
    return frames + line.frames()


@settings(max_examples=100, deadline=None)
@given(steps=_steps, plane=st.sampled_from(["websocket", "webrtc"]))
def test_same_inputs_give_the_same_frames_whenever_they_are_drained(
    steps: list[tuple[bool, str, str, int]], plane: str
) -> None:
    first, second = Line(plane=plane), Line(plane=plane)

    assert play(first, steps, drain=True) == play(second, steps, drain=False)
    assert first.service.items == second.service.items


@settings(max_examples=100, deadline=None)
@given(steps=_steps, plane=st.sampled_from(["websocket", "webrtc"]))
def test_one_response_at_a_time_writes_each_ends_once_and_items_stand_where_told_3_4(
    steps: list[tuple[bool, str, str, int]], plane: str
) -> None:
    line = Line(plane=plane)

    frames = play(line, steps, drain=True)

    writing: list[str] = []
    ended: list[str] = []
    playing: set[str] = set()
    items: list[str] = []
    for frame in frames:
        assert frame["type"] in EVENT_TYPES
        response = frame.get("response", {})
        if frame["type"] == "response.created" and response["conversation_id"] is not None:
            writing.append(response["id"])
        if frame["type"] == "response.done":
            ended.append(response["id"])
            writing = [response_id for response_id in writing if response_id != response["id"]]
        assert len(writing) <= 1
        assert frame.get("response_id", "") not in ended or frame["type"].startswith("output_")
        if frame["type"] == "output_audio_buffer.started":
            assert frame["response_id"] not in playing
            playing.add(frame["response_id"])
        elif frame["type"].startswith("output_audio_buffer."):
            playing.remove(frame["response_id"])
        if frame["type"] == "conversation.item.added":
            before = frame["previous_item_id"]
            items.insert(items.index(before) + 1 if before else 0, frame["item"]["id"])
        if frame["type"] == "conversation.item.deleted":
            items.remove(frame["item_id"])
    assert len(set(ended)) == len(ended)
    assert line.service.active_response == (writing[0] if writing else None)
    assert [item["id"] for item in line.service.items] == items


# Recorded sessions, where they are at hand

NAMES = [
    "text_in_audio_out",
    "tool_call_round",
    "audio_in_server_vad",
    "sideband_audio_turn",
    "sideband_text_turn",
]


def recorded(name: str, direction: str) -> list[Frame]:
    """The frames of a recording that went one way."""
    lines = (RECORDINGS / f"{name}.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry["data"] for entry in entries if entry.get("direction") == direction]


class Names:
    """Puts ids and what is not ours to reproduce into one shape, so that sessions compare."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def plain(self, value: Any) -> Any:
        """The value with every id numbered in the order in which they appear."""
        if isinstance(value, list):
            return [self.plain(element) for element in value]
        if not isinstance(value, dict):
            return value
        return {
            key: self._plain(key, found)
            for key, found in value.items()
            if key not in ("event_id", "usage", "expires_at")
        }

    def _plain(self, key: str, value: Any) -> Any:
        if key == "obfuscation":
            return len(value)  # which letters does not matter
        return self._id(key, value) if self._is_id(key, value) else self.plain(value)

    def _is_id(self, key: str, value: Any) -> bool:
        return isinstance(value, str) and (key == "id" or key.endswith("_id"))

    def _id(self, key: str, value: str) -> str:
        kind = value.partition("_")[0]
        return self._known.setdefault(value, f"{kind}-{len(self._known)}")


def engine_of(service: Service, frames: list[Frame]) -> Any:
    """What an engine would do that makes the service say these frames: one move a frame."""
    kinds = {"text": "text", "audio": "audio"}

    def move(frame: Frame, response_id: str) -> None:
        match frame["type"]:
            case "input_audio_buffer.speech_started":
                service.speech_started(audio_start_ms=frame["audio_start_ms"], now=0)
            case "input_audio_buffer.speech_stopped":
                service.speech_stopped(audio_end_ms=frame["audio_end_ms"], now=0)
            case "conversation.item.input_audio_transcription.delta":
                service.transcript_delta("item_1", frame["delta"], now=0)
            case "conversation.item.input_audio_transcription.completed":
                service.transcribed("item_1", frame["transcript"], now=0)
            case "response.content_part.added":
                modality: Any = kinds[frame["part"]["type"]]
                service.message_started(response_id, modality=modality, now=0)
            case "response.output_text.delta" | "response.output_audio_transcript.delta":
                service.text(response_id, frame["delta"], now=0)
            case "response.output_audio.delta":
                service.audio(response_id, b64decode(frame["delta"]), 100, now=0)
            case "output_audio_buffer.started":
                service.audio(response_id, b"", 100, now=0)
            case "response.content_part.done":
                service.message_done(response_id, now=0)
            case "response.function_call_arguments.done":
                service.function_call(response_id, frame["name"], frame["arguments"], now=0)
            case "response.done":
                service.response_done(response_id, now=0)
            case "output_audio_buffer.stopped":
                service.playback_stopped(response_id, now=0)
            case _:
                pass

    return move


def reproduced(name: str) -> list[Frame]:
    """What the service says when the recorded client and a like-minded engine use it."""
    sent, received = recorded(name, "sent"), recorded(name, "received")
    first = next(f["session"] for f in received if f["type"].startswith("session."))
    session = {"model": first["model"], "instructions": first["instructions"]}
    plane: Any = "webrtc" if name.startswith("sideband") else "websocket"
    sideband = name.startswith("sideband")
    line = Line(plane=plane, session=session, fresh=not sideband, obfuscate=True)
    move = engine_of(line.service, received)
    rounds: list[list[Frame]] = [[]]
    for frame in received:
        rounds[-1].append(frame)
        if frame["type"] == "response.done":
            rounds.append([])
    calls = {"": ""}
    for round_ in rounds:
        while sent:
            command = sent.pop(0)
            if call_id := command.get("item", {}).get("call_id"):
                command["item"]["call_id"] = calls[call_id]
            line.service.receive(json.dumps(command), now=0)
            if command["type"] == "response.create":
                break
        response_id = line.service.active_response or "resp_1"
        for frame in round_:
            move(frame, response_id)
            if frame["type"] == "response.function_call_arguments.done":
                calls[frame["call_id"]] = line.service.items[-1]["call_id"]
    return line.frames()


# What the real service says about an item that is done may name a wrong place, or none (§3.3);
# how it cuts arguments into deltas, and its rate limits, are its own.
def comparable(frames: list[Frame]) -> list[Any]:
    """Frames as key-ordered JSON text, without what no second service could say alike."""
    names = Names()
    kept: list[Any] = []
    for frame in frames:
        plain = names.plain(frame)
        if plain["type"] == "conversation.item.done":
            plain["previous_item_id"] = "unreliable"
        if plain["type"] in ("response.function_call_arguments.delta", "rate_limits.updated"):
            continue
        kept.append(json.dumps(plain))
    return kept


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the recordings are not here: {RECORDINGS}")
@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_session_is_said_again_frame_by_frame_and_key_by_key_3_2(name: str) -> None:
    assert comparable(reproduced(name)) == comparable(recorded(name, "received"))
