"""Function calls: emitted once, answered once, followed up once: §3.7."""

from itertools import permutations
from typing import Any

import pytest
from attrs import evolve

from support.frames import (
    Frame,
    Script,
    already_active,
    announced,
    arguments_done,
    call,
    committed,
    completed,
    error,
    event,
    item_added,
    item_done,
    output_item,
    response_created,
    response_done,
    settled,
    speech,
)
from talkwire import (
    DIRECT,
    SIDEBAND,
    Anomaly,
    FunctionCall,
    FunctionCallCut,
    LocalProtocolError,
    Outcome,
    Plane,
    Respond,
    Session,
    commands,
)
from talkwire.realtime.state import Call

DONE, FAILED = Outcome.DONE, Outcome.FAILED
WEATHER = FunctionCall(
    call_id="call_1",
    name="get_weather",
    arguments='{"city":"Rome"}',
    response_id="resp_1",
    item_id="item_call_1",
)


def called(*call_ids: str, plane: Plane = DIRECT) -> Script:
    """A session whose running response has called these functions."""
    script = Script(plane=plane)
    script.begin("resp_1")
    for index, call_id in enumerate(call_ids):
        script.hear(*announced("resp_1", call_id, index), *completed("resp_1", call_id))
    return script


def answer(script: Script, call_id: str, *, respond: bool = True) -> str:
    return script.session.send_function_result(call_id, "12 degrees", respond=respond, now=0.0)


# -- emitted once


def test_a_call_is_emitted_when_its_arguments_are_whole() -> None:
    script = Script()
    script.begin("resp_1")
    assert script.tell(*announced("resp_1", "call_1")) == []
    assert script.tell(arguments_done("resp_1", "call_1", '{"city":"Rome"}')) == [WEATHER]


def end_of_call(which: str) -> Frame:
    item = call("call_1", '{"city":"Rome"}')
    return {
        "arguments.done": arguments_done("resp_1", "call_1", '{"city":"Rome"}'),
        "item.done": item_done(item),
        "output_item.done": output_item("done", "resp_1", item),
        "response.done": response_done("resp_1", output=[item]),
    }[which]


WAYS = ["arguments.done", "item.done", "output_item.done", "response.done"]


@pytest.mark.parametrize("order", list(permutations(WAYS[:3])), ids=" ".join)
def test_whichever_event_comes_first_a_call_is_emitted_once(order: tuple[str, ...]) -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(*announced("resp_1", "call_1"))
    frames = [end_of_call(which) for which in (*order, "response.done")]
    assert script.tell(*frames, *frames[:3]) == [WEATHER]


@pytest.mark.parametrize("which", WAYS)
def test_any_one_of_the_four_events_is_enough(which: str) -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(*announced("resp_1", "call_1"))
    assert script.tell(end_of_call(which)) == [WEATHER]


@pytest.mark.parametrize("which", ["arguments.done", "output_item.done", "response.done"])
def test_from_the_service_itself_a_call_need_not_have_been_announced(which: str) -> None:
    """A sideband that attached in the middle of a response still answers it."""
    script = Script(plane=SIDEBAND)
    assert script.tell(end_of_call(which)) == [WEATHER]
    answer(script, "call_1")
    script.hear(response_done("resp_1"))


def test_a_call_in_the_conversation_that_no_response_made_is_nobodys_to_answer() -> None:
    """Another controller's history: created completed, and answered by whoever created it."""
    script = Script(plane=SIDEBAND)
    item = call("call_1", "{}")
    assert script.tell(item_added(item), item_done(item)) == []
    with pytest.raises(LocalProtocolError, match="'call_1' is not known"):
        answer(script, "call_1")


@pytest.mark.parametrize("arguments", ["", "{", "null", '{"a": 1}}'])
def test_arguments_are_handed_over_as_the_model_wrote_them(arguments: str) -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(*announced("resp_1", "call_1"))
    (emitted,) = script.tell(arguments_done("resp_1", "call_1", arguments))
    assert isinstance(emitted, FunctionCall)
    assert emitted.arguments == arguments


def test_a_clone_that_names_the_function_only_at_the_end_is_understood() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(output_item("added", "resp_1", call("call_1", name="", status="in_progress")))
    assert script.tell(arguments_done("resp_1", "call_1", '{"city":"Rome"}')) == [WEATHER]


def unnamed(script: Script) -> None:
    """Beta says the arguments without a name, and here nobody has announced the call."""
    script.begin("resp_1")
    said = arguments_done("resp_1", "call_1", '{"city":"Rome"}', name="")
    assert script.tell(said) == []


@pytest.mark.parametrize("which", ["output_item.done", "item.done", "response.done"])
def test_a_call_without_a_name_waits_for_the_event_that_has_it_2_1(which: str) -> None:
    script = Script()
    unnamed(script)
    assert script.tell(end_of_call(which)) == [WEATHER]
    answer(script, "call_1")
    script.hear(response_done("resp_1"))
    assert follow_ups(script) == 1


def test_a_call_that_nobody_names_is_emitted_without_a_name_at_the_end_2_1() -> None:
    script = Script()
    unnamed(script)
    script.session = Session.resume(script.session.snapshot(now=0.0), now=0.0)
    assert script.tell(response_done("resp_1")) == [evolve(WEATHER, name="")]
    answer(script, "call_1")
    assert follow_ups(script) == 1


def test_a_call_that_nobody_names_is_cut_off_with_its_response_2_1() -> None:
    script = Script()
    unnamed(script)
    cut = script.tell(response_done("resp_1", "cancelled", reason="client_cancelled"))
    assert FunctionCallCut(call_id="call_1", name="") in cut
    assert not [each for each in cut if isinstance(each, FunctionCall)]


def test_calls_that_interleave_are_told_apart_3_2() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(*announced("resp_1", "call_1", 0), *announced("resp_1", "call_2", 1))
    events = script.tell(*completed("resp_1", "call_2"), *completed("resp_1", "call_1"))
    assert [e.call_id for e in events if isinstance(e, FunctionCall)] == ["call_2", "call_1"]


def test_a_function_call_without_a_call_id_is_no_call() -> None:
    script = Script()
    script.begin("resp_1")
    item = {**call("x", "{}"), "call_id": None}
    assert script.tell(output_item("done", "resp_1", item)) == []


def test_calls_of_a_response_beside_the_conversation_are_emitted_too() -> None:
    script = Script()
    script.hear(response_created("resp_1", out_of_band=True))
    item = call("call_1", '{"city":"Rome"}')
    told = script.tell(output_item("done", "resp_1", item))
    assert told == [evolve(WEATHER, out_of_band=True)]
    assert list(script.session.conversation) == []
    with pytest.raises(LocalProtocolError, match="'call_1' is outside the conversation"):
        script.session.send_function_result("call_1", "18", now=0.0)
    assert script.sent() == []


# -- cut off


@pytest.mark.parametrize("status", ["cancelled", "incomplete", "failed"])
def test_a_call_that_its_response_cut_off_is_never_emitted(status: str) -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(*announced("resp_1", "call_1"))
    cut = call("call_1", '{"ci', status="incomplete")
    script.hear(item_done(cut), output_item("done", "resp_1", cut))
    events = script.tell(response_done("resp_1", status, output=[cut]))

    assert FunctionCallCut(call_id="call_1", name="get_weather") in events
    assert not [e for e in events if isinstance(e, FunctionCall)]
    with pytest.raises(LocalProtocolError, match="'call_1' is cut"):
        answer(script, "call_1")


def test_a_call_that_is_whole_after_all_after_it_was_cut_off_is_an_anomaly() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(*announced("resp_1", "call_1"), response_done("resp_1", "cancelled"))
    assert script.tell(arguments_done("resp_1", "call_1")) == [
        Anomaly(
            type="response.function_call_arguments.done", reason="call call_1 was cut off before"
        )
    ]


def test_a_call_that_was_emitted_outlives_its_response() -> None:
    script = called("call_1")
    events = script.tell(response_done("resp_1", "cancelled", reason="turn_detected"))
    assert not [e for e in events if isinstance(e, FunctionCallCut)]
    answer(script, "call_1")
    assert script.sent()[0]["item"]["output"] == "12 degrees"


# -- answered once


def test_an_answer_leaves_at_once_and_its_response_when_the_running_one_ended_3_3() -> None:
    script = called("call_1")
    event_id = answer(script, "call_1")
    (item,) = script.sent()
    assert item["event_id"] == event_id
    assert {**item["item"], "id": ""} == {
        "id": "",
        "type": "function_call_output",
        "call_id": "call_1",
        "output": "12 degrees",
    }
    assert settled(script.acknowledge(item)) == [(event_id, DONE)]
    script.hear(response_done("resp_1"))
    assert script.sent_types() == ["response.create"]


def test_an_answer_after_the_response_ended_asks_for_the_next_at_once() -> None:
    script = called("call_1")
    script.hear(response_done("resp_1"))
    assert script.sent() == []
    answer(script, "call_1")
    assert script.sent_types() == ["conversation.item.create", "response.create"]


def test_parallel_calls_are_followed_up_once_when_the_last_is_answered() -> None:
    """One create per call would be refused (openai-realtime-console#473)."""
    script = called("call_1", "call_2", "call_3")
    answer(script, "call_2")
    script.hear(response_done("resp_1"))
    answer(script, "call_1")
    assert script.sent_types() == ["conversation.item.create"] * 2
    answer(script, "call_3")
    assert script.sent_types() == ["conversation.item.create", "response.create"]


def test_whoever_wants_no_follow_up_gets_none() -> None:
    script = called("call_1")
    answer(script, "call_1", respond=False)
    script.hear(response_done("resp_1"))
    assert script.sent_types() == ["conversation.item.create"]


def test_one_answer_that_wants_a_follow_up_is_enough() -> None:
    script = called("call_1", "call_2")
    answer(script, "call_1", respond=True)
    answer(script, "call_2", respond=False)
    script.hear(response_done("resp_1"))
    assert script.sent_types()[-1] == "response.create"


def test_calls_of_different_responses_are_followed_up_apart() -> None:
    script = called("call_1")
    script.hear(response_done("resp_1"))
    script.begin("resp_2")
    script.hear(*announced("resp_2", "call_2"), *completed("resp_2", "call_2"))
    answer(script, "call_1")
    script.hear(response_done("resp_2"))
    assert script.sent_types() == ["conversation.item.create", "response.create"]


@pytest.mark.parametrize("state", ["not known", "announced", "answered"])
def test_a_call_that_is_not_there_to_be_answered_is_named_with_its_state(state: str) -> None:
    script = Script()
    script.begin("resp_1")
    if state != "not known":
        script.hear(*announced("resp_1", "call_1"))
    if state == "answered":
        script.hear(*completed("resp_1", "call_1"))
        answer(script, "call_1")
    script.sent()
    item = {"type": "function_call_output", "call_id": "call_1", "output": ""}
    with pytest.raises(LocalProtocolError, match=f"send_function_result .*'call_1' is {state}"):
        answer(script, "call_1")
    with pytest.raises(LocalProtocolError, match=f"function_call_output .*'call_1' is {state}"):
        script.session.send(commands.ConversationItemCreate(item=item), now=0.0)
    assert script.sent() == []
    script.hear(response_done("resp_1"))
    assert "conversation.item.create" not in script.sent_types()


def test_whether_a_call_waits_for_its_answer_can_be_asked() -> None:
    script = Script()
    waits = script.session.calls.can_answer
    script.begin("resp_1")
    assert not waits("call_1")
    script.hear(*announced("resp_1", "call_1"))
    assert not waits("call_1")
    script.hear(*completed("resp_1", "call_1"))
    assert waits("call_1")
    answer(script, "call_1")
    assert not waits("call_1")


def test_a_call_outside_the_conversation_waits_for_no_answer() -> None:
    script = Script()
    script.hear(response_created("resp_1", out_of_band=True))
    script.hear(*announced("resp_1", "call_1"), *completed("resp_1", "call_1"))
    assert not script.session.calls.can_answer("call_1")


def test_an_answer_that_was_refused_may_be_given_again() -> None:
    script = called("call_1")
    script.hear(response_done("resp_1"))
    refused = answer(script, "call_1", respond=False)
    script.sent()
    assert settled(script.tell(error("string_above_max_length", event_id=refused))) == [
        (refused, FAILED)
    ]
    answer(script, "call_1")
    assert script.sent_types() == ["conversation.item.create", "response.create"]


def test_an_answer_refused_during_the_response_holds_the_follow_up_back() -> None:
    script = called("call_1")
    refused = answer(script, "call_1")
    script.hear(error("invalid_value", event_id=refused), response_done("resp_1"))
    assert script.sent_types() == ["conversation.item.create"]
    answer(script, "call_1")
    assert script.sent_types() == ["conversation.item.create", "response.create"]


def test_the_follow_up_of_a_race_lost_is_asked_for_again() -> None:
    script = called("call_1")
    script.hear(response_done("resp_1"))
    answer(script, "call_1")
    _, create = script.sent()
    script.hear(already_active(create["event_id"], "resp_V"), response_done("resp_V"))
    assert script.sent_types() == ["response.create"]


def test_the_user_who_barges_in_during_a_tool_gets_one_answer() -> None:
    """The output is sent; the response is the service's own (pydantic-ai#6324)."""
    script = called("call_1")
    script.hear(speech("started", "item_9"))
    answer(script, "call_1")
    (output,) = script.sent()
    script.acknowledge(output)
    script.hear(
        response_done("resp_1", "cancelled", reason="turn_detected"),
        speech("stopped", "item_9"),
        committed("item_9"),
        response_created("resp_2"),
        response_done("resp_2"),
    )
    assert script.sent() == []


# -- whether it is followed up


def follow_ups(script: Script) -> int:
    return script.sent_types().count("response.create")


@pytest.mark.parametrize("floor", ["free", "the user", "another response", "a turn to be answered"])
def test_a_follow_up_may_leave_the_floor_to_whoever_has_it_3_7(floor: str) -> None:
    """pydantic-ai#6324."""
    script = called("call_1")
    script.hear(response_done("resp_1"))
    if floor == "the user":
        script.hear(speech("started", "item_9"))
    elif floor == "another response":
        script.hear(response_created("resp_2"))
    elif floor == "a turn to be answered":
        script.hear(committed("item_9"))
    script.session.send_function_result("call_1", "18", respond=Respond.IF_IDLE, now=0.0)
    script.session.handle_timeout(now=60.0)
    script.hear(response_done("resp_2"))
    assert follow_ups(script) == (1 if floor == "free" else 0)


def test_a_request_that_waits_has_the_floor_3_7() -> None:
    script = called("call_1")
    script.session.send_text("And Rome?", now=0.0)
    script.sent()
    script.session.send_function_result("call_1", "18", respond=Respond.IF_IDLE, now=0.0)
    script.hear(response_done("resp_1"))
    assert follow_ups(script) == 1
    script.hear(response_created("resp_2"), response_done("resp_2"))
    assert follow_ups(script) == 0


@pytest.mark.parametrize(
    ("one", "other", "asked"),
    [
        (Respond.AUTO, Respond.NEVER, 1),
        (Respond.AUTO, Respond.IF_IDLE, 1),
        (Respond.IF_IDLE, Respond.NEVER, 0),
        (Respond.NEVER, Respond.NEVER, 0),
    ],
)
def test_of_several_policies_the_most_eager_counts_3_7(
    one: Respond, other: Respond, asked: int
) -> None:
    script = called("call_1", "call_2")
    script.hear(speech("started", "item_9"))
    for call_id, respond in (("call_1", one), ("call_2", other)):
        script.session.send_function_result(call_id, "18", respond=respond, now=0.0)
    script.hear(response_done("resp_1"), event("input_audio_buffer.cleared"))
    assert follow_ups(script) == asked


def test_a_policy_may_be_named_by_its_value_3_7() -> None:
    """As a configuration or a recording has it."""
    script = called("call_1", "call_2")
    script.session.send_function_result("call_1", "18", respond="never", now=0.0)  # type: ignore
    script.session.send_function_result("call_2", "18", respond="auto", now=0.0)  # type: ignore
    script.hear(response_done("resp_1"))
    assert follow_ups(script) == 1


@pytest.mark.parametrize("wrong", ["later", "", None, 1, []], ids=repr)
def test_a_policy_that_is_none_is_refused_and_the_call_stays_open_3_7(wrong: Any) -> None:
    script = called("call_1")
    with pytest.raises(LocalProtocolError, match="respond"):
        script.session.send_function_result("call_1", "18", respond=wrong, now=0.0)
    assert script.sent() == []
    answer(script, "call_1")
    script.hear(response_done("resp_1"))
    assert follow_ups(script) == 1


# -- calls that we put in ourselves


def test_a_call_of_our_own_history_may_be_answered_once_and_asks_for_nothing() -> None:
    script = Script()
    item = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    script.session.send(commands.ConversationItemCreate(item=item), now=0.0)
    answer(script, "call_1", respond=False)
    assert script.sent_types() == ["conversation.item.create"] * 2
    with pytest.raises(LocalProtocolError, match="answered"):
        answer(script, "call_1")


def test_a_call_of_our_own_history_is_never_emitted() -> None:
    script = Script()
    item = {**call("call_1", "{}")}
    script.session.send(commands.ConversationItemCreate(item=item), now=0.0)
    assert not [e for e in script.tell(item_added(item), item_done(item)) if e == WEATHER]


def test_putting_in_a_call_that_is_known_does_not_open_it_again() -> None:
    script = called("call_1")
    answer(script, "call_1")
    item = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    script.session.send(commands.ConversationItemCreate(item=item), now=0.0)
    with pytest.raises(LocalProtocolError, match="answered"):
        answer(script, "call_1")


def test_a_call_of_a_response_without_a_name_is_followed_up_alone() -> None:
    script = Script(plane=SIDEBAND)
    script.hear(arguments_done("", "call_1"), arguments_done("", "call_2"))
    answer(script, "call_1")
    assert script.sent_types() == ["conversation.item.create", "response.create"]


def test_what_is_known_of_a_call_can_be_looked_up() -> None:
    script = called("call_1")
    record = script.session.calls["call_1"]
    assert (record.name, record.response_id, record.state) == (
        "get_weather",
        "resp_1",
        Call.EMITTED,
    )
    assert script.session.calls.get("call_9") is None
