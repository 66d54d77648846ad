"""When a `response.create` leaves, and whose response is running: §3.4 and §3.5."""

from typing import Any

import pytest

from support.frames import (
    Frame,
    Script,
    already_active,
    committed,
    error,
    event,
    item_added,
    message,
    response_created,
    response_done,
    settled,
    speech,
)
from talkwire import (
    RELAY,
    SIDEBAND,
    Anomaly,
    Gate,
    Interrupted,
    LocalProtocolError,
    Outcome,
    TimedOut,
    Timer,
    commands,
)

DONE, FAILED, LOST = Outcome.DONE, Outcome.FAILED, Outcome.LOST


def create(script: Script, **options: Any) -> str:
    return script.session.send(commands.ResponseCreate(response=options), now=0.0)


def gate(script: Script) -> Gate:
    return script.session.gate.state


def creates(script: Script) -> list[str]:
    """The event ids of the creates that have left since the last look."""
    return [str(f["event_id"]) for f in script.sent() if f["type"] == "response.create"]


def cancels(script: Script) -> list[str]:
    return [str(f["response_id"]) for f in script.sent() if f["type"] == "response.cancel"]


# -- one at a time


def test_a_create_leaves_at_once_when_nothing_runs_and_can_be_recognised() -> None:
    script = Script()
    event_id = script.session.send(commands.ResponseCreate(), now=0.0)
    assert gate(script) is Gate.CREATE_SENT
    assert script.sent() == [
        {
            "type": "response.create",
            "event_id": event_id,
            "response": {"metadata": {"client_event_id": event_id}},
        }
    ]


def test_labels_of_our_own_stay_beside_the_one_that_is_added() -> None:
    script = Script()
    event_id = create(script, instructions="Sing.", metadata={"topic": "tides"})
    (frame,) = script.sent()
    assert frame["response"] == {
        "instructions": "Sing.",
        "metadata": {"topic": "tides", "client_event_id": event_id},
    }


def test_sixteen_labels_are_the_limit_and_are_left_alone_3_10() -> None:
    script = Script()
    metadata = {str(n): "x" for n in range(16)}
    create(script, metadata=metadata)
    (frame,) = script.sent()
    assert frame["response"]["metadata"] == metadata


@pytest.mark.parametrize("metadata", ["x", 7, ["x"]])
def test_labels_that_are_none_are_left_for_the_service_to_refuse(metadata: Any) -> None:
    script = Script()
    create(script, metadata=metadata)
    (frame,) = script.sent()
    assert frame["response"]["metadata"] == metadata


def test_its_response_settles_a_create_and_its_end_opens_the_gate() -> None:
    script = Script()
    ours = create(script)
    assert settled(script.tell(response_created("resp_1", ours=ours))) == [(ours, DONE)]
    assert (gate(script), script.session.gate.active) == (Gate.ACTIVE, "resp_1")

    assert script.tell(response_done("resp_1")) == []
    assert (gate(script), script.session.gate.active) == (Gate.IDLE, None)


def test_a_create_during_a_response_waits_for_its_end_and_only_for_that_3_2() -> None:
    script = Script()
    script.begin("resp_1")
    script.session.send_text("And Rome?", now=0.0)
    (item,) = script.sent()  # the item does not wait (§3.3)
    assert item["type"] == "conversation.item.create"
    script.acknowledge(item)
    script.hear(event("response.output_audio.done", response_id="resp_1", item_id="i"))
    script.hear(event("output_audio_buffer.stopped", response_id="resp_1"))
    assert creates(script) == []

    script.hear(response_done("resp_1"))
    assert len(creates(script)) == 1


def test_creates_that_wait_become_one_and_all_are_settled_by_it() -> None:
    script = Script()
    script.begin("resp_1")
    waiting = [create(script) for _ in range(3)]
    assert creates(script) == []
    script.hear(response_done("resp_1"))
    (left,) = creates(script)

    assert left in waiting
    assert settled(script.tell(response_created("resp_2", ours=left))) == [
        (event_id, DONE) for event_id in waiting
    ]


def test_of_creates_that_wait_the_newer_options_win() -> None:
    script = Script()
    script.begin("resp_1")
    create(script, instructions="Sing.")
    create(script, instructions="Whisper.")
    create(script)
    script.sent()
    script.hear(response_done("resp_1"))
    (frame,) = script.sent()
    assert frame["response"]["instructions"] == "Whisper."


def test_the_end_of_an_unknown_response_does_not_open_the_gate() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(response_done("resp_9"))
    assert script.session.gate.active == "resp_1"
    script.hear(response_done("resp_1"))
    script.begin("resp_2")
    script.hear(response_done("resp_1"))  # once more
    assert script.session.gate.active == "resp_2"


def test_an_end_without_a_beginning_settles_what_was_on_its_way() -> None:
    script = Script()
    ours = create(script)
    assert settled(script.tell(response_done("resp_1"))) == [(ours, DONE)]
    assert gate(script) is Gate.IDLE


@pytest.mark.parametrize("response", [None, "resp_1", {}, {"id": None}, {"status": 7}])
def test_an_end_that_names_nobody_ends_the_response_that_runs(response: Any) -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(event("response.done", response=response))
    assert gate(script) is Gate.IDLE


def test_a_response_that_begins_before_the_end_of_the_last_is_an_anomaly_and_runs() -> None:
    script = Script()
    script.begin("resp_1")
    assert script.tell(response_created("resp_2")) == [
        Anomaly(type="response.created", reason="resp_2 began before resp_1 ended")
    ]
    assert script.session.gate.active == "resp_2"
    script.hear(response_done("resp_1"))
    assert script.session.gate.active == "resp_2"


def test_a_response_that_begins_twice_is_an_anomaly_that_changes_nothing() -> None:
    script = Script()
    script.begin("resp_1")
    assert script.tell(response_created("resp_1")) == [
        Anomaly(type="response.created", reason="resp_1 is running already")
    ]
    assert script.session.gate.active == "resp_1"


def test_a_response_that_begins_after_its_end_does_not_close_the_gate_for_ever() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(response_done("resp_1"))
    assert script.tell(response_created("resp_1")) == [
        Anomaly(type="response.created", reason="resp_1 has ended already")
    ]
    assert gate(script) is Gate.IDLE


# -- beside the conversation


def test_an_out_of_band_response_passes_the_gate_and_leaves_it_as_it_is() -> None:
    script = Script()
    script.begin("resp_1")
    beside = create(script, conversation="none")
    assert creates(script) == [beside]

    assert settled(script.tell(response_created("resp_2", ours=beside, out_of_band=True))) == [
        (beside, DONE)
    ]
    assert script.session.gate.active == "resp_1"
    script.hear(response_done("resp_2"))
    assert (gate(script), script.session.gate.active) == (Gate.ACTIVE, "resp_1")


def test_out_of_band_creates_are_told_apart_by_label_else_by_order() -> None:
    script = Script()
    one, two, three = (create(script, conversation="none") for _ in range(3))
    assert settled(script.tell(response_created("resp_2", ours=two, out_of_band=True))) == [
        (two, DONE)
    ]
    assert settled(script.tell(response_created("resp_1", out_of_band=True))) == [(one, DONE)]
    foreign = response_created("resp_9", ours="somebody's", out_of_band=True)
    assert settled(script.tell(foreign)) == []
    assert settled(script.tell(response_created("resp_3", ours=three, out_of_band=True))) == [
        (three, DONE)
    ]


def test_a_response_that_echoes_our_out_of_band_create_is_beside_the_conversation_3_4() -> None:
    """A clone leaves `conversation_id` out; the label says as much."""
    script = Script()
    beside = create(script, conversation="none")
    frame = response_created("resp_1", ours=beside)
    del frame["response"]["conversation_id"]
    assert settled(script.tell(frame)) == [(beside, DONE)]
    assert (gate(script), script.session.gate.active) == (Gate.IDLE, None)
    assert script.session.gate.is_out_of_band("resp_1")
    script.hear(response_done("resp_1"))
    assert not script.session.gate.is_out_of_band("resp_1")


def test_an_out_of_band_create_that_fails_leaves_the_gate_as_it_is() -> None:
    script = Script()
    script.begin("resp_1")
    beside = create(script, conversation="none")
    assert settled(script.tell(error("invalid_value", event_id=beside))) == [(beside, FAILED)]
    assert script.session.gate.active == "resp_1"


def test_what_a_response_shall_read_passes_untouched_3_4() -> None:
    """Nothing at all is a context too, and items are named by reference (openai-openapi#514)."""
    script = Script()
    nothing = create(script, conversation="none", input=[], instructions="Classify.")
    some = [
        {"type": "item_reference", "id": "item_1"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hm."}]},
    ]
    create(script, conversation="none", input=some)
    one, two = script.sent()
    assert one["response"] == {
        "conversation": "none",
        "input": [],
        "instructions": "Classify.",
        "metadata": {"client_event_id": nothing},
    }
    assert two["response"]["input"] == some


# -- the service's own responses


def test_the_services_own_response_closes_the_gate_too() -> None:
    script = Script()
    script.hear(response_created("resp_1"))
    create(script)
    assert creates(script) == []
    script.hear(response_done("resp_1"))
    assert len(creates(script)) == 1


def test_after_the_users_turn_the_service_is_given_the_floor() -> None:
    script = Script()
    script.hear(speech("started", "item_1"), speech("stopped", "item_1"), committed("item_1"))
    assert gate(script) is Gate.SERVER_EXPECTED
    create(script)
    assert creates(script) == []


def test_the_services_response_answers_a_request_whose_items_it_has_seen() -> None:
    """The user types while speaking: one answer to both (openai-agents-js#1127)."""
    script = Script()
    script.hear(speech("started", "item_1"))
    script.session.send_text("And Rome?", now=0.0)
    (item,) = script.sent()
    script.acknowledge(item)
    script.hear(speech("stopped", "item_1"), committed("item_1"))
    ((_, outcome),) = settled(script.tell(response_created("resp_1")))

    assert outcome is DONE
    script.hear(response_done("resp_1"))
    assert creates(script) == []


@pytest.mark.parametrize("reason", ["unseen item", "options"])
def test_a_request_that_the_services_response_does_not_answer_follows_it(reason: str) -> None:
    script = Script()
    script.hear(speech("started", "item_1"))
    if reason == "options":
        create(script, instructions="Sing.")
    else:
        script.session.send_text("And Rome?", now=0.0)
        script.sent()
    script.hear(speech("stopped", "item_1"), committed("item_1"))
    assert settled(script.tell(response_created("resp_1"))) == []
    assert creates(script) == []
    script.hear(response_done("resp_1"))
    assert len(creates(script)) == 1


def test_a_service_that_does_not_respond_after_all_loses_the_floor() -> None:
    script = Script()
    script.hear(committed("item_1"), now=10.0)
    waiting = create(script)
    assert script.session.next_timeout() == 13.0
    assert script.session.handle_timeout(now=13.0) == [TimedOut(timer=Timer.SERVER_RESPONSE)]
    assert creates(script) == [waiting]
    assert script.session.next_timeout() == 28.0  # now for ours


@pytest.mark.parametrize("vad", [None, {"type": "server_vad", "create_response": False}])
def test_where_the_service_does_not_respond_by_itself_nothing_is_held_up(vad: Any) -> None:
    script = Script(vad=vad)
    script.hear(speech("started", "item_1"), speech("stopped", "item_1"), committed("item_1"))
    assert gate(script) is Gate.IDLE
    assert creates(script) == []
    ours = create(script)
    assert creates(script) == [ours]


def test_before_any_configuration_is_known_the_services_default_holds() -> None:
    script = Script(fresh=True)
    script.hear(committed("item_1"))
    assert gate(script) is Gate.SERVER_EXPECTED


def test_our_own_commit_asks_the_service_for_nothing_1_3() -> None:
    script = Script(plane=SIDEBAND)
    commit = script.session.send(commands.InputAudioBufferCommit(), now=0.0)
    assert settled(script.tell(committed("item_1"))) == [(commit, DONE)]
    assert gate(script) is Gate.IDLE


def test_nothing_leaves_while_the_user_speaks() -> None:
    script = Script()
    script.hear(speech("started", "item_1"))
    create(script)
    assert creates(script) == []


def test_speech_that_came_to_nothing_holds_nothing_up_3_3() -> None:
    script = Script()
    script.hear(speech("started", "item_1"))
    ours = create(script)
    script.hear(event("input_audio_buffer.cleared"))
    assert creates(script) == [ours]


def test_speech_that_we_committed_ourselves_holds_nothing_up_3_3() -> None:
    """It gets an item of its own, and no speech_stopped need follow (§3.3)."""
    script = Script(plane=SIDEBAND)
    script.hear(speech("started", "item_1"))
    script.session.send(commands.InputAudioBufferCommit(), now=0.0)
    ours = create(script)
    script.hear(committed("item_2"))
    assert creates(script) == [ours]


def test_an_idle_timeout_gives_the_service_the_floor_as_a_turn_does() -> None:
    script = Script()
    script.hear(event("input_audio_buffer.timeout_triggered", item_id="item_1"))
    script.hear(committed("item_1"))
    assert gate(script) is Gate.SERVER_EXPECTED


# -- refused, failed, forgotten


def refusal(kind: str, event_id: str) -> Frame:
    old = "Conversation already has an active response"
    return {
        "named": already_active(event_id, "resp_V"),
        "words only": error(None, old, event_id),
        "without event id": already_active(None, "resp_V"),
        "words only, without event id": error(None, old),
    }[kind]


KINDS = ["named", "words only", "without event id", "words only, without event id"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_create_that_lost_the_race_waits_for_the_winners_end_and_goes_again(kind: str) -> None:
    script = Script()
    ours = create(script)
    assert creates(script) == [ours]
    assert script.tell(refusal(kind, ours)) == []
    assert gate(script) is Gate.ACTIVE
    assert creates(script) == []

    script.hear(response_done("resp_V"))
    assert creates(script) == [ours]
    assert settled(script.tell(response_created("resp_1", ours=ours))) == [(ours, DONE)]


def test_a_create_that_lost_the_race_is_joined_by_what_was_asked_since() -> None:
    script = Script()
    first = create(script)
    second = create(script)
    assert creates(script) == [first]
    script.hear(already_active(first, "resp_V"), response_done("resp_V"))
    (left,) = creates(script)
    events = script.tell(response_created("resp_1", ours=left))
    assert settled(events) == [(first, DONE), (second, DONE)]


def test_a_create_that_lost_to_a_response_which_had_seen_all_is_not_sent_again() -> None:
    """Our item was in, VAD answered it: a second answer would repeat the first."""
    script = Script()
    ours = script.say("And Rome?")
    script.hear(response_created("resp_V"))
    assert settled(script.tell(already_active(ours, "resp_V"))) == [(ours, DONE)]
    script.hear(response_done("resp_V"))
    assert creates(script) == []


def test_a_create_that_lost_to_a_response_already_over_goes_again_at_once() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(response_done("resp_1"))
    ours = create(script)
    assert creates(script) == [ours]
    script.hear(already_active(ours, "resp_1"))
    assert creates(script) == [ours]


def test_the_services_own_response_that_was_quicker_does_not_settle_our_create() -> None:
    script = Script()
    ours = create(script, instructions="Sing.")
    script.sent()
    assert settled(script.tell(response_created("resp_V"))) == []
    script.hear(already_active(ours, "resp_V"), response_done("resp_V"))
    assert creates(script) == [ours]


def test_a_create_that_fails_opens_the_gate_for_the_next() -> None:
    script = Script()
    first = create(script, voice="none such")
    second = create(script)
    script.sent()
    (failure,) = script.tell(error("invalid_value", "No such voice.", first))
    assert settled([failure]) == [(first, FAILED)]
    assert creates(script) == [second]


def test_a_create_that_nobody_answers_is_lost_and_the_next_leaves() -> None:
    script = Script()
    first = create(script)
    second = create(script)
    assert script.session.next_timeout() == 15.0
    events = list(script.session.handle_timeout(now=15.0))
    assert events[0] == TimedOut(timer=Timer.RESPONSE_CREATED)
    assert settled(events) == [(first, LOST)]
    assert creates(script) == [first, second]


def test_an_error_about_a_create_that_has_not_left_changes_nothing() -> None:
    script = Script(plane=RELAY)
    script.begin("resp_1")
    waiting = create(script)
    assert settled(script.tell(error("invalid_value", event_id=waiting))) == []
    script.hear(response_done("resp_1"))
    assert creates(script) == [waiting]
    assert settled(script.tell(response_created("resp_2", ours=waiting))) == [(waiting, DONE)]


def test_the_refusal_of_somebody_elses_create_is_not_ours() -> None:
    script = Script()
    ours = create(script)
    script.sent()
    script.hear(already_active("event_of_the_page", "resp_V"))
    assert gate(script) is Gate.CREATE_SENT
    assert settled(script.tell(response_created("resp_1", ours=ours))) == [(ours, DONE)]


def test_a_refusal_while_nothing_is_on_its_way_changes_nothing() -> None:
    script = Script()
    assert script.tell(already_active(None, "resp_V")) == []
    assert gate(script) is Gate.IDLE


def test_what_waits_is_lost_with_the_line() -> None:
    script = Script()
    on_its_way, waiting = create(script), create(script)
    events = list(script.session.receive_close(now=0.0))
    assert settled(events) == [(on_its_way, LOST), (waiting, LOST)]


# -- cancelling


def test_a_cancel_names_the_response_and_its_end_settles_it() -> None:
    script = Script()
    script.begin("resp_1")
    event_id = script.session.cancel(now=0.0)
    assert event_id is not None
    assert script.sent() == [
        {"type": "response.cancel", "event_id": event_id, "response_id": "resp_1"}
    ]
    events = script.tell(response_done("resp_1", "cancelled", reason="client_cancelled"))
    assert settled(events) == [(event_id, DONE)]


@pytest.mark.parametrize("state", ["idle", "cancelled already", "expected of the service"])
def test_a_cancel_with_nothing_to_stop_is_no_mistake(state: str) -> None:
    script = Script()
    if state == "cancelled already":
        script.begin("resp_1")
        script.session.cancel(now=0.0)
        script.sent()
    elif state == "expected of the service":
        script.hear(committed("item_1"))
    assert script.session.cancel(now=0.0) is None
    assert script.sent() == []


def test_a_create_right_after_a_cancel_waits_for_the_end() -> None:
    script = Script()
    script.begin("resp_1")
    script.session.cancel(now=0.0)
    script.session.send_text("Rather Rome.", now=0.0)
    assert script.sent_types() == ["response.cancel", "conversation.item.create"]
    script.hear(response_done("resp_1", "cancelled", reason="client_cancelled"))
    assert script.sent_types() == ["response.create"]


def test_a_cancel_before_the_response_has_an_id_leaves_as_soon_as_it_has_one() -> None:
    script = Script()
    ours = create(script)
    script.sent()
    assert script.session.cancel(now=0.0) is None
    assert script.sent() == []
    assert gate(script) is Gate.CANCEL_PENDING

    assert settled(script.tell(response_created("resp_1", ours=ours))) == [(ours, DONE)]
    assert cancels(script) == ["resp_1"]
    script.hear(response_done("resp_1", "cancelled", reason="client_cancelled"))
    assert gate(script) is Gate.IDLE


def test_what_still_comes_of_a_stopped_response_is_known_by_its_id_3_5() -> None:
    script = Script()
    script.begin("resp_1")
    assert not script.session.is_stopped("resp_1")
    script.session.cancel(now=0.0)
    assert script.session.is_stopped("resp_1")
    script.hear(response_done("resp_1", "cancelled", reason="client_cancelled"))
    script.begin("resp_2")
    assert [script.session.is_stopped(f"resp_{n}") for n in (1, 2)] == [True, False]


def test_what_the_user_spoke_over_is_stopped_3_5() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(response_done("resp_1", "cancelled", reason="turn_detected"))
    assert script.session.is_stopped("resp_1")


def test_a_response_beside_the_conversation_can_be_stopped_too_3_5() -> None:
    script = Script()
    script.hear(response_created("resp_1", out_of_band=True))
    script.session.send(commands.ResponseCancel(response_id="resp_1"), now=0.0)
    assert script.session.is_stopped("resp_1")


def test_a_cancel_that_was_refused_stops_nothing_3_5() -> None:
    script = Script()
    script.begin("resp_1")
    cancel = script.session.cancel(now=0.0)
    script.hear(error("invalid_value", event_id=cancel))
    assert not script.session.is_stopped("resp_1")


def test_what_is_stopped_as_it_begins_is_told_at_once_3_5() -> None:
    script = Script()
    ours = create(script)
    script.session.cancel(now=0.0)
    begun = response_created("resp_1", ours=ours)
    assert Interrupted(response_id="resp_1") in script.tell(begun)
    ended = response_done("resp_1", "cancelled", reason="client_cancelled")
    assert Interrupted(response_id="resp_1") not in script.tell(ended)


def test_a_response_to_a_request_given_up_is_stopped_when_it_comes_3_5() -> None:
    """It was settled as lost; whoever asked has moved on (livekit/agents#6223)."""
    script = Script()
    ours = create(script)
    script.session.handle_timeout(now=15.0)
    script.sent()
    late = script.tell(response_created("resp_1", ours=ours), now=20.0)
    assert late == [Interrupted(response_id="resp_1")]
    assert cancels(script) == ["resp_1"]
    script.hear(response_done("resp_1", "cancelled", reason="client_cancelled"))
    assert gate(script) is Gate.IDLE


def test_a_response_that_nobody_of_ours_asked_for_is_not_stopped_with_them_3_5() -> None:
    script = Script()
    create(script)
    script.session.handle_timeout(now=15.0)
    script.sent()
    assert script.tell(response_created("resp_1")) == []
    assert cancels(script) == []


def test_after_a_turn_that_nobody_answered_a_response_may_be_ours_without_saying_so() -> None:
    """A clone that does not echo metadata; what the service owed once, it owes no more."""
    script = Script()
    script.hear(speech("started", "item_u"), speech("stopped", "item_u"))
    assert gate(script) is Gate.SERVER_EXPECTED
    script.session.handle_timeout(now=3.0)
    ours = script.session.send(commands.ResponseCreate(), now=4.0)
    assert script.sent_types() == ["response.create"]
    script.hear(response_created("resp_1"), now=5.0)
    assert settled(script.tell(response_done("resp_1"), now=6.0)) == [(ours, DONE)]
    assert gate(script) is Gate.IDLE


def give_up_a_turn(script: Script) -> str:
    """The service owes an answer to the user, and is too slow; gives what is asked for instead."""
    script.hear(speech("started", "item_u"), speech("stopped", "item_u"))
    script.session.handle_timeout(now=3.0)
    return create(script)


def test_the_late_answer_to_a_turn_is_taken_for_ours_where_nothing_tells_them_apart_3_4() -> None:
    """It ends before the service even reads our create, which it may then refuse all the same:
    told as it is, and the command, settled, is not settled again (law 5)."""
    script = Script()
    ours = give_up_a_turn(script)
    script.hear(response_created("resp_late"), now=4.0)
    assert settled(script.tell(response_done("resp_late"), now=5.0)) == [(ours, DONE)]
    refusal = error("unknown_parameter", event_id=ours)
    assert script.tell(refusal, now=6.0) == []
    assert gate(script) is Gate.IDLE


@pytest.mark.parametrize("known", ["before it began", "before it ended"])
def test_from_a_service_known_to_echo_a_late_answer_to_a_turn_does_not_settle_ours_3_4(
    known: str,
) -> None:
    script = Script()
    ours = give_up_a_turn(script)
    beside = response_created("resp_x", ours=create(script, conversation="none"), out_of_band=True)
    late = response_created("resp_late")
    script.hear(*([beside, late] if known == "before it began" else [late, beside]), now=4.0)
    assert settled(script.tell(response_done("resp_late"), now=5.0)) == []
    assert gate(script) is Gate.CREATE_SENT
    refusal = error("unknown_parameter", event_id=ours)
    assert settled(script.tell(refusal, now=6.0)) == [(ours, FAILED)]


def test_a_create_cancelled_on_its_way_is_not_sent_again_when_it_was_refused() -> None:
    script = Script()
    ours = create(script)
    script.session.cancel(now=0.0)
    script.sent()
    assert settled(script.tell(already_active(ours, "resp_V"))) == [(ours, DONE)]
    script.hear(response_done("resp_V"))
    assert creates(script) == []


def test_a_cancel_keeps_the_request_that_waits() -> None:
    script = Script()
    script.begin("resp_1")
    waiting = create(script)
    script.session.cancel(now=0.0)
    script.hear(response_done("resp_1", "cancelled", reason="client_cancelled"))
    assert creates(script) == [waiting]


def test_a_cancel_that_came_too_late_opens_the_gate() -> None:
    script = Script()
    script.begin("resp_1")
    cancel = script.session.cancel(now=0.0)
    script.sent()
    events = script.tell(error("response_cancel_not_active", event_id=cancel))
    assert settled(events) == [(cancel, FAILED)]
    assert gate(script) is Gate.IDLE
    waiting = create(script)
    assert creates(script) == [waiting]
    script.hear(response_done("resp_1"))  # the end that we had missed
    assert gate(script) is Gate.CREATE_SENT


def test_a_cancel_that_named_a_response_too_early_does_not_end_it() -> None:
    script = Script()
    early = script.session.send(commands.ResponseCancel(response_id="resp_1"), now=0.0)
    script.begin("resp_1")
    events = script.tell(error("response_cancel_not_active", event_id=early))
    assert settled(events) == [(early, FAILED)]
    assert (gate(script), script.session.gate.active) == (Gate.ACTIVE, "resp_1")
    script.hear(response_done("resp_1"))
    assert gate(script) is Gate.IDLE


def test_the_refusal_of_a_cancel_may_come_after_the_natural_end() -> None:
    script = Script()
    script.begin("resp_1")
    cancel = script.session.cancel(now=0.0)
    assert settled(script.tell(response_done("resp_1"))) == [(cancel, DONE)]
    script.begin("resp_2")
    assert script.tell(error("response_cancel_not_active", event_id=cancel)) == []
    assert script.session.gate.active == "resp_2"


def test_a_cancel_that_failed_for_another_reason_leaves_the_response_running() -> None:
    script = Script()
    script.begin("resp_1")
    cancel = script.session.cancel(now=0.0)
    create(script)
    script.sent()
    assert settled(script.tell(error("invalid_value", event_id=cancel))) == [(cancel, FAILED)]
    assert creates(script) == []
    script.hear(response_done("resp_1"))
    assert len(creates(script)) == 1


def test_a_cancel_without_an_id_is_given_the_active_one_3_5() -> None:
    script = Script()
    script.begin("resp_1")
    script.session.send(commands.ResponseCancel(), now=0.0)
    assert cancels(script) == ["resp_1"]


def test_a_cancel_may_name_a_response_beside_the_conversation() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(response_created("resp_2", out_of_band=True))
    cancel = script.session.send(commands.ResponseCancel(response_id="resp_2"), now=0.0)
    assert cancels(script) == ["resp_2"]
    assert gate(script) is Gate.ACTIVE
    assert settled(script.tell(response_done("resp_2", "cancelled"))) == [(cancel, DONE)]


@pytest.mark.parametrize("state", ["idle", "create_sent", "cancel_sent"])
def test_a_cancel_command_with_nothing_to_cancel_names_the_state(state: str) -> None:
    script = Script()
    if state == "create_sent":
        create(script)
    elif state == "cancel_sent":
        script.begin("resp_1")
        script.session.cancel(now=0.0)
    script.sent()
    with pytest.raises(LocalProtocolError, match=f"ResponseCancel is not legal .* {state}"):
        script.session.send(commands.ResponseCancel(), now=0.0)
    assert script.sent() == []
    assert gate(script).value == state


def test_items_acknowledged_late_keep_their_request_3_3() -> None:
    """Items of ours may come only after the running response's end [W]."""
    script = Script()
    script.begin("resp_1")
    script.session.send_text("And Rome?", now=0.0)
    (item,) = script.sent()
    script.hear(response_done("resp_1"))
    (left,) = creates(script)
    script.hear(item_added({**message("x", "user", "And Rome?"), "id": item["item"]["id"]}))
    assert settled(script.tell(response_created("resp_2", ours=left))) == [(left, DONE)]
