"""The scripted conversations of the conformance suite."""

from __future__ import annotations

from collections.abc import Sequence

from support.conversation import Script, Told, Verb
from support.far_end import (
    PAGE_WAYS,
    answers,
    calls,
    closes,
    listens_again,
    page_says,
    says,
    speaks,
    stops_listening,
    user_speaks,
)
from support.hop import tell
from talkwire import Event, FunctionCall, PageEvent, PageText, UnknownEvent, commands, events

Heard = Event | PageEvent
Verbs = Sequence[Verb]


def configured(event: Heard, seen: Sequence[Told]) -> bool:
    """The first configuration is in force."""
    return isinstance(event, events.SessionUpdated) and seen.count("SessionUpdated") == 1


def types(event: Heard, seen: Sequence[Told]) -> Verbs:
    return [("send_text", "Hello.")] if configured(event, seen) else []


def uses_tools(event: Heard, seen: Sequence[Told]) -> Verbs:
    if isinstance(event, FunctionCall):
        return [("send_function_result", event.call_id, "sunny")]
    return types(event, seen)


def listens(event: Heard, seen: Sequence[Told]) -> Verbs:
    """Where audio passes, its player tells how far it is."""
    if isinstance(event, events.ResponseOutputAudioDelta):
        return [("report_playback", event.item_id, 500)]
    return types(event, seen)


def asks_for_what_is_not_there(event: Heard, seen: Sequence[Told]) -> Verbs:
    command = commands.ConversationItemDelete(item_id="item_that_never_was")
    return [("send", command)] if configured(event, seen) else []


def updates(event: Heard, seen: Sequence[Told]) -> Verbs:
    if not configured(event, seen):
        return []
    return [
        ("session_update", {"instructions": "Be brief."}),
        ("session_update", {"tool_choice": "nonsense"}),
    ]


def passes_on(event: Heard, seen: Sequence[Told]) -> Verbs:
    return [("send_text", event.text)] if isinstance(event, PageText) else []


BYE = page_says(type="talkwire.bye", code="hangup", message="Done.")
TEXT = page_says(type="talkwire.text", text="Hello?")

TYPED = Script("typed turn", [answers("Hi", " there."), closes()], types)
TOOLS = Script(
    "two functions at once",
    [
        calls(("weather", '{"city":"Rome"}'), ("weather", '{"city":"Oslo"}')),
        answers("Sunny."),
        closes(),
    ],
    uses_tools,
)
BARGE_IN = Script(
    "barge-in",
    [speaks(2000, "Once upon a time"), user_speaks, closes()],
    listens,
    settings={"output_modalities": ["audio"]},
)
REFUSED = Script("refused command", [closes()], asks_for_what_is_not_there)
SETTINGS = Script("settings", [closes()], updates)
TYPED_IN_THE_PAGE = Script(
    "typed in the page", [TEXT, answers("Yes?"), BYE], passes_on, ways=PAGE_WAYS
)
GOODBYE = Script("the page's goodbye", [answers("Hi"), BYE], types, ways=PAGE_WAYS)
CLOSES = [
    (
        Script(f"closed with {code}", [answers("Hi"), closes(code, why)], types, needs_codes=True),
        f"{code} {why}".strip(),
    )
    for code, why in [(1000, ""), (1001, "going away"), (1011, "é"), (4000, "beta is over")]
]

PIECES = 30
PIECE = "x" * 200_000  # all of them are more than any wire holds


def floods(event: Heard, seen: Sequence[Told]) -> Verbs:
    """When it is told to."""
    if isinstance(event, UnknownEvent) and event.type == "flood":
        return [("send", _item(f"{number} {PIECE}")) for number in range(PIECES)]
    return []


def _item(text: str) -> commands.ConversationItemCreate:
    content = [{"type": "input_text", "text": text}]
    return commands.ConversationItemCreate(
        item={"type": "message", "role": "user", "content": content}
    )


FLOOD = Script(
    "slow consumer",
    [
        stops_listening,
        says('{"type":"flood"}'),
        says('{"type":"meanwhile"}'),
        listens_again,
        closes(),
    ],
    floods,
)
LARGE = Script(
    "a megabyte",
    [says(tell(type="large", padding="x" * 1_000_000)), answers("Hi"), closes()],
    types,
)
