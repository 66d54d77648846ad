"""An engine's mistakes are named and change nothing, whatever it gives to whichever move."""

from typing import Any, cast

import pytest

from support.service_line import Line
from talkwire.errors import LocalProtocolError

DEEP: Any = []
for _ in range(100):
    DEEP = [DEEP]
GOOD: dict[str, dict[str, Any]] = {
    "speech_started": {"audio_start_ms": 0, "played_ms": 0},
    "speech_stopped": {"audio_end_ms": 0},
    "audio_received": {"duration_ms": 0},
    "transcript_delta": {"item_id": "item_1", "delta": ""},
    "transcript_segment": {
        "item_id": "item_1",
        "text": "",
        "speaker": "",
        "start": 0.0,
        "end": 0.0,
        "segment_id": "",
    },
    "transcribed": {"item_id": "item_1", "transcript": "", "more": {}},
    "transcription_failed": {"item_id": "item_1", "message": ""},
    "message_started": {"response_id": "resp_1", "modality": "text"},
    "text": {"response_id": "resp_1", "delta": ""},
    "audio": {"response_id": "resp_1", "audio": b"", "duration_ms": 0},
    "message_done": {"response_id": "resp_1"},
    "function_call": {"response_id": "resp_1", "name": "", "arguments": ""},
    "response_done": {"response_id": "resp_1", "usage": {}},
    "response_incomplete": {
        "response_id": "resp_1",
        "usage": {},
        "reason": "content_filter",
    },
    "response_failed": {"response_id": "resp_1", "code": "", "message": ""},
    "playback_stopped": {"response_id": "resp_1"},
    "mcp_listed": {"item_id": "item_1", "tools": [{}]},
    "mcp_call": {
        "response_id": "resp_1",
        "server_label": "",
        "name": "",
        "arguments": "",
        "approval_request_id": "",
    },
    "mcp_call_done": {"response_id": "resp_1", "item_id": "item_1", "output": ""},
    "mcp_call_failed": {
        "response_id": "resp_1",
        "item_id": "item_1",
        "message": "",
        "kind": "http_error",
    },
    "heard_text": {"delta": "", "elapsed_ms": 0},
    "translated_text": {"delta": "", "elapsed_ms": 0},
    "translated_audio": {"audio": b"", "elapsed_ms": 0},
    "translation_done": {},
    "receive": {"frame": "{}", "played_ms": 0},
    "receive_close": {},
    "handle_timeout": {},
    "end_session": {"code": "", "message": "", "close_code": 1011},
}
NOT_TEXT = (None, 1, b"x")
NOT_MS = ("1", -1, 1.5, True, 10**400)
NOT_SECONDS = ("1", None, float("nan"), float("inf"), 10**5000)
NOT_JSON = ({"a": object()}, {1: DEEP}, DEEP)
BAD: dict[str, tuple[Any, ...]] = {
    "audio": ("AAAA", None, 1),
    "modality": ("song", None),
    "reason": ("tired", None),
    "kind": ("cold", None),
    "usage": (*NOT_JSON, "x", ["ab"], 1),
    "more": (*NOT_JSON, "x", ["ab"], 1),
    "tools": ([{"a": object()}], [1], ["x"]),
    "close_code": NOT_MS,
    "start": NOT_SECONDS,
    "end": NOT_SECONDS,
    "now": NOT_SECONDS,
}
OPTIONAL = {"played_ms", "elapsed_ms", "segment_id", "approval_request_id"}


def bad(name: str) -> tuple[Any, ...]:
    """Values that a parameter of this name does not take."""
    values = BAD.get(name, NOT_MS if name.endswith("_ms") else NOT_TEXT)
    return tuple(value for value in values if value is not None or name not in OPTIONAL)


MISTAKES = [
    pytest.param(move, name, value, id=f"{move}-{name}-{index}")
    for move, fields in GOOD.items()
    for name in (*fields, "now")
    if name != "frame"
    for index, value in enumerate(bad(name))
]


@pytest.mark.parametrize(("move", "name", "value"), MISTAKES)
def test_what_a_move_does_not_take_is_named_and_changes_nothing(
    move: str, name: str, value: Any
) -> None:
    line = Line()
    line.user_speaks()
    line.frames()
    before = (line.service.session, line.service.items, line.service.next_timeout())

    with pytest.raises(LocalProtocolError, match=move):
        getattr(line.service, move)(**{"now": 0.0, **GOOD[move], name: value})

    assert line.frames() == []
    assert before == (line.service.session, line.service.items, line.service.next_timeout())


def test_the_code_of_a_remote_error_is_json() -> None:
    with pytest.raises(LocalProtocolError, match="mcp_call_failed"):
        Line().service.mcp_call_failed("resp_1", "mcp_1", "", code=cast(Any, object()), now=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"session": {"instructions": object()}},
        {"session": {"instructions": ()}},
        {"expires_in": float("nan")},
        {"expires_at": -1},
        {"context_tokens": -1},
        {"plane": None},
        {"kind": None},
        {"rate_limits": "x"},
        {"rate_limits": {"tokens": "1"}},
        {"rate_limits": {"tokens": 0}},
        {"rate_limits": {"words": 1}},
    ],
)
def test_a_service_is_not_opened_with_what_it_does_not_take(settings: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="Service"):
        Line(**settings)


def test_only_who_is_attached_can_be_detached() -> None:
    line, other = Line(), Line()
    attachment = other.service.attach()

    with pytest.raises(LocalProtocolError, match="detach"):
        line.service.detach(attachment)
