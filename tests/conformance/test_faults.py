"""Binding, plane, fault: what breaks a wire, and what that may cost.

Nothing sleeps: the far end says and hears in the order of the score, and where nobody can know how
far the other side is, it waits for what the user has been handed.
"""

from __future__ import annotations

from collections import Counter

import pytest

from support.cells import CELLS, Cell, Halls, play
from support.conversation import points
from support.scripts import TOOLS

DROPS = [
    pytest.param(cell, cut, id=f"{cell.name}-after {cut}")
    for cell in CELLS
    for cut in points(TOOLS, cell.way)
]
every_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)


@pytest.mark.parametrize(("cell", "cut"), DROPS)
def test_a_far_end_that_is_gone_settles_every_command_once(
    halls: Halls, cell: Cell, cut: int
) -> None:
    alone, talk = play(halls, cell, TOOLS, cut=cut)
    assert talk.seen == alone.trace
    assert talk.seen[-1] == "SessionClosed"
    settled = Counter(talk.settled)
    assert set(settled.values()) <= {1}
    assert settled.keys() >= {*talk.asked}
