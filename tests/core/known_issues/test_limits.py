"""What the wire cannot take, and what was lost where it was sent all the same (§3.10)."""

import pytest

from support.frames import (
    Script,
    audio_delta,
    error,
    item_added,
    message,
    output_item,
    session_created,
    session_updated,
    settled,
)
from support.weight import weight
from talkwire import (
    DIRECT,
    RELAY,
    CommandSettled,
    LocalProtocolError,
    Outcome,
    PageLeft,
    Relay,
    Session,
    SessionClosed,
    commands,
)

PCM = {"type": "audio/pcm", "rate": 24000}


@pytest.mark.known_issue(15)
def test_a_press_too_short_to_be_a_turn_is_not_committed() -> None:
    """openai/openai-agents-js#748: `input_audio_buffer_commit_empty` → what was appended is
    counted, and less than 100 ms is not committed.
    """
    script = Script()
    script.session.session_update({"audio": {"input": {"format": PCM}}}, now=0.0)
    script.session.send_audio(bytes(99 * 48), now=0.0)
    script.sent()
    with pytest.raises(LocalProtocolError, match="99 ms"):
        script.session.send(commands.InputAudioBufferCommit(), now=0.0)
    assert script.sent() == []
    script.session.send_audio(bytes(48), now=0.0)
    script.session.send(commands.InputAudioBufferCommit(), now=0.0)
    assert script.sent_types() == ["input_audio_buffer.append", "input_audio_buffer.commit"]


@pytest.mark.known_issue(16)
def test_a_picture_too_large_for_a_data_channel_does_not_close_it() -> None:
    """openai/openai-agents-js#501: a big image closed the data channel without a word → a frame
    beyond what browsers carry is refused here, and the session goes on.
    """
    script = Script(plane=RELAY)
    part = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 300_000}
    item = {"type": "message", "role": "user", "content": [part]}
    with pytest.raises(LocalProtocolError, match="limit"):
        script.session.send(commands.ConversationItemCreate(item=item), now=0.0)
    assert script.sent() == []
    script.session.send_text("Never mind.", now=0.0)
    assert script.sent_types() == ["conversation.item.create", "response.create"]


@pytest.mark.known_issue(20)
def test_a_refused_offer_is_told_in_the_services_words() -> None:
    """openai/openai-agents-js#484, #544: the error body of a refused SDP POST was fed to
    setRemoteDescription → the page checks the status, and says what it was told.
    """
    relay = Relay(Session(plane=RELAY, now=0.0), now=0.0)
    update = relay.session.session_update({}, now=0.0)
    relay.open_call("https://service/v1/realtime/calls", "ek_1", now=0.0)
    relay.receive('{"type":"talkwire.hello","version":1}', now=0.0)
    why = "The service refused the call (401): Incorrect API key provided."
    bye = f'{{"type":"talkwire.bye","code":"sdp_refused","message":"{why}"}}'
    left, lost, closed = relay.receive(bye, now=1.0)
    assert left == PageLeft(code="sdp_refused", message=why)
    assert isinstance(lost, CommandSettled)
    assert (lost.event_id, lost.outcome) == (update, Outcome.LOST)
    assert closed == SessionClosed(reason=why)
    assert relay.closed


@pytest.mark.known_issue(27)
def test_what_was_not_given_stays_as_it_is() -> None:
    """livekit/agents#1469: a create with empty instructions erased the session's → fields that are
    not set do not leave; those that are replace the session's for that response.
    """
    script = Script()
    ours = script.session.send(commands.ResponseCreate(), now=0.0)
    (create,) = script.sent()
    assert create["response"] == {"metadata": {"client_event_id": ours}}
    script.session.session_update({"audio": {"output": {"speed": 1.1}}}, now=0.0)
    (update,) = script.sent()
    assert update["session"] == {"type": "realtime", "audio": {"output": {"speed": 1.1}}}


@pytest.mark.known_issue(29)
def test_a_refused_item_is_told_and_the_next_is_sent() -> None:
    """livekit/agents#7073: an item answered by an error stranded what waited for it → an error
    settles a command as success does.
    """
    script = Script()
    item = script.session.send_text("x", respond=False, now=0.0)
    wrong = error("unsupported_content_type", "No.", item)
    assert settled(script.tell(wrong)) == [(item, Outcome.FAILED)]
    assert settled(list(script.session.close(now=0.0))) == []


@pytest.mark.known_issue(36)
def test_an_hour_of_audio_weighs_nothing() -> None:
    """openai/openai-realtime-api-beta#87: with server VAD the input buffer grew without end →
    audio is counted and passed on, in and out; none of it is kept.
    """
    script = Script()
    script.begin("resp_1")
    item = message("a", "assistant", status="in_progress")
    script.hear(output_item("added", "resp_1", item), item_added(item, "item_tw1"))
    weights: list[int] = []
    for _ in range(2):
        for _ in range(500):
            script.session.send_audio(bytes(960), now=0.0)
            script.hear(audio_delta("resp_1", "a", 100))
            script.sent()
        weights.append(weight(script.session))
    assert weights[1] - weights[0] < 200


@pytest.mark.known_issue(50)
def test_the_microphone_waits_until_the_session_is_as_it_was_asked_to_be() -> None:
    """ag2ai/ag2#509, #564: the microphone was open before the session was configured → audio is
    held until `session.updated`, and what was said behind it keeps its place.
    """
    script = Script(plane=DIRECT, fresh=True)
    script.session.session_update({"instructions": "Speak French."}, now=0.0)
    script.session.send_audio(bytes(4800), now=0.0)
    script.session.send(commands.InputAudioBufferCommit(), now=0.0)
    script.session.send(commands.ResponseCreate(), now=0.0)
    script.hear(session_created())
    assert script.sent_types() == ["session.update"]
    script.hear(session_updated(instructions="Speak French."))
    assert script.sent_types() == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "response.create",
    ]
