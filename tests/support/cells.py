"""The cells of the conformance suite's matrix: a binding on a plane, and a script played on it.

`Cell.play` has the far end say and hear what the score of the core alone says, in that order, over
the binding's own wire. What the user was handed must be what the core alone gave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Protocol

import anyio
import attrs

from support.bindings import BINDINGS, Binding, Connection
from support.conversation import Alone, Script
from support.desk import open_desk
from support.ends import Before, Ends, follow, knock, plain_http
from support.far_end import PAGE_WAYS, PLANES, SERVICE_WAYS, FarEnd, Way, Wire
from support.page_bindings import PAGE_BINDINGS, Connect, Hall, Handler, PageBinding
from support.talks import Talk, plainly
from talkwire import Session

Act = Callable[[Ends], Awaitable[None]]
Manner = Callable[[Talk, Connection], Awaitable[None]]
LIMIT_S = 20.0
"""Real seconds after which a conversation on a real server has hung."""


class Halls:
    """The servers of the page bindings: each is started once, when a script first needs it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._halls: dict[str, Hall] = {}

    def of(self, binding: PageBinding) -> Hall:
        if binding.name not in self._halls:
            self._halls[binding.name] = self._stack.enter_context(binding.serving())
        return self._halls[binding.name]


@contextmanager
def open_halls() -> Iterator[Halls]:
    with ExitStack() as stack:
        yield Halls(stack)


class Cell(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def way(self) -> Way: ...
    @property
    def codes(self) -> bool:
        """Close codes are told on the wire that carries the session."""
        ...

    @property
    def pings(self) -> bool:
        """Its wires have pings."""
        ...

    @property
    def doubles(self) -> bool:
        """What was given up while the wire was full may be sent twice."""
        ...

    @property
    def watchful(self) -> Cell | None:
        """The same, where a far end that answers no ping is soon given up; None: it never is."""
        ...

    def run(self, halls: Halls, script: Script, act: Act, manner: Manner = plainly) -> Talk:
        """Have a talk, whose far end is moved by `act`."""
        ...


@attrs.frozen
class ServiceCell:
    """The far end is the service, on a wire with virtual time."""

    binding: Binding
    way: Way

    @property
    def name(self) -> str:
        return f"{self.binding.name}-{self.way}"

    @property
    def codes(self) -> bool:
        return self.binding.tells_codes

    @property
    def pings(self) -> bool:
        return self.binding.tells_codes

    @property
    def doubles(self) -> bool:
        return False

    @property
    def watchful(self) -> Cell | None:
        if not self.pings:
            return None
        link = partial(self.binding.link, ping_interval=20, ping_timeout=20)
        return attrs.evolve(self, binding=attrs.evolve(self.binding, link=link))

    def run(self, halls: Halls, script: Script, act: Act, manner: Manner = plainly) -> Talk:
        talks: list[Talk] = []

        async def main() -> None:
            talks.append(talk := Talk(script.user, manner, self.codes))
            now = self.binding.now()
            session = Session(plane=PLANES[self.way], now=now)
            session.session_update(script.settings, now=now)
            async with self.binding.link() as (transport, peer):
                async with anyio.create_task_group() as group:
                    group.start_soon(talk.run, self.binding.connect(session, transport))
                    await act(Ends(talk, {"service": peer}))

        self.binding.run(main)
        return talks[0]


@attrs.frozen
class PageCell:
    """The far end is a page, and the service behind it; the binding is on its own real server."""

    binding: PageBinding
    way: Way

    @property
    def name(self) -> str:
        return f"{self.binding.name}-{self.way}"

    @property
    def codes(self) -> bool:
        return self.binding.tells_codes or self.way == "relay+sideband"

    @property
    def pings(self) -> bool:
        return True

    @property
    def doubles(self) -> bool:
        return self.binding.doubles and self.way == "relay"

    @property
    def watchful(self) -> Cell | None:
        if self.binding.watchful is None:
            return None
        name = f"{self.binding.name} that pings"
        binding = attrs.evolve(self.binding, name=name, serve=self.binding.watchful)
        return attrs.evolve(self, binding=binding)

    def run(self, halls: Halls, script: Script, act: Act, manner: Manner = plainly) -> Talk:
        hall = halls.of(self.binding)

        async def main() -> Talk:
            with anyio.fail_after(LIMIT_S):
                async with open_desk() as desk:
                    talk = Talk(script.user, manner, self.codes)
                    hall.expect(self._handler(script, talk, desk.url))
                    peer, _ = await knock(hall.port)
                    try:
                        await act(Ends(talk, {"page": peer}, desk))
                        await talk.ended.wait()
                    finally:
                        await peer.drop()
            return talk

        return asyncio.run(main())

    def _handler(self, script: Script, talk: Talk, url: str) -> Handler:
        async def handle(connect: Connect, _: object) -> None:
            sideband = self.way == "relay+sideband"
            async with plain_http(url) as service:
                await talk.run(connect(script.settings, service=service, sideband=sideband))

        return handle


CELLS: tuple[Cell, ...] = (
    *(ServiceCell(each, way) for each in BINDINGS for way in SERVICE_WAYS),
    *(PageCell(each, way) for each in PAGE_BINDINGS for way in PAGE_WAYS),
)


def play(
    halls: Halls,
    cell: Cell,
    script: Script,
    manner: Manner = plainly,
    *,
    cut: int | None = None,
    gone: Wire | None = None,
    before: Before | None = None,
) -> tuple[Alone, Talk]:
    """A script in the core alone, and on a binding. After so many entries of the score as `cut` the
    wire `gone` breaks. `before` is done before anything is heard."""
    alone = perform(cell, script, cut=cut, gone=gone)
    far = FarEnd(cell.way)

    async def act(ends: Ends) -> None:
        await follow(ends, far, alone.score, before)
        if cut is None:
            await ends.hear_out()
        else:
            await ends.gone(alone.gone)

    talk = cell.run(halls, script, act, manner)
    assert far.heard == alone.far.heard
    return alone, talk


def perform(
    cell: Cell, script: Script, *, cut: int | None = None, gone: Wire | None = None
) -> Alone:
    """A script in the core alone, as it looks on this cell's plane."""
    wire: Wire = gone or ("page" if cell.way in PAGE_WAYS else "service")
    return Alone(script, cell.way, codes=cell.codes, cut=cut, gone=wire).perform()
