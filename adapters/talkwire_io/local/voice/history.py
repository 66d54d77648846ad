"""What a conversation's items say is still open: who waits for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from talkwire_io.local.voice.phrasing import parse_arguments
from talkwire_io.local.voice.shapes import as_list, as_mapping

# Nobody says more in one breath; patterns must not be run over a pasted book.
_LONGEST_UTTERANCE = 1_000
_TYPOGRAPHIC = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")


@attrs.frozen(kw_only=True)
class ToolOutput:
    """An output with the call it belongs to."""

    name: str
    arguments: Mapping[str, Any]
    output: str


@attrs.frozen(kw_only=True)
class History:
    """The open ends of a conversation."""

    user_text: str
    """The last thing the user said."""
    said_anything: bool
    """Whether the user has said anything at all, even if no words were understood."""
    user_is_waiting: bool
    """Nothing was said and nothing was called since the user spoke."""
    unspoken: Sequence[ToolOutput]
    """Outputs that came since the assistant last spoke."""
    running: Sequence[str]
    """Names of the calls whose output has not come."""
    asked_about: str
    """What the user had said before, if all it got was a question back; else ""."""


def read_history(items: Sequence[Mapping[str, Any]]) -> History:
    """Walk the items once, in order. Items of other types, or out of shape, are passed over."""
    calls: dict[Any, Mapping[str, Any]] = {}
    outputs: dict[Any, Mapping[str, Any]] = {}
    unspoken: dict[Any, ToolOutput] = {}
    user_text, earlier, waiting, spoken_to, asked = "", "", False, False, False
    for item in items:
        match item.get("type"), item.get("role"):
            case "message", "user":
                earlier = user_text if asked else ""
                user_text, waiting, spoken_to, asked = _text(item), True, True, False
            case "message", "assistant":
                asked, waiting = waiting and _text(item).endswith("?"), False
                unspoken.clear()
            case "function_call", _:
                calls[item.get("call_id")] = item
                waiting, asked = False, False
            case "function_call_output", _:
                call_id = item.get("call_id")
                outputs[call_id] = item
                unspoken[call_id] = _output(calls.get(call_id, {}), item)
            case _:
                pass
    return History(
        user_text=user_text,
        said_anything=spoken_to,
        user_is_waiting=waiting,
        unspoken=list(unspoken.values()),
        running=[str(call.get("name")) for id_, call in calls.items() if id_ not in outputs],
        asked_about=earlier,
    )


def _output(call: Mapping[str, Any], item: Mapping[str, Any]) -> ToolOutput:
    output = item.get("output")
    return ToolOutput(
        name=str(call.get("name") or ""),
        arguments=parse_arguments(call.get("arguments")),
        output=output if isinstance(output, str) else "",
    )


def _text(item: Mapping[str, Any]) -> str:
    parts = map(as_mapping, as_list(item.get("content")))
    said = [part.get("text") or part.get("transcript") for part in parts]
    text = " ".join(each for each in said if isinstance(each, str))
    return text[:_LONGEST_UTTERANCE].strip().translate(_TYPOGRAPHIC)
