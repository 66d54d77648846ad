"""Ways out: what a silent, foreign or malformed peer, or a caller's own dict, must not hold up."""

import json

import pytest

from support.frames import (
    Script,
    audio_delta,
    committed,
    item_added,
    message,
    response_created,
    response_done,
    settled,
    speech,
    text_of,
)
from talkwire import (
    DIRECT,
    Gate,
    LocalProtocolError,
    Outcome,
    Phase,
    Session,
    TimedOut,
    Timer,
    commands,
)
from talkwire.service import Service


def test_speech_of_whose_end_nothing_is_heard_holds_requests_for_thirty_seconds_only() -> None:
    script = Script()
    script.hear(speech("started", "item_u"), now=10.0)
    script.session.send_text("Hello.", now=11.0)
    assert script.sent_types() == ["conversation.item.create"]
    assert script.session.next_timeout() == 40.0
    assert TimedOut(timer=Timer.SPEECH) in script.session.handle_timeout(now=40.0)
    assert script.sent_types() == ["response.create"]


def test_each_turn_has_its_own_deadline_for_the_services_answer() -> None:
    script = Script()
    script.hear(speech("started", "item_1"), speech("stopped", "item_1"), now=10.0)
    script.hear(committed("item_1"), now=10.0)
    script.hear(speech("started", "item_2"), now=12.0)
    assert script.session.next_timeout() == 42.0  # the user speaks: no answer is owed yet
    script.hear(speech("stopped", "item_2"), committed("item_2"), now=12.9)
    assert script.session.next_timeout() == pytest.approx(15.9)


def test_a_stop_before_the_services_own_answer_stops_that_answer_3_5() -> None:
    script = Script()
    script.hear(speech("started", "item_u"), speech("stopped", "item_u"), committed("item_u"))
    assert script.session.gate.state is Gate.SERVER_EXPECTED
    assert script.session.cancel(now=0.0) is None
    script.hear(response_created("resp_s"))
    (cancel,) = script.sent()
    assert (cancel["type"], cancel["response_id"]) == ("response.cancel", "resp_s")


def test_the_end_of_a_response_opens_the_gate_however_deep_its_metadata_is_nested() -> None:
    script = Script()
    script.begin("resp_1")
    frame = text_of(response_done("resp_1"))
    nested = frame.replace('"status"', '"metadata":' + "[" * 5000 + "]" * 5000 + ',"status"', 1)
    script.session.receive(nested, now=0.0)
    assert script.session.gate.state is Gate.IDLE


@pytest.mark.parametrize("depth", [200, 400, 600, 800, 1000, 5000])
@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"response.created","response":{"id":"resp_1","metadata":{"a":DEEP}}}',
        '{"type":"response.done","response":{"id":"resp_1","status_details":{"type":5,"a":DEEP}}}',
        '{"type":"response.done","response":{"id":"resp_1","usage":{"total_tokens":"","a":DEEP}}}',
        '{"type":"conversation.item.done","item":{"id":"a","content":[{"type":5,"a":DEEP}]}}',
    ],
)
def test_nesting_of_any_depth_in_what_does_not_fit_is_harmless(frame: str, depth: int) -> None:
    script = Script()
    script.session.receive(frame.replace("DEEP", "[" * depth + "]" * depth), now=0.0)
    assert script.session.phase is Phase.READY


def test_from_a_service_that_echoes_a_foreign_end_does_not_settle_our_create() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(response_done("resp_1"))
    ours = script.say("Another.")
    assert script.tell(response_done("resp_of_another")) == []
    assert script.session.gate.state is Gate.CREATE_SENT
    assert settled(script.hear(response_created("resp_2", ours=ours))) == [(ours, Outcome.DONE)]


def test_a_request_that_waits_leaves_as_it_was_when_it_was_checked() -> None:
    script = Script()
    script.begin("resp_1")
    options = {"instructions": "Be brief."}
    script.session.send(commands.ResponseCreate(response=options), now=0.0)
    options["instructions"] = object()  # type: ignore[assignment]
    script.hear(response_done("resp_1"))
    (create,) = script.sent()
    assert create["response"]["instructions"] == "Be brief."


def test_a_made_item_id_never_meets_one_of_the_callers() -> None:
    session = Session(plane=DIRECT, now=0.0)
    item = {"type": "message", "role": "user", "content": [], "id": "item_tw4"}
    session.send(commands.ConversationItemCreate(item=item), now=0.0)
    for _ in range(3):
        session.send_text("Hello.", respond=False, now=0.0)
    sent: list[str] = []
    while (frame := session.next_frame()) is not None:
        sent.append(json.loads(frame)["item"]["id"])
    assert len(set(sent)) == 4


def test_a_function_call_of_the_callers_needs_a_call_id() -> None:
    session = Session(plane=DIRECT, now=0.0)
    item = {"type": "function_call", "name": "get_weather", "arguments": "{}"}
    with pytest.raises(LocalProtocolError, match="call_id"):
        session.send(commands.ConversationItemCreate(item=item), now=0.0)
    assert session.next_frame() is None


def test_an_item_that_names_itself_as_the_one_before_is_put_at_the_end_3_3() -> None:
    script = Script()
    script.hear(item_added(message("item_1", "user", "One.")))
    script.hear(item_added(message("item_2", "user", "Two."), previous="item_2"))
    assert [item.id for item in script.session.conversation] == ["item_1", "item_2"]


def test_audio_keeps_the_length_it_had_in_the_format_it_came_in() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(item_added(message("item_a", "assistant", "")))
    script.hear(audio_delta("resp_1", "item_a", 600))
    g711 = {"audio": {"output": {"format": {"type": "audio/pcmu"}}}}
    frame = {"type": "session.updated", "event_id": "event_x", "session": g711}
    script.session.receive(json.dumps(frame), now=0.0)
    script.session.truncate_audio("item_a", 500, now=0.0)
    assert script.sent()[-1]["audio_end_ms"] == 500


def test_a_clone_that_says_nothing_of_turn_detection_responds_by_itself() -> None:
    session = Session(plane=DIRECT, now=0.0)
    partial = '{"type":"session.updated","session":{"audio":{"input":{}}}}'
    session.receive(partial, now=0.0)
    session.receive(text_of(speech("started", "item_u")), now=0.0)
    session.receive(text_of(speech("stopped", "item_u")), now=0.0)
    assert session.gate.state is Gate.SERVER_EXPECTED


def test_what_should_not_have_come_is_counted_law_4() -> None:
    script = Script()
    for frame in (
        "{",
        '{"type":"x.y"}',
        '{"type":"x.z"}',
        '{"type":"session.created","session":{}}',
    ):
        script.session.receive(frame, now=0.0)
    assert script.session.counts == {"InvalidFrame": 1, "UnknownEvent": 2, "Anomaly": 1}


def test_a_first_word_that_the_books_do_not_need_is_a_first_word_all_the_same_3_1() -> None:
    session = Session(plane=DIRECT, now=0.0)
    session.receive('{"type":"rate_limits.updated","rate_limits":[]}', now=0.0)
    assert session.phase is Phase.CREATED


def test_the_other_end_of_the_wire_is_there_for_tests_of_your_own() -> None:
    service = Service(now=0.0)
    session = Session(plane=DIRECT, now=0.0)
    session.receive(service.next_frame() or "", now=0.0)
    assert session.phase is Phase.CREATED
