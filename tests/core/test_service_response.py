"""Responses of the service: §3.2 (order), §3.4 (gate), §3.5 (cancel), §1.5 (the object)."""

from typing import Any

import pytest

from support.service_line import Frame, Line, said, words_of
from talkwire.errors import LocalProtocolError
from talkwire.realtime.engine import ResponseRequested, ResponseStopped

SPEECH = {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"}


def response_done(line: Line) -> dict[str, Any]:
    """The response of the one `response.done` since the last look."""
    (done,) = [frame for frame in line.frames() if frame["type"] == "response.done"]
    response: dict[str, Any] = done["response"]
    return response


def test_a_response_begins_in_progress_and_empty_1_5() -> None:
    line = Line()

    line.respond(metadata={"topic": "weather"}, max_output_tokens=100)

    (frame,) = line.frames()
    assert list(frame) == ["type", "event_id", "response"]
    assert frame["type"] == "response.created"
    assert list(frame["response"].items()) == [
        ("object", "realtime.response"),
        ("id", "resp_1"),
        ("status", "in_progress"),
        ("status_details", None),
        ("output", []),
        ("conversation_id", "conv_1"),
        ("output_modalities", ["audio"]),
        ("max_output_tokens", 100),
        ("audio", {"output": SPEECH}),
        ("usage", None),
        ("metadata", {"topic": "weather"}),
    ]


def test_a_written_response_says_everything_in_order_3_2() -> None:
    line = Line(session={"output_modalities": ["text"]})
    line.add(**said("Hi"))
    response_id = line.respond()
    line.frames()

    line.service.message_started(response_id, modality="text", now=0)
    line.service.text(response_id, "Hello", now=0)
    line.service.text(response_id, " there", now=0)
    line.service.message_done(response_id, now=0)
    line.done(response_id)

    started = {
        "id": "item_2",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }
    finished = {
        **started,
        "status": "completed",
        "content": [{"type": "output_text", "text": "Hello there"}],
    }
    at = {"response_id": "resp_1", "item_id": "item_2", "output_index": 0, "content_index": 0}
    frames = line.frames()
    event_ids = [frame.pop("event_id") for frame in frames]
    assert len(set(event_ids)) == len(frames)
    response = frames[-1]["response"]
    expected: list[Frame] = [
        {
            "type": "response.output_item.added",
            "response_id": "resp_1",
            "output_index": 0,
            "item": started,
        },
        {
            "type": "conversation.item.added",
            "previous_item_id": "item_1",
            "item": started,
        },
        {"type": "response.content_part.added", **at, "part": {"type": "text", "text": ""}},
        {"type": "response.output_text.delta", **at, "delta": "Hello"},
        {"type": "response.output_text.delta", **at, "delta": " there"},
        {"type": "response.output_text.done", **at, "text": "Hello there"},
        {
            "type": "response.content_part.done",
            **at,
            "part": {"type": "text", "text": "Hello there"},
        },
        {
            "type": "conversation.item.done",
            "previous_item_id": "item_1",
            "item": finished,
        },
        {
            "type": "response.output_item.done",
            "response_id": "resp_1",
            "output_index": 0,
            "item": finished,
        },
        {"type": "response.done", "response": response},
    ]
    assert [list(frame.items()) for frame in frames] == [list(frame.items()) for frame in expected]
    assert (response["status"], response["status_details"]) == ("completed", None)
    assert response["output"] == [finished]


def test_a_spoken_response_says_everything_in_order_on_a_websocket_3_2() -> None:
    line = Line()
    response_id = line.respond()
    line.frames()

    line.speak(response_id, "Hi there!", 200, 300)
    line.service.message_done(response_id, now=0)
    line.done(response_id)

    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert frames[2]["part"] == {"type": "audio", "transcript": ""}
    assert frames[4]["delta"] == "AAAA"
    assert list(frames[6]) == [
        "type",
        "event_id",
        "response_id",
        "item_id",
        "output_index",
        "content_index",
    ]
    assert frames[7]["transcript"] == "Hi there!"
    assert frames[8]["part"] == {"type": "audio", "transcript": "Hi there!"}
    assert frames[9]["item"]["content"] == [{"type": "output_audio", "transcript": "Hi there!"}]


def test_a_function_call_says_everything_in_order_3_2() -> None:
    line = Line()
    response_id = line.respond()
    line.frames()

    line.service.function_call(response_id, "get_weather", '{"city": "Rome"}', now=0)
    line.done(response_id)

    frames = line.frames()
    started = {
        "id": "item_1",
        "type": "function_call",
        "status": "in_progress",
        "name": "get_weather",
        "call_id": "call_1",
        "arguments": "",
    }
    finished = {**started, "status": "completed", "arguments": '{"city": "Rome"}'}
    assert [frame["type"] for frame in frames] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert [list(frame["item"].items()) for frame in frames[:2]] == [list(started.items())] * 2
    assert list(frames[3].items())[2:] == [
        ("response_id", "resp_1"),
        ("item_id", "item_1"),
        ("output_index", 0),
        ("call_id", "call_1"),
        ("name", "get_weather"),
        ("arguments", '{"city": "Rome"}'),
    ]
    assert [frame["item"] for frame in frames[4:6]] == [finished] * 2
    assert frames[6]["response"]["status"] == "completed"
    assert frames[6]["response"]["output"] == [finished]


def test_a_function_call_without_arguments_has_no_delta_3_7() -> None:
    line = Line()
    response_id = line.respond()
    line.frames()

    line.service.function_call(response_id, "hang_up", "", now=0)

    types = line.types()
    assert "response.function_call_arguments.delta" not in types
    assert "response.function_call_arguments.done" in types


def test_a_call_may_be_put_out_while_a_message_is_open_and_output_keeps_its_order_3_2() -> None:
    line = Line()
    response_id = line.respond()
    line.frames()
    line.service.message_started(response_id, modality="text", now=0)
    line.service.text(response_id, "Let me see.", now=0)

    line.service.function_call(response_id, "get_weather", "{}", now=0)
    line.service.message_done(response_id, now=0)
    line.service.function_call(response_id, "get_time", "{}", now=0)
    line.done(response_id)

    frames = line.frames()
    done = [f["output_index"] for f in frames if f["type"] == "response.output_item.done"]
    assert done == [1, 0, 2]
    output = frames[-1]["response"]["output"]
    assert [item.get("name") for item in output] == [None, "get_weather", "get_time"]


def test_an_audio_response_may_also_hold_text_1_4() -> None:
    line = Line()
    response_id = line.respond()

    line.written(response_id, "Just this.")
    line.spoken(response_id, "And that.", 100)
    line.done(response_id)

    output = response_done(line)["output"]
    assert [item["content"][0]["type"] for item in output] == ["output_text", "output_audio"]


def test_usage_is_passed_on_and_null_when_the_engine_gives_none_1_5() -> None:
    line = Line()
    usage = {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}

    line.service.response_done(line.respond(), usage=usage, now=0)
    assert response_done(line)["usage"] == usage

    line.service.response_done(line.respond(), now=0)
    assert response_done(line)["usage"] is None


def test_the_engine_is_told_all_it_needs_to_respond() -> None:
    tool = {"type": "function", "name": "look", "parameters": {}}
    line = Line(session={"instructions": "Be brief", "tools": [tool]})
    item = line.add(**said("Hi"))

    assert line.send("response.create") == [
        ResponseRequested(
            response_id="resp_1",
            items=(item,),
            instructions="Be brief",
            tools=(tool,),
            tool_choice="auto",
            output_modality="audio",
        )
    ]


def test_a_responses_own_settings_replace_the_sessions_for_it_alone_3_4() -> None:
    tool = {"type": "function", "name": "look", "parameters": {}}
    line = Line(session={"instructions": "Be brief", "tools": [tool]})

    (request,) = line.send(
        "response.create",
        response={
            "instructions": "",
            "tools": [],
            "tool_choice": "none",
            "output_modalities": ["text"],
            "audio": {"output": {"voice": "marin"}},
            "max_output_tokens": 7,
        },
    )

    assert request == ResponseRequested(
        response_id="resp_1",
        items=(),
        instructions="",
        tools=(),
        tool_choice="none",
        output_modality="text",
    )
    response = line.frames()[0]["response"]
    assert response["output_modalities"] == ["text"]
    assert response["max_output_tokens"] == 7
    assert response["audio"]["output"] == {**SPEECH, "voice": "marin"}
    assert line.service.session["instructions"] == "Be brief"


@pytest.mark.parametrize(
    ("response", "code", "param"),
    [
        ({"temperature": 1}, "unknown_parameter", "response.temperature"),
        ({"modalities": ["text"]}, "unknown_parameter", "response.modalities"),
        ({"conversation": "conv_9"}, "invalid_value", "response.conversation"),
        ({"output_modalities": []}, "invalid_value", "response.output_modalities"),
        ({"metadata": {"k": 1}}, "invalid_type", "response.metadata.k"),
        ({"metadata": {"k": "x" * 513}}, "string_above_max_length", "response.metadata.k"),
        ({"metadata": {"k" * 65: "x"}}, "string_above_max_length", "response.metadata"),
        (
            {"metadata": {f"k{n}": "x" for n in range(17)}},
            "object_above_max_properties",
            "response.metadata",
        ),
        ({"input": ["hello"]}, "invalid_type", "response.input[0]"),
        (
            {"input": [{"type": "item_reference"}]},
            "missing_required_parameter",
            "response.input[0].id",
        ),
        (
            {"input": [{"type": "item_reference", "id": "gone"}]},
            "invalid_value",
            "response.input[0].id",
        ),
        (
            {"input": [{"type": "message", "role": "user"}]},
            "missing_required_parameter",
            "response.input[0].content",
        ),
    ],
)
def test_a_response_with_settings_that_do_not_exist_is_refused_and_none_begins_1_3(
    response: dict[str, Any], code: str, param: str
) -> None:
    line = Line()

    error = line.refused("response.create", response=response)

    assert (error["code"], error["param"]) == (code, param)
    assert line.service.active_response is None
    assert line.respond() == "resp_1"


def test_a_response_whose_settings_are_nested_too_deeply_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep}
    line = Line()

    error = line.refused("response.create", response={"prompt": deep})

    assert (error["code"], error["param"]) == ("invalid_value", "response")
    assert line.service.active_response is None


def test_a_response_can_be_given_its_own_input_3_4() -> None:
    line = Line()
    first = line.add(**said("One", id="one"))
    line.add(**said("Two"))

    (request,) = line.send(
        "response.create",
        response={"input": [{"type": "item_reference", "id": "one"}, said("Three")]},
    )

    assert isinstance(request, ResponseRequested)
    assert request.items[0] == first
    assert words_of(request.items[1]) == "Three"
    assert [words_of(item) for item in line.service.items] == ["One", "Two"]


def test_the_conversation_may_be_named_by_its_id_3_4() -> None:
    line = Line()

    line.respond(conversation="conv_1")

    assert line.service.active_response == "resp_1"


# The gate


def test_a_second_response_is_refused_and_the_blocker_is_named_3_4() -> None:
    line = Line()
    active = line.respond()
    line.frames()

    error = line.refused("response.create")

    assert error["code"] == "conversation_already_has_active_response"
    assert error["message"] == (
        f"Conversation already has an active response in progress: {active}. "
        "Wait until the response is finished before creating a new one."
    )
    assert line.service.active_response == active


def test_the_gate_opens_with_response_done_and_not_before_3_4() -> None:
    line = Line()
    first = line.respond()
    line.spoken(first, "Hello", 100)
    line.frames()
    line.refused("response.create")

    line.done(first)
    assert line.service.active_response is None

    assert line.respond() != first


def test_items_can_be_added_while_a_response_is_running_3_3() -> None:
    line = Line()
    response_id = line.respond()
    line.spoken(response_id, "Hello", 100)
    line.frames()

    line.add(**said("Wait"))

    assert [words_of(item) for item in line.service.items] == ["Hello", "Wait"]


def test_what_is_still_being_said_is_not_part_of_what_another_response_sees_3_4() -> None:
    line = Line()
    line.add(**said("Hi"))
    line.speak(line.respond(), "Hello")

    (request,) = line.send("response.create", response={"conversation": "none"})

    assert isinstance(request, ResponseRequested)
    assert [words_of(item) for item in request.items] == ["Hi"]


# Out of band


def test_out_of_band_responses_run_in_parallel_and_leave_no_items_3_4() -> None:
    line = Line()
    active = line.respond()
    line.frames()

    beside = line.respond(conversation="none", output_modalities=["text"], metadata={"for": "x"})
    line.written(beside, "positive")
    line.done(beside)

    frames = line.frames()
    assert frames[0]["response"]["conversation_id"] is None
    assert [frame["type"] for frame in frames] == [
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    assert frames[-1]["response"]["metadata"] == {"for": "x"}
    assert [words_of(item) for item in frames[-1]["response"]["output"]] == ["positive"]
    assert line.service.items == ()
    assert line.service.active_response == active
    assert line.refused("response.create")["code"] == "conversation_already_has_active_response"


def test_an_out_of_band_response_does_not_close_the_gate_3_4() -> None:
    line = Line()
    line.respond(conversation="none")

    assert line.service.active_response is None
    assert line.respond() == line.service.active_response


def test_an_empty_input_is_an_empty_context_3_4() -> None:
    line = Line()
    line.add(**said("Hi"))

    (request,) = line.send("response.create", response={"conversation": "none", "input": []})

    assert isinstance(request, ResponseRequested)
    assert request.items == ()


def test_a_call_made_out_of_band_is_not_in_the_conversation_3_7() -> None:
    line = Line()
    beside = line.respond(conversation="none")
    line.service.function_call(beside, "look", "{}", now=0)
    line.frames()

    error = line.refused(
        "conversation.item.create",
        item={"type": "function_call_output", "call_id": "call_1", "output": "x"},
    )

    assert error["code"] == "invalid_tool_call_id"


# Cancelling


def test_cancel_ends_the_active_response_and_cuts_its_message_3_5() -> None:
    line = Line()
    line.add(**said("Hi"))
    response_id = line.respond()
    line.speak(response_id, "Well, I", 300)
    line.frames()

    assert line.send("response.cancel") == [ResponseStopped(response_id=response_id)]

    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    cut = frames[3]["item"]
    assert cut["status"] == "incomplete"
    assert words_of(cut) == "Well, I"
    response = frames[-1]["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert response["output"] == [cut]
    assert line.service.active_response is None
    assert line.service.items[-1] == cut


def test_cancel_before_anything_was_said_is_a_response_done_and_nothing_else_3_5() -> None:
    line = Line()
    line.respond()
    line.frames()

    line.send("response.cancel")

    (done,) = line.frames()
    assert (done["type"], done["response"]["output"]) == ("response.done", [])


def test_a_new_response_can_be_asked_for_right_after_a_cancel_3_5() -> None:
    line = Line()
    line.respond()
    line.send("response.cancel")

    assert line.respond() == line.service.active_response


@pytest.mark.parametrize("fields", [{}, {"response_id": "resp_1"}, {"response_id": ""}])
def test_cancel_with_nothing_active_is_a_harmless_error_3_5(fields: dict[str, str]) -> None:
    line = Line()
    line.done(line.respond())
    line.frames()

    error = line.refused("response.cancel", **fields)

    assert error["code"] == "response_cancel_not_active"
    assert error["message"] == "Cancellation failed: no active response found"
    line.respond()


@pytest.mark.parametrize("unknown", ["resp_9", ""])
def test_cancel_of_an_unknown_response_leaves_the_active_one_alone_3_5(unknown: str) -> None:
    line = Line()
    active = line.respond()
    line.frames()

    error = line.refused("response.cancel", response_id=unknown)

    assert error["code"] == "response_cancel_not_active"
    assert line.service.active_response == active


def test_cancel_by_id_reaches_an_out_of_band_response_and_no_other_3_5() -> None:
    line = Line()
    active = line.respond()
    beside = line.respond(conversation="none")
    line.frames()

    requests = line.send("response.cancel", response_id=beside)

    assert requests == [ResponseStopped(response_id=beside)]
    assert response_done(line)["id"] == beside
    assert line.service.active_response == active

    assert line.send("response.cancel", response_id=active) == [ResponseStopped(response_id=active)]


def test_cancel_without_an_id_does_not_reach_out_of_band_responses_3_5() -> None:
    line = Line()
    line.respond(conversation="none")
    line.frames()

    assert line.refused("response.cancel")["code"] == "response_cancel_not_active"


# Ending otherwise


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_a_response_may_end_incomplete_1_5(reason: Any) -> None:
    line = Line()
    response_id = line.respond()
    line.speak(response_id, "It is", 100)

    line.service.response_incomplete(response_id, reason=reason, usage={"total_tokens": 1}, now=0)

    response = response_done(line)
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": reason}
    assert response["usage"] == {"total_tokens": 1}
    assert response["output"][0]["status"] == "incomplete"
    assert line.service.active_response is None


def test_a_response_may_fail_1_5() -> None:
    line = Line()
    response_id = line.respond()

    line.service.response_failed(response_id, code="no_voice", message="No voice.", now=0)

    response = response_done(line)
    assert response["status"] == "failed"
    assert response["status_details"] == {
        "type": "failed",
        "error": {"type": "server_error", "code": "no_voice", "message": "No voice."},
    }
    assert line.service.active_response is None


# The engine's own mistakes, and what it says too late


def moves(line: Line, response_id: str) -> dict[str, Any]:
    """Every move of the engine's about a response, ready to be made."""
    service = line.service
    return {
        "message_started": lambda: service.message_started(response_id, modality="text", now=0),
        "text": lambda: service.text(response_id, "x", now=0),
        "audio": lambda: service.audio(response_id, b"\0\0", 10, now=0),
        "message_done": lambda: service.message_done(response_id, now=0),
        "function_call": lambda: service.function_call(response_id, "f", "{}", now=0),
        "response_done": lambda: service.response_done(response_id, now=0),
        "response_incomplete": lambda: service.response_incomplete(
            response_id, reason="content_filter", now=0
        ),
        "response_failed": lambda: service.response_failed(
            response_id, code="c", message="m", now=0
        ),
        "playback_stopped": lambda: service.playback_stopped(response_id, now=0),
    }


MOVES = sorted(moves(Line(), ""))


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("ended", ["cancelled", "done", "never"])
def test_a_move_about_a_response_that_is_not_running_is_ignored(move: str, ended: str) -> None:
    line = Line()
    response_id = line.respond() if ended != "never" else "resp_9"
    if ended == "cancelled":
        line.speak(response_id, "Well", 100)
        line.send("response.cancel")
    if ended == "done":
        line.done(response_id)
    line.frames()
    before = line.service.items

    assert moves(line, response_id)[move]() == []

    assert line.frames() == []
    assert line.service.items == before


@pytest.mark.parametrize("move", ["text", "audio", "message_done", "playback_stopped"])
def test_a_move_that_needs_a_message_raises_before_one_is_open(move: str) -> None:
    line = Line()
    response_id = line.respond()
    line.frames()

    with pytest.raises(LocalProtocolError, match=f"{move} .*{response_id}"):
        moves(line, response_id)[move]()

    assert line.frames() == []
    assert line.service.items == ()
    assert line.service.active_response == response_id


@pytest.mark.parametrize("move", ["message_started", "response_done", "playback_stopped", "audio"])
def test_a_move_that_an_open_message_forbids_raises_and_changes_nothing(move: str) -> None:
    line = Line()
    response_id = line.respond()
    line.service.message_started(response_id, modality="text", now=0)
    line.frames()
    before = line.service.items

    with pytest.raises(LocalProtocolError, match=f"{move}.*{response_id}"):
        moves(line, response_id)[move]()

    assert line.frames() == []
    assert line.service.items == before
    assert line.service.active_response == response_id


def test_a_response_of_text_only_is_not_spoken() -> None:
    line = Line()
    response_id = line.respond(output_modalities=["text"])
    line.frames()

    with pytest.raises(LocalProtocolError, match="text only"):
        line.service.message_started(response_id, modality="audio", now=0)

    assert line.frames() == []


def test_audio_of_a_negative_length_is_a_mistake() -> None:
    line = Line()
    response_id = line.respond()
    line.speak(response_id, "Hi")
    line.frames()

    with pytest.raises(LocalProtocolError, match="-1 is no whole number from 0"):
        line.service.audio(response_id, b"\0\0", -1, now=0)

    assert line.frames() == []


def test_audio_of_no_length_is_none() -> None:
    line = Line()
    response_id = line.respond()

    line.speak(response_id, "Hi", 0)

    assert line.types()[-1] == "response.output_audio.delta"
