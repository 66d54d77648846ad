"""Function calls that were answered twice, too early, or never (§3.7)."""

import pytest

from support.frames import (
    Script,
    announced,
    call,
    committed,
    completed,
    event,
    item_added,
    item_done,
    output_item,
    response_created,
    response_done,
    speech,
)
from talkwire import FunctionCall, FunctionCallCut, LocalProtocolError, Respond

CANCELLED = response_done("resp_1", "cancelled", reason="turn_detected")


def calling(*call_ids: str) -> Script:
    """A session whose running response has called these functions."""
    script = Script()
    script.begin("resp_1")
    for call_id in call_ids:
        script.hear(*announced("resp_1", call_id), *completed("resp_1", call_id))
    return script


@pytest.mark.known_issue(33)
def test_a_call_that_an_interruption_cut_off_is_brought_to_an_end() -> None:
    """pipecat-ai/pipecat#3661: a tool was "in progress" for ever after an interruption → a call
    whose arguments were cut off is told as cut, and can be answered no more.
    """
    script = Script()
    script.begin("resp_1")
    script.hear(*announced("resp_1", "call_1"))
    cut = call("call_1", '{"ci', status="incomplete")
    events = script.tell(item_done(cut), output_item("done", "resp_1", cut), CANCELLED)
    assert FunctionCallCut(call_id="call_1", name="get_weather") in events
    assert [e for e in events if isinstance(e, FunctionCall)] == []
    with pytest.raises(LocalProtocolError, match="is cut"):
        script.session.send_function_result("call_1", "12 degrees", now=0.0)


@pytest.mark.known_issue(33)
def test_a_call_that_was_handed_over_before_an_interruption_is_still_answered() -> None:
    """pipecat-ai/pipecat#5779: the result of a tool that outlived its response was dropped, and
    the model asked again → it is answered once, as ever.
    """
    script = calling("call_1")
    assert FunctionCallCut not in map(type, script.tell(CANCELLED))
    script.session.send_function_result("call_1", "12 degrees", respond=False, now=0.0)
    assert [frame["item"]["call_id"] for frame in script.sent()] == ["call_1"]


@pytest.mark.known_issue(35)
def test_the_model_answers_when_all_its_tools_have() -> None:
    """openai/openai-realtime-api-beta#49: the model answered before the tool had → the create
    leaves when every call of that response has its output.
    """
    script = calling("call_1", "call_2")
    script.session.send_function_result("call_1", "12 degrees", now=0.0)
    script.hear(response_done("resp_1"))
    assert script.sent_types() == ["conversation.item.create"]
    script.session.send_function_result("call_2", "18 degrees", now=0.0)
    assert script.sent_types() == ["conversation.item.create", "response.create"]


@pytest.mark.known_issue(40)
def test_parallel_tools_are_followed_up_by_one_request() -> None:
    """openai/openai-realtime-console#473: a create per tool met the active response → one for all
    of them, behind the end of the response that called.
    """
    script = calling("call_1", "call_2", "call_3")
    for call_id in ("call_3", "call_1"):
        script.session.send_function_result(call_id, "12 degrees", now=0.0)
    script.hear(response_done("resp_1"))
    script.session.send_function_result("call_2", "12 degrees", now=0.0)
    assert script.sent_types() == ["conversation.item.create"] * 3 + ["response.create"]
    script.hear(response_created("resp_2"), response_done("resp_2"))
    assert script.sent() == []


@pytest.mark.known_issue(39)
def test_a_tool_and_a_text_do_not_both_ask() -> None:
    """openai/openai-realtime-agents#3: tool and text each asked, and met the active response →
    they share one request.
    """
    script = calling("call_1")
    script.session.send_text("Hurry.", now=0.0)
    script.hear(response_done("resp_1"))
    script.session.send_function_result("call_1", "12 degrees", now=0.0)
    assert script.sent_types().count("response.create") == 1


@pytest.mark.known_issue(48)
def test_a_turn_that_the_line_cut_off_leaves_no_call_behind() -> None:
    """pydantic/pydantic-ai#7379: a turn in flight while reconnecting left its calls open → they
    end with the session; a new one does not know them, and sends nothing it would refuse.
    """
    script = calling("call_1")
    script.session.receive_close(code=1006, now=0.0)
    with pytest.raises(LocalProtocolError, match="closed"):
        script.session.send_function_result("call_1", "12 degrees", now=0.0)
    again = Script()
    with pytest.raises(LocalProtocolError, match="not known"):
        again.session.send_function_result("call_1", "12 degrees", now=0.0)
    assert again.sent() == []


@pytest.mark.known_issue(47)
def test_the_user_who_barges_in_is_answered_once_though_a_tool_was_running() -> None:
    """pydantic/pydantic-ai#6324: a tool's result after an interruption fired a response of its own
    → where the user's turn is answered anyway, that answer has the result.
    """
    script = calling("call_1")
    script.hear(speech("started", "u"), CANCELLED)
    script.session.send_function_result("call_1", "12 degrees", now=0.0)
    (output,) = script.sent()
    script.hear(item_added(output["item"]))
    script.hear(speech("stopped", "u"), committed("u"), response_created("resp_2"))
    script.hear(response_done("resp_2"))
    assert script.sent() == []


@pytest.mark.known_issue(47)
def test_a_result_may_wait_for_the_user_to_go_on() -> None:
    """pydantic/pydantic-ai#6324: not every result shall make the model speak → whether it does is
    said with the result: always, never, or only if nobody else has the floor by then.
    """
    script = calling("call_1")
    script.hear(speech("started", "u"), CANCELLED)
    send = script.session.send_function_result
    send("call_1", "12 degrees", respond=Respond.IF_IDLE, now=0.0)
    script.hear(event("input_audio_buffer.cleared"))
    assert script.sent_types() == ["conversation.item.create"]

    script = calling("call_1")
    script.session.send_function_result("call_1", "12", respond=Respond.IF_IDLE, now=0.0)
    script.hear(response_done("resp_1"))
    assert script.sent_types() == ["conversation.item.create", "response.create"]
