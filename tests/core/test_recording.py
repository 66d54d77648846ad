"""A recording holds all that went in and came out, no secret, and plays again byte for byte."""

from __future__ import annotations

import enum
import json
from io import StringIO
from typing import Any

import pytest

from support.frames import (
    completed,
    event,
    item_added,
    message,
    response_created,
    response_done,
    session_created,
    session_updated,
    settings,
    text_delta,
    text_of,
)
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    Anomaly,
    FunctionCall,
    InvalidFrame,
    JsonObject,
    Kind,
    LocalProtocolError,
    Phase,
    Relay,
    Respond,
    Session,
    SessionExpiring,
    Timer,
    UnknownEvent,
    UnreadableError,
    commands,
    counter,
    translation,
)
from talkwire.recording import record
from talkwire.replay import Difference, Replay, replay

KEY = "ek_68af296e8e408191a1120a4a6b1a3b5c"
TICKET = 'a "ticket" that nobody may reuse'
HELLO: JsonObject = {"type": "talkwire.hello", "version": 1, "ticket": TICKET}


def drain(protocol: Session | Relay) -> list[str]:
    frames: list[str] = []
    while (frame := protocol.next_frame()) is not None:
        frames.append(frame)
    return frames


def recorded(**how: Any) -> tuple[Session, list[str]]:
    lines: list[str] = []
    return record(Session(plane=DIRECT, now=1.0, **how), lines.append, now=1.0), lines


def relayed() -> tuple[Relay, list[str]]:
    lines: list[str] = []
    return record(Relay(Session(plane=RELAY, now=1.0), now=1.0), lines.append, now=1.0), lines


def a_talk(session: Session) -> list[str]:
    """A question, a function call in answer to it, and the end; what left meanwhile."""
    session.receive(text_of(session_created()), now=1.5)
    session.send_text("What is the weather?", now=2.0)
    frames = drain(session)
    ours = json.loads(frames[-1])["event_id"]
    session.receive(text_of(response_created("resp_1", ours=ours)), now=2.5)
    for frame in completed("resp_1", "call_1"):
        session.receive(text_of(frame), now=3.0)
    session.send_function_result("call_1", "Fog.", now=3.5)
    session.receive(text_of(response_done("resp_1")), now=4.0)
    frames += drain(session)
    session.receive_close(code=1006, reason="gone", now=5.0)
    return frames


def inputs_of(cls: type[Any]) -> set[str]:
    """What `record` writes down of the calls of a class, found out by calling each."""
    found: set[str] = set()
    every = {name for name in dir(cls) if not name.startswith("_")}
    for name in every:
        lines: list[str] = []
        session = Session(plane=RELAY, now=1.0)
        if cls is Session:
            door = getattr(record(session, lines.append, now=1.0), name)
        else:
            door = getattr(record(Relay(session, now=1.0), lines.append, now=1.0), name)
        if callable(door):
            with pytest.raises(TypeError):
                door(None, None, None, None, None, None, None)
        found |= {json.loads(line)["call"] for line in lines[1:]}
    return found


# -- what is written


def test_a_talk_plays_again_byte_for_byte_and_ends_as_it_did() -> None:
    session, lines = recorded()
    frames = a_talk(session)
    played = replay(lines)
    assert (played.difference, played.cut, played.frames) == (None, False, len(frames))
    assert played.session.snapshot(now=9.0) == session.snapshot(now=9.0)
    calls = [e for step in played.steps for e in step.events if isinstance(e, FunctionCall)]
    assert [call.call_id for call in calls] == ["call_1"]
    assert played.steps[-1].now == 5.0
    assert played.session.phase is Phase.CLOSED


def test_each_line_is_json_and_says_what_happened_in_order() -> None:
    session, lines = recorded()
    session.send_text("Hi.", respond=False, now=2.0)
    drain(session)
    drain(session)
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    header, call, frame, end = map(json.loads, lines)
    assert (header["recording"], header["of"], header["now"]) == (1, "session", 1.0)
    assert header["snapshot"]["books"]["plane"]["name"] == "direct"
    assert call == {
        "call": "send_text",
        "args": ["Hi."],
        "options": {"respond": False, "now": 2.0},
    }
    assert json.loads(frame["out"])["type"] == "conversation.item.create"
    assert end == {"out": None}  # and once only


def test_an_input_is_written_before_it_is_carried_out() -> None:
    full = OSError("no space left on device")
    lines: list[str] = []

    def write(line: str) -> None:
        if lines:
            raise full
        lines.append(line)

    session = record(Session(plane=DIRECT, now=1.0), write, now=1.0)
    with pytest.raises(OSError, match="no space"):
        session.send_text("Hi.", now=2.0)
    assert Session.next_frame(Session.resume(session.snapshot(now=2.0), now=2.0)) is None


def test_it_passes_for_what_it_records() -> None:
    session, _ = recorded()
    assert isinstance(session, Session)
    assert session.phase is Phase.CONNECTING
    assert not session.closed
    assert list(session.conversation) == []
    assert session.next_timeout() == 16.0
    with pytest.raises(AttributeError):
        session.nothing_of_the_kind  # type: ignore[attr-defined]  # noqa: B018
    relay, _ = relayed()
    assert isinstance(relay, Relay)
    assert isinstance(relay.session, Session)
    assert relay.session is relay.session


def test_every_call_is_an_input_but_those_that_only_tell() -> None:
    out = {"next_frame", "session_init_data"}
    tell = {"continuation", "needs", "next_timeout", "resume", "snapshot"}
    calls = {name for name in dir(Session) if callable(getattr(Session, name)) and name[0] != "_"}
    assert inputs_of(Session) == calls - out - tell
    assert {"receive", "receive_close", "handle_timeout", "send", "cancel"} <= inputs_of(Session)
    inputs = {"receive", "receive_close", "handle_timeout", "close"}
    assert inputs_of(Relay) == inputs | {"answer", "ask_for_offer", "open_call"}


def test_a_recording_may_begin_at_any_moment() -> None:
    session = Session(plane=DIRECT, now=1.0, ids=counter("mine"))
    session.receive(text_of(session_created()), now=1.5)
    session.send_text("Hello.", now=2.0)
    session.next_frame()
    lines: list[str] = []
    session = record(session, lines.append, now=2.5)
    assert len(drain(session)) == 1
    session.receive(text_of(response_created("resp_1")), now=3.0)
    session.receive(text_of(item_added(message("item_1", "assistant"))), now=3.0)
    session.receive(text_of(text_delta("resp_1", "item_1", "Hello you.")), now=3.0)
    session.cancel(now=3.5)
    drain(session)
    played = replay(lines)
    assert played.difference is None
    assert played.frames == 2
    assert played.session.snapshot(now=4.0) == session.snapshot(now=4.0)


def test_objects_taken_out_to_open_a_call_are_frames_as_well() -> None:
    session, lines = recorded()
    session.session_update({"instructions": "Be brief."}, now=1.0)
    assert len(session.session_init_data()) == 1
    assert session.session_init_data() == []
    played = replay(lines)
    assert (played.difference, played.frames) == (None, 1)
    lines[-2] = lines[-2].replace("brief", "quick")
    assert replay(lines).difference is not None


# -- what is hard to write


def test_bytes_that_are_no_text_and_half_characters_go_in_again() -> None:
    session, lines = recorded()
    frames: list[str | bytes] = [b"\xff\xfe", b"{}", "\ud800", '{"type":"\ud800"}', "", "\u2028"]
    heard = [session.receive(frame, now=2.0) for frame in frames]
    session.receive(text_of(session_created()), now=2.0)
    session.send_audio(b"\x00\x01\xff", now=2.0)
    session.send(commands.InputAudioBufferAppend(audio=b"\x00\x01"), now=2.0)
    drain(session)
    played = replay(lines)
    assert (played.difference, played.frames) == (None, 2)
    assert played.session.counts == session.counts
    assert [step.events for step in played.steps[: len(frames)]] == heard


@pytest.mark.parametrize("respond", [*Respond, True, False])
def test_whether_the_model_shall_speak_of_a_result_is_played_again(respond: Respond | bool) -> None:
    session, lines = recorded()
    session.receive(text_of(session_created()), now=1.5)
    session.receive(text_of(response_created("resp_1")), now=2.0)
    for frame in completed("resp_1", "call_1"):
        session.receive(text_of(frame), now=2.0)
    session.receive(text_of(response_done("resp_1")), now=2.0)
    session.send_function_result("call_1", "Fog.", respond=respond, now=3.0)
    frames = drain(session)
    played = replay(lines)
    assert (played.difference, played.frames) == (None, len(frames))
    assert [step.refusal for step in played.steps if step.refusal] == []
    assert played.session.snapshot(now=4.0) == session.snapshot(now=4.0)


def test_a_translation_plays_again_to_its_end() -> None:
    session, lines = recorded(kind=Kind.TRANSLATION)
    session.receive(text_of(session_created()), now=1.5)
    session.send(translation.TranslationInputAudioBufferAppend(audio=b"\0\1"), now=2.0)
    session.send(translation.TranslationSessionClose(), now=3.0)
    frames = drain(session)
    assert len(frames) == 2
    played = replay(lines)
    assert (played.difference, played.frames) == (None, 2)
    assert [step.refusal for step in played.steps if step.refusal] == []


def test_what_you_count_yourself_is_counted_again() -> None:
    session, lines = recorded()
    odd: list[InvalidFrame | UnknownEvent | Anomaly] = [
        InvalidFrame(reason="too long", frame="{"),
        InvalidFrame(reason="no text", frame=b"\xff"),
        UnknownEvent(type="news", frame="{}"),
        Anomaly(type="frame", reason="too early"),
    ]
    for each in odd:
        session.count(each)
    played = replay(lines)
    assert played.session.counts == session.counts
    assert [event for step in played.steps for event in step.events] == odd


def test_the_time_that_a_session_asked_for_goes_in_again() -> None:
    session, lines = recorded()
    due = session.next_timeout()
    assert due is not None
    assert session.handle_timeout(now=due)
    [step] = replay(lines).steps
    assert (step.now, len(step.events)) == (16.0, 1)


@pytest.mark.parametrize("now", [0.1, 3.7, 123456.789])
def test_times_are_the_same_to_the_last_bit(now: float) -> None:
    session, lines = recorded(unix_time=1_763_838_000.123, delays={Timer.EXPIRY: 300.0})
    config = settings(expires_at=1_763_841_600)
    session.receive(text_of(event("session.created", session=config)), now=now)
    later: list[str] = []
    session = record(session, later.append, now=now)
    due = session.next_timeout()
    assert due is not None
    [warning] = session.handle_timeout(now=due)
    assert isinstance(warning, SessionExpiring)
    assert replay(lines).steps[-1].events == [warning]
    assert replay(later).steps[-1].events == [warning]


class Word(str):
    """Text, but nothing that is written as JSON."""


class Role(enum.StrEnum):
    USER = "user"


def test_a_role_by_any_other_class_says_the_same() -> None:
    session, lines = recorded()
    session.send_text("Hi.", role=Role.USER, now=2.0)
    drain(session)
    assert (replay(lines).difference, replay(lines).frames) == (None, 2)


class Odd:
    """Nothing that JSON has a word for."""


def endless() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(Odd(), id="object"),
        pytest.param({"content": Odd()}, id="object within"),
        pytest.param({"content": [{"text": {Odd()}}]}, id="set"),
        pytest.param(Word("Hi."), id="text of its own class"),
        pytest.param("\udc00", id="half a character"),
        pytest.param({"text": "\udc00", "raw": b"\x00", "more": (1, 2.5, None, True)}, id="mixed"),
        pytest.param({("a", "b"): 1}, id="key that is no text"),
        pytest.param({"content": endless()}, id="endless"),
        pytest.param(commands.ResponseCancel(response_id="resp_9"), id="command"),
    ],
)
def test_a_mistake_is_recorded_and_is_a_mistake_again(odd: Any) -> None:
    session, lines = recorded()
    makes: list[tuple[str, Any]] = [
        ("send_text", odd),
        ("session_update", {"tools": odd}),
        ("send", commands.ConversationItemCreate(item={"type": "message", "content": odd})),
        ("send", commands.InputAudioBufferCommit(event_id=odd)),
        ("send", odd),
        ("send_audio", odd),
    ]
    refused: list[str] = []
    for call, argument in makes:
        try:
            getattr(session, call)(argument, now=2.0)
        except Exception:
            refused.append(call)
    assert refused
    session.send_text("Hi.", now=3.0)  # its ids follow those that the mistakes took
    drain(session)
    played = replay(lines)
    assert played.difference is None
    assert [step.call for step in played.steps if step.refusal is not None] == refused


def test_a_refusal_says_the_same_again() -> None:
    session, lines = recorded()
    with pytest.raises(LocalProtocolError) as refusal:
        session.send_function_result("call_of_nobody", "1", now=2.0)
    assert replay(lines).steps[0].refusal == str(refusal.value)


def test_ids_of_a_factory_of_yours_are_played_again() -> None:
    made = iter("abcdefgh")
    session, lines = recorded(ids=lambda kind: f"{kind}_{next(made)}")
    frames = a_talk(session)
    assert "event_a" in frames[0]
    played = replay(lines)
    assert (played.difference, played.frames) == (None, len(frames))
    assert sum("id" in json.loads(line) for line in lines) == 6


def test_two_recordings_of_the_same_session_are_each_whole() -> None:
    made = iter(range(99))
    session, lines = recorded(ids=lambda kind: f"{kind}_{next(made)}")
    session.send_text("Hi.", now=2.0)
    later: list[str] = []
    frames = a_talk(record(session, later.append, now=2.5))
    for each in (lines, later):
        assert (replay(each).difference, replay(each).frames) == (None, len(frames))


def test_a_page_and_the_sideband_of_its_call_are_recorded_together() -> None:
    lines: list[str] = []
    relay = record(Relay(Session(plane=SIDEBAND, now=1.0), now=1.0), lines.append, now=1.0)
    relay.ask_for_offer(now=1.0)
    relay.receive(json.dumps(HELLO), now=2.0)
    relay.receive(json.dumps({"type": "talkwire.offer", "sdp": "v=0"}), now=2.0)
    relay.answer("v=0", "rtc_1", now=3.0)
    relay.session.send_text("Hello.", now=3.0)
    to_page, to_service = drain(relay), drain(relay.session)
    relay.session.receive(text_of(session_updated()), now=4.0)
    relay.session.receive_close(code=1000, now=5.0)
    to_page += drain(relay)
    assert drain(relay.session) == []

    played = replay(lines)
    assert (played.difference, played.frames) == (None, len(to_page) + len(to_service))
    assert isinstance(played.protocol, Relay)
    assert (played.protocol.hop, played.protocol.call_id) == (relay.hop, "rtc_1")
    more = replay([*lines, lines[-1].replace("null", '"a frame that never left"')])
    assert more.difference is not None


# -- secrets (S2, S13)


def test_neither_the_key_nor_a_ticket_is_in_it_and_it_plays_all_the_same() -> None:
    relay, lines = relayed()
    relay.session.send_text("Hello.", now=1.0)
    relay.open_call("https://example.test", KEY, now=1.0)
    with pytest.raises(LocalProtocolError):
        relay.open_call("https://example.test", key=KEY + "2", now=1.0)
    relay.receive(json.dumps(HELLO), now=2.0)
    relay.receive(json.dumps(HELLO).encode() + b"\n\xff", now=2.0)
    [init] = drain(relay)
    relay.receive(json.dumps({"type": "talkwire.bye", "message": f"{KEY} was refused"}), now=3.0)
    assert json.loads(init)["call"]["key"] == KEY  # the page gets it
    text = "".join(lines)
    assert KEY not in text
    assert "nobody may reuse" not in text
    played = replay(lines)
    assert (played.difference, played.frames) == (None, 1)
    assert isinstance(played.protocol, Relay)
    assert played.protocol.hop is relay.hop


@pytest.mark.parametrize("greeted", [False, True])
def test_a_key_that_was_given_before_is_not_in_it_either(greeted: bool) -> None:
    relay = Relay(Session(plane=RELAY, now=1.0), now=1.0)
    relay.open_call("https://example.test", 'a "quoted" key', now=1.0)
    if greeted:
        relay.receive(json.dumps(HELLO), now=1.0)
    lines: list[str] = []
    relay = record(relay, lines.append, now=1.0)
    if not greeted:
        relay.receive(json.dumps(HELLO), now=1.0)
    [init] = drain(relay)
    assert json.loads(init)["call"]["key"] == 'a "quoted" key'
    assert "quoted" not in "".join(lines)
    assert replay(lines).difference is None


def test_what_a_user_types_is_not_taken_for_a_ticket() -> None:
    relay, lines = relayed()
    relay.session.send_text(json.dumps(HELLO), now=1.0)
    relay.session.next_frame()
    assert replay(lines).difference is None


def test_a_stand_in_for_a_key_stays_as_it_is() -> None:
    relay, lines = relayed()
    relay.open_call("https://example.test", "type", now=1.0)
    relay.receive(json.dumps({"type": "talkwire.hello", "version": 1}), now=1.0)
    drain(relay)
    assert replay(lines).difference is None


# -- when it differs


def changed(lines: list[str], at: int, old: str, new: str) -> Replay:
    assert old in lines[at]
    return replay([*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]])


def test_the_first_byte_that_differs_is_named() -> None:
    session, lines = recorded()
    session.send_text("Hi.", now=2.0)
    first, second = drain(session)
    assert changed(lines, 2, "Hi.", "Ho.").difference == Difference(
        line=3, expected=first.replace("Hi.", "Ho."), got=first
    )
    assert changed(lines, 1, "Hi.", "Ho.").difference == Difference(
        line=3, expected=first, got=first.replace("Hi.", "Ho.")
    )
    without = replay([*lines[:2], *lines[3:]]).difference  # the first of several is told
    assert without == Difference(line=3, expected=second, got=first)


def test_a_frame_too_many_or_too_few_differs() -> None:
    session, lines = recorded()
    session.send_text("Hi.", respond=False, now=2.0)
    [frame] = drain(session)
    more = replay([*lines[:2], lines[-1]])
    assert more.difference == Difference(line=3, expected=None, got=frame)
    fewer = replay([*lines, lines[2]])
    assert fewer.difference == Difference(line=5, expected=frame, got=None)


# -- what is no recording


def test_a_last_line_that_was_cut_off_is_told_and_does_no_harm() -> None:
    made = iter(range(9))
    session, lines = recorded(ids=lambda kind: f"{kind}_{next(made)}")
    session.send_text("Hi.", now=2.0)
    frames = drain(session)
    text = "".join(lines)
    for end in range(len(lines[0]), len(text)):
        last = text[:end].rpartition("\n")[2]
        played = replay(StringIO(text[:end]))
        assert played.cut == bool(last and f"{last}\n" not in lines)
        assert played.difference is None
        assert played.frames <= len(frames)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "this is no recording"),
        ("{}\n", "this is no recording"),
        ("Dear diary,\n", "this is no recording"),
        ("\ud800", "this is no recording"),
        ("[" * 100_000, "this is no recording"),
        ('{"recording":2,"talkwire":"3.1","of":"session","now":1,"snapshot":{}}', "format 2"),
        ('{"recording":1,"talkwire":"0","of":"session","now":1,"snapshot":{}}', "no snapshot"),
    ],
)
def test_what_is_no_recording_is_said_to_be_none(text: str, words: str) -> None:
    with pytest.raises(UnreadableError, match=words):
        replay([text])


@pytest.mark.parametrize(
    "line",
    [
        "Dear diary,\n",
        '{"call":5}\n',
        '{"call":"no_call"}\n',
        '{"call":"__init__","options":{"now":1}}\n',
        '{"call":"next_frame"}\n',
        '{"call":"send","args":[{"Session":{}}]}\n',
        '{"call":"send","args":[{"SessionUpdate":{"sesion":{}}}]}\n',
        '{"call":"send","args":[{"SessionUpdate":5}]}\n',
        '{"call":"send_audio","args":[{"bytes":"%"}]}\n',
        '{"call":"send_function_result","args":["c","1"],"options":{"respond":{"Respond":5}}}\n',
        '{"call":"count","args":[{"Anomaly":{"types":"frame"}}]}\n',
        '{"call":"count","args":[{"Anomaly":5}]}\n',
        '{"call":"send","args":[{"json":1,"bytes":""}]}\n',
        '{"call":"send","args":' + "[" * 50_000 + "\n",
    ],
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    _, lines = recorded()
    with pytest.raises(UnreadableError, match="line 3 of the recording: "):
        replay([*lines, '{"call":"cancel","options":{"now":2}}\n', line, "\n", '{"out":null}\n'])


def test_what_says_nothing_is_passed_over() -> None:
    _, lines = recorded()
    assert replay([*lines, "\n", "{}\n"]).difference is None
