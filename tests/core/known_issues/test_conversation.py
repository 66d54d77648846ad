"""Histories that came out wrong: order, transcripts, what was heard (§3.2, §3.3)."""

import pytest

from support.frames import (
    Frame,
    Script,
    announced,
    committed,
    completed,
    event,
    item_added,
    item_done,
    message,
    output_item,
    response_done,
    speech,
    text_delta,
    transcript_delta,
)
from talkwire import FunctionCall, commands


def transcript(how: str, item_id: str, **fields: object) -> Frame:
    kind = f"conversation.item.input_audio_transcription.{how}"
    return event(kind, item_id=item_id, content_index=0, **fields)


def spoken(item_id: str, words: str | None = None) -> Frame:
    """An answer as it stands when it is done: its sound is gone, its transcript is there."""
    content = [{"type": "output_audio", "transcript": words}]
    return {**message(item_id, "assistant"), "content": content}


def words(script: Script) -> list[tuple[str | None, str]]:
    return [(item.role, item.text) for item in script.session.conversation]


@pytest.mark.known_issue(9)
@pytest.mark.parametrize("kind", ["text", "output_text"])
def test_a_written_answer_is_read_as_a_spoken_one_is(kind: str) -> None:
    """openai/openai-agents-python#2161: replies in text mode were empty, only audio was read →
    words are taken from either, however the content part is spelled.
    """
    script = Script(output_modalities=["text"])
    script.begin("resp_1")
    item = message("a", "assistant", status="in_progress")
    script.hear(output_item("added", "resp_1", item), item_added(item, "item_tw1"))
    script.hear(text_delta("resp_1", "a", "It is "), text_delta("resp_1", "a", "foggy."))
    assert script.session.conversation.item("a").text == "It is foggy."
    final = {**item, "status": "completed", "content": [{"type": kind, "text": "It is foggy!"}]}
    script.hear(item_done(final))
    assert script.session.conversation.item("a").text == "It is foggy!"


@pytest.mark.known_issue(11)
def test_transcripts_are_kept_apart_by_item_and_part_whenever_they_come() -> None:
    """openai/openai-agents-python#1380: transcripts were missing, since their item was not there
    yet or no longer the current one → they belong to the (item, part) they name.
    """
    script = Script()
    script.hear(transcript("delta", "u1", delta="Good"), committed("u1"), committed("u2", "u1"))
    script.hear(transcript("completed", "u2", transcript="Bye."))
    script.hear(transcript("completed", "u1", transcript="Good morning."))
    assert words(script) == [("user", "Good morning."), ("user", "Bye.")]


@pytest.mark.known_issue(11)
def test_a_history_is_seeded_in_the_words_the_service_takes() -> None:
    """openai/openai-agents-python#2111: there was no way to seed a history → text of any role is
    added in its own kind of part, and asks for nothing.
    """
    script = Script()
    for role in ("system", "user", "assistant"):
        script.session.send_text("Hello.", role=role, respond=False, now=0.0)
    assert [
        (f["item"]["role"], f["item"]["content"][0]["type"], f["type"]) for f in script.sent()
    ] == [
        ("system", "input_text", "conversation.item.create"),
        ("user", "input_text", "conversation.item.create"),
        ("assistant", "output_text", "conversation.item.create"),
    ]


@pytest.mark.known_issue(14)
def test_several_turns_in_a_row_keep_their_order() -> None:
    """openai/openai-agents-js#106: several user turns in a row corrupted the history → an item
    stands behind the one it names, whenever it comes.
    """
    script = Script()
    script.hear(committed("u1"), speech("started", "u2"), committed("u3", "u2"))
    script.hear(committed("u2", "u1"), committed("u4", "u3"))
    assert [item.id for item in script.session.conversation] == ["u1", "u2", "u3", "u4"]


@pytest.mark.known_issue(25)
def test_an_item_heard_of_too_early_is_kept_until_it_has_a_place() -> None:
    """livekit/agents#1988: KeyError on an unknown item id → it is kept aside, and nothing that was
    said of it is lost.
    """
    script = Script()
    assert script.tell(transcript("completed", "u", transcript="Hello.")) == []
    assert words(script) == []
    script.hear(item_added({**message("u", "user"), "content": [{"type": "input_audio"}]}))
    assert words(script) == [("user", "Hello.")]


@pytest.mark.known_issue(26)
def test_an_interrupted_answer_says_where_and_keeps_its_words() -> None:
    """livekit/agents#2201: the transcript was not cut after an interruption → the item says how
    much was heard, apart from what the service says was said.
    """
    script = Script()
    script.begin("resp_1")
    item = message("a", "assistant", status="in_progress")
    script.hear(output_item("added", "resp_1", item), item_added(item, "item_tw1"))
    script.hear(transcript_delta("resp_1", "a", "One two three four"))
    cut = event("conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=700)
    script.hear(speech("started", "u"), cut, response_done("resp_1", "cancelled"))
    script.hear(item_done({**spoken("a"), "status": "incomplete"}))
    found = script.session.conversation.item("a")
    assert (found.audio_end_ms, found.status) == (700, "incomplete")
    assert found.text == "One two three four"


@pytest.mark.known_issue(39)
def test_a_cut_does_not_wipe_what_was_on_the_screen() -> None:
    """openai/openai-realtime-agents#112: the transcript vanished when the item was truncated, for
    the service deletes its own → ours stays, also when the item is told again without it.
    """
    script = Script()
    script.hear(item_added(spoken("a", "Once upon a time.")))
    cut = event("conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=900)
    retrieved = event("conversation.item.retrieved", item=spoken("a"))
    script.hear(cut, retrieved, item_done(spoken("a", "")))
    assert words(script) == [("assistant", "Once upon a time.")]


@pytest.mark.known_issue(37)
def test_an_item_nobody_announced_stops_nothing() -> None:
    """openai/openai-realtime-api-beta#110: `response.output_item.done` for an unknown item threw
    and killed the server → it is read as far as it goes, and the next frame is a frame.
    """
    script = Script()
    item = message("item_never_seen", "assistant", "Hello.")
    assert script.tell(output_item("done", "resp_never_seen", item), item_done(item)) == []
    script.begin("resp_1")
    (called,) = script.tell(*announced("resp_1", "call_1"), *completed("resp_1", "call_1"))
    assert isinstance(called, FunctionCall)


@pytest.mark.known_issue(51)
def test_what_we_do_not_know_passes_untouched() -> None:
    """openai/openai-openapi#514: the specification lacks `item_reference` in a create's input, so
    typed clients dropped it → the options of a response leave as they were given.
    """
    script = Script()
    options = {
        "conversation": "none",
        "input": [{"type": "item_reference", "id": "item_1"}, {"type": "never_heard_of", "x": [1]}],
        "never_heard_of": {"deep": [None, 1.5]},
        "metadata": {"topic": "tides"},
    }
    ours = script.session.send(commands.ResponseCreate(response=options), now=0.0)
    (frame,) = script.sent()
    metadata = {"topic": "tides", "client_event_id": ours}
    assert frame["response"] == {**options, "metadata": metadata}
