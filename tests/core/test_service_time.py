"""What a service does when nothing happens: the end of a session, a user who says nothing."""

import pytest

from support.service_line import Frame, Line, said
from talkwire.errors import LocalProtocolError
from talkwire.realtime.engine import (
    PlaybackCleared,
    ResponseRequested,
    ResponseStopped,
    TranscriptionRequested,
)
from talkwire.realtime.wire import EVENT_TYPES


def patient(idle_timeout_ms: int | None = 6000, **detection: bool) -> Frame:
    """Session settings under which the service waits so long for the user."""
    vad = {"type": "server_vad", "idle_timeout_ms": idle_timeout_ms, **detection}
    return {"audio": {"input": {"turn_detection": vad}}}


def waiting(plane: str = "websocket", **detection: bool) -> Line:
    """A line whose user is awaited from second 0 on: a response of text has just ended."""
    line = Line(plane=plane, session=patient(**detection))
    line.done(line.respond())
    line.frames()
    return line


# The end of a session (§3.9, §3.10)


def test_a_session_ends_after_60_minutes_with_an_error_and_close_1001_3_10() -> None:
    line = Line()
    response_id = line.respond()
    line.frames()
    assert line.service.next_timeout() == 3600
    assert line.sleep(3599.9) == []
    assert (line.service.closed, line.service.close_code) == (False, None)

    assert line.sleep(0.1) == [ResponseStopped(response_id=response_id)]

    assert line.error() == {
        "type": "invalid_request_error",
        "code": "session_expired",
        "message": "Your session hit the maximum duration of 60 minutes.",
        "param": None,
        "event_id": None,
    }
    assert (line.service.closed, line.service.close_code) == (True, 1001)
    assert line.service.next_timeout() is None
    assert line.service.handle_timeout(now=9999) == []
    assert line.send("response.create") == []
    assert line.frames() == []


def test_the_close_of_a_session_that_expired_is_the_services_own_3_9() -> None:
    line = Line(expires_in=90)
    line.sleep(90)

    assert line.service.receive_close(now=91) == []

    assert line.service.close_code == 1001


@pytest.mark.parametrize("code", ["insufficient_quota", "account_deactivated"])
def test_a_session_may_end_with_a_fatal_error_3_9(code: str) -> None:
    line = Line()
    response_id = line.respond()
    line.frames()

    requests = line.service.end_session(code, "It is over.", now=1)

    assert requests == [ResponseStopped(response_id=response_id)]
    error = line.error()
    assert (error["code"], error["message"]) == (code, "It is over.")
    assert (line.service.closed, line.service.close_code) == (True, 1011)
    assert line.service.end_session("again", "", close_code=4000, now=2) == []
    assert (line.frames(), line.service.close_code) == ([], 1011)


def test_a_session_may_be_shorter_3_10() -> None:
    line = Line(expires_in=90)

    line.sleep(90)

    assert line.error()["message"] == "Your session hit the maximum duration of 1.5 minutes."


def test_waking_early_changes_nothing() -> None:
    line = waiting()

    assert line.service.handle_timeout(now=5.9) == []

    assert line.frames() == []
    assert line.service.next_timeout() == 6


def test_a_client_that_is_gone_is_not_closed_by_the_service() -> None:
    line = waiting()

    line.service.receive_close(now=1)

    assert (line.service.closed, line.service.close_code) == (True, None)
    assert line.service.next_timeout() is None
    assert line.sleep(4000) == []
    assert line.frames() == []


# A user who says nothing (§1.2, §1.6)


def test_a_user_who_says_nothing_is_prompted_1_6() -> None:
    line = waiting()
    line.sleep(2)
    line.send("input_audio_buffer.append", audio="AAAA" * (8000 * 48 // 3))

    transcription, response = line.sleep(4)

    assert transcription == TranscriptionRequested(item_id="item_1")
    assert isinstance(response, ResponseRequested)
    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert {frame["type"] for frame in frames} <= EVENT_TYPES
    assert frames[0]["item_id"] == frames[1]["item_id"] == frames[2]["item"]["id"] == "item_1"
    assert (frames[0]["audio_start_ms"], frames[0]["audio_end_ms"]) == (2000, 8000)


def test_the_user_is_prompted_anew_after_each_response_and_not_during_one_1_6() -> None:
    line = waiting()
    _, response = line.sleep(6)
    assert isinstance(response, ResponseRequested)

    assert line.sleep(60) == []
    line.done(response.response_id)
    assert line.service.next_timeout() == 72
    assert len(line.sleep(6)) == 2


def test_silence_from_before_the_session_had_audio_lasted_no_time_1_2() -> None:
    line = waiting()

    line.sleep(6)

    assert (line.frames()[0]["audio_start_ms"], line.service.items[0]["id"]) == (0, "item_1")


def test_the_wait_begins_when_the_audio_was_heard_on_a_websocket_1_6() -> None:
    line = Line(session=patient())
    line.now = 10
    response_id = line.respond()
    line.spoken(response_id, "Hello", 2000, 1000)
    line.now = 11
    line.done(response_id)

    assert line.service.next_timeout() == 10 + 3 + 6


def test_audio_that_came_late_is_heard_from_when_it_came_1_6() -> None:
    line = Line(session=patient())
    response_id = line.respond()
    line.speak(response_id, "Hel", 1000)
    line.now = 20
    line.service.audio(response_id, b"", 500, now=20)
    line.service.message_done(response_id, now=20)
    line.done(response_id)

    assert line.service.next_timeout() == 20.5 + 6


def test_whoever_cancels_stops_listening_1_6() -> None:
    line = Line(session=patient())
    line.speak(line.respond(), "Hello", 60_000)
    line.now = 1

    line.send("response.cancel")

    assert line.service.next_timeout() == 7


def test_the_wait_begins_when_the_audio_was_played_on_webrtc_1_6() -> None:
    line = Line(plane="webrtc", session=patient())
    response_id = line.respond()
    line.spoken(response_id, "Hello", 2000)
    line.done(response_id)
    assert line.service.next_timeout() == 3600

    line.service.playback_stopped(response_id, now=5)

    assert line.service.next_timeout() == 11


def test_the_wait_begins_when_what_is_audible_is_cleared_on_webrtc_1_6() -> None:
    line = Line(plane="webrtc", session=patient())
    response_id = line.respond()
    line.spoken(response_id, "Hello", 2000)
    line.done(response_id)
    line.now = 1

    assert line.send("output_audio_buffer.clear") == [PlaybackCleared(response_id=response_id)]

    assert line.service.next_timeout() == 7


def test_an_old_response_played_out_does_not_start_the_wait_while_another_runs_1_6() -> None:
    line = Line(plane="webrtc", session=patient())
    response_id = line.respond()
    line.spoken(response_id, "Hello", 2000)
    line.done(response_id)
    line.respond()

    line.service.playback_stopped(response_id, now=5)

    assert line.service.next_timeout() == 3600


def test_a_user_who_speaks_is_not_waited_for_1_6() -> None:
    line = waiting(create_response=False)

    line.service.speech_started(audio_start_ms=0, now=5)
    assert line.service.next_timeout() == 3600
    line.service.speech_stopped(audio_end_ms=10, now=6)

    assert line.service.next_timeout() == 3600


def test_a_user_who_interrupts_is_not_waited_for_1_6() -> None:
    line = Line(session=patient())
    line.respond()

    line.service.speech_started(audio_start_ms=0, now=5)

    assert line.service.next_timeout() == 3600


def test_nothing_is_answered_by_itself_when_create_response_is_off_1_6() -> None:
    line = waiting(create_response=False)

    assert line.sleep(6) == [TranscriptionRequested(item_id="item_1")]

    assert "response.created" not in line.types()
    assert line.sleep(60) == []


def test_an_out_of_band_response_does_not_start_the_wait_1_6() -> None:
    line = Line(session=patient())

    line.done(line.respond(conversation="none"))

    assert line.service.next_timeout() == 3600


def test_the_wait_follows_the_settings_of_the_moment_1_6() -> None:
    line = waiting()

    line.update(**patient(10_000))
    assert line.service.next_timeout() == 10
    line.update(**patient(None))
    assert line.service.next_timeout() == 3600
    line.update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
    assert line.service.next_timeout() == 3600
    line.update(audio={"input": {"turn_detection": None}})
    assert line.service.next_timeout() == 3600


def test_typing_does_not_keep_the_service_from_prompting_1_6() -> None:
    line = waiting()

    line.add(**said("Hm."))

    assert len(line.sleep(6)) == 2


# Rate limits (§1.2)


def test_rate_limits_are_told_after_each_response_when_there_are_any_1_2() -> None:
    line = Line(rate_limits={"requests": 60, "tokens": 6000})
    response_id = line.respond()
    line.service.response_done(response_id, usage={"total_tokens": 600}, now=0)

    frames = line.frames()
    assert [frame["type"] for frame in frames[-2:]] == ["response.done", "rate_limits.updated"]
    assert frames[-1]["rate_limits"] == [
        {"name": "requests", "limit": 60, "remaining": 59, "reset_seconds": 1.0},
        {"name": "tokens", "limit": 6000, "remaining": 5400, "reset_seconds": 6.0},
    ]

    line.now = 3
    line.done(line.respond())
    assert line.frames()[-1]["rate_limits"] == [
        {"name": "requests", "limit": 60, "remaining": 59, "reset_seconds": 1.0},
        {"name": "tokens", "limit": 6000, "remaining": 5700, "reset_seconds": 3.0},
    ]


def test_no_rate_limit_goes_below_nothing_1_2() -> None:
    line = Line(rate_limits={"tokens": 100})

    line.service.response_done(line.respond(), usage={"total_tokens": 250}, now=0)

    assert line.frames()[-1]["rate_limits"] == [
        {"name": "tokens", "limit": 100, "remaining": 0, "reset_seconds": 60.0}
    ]


def test_usage_that_counts_nothing_costs_no_tokens_1_5() -> None:
    line = Line(rate_limits={"tokens": 100})

    line.service.response_done(line.respond(), usage={"total_tokens": None}, now=0)

    assert line.frames()[-1]["rate_limits"][0]["remaining"] == 100


@pytest.mark.parametrize("limits", [{"minutes": 3}, {"tokens": 0}])
def test_rate_limits_that_cannot_be_are_a_mistake(limits: dict[str, int]) -> None:
    with pytest.raises(LocalProtocolError, match="rate_limits"):
        Line(rate_limits=limits)
