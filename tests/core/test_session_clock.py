"""Deadlines of a session: calls that nobody answers, silence, a clear that finds nothing."""

from typing import Any

import pytest

from support.frames import (
    Script,
    announced,
    audio_delta,
    committed,
    completed,
    event,
    item_added,
    message,
    playing,
    response_created,
    response_done,
    settled,
    speech,
)
from talkwire import (
    RELAY,
    SIDEBAND,
    Event,
    LocalProtocolError,
    Outcome,
    Plane,
    Session,
    TimedOut,
    Timer,
    commands,
)

QUIET = {Timer.EXPIRY: None}  # nobody asks for the end of the session here


def script_with(plane: Plane = SIDEBAND, **how: Any) -> Script:
    script = Script(plane=plane)
    script.session = Session(plane=plane, now=0.0, **how)
    return script


def woken(script: Script, now: float) -> list[Event]:
    return list(script.session.handle_timeout(now=now))


# -- function calls


def called(*call_ids: str, now: float = 0.0, **how: Any) -> Script:
    script = script_with(**{"delays": QUIET, **how})
    script.hear(response_created("resp_1"))
    for call_id in call_ids:
        script.hear(*announced("resp_1", call_id), *completed("resp_1", call_id), now=now)
    script.hear(response_done("resp_1"))
    return script


def test_a_call_that_nobody_answers_is_told_once_and_may_still_be_answered_3_7() -> None:
    script = called("call_1", now=10.0)
    assert script.session.next_timeout() == 40.0
    assert woken(script, 40.0) == [TimedOut(timer=Timer.TOOL, call_id="call_1")]
    assert script.session.next_timeout() is None
    assert woken(script, 1000.0) == []
    script.session.send_function_result("call_1", "late", now=1000.0)
    assert script.sent_types() == ["conversation.item.create", "response.create"]


def test_each_call_has_a_deadline_of_its_own() -> None:
    script = called("call_1", now=10.0)
    script.hear(response_created("resp_1"), *announced("resp_2", "call_2"))
    script.hear(*completed("resp_2", "call_2"), now=15.0)
    assert woken(script, 40.0) == [TimedOut(timer=Timer.TOOL, call_id="call_1")]
    assert script.session.next_timeout() == 45.0
    assert woken(script, 45.0) == [TimedOut(timer=Timer.TOOL, call_id="call_2")]


def test_calls_due_at_once_are_told_at_once() -> None:
    script = called("call_1", "call_2")
    told = woken(script, 30.0)
    assert [getattr(event, "call_id", None) for event in told] == ["call_1", "call_2"]


def test_a_call_that_is_answered_is_awaited_no_longer() -> None:
    script = called("call_1", "call_2")
    script.session.send_function_result("call_1", "42", now=1.0)
    assert woken(script, 30.0) == [TimedOut(timer=Timer.TOOL, call_id="call_2")]
    script = called("call_1")
    script.session.send_function_result("call_1", "42", respond=False, now=1.0)
    assert script.session.next_timeout() is None


def test_a_call_outside_the_conversation_cannot_be_answered_so_nobody_waits_3_4() -> None:
    script = script_with(delays=QUIET)
    script.hear(response_created("resp_o", out_of_band=True))
    script.hear(*announced("resp_o", "call_1")[:1], *completed("resp_o", "call_1"))
    script.hear(response_done("resp_o"))
    assert script.session.next_timeout() is None


def test_how_long_a_function_may_take_is_yours_to_choose() -> None:
    script = called("call_1", delays={**QUIET, Timer.TOOL: 2.0})
    assert script.session.next_timeout() == 2.0
    script = called("call_1", delays={**QUIET, Timer.TOOL: None})
    assert script.session.next_timeout() is None


# -- a clear that finds nothing


@pytest.mark.parametrize("plane", [SIDEBAND, RELAY], ids=lambda plane: plane.name)
def test_a_clear_that_nothing_answers_is_done_after_a_while_8(plane: Plane) -> None:
    script = script_with(plane, delays=QUIET)
    script.hear(event("input_audio_buffer.cleared"))
    clear = script.session.send(commands.OutputAudioBufferClear(), now=10.0)
    assert script.session.next_timeout() == 15.0
    events = woken(script, 15.0)
    assert events[0] == TimedOut(timer=Timer.CLEARED)
    assert settled(events) == [(clear, Outcome.DONE)]
    assert script.session.next_timeout() is None


def test_a_clear_that_is_answered_is_awaited_no_longer() -> None:
    script = script_with(delays=QUIET)
    script.hear(response_created("resp_1"), playing("resp_1", "started"))
    clear = script.session.send(commands.OutputAudioBufferClear(), now=10.0)
    assert settled(script.hear(playing("resp_1", "cleared"))) == [(clear, Outcome.DONE)]
    assert script.session.next_timeout() is None


# -- silence


def idle(**how: Any) -> Script:
    script = script_with(delays={**QUIET, Timer.IDLE: 20.0}, **how)
    script.hear(event("input_audio_buffer.cleared"), now=10.0)
    return script


def test_nobody_asks_for_silence_unless_told_to() -> None:
    script = script_with(delays=QUIET)
    script.hear(event("input_audio_buffer.cleared"))
    assert script.session.next_timeout() is None


def test_silence_is_told_once_until_something_happens() -> None:
    script = idle()
    assert script.session.next_timeout() == 30.0
    assert woken(script, 30.0) == [TimedOut(timer=Timer.IDLE)]
    script.hear(event("input_audio_buffer.cleared"), now=40.0)
    assert script.session.next_timeout() is None
    script.hear(speech("started", "item_u"), now=50.0)
    script.hear(speech("stopped", "item_u"), committed("item_u"), now=51.0)
    script.hear(response_created("resp_1"), response_done("resp_1"), now=52.0)
    assert script.session.next_timeout() == 72.0


def test_before_the_service_speaks_there_is_no_silence() -> None:
    script = script_with(RELAY, delays={Timer.IDLE: 20.0})
    script.session.send_text("Hello.", respond=False, now=0.0)
    assert script.session.next_timeout() is None


def test_what_you_send_breaks_the_silence() -> None:
    script = idle()
    script.session.send_text("Are you there?", role="system", respond=False, now=20.0)
    assert script.session.next_timeout() == 40.0


@pytest.mark.parametrize("detects", [True, False])
def test_while_somebody_speaks_or_is_answered_there_is_no_silence(detects: bool) -> None:
    script = idle()
    vad = {"type": "server_vad", "create_response": detects}
    script.hear(event("session.updated", session={"audio": {"input": {"turn_detection": vad}}}))
    script.hear(speech("started", "item_u"), now=12.0)
    assert script.session.next_timeout() == (42.0 if detects else None)  # that is the speech's
    script.hear(speech("stopped", "item_u"), committed("item_u"), now=13.0)
    assert script.session.next_timeout() == (16.0 if detects else 33.0)


def test_a_turn_that_comes_to_nothing_is_silence() -> None:
    script = idle()
    script.hear(speech("started", "item_u"), now=12.0)
    script.hear(event("input_audio_buffer.cleared"), now=13.0)
    assert script.session.next_timeout() == 33.0


def test_while_something_is_played_or_a_function_runs_there_is_no_silence() -> None:
    script = idle()
    script.hear(response_created("resp_1"), playing("resp_1", "started"), now=12.0)
    script.hear(response_done("resp_1"), now=13.0)
    assert script.session.next_timeout() is None
    script.hear(playing("resp_1", "stopped"), now=14.0)
    assert script.session.next_timeout() == 34.0

    script = called("call_1", delays={**QUIET, Timer.IDLE: 20.0})
    assert script.session.next_timeout() == 30.0  # the function's
    assert woken(script, 30.0) == [TimedOut(timer=Timer.TOOL, call_id="call_1")]
    assert script.session.next_timeout() is None  # late, and running all the same
    script.session.send_function_result("call_1", "42", respond=False, now=35.0)
    assert script.session.next_timeout() == 55.0


def test_where_you_play_the_audio_your_reports_tell_when_it_is_silent() -> None:
    script = Script()
    script.session = Session(now=0.0, delays={**QUIET, Timer.IDLE: 20.0})
    script.hear(response_created("resp_1"), item_added(message("item_a", "assistant")))
    script.hear(audio_delta("resp_1", "item_a", 1000))
    script.session.report_playback("item_a", 0, now=1.0)
    script.hear(response_done("resp_1"), now=2.0)
    assert script.session.next_timeout() is None
    script.session.report_playback("item_a", 1000, now=3.0)
    assert script.session.next_timeout() == 23.0
    script.session.report_playback("item_a", 1000, now=4.0)  # nothing new
    assert script.session.next_timeout() == 23.0
    assert woken(script, 23.0) == [TimedOut(timer=Timer.IDLE)]
    script.session.report_playback("item_a", 1000, now=24.0)
    assert script.session.next_timeout() is None


# -- delays of your own


@pytest.mark.parametrize("bad", [-1.0, True, float("inf"), float("nan"), "soon"])
def test_what_is_no_time_is_no_delay(bad: Any) -> None:
    with pytest.raises(LocalProtocolError, match="not a time in seconds"):
        Session(now=0.0, delays={Timer.TOOL: bad})


@pytest.mark.parametrize("timer", [Timer.HELLO, Timer.READY, "tool"])
def test_a_session_has_no_timers_but_its_own(timer: Any) -> None:
    with pytest.raises(LocalProtocolError, match="no timer of a session"):
        Session(now=0.0, delays={timer: 1.0})


def test_a_handshake_of_your_own_length_runs_from_the_first_moment() -> None:
    assert Session(now=10.0, delays={Timer.HANDSHAKE: 2.0}).next_timeout() == 12.0
    assert Session(now=10.0, delays={Timer.HANDSHAKE: None}).next_timeout() is None
