"""The beta dialect as a normalising edge: §2, and what clones make of it, §2.4."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.beta.realtime import RealtimeClientEvent, RealtimeServerEvent

from support.samples import CLIENT_FRAMES, SERVER_FRAMES
from talkwire import Dialect, LocalProtocolError, commands, ga_type, read_command
from talkwire.realtime.beta import EVENTS, FIELDS, SWITCHED_OFF, heard, said
from talkwire.realtime.wire import encode_command

Frame = dict[str, Any]

# -- golden copies of §2, written out by hand

RENAMED = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
}
VAD = {"type": "server_vad", "threshold": 0.5, "create_response": True}
BETA_SESSION: Frame = {
    "id": "sess_1",
    "object": "realtime.session",
    "model": "gpt-4o-realtime-preview",
    "expires_at": 1785217650,
    "modalities": ["text", "audio"],
    "instructions": "Be brief.",
    "voice": "alloy",
    "speed": 1.0,
    "input_audio_format": "pcm16",
    "output_audio_format": "g711_ulaw",
    "input_audio_transcription": {"model": "whisper-1"},
    "input_audio_noise_reduction": None,
    "turn_detection": VAD,
    "tools": [{"type": "function", "name": "look"}],
    "tool_choice": "auto",
    "temperature": 0.8,
    "max_response_output_tokens": "inf",
}
GA_SESSION: Frame = {
    "type": "realtime",
    "id": "sess_1",
    "object": "realtime.session",
    "model": "gpt-4o-realtime-preview",
    "expires_at": 1785217650,
    "output_modalities": ["audio"],
    "instructions": "Be brief.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "whisper-1"},
            "noise_reduction": None,
            "turn_detection": VAD,
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "alloy", "speed": 1.0},
    },
    "tools": [{"type": "function", "name": "look"}],
    "tool_choice": "auto",
    "temperature": 0.8,
    "max_output_tokens": "inf",
}


def assistant(*types: str) -> Frame:
    parts = [{"type": kind, "text": "Hi."} for kind in types]
    return {"id": "item_1", "type": "message", "role": "assistant", "content": parts}


# -- in: names (§2.1)


@pytest.mark.parametrize(("beta", "ga"), RENAMED.items())
def test_an_old_event_name_is_heard_as_the_new_one_2_1(beta: str, ga: str) -> None:
    assert heard({"type": beta, "item_id": "item_1"}) == {"type": ga, "item_id": "item_1"}


def test_every_event_of_the_beta_union_has_a_name_of_ga_or_is_made_one_2_1() -> None:
    (union, _) = get_args(RealtimeServerEvent)
    types = {get_args(cls.model_fields["type"].annotation)[0] for cls in get_args(union)}
    assert len(types) == 34
    assert {heard({"type": kind})["type"] for kind in types} <= SERVER_FRAMES.keys()
    assert types - SERVER_FRAMES.keys() == RENAMED.keys() - {"transcription_session.created"}


def test_an_item_that_was_created_keeps_its_name_for_the_machine_to_hear_2_1() -> None:
    frame = {"type": "conversation.item.created", "item": {"id": "item_1", "role": "user"}}
    assert heard(frame) == frame


# -- in: shapes (§2.1, §2.2)


@pytest.mark.parametrize("stage", ["created", "updated"])
def test_a_flat_session_is_heard_nested_and_typed_2_2(stage: str) -> None:
    frame = {"type": f"session.{stage}", "event_id": "event_1", "session": BETA_SESSION}
    assert heard(frame) == {**frame, "session": GA_SESSION}


@pytest.mark.parametrize("stage", ["created", "updated"])
def test_a_transcription_session_is_heard_as_one_of_that_type_2_1(stage: str) -> None:
    flat = {"input_audio_format": "g711_alaw", "turn_detection": None, "include": ["logprobs"]}
    assert heard({"type": f"transcription_session.{stage}", "session": flat}) == {
        "type": f"session.{stage}",
        "session": {
            "type": "transcription",
            "audio": {"input": {"format": {"type": "audio/pcma"}, "turn_detection": None}},
            "include": ["logprobs"],
        },
    }


@pytest.mark.parametrize(
    ("beta", "ga"),
    [
        (["text", "audio"], ["audio"]),
        (["audio", "text"], ["audio"]),  # as Azure wants it (§2.4)
        (["audio"], ["audio"]),
        (["text"], ["text"]),
        ([], []),
        (None, None),
    ],
)
def test_modalities_are_one_in_ga_2_2(beta: object, ga: object) -> None:
    session = heard({"type": "session.updated", "session": {"modalities": beta}})["session"]
    assert session == {"type": "realtime", "output_modalities": ga}


def test_a_format_that_nobody_knows_stays_as_it_is_2_2() -> None:
    session = {"input_audio_format": "opus", "output_audio_format": {"codec": "opus"}}
    assert heard({"type": "session.updated", "session": session})["session"]["audio"] == {
        "input": {"format": "opus"},
        "output": {"format": {"codec": "opus"}},
    }


def test_where_a_clone_says_both_the_nested_field_counts_2_4() -> None:
    session = {"voice": "alloy", "audio": {"output": {"voice": "marin"}}, "type": "realtime"}
    assert heard({"type": "session.updated", "session": session})["session"] == {
        "type": "realtime",
        "audio": {"output": {"voice": "marin"}},
    }


@pytest.mark.parametrize("audio", [None, 7, {"output": [1]}])
def test_a_nested_place_that_is_no_object_is_made_one_2_4(audio: object) -> None:
    session = {"voice": "alloy", "audio": audio}
    assert heard({"type": "session.updated", "session": session})["session"] == {
        "type": "realtime",
        "audio": {"output": {"voice": "alloy"}},
    }


@pytest.mark.parametrize(
    "kind",
    [
        "conversation.item.created",
        "conversation.item.retrieved",
        "response.output_item.added",
        "response.output_item.done",
    ],
)
def test_an_assistants_parts_are_heard_under_their_new_names_2_1(kind: str) -> None:
    frame = {"type": kind, "item": assistant("text", "audio", "output_text")}
    assert heard(frame)["item"] == assistant("output_text", "output_audio", "output_text")


def test_parts_of_others_and_parts_that_are_none_stay_as_they_are_2_1() -> None:
    strange = [{"type": "text"}, {"type": ["text"]}, {"text": "Hi."}, "text", None]
    for item in ({"role": "user", "content": strange}, {"role": "assistant", "content": "text"}):
        frame = {"type": "conversation.item.created", "item": item}
        assert heard(frame) == frame
    item = {"role": "assistant", "content": strange[1:]}
    frame = {"type": "conversation.item.created", "item": item}
    assert heard(frame) == frame


def test_a_response_is_heard_with_its_settings_nested_and_its_items_renamed_2_2() -> None:
    response = {
        "id": "resp_1",
        "modalities": ["audio", "text"],
        "voice": "alloy",
        "output_audio_format": "pcm16",
        "temperature": 0.8,
        "max_response_output_tokens": 200,
        "output": [assistant("audio"), {"type": "function_call"}, None],
        "usage": {"total_tokens": 3},
    }
    frame = {"type": "response.done", "event_id": "event_1", "response": response}
    assert heard(frame) == {
        "type": "response.done",
        "event_id": "event_1",
        "response": {
            "id": "resp_1",
            "output_modalities": ["audio"],
            "audio": {"output": {"voice": "alloy", "format": {"type": "audio/pcm", "rate": 24000}}},
            "temperature": 0.8,
            "max_output_tokens": 200,
            "output": [assistant("output_audio"), {"type": "function_call"}, None],
            "usage": {"total_tokens": 3},
        },
    }


@pytest.mark.parametrize("inside", [{}, {"usage": None}])
def test_the_usage_that_a_clone_puts_beside_the_response_is_moved_inside_2_4(
    inside: Frame,
) -> None:
    usage = {"total_tokens": 7}
    frame = {"type": "response.done", "usage": usage, "response": {"id": "resp_1", **inside}}
    assert heard(frame) == {
        "type": "response.done",
        "response": {"id": "resp_1", "usage": usage},
    }


def test_a_response_that_has_its_usage_keeps_it_2_4() -> None:
    frame = {"type": "response.done", "usage": {}, "response": {"usage": {"total_tokens": 7}}}
    assert heard(frame) == frame


def test_the_usage_of_a_transcription_is_its_own() -> None:
    frame = SERVER_FRAMES["conversation.item.input_audio_transcription.completed"]
    assert heard(frame) == frame


@pytest.mark.parametrize("words", [{"message": "No longer supported."}, {"message": None}, {}])
def test_the_end_of_beta_is_told_as_what_it_is_2_3(words: Frame) -> None:
    frame = {"type": "error", "error": {"code": SWITCHED_OFF, **words}}
    error = heard(frame)["error"]
    assert error["code"] == "beta_api_shape_disabled"
    assert error["message"].startswith(words.get("message") or "(The beta dialect")
    assert "beta dialect was spoken" in error["message"]


# -- GA stays GA


@pytest.mark.parametrize("kind", SERVER_FRAMES)
def test_a_frame_of_ga_is_heard_as_it_is(kind: str) -> None:
    assert heard(SERVER_FRAMES[kind]) == SERVER_FRAMES[kind]


@pytest.mark.parametrize("key", ["session", "item", "response", "error"])
@pytest.mark.parametrize("value", [None, [], "x", 7, {}])
def test_a_payload_of_any_shape_is_left_to_the_decoder(key: str, value: object) -> None:
    for kind in ("session.updated", "response.done", "error"):
        assert heard({"type": kind, key: value}) == {"type": kind, key: value}
    assert said({"type": "session.update", key: value}) == {"type": "session.update", key: value}


# -- out (§2.2)


def test_a_session_update_is_said_flat_and_untyped_2_2() -> None:
    frame = {"type": "session.update", "event_id": "event_1", "session": GA_SESSION}
    assert said(frame) == {**frame, "session": BETA_SESSION}


def test_a_patch_says_no_more_than_it_did_2_2() -> None:
    session = {"type": "realtime", "audio": {"input": {"turn_detection": None}, "output": {}}}
    assert said({"type": "session.update", "session": session}) == {
        "type": "session.update",
        "session": {"turn_detection": None},
    }


def test_an_update_of_a_transcription_has_a_name_of_its_own_2_1() -> None:
    session = {"type": "transcription", "audio": {"input": {"transcription": {"model": "w"}}}}
    assert said({"type": "session.update", "session": session}) == {
        "type": "transcription_session.update",
        "session": {"input_audio_transcription": {"model": "w"}},
    }


def test_what_beta_has_no_name_for_is_the_services_to_refuse() -> None:
    audio = {"input": {"format": {"type": "audio/pcm", "rate": 8000}, "gain": 2}, "output": 7}
    session = {"type": "realtime", "audio": audio, "reasoning": {"effort": "low"}}
    assert said({"type": "session.update", "session": session})["session"] == {
        "input_audio_format": {"type": "audio/pcm", "rate": 8000},
        "audio": {"input": {"gain": 2}, "output": 7},
        "reasoning": {"effort": "low"},
    }


def test_the_options_of_a_response_are_said_flat_2_2() -> None:
    options = {
        "conversation": "none",
        "output_modalities": ["text"],
        "audio": {"output": {"voice": "sage", "format": {"type": "audio/pcm"}}},
        "max_output_tokens": 50,
        "temperature": 0.7,
        "metadata": {"topic": "tides"},
        "input": [assistant("output_text"), {"type": "item_reference", "id": "item_1"}, 7],
    }
    assert said({"type": "response.create", "response": options})["response"] == {
        "conversation": "none",
        "modalities": ["text"],
        "voice": "sage",
        "output_audio_format": "pcm16",
        "max_response_output_tokens": 50,
        "temperature": 0.7,
        "metadata": {"topic": "tides"},
        "input": [assistant("text"), {"type": "item_reference", "id": "item_1"}, 7],
    }


def test_an_assistants_words_are_said_as_text_and_a_users_as_they_are_2_1() -> None:
    frame = {"type": "conversation.item.create", "item": assistant("output_text")}
    assert said(frame)["item"] == assistant("text")
    spoken_by_user = CLIENT_FRAMES["conversation.item.create"]
    assert said(spoken_by_user) == spoken_by_user


@pytest.mark.parametrize("frame", CLIENT_FRAMES.values(), ids=CLIENT_FRAMES)
def test_a_command_may_be_read_from_an_object_in_either_shape(frame: Frame) -> None:
    command = read_command(frame)
    assert command.type == frame["type"]
    if frame["type"] != "session.update":  # an untyped session is typed
        assert read_command(json.loads(encode_command(command, Dialect.BETA))) == command


def test_a_session_that_is_written_flat_is_read_as_gas_without_what_ga_has_not_2_2() -> None:
    flat = {"voice": "alloy", "temperature": 0.8, "turn_detection": None}
    command = read_command({"type": "session.update", "session": flat})
    audio = {"input": {"turn_detection": None}, "output": {"voice": "alloy"}}
    assert command == commands.SessionUpdate(session={"type": "realtime", "audio": audio})


NO_COMMANDS: list[tuple[Any, str]] = [
    ({}, "Missing required parameter: 'type'"),
    ({"type": "response.reconsider"}, "Invalid value: 'response.reconsider'"),
    ({"type": "session.update", "session": []}, "Invalid type for 'session'"),
    ([], "read_command"),
    ({"type": "session.update", "session": {"instructions": "\ud800"}}, "cannot be written"),
    ({"type": "session.update", "session": {"instructions": object()}}, "cannot be written"),
]


@pytest.mark.parametrize(("written", "words"), NO_COMMANDS, ids=[words for _, words in NO_COMMANDS])
def test_what_is_no_command_is_named(written: Any, words: str) -> None:
    with pytest.raises(LocalProtocolError, match=words):
        read_command(written)


def test_a_type_of_event_has_one_name_whichever_dialect_told_it() -> None:
    for old, new in RENAMED.items():
        assert (ga_type(old), ga_type(new)) == (new, new)
    assert ga_type("response.reconsidered") == "response.reconsidered"


def test_every_command_has_a_name_in_the_beta_union_2_1() -> None:
    (union, _) = get_args(RealtimeClientEvent)
    types = {get_args(cls.model_fields["type"].annotation)[0] for cls in get_args(union)}
    assert len(types) == 12
    transcribe = {"type": "session.update", "session": {"type": "transcription"}}
    frames = [*CLIENT_FRAMES.values(), transcribe]
    assert {said(frame)["type"] for frame in frames} == types


# -- both ways


def test_the_tables_are_those_of_the_sheet_and_each_can_be_read_backwards_2() -> None:
    assert EVENTS == RENAMED
    assert len(set(EVENTS.values())) == len(EVENTS)
    assert len(set(FIELDS.values())) == len(FIELDS) == 9


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Frame]:
    return st.fixed_dictionaries({}, optional=fields)


def filled(strategy: st.SearchStrategy[Frame]) -> st.SearchStrategy[Frame]:
    return strategy.filter(bool)


formats = st.sampled_from(
    [{"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcmu"}, {"type": "audio/pcma"}]
)
vads = st.sampled_from([None, VAD, {"type": "semantic_vad", "eagerness": "low"}])
hears = optional(
    format=formats,
    transcription=st.sampled_from([None, {"model": "whisper-1", "language": "en"}]),
    noise_reduction=st.sampled_from([None, {"type": "near_field"}]),
    turn_detection=vads,
)
speaks = optional(
    format=formats, voice=st.sampled_from(["alloy", {"id": "voice_1"}]), speed=st.just(1.5)
)
generation: dict[str, st.SearchStrategy[Any]] = {
    "output_modalities": st.sampled_from([["audio"], ["text"]]),
    "instructions": st.text(max_size=5),
    "tools": st.just([{"type": "function", "name": "look"}]),
    "tool_choice": st.sampled_from(["auto", {"type": "function", "name": "look"}]),
    "max_output_tokens": st.sampled_from([100, "inf"]),
    "temperature": st.just(0.8),
}
sessions = optional(
    audio=filled(optional(input=filled(hears), output=filled(speaks))),
    tracing=st.none(),
    **generation,
).map(lambda session: {"type": "realtime", **session})
items = st.sampled_from(
    [assistant("output_text"), assistant("output_audio", "output_text"), {"role": "user"}]
)
responses = optional(
    audio=st.fixed_dictionaries({"output": filled(speaks)}),
    output=st.lists(items, max_size=2),
    **generation,
)


@given(session=sessions)
def test_what_was_said_of_a_session_is_heard_as_what_it_was(session: Frame) -> None:
    kept = deepcopy(session)
    told = said({"type": "session.update", "session": session})
    back = heard({"type": "session.updated", "session": told["session"]})
    assert {"type": "realtime", **back["session"]} == session == kept


@given(session=sessions)
def test_a_session_of_ga_is_heard_as_it_is(session: Frame) -> None:
    frame = {"type": "session.updated", "session": session}
    assert heard(frame) == frame


@given(session=sessions)
def test_no_name_of_ga_is_left_in_what_beta_is_told(session: Frame) -> None:
    told = said({"type": "session.update", "session": session})["session"]
    assert not told.keys() & {"type", "audio", "output_modalities", "max_output_tokens"}
    assert told.keys() <= BETA_SESSION.keys() | {"tracing"}


@given(response=responses, item=items)
def test_options_and_items_come_back_as_they_were(response: Frame, item: Frame) -> None:
    kept = deepcopy((response, item))
    options = {("input" if key == "output" else key): it for key, it in response.items()}
    told = said({"type": "response.create", "response": options, "item": item})
    echoed = {("output" if key == "input" else key): it for key, it in told["response"].items()}
    back = heard({"type": "response.created", "response": echoed, "item": told["item"]})
    assert (back["response"], back["item"]) == (response, item) == kept
