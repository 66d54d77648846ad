"""The conversation as a person would write it down: §3.2, §3.3."""

from typing import Any

import pytest

from support.frames import (
    Frame,
    Script,
    call,
    committed,
    event,
    item_added,
    item_done,
    message,
    output_item,
    response_created,
    response_done,
    settled,
    text_delta,
    transcript_delta,
)
from talkwire import Outcome, commands


def order(script: Script) -> list[str]:
    return [item.id for item in script.session.conversation]


def said(script: Script) -> list[tuple[str | None, str]]:
    return [(item.role, item.text) for item in script.session.conversation]


def heard(how: str, item_id: str, **fields: Any) -> Frame:
    kind = f"conversation.item.input_audio_transcription.{how}"
    return event(kind, item_id=item_id, content_index=0, **fields)


def user(item_id: str) -> Frame:
    """A user's spoken item, as it is added: without a transcript."""
    content = [{"type": "input_audio", "transcript": None}]
    return {**message(item_id, "user"), "content": content}


# -- order


def test_items_stand_behind_the_one_they_name() -> None:
    script = Script()
    script.hear(item_added(message("a", "user")))
    script.hear(item_added(message("c", "user"), "a"))
    script.hear(item_added(message("b", "user"), "a"))
    assert order(script) == ["a", "b", "c"]
    assert len(script.session.conversation) == 3


def test_null_puts_an_item_first() -> None:
    script = Script()
    script.hear(item_added(message("b", "user")), item_added(message("a", "system")))
    assert order(script) == ["a", "b"]


@pytest.mark.parametrize("previous", ["never heard of", "absent"])
def test_an_item_behind_nobody_we_know_stands_last(previous: str) -> None:
    script = Script()
    script.hear(item_added(message("a", "user")))
    frame = item_added(message("b", "user"), previous)
    if previous == "absent":
        del frame["previous_item_id"]
    script.hear(frame)
    assert order(script) == ["a", "b"]


def test_the_place_that_item_done_tells_is_not_believed() -> None:
    script = Script()
    script.hear(item_added(message("a", "user")), item_added(message("b", "assistant"), "a"))
    script.hear(item_done(message("b", "assistant"), None))
    assert order(script) == ["a", "b"]


def test_a_committed_turn_has_its_place_before_its_item_comes() -> None:
    script = Script()
    script.hear(item_added(message("a", "assistant")), committed("b", "a"))
    assert said(script) == [("assistant", ""), ("user", "")]
    script.hear(item_added(user("b"), None))
    assert order(script) == ["a", "b"]


def test_the_older_created_places_an_item_as_added_does() -> None:
    script = Script()
    frame = item_added(message("a", "user", "Hello."))
    script.hear({**frame, "type": "conversation.item.created"})
    assert said(script) == [("user", "Hello.")]


def test_a_deleted_item_is_gone_and_deleting_it_again_does_no_harm() -> None:
    script = Script()
    script.hear(item_added(message("a", "user")), item_added(message("b", "user"), "a"))
    deleted = event("conversation.item.deleted", item_id="a")
    assert script.tell(deleted, deleted) == []
    assert order(script) == ["b"]
    assert script.session.conversation.get("a") is None


# -- what was said


def test_a_written_answer_grows_by_its_deltas_and_ends_as_the_service_says() -> None:
    script = Script()
    script.begin("resp_1")
    item = message("a", "assistant", status="in_progress")
    script.hear(output_item("added", "resp_1", item), item_added(item, "item_tw1"))
    script.hear(text_delta("resp_1", "a", "It is"), text_delta("resp_1", "a", " fog"))
    assert script.session.conversation.item("a").text == "It is fog"
    script.hear({**text_delta("resp_1", "a", ""), "type": "response.output_text.done", "text": "X"})
    assert script.session.conversation.item("a").text == "X"
    script.hear(item_done(message("a", "assistant", "It is foggy.")))
    found = script.session.conversation.item("a")
    assert (found.text, found.status, found.response_id) == ("It is foggy.", "completed", "resp_1")


def test_a_spoken_answer_is_kept_as_its_transcript() -> None:
    script = Script()
    script.begin("resp_1")
    item = message("a", "assistant", status="in_progress")
    script.hear(output_item("added", "resp_1", item), item_added(item))
    script.hear(transcript_delta("resp_1", "a", "Hello"))
    assert script.session.conversation.item("a").text == "Hello"
    done = {**transcript_delta("resp_1", "a", ""), "transcript": "Hello there."}
    script.hear({**done, "type": "response.output_audio_transcript.done"})
    assert script.session.conversation.item("a").text == "Hello there."


def test_items_that_grow_at_once_are_told_apart_3_2() -> None:
    script = Script()
    script.begin("resp_1")
    for item_id, previous in (("a", None), ("b", "a")):
        item = message(item_id, "assistant", status="in_progress")
        script.hear(output_item("added", "resp_1", item), item_added(item, previous))
    for item_id, index, delta in (("a", 1, "2"), ("b", 0, "x"), ("a", 0, "1"), ("a", 1, "3")):
        script.hear({**text_delta("resp_1", item_id, delta), "content_index": index})
    assert [script.session.conversation.item(i).text for i in "ab"] == ["123", "x"]


def test_what_the_user_said_may_be_known_before_its_item_is() -> None:
    script = Script()
    script.hear(heard("delta", "a", delta=" Hel"), heard("delta", "a", delta="lo"))
    assert order(script) == []
    script.hear(committed("a"), item_added(user("a")), item_done(user("a")))
    assert said(script) == [("user", "Hello")]


def test_what_the_user_said_may_be_known_long_after() -> None:
    script = Script()
    script.hear(committed("a"), item_added(user("a")))
    script.hear(response_created("resp_1"), response_done("resp_1"))
    script.hear(committed("b", "a"), item_added(user("b"), "a"))
    script.hear(heard("completed", "b", transcript="Second."))
    script.hear(heard("delta", "a", delta=" Fir"), heard("completed", "a", transcript="First."))
    assert said(script) == [("user", "First."), ("user", "Second.")]


def test_a_turn_does_not_wait_for_its_words_3_3() -> None:
    """They may never come."""
    script = Script()
    script.hear(committed("a"), item_added(user("a")), response_created("resp_1"))
    script.session.send_text("And Rome?", now=0.0)
    script.hear(response_done("resp_1"))
    assert script.sent_types()[-1] == "response.create"
    assert said(script) == [("user", "")]


def test_words_that_were_not_understood_say_why() -> None:
    script = Script()
    script.hear(committed("a"), committed("b", "a"), committed("c", "b"))
    script.hear(heard("failed", "a", error={"message": "No speech."}))
    script.hear(heard("failed", "b", error={"code": "audio_unintelligible"}))
    script.hear(heard("failed", "c", error={}))
    reasons = [item.transcript_error for item in script.session.conversation]
    assert reasons == ["No speech.", "audio_unintelligible", "unknown"]


def test_truncation_keeps_what_was_said_and_marks_what_was_heard_3_6() -> None:
    """The service forgets the transcript; ours stays (openai-realtime-agents#112)."""
    script = Script()
    script.hear(item_added(message("a", "assistant", "Once upon a time.")))
    truncated = event("conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=900)
    assert script.tell(truncated) == []  # unsolicited: the service cut it by itself (§3.6)
    script.hear(item_done({**message("a", "assistant"), "content": [{"type": "output_audio"}]}))
    found = script.session.conversation.item("a")
    assert (found.text, found.audio_end_ms) == ("Once upon a time.", 900)


def test_a_function_call_and_its_output_stand_in_the_conversation() -> None:
    script = Script()
    script.hear(item_added(call("c1", status="in_progress")))
    script.hear(item_done(call("c1", '{"city":"Rome"}')))
    output = {"id": "o", "type": "function_call_output", "call_id": "c1", "output": ""}
    script.hear(item_added(output, "item_c1"))
    asked, told = script.session.conversation
    assert (asked.type, asked.name, asked.call_id, asked.arguments) == (
        "function_call",
        "get_weather",
        "c1",
        '{"city":"Rome"}',
    )
    assert (told.type, told.call_id, told.output) == ("function_call_output", "c1", "")


def test_a_retrieved_item_tells_what_was_not_known() -> None:
    script = Script()
    script.hear(item_added(user("a")))
    retrieve = script.session.send(commands.ConversationItemRetrieve(item_id="a"), now=0.0)
    item = {**user("a"), "content": [{"type": "input_audio", "transcript": "Hello."}]}
    events = script.tell(event("conversation.item.retrieved", item=item))
    assert settled(events) == [(retrieve, Outcome.DONE)]
    assert said(script) == [("user", "Hello.")]


# -- what is not in it


@pytest.mark.parametrize(
    "frame",
    [
        heard("delta", "x", delta="Hi"),
        heard("completed", "x", transcript="Hi"),
        heard("failed", "x", error={}),
        event("conversation.item.truncated", item_id="x", content_index=0, audio_end_ms=1),
        event("conversation.item.deleted", item_id="x"),
        event("conversation.item.retrieved", item=message("x", "user", "Hi")),
        item_done(message("x", "user", "Hi")),
        output_item("done", "resp_9", message("x", "assistant", "Hi")),
        text_delta("resp_9", "x", "Hi"),
        {**text_delta("resp_9", "x", ""), "type": "response.output_text.done", "text": "Hi"},
        {
            **text_delta("resp_9", "x", ""),
            "type": "response.output_audio_transcript.done",
            "transcript": "Hi",
        },
    ],
    ids=lambda frame: str(frame["type"]),
)
def test_an_item_never_heard_of_is_kept_aside_and_raises_nothing(frame: Frame) -> None:
    """livekit/agents#1988, openai-realtime-api-beta#110."""
    script = Script()
    assert script.tell(frame) == []
    assert order(script) == []


def test_an_output_item_that_is_never_added_stands_last_when_it_is_done() -> None:
    """A clone leaves `conversation.item.added` out; a deleted item does not come back so."""
    script = Script()
    script.hear(item_added(message("q", "user", "Hi?")), response_created("resp_1"))
    item = message("a", "assistant", status="in_progress")
    script.hear(output_item("added", "resp_1", item), text_delta("resp_1", "a", "Hi."))
    script.hear(item_done(message("a", "assistant", "Hi.")))
    assert said(script) == [("user", "Hi?"), ("assistant", "Hi.")]
    script.hear(event("conversation.item.deleted", item_id="a"))
    script.hear(item_done(message("a", "assistant", "Hi.")))
    assert order(script) == ["q"]


def test_a_response_beside_the_conversation_leaves_no_trace_in_it() -> None:
    script = Script()
    script.hear(response_created("resp_1", out_of_band=True))
    item = message("a", "assistant", status="in_progress")
    script.hear(output_item("added", "resp_1", item), text_delta("resp_1", "a", "Psst."))
    script.hear(output_item("done", "resp_1", message("a", "assistant", "Psst.")))
    assert script.session.conversation.get("a") is None
    assert order(script) == []
