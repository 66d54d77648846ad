"""What you may ask of a session: each command settles once, a refused one changes nothing."""

import json
from array import array
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from support.frames import (
    Frame,
    Script,
    announced,
    audio_delta,
    committed,
    completed,
    error,
    event,
    item_added,
    message,
    playing,
    response_created,
    response_done,
    session_updated,
    settled,
)
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    Command,
    CommandSettled,
    LocalProtocolError,
    Outcome,
    Plane,
    Session,
    commands,
    counter,
)

DONE, FAILED, LOST = Outcome.DONE, Outcome.FAILED, Outcome.LOST
ITEM = {"id": "item_1", "type": "message", "role": "user", "content": []}

# A command of each kind that is answered, and the service's answer.
ANSWERED: list[tuple[Command, Frame]] = [
    (commands.SessionUpdate(session={"type": "realtime"}), session_updated()),
    (commands.InputAudioBufferCommit(), committed("item_9")),
    (commands.InputAudioBufferClear(), event("input_audio_buffer.cleared")),
    (commands.OutputAudioBufferClear(), playing("resp_1", "cleared")),
    (commands.ConversationItemCreate(item=ITEM), item_added(ITEM)),
    (
        commands.ConversationItemCreate(item=ITEM),
        {**item_added(ITEM), "type": "conversation.item.created"},
    ),
    (
        commands.ConversationItemRetrieve(item_id="item_1"),
        event("conversation.item.retrieved", item=message("item_1", "user", "Hi.")),
    ),
    (
        commands.ConversationItemTruncate(item_id="item_1", audio_end_ms=5),
        event("conversation.item.truncated", item_id="item_1", audio_end_ms=5),
    ),
    (
        commands.ConversationItemDelete(item_id="item_1"),
        event("conversation.item.deleted", item_id="item_1"),
    ),
    (commands.ResponseCreate(), response_created("resp_1", ours="event_tw1")),
    (
        commands.ResponseCreate(response={"conversation": "none"}),
        response_created("resp_1", ours="event_tw1", out_of_band=True),
    ),
    (commands.ResponseCancel(response_id="resp_9"), response_done("resp_9", "cancelled")),
]
every_answered = pytest.mark.parametrize(
    ("command", "answer"),
    ANSWERED,
    ids=[f"{command.type}-{answer['type']}" for command, answer in ANSWERED],
)


@every_answered
def test_a_command_leaves_with_an_id_and_is_settled_once_by_its_answer_1_3_and_3_9(
    command: Command, answer: Frame
) -> None:
    script = Script(plane=SIDEBAND)
    event_id = script.session.send(command, now=0.0)
    (frame,) = script.sent()
    assert (frame["type"], frame["event_id"]) == (command.type, event_id)

    assert settled(script.tell(answer)) == [(event_id, DONE)]
    assert settled(script.tell(answer, error("invalid_value", event_id=event_id))) == []
    assert settled(list(script.session.receive_close(now=0.0))) == []


@every_answered
def test_a_command_is_settled_once_by_an_error_3_9(command: Command, answer: Frame) -> None:
    script = Script(plane=SIDEBAND)
    event_id = script.session.send(command, now=0.0)
    (failed,) = [
        e
        for e in script.tell(error("invalid_value", "No.", event_id))
        if isinstance(e, CommandSettled)
    ]
    assert (failed.event_id, failed.type, failed.outcome) == (event_id, command.type, FAILED)
    assert failed.error is not None
    assert failed.error.message == "No."
    assert settled(script.tell(error("invalid_value", "No.", event_id))) == []
    assert settled(list(script.session.receive_close(now=0.0))) == []


@every_answered
def test_a_command_nobody_answered_is_lost_with_the_line(command: Command, answer: Frame) -> None:
    script = Script(plane=SIDEBAND)
    event_id = script.session.send(command, now=0.0)
    assert settled(list(script.session.receive_close(now=0.0))) == [(event_id, LOST)]
    assert settled(script.tell(answer)) == []


@every_answered
def test_an_id_of_ones_own_is_kept(command: Command, answer: Frame) -> None:
    script = Script(plane=SIDEBAND)
    named = msgspec.json.decode(msgspec.json.encode(command))
    own = type(command)(**{**named, "event_id": "mine"})
    assert script.session.send(own, now=0.0) == "mine"
    assert script.sent()[0]["event_id"] == "mine"


def test_answers_are_told_apart_by_the_item_they_are_about() -> None:
    script = Script()
    one, two = (
        script.session.send(commands.ConversationItemDelete(item_id=i), now=0.0) for i in "ab"
    )
    deleted = "conversation.item.deleted"
    assert settled(script.tell(event(deleted, item_id="c"))) == []
    assert settled(script.tell(event(deleted, item_id="b"))) == [(two, DONE)]
    assert settled(script.tell(event(deleted, item_id="a"))) == [(one, DONE)]


# -- text


@pytest.mark.parametrize(
    ("role", "kind"),
    [("user", "input_text"), ("system", "input_text"), ("assistant", "output_text")],
)
def test_text_is_written_as_the_role_demands_1_4(role: str, kind: str) -> None:
    script = Script()
    event_id = script.session.send_text("Hello.", role=role, respond=False, now=0.0)
    (frame,) = script.sent()
    item = frame["item"]
    assert frame["event_id"] == event_id
    assert (item["type"], item["role"]) == ("message", role)
    assert item["content"] == [{"type": kind, "text": "Hello."}]
    assert len(item["id"]) <= 32


def test_text_asks_for_an_answer_unless_told_otherwise() -> None:
    script = Script()
    script.session.send_text("Hello.", respond=False, now=0.0)
    assert script.sent_types() == ["conversation.item.create"]
    script.session.send_text("Hello?", now=0.0)
    assert script.sent_types() == ["conversation.item.create", "response.create"]


def test_an_item_may_have_an_id_and_a_place_of_its_own() -> None:
    script = Script()
    command = commands.ConversationItemCreate(item=ITEM, previous_item_id="root")
    script.session.send(command, now=0.0)
    (frame,) = script.sent()
    assert (frame["item"], frame["previous_item_id"]) == (ITEM, "root")


# -- audio


def test_audio_passes_uncounted_among_commands_and_is_never_answered() -> None:
    script = Script()
    script.session.send_audio(bytes(3), now=0.0)
    assert script.session.send(commands.InputAudioBufferAppend(audio=b"\x04\x10A"), now=0.0) == ""
    assert script.sent() == [
        {"type": "input_audio_buffer.append", "audio": "AAAA"},
        {"type": "input_audio_buffer.append", "audio": "BBBB"},
    ]
    assert settled(list(script.session.receive_close(now=0.0))) == []


def test_fifteen_mebibytes_of_audio_are_the_most_for_one_append_3_10() -> None:
    script = Script()
    most = 15 * 1024 * 1024 // 4 * 3
    script.session.send_audio(bytes(most), now=0.0)
    assert len(script.sent()[0]["audio"]) == 15 * 1024 * 1024
    with pytest.raises(LocalProtocolError, match=f"{most + 1} bytes .* the limit is {most}$"):
        script.session.send_audio(bytes(most + 1), now=0.0)
    assert script.sent() == []


@pytest.mark.parametrize(
    "make",
    [
        bytearray,
        memoryview,
        lambda audio: memoryview(array("h", audio)),
        lambda audio: memoryview(bytes(2 * len(audio)))[::2],
        type("Bytes", (bytes,), {}),
    ],
    ids=["bytearray", "memoryview", "of-samples", "of-one-channel", "a-subclass"],
)
@pytest.mark.parametrize("opened", [False, True])
def test_audio_is_counted_in_bytes_whatever_holds_it(make: Any, opened: bool) -> None:
    script = Script(fresh=not opened)
    audio = bytes(100 * 48)
    script.session.send_audio(make(audio), now=0.0)
    script.session.send(commands.InputAudioBufferAppend(audio=make(audio)), now=0.0)
    if not opened:
        script.hear(event("session.created", session={}), event("session.updated", session={}))
    assert [b64decode(frame["audio"]) for frame in script.sent()] == [audio, audio]
    books = script.session._books  # pyright: ignore[reportPrivateUsage]
    assert books is not None
    assert books.appended_bytes == 2 * len(audio)


def test_what_holds_too_many_bytes_is_too_much_however_few_its_elements() -> None:
    script = Script()
    audio = memoryview(bytes(15 * 1024 * 1024)).cast("d")
    with pytest.raises(LocalProtocolError, match="15728640 bytes"):
        script.session.send_audio(audio, now=0.0)  # type: ignore[arg-type]


# -- ids


def test_ids_count_and_can_be_kept_apart_from_another_sessions() -> None:
    session = Session(now=0.0, ids=counter("left"))
    assert session.send_text("Hello.", respond=False, now=0.0) == "event_left1"


def test_the_same_calls_give_the_same_bytes() -> None:
    def run() -> list[str]:
        session = Session(now=0.0)
        session.session_update({"tools": []}, now=0.0)
        session.send_text("Hello.", now=0.0)
        session.cancel(now=0.0)
        frames: list[str] = []
        while (frame := session.next_frame()) is not None:
            frames.append(frame)
        return frames

    assert run() == run()
    assert len(run()) == 3


# -- your mistakes

DEEP: list[Any] = []
DEEP.append(DEEP)
Call = Callable[[Session], object]


def item(**fields: Any) -> commands.ConversationItemCreate:
    return commands.ConversationItemCreate(item={**ITEM, **fields})


def sends(command: Command) -> Call:
    return lambda session: session.send(command, now=0.0)


MISTAKES: list[tuple[Call, Plane, str]] = [
    (lambda s: s.send_text("Hi.", role="robot", now=0.0), DIRECT, "send_text: role 'robot'"),
    (lambda s: s.send_text("\ud800", now=0.0), DIRECT, "ConversationItemCreate .* as JSON"),
    (lambda s: s.send_function_result("c", "", now=0.0), DIRECT, "send_function_result.*'c'"),
    (lambda s: s.session_update({"tools": {1, 2}.__iter__()}, now=0.0), DIRECT, "SessionUpdate"),
    (lambda s: s.session_update({"tools": DEEP}, now=0.0), DIRECT, "SessionUpdate"),
    (lambda s: s.send_audio(b"pcm", now=0.0), SIDEBAND, "no audio .* sideband plane"),
    (lambda s: s.send_audio(b"pcm", now=0.0), RELAY, "no audio .* relay plane"),
    (
        lambda s: s.send_audio("AAAA", now=0.0),  # type: ignore[arg-type]
        DIRECT,
        "send_audio takes audio as bytes",
    ),
    (
        lambda s: s.send_audio(array("h", [1]), now=0.0),  # type: ignore[arg-type]
        DIRECT,
        "send_audio takes audio as bytes, not array",
    ),
    (lambda s: s.send_audio(5, now=0.0), DIRECT, "as bytes, not int"),  # type: ignore[arg-type]
    (
        sends(commands.InputAudioBufferAppend(audio=[1])),  # type: ignore[arg-type]
        DIRECT,
        "InputAudioBufferAppend takes audio as bytes, not list",
    ),
    (lambda s: s.truncate_audio("item_1", 5, now=0.0), DIRECT, "no audio was received"),
    (sends(commands.ResponseCancel()), DIRECT, "ResponseCancel .* idle"),
    (sends(commands.ResponseCreate(response={"x": object()})), DIRECT, "ResponseCreate"),
    (sends(commands.InputAudioBufferClear(event_id="")), DIRECT, "1 to 512 characters"),
    (sends(commands.InputAudioBufferClear(event_id="x" * 513)), DIRECT, "1 to 512 characters"),
    (sends(commands.InputAudioBufferClear(event_id="\ud800")), DIRECT, "InputAudioBufferClear"),
    (sends(item(id="")), DIRECT, "item id ''"),
    (sends(item(id="x" * 33)), DIRECT, "1 to 32"),
    (sends(item(id="a b")), DIRECT, "item id 'a b'"),
    (sends(item(id="item_1\n")), DIRECT, "item id"),
    (sends(item(id=None)), DIRECT, "item id None"),
    (sends(item(id=7)), DIRECT, "item id 7"),
    (sends(item(content=[object()])), DIRECT, "ConversationItemCreate .* as JSON"),
    (sends(item(type="function_call_output", call_id="c")), DIRECT, "'c' is not known"),
    (sends(item(type="function_call_output")), DIRECT, "'' is not known"),
]


@pytest.mark.parametrize(("call", "plane", "words"), MISTAKES)
def test_a_call_that_cannot_be_obeyed_names_itself_and_changes_nothing(
    call: Call, plane: Plane, words: str
) -> None:
    script, twin = Script(plane=plane), Script(plane=plane)
    with pytest.raises(LocalProtocolError, match=words):
        call(script.session)
    assert script.sent() == []
    assert script.session.next_timeout() == twin.session.next_timeout()
    assert script.session.gate.state is twin.session.gate.state
    assert script.session.settings.desired == twin.session.settings.desired
    assert settled(list(script.session.receive_close(now=0.0))) == []


@pytest.mark.parametrize("kind", [commands.ResponseCancel, commands.ResponseCreate])
def test_a_mistake_during_a_response_leaves_the_response_alone(kind: Any) -> None:
    script = Script()
    script.begin("resp_1")
    with pytest.raises(LocalProtocolError, match=kind.__name__):
        script.session.send(kind(event_id="\ud800"), now=0.0)
    assert script.sent() == []
    assert script.session.cancel(now=0.0) is not None  # still there to be stopped


def test_an_id_that_is_on_its_way_cannot_be_used_again() -> None:
    script = Script()
    script.session.send(commands.ConversationItemDelete(event_id="x", item_id="a"), now=0.0)
    script.sent()
    with pytest.raises(LocalProtocolError, match="event_id 'x' is on its way already"):
        script.session.send(commands.InputAudioBufferClear(event_id="x"), now=0.0)
    assert script.sent() == []
    assert settled(script.tell(event("conversation.item.deleted", item_id="a"))) == [("x", DONE)]
    assert script.session.send(commands.InputAudioBufferClear(event_id="x"), now=0.0) == "x"


def test_an_id_of_ones_own_does_not_meet_one_that_is_made() -> None:
    script = Script()
    taken = [f"event_tw{n}" for n in range(1, 5)]
    for event_id in taken:
        script.session.send(commands.InputAudioBufferClear(event_id=event_id), now=0.0)
    made = [script.session.send(commands.InputAudioBufferClear(), now=0.0) for _ in range(2)]
    script.session.send_text("Hello.", now=0.0)
    ids = [frame["event_id"] for frame in script.sent()]
    assert not set(made) & set(taken)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("length", [5, 32])
def test_a_factory_that_repeats_itself_still_gives_ids_of_their_own(length: int) -> None:
    session = Session(now=0.0, ids=lambda kind: kind.ljust(length, "_"))
    made = [session.send(commands.InputAudioBufferClear(), now=0.0) for _ in range(12)]
    made.append(session.send_text("Hello.", now=0.0))
    frames = [json.loads(frame) for frame in iter(session.next_frame, None)]
    assert [frame["event_id"] for frame in frames[: len(made)]] == made
    lost = [event_id for event_id, _ in settled(session.receive_close(now=0.0))]
    assert len(lost) == len(set(lost)) == len(made) + 1  # the request for an answer
    assert max(map(len, lost)) <= 32


def test_no_frame_raises_where_the_factory_repeats_itself() -> None:
    script = Script()
    script.session = Session(now=0.0, ids=lambda kind: kind)
    script.hear(response_created("resp_1"), item_added(message("item", "assistant")))
    script.hear(*announced("resp_1", "call_1"), *completed("resp_1", "call_1"))
    script.session.send_function_result("call_1", "42", now=0.0)
    script.hear(audio_delta("resp_1", "item", 1000))
    script.session.report_playback("item", 400, now=0.0)
    script.session.send(commands.InputAudioBufferClear(), now=0.0)
    script.hear(event("input_audio_buffer.speech_started", item_id="item_u"))
    script.hear(event("input_audio_buffer.cleared"), response_done("resp_1"))
    kinds = {frame["type"]: frame["event_id"] for frame in script.sent()}
    assert kinds == {
        "conversation.item.create": "event",
        "input_audio_buffer.clear": "event_2",
        "conversation.item.truncate": "event_3",
        "response.create": "event_2",  # the clear is settled
    }


def test_a_cancel_whose_id_cannot_be_made_leaves_the_response_to_be_cancelled() -> None:
    script = Script()
    script.begin("resp_1")
    ids = script.session.ids

    def none(kind: str) -> str:
        raise OSError(f"no {kind}")

    script.session.ids = none
    with pytest.raises(OSError, match="no event"):
        script.session.cancel(now=0.0)
    script.session.ids = ids
    assert script.session.cancel(now=0.0) is not None
    assert script.sent_types() == ["response.cancel"]


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -1e300, 10**400, None, "1"])
def test_a_time_that_is_none_is_a_mistake_and_changes_nothing(now: Any) -> None:
    """It would stand in the snapshot, which could not be read back."""
    script = Script()
    session, before = script.session, script.session.snapshot(now=0.0)
    calls: list[Callable[[], object]] = [
        lambda: session.send_text("Hello.", now=now),
        lambda: session.report_playback("item_a", 5, now=now),
        lambda: script.hear(response_created("resp_1"), now=now),
        lambda: session.handle_timeout(now=now),
        lambda: session.receive_close(now=now),
        lambda: session.snapshot(now=now),
        lambda: Session.resume(before, now=now),
        lambda: Session(now=now),
    ]
    for call in calls:
        with pytest.raises(LocalProtocolError, match=r"now: .* is not a time in seconds"):
            call()
    if now is not None:
        for make in (Session, partial(Session.resume, before)):
            with pytest.raises(LocalProtocolError, match=r"unix_time: .* is not a time"):
                make(now=0.0, unix_time=now)
    assert session.snapshot(now=0.0) == before


EVERY_CALL: list[Call] = [
    lambda s: s.send(commands.InputAudioBufferClear(), now=0.0),
    lambda s: s.send_text("Hello.", now=0.0),
    lambda s: s.send_function_result("call_1", "", now=0.0),
    lambda s: s.send_audio(b"pcm", now=0.0),
    lambda s: s.truncate_audio("item_1", 5, now=0.0),
    lambda s: s.session_update({}, now=0.0),
    lambda s: s.cancel(now=0.0),
    lambda s: s.report_playback("item_1", 5, now=0.0),
]


@pytest.mark.parametrize("call", EVERY_CALL)
def test_after_the_close_every_call_is_a_mistake(call: Call) -> None:
    script = Script()
    script.session.close(now=0.0)
    with pytest.raises(LocalProtocolError, match="closed"):
        call(script.session)
    assert script.sent() == []
    assert script.session.next_timeout() is None
