"""Transcription and translation sessions at the service: §1.2, §1.3, §1.6; and beta's end, §2.3."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from support.service_line import Frame, Line, said
from talkwire.errors import LocalProtocolError
from talkwire.realtime.engine import (
    AudioReceived,
    ConfigurationChanged,
    FlushRequested,
    InputCleared,
    TranscriptionRequested,
)
from talkwire.realtime.kind import Kind
from talkwire.realtime.wire import EVENT_TYPES

WHISPER = {"model": "gpt-realtime-whisper"}
VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
}


def silence(size: int) -> str:
    """Base64 of so many bytes of silence."""
    return base64.b64encode(bytes(size)).decode()


def transcribing() -> Line:
    """A transcription session whose client wants to know the words."""
    return Line(kind="transcription", session={"audio": {"input": {"transcription": WHISPER}}})


def translating(**fields: Any) -> Line:
    """A translation session."""
    return Line(kind="translation", **fields)


def test_an_unknown_kind_is_a_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="conversation"):
        Line(kind="conversation")


@pytest.mark.parametrize("kind", [*Kind, *(kind.value for kind in Kind)])
def test_a_kind_may_be_given_as_such_or_by_its_name(kind: Kind | str) -> None:
    (frame,) = Line(kind=kind, fresh=True).frames()

    assert frame["session"]["type"] == Kind(kind).value


# Transcription


def test_a_transcription_session_shows_its_own_configuration_1_6() -> None:
    (frame,) = Line(kind="transcription", fresh=True, expires_at=12).frames()

    assert frame["type"] == "session.created"
    assert list(frame["session"].items()) == [
        ("type", "transcription"),
        ("object", "realtime.transcription_session"),
        ("id", "sess_1"),
        ("expires_at", 12),
        (
            "audio",
            {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": VAD,
                }
            },
        ),
        ("include", None),
    ]


def test_a_transcription_session_is_updated_like_another_3_1() -> None:
    line = Line(kind="transcription")
    audio = {"input": {"transcription": WHISPER, "turn_detection": {"type": "semantic_vad"}}}

    requests = line.send("session.update", session={"type": "transcription", "audio": audio})

    (frame,) = line.frames()
    shown = frame["session"]["audio"]["input"]
    assert shown["transcription"] == {**WHISPER, "language": None, "prompt": None}
    assert shown["turn_detection"] == {"type": "semantic_vad", "eagerness": "auto"}
    assert requests == [ConfigurationChanged(session=line.service.session)]


@pytest.mark.parametrize(
    ("patch", "code", "param"),
    [
        ({"type": "realtime"}, "invalid_parameter", "session.type"),
        ({}, "missing_required_parameter", "session.type"),
        (
            {"type": "transcription", "instructions": "Hi"},
            "unknown_parameter",
            "session.instructions",
        ),
        (
            {"type": "transcription", "audio": {"output": {"voice": "marin"}}},
            "unknown_parameter",
            "session.audio.output",
        ),
        ({"type": "transcription", "model": "m"}, "unknown_parameter", "session.model"),
    ],
)
def test_what_a_transcription_session_has_not_cannot_be_set_1_3(
    patch: Frame, code: str, param: str
) -> None:
    error = Line(kind="transcription").refused("session.update", session=patch)

    assert (error["code"], error["param"]) == (code, param)


def test_a_session_of_one_kind_cannot_become_one_of_another_1_6() -> None:
    error = Line().refused("session.update", session={"type": "transcription"})
    assert error["message"] == (
        "Passing a transcription session update event to a realtime session is not allowed."
    )

    error = Line(kind="transcription").refused("session.update", session={"type": "realtime"})
    assert error["message"] == (
        "Passing a realtime session update event to a transcription session is not allowed."
    )


def test_what_is_said_is_transcribed_and_never_answered_1_3() -> None:
    line = transcribing()

    assert line.user_speaks() == [TranscriptionRequested(item_id="item_1")]
    line.service.transcribed("item_1", "Hello.", now=0)

    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
    ]
    assert line.service.active_response is None


def test_a_transcription_client_may_commit_and_clear_by_itself_1_3() -> None:
    line = Line(kind="transcription", session={"audio": {"input": {"turn_detection": None}}})

    assert line.send("input_audio_buffer.append", audio=silence(4800)) == [
        AudioReceived(audio=bytes(4800))
    ]
    assert line.send("input_audio_buffer.commit") == [TranscriptionRequested(item_id="item_1")]
    assert line.send("input_audio_buffer.clear") == [InputCleared()]


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("transcription", {"type": "response.create"}),
        ("transcription", {"type": "response.cancel"}),
        ("transcription", {"type": "conversation.item.create", "item": said("Hi")}),
        ("transcription", {"type": "session.close"}),
        ("translation", {"type": "response.create"}),
        ("translation", {"type": "input_audio_buffer.append", "audio": "AAAA"}),
        ("realtime", {"type": "session.close"}),
        ("realtime", {"type": "transcription_session.update", "session": {}}),
    ],
)
def test_an_event_that_a_kind_of_session_has_not_is_refused_as_unknown_1_3(
    kind: str, command: Frame
) -> None:
    line = Line(kind=kind)

    error = line.refused(command.pop("type"), **command)

    assert (error["code"], error["param"]) == ("invalid_value", "type")
    assert "'session.update'" in error["message"]


# Words, in a transcription or a conversation


def test_words_may_be_told_before_there_is_an_item_3_3() -> None:
    line = transcribing()
    assert line.service.speech_item is None
    line.service.speech_started(audio_start_ms=0, now=0)
    item_id = line.service.speech_item
    assert item_id is not None
    line.frames()

    line.service.transcript_delta(item_id, "Hel", now=0)
    line.service.speech_stopped(audio_end_ms=500, now=0)
    line.service.transcript_delta(item_id, "lo.", now=0)
    line.service.transcribed(item_id, "Hello.", now=0)

    frames = line.frames()
    kind = "conversation.item.input_audio_transcription"
    assert [frame["type"] for frame in frames] == [
        f"{kind}.delta",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        f"{kind}.delta",
        f"{kind}.completed",
    ]
    assert (frames[0]["item_id"], frames[0]["content_index"]) == (item_id, 0)
    assert frames[0]["delta"] + frames[5]["delta"] == frames[6]["transcript"]


def test_words_of_speech_that_led_to_no_item_are_not_completed_3_3() -> None:
    line = transcribing()
    line.service.speech_started(audio_start_ms=0, now=0)
    item_id = line.service.speech_item or ""
    line.service.transcript_delta(item_id, "Hel", now=0)
    line.send("input_audio_buffer.clear")
    line.frames()

    line.service.transcript_delta(item_id, "lo.", now=0)
    line.service.transcribed(item_id, "Hello.", now=0)

    assert line.frames() == []


def test_words_that_nobody_wants_to_know_are_not_told_1_6() -> None:
    line = Line(kind="transcription")
    line.user_speaks()
    line.frames()

    line.service.transcript_delta("item_1", "Hel", now=0)
    line.service.transcript_segment("item_1", "Hello.", speaker="A", start=0.0, end=1.0, now=0)
    line.service.transcribed("item_1", "Hello.", now=0)

    assert line.frames() == []


def test_words_may_fail_after_some_were_told_1_2() -> None:
    line = transcribing()
    line.user_speaks()
    line.service.transcript_delta("item_1", "Hel", now=0)
    line.frames()

    line.service.transcription_failed("item_1", "Too much noise.", now=0)
    line.service.transcript_delta("item_1", "lo", now=0)

    assert line.types() == ["conversation.item.input_audio_transcription.failed"]


def test_a_diarizing_engine_tells_who_said_what_1_2() -> None:
    line = transcribing()
    line.user_speaks()
    line.frames()

    line.service.transcript_segment("item_1", "Hello.", speaker="A", start=0.1, end=0.9, now=0)
    line.service.transcript_segment(
        "item_1", "Hi.", speaker="B", start=1.0, end=1.2, segment_id="seg_b", now=0
    )
    line.service.transcript_segment("item_9", "Who?", speaker="C", start=2.0, end=2.1, now=0)

    first, second = line.frames()
    assert first["type"] == "conversation.item.input_audio_transcription.segment"
    assert {**first, "event_id": ""} == {
        "type": first["type"],
        "event_id": "",
        "item_id": "item_1",
        "content_index": 0,
        "text": "Hello.",
        "id": "seg_1",
        "speaker": "A",
        "start": 0.1,
        "end": 0.9,
    }
    assert second["id"] == "seg_b"


def test_usage_languages_and_logprobs_are_passed_on_1_5() -> None:
    line = transcribing()
    line.user_speaks()
    line.frames()
    more = {
        "usage": {"type": "tokens", "total_tokens": 3},
        "languages": [{"code": "en"}],
        "logprobs": [{"token": "Hello", "logprob": -0.1, "bytes": [72]}],
    }

    line.service.transcribed("item_1", "Hello.", more=more, now=0)

    completed = line.frames()[-1]
    assert {key: completed[key] for key in more} == more


def test_what_is_told_of_words_must_be_json() -> None:
    line = transcribing()
    line.user_speaks()
    line.frames()

    with pytest.raises(LocalProtocolError, match="transcribed"):
        line.service.transcribed("item_1", "Hello.", more={"usage": object()}, now=0)

    assert line.frames() == []
    line.service.transcribed("item_1", "Hello.", now=0)
    assert line.types()[-1] == "conversation.item.input_audio_transcription.completed"


# Translation


def test_a_translation_session_shows_its_own_configuration_1_2() -> None:
    (frame,) = Line(kind="translation", fresh=True, expires_at=12).frames()

    assert frame["session"] == {
        "type": "translation",
        "id": "sess_1",
        "model": "gpt-realtime-translate",
        "expires_at": 12,
        "audio": {
            "input": {"transcription": None, "noise_reduction": None},
            "output": {"language": None},
        },
    }


def test_a_translation_session_is_opened_with_its_model_and_language_1_7() -> None:
    settings = {"model": "m", "audio": {"output": {"language": "es"}}}

    session = translating(session=settings).service.session

    assert (session["model"], session["audio"]["output"]) == ("m", {"language": "es"})


def test_three_things_of_a_translation_can_be_updated_1_3() -> None:
    line = translating()
    audio = {
        "output": {"language": "fr"},
        "input": {"transcription": WHISPER, "noise_reduction": {"type": "near_field"}},
    }

    requests = line.send("session.update", session={"audio": audio})

    (frame,) = line.frames()
    assert frame["type"] == "session.updated"
    assert frame["session"]["audio"] == audio
    assert requests == [ConfigurationChanged(session=line.service.session)]


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        ({"type": "translation"}, "session.type"),
        ({"type": "realtime"}, "session.type"),
        ({"model": "m"}, "session.model"),
        ({"instructions": "Hi"}, "session.instructions"),
        ({"audio": {"output": {"voice": "marin"}}}, "session.audio.output.voice"),
        ({"audio": {"input": {"turn_detection": None}}}, "session.audio.input.turn_detection"),
    ],
)
def test_nothing_else_of_a_translation_can_be_updated_1_3(patch: Frame, param: str) -> None:
    error = translating().refused("session.update", session=patch)

    assert (error["code"], error["param"]) == ("unknown_parameter", param)


def test_speech_goes_in_and_comes_out_translated_1_2() -> None:
    line = translating(session={"audio": {"input": {"transcription": WHISPER}}})

    assert line.send("session.input_audio_buffer.append", audio=silence(9600)) == [
        AudioReceived(audio=bytes(9600))
    ]
    assert line.service.heard_text("Hola", elapsed_ms=200, now=0) == []
    assert line.service.translated_text("Hello", elapsed_ms=400, now=0) == []
    assert line.service.translated_audio(b"\0\0\0", elapsed_ms=400, now=0) == []

    assert [{**frame, "event_id": ""} for frame in line.frames()] == [
        {
            "type": "session.input_transcript.delta",
            "event_id": "",
            "delta": "Hola",
            "elapsed_ms": 200,
        },
        {
            "type": "session.output_transcript.delta",
            "event_id": "",
            "delta": "Hello",
            "elapsed_ms": 400,
        },
        {
            "type": "session.output_audio.delta",
            "event_id": "",
            "delta": "AAAA",
            "channels": 1,
            "format": "pcm16",
            "sample_rate": 24000,
            "elapsed_ms": 400,
        },
    ]


def test_what_was_said_is_told_only_when_transcription_is_configured_1_2() -> None:
    line = translating()

    line.service.heard_text("Hola", now=0)

    assert line.frames() == []


def test_a_translation_is_played_and_not_sent_on_webrtc_1_2() -> None:
    line = translating(plane="webrtc")

    line.service.translated_audio(b"\0\0", now=0)

    assert line.frames() == []


def test_the_end_of_a_translation_is_a_handshake_1_3() -> None:
    line = translating()

    assert line.send("session.close") == [FlushRequested()]
    assert line.send("session.close") == []
    assert line.frames() == []
    error = line.refused("session.input_audio_buffer.append", audio="AAAA")
    assert error["code"] == "invalid_value"
    line.service.translated_text("Adieu", now=0)
    assert line.service.translation_done(now=0) == []

    assert line.types() == ["session.output_transcript.delta", "session.closed"]
    assert (line.service.closed, line.service.close_code) == (True, 1000)


def test_after_the_end_of_a_translation_nothing_is_said_1_3() -> None:
    line = translating()
    line.service.receive_close(now=0)

    line.service.translated_text("Adieu", now=0)
    assert line.service.translation_done(now=0) == []

    assert line.frames() == []


def test_a_translation_ends_only_when_the_client_asked_for_it_1_3() -> None:
    line = translating()

    with pytest.raises(LocalProtocolError, match="nobody closes"):
        line.service.translation_done(now=0)

    assert not line.service.closed


@pytest.mark.parametrize("kind", ["realtime", "transcription"])
def test_nothing_is_translated_in_another_kind_of_session(kind: str) -> None:
    line = Line(kind=kind)
    service = line.service
    moves: list[Callable[[], object]] = [
        lambda: service.heard_text("Hola", now=0),
        lambda: service.translated_text("Hello", now=0),
        lambda: service.translated_audio(b"", now=0),
        lambda: service.translation_done(now=0),
    ]

    for move in moves:
        with pytest.raises(LocalProtocolError, match=f"{kind} session"):
            move()

    assert line.frames() == []


def test_audio_to_translate_has_the_limit_of_any_other_3_10() -> None:
    error = translating().refused(
        "session.input_audio_buffer.append", audio="A" * (15 * 1024 * 1024 + 4)
    )

    assert (error["code"], error["param"]) == ("string_above_max_length", "audio")


def test_nobody_is_detected_to_speak_in_a_translation() -> None:
    line = translating()

    assert line.service.speech_started(audio_start_ms=0, now=0) == []
    assert line.service.speech_stopped(audio_end_ms=1, now=0) == []

    assert line.frames() == []


# Beta (§2.3)


def test_a_client_of_the_beta_is_told_so_once_and_closed_2_3() -> None:
    line = Line(beta=True, fresh=True)

    error = line.error()
    assert error["code"] == "beta_api_shape_disabled"
    assert error["message"].startswith("The Realtime Beta API is no longer supported.")
    assert (line.service.closed, line.service.close_code) == (True, 4000)
    assert line.send("session.update", session={"modalities": ["text"]}) == []
    assert line.frames() == []


@pytest.mark.parametrize("field", ["modalities", "temperature", "max_response_output_tokens"])
def test_betas_fields_are_unknown_in_ga_2_2(field: str) -> None:
    error = Line().refused("response.create", response={field: 1})

    assert (error["code"], error["param"]) == ("unknown_parameter", f"response.{field}")


def test_every_frame_of_a_transcription_session_is_one_of_gas_1_2() -> None:
    line = transcribing()
    line.user_speaks()
    line.service.transcript_delta("item_1", "Hello.", now=0)
    line.service.transcribed("item_1", "Hello.", now=0)

    kinds = line.types()
    assert set(kinds) <= EVENT_TYPES
    assert not any(kind.startswith("response.") for kind in kinds)
