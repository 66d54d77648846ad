"""When a session ends, and when it had better end: §3.10, §3.9."""

from typing import Any

import pytest

from support.frames import Frame, Script, error, event, response_done, session_updated, text_of
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    Event,
    Phase,
    Plane,
    RestartAdvised,
    Session,
    SessionClosed,
    SessionExpiring,
    TimedOut,
    Timer,
)

UNIX = 1_785_000_000.0


def expiring(session: Session, now: float) -> list[SessionExpiring]:
    return [e for e in session.handle_timeout(now=now) if isinstance(e, SessionExpiring)]


def opened(plane: Plane = SIDEBAND, *, unix_time: float | None = UNIX, **how: Any) -> Session:
    session = Session(plane=plane, now=100.0, unix_time=unix_time, **how)
    assert session.expires_at is None
    return session


def hear(session: Session, frame: Frame, now: float = 100.0) -> list[Event]:
    return list(session.receive(text_of(frame), now=now))


@pytest.mark.parametrize("plane", [DIRECT, SIDEBAND, RELAY], ids=lambda plane: plane.name)
def test_the_end_is_told_five_minutes_ahead_3_10(plane: Plane) -> None:
    session = opened(plane)
    hear(session, session_updated(expires_at=int(UNIX) + 3600))
    assert session.expires_at == UNIX + 3600
    assert session.next_timeout() == 3400.0
    assert expiring(session, 3399.0) == []
    assert session.handle_timeout(now=3400.0) == [
        SessionExpiring(expires_at=UNIX + 3600, seconds_left=300.0)
    ]
    assert expiring(session, 3690.0) == []
    assert session.next_timeout() is None


def test_a_session_that_does_not_tell_lasts_sixty_minutes_from_its_first_frame_3_10() -> None:
    session = opened()
    hear(session, session_updated(), now=200.0)
    hear(session, session_updated(), now=900.0)
    assert session.expires_at is None
    assert session.next_timeout() == 3500.0
    assert expiring(session, 3500.0) == [SessionExpiring(expires_at=None, seconds_left=300.0)]


def test_without_a_wall_clock_what_is_told_is_passed_on_but_not_timed() -> None:
    session = opened(unix_time=None)
    hear(session, session_updated(expires_at=1234), now=200.0)
    assert session.expires_at == 1234
    assert expiring(session, 3510.0) == [SessionExpiring(expires_at=1234, seconds_left=290.0)]


def test_a_new_end_moves_the_warning_and_is_warned_of_anew() -> None:
    session = opened()
    hear(session, session_updated(expires_at=UNIX + 900))
    assert len(expiring(session, 800.0)) == 1
    hear(session, session_updated(expires_at=UNIX + 900), now=810.0)  # no news
    assert session.next_timeout() is None
    hear(session, session_updated(expires_at=UNIX + 1800), now=820.0)
    assert session.next_timeout() == 1600.0
    assert len(expiring(session, 1600.0)) == 1


def test_an_end_closer_than_the_warning_is_told_at_once() -> None:
    session = opened()
    hear(session, session_updated(expires_at=UNIX + 60))
    assert session.next_timeout() == -140.0
    assert [e.seconds_left for e in expiring(session, 100.0)] == [60.0]


def test_an_end_that_has_passed_leaves_no_time() -> None:
    session = opened()
    hear(session, session_updated(expires_at=UNIX - 60))
    assert [e.seconds_left for e in expiring(session, 100.0)] == [0.0]


@pytest.mark.parametrize("nonsense", [0, -1, "soon", None, True, [], 10**400, 1e300])
def test_what_is_no_time_is_not_told_3_10(nonsense: Any) -> None:
    session = opened()
    hear(session, session_updated(expires_at=nonsense))
    assert session.expires_at is None
    assert session.next_timeout() == 3400.0


@pytest.mark.parametrize(("ahead", "due"), [(600.0, 3100.0), (None, None)])
def test_how_far_ahead_is_yours_to_choose(ahead: float | None, due: float | None) -> None:
    session = opened(delays={Timer.EXPIRY: ahead})
    hear(session, session_updated())
    assert session.next_timeout() == due


# -- a fatal error that no close follows


def test_a_session_whose_end_was_told_is_closed_by_us_if_nobody_does_3_9() -> None:
    script = Script()
    event_id = script.session.send_text("Hello.", respond=False, now=0.0)
    script.hear(error("session_expired", "Your session hit the maximum duration."), now=10.0)
    assert script.session.phase is Phase.ENDING
    assert script.session.next_timeout() == 15.0
    script.hear(event("input_audio_buffer.cleared"), now=12.0)
    assert script.session.next_timeout() == 15.0
    timed_out, lost, closed = script.session.handle_timeout(now=15.0)
    assert timed_out == TimedOut(timer=Timer.ENDING)
    assert getattr(lost, "event_id", None) == event_id
    assert isinstance(closed, SessionClosed)
    assert closed.reason == "closed by us: the service did not"
    assert script.session.closed
    assert script.session.next_timeout() is None


# -- advice


def failed(response_id: str, code: Any = "server_error", message: Any = "Sorry.") -> Frame:
    frame = response_done(response_id, "failed")
    why = {"type": "server_error", "code": code, "message": message}
    frame["response"]["status_details"] = {"type": "failed", "error": why}
    return frame


def advised(events: list[Event]) -> list[RestartAdvised]:
    return [e for e in events if isinstance(e, RestartAdvised)]


def test_three_failed_responses_in_a_row_advise_a_restart_once_livekit_6040() -> None:
    script = Script()
    assert advised(script.hear(failed("resp_1"), failed("resp_2"))) == []
    assert advised(script.hear(failed("resp_3"))) == [
        RestartAdvised(failures=3, code="server_error", message="Sorry.")
    ]
    assert advised(script.hear(*(failed(f"resp_{n}") for n in range(4, 9)))) == []


@pytest.mark.parametrize(("status", "starts_anew"), [("completed", True), ("cancelled", False)])
def test_a_success_starts_the_count_anew_and_a_cancel_does_not(
    status: str, starts_anew: bool
) -> None:
    script = Script()
    script.hear(failed("resp_1"), failed("resp_2"), response_done("resp_3", status))
    assert bool(advised(script.hear(failed("resp_4")))) is not starts_anew


@pytest.mark.parametrize("code", ["inference_rate_limit_exceeded", "insufficient_quota"])
def test_what_a_new_session_would_be_told_just_the_same_is_no_reason_3_9(code: str) -> None:
    script = Script()
    assert advised(script.hear(*(failed(f"resp_{n}", code) for n in range(5)))) == []


def test_a_failure_without_words_counts_all_the_same() -> None:
    script = Script()
    script.hear(failed("resp_1", 7, []), response_done("resp_2", "failed"))
    (advice,) = advised(script.hear(failed("resp_3", None, None)))
    assert (advice.code, advice.message) == (None, None)
