"""The browser hop with a page of AG2's, which knows `ag2.init` and says nothing of itself (§4).

Which page it is shows when it speaks; until then what leaves is right for both.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.frames import (
    Frame,
    announced,
    arguments_done,
    completed,
    error,
    response_created,
    response_done,
    session_updated,
    text_of,
)
from talkwire import (
    PARTIAL,
    RELAY,
    Anomaly,
    ConfigurationLost,
    Event,
    FunctionCall,
    Gate,
    Hop,
    InvalidFrame,
    LocalProtocolError,
    Outcome,
    PageEvent,
    PageHello,
    PageLeft,
    Relay,
    Session,
    SessionClosed,
    Timer,
)
from talkwire.timers import DELAYS

URL, KEY = "https://example.test/v1/realtime/calls", "ek_1"
HELLO = {"type": "talkwire.hello", "version": 1, "client": "talkwire.js/0.1.0"}
READY = {"type": "talkwire.ready", "call_id": "rtc_1"}


class Page:
    """A relay that has invited its page, played by the test."""

    def __init__(self, *, invited: bool = True) -> None:
        self.session = Session(plane=PARTIAL, now=0.0)
        self.relay = Relay(self.session, now=0.0)
        self.session.session_update({"instructions": "Be brief."}, now=0.0)
        if invited:
            self.relay.open_call(URL, KEY, model="gpt-realtime", now=0.0)

    def say(self, *frames: Frame, now: float = 0.0) -> list[Event | PageEvent]:
        return [e for f in frames for e in self.relay.receive(text_of(f), now=now)]

    def messages(self) -> list[str]:
        """The messages since the last look, as they are sent."""
        messages: list[str] = []
        while (message := self.relay.next_frame()) is not None:
            messages.append(message)
        return messages

    def heard(self) -> list[Frame]:
        """What an old page makes of them: each is one JSON object, or it breaks."""
        return [json.loads(message) for message in self.messages()]


def types(frames: list[Frame]) -> list[str]:
    return [str(frame["type"]) for frame in frames]


def test_the_page_is_told_at_once_how_to_open_its_call_and_what_goes_first() -> None:
    page = Page()
    (init,) = page.heard()
    (update,) = init.pop("init")
    assert update["session"]["instructions"] == "Be brief."
    assert init == {
        "type": "ag2.init",
        "config": {
            "client_secret": {"value": KEY},
            "value": KEY,
            "model": "gpt-realtime",
            "url": URL,
        },
    }
    assert page.relay.hop is Hop.INVITED


def test_what_follows_leaves_one_frame_a_message_whether_or_not_the_page_has_spoken() -> None:
    page = Page()
    page.heard()
    page.session.send_text("Hello.", now=0.0)
    assert types(page.heard()) == ["conversation.item.create", "response.create"]
    page.say(arguments_done("resp_1", "call_1"))
    page.session.send_function_result("call_1", "21", now=0.1)
    page.relay.handle_timeout(now=1.0)
    assert types(page.heard()) == ["conversation.item.create", "response.create"]


def test_its_first_frame_says_that_the_call_is_open() -> None:
    page = Page()
    _, told = page.say(arguments_done("resp_1", "call_1"))
    assert isinstance(told, FunctionCall)
    assert page.relay.hop is Hop.OPEN
    assert page.session.plane == PARTIAL


def test_a_frame_may_go_over_several_lines_for_such_a_page_knows_nothing_of_lines() -> None:
    page = Page()
    written = json.dumps(arguments_done("resp_1", "call_1"), indent=2)
    assert isinstance(page.relay.receive(written, now=0.0)[-1], FunctionCall)
    more = json.dumps(arguments_done("resp_1", "call_2"), indent=2)
    assert isinstance(page.relay.receive(more.encode(), now=0.0)[-1], FunctionCall)
    assert page.session.counts == {}


def test_such_a_frame_is_measured_whole() -> None:
    page = Page()
    (odd,) = page.relay.receive("{\n" * 40_000, now=0.0)
    assert isinstance(odd, InvalidFrame)
    assert "80000 characters" in odd.reason


def test_nobody_waits_for_a_hello_that_such_a_page_never_says() -> None:
    page = Page()
    page.heard()
    page.relay.handle_timeout(now=3600.0)
    assert not page.relay.closed


def test_before_the_call_is_known_a_page_that_says_nothing_is_sent_away_as_ever() -> None:
    page = Page(invited=False)
    page.relay.handle_timeout(now=DELAYS[Timer.HELLO])
    assert page.relay.closed


def test_it_is_sent_no_goodbye_for_it_would_tell_the_service() -> None:
    page = Page()
    page.heard()
    told = page.relay.close("ended", "It is over.", now=1.0)
    assert told[-1] == SessionClosed(reason="It is over.")
    assert page.messages() == []


def test_nor_is_it_when_the_session_ends_by_itself() -> None:
    page = Page()
    page.heard()
    page.session.close(now=1.0)
    assert page.messages() == []
    assert page.relay.hop is Hop.CLOSED


# -- it is our page after all


def test_our_page_says_hello_and_is_told_the_same_in_its_own_words() -> None:
    page = Page()
    page.heard()
    page.session.session_update({"output_modalities": ["audio"]}, now=0.0)
    page.session.send_text("Hello.", now=0.0)
    kept = types(page.heard())  # our page keeps them until its call is open
    assert kept == ["session.update", "conversation.item.create", "response.create"]

    (hello,) = page.say(HELLO)
    assert isinstance(hello, PageHello)
    (init,) = page.heard()
    assert init["type"] == "talkwire.init"
    assert init["call"] == {"url": URL, "key": KEY}
    (update,) = init["commands"]  # it goes before what was kept
    assert update["session"]["instructions"] == "Be brief."

    page.say(READY)
    assert (page.relay.hop, page.relay.call_id) == (Hop.OPEN, "rtc_1")
    assert page.session.plane == RELAY


def test_from_its_hello_on_all_the_rules_hold() -> None:
    page = Page()
    page.heard()
    page.say(HELLO, READY)
    page.heard()
    updated = page.say(session_updated(instructions="Be brief."))
    assert [e.outcome for e in updated if hasattr(e, "outcome")] == [Outcome.DONE]
    page.say(response_created("resp_1"))
    assert page.session.gate.state is Gate.ACTIVE
    (odd,) = page.say(arguments_done("resp_1", "call_2"))[1:]
    assert isinstance(odd, Anomaly)  # nobody announced it (S4)
    page.say(*announced("resp_1", "call_1"), *completed("resp_1", "call_1"))
    page.session.send_function_result("call_1", "21", now=0.1)
    assert types(page.heard()) == ["conversation.item.create"]
    page.say(response_done("resp_1"))
    assert types(page.heard()) == ["response.create"]


def test_a_message_that_begins_in_our_words_holds_a_frame_a_line() -> None:
    page = Page()
    goodbye = {"type": "talkwire.bye", "code": "hangup"}
    told = page.relay.receive(f"{text_of(HELLO)}\n{text_of(goodbye)}", now=0.0)
    assert [type(event) for event in told[:2]] == [PageHello, PageLeft]


def test_what_was_refused_before_a_late_hello_is_told_as_lost() -> None:
    page = Page()
    (init,) = page.heard()
    page.relay.handle_timeout(now=5.0)
    page.say(HELLO, READY, now=5.0)
    event_id = init["init"][0]["event_id"]
    lost = page.say(error("string_above_max_length", event_id=event_id), now=6.0)[-1]
    assert isinstance(lost, ConfigurationLost)
    assert page.session.settings.desired == {}


def test_several_frames_then_leave_in_one_message() -> None:
    page = Page()
    page.heard()
    page.say(HELLO, READY)
    page.heard()
    page.session.send_text("Hello.", now=0.0)
    (message,) = page.messages()
    assert len(message.split("\n")) == 2


def test_a_hello_before_the_call_is_known_needs_no_invitation() -> None:
    page = Page(invited=False)
    page.say(HELLO)
    page.relay.open_call(URL, KEY, model="gpt-realtime", now=0.0)
    (init,) = page.heard()
    assert init["type"] == "talkwire.init"
    assert types(init["commands"]) == ["session.update"]


def test_a_hello_after_its_first_frame_is_no_page_of_ours() -> None:
    page = Page()
    page.say(arguments_done("resp_1", "call_1"))
    (odd,) = page.say(HELLO)
    assert odd == Anomaly(type="talkwire.hello", reason="the hop is open")
    assert page.session.plane == PARTIAL


def test_a_page_of_another_version_is_told_so() -> None:
    page = Page()
    page.heard()
    page.say({**HELLO, "version": 2})
    assert [frame["code"] for frame in page.heard()] == ["version"]


# -- the rest of the hop


def test_a_session_on_another_plane_invites_nobody() -> None:
    relay = Relay(Session(plane=RELAY, now=0.0), now=0.0)
    relay.open_call(URL, KEY, model="gpt-realtime", now=0.0)
    assert relay.next_frame() is None
    assert relay.hop is Hop.WAITING


@pytest.mark.parametrize("kind", ["ag2.init", "ag2.anything"])
def test_the_backends_words_are_not_the_pages_to_say(kind: str) -> None:
    page = Page()
    frame: dict[str, Any] = {"type": kind, "config": {"url": "https://evil.test"}}
    assert page.say(frame) == [
        Anomaly(type=kind, reason="no control message of the page has this type")
    ]


def test_a_model_that_is_no_text_is_refused_and_nothing_has_happened() -> None:
    page = Page(invited=False)
    with pytest.raises(LocalProtocolError, match="open_call"):
        page.relay.open_call(URL, KEY, model="\ud800", now=0.0)
    assert page.messages() == []
    page.relay.open_call(URL, KEY, now=0.0)
    assert types(page.heard()) == ["ag2.init"]


def test_an_invited_page_goes_on_from_a_snapshot() -> None:
    page = Page()
    page.heard()
    again = Relay.resume(page.relay.snapshot(now=1.0), now=50.0)
    again.receive(text_of(HELLO), now=50.0)
    init = json.loads(str(again.next_frame()))
    assert types(init["commands"]) == ["session.update"]
