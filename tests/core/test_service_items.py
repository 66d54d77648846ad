"""The conversation at the service: items, calls, truncation. §1.4, §3.3, §3.6, §3.7."""

from typing import Any

import pytest

from support.service_line import Line, said, words_of

CALL = {"type": "function_call", "name": "look", "call_id": "call_x", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_x", "output": "42"}


def texts(line: Line) -> list[str | None]:
    """What the messages of the conversation say, in order."""
    return [words_of(item) for item in line.service.items]


# Creating


def test_an_item_is_acknowledged_by_added_and_done_with_its_place_3_3() -> None:
    line = Line()
    line.send("conversation.item.create", item=said("One"))
    line.send("conversation.item.create", item=said("Two"))

    frames = line.frames()

    assert [frame["type"] for frame in frames] == [
        "conversation.item.added",
        "conversation.item.done",
    ] * 2
    assert [list(frame) for frame in frames] == [
        ["type", "event_id", "previous_item_id", "item"]
    ] * 4
    assert [frame["previous_item_id"] for frame in frames] == [None, None, "item_1", "item_1"]
    assert list(frames[0]["item"].items()) == [
        ("id", "item_1"),
        ("type", "message"),
        ("status", "completed"),
        ("role", "user"),
        ("content", [{"type": "input_text", "text": "One"}]),
    ]


SHOWN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {
            "type": "message",
            "role": "system",
            "object": "realtime.item",
            "content": [{"text": "Rules", "type": "input_text"}],
        },
        {
            "id": "item_1",
            "type": "message",
            "status": "completed",
            "role": "system",
            "content": [{"type": "input_text", "text": "Rules"}],
        },
    ),
    (
        {
            "type": "message",
            "role": "assistant",
            "id": "old-1",
            "status": "incomplete",
            "phase": "commentary",
            "content": [{"type": "output_text", "text": "Once"}],
        },
        {
            "id": "old-1",
            "type": "message",
            "status": "incomplete",
            "role": "assistant",
            "phase": "commentary",
            "content": [{"type": "output_text", "text": "Once"}],
        },
    ),
    (
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_audio", "audio": "AAAA", "transcript": "Hm"},
                {"type": "input_audio", "audio": "AAAA"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
            ],
        },
        {
            "id": "item_1",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [
                {"type": "input_audio", "transcript": "Hm"},
                {"type": "input_audio", "transcript": None},
                {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
            ],
        },
    ),
    (
        {"arguments": "{}", "name": "look", "type": "function_call"},
        {
            "id": "item_1",
            "type": "function_call",
            "status": "completed",
            "name": "look",
            "call_id": "call_1",
            "arguments": "{}",
        },
    ),
]


@pytest.mark.parametrize(("item", "shown"), SHOWN)
def test_items_are_shown_as_the_wire_shows_them_1_4(
    item: dict[str, Any], shown: dict[str, Any]
) -> None:
    added = Line().add(**item)

    assert list(added.items()) == list(shown.items())


def test_a_function_call_output_is_shown_without_a_status_1_4() -> None:
    line = Line()
    line.add(**CALL)

    added = line.add(**OUTPUT)

    assert list(added.items()) == [
        ("id", "item_2"),
        ("type", "function_call_output"),
        ("call_id", "call_x"),
        ("output", "42"),
    ]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "missing_required_parameter", "item.type"),
    ({"type": "mcp_call"}, "invalid_value", "item.type"),
    ({"type": 7}, "invalid_type", "item.type"),
    ({"type": "message"}, "missing_required_parameter", "item.role"),
    ({"type": "message", "role": "tool", "content": []}, "invalid_value", "item.role"),
    ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
    (said("x", colour="red"), "unknown_parameter", "item.colour"),
    (said("x", phase="commentary"), "unknown_parameter", "item.phase"),
    (said("x", status="new"), "invalid_value", "item.status"),
    (said("x", id="x" * 33), "string_above_max_length", "item.id"),
    (said("x", id="no spaces"), "invalid_value", "item.id"),
    (said("x", id=""), "invalid_value", "item.id"),
    (said("x", id=None), "invalid_type", "item.id"),
    ({**said("x"), "content": ["x"]}, "invalid_type", "item.content[0]"),
    (
        {**said("x"), "content": [{"type": "input_text"}]},
        "missing_required_parameter",
        "item.content[0].text",
    ),
    (
        {**said("x"), "content": [{"type": "text", "text": "x"}]},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        {"type": "message", "role": "assistant", "content": [{"type": "input_text", "text": "x"}]},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        {"type": "message", "role": "assistant", "content": [{"type": "output_audio"}]},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        {**said("x"), "content": [{"type": "input_audio", "audio": "?"}]},
        "invalid_value",
        "item.content[0].audio",
    ),
    (
        {**said("x"), "content": [{"type": "input_image", "image_url": "https://example.com/a"}]},
        "invalid_value",
        "item.content[0].image_url",
    ),
    ({"type": "function_call", "name": "f"}, "missing_required_parameter", "item.arguments"),
    ({**CALL, "call_id": "x" * 33}, "string_above_max_length", "item.call_id"),
    ({**CALL, "call_id": "update/1"}, "invalid_value", "item.call_id"),
    ({"type": "function_call_output"}, "missing_required_parameter", "item.call_id"),
    ({**OUTPUT, "output": {}}, "invalid_type", "item.output"),
    (OUTPUT, "invalid_tool_call_id", "item.call_id"),
]


@pytest.mark.parametrize(("item", "code", "param"), REFUSED)
def test_an_item_that_cannot_be_is_refused_by_its_parameter_and_not_added_1_4(
    item: dict[str, Any], code: str, param: str
) -> None:
    line = Line()

    error = line.refused("conversation.item.create", item=item)

    assert (error["code"], error["param"]) == (code, param)
    assert line.service.items == ()
    assert line.add(**said("Next"))["id"] == "item_1"


def test_an_item_nested_too_deeply_is_refused() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]

    error = Line().refused("conversation.item.create", item={"type": deep})

    assert (error["code"], error["param"]) == ("invalid_value", "item")


def test_a_duplicate_id_is_refused_1_4() -> None:
    line = Line()
    line.add(**said("One", id="mine-1"))

    error = line.refused("conversation.item.create", item=said("Two", id="mine-1"))

    assert (error["code"], error["param"]) == ("item_create_invalid_item_id", "item.id")
    assert texts(line) == ["One"]


def test_the_services_own_ids_step_around_those_of_the_client_1_4() -> None:
    line = Line()
    line.add(**said("One", id="item_1"))
    line.add(**said("Two", id="item_2"))
    line.add(**{**CALL, "id": "mine", "call_id": "call_1"})

    assert line.add(**said("Three"))["id"] == "item_3"
    response_id = line.respond()
    line.service.function_call(response_id, "look", "{}", now=0)
    assert line.service.items[-1]["call_id"] == "call_2"


def test_the_id_of_the_turn_being_spoken_is_taken_3_3() -> None:
    line = Line()
    line.service.speech_started(audio_start_ms=0, now=0)
    (speaking,) = line.frames()

    error = line.refused("conversation.item.create", item=said("x", id=speaking["item_id"]))

    assert error["code"] == "item_create_invalid_item_id"


@pytest.mark.parametrize(
    ("previous", "order"),
    [
        ({}, ["One", "Two", "New"]),
        ({"previous_item_id": None}, ["One", "Two", "New"]),
        ({"previous_item_id": "root"}, ["New", "One", "Two"]),
        ({"previous_item_id": "one"}, ["One", "New", "Two"]),
        ({"previous_item_id": "two"}, ["One", "Two", "New"]),
    ],
)
def test_an_item_is_put_where_previous_item_id_says_1_3(
    previous: dict[str, Any], order: list[str]
) -> None:
    line = Line()
    line.add(**said("One", id="one"))
    line.add(**said("Two", id="two"))

    line.send("conversation.item.create", item=said("New", id="new"), **previous)

    assert texts(line) == order
    place = order.index("New")
    before = line.service.items[place - 1]["id"] if place else None
    assert [frame["previous_item_id"] for frame in line.frames()] == [before, before]


def test_an_unknown_previous_item_is_refused_1_3() -> None:
    line = Line()

    error = line.refused("conversation.item.create", item=said("x"), previous_item_id="gone")

    assert error["code"] == "item_create_invalid_previous_item_id"
    assert error["param"] == "previous_item_id"
    assert line.service.items == ()


# Retrieving and deleting


def test_an_item_is_retrieved_as_it_is_1_3() -> None:
    line = Line()
    item = line.add(**said("One", id="one"))

    line.send("conversation.item.retrieve", item_id="one")

    (frame,) = line.frames()
    assert list(frame) == ["type", "event_id", "item"]
    assert (frame["type"], frame["item"]) == ("conversation.item.retrieved", item)


def test_an_item_is_deleted_and_its_id_can_be_used_again_1_3() -> None:
    line = Line()
    line.add(**said("One", id="one"))
    line.add(**said("Two", id="two"))

    line.send("conversation.item.delete", item_id="one")

    (frame,) = line.frames()
    assert list(frame) == ["type", "event_id", "item_id"]
    assert (frame["type"], frame["item_id"]) == ("conversation.item.deleted", "one")
    assert texts(line) == ["Two"]
    line.add(**said("One again", id="one"))


@pytest.mark.parametrize(
    ("kind", "fields", "code", "verb"),
    [
        ("retrieve", {}, "item_retrieve_invalid_item_id", "retrieving"),
        ("delete", {}, "item_delete_invalid_item_id", "deleting"),
        ("truncate", {"audio_end_ms": 0}, "item_truncate_invalid_item_id", "truncating"),
    ],
)
def test_an_unknown_item_is_an_error_of_its_own_for_each_verb_3_9(
    kind: str, fields: dict[str, Any], code: str, verb: str
) -> None:
    error = Line().refused(f"conversation.item.{kind}", item_id="gone", **fields)

    assert error["code"] == code
    assert error["param"] == "item_id"
    assert error["message"] == f"Error {verb} item: the item with id 'gone' does not exist."


def test_a_message_deleted_while_it_is_said_is_not_heard_of_in_the_conversation_again() -> None:
    line = Line()
    response_id = line.respond()
    line.speak(response_id, "Hello", 100)
    item_id = line.service.items[0]["id"]
    line.send("conversation.item.delete", item_id=item_id)
    line.frames()
    line.add(**said("Mine now", id=item_id))

    line.service.audio(response_id, b"\0\0", 100, now=0)
    line.service.message_done(response_id, now=0)

    types = line.types()
    assert "conversation.item.done" not in types
    assert "response.output_item.done" in types
    assert texts(line) == ["Mine now"]
    error = line.refused("conversation.item.truncate", item_id=item_id, audio_end_ms=10)
    assert error["code"] == "unsupported_content_type"


# Truncating


def spoken(line: Line, *durations_ms: int) -> str:
    """A finished response of one spoken message; gives the item's id."""
    response_id = line.respond()
    item_id = line.spoken(response_id, "Hello there", *durations_ms)
    line.done(response_id)
    line.frames()
    return item_id


@pytest.mark.parametrize("end_ms", [0, 250, 500])
def test_audio_is_cut_where_the_client_heard_it_and_the_transcript_goes_with_it_3_6(
    end_ms: int,
) -> None:
    line = Line()
    item_id = spoken(line, 200, 300)

    line.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=end_ms)

    (frame,) = line.frames()
    assert list(frame.items())[2:] == [
        ("item_id", item_id),
        ("content_index", 0),
        ("audio_end_ms", end_ms),
    ]
    assert frame["type"] == "conversation.item.truncated"
    assert line.service.items[-1]["content"] == [{"type": "output_audio", "transcript": None}]


def test_audio_cannot_be_cut_behind_its_end_3_6() -> None:
    line = Line()
    item_id = spoken(line, 500)

    error = line.refused("conversation.item.truncate", item_id=item_id, audio_end_ms=501)

    assert error["code"] == "invalid_value"
    assert error["message"] == "Audio content of 500ms is already shorter than 501ms"
    assert texts(line) == ["Hello there"]


def test_audio_that_was_cut_is_as_long_as_what_is_left_3_6() -> None:
    line = Line()
    item_id = spoken(line, 500)
    line.send("conversation.item.truncate", item_id=item_id, audio_end_ms=200)
    line.frames()

    error = line.refused("conversation.item.truncate", item_id=item_id, audio_end_ms=300)

    assert error["message"] == "Audio content of 200ms is already shorter than 300ms"


def test_an_item_can_be_cut_while_it_is_still_being_spoken_3_6() -> None:
    line = Line()
    response_id = line.respond()
    line.speak(response_id, "Hello there", 500)
    item_id = line.service.items[-1]["id"]
    line.frames()

    line.send("conversation.item.truncate", item_id=item_id, audio_end_ms=200)
    line.service.message_done(response_id, now=0)

    frames = {frame["type"]: frame for frame in line.frames()}
    assert frames["conversation.item.truncated"]["audio_end_ms"] == 200
    assert frames["response.output_audio_transcript.done"]["transcript"] == "Hello there"
    assert words_of(frames["conversation.item.done"]["item"]) is None
    assert texts(line) == [None]


def test_an_item_that_was_cut_and_deleted_leaves_nothing_to_the_next_of_its_id_3_6() -> None:
    line = Line()
    item_id = spoken(line, 500)
    line.send("conversation.item.truncate", item_id=item_id, audio_end_ms=200)
    line.send("conversation.item.delete", item_id=item_id)
    line.frames()

    assert words_of(line.add(**said("Mine now", id=item_id))) == "Mine now"


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"audio_end_ms": -1}, "integer_below_min_value", "audio_end_ms"),
        ({"audio_end_ms": 1, "content_index": 1}, "invalid_value", "content_index"),
        ({}, "missing_required_parameter", "audio_end_ms"),
        ({"audio_end_ms": "1"}, "invalid_type", "audio_end_ms"),
    ],
)
def test_a_cut_that_makes_no_sense_is_refused_3_6(
    fields: dict[str, Any], code: str, param: str
) -> None:
    line = Line()
    item_id = spoken(line, 500)

    error = line.refused("conversation.item.truncate", item_id=item_id, **fields)

    assert (error["code"], error["param"]) == (code, param)


def test_only_audio_that_the_model_made_in_this_session_can_be_cut_3_6() -> None:
    line = Line()
    line.add(**said("Typed", id="typed"))
    replayed = {"role": "assistant", "content": [{"type": "output_text", "text": "Old"}]}
    line.add(type="message", id="replayed", **replayed)
    response_id = line.respond()
    line.written(response_id, "Written")
    line.spoken(response_id, "No sound")
    line.frames()

    for item in line.service.items:
        error = line.refused("conversation.item.truncate", item_id=item["id"], audio_end_ms=0)
        assert error["code"] == "unsupported_content_type"
        assert error["message"] == "Only model output audio messages can be truncated"


# Calls


def test_a_call_is_answered_even_while_its_response_runs_3_7() -> None:
    line = Line()
    response_id = line.respond()
    line.service.function_call(response_id, "look", "{}", now=0)
    line.frames()

    line.add(type="function_call_output", call_id="call_1", output="42")

    assert [item["type"] for item in line.service.items] == [
        "function_call",
        "function_call_output",
    ]


def test_an_output_for_an_unknown_call_is_refused_3_7() -> None:
    error = Line().refused("conversation.item.create", item=OUTPUT)

    assert error["code"] == "invalid_tool_call_id"
    assert error["message"] == "Tool call ID 'call_x' not found in conversation."


def test_a_call_is_answered_once_3_7() -> None:
    line = Line()
    line.add(**CALL)
    line.add(**OUTPUT)

    error = line.refused("conversation.item.create", item=OUTPUT)

    assert (error["code"], error["param"]) == ("invalid_tool_call_id", "item.call_id")
    assert len(line.service.items) == 2


def test_a_call_can_be_replayed_once_and_then_answered_3_7() -> None:
    line = Line()
    line.add(**CALL)

    error = line.refused("conversation.item.create", item=CALL)

    assert (error["code"], error["param"]) == ("invalid_tool_call_id", "item.call_id")
    line.add(**OUTPUT)


def test_an_output_that_was_deleted_may_be_given_anew_3_7() -> None:
    line = Line()
    line.add(**CALL)
    line.add(**OUTPUT, id="answer")
    line.send("conversation.item.delete", item_id="answer")
    line.frames()

    assert line.add(**OUTPUT)["output"] == OUTPUT["output"]


def test_a_call_that_was_deleted_cannot_be_answered_and_can_be_made_anew_3_7() -> None:
    line = Line()
    line.add(**CALL, id="call")
    line.add(**OUTPUT, id="answer")
    line.send("conversation.item.delete", item_id="call")
    line.frames()
    assert line.refused("conversation.item.create", item=OUTPUT)["code"] == "invalid_tool_call_id"

    line.send("conversation.item.delete", item_id="answer")
    line.frames()
    line.add(**CALL)
    line.add(**OUTPUT)


def test_deleting_an_old_answer_leaves_a_call_made_anew_open_3_7() -> None:
    line = Line()
    line.add(**CALL, id="call")
    line.add(**OUTPUT, id="answer")
    line.send("conversation.item.delete", item_id="call")
    line.frames()
    line.add(**CALL)

    line.send("conversation.item.delete", item_id="answer")
    line.frames()

    assert line.add(**OUTPUT)["output"] == OUTPUT["output"]
