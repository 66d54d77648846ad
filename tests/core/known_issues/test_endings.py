"""Sessions that ended, or had better: what was lost with them (§1.7, §3.10)."""

import pytest

from support.frames import (
    Frame,
    Script,
    audio_delta,
    call,
    error,
    event,
    item_added,
    item_done,
    message,
    output_item,
    response_created,
    response_done,
    session_updated,
)
from talkwire import (
    LocalProtocolError,
    Phase,
    RestartAdvised,
    Session,
    SessionClosed,
    SessionExpiring,
    TimedOut,
    Timer,
    commands,
)

UNIX = 1_785_000_000


def items(session: Session) -> list[Frame]:
    """The items with which a new session begins where this one ended."""
    retold = session.continuation()
    return [c.item for c in retold if isinstance(c, commands.ConversationItemCreate)]


def expiring() -> Script:
    """A session whose service said that it ends in an hour; the clock stands at nought."""
    script = Script(fresh=True)
    script.session = Session(now=0.0, unix_time=UNIX)
    script.hear(session_updated(expires_at=UNIX + 3600))
    return script


@pytest.mark.known_issue(18)
def test_what_was_said_aloud_goes_over_as_text() -> None:
    """openai/openai-agents-js#963, #1175, #1329: replaying a history with the assistant's audio
    was refused → it goes over as `output_text`, in the words of its transcript.
    """
    script = Script()
    spoken = {
        **message("a", "assistant"),
        "content": [{"type": "output_audio", "transcript": "It is sunny."}],
    }
    asked = {**message("u", "user"), "content": [{"type": "input_audio", "transcript": "And?"}]}
    script.hear(item_added(asked), item_done(asked), item_added(spoken, "u"), item_done(spoken))
    assert [(item["role"], item["content"]) for item in items(script.session)] == [
        ("user", [{"type": "input_text", "text": "And?"}]),
        ("assistant", [{"type": "output_text", "text": "It is sunny."}]),
    ]


@pytest.mark.known_issue(30)
def test_a_call_goes_over_with_its_output_or_not_at_all() -> None:
    """livekit/agents-js#1843: outputs whose calls the new session did not know were refused → a
    call and its output are one thing, and half of it stays behind.
    """
    script = Script()
    outputs = [
        {"id": f"o{n}", "type": "function_call_output", "call_id": f"call_{n}", "output": "18"}
        for n in (1, 3)
    ]
    previous = None
    for item in (call("call_1", "{}"), call("call_2", "{}"), *outputs):
        script.hear(item_added(item, previous), item_done(item))
        previous = item["id"]
    told = [(item["type"], item["call_id"]) for item in items(script.session)]
    assert told == [("function_call", "call_1"), ("function_call_output", "call_1")]


@pytest.mark.known_issue(28)
def test_the_cap_is_told_ahead_and_the_conversation_goes_on_elsewhere() -> None:
    """livekit/agents#2341, #2358, #3145: `session_expired` killed the agent, and the context was
    lost → when it ends is known and told in time, and the commands that continue it are there.
    """
    script = expiring()
    script.session.session_update({"instructions": "Be brief."}, now=0.0)
    script.hear(item_added(message("u", "user", "Remember 42.")))
    assert script.session.expires_at == UNIX + 3600
    due = script.session.next_timeout()
    while due is not None and due < 3300:
        script.session.handle_timeout(now=due)
        due = script.session.next_timeout()
    assert script.session.handle_timeout(now=3300.0) == [
        SessionExpiring(expires_at=UNIX + 3600, seconds_left=300.0)
    ]

    again = Session(now=3301.0)
    for command in script.session.continuation():
        again.send(command, now=3301.0)
    update, item = (again.next_frame() or "", again.next_frame() or "")
    assert '"instructions":"Be brief."' in update
    assert "Remember 42." in item


@pytest.mark.known_issue(34)
def test_a_session_that_expired_says_so_and_can_be_continued() -> None:
    """openai/openai-realtime-api-beta#23, #83: the session ended at its cap and could not be
    reconnected → an expired session is over but not lost: it still knows what to say again.
    """
    script = expiring()
    script.hear(item_added(message("u", "user", "Remember 42.")))
    script.hear(error("session_expired", "Your session hit the maximum duration."))
    assert script.session.phase is Phase.ENDING
    with pytest.raises(LocalProtocolError, match="ending"):
        script.session.send_text("Still there?", now=0.0)
    closed = script.session.receive_close(code=1001, now=0.0)
    assert closed == [SessionClosed(code=1001)]
    assert [item["content"][0]["text"] for item in items(script.session)] == ["Remember 42."]


@pytest.mark.known_issue(42)
def test_the_end_of_a_session_is_an_event_and_no_exception() -> None:
    """pollen-robotics/reachy_mini_conversation_app#134: the end after 60 minutes was not handled →
    nothing raises; what is on its way is settled, and the session is closed.
    """
    script = expiring()
    script.session.send_text("Hello.", now=3599.0)
    script.hear(error("session_expired"), now=3600.0)
    assert script.session.phase is Phase.ENDING
    events = script.session.receive_close(code=1001, now=3600.0)
    assert [type(e).__name__ for e in events] == [
        "CommandSettled",
        "CommandSettled",
        "SessionClosed",
    ]
    assert script.session.next_timeout() is None


@pytest.mark.known_issue(48)
def test_a_reconnected_session_tells_the_turn_that_was_cut_off() -> None:
    """pydantic/pydantic-ai#7379: the turn in flight was lost while reconnecting → what was heard
    of an answer and what the user said go over; a half-made call does not.
    """
    script = Script()
    script.hear(item_added(message("u", "user", "Weather?")), response_created("resp_1"))
    script.hear(output_item("added", "resp_1", call("call_1", status="in_progress")))
    script.hear(item_added(call("call_1", status="in_progress"), "u"))
    script.session.receive_close(code=1006, now=0.0)
    assert [item["content"][0]["text"] for item in items(script.session)] == ["Weather?"]


@pytest.mark.known_issue(29)
def test_a_session_that_only_fails_is_better_left() -> None:
    """livekit/agents#6040, #4617: every create of a session ended in `server_error`, for ever → so
    many failures in a row are told, once, with what the service said.
    """
    script = Script()
    told: list[object] = []
    for number in range(10):
        failed = response_done(f"resp_{number}", "failed")
        why = {"type": "failed", "error": {"code": "server_error", "message": "Sorry."}}
        failed["response"]["status_details"] = why
        told += script.tell(response_created(f"resp_{number}"), failed)
    advised = [e for e in told if isinstance(e, RestartAdvised)]
    assert [(e.code, e.message) for e in advised] == [("server_error", "Sorry.")]


@pytest.mark.known_issue(33)
def test_a_tool_that_never_answers_is_told() -> None:
    """pipecat-ai/pipecat#3661: a tool stayed "in progress" and the conversation waited for it →
    a call has a deadline, after which the application is asked to answer for it.
    """
    script = Script()
    script.hear(response_created("resp_1"))
    script.hear(output_item("done", "resp_1", call("call_1", "{}")), response_done("resp_1"))
    due = script.session.next_timeout()
    assert due is not None
    late = TimedOut(timer=Timer.TOOL, call_id="call_1")
    assert late in script.session.handle_timeout(now=due)
    script.session.send_function_result("call_1", "It takes too long.", now=due)
    assert script.sent_types() == ["conversation.item.create", "response.create"]


@pytest.mark.known_issue(26)
def test_only_what_was_heard_of_an_answer_goes_over() -> None:
    """livekit/agents#2201: after an interruption the model believed that all of its answer had
    been heard → of an answer that was cut, what was heard is told again and not the rest.
    """
    script = Script()
    item = {
        **message("a", "assistant"),
        "content": [{"type": "output_audio", "transcript": "one two three four five six"}],
    }
    script.hear(response_created("resp_1"), output_item("added", "resp_1", item), item_added(item))
    script.hear(audio_delta("resp_1", "a", 1200), item_done(item))
    cut = event("conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=400)
    script.hear(cut)
    (told,) = items(script.session)
    heard = told["content"][0]["text"]
    assert heard and "one two three four five six".startswith(heard)
    assert "six" not in heard
