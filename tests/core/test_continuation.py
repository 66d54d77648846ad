"""A conversation told again on a new session: §1.4, §1.7, known issues 18, 28 and 30."""

import json
from collections.abc import Sequence
from typing import Any

from support.frames import (
    Frame,
    Script,
    audio_delta,
    call,
    committed,
    event,
    item_added,
    item_done,
    message,
    output_item,
    response_created,
    response_done,
    text_of,
    transcript_delta,
)
from support.pair import Pair
from talkwire import SIDEBAND, Command, Event, Gate, Kind, Session, commands, events
from talkwire.service import Service

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}


def told(session: Session, **how: Any) -> list[Frame]:
    """The items that a new session would be told."""
    retold = session.continuation(**how)
    return [c.item for c in retold if isinstance(c, commands.ConversationItemCreate)]


def words(session: Session, **how: Any) -> list[tuple[str, str]]:
    return [
        (item["role"], part["text"])
        for item in told(session, **how)
        if item["type"] == "message"
        for part in item["content"]
        if "text" in part
    ]


def continued(old: Sequence[Command], service: Service) -> Session:
    """A new session that says all of it to a new service, and hears the answers."""
    session = Session(now=0.0)
    for command in old:
        session.send(command, now=0.0)
    exchange(session, service)
    return session


def exchange(session: Session, service: Service) -> list[Event]:
    """Let each hear what the other has to say; gives what the session made of it."""
    heard: list[Event] = []
    while (frame := session.next_frame()) is not None:
        service.receive(frame, now=0.0)
    while (said := service.next_frame()) is not None:
        heard += session.receive(said, now=0.0)
    return heard


def spoke(script: Script, said: str = "It is sunny in Rome today.") -> None:
    """The assistant says something that lasts a second."""
    item = message("item_a", "assistant", status="in_progress")
    script.hear(response_created("resp_1"), output_item("added", "resp_1", item), item_added(item))
    script.hear(transcript_delta("resp_1", "item_a", said), audio_delta("resp_1", "item_a", 1000))


def cut(audio_end_ms: int) -> Frame:
    kind = "conversation.item.truncated"
    return event(kind, item_id="item_a", content_index=0, audio_end_ms=audio_end_ms)


# -- a whole conversation, against services


def test_a_conversation_goes_on_in_a_new_session_with_all_that_was_said() -> None:
    pair = Pair(settings={"audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    pair.run()
    pair.call("session_update", {"instructions": "Be brief.", "tools": []})
    pair.call("send_text", "Speak German.", role="system", respond=False)
    pair.run()
    pair.engine("speech_started", audio_start_ms=0)
    pair.engine("speech_stopped", audio_end_ms=900)
    pair.run()
    user = pair.service.items[-1]["id"]
    pair.engine("transcribed", user, "How is the weather?")
    response = pair.service.active_response
    assert response is not None
    pair.engine("function_call", response, "get_weather", '{"city":"Rome"}')
    pair.engine("response_done", response)
    pair.run()
    (call_id,) = [item["call_id"] for item in pair.service.items if "call_id" in item]
    pair.call("send_function_result", call_id, "24 degrees")
    pair.run()
    second = pair.service.active_response
    assert second is not None
    pair.engine("message_started", second, modality="audio")
    pair.engine("text", second, "Es ist sonnig.")
    pair.engine("audio", second, b"\0" * 4800, 100)
    pair.engine("message_done", second)
    pair.engine("response_done", second)
    pair.run()

    service = Service(now=0.0)
    session = continued(pair.session.continuation(), service)
    assert [(item["type"], item.get("role"), item.get("call_id")) for item in service.items] == [
        ("message", "system", None),
        ("message", "user", None),
        ("function_call", None, call_id),
        ("function_call_output", None, call_id),
        ("message", "assistant", None),
    ]
    assert service.items[1]["content"] == [{"type": "input_text", "text": "How is the weather?"}]
    assert service.items[-1]["content"] == [{"type": "output_text", "text": "Es ist sonnig."}]
    assert service.session["instructions"] == "Be brief."
    assert service.active_response is None
    assert session.gate.state is Gate.IDLE
    assert [item.text for item in session.conversation] == [
        item.text for item in pair.session.conversation
    ]
    assert told(session) == told(pair.session)


def test_two_sessions_that_count_alike_take_over_from_each_other_1_4() -> None:
    service, session = Service(now=0.0), Session(now=0.0)
    for words in ("One.", "Two.", "Three."):
        session.send_text(words, respond=False, now=0.0)
        exchange(session, service)
        said = [item.text for item in session.conversation]
        old, service, session = session.continuation(), Service(now=0.0), Session(now=0.0)
        session.send_text("Again.", respond=False, now=0.0)
        for command in old:
            session.send(command, now=0.0)
        heard = exchange(session, service)
        assert not any(isinstance(event, events.ErrorEvent) for event in heard)
        assert [item.text for item in session.conversation] == ["Again.", *said]


def test_a_session_without_a_conversation_has_its_configuration_to_tell() -> None:
    script = Script()
    assert script.session.continuation() == []
    script.session.session_update({"instructions": "Be brief.", "model": "m"}, now=0.0)
    assert script.session.continuation() == [
        commands.SessionUpdate(session={"type": "realtime", "instructions": "Be brief."})
    ]


def test_a_session_that_takes_no_items_has_only_its_configuration_to_tell_1_3() -> None:
    session = Session(now=0.0, kind=Kind.TRANSCRIPTION)
    session.session_update({"include": []}, now=0.0)
    session.receive(text_of(committed("item_1")), now=0.0)
    said = event(
        "conversation.item.input_audio_transcription.completed",
        item_id="item_1",
        transcript="Hello.",
    )
    session.receive(text_of(said), now=0.0)
    assert session.continuation() == [
        commands.SessionUpdate(session={"type": "transcription", "include": []})
    ]


# -- what was heard


def test_of_what_was_cut_off_what_was_heard_goes_over_livekit_2201() -> None:
    script = Script()
    spoke(script)
    script.hear(cut(500))
    (item,) = script.session.conversation
    assert (item.text, item.heard_text) == ("It is sunny in Rome today.", "It is sunny")
    assert item.interrupted
    assert words(script.session) == [("assistant", "It is sunny")]


def test_what_was_cut_before_a_word_was_heard_does_not_go_over() -> None:
    script = Script()
    spoke(script)
    script.hear(cut(10))
    assert words(script.session) == []


def test_a_cut_before_the_beginning_is_one_at_the_beginning() -> None:
    script = Script()
    spoke(script)
    script.hear(cut(-5000))
    (item,) = script.session.conversation
    assert (item.audio_end_ms, item.heard_text) == (0, "")
    assert words(script.session) == []


def test_a_cut_behind_the_last_word_leaves_all_of_them() -> None:
    script = Script()
    spoke(script)
    script.hear(cut(1000))
    assert words(script.session) == [("assistant", "It is sunny in Rome today.")]


def test_where_no_audio_passes_nobody_knows_how_much_was_heard_and_all_goes_over() -> None:
    script = Script(plane=SIDEBAND)
    item = message("item_a", "assistant", status="in_progress")
    script.hear(response_created("resp_1"), item_added(item))
    script.hear(transcript_delta("resp_1", "item_a", "It is sunny."), cut(500))
    assert words(script.session) == [("assistant", "It is sunny.")]


def test_what_was_not_cut_was_heard() -> None:
    script = Script()
    spoke(script)
    script.hear(item_done(message("item_a", "assistant", "It is sunny in Rome today.")))
    (item,) = script.session.conversation
    assert not item.interrupted
    assert item.heard_text == item.text


def test_an_item_that_its_response_left_unfinished_was_interrupted() -> None:
    script = Script()
    spoke(script)
    script.hear(item_done(message("item_a", "assistant", "It is", status="incomplete")))
    (item,) = script.session.conversation
    assert item.interrupted


# -- what goes over, and what stays behind


def test_an_item_without_words_or_a_role_stays_behind() -> None:
    script = Script()
    script.hear(committed("item_1"), item_added({"id": "item_2", "type": "message"}))
    script.hear(item_added({**message("item_3", "developer", "Psst."), "previous_item_id": None}))
    assert told(script.session) == []


def test_calls_go_over_with_their_outputs_or_not_at_all_livekit_js_1843() -> None:
    def output(call_id: str) -> Frame:
        item = {"id": f"out_{call_id}", "type": "function_call_output", "call_id": call_id}
        return {**item, "output": "42"}

    script = Script()
    for item in (
        call("call_1", "{}"),
        call("call_open", "{}"),
        output("call_of_nobody"),
        output("call_1"),
        {**output("call_1"), "id": "out_again"},
        call("c" * 40, item_id="item_long"),
        {**output("c" * 40), "id": "i" * 40},
        {"id": "item_x", "type": "function_call"},
        {"id": "item_y", "type": "function_call_output", "call_id": "call_2"},
        call("call_2", "{}"),
    ):
        script.hear(item_added(item, previous="item_unknown"))
    made = told(script.session)
    assert [(item["type"], item["call_id"]) for item in made] == [
        ("function_call", "call_1"),
        ("function_call_output", "call_1"),
        ("function_call", "call_continued_2"),
        ("function_call_output", "call_continued_2"),
    ]
    assert all(len(item["call_id"]) <= 32 for item in made)
    assert not any("id" in item for item in made)


def test_mcp_items_stay_behind_for_only_the_service_makes_them_3_8() -> None:
    script = Script()
    script.hear(
        item_added({"id": "item_1", "type": "mcp_list_tools", "server_label": "d", "tools": []})
    )
    script.hear(item_added({"id": "item_2", "type": "mcp_call", "name": "roll", "output": "7"}))
    assert told(script.session) == []


def test_images_of_the_users_go_over_if_they_fit_agents_js_501() -> None:
    script = Script()
    large = {**IMAGE, "image_url": IMAGE["image_url"] + "A" * 300_000}
    content = [{"type": "input_text", "text": "What is this?"}, {**IMAGE, "detail": "low"}, large]
    script.hear(item_added({**message("item_1", "user"), "content": content}))
    script.hear(item_added({**message("item_2", "user"), "content": [large]}, previous="item_1"))
    assert [item["content"] for item in told(script.session)] == [
        [{"type": "input_text", "text": "What is this?"}, {**IMAGE, "detail": "low"}]
    ]
    assert [len(item["content"]) for item in told(script.session, max_image=10**6)] == [3, 1]


def test_a_continuation_asks_for_no_response() -> None:
    script = Script()
    script.hear(item_added(message("item_1", "user", "Hello?")))
    script.hear(response_created("resp_1"), response_done("resp_1"))
    new = Session(now=0.0)
    for command in script.session.continuation():
        new.send(command, now=0.0)
    frames = []
    while (frame := new.next_frame()) is not None:
        frames.append(json.loads(frame)["type"])
    assert frames == ["conversation.item.create"]
