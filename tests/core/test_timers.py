"""Deadlines on the caller's clock."""

from talkwire import Timer
from talkwire.timers import DELAYS, TimerTable


def test_every_timer_has_a_delay() -> None:
    assert set(DELAYS) == set(Timer) - {Timer.IDLE}  # that one is off unless it is given one
    assert min(DELAYS.values()) > 0


def test_a_timer_runs_from_when_it_was_first_wanted() -> None:
    table = TimerTable()
    table.run(Timer.HELLO, True, 100.0)
    table.run(Timer.HELLO, True, 105.0)
    assert table.next() == 110.0


def test_a_timer_not_wanted_any_more_stops_and_may_start_anew() -> None:
    table = TimerTable()
    table.run(Timer.HELLO, False, 0.0)
    table.run(Timer.HELLO, True, 0.0)
    table.run(Timer.HELLO, False, 1.0)
    assert table.next() is None
    table.run(Timer.HELLO, True, 2.0)
    assert table.next() == 12.0


def test_the_earliest_deadline_is_the_next() -> None:
    table = TimerTable()
    assert table.next() is None
    table.run(Timer.READY, True, 0.0)
    table.run(Timer.SERVER_RESPONSE, True, 0.0)
    assert table.next() == DELAYS[Timer.SERVER_RESPONSE]


def test_what_is_due_is_taken_out_once_earliest_first() -> None:
    table = TimerTable()
    table.run(Timer.READY, True, 0.0)
    table.run(Timer.HELLO, True, 0.0)
    table.run(Timer.SERVER_RESPONSE, True, 0.0)
    assert table.expire(2.9) == []
    assert table.expire(10.0) == [Timer.SERVER_RESPONSE, Timer.HELLO]
    assert table.expire(10.0) == []
    assert table.next() == 30.0


def test_a_clock_that_goes_back_makes_nothing_due() -> None:
    table = TimerTable()
    table.run(Timer.HELLO, True, 100.0)
    assert table.expire(0.0) == []
    assert table.next() == 110.0


def test_clearing_stops_all() -> None:
    table = TimerTable()
    table.run(Timer.HELLO, True, 0.0)
    table.run(Timer.READY, True, 0.0)
    table.clear()
    assert table.next() is None
    assert table.expire(1e9) == []
