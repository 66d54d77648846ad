"""Binding, plane, script: a conversation is the same on every wire.

The trace is the list of events that `async for` hands to the user, with their essential fields. The
one that counts is the core's alone: the same conversation with no I/O at all. What it must show is
said beside each script, so that the core cannot agree with itself about nothing.
"""

from __future__ import annotations

import pytest

from support.cells import CELLS, Cell, Halls, play
from support.conversation import Script
from support.scripts import (
    BARGE_IN,
    CLOSES,
    GOODBYE,
    REFUSED,
    SETTINGS,
    TOOLS,
    TYPED,
    TYPED_IN_THE_PAGE,
)

SHOWS: list[tuple[Script, dict[str, int]]] = [
    (TYPED, {"ResponseOutputTextDelta delta=Hi": 1, "ResponseOutputTextDone text=Hi there.": 1}),
    (
        TOOLS,
        {
            'FunctionCall arguments={"city":"Rome"} name=weather': 1,
            'FunctionCall arguments={"city":"Oslo"} name=weather': 1,
            "CommandSettled conversation.item.create done": 3,
            "CommandSettled response.create done": 2,
        },
    ),
    (BARGE_IN, {"Interrupted": 1}),
    (
        REFUSED,
        {"CommandSettled conversation.item.delete failed error=item_delete_invalid_item_id": 1},
    ),
    (SETTINGS, {"CommandSettled session.update done": 2, "ConfigurationLost": 1}),
    (TYPED_IN_THE_PAGE, {"PageText text=Hello?": 1, "CommandSettled response.create done": 1}),
    (GOODBYE, {"PageLeft code=hangup": 1}),
    *((script, {f"SessionClosed {end}": 1}) for script, end in CLOSES),
]
MATRIX = [
    pytest.param(cell, script, shows, id=f"{cell.name}-{script.name}")
    for cell in CELLS
    for script, shows in SHOWS
    if cell.way in script.ways and (cell.codes or not script.needs_codes)
]


@pytest.mark.parametrize(("cell", "script", "shows"), MATRIX)
def test_a_conversation_is_what_it_is_without_a_wire(
    halls: Halls, cell: Cell, script: Script, shows: dict[str, int]
) -> None:
    alone, talk = play(halls, cell, script)
    assert talk.seen == alone.trace
    counts = {event: sum(each.startswith(event) for each in talk.seen) for event in shows}
    assert counts == shows
    assert talk.seen[-1].startswith("SessionClosed")
