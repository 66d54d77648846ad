"""Whole conversations in beta, and with clones that mix, through a `Session`: §2."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.beta_service import OF_GA, BetaService, words_in
from support.frames import Script, error, event, settled, text_of
from talkwire import (
    CommandSettled,
    Dialect,
    Event,
    FunctionCall,
    Gate,
    InvalidFrame,
    Kind,
    Outcome,
    Phase,
    Session,
    UnknownEvent,
    commands,
    events,
)
from talkwire.realtime.beta import EVENTS
from talkwire.realtime.engine import ResponseRequested
from talkwire.realtime.service import Service
from talkwire.realtime.wire import decode_event

Frame = dict[str, Any]
PCM = bytes(4800)  # 100 ms


class BetaScript(Script):
    """A session that speaks beta; the test plays the service."""

    def __init__(self, kind: Kind = Kind.REALTIME) -> None:
        self.session = Session(dialect=Dialect.BETA, kind=kind, now=0.0)


def frames_of(end: Session | Service) -> list[str]:
    """What one end has to send."""
    frames: list[str] = []
    while (frame := end.next_frame()) is not None:
        frames.append(frame)
    return frames


class Both:
    """A session and a service of the same dialect, and everything that went between them."""

    def __init__(self, dialect: Dialect) -> None:
        self.session = Session(dialect=dialect, now=0.0)
        self.beta = BetaService() if dialect is Dialect.BETA else None
        self.service = self.beta.service if self.beta else Service(now=0.0)
        self.events: list[Event] = []
        self.responses: list[str] = []
        self.run()

    def run(self) -> None:
        """Deliver in both directions until nothing is on its way."""
        while True:
            said = self._said()
            for frame in said:
                self.events += self.session.receive(frame, now=0.0)
            sent = frames_of(self.session)
            for frame in sent:
                asked = self.beta.receive(frame) if self.beta else self._receive(frame)
                self.responses += [
                    it.response_id for it in asked if isinstance(it, ResponseRequested)
                ]
            if not said and not sent:
                return

    def _receive(self, frame: str) -> list[Any]:
        return list(self.service.receive(frame, now=0.0))

    def _said(self) -> list[str]:
        if self.beta:
            return [text_of(frame) for frame in self.beta.frames()]
        return frames_of(self.service)

    def told(self) -> list[tuple[Any, ...]]:
        """What talkwire had to say since the beginning, without ids."""
        return [
            (it.type, it.outcome) if isinstance(it, CommandSettled) else (type(it).__name__,)
            for it in self.events
            if not type(it).__module__.endswith("events")
        ]


def talk(dialect: Dialect) -> dict[str, Any]:
    """A typed turn, a function call, words put in the assistant's mouth, a refusal, a cancel."""
    both = Both(dialect)
    session, service = both.session, both.service
    session.session_update(
        {
            "instructions": "Be brief.",
            "output_modalities": ["text"],
            "max_output_tokens": 300,
            "audio": {
                "input": {"turn_detection": None, "noise_reduction": {"type": "far_field"}},
                "output": {"format": {"type": "audio/pcmu"}, "voice": "sage"},
            },
        },
        now=0.0,
    )
    session.send_text("I said good day.", role="assistant", respond=False, now=0.0)
    session.send_text("What is twice 21?", now=0.0)
    both.run()

    service.function_call(both.responses[0], "double", '{"n":21}', now=0.0)
    service.response_done(both.responses[0], now=0.0)
    both.run()
    (call,) = [it for it in both.events if isinstance(it, FunctionCall)]
    session.send_function_result(call.call_id, "42", now=0.0)
    both.run()

    service.message_started(both.responses[1], modality="text", now=0.0)
    service.text(both.responses[1], "It is ", now=0.0)
    service.text(both.responses[1], "42.", now=0.0)
    service.message_done(both.responses[1], now=0.0)
    service.response_done(both.responses[1], usage={"total_tokens": 9}, now=0.0)
    both.run()

    options = {"output_modalities": ["audio"], "audio": {"output": {"voice": "alloy"}}}
    session.send(commands.ResponseCreate(response=options), now=0.0)
    both.run()
    service.message_started(both.responses[2], modality="audio", now=0.0)
    service.text(both.responses[2], "Aloud.", now=0.0)
    both.run()
    session.cancel(now=0.0)
    session.session_update({"reasoning": "none at all"}, now=0.0)
    both.run()
    return {
        "told": both.told(),
        "conversation": [(it.role, it.text) for it in session.conversation],
        "call": (call.name, call.arguments),
        "effective": {k: v for k, v in session.settings.effective.items() if k in COMPARED},
        "gate": session.gate.state,
        "phase": session.phase,
        "items": [parts_of(it) for it in service.items],
    }


COMPARED = {"type", "instructions", "output_modalities", "max_output_tokens", "audio", "tools"}


def parts_of(item: Frame) -> list[str]:
    return [part["type"] for part in item.get("content", [])]


def test_a_conversation_in_beta_is_the_conversation_in_ga_2() -> None:
    in_ga, in_beta = talk(Dialect.GA), talk(Dialect.BETA)
    assert in_beta == in_ga
    assert in_beta["call"] == ("double", '{"n":21}')  # beta's arguments.done tells no name
    assert in_beta["effective"]["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert ("assistant", "It is 42.") in in_beta["conversation"]
    assert ("session.update", Outcome.FAILED) in in_beta["told"]
    assert ("Interrupted",) in in_beta["told"]
    assert in_beta["gate"] is Gate.IDLE
    assert not {("InvalidFrame",), ("UnknownEvent",), ("Anomaly",)} & set(in_beta["told"])


# -- what leaves


def test_an_update_leaves_flat_and_its_answer_is_kept_nested_2_2() -> None:
    script = BetaScript()
    patch = {"audio": {"output": {"voice": "sage"}}, "output_modalities": ["audio"]}
    update = script.session.session_update({**patch, "temperature": 0.7}, now=0.0)
    (frame,) = script.sent()
    assert frame == {
        "type": "session.update",
        "event_id": update,
        "session": {"modalities": ["text", "audio"], "voice": "sage", "temperature": 0.7},
    }
    flat = {**frame["session"], "output_audio_format": "g711_alaw"}
    assert settled(script.tell(event("session.updated", session=flat))) == [(update, Outcome.DONE)]
    assert script.session.settings.effective == {
        "type": "realtime",
        "temperature": 0.7,
        "output_modalities": ["audio"],
        "audio": {"output": {"voice": "sage", "format": {"type": "audio/pcma"}}},
    }
    assert script.session.settings.desired["audio"] == patch["audio"]


def test_a_transcription_session_has_names_of_its_own_2_1() -> None:
    script = BetaScript(Kind.TRANSCRIPTION)
    script.hear({"type": "transcription_session.created", "session": {"modalities": ["text"]}})
    phases = [script.session.phase]
    update = script.session.session_update({"audio": {"input": {"turn_detection": None}}}, now=0.0)
    assert script.sent() == [
        {
            "type": "transcription_session.update",
            "event_id": update,
            "session": {"turn_detection": None},
        }
    ]
    flat = {"input_audio_format": "pcm16", "turn_detection": None}
    told = script.tell({"type": "transcription_session.updated", "session": flat})
    assert settled(told) == [(update, Outcome.DONE)]
    assert script.session.settings.effective["type"] == "transcription"
    assert [*phases, script.session.phase] == [Phase.CREATED, Phase.READY]


def test_an_echo_finds_its_request_in_beta_too_3_4() -> None:
    script = BetaScript()
    script.session.send(commands.ResponseCreate(), now=0.0)
    (create,) = script.sent()
    assert create["response"] == {"metadata": {"client_event_id": create["event_id"]}}
    response = {"id": "resp_1", "modalities": ["text"], "metadata": create["response"]["metadata"]}
    script.hear(event("response.created", response=response))
    assert script.session.gate.active == "resp_1"


ROLES = st.sampled_from(["user", "system", "assistant"])
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "output_modalities": st.sampled_from([["audio"], ["text"]]),
        "max_output_tokens": st.just(100),
        "instructions": st.just("Be brief."),
        "audio": st.sampled_from(
            [
                {"output": {"voice": "sage", "format": {"type": "audio/pcmu"}}},
                {"output": {"format": {"type": "audio/pcm", "rate": 24000}}},
            ]
        ),
    },
)
CALLS: st.SearchStrategy[tuple[str, tuple[Any, ...], Frame]] = st.one_of(
    st.tuples(
        st.just("send_text"), st.tuples(st.just("Hi.")), st.fixed_dictionaries({"role": ROLES})
    ),
    st.tuples(st.just("session_update"), st.tuples(SETTINGS), st.just({})),
    st.tuples(st.just("send_audio"), st.just((PCM,)), st.just({})),
    st.tuples(
        st.just("send"),
        st.tuples(SETTINGS.map(lambda it: commands.ResponseCreate(response=it))),
        st.just({}),
    ),
    st.tuples(
        st.just("send"),
        st.tuples(
            st.sampled_from(
                [
                    commands.InputAudioBufferClear(),
                    commands.ConversationItemRetrieve(item_id="item_1"),
                    commands.ConversationItemDelete(item_id="item_1"),
                ]
            )
        ),
        st.just({}),
    ),
)
OF_BETA = {
    "modalities",
    "voice",
    "input_audio_format",
    "output_audio_format",
    "max_response_output_tokens",
    "pcm16",
    "g711_ulaw",
    "transcription_session.update",
}


@given(calls=st.lists(CALLS, max_size=6))
def test_what_leaves_is_in_the_dialect_of_the_session_and_in_no_other_2(
    calls: list[tuple[str, tuple[Any, ...], Frame]],
) -> None:
    said: dict[Dialect, list[Frame]] = {}
    for dialect in Dialect:
        session = Session(dialect=dialect, now=0.0)
        for method, arguments, options in calls:
            getattr(session, method)(*arguments, **options, now=0.0)
        said[dialect] = [json.loads(text) for text in frames_of(session)]

    assert [f["type"] for f in said[Dialect.GA]] == [f["type"] for f in said[Dialect.BETA]]
    for frame in said[Dialect.BETA]:
        assert not OF_GA & set(words_in(frame)), frame
    for frame in said[Dialect.GA]:
        settings = {**frame.get("session", {}), **frame.get("response", {})}
        assert not OF_BETA & set(settings), frame
        part_types = [part["type"] for part in frame.get("item", {}).get("content", [])]
        assert not {"text", "audio"} & set(part_types), frame


# -- what is heard, whatever is spoken


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("old", [name for name in EVENTS if name.startswith("response.")])
def test_a_session_of_ga_understands_the_old_names_of_a_clone_2_4(old: str, spaced: bool) -> None:
    fields = {"response_id": "resp_1", "item_id": "item_1", "delta": "AAAA", "text": "Hi."}
    frame = event(old, **fields, transcript="Hi.")
    text = json.dumps(frame) if spaced else text_of(frame)
    heard = decode_event(text)
    assert not isinstance(heard, UnknownEvent | InvalidFrame)
    assert heard.type == EVENTS[old]


@pytest.mark.parametrize("spaced", [False, True])
def test_an_old_shape_under_a_name_of_ga_is_understood_with_and_without_spaces_2_4(
    spaced: bool,
) -> None:
    def hear(frame: Frame) -> Any:
        return decode_event(json.dumps(frame) if spaced else text_of(frame))

    spoken = {
        "id": "item_1",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "audio", "transcript": "Hi."}],
    }
    for kind in ("response.output_item.done", "conversation.item.created"):
        item = hear(event(kind, response_id="resp_1", item=spoken)).item
        assert [part.type for part in item.parts] == ["output_audio"]
    done = hear(event("response.done", response={"id": "resp_1", "output": [spoken]}))
    assert [part.type for part in done.response.items[0].parts] == ["output_audio"]


@pytest.mark.parametrize("inside", [{}, {"usage": None}])
def test_usage_beside_the_response_is_read_as_the_responses_own_2_4(inside: Frame) -> None:
    usage = {"total_tokens": 12, "input_tokens": 5, "output_tokens": 7}
    frame = event("response.done", response={"id": "resp_1", "status": "completed", **inside})
    done = decode_event(text_of({**frame, "usage": usage}))
    assert isinstance(done, events.ResponseDone)
    assert done.response.tokens is not None
    assert done.response.tokens.total_tokens == 12


def test_a_status_in_bare_words_is_the_reason_2_4() -> None:
    script = Script()
    script.begin("resp_1")
    response = {"id": "resp_1", "status": "cancelled", "status_details": "turn_detected"}
    (done, *_) = script.hear(event("response.done", response=response))
    assert isinstance(done, events.ResponseDone)
    assert done.response.details.reason == "turn_detected"
    assert script.session.gate.state is Gate.IDLE


def test_a_transcript_that_grows_from_one_completed_to_the_next_is_told_once_2_4() -> None:
    script = Script()
    item = {"id": "item_1", "type": "message", "role": "user", "content": []}
    script.hear(event("conversation.item.created", item=item, previous_item_id=None))
    for words in ("Good", "Good day", "Good day."):
        script.hear(
            event(
                "conversation.item.input_audio_transcription.completed",
                item_id="item_1",
                content_index=0,
                transcript=words,
            )
        )
    assert [it.text for it in script.session.conversation] == ["Good day."]


def test_a_response_that_ends_without_having_begun_frees_the_gate_2_4() -> None:
    script = BetaScript()
    script.session.send(commands.ResponseCreate(), now=0.0)
    script.hear(event("response.done", response={"id": "resp_1", "modalities": ["text"]}))
    assert script.session.gate.state is Gate.IDLE


def test_the_end_of_beta_is_fatal_and_said_to_be_that_2_3() -> None:
    script = BetaScript()
    update = script.session.session_update({}, now=0.0)
    words = "The Realtime Beta API is no longer supported."
    told, failed, *_ = script.hear(error("beta_api_shape_disabled", words, update))
    assert isinstance(told, events.ErrorEvent)
    assert isinstance(failed, CommandSettled)
    assert failed.outcome is Outcome.FAILED
    for details in (told.error, failed.error):
        assert details is not None
        assert details.message is not None
        assert details.message.startswith(words)
        assert "beta dialect was spoken" in details.message
    assert script.session.phase is Phase.ENDING


@pytest.mark.parametrize("spaced", [False, True], ids=["tight", "spaced"])
def test_the_end_of_beta_is_explained_once_however_it_is_written_2_3(spaced: bool) -> None:
    frame = error("beta_api_shape_disabled", "No longer supported.")
    text = json.dumps(frame, separators=None if spaced else (",", ":"))
    told, *_ = Session(now=0.0).receive(text, now=0.0)
    assert isinstance(told, events.ErrorEvent)
    assert (told.error.message or "").count("beta dialect was spoken") == 1


def test_a_page_is_asked_for_the_old_names_too_2_4() -> None:
    needed = Session.needs()
    assert {old for old, new in EVENTS.items() if new in needed} <= needed
