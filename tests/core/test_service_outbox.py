"""Who hears what a service says, and in what shape: §3.1, §3.6, §1.1."""

import json

import pytest

from support.service_line import Frame, Line, said
from talkwire.errors import LocalProtocolError
from talkwire.realtime.service_outbox import Attachment


def heard(attachment: Attachment) -> list[Frame]:
    """What a second controller was told since the last look."""
    frames: list[Frame] = []
    while (frame := attachment.next_frame()) is not None:
        frames.append(json.loads(frame))
    return frames


def test_a_second_controller_hears_the_same_but_no_session_created_3_1() -> None:
    line = Line(fresh=True)
    sideband = line.service.attach()

    line.send("session.update", session={"type": "realtime", "instructions": "Be brief"})

    first, second = line.frames()
    assert first["type"] == "session.created"
    assert heard(sideband) == [second]


def test_a_second_controller_hears_no_audio_3_6() -> None:
    line = Line()
    sideband = line.service.attach()
    response_id = line.respond()
    line.spoken(response_id, "Hello", 100)
    line.done(response_id)

    frames = line.frames()

    audio = [frame for frame in frames if frame["type"] == "response.output_audio.delta"]
    assert len(audio) == 1
    assert heard(sideband) == [frame for frame in frames if frame not in audio]


def test_a_second_controller_hears_no_translated_audio() -> None:
    line = Line(kind="translation")
    sideband = line.service.attach()

    line.service.translated_audio(b"\0\0", now=0)
    line.service.translated_text("Hello", now=0)

    assert [frame["type"] for frame in heard(sideband)] == ["session.output_transcript.delta"]


def test_both_controllers_hear_the_errors_of_either_8() -> None:
    line = Line()
    sideband = line.service.attach()

    error = line.refused("response.cancel")

    assert [frame["error"] for frame in heard(sideband)] == [error]


def test_there_may_be_several_and_each_drains_for_itself() -> None:
    line = Line()
    first, second = line.service.attach(), line.service.attach()
    line.add(**said("Hi"))
    assert len(heard(first)) == 2

    line.service.detach(first)
    line.add(**said("Hm"))

    assert heard(first) == []
    assert len(heard(second)) == 4
    assert first.next_frame() is None


# Shape


def test_text_deltas_are_padded_when_that_is_asked_for_1_1() -> None:
    line = Line(obfuscate=True)
    response_id = line.respond(output_modalities=["text"])
    line.service.message_started(response_id, modality="text", now=0)
    for words in ("Hello", " there, how are", "sixteen letters!", ""):
        line.service.text(response_id, words, now=0)

    deltas = [frame for frame in line.frames() if "delta" in frame]

    assert [len(frame["delta"] + frame["obfuscation"]) for frame in deltas] == [16, 16, 16, 0]
    assert list(deltas[0])[-2:] == ["delta", "obfuscation"]


def test_audio_is_not_padded_1_1() -> None:
    line = Line(obfuscate=True)
    line.speak(line.respond(), "Hello", 100)

    transcript, audio = (frame for frame in line.frames() if "delta" in frame)

    assert "obfuscation" in transcript
    assert "obfuscation" not in audio


def test_nothing_is_padded_by_itself_1_1() -> None:
    line = Line()
    line.speak(line.respond(), "Hello", 100)

    assert not any("obfuscation" in frame for frame in line.frames())


def test_half_a_character_from_an_engine_is_mended_on_the_wire() -> None:
    line = Line(session={"audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    line.user_speaks()
    line.service.transcribed("item_1", "Hm \udfff", now=0)
    response_id = line.service.active_response or ""
    line.service.function_call(response_id, "f", '{"a":"\ud800"}', now=0)
    line.service.response_failed(response_id, code="server_error", message="\ud83d", now=0)

    frames = line.frames()

    assert [frame["transcript"] for frame in frames if "transcript" in frame] == ["Hm \ufffd"]
    assert [frame["arguments"] for frame in frames if "arguments" in frame] == ['{"a":"\ufffd"}']
    done = frames[-1]["response"]
    assert done["output"][0]["arguments"] == '{"a":"\ufffd"}'
    assert done["status_details"]["error"]["message"] == "\ufffd"


def test_usage_that_is_not_json_is_the_engines_mistake_and_changes_nothing() -> None:
    line = Line()
    response_id = line.respond()
    line.frames()

    with pytest.raises(LocalProtocolError, match="response_done"):
        line.service.response_done(response_id, usage={"total_tokens": object()}, now=0)
    with pytest.raises(LocalProtocolError, match="response_incomplete"):
        line.service.response_incomplete(
            response_id, reason="max_output_tokens", usage={"total_tokens": object()}, now=0
        )

    assert line.frames() == []
    line.done(response_id)
