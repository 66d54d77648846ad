"""What the model sees of a long conversation: truncation, §1.6 and §3.10."""

from typing import Any

import pytest

from support.service_line import Frame, Line, said
from talkwire.realtime.engine import ResponseRequested

FOUR = "four characters"  # 15 of them, so four tokens


def remembering(tokens: int | None, truncation: Any = "auto") -> Line:
    """A line whose model takes so many tokens."""
    return Line(
        context_tokens=tokens,
        session={"output_modalities": ["text"], "truncation": truncation},
    )


def seen(line: Line, **response: Any) -> list[str]:
    """The ids of the items that the model would see now."""
    (request,) = line.send("response.create", response=response)
    assert isinstance(request, ResponseRequested)
    line.done(request.response_id)
    return [item["id"] for item in request.items]


def say(line: Line, *ids: str) -> None:
    for item_id in ids:
        line.add(**said(FOUR, id=item_id))
    line.frames()


def test_the_oldest_items_are_left_out_when_there_are_too_many_1_6() -> None:
    line = remembering(8)
    say(line, "a", "b")
    assert seen(line) == ["a", "b"]

    line.frames()
    say(line, "c")

    assert seen(line) == ["b", "c"]
    assert [item["id"] for item in line.service.items] == ["a", "b", "c"]


def test_without_a_budget_everything_is_seen_1_6() -> None:
    line = remembering(None, {"type": "retention_ratio", "retention_ratio": 0.0})
    say(line, *"abcdefgh")

    assert seen(line) == list("abcdefgh")


def test_a_ratio_leaves_room_and_what_was_left_out_stays_so_1_6() -> None:
    line = remembering(16, {"type": "retention_ratio", "retention_ratio": 0.5})
    say(line, *"abcd")
    assert seen(line) == list("abcd")

    line.frames()
    say(line, "e")
    assert seen(line) == ["d", "e"]

    line.frames()
    say(line, "f", "g")
    assert seen(line) == list("defg")


@pytest.mark.parametrize(("budget", "tokens"), [(None, 8), (100, 8), (8, 100)])
def test_a_client_may_set_a_lower_limit_1_6(budget: int | None, tokens: int) -> None:
    truncation = {
        "type": "retention_ratio",
        "retention_ratio": 1.0,
        "token_limits": {"post_instructions": tokens},
    }
    line = remembering(budget, truncation)
    say(line, *"abc")

    assert seen(line) == ["b", "c"]


def test_a_response_fails_when_truncation_is_disabled_1_6() -> None:
    line = remembering(8, "disabled")
    say(line, "a", "b")
    assert seen(line) == ["a", "b"]
    line.frames()
    say(line, "c")

    assert line.send("response.create") == []

    created, done = line.frames()
    assert (created["type"], done["type"]) == ("response.created", "response.done")
    assert done["response"]["status"] == "failed"
    assert done["response"]["status_details"]["error"]["code"] == "context_length_exceeded"
    assert line.service.active_response is None
    line.send("conversation.item.delete", item_id="a")
    assert seen(line) == ["b", "c"]


def test_a_turn_that_is_too_long_to_answer_fails_as_well_1_6() -> None:
    line = remembering(0, "disabled")

    line.user_speaks()

    assert line.frames()[-1]["response"]["status"] == "failed"


def test_an_input_of_its_own_is_not_cut_1_3() -> None:
    line = remembering(8)
    say(line, *"abc")

    items = [{"type": "item_reference", "id": item_id} for item_id in "abc"]

    assert seen(line, conversation="none", input=items) == ["a", "b", "c"]


def test_audio_counts_by_its_length_3_10() -> None:
    line = Line(context_tokens=30)
    line.user_speaks(0, 1000)  # ten tokens
    response_id = line.service.active_response or ""
    spoken = line.spoken(response_id, "Hello", 1000)  # twenty
    line.done(response_id)
    line.frames()
    assert seen(line) == ["item_1", spoken]

    line.frames()
    say(line, "c")

    assert seen(line) == [spoken, "c"]


def test_audio_that_was_cut_counts_for_what_is_left_3_6() -> None:
    line = Line(context_tokens=14)
    response_id = line.respond()
    spoken = line.spoken(response_id, "Hello", 1000)
    line.done(response_id)
    line.send("conversation.item.truncate", item_id=spoken, content_index=0, audio_end_ms=500)
    line.frames()
    say(line, "c")

    assert seen(line) == [spoken, "c"]


def test_an_output_goes_with_its_call_3_7() -> None:
    line = remembering(9)
    line.add(type="function_call", call_id="call_1", name="get", arguments='{"a":"b"}')
    line.add(type="function_call_output", call_id="call_1", output="1234")
    line.add(type="function_call", id="open", call_id="call_2", name="get", arguments="{}")
    line.add(type="function_call_output", id="kept", call_id="call_2", output="1234")
    line.frames()
    say(line, "c")

    assert seen(line) == ["open", "kept", "c"]


def test_an_id_that_is_used_again_is_not_left_out_with_the_old_item_1_4() -> None:
    line = remembering(4)
    say(line, "a", "b")
    assert seen(line) == ["b"]

    for item_id in "ab":
        line.send("conversation.item.delete", item_id=item_id)
    line.frames()
    say(line, "a")

    assert seen(line) == ["a"]


@pytest.mark.parametrize(
    ("truncation", "code", "param"),
    [
        ("sometimes", "invalid_value", "session.truncation"),
        (
            {"type": "retention_ratio"},
            "missing_required_parameter",
            "session.truncation.retention_ratio",
        ),
        (
            {"type": "retention_ratio", "retention_ratio": 1.1},
            "decimal_above_max_value",
            "session.truncation.retention_ratio",
        ),
        ({"type": "last_turns"}, "invalid_value", "session.truncation.type"),
        (
            {
                "type": "retention_ratio",
                "retention_ratio": 0.8,
                "token_limits": {"post_instructions": -1},
            },
            "integer_below_min_value",
            "session.truncation.token_limits.post_instructions",
        ),
    ],
)
def test_a_truncation_that_cannot_be_is_refused_1_6(
    truncation: Frame | str, code: str, param: str
) -> None:
    error = Line().refused("session.update", session={"type": "realtime", "truncation": truncation})

    assert (error["code"], error["param"]) == (code, param)
