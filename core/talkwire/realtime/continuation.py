"""A conversation told again on a new session: there is no resume in the protocol (§1.7).

What goes over are words. The user's become `input_text`, the assistant's `output_text`, whatever
they were before: audio of the assistant's cannot be put in (§1.4). Of what was cut off only what
the user heard goes over; calls go with their outputs or not at all (livekit/agents-js#1843). What
has no words, and what only the service can make (MCP), stays behind.
"""

from collections.abc import Iterable, Iterator

from . import commands as c
from .conversation import ConversationItem
from .json_values import JsonObject
from .limits import ITEM_ID

MAX_IMAGE = 192 * 1024
"""Characters of a data URL that go over; more would not fit a data channel's message."""

Retold = c.SessionUpdate | c.ConversationItemCreate

_PARTS = {"user": "input_text", "system": "input_text", "assistant": "output_text"}


def continuation(
    items: Iterable[ConversationItem], desired: JsonObject, *, max_image: int = MAX_IMAGE
) -> list[Retold]:
    """The commands that set up a new session and tell it the conversation, in order.

    None of them asks for a response. An item's id is left to the new session, whose own ids may
    be the same as those of the old one. A call keeps the id that a client may give, so that a
    result still finds it. The model is chosen where the session is opened, so it is left out.
    """
    settings = {key: value for key, value in desired.items() if key != "model"}
    update = [c.SessionUpdate(session=settings)] if settings else []
    return [*update, *_created(list(items), max_image)]


def _created(items: list[ConversationItem], max_image: int) -> Iterator[c.ConversationItemCreate]:
    answered = _answered(items)
    for item in items:
        if item.type == "message":
            told = _message(item, max_image)
        else:
            told = answered.get(item.id)
        if told is not None:
            yield c.ConversationItemCreate(item=told)


def _message(item: ConversationItem, max_image: int) -> JsonObject | None:
    kind = _PARTS.get(item.role or "")
    if kind is None:
        return None
    words = item.heard_text
    content: list[JsonObject] = [{"type": kind, "text": words}] if words else []
    if item.role == "user":
        content += [dict(image) for image in item.images if len(image["image_url"]) <= max_image]
    return {"type": "message", "role": item.role, "content": content} if content else None


def _answered(items: list[ConversationItem]) -> dict[str, JsonObject]:
    """By the item's id: the calls that have an output behind them, and the first output of each."""
    calls: dict[str, ConversationItem] = {}
    told: dict[str, JsonObject] = {}
    for item in items:
        if item.type == "function_call" and item.call_id:
            calls[item.call_id] = item
        elif item.type == "function_call_output" and item.call_id in calls:
            call = calls.pop(item.call_id)
            call_id = _call_id(item.call_id, len(told))
            told[call.id] = {
                "type": "function_call",
                "call_id": call_id,
                "name": call.name or "",
                "arguments": call.arguments or "",
            }
            told[item.id] = {
                "type": "function_call_output",
                "call_id": call_id,
                "output": item.output or "",
            }
    return told


def _call_id(call_id: str, number: int) -> str:
    """The id of a call; one that is too long for a client to give gets another (§1.4)."""
    return call_id if ITEM_ID.fullmatch(call_id) else f"call_continued_{number}"
