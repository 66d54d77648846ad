"""How a session begins and what is known of its configuration: §3.1, §1.6."""

import pytest

from support.frames import (
    Script,
    error,
    event,
    response_created,
    session_created,
    session_updated,
    settled,
)
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    Anomaly,
    LocalProtocolError,
    Outcome,
    Phase,
    Plane,
    Session,
    SessionClosed,
    TimedOut,
    Timer,
    commands,
)

WARNED = 3300.0  # seconds from the first frame until all that is left is the end of the session


def test_a_websocket_begins_created_then_updated_3_1() -> None:
    script = Script(fresh=True)
    phases = [script.session.phase]
    script.session.session_update({"instructions": "Be brief."}, now=0.0)
    for frame in (session_created(), session_updated(instructions="Be brief.")):
        script.hear(frame)
        phases.append(script.session.phase)

    assert phases == [Phase.CONNECTING, Phase.CREATED, Phase.READY]
    assert script.session.settings.effective["instructions"] == "Be brief."


@pytest.mark.parametrize("plane", [SIDEBAND, RELAY], ids=["sideband", "relay"])
def test_a_sideband_begins_with_updated_and_nothing_is_wrong_with_that_3_1(plane: Plane) -> None:
    script = Script(plane=plane, fresh=True)
    update = script.session.session_update({}, now=0.0)
    assert settled(script.tell(session_updated())) == [(update, Outcome.DONE)]
    assert script.session.phase is Phase.READY


def test_whoever_attaches_late_hears_neither_and_goes_on_3_1() -> None:
    script = Script(plane=SIDEBAND, fresh=True)
    assert script.tell(event("input_audio_buffer.cleared")) == []
    assert script.session.phase is Phase.CREATED


def test_commands_need_not_wait_for_the_service_to_speak_3_1() -> None:
    script = Script(fresh=True)
    script.session.session_update({"instructions": "Be brief."}, now=0.0)
    script.session.send_text("Hello.", now=0.0)
    assert script.sent_types() == ["session.update", "conversation.item.create", "response.create"]


def test_an_update_is_a_patch_and_its_type_is_filled_in_1_6() -> None:
    script = Script()
    event_id = script.session.session_update({"audio": {"output": {"voice": "marin"}}}, now=0.0)
    assert script.sent() == [
        {
            "type": "session.update",
            "event_id": event_id,
            "session": {"type": "realtime", "audio": {"output": {"voice": "marin"}}},
        }
    ]


def test_what_we_asked_for_is_kept_patch_upon_patch_1_6() -> None:
    script = Script()
    ask = script.session.session_update
    ask({"instructions": "A", "audio": {"output": {"speed": 1.0, "voice": "marin"}}}, now=0.0)
    ask({"instructions": "B", "audio": {"output": {"speed": 1.5}}, "tools": None}, now=0.0)
    assert script.session.settings.desired == {
        "type": "realtime",
        "instructions": "B",
        "audio": {"output": {"speed": 1.5, "voice": "marin"}},
        "tools": None,
    }


def test_what_we_asked_for_is_ours_even_if_the_caller_goes_on_writing_in_it() -> None:
    script = Script()
    patch = {"tools": [{"type": "function", "name": "one"}]}
    script.session.session_update(patch, now=0.0)
    patch["tools"].clear()
    assert script.session.settings.desired["tools"] == [{"type": "function", "name": "one"}]


def test_a_refused_update_loses_the_whole_patch_and_nothing_else_3_1() -> None:
    script = Script(instructions="Be brief.")
    before = script.session.settings.effective
    update = script.session.session_update({"instructions": "Be long.", "tools": 5}, now=0.0)
    events = script.tell(error("invalid_value", "Invalid value.", update))

    assert settled(events) == [(update, Outcome.FAILED)]
    assert script.session.settings.effective == before
    assert script.session.phase is Phase.READY


def test_updates_are_confirmed_in_the_order_they_were_sent() -> None:
    script = Script()
    first = script.session.session_update({"instructions": "A"}, now=0.0)
    second = script.session.session_update({"instructions": "B"}, now=0.0)
    assert settled(script.tell(session_updated())) == [(first, Outcome.DONE)]
    assert settled(script.tell(session_updated())) == [(second, Outcome.DONE)]
    assert settled(script.tell(session_updated())) == []


@pytest.mark.parametrize("how", ["after created", "after updated"])
def test_a_second_created_is_an_anomaly_and_configures_nothing_3_1(how: str) -> None:
    script = Script(fresh=True)
    script.hear(session_created(instructions="Ours."))
    if how == "after updated":
        script.hear(session_updated(instructions="Ours."))
    phase = script.session.phase

    (anomaly,) = script.tell(session_created(instructions="Somebody else's."))
    assert anomaly == Anomaly(type="session.created", reason=f"the session is {phase.value}")
    assert script.session.phase is phase
    assert script.session.settings.effective["instructions"] == "Ours."


@pytest.mark.parametrize("session", [[], 7, "x", None, {"audio": {"input": [1]}}])
def test_a_configuration_of_any_shape_is_taken_in_stride(session: object) -> None:
    script = Script(fresh=True)
    assert script.tell({"type": "session.updated", "session": session}) == []
    assert script.session.phase is Phase.READY
    effective = script.session.settings.effective
    assert effective == (session if isinstance(session, dict) else {})


def test_nothing_is_in_force_until_the_service_says_so() -> None:
    assert Script(fresh=True).session.settings.effective == {}


# -- audio that comes before the session is as it was asked to be

SOUND, APPEND = bytes(4800), "input_audio_buffer.append"


def test_audio_is_held_until_the_configuration_is_confirmed_3_1() -> None:
    """The model would hear it with another's instructions (ag2ai/ag2#509)."""
    script = Script(fresh=True)
    script.session.send_audio(SOUND, now=0.0)
    script.session.session_update({"instructions": "Be brief."}, now=0.0)
    script.session.send(commands.InputAudioBufferAppend(audio=SOUND), now=0.0)
    script.hear(session_created())
    assert script.sent_types() == ["session.update"]
    script.hear(session_updated(instructions="Be brief."))
    script.session.send_audio(SOUND, now=0.0)
    assert script.sent_types() == [APPEND] * 3


def test_what_is_sent_behind_audio_keeps_its_place_and_updates_overtake_it_3_1() -> None:
    script = Script(fresh=True)
    script.session.session_update({"instructions": "Be brief."}, now=0.0)
    script.session.send_audio(SOUND, now=0.0)
    script.session.send(commands.InputAudioBufferCommit(), now=0.0)
    script.session.send_text("What did I say?", now=0.0)
    script.session.session_update({"instructions": "Be very brief."}, now=0.0)
    assert script.sent_types() == ["session.update"] * 2
    script.hear(session_updated(instructions="Be brief."))
    assert script.sent_types() == [
        APPEND,
        "input_audio_buffer.commit",
        "conversation.item.create",
        "response.create",
    ]


def test_what_stops_something_does_not_wait_for_audio_3_1() -> None:
    script = Script(fresh=True)
    script.session.session_update({"instructions": "Be brief."}, now=0.0)
    script.session.send_text("Hello.", now=0.0)
    script.hear(session_created(), response_created("resp_1"))
    script.session.send_audio(SOUND, now=0.0)
    script.sent()
    script.session.cancel(now=0.0)
    assert script.sent_types() == ["response.cancel"]


def test_where_nothing_was_asked_for_the_first_word_of_the_service_is_enough_3_1() -> None:
    script = Script(fresh=True)
    script.session.send_audio(SOUND, now=0.0)
    assert script.sent_types() == []
    script.hear(session_created())
    assert script.sent_types() == [APPEND]


def test_audio_is_held_for_as_long_as_the_handshake_may_take_and_no_longer_3_1() -> None:
    script = Script(fresh=True)
    script.session.session_update({"instructions": "Be brief."}, now=0.0)
    script.session.send_audio(SOUND, now=14.0)
    assert script.sent_types() == ["session.update"]
    script.session.handle_timeout(now=15.0)
    script.session.send_audio(SOUND, now=15.0)
    assert script.sent_types() == [APPEND] * 2


def test_audio_that_is_held_when_the_line_breaks_never_leaves_3_1() -> None:
    script = Script(fresh=True)
    script.session.send_audio(SOUND, now=0.0)
    script.session.receive_close(now=0.0)
    script.hear(session_created())
    assert script.sent() == []


# -- the deadline of the handshake


def test_a_service_that_says_nothing_is_told_once() -> None:
    session = Session(now=100.0)
    assert session.next_timeout() == 115.0
    assert session.handle_timeout(now=114.9) == []
    assert session.handle_timeout(now=115.0) == [TimedOut(timer=Timer.HANDSHAKE)]
    assert session.next_timeout() is None
    assert session.handle_timeout(now=500.0) == []
    assert session.phase is Phase.CONNECTING


def test_an_update_that_is_not_confirmed_is_told_once() -> None:
    script = Script(fresh=True)
    script.session.session_update({}, now=0.0)
    script.hear(session_created(), now=1.0)
    assert script.session.next_timeout() == 15.0
    assert script.session.handle_timeout(now=15.0) == [TimedOut(timer=Timer.HANDSHAKE)]
    script.session.send_text("Hello.", respond=False, now=16.0)
    assert script.session.next_timeout() == 1.0 + WARNED


def test_a_confirmed_configuration_ends_the_wait() -> None:
    script = Script()
    assert script.session.next_timeout() == WARNED


def test_whoever_asks_for_nothing_waits_for_no_confirmation() -> None:
    """The service's defaults are in `session.created`; no `session.updated` ever follows."""
    script = Script(fresh=True)
    script.hear(session_created())
    assert script.session.next_timeout() == WARNED


def test_a_relayed_session_leaves_the_waiting_to_its_hop() -> None:
    assert Session(plane=RELAY, now=0.0).next_timeout() is None


# -- the end


def test_after_the_close_nothing_is_left_to_do() -> None:
    script = Script(fresh=True)
    update = script.session.session_update({}, now=0.0)
    assert not script.session.closed

    events = script.session.receive_close(code=1006, reason="gone", now=1.0)
    assert settled(list(events)) == [(update, Outcome.LOST)]
    assert events[-1] == SessionClosed(code=1006, reason="gone")
    assert script.session.closed
    assert script.sent() == []
    assert script.session.next_timeout() is None
    assert script.session.receive_close(now=2.0) == []
    assert script.session.handle_timeout(now=99.0) == []


def test_calls_make_sense_until_the_session_is_about_to_end() -> None:
    script = Script(fresh=True)
    assert script.session.takes_commands
    script.hear(session_updated())
    assert script.session.takes_commands
    script.hear(error("session_expired"))
    assert script.session.phase is Phase.ENDING
    assert not script.session.takes_commands
    script.session.receive_close(now=1.0)
    assert not script.session.takes_commands


def test_a_frame_after_the_close_is_an_anomaly() -> None:
    script = Script()
    script.session.receive_close(now=0.0)
    assert script.hear(session_updated(instructions="Late.")) == [
        Anomaly(type="session.updated", reason="the session is closed")
    ]
    assert "instructions" not in script.session.settings.effective


def test_closing_from_our_side_settles_as_losing_the_line_does() -> None:
    script = Script()
    event_id = script.session.send_text("Hello.", respond=False, now=0.0)
    events = list(script.session.close(now=0.0))
    assert settled(events) == [(event_id, Outcome.LOST)]
    assert events[-1] == SessionClosed(reason="closed by us")
    with pytest.raises(LocalProtocolError, match=r"send_text .* closed"):
        script.session.send_text("Hello?", now=1.0)


def test_what_opens_a_session_elsewhere_is_taken_out_in_order() -> None:
    script = Script(fresh=True, plane=DIRECT)
    script.session.session_update({"instructions": "Be brief."}, now=0.0)
    script.session.send_text("Hello.", respond=False, now=0.0)
    first, second = script.session.session_init_data()
    assert first["session"] == {"type": "realtime", "instructions": "Be brief."}
    assert second["item"]["content"] == [{"type": "input_text", "text": "Hello."}]
    assert script.sent() == []
    assert script.session.session_init_data() == []
