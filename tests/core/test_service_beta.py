"""A service that speaks beta with its client: §2, from the other side."""

import json
from typing import Any

import pytest
from openai.types.beta.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from support.beta_service import BetaService
from support.service_line import Frame, Line, said
from talkwire import Session
from talkwire.errors import LocalProtocolError
from talkwire.realtime.beta import Dialect
from talkwire.realtime.engine import EngineRequest, ResponseRequested
from talkwire.realtime.plane import DIRECT
from talkwire.realtime.service import Service

VAD = {"type": "server_vad", "threshold": 0.4}
PHONE = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}
# As AG2 0.9.9 writes it.
UPDATE = {
    "modalities": ["audio", "text"],
    "voice": "echo",
    "temperature": 0.8,
    "turn_detection": VAD,
    "input_audio_transcription": {"model": "whisper-1"},
    **PHONE,
}
ASSISTANT = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi"}]}
a_beta_event: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def beta(**settings: Any) -> Line:
    return Line(dialect=Dialect.BETA, **settings)


def converse(service: Service, receive: Any) -> None:
    """A turn in words and sound that calls a function, as the same client and engine have it."""
    requests: list[EngineRequest] = []
    for kind, fields in (
        ("conversation.item.create", {"item": said("Weather?")}),
        ("conversation.item.create", {"item": ASSISTANT}),
        ("response.create", {"response": {"modalities": ["text", "audio"], "voice": "echo"}}),
    ):
        requests += receive(json.dumps({"type": kind, **fields}))
    (asked,) = (each for each in requests if isinstance(each, ResponseRequested))
    response_id = asked.response_id
    service.message_started(response_id, modality="audio", now=0)
    service.text(response_id, "Let me see.", now=0)
    service.audio(response_id, b"\0\0" * 480, 20, now=0)
    service.message_done(response_id, now=0)
    service.message_started(response_id, modality="text", now=0)
    service.text(response_id, "One moment.", now=0)
    service.message_done(response_id, now=0)
    service.function_call(response_id, "get_weather", "{}", now=0)
    service.response_done(response_id, now=0)


def test_an_old_update_is_understood_and_told_in_its_own_words_2_2() -> None:
    line = beta()

    line.send("session.update", session=UPDATE)

    (frame,) = line.frames()
    shown = frame["session"]
    assert frame["type"] == "session.updated"
    assert shown["modalities"] == ["text", "audio"]
    assert (shown["voice"], shown["input_audio_format"]) == ("echo", "g711_ulaw")
    assert shown["turn_detection"]["threshold"] == 0.4
    assert not {"type", "audio", "output_modalities"} & set(shown)
    ga = line.service.session
    assert ga["output_modalities"] == ["audio"]
    assert ga["audio"]["output"]["format"] == {"type": "audio/pcmu"}


def test_a_turn_is_told_as_a_beta_service_told_it_2_1() -> None:
    line, other = beta(fresh=True), BetaService()
    converse(line.service, lambda text: line.service.receive(text, now=0))
    converse(other.service, other.receive)

    frames, expected = line.frames(), other.frames()

    # Event ids are spent on what beta had not; a call's name was on the wire, if not in the types.
    assert "get_weather" in [frame.get("name") for frame in frames]
    assert [without(frame) for frame in frames] == [without(frame) for frame in expected]


def without(frame: Frame) -> Frame:
    left = {key: it for key, it in frame.items() if key not in ("event_id", "name")}
    if "session" in left:
        unlike = ("temperature", "truncation", "include")
        left["session"] = {k: it for k, it in left["session"].items() if k not in unlike}
    return left


def test_every_event_of_a_turn_is_one_of_the_beta_union_2_1() -> None:
    line = beta(fresh=True)
    converse(line.service, lambda text: line.service.receive(text, now=0))
    line.send("response.cancel")

    for frame in line.frames():
        assert a_beta_event.validate_python(frame).type == frame["type"]


def test_the_input_of_a_response_is_understood_2_1() -> None:
    line = beta()

    requests = line.send("response.create", response={"temperature": 0.7, "input": [ASSISTANT]})

    (request,) = requests
    assert isinstance(request, ResponseRequested)
    assert request.items[0]["content"] == [{"type": "output_text", "text": "Hi"}]


def test_a_transcription_session_has_names_of_its_own_2_1() -> None:
    line = beta(kind="transcription", fresh=True)
    line.send(
        "transcription_session.update",
        session={"input_audio_transcription": {"model": "whisper-1"}},
    )

    created, updated = line.frames()

    assert created["type"] == "transcription_session.created"
    assert updated["type"] == "transcription_session.updated"
    assert updated["session"]["input_audio_transcription"]["model"] == "whisper-1"


def test_what_is_refused_is_refused_in_both_dialects() -> None:
    error = beta().refused("session.update", session={"colour": "red"})

    assert (error["code"], error["param"]) == ("unknown_parameter", "session.colour")


@pytest.mark.parametrize("frame", ["{", '{"type":["x"]}', '{"session":1}', b"\xff"])
def test_what_is_no_command_is_answered_by_an_error(frame: str | bytes) -> None:
    line = beta()

    assert line.service.receive(frame, now=0) == []

    assert line.types() == ["error"]


def test_a_second_controller_is_told_in_the_same_dialect() -> None:
    line = beta()
    sideband = line.service.attach()
    line.send("conversation.item.create", item=ASSISTANT)

    heard = [json.loads(frame) for frame in iter(sideband.next_frame, None)]

    assert heard == line.frames()
    assert [frame["type"] for frame in heard] == ["conversation.item.created"]


def test_a_dialect_is_one_of_two() -> None:
    with pytest.raises(LocalProtocolError, match="dialect"):
        Line(dialect="beta")


def test_a_session_of_ours_holds_a_turn_with_it() -> None:
    line = beta(fresh=True)
    session = Session(plane=DIRECT, dialect=Dialect.BETA, now=0.0)
    session.session_update({"instructions": "Be brief.", "output_modalities": ["text"]}, now=0.0)
    session.send_text("Hello", now=0.0)
    for _ in range(3):
        while (command := session.next_frame()) is not None:
            for request in line.service.receive(command, now=0.0):
                if isinstance(request, ResponseRequested):
                    line.written(request.response_id, "Hi there.")
                    line.done(request.response_id)
        while (event := line.service.next_frame()) is not None:
            assert '"output_text' not in event
            session.receive(event, now=0.0)

    assert [item.text for item in session.conversation] == ["Hello", "Hi there."]
