"""What a session remembers: the conversation you keep, and of all else only what is of use."""

import pytest

from support.frames import (
    Script,
    announced,
    arguments_done,
    audio_delta,
    call,
    committed,
    completed,
    event,
    item_added,
    item_done,
    message,
    output_item,
    response_created,
    response_done,
    speech,
    text_of,
    transcript_delta,
)
from support.weight import weight
from talkwire import Anomaly, FunctionCall, LocalProtocolError, Session


def retaining(retain: int | None) -> Script:
    script = Script()
    script.session = Session(now=0.0, retain=retain)
    script.hear(event("session.updated", session={"type": "realtime"}))
    return script


def turn(script: Script, number: int) -> None:
    """The user says something, the model calls a function, hears of it, and answers aloud."""
    user, said = f"item_u{number}", f"item_a{number}"
    ask, answer, call_id = f"resp_a{number}", f"resp_b{number}", f"call_{number}"
    script.hear(speech("started", user), speech("stopped", user), committed(user, "?"))
    script.hear(item_added(message(user, "user", "And tomorrow?"), "?"), response_created(ask))
    script.hear(*announced(ask, call_id), *completed(ask, call_id))
    script.session.send_function_result(call_id, "12 degrees", now=0.0)
    output, *_ = script.sent()
    script.hear(item_added(output["item"], "?"), response_done(ask))
    create = script.sent()[-1]
    item = message(said, "assistant", status="in_progress")
    script.hear(response_created(answer, ours=create["event_id"]))
    script.hear(output_item("added", answer, item), item_added(item, "?"))
    script.hear(transcript_delta(answer, said, "Twelve degrees."), audio_delta(answer, said, 100))
    script.hear(item_done({**item, "status": "completed"}), response_done(answer))
    assert script.sent() == []


def test_of_a_conversation_as_much_is_kept_as_was_asked_for() -> None:
    script = retaining(3)
    for n in range(10):
        script.hear(item_added(message(f"item_{n}", "user", str(n)), f"item_{n - 1}"))
    assert [item.text for item in script.session.conversation] == ["7", "8", "9"]
    assert script.session.conversation.get("item_0") is None


def test_all_of_it_is_kept_unless_told_otherwise() -> None:
    script = retaining(None)
    for n in range(500):
        script.hear(item_added(message(f"item_{n}", "user", str(n)), f"item_{n - 1}"))
    assert len(script.session.conversation) == 500


def test_a_thousand_turns_weigh_what_a_hundred_do() -> None:
    script = retaining(8)
    for number in range(100):
        turn(script, number)
    before = weight(script.session)
    for number in range(100, 1000):
        turn(script, number)
    assert weight(script.session) <= before + 1000  # ids have a digit more


def test_what_is_kept_of_a_turn_is_its_items() -> None:
    weights: list[int] = []
    script = retaining(None)
    for number in range(300):
        turn(script, number)
        if number in (99, 299):
            weights.append(weight(script.session))
    assert weights[1] - weights[0] < 200 * 4 * 1500  # four items a turn


def test_a_call_long_over_is_forgotten_and_one_that_waits_is_not() -> None:
    script = Script()
    script.hear(response_created("resp_0"), *announced("resp_0", "call_0"))
    script.hear(*completed("resp_0", "call_0"), response_done("resp_0"))
    for number in range(1, 200):
        script.hear(response_created(f"resp_{number}"))
        script.hear(*announced(f"resp_{number}", f"call_{number}"))
        script.hear(*completed(f"resp_{number}", f"call_{number}"))
        script.session.send_function_result(f"call_{number}", "", respond=False, now=0.0)
        script.hear(response_done(f"resp_{number}"))
    assert script.session.calls.get("call_1") is None
    assert script.session.calls.get("call_199") is not None
    script.session.send_function_result("call_0", "At last.", respond=False, now=0.0)


def test_calls_that_all_wait_are_all_remembered() -> None:
    script = Script()
    script.hear(response_created("resp_1"))
    for number in range(100):
        item = call(f"call_{number}", "{}")
        (told,) = script.tell(output_item("done", "resp_1", item))
        assert isinstance(told, FunctionCall)
    again = script.tell(arguments_done("resp_1", "call_0"), response_done("resp_1"))
    assert [e for e in again if isinstance(e, FunctionCall | Anomaly)] == []


def test_what_was_spoken_long_ago_cannot_be_cut_any_more_where_it_is_not_kept() -> None:
    script = retaining(8)
    for number in range(50):
        script.hear(audio_delta("resp_1", f"item_{number}", 100))
    script.session.truncate_audio("item_49", 50, now=0.0)
    script.sent()
    with pytest.raises(LocalProtocolError, match="no audio was received for 'item_0'"):
        script.session.truncate_audio("item_0", 50, now=0.0)
    assert script.sent() == []


def test_a_thousand_unreadable_frames_are_counted_and_forgotten() -> None:
    script = Script()
    script.session.receive("{", now=0.0)
    before = weight(script.session)
    for number in range(1000):
        script.session.receive(text_of({"type": f"never.heard.of.{number}"}), now=0.0)
        script.session.receive("{", now=0.0)
    assert script.session.counts == {"InvalidFrame": 1001, "UnknownEvent": 1000}
    assert weight(script.session) < before + 500


def test_what_is_kept_can_be_cut_however_long_ago() -> None:
    script = retaining(None)
    for number in range(500):
        script.hear(audio_delta("resp_1", f"item_{number}", 100))
    script.session.truncate_audio("item_0", 50, now=0.0)
    assert [frame["item_id"] for frame in script.sent()] == ["item_0"]
