"""The session's configuration at the service: §1.6 and §3.1."""

from typing import Any

import pytest

from support.service_line import Line
from talkwire.errors import LocalProtocolError
from talkwire.realtime.engine import ConfigurationChanged
from talkwire.realtime.service import Service

PCM = {"type": "audio/pcm", "rate": 24000}
VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}


def test_session_created_shows_the_measured_defaults_in_the_wires_order_1_6() -> None:
    (frame,) = Line(fresh=True, expires_at=1785217655).frames()
    session = frame["session"]

    assert list(frame) == ["type", "event_id", "session"]
    assert frame["type"] == "session.created"
    assert list(session.items()) == [
        ("type", "realtime"),
        ("object", "realtime.session"),
        ("id", "sess_1"),
        ("model", "gpt-realtime"),
        ("output_modalities", ["audio"]),
        ("instructions", ""),
        ("tools", []),
        ("tool_choice", "auto"),
        ("max_output_tokens", "inf"),
        ("tracing", None),
        ("truncation", "auto"),
        ("prompt", None),
        ("expires_at", 1785217655),
        (
            "audio",
            {
                "input": {
                    "format": PCM,
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": VAD,
                },
                "output": {"format": PCM, "voice": "alloy", "speed": 1.0},
            },
        ),
        ("include", None),
    ]


def test_a_session_opens_with_settings_of_its_own_the_model_among_them_1_6() -> None:
    line = Line(session={"model": "gpt-realtime-2", "audio": {"output": {"voice": "marin"}}})

    assert line.service.session["model"] == "gpt-realtime-2"
    assert line.service.session["audio"]["output"] == {
        "format": PCM,
        "voice": "marin",
        "speed": 1.0,
    }
    assert line.service.session["audio"]["input"]["turn_detection"] == VAD


@pytest.mark.parametrize(
    "session", [{"temperature": 0.8}, {"type": "transcription"}, {"instructions": 1}]
)
def test_a_session_does_not_open_with_settings_that_an_update_could_not_have(
    session: dict[str, Any],
) -> None:
    with pytest.raises(LocalProtocolError, match="session"):
        Service(now=0.0, session=session)


def test_an_update_is_answered_with_the_whole_configuration_and_told_to_the_engine_3_1() -> None:
    line = Line()

    requests = line.send("session.update", session={"type": "realtime", "instructions": "Be brief"})

    (frame,) = line.frames()
    assert list(frame) == ["type", "event_id", "session"]
    assert frame["type"] == "session.updated"
    assert frame["session"]["instructions"] == "Be brief"
    assert frame["session"]["audio"]["input"]["turn_detection"] == VAD
    assert frame["session"] == line.service.session
    assert requests == [ConfigurationChanged(session=line.service.session)]


def test_an_update_is_a_patch_and_unset_fields_keep_their_values_1_6() -> None:
    line = Line()
    line.update(instructions="Be brief", tools=[TOOL], audio={"output": {"speed": 1.25}})

    session = line.update(audio={"output": {"voice": "cedar"}})

    assert session["instructions"] == "Be brief"
    assert session["tools"] == [TOOL]
    assert session["audio"]["output"] == {"format": PCM, "voice": "cedar", "speed": 1.25}


def test_fields_are_cleared_by_an_empty_text_an_empty_list_or_null_1_6() -> None:
    line = Line(session={"instructions": "Be brief", "tools": [TOOL]})
    line.update(audio={"input": {"noise_reduction": {"type": "near_field"}}})

    session = line.update(
        instructions="",
        tools=[],
        audio={"input": {"noise_reduction": None, "turn_detection": None}},
    )

    assert (session["instructions"], session["tools"]) == ("", [])
    assert session["audio"]["input"]["noise_reduction"] is None
    assert session["audio"]["input"]["turn_detection"] is None


def test_an_earlier_configuration_is_not_changed_by_a_later_update() -> None:
    line = Line()
    before = line.service.session

    line.update(instructions="Be brief", audio={"input": {"turn_detection": None}})

    assert before["instructions"] == ""
    assert before["audio"]["input"]["turn_detection"] == VAD


def test_turn_detection_of_the_same_kind_keeps_what_the_patch_leaves_out_1_6() -> None:
    line = Line()
    line.update(audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}})

    session = line.update(
        audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}
    )

    assert session["audio"]["input"]["turn_detection"] == {
        **VAD,
        "threshold": 0.7,
        "create_response": False,
    }


def test_turn_detection_of_another_kind_starts_from_its_own_defaults_1_6() -> None:
    line = Line()

    session = line.update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})

    assert session["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }


def test_turn_detection_that_was_off_starts_from_the_defaults_1_6() -> None:
    line = Line(session={"audio": {"input": {"turn_detection": None}}})

    session = line.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})

    assert session["audio"]["input"]["turn_detection"] == VAD


def test_transcription_shows_language_and_prompt_even_when_unset_1_6() -> None:
    line = Line()

    session = line.update(audio={"input": {"transcription": {"model": "gpt-realtime-whisper"}}})
    assert session["audio"]["input"]["transcription"] == {
        "model": "gpt-realtime-whisper",
        "language": None,
        "prompt": None,
    }

    session = line.update(audio={"input": {"transcription": {"language": "en"}}})
    assert session["audio"]["input"]["transcription"] == {
        "model": "gpt-realtime-whisper",
        "language": "en",
        "prompt": None,
    }


def test_pcm_named_without_its_rate_gets_the_only_one_and_g711_gets_none_1_6() -> None:
    line = Line()

    session = line.update(
        audio={"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": PCM}}
    )
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}

    session = line.update(audio={"input": {"format": {"type": "audio/pcm"}}})
    assert session["audio"]["input"]["format"] == PCM


def test_a_tool_is_shown_in_the_wires_order_1_6() -> None:
    tool = {"parameters": {}, "description": "Look it up.", "name": "look", "type": "function"}

    (shown,) = Line().update(tools=[tool])["tools"]

    assert list(shown) == ["type", "name", "description", "parameters"]


ACCEPTED: list[dict[str, Any]] = [
    {"output_modalities": ["text"]},
    {"max_output_tokens": 4096},
    {"max_output_tokens": "inf"},
    {"tool_choice": "required"},
    {"tool_choice": {"type": "function", "name": "get_weather"}},
    {"tool_choice": {"type": "mcp", "server_label": "docs"}},
    {"parallel_tool_calls": False},
    {"reasoning": {"effort": "low"}},
    {"prompt": {"id": "pmpt_1"}},
    {"truncation": {"type": "retention_ratio", "retention_ratio": 0.8}},
    {"truncation": "disabled"},
    {"tracing": {"workflow_name": "calls"}},
    {"include": ["item.input_audio_transcription.logprobs"]},
    {"model": "gpt-realtime"},
]


@pytest.mark.parametrize("patch", ACCEPTED)
def test_every_setting_of_the_sheet_is_accepted_and_shown_1_6(patch: dict[str, Any]) -> None:
    session = Line().update(**patch)

    assert {key: session[key] for key in patch} == patch


@pytest.mark.parametrize(
    "audio",
    [
        {"output": {"voice": {"id": "voice_1"}}},
        {"output": {"speed": 0.25}},
        {"output": {"speed": 1}},
        {"input": {"noise_reduction": {"type": "far_field"}}},
        {"input": {"format": {"type": "audio/pcma"}}},
    ],
)
def test_every_audio_setting_of_the_sheet_is_accepted_and_shown_1_6(audio: dict[str, Any]) -> None:
    session = Line().update(audio=audio)

    for side, settings in audio.items():
        assert {key: session["audio"][side][key] for key in settings} == settings


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"temperature": 0.8}, "unknown_parameter", "session.temperature"),
    ({"voice": "alloy"}, "unknown_parameter", "session.voice"),
    ({"modalities": ["text"]}, "unknown_parameter", "session.modalities"),
    (
        {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}},
        "unknown_parameter",
        "session.audio.input.turn_detection.threshold",
    ),
    (
        {"audio": {"input": {"turn_detection": {"threshold": 0.5}}}},
        "missing_required_parameter",
        "session.audio.input.turn_detection.type",
    ),
    (
        {"audio": {"input": {"turn_detection": {"type": "loud_vad"}}}},
        "invalid_value",
        "session.audio.input.turn_detection.type",
    ),
    (
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
        "decimal_above_max_value",
        "session.audio.input.turn_detection.threshold",
    ),
    (
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 1}}}},
        "integer_below_min_value",
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
    ({"audio": {"input": {"format": "pcm16"}}}, "invalid_type", "session.audio.input.format"),
    (
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
        "integer_below_min_value",
        "session.audio.input.format.rate",
    ),
    (
        {"audio": {"output": {"speed": 2.0}}},
        "decimal_above_max_value",
        "session.audio.output.speed",
    ),
    (
        {"audio": {"output": {"voice": {}}}},
        "missing_required_parameter",
        "session.audio.output.voice.id",
    ),
    ({"audio": []}, "invalid_type", "session.audio"),
    ({"instructions": None}, "invalid_type", "session.instructions"),
    ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
    ({"output_modalities": "text"}, "invalid_type", "session.output_modalities"),
    ({"output_modalities": [1]}, "invalid_type", "session.output_modalities[0]"),
    ({"max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
    ({"max_output_tokens": 4097}, "integer_above_max_value", "session.max_output_tokens"),
    ({"max_output_tokens": 1.5}, "invalid_type", "session.max_output_tokens"),
    ({"max_output_tokens": True}, "invalid_type", "session.max_output_tokens"),
    ({"max_output_tokens": "many"}, "invalid_value", "session.max_output_tokens"),
    ({"parallel_tool_calls": 1}, "invalid_type", "session.parallel_tool_calls"),
    ({"tool_choice": "sometimes"}, "invalid_value", "session.tool_choice"),
    (
        {"tool_choice": {"type": "function"}},
        "missing_required_parameter",
        "session.tool_choice.name",
    ),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
    ({"tools": [{"name": "f"}]}, "missing_required_parameter", "session.tools[0].type"),
    ({"tools": [TOOL, {**TOOL, "meta": {}}]}, "unknown_parameter", "session.tools[1].meta"),
    ({"tools": [{**TOOL, "name": "get weather"}]}, "invalid_value", "session.tools[0].name"),
    (
        {"tools": [{**TOOL, "description": "x" * 1025}]},
        "string_above_max_length",
        "session.tools[0].description",
    ),
    ({"tools": [{**TOOL, "parameters": "{}"}]}, "invalid_type", "session.tools[0].parameters"),
    ({"model": "another"}, "invalid_value", "session.model"),
    ({"type": "transcription"}, "invalid_parameter", "session.type"),
    ({"type": "translation"}, "invalid_value", "session.type"),
    ({"type": "conversation"}, "invalid_value", "session.type"),
]


@pytest.mark.parametrize(("patch", "code", "param"), REFUSED)
def test_a_refused_update_names_the_parameter_and_loses_the_whole_patch_3_1(
    patch: dict[str, Any], code: str, param: str
) -> None:
    line = Line()
    before = line.service.session

    error = line.refused(
        "session.update", session={"type": "realtime", "instructions": "lost", **patch}
    )

    assert (error["code"], error["param"]) == (code, param)
    assert line.service.session is before


def test_the_type_is_required_in_an_update_1_6() -> None:
    error = Line().refused("session.update", session={"instructions": "Be brief"})

    assert error["code"] == "missing_required_parameter"
    assert error["param"] == "session.type"
    assert error["message"] == "Missing required parameter: 'session.type'."


def test_refusals_are_worded_as_the_service_words_them_3_9() -> None:
    line = Line()

    def words(**patch: Any) -> str:
        error = line.refused("session.update", session={"type": "realtime", **patch})
        return str(error["message"])

    assert words(temperature=1) == "Unknown parameter: 'session.temperature'."
    assert words(instructions=7) == (
        "Invalid type for 'session.instructions': expected a string, but got an integer instead."
    )
    assert words(tools=[{**TOOL, "description": "x" * 2000}]) == (
        "Invalid 'session.tools[0].description': string too long. Expected a string with maximum "
        "length 1024, but got a string with length 2000 instead."
    )
    assert words(audio={"output": {"speed": 9.5}}) == (
        "Invalid 'session.audio.output.speed': decimal above maximum value. Expected a value "
        "<= 1.5, but got 9.5 instead."
    )
    assert words(tool_choice="no") == (
        "Invalid value: 'no'. Supported values are: 'none', 'auto', 'required'."
    )


def test_the_voice_is_fixed_once_audio_was_produced_and_the_patch_is_lost_1_6() -> None:
    line = Line()
    line.update(audio={"output": {"voice": "cedar"}})
    line.speak(line.respond(), "Hello", 100)
    line.frames()

    error = line.refused(
        "session.update",
        session={
            "type": "realtime",
            "instructions": "lost",
            "audio": {"output": {"voice": "marin"}},
        },
    )

    assert error["code"] == "cannot_update_voice"
    assert error["message"] == (
        "Cannot update a conversation's voice if assistant audio is present."
    )
    assert line.service.session["instructions"] == ""
    assert line.update(audio={"output": {"speed": 1.2}})["audio"]["output"]["voice"] == "cedar"


def test_the_voice_of_a_response_is_fixed_as_well_once_audio_was_produced_1_6() -> None:
    line = Line()
    marin = {"audio": {"output": {"voice": "marin"}}}
    line.written(line.respond(**marin), "Not aloud")
    line.done("resp_1")
    response_id = line.respond()
    line.spoken(response_id, "Hello", 100)
    line.done(response_id)
    line.frames()

    error = line.refused("response.create", response=marin)

    assert (error["code"], error["param"]) == (
        "cannot_update_voice",
        "response.audio.output.voice",
    )
    assert line.service.active_response is None
    assert line.respond(audio={"output": {"voice": "alloy"}})


def test_the_voice_may_still_be_chosen_while_only_text_was_written_1_6() -> None:
    line = Line(session={"output_modalities": ["text"]})
    line.written(line.respond(), "Hello")
    line.frames()

    session = line.update(audio={"output": {"voice": "marin"}})

    assert session["audio"]["output"]["voice"] == "marin"


def test_tracing_is_immutable_once_it_is_enabled_1_6() -> None:
    line = Line()
    line.update(tracing="auto")

    error = line.refused("session.update", session={"type": "realtime", "tracing": None})

    assert (error["code"], error["param"]) == ("invalid_value", "session.tracing")
    assert line.update(tracing="auto", instructions="x")["tracing"] == "auto"


def test_settings_nested_too_deeply_are_refused_before_they_are_kept() -> None:
    line = Line()
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": [deep]}

    error = line.refused(
        "session.update", session={"type": "realtime", "tools": [{**TOOL, "parameters": deep}]}
    )

    assert (error["code"], error["param"]) == ("invalid_value", "session")
    assert line.service.session["tools"] == []
