"""What our client says, read by openai-python's own types: nothing missing, nothing it lacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from openai.types.realtime import RealtimeClientEvent
from pydantic import BaseModel

from support.frames import (
    Frame,
    Script,
    audio_delta,
    completed,
    item_done,
    message,
    output_item,
    response_created,
    response_done,
)
from talkwire import Session

MODELS: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(RealtimeClientEvent)[0])
}
SETTINGS: dict[str, Any] = {
    "instructions": "Be short.",
    "output_modalities": ["audio"],
    "tools": [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}],
    "audio": {"input": {"turn_detection": {"type": "server_vad"}}, "output": {"voice": "marin"}},
}
APPROVAL = {
    "id": "item_q",
    "type": "mcp_approval_request",
    "server_label": "dice",
    "name": "roll",
    "arguments": "{}",
}
SPEAKING = output_item("added", "resp_1", message("item_1", "assistant", status="in_progress"))

SITUATIONS: dict[str, tuple[list[Frame], Callable[[Session], object]]] = {
    "text": ([], lambda session: session.send_text("Hello.", now=1.0)),
    "text alone": ([], lambda session: session.send_text("Hello.", respond=False, now=1.0)),
    "sound": ([], lambda session: session.send_audio(bytes(4_800), now=1.0)),
    "settings": ([], lambda session: session.session_update(SETTINGS, now=1.0)),
    "a function's result, and the answer to it": (
        [
            response_created("resp_1"),
            *completed("resp_1", "call_1"),
            response_done("resp_1"),
        ],
        lambda session: session.send_function_result("call_1", "sunny", now=1.0),
    ),
    "an answer cut short": (
        [response_created("resp_1"), SPEAKING, audio_delta("resp_1", "item_1", 400)],
        lambda session: session.truncate_audio("item_1", 100, now=1.0),
    ),
    "an answer cancelled": ([response_created("resp_1")], lambda session: session.cancel(now=1.0)),
    "leave for a tool": (
        [response_created("resp_1"), output_item("done", "resp_1", APPROVAL), item_done(APPROVAL)],
        lambda session: session.send_mcp_approval("item_q", True, now=1.0),
    ),
}


def unknown(value: object, path: str) -> Iterator[str]:
    """The fields that their types do not have."""
    if isinstance(value, BaseModel):
        yield from (f"{path}.{name}" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for each in value:
            yield from unknown(each, path)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_sent_is_a_client_event_of_theirs_to_the_last_field(situation: str) -> None:
    heard, call = SITUATIONS[situation]
    script = Script()
    script.hear(*heard)
    call(script.session)
    sent = script.sent()
    assert sent
    for frame in sent:
        read = MODELS[frame["type"]].model_validate_json(json.dumps(frame), strict=True)
        assert list(unknown(read, frame["type"])) == []
        assert json.loads(read.model_dump_json(exclude_unset=True)) == frame
