"""The browser hop: the handshake, the lines of a message, and a page that cannot be trusted."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.frames import (
    Frame,
    announced,
    arguments_done,
    call,
    completed,
    error,
    event,
    item_added,
    item_done,
    message,
    output_item,
    response_created,
    response_done,
    session_created,
    session_updated,
    settled,
    text_delta,
    text_of,
)
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    Anomaly,
    Event,
    FunctionCall,
    Hop,
    InvalidFrame,
    LocalProtocolError,
    Outcome,
    PageEvent,
    PageHello,
    PageLeft,
    PageOffer,
    PageReady,
    PageText,
    Phase,
    Plane,
    Relay,
    Session,
    SessionClosed,
    TimedOut,
    Timer,
    UnknownEvent,
)

URL, KEY = "https://example.test/v1/realtime/calls", "ek_1"
HELLO = {"type": "talkwire.hello", "version": 1, "client": "talkwire.js/0.1.0"}
READY = {"type": "talkwire.ready", "call_id": "rtc_1"}
OFFER = {"type": "talkwire.offer", "sdp": "v=0 offer"}
BYE = {"type": "talkwire.bye", "code": "hangup", "message": "the user hung up"}


class Page:
    """A relay, and the page at its other end, played by the test."""

    def __init__(self, *, at: Hop = Hop.OPEN, plane: Plane = RELAY, **how: Any) -> None:
        self.session = Session(plane=plane, now=0.0)
        self.relay = Relay(self.session, now=0.0, **how)
        steps = [Hop.WAITING, Hop.GREETED, Hop.OPENING, Hop.OPEN]
        reached = steps.index(at) if at in steps else 0
        if reached >= 1:
            self.say(HELLO)
        if reached >= 2:
            self.relay.open_call(URL, KEY, now=0.0)
        if reached >= 3:
            self.say(READY)
        if at is Hop.CLOSED:
            self.relay.receive_close(now=0.0)
        self.heard()
        assert self.relay.hop is at

    def say(self, *frames: Frame, now: float = 0.0) -> list[Event | PageEvent]:
        """Send each as a message of its own."""
        return [e for f in frames for e in self.relay.receive(text_of(f), now=now)]

    def heard(self) -> list[Frame]:
        """What the page was sent since the last look, line by line."""
        frames: list[Frame] = []
        while (message := self.relay.next_frame()) is not None:
            frames += [json.loads(line) for line in message.split("\n")]
        return frames


def anomalies(events: Sequence[object]) -> list[Anomaly]:
    return [e for e in events if isinstance(e, Anomaly)]


def calls(events: Sequence[object]) -> list[FunctionCall]:
    return [e for e in events if isinstance(e, FunctionCall)]


# -- the session behind it


def test_a_session_whose_audio_passes_here_is_not_a_pages() -> None:
    with pytest.raises(LocalProtocolError, match="on the direct plane, which carries audio"):
        Relay(Session(plane=DIRECT, now=0.0), now=0.0)


def test_a_plane_of_your_own_will_do_if_it_trusts_nobody_s3() -> None:
    plane = Plane(name="own", carries_audio=False, trusted=False, delays={})
    assert Relay(Session(plane=plane, now=0.0), now=0.0).hop is Hop.WAITING


# -- the handshake


def test_a_call_is_opened_by_hello_init_ready() -> None:
    page = Page(at=Hop.WAITING, subscribe=["response.output_text.delta"])
    page.session.session_update({"instructions": "Be brief."}, now=0.0)
    page.session.send_text("Hello.", respond=False, now=0.0)
    assert page.heard() == []

    assert page.say({**HELLO, "ticket": "t"}) == [
        PageHello(version=1, client="talkwire.js/0.1.0", ticket="t")
    ]
    assert (page.relay.hop, page.heard()) == (Hop.GREETED, [])
    page.relay.open_call(URL, KEY, now=0.0)
    (init,) = page.heard()
    assert list(init) == ["type", "version", "call", "commands", "subscribe", "limits"]
    assert init["type"] == "talkwire.init"
    assert init["version"] == 1
    assert init["call"] == {"url": URL, "key": KEY}
    assert [c["type"] for c in init["commands"]] == ["session.update", "conversation.item.create"]
    assert init["limits"] == {"max_frame_bytes": 65536}

    assert page.say(READY) == [PageReady(call_id="rtc_1")]
    assert (page.relay.hop, page.relay.call_id) == (Hop.OPEN, "rtc_1")
    assert not page.relay.closed


def test_control_messages_are_written_with_their_type_first() -> None:
    """So that the page can tell them from frames by their first bytes."""
    page = Page(at=Hop.GREETED)
    page.relay.open_call(URL, KEY, now=0.0)
    page.relay.close("ended", "over", now=0.0)
    init, bye = str(page.relay.next_frame()).split("\n")
    assert init.startswith('{"type":"talkwire.init"')
    assert bye.startswith('{"type":"talkwire.bye"')


def test_the_call_may_be_known_before_the_page_says_hello() -> None:
    page = Page(at=Hop.WAITING)
    page.relay.open_call(URL, KEY, now=0.0)
    assert page.heard() == []
    page.session.session_update({}, now=0.0)
    page.say(HELLO)
    (init,) = page.heard()
    assert [c["type"] for c in init["commands"]] == ["session.update"]


def test_a_page_of_another_version_is_told_and_sent_away() -> None:
    page = Page(at=Hop.WAITING)
    page.relay.open_call(URL, KEY, now=0.0)
    events = page.say({**HELLO, "version": 2})
    words = "the page speaks version 2, the backend 1"
    assert events == [
        PageHello(version=2, client="talkwire.js/0.1.0"),
        SessionClosed(reason=words),
    ]
    assert page.heard() == [{"type": "talkwire.bye", "code": "version", "message": words}]
    assert page.relay.closed
    assert page.session.closed


def test_a_version_of_another_type_is_another_version() -> None:
    page = Page(at=Hop.WAITING)
    page.say({**HELLO, "version": "1"})
    assert [message["code"] for message in page.heard()] == ["version"]


def test_a_page_may_write_its_control_messages_with_spaces() -> None:
    page = Page(at=Hop.WAITING)
    (hello,) = page.relay.receive(' { "type" : "talkwire.hello", "version": 1 }', now=0.0)
    assert hello == PageHello(version=1)


@pytest.mark.parametrize("at", [Hop.WAITING, Hop.GREETED, Hop.CLOSED])
def test_frames_before_init_and_after_the_end_are_anomalies(at: Hop) -> None:
    page = Page(at=at)
    assert page.say(session_updated()) == [Anomaly(type="frame", reason=f"the hop is {at.value}")]
    assert page.session.phase is not Phase.READY


def test_the_service_may_speak_before_the_page_reports_itself_ready() -> None:
    page = Page(at=Hop.OPENING)
    page.say(session_updated())
    assert page.session.phase is Phase.READY


STRAY = [
    *((at, {"type": "talkwire.text", "text": "x"}) for at in (Hop.WAITING, Hop.GREETED)),
    *((at, READY) for at in (Hop.WAITING, Hop.GREETED, Hop.OPEN, Hop.CLOSED)),
    *((at, HELLO) for at in (Hop.GREETED, Hop.OPENING, Hop.OPEN, Hop.CLOSED)),
    (Hop.CLOSED, BYE),
]


@pytest.mark.parametrize(("at", "frame"), STRAY)
def test_a_control_message_out_of_order_is_an_anomaly(at: Hop, frame: Frame) -> None:
    page = Page(at=at)
    before = page.relay.call_id
    assert page.say(frame) == [Anomaly(type=str(frame["type"]), reason=f"the hop is {at.value}")]
    assert (page.relay.hop, page.relay.call_id) == (at, before)


@pytest.mark.parametrize("kind", ["talkwire.init", "talkwire.nonsense", "talkwire."])
def test_a_control_message_that_is_not_the_pages_to_send_is_an_anomaly(kind: str) -> None:
    page = Page()
    frame = {"type": kind, "version": 1, "call": {"url": "https://evil.test", "key": "x"}}
    assert page.say(frame) == [
        Anomaly(type=kind, reason="no control message of the page has this type")
    ]
    assert page.heard() == []


def test_a_control_message_whose_type_is_not_first_is_no_control_message() -> None:
    page = Page()
    (unknown,) = page.say({"code": "hangup", "type": "talkwire.bye"})
    assert isinstance(unknown, UnknownEvent)
    assert page.relay.hop is Hop.OPEN


@pytest.mark.parametrize(
    "line",
    [
        '{"type":"talkwire.hello"}',
        '{"type":"talkwire.hello","version":1',
        '{"type":"talkwire.hello","version":1,"ticket":"\\ud800"}',
        '{"type":"talkwire.hello","version":1,"ticket":"\ud800"}',
        '{"type":"talkwire.hello","version":1,"x":' + "[" * 50_000,
    ],
    ids=["no version", "cut", "half an emoji", "half, bare", "nested"],
)
def test_a_control_message_that_cannot_be_read_says_why_and_changes_nothing(line: str) -> None:
    page = Page(at=Hop.WAITING)
    (invalid,) = page.relay.receive(line, now=0.0)
    assert isinstance(invalid, InvalidFrame)
    assert invalid.reason
    assert page.relay.hop is Hop.WAITING


def test_a_ticket_is_not_shown_in_logs() -> None:
    """S2."""
    (hello,) = Page(at=Hop.WAITING).say({**HELLO, "ticket": "t0p-s3cret"})
    assert isinstance(hello, PageHello)
    assert hello.ticket == "t0p-s3cret"
    assert "t0p-s3cret" not in repr(hello)


def test_the_call_is_opened_once() -> None:
    page = Page(at=Hop.OPENING)
    with pytest.raises(LocalProtocolError, match=r"open_call is not legal .* opening"):
        page.relay.open_call("https://other.test", "ek_2", now=0.0)
    assert page.heard() == []


def test_a_page_that_has_gone_opens_no_call() -> None:
    page = Page(at=Hop.CLOSED)
    with pytest.raises(LocalProtocolError, match=r"open_call is not legal .* closed"):
        page.relay.open_call(URL, KEY, now=0.0)
    assert page.heard() == []


# -- an offer that the backend posts, and a session that hears the service itself


class Caller(Page):
    """A page that makes an offer, and the sideband of its call."""

    def __init__(self, *, at: Hop = Hop.OPEN, plane: Plane = SIDEBAND, **how: Any) -> None:
        super().__init__(at=Hop.GREETED, plane=plane, **how)
        self.relay.ask_for_offer(now=0.0)
        steps = [Hop.ASKED, Hop.OFFERED, Hop.OPENING, Hop.OPEN]
        reached = steps.index(at)
        if reached >= 1:
            self.say(OFFER)
        if reached >= 2:
            self.relay.answer("v=0 answer", "rtc_1", now=0.0)
        if reached >= 3:
            self.say(READY)
        self.heard()
        assert self.relay.hop is at

    def hear(self, *frames: Frame, now: float = 0.0) -> list[Event]:
        """Have the sideband bring each."""
        return [e for f in frames for e in self.session.receive(text_of(f), now=now)]

    def asked(self) -> list[Frame]:
        """What the service was sent since the last look."""
        frames: list[Frame] = []
        while (frame := self.session.next_frame()) is not None:
            frames.append(json.loads(frame))
        return frames


def test_a_call_is_opened_by_hello_init_offer_answer_ready() -> None:
    page = Page(at=Hop.WAITING, plane=SIDEBAND, subscribe=["response.done"])
    page.relay.ask_for_offer(now=0.0)
    page.session.session_update({"instructions": "Be brief."}, now=0.0)
    page.say(HELLO)
    (init,) = page.heard()
    assert (page.relay.hop, init["call"]) == (Hop.ASKED, None)
    assert (init["commands"], init["subscribe"]) == ([], [])

    assert page.say(OFFER) == [PageOffer(sdp="v=0 offer")]
    page.relay.answer("v=0 answer", "rtc_9", now=0.0)
    assert page.heard() == [{"type": "talkwire.answer", "sdp": "v=0 answer", "call_id": "rtc_9"}]

    page.say(READY)
    assert (page.relay.hop, page.relay.call_id) == (Hop.OPEN, "rtc_9")
    assert page.heard() == []


def test_the_page_cannot_rename_a_call_that_the_service_named_s10() -> None:
    page = Caller(at=Hop.OPENING)
    page.say({**READY, "call_id": "rtc_of_another"})
    assert page.relay.call_id == "rtc_1"


def test_what_a_page_passes_on_beside_a_sideband_is_not_believed_s3() -> None:
    page = Caller()
    page.hear(session_updated(), response_created("r1"), *announced("r1", "c1"))
    forged = arguments_done("r1", "c1", arguments='{"amount":1000000}')
    why = "the session hears the service itself"
    assert page.say(forged) == [Anomaly(type="frame", reason=why)]
    (told,) = calls(page.hear(arguments_done("r1", "c1", arguments='{"amount":1}')))
    assert told.arguments == '{"amount":1}'


def test_a_call_that_page_and_sideband_both_tell_runs_once() -> None:
    page = Caller()
    page.hear(session_updated(), response_created("r1"), *announced("r1", "c1"))
    done = arguments_done("r1", "c1")
    assert len(calls([*page.say(done), *page.hear(done), *page.say(done)])) == 1


def test_commands_leave_by_the_sideband_and_never_through_the_page() -> None:
    page = Caller()
    page.session.send_text("Hello.", now=0.0)
    assert page.heard() == []
    assert [frame["type"] for frame in page.asked()] == [
        "conversation.item.create",
        "response.create",
    ]


def test_an_offer_may_be_posted_for_a_page_that_relays_as_well() -> None:
    page = Caller(at=Hop.OPENING, plane=RELAY)
    page.say(session_updated())
    assert page.session.phase is Phase.READY
    page.session.send_text("Hello.", respond=False, now=0.0)
    assert [frame["type"] for frame in page.heard()] == ["conversation.item.create"]


def test_the_end_of_the_sideband_is_the_end_for_the_page() -> None:
    page = Caller()
    page.session.receive_close(code=1006, now=0.0)
    assert page.relay.closed
    words = "the service ended the session"
    assert page.heard() == [{"type": "talkwire.bye", "code": "failed", "message": words}]
    assert page.relay.hop is Hop.CLOSED
    assert page.heard() == []


def test_the_end_of_the_page_is_the_end_of_the_session() -> None:
    page = Caller()
    assert isinstance(page.say(BYE)[-1], SessionClosed)
    assert page.session.closed
    assert page.heard() == []


@pytest.mark.parametrize("at", [Hop.ASKED, Hop.OPENING, Hop.OPEN])
def test_an_answer_without_an_offer_that_waits_is_refused(at: Hop) -> None:
    page = Caller(at=at)
    before = page.relay.call_id
    with pytest.raises(LocalProtocolError, match=f"answer is not legal when the hop is {at.value}"):
        page.relay.answer("v=0", "rtc_2", now=0.0)
    assert (page.relay.hop, page.relay.call_id, page.heard()) == (at, before, [])


def test_an_answer_that_is_not_unicode_is_refused() -> None:
    page = Caller(at=Hop.OFFERED)
    with pytest.raises(LocalProtocolError, match="answer: cannot be written as JSON"):
        page.relay.answer("v=0 \ud800", "rtc_2", now=0.0)
    assert (page.relay.hop, page.relay.call_id, page.heard()) == (Hop.OFFERED, None, [])


@pytest.mark.parametrize("at", [Hop.OFFERED, Hop.OPENING, Hop.OPEN])
def test_a_second_offer_is_an_anomaly(at: Hop) -> None:
    page = Caller(at=at)
    assert page.say(OFFER) == [Anomaly(type="talkwire.offer", reason=f"the hop is {at.value}")]


def test_an_offer_of_a_page_that_has_a_key_is_an_anomaly() -> None:
    page = Page(at=Hop.OPENING)
    assert page.say(OFFER) == [Anomaly(type="talkwire.offer", reason="the hop is opening")]


def test_a_page_that_makes_no_offer_is_given_up() -> None:
    page = Caller(at=Hop.ASKED)
    deadline = page.relay.next_timeout()
    assert deadline is not None
    while Timer.READY not in {
        e.timer
        for e in page.relay.handle_timeout(now=page.relay.next_timeout() or deadline)
        if isinstance(e, TimedOut)
    }:
        pass
    (goodbye,) = page.heard()
    assert (goodbye["type"], goodbye["code"]) == ("talkwire.bye", "failed")


def test_how_the_call_opens_is_said_once() -> None:
    page = Caller(at=Hop.ASKED)
    with pytest.raises(LocalProtocolError, match="open_call is not legal when the hop is asked"):
        page.relay.open_call(URL, KEY, now=0.0)
    with pytest.raises(LocalProtocolError, match="ask_for_offer is not legal"):
        page.relay.ask_for_offer(now=0.0)


# -- what passes


def test_a_message_may_carry_many_frames_one_a_line() -> None:
    page = Page()
    lines = [text_of(f) for f in (session_updated(), response_created("resp_1"), HELLO)]
    events = page.relay.receive("\n".join(["", *lines, ""]), now=0.0)
    assert [getattr(e, "type", None) for e in events] == [
        "session.updated",
        "response.created",
        "talkwire.hello",  # the anomaly
    ]


def test_a_line_that_is_no_json_takes_nothing_else_with_it() -> None:
    page = Page()
    events = page.relay.receive("\n".join(["hello", text_of(session_updated()), "{"]), now=0.0)
    assert [type(e) for e in events][::2] == [InvalidFrame, InvalidFrame]
    assert page.session.phase is Phase.READY


def test_bytes_are_read_as_text_and_what_is_no_text_is_invalid() -> None:
    page = Page()
    page.relay.receive(text_of(session_updated()).encode(), now=0.0)
    assert page.session.phase is Phase.READY
    (invalid,) = page.relay.receive(b"\xff\xfe", now=0.0)
    assert isinstance(invalid, InvalidFrame)
    assert invalid.frame == b"\xff\xfe"


def test_what_the_session_sends_leaves_as_one_message_verbatim() -> None:
    page = Page()
    page.session.send_text("Grüße \u2028\n.", now=0.0)
    message = page.relay.next_frame()
    assert message is not None
    one, two = message.split("\n")
    assert json.loads(one)["item"]["content"][0]["text"] == "Grüße \u2028\n."
    assert json.loads(two)["type"] == "response.create"
    assert page.relay.next_frame() is None


def test_what_the_user_types_is_handed_over_and_not_sent_by_itself() -> None:
    page = Page()
    assert page.say({"type": "talkwire.text", "text": "Hello."}) == [PageText(text="Hello.")]
    assert page.heard() == []


@pytest.mark.parametrize("control", [False, True])
def test_a_frame_over_the_limit_is_refused_and_the_next_is_read_s9(control: bool) -> None:
    page = Page(max_frame_bytes=1000)
    kind = "talkwire.text" if control else "session.updated"
    padding = "x" * 1000
    big = text_of({"type": kind, "text": padding, "session": {}})
    (invalid, *rest) = page.relay.receive(f"{big}\n{text_of(session_updated())}", now=0.0)
    assert isinstance(invalid, InvalidFrame)
    assert invalid.reason == f"{len(big)} characters; the limit is 1000"
    assert len(rest) == 1
    assert page.session.phase is Phase.READY


def test_the_limit_itself_is_no_flood() -> None:
    frame = text_of(session_updated())
    page = Page(max_frame_bytes=len(frame))
    page.relay.receive(frame, now=0.0)
    assert page.session.phase is Phase.READY


# -- the subscription


def subscription(**how: Any) -> list[str] | None:
    page = Page(at=Hop.GREETED, **how)
    page.relay.open_call(URL, KEY, now=0.0)
    (init,) = page.heard()
    subscribed: list[str] | None = init["subscribe"]
    return subscribed


def test_everything_is_subscribed_unless_told_otherwise() -> None:
    assert subscription() is None


def test_a_subscription_always_holds_what_the_session_needs() -> None:
    chosen = subscription(subscribe=["error"])
    assert chosen is not None
    assert chosen == sorted(Session.needs())
    assert {
        "error",
        "rate_limits.updated",
        "session.created",
        "session.updated",
        "response.created",
        "response.done",
        "response.output_item.added",
        "response.function_call_arguments.done",
        "conversation.item.added",
        "input_audio_buffer.speech_started",
        "output_audio_buffer.started",
    } <= set(chosen)
    assert not [each for each in chosen if each.endswith(".delta")]


def test_words_are_told_whole_to_who_subscribes_to_less() -> None:
    def said(needs: frozenset[str] | None) -> list[str]:
        page = Page()
        for frame in spoken_turn():
            if needs is None or frame["type"] in needs:
                page.say(frame)
        return [item.text for item in page.session.conversation]

    assert said(Session.needs()) == said(None) == ["What is the weather?", "It is sunny."]


def spoken_turn() -> list[Frame]:
    """The user's words, before their item, and the model's."""
    heard = {"item_id": "item_u", "content_index": 0}
    asked = "conversation.item.input_audio_transcription"
    answer = {"response_id": "r1", "item_id": "item_a", "output_index": 0, "content_index": 0}
    spoken = "response.output_audio_transcript"
    return [
        session_updated(),
        event(f"{asked}.delta", **heard, delta="What is"),
        item_added(message("item_u", "user")),
        event(f"{asked}.completed", **heard, transcript="What is the weather?"),
        response_created("r1"),
        item_added(message("item_a", "assistant", status="in_progress"), "item_u"),
        event(f"{spoken}.delta", **answer, delta="It is "),
        event(f"{spoken}.delta", **answer, delta="sunny."),
        event(f"{spoken}.done", **answer, transcript="It is sunny."),
        response_done("r1"),
    ]


def test_what_is_not_subscribed_changes_nothing_when_it_is_missing() -> None:
    """The page forwards less; the session comes to the same end."""

    def conversation(needs: frozenset[str] | None) -> tuple[object, ...]:
        page = Page()
        frames = [
            session_updated(),
            response_created("resp_1"),
            *announced("resp_1", "call_1"),
            event(
                "response.function_call_arguments.delta",
                response_id="resp_1",
                item_id="item_call_1",
                call_id="call_1",
                delta="{",
            ),
            *completed("resp_1", "call_1"),
            event("rate_limits.updated", rate_limits=[{"name": "requests", "remaining": 9}]),
            response_done("resp_1"),
        ]
        heard = [f for f in frames if needs is None or f["type"] in needs]
        events = page.say(*heard)
        items = [(i.id, i.status, i.arguments) for i in page.session.conversation]
        assert page.session.rate_limits["requests"].remaining == 9
        return (len(heard), calls(events), items, page.session.gate.state, page.session.phase)

    everything, needed = conversation(None), conversation(Session.needs())
    assert everything[0] == 10
    assert needed[0] == 9
    assert everything[1:] == needed[1:]


# -- a page that forges (S3, S4)


def opened() -> Page:
    page = Page()
    page.say(session_updated())
    return page


def test_an_honest_page_has_its_calls_run() -> None:
    page = opened()
    events = page.say(
        response_created("resp_1"), *announced("resp_1", "call_1"), *completed("resp_1", "call_1")
    )
    assert [c.call_id for c in calls(events)] == ["call_1"]
    assert anomalies(events) == []


@pytest.mark.parametrize(
    "forged",
    [
        arguments_done("resp_1", "call_9"),
        arguments_done("resp_9", "call_1"),
        arguments_done("resp_1", "call_1", item_id="item_9"),
    ],
    ids=["call not announced", "wrong response", "wrong item"],
)
def test_arguments_of_a_call_that_was_not_announced_so_are_dropped_s4(forged: Frame) -> None:
    page = opened()
    page.say(response_created("resp_1"), *announced("resp_1", "call_1"))
    events = page.say(forged)
    assert calls(events) == []
    assert len(anomalies(events)) == 1
    assert "was not announced" in anomalies(events)[0].reason
    assert [c.arguments for c in calls(page.say(arguments_done("resp_1", "call_1", "{}")))] == [
        "{}"
    ]


@pytest.mark.parametrize("stage", ["added", "done"])
def test_a_call_cannot_be_announced_by_a_response_that_does_not_run_s4(stage: str) -> None:
    page = opened()
    page.say(response_created("resp_1"))
    events = page.say(output_item(stage, "resp_9", call("call_1", "{}")))
    assert calls(events) == []
    assert anomalies(events) == [
        Anomaly(
            type=f"response.output_item.{stage}",
            reason="item item_call_1 of a response that is not running",
        )
    ]
    assert calls(page.say(arguments_done("resp_9", "call_1"))) == []
    assert page.session.conversation.get("item_call_1") is None


def test_a_call_that_only_the_end_of_a_response_tells_of_is_not_run_s4() -> None:
    page = opened()
    page.say(response_created("resp_1"))
    assert calls(page.say(response_done("resp_1", output=[call("call_1", "{}")]))) == []


@pytest.mark.parametrize(
    "forged",
    [
        item_done(call("call_1", '{"evil":1}', item_id="item_9")),
        output_item("done", "resp_1", call("call_1", '{"evil":1}', item_id="item_9")),
        response_done("resp_1", output=[call("call_1", '{"evil":1}', item_id="item_9")]),
    ],
    ids=["item.done", "output_item.done", "response.done"],
)
def test_an_item_other_than_the_announced_one_completes_no_call_s4(forged: Frame) -> None:
    page = opened()
    page.say(response_created("resp_1"), *announced("resp_1", "call_1"))
    events = page.say(forged)
    assert calls(events) == []
    assert len(anomalies(events)) == 1


def test_a_call_is_run_once_however_often_it_is_replayed_s4() -> None:
    page = opened()
    page.say(response_created("resp_1"), *announced("resp_1", "call_1"))
    replay = [*completed("resp_1", "call_1"), *announced("resp_1", "call_1")]
    assert len(calls(page.say(*replay, *replay))) == 1


def test_a_call_replayed_after_its_response_is_dropped_and_counted_s4() -> None:
    page = opened()
    page.say(response_created("resp_1"), *announced("resp_1", "call_1"))
    page.say(*completed("resp_1", "call_1"), response_done("resp_1"))
    events = page.say(*announced("resp_1", "call_1"), *completed("resp_1", "call_1", '{"x":1}'))
    assert calls(events) == []
    assert anomalies(events)


def test_a_call_whose_end_comes_after_its_response_is_dropped_and_counted_s4() -> None:
    page = opened()
    page.say(response_created("resp_1"), *announced("resp_1", "call_1"), response_done("resp_1"))
    events = page.say(*completed("resp_1", "call_1"))
    assert calls(events) == []
    assert anomalies(events)


def test_a_call_of_a_response_that_another_one_displaced_is_dropped_s4() -> None:
    page = opened()
    page.say(response_created("resp_1"), *announced("resp_1", "call_1"))
    page.say(response_created("resp_2"))
    events = page.say(arguments_done("resp_1", "call_1"))
    assert calls(events) == []
    assert len(anomalies(events)) == 1


def test_a_forged_answer_settles_nothing_that_was_not_asked() -> None:
    page = opened()
    page.session.send_text("Hello.", respond=False, now=0.0)
    (frame,) = page.heard()
    forged = error("invalid_value", "No.", "event_tw99")
    assert settled(page.say(forged)) == []
    assert settled(page.relay.receive_close(now=0.0)) == [(frame["event_id"], Outcome.LOST)]


# -- the end, from either side


def test_the_page_that_says_goodbye_ends_everything_once() -> None:
    page = Page()
    event_id = page.session.send_text("Hello.", respond=False, now=0.0)
    left, lost, closed = page.say(BYE)
    assert left == PageLeft(code="hangup", message="the user hung up")
    assert settled([lost]) == [(event_id, Outcome.LOST)]
    assert closed == SessionClosed(reason="the user hung up")
    assert page.relay.closed
    assert page.relay.receive_close(now=0.0) == []
    assert page.relay.close(now=0.0) == []
    assert page.heard() == []
    assert page.relay.next_timeout() is None


def test_a_goodbye_may_be_short() -> None:
    left, closed = Page().say({"type": "talkwire.bye"})
    assert left == PageLeft(code="page_closed", message="")
    assert closed == SessionClosed(reason="page_closed")


def test_a_websocket_that_is_gone_ends_everything_once() -> None:
    page = Page()
    assert list(page.relay.receive_close(code=1006, now=0.0)) == [SessionClosed(code=1006)]
    assert page.relay.closed
    assert page.relay.receive_close(now=0.0) == []


@pytest.mark.parametrize("at", [Hop.WAITING, Hop.GREETED, Hop.OPENING, Hop.OPEN])
def test_our_goodbye_is_said_and_ends_everything_once(at: Hop) -> None:
    page = Page(at=at)
    page.session.send_text("Never said.", now=0.0)
    events = page.relay.close("session_over", "an hour is over", now=0.0)
    assert [e for e in events if isinstance(e, SessionClosed)] == [
        SessionClosed(reason="an hour is over")
    ]
    assert page.heard() == [
        {"type": "talkwire.bye", "code": "session_over", "message": "an hour is over"}
    ]
    assert page.relay.close(now=0.0) == []
    assert page.say(BYE) == [Anomaly(type="talkwire.bye", reason="the hop is closed")]
    assert page.heard() == []


def test_a_goodbye_without_words_of_ones_own_still_says_who_ended_the_call() -> None:
    assert list(Page().relay.close(now=0.0)) == [SessionClosed(reason="The server ended the call.")]


# -- deadlines


def test_a_page_that_does_not_say_hello_in_time_is_sent_away() -> None:
    page = Page(at=Hop.WAITING)
    assert page.relay.next_timeout() == 10.0
    assert page.relay.handle_timeout(now=9.9) == []
    events = list(page.relay.handle_timeout(now=10.0))
    assert events == [
        TimedOut(timer=Timer.HELLO),
        SessionClosed(reason="no talkwire.hello in time"),
    ]
    assert page.heard() == [
        {"type": "talkwire.bye", "code": "failed", "message": "no talkwire.hello in time"}
    ]
    assert page.relay.next_timeout() is None
    assert page.relay.handle_timeout(now=99.0) == []


def test_a_page_that_does_not_open_its_call_in_time_is_sent_away() -> None:
    page = Page(at=Hop.GREETED)
    assert page.relay.next_timeout() is None  # the call is ours to open
    page.relay.open_call(URL, KEY, now=50.0)
    assert page.relay.next_timeout() == 80.0
    events = list(page.relay.handle_timeout(now=80.0))
    assert events[0] == TimedOut(timer=Timer.READY)
    assert page.relay.closed


def test_a_page_that_is_ready_is_not_timed_any_more() -> None:
    assert Page().relay.next_timeout() is None


def test_the_sessions_deadlines_are_the_relays_too() -> None:
    page = Page(at=Hop.OPENING)
    page.session.send_text("Hello.", now=1.0)
    assert page.session.next_timeout() is None  # nothing can be answered before the call is open
    page.say(session_created(), now=1.0)
    assert page.relay.next_timeout() == 16.0
    assert page.session.next_timeout() == 16.0
    page.say(READY, now=2.0)
    events = list(page.relay.handle_timeout(now=16.0))
    assert events[0] == TimedOut(timer=Timer.RESPONSE_CREATED)
    assert not page.relay.closed


def test_a_session_that_the_service_ended_but_did_not_close_takes_its_page_along_3_9() -> None:
    page = Page()
    page.say(error("session_expired", "Your session hit the maximum duration."), now=10.0)
    assert not page.relay.closed
    assert page.relay.next_timeout() == 15.0
    timed_out, closed = page.relay.handle_timeout(now=15.0)
    assert timed_out == TimedOut(timer=Timer.ENDING)
    assert isinstance(closed, SessionClosed)
    assert page.relay.closed
    (goodbye,) = page.heard()
    assert (goodbye["type"], goodbye["code"]) == ("talkwire.bye", "failed")
    assert page.relay.handle_timeout(now=99.0) == []


def test_a_deadline_at_nought_is_a_deadline() -> None:
    assert Relay(Session(plane=RELAY, now=-10.0), now=-10.0).next_timeout() == 0.0


# -- anything at all

FRAMES: list[Frame] = [
    HELLO,
    READY,
    BYE,
    {"type": "talkwire.text", "text": "Hello."},
    {"type": "talkwire.init"},
    session_updated(),
    response_created("resp_1"),
    response_created("resp_2", out_of_band=True),
    *announced("resp_1", "call_1"),
    *completed("resp_1", "call_1"),
    *announced("resp_2", "call_2"),
    text_delta("resp_1", "item_1", "x"),
    response_done("resp_1", "cancelled"),
    response_done("resp_2"),
    error("session_expired"),
    error(None, "Conversation already has an active response in progress: resp_1"),
    error("invalid_value", event_id="event_tw2"),
]
LINES = st.lists(
    st.sampled_from([text_of(f) for f in FRAMES])
    | st.text(max_size=20).map(lambda text: '{"type":"talkwire.' + text)
    | st.text(max_size=20),
    max_size=30,
)


@given(LINES, st.booleans())
def test_whatever_a_page_sends_nothing_raises_and_a_call_runs_once(
    lines: list[str], batched: bool
) -> None:
    page = Page(at=Hop.WAITING)
    page.relay.open_call(URL, KEY, now=0.0)
    page.session.send_text("Hello.", now=0.0)
    messages = ["\n".join(lines)] if batched else lines
    events = [e for message in messages for e in page.relay.receive(message, now=0.0)]
    events += page.relay.close(now=1.0)

    run = [c.call_id for c in calls(events)]
    assert len(run) == len(set(run))
    ends = [event_id for event_id, _ in settled(events)]
    assert sorted(ends) == ["event_tw1", "event_tw2"]
    assert page.relay.closed
