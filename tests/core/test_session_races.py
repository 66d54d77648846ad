"""Races that `test_session_against_service.py` found or that its rules had in view, one by one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from support.pair import Pair
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    Anomaly,
    CommandSettled,
    Event,
    FunctionCall,
    Gate,
    Interrupted,
    LocalProtocolError,
    Outcome,
    commands,
)

NO_INTERRUPTION = {
    "audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}}
}


def outcomes(events: Sequence[Event]) -> dict[str, Outcome]:
    return {e.event_id: e.outcome for e in events if isinstance(e, CommandSettled)}


def sent(pair: Pair, kind: str) -> list[dict[str, Any]]:
    frames = [json.loads(frame) for frame in pair.frames]
    return [frame for frame in frames if frame["type"] == kind]


def audio(ms: int) -> bytes:
    return bytes(ms * 48)


def say_aloud(pair: Pair, response_id: str) -> None:
    pair.engine("message_started", response_id, modality="audio")
    pair.engine("text", response_id, "It is sunny.")
    pair.engine("audio", response_id, audio(200), 200)


def turn(pair: Pair) -> None:
    """The user says something, and the service hears it."""
    pair.engine("speech_started", audio_start_ms=100)
    pair.engine("speech_stopped", audio_end_ms=900)


def test_a_turn_the_service_commits_does_not_settle_our_commit() -> None:
    pair = Pair()
    pair.run()
    pair.call("send_audio", bytes(4800))
    pair.deliver_to_service()
    commit = pair.send(commands.InputAudioBufferCommit())
    turn(pair)
    assert commit not in outcomes(pair.deliver_to_session(len(pair.to_session)))
    assert outcomes(pair.run())[commit] is Outcome.FAILED  # the buffer is empty by now


def test_a_commit_that_makes_an_item_of_its_own_is_ours_also_while_the_user_speaks() -> None:
    pair = Pair()
    pair.engine("speech_started", audio_start_ms=0)
    pair.run()
    pair.call("send_audio", bytes(4800))
    commit = pair.send(commands.InputAudioBufferCommit())
    assert outcomes(pair.run()) == {commit: Outcome.DONE}
    assert pair.session.gate.state is Gate.IDLE  # the turn goes on: nobody answers yet


def test_the_end_of_the_turns_response_does_not_settle_a_request_it_never_saw() -> None:
    """The service's own response comes and goes while our create is on its way (§3.4)."""
    pair = Pair()
    pair.run()
    pair.call("send_text", "And tomorrow?")
    turn(pair)
    pair.engine("response_done", "resp_1")
    pair.deliver_to_session(len(pair.to_session))
    assert pair.session.gate.state is Gate.CREATE_SENT
    turn(pair)  # the next one is quicker again, and has not seen the text either
    pair.run()
    assert pair.session.gate.active == "resp_2"
    pair.engine("response_done", "resp_2")
    pair.run()
    assert pair.service.active_response == "resp_3"


def test_a_request_on_its_way_is_stopped_though_another_response_came_first() -> None:
    pair = Pair()
    pair.run()
    pair.call("send_text", "Hi.")
    turn(pair)
    pair.deliver_to_session(len(pair.to_session))
    pair.call("cancel")
    pair.engine("response_done", "resp_1")
    pair.deliver_to_session(len(pair.to_session))
    pair.run()
    assert pair.service.active_response is None
    assert [cancel["response_id"] for cancel in sent(pair, "response.cancel")] == [
        "resp_1",
        "resp_2",
    ]


def test_a_request_that_the_turns_response_has_seen_is_not_asked_again() -> None:
    pair = Pair()
    pair.run()
    pair.call("send_text", "Hi.")
    pair.deliver_to_service()  # the item arrives, the create does not
    turn(pair)
    events = pair.deliver_to_session(len(pair.to_session)) + pair.run()
    assert set(outcomes(events).values()) == {Outcome.DONE}
    pair.engine("response_done", "resp_1")
    pair.run()
    assert pair.service.active_response is None
    assert len(sent(pair, "response.create")) == 1


@pytest.mark.parametrize(
    "patch",
    [
        {"audio": {"input": {"turn_detection": None}}},
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}},
    ],
)
def test_a_request_is_not_held_for_a_turn_that_nobody_will_answer(patch: dict[str, Any]) -> None:
    """Detection, or answering, is switched off while the user speaks: no turn ends (§1.6)."""
    pair = Pair()
    pair.engine("speech_started", audio_start_ms=0)
    pair.run()
    pair.call("send_text", "Hi.")
    pair.call("session_update", patch)
    pair.run()
    assert pair.service.active_response == "resp_1"


def test_nothing_leaves_while_the_user_speaks_though_our_response_began_meanwhile() -> None:
    pair = Pair(settings=NO_INTERRUPTION)
    pair.run()
    pair.call("send_text", "Hi.")
    pair.engine("speech_started", audio_start_ms=0)
    pair.run()
    pair.call("send_text", "And tomorrow?")
    pair.engine("response_done", "resp_1")
    pair.run()
    assert len(sent(pair, "response.create")) == 1
    pair.engine("speech_stopped", audio_end_ms=900)
    pair.run()
    assert pair.service.active_response == "resp_2"  # the service's own, which saw it all
    pair.engine("response_done", "resp_2")
    pair.run()
    assert len(sent(pair, "response.create")) == 1


def test_two_audible_responses_are_each_interrupted_once() -> None:
    pair = Pair(plane=RELAY)
    for response_id in ("resp_1", "resp_2"):
        pair.call("send_text", "Hi.")
        pair.run()
        say_aloud(pair, response_id)
        if response_id == "resp_1":
            pair.engine("message_done", response_id)
            pair.engine("response_done", response_id)
    pair.engine("speech_started", audio_start_ms=0)
    stops = [e.response_id for e in pair.run() if isinstance(e, Interrupted)]
    assert sorted(stops) == ["resp_1", "resp_2"]


def test_a_clear_that_finds_silence_is_settled_by_the_end_of_the_playing() -> None:
    """The service says nothing when there is nothing to clear."""
    pair = Pair(plane=SIDEBAND)
    pair.call("send_text", "Hi.")
    pair.run()
    say_aloud(pair, "resp_1")
    pair.engine("message_done", "resp_1")
    pair.engine("response_done", "resp_1")
    pair.run()
    pair.call("cancel")
    clear = sent(pair, "output_audio_buffer.clear")[0]["event_id"]
    pair.engine("playback_stopped", "resp_1")
    assert outcomes(pair.run()) == {clear: Outcome.DONE}


def test_stopping_twice_settles_twice_though_only_one_clear_finds_anything() -> None:
    pair = Pair(plane=SIDEBAND)
    pair.call("send_text", "Hi.")
    pair.run()
    say_aloud(pair, "resp_1")
    pair.run()
    pair.call("cancel")
    pair.call("cancel")
    clears = [clear["event_id"] for clear in sent(pair, "output_audio_buffer.clear")]
    settled = outcomes(pair.run())
    assert [settled[clear] for clear in clears] == [Outcome.DONE, Outcome.DONE]


def test_each_request_has_its_own_deadline() -> None:
    """The second leaves the moment the first fails, not with what is left of its time."""
    pair = Pair()
    pair.run()
    pair.send(commands.ResponseCreate(response={"temperature": 1}))
    pair.deliver_to_service()
    pair.sleep(10)
    pair.call("send_text", "Hi.", respond=False)
    second = pair.send(commands.ResponseCreate(response={"instructions": "Say hello."}))
    pair.deliver_to_session(1)
    assert len(sent(pair, "response.create")) == 2
    assert second not in outcomes(pair.sleep(14))
    assert outcomes(pair.sleep(2))[second] is Outcome.LOST


def test_waking_after_the_end_starts_no_clock() -> None:
    pair = Pair()
    pair.call("send_text", "Hi.")
    pair.drop()
    assert pair.sleep(60) == []
    assert list(pair.wake()) == []
    assert pair.session.next_timeout() is None
    assert pair.session.gate.state is Gate.IDLE


def test_an_error_about_a_request_that_has_not_left_settles_nothing() -> None:
    """No service says that; a page may. The request settles when it is answered (law 4)."""
    pair = Pair(plane=RELAY)
    pair.call("send_text", "Hi.")
    pair.run()
    waiting = pair.send(commands.ResponseCreate())
    error = {"type": "server_error", "message": "No.", "event_id": waiting}
    events = pair.inject(json.dumps({"type": "error", "event_id": "event_x", "error": error}))
    assert any(isinstance(event, Anomaly) for event in events)
    assert outcomes(events) == {}
    pair.engine("response_done", "resp_1")
    assert outcomes(pair.run())[waiting] is Outcome.DONE


def test_putting_in_a_call_that_is_answered_does_not_open_it_again() -> None:
    pair = Pair()
    pair.call("send_text", "Hi.")
    pair.run()
    pair.engine("function_call", "resp_1", "double", "{}")
    call = next(e for e in pair.run() if isinstance(e, FunctionCall))
    pair.call("send_function_result", call.call_id, "42")
    item = {"type": "function_call", "call_id": call.call_id, "name": "double", "arguments": "{}"}
    pair.send(commands.ConversationItemCreate(item=item))
    with pytest.raises(LocalProtocolError):
        pair.call("send_function_result", call.call_id, "43")


def test_a_call_we_put_in_comes_back_from_a_page_as_no_surprise() -> None:
    """The service echoes it as it echoes every item, and no response ever announced it."""
    pair = Pair(plane=RELAY)
    item = {"type": "function_call", "call_id": "call_old", "name": "double", "arguments": "{}"}
    pair.send(commands.ConversationItemCreate(item=item))
    assert [e for e in pair.run() if isinstance(e, Anomaly | FunctionCall)] == []
    pair.call("send_function_result", "call_old", "42")
    pair.run()
    assert [item["type"] for item in pair.service.items] == [
        "function_call",
        "function_call_output",
    ]


def test_a_request_given_up_is_not_settled_again_when_it_is_answered_late() -> None:
    pair = Pair(plane=DIRECT)
    pair.run()
    pair.call("send_text", "Hi.")
    lost = sent(pair, "response.create")[0]["event_id"]
    assert outcomes(pair.sleep(16))[lost] is Outcome.LOST
    pair.call("send_text", "Still there?")  # its create is on its way beside the late one
    events = pair.run()
    assert lost not in outcomes(events)
    assert [frame["response_id"] for frame in sent(pair, "response.cancel")] == ["resp_1"]
    assert pair.service.active_response == "resp_2"


def test_a_stop_outlives_the_wait_for_what_it_stops_livekit_6223() -> None:
    pair = Pair(plane=DIRECT)
    pair.run()
    pair.call("send_text", "Hi.")
    pair.call("cancel")
    pair.sleep(16)  # given up, and the stop with it
    assert sent(pair, "response.cancel") == []
    events = pair.run()
    assert Interrupted(response_id="resp_1") in events
    assert pair.session.is_stopped("resp_1")
    assert pair.service.active_response is None
    pair.call("send_text", "Still there?")
    pair.run()
    assert pair.service.active_response == "resp_2"
    assert not pair.session.is_stopped("resp_2")


def test_a_late_response_to_a_request_given_up_does_not_end_the_users_turn() -> None:
    pair = Pair(settings=NO_INTERRUPTION)
    pair.run()
    pair.call("send_text", "Hi.")
    pair.deliver_to_session(len(pair.to_session))
    pair.sleep(16)  # given up; its response comes all the same
    pair.engine("speech_started", audio_start_ms=0)
    pair.run()
    assert pair.session.is_stopped("resp_1")
    pair.call("send_text", "And tomorrow?")
    pair.run()
    assert len(sent(pair, "response.create")) == 1


def test_what_was_stopped_can_still_be_cut_and_late_audio_does_not_make_it_audible_again() -> None:
    pair = Pair(plane=DIRECT)
    pair.call("send_text", "Hi.")
    pair.run()
    say_aloud(pair, "resp_1")
    item_id = next(item["id"] for item in pair.service.items if item["role"] == "assistant")
    pair.run()
    pair.call("report_playback", item_id, 0)
    pair.call("cancel")
    pair.engine("audio", "resp_1", audio(200), 200)  # said before the cancel arrived
    pair.run()
    pair.engine("speech_started", audio_start_ms=0)
    pair.run()
    assert sent(pair, "conversation.item.truncate") == []
    pair.call("report_playback", item_id, 5000)
    pair.call("truncate_audio", item_id, 5000)
    assert sent(pair, "conversation.item.truncate")[0]["audio_end_ms"] == 400


def test_stopping_one_response_by_its_id_stops_no_other_request_3_5() -> None:
    pair = Pair()
    pair.run()
    pair.call("send_text", "Hi.")
    turn(pair)
    pair.deliver_to_session(len(pair.to_session))  # the service was quicker, ours is on its way
    pair.send(commands.ResponseCancel(response_id="resp_1"))
    pair.run()
    assert [cancel["response_id"] for cancel in sent(pair, "response.cancel")] == ["resp_1"]
    assert pair.service.active_response == "resp_2"


def test_what_the_user_says_after_a_stop_is_answered_and_not_stopped_3_5() -> None:
    pair = Pair()
    pair.run()
    pair.call("send_text", "Hi.")
    turn(pair)
    pair.deliver_to_session(len(pair.to_session))
    pair.call("cancel")
    pair.engine("response_done", "resp_1")
    turn(pair)
    pair.deliver_to_session(len(pair.to_session))
    assert pair.session.gate.active == "resp_2"
    pair.run()
    assert [cancel["response_id"] for cancel in sent(pair, "response.cancel")] == ["resp_1"]
    assert pair.service.active_response == "resp_2"
