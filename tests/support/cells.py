"""The cells of the conformance suite's matrix: a binding on a plane, and a script played on it.

`Cell.play` has the far end say and hear what the score of the core alone says, in that order, over
the binding's own wire. What the user was handed must be what the core alone gave.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Protocol

import anyio
import attrs
import httpx2
from anyio.abc import SocketStream
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from support.bindings import BINDINGS, Binding, Connection
from support.conversation import Alone, Close, Do, Entry, Hear, Say, Script
from support.desk import KEY, Desk, open_desk
from support.far_end import PAGE_WAYS, PLANES, SERVICE_WAYS, FarEnd, Way, Wire
from support.page_bindings import PAGE_BINDINGS, Connect, Hall, Handler, PageBinding
from support.peers import CHUNK, Peer, PeerEnded, WebSocketPeer
from support.talks import Talk, plainly
from talkwire import Session
from talkwire_io.openai import OpenAI

Act = Callable[["Ends"], Awaitable[None]]
Before = Callable[[Peer], Awaitable[None]]
Manner = Callable[[Talk, Connection], Awaitable[None]]
LIMIT_S = 20.0
"""Real seconds after which a conversation on a real server has hung."""


@attrs.define
class Ends:
    """What the test moves: the peers of our wires; and the talk that it watches."""

    talk: Talk
    peers: dict[Wire, Peer]
    desk: Desk | None = None
    seen: int = 0
    """How many events the user is handed because of what was said so far."""
    _unheard: dict[Wire, deque[str]] = attrs.field(factory=dict[Wire, deque[str]])

    async def peer(self, wire: Wire) -> Peer:
        if wire not in self.peers:
            assert self.desk is not None
            self.peers[wire] = await self.desk.next_sideband()
        return self.peers[wire]

    async def hear(self, wire: Wire) -> str:
        """The next line; a message may bring several."""
        unheard = self._unheard.setdefault(wire, deque())
        if not unheard:
            unheard += (await (await self.peer(wire)).receive()).split("\n")
        return unheard.popleft()

    async def gone(self, wire: Wire) -> None:
        """Be gone on this wire once the user has all that was said; hear out the other."""
        await self.talk.has_seen(self.seen)
        await (await self.peer(wire)).drop()
        async with anyio.create_task_group() as group:
            group.start_soon(self._hear_out)
            await self.talk.ended.wait()
            group.cancel_scope.cancel()

    async def hear_out(self, *wires: Wire) -> None:
        """Take what still comes on these wires, none: on any, and answer its close."""
        async with anyio.create_task_group() as group:
            for wire in wires or self.peers:
                group.start_soon(_hear_out, await self.peer(wire))

    async def _hear_out(self) -> None:
        async with anyio.create_task_group() as group:
            for peer in self.peers.values():
                group.start_soon(_hear_out, peer)
            while self.desk is not None:
                group.start_soon(_hear_out, await self.desk.next_sideband())


async def _hear_out(peer: Peer) -> None:
    with suppress(PeerEnded, anyio.ClosedResourceError):
        while True:
            await peer.receive()
    await peer.drop()


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


@asynccontextmanager
async def plain_http(url: str) -> AsyncIterator[OpenAI]:
    """The service at the desk, without loading certificates that nobody asks for: a tenth of a
    second, hundreds of times."""
    async with httpx2.AsyncClient(verify=False, trust_env=False) as http:
        yield OpenAI(KEY, base_url=url, http=http)


async def knock(port: int, *, origin: str | None = "") -> tuple[WebSocketPeer, int]:
    """Connect as a page of this very host would; `origin` None: as what is no page would."""
    line = socket.socket(proto=socket.IPPROTO_TCP)  # for which asyncio sends without delay
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)  # so that it can be full
    line.connect(("127.0.0.1", port))
    line.setblocking(False)
    uri = parse_uri(f"ws://127.0.0.1:{port}/talk")
    peer = WebSocketPeer(await SocketStream.from_socket(line), ClientProtocol(uri, max_size=None))
    given = f"http://127.0.0.1:{port}" if origin == "" else origin
    return peer, await peer.knock(**({} if given is None else {"Origin": given}))


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


async def follow(
    ends: Ends, far: FarEnd, score: Sequence[Entry], before: Before | None = None
) -> None:
    """Say and hear what the score says. Before a move, and before anything is said on another wire,
    the user has been handed what was said so far."""
    wire: Wire | None = None
    for entry in score:
        if isinstance(entry, Do) or (isinstance(entry, Say | Close) and entry.wire != wire):
            await ends.talk.has_seen(ends.seen)
        match entry:
            case Do(move):
                far.do(move)
            case Hear(wire_heard):
                if before is not None:
                    await before(await ends.peer(wire_heard))
                far.take(await ends.hear(wire_heard))
            case Say(wire, seen):
                peer = await ends.peer(wire)
                await peer.send(far.said[wire].popleft())
                ends.seen = seen
            case Close(wire, code, reason):
                await (await ends.peer(wire)).close(code, reason)
