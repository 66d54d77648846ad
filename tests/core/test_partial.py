"""A page that passes on function calls and nothing else (§4): what a session then goes by.

Nothing is awaited that never comes, nothing is stopped blindly, and each response's calls are
followed up by one request, when it has been silent for long enough to be over. Until the page's
first word, what it is sent counts as kept.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.frames import (
    Frame,
    Script,
    announced,
    arguments_done,
    error,
    event,
    response_created,
    response_done,
    session_updated,
    settled,
)
from support.pair import Pair
from talkwire import (
    DIRECT,
    PARTIAL,
    RELAY,
    SIDEBAND,
    Anomaly,
    CommandSettled,
    ConfigurationDrift,
    ConfigurationLost,
    Event,
    FunctionCall,
    Gate,
    Outcome,
    Phase,
    Plane,
    Session,
    TimedOut,
    Timer,
    commands,
)
from talkwire.realtime.state import Call
from talkwire.timers import DELAYS

SILENCE, OPENING = DELAYS[Timer.UNHEARD], DELAYS[Timer.OPENING]
CREATE, ITEM = "response.create", "conversation.item.create"


def arguments_delta(response_id: str, call_id: str, delta: str = "{") -> Frame:
    return event(
        "response.function_call_arguments.delta",
        response_id=response_id,
        item_id=f"item_{call_id}",
        output_index=0,
        call_id=call_id,
        delta=delta,
    )


def silent() -> Script:
    """A page that has passed on nothing yet."""
    return Script(plane=PARTIAL, fresh=True)


def partial() -> Script:
    """One that has: its call is open."""
    script = silent()
    script.hear(arguments_delta("", ""))
    return script


def call_in_full(response_id: str, call_id: str) -> list[Frame]:
    return [*announced(response_id, call_id), arguments_done(response_id, call_id)]


def calls(events: list[Event]) -> list[str]:
    return [e.call_id for e in events if isinstance(e, FunctionCall)]


def answer(script: Script, call_id: str, now: float) -> None:
    script.session.send_function_result(call_id, "21", now=now)


def wake(script: Script, now: float) -> list[Event]:
    return list(script.session.handle_timeout(now=now))


# -- commands


def test_what_is_sent_counts_as_sent_after_a_short_silence() -> None:
    script = partial()
    item = script.session.send_text("Hello.", now=10.0)
    _, create = script.sent()
    before, told = wake(script, 10.4), wake(script, 10.0 + SILENCE)
    assert settled(before) == []
    assert told[0] == TimedOut(timer=Timer.UNHEARD)
    sent = [(item, Outcome.SENT), (create["event_id"], Outcome.SENT)]
    assert settled(told) == sent
    assert settled(list(script.session.receive_close(now=20.0))) == []


def test_what_the_connection_took_with_it_is_lost_as_anywhere() -> None:
    script = partial()
    item = script.session.send_text("Hello.", respond=False, now=0.0)
    assert settled(list(script.session.receive_close(now=0.1))) == [(item, Outcome.LOST)]


def test_an_answer_that_is_passed_on_all_the_same_settles_a_command() -> None:
    script = partial()
    update = script.session.session_update({"instructions": "Be brief."}, now=0.0)
    script.sent()
    told = script.tell(session_updated(instructions="Be brief."))
    assert settled(told) == [(update, Outcome.DONE)]


def test_updates_that_nobody_answers_are_kept_as_asked_and_each_is_sent_whole() -> None:
    script = partial()
    for number in range(3):
        script.session.session_update({"instructions": "Be brief."}, now=float(number))
        (update,) = script.sent()
        assert update["session"] == {"type": "realtime", "instructions": "Be brief."}
        wake(script, number + SILENCE)
    assert script.session.settings.desired["instructions"] == "Be brief."
    assert script.session.settings.drift is None


def test_a_request_does_not_wait_for_one_that_nobody_answered() -> None:
    script = partial()
    script.session.send_text("One.", now=0.0)
    assert script.sent_types() == [ITEM, CREATE]
    script.session.send_text("Two.", now=0.1)
    assert script.sent_types() == [ITEM]  # a moment behind: they would only collide
    wake(script, SILENCE)
    assert script.sent_types() == [CREATE]
    script.session.send_text("Three.", now=9.0)
    wake(script, 9.0)
    assert script.sent_types() == [ITEM, CREATE]


def test_nothing_is_stopped_blindly() -> None:
    script = partial()
    script.session.send_text("Hello.", now=0.0)
    wake(script, SILENCE)
    script.sent()
    assert script.session.cancel(now=1.0) is None
    assert script.sent_types() == []


def test_a_response_that_a_call_shows_is_stopped_by_its_name() -> None:
    script = partial()
    script.hear(arguments_delta("resp_1", "call_1"))
    stopped = script.session.cancel(now=0.1)
    (cancel,) = script.sent()
    assert (cancel["type"], cancel["response_id"]) == ("response.cancel", "resp_1")
    assert settled(wake(script, SILENCE)) == [(str(stopped), Outcome.SENT)]
    assert script.session.gate.state is Gate.IDLE


def test_a_request_that_was_stopped_before_a_call_showed_its_response_is_stopped_then() -> None:
    script = partial()
    script.session.send_text("Hello.", now=0.0)
    script.sent()
    assert script.session.cancel(now=0.1) is None
    script.hear(arguments_delta("resp_1", "call_1"), now=0.2)
    (cancel,) = script.sent()
    assert cancel["response_id"] == "resp_1"


# -- before the page has spoken


def test_what_it_is_sent_is_kept_and_a_second_request_joins_the_one_that_waits_there() -> None:
    script = silent()
    script.session.send_text("One.", now=0.0)
    assert script.sent_types() == [ITEM, CREATE]
    wake(script, 1.0)
    script.session.send_text("Two.", now=1.0)
    assert script.sent_types() == [ITEM]  # two would reach the service in one go


def test_its_first_word_begins_the_silence() -> None:
    script = silent()
    script.session.send_text("One.", now=0.0)
    script.session.send_text("Two.", now=1.0)
    script.sent()
    script.hear(arguments_delta("resp_1", "call_1"), now=5.0)
    assert settled(wake(script, 5.4)) == []
    wake(script, 5.0 + SILENCE)
    assert script.sent_types() == [CREATE]


def test_a_page_that_stays_silent_counts_as_open_in_the_end() -> None:
    script = silent()
    item = script.session.send_text("One.", now=1.0)
    _, create = script.sent()
    script.session.send_text("Two.", now=2.0)
    assert script.sent_types() == [ITEM]
    assert script.session.next_timeout() == 1.0 + OPENING
    assert wake(script, 1.0 + OPENING) == [TimedOut(timer=Timer.OPENING)]
    told = wake(script, 1.0 + OPENING + SILENCE)
    assert settled(told)[:2] == [(item, Outcome.SENT), (create["event_id"], Outcome.SENT)]
    assert script.sent_types() == [CREATE]


def test_its_session_is_as_old_as_its_call() -> None:
    script = silent()
    script.session.send_text("One.", respond=False, now=0.0)
    wake(script, OPENING)
    wake(script, OPENING + SILENCE)
    assert script.session.next_timeout() == OPENING + 3600.0 - DELAYS[Timer.EXPIRY]


def test_nothing_was_guessed_when_it_turns_out_to_pass_on_everything() -> None:
    script = silent()
    update = script.session.session_update({"instructions": "x"}, now=0.0)
    wake(script, 5.0)
    script.session.hear_all(now=5.0)
    refused = error("string_above_max_length", event_id=update)
    (failed, lost) = script.tell(refused, now=5.1)
    assert settled([failed]) == [(update, Outcome.FAILED)]
    assert isinstance(lost, ConfigurationLost)
    assert script.session.settings.desired == {}


# -- function calls


def test_a_call_needs_no_announcement_and_is_told_once() -> None:
    script = partial()
    first = script.hear(arguments_delta("resp_1", "call_1"), arguments_done("resp_1", "call_1"))
    assert calls(first) == ["call_1"]
    assert calls(script.hear(arguments_done("resp_1", "call_1"))) == []
    wake(script, SILENCE)
    assert calls(script.hear(arguments_done("resp_1", "call_1"), now=1.0)) == []
    assert script.session.phase is Phase.CREATED


def test_a_call_is_told_where_it_was_first_and_nowhere_else() -> None:
    script = partial()
    script.hear(arguments_done("resp_1", "call_1"))
    (odd,) = script.tell(arguments_done("resp_2", "call_1"))
    assert isinstance(odd, Anomaly)


def test_on_the_relay_plane_a_call_still_needs_its_announcement_s4() -> None:
    script = Script(plane=RELAY, fresh=True)
    (odd,) = script.tell(arguments_done("resp_1", "call_1"))
    assert isinstance(odd, Anomaly)


def test_a_call_without_a_name_is_told_when_nobody_can_name_it_any_more() -> None:
    """The beta's have none (§2.1), and the item that would is not passed on."""
    script = partial()
    assert calls(script.hear(arguments_done("resp_1", "call_1", name=""))) == []
    (told,) = [e for e in wake(script, SILENCE) if isinstance(e, FunctionCall)]
    assert (told.call_id, told.name, told.arguments) == ("call_1", "", "{}")


def test_the_answer_is_asked_for_when_the_response_has_been_silent() -> None:
    script = partial()
    script.hear(arguments_done("resp_1", "call_1"), now=1.0)
    answer(script, "call_1", 1.1)
    assert script.sent_types() == [ITEM]
    assert script.session.next_timeout() == 1.0 + SILENCE
    wake(script, 1.0 + SILENCE)
    assert script.sent_types() == [CREATE]


def test_a_slow_function_does_not_wait_for_the_silence_again() -> None:
    script = partial()
    script.hear(arguments_done("resp_1", "call_1"))
    wake(script, SILENCE)
    assert script.sent_types() == []
    answer(script, "call_1", 7.0)
    assert script.sent_types() == [ITEM, CREATE]


def test_the_calls_of_one_response_are_followed_up_once() -> None:
    script = partial()
    script.hear(arguments_done("resp_1", "call_1"), now=0.0)
    answer(script, "call_1", 0.1)
    script.hear(arguments_delta("resp_1", "call_2"), now=0.4)  # each piece puts off the end
    assert wake(script, SILENCE) == []
    script.hear(arguments_done("resp_1", "call_2"), now=0.8)
    wake(script, 0.8 + SILENCE)
    assert script.sent_types() == [ITEM]
    answer(script, "call_2", 5.0)
    assert script.sent_types() == [ITEM, CREATE]


def test_a_call_after_the_silence_was_taken_for_the_end_is_followed_up_as_well() -> None:
    script = partial()
    script.hear(arguments_done("resp_1", "call_1"))
    answer(script, "call_1", 0.1)
    wake(script, SILENCE)
    script.sent()
    assert calls(script.hear(arguments_done("resp_1", "call_2"), now=2.0)) == ["call_2"]
    assert script.session.gate.active == "resp_1"
    answer(script, "call_2", 2.1)
    wake(script, 2.0 + SILENCE)
    assert script.sent_types() == [ITEM, CREATE]


def test_the_next_response_ends_the_one_before_and_both_are_followed_up() -> None:
    script = partial()
    script.hear(arguments_done("resp_1", "call_1"), now=0.0)
    answer(script, "call_1", 0.1)
    script.hear(arguments_done("resp_2", "call_2"), now=0.2)
    answer(script, "call_2", 0.3)
    assert script.sent_types() == [ITEM, ITEM]
    assert script.session.gate.active == "resp_2"
    wake(script, 0.2 + SILENCE)
    assert script.sent_types() == [CREATE]  # one speaks for both


def test_what_is_typed_while_a_call_shows_a_response_waits_for_its_end() -> None:
    script = partial()
    script.hear(arguments_delta("resp_1", "call_1"))
    script.session.send_text("Hello.", now=0.1)
    assert script.sent_types() == [ITEM]
    wake(script, SILENCE)
    assert script.sent_types() == [CREATE]


def test_a_response_that_is_told_in_full_keeps_the_rules_of_the_other_planes() -> None:
    script = partial()
    script.session.send_text("Hello.", now=0.0)
    _, create = script.sent()
    ours = create["event_id"]
    told = script.tell(response_created("resp_1", ours=ours))
    assert (ours, Outcome.DONE) in settled(told)
    script.hear(response_done("resp_1"))
    assert script.session.gate.state is Gate.IDLE


@pytest.mark.parametrize("over", ["resp_1", "resp_2"])
def test_the_late_end_of_what_was_taken_for_over_is_not_the_end_of_what_came_after(
    over: str,
) -> None:
    script = partial()
    script.hear(arguments_delta("resp_1", "call_1"), arguments_delta("resp_2", "call_2"))
    wake(script, SILENCE)
    script.session.send_text("Hello.", now=1.0)
    assert settled(script.tell(response_done(over), now=1.1)) == []
    assert script.session.gate.state is Gate.CREATE_SENT


def test_what_was_taken_for_over_and_runs_all_the_same_ends_when_that_is_told() -> None:
    script = partial()
    script.hear(arguments_delta("resp_1", "call_1"))
    wake(script, SILENCE)
    script.hear(arguments_delta("resp_1", "call_2"), now=1.0)
    assert script.session.gate.active == "resp_1"
    script.hear(response_done("resp_1"), now=1.1)
    assert script.session.gate.is_idle


@pytest.mark.parametrize("plane", [RELAY, PARTIAL], ids=lambda plane: plane.name)
def test_a_page_is_believed_in_so_many_calls_and_no_more_until_some_are_over_s9(
    plane: Plane,
) -> None:
    script = Script(plane=plane, fresh=True)
    script.hear(response_created("resp_1"))
    for number in range(70):
        script.hear(*call_in_full("resp_1", f"call_{number}"), now=float(number))
    assert script.session.calls.can_answer("call_63")
    assert script.session.calls.get("call_64") is None
    assert script.session.counts["Anomaly"] >= 6
    (odd, *_) = script.tell(*call_in_full("resp_1", "call_99"), now=100.0)
    assert isinstance(odd, Anomaly)
    assert odd.reason == "call call_99: 64 are open already"
    for number in range(64):
        answer(script, f"call_{number}", 101.0)
    script.hear(response_done("resp_1"), response_created("resp_2"), now=102.0)
    assert calls(script.hear(*call_in_full("resp_2", "call_100"), now=103.0)) == ["call_100"]


def test_the_service_itself_is_believed_in_all_of_them() -> None:
    script = Script(plane=SIDEBAND)
    script.hear(response_created("resp_1"))
    for number in range(70):
        script.hear(arguments_done("resp_1", f"call_{number}"))
    assert all(script.session.calls.can_answer(f"call_{number}") for number in range(70))


# -- the page turns out to be one that passes on everything


def test_when_all_is_heard_after_all_nothing_is_guessed_any_more() -> None:
    script = silent()
    script.session.send_text("Hello.", now=0.0)
    script.session.hear_all(now=0.1)
    assert script.session.plane == RELAY
    assert script.session.next_timeout() is None
    assert wake(script, 1.0) == []
    _, create = script.sent()
    told = script.tell(response_created("resp_1", ours=create["event_id"]))
    assert (create["event_id"], Outcome.DONE) in settled(told)
    assert script.session.gate.active == "resp_1"


def test_what_is_in_force_is_held_against_what_counted_as_sent() -> None:
    script = partial()
    script.session.session_update({"instructions": "Be brief."}, now=0.0)
    wake(script, SILENCE)
    script.session.hear_all(now=1.0)
    (drift,) = script.tell(session_updated(instructions="Be verbose."), now=1.1)
    assert drift == ConfigurationDrift(paths=("instructions",))


def test_an_answer_to_what_counted_as_sent_is_no_surprise() -> None:
    script = partial()
    script.session.session_update({"instructions": "Be brief."}, now=0.0)
    script.session.send_text("Hello.", now=0.0)
    *_, create = script.sent()
    wake(script, SILENCE)
    script.session.hear_all(now=1.0)
    told = script.tell(
        session_updated(instructions="Be brief."),
        response_created("resp_1", ours=create["event_id"]),
        now=1.1,
    )
    assert told == []
    assert script.session.gate.state is Gate.ACTIVE
    assert script.session.settings.drift is None
    assert script.sent() == []


@pytest.mark.parametrize("plane", [DIRECT, SIDEBAND, RELAY], ids=lambda plane: plane.name)
def test_where_all_is_heard_anyway_it_changes_nothing(plane: Plane) -> None:
    script = Script(plane=plane)
    before = script.session.snapshot(now=0.0)
    script.session.hear_all(now=0.0)
    assert script.session.snapshot(now=0.0) == before


# -- whatever comes, in whatever order

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["delta", "done", "answer", "say", "cancel", "ask"]),
        st.integers(1, 3),
        st.integers(1, 4),
        st.sampled_from([0.0, 0.1, 0.3, 0.6, 20.0]),
    ),
    max_size=30,
)


def waits(session: Session, call_id: str) -> bool:
    record = session.calls.get(call_id)
    return record is not None and record.state is Call.EMITTED


@given(STEPS)
def test_calls_are_told_once_commands_end_once_and_nothing_waits_for_ever(
    steps: list[tuple[str, int, int, float]],
) -> None:
    script, now = silent(), 0.0
    session, told, issued = script.session, list[Event](), set[str]()

    def drain() -> None:
        issued.update(frame["event_id"] for frame in script.sent())

    def sleep(until: float) -> None:
        while (due := session.next_timeout()) is not None and due <= until:
            told.extend(session.handle_timeout(now=due))
            drain()

    for step, response, number, pause in steps:
        call_id = f"call_{response}_{number}"
        if step == "delta":
            told += script.hear(arguments_delta(f"resp_{response}", call_id), now=now)
        elif step == "done":
            told += script.hear(arguments_done(f"resp_{response}", call_id), now=now)
        elif step == "say":
            session.send_text("Hello.", now=now)
        elif step == "ask":
            session.send(commands.ResponseCreate(), now=now)
        elif step == "cancel":
            session.cancel(now=now)
        elif waits(session, call_id):
            answer(script, call_id, now)
        drain()
        now += pause
        sleep(now)
    sleep(now + 100.0)
    assert session.gate.is_idle
    ended = [e.event_id for e in told if isinstance(e, CommandSettled)]
    assert len(ended) == len(set(ended))
    assert issued <= set(ended)
    assert len(calls(told)) == len(set(calls(told)))
    assert settled(list(session.receive_close(now=now + 100.0))) == []


# -- a service at the other end

PAUSE = st.sampled_from([0.0, 0.1, 0.4])  # within a response, always shorter than the silence
WORK = st.sampled_from([0.0, 0.2, 0.7, 3.0])
TURNS = st.lists(
    st.tuples(st.lists(st.tuples(PAUSE, WORK), min_size=1, max_size=3), PAUSE), max_size=4
)


@given(TURNS)
def test_a_service_refuses_nothing_and_speaks_once_about_the_calls_of_each_response(
    turns: list[tuple[list[tuple[float, float]], float]],
) -> None:
    """However long each function takes, and whatever pause the model makes before each call."""
    pair = Pair(plane=PARTIAL)
    said: list[str] = []
    pair.on_said = said.append
    for calls_made, end_pause in turns:
        pair.call("send_text", "What is the weather?")
        pair.run()
        response_id = str(pair.service.active_response)
        due: list[tuple[float, str]] = []
        for pause, work in calls_made:
            live(pair, pause, due)
            pair.engine("function_call", response_id, name="get_weather", arguments="{}")
            (call_id,) = calls(pair.run())
            due.append((pair.now + work, call_id))
        live(pair, end_pause, due)
        pair.engine("response_done", response_id)
        live(pair, 10.0, due)
        follow_up = pair.service.active_response
        assert follow_up not in (None, response_id)
        pair.engine("response_done", str(follow_up))
        live(pair, 10.0, due)
        assert pair.service.active_response is None
    assert not [frame for frame in said if '"type":"error"' in frame]
    requests = [frame for frame in pair.frames if f'"type":"{CREATE}"' in frame]
    assert len(requests) == 2 * len(turns)


def live(pair: Pair, seconds: float, due: list[tuple[float, str]]) -> None:
    """Let time pass; functions that are done by then are answered when they are."""
    end = pair.now + seconds
    for at, call_id in sorted(due):
        if at <= end:
            pair.sleep(max(0.0, at - pair.now))
            pair.call("send_function_result", call_id, "21")
            due.remove((at, call_id))
            pair.run()
    pair.sleep(end - pair.now)
    pair.run()


def test_the_snapshot_knows_how_much_of_the_silence_is_left() -> None:
    script = partial()
    script.hear(arguments_done("resp_1", "call_1"))
    answer(script, "call_1", 0.1)
    script.sent()
    again = Session.resume(script.session.snapshot(now=0.2), now=100.2)
    assert again.plane == PARTIAL
    assert again.next_timeout() == pytest.approx(100.0 + SILENCE)
    again.handle_timeout(now=101.0)
    assert again.next_frame() is not None
