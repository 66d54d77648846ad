"""Transcription and translation: what such sessions say, hear and refuse (§1.2, §1.3)."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from openai.types import realtime as theirs

from support.frames import Script, error, event, item_added, item_done, settings, settled, text_of
from support.samples import CLIENT_FRAMES, SERVER_FRAMES
from talkwire import (
    Anomaly,
    Dialect,
    Event,
    Gate,
    Kind,
    LocalProtocolError,
    Outcome,
    Phase,
    Session,
    SessionClosed,
    TimedOut,
    Timer,
    events,
)
from talkwire.realtime import commands as c
from talkwire.realtime import translation as t
from talkwire.realtime.engine import (
    AudioReceived,
    EngineRequest,
    FlushRequested,
    ResponseRequested,
)
from talkwire.realtime.kind import VOCABULARIES
from talkwire.realtime.service import Service
from talkwire.realtime.wire import decode_event, wire_type

Frame = dict[str, Any]
PCM = bytes(range(6))
PCM_TEXT = "AAECAwQF"
ENOUGH = bytes(4800)  # 100 ms, the least to be committed (§3.10)

SPEECHLESS = [Kind.TRANSCRIPTION, Kind.TRANSLATION]
speechless = pytest.mark.parametrize("kind", SPEECHLESS, ids=lambda kind: kind.value)

AS_WRITTEN = {
    "realtime": set(CLIENT_FRAMES),
    "transcription": {
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
    },
    "translation": {"session.update", "session.input_audio_buffer.append", "session.close"},
}
COMMANDS: list[Any] = [
    c.SessionUpdate(session={}),
    c.InputAudioBufferAppend(audio=PCM),
    c.InputAudioBufferCommit(),
    c.InputAudioBufferClear(),
    c.OutputAudioBufferClear(),
    c.ConversationItemCreate(item={"type": "message", "role": "user", "content": []}),
    c.ConversationItemRetrieve(item_id="item_1"),
    c.ConversationItemTruncate(item_id="item_1", audio_end_ms=5),
    c.ConversationItemDelete(item_id="item_1"),
    c.ResponseCreate(),
    c.ResponseCancel(response_id="resp_1"),
    t.TranslationInputAudioBufferAppend(audio=PCM),
    t.TranslationSessionClose(),
]

EVERY = [(kind, command) for kind in Kind for command in COMMANDS]
LACKED = [(kind, it) for kind, it in EVERY if it.type not in AS_WRITTEN[kind.value]]
HAD = [(kind, it) for kind, it in EVERY if kind in SPEECHLESS and (kind, it) not in LACKED]


def name_of(value: Any) -> str:
    return str(value.value if isinstance(value, Kind) else value.type)


def transcribing(vad: Frame | None) -> Frame:
    audio = {"input": {"transcription": {"model": "gpt-4o-transcribe"}, "turn_detection": vad}}
    return {"type": "transcription", "id": "sess_1", "audio": audio}


TRANSLATING: Frame = {
    "type": "translation",
    "id": "sess_1",
    "model": "gpt-realtime-translate",
    "expires_at": 1785217650,
    "audio": {"input": {"transcription": None}, "output": {"language": "fr"}},
}
SETTINGS = {
    Kind.REALTIME: settings(),
    Kind.TRANSCRIPTION: transcribing(None),
    Kind.TRANSLATION: TRANSLATING,
}


class Line(Script):
    """A session of one kind whose other end the test plays."""

    def __init__(self, kind: Kind, *, fresh: bool = False) -> None:
        self.session = Session(kind=kind, now=0.0)
        if not fresh:
            self.hear(event("session.created", session=SETTINGS[kind]))


# -- the table


def test_each_kind_has_the_commands_that_the_sheet_gives_it_1_3() -> None:
    written = {
        kind.value: {wire_type(command) for command in vocabulary.commands}
        for kind, vocabulary in VOCABULARIES.items()
    }
    assert written == AS_WRITTEN
    assert set(VOCABULARIES) == set(Kind)


def wire_types_of(union: Any) -> set[str]:
    (members, _) = get_args(union)
    return {get_args(model.model_fields["type"].annotation)[0] for model in get_args(members)}


def test_the_vocabulary_of_a_translation_is_that_of_the_openai_package_1_2() -> None:
    assert wire_types_of(theirs.RealtimeTranslationClientEvent) == AS_WRITTEN["translation"]
    heard = {wire_type(kind) for kind in get_args(t.TranslationEvent)}
    shared = {"error", "session.created", "session.updated"}
    assert wire_types_of(theirs.RealtimeTranslationServerEvent) == heard | shared


@pytest.mark.parametrize(("kind", "command"), LACKED, ids=name_of)
def test_a_command_that_a_kind_has_not_is_refused_and_changes_nothing_1_3(
    kind: Kind, command: Any
) -> None:
    session = Session(kind=kind, now=0.0)
    before = session.next_timeout()
    name = type(command).__name__
    with pytest.raises(LocalProtocolError, match=f"{name} .* {kind.value} session"):
        session.send(command, now=1.0)
    assert session.next_frame() is None
    assert session.next_timeout() == before
    assert session.receive_close(now=2.0) == [SessionClosed()]


@pytest.mark.parametrize(("kind", "command"), HAD, ids=name_of)
def test_a_command_that_a_kind_has_leaves_1_3(kind: Kind, command: Any) -> None:
    line = Line(kind)
    line.session.send_audio(ENOUGH, now=0.0)
    line.sent()
    line.session.send(command, now=0.0)
    assert line.sent_types() == [command.type]


@speechless
@pytest.mark.parametrize(
    ("call", "arguments", "named"),
    [
        ("send_text", ("Hello.",), "send_text"),
        ("send_function_result", ("call_1", "{}"), "send_function_result"),
        ("truncate_audio", ("item_1", 5), "ConversationItemTruncate"),
        ("cancel", (), "cancel"),
    ],
)
def test_a_call_for_a_conversation_is_refused_where_there_is_none_1_3(
    kind: Kind, call: str, arguments: tuple[Any, ...], named: str
) -> None:
    session = Session(kind=kind, now=0.0)
    with pytest.raises(LocalProtocolError, match=f"{named} .* {kind.value} session"):
        getattr(session, call)(*arguments, now=0.0)
    assert session.next_frame() is None
    assert session.receive_close(now=0.0) == [SessionClosed()]


# -- what is filled in


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        (Kind.REALTIME, {"type": "realtime"}),
        (Kind.TRANSCRIPTION, {"type": "transcription"}),
        (Kind.TRANSLATION, {}),  # it cannot be changed, so the update has no place for it
    ],
)
def test_an_update_is_of_the_sessions_own_type_1_6(kind: Kind, typed: Frame) -> None:
    line = Line(kind)
    patch = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    line.session.session_update(patch, now=0.0)
    (frame,) = line.sent()
    assert frame["session"] == {**typed, **patch}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Kind.REALTIME, "input_audio_buffer.append"),
        (Kind.TRANSCRIPTION, "input_audio_buffer.append"),
        (Kind.TRANSLATION, "session.input_audio_buffer.append"),
    ],
)
def test_audio_leaves_by_the_command_of_the_kind_1_3(kind: Kind, name: str) -> None:
    line = Line(kind)
    line.session.send_audio(PCM, now=0.0)
    assert line.sent() == [{"type": name, "audio": PCM_TEXT}]


def test_translated_audio_has_the_same_limit_and_is_never_acknowledged_3_10() -> None:
    line = Line(Kind.TRANSLATION)
    assert line.session.send(t.TranslationInputAudioBufferAppend(audio=PCM), now=0.0) == ""
    assert line.sent() == [{"type": "session.input_audio_buffer.append", "audio": PCM_TEXT}]
    too_much = bytes(12 * 1024 * 1024)
    with pytest.raises(LocalProtocolError, match="limit"):
        line.session.send(t.TranslationInputAudioBufferAppend(audio=too_much), now=0.0)
    assert line.sent() == []


# -- transcription


VADS = [None, {"type": "server_vad"}, {"type": "server_vad", "create_response": True}]


@pytest.mark.parametrize("vad", VADS)
def test_nobody_is_expected_to_answer_what_is_transcribed_1_3(vad: Frame | None) -> None:
    line = Line(Kind.TRANSCRIPTION, fresh=True)
    turn = [
        event("input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=0),
        event("input_audio_buffer.speech_stopped", item_id="item_1", audio_end_ms=900),
        event("input_audio_buffer.committed", item_id="item_1", previous_item_id=None),
    ]
    for before in ([], [event("session.created", session=transcribing(vad))]):
        line.hear(*before)
        for frame in turn:
            line.hear(frame)
            assert line.session.gate.state is Gate.IDLE
            assert not line.session.gate.user_speaks
    assert line.session.handle_timeout(now=60.0) == []
    assert line.sent() == []


def test_a_transcription_from_end_to_end_1_3() -> None:
    line = Line(Kind.TRANSCRIPTION)
    patch = {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
    update = line.session.session_update(patch, now=0.0)
    answer = line.tell(event("session.updated", session=transcribing(None)))
    assert settled(answer) == [(update, Outcome.DONE)]
    assert line.session.phase is Phase.READY

    line.session.send_audio(bytes(9600), now=0.0)
    commit = line.session.send(c.InputAudioBufferCommit(), now=0.0)
    item = {"id": "item_1", "type": "message", "role": "user", "status": "completed"}
    spoken = {**item, "content": [{"type": "input_audio", "transcript": None}]}
    answer = line.tell(
        event("input_audio_buffer.committed", item_id="item_1", previous_item_id=None),
        item_added(spoken),
        item_done(spoken),
    )
    assert settled(answer) == [(commit, Outcome.DONE)]

    words = "conversation.item.input_audio_transcription"
    line.hear(event(f"{words}.delta", item_id="item_1", content_index=0, delta="Good "))
    line.hear(
        event(f"{words}.completed", item_id="item_1", content_index=0, transcript="Good day.")
    )
    (only,) = line.session.conversation
    assert (only.id, only.text) == ("item_1", "Good day.")
    assert line.session.gate.state is Gate.IDLE


# -- translation


def hears(*frames: Frame) -> list[Any]:
    return [decode_event(text_of(frame)) for frame in frames]


def test_the_words_and_the_sound_of_a_translation_are_read_1_2() -> None:
    timed = {"elapsed_ms": 400, "event_id": "event_1"}
    audio = {"channels": 1, "format": "pcm16", "sample_rate": 24000}
    assert hears(
        {"type": "session.input_transcript.delta", "delta": "Good", **timed},
        {"type": "session.output_transcript.delta", "delta": "Bon", "elapsed_ms": None},
        {"type": "session.output_audio.delta", "delta": PCM_TEXT, **audio, **timed},
        {"type": "session.closed", "event_id": "event_2"},
    ) == [
        t.TranslationInputTranscriptDelta(delta="Good", elapsed_ms=400, event_id="event_1"),
        t.TranslationOutputTranscriptDelta(delta="Bon"),
        t.TranslationOutputAudioDelta(
            delta=PCM,
            channels=1,
            format="pcm16",
            sample_rate=24000,
            elapsed_ms=400,
            event_id="event_1",
        ),
        t.TranslationSessionClosed(event_id="event_2"),
    ]


def test_a_translation_from_end_to_end_1_2() -> None:
    line = Line(Kind.TRANSLATION)
    assert line.session.settings.effective == TRANSLATING
    update = line.session.session_update({"audio": {"output": {"language": "fr"}}}, now=0.0)
    assert settled(line.tell(event("session.updated", session=TRANSLATING))) == [
        (update, Outcome.DONE)
    ]
    line.session.send_audio(PCM, now=0.0)
    heard = line.hear(event("session.output_transcript.delta", delta="Bon"))
    assert [type(each) for each in heard] == [t.TranslationOutputTranscriptDelta]
    assert line.session.handle_timeout(now=60.0) == []

    line.sent()
    close = line.session.send(t.TranslationSessionClose(), now=0.0)
    assert line.sent() == [{"type": "session.close", "event_id": close}]
    rest: list[Event] = line.hear(
        event("session.output_audio.delta", delta=PCM_TEXT), event("session.closed")
    )
    assert [type(each) for each in rest[:2]] == [
        t.TranslationOutputAudioDelta,
        t.TranslationSessionClosed,
    ]
    assert settled(rest) == [(close, Outcome.DONE)]
    assert line.session.phase is Phase.ENDING
    with pytest.raises(LocalProtocolError, match=r"send_audio .* ending"):
        line.session.send_audio(PCM, now=0.0)
    assert line.session.receive_close(code=1000, now=1.0) == [SessionClosed(code=1000)]


def test_a_close_that_is_not_answered_is_lost_with_the_line_1_3() -> None:
    line = Line(Kind.TRANSLATION)
    close = line.session.send(t.TranslationSessionClose(), now=0.0)
    assert settled(line.session.receive_close(code=1006, now=1.0)) == [(close, Outcome.LOST)]


def test_a_close_that_is_refused_leaves_the_session_as_it_was_3_9() -> None:
    line = Line(Kind.TRANSLATION)
    close = line.session.send(t.TranslationSessionClose(), now=0.0)
    assert settled(line.tell(error("invalid_value", event_id=close))) == [(close, Outcome.FAILED)]
    assert line.session.phase is Phase.CREATED


def test_a_service_that_ends_by_itself_is_told_and_believed_1_2() -> None:
    line = Line(Kind.TRANSLATION, fresh=True)
    (heard,) = line.hear(event("session.closed"))
    assert isinstance(heard, t.TranslationSessionClosed)
    assert line.session.phase is Phase.ENDING


def test_each_kind_has_the_events_that_the_sheet_gives_it_1_2() -> None:
    has = {kind: {wire_type(each) for each in VOCABULARIES[kind].events} for kind in VOCABULARIES}
    assert has[Kind.REALTIME] == set(SERVER_FRAMES)
    assert has[Kind.TRANSCRIPTION] == {
        name for name in SERVER_FRAMES if not name.startswith("response.")
    }
    assert has[Kind.TRANSLATION] == {
        "error",
        "session.created",
        "session.updated",
        "session.closed",
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Kind.REALTIME, "session.closed"),
        (Kind.TRANSCRIPTION, "response.created"),
        (Kind.TRANSCRIPTION, "response.function_call_arguments.done"),
        (Kind.TRANSCRIPTION, "response.done"),
        (Kind.TRANSLATION, "response.function_call_arguments.done"),
        (Kind.TRANSLATION, "conversation.item.added"),
        (Kind.TRANSLATION, "input_audio_buffer.speech_started"),
    ],
    ids=str,
)
def test_an_event_of_another_kind_is_told_as_odd_and_changes_nothing_1_2(
    kind: Kind, name: str
) -> None:
    line = Line(kind)
    before = known(line.session.snapshot(now=0.0))
    told, odd = line.hear(SERVER_FRAMES.get(name, event(name)))
    assert wire_type(type(told)) == name
    assert odd == Anomaly(type=name, reason=f"a {kind.value} session has no such event")
    assert line.session.counts == {"Anomaly": 1}
    assert known(line.session.snapshot(now=0.0)) == before


def known(snapshot: str) -> Any:
    """A snapshot without what is counted."""
    books = json.loads(snapshot)
    books["books"].pop("counts", None)
    return books


@pytest.mark.parametrize("dialect", Dialect, ids=lambda dialect: dialect.value)
@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_a_session_that_was_written_down_is_of_the_same_kind_and_dialect(
    kind: Kind, dialect: Dialect
) -> None:
    session = Session(kind=kind, dialect=dialect, now=0.0)
    resumed = Session.resume(session.snapshot(now=0.0), now=5.0)
    assert (resumed.kind, resumed.dialect) == (kind, dialect)
    for each in (session, resumed):
        each.session_update({"audio": {"output": {"speed": 1.5}}}, now=5.0)
    assert resumed.next_frame() == session.next_frame()


@speechless
def test_a_service_that_says_nothing_is_told_once_in_every_kind_3_1(kind: Kind) -> None:
    session = Session(kind=kind, now=0.0)
    assert session.handle_timeout(now=15.0) == [TimedOut(timer=Timer.HANDSHAKE)]


@speechless
def test_an_answer_that_should_not_be_there_is_heard_and_waits_for_nothing_3_4(
    kind: Kind,
) -> None:
    line = Line(kind)
    line.hear(event("response.created", response={"id": "resp_1"}))
    done, odd = line.hear(event("response.done", response={"id": "resp_1"}))
    assert isinstance(done, events.ResponseDone)
    assert isinstance(odd, Anomaly)
    assert line.session.gate.state is Gate.IDLE


# -- against the service of this house


class Both:
    """A session and a service of one kind, with a wire that delivers at once."""

    def __init__(self, kind: Kind) -> None:
        self.session = Session(kind=kind, now=0.0)
        self.service = Service(kind=kind, now=0.0)
        self.asked: list[EngineRequest] = []

    def run(self) -> list[Event]:
        """Deliver in both directions until nothing is on its way."""
        events: list[Event] = []
        while True:
            said, sent = self.service.next_frame(), self.session.next_frame()
            if said is not None:
                events += self.session.receive(said, now=0.0)
            if sent is not None:
                self.asked += self.service.receive(sent, now=0.0)
            if said is None and sent is None:
                return events


def test_a_translation_is_said_to_the_end_and_then_over_1_2() -> None:
    both = Both(Kind.TRANSLATION)
    update = both.session.session_update({"audio": {"output": {"language": "fr"}}}, now=0.0)
    assert (update, Outcome.DONE) in settled(both.run())
    both.session.send_audio(bytes(9600), now=0.0)
    close = both.session.send(t.TranslationSessionClose(), now=0.0)
    both.run()
    assert {type(request) for request in both.asked} >= {AudioReceived, FlushRequested}

    both.service.translated_text("Bon", elapsed_ms=200, now=0.0)
    both.service.translated_audio(PCM, elapsed_ms=200, now=0.0)
    both.service.translation_done(now=0.0)
    events = both.run()
    assert [type(each) for each in events[:3]] == [
        t.TranslationOutputTranscriptDelta,
        t.TranslationOutputAudioDelta,
        t.TranslationSessionClosed,
    ]
    assert settled(events) == [(close, Outcome.DONE)]
    assert both.session.phase is Phase.ENDING


def test_a_transcription_has_turns_and_words_but_nobody_answers_1_3() -> None:
    both = Both(Kind.TRANSCRIPTION)
    patch = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    update = both.session.session_update(patch, now=0.0)
    assert (update, Outcome.DONE) in settled(both.run())
    assert both.session.settings.effective["type"] == "transcription"
    both.session.send_audio(bytes(9600), now=0.0)
    both.run()
    both.service.speech_started(audio_start_ms=0, now=0.0)
    both.service.speech_stopped(audio_end_ms=200, now=0.0)
    both.run()
    (item,) = both.session.conversation
    both.service.transcribed(item.id, "Good day.", now=0.0)
    both.run()
    assert [it.text for it in both.session.conversation] == ["Good day."]
    assert both.session.gate.state is Gate.IDLE
    assert not [request for request in both.asked if isinstance(request, ResponseRequested)]
