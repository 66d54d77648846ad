"""Push-to-talk, as recipes that run: §3.11, by plane, with the service at the other end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from support.pair import Pair
from talkwire import (
    DIRECT,
    SIDEBAND,
    CommandSettled,
    Event,
    Interrupted,
    JsonObject,
    Outcome,
    Plane,
    commands,
)

NO_DETECTION = {"audio": {"input": {"turn_detection": None}}}
SECOND = bytes(48_000)  # PCM at 24 kHz


def answering(plane: Plane) -> Pair:
    """A call without turn detection in which the model is speaking, a second of it so far."""
    pair = Pair(plane=plane, settings=NO_DETECTION)
    pair.run()
    pair.call("send_text", "Tell me a story.")
    pair.run()
    pair.engine("message_started", "resp_1", modality="audio")
    pair.engine("text", "resp_1", "Once upon a time")
    pair.engine("audio", "resp_1", SECOND, 1000)
    pair.run()
    pair.frames.clear()
    return pair


def sent(pair: Pair) -> list[JsonObject]:
    frames: list[JsonObject] = [json.loads(frame) for frame in pair.frames]
    pair.frames.clear()
    return frames


def kinds(frames: Sequence[JsonObject]) -> list[Any]:
    return [frame["type"] for frame in frames]


def failures(events: Sequence[Event]) -> list[Event]:
    return [e for e in events if isinstance(e, CommandSettled) and e.outcome is not Outcome.DONE]


def test_push_to_talk_where_the_sound_is_ours_3_11() -> None:
    """Pressed: stop the model, cut it at what was heard. Held: append. Released: commit, ask."""
    pair = answering(DIRECT)
    spoken = pair.session.conversation.last_of("resp_1")
    assert spoken is not None
    pair.call("report_playback", spoken.id, 400)

    pair.call("cancel")
    events = pair.run()
    cancel, cut = sent(pair)
    assert (cancel["type"], cancel["response_id"]) == ("response.cancel", "resp_1")
    assert (cut["type"], cut["audio_end_ms"]) == ("conversation.item.truncate", 400)
    assert Interrupted(response_id="resp_1", item_id=spoken.id) in events

    for _ in range(3):
        pair.call("send_audio", SECOND)
    pair.send(commands.InputAudioBufferCommit())
    pair.send(commands.ResponseCreate())
    events += pair.run()

    append = "input_audio_buffer.append"
    assert kinds(sent(pair)) == [append] * 3 + ["input_audio_buffer.commit", "response.create"]
    assert failures(events) == []
    assert pair.service.active_response == "resp_2"
    assert [item.role for item in pair.session.conversation] == ["user", "assistant", "user"]
    assert spoken.audio_end_ms == 400


def test_push_to_talk_where_the_service_has_the_sound_3_11() -> None:
    """Pressed: drop what is in the buffers, stop the model. Released: commit, ask."""
    pair = answering(SIDEBAND)
    pair.send(commands.InputAudioBufferClear())
    pair.call("cancel")
    events = pair.run()
    assert kinds(sent(pair)) == [
        "input_audio_buffer.clear",
        "response.cancel",
        "output_audio_buffer.clear",
    ]
    assert [e.response_id for e in events if isinstance(e, Interrupted)] == ["resp_1"]

    pair.engine("audio_received", duration_ms=900)  # by WebRTC
    pair.send(commands.InputAudioBufferCommit())
    pair.send(commands.ResponseCreate())
    events += pair.run()

    assert kinds(sent(pair)) == ["input_audio_buffer.commit", "response.create"]
    assert failures(events) == []
    assert pair.service.active_response == "resp_2"
    assert [item.role for item in pair.session.conversation] == ["user", "assistant", "user"]


def test_released_before_the_model_has_stopped_the_request_waits_for_it_3_11() -> None:
    """A short press: the cancel is still under way when the question is asked."""
    pair = answering(DIRECT)
    pair.call("cancel")
    pair.call("send_audio", SECOND)
    pair.send(commands.InputAudioBufferCommit())
    pair.send(commands.ResponseCreate())
    assert kinds(sent(pair)) == [
        "response.cancel",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
    ]
    assert failures(pair.run()) == []
    assert kinds(sent(pair)) == ["response.create"]
    assert pair.service.active_response == "resp_2"


def test_pressed_while_the_model_is_silent_nothing_is_stopped_3_11() -> None:
    pair = Pair(settings=NO_DETECTION)
    pair.run()
    assert pair.call("cancel") is None
    pair.call("send_audio", SECOND)
    pair.send(commands.InputAudioBufferCommit())
    pair.send(commands.ResponseCreate())
    assert failures(pair.run()) == []
    assert "response.cancel" not in kinds(sent(pair))
    assert pair.service.active_response == "resp_1"
