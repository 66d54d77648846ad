"""Frames in and out of JSON: every type there is, and everything a network can send instead."""

import base64
import json
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.frames import text_of
from support.samples import CLIENT_FRAMES, SERVER_FRAMES, Frame
from talkwire import InvalidFrame, UnknownEvent, commands, events
from talkwire.realtime.happenings import WireEvent
from talkwire.realtime.service_wire import InvalidCommand, decode_command
from talkwire.realtime.wire import (
    COMMAND_TYPES,
    EVENT_TYPES,
    decode_event,
    encode,
)

every_event = pytest.mark.parametrize("kind", sorted(SERVER_FRAMES))
every_command = pytest.mark.parametrize("kind", sorted(CLIENT_FRAMES))


def known(frame: str | bytes) -> WireEvent:
    event = decode_event(frame)
    assert not isinstance(event, InvalidFrame | UnknownEvent), event
    return event


def invalid(frame: str | bytes) -> str:
    """Why a frame could not be read; it comes back as it was."""
    event = decode_event(frame)
    assert isinstance(event, InvalidFrame), event
    assert event.frame is frame
    assert event.reason
    return event.reason


def agrees(value: Any, wire: Any) -> bool:
    """Whether a decoded scalar is what stands on the wire; what is deeper is asked elsewhere."""
    if isinstance(value, bytes):
        return bool(base64.b64encode(value).decode() == wire)
    return isinstance(wire, dict | list) or bool(value == wire)


# -- every type there is


def test_there_are_46_events_and_11_commands() -> None:
    assert (len(EVENT_TYPES), len(COMMAND_TYPES)) == (46, 11)
    assert set(SERVER_FRAMES) == EVENT_TYPES
    assert set(CLIENT_FRAMES) == COMMAND_TYPES


@every_event
def test_every_event_is_read_into_its_own_class_1_2(kind: str) -> None:
    frame = SERVER_FRAMES[kind]
    event = known(text_of(frame))

    assert isinstance(event, get_args(events.ServerEvent))
    assert type(event).__name__.removesuffix("Event") == "".join(
        word.title() for word in kind.replace(".", "_").split("_")
    )
    shown = {name: getattr(event, name) for name in frame if hasattr(event, name)}
    assert set(frame) - set(shown) <= {"obfuscation"}
    assert all(agrees(value, frame[name]) for name, value in shown.items())


@every_event
def test_every_event_survives_writing_and_reading(kind: str) -> None:
    event = known(text_of(SERVER_FRAMES[kind]))
    again = known(encode(event))
    assert again == event
    assert hash(again) == hash(event)
    assert encode(again) == encode(event)


@every_event
def test_fields_nobody_told_us_of_change_nothing(kind: str) -> None:
    frame = SERVER_FRAMES[kind]
    assert known(text_of({**frame, "phase_of_moon": {"full": [1, None]}})) == known(text_of(frame))


@every_command
def test_every_command_survives_reading_and_writing_1_3(kind: str) -> None:
    frame = CLIENT_FRAMES[kind]
    command = decode_command(text_of(frame))
    assert isinstance(command, get_args(commands.Command))
    assert json.loads(encode(command)) == frame


def test_fields_a_command_leaves_unset_stay_off_the_wire() -> None:
    """An empty `instructions` would erase the session's own (livekit/agents#1469)."""
    assert encode(commands.ResponseCreate()) == '{"type":"response.create"}'
    assert encode(commands.ResponseCancel()) == '{"type":"response.cancel"}'
    assert "previous_item_id" not in encode(commands.ConversationItemCreate(item={}))


def test_content_that_the_types_do_not_know_passes_through_a_command() -> None:
    options = {"input": [{"type": "item_reference", "id": "item_1"}]}
    command = decode_command(text_of({"type": "response.create", "response": options}))
    assert isinstance(command, commands.ResponseCreate)
    assert command.response == options


def test_the_parts_of_an_item_are_read_with_their_words_1_4() -> None:
    def words(*content: Frame) -> list[str]:
        item = {"id": "item_1", "type": "message", "content": list(content)}
        event = known(text_of({**SERVER_FRAMES["conversation.item.added"], "item": item}))
        assert isinstance(event, events.ConversationItemAdded)
        return [part.words for part in event.item.parts]

    assert words(
        {"type": "input_text", "text": "Hi."},
        {"type": "input_audio", "transcript": None},
        {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
        {"type": "output_audio", "transcript": "Said."},
    ) == ["Hi.", "", "", "Said."]


def test_a_response_tells_its_end_its_items_its_cost_and_its_labels_1_5() -> None:
    event = known(text_of(SERVER_FRAMES["response.done"]))
    assert isinstance(event, events.ResponseDone)
    response = event.response
    (item,) = response.items
    usage = response.tokens

    assert (response.status, response.out_of_band, response.labels) == ("completed", False, {})
    assert (item.role, item.phase, item.parts[0].words) == (
        "assistant",
        "final_answer",
        "Hello there.",
    )
    assert usage is not None
    assert (usage.total_tokens, usage.input_token_details.audio_tokens) == (205, 27)
    assert usage.output_token_details.audio_tokens == 136


@pytest.mark.parametrize(
    ("status_details", "kind", "reason", "error"),
    [
        (None, "", None, None),
        ({"type": "cancelled", "reason": "turn_detected"}, "cancelled", "turn_detected", None),
        ({"type": "failed", "error": {"code": "x"}}, "failed", None, {"code": "x"}),
        ("content_filter", "", "content_filter", None),  # a clone's way (§2.4)
        (17, "", None, None),
    ],
)
def test_status_details_are_read_in_every_shape_seen_1_5(
    status_details: Any, kind: str, reason: str | None, error: Frame | None
) -> None:
    response = {"id": "resp_1", "status": "failed", "status_details": status_details}
    event = known(text_of({"type": "response.done", "response": response}))
    assert isinstance(event, events.ResponseDone)
    details = event.response.details
    assert (details.type, details.reason, details.error) == (kind, reason, error)


def test_only_an_explicit_null_makes_a_response_out_of_band_3_4() -> None:
    def out_of_band(**fields: Any) -> bool:
        frame = {"type": "response.created", "response": {"id": "resp_1", **fields}}
        event = known(text_of(frame))
        assert isinstance(event, events.ResponseCreated)
        return event.response.out_of_band

    assert out_of_band(conversation_id=None)
    assert not out_of_band(conversation_id="conv_1")
    assert not out_of_band()


# -- however it is written


@every_event
def test_spacing_order_and_bytes_make_no_difference(kind: str) -> None:
    frame = SERVER_FRAMES[kind]
    event = known(text_of(frame))
    type_last = {name: frame[name] for name in [*list(frame)[1:], "type"]}

    assert known(text_of(type_last)) == event
    assert known(text_of(frame).encode()) == event
    for spaced in (json.dumps(frame, indent=2), f"\n\t {json.dumps(frame)} \r\n"):
        other = known(spaced)  # raw JSON keeps its spaces: compare what it says
        assert type(other) is type(event)
        assert json.loads(encode(other)) == json.loads(encode(event))


def test_the_words_keep_every_character_they_came_with() -> None:
    delta = 'Grüße \U0001f30a "x" \\ \n\u2028 \x7f'
    event = known(text_of({**SERVER_FRAMES["response.output_text.delta"], "delta": delta}))
    assert isinstance(event, events.ResponseOutputTextDelta)
    assert event.delta == delta


@pytest.mark.parametrize("lone", ["\ud83c", "\udf0a", "\udf0a\ud83c"])
def test_half_an_emoji_is_marked_as_such_and_the_rest_is_read(lone: str) -> None:
    """A service that streams by UTF-16 unit cuts surrogate pairs; the text goes on."""
    frame = {**SERVER_FRAMES["response.output_text.delta"], "delta": f"a{lone}b"}
    marked = "a" + "\ufffd" * len(lone) + "b"
    for text in (json.dumps(frame), json.dumps(frame, ensure_ascii=False)):
        event = known(text)
        assert isinstance(event, events.ResponseOutputTextDelta)
        assert event.delta == marked


def test_ten_megabytes_of_audio_are_read_whole() -> None:
    delta = "A" * 10_000_000
    event = known(text_of({**SERVER_FRAMES["response.output_audio.delta"], "delta": delta}))
    assert isinstance(event, events.ResponseOutputAudioDelta)
    assert event.delta == bytes(7_500_000)


def test_the_last_of_two_equal_keys_counts() -> None:
    event = known('{"type":"conversation.item.deleted","item_id":"a","item_id":"b","event_id":"e"}')
    assert isinstance(event, events.ConversationItemDeleted)
    assert event.item_id == "b"


# -- what is not known, and what is wrong


@pytest.mark.parametrize("kind", ["response.cancelled", "session.reopened", "", "talkwire.hello"])
def test_an_unknown_type_is_carried_whole(kind: str) -> None:
    frame = json.dumps({"deep": {"er": [1, 2.5, None]}, "type": kind, "text": "Grüße"})
    assert decode_event(frame) == UnknownEvent(type=kind, frame=frame)


def test_a_command_in_the_place_of_an_event_is_unknown() -> None:
    event = decode_event(text_of(CLIENT_FRAMES["response.cancel"]))
    assert isinstance(event, UnknownEvent)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("", "Expecting value"),
        (" ", "Expecting value"),
        ("null", "got `null`"),
        ("17", "got `int`"),
        ("[]", "got `array`"),
        ('"session.created"', "got `str`"),
        ("{}", "missing required field `type`"),
        ('{"type":null}', "got `null` - at `$.type`"),
        ('{"type":17}', "got `int` - at `$.type`"),
        ('{"type":["error"]}', "got `array` - at `$.type`"),
        ("hello", "Expecting value"),
        ('{"type":"error"', "Expecting ',' delimiter"),
        ('{"type":"error"}', "missing required field `error`"),
        ('{"type":"error","error":"no"}', "got `str` - at `$.error`"),
        ('{"type":"error","error":{}} {}', "Extra data"),
        ('{"type":"response.created"}', "missing required field `response`"),
        ('{"type":"conversation.item.deleted"}', "missing required field `item_id`"),
        ('{"type":"conversation.item.deleted","item_id":7}', "got `int` - at `$.item_id`"),
        ('{"type":"conversation.item.deleted","item_id":null}', "got `null` - at `$.item_id`"),
        (
            '{"type":"conversation.item.truncated","item_id":"a","audio_end_ms":1.5}',
            "got `float` - at `$.audio_end_ms`",
        ),
        (
            '{"type":"conversation.item.truncated","item_id":"a","audio_end_ms":NaN}',
            "malformed",
        ),
        ('{"type":"rate_limits.updated","rate_limits":[{"limit":"x"}]}', "$.rate_limits"),
    ],
)
def test_what_cannot_be_read_says_what_was_wrong(frame: str, reason: str) -> None:
    assert reason in invalid(frame)
    assert reason in invalid(frame.encode())


def test_bytes_that_are_no_utf8_say_so() -> None:
    assert "utf-8" in invalid(b'{"type":"error","error":{"message":"\xff"}}')


@pytest.mark.parametrize("opening", ['[{"a":', "[", '{"a":'])
@pytest.mark.parametrize("outer", ['{"type":"error","error":', '{"type":"new.one","x":', ""])
def test_nesting_without_end_is_refused_and_not_followed(outer: str, opening: str) -> None:
    assert invalid(outer + opening * 200_000)


def test_nesting_inside_what_is_kept_raw_is_harmless() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    event = decode_event(f'{{"type":"session.updated","session":{deep}}}')
    assert isinstance(event, InvalidFrame)
    assert "nested too deeply" in event.reason


@every_event
def test_null_instead_of_any_field_is_read_or_named(kind: str) -> None:
    frame = SERVER_FRAMES[kind]
    for name in frame:
        event = decode_event(text_of({**frame, name: None}))
        if isinstance(event, InvalidFrame):
            assert name in event.reason


@every_event
def test_any_field_missing_or_of_another_type_is_read_or_named(kind: str) -> None:
    frame = SERVER_FRAMES[kind]
    for name in frame:
        without = {key: value for key, value in frame.items() if key != name}
        for other in (without, {**frame, name: {"x": 1}}, {**frame, name: [7]}):
            event = decode_event(text_of(other))
            if isinstance(event, InvalidFrame):
                assert name in event.reason


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("conversation.item.input_audio_transcription.delta", ("content_index",)),
        ("conversation.item.input_audio_transcription.delta", ("delta",)),
        ("conversation.created", ("conversation",)),
        ("conversation.item.input_audio_transcription.failed", ("error", "type")),
        ("error", ("error", "code")),
        ("error", ("error", "param")),
        ("error", ("error", "event_id")),
        ("rate_limits.updated", ("rate_limits", 0, "name")),
        ("rate_limits.updated", ("rate_limits", 0, "limit")),
        ("rate_limits.updated", ("rate_limits", 0, "remaining")),
        ("rate_limits.updated", ("rate_limits", 0, "reset_seconds")),
        ("response.content_part.added", ("part", "type")),
        ("response.content_part.added", ("part", "transcript")),
        ("response.output_item.added", ("item", "id")),
        ("response.output_item.added", ("item", "status")),
        ("response.created", ("response", "id")),
        ("response.done", ("response",)),
        ("response.done", ("response", "usage")),
        ("response.done", ("response", "status")),
    ],
)
def test_null_is_as_good_as_absent_where_a_field_is_optional_1_2(
    kind: str, path: tuple[str | int, ...]
) -> None:
    frame = json.loads(text_of(SERVER_FRAMES[kind]))
    place: Any = frame
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = None
    with_null = known(text_of(frame))
    del place[path[-1]]
    assert with_null == known(text_of(frame))


@pytest.mark.parametrize("response", ["resp_1", 17, [], {"id": "resp_1", "output": 5, "status": 7}])
def test_the_end_of_a_response_is_read_however_malformed_3_4(response: Any) -> None:
    """The gate waits for it: a response.done must never be lost."""
    event = known(text_of({"type": "response.done", "event_id": "e", "response": response}))
    assert isinstance(event, events.ResponseDone)
    assert event.response.id == ("resp_1" if isinstance(response, dict) else "")


# -- a client's frames, as a service reads them


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        ("no", "invalid_json", None),
        ("[]", "invalid_json", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type":7}', "missing_required_parameter", "type"),
        ('{"type":"session.created"}', "invalid_value", "type"),
        ('{"type":"session.update"}', "missing_required_parameter", "session"),
        ('{"type":"session.update","session":[]}', "invalid_type", "session"),
        (
            '{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":"x"}',
            "invalid_type",
            "audio_end_ms",
        ),
    ],
)
def test_a_command_that_cannot_be_read_is_refused_with_the_services_words(
    frame: str, code: str, param: str | None
) -> None:
    refusal = decode_command(frame)
    assert isinstance(refusal, InvalidCommand)
    assert (refusal.code, refusal.param) == (code, param)
    assert refusal.message


def test_a_refused_command_is_told_by_its_event_id() -> None:
    refusal = decode_command('{"type":"response.make","event_id":"mine"}')
    assert isinstance(refusal, InvalidCommand)
    assert refusal.event_id == "mine"


# -- anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
FIELDS = sorted({name for frame in SERVER_FRAMES.values() for name in frame} | {"id", "content"})
ALMOST = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from(sorted(SERVER_FRAMES)),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6),
)


def read_everything(event: object) -> None:
    """Every property of every event, down to the deepest: reading never raises either."""
    for name in (n for n in dir(event) if not n.startswith("_")):
        value = getattr(event, name)
        for inner in value if isinstance(value, tuple) else (value,):
            if type(inner).__module__.startswith("talkwire"):
                read_everything(inner)


def test_reading_everything_reaches_the_deepest_properties() -> None:
    """Else the properties below would hold of nothing."""
    seen: list[str] = []

    class Probe:
        @property
        def deep(self) -> str:
            seen.append("deep")
            return ""

    Probe.__module__ = "talkwire.probe"
    read_everything(Probe())
    assert seen == ["deep"]


@given(st.text() | st.binary())
@example("\ud800")
@example(b"\xed\xa0\x80")
@example('{"type":"error","error":{"message":"\\ud800"}}')
@example('{"type":"error","error":' + "9" * 5000 + "}")
@example('{"type":"error","error":{"message":1e999999}}')
def test_any_text_or_bytes_is_an_event_or_says_what_was_wrong(frame: str | bytes) -> None:
    event = decode_event(frame)
    read_everything(event)
    assert repr(event)
    decode_command(frame)


@given(JSON | ALMOST, st.booleans())
def test_any_json_is_an_event_or_says_what_was_wrong(frame: Any, ascii_only: bool) -> None:
    text = json.dumps(frame, ensure_ascii=ascii_only)
    event = decode_event(text)
    read_everything(event)
    if isinstance(event, InvalidFrame):
        assert event.reason
        assert event.frame == text
    decode_command(text)


@given(JSON)
def test_any_json_of_an_unknown_type_is_carried_whole(value: Any) -> None:
    frame = json.dumps({"type": "new.type", "value": value}, ensure_ascii=True)
    event = decode_event(frame)
    if isinstance(event, UnknownEvent):
        assert event.type == "new.type"
    else:
        assert "NaN" in frame or "Infinity" in frame
