"""One response at a time: what happened to others where it was not kept (§3.4, §3.5)."""

import pytest

from support.frames import (
    Script,
    already_active,
    announced,
    audio_delta,
    committed,
    completed,
    error,
    event,
    response_created,
    response_done,
    settled,
    transcript_delta,
)
from talkwire import RELAY, SIDEBAND, Gate, Interrupted, Outcome, Phase, commands

DONE, FAILED = Outcome.DONE, Outcome.FAILED


@pytest.mark.known_issue(1)
def test_text_typed_during_a_response_is_added_at_once_and_answered_after_it() -> None:
    """openai/openai-agents-python#1466: send_message during a response was refused with
    `conversation_already_has_active_response` → the item leaves now, the create at its end.
    """
    script = Script()
    script.begin("resp_1")
    script.session.send_text("And Rome?", now=0.0)
    assert script.sent_types() == ["conversation.item.create"]
    script.hear(response_done("resp_1"))
    assert script.sent_types() == ["response.create"]


@pytest.mark.known_issue(2)
def test_a_request_behind_a_cancel_waits_for_the_end_of_what_was_cancelled() -> None:
    """openai/openai-agents-python#2760, #2763: a guardrail's follow-up create raced its own
    cancel → after a cancel, only `response.done` opens the gate.
    """
    script = Script()
    script.begin("resp_1")
    cancel = script.session.cancel(now=0.0)
    script.session.send(commands.ResponseCreate(response={"instructions": "Decline."}), now=0.0)
    script.hear(transcript_delta("resp_1", "item_a", "a late word"))
    assert script.sent_types() == ["response.cancel"]

    events = script.tell(response_done("resp_1", "cancelled", reason="client_cancelled"))
    assert settled(events) == [(cancel, DONE)]
    (create,) = script.sent()
    assert create["response"]["instructions"] == "Decline."


@pytest.mark.known_issue(3)
def test_a_request_that_lost_to_the_users_turn_is_asked_again_and_nothing_is_stuck() -> None:
    """openai/openai-agents-python#3933: a create rejected because a VAD turn was active left a
    flag set, and no create left ever after → the error that names it frees the slot.
    """
    script = Script()
    ours = script.session.send(commands.ResponseCreate(response={"instructions": "Hm"}), now=0.0)
    script.sent()
    script.hear(response_created("resp_vad"), already_active(ours, "resp_vad"))
    script.hear(response_done("resp_vad"))
    assert [frame["event_id"] for frame in script.sent()] == [ours]
    assert settled(script.tell(response_created("resp_1", ours=ours))) == [(ours, DONE)]
    script.hear(response_done("resp_1"))
    script.session.send_text("Next.", now=0.0)
    assert script.sent_types()[-1] == "response.create"


@pytest.mark.known_issue(12)
def test_requests_of_tools_and_of_the_user_become_one() -> None:
    """openai/openai-agents-js#1127: tools and the user asked for a response each, and the second
    was refused → one slot, into which whatever is asked meanwhile is folded.
    """
    script = Script()
    script.begin("resp_1")
    script.hear(*announced("resp_1", "call_1"), *completed("resp_1", "call_1"))
    script.session.send_function_result("call_1", "12 degrees", now=0.0)
    script.session.send_text("And Rome?", now=0.0)
    script.session.send(commands.ResponseCreate(), now=0.0)
    assert script.sent_types() == ["conversation.item.create"] * 2
    script.hear(response_done("resp_1"))
    (create,) = script.sent()
    events = script.tell(response_created("resp_2", ours=create["event_id"]))
    assert [outcome for _, outcome in settled(events)] == [DONE, DONE, DONE]
    script.hear(response_done("resp_2"))
    assert script.sent() == []


@pytest.mark.known_issue(13)
def test_a_stop_button_pressed_a_moment_late_is_no_error() -> None:
    """openai/openai-agents-js#220: a cancel with nothing active was shown as an error → it only
    leaves for an active response, and losing that race is told as the cancel's own end.
    """
    script = Script()
    assert script.session.cancel(now=0.0) is None
    assert script.sent() == []
    script.begin("resp_1")
    cancel = script.session.cancel(now=0.0)
    assert settled(script.tell(error("response_cancel_not_active", event_id=cancel))) == [
        (cancel, FAILED)
    ]
    assert (script.session.phase, script.session.gate.state) == (Phase.READY, Gate.IDLE)


@pytest.mark.known_issue(21)
@pytest.mark.parametrize("code", ["invalid_value", "conversation_already_has_active_response"])
def test_a_rejected_request_is_always_brought_to_an_end(code: str) -> None:
    """livekit/agents#6817, #6818: no `response.created` follows a rejected create, so what waited
    for it hung → it is settled by the `event_id` that the error names.
    """
    script = Script()
    ours = script.say()
    events = script.tell(response_created("resp_V"), error(code, "No: resp_V.", ours))
    events += script.tell(response_done("resp_V"))
    assert len(settled(events)) == 1
    assert settled(list(script.session.close(now=1.0))) == []


@pytest.mark.known_issue(24)
def test_a_stop_names_its_response_though_others_run_beside_it() -> None:
    """livekit/agents#5564: a cancel without an id did nothing with several responses running →
    a cancel always names the one.
    """
    script = Script()
    script.begin("resp_1")
    script.hear(response_created("resp_2", out_of_band=True))
    script.session.send(commands.ResponseCancel(), now=0.0)
    (cancel,) = script.sent()
    assert cancel["response_id"] == "resp_1"


@pytest.mark.known_issue(24)
def test_a_batch_of_tools_right_after_an_interruption_asks_once_and_in_time() -> None:
    """livekit/agents#1056, #2064: one create per tool, right after an interruption, was refused →
    one create for the batch, when `response.done` is there.
    """
    script = Script()
    script.begin("resp_1")
    for call_id in ("call_1", "call_2"):
        script.hear(*announced("resp_1", call_id), *completed("resp_1", call_id))
    script.session.cancel(now=0.0)
    script.session.send_function_result("call_1", "12 degrees", now=0.0)
    assert script.sent_types() == ["response.cancel", "conversation.item.create"]
    script.hear(response_done("resp_1", "cancelled", reason="client_cancelled"))
    assert script.sent() == []
    script.session.send_function_result("call_2", "12 degrees", now=0.0)
    assert script.sent_types() == ["conversation.item.create", "response.create"]


@pytest.mark.known_issue(31)
def test_meeting_an_active_response_ends_nothing() -> None:
    """pipecat-ai/pipecat#3960: `conversation_already_has_active_response` ended the pipeline →
    the session goes on, and so does the request.
    """
    script = Script()
    ours = script.say()
    assert script.tell(already_active(ours, "resp_V")) == []
    assert script.sent() == []
    assert (script.session.phase, script.session.closed) == (Phase.READY, False)
    script.hear(response_done("resp_V"))
    assert script.sent_types() == ["response.create"]


@pytest.mark.known_issue(42)
def test_requests_leave_one_by_one_without_a_worker_of_ones_own() -> None:
    """pollen-robotics/reachy_mini_conversation_app#204: creates had to be serialised by a worker
    task → the session itself does, whatever is sent in a row.
    """
    script = Script()
    for number in range(3):
        script.session.send_text(str(number), now=0.0)
    assert script.sent_types().count("response.create") == 1
    script.hear(response_created("resp_1"), response_done("resp_1"))
    assert script.sent_types() == ["response.create"]
    script.hear(response_created("resp_2"), response_done("resp_2"))
    assert script.sent() == []


@pytest.mark.known_issue(43)
def test_a_response_beside_the_conversation_does_not_move_its_gate() -> None:
    """agentgateway/agentgateway#2213: an out-of-band response flipped the active flag, and the
    cancel hit the wrong one → the gate counts what has a `conversation_id`, a cancel has an id.
    """
    script = Script()
    script.begin("resp_1")
    script.hear(response_created("resp_oob", out_of_band=True), response_done("resp_oob"))
    script.session.send_text("And Rome?", now=0.0)
    assert "response.create" not in script.sent_types()
    script.session.cancel(now=0.0)
    assert [frame["response_id"] for frame in script.sent()] == ["resp_1"]


@pytest.mark.known_issue(44)
def test_a_committed_turn_is_not_yet_a_response() -> None:
    """maximhq/bifrost#7189: `committed` was taken for an active response, and the create that
    push-to-talk needs never left → only `response.created` activates.
    """
    script = Script(plane=SIDEBAND, vad=None)
    commit = script.session.send(commands.InputAudioBufferCommit(), now=0.0)
    assert settled(script.tell(committed("item_u"))) == [(commit, DONE)]
    script.session.send(commands.ResponseCreate(), now=0.0)
    assert script.sent_types() == ["input_audio_buffer.commit", "response.create"]


@pytest.mark.known_issue(45)
def test_a_late_refusal_of_a_cancel_harms_nobody() -> None:
    """hashintel/hash#9399: `response_cancel_not_active` behind the natural end was fatal → it is
    benign, and the response that follows goes on.
    """
    script = Script()
    script.begin("resp_1")
    cancel = script.session.cancel(now=0.0)
    script.hear(response_done("resp_1"))
    script.begin("resp_2")
    assert script.tell(error("response_cancel_not_active", event_id=cancel)) == []
    assert script.session.gate.active == "resp_2"
    assert script.session.phase is Phase.READY


@pytest.mark.known_issue(48)
def test_a_request_does_not_race_the_cancel_before_it() -> None:
    """pydantic/pydantic-ai#8132: create and cancel raced each other → also where the cancel itself
    has to wait for an id, the create behind it waits for the end.
    """
    script = Script()
    script.say("One.")
    script.session.cancel(now=0.0)
    script.session.send_text("Two.", now=0.0)
    script.sent()
    script.hear(response_created("resp_1"))
    assert script.sent_types() == ["response.cancel"]
    script.hear(response_done("resp_1", "cancelled", reason="client_cancelled"))
    assert script.sent_types() == ["response.create"]


@pytest.mark.known_issue(49)
def test_a_response_counts_from_the_moment_it_is_asked_for() -> None:
    """langwatch/scenario#657, #662, #669: creates after every commit and text raced each other,
    because a response counted only from `response.created` → it counts from the send.
    """
    script = Script(plane=SIDEBAND, vad=None)
    script.session.send_text("One.", now=0.0)
    script.session.send(commands.InputAudioBufferCommit(), now=0.0)
    script.session.send(commands.ResponseCreate(), now=0.0)
    assert script.sent_types().count("response.create") == 1


@pytest.mark.known_issue(52)
def test_stopping_by_hand_cancels_also_where_speech_would() -> None:
    """openai/openai-agents-python#1907: with `interrupt_response` on, a guardrail's interruption
    sent no cancel, and its create was refused → a stop by hand always cancels by itself.
    """
    vad = {"type": "server_vad", "create_response": True, "interrupt_response": True}
    script = Script(vad=vad)
    script.begin("resp_1")
    script.session.cancel(now=0.0)
    script.session.send_text("Decline.", now=0.0)
    assert script.sent_types() == ["response.cancel", "conversation.item.create"]
    script.hear(response_done("resp_1", "cancelled", reason="client_cancelled"))
    assert script.sent_types() == ["response.create"]


@pytest.mark.known_issue(10)
def test_an_interruption_names_its_response() -> None:
    """openai/openai-agents-python#4135: an interruption was not scoped to a response, and a late
    one silenced the next → it carries the `response_id`, once.
    """
    script = Script(plane=RELAY)
    script.begin("resp_1")
    stopped = response_done("resp_1", "cancelled", reason="turn_detected")
    assert Interrupted(response_id="resp_1") in script.tell(stopped)
    script.hear(response_created("resp_2"))
    late = script.tell(event("output_audio_buffer.cleared", response_id="resp_1"))
    assert [e for e in late if isinstance(e, Interrupted)] == []
    assert script.session.gate.active == "resp_2"


@pytest.mark.known_issue(22)
def test_a_response_that_was_stopped_before_it_began_is_never_heard() -> None:
    """livekit/agents#6223, #6244: a response that came after the interruption was played as a
    ghost, for a cancel before `response.created` does nothing → it is cancelled as soon as it has
    an id, told as interrupted at once, and known as stopped while it still speaks.
    """
    script = Script()
    ours = script.say()
    script.session.cancel(now=0.0)
    assert script.sent() == []
    told = script.tell(response_created("resp_1", ours=ours))
    assert Interrupted(response_id="resp_1") in told
    assert script.sent_types() == ["response.cancel"]
    script.hear(audio_delta("resp_1", "a", 100))
    assert script.session.is_stopped("resp_1")
    done = response_done("resp_1", "cancelled", reason="client_cancelled")
    assert [e for e in script.tell(done) if isinstance(e, Interrupted)] == []
    assert script.session.is_stopped("resp_1")
    script.begin("resp_2")
    assert not script.session.is_stopped("resp_2")


@pytest.mark.known_issue(22)
def test_a_response_that_comes_after_it_was_given_up_is_never_heard() -> None:
    """livekit/agents#6223: a response that came after its deadline was played into whatever the
    user was doing by then → its request was settled as lost, so it is stopped when it comes.
    """
    script = Script()
    ours = script.say()
    assert settled(list(script.session.handle_timeout(now=15.0))) == [(ours, Outcome.LOST)]
    told = script.tell(response_created("resp_1", ours=ours), now=16.0)
    assert Interrupted(response_id="resp_1") in told
    assert script.session.is_stopped("resp_1")
    assert [frame["response_id"] for frame in script.sent()] == ["resp_1"]
