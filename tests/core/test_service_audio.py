"""Turns, playing and interrupting at the service: §3.3, §3.6, §1.6, §1.2."""

import base64
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.service_line import Line, said, words_of
from talkwire.errors import LocalProtocolError
from talkwire.realtime.engine import (
    AudioReceived,
    InputCleared,
    PlaybackCleared,
    ResponseRequested,
    ResponseStopped,
    TranscriptionRequested,
)

WHISPER = {"model": "gpt-realtime-whisper"}


def silence(size: int) -> str:
    """Base64 of so many bytes of silence."""
    return base64.b64encode(bytes(size)).decode()


def turn_detection(**fields: Any) -> dict[str, Any]:
    """Session settings with a turn detection of these fields, or with none."""
    detection = {"type": "server_vad", **fields} if fields else None
    return {"audio": {"input": {"turn_detection": detection}}}


# The input buffer


def test_audio_is_passed_on_and_not_acknowledged_1_3() -> None:
    line = Line()

    requests = line.send("input_audio_buffer.append", audio=silence(480))

    assert requests == [AudioReceived(audio=bytes(480))]
    assert line.frames() == []


@pytest.mark.parametrize("audio", ["?", "AAA", "AA=A", "é", "AAAA\n"])
def test_audio_that_is_not_base64_is_refused_1_3(audio: str) -> None:
    error = Line().refused("input_audio_buffer.append", audio=audio)

    assert (error["code"], error["param"]) == ("invalid_value", "audio")


def test_an_append_has_a_limit_of_15_mib_3_10() -> None:
    line = Line()
    most = "A" * (15 * 1024 * 1024)

    assert line.send("input_audio_buffer.append", audio=most) == [
        AudioReceived(audio=bytes(len(most) // 4 * 3))
    ]
    error = line.refused("input_audio_buffer.append", audio=most + "AAAA")

    assert (error["code"], error["param"]) == ("string_above_max_length", "audio")


def test_a_manual_commit_makes_an_item_and_no_response_1_3() -> None:
    line = Line(session=turn_detection())
    line.add(**said("Hi"))
    line.send("input_audio_buffer.append", audio=silence(4800))

    requests = line.send("input_audio_buffer.commit")

    frames = line.frames()
    item = {
        "id": "item_2",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    assert [frame["type"] for frame in frames] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert list(frames[0].items())[2:] == [("previous_item_id", "item_1"), ("item_id", "item_2")]
    assert [frame["previous_item_id"] for frame in frames] == ["item_1"] * 3
    assert list(frames[1]["item"].items()) == list(item.items())
    assert frames[2]["item"] == item
    assert requests == [TranscriptionRequested(item_id="item_2")]
    assert line.service.active_response is None


@pytest.mark.parametrize(
    ("kind", "bytes_per_ms"), [("audio/pcm", 48), ("audio/pcmu", 8), ("audio/pcma", 8)]
)
def test_a_commit_needs_100_ms_counted_by_the_format_3_9(kind: str, bytes_per_ms: int) -> None:
    line = Line()
    line.update(audio={"input": {"format": {"type": kind}, "turn_detection": None}})

    line.send("input_audio_buffer.append", audio=silence(99 * bytes_per_ms))
    error = line.refused("input_audio_buffer.commit")
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert error["message"] == (
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
        "but buffer only has 99.00ms of audio."
    )
    assert line.service.items == ()

    line.send("input_audio_buffer.append", audio=silence(bytes_per_ms))
    line.send("input_audio_buffer.commit")
    assert line.types()[0] == "input_audio_buffer.committed"


def test_a_commit_empties_the_buffer_3_9() -> None:
    line = Line(session=turn_detection())
    line.send("input_audio_buffer.append", audio=silence(9600))
    line.send("input_audio_buffer.commit")
    line.frames()

    error = line.refused("input_audio_buffer.commit")

    assert "only has 0.00ms of audio" in error["message"]


def test_a_clear_empties_the_buffer_1_3() -> None:
    line = Line(session=turn_detection())
    line.send("input_audio_buffer.append", audio=silence(9600))

    assert line.send("input_audio_buffer.clear") == [InputCleared()]

    assert line.types() == ["input_audio_buffer.cleared"]
    assert line.refused("input_audio_buffer.commit")["code"] == "input_audio_buffer_commit_empty"


def test_audio_that_came_as_media_counts_for_a_commit_1_3() -> None:
    line = Line(plane="webrtc", session=turn_detection())
    assert line.service.audio_received(duration_ms=60, now=0) == []
    line.refused("input_audio_buffer.commit")

    line.service.audio_received(duration_ms=40, now=0)

    assert line.send("input_audio_buffer.commit") == [TranscriptionRequested(item_id="item_1")]


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 4800), max_size=8))
def test_how_audio_is_cut_into_appends_does_not_matter(cuts: list[int]) -> None:
    line = Line(session=turn_detection())
    edges = [0, *sorted(cuts), 4800]
    for start, end in pairwise(edges):
        line.send("input_audio_buffer.append", audio=silence(end - start))

    assert line.send("input_audio_buffer.commit") == [TranscriptionRequested(item_id="item_1")]


# Turns


def test_a_turn_is_committed_and_answered_in_order_3_3() -> None:
    line = Line()

    assert line.service.speech_started(audio_start_ms=1460, now=0) == []
    requests = line.service.speech_stopped(audio_end_ms=4256, now=0)

    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert list(frames[0].items())[2:] == [("audio_start_ms", 1460), ("item_id", "item_1")]
    assert list(frames[1].items())[2:] == [("audio_end_ms", 4256), ("item_id", "item_1")]
    assert list(frames[2].items())[2:] == [("previous_item_id", None), ("item_id", "item_1")]
    (item,) = line.service.items
    assert item["id"] == "item_1"
    assert requests == [
        TranscriptionRequested(item_id="item_1"),
        ResponseRequested(
            response_id="resp_1",
            items=(item,),
            instructions="",
            tools=(),
            tool_choice="auto",
            output_modality="audio",
        ),
    ]
    assert line.service.active_response == "resp_1"


def test_a_turn_is_not_answered_when_create_response_is_off_1_6() -> None:
    line = Line(session=turn_detection(create_response=False))

    assert line.user_speaks() == [TranscriptionRequested(item_id="item_1")]

    assert line.types()[-1] == "conversation.item.done"
    assert line.service.active_response is None


def test_a_turn_is_committed_but_not_answered_while_a_response_goes_on_1_6() -> None:
    line = Line(session=turn_detection(interrupt_response=False))
    active = line.respond()

    requests = line.user_speaks()

    assert requests == [TranscriptionRequested(item_id="item_1")]
    types = line.types()
    assert types[-1] == "conversation.item.done"
    assert "error" not in types
    assert line.service.active_response == active
    line.done(active)
    line.frames()
    assert line.user_speaks()[-1] != requests[-1]


def test_an_out_of_band_response_does_not_keep_a_turn_from_being_answered_3_4() -> None:
    line = Line()
    line.respond(conversation="none")

    requests = line.user_speaks()

    assert isinstance(requests[-1], ResponseRequested)


def test_speech_that_begins_twice_is_the_engines_mistake() -> None:
    line = Line()
    line.service.speech_started(audio_start_ms=0, now=0)
    line.frames()

    with pytest.raises(LocalProtocolError, match="speech_started"):
        line.service.speech_started(audio_start_ms=10, now=0)

    assert line.frames() == []


def test_speech_leads_to_no_item_when_the_buffer_is_cleared_3_3() -> None:
    line = Line()
    line.service.speech_started(audio_start_ms=0, now=0)
    line.send("input_audio_buffer.clear")
    line.frames()

    assert line.service.speech_stopped(audio_end_ms=900, now=0) == []

    assert line.frames() == []
    assert line.service.items == ()


def test_nothing_is_detected_once_turn_detection_is_off_1_6() -> None:
    line = Line()
    line.service.speech_started(audio_start_ms=0, now=0)
    line.frames()
    line.update(**turn_detection())

    assert line.service.speech_stopped(audio_end_ms=900, now=0) == []
    assert line.service.speech_started(audio_start_ms=1000, now=0) == []

    assert line.frames() == []


def test_a_manual_commit_while_the_user_speaks_has_an_item_of_its_own_3_3() -> None:
    line = Line(plane="webrtc")
    line.service.speech_started(audio_start_ms=0, now=0)
    (started,) = line.frames()

    (request,) = line.send("input_audio_buffer.commit")
    assert isinstance(request, TranscriptionRequested)
    assert request.item_id != started["item_id"]
    assert request.item_id == line.service.items[-1]["id"]

    line.service.speech_stopped(audio_end_ms=900, now=0)
    assert line.service.items[-1]["id"] == started["item_id"]


# Transcription


def test_what_was_said_is_told_when_transcription_is_asked_for_3_3() -> None:
    line = Line(session={"audio": {"input": {"transcription": WHISPER}}})
    line.service.speech_started(audio_start_ms=100, now=0)
    line.service.speech_stopped(audio_end_ms=2200, now=0)
    line.frames()

    assert line.service.transcribed("item_1", "Hello, my name is Ada.", now=0) == []

    delta, completed = line.frames()
    assert list(delta.items())[2:] == [
        ("item_id", "item_1"),
        ("content_index", 0),
        ("delta", "Hello, my name is Ada."),
    ]
    assert delta["type"] == "conversation.item.input_audio_transcription.delta"
    assert completed["type"] == "conversation.item.input_audio_transcription.completed"
    assert list(completed.items())[2:] == [
        ("item_id", "item_1"),
        ("content_index", 0),
        ("transcript", "Hello, my name is Ada."),
        ("usage", {"type": "duration", "seconds": 3}),
    ]
    assert words_of(line.service.items[0]) == "Hello, my name is Ada."


def test_silence_is_transcribed_as_nothing_without_a_delta_3_3() -> None:
    line = Line(session={"audio": {"input": {"transcription": WHISPER, "turn_detection": None}}})
    line.send("input_audio_buffer.append", audio=silence(48 * 1001))
    line.send("input_audio_buffer.commit")
    line.frames()

    line.service.transcribed("item_1", "", now=0)

    (completed,) = line.frames()
    assert completed["transcript"] == ""
    assert completed["usage"] == {"type": "duration", "seconds": 2}


def test_speech_that_ended_before_it_began_lasted_no_time() -> None:
    line = Line(session={"audio": {"input": {"transcription": WHISPER}}})
    line.user_speaks(500, 400)
    line.frames()

    line.service.transcribed("item_1", "", now=0)

    assert line.frames()[-1]["usage"]["seconds"] == 0


def test_what_was_said_is_not_told_when_transcription_is_off_but_is_in_the_items_1_6() -> None:
    line = Line()
    line.user_speaks()
    line.frames()

    line.service.transcribed("item_1", "Hello", now=0)

    assert line.frames() == []
    assert words_of(line.service.items[0]) == "Hello"
    line.send("response.cancel")
    (request,) = line.send("response.create")
    assert isinstance(request, ResponseRequested)
    assert words_of(request.items[0]) == "Hello"


def test_a_transcription_may_fail_for_its_item_alone_1_2() -> None:
    line = Line(session={"audio": {"input": {"transcription": WHISPER}}})
    line.user_speaks()
    line.frames()

    assert line.service.transcription_failed("item_1", "Too noisy.", now=0) == []

    (failed,) = line.frames()
    assert failed["type"] == "conversation.item.input_audio_transcription.failed"
    assert (failed["item_id"], failed["content_index"]) == ("item_1", 0)
    assert failed["error"] == {
        "type": "transcription_error",
        "code": "audio_unintelligible",
        "message": "Too noisy.",
        "param": None,
    }
    assert words_of(line.service.items[0]) is None


def test_a_failed_transcription_is_not_told_when_nobody_asked_for_one() -> None:
    line = Line()
    line.user_speaks()
    line.frames()

    line.service.transcription_failed("item_1", "Too noisy.", now=0)

    assert line.frames() == []


@pytest.mark.parametrize("why", ["unknown", "typed", "deleted", "told already"])
def test_words_for_an_item_that_does_not_wait_for_them_are_ignored_3_3(why: str) -> None:
    line = Line(session={"audio": {"input": {"transcription": WHISPER, "turn_detection": None}}})
    line.add(**said("Hi", id="typed"))
    line.send("input_audio_buffer.append", audio=silence(4800))
    line.send("input_audio_buffer.commit")
    spoken: str = line.service.items[-1]["id"]
    item_id = {"unknown": "gone", "typed": "typed"}.get(why, spoken)
    if why == "deleted":
        line.send("conversation.item.delete", item_id=item_id)
    if why == "told already":
        line.service.transcribed(item_id, "First", now=0)
    line.frames()
    before = line.service.items

    assert line.service.transcribed(item_id, "Late", now=0) == []
    assert line.service.transcription_failed(item_id, "Late", now=0) == []

    assert line.frames() == []
    assert line.service.items == before


# Playing (WebRTC)


def test_on_webrtc_audio_is_played_and_not_sent_1_2() -> None:
    line = Line(plane="webrtc")
    response_id = line.respond()
    line.frames()

    line.spoken(response_id, "Hello there.", 400, 400)
    line.done(response_id)
    assert line.service.playback_stopped(response_id, now=0) == []

    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "output_audio_buffer.started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "output_audio_buffer.stopped",
    ]
    assert list(frames[4]) == list(frames[-1]) == ["type", "event_id", "response_id"]
    assert frames[4]["response_id"] == frames[-1]["response_id"] == response_id


def test_playing_starts_and_stops_once_for_each_response_1_2() -> None:
    line = Line(plane="webrtc")
    response_id = line.respond()
    line.spoken(response_id, "One.", 100)
    line.spoken(response_id, "Two.", 100)
    line.done(response_id)
    line.service.playback_stopped(response_id, now=0)
    line.service.playback_stopped(response_id, now=0)

    types = line.types()
    assert types.count("output_audio_buffer.started") == 1
    assert types.count("output_audio_buffer.stopped") == 1


def test_the_output_buffer_cannot_be_cleared_on_a_plain_websocket_8() -> None:
    error = Line().refused("output_audio_buffer.clear")

    assert (error["code"], error["param"]) == ("invalid_value", "type")


def clear(line: Line, played_ms: int | None) -> list[Any]:
    """Clear the output buffer when so much of it was heard."""
    frame = '{"type": "output_audio_buffer.clear"}'
    return list(line.service.receive(frame, now=0, played_ms=played_ms))


@pytest.mark.parametrize(("played_ms", "end_ms"), [(0, 0), (300, 300), (900, 800), (None, 800)])
def test_clearing_what_is_still_audible_truncates_where_it_was_heard_3_6(
    played_ms: int | None, end_ms: int
) -> None:
    line = Line(plane="webrtc")
    response_id = line.respond()
    item_id = line.spoken(response_id, "Hello there.", 400, 400)
    line.done(response_id)
    line.frames()

    assert clear(line, played_ms) == [PlaybackCleared(response_id=response_id)]

    cleared, truncated = line.frames()
    assert list(cleared) == ["type", "event_id", "response_id"]
    assert (cleared["type"], cleared["response_id"]) == (
        "output_audio_buffer.cleared",
        response_id,
    )
    assert truncated["type"] == "conversation.item.truncated"
    assert (truncated["item_id"], truncated["audio_end_ms"]) == (item_id, end_ms)
    assert words_of(line.service.items[-1]) is None


def test_clearing_when_nothing_is_audible_says_nothing() -> None:
    line = Line(plane="webrtc")
    response_id = line.respond()
    line.spoken(response_id, "Hello.", 100)
    line.done(response_id)
    line.service.playback_stopped(response_id, now=0)
    line.frames()

    assert clear(line, None) == []

    assert line.frames() == []
    assert words_of(line.service.items[-1]) == "Hello."


def test_a_cancel_does_not_clear_what_is_audible_on_webrtc_3_6() -> None:
    line = Line(plane="webrtc")
    response_id = line.respond()
    line.speak(response_id, "Hello", 500)
    line.frames()

    assert line.send("response.cancel") == [ResponseStopped(response_id=response_id)]
    types = line.types()
    assert types[-1] == "response.done"
    assert "output_audio_buffer.cleared" not in types

    assert clear(line, 200) == [PlaybackCleared(response_id=response_id)]
    assert line.frames()[-1]["audio_end_ms"] == 200


def test_clearing_does_not_end_a_response_and_what_it_says_next_is_played_3_6() -> None:
    line = Line(plane="webrtc")
    response_id = line.respond()
    line.speak(response_id, "Hello", 500)
    line.frames()

    clear(line, 200)
    line.service.audio(response_id, b"", 100, now=0)

    assert line.types() == [
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
        "output_audio_buffer.started",
    ]
    assert line.service.active_response == response_id


def test_a_cut_behind_a_cut_of_the_clients_goes_no_further_3_6() -> None:
    line = Line(plane="webrtc")
    response_id = line.respond()
    item_id = line.spoken(response_id, "Hello", 500)
    line.send("conversation.item.truncate", item_id=item_id, audio_end_ms=100)
    line.frames()

    clear(line, 300)

    assert line.frames()[-1]["audio_end_ms"] == 100


@pytest.mark.parametrize(
    ("played_ms", "cuts"),
    [
        (100, [("first", 100), ("second", 0)]),
        (400, [("second", 0)]),
        (650, [("second", 250)]),
        (5000, [("second", 600)]),
        (None, [("second", 600)]),
    ],
)
def test_only_what_was_not_heard_of_several_messages_is_cut_3_6(
    played_ms: int | None, cuts: list[tuple[str, int]]
) -> None:
    line = Line(plane="webrtc")
    response_id = line.respond()
    names = {line.spoken(response_id, "One.", 400): "first"}
    names[line.spoken(response_id, "Two.", 600)] = "second"
    line.done(response_id)
    line.frames()

    clear(line, played_ms)

    truncated = [f for f in line.frames() if f["type"] == "conversation.item.truncated"]
    assert [(names[f["item_id"]], f["audio_end_ms"]) for f in truncated] == cuts


def test_of_what_was_queued_behind_the_response_being_played_nothing_was_heard_3_6() -> None:
    line = Line(plane="webrtc")
    first = line.respond()
    line.spoken(first, "One.", 400)
    line.done(first)
    second = line.respond()
    line.spoken(second, "Two.", 400)
    line.done(second)
    line.frames()

    requests = clear(line, 150)

    assert requests == [PlaybackCleared(response_id=first), PlaybackCleared(response_id=second)]
    frames = line.frames()
    assert [frame.get("audio_end_ms") for frame in frames] == [None, 150, None, 0]


def test_a_message_that_was_deleted_is_cleared_but_not_truncated_3_6() -> None:
    line = Line(plane="webrtc")
    response_id = line.respond()
    item_id = line.spoken(response_id, "One.", 400)
    line.done(response_id)
    line.send("conversation.item.delete", item_id=item_id)
    line.frames()

    clear(line, 100)

    assert line.types() == ["output_audio_buffer.cleared"]


# Interrupting


def test_speech_interrupts_what_is_said_and_heard_on_webrtc_3_6() -> None:
    line = Line(plane="webrtc")
    line.add(**said("Hi"))
    response_id = line.respond()
    line.speak(response_id, "Well, I think", 700)
    line.frames()

    requests = line.service.speech_started(audio_start_ms=5000, played_ms=250, now=0)

    assert requests == [
        ResponseStopped(response_id=response_id),
        PlaybackCleared(response_id=response_id),
    ]
    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    assert frames[4]["item"]["status"] == "incomplete"
    response = frames[6]["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert frames[8]["audio_end_ms"] == 250
    assert line.service.active_response is None


def test_speech_interrupts_what_is_only_still_audible_without_a_response_done_3_6() -> None:
    line = Line(plane="webrtc")
    response_id = line.respond()
    line.spoken(response_id, "Hello there.", 800)
    line.done(response_id)
    line.frames()

    requests = line.service.speech_started(audio_start_ms=0, played_ms=300, now=0)

    assert requests == [PlaybackCleared(response_id=response_id)]
    frames = line.frames()
    assert [frame["type"] for frame in frames] == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    assert frames[-1]["audio_end_ms"] == 300


def test_speech_before_any_audio_cuts_nothing_earlier_3_6() -> None:
    line = Line(plane="webrtc")
    first = line.respond()
    line.spoken(first, "Hello.", 100)
    line.done(first)
    line.service.playback_stopped(first, now=0)
    line.speak(line.respond(), "Well")
    line.frames()

    line.service.speech_started(audio_start_ms=0, played_ms=0, now=0)

    types = line.types()
    assert "response.done" in types
    assert "output_audio_buffer.cleared" not in types
    assert "conversation.item.truncated" not in types
    assert words_of(line.service.items[0]) == "Hello."


def test_on_a_websocket_speech_stops_the_response_and_the_client_truncates_3_6() -> None:
    line = Line()
    response_id = line.respond()
    line.speak(response_id, "Well, I think", 700)
    item_id = line.service.items[-1]["id"]
    line.frames()

    requests = line.service.speech_started(audio_start_ms=0, now=0)

    assert requests == [ResponseStopped(response_id=response_id)]
    types = line.types()
    assert types[-1] == "response.done"
    assert "conversation.item.truncated" not in types
    assert words_of(line.service.items[-1]) == "Well, I think"

    line.send("conversation.item.truncate", item_id=item_id, audio_end_ms=250)
    assert line.types() == ["conversation.item.truncated"]


@pytest.mark.parametrize("plane", ["websocket", "webrtc"])
def test_speech_interrupts_nothing_when_interrupt_response_is_off_1_6(plane: str) -> None:
    line = Line(plane=plane, session=turn_detection(interrupt_response=False))
    response_id = line.respond()
    line.speak(response_id, "Well", 500)
    line.frames()

    assert line.service.speech_started(audio_start_ms=0, played_ms=100, now=0) == []

    assert line.types() == ["input_audio_buffer.speech_started"]
    assert line.service.active_response == response_id


def test_speech_stops_an_out_of_band_response_only_if_it_can_be_heard_3_4() -> None:
    line = Line(plane="webrtc")
    silent = line.respond(conversation="none", output_modalities=["text"])
    heard = line.respond(conversation="none")
    line.speak(heard, "An aside", 500)
    line.frames()

    requests = line.service.speech_started(audio_start_ms=0, played_ms=100, now=0)

    assert requests == [ResponseStopped(response_id=heard), PlaybackCleared(response_id=heard)]
    types = line.types()
    assert types[-2:] == ["response.done", "output_audio_buffer.cleared"]
    line.written(silent, "done")
    assert line.types()[-1] == "response.output_item.done"


def test_the_turn_that_interrupted_is_answered_3_6() -> None:
    line = Line(plane="webrtc")
    first = line.respond()
    line.speak(first, "Well", 500)

    line.service.speech_started(audio_start_ms=0, played_ms=100, now=0)
    requests = line.service.speech_stopped(audio_end_ms=800, now=0)

    assert isinstance(requests[-1], ResponseRequested)
    assert line.service.active_response == requests[-1].response_id != first
