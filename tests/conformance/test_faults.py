"""Binding, plane, fault: what breaks a wire or fills it, and what that may cost.

Nothing sleeps: the far end says and hears in the order of the score, and where nobody can know how
far the other side is, it waits for what the user has been handed.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from support.cells import CELLS, Cell, Halls, PageCell, ServiceCell, perform, play
from support.conversation import Do, Script, points
from support.ends import Ends, follow
from support.far_end import PAGE_WAYS, FarEnd, Wire, listens_again
from support.peers import Peer, WebSocketPeer
from support.scripts import FLOOD, LARGE, PIECES, TOOLS, TYPED
from support.talks import fickly, impatiently, in_another_task


def name(cell: Cell) -> str:
    return cell.name


every_cell = pytest.mark.parametrize("cell", CELLS, ids=name)
with_pings = pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.pings], ids=name)


def wires(cell: Cell) -> list[Wire]:
    if cell.way == "relay+sideband":
        return ["page", "service"]
    return ["page" if cell.way in PAGE_WAYS else "service"]


DROPS = [
    pytest.param(cell, gone, cut, id=f"{cell.name}-{gone} gone after {cut}")
    for cell in CELLS
    for gone in wires(cell)
    for cut in points(TOOLS, cell.way, gone)
]


@pytest.mark.parametrize(("cell", "gone", "cut"), DROPS)
def test_a_far_end_that_is_gone_settles_every_command_once(
    halls: Halls, cell: Cell, gone: Wire, cut: int
) -> None:
    alone, talk = play(halls, cell, TOOLS, cut=cut, gone=gone)
    assert talk.seen == alone.trace
    assert talk.seen[-1] == "SessionClosed"
    settled = Counter(talk.settled)
    assert set(settled.values()) <= {1}
    assert settled.keys() >= {*talk.asked}


@every_cell
def test_a_reader_that_gives_up_again_and_again_is_handed_everything(
    halls: Halls, cell: Cell
) -> None:
    alone, talk = play(halls, cell, TOOLS, impatiently)
    assert talk.seen == alone.trace


@every_cell
def test_a_slow_consumer_loses_nothing_and_does_not_hold_up_who_reads(
    halls: Halls, cell: Cell
) -> None:
    alone = perform(cell, FLOOD)
    far, again = FarEnd(cell.way), alone.score.index(Do(listens_again))

    async def act(ends: Ends) -> None:
        await follow(ends, far, alone.score[:again])
        await ends.talk.has_seen(ends.seen)  # "meanwhile" among it
        if cell.way != "relay+sideband":  # how much that socket holds, the kernel decides
            assert len(ends.talk.asked) < PIECES  # who sends is held up
        await follow(ends, far, alone.score[again:])
        await ends.hear_out()

    talk = cell.run(halls, FLOOD, act, in_another_task)
    assert far.heard == alone.far.heard
    assert talk.seen == alone.trace
    assert len(talk.asked) == PIECES


@every_cell
def test_a_sender_that_gives_up_again_and_again_loses_nothing_and_sends_nothing_twice(
    halls: Halls, cell: Cell
) -> None:
    alone = perform(cell, FLOOD)
    flooded = alone.score.index(Do(listens_again)) - 1  # "meanwhile" is not said
    far, came = FarEnd(cell.way), list[str]()

    async def act(ends: Ends) -> None:
        await follow(ends, far, alone.score[:flooded])
        await ends.talk.has_seen(ends.seen)
        while len({*came}) < PIECES:
            command = json.loads(await ends.hear(far.carrier))
            came.append(command["item"]["content"][0]["text"].partition(" ")[0])
        await (await ends.peer(far.carrier)).close(1000)
        await ends.hear_out()

    cell.run(halls, FLOOD, act, fickly)
    if cell.doubles:
        came = list(dict.fromkeys(came))
    assert came == [str(number) for number in range(PIECES)]


@every_cell
def test_a_megabyte_is_read_and_from_a_page_refused_and_the_talk_goes_on(
    halls: Halls, cell: Cell
) -> None:
    alone, talk = play(halls, cell, LARGE)
    assert talk.seen == alone.trace
    kind = "InvalidFrame" if cell.way == "relay" else "UnknownEvent"
    assert talk.seen.count(kind) == 1
    assert "ResponseOutputTextDone text=Hi" in talk.seen


@with_pings
def test_a_storm_of_pings_changes_nothing(halls: Halls, cell: Cell) -> None:
    async def storm(peer: Peer) -> None:
        assert isinstance(peer, WebSocketPeer)
        await peer.ping(50)

    alone, talk = play(halls, cell, TOOLS, before=storm)
    assert talk.seen == alone.trace


# Half-open: the far end says nothing more, and no FIN comes.


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if isinstance(cell, ServiceCell) and cell.watchful], ids=name
)
def test_a_service_that_falls_silent_is_given_up(halls: Halls, cell: ServiceCell) -> None:
    cut = points(TYPED, cell.way, "service")[-1]  # the turn is over: no deadline is running
    silent(halls, cell, TYPED, cut)


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if isinstance(cell, PageCell) and cell.watchful], ids=name
)
def test_a_page_that_falls_silent_is_given_up(halls: Halls, cell: PageCell) -> None:
    silent(halls, cell, TYPED, 2)  # hello was said, and how to open the call was heard


def silent(halls: Halls, cell: Cell, script: Script, cut: int) -> None:
    assert cell.watchful is not None
    alone = perform(cell, script, cut=cut)

    async def act(ends: Ends) -> None:
        await follow(ends, FarEnd(cell.way), alone.score)
        await ends.talk.ended.wait()

    assert cell.watchful.run(halls, script, act).seen == alone.trace
