"""Who stops the sound, and where an answer is cut (§3.6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.frames import (
    Script,
    audio_delta,
    error,
    event,
    item_added,
    message,
    output_item,
    playing,
    response_done,
    settled,
    speech,
)
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    Interrupted,
    LocalProtocolError,
    Outcome,
    Phase,
    Plane,
    commands,
)

TURN_DETECTED = response_done("resp_1", "cancelled", reason="turn_detected")


def answering(script: Script, response_id: str = "resp_1", item_id: str = "a", ms: int = 0) -> None:
    """A response is running, its message has begun, and so much of it came aloud."""
    script.begin(response_id)
    item = message(item_id, "assistant", status="in_progress")
    script.hear(output_item("added", response_id, item), item_added(item, "before"))
    if ms:
        script.hear(audio_delta(response_id, item_id, ms))
    script.sent()


def cuts(script: Script) -> list[tuple[str, int]]:
    frames = [f for f in script.sent() if f["type"] == "conversation.item.truncate"]
    return [(str(f["item_id"]), int(f["audio_end_ms"])) for f in frames]


@pytest.mark.known_issue(4)
def test_what_was_heard_whole_is_not_cut() -> None:
    """openai/openai-agents-python#2370: a truncate left without a real interruption → it leaves
    only while something is still to be heard.
    """
    script = Script()
    answering(script, ms=1000)
    script.hear(response_done("resp_1"))
    script.session.report_playback("a", 1000, now=1.0)
    assert script.tell(speech("started", "u")) == []
    assert cuts(script) == []


@pytest.mark.known_issue(4)
def test_a_cut_is_never_longer_than_the_audio() -> None:
    """openai/openai-agents-python#2374: the truncate was longer than the audio, and refused →
    it is clamped to what was received.
    """
    script = Script()
    answering(script, ms=1000)
    script.session.truncate_audio("a", 60_000, now=0.0)
    assert cuts(script) == [("a", 1000)]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("hear"), st.integers(0, 3)),
        st.tuples(st.just("play"), st.integers(0, 500)),
        st.tuples(st.just("cut"), st.integers(-50, 500)),
        st.tuples(st.sampled_from(["speak", "stop"]), st.just(0)),
    )
)


@pytest.mark.known_issue(5)
@given(steps)
def test_whatever_happens_no_cut_is_longer_than_what_was_received(
    steps: list[tuple[str, int]],
) -> None:
    """openai/openai-agents-python#4122: the clamp was lost in a refactor → a property over every
    order of sound, playback, speech and cuts: audio_end_ms ≤ received ms.
    """
    script, received = Script(), 0
    answering(script)
    for step, ms in steps:
        if step == "hear":
            script.hear(audio_delta("resp_1", "a", ms * 20))
            received += ms * 20
        elif step == "play":
            script.session.report_playback("a", ms, now=0.0)
        elif step == "cut" and received:
            script.session.truncate_audio("a", ms, now=0.0)
        elif step == "speak":
            script.hear(speech("started", "u"), speech("stopped", "u"))
        else:
            script.session.cancel(now=0.0)
        assert all(0 <= end <= received for _, end in cuts(script))


# Whether we cut the item, or the service does: it plays the sound on these planes.
WHO_CUTS = [(DIRECT, [("a", 400)]), (SIDEBAND, []), (RELAY, [])]


@pytest.mark.known_issue(6)
@pytest.mark.parametrize(("plane", "cut"), WHO_CUTS, ids=[plane.name for plane, _ in WHO_CUTS])
def test_speech_cuts_the_answer_where_nobody_else_does(
    plane: Plane, cut: list[tuple[str, int]]
) -> None:
    """openai/openai-agents-python#1999, #2009: on a websocket, speech did not truncate → who cuts
    is a matter of the plane: we do where the sound passes, the service where it plays.
    """
    script = Script(plane=plane)
    if plane.carries_audio:
        answering(script, ms=1000)
        script.session.report_playback("a", 400, now=0.0)
    else:
        answering(script)
        script.hear(playing("resp_1", "started"))
    assert Interrupted in map(type, script.tell(speech("started", "u"), TURN_DETECTED))
    assert cuts(script) == cut


@pytest.mark.known_issue(7)
def test_speech_over_a_silent_answer_leaves_the_one_before_alone() -> None:
    """openai/openai-agents-python#5190: speech during a response without audio truncated the
    earlier item, heard long ago → what is cut is what is unplayed, not what came last.
    """
    script = Script()
    answering(script, ms=1000)
    script.session.report_playback("a", 1000, now=0.0)
    script.hear(response_done("resp_1"))
    answering(script, "resp_2", "b")
    script.hear(speech("started", "u"))
    assert cuts(script) == []


@pytest.mark.known_issue(19)
def test_an_answer_all_sent_and_half_heard_can_still_be_interrupted() -> None:
    """openai/openai-agents-js#1173, #1184: on a telephone line, speech was ignored once all audio
    was *sent* → what was played is told by the player (marks), whatever became of the response.
    """
    script = Script(output="audio/pcmu")
    answering(script, ms=100)  # 4800 bytes: 600 ms of G.711
    script.hear(response_done("resp_1"))
    script.session.report_playback("a", 240, now=0.0)
    assert script.tell(speech("started", "u")) == [
        Interrupted(response_id="resp_1", item_id="a", audio_end_ms=240)
    ]
    assert cuts(script) == [("a", 240)]


@pytest.mark.known_issue(23)
def test_an_answer_of_which_nothing_was_heard_is_not_cut_at_nothing() -> None:
    """livekit/agents#6157, #6158, #6249: a truncate at 0 ms failed, or left words that nobody
    heard → the interruption is told, and no such truncate leaves.
    """
    script = Script()
    answering(script, ms=1000)
    script.session.report_playback("a", 0, now=0.0)
    assert script.tell(speech("started", "u")) == [
        Interrupted(response_id="resp_1", item_id="a", audio_end_ms=0)
    ]
    assert cuts(script) == []


@pytest.mark.known_issue(32)
@pytest.mark.parametrize("code", ["invalid_value", None])
def test_a_cut_that_is_refused_silences_nothing(code: str | None) -> None:
    """pipecat-ai/pipecat#2106, #931, #1963, #3677: "already shorter than", and the session was
    silent from then on → the cut alone has failed; the next request leaves and is answered.
    """
    script = Script()
    answering(script, ms=1000)
    script.session.report_playback("a", 999, now=0.0)
    script.hear(speech("started", "u"))
    (cut,) = script.sent()
    words = "Audio content of 990ms is already shorter than 999ms"
    assert settled(script.tell(error(code, words, cut["event_id"]))) == [
        (cut["event_id"], Outcome.FAILED)
    ]
    script.hear(speech("stopped", "u"), TURN_DETECTED, event("input_audio_buffer.cleared"))
    assert script.session.phase is Phase.READY
    script.session.handle_timeout(now=3.0)  # the service had nothing to answer
    script.session.send_text("Still there?", now=3.0)
    assert script.sent_types()[-1] == "response.create"


@pytest.mark.known_issue(38)
def test_speech_is_told_to_the_player_before_the_response_has_ended() -> None:
    """openai/openai-realtime-api-beta#54: the voice paused and went on, since the client played
    what it had buffered → `Interrupted` comes with `speech_started`, not with the end.
    """
    script = Script()
    answering(script, ms=1000)
    script.session.report_playback("a", 400, now=0.0)
    told = script.tell(speech("started", "u"))
    assert [type(e) for e in told] == [Interrupted]
    script.hear(audio_delta("resp_1", "a", 500))
    assert [e for e in script.tell(TURN_DETECTED) if isinstance(e, Interrupted)] == []


@pytest.mark.known_issue(40)
@pytest.mark.parametrize("plane", [SIDEBAND, RELAY], ids=["sideband", "relay"])
def test_a_stop_by_hand_also_stops_what_the_service_is_still_playing(plane: Plane) -> None:
    """openai/openai-realtime-console#501: on WebRTC an interruption by text cancelled the response
    and the voice went on → the service's buffer is cleared as well.
    """
    script = Script(plane=plane)
    answering(script)
    script.hear(playing("resp_1", "started"))
    script.session.cancel(now=0.0)
    assert script.sent_types() == ["response.cancel", "output_audio_buffer.clear"]


@pytest.mark.known_issue(41)
def test_what_was_played_to_its_end_is_no_target_any_more() -> None:
    """twilio-samples/speech-assistant-openai-realtime-api-python#45 and
    twilio-samples/speech-assistant-openai-realtime-api-node#9: the last assistant item was never
    reset, so speech truncated the wrong one → an item stops being a target when it was played.
    """
    script = Script()
    answering(script, ms=1000)
    script.session.report_playback("a", 1000, now=0.0)
    script.hear(response_done("resp_1"), speech("started", "u"))
    assert cuts(script) == []
    script.hear(event("input_audio_buffer.cleared"))
    answering(script, "resp_2", "b", ms=600)
    script.session.report_playback("b", 200, now=0.0)
    script.hear(speech("started", "u"))
    assert cuts(script) == [("b", 200)]


@pytest.mark.known_issue(46)
def test_a_cut_is_where_the_player_was_not_where_the_clock_is() -> None:
    """openclaw/openclaw#125502, #138592: the cut was the wall clock since the first delta, beyond
    what was played → the player's report alone counts, however long it stalls.
    """
    script = Script()
    answering(script, ms=1000)
    script.session.report_playback("a", 250, now=1.0)
    script.hear(speech("started", "u"), now=90.0)
    assert cuts(script) == [("a", 250)]


@pytest.mark.known_issue(48)
def test_barging_in_cuts_and_tells_without_any_code_of_the_callers() -> None:
    """pydantic/pydantic-ai#7870: barging in did not truncate → the session does it where the sound
    passes, and says where it cut.
    """
    script = Script()
    answering(script, ms=1000)
    script.session.report_playback("a", 300, now=0.0)
    script.hear(speech("started", "u"), TURN_DETECTED)
    assert cuts(script) == [("a", 300)]


@pytest.mark.known_issue(30)
def test_what_was_not_spoken_in_this_session_is_never_cut() -> None:
    """livekit/agents-js#977: items replayed as text were truncated, and refused → only audio that
    came in this session can be.
    """
    script = Script()
    script.session.send_text("Welcome back.", role="assistant", respond=False, now=0.0)
    (replayed,) = script.sent()
    assert replayed["item"]["content"] == [{"type": "output_text", "text": "Welcome back."}]
    script.acknowledge(replayed)
    with pytest.raises(LocalProtocolError, match="no audio was received"):
        script.session.truncate_audio(replayed["item"]["id"], 500, now=0.0)
    with pytest.raises(LocalProtocolError, match="no audio was received"):
        item_id = replayed["item"]["id"]
        cut = commands.ConversationItemTruncate(item_id=item_id, audio_end_ms=500)
        script.session.send(cut, now=0.0)
    script.hear(speech("started", "u"))
    assert script.sent() == []
