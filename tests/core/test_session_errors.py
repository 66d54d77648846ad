"""The service's errors, by what they mean for the session: §3.9."""

import pytest

from support.frames import (
    Script,
    error,
    event,
    item_added,
    message,
    response_created,
    response_done,
    session_updated,
    settled,
)
from talkwire import CommandSettled, LocalProtocolError, Outcome, Phase, commands
from talkwire.realtime.classify import ErrorClass, blocker, classify
from talkwire.realtime.events import ErrorDetails

FATAL = [
    "beta_api_shape_disabled",
    "invalid_api_key",
    "insufficient_quota",
    "model_not_found",
    "account_deactivated",
    "billing_hard_limit_reached",
    "call_id_not_found",
]
BENIGN = [
    "response_cancel_not_active",
    "input_audio_buffer_commit_empty",
    "item_truncate_invalid_item_id",
]
TOO_MUCH = ["inference_rate_limit_exceeded", "rate_limit_exceeded"]
ONE_OPERATION = [
    "item_delete_invalid_item_id",
    "item_retrieve_invalid_item_id",
    "item_create_invalid_previous_item_id",
    "cannot_update_voice",
    "invalid_value",
    "missing_required_parameter",
    "unknown_parameter",
    "string_above_max_length",
    "unsupported_content_type",
    "never_heard_of",
]


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("conversation_already_has_active_response", ErrorClass.GATE),
        ("session_expired", ErrorClass.SESSION_OVER),
        *((code, ErrorClass.FATAL) for code in FATAL),
        *((code, ErrorClass.BENIGN) for code in BENIGN),
        *((code, ErrorClass.RETRYABLE) for code in TOO_MUCH),
        *((code, ErrorClass.OPERATION) for code in ONE_OPERATION),
    ],
)
def test_an_error_is_sorted_by_its_code(code: str, meaning: ErrorClass) -> None:
    assert classify(ErrorDetails(code=code)) is meaning
    assert classify(ErrorDetails(code=code, message="Whatever it says.")) is meaning


@pytest.mark.parametrize("code", [None, "invalid_value", ""])
@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("Conversation already has an active response", ErrorClass.GATE),
        ("Cancellation failed: no active response found", ErrorClass.BENIGN),
        ("Audio content of 3200ms is already shorter than 5000ms", ErrorClass.BENIGN),
        ("Only model output audio messages can be truncated", ErrorClass.BENIGN),
        ("Something else.", ErrorClass.OPERATION),
    ],
)
def test_an_error_whose_code_says_nothing_is_sorted_by_its_words(
    code: str | None, words: str, meaning: ErrorClass
) -> None:
    assert classify(ErrorDetails(code=code, message=words)) is meaning


def test_an_error_that_says_nothing_at_all_is_about_one_operation() -> None:
    assert classify(ErrorDetails()) is ErrorClass.OPERATION
    assert blocker(ErrorDetails()) is None


def test_the_response_that_blocks_is_read_out_of_the_words_3_4() -> None:
    words = "Conversation already has an active response in progress: resp_A1b2. Wait until"
    assert blocker(ErrorDetails(message=words)) == "resp_A1b2"
    assert blocker(ErrorDetails(message="Conversation already has an active response")) is None


# -- one command


@pytest.mark.parametrize("code", [*BENIGN, *ONE_OPERATION])
def test_an_error_settles_the_command_it_names_and_no_other(code: str) -> None:
    script = Script()
    send = script.session.send
    first = send(commands.ConversationItemDelete(item_id="a"), now=0.0)
    second = send(commands.ConversationItemDelete(item_id="a"), now=0.0)
    (failure,) = script.tell(error(code, "No.", second))

    assert settled([failure]) == [(second, Outcome.FAILED)]
    assert isinstance(failure, CommandSettled)
    assert failure.error is not None
    assert (failure.error.code, failure.error.message) == (code, "No.")
    assert script.session.phase is Phase.READY
    deleted = event("conversation.item.deleted", item_id="a")
    assert settled(script.tell(deleted, deleted)) == [(first, Outcome.DONE)]


@pytest.mark.parametrize("event_id", [None, "", "event_of_the_page"])
def test_an_error_about_nothing_of_ours_settles_nothing_8(event_id: str | None) -> None:
    """Two controllers: each may hear of the other's errors."""
    script = Script()
    ours = script.session.send(commands.ConversationItemDelete(item_id="a"), now=0.0)
    assert script.tell(error("item_delete_invalid_item_id", event_id=event_id)) == []
    assert script.session.phase is Phase.READY
    deleted = event("conversation.item.deleted", item_id="a")
    assert settled(script.tell(deleted)) == [(ours, Outcome.DONE)]


def test_an_error_that_comes_twice_settles_once() -> None:
    script = Script()
    ours = script.session.send(commands.ConversationItemDelete(item_id="a"), now=0.0)
    frame = error("item_delete_invalid_item_id", event_id=ours)
    assert settled(script.tell(frame, frame)) == [(ours, Outcome.FAILED)]


def test_a_response_that_failed_is_no_error_and_opens_the_gate() -> None:
    script = Script()
    script.begin("resp_1")
    script.session.send(commands.ResponseCreate(), now=0.0)
    script.hear(response_done("resp_1", "failed"))
    assert script.sent_types() == ["response.create"]
    assert script.session.phase is Phase.READY


# -- the session


@pytest.mark.parametrize("code", [*FATAL, "session_expired"])
def test_a_fatal_error_ends_the_session_and_names_the_state(code: str) -> None:
    script = Script()
    script.hear(error(code))
    assert script.session.phase is Phase.ENDING
    assert not script.session.closed
    with pytest.raises(LocalProtocolError, match=r"send_text is not legal .* ending"):
        script.session.send_text("Hello?", now=0.0)
    with pytest.raises(LocalProtocolError, match=r"cancel is not legal .* ending"):
        script.session.cancel(now=0.0)
    assert script.sent() == []


def test_after_a_fatal_error_nothing_leaves_any_more() -> None:
    script = Script()
    script.begin("resp_1")
    waiting = script.session.send(commands.ResponseCreate(), now=0.0)
    script.hear(error("session_expired"), response_done("resp_1"))
    assert script.sent() == []
    assert settled(list(script.session.receive_close(code=1001, now=0.0))) == [
        (waiting, Outcome.LOST)
    ]


def test_after_a_fatal_error_the_last_words_are_still_heard() -> None:
    script = Script()
    script.hear(error("insufficient_quota"), item_added(message("a", "assistant", "Bye.")))
    script.hear(session_updated(instructions="Late."), response_created("resp_1"))
    assert [item.text for item in script.session.conversation] == ["Bye."]
    assert script.session.phase is Phase.ENDING


def test_a_fatal_error_about_a_command_settles_it_too() -> None:
    script = Script()
    ours = script.session.send(commands.ResponseCreate(), now=0.0)
    assert settled(script.tell(error("insufficient_quota", event_id=ours))) == [
        (ours, Outcome.FAILED)
    ]
    assert script.session.phase is Phase.ENDING
